"""What slopes can tell: offsets, outputs of unequal scale, arguments of unequal size, edges of the domain, the share of max_evals."""

import contextlib

import numpy as np
import pytest

from npgan.testing import FAIL, INCONCLUSIVE, PASS, check_gradients, leaves
from npgan.testing.slopes import points
from npgan.testing.slopes.directions import smallest_effect
from npgan.testing.verdict import budget, rows

rng = np.random.default_rng(0)
X, Y = rng.standard_normal((5, 4)), rng.standard_normal((2, 3))


def verdicts(report):
    return {row.name: row.verdict for row in report.arguments}


# ---- a large term that does not change ----

SMALL = {
    "tanh": (lambda x: 0.01 * np.sum(np.tanh(x)), lambda x: 0.01 * (1 - np.tanh(x) ** 2)),
    "squares": (lambda x: 0.01 * np.sum(x**2), lambda x: 0.02 * x),
    "a cube of |x|": (lambda x: 0.01 * np.sum(np.abs(x) ** 3), lambda x: 0.03 * x * np.abs(x)),
    "variance": (lambda x: 0.01 * np.var(x), lambda x: 0.02 * (x - x.mean()) / x.size),
}


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("offset", [1e4, 1e6, -1e8])
@pytest.mark.parametrize("mode", ["elements", "projections"])
def test_an_offset_in_float64_is_not_taken_for_float32(name, offset, mode):
    f, g = SMALL[name]
    loss = lambda x: offset + f(x)
    assert check_gradients(loss, g, X, mode=mode).verdict == PASS
    assert check_gradients(loss, lambda x: 1.01 * g(x), X, mode=mode).verdict == FAIL


@pytest.mark.parametrize("name", SMALL)
def test_an_offset_in_float32_is_no_alarm(name):
    """So coarse that no small step changes the loss: its slopes are no zeros."""
    f, g = SMALL[name]
    coarse = lambda x: float(np.float32(1e3) + f(x.astype(np.float32))) * 0.37
    assert check_gradients(coarse, lambda x: 0.37 * g(x), X).verdict != FAIL
    cancelling = lambda x: (1e6 + f(x)) - 1e6
    assert check_gradients(cancelling, g, X).verdict == PASS
    assert check_gradients(cancelling, lambda x: 1.1 * g(x), X).verdict == FAIL


# ---- outputs of unequal scale ----


def pair(x, y):
    return np.tanh(x), 1e12 * np.tanh(y)


def d_pair(d, x, y):
    return d[0] * (1 - np.tanh(x) ** 2), 1e12 * d[1] * (1 - np.tanh(y) ** 2)


def in_one(x, y):
    return np.concatenate([np.maximum(x, 0).ravel(), 1e15 * np.abs(y).ravel() ** 3])


def d_in_one(d, x, y):
    return d[: x.size].reshape(x.shape) * (x > 0), 3e15 * d[x.size :].reshape(y.shape) * y * np.abs(y)  # fmt: skip


def logits_and_decay(x, y):
    return {"logits": x @ X.T, "decay": 1e10 * np.sum(y**2)}


def d_logits_and_decay(d, x, y):
    return d["logits"] @ X, d["decay"] * 2e10 * y


UNEVEN = {
    "two outputs": (pair, d_pair, X),
    "one array, with kinks": (in_one, d_in_one, np.where(X > 1, 0, X)),
    "a dict": (logits_and_decay, d_logits_and_decay, X),
}


@pytest.mark.parametrize("name", UNEVEN)
@pytest.mark.parametrize("mode", ["elements", "projections"])
def test_a_large_output_does_not_hide_a_small_one(name, mode):
    f, g, x = UNEVEN[name]
    right = check_gradients(f, g, (x, Y), style="dout", mode=mode)
    assert right.verdict == PASS, str(right)
    assert max(row.power for row in right.arguments) < 1e-8
    wrong = lambda d, x, y: (1.0001 * g(d, x, y)[0], g(d, x, y)[1])
    report = check_gradients(f, wrong, (x, Y), style="dout", mode=mode)
    assert verdicts(report) == {"x": FAIL, "y": PASS}


