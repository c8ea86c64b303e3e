"""Functions that look like a kink down to tiny steps, but are smooth: what a kink allows is wrong."""

import numpy as np
import pytest

from npgan.testing import FAIL, INCONCLUSIVE, PASS, check_gradients
from npgan.testing.slopes import hidden_kinks, slope
from npgan.testing.verdict import projections

rng = np.random.default_rng(3)
A, B = rng.standard_normal((2, 6))
AT_ZERO = tuple(np.where(np.arange(6) % 3, v, 0.0) for v in (A, B))
AT_TIE = A, np.where(np.arange(6) % 3, B, A)
PADDED = np.where(np.arange(5)[:, None] % 2, 0.0, rng.standard_normal((5, 4)))
EQUAL = rng.standard_normal((4, 5))
EQUAL[1], EQUAL[2, :3] = 0.7, 2.5


def sigmoid(z):
    return 0.5 * (1 + np.tanh(0.5 * z))


# Each makes (func, its derivatives by every argument, where F is sharp, a wrong value there).


def hypotenuse(eps):
    func = lambda x, y: np.sqrt(x**2 + y**2 + eps**2)
    return (
        func,
        lambda x, y: (x / func(x, y), y / func(x, y)),
        lambda x, y: (x == 0) & (y == 0),
        1.0,
    )


def product(eps):
    s = lambda x: np.sqrt(x**2 + eps**2)
    func = lambda x, y: s(x) * (1 + y**2)
    return func, lambda x, y: (x / s(x) * (1 + y**2), s(x) * 2 * y), lambda x, y: x == 0, 0.5


def smooth_maximum(eps):
    func = lambda x, y: np.maximum(x, y) + eps * np.log1p(np.exp(-np.abs(x - y) / eps))
    share = lambda x, y: sigmoid((x - y) / eps)
    return func, lambda x, y: (share(x, y), 1 - share(x, y)), lambda x, y: x == y, 0.3


def pseudo_huber(eps):
    func = lambda x, y: eps * (np.sqrt(1 + ((x - y) / eps) ** 2) - 1)
    share = lambda x, y: (x - y) / eps / np.sqrt(1 + ((x - y) / eps) ** 2)
    return func, lambda x, y: (share(x, y), -share(x, y)), lambda x, y: x == y, 0.5


def softplus(eps):
    func = lambda x: np.logaddexp(0, x / eps) * eps
    return func, lambda x: (sigmoid(x / eps),), lambda x: x == 0, 1.0


def huber(eps):
    func = lambda x: np.where(np.abs(x) < eps, x * x / (2 * eps), np.abs(x) - eps / 2)
    return func, lambda x: (np.clip(x / eps, -1, 1),), lambda x: x == 0, 0.5


TIPS = {
    "hypotenuse": (hypotenuse, AT_ZERO),
    "product": (product, AT_ZERO),
    "smooth maximum": (smooth_maximum, AT_TIE),
    "pseudo-Huber": (pseudo_huber, AT_TIE),
    "softplus": (softplus, AT_ZERO[:1]),
    "Huber": (huber, AT_ZERO[:1]),
}


def check_tip(name, eps, mode, change=None, is_loss=False):
    """The verdict; change: by what the first derivative at the tip is replaced."""
    make, args = TIPS[name]
    func, derivatives, is_tip, _ = make(eps)

    def backward(d, *args):
        first, *others = derivatives(*args)
        if change is not None:
            first = np.where(is_tip(*args), change, first)
        return tuple(d * g for g in (first, *others))

    loss = (lambda *a: np.sum(func(*a))) if is_loss else func
    return check_gradients(loss, backward, args, style="dout", mode=mode).verdict


@pytest.mark.parametrize("name", TIPS)
@pytest.mark.parametrize("eps", [1e-6, 1e-8, 1e-10, 1e-12])
@pytest.mark.parametrize("mode", ["elements", "projections"])
def test_a_tip_is_no_kink(name, eps, mode):
    wrong = TIPS[name][0](eps)[-1]
    assert check_tip(name, eps, mode) == PASS
    assert check_tip(name, eps, mode, wrong) == FAIL


@pytest.mark.parametrize("name", TIPS)
@pytest.mark.parametrize("eps", [1e-6, 1e-10])
@pytest.mark.parametrize("mode", ["elements", "projections"])
def test_a_tip_in_a_sum(name, eps, mode):
    wrong = TIPS[name][0](eps)[-1]
    assert check_tip(name, eps, mode, is_loss=True) == PASS
    assert check_tip(name, eps, mode, wrong, is_loss=True) == FAIL


@pytest.mark.parametrize("name", TIPS)
def test_a_tip_in_a_sum_as_far_as_rounding_allows(name):
    """One per cent of the slope may be hidden, but not half of it."""
    wrong = TIPS[name][0](1e-12)[-1]
    assert check_tip(name, 1e-12, "elements", is_loss=True) != FAIL
    assert check_tip(name, 1e-12, "elements", wrong, is_loss=True) != PASS


@pytest.mark.parametrize("name", ["hypotenuse", "softplus", "Huber"])
@pytest.mark.parametrize("eps", [1e-14, 1e-17, 1e-20])
@pytest.mark.parametrize("mode", ["elements", "projections"])
def test_a_tip_finer_than_numbers_around_one(name, eps, mode):
    """Numbers near 0 are finer: each output shows the tip, their sum is a kink to all digits."""
    wrong = TIPS[name][0](eps)[-1]
    assert check_tip(name, eps, mode) == PASS
    assert check_tip(name, eps, mode, wrong) == FAIL
    assert check_tip(name, eps, mode, is_loss=True) in (PASS, INCONCLUSIVE)


