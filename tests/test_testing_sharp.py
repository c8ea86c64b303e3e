"""Functions that are sharp at single entries: slopes that have not settled have no error bar."""

import numpy as np
import pytest
from checked_functions import softmax

from npgan.testing import FAIL, PASS, check_gradients, numerical_gradient
from npgan.testing.problem.problem import Problem
from npgan.testing.slopes import noise, richardson, slope
from npgan.testing.slopes.points import Point
from npgan.testing.verdict import entries, special_entries

rng = np.random.default_rng(0)
PADDED = rng.standard_normal((5, 4))
PADDED[1] = PADDED[3] = 0.0
AT_ZERO = np.array([0.0, 1.0, -2.0, 0.0, 1e-3, 0.4])


def with_constant_row(c):
    x = rng.standard_normal((5, 4))
    x[2] = c
    return x


def unit_rows(eps):
    def forward(x):
        return x / np.sqrt((x**2).sum(axis=1, keepdims=True) + eps)

    def backward(d, x):
        s, y = np.sqrt((x**2).sum(axis=1, keepdims=True) + eps), forward(x)
        return (d - y * (d * y).sum(axis=1, keepdims=True)) / s

    return forward, backward, PADDED


def rows_by_norm(eps):
    def forward(x):
        return x / (np.sqrt((x**2).sum(axis=1, keepdims=True)) + eps)

    def backward(d, x):
        r = np.sqrt((x**2).sum(axis=1, keepdims=True))
        direction = np.where(r > 0, x / np.where(r > 0, r, 1), 0)
        return d / (r + eps) - direction * (d * x).sum(axis=1, keepdims=True) / (r + eps) ** 2

    return forward, backward, PADDED


def layer_norm(eps, c):
    def forward(x):
        return (x - x.mean(axis=1, keepdims=True)) / np.sqrt(x.var(axis=1, keepdims=True) + eps)

    def backward(d, x):
        s, n = np.sqrt(x.var(axis=1, keepdims=True) + eps), forward(x)
        centred = d - d.mean(axis=1, keepdims=True)
        return (centred - n * (d * n).mean(axis=1, keepdims=True)) / s

    return forward, backward, with_constant_row(c)


def elementwise(func, derivative, x=AT_ZERO):
    return func, lambda d, x: d * derivative(x), x


SHARP = {
    **{f"unit rows, eps {e:g}": unit_rows(e) for e in (1e-4, 1e-8, 1e-12, 1e-20, 1e-30)},
    **{f"rows by norm, eps {e:g}": rows_by_norm(e) for e in (1e-4, 1e-8, 1e-12)},
    **{f"layer norm, eps {e:g}, row of {c:g}": layer_norm(e, c)
       for e in (1e-5, 1e-8, 1e-12) for c in (0.0, 1.3, -7.7)},
    **{f"x / sqrt(x² + {e:g})": elementwise(lambda x, e=e: x / np.sqrt(x**2 + e), lambda x, e=e: e / (x**2 + e) ** 1.5)
       for e in (1e-6, 1e-12, 1e-20)},
    **{f"a / (a + {e:g})": elementwise(lambda a, e=e: a / (a + e), lambda a, e=e: e / (a + e) ** 2, np.abs(AT_ZERO))
       for e in (1e-3, 1e-9, 1e-12)},
    # not among those that were reported:
    "tanh(1e9 x)": elementwise(lambda x: np.tanh(1e9 * x), lambda x: 1e9 * (np.abs(1e9 * x) < 300) / np.cosh(np.clip(1e9 * x, -300, 300)) ** 2),
    "arctan(1e10 x)": elementwise(lambda x: np.arctan(1e10 * x), lambda x: 1e10 / (1 + (1e10 * x) ** 2)),
    "log(x + 1e-10)": elementwise(lambda x: np.log(x + 1e-10), lambda x: 1 / (x + 1e-10), np.abs(AT_ZERO)),
    "sqrt(x + 1e-12)": elementwise(lambda x: np.sqrt(x + 1e-12), lambda x: 0.5 / np.sqrt(x + 1e-12), np.abs(AT_ZERO)),
    "sqrt(x² + 1e-16)": elementwise(lambda x: np.sqrt(x**2 + 1e-16), lambda x: x / np.sqrt(x**2 + 1e-16)),
    "huber of 1e-8": elementwise(lambda x: np.where(np.abs(x) < 1e-8, x * x / 2e-8, np.abs(x) - 5e-9), lambda x: np.clip(x * 1e8, -1, 1)),
}  # fmt: skip