def test_a_large_output_that_shares_the_argument_does():
    """Its change is below its rounding, and may be part of the slope."""
    f = lambda x: (1e-9 * x, 1e9 + 1e-8 * x)
    report = check_gradients(f, lambda d, x: 1e-9 * d[0] + 1e-8 * d[1], (X,), style="dout")
    assert report.verdict != FAIL, str(report)


# ---- arguments whose entries differ in size ----

SPREAD = 10.0 ** np.random.default_rng(1).uniform(-4, 4, 1000)
POSITIVE = {
    "log": (np.log, lambda x: 1 / x),
    "square root": (np.sqrt, lambda x: 0.5 / np.sqrt(x)),
    "x log x": (lambda x: x * np.log(x), lambda x: 1 + np.log(x)),
    "power": (lambda x: x**-0.3, lambda x: -0.3 * x**-1.3),
}


def strictly(f):
    def refusing(x):
        if (x <= 0).any():
            raise KeyError("x > 0, please")
        return np.sum(f(x))

    return refusing


@pytest.mark.parametrize("name", POSITIVE)
def test_steps_that_stay_in_the_domain(name):
    f, g = POSITIVE[name]
    for loss in (lambda x: np.sum(f(x)), strictly(f)):
        right = check_gradients(loss, g, SPREAD)
        assert right.verdict == PASS, str(right)
        # The stated power is that of the larger one of two errors that may cancel in part.
        assert right["x"].power * smallest_effect(SPREAD.size, 8) < 1e-3
        assert check_gradients(loss, lambda x: 1.01 * g(x), SPREAD).verdict == FAIL


# ---- outside the domain ----

KNOTS, HEIGHTS = np.linspace(0, 1, 6), rng.standard_normal(6)
TABLE = {i: (HEIGHTS[i], HEIGHTS[i + 1] - HEIGHTS[i]) for i in range(5)}


def at(x):
    return [int(np.searchsorted(KNOTS, v, side="right")) - 1 for v in x]


def interpolated(x):
    return np.array([HEIGHTS[i] + (v - KNOTS[i]) * 5 * (HEIGHTS[i + 1] - HEIGHTS[i]) for i, v in zip(at(x), x, strict=True)])  # fmt: skip


def looked_up(x):
    return np.array([TABLE[i][0] + (v - KNOTS[i]) * 5 * TABLE[i][1] for i, v in zip(at(x), x, strict=True)])  # fmt: skip


def guarded(error):
    def f(x):
        if (x > 1).any():
            raise error
        return interpolated(np.minimum(x, 1 - 1e-15))

    return f


def slopes(d, x):
    return d * np.array([5 * TABLE[i][1] for i in at(x)])


EDGES = [
    interpolated,
    looked_up,
    *map(guarded, (TypeError("t"), RuntimeError("r"), NotImplementedError, StopIteration, MemoryError)),
]  # fmt: skip


@pytest.mark.parametrize("func", EDGES)
@pytest.mark.parametrize("mode", ["elements", "projections"])
@pytest.mark.parametrize("gap", [1e-3, 1e-9])
def test_whatever_is_raised_at_a_shifted_point_is_outside(func, mode, gap):
    x = np.array([1 - gap, 0.3, 0.72, 0.5])
    assert check_gradients(func, slopes, (x,), style="dout", mode=mode).verdict == PASS
    wrong = lambda d, x: 1.01 * slopes(d, x)
    assert check_gradients(func, wrong, (x,), style="dout", mode=mode).verdict == FAIL


def test_what_is_raised_at_the_point_itself_is_the_users():
    for error in (IndexError, KeyError, TypeError, RuntimeError):
        with pytest.raises(error):
            check_gradients(guarded(error("here")), slopes, (np.array([2.0]),), style="dout")

        def backward(d, x, error=error):
            raise error("here")

        with pytest.raises(error):
            check_gradients(interpolated, backward, (np.array([0.3]),), style="dout")


