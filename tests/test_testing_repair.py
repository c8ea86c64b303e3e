"""Hints that quote backward: the operation that, changed, makes it agree with the slopes."""

import threading

import numpy as np
import pytest

from npgan.testing import FAIL, check_gradients, leaves
from npgan.testing.explain import evidence, finer, hints, repair
from npgan.testing.explain.lifted import lifted
from npgan.testing.explain.traced import Tape, Traced

rng = np.random.default_rng(0)
SAID = "with that changed, it agrees with the slopes"


def draw(*shape):
    return rng.standard_normal(shape)


X, W, V, SCALE, LONG, KERNEL = draw(6, 5), draw(5, 4), draw(4, 4), draw(6, 1) + 3, draw(9), draw(3)
IMAGE = draw(2, 8)


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def mixed(x, W, V):
    """A gated layer: two sigmoids and a softmax, so that no rule of whole gradients fits."""
    h = sigmoid(x @ W)
    z = h @ V
    e = np.exp(z - z.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True) * h


MIXED = """
def d_mixed(dout, x, W, V):
    h = sigmoid(x @ W)
    z = h @ V
    e = np.exp(z - z.max(1, keepdims=True))
    p = e / e.sum(1, keepdims=True)
    dp = dout * h
    path = np.sum(dp * p, axis=1, keepdims=True)
    dz = p * (dp - path)
    dh = dz @ V.T + dout * p
    du = dh * h * (1 - h)
    return du @ W.T, x.T @ du, h.T @ dz
"""


def sums(x, k):
    """A correlation with stride 2 over a padded row, and the running total of its results."""
    p = np.pad(x, 1)
    out = np.stack([p[i : i + 2 * 4 + 1 : 2] * k[i] for i in range(3)]).sum(0)
    return np.sin(np.cumsum(out))


SUMS = """
def d_sums(dout, x, k):
    p = np.pad(x, 1)
    out = np.stack([p[i : i + 2 * 4 + 1 : 2] * k[i] for i in range(3)]).sum(0)
    d = dout * np.cos(np.cumsum(out))
    d = np.cumsum(d[::-1])[::-1]
    dp, dk = np.zeros_like(p), np.zeros_like(k)
    for i in range(3):
        dp[i : i + 2 * 4 + 1 : 2] += d * k[i]
        dk[i] = np.sum(d * p[i : i + 2 * 4 + 1 : 2])
    return dp[1:-1], dk
"""


def recurrent(x, W):
    h = np.full(x.shape[1], 0.5)
    for row in x:
        h = np.tanh(row + W @ h)
    return h * h


RECURRENT = """
def d_recurrent(dout, x, W):
    states = [np.full(x.shape[1], 0.5)]
    for row in x:
        states.append(np.tanh(row + W @ states[-1]))
    dx, dW = np.zeros_like(x), np.zeros_like(W)
    dh = dout * 2 * states[-1]
    for t in reversed(range(len(x))):
        da = dh * (1 - states[t + 1] ** 2)
        dx[t] = da
        dW += np.outer(da, states[t])
        dh = W.T @ da
    return dx, dW
"""


def pooled(x):
    return np.stack([x[:, 2 * i : 2 * i + 2].max(1) ** 2 for i in range(4)], axis=1)


POOLED = """
def d_pooled(dout, x):
    dx = np.zeros_like(x)
    for n in range(len(x)):
        for i in range(4):
            window = x[n, 2 * i : 2 * i + 2]
            k = window.argmax()
            dx[n, 2 * i + k] += 2 * window[k] * dout[n, i]
    return dx
"""


def soft(z, s):
    e = np.exp(z / s)
    return np.sin(3 * e / e.sum(1, keepdims=True))


SOFT = """
def d_soft(dout, z, s):
    e = np.exp(z / s)
    p = e / e.sum(1, keepdims=True)
    dp = 3 * dout * np.cos(3 * p)
    d = p * (dp - (dp * p).sum(1, keepdims=True)) / s
    return d, np.sum(-d * z / s)
"""
ROWS = draw(4, 3)
SQUARE = draw(3, 3)