@pytest.mark.parametrize("name", SHARP)
@pytest.mark.parametrize("mode", ["elements", "projections"])
def test_sharp_at_zeros(name, mode):
    func, right, x = SHARP[name]
    report = check_gradients(func, right, (x,), style="dout", mode=mode)
    assert report.verdict == PASS, str(report)
    at = np.unravel_index(np.argmax(np.abs(right(rng.standard_normal(x.shape), x))), x.shape)

    def wrong(d, x):
        g = right(d, x)
        g[at] *= 1.5
        return g

    spoilt = check_gradients(func, wrong, (x,), style="dout", mode=mode)
    assert spoilt.verdict == FAIL, str(spoilt)


@pytest.mark.parametrize("name", SHARP)
@pytest.mark.parametrize("method", ["auto", "differences"])
def test_the_bound_holds_where_a_function_is_sharp(name, method):
    func, right, x = SHARP[name]
    assert_bound_holds(func, right, x, method)


def assert_bound_holds(func, right, x, method="auto", known=1.0):
    dout = rng.standard_normal(np.shape(func(x)))
    gradient, bound = numerical_gradient(func, x, dout=dout, method=method)
    error = np.abs(gradient - right(dout, x))
    assert np.all((error <= bound) | np.isinf(bound)), f"{error} > {bound}"
    assert np.mean(np.isfinite(bound)) >= known


@pytest.mark.parametrize("w", [1.0, 1e2, 1e4, 1e6])
@pytest.mark.parametrize("method", ["auto", "differences"])
def test_the_bound_holds_for_every_entry(w, method):
    x = rng.standard_normal(12)
    near = 0.5 + x / w
    powers = np.array([0.0, 1e-9, -1e-6, 1e-3, 0.3, 2.0])
    wide = 10 ** rng.uniform(-8, 6, 20)
    for func, derivative, at in (
        (lambda x: np.sin(w * x), lambda x: w * np.cos(w * x), x),
        (lambda x: x + np.sin(w * x) / w**1.5, lambda x: 1 + np.cos(w * x) / w**0.5, x),
        (lambda x: np.tanh(w * (x - 0.5)), lambda x: w / np.cosh(w * (x - 0.5)) ** 2, near),
        (lambda x: np.exp(-((w * (x - 0.5)) ** 2)), lambda x: -2 * w * w * (x - 0.5) * np.exp(-((w * (x - 0.5)) ** 2)), near),
        (lambda x: x * np.abs(x) ** 1.5, lambda x: 2.5 * np.abs(x) ** 1.5, powers),
        (lambda x: np.abs(x) ** 1.5, lambda x: 1.5 * np.abs(x) ** 0.5 * np.sign(x), powers),
        (lambda x: w / x, lambda x: -w / x**2, wide),
        (lambda x: w * np.sqrt(x), lambda x: 0.5 * w / np.sqrt(x), wide),
    ):  # fmt: skip
        assert_bound_holds(func, lambda d, x, f=derivative: d * f(x), at, method, known=0.5)


@pytest.mark.parametrize("distance", 10.0 ** -np.arange(1, 12, 2))
def test_the_bound_holds_near_kinks(distance):
    x = distance * np.array([1.0, -1.0, 3.0, -0.3, 1e3])
    for func, derivative in (
        (np.abs, np.sign),
        (lambda x: np.maximum(x, 0), lambda x: 1.0 * (x > 0)),
    ):
        assert_bound_holds(func, lambda d, x, f=derivative: d * f(x), x, known=0.0)


