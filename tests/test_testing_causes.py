"""Hints: a cause is told from another one that fits as well, and none says the opposite of what is."""

import numpy as np
import pytest

from npgan.testing import FAIL, check_gradients
from npgan.testing.explain import hints, lacks, repair
from npgan.testing.explain.changes import other_factors
from npgan.testing.explain.lifted import lifted
from npgan.testing.explain.traced import Tape

rng = np.random.default_rng(0)


def draw(*shape):
    return rng.standard_normal(shape)


def rows_of(func, grad, *args, style="dout"):
    """The first hint of every argument that is wrong."""
    report = check_gradients(func, grad, args, style=style)
    assert report.verdict == FAIL, str(report)
    return {row.name: row.hint for row in report.arguments if row.hint}


def only(monkeypatch, *rules):
    """Hints of some rules alone."""
    monkeypatch.setattr(hints, "RULES", rules)


def without(monkeypatch, *rules):
    monkeypatch.setattr(hints, "RULES", tuple(r for r in hints.RULES if r not in rules))


# Terms that are one too many: the right gradient is g - g.mean(axis=0).
def centred(x):
    return np.tanh(x - x.mean(axis=0))


def slope(dout, x):
    return dout * (1 - centred(x) ** 2)


TOO_MANY = {
    "twice": (lambda g: g - g.mean(axis=0) - g.mean(axis=0), "the term `g.mean(axis=0)` in"),
    "another size": (
        lambda g: g - g.mean(axis=0) / len(g),
        "the division by the constant `len(g)`",
    ),
    "a number": (lambda g: g - 3 * g.mean(axis=0), "the constant factor `3` in"),
}


@pytest.mark.parametrize("name", TOO_MANY)
def test_what_is_one_too_many_is_not_called_missing(name, monkeypatch):
    of, words = TOO_MANY[name]
    only(monkeypatch, repair.repaired)
    said = rows_of(centred, lambda dout, x: of(slope(dout, x)), draw(5, 3))["x"]
    assert "one too many" in said
    assert words in said
    assert "missing" not in said


def steps_of(function, *arrays):
    """What an expression records on a tape."""
    tape = Tape(is_thorough=True)
    with lifted(tape):
        function(*(tape.wrap(a) for a in arrays))
    return tape.steps


@pytest.mark.parametrize(
    ("of", "times", "words"),
    [
        (lambda g, m: g - m - m, 1.0, "is one too many"),
        (lambda g, m: g - m * 4, 1.0, "0.75 times it belongs there"),
        (lambda g, m: (g + m) + g, -2.0, "-1 times it belongs there"),
        (lambda g, m: g * g - g, 1.0, ""),
    ],
)
def test_a_term_that_seems_missing_is_looked_for_in_the_sum(of, times, words):
    g, m = draw(4, 3), draw(4, 3)
    steps = steps_of(of, g, m)
    total = steps[-1].result
    said = lacks.already_there(steps, len(steps) - 1, total, lambda: times * m)
    assert said.endswith(words)
    assert bool(said) == bool(words)


# What another argument contradicts.
def log_sum_exp(x, w):
    z = x + w[:, None]
    m = z.max((0, 2), keepdims=True)
    return np.log(np.exp(z - m).sum((0, 2))) + m[0, :, 0]


def d_log_sum_exp(dout, x, w, of_p=(0, 2), of_w=(0, 2)):
    z = x + w[:, None]
    e = np.exp(z - z.max((0, 2), keepdims=True))
    p = e / e.sum(of_p, keepdims=True)
    dx = p * dout[:, None]
    return dx, dx.sum(of_w)


CUBE, THREE = draw(3, 3, 3), draw(3)
WRONG_AXES = {"p": ({"of_p": (0, 1)}, ("x", "w")), "w": ({"of_w": (0, 1)}, ("w",))}


@pytest.mark.parametrize("name", WRONG_AXES)
def test_several_wrong_axes_are_named(name):
    """Not an operand that could be transposed for w alone: for x that would be wrong."""
    options, wrong = WRONG_AXES[name]
    said = rows_of(
        log_sum_exp, lambda dout, x, w: d_log_sum_exp(dout, x, w, **options), CUBE, THREE
    )
    assert tuple(said) == wrong
    assert all("is summed over the wrong axis: axis=(0, 2) is right" in s for s in said.values())


