"""The gradient checker at kinks: what is right there passes, what no slope allows fails."""

import numpy as np
import pytest
from checked_functions import without_special_entries

from npgan.testing import FAIL, PASS, check_gradients, leaves
from npgan.testing.verdict import entries, nearby, projections

rng = np.random.default_rng(0)
SMALL = rng.standard_normal((5, 4))
SMALL[0] = SMALL[2, 1] = 0.0
LARGE = np.where(rng.random((40, 30)) < 0.3, 0.0, rng.standard_normal((40, 30)))


def verdict_of(func, grad, args, **options):
    report = check_gradients(func, grad, args, style="dout", **options)
    return report.verdict, str(report)


# ---- one entry at a kink: within what the one-sided slopes allow ----

# name -> (function, its gradient with the value `at` on the kink, on the kink, right, wrong)
KINKS = {
    "relu": (lambda x: np.maximum(x, 0), lambda x: x > 0, (0, 0.5, 1), (2, -0.1)),
    "abs": (np.abs, np.sign, (0, 1, -1), (5, 1.1)),
    "leaky relu": (
        lambda x: np.where(x > 0, x, 0.2 * x),
        lambda x: np.where(x > 0, 1, 0.2),
        (0.2, 1, 0.6),
        (0, 1.2),
    ),
    # not among those that were reported:
    "clip": (lambda x: np.clip(x, 0, 1), lambda x: (x > 0) & (x < 1), (0, 1), (-1, 1.5)),
    "hinge": (lambda x: np.maximum(-2 * x, 0), lambda x: -2.0 * (x < 0), (0, -2, -1), (2, -3)),
    "pinball": (
        lambda x: np.maximum(0.9 * x, -0.1 * x),
        lambda x: np.where(x > 0, 0.9, -0.1),
        (0, 0.9, -0.1),
        (1, -0.9),
    ),
    "elu of slope 2": (
        lambda x: np.where(x > 0, x, 2 * np.expm1(np.minimum(x, 0))),
        lambda x: np.where(x > 0, 1, 2 * np.exp(np.minimum(x, 0))),
        (1, 2),
        (0, 3),
    ),
    "x |x| + |x|": (lambda x: x * np.abs(x) + np.abs(x), lambda x: 2 * np.abs(x) + np.sign(x), (0, 1), (2,)),
}  # fmt: skip


@pytest.mark.parametrize("name", KINKS)
@pytest.mark.parametrize(
    ("x", "mode"), [(SMALL, "elements"), (SMALL, "projections"), (LARGE, "auto")]
)
def test_one_entry_at_a_kink(name, x, mode):
    func, slope, right, wrong = KINKS[name]
    for values, expected in ((right, PASS), (wrong, FAIL)):
        for at in values:
            grad = lambda d, x, at=at: d * np.where(x == 0, at, slope(x))
            verdict, report = verdict_of(func, grad, (x,), mode=mode)
            assert verdict == expected, f"{at}: {report}"


def test_kinks_that_coincide_in_one_output_are_given_room():
    """All hidden units of a row of zeros lie on their kink; relu'(0) is 0, as in every framework."""
    own = np.random.default_rng(0)  # with some draws nothing is missed without room
    drawn, w = own.standard_normal((4, 40)), own.standard_normal((40, 2))
    for W in (drawn, np.abs(drawn)):
        forward = lambda x, W=W: np.maximum(x @ W, 0) @ w
        for at, expected in ((0.0, PASS), (1.0, PASS), (100.0, FAIL)):
            grad = lambda d, x, W=W, at=at: (d @ w.T * np.where(x @ W == 0, at, x @ W > 0)) @ W.T
            for mode in ("elements", "projections"):
                verdict, report = verdict_of(forward, grad, (SMALL,), mode=mode)
                assert verdict == expected, f"{at}: {report}"


# ---- ties ----


def share(among, how):
    """Weights of the tied entries, which `among` marks along the last axis."""
    n = among.sum(axis=-1, keepdims=True)
    if how == "even":
        return among / n
    first = np.cumsum(among, axis=-1) == 1
    last = np.cumsum(among[..., ::-1], axis=-1)[..., ::-1] == 1
    first, last = first & among, last & among
    return {
        "first": 1.0 * first,
        "all": 1.0 * among,
        "none": np.where(n > 1, 0.0, among),
        "twice the first": np.where(n > 1, 2.0 * first - last, among),
    }[how]


RIGHT_SHARES, WRONG_SHARES = ("even", "first"), ("all", "none", "twice the first")
TIED = rng.standard_normal((6, 5))
TIED[:, 1] = TIED[:, 3] = TIED.max(axis=1)
MANY_TIED = np.where(rng.random((60, 20)) < 0.3, 3.0, rng.uniform(0, 1, (60, 20)))


@pytest.mark.parametrize("x", [TIED, MANY_TIED], ids=["small", "large"])
@pytest.mark.parametrize("sign", [1, -1], ids=["max", "min"])
def test_ties_for_a_maximum_along_an_axis(x, sign):
    for how in (*RIGHT_SHARES, *WRONG_SHARES):
        grad = lambda d, x, how=how: (
            d[:, None] * share(sign * x == (sign * x).max(axis=1, keepdims=True), how)
        )
        verdict, report = verdict_of(lambda x: sign * (sign * x).max(axis=1), grad, (sign * x,))
        assert verdict == (PASS if how in RIGHT_SHARES else FAIL), f"{how}: {report}"