def test_slopes_that_grow_have_no_error_bar():
    steps = 2.0 ** np.array([-7, -11, -15, -19])
    for values in (1 / steps, 1 + 1e-6 / steps, steps**-0.5, -np.log(steps)):
        assert richardson.best_entry(steps, values, 1e-16 / steps)[1] == np.inf
    for values in (1 + steps, 1 + steps**2, 1 + steps**0.5, 1 + 0 * steps):
        assert richardson.best_entry(steps, values, 1e-16 / steps)[1] < 0.01


def test_a_smooth_function_is_no_kink():
    """|x| rounded off over 1e-8: what a kink would allow is wrong here."""
    x = np.array([0.0, 1.0, -2.0, 0.0])
    func = lambda x: np.sqrt(x**2 + 1e-16)
    for at_0, expected in ((0.0, PASS), (0.5, FAIL), (1.0, FAIL)):
        grad = lambda d, x, at=at_0: d * np.where(x == 0, at, x / func(x))
        report = check_gradients(func, grad, (x,), style="dout")
        assert report.verdict == expected, str(report)


# ---- error bars ----

# Errors of central differences, their steps (in powers of two) and their noise, as they were met:
# two steps agree by chance, the second with far more noise; a sum of two terms is flat where its
# sign changes; the two largest steps agree; the rounding errors of a mean add up.
MET = {
    "a noisy neighbour": ([-7, -11, -15, -19], [2.198e-5, 8.58838635e-8, 3.57549e-10, -3.21692e-10], 1.1e-13),
    "a change of sign": (np.arange(1, -6, -1), [1.97e-3, 3.95e-4, -1.464e-5, -1.762e-5, -5.41e-6, -1.54e-6, 5.9e-7], 3.2e-8),
    "the largest steps": (np.arange(1, -6, -1), [8.282e-6, 7.629e-6, 2.478e-6, 8.83e-7, 2.48e-7, 2.9e-8, -4.33e-7], 9.7e-8),
    "one rounding error for many": (np.arange(1, -9, -1), [0.14472, -0.16552, -0.05798, -0.0149, -0.00425, -0.0042, 0.00223, 0.00605, 0.02774, -0.02531], 1.7e-5),
}  # fmt: skip


@pytest.mark.parametrize("name", MET)
def test_the_error_bar_holds_where_two_steps_agree_by_chance(name):
    powers, errors, noise = MET[name]
    steps = 2.0 ** np.array(powers)
    value, error, _ = richardson.best_entry(steps, np.array(errors), noise * steps[0] / steps)
    assert abs(value) <= 4 * error < np.inf


@pytest.mark.parametrize("seed", range(20, 30))
def test_slopes_that_grow_until_rounding_hides_it(seed):
    x, dout = (
        np.array([0.0, 1e-9, -1e-6, 1e-3, 0.3, 2.0]),
        np.random.default_rng(seed).normal(size=6),
    )
    gradient, bound = numerical_gradient(lambda x: np.abs(x) ** 1.5, x, dout=dout)
    error = np.abs(gradient - dout * 1.5 * np.abs(x) ** 0.5 * np.sign(x))
    assert np.all((error <= bound) | np.isinf(bound)), f"{error} > {bound}"


@pytest.mark.parametrize("seed", range(12))
def test_arguments_that_are_read_in_float32(seed):
    """What the outputs are computed in shows no rounding; what is read into it does."""
    A = np.random.default_rng(seed).standard_normal((4, 4)).astype(np.float32)
    read = lambda A: np.float64(np.asarray(A, np.float32))
    slope = lambda A: np.linalg.inv(np.eye(4) * 9 + read(A)).T
    for func, right in (
        (lambda A: np.linalg.slogdet(np.eye(4) * 9 + read(A))[1], slope),
        (lambda A: np.sum(read(A) ** 3), lambda A: 3 * read(A) ** 2),
    ):
        assert check_gradients(func, right, A).verdict == PASS
        assert check_gradients(func, lambda A, g=right: 1.02 * g(A), A).verdict == FAIL


