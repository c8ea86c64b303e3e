"""Entries that are 0: slopes at their own step sizes, and no PASS where one of them is not seen."""

import numpy as np
import pytest

from npgan.testing import FAIL, INCONCLUSIVE, PASS, check_gradients
from npgan.testing.slopes import noise, noise_at_zeros, slope
from npgan.testing.verdict import entries, projections, rows, special_entries


def with_zeros(n, zeros):
    """Positive numbers, of which so many are 0."""
    x = np.abs(np.random.default_rng(0).standard_normal(n)) + 0.1
    x[:: n // zeros] = 0
    return x


def sigmoid(x):
    return 1 / (1 + np.exp(-np.clip(x, -700, 700)))


def x_log_square(eps):
    return (
        lambda x: x * np.log(x * x + eps),
        lambda x: np.log(x * x + eps) + 2 * x * x / (x * x + eps),
    )


# (F, its derivative), which is another one at 0 than near it.
SHARP = {
    **{f"x log(|x| + {e:g})": (lambda x, e=e: x * np.log(np.abs(x) + e), lambda x, e=e: np.log(np.abs(x) + e) + np.abs(x) / (np.abs(x) + e))
       for e in (1e-12, 1e-15, 1e-20, 1e-30)},
    "x log(x² + 1e-20)": x_log_square(1e-20),
    "x log(x² + 1e-30)": x_log_square(1e-30),
    **{f"-p log(p + {e:g})": (lambda x, e=e: -x * np.log(x + e), lambda x, e=e: -np.log(x + e) - x / (x + e)) for e in (1e-12, 1e-15)},
    "sqrt(x + 1e-12)": (lambda x: np.sqrt(x + 1e-12), lambda x: 0.5 / np.sqrt(x + 1e-12)),
    "x / (|x| + 1e-10)": (lambda x: x / (np.abs(x) + 1e-10), lambda x: 1e-10 / (np.abs(x) + 1e-10) ** 2),
    # not among those that were reported:
    "(x + 1e-16) log(x + 1e-16)": (lambda x: (x + 1e-16) * np.log(x + 1e-16), lambda x: np.log(x + 1e-16) + 1),
    "(x + 1e-12)^0.3": (lambda x: (x + 1e-12) ** 0.3, lambda x: 0.3 * (x + 1e-12) ** -0.7),
    "x (|x| + 1e-14)^-0.2": (lambda x: x * (np.abs(x) + 1e-14) ** -0.2, lambda x: (np.abs(x) + 1e-14) ** -0.2 - 0.2 * np.abs(x) * (np.abs(x) + 1e-14) ** -1.2),
    "x arcsinh(1 / hypot(x, 1e-15))": (lambda x: x * np.arcsinh(1 / np.hypot(x, 1e-15)), lambda x: np.arcsinh(1 / np.hypot(x, 1e-15)) - x**2 / np.hypot(x, 1e-15) ** 2 / np.sqrt(1 + np.hypot(x, 1e-15) ** 2)),
}  # fmt: skip
WRONG = {  # at the zeros
    "0": lambda g: 0 * g,
    "the sign": lambda g: -g,
    "the eps is dropped": lambda g: 3 + 0 * g,
}


def at_zeros(derivative, change, only=slice(None)):
    """The gradient that is changed at the entries of 0, or only at some of them."""

    def backward(dout, x):
        g = np.array(derivative(x))
        some = np.flatnonzero(x == 0)[only]
        g[some] = change(g[some])
        return (dout * g).astype(x.dtype)

    return backward


def verdicts(func, derivative, x, changes, **options):
    return [
        check_gradients(func, at_zeros(derivative, c), (x,), style="dout", **options).verdict
        for c in changes
    ]


def locked(f):
    return lambda x: f(np.asarray(x, np.float32)).astype(np.float32)


@pytest.mark.parametrize("name", SHARP)
@pytest.mark.parametrize(("n", "zeros"), [(20, 1), (20, 4), (900, 1), (900, 180)])
def test_sharp_at_zeros_is_measured_at_its_own_steps(name, n, zeros):
    func, derivative = SHARP[name]
    x = with_zeros(n, zeros)
    assert verdicts(func, derivative, x, [np.copy, *WRONG.values()]) == [PASS, FAIL, FAIL, FAIL]
    assert verdicts(func, derivative, x.astype(np.float32), [np.copy, WRONG["0"]]) == [PASS, FAIL]


@pytest.mark.parametrize("name", ["x log(|x| + 1e-15)", "-p log(p + 1e-12)", "x / (|x| + 1e-10)"])
@pytest.mark.parametrize(("n", "zeros"), [(20, 1), (900, 180)])
def test_sharp_at_zeros_in_float32_alone(name, n, zeros):
    func, derivative = (locked(f) for f in SHARP[name])
    x = with_zeros(n, zeros).astype(np.float32)
    assert verdicts(func, derivative, x, [np.copy, *WRONG.values()]) == [PASS, FAIL, FAIL, FAIL]


@pytest.mark.parametrize("name", SHARP)
def test_one_wrong_zero_of_many_is_found_and_named(name):
    func, derivative = SHARP[name]
    x = with_zeros(900, 90)
    wrong = at_zeros(derivative, lambda g: 0.5 * g, only=slice(45, 46))
    row = check_gradients(func, wrong, (x,), style="dout")["x"]
    assert row.verdict == FAIL
    assert row.index == (450,)


@pytest.mark.parametrize("name", ["x log(|x| + 1e-15)", "x log(|x| + 1e-20)", "-p log(p + 1e-15)"])
@pytest.mark.parametrize(("n", "zeros"), [(20, 1), (900, 1), (900, 180)])
def test_an_entry_that_no_slope_can_see_is_no_silent_pass(name, n, zeros):
    """Of a sum of numbers of size 1 the rounding error hides what a zero contributes."""
    func, derivative = SHARP[name]
    x, total = with_zeros(n, zeros), lambda x: np.sum(func(x))
    for change in WRONG.values():
        wrong = lambda x, c=change: at_zeros(derivative, c)(1.0, x)
        assert check_gradients(total, wrong, (x,)).verdict != PASS
    report = check_gradients(total, derivative, (x,))
    assert report.verdict == INCONCLUSIVE
    assert "could not be checked" in report.summary()


@pytest.mark.parametrize("kind", ["x^1.5", "sqrt(x)³", "x² log x"])
@pytest.mark.parametrize("zeros", [1, 4])
def test_the_end_of_a_domain_is_checked_to_one_side(kind, zeros):
    with np.errstate(all="ignore"):
        func, derivative = {
            "x^1.5": (lambda x: x**1.5, lambda x: 1.5 * np.sqrt(x)),
            "sqrt(x)³": (lambda x: np.sqrt(x) ** 3 + x, lambda x: 1.5 * np.sqrt(x) + 1),
            "x² log x": (
                lambda x: np.where(x == 0, 0, x * x * np.log(np.where(x == 0, 1, x))),
                lambda x: np.where(x == 0, 0, 2 * x * np.log(np.where(x == 0, 1, x)) + x),
            ),
        }[kind]
        x = with_zeros(20, zeros)
        right, wrong = verdicts(func, derivative, x, [np.copy, lambda g: 3 + g])
    assert right == PASS
    assert wrong != PASS


def bump(height):
    """x with a step of this height at 0 that has the slope 1."""
    return (
        lambda x: height * np.tanh(x / height) + x,
        lambda x: 1 + 1 / np.cosh(np.minimum(np.abs(x / height), 300)) ** 2,
    )


@pytest.mark.parametrize("height", [1e-10, 1e-13, 1e-16])
@pytest.mark.parametrize(("n", "zeros"), [(20, 4), (900, 180)])
def test_a_slope_that_differs_at_0_alone(height, n, zeros):
    """At the usual steps all slopes agree on 1."""
    func, derivative = bump(height)
    changes = [np.copy, lambda g: g - 1, lambda g: 1.5 * g]
    assert verdicts(func, derivative, with_zeros(n, zeros), changes) == [PASS, FAIL, FAIL]


@pytest.mark.parametrize("width", [1e-10, 1e-14, 1e-17])
def test_a_ramp_that_looks_like_a_kink(width):
    """softplus(x / width) width has the slope 1/2 at 0, whatever relu allows."""
    func, derivative = lambda x: np.logaddexp(0, x / width) * width, lambda x: sigmoid(x / width)
    changes = [np.copy, WRONG["0"], lambda g: 1 + 0 * g]
    for n in (20, 900):
        right, *wrong = verdicts(func, derivative, with_zeros(n, 4), changes)
        assert right == PASS
        assert wrong == [FAIL, FAIL]


@pytest.mark.parametrize("power", [0.25, 0.5])
@pytest.mark.parametrize("seed", [0, 1])
def test_slopes_that_settle_slowly_at_0_in_float32(power, seed):
    """Quotients of x |x|^p at 0 fall like h^p; those of the other entries are rounding."""
    func = locked(lambda x: x * np.abs(x) ** np.float32(power))
    derivative = lambda x: (1 + power) * np.abs(np.float32(x)) ** power
    x = np.float32(with_zeros(900, 1))
    for options in ({"seed": seed}, {"seed": seed, "mode": "projections"}):
        report = check_gradients(func, at_zeros(derivative, np.copy), (x,), style="dout", **options)
        assert report.verdict != FAIL, str(report)


@pytest.mark.parametrize("eps", [1e-10, 1e-12, 1e-15])
def test_a_tip_that_is_rounded_off(eps):
    """Of sqrt(x² + eps²) only 0 is the slope at 0; at the smallest steps rounding hides that."""
    func, derivative = lambda x: np.hypot(x, eps), lambda x: x / np.hypot(x, eps)
    for n in (20, 900):
        right, *wrong = verdicts(func, derivative, with_zeros(n, 4), [np.copy, lambda g: g + 1])
        assert right == PASS
        assert wrong == [FAIL]


def test_the_noise_of_a_function_whose_domain_ends_at_0():
    """exp and log round a mean of log(1e-10) 23 times as much as a product; x + 1e-10 rounds x."""
    x = np.abs(np.random.default_rng(3).standard_normal((6, 5)))
    x[1] = x[3, 2] = 0
    func = lambda x: np.exp(np.log(x + 1e-10).mean(axis=1))
    right = lambda dout, x: (dout * func(x))[:, None] / (x + 1e-10) / 5
    assert check_gradients(func, right, (x,), style="dout").verdict == PASS
    for factor in (0, 1.5):
        wrong = lambda dout, x, k=factor: right(dout, x) * np.where(x.any(axis=1), 1, k)[:, None]
        assert check_gradients(func, wrong, (x,), style="dout").verdict == FAIL


# ---- each part taken out ----


def no_noise_of_zeros(patch):
    patch.setattr(noise_at_zeros, "noise_at", lambda point, leaf, h: point.sigma)


def no_other_side(patch):
    patch.setattr(noise, "SIDES", (0,))
    patch.setattr(noise_at_zeros, "ROUNDINGS", 0.0)


def no_closer_look(patch):
    for module in (entries, special_entries):
        patch.setattr(module, "is_sharp_at", lambda point, leaf, v: False)


def no_unseen(patch):
    patch.setattr(rows, "is_seen", lambda found, gross: np.ones(found.gap.shape, bool))


def no_probe_at_zero(patch):
    patch.setattr(slope, "PROBES_AT_ZERO", np.array([]))


def no_one_side(patch):
    patch.setattr(entries, "one_sided_slope", lambda *a: None)


def zeros_not_apart(patch):
    patch.setattr(projections, "measure_zeros_apart", lambda *a: None)


@pytest.mark.parametrize(
    ("removal", "test", "given"),
    [
        (no_noise_of_zeros, test_sharp_at_zeros_is_measured_at_its_own_steps, ("x log(|x| + 1e-20)", 20, 4)),
        (no_noise_of_zeros, test_sharp_at_zeros_in_float32_alone, ("x log(|x| + 1e-15)", 20, 1)),
        (no_other_side, test_the_noise_of_a_function_whose_domain_ends_at_0, ()),
        (no_closer_look, test_one_wrong_zero_of_many_is_found_and_named, ("x log(|x| + 1e-15)",)),
        (no_closer_look, test_a_slope_that_differs_at_0_alone, (1e-16, 900, 180)),
        (no_unseen, test_an_entry_that_no_slope_can_see_is_no_silent_pass, ("x log(|x| + 1e-15)", 20, 1)),
        (no_probe_at_zero, test_a_ramp_that_looks_like_a_kink, (1e-17,)),
        (no_one_side, test_the_end_of_a_domain_is_checked_to_one_side, ("x^1.5", 1)),
        (zeros_not_apart, test_slopes_that_settle_slowly_at_0_in_float32, (0.5, 0)),
    ],
)  # fmt: skip
def test_a_part_taken_out_is_missed(removal, test, given, monkeypatch):
    removal(monkeypatch)
    with pytest.raises(AssertionError):
        test(*given)