FUNCTIONS = {
    "mixed": (mixed, MIXED, (X, W, V)),
    "sums": (sums, SUMS, (LONG, KERNEL)),
    "recurrent": (recurrent, RECURRENT, (ROWS, SQUARE)),
    "soft": (soft, SOFT, (draw(3, 4), np.array(1.7))),
    "pooled": (pooled, POOLED, (IMAGE,)),
}

# (function, the source before, after, what is said); each gives an error of the size of the gradient.
BUGS = [
    ("mixed", "+ dout * p", "- dout * p", "has the wrong sign"),
    ("mixed", "dz @ V.T", "dz @ V", "transpos"),
    ("mixed", "axis=1, keepdims=True)\n    dz", "axis=0, keepdims=True)\n    dz", "summed over the wrong axis: axis=1 is right"),
    ("mixed", "np.sum(dp * p", "np.mean(dp * p", "a sum belongs here"),
    ("mixed", "dh * h * (1 - h)", "dh * h", "lacks the factor (1 -"),
    ("mixed", "dz @ V.T + dout * p", "dz @ V.T", "the term"),
    ("sums", "np.cos(np.cumsum(out))", "np.sin(np.cumsum(out))", "np.cos is right"),
    ("sums", "+= d * k[i]", "+= d * k[2 - i]", "the index runs in the wrong order"),
    ("sums", "dp[i : i + 2 * 4 + 1 : 2]", "dp[i : i + 4 + 1]", "the stride of the slice is wrong"),
    ("soft", "(dp - (dp * p).sum(1, keepdims=True))", "dp", "the path through the sum of the softmax"),
    ("recurrent", "dW += ", "dW = ", "is assigned, not added"),
    ("recurrent", "W.T @ da", "W @ da", "transpos"),
    ("recurrent", "np.outer(da, states[t])", "np.outer(da, states[t + 1])", "what multiplies operand 1 of np.outer"),
    ("pooled", "window.argmax()", "np.abs(window).argmax()", "decides on is wrong: right without np.absolute"),
    ("pooled", "argmax", "argmin", "picks the wrong entry: np.argmax is right"),
]  # fmt: skip


def planted(name, before, after):
    func, source, args = FUNCTIONS[name]
    assert source.count(before) == 1
    space = {"np": np, "sigmoid": sigmoid}
    exec(compile(source.replace(before, after), "<edited>", "exec"), space)
    return func, space[f"d_{name}"], args


def hints_of(func, grad, args, **options):
    report = check_gradients(func, grad, args, style="dout", **options)
    assert report.verdict == FAIL, str(report)
    return [hint for row in report.arguments for hint in row.hints]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("name", "before", "after", "words"), BUGS)
def test_the_operation_is_named(name, before, after, words, monkeypatch):
    """The others of these words are not said: each is another cause with an error as large."""
    found = " | ".join(hints_of(*planted(name, before, after)))
    assert words in found
    assert SAID in found
    others = [w for *_, w in BUGS if w not in (words, "transpos", "the term")]
    assert not [w for w in others if w in found]
    monkeypatch.setattr(hints, "RULES", tuple(r for r in hints.RULES if r is not repair.repaired))
    assert SAID not in " | ".join(hints_of(*planted(name, before, after)))


TWO_MISTAKES = [
    ("mixed", [("+ dout * p", "+ dout * p * x.sum()"), ("dh * h * (1 - h)", "dh * h * h")]),
    ("recurrent", [("dout * 2", "dout * 3 * np.cos(x.sum())"), ("W.T @ da", "W @ da")]),
    ("soft", [("np.cos(3 * p)", "np.cos(2 * p)"), ("* p).sum(1", "* p).mean(1")]),
]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("name", "edits"), TWO_MISTAKES)
def test_two_mistakes_are_not_explained_by_one(name, edits):
    func, source, args = FUNCTIONS[name]
    for before, after in edits:
        assert source.count(before) == 1
        source = source.replace(before, after)
    space = {"np": np, "sigmoid": sigmoid}
    exec(compile(source, "<edited>", "exec"), space)
    first = check_gradients(func, space[f"d_{name}"], args, style="dout").arguments[0]
    assert first.verdict == FAIL
    assert SAID not in first.hint