@pytest.mark.parametrize("seed", range(12))
def test_inputs_of_a_spectrum_that_are_read_in_float32(seed):
    """The first number that changes is the one that is rounded finest."""
    A = np.random.default_rng(seed).standard_normal((4, 4)).astype(np.float32)

    def squares(A):
        B = np.float64(np.float32(A))
        return np.linalg.eigvalsh(B @ B.T)

    def backward(d, A):
        v = np.linalg.eigh(np.float64(A) @ np.float64(A).T)[1]
        return 2 * (v * d) @ v.T @ np.float64(A)

    assert check_gradients(squares, backward, A, style="dout").verdict == PASS


def narrow(x):
    return np.float64(np.float32(x))


# A function of x and of the x that it rounds, and the derivative by both; or what it rounds is x @ V.
V = np.random.default_rng(1).standard_normal((4, 3))
ROUNDED = {
    "a buffer": (lambda x: np.tanh(narrow(x @ V)).sum(), lambda x: (1 - np.tanh(x @ V) ** 2) @ V.T),
    "a log-likelihood": (lambda x: np.log(np.exp(narrow(x)).sum(axis=1)).sum(), lambda x: softmax(narrow(x))),
    "half of the path": (lambda x: np.sum(narrow(x) ** 2) + np.sum(x), lambda x: 2 * narrow(x) + 1),
    "an offset": (lambda x: 100 + np.sum(narrow(x) ** 3), lambda x: 3 * narrow(x) ** 2),
}  # fmt: skip


@pytest.mark.parametrize("name", ROUNDED)
@pytest.mark.parametrize("seed", [0, 10])
def test_numbers_that_are_rounded_to_float32_on_their_way(name, seed):
    func, right = ROUNDED[name]
    x = np.random.default_rng(seed).standard_normal((5, 4))
    assert check_gradients(func, right, x, seed=seed).verdict == PASS
    assert check_gradients(func, lambda x: 1.02 * right(x), x, seed=seed).verdict == FAIL


def test_a_kink_on_the_line_is_no_rounding():
    """It is crossed on the longer line; a sharp function has fourth differences there, too."""
    for f in (lambda p: abs(p - 3.3 * 2**10), lambda p: np.exp(3e-5 * p)):
        samples_at = lambda positions, f=f: [1 + 1e-9 * np.array([f(p)]) for p in positions]
        start = samples_at([0.0])[0]
        assert not noise.rounding_of_numbers(samples_at, start, np.zeros(1)).any()


# ---- each part taken out ----


def no_long_lines(patch):
    patch.setattr(noise, "rounding_of_numbers", lambda samples_at, start, sigma: 0.0 * start)


def one_long_line(patch):
    patch.setattr(noise, "LEFT", -1.0)


def settled_always(patch):
    patch.setattr(richardson, "unsettled_change", lambda *a: np.inf)


def no_finer_steps(patch):
    for is_coarse in (False, True):
        patch.setitem(slope.STEPS, ("fine", is_coarse), slope.STEPS["wide", is_coarse])


def kinks_never_vanish(patch):
    patch.setattr(slope, "remaining", lambda jump, finer: jump)


@pytest.mark.parametrize(
    ("removal", "test", "given"),
    [
        (settled_always, test_the_bound_holds_where_a_function_is_sharp, ("unit rows, eps 1e-20", "differences")),
        (settled_always, test_slopes_that_grow_have_no_error_bar, ()),
        (no_finer_steps, test_sharp_at_zeros, ("tanh(1e9 x)", "elements")),
        (no_long_lines, test_inputs_of_a_spectrum_that_are_read_in_float32, (5,)),
        (no_long_lines, test_arguments_that_are_read_in_float32, (2,)),
        (no_long_lines, test_numbers_that_are_rounded_to_float32_on_their_way, ("half of the path", 0)),
        (no_long_lines, test_numbers_that_are_rounded_to_float32_on_their_way, ("an offset", 10)),
        (one_long_line, test_a_kink_on_the_line_is_no_rounding, ()),
        (kinks_never_vanish, test_a_smooth_function_is_no_kink, ()),
    ],
)  # fmt: skip
def test_a_part_taken_out_is_missed(removal, test, given, monkeypatch):
    removal(monkeypatch)
    with pytest.raises(AssertionError):
        test(*given)