def test_nothing_but_the_point_itself():
    def only_here(x):
        return {True: x}[bool(np.array_equal(x, X))]

    report = check_gradients(only_here, lambda d, x: d, (X,), style="dout")
    assert report.verdict == INCONCLUSIVE
    assert "no slope could be measured" in report["x"].reason


# ---- the share of max_evals ----


def network(layers, width):
    random = np.random.default_rng(0)
    weights = [random.standard_normal((width, width)) / width**0.5 for _ in range(layers)]

    def forward(x, *weights):
        for W in weights:
            x = np.tanh(x @ W)
        return x

    def backward(d, x, *weights):
        values = [x]
        for W in weights:
            values.append(np.tanh(values[-1] @ W))
        found = []
        for W, before, after in zip(weights[::-1], values[-2::-1], values[:0:-1], strict=True):
            d = d * (1 - after**2)
            found.append(before.T @ d)
            d = d @ W.T
        return d, *found[::-1]

    names = ("x", *[f"W{i}" for i in range(layers)])
    return forward, backward, (random.standard_normal((2, width)), *weights), names


def wrong_at(backward, k):
    def wrong(*given):
        found = list(backward(*given))
        found[k] = found[k] * 1.01
        return found

    return wrong


@pytest.mark.parametrize(("layers", "width", "max_evals"), [(6, 8, 3000), (4, 10, 2000), (9, 4, 1000), (3, 6, 320)])  # fmt: skip
def test_every_argument_gets_its_share_of_the_calls(layers, width, max_evals):
    forward, backward, args, names = network(layers, width)
    options = {"argnames": names, "style": "dout", "max_evals": max_evals}
    right = check_gradients(forward, backward, args, **options)
    assert right.verdict == PASS, str(right)
    assert right.evaluations <= max_evals
    for k in (0, 1, layers):
        report = check_gradients(forward, wrong_at(backward, k), args, **options)
        expected = {name: FAIL if i == k else PASS for i, name in enumerate(names)}
        assert verdicts(report) == expected, str(report)
        assert report.evaluations <= max_evals


def test_projections_where_entries_cost_more_than_planned(monkeypatch):
    """Many leaves, few calls: each that is not finished entry by entry is checked along directions."""
    forward, backward, args, names = network(6, 6)
    options = {"argnames": names, "style": "dout", "max_evals": 1500}
    monkeypatch.setattr(budget, "PER_ENTRY", 4)  # so that all leaves are begun entry by entry
    monkeypatch.setattr(budget, "PER_POOR_ENTRY", 4)
    right = check_gradients(forward, backward, args, **options)
    assert right.verdict == PASS, str(right)
    assert {row.mode for row in right.arguments} == {"elements", "projections"}
    assert right.evaluations <= 1500
    for k in (0, 3, 6):  # one wrong leaf does not take the calls of those behind it
        report = check_gradients(forward, wrong_at(backward, k), args, **options)
        expected = {name: FAIL if i == k else PASS for i, name in enumerate(names)}
        assert verdicts(report) == expected, str(report)


def test_the_fallback_taken_out_is_missed(monkeypatch):
    unfinished = lambda points, leaf, n: leaves.Checked(rows.unfinished_row(points, leaf))
    monkeypatch.setattr(leaves, "check_by_projections", unfinished)
    with pytest.raises(AssertionError):
        test_projections_where_entries_cost_more_than_planned(monkeypatch)


def test_the_share_taken_out_is_missed(monkeypatch):
    """Without it the first leaves use up what those behind them need."""
    share = lambda self, leaf, keep=0: contextlib.nullcontext()
    monkeypatch.setattr(budget.Budget, "share", share)
    with pytest.raises(AssertionError):
        test_projections_where_entries_cost_more_than_planned(monkeypatch)