def test_both_halves_of_an_exchange_must_be_needed():
    """b is used twice where a and b belong: one operand is wrong, and no two are swapped."""
    func = lambda x, a, b: np.tanh(x @ a) * 2 + np.sin(x @ b)
    source = """
def grad(dout, x, a, b):
    da = dout * 2 * (1 - np.tanh(x @ b) ** 2)
    db = dout * np.cos(x @ b)
    return da @ a.T + db @ b.T, x.T @ da, x.T @ db
"""
    space = {"np": np}
    exec(source, space)
    found = " | ".join(hints_of(func, space["grad"], (draw(4, 3), draw(3, 3), draw(3, 3))))
    assert "are swapped" not in found


class In32:
    """A function that casts what it is given to float32."""

    def __init__(self, function):
        self.function = function

    def __call__(self, *args):
        return self.function(*(np.asarray(a).astype(np.float32) for a in args))


def precision_of_evidence(monkeypatch, *problem):
    """How exactly slopes and gradients are compared for the hints, and these."""
    seen = []
    monkeypatch.setattr(leaves, "hints", lambda e: seen.append(e) or hints.hints(e))
    found = hints_of(*problem)
    return seen[0].first.precision, found


def test_a_float32_function_is_explained_as_in_float64(monkeypatch):
    func, grad, args = planted("sums", "+= d * k[i]", "+= d * k[2 - i]")
    narrow = In32(func), In32(grad), [a.astype(np.float32) for a in args]
    wide = precision_of_evidence(monkeypatch, func, grad, args)
    assert SAID in wide[1][0]
    assert precision_of_evidence(monkeypatch, *narrow) == wide
    monkeypatch.setattr(evidence, "finer", lambda points: points)
    assert precision_of_evidence(monkeypatch, *narrow)[0] > 10 * wide[0]


def test_another_function_without_the_cast_is_not_explained(monkeypatch):
    """In float64 the factor would be another one."""

    def func(x):
        x = np.asarray(x).astype(np.float32)
        return x * (2 if x.dtype == np.float32 else 3)

    wrong = lambda dout, x: -2 * dout
    x = X.astype(np.float32)
    assert "the sign is wrong" in hints_of(func, wrong, (x,))[0]
    monkeypatch.setattr(finer, "is_same", lambda ours, theirs: True)
    assert "the sign is wrong" not in hints_of(func, wrong, (x,))[0]


def interrupted_on_a_tape(elsewhere):
    """What np.zeros makes meanwhile in another thread is put into a list."""
    with lifted(Tape(is_thorough=True)):
        assert isinstance(np.zeros(3), Traced)
        thread = threading.Thread(target=lambda: elsewhere.append(np.zeros(3)))
        thread.start()
        thread.join()
        raise RuntimeError


def test_numpy_is_as_before_after_a_run_on_a_tape_and_in_other_threads():
    before = {name: getattr(np, name) for name in ("asarray", "array", "zeros", "copy")}
    elsewhere = []
    with pytest.raises(RuntimeError):
        interrupted_on_a_tape(elsewhere)
    assert type(elsewhere[0]) is np.ndarray
    assert all(getattr(np, name) is function for name, function in before.items())


def test_the_place_of_an_operation_does_not_depend_on_how_often_it_has_run():
    """Python changes the instructions of code that runs often."""
    space = {"np": np}
    exec("def f(a):\n    return a[:, None] * a[None] + np.sum(a[1:])", space)
    tapes = []
    for _ in range(60):
        tape = Tape(is_thorough=True)
        with lifted(tape):
            space["f"](tape.wrap(np.arange(3.0)))
        tapes.append([step.place for step in tape.steps])
    assert len(tapes[0]) == 6
    assert all(places == tapes[0] for places in tapes)