# ---- at entries of 0: wrong there, or at the end of the domain ----


def with_zeros(n):
    """Positive numbers, of which every fifth is 0."""
    x = np.abs(np.random.default_rng(0).standard_normal(n)) + 0.1
    x[::5] = 0
    return x


def entropy_term(eps):
    """(x log(|x| + eps), its gradient, the same with the limit of x log x at 0 for the slope)."""

    def slope(x):
        return np.log(np.abs(x) + eps) + np.abs(x) / (np.abs(x) + eps)

    right = lambda dout, x: dout * slope(x)
    wrong = lambda dout, x: dout * np.where(x == 0, 0, slope(x))
    return lambda x: x * np.log(np.abs(x) + eps), right, wrong


@pytest.mark.parametrize("eps", [1e-9, 1e-12, 1e-15, 1e-20])
@pytest.mark.parametrize("n", [10, 900])
def test_points_nearby_do_not_excuse_a_wrong_special_case(n, eps):
    """Where F is too sharp for a precise slope at 0, points away from 0 were taken for it."""
    func, right, wrong = entropy_term(eps)
    assert check_gradients(func, wrong, with_zeros(n)).verdict != PASS
    assert check_gradients(func, right, with_zeros(n)).verdict != FAIL
    if eps >= 1e-12:
        assert check_gradients(func, wrong, with_zeros(n)).verdict == FAIL
        assert check_gradients(func, right, with_zeros(n)).verdict == PASS


def sharp_pair(name):
    """(F, its derivative), which is 1 / eps or so at 0 and settles at steps far below eps."""
    return {
        "arctan": (np.arctan, lambda x: 1 / (1 + x**2)),
        "tanh": (np.tanh, lambda x: 1 / np.cosh(np.minimum(np.abs(x), 300)) ** 2),
        "ratio": (lambda x: x / (np.abs(x) + 1), lambda x: 1 / (np.abs(x) + 1) ** 2),
    }[name]


@pytest.mark.parametrize("name", ["arctan", "tanh", "ratio"])
@pytest.mark.parametrize("n", [10, 900])
def test_a_slope_too_large_to_subtract_others_from(name, n):
    """1e25 minus slopes of 1e3 and 1e6 are the same number, and looked as if they had settled."""
    eps = 1e-25
    f, derivative = sharp_pair(name)
    func, slope = lambda x: f(x / eps) + x, lambda x: derivative(x / eps) / eps + 1
    assert check_gradients(func, lambda dout, x: dout * slope(x), with_zeros(n)).verdict == PASS
    for factor in (0, 2):
        wrong = lambda dout, x, k=factor: dout * slope(x) * np.where(x == 0, k, 1)
        assert check_gradients(func, wrong, with_zeros(n)).verdict == FAIL
    like_nearby = lambda dout, x: dout * np.where(x == 0, 1, slope(x))
    assert check_gradients(func, like_nearby, with_zeros(n)).verdict == FAIL


@pytest.mark.parametrize("name", ["asinh", "power", "log", "root"])
@pytest.mark.parametrize("n", [10, 900])
def test_a_special_case_where_rounding_hides_the_slope_is_no_pass(name, n):
    """At 0 no slope can be measured; those at points nearby say nothing of x == 0."""
    eps = 1e-20
    func, slope = {
        "asinh": (
            lambda x: x * np.arcsinh(1 / np.hypot(x, eps)),
            lambda x: (
                np.arcsinh(1 / np.hypot(x, eps)) - x**2 / np.hypot(x, eps) ** 2 / np.sqrt(1 + x**2)
            ),
        ),
        "power": (
            lambda x: x * (x * x + eps**2) ** 0.05,
            lambda x: (x * x + eps**2) ** 0.05 + 0.1 * x * x * (x * x + eps**2) ** -0.95,
        ),
        "log": (lambda x: x * np.log(x + eps), lambda x: np.log(x + eps) + x / (x + eps)),
        "root": (lambda x: np.sqrt(x + eps), lambda x: 0.5 / np.sqrt(x + eps)),
    }[name]
    wrong = lambda dout, x: dout * np.where(x == 0, 3, slope(x))
    assert check_gradients(func, wrong, with_zeros(n)).verdict != PASS