def test_entries_are_preferred_where_calls_suffice():
    forward, backward, args, names = network(3, 5)
    report = check_gradients(forward, backward, args, argnames=names, style="dout")
    assert {row.mode for row in report.arguments} == {"elements"}
    by_entry = check_gradients(
        forward, backward, args, style="dout", mode="elements", max_evals=150
    )
    assert by_entry.verdict == INCONCLUSIVE  # as asked for: no projections instead
    assert "max_evals=150 was used up" in str(by_entry)


def test_a_wrong_gradient_is_wrong_though_no_call_is_left_for_its_cause():
    forward, backward, args, _ = network(1, 6)
    everything = lambda *given: [1.5 * g for g in backward(*given)]
    for n in range(160, 260, 20):
        report = check_gradients(
            forward, everything, args, style="dout", mode="projections", max_evals=n
        )
        assert report.verdict == FAIL, str(report)


# ---- outputs far below the others ----

# What backward says of an output that is 1 and hides it: a gate that is shut, a weight of 1e-60.
HIDDEN = {
    "a shut gate": (
        lambda c: np.array([np.tanh(1e-63 * c[0] + 1), 1e-80 * c[1]]),
        lambda d, c: d * np.array([1e-63 * (1 - np.tanh(1) ** 2), 1e-80]),
    ),
    "a small weight": (
        lambda c: np.array([1 + 1e-60 * c.sum(), 1e-70 * c.sum()]),
        lambda d, c: d[0] * 1e-60 + d[1] * 1e-70 + 0 * c,
    ),
    "a gate shut to both sides": (
        lambda c: np.array([3 + 1e-3 * np.exp(-((12 * c[0]) ** 2)), 1e-30 * c[1], 1e-30 * c[0]]),
        lambda d, c: np.array(
            [-0.288 * d[0] * c[0] * np.exp(-((12 * c[0]) ** 2)) + 1e-30 * d[2], 1e-30 * d[1]]
        ),
    ),
    "a far exponent": (
        lambda c: np.array([np.logaddexp(200, c[0]), np.exp(c[1] - 300)]),
        lambda d, c: d * np.array([np.exp(c[0] - 200), np.exp(c[1] - 300)]),
    ),
}


@pytest.mark.parametrize("name", HIDDEN)
def test_an_output_that_is_too_large_to_show_a_gradient(name):
    """Seen in an LSTM: the output that depends on c more is the one in which no move shows."""
    func, grad = HIDDEN[name]
    c = np.array([0.5, 1.5])
    for seed in range(3):
        report = check_gradients(func, grad, (c,), style="dout", seed=seed)
        assert report.verdict in (PASS, INCONCLUSIVE), str(report)


def test_what_is_hidden_counts(monkeypatch):
    real = points.Point.sigmas
    forgotten = lambda *given: (*real(*given)[:2], 0.0)
    monkeypatch.setattr(points.Point, "sigmas", forgotten)
    with pytest.raises(AssertionError):
        test_an_output_that_is_too_large_to_show_a_gradient("a shut gate")


def test_outputs_of_smaller_arguments_count(monkeypatch):
    monkeypatch.setattr(points, "SMALLER", ())
    with pytest.raises(AssertionError):
        test_an_output_that_is_too_large_to_show_a_gradient("a gate shut to both sides")


@pytest.mark.parametrize(
    ("scale", "said"), [(1e-4, "not 100 times larger than"), (1e-7, "smaller than")]
)
def test_the_reason_tells_how_the_gradient_compares_with_the_error(scale, said):
    def f(x, u):
        large, small = np.float32(np.tanh(x)), np.float32(scale) * np.float32(np.sin(u))
        return (large + small).astype(np.float64)

    def backward(dout, x, u):
        return dout * (1 - np.tanh(x) ** 2), scale * dout * np.cos(u)

    row = check_gradients(f, backward, (X, X[::-1].copy()), style="dout").arguments[1]
    assert row.verdict == INCONCLUSIVE
    assert f" is {said} the error of the measured slopes" in row.reason