def test_a_change_that_spoils_another_argument_is_no_cause(monkeypatch):
    monkeypatch.setattr(repair, "STAGES", repair.STAGES[:1])  # in which the axes are not
    func = lambda w, x: log_sum_exp(x, w)
    bad = lambda dout, w, x: d_log_sum_exp(dout, x, w, of_p=(0, 1))[::-1]
    assert "is transposed" not in rows_of(func, bad, THREE, CUBE)["w"]
    monkeypatch.setattr(repair.Bench, "slopes_repaired", lambda *_: 0)
    assert "is transposed" in rows_of(func, bad, THREE, CUBE)["w"]


def test_a_path_of_func_that_another_argument_uses_rightly_is_doubted(monkeypatch):
    without(monkeypatch, repair.repaired)
    bad = lambda dout, x, w: d_log_sum_exp(dout, x, w, of_w=(0, 1))
    said = rows_of(log_sum_exp, bad, CUBE, THREE)["w"]
    assert "is transposed" not in said or said.endswith("(for w alone)")


def soft(z):
    e = np.exp(z - z.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def mixture(x, mu, log_s):
    z = -0.5 * ((x[:, None] - mu) * np.exp(-log_s)) ** 2 - log_s
    m = z.max(1)
    return np.sum(m + np.log(np.exp(z - m[:, None]).sum(1)))


def d_mixture(x, mu, log_s):
    u = (x[:, None] - mu) * np.exp(-log_s)
    r = soft(-0.5 * u**2)  # lacks - log_s
    d = r * u * np.exp(-log_s)
    return -d.sum(1), d.sum(0), (r * (u**2 - 1)).sum(0)


def test_a_missing_term_is_no_wrong_one_and_every_argument_says_so():
    """Any number may stand for the maximum; two slopes of mu suffice where x has many."""
    said = rows_of(mixture, d_mixture, draw(6), draw(2), draw(2), style="loss")
    assert list(said) == ["x", "mu", "log_s"]
    assert len(set(said.values())) == 1
    assert "the term `log_s` is missing, with a minus" in said["x"]


def test_one_slope_suffices_for_what_the_slopes_of_another_argument_have_told(monkeypatch):
    """The scale is one number, of which any factor explains the error; x has twelve."""
    func = lambda x, s: np.exp(np.tanh(x * s)) * x
    bad = lambda d, x, s: d_scaled(d * np.exp(np.tanh(x * s)), x, s)

    def d_scaled(d, x, s):
        g = d * x * np.tanh(x * s) ** 2  # 1 minus it
        return g * s + d, np.sum(g * x)

    monkeypatch.setattr(repair.Bench, "slopes_repaired", lambda *_: 0)
    said = rows_of(func, bad, draw(4, 3), np.array(0.7))
    assert said["x"] == said["s"]
    assert said["s"].startswith("in backward")


# A sign that does not matter, because nothing of the term is left with either.
def test_no_sign_is_wrong_of_a_term_that_is_one_too_many():
    def bad(dout, x):
        g = dout * (x > 0)
        return g + 0.3 * np.max(np.abs(g)) * x * np.sign(np.sum(dout))

    said = rows_of(lambda x: np.maximum(x, 0), bad, draw(5, 4))["x"]
    assert "has the wrong sign" not in said


# One function each, with the mistake in it, for what backward may do wrong at an operation.
def gated(x, W, b):
    s = 1 / (1 + np.exp(-(x.mean(axis=2) @ W + b)))
    return x * s[:, :, None]


def d_gated(dout, x, W, b):
    m = x.mean(axis=2)
    s = 1 / (1 + np.exp(-(m @ W + b)))
    ds = (dout * s[:, :, None]).sum(axis=2)  # x for s
    dz = ds * s * (1 - s)
    return dout * s[:, :, None] + (dz @ W.T)[:, :, None] / x.shape[2], m.T @ dz, dz.sum(axis=0)


def film(x, c, W):
    return (c @ W)[:, None, :] * x + c[:, None, :1]


def d_film(dout, x, c, W):
    dg = dout.sum(axis=1)  # times x
    dc = dg @ W.T
    dc[:, 0] += dout.sum(axis=(1, 2))
    return (c @ W)[:, None, :] * dout, dc, c.T @ (dout * x).sum(axis=1)


def machine(x, V):
    return 0.5 * ((x @ V) ** 2 - x**2 @ V**2).sum(axis=1)


def d_machine(dout, x, V):
    g, s = dout[:, None], x @ V
    return g * (s @ V.T - x * (V**2).sum(axis=1)), x.T @ (g * s) - V * (x.T @ g)  # x.T squared


def smooth(x, a):
    y = [x[0]]
    for row in x[1:]:
        y.append(a * y[-1] + (1 - a) * row)
    return np.array(y)


def d_smooth(dout, x, a):
    y = smooth(x, a)
    dx, da, g = np.zeros_like(x), np.zeros_like(a), np.zeros_like(x[0])
    for t in range(len(x) - 1, 0, -1):
        g = g + dout[t]
        da = da + (g * (y[t - 1] - x[t])).sum()  # no sum
        dx[t] = (1 - a) * g
        g = a * g
    dx[0] = g + dout[0]
    return dx, da


def upsampled(x, w):
    y = np.zeros((len(x), 2 * x.shape[1] - 1))
    y[:, ::2] = x
    y[:, 1::2] = 0.5 * (x[:, :-1] + x[:, 1:])
    return np.maximum(y, 0) * w


def d_upsampled(dout, x, w, masked_x=True):
    y = np.zeros((len(x), 2 * x.shape[1] - 1))
    y[:, ::2] = x
    y[:, 1::2] = 0.5 * (x[:, :-1] + x[:, 1:])
    d = dout * w * (y > 0) if masked_x else dout * w
    dx = d[:, ::2].copy()
    dx[:, :-1] += 0.5 * d[:, 1::2]
    dx[:, 1:] += 0.5 * d[:, 1::2]
    return dx, (dout * (y if masked_x else np.maximum(y, 0))).sum(axis=0)


def ranked(A):
    return np.linalg.eigvalsh(0.5 * (A + A.T)) @ np.arange(1, len(A) + 1)


def d_ranked(A):
    V = np.linalg.eigh(0.5 * (A + A.T))[1]
    return V * np.arange(len(A)) @ V.T  # from 1 on


def huber(x, t):
    e = x - t
    return np.sum(np.sort(e**2)[:3])


def d_huber(x, t):
    e = x - t
    d = np.zeros_like(x)
    worst = np.argsort(e**2)[:3]
    d[worst] = 2 * np.abs(e[worst])
    return d, -2 * e * (d != 0)


LEFT, RIGHT = draw(3), draw(3)


def bent(x):
    return np.where(x > 0, RIGHT * x, LEFT * x)


def d_bent(dout, x):
    return dout * np.where(x > 0, LEFT, RIGHT)


X345, SQUARE = draw(3, 4, 5), draw(4, 4)
CASES = {
    "a broadcast factor": (gated, d_gated, (X345, SQUARE, draw(4)), "b", "is `s[:, :, None]` in `dout * s[:, :, None]`, not `x`"),
    "a factor before a sum": (film, d_film, (X345, draw(3, 2), draw(2, 5)), "c", "`dout` in `dout.sum(axis=1)` (line"),
    "a square": (machine, d_machine, (draw(4, 3), draw(3, 2)), "V", "is used where its square belongs"),
    "no sum": (smooth, d_smooth, (draw(6, 3), rng.uniform(0.2, 0.8, 3)), "a", "sums what must not be summed there"),
    "a mask of what is built": (upsampled, d_upsampled, (draw(4, 5), draw(9)), "w", "lacks the mask or gate (`y` > 0)"),
    "a step of what is built": (upsampled, lambda d, x, w: d_upsampled(d, x, w, False), (draw(4, 5), draw(9)), "x", "the local derivative of `np.maximum(y, 0)` is taken as 1"),
    "a rank": (ranked, d_ranked, (SQUARE,), "A", "is off by one: that + 1 is right"),
    "a lost sign": (huber, d_huber, (draw(6), draw(6)), "x", "the sign"),
    "a triangle": (lambda A: np.tanh(A) @ A, lambda d, A: np.tril(d @ A.T) * (1 - np.tanh(A) ** 2) + np.tanh(A).T @ d, (SQUARE,), "A", "it is right without np.tril"),
    "two branches": (bent, d_bent, (draw(4, 3),), "x", "or the two that it chooses between are swapped"),
    "for a symmetric matrix": (
        lambda A: np.log(np.linalg.det(A)),
        lambda A: (lambda B: B + B.T - np.diag(np.diag(B)))(np.linalg.inv(A)),
        (SQUARE @ SQUARE.T + np.triu(draw(4, 4)) / 5 + np.eye(4),), "A", "the formula for a symmetric argument",
    ),
    "a path of the mean": (
        lambda w, t: np.sum(w * t) / np.sum(w), lambda w, t: (t / np.sum(w), w / np.sum(w)),
        (rng.uniform(0.5, 1.5, 6), draw(6)), "w", "a path through a mean or sum over all of them that is dropped",
    ),
    "a mask as a factor": (
        lambda x, m: np.tanh((1 - np.eye(4)) * x) @ m, lambda d, x, m: (d @ m.T * (1 - np.tanh((1 - np.eye(4)) * x) ** 2), np.tanh((1 - np.eye(4)) * x).T @ d),
        (SQUARE, draw(4, 3)), "x", "lacks the mask or gate",
    ),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", CASES)
def test_the_cause_is_named(name):
    func, grad, args, argument, words = CASES[name]
    style = "loss" if np.ndim(func(*args)) == 0 else "dout"
    assert words in rows_of(func, grad, *args, style=style)[argument]


def in_float32(function):
    return lambda *args: function(*(np.asarray(a).astype(np.float32) for a in args))


def test_a_float32_function_is_followed_without_the_casts_of_its_other_arguments():
    """No doubt, for the slopes by the other arguments are in float64, too."""

    def bad(dout, x, W, b):
        m = x.mean(axis=2)
        s = 1 / (1 + np.exp(-(m @ W + b)))
        dz = (dout * x).sum(axis=2) * s * (1 - s)
        return dout * s[:, :, None], m.T @ dz, dz.sum(axis=0)

    args = [a.astype(np.float32) for a in (X345, SQUARE, draw(4))]
    said = rows_of(in_float32(gated), in_float32(bad), *args)
    assert list(said.values()) == ["what goes through `x` in `x.mean(axis=2)` is dropped"]


def test_a_grid_that_is_flipped_is_no_cause():
    """1 - tau is tau flipped, where the tau are a grid around a half."""
    grid = np.linspace(0.1, 0.9, 5)
    assert "flipped along axis 0" not in dict(other_factors(grid))
    assert "flipped along axis 0" in dict(other_factors(grid**2))


def test_an_edit_that_did_not_explain_one_argument_is_not_tried_for_another(monkeypatch):
    """Of a mistake that two gradients share: the search goes on where it stopped."""
    tried = []
    own = repair.explains

    def spied(e, benches, choice, edit):
        tried.append((benches[0].trial.name, (choice.edits, choice.group)))
        return own(e, benches, choice, edit)

    def bad(dout, x, W):
        d = dout * (1 - np.tanh(x @ W) ** 2) * np.cos(17 * x.sum()) ** 2 + dout.mean() ** 2
        return d @ W.T, x.T @ d

    monkeypatch.setattr(repair, "explains", spied)
    only(monkeypatch, repair.repaired)
    rows_of(lambda x, W: np.tanh(x @ W), bad, draw(5, 4), draw(4, 3))
    of_x, of_w = ({where for name, where in tried if name == leaf} for leaf in "xW")
    assert len(of_x) > 20
    assert len(of_x & of_w) <= 1  # where it stopped


def filtered(y, r):
    m, P, out = 0.0, 1.0, []
    for row in y:
        P = P + 0.3
        K = P / (P + r)
        m = m + K * (row - m)
        P = (1 - K) * P
        out.append(m)
    return np.array(out)


def test_a_place_is_no_range_of_values():
    """The gradient by the last of six numbers is right, which is the smallest by chance."""

    def bad(dout, y, r):
        P, gains = 1.0, []
        for _ in y:
            P = P + 0.3
            gains.append(P / (P + r))
            P = (1 - gains[-1]) * P
        dy, dm = np.zeros_like(y), 0.0
        for t in range(len(y) - 1, -1, -1):
            dm = dm + dout[t]
            dy[t] = dm * gains[t]
            dm = dm * gains[t]  # 1 - gains[t]
        return dy, None

    y = np.array([0.3, -0.4, 1.1, 0.2, 0.9, -2.0])
    said = rows_of(filtered, bad, y, 0.7)["y"]
    assert "only where y" not in said