@pytest.mark.parametrize("n", [10, 900])
def test_points_nearby_do_not_excuse_what_rounding_hides(n):
    """In a sum the slope at 0 is hidden; what is right near 0 says nothing of 0 itself."""
    func, right, _ = entropy_term(1e-15)
    at_nearby = lambda x: np.where(x == 0, np.log(1e-3), right(1.0, x))
    assert check_gradients(lambda x: np.sum(func(x)), at_nearby, with_zeros(n)).verdict != PASS


def test_zeros_of_which_the_gradient_does_not_jump_are_compared(monkeypatch):
    func, right, _ = entropy_term(1e-15)
    zeros = lambda points, leaf: ([], np.flatnonzero(points.at(0).values[leaf] == 0).tolist())
    monkeypatch.setattr(special_entries, "special_entries", zeros)
    report = check_gradients(lambda x: np.sum(func(x)), lambda x: right(1.0, x), with_zeros(900))
    assert report.verdict != PASS


def test_slopes_do_not_settle_for_being_subtracted_from_a_large_one():
    func = lambda x: np.arctan(x / 1e-25) + x
    point = Point(
        Problem(func, None, (np.zeros(1),), None, "dout", 1000),
        [np.zeros(1)],
        np.ones(1),
        noise.Noise(np.zeros(1), False),
    )
    found = slope.measure_slope(point, 0, 0, np.array([1e30]), 1.0)
    assert found.error == np.inf


@pytest.mark.parametrize("eps", [1e-18, 1e-20])
def test_very_sharp_functions_get_steps_that_are_small_enough(eps):
    func = lambda x: np.arctan(x / eps) + x
    right = lambda dout, x: dout * (1 / eps / (1 + (x / eps) ** 2) + 1)
    wrong = lambda dout, x: dout * (2 / eps / (1 + (x / eps) ** 2) + 1)
    assert check_gradients(func, right, with_zeros(10)).verdict == PASS
    for n in (10, 900):
        assert check_gradients(func, wrong, with_zeros(n)).verdict == FAIL


@pytest.mark.parametrize("eps", [1e-9, 1e-12])
def test_projections_where_the_domain_ends_at_0(eps):
    """A direction of both signs leaves it; points with larger entries do not, nor smaller ones."""
    x, half = with_zeros(900), lambda x: 0.5 / np.sqrt(x + eps)
    for sign in (1, -1):
        func = lambda x, s=sign: np.sqrt(s * x + eps)
        right = lambda dout, x, s=sign: s * dout * half(s * x)
        wrong = lambda dout, x, s=sign: s * dout * half(s * x) * np.where(x == 0, 3, 1)
        assert check_gradients(func, right, sign * x).verdict == PASS
        assert check_gradients(func, wrong, sign * x).verdict == FAIL


def cancelled(patch):
    patch.setattr(slope, "MOST_HIDDEN", 0.0)


def nearby_excuses(patch):
    patch.setattr(entries.EntryComparison, "return_to_special_entries", lambda self: None)


def only_jumps(patch):
    patch.setattr(special_entries, "MOST_ZEROS", 0)


@pytest.mark.parametrize(
    ("removal", "test", "given"),
    [
        (cancelled, test_slopes_do_not_settle_for_being_subtracted_from_a_large_one, ()),
        (nearby_excuses, test_points_nearby_do_not_excuse_what_rounding_hides, (10,)),
    ],
)  # fmt: skip
def test_a_guard_of_zeros_taken_out_is_missed(removal, test, given, monkeypatch):
    removal(monkeypatch)
    with pytest.raises(AssertionError):
        test(*given)


def test_zeros_are_missed_where_only_jumps_are_compared(monkeypatch):
    only_jumps(monkeypatch)
    with pytest.raises(AssertionError):
        test_zeros_of_which_the_gradient_does_not_jump_are_compared(monkeypatch)