def third_largest(x):
    return np.sort(x)[-3]


def upper_quartile(x):
    return np.quantile(x, 0.75)  # of 4 n + 1 numbers: one of them


MEDIAN = np.array([3.0, 1, 2, 2, 2, 5, 0])
LONG = np.r_[np.full(3, 0.5), np.linspace(0.6, 3, 499), -np.linspace(0, 3, 499)]
MANY = np.r_[np.full(21, 0.5), np.linspace(0.6, 3, 9), -np.linspace(0, 3, 9)]


@pytest.mark.parametrize(
    ("statistic", "x"),
    [
        (np.median, MEDIAN),
        (np.median, LONG),
        (np.median, MANY),
        (third_largest, np.array([4.0, 5, 1, 1, 1, 0, -1])),
        (third_largest, np.array([4.0, 1, 1, 1, 1, 0, -1])),
        (upper_quartile, np.array([5.0, 2, 2, 2, 0, -1, 0.5, 1, 1.5])),
        (lambda x: np.median(x) + np.sum(x**2), MEDIAN),
    ],
    ids=["median", "of 1,001", "21 ties", "third largest", "4 ties", "quantile", "and a sum"],
)
@pytest.mark.parametrize("mode", ["elements", "projections"])
def test_a_tie_that_no_single_entry_shows(statistic, x, mode):
    if mode == "elements" and x.size > 400:
        return
    has_sum = statistic(2 * x) != 2 * statistic(x)
    value = np.median(x) if has_sum else statistic(x)
    for how in ("even", "first", "all", "none"):

        def grad(d, x, how=how):
            current = np.median(x) if has_sum else statistic(x)
            return d * (share(np.abs(x - current) < 1e-12, how) + 2 * x * has_sum)

        verdict, report = verdict_of(statistic, grad, (x,), mode=mode)
        assert verdict == (PASS if how in RIGHT_SHARES else FAIL), f"{how} {value}: {report}"


@pytest.mark.parametrize("shape", [(5, 4), (40, 30)], ids=["small", "large"])
@pytest.mark.parametrize("at", ["some", "zeros"])
def test_ties_between_arguments(shape, at):
    """maximum(x, y) and minimum(x, y) where they are equal."""
    x = rng.standard_normal(shape) if at == "some" else np.zeros(shape)
    y = np.where(rng.random(shape) < 0.4, x, x + rng.standard_normal(shape)) if x.any() else x
    for func, sign in ((np.maximum, 1), (np.minimum, -1)):
        for to_x, to_y, expected in (
            (1, 0, PASS),
            (0, 1, PASS),
            (0.5, 0.5, PASS),
            (0.3, 0.7, PASS),
            (1, 1, FAIL),
            (0, 0, FAIL),
            (2, -1, FAIL),
        ):
            grad = lambda d, x, y, s=sign, a=to_x, b=to_y: (
                d * np.where(x == y, a, s * x > s * y),
                d * np.where(x == y, b, s * x < s * y),
            )
            verdict, report = verdict_of(func, grad, (x, y.copy()))
            assert verdict == expected, f"{func.__name__} {to_x} {to_y}: {report}"


def test_ties_of_arguments_with_equal_ratios():
    x = rng.standard_normal((5, 4))
    for shares, expected in (((1, 0), PASS), ((0.5, 0.5), PASS), ((1, 1), FAIL), ((0, 0), FAIL)):
        grad = lambda d, x, y, s=shares: (
            d * np.where(x == 2 * y, s[0], x > 2 * y),
            2 * d * np.where(x == 2 * y, s[1], x < 2 * y),
        )
        verdict, report = verdict_of(lambda x, y: np.maximum(x, 2 * y), grad, (x, x / 2))
        assert verdict == expected, f"{shares}: {report}"


# ---- each part taken out ----


def without_hidden_kinks(patch):
    patch.setattr(entries, "has_hidden_kink", lambda *a: False)
    patch.setattr(projections, "has_hidden_kink", lambda *a: False)


def without_bounds(patch):
    patch.setattr(entries, "at_kink", lambda *a: np.inf)


def without_room(patch):
    patch.setattr(nearby, "gradients_nearby", lambda points, leaf, pairs=4: np.zeros((0, 20)))


def without_ties(patch):
    patch.setattr(leaves, "check_ties", lambda *a: None)


def without_ties_between(patch):
    patch.setattr(leaves, "check_ties_between", lambda *a: None)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("removal", "test", "given"),
    [
        (without_hidden_kinks, test_a_tie_that_no_single_entry_shows, (np.median, MEDIAN, "elements")),
        (without_hidden_kinks, test_a_tie_that_no_single_entry_shows, (np.median, LONG, "projections")),
        (without_bounds, test_one_entry_at_a_kink, ("relu", SMALL, "elements")),
        (without_room, test_kinks_that_coincide_in_one_output_are_given_room, ()),
        (without_ties, test_a_tie_that_no_single_entry_shows, (np.median, MEDIAN, "elements")),
        (without_ties_between, test_ties_between_arguments, ((5, 4), "some")),
        (without_special_entries, test_one_entry_at_a_kink, ("relu", LARGE, "auto")),
    ],
)  # fmt: skip
def test_a_part_taken_out_is_missed(removal, test, given, monkeypatch):
    removal(monkeypatch)
    with pytest.raises(AssertionError):
        test(*given)