def norms(eps, of_padding=None):
    func = lambda x: np.sqrt((x**2).sum(1) + eps**2)

    def backward(d, x):
        g = d[:, None] * x / func(x)[:, None]
        if of_padding is not None:
            g[(x == 0).all(1)] = of_padding
        return g

    return func, backward, PADDED


def log_sum_exp(eps, is_argmax=False):
    def func(x):
        m = x.max(1, keepdims=True)
        return m[:, 0] + eps * np.log(np.exp((x - m) / eps).sum(1))

    def backward(d, x):
        e = np.exp((x - x.max(1, keepdims=True)) / eps)
        if is_argmax:
            e = np.eye(x.shape[1])[x.argmax(1)]
        return d[:, None] * e / e.sum(1, keepdims=True)

    return func, backward, EQUAL


@pytest.mark.parametrize("eps", [1e-6, 1e-8, 1e-10])
@pytest.mark.parametrize("mode", ["elements", "projections"])
@pytest.mark.parametrize(("make", "wrong"), [(norms, 0.5), (log_sum_exp, True)])
def test_tips_of_rows(make, wrong, eps, mode):
    func, right, x = make(eps)
    assert check_gradients(func, right, x, style="dout", mode=mode).verdict == PASS
    func, spoilt, x = make(eps, wrong)
    assert check_gradients(func, spoilt, x, style="dout", mode=mode).verdict == FAIL


# ---- true kinks at the same points stay kinks ----

KINKS = {
    "hypotenuse": (lambda x, y: np.hypot(x, y), lambda x, y: (x / np.where(x == y, 1, np.hypot(x, y)), y / np.where(x == y, 1, np.hypot(x, y))), AT_ZERO),
    "maximum": (np.maximum, lambda x, y: (1.0 * (x >= y), 1.0 * (x < y)), AT_TIE),
    "distance": (lambda x, y: np.abs(x - y), lambda x, y: (np.sign(x - y), -np.sign(x - y)), AT_TIE),
    "a kink at numbers of 1e6": (lambda x, y: np.maximum(x, y - 1e6) - 1e6, lambda x, y: (1.0 * (x >= y - 1e6), 1.0 * (x < y - 1e6)), (AT_TIE[0] + 1e6, AT_TIE[1] + 2e6)),
    "relu of a sum": (lambda x, y: np.maximum(x + y, 0), lambda x, y: (1.0 * (x + y > 0), 1.0 * (x + y > 0)), (A, np.where(np.arange(6) % 3, np.abs(A) + B, -A))),
}  # fmt: skip


@pytest.mark.parametrize("name", KINKS)
@pytest.mark.parametrize("mode", ["elements", "projections"])
@pytest.mark.parametrize("is_loss", [False, True])
def test_a_kink_is_a_kink(name, mode, is_loss):
    func, derivatives, args = KINKS[name]
    loss = (lambda *a: np.sum(func(*a))) if is_loss else func
    right = lambda d, *a: tuple(d * g for g in derivatives(*a))
    assert check_gradients(loss, right, args, style="dout", mode=mode).verdict == PASS


@pytest.mark.parametrize("statistic", [np.median, np.max, lambda x: np.sort(x)[2]])
@pytest.mark.parametrize("value", [0.0, 0.3, 1e5])
def test_a_tie_of_three_is_a_kink(statistic, value):
    x = value + np.array([0.0, 1.0, 0.0, -2.0, 0.0])
    share = lambda d, x: d * (x == statistic(x)) / np.sum(x == statistic(x))
    assert check_gradients(statistic, share, x, style="dout").verdict == PASS


def no_finer_moves(patch):
    patch.setattr(hidden_kinks, "FINER", np.array([]))
    patch.setattr(hidden_kinks, "FINER_AT_ZERO", np.array([]))
    patch.setattr(hidden_kinks, "is_clear", lambda *a: True)


def no_finer_moves_at_zero(patch):
    patch.setattr(hidden_kinks, "FINER_AT_ZERO", np.array([]))


def one_probe(patch):
    patch.setattr(slope, "PROBES", np.array([2.0**-38]))


def no_fine_projections(patch):
    patch.setattr(projections, "RESOLUTION", -1.0)
    patch.setattr(projections.ProjectionComparison, "calibrate", coarse_calibration)


def coarse_calibration(comparison, point, v):
    comparison.steps, comparison.entry, comparison.truncation = "usual", None, 0.0
    return comparison.measure(point, v, "usual", None)


@pytest.mark.parametrize(
    ("removal", "test", "given"),
    [
        (no_finer_moves, test_a_tip_is_no_kink, ("hypotenuse", 1e-12, "elements")),
        (no_finer_moves, test_a_tip_is_no_kink, ("hypotenuse", 1e-6, "elements")),
        (no_finer_moves_at_zero, test_a_tip_finer_than_numbers_around_one, ("hypotenuse", 1e-17, "elements")),
        (one_probe, test_a_tip_in_a_sum_as_far_as_rounding_allows, ("softplus",)),
        (no_fine_projections, test_a_tip_is_no_kink, ("smooth maximum", 1e-10, "projections")),
    ],
)  # fmt: skip
def test_a_part_taken_out_is_missed(removal, test, given, monkeypatch):
    removal(monkeypatch)
    with pytest.raises(AssertionError):
        test(*given)
