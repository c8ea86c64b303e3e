"""The gradient checker's public functions: styles, nesting, reports, power, the Taylor test, npgan's own, the command."""

import doctest
import inspect
import json
import subprocess
import sys
import traceback
import warnings

import numpy as np
import pytest
from checked_functions import d_product, product

from npgan import Dense, LeakyReLU, Network, kernels, losses, ops, testing
from npgan.autograd import PRIMITIVES, Tensor
from npgan.cli import main
from npgan.testing import (
    FAIL,
    INCONCLUSIVE,
    PASS,
    Report,
    assert_gradients,
    assert_layer_gradients,
    check_gradients,
    check_layer,
    check_loss,
    check_own,
    check_penalty,
    check_power,
    check_primitive,
    check_step,
    numerical_gradient,
    taylor_test,
)
from npgan.testing.own import layers as layers_module
from npgan.testing.own import losses as losses_module
from npgan.testing.own import penalties as penalties_module
from npgan.testing.own import primitives as primitives_module
from npgan.testing.own import steps as steps_module
from npgan.testing.own.everything import PARTS
from npgan.testing.own.primitive_cases import primitive_cases
from npgan.testing.problem import arrays
from npgan.testing.verdict import progress
from npgan.training.penalty import PENALTIES

rng = np.random.default_rng(0)
X, W = rng.standard_normal((5, 4)), rng.standard_normal((4, 3))


def cached(x, W):
    return x @ W, (x, W)


def d_cached(dout, cache):
    x, W = cache
    return dout @ W.T, x.T @ dout


def loss(params):
    return float(np.sum(np.tanh(X @ params["W"] + params["b"])))


def d_loss(params):
    d = 1 - np.tanh(X @ params["W"] + params["b"]) ** 2
    return {"W": X.T @ d, "b": d.sum(axis=0)}


PARAMS = {"W": W, "b": np.ones(3)}


@pytest.mark.parametrize(
    ("func", "grad", "args", "names"),
    [
        (product, d_product, (X, W), ["x", "W"]),
        (cached, d_cached, (X, W), ["x", "W"]),
        (lambda x: (np.maximum(x, 0), x), lambda dout, x: dout * (x > 0), (X,), ["x"]),
        (loss, d_loss, (PARAMS,), ["params['W']", "params['b']"]),
        (lambda x: np.sum(x**3), lambda x: 3 * x**2, X, ["x"]),
        (lambda x: np.sum(x**3), lambda x: (3 * x**2,), (X,), ["x"]),
        (lambda pair, n: pair[0] ** n * pair[1], lambda d, pair, n: ((d * n * pair[0] ** (n - 1) * pair[1], d * pair[0] ** n), None), ((X, X + 3), 2), ["pair[0]", "pair[1]"]),
        (lambda x, y: (x * y, x + y), lambda d, x, y: {"x": d[0] * y + d[1], "dy": d[0] * x + d[1]}, (X, X + 3), ["x", "y"]),
        (lambda a: a * 2.5, lambda a: 2.5, (1.5,), ["a"]),
        (lambda v: v[0] * v[1], lambda v: [v[1], v[0]], ([1.5, 2.5],), ["v[0]", "v[1]"]),
    ],
    ids=["dout", "cache", "array as cache", "dict", "bare array", "tuple of one", "nested, with an int", "two outputs, by name", "float", "list of floats"],
)  # fmt: skip
def test_styles(func, grad, args, names):
    report = check_gradients(func, grad, args)
    assert report.verdict == PASS, str(report)
    assert [a.name for a in report.arguments] == names
    assert "[]" not in str(report)
    assert json.loads(json.dumps(report.to_dict()))["verdict"] == "PASS"


def test_what_is_not_returned_is_named():
    report = check_gradients(product, lambda dout, x, W: (dout @ W.T, None), (X, W))
    assert report.verdict == PASS
    assert "W is not checked" in str(report)
    assert check_gradients(product, lambda dout, x, W: (None, None), (X, W)).verdict == INCONCLUSIVE


@pytest.mark.parametrize(
    ("grad", "words"),
    [
        (
            lambda dout, x, W: (dout @ W.T,) * 3,
            "backward returned 3 gradients for 2 float arguments",
        ),
        (lambda dout, x, W: {"z": 0}, "backward returned a gradient 'z'"),
        (lambda a, b, c, d, e: 0, "grad fits no style"),
        (lambda dout, x, W: dout @ W.T, "an array of shape (5, 4) for 2 float arguments (x, W)"),
        (
            lambda dout, x, W: {"x": dout @ W.T},
            "no gradient for W; return None for what is not to be checked",
        ),
        (lambda x, W: x @ W, "func(*args) must return a scalar where grad(*args) takes no dout"),
    ],
)
def test_a_misfit_is_said_in_one_line(grad, words):
    report = check_gradients(product, grad, (X, W))
    assert report.verdict == FAIL
    assert words in report.faults[0]


def test_one_argument_that_fits_no_style():
    assert "does not take 1 argument (*args), 2 (dout" in str(
        check_gradients(np.exp, lambda: 0, (X,))
    )
    incomplete = check_gradients(loss, lambda params: {"W": d_loss(params)["W"]}, (PARAMS,))
    assert incomplete.verdict == FAIL
    assert "the gradient of params lacks the keys ['b']" in str(incomplete)
    named = {"W": d_loss(PARAMS)["W"], "b": None}
    assert "params['b'] is not checked" in str(
        check_gradients(loss, lambda params: named, (PARAMS,))
    )


def test_two_outputs_and_a_cache_are_told_apart():
    two = check_gradients(
        lambda x: (x**2, x**3), lambda dout, x: dout[0] * 2 * x + dout[1] * 3 * x**2, (X,)
    )
    assert two.verdict == PASS, str(two)
    rest = lambda d, *a: (d * 2 * (a[0] - a[1]) / X.size, -d * 2 * (a[0] - a[1]) / X.size)
    assert check_gradients(lambda x, y: np.mean((x - y) ** 2), rest, (X, X + 1)).verdict == PASS


@pytest.mark.parametrize("mode", ["elements", "projections"])
def test_a_special_case_is_wrong_at_its_point(mode):
    """sin(x) / x with the slope 1 where x is 0: no kink is there to excuse it."""
    s = lambda x: np.where(x == 0, 1, x)
    slope = lambda x: (np.cos(s(x)) * s(x) - np.sin(s(x))) / s(x) ** 2
    x = np.array([0.0, 1.0, 2.0, -1.0])
    for at_0, verdict in ((0.0, PASS), (1.0, FAIL)):
        grad = lambda d, x, at_0=at_0: d * np.where(x == 0, at_0, slope(x))
        report = check_gradients(lambda x: np.sinc(x / np.pi), grad, (x,), style="dout", mode=mode)
        assert report.verdict == verdict, str(report)


@pytest.mark.parametrize("mode", ["elements", "projections"])
def test_ties_are_checked_where_they_are(mode):
    """A shift of all entries moves a maximum smoothly, ties or not; so the shares must add up to 1."""
    x, most = np.array([2.0, 1.0, 2.0, 2.0]), lambda x: x == x.max()
    for share, verdict in (
        (lambda m: m / m.sum(), PASS),
        (lambda m: 1.0 * m, FAIL),
        (lambda m: 0.0 * m, FAIL),
    ):
        grad = lambda d, x, share=share: d * (share(most(x)) if most(x).sum() > 1 else most(x))
        report = check_gradients(np.max, grad, (x,), style="dout", mode=mode)
        assert report.verdict == verdict, str(report)
    assert "tie" in report.arguments[0].hint


@pytest.mark.parametrize("mode", ["elements", "projections"])
def test_near_kinks_of_any_distance(mode):
    for exponent in range(1, 14):
        x = 3 * 10.0**-exponent * np.array([1.0, -1.0, 1.0, -1.0, 0.0, 0.0]) + [0, 0, 0, 0, 1, -2]
        for f, g in ((np.abs, np.sign), (lambda x: np.maximum(x, 0), lambda x: x > 0)):
            for slope, verdict in ((1.0, PASS), (1.001, FAIL)):
                grad = lambda d, x, g=g, slope=slope: slope * d * g(x)
                report = check_gradients(f, grad, (x,), style="dout", mode=mode)
                assert report.verdict == verdict, f"{exponent}: {report}"


def test_fast_functions_are_no_chords():
    for w in (1e2, 1e4):
        right = lambda d, x, w=w: d * w * np.cos(w * x)
        wrong = lambda d, x, w=w: 1.001 * d * w * np.cos(w * x)
        for grad, verdict in ((right, PASS), (wrong, FAIL)):
            report = check_gradients(lambda x, w=w: np.sin(w * x), grad, (X[0],), style="dout")
            assert report.verdict == verdict, str(report)
    fast = check_gradients(
        lambda x: np.sin(1e6 * x), lambda d, x: d * 1e6 * np.cos(1e6 * x), (X,), style="dout"
    )
    assert fast.verdict != FAIL, str(fast)


@pytest.mark.parametrize("scale", [1e-250, 1e-160, 1e160, 1e250])
@pytest.mark.parametrize("mode", ["elements", "projections"])
def test_squares_that_overflow_or_underflow_hide_nothing(scale, mode):
    f = lambda x: scale * x**2
    for factor, verdict in ((1.0, PASS), (1.001, FAIL)):
        grad = lambda d, x, factor=factor: factor * d * scale * 2 * x
        report = check_gradients(f, grad, (X,), style="dout", mode=mode)
        assert report.verdict == verdict, str(report)
        assert taylor_test(f, grad, (X,), style="dout").passed == (factor == 1)
        if verdict == PASS:
            assert report["x"].power < 1e-10
        else:
            assert "numeric = 0.999001 x analytic" in report["x"].hint


def test_arguments_whose_sum_overflows():
    x = np.linspace(1e307, 9e307, 24).reshape(6, 4)
    for factor, verdict in ((1.0, PASS), (1.001, FAIL)):
        grad = lambda d, x, factor=factor: factor * d * 1e-307 * np.ones(x.shape)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            report = check_gradients(lambda x: 1e-307 * x, grad, (x,), style="dout")
        assert report.verdict == verdict, str(report)


def test_norms_of_any_size():
    """3, 4 and 5 times powers of ten whose squares leave the range of float64."""
    for scale in (1e-310, 1e-200, 1e-160, 1.0, 1e160, 1e300):
        a = scale * np.array([[3.0], [0.0], [-4.0]])
        assert arrays.norm(a) == pytest.approx(5 * scale, rel=1e-12 if scale > 1e-300 else 1e-3)
        assert arrays.rms(a[::2], divisor=0.5) == pytest.approx(
            5 * scale, rel=1e-12 if scale > 1e-300 else 1e-3
        )
        assert arrays.typical_size(a) == pytest.approx(3.5 * scale)
        assert arrays.max_abs(a) == 4 * scale
    small = np.array([3e38, -3e38], np.float32)  # whose sum is beyond float32
    assert arrays.typical_size(np.abs(small)) == pytest.approx(3e38)
    for empty_or_zero in (np.zeros(0), np.zeros(3)):
        assert arrays.norm(empty_or_zero) == arrays.rms(empty_or_zero) == 0
        assert arrays.typical_size(empty_or_zero) == 1
    usual = np.random.default_rng(0).standard_normal((5, 7))
    assert np.array_equal(arrays.rms(usual, 0, 6), np.sqrt((usual**2).mean(axis=0) / 6))  # each bit


def test_the_complex_step_alone_is_no_proof_of_a_bug():
    """Where |x| is large differences cannot see the part of log(1 + e^-|x|) that the complex step misses."""
    z = np.array([-19.4, 900.0, -1200.0, 700.0])
    f = lambda z: np.mean(np.maximum(z, 0) - 1e3 * z + np.log1p(np.exp(-np.abs(z))))
    g = lambda z: (1 / (1 + np.exp(-z)) - 1e3) / z.size
    with np.errstate(over="ignore"):
        report = check_gradients(f, g, (z,))
    assert report.verdict == PASS, str(report)


@pytest.mark.parametrize("refusal", [AssertionError, RuntimeError, IndexError, ArithmeticError])
def test_a_function_may_refuse_complex_numbers(refusal):
    def square(x):
        if x.dtype != np.float64:
            raise refusal("float64 only")
        return x**2

    report = check_gradients(square, lambda d, x: d * 2 * x, (X,), style="dout")
    assert report.verdict == PASS
    assert report["x"].method == "differences"


def test_an_idempotent_change_in_place_is_noticed():
    def clipping(x, labels):
        np.maximum(x, 0, out=x)
        return x**2

    x = X.copy()
    report = check_gradients(
        clipping, lambda d, x, labels: d * 2 * x, (x, np.arange(3)), style="dout"
    )
    assert "func changes its argument x" in str(report)
    assert np.array_equal(x, X)  # a copy was given to it


@pytest.mark.parametrize("shape", [(4, 3), (30, 40)])
def test_one_entry_that_is_wrong_in_float32_only(shape):
    x, W = rng.standard_normal((6, shape[0])), rng.standard_normal(shape)

    def grad(d, x, W):
        dW = x.T @ d
        if dW.dtype == np.float32:
            dW[2, 1] = 0
        return d @ W.T, dW

    narrow = check_gradients(product, grad, (x.astype(np.float32), W.astype(np.float32)))
    assert (narrow["x"].verdict, narrow["W"].verdict) == (PASS, FAIL)
    assert narrow["W"].index == (2, 1)
    assert "right in float64, wrong in float32" in narrow["W"].hint
    right = check_gradients(product, d_product, (x.astype(np.float32), W.astype(np.float32)))
    assert "the gradient in float32 differs from it by" in str(right)


def test_odd_numbers_and_empty_arrays():
    square, slope = lambda x: x**2, lambda d, x: d * 2 * x

    def verdict(x):
        return check_gradients(square, slope, (x,), style="dout")

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for dtype in (np.float16, np.longdouble):
            assert verdict(X.astype(dtype)).verdict == PASS
            assert str(np.dtype(dtype)) in str(verdict(X.astype(dtype)))
        half = check_gradients(
            lambda x: x.astype(np.float16) ** 2, slope, (X[0].astype(np.float16),), style="dout"
        )
        assert half.verdict == INCONCLUSIVE
        assert "float16, whose three digits" in str(half)
        assert verdict(X * 1e-200).verdict == INCONCLUSIVE  # its square underflows
        assert verdict(X * np.nan).verdict == INCONCLUSIVE
        assert "NaN" in str(verdict(X * np.nan))
        assert "the arguments are empty" in str(verdict(X[:0]))
        assert verdict(np.array(2.0)).verdict == verdict(3.0).verdict == PASS
        skewed = np.asfortranarray(X)[::-1, ::2]
        skewed.flags.writeable = False
        assert verdict(skewed).verdict == PASS
    unused = check_gradients(lambda x, y: x**2, lambda d, x, y: (d * 2 * x, None), (X, X * np.inf))
    assert unused["x"].verdict == PASS


def test_a_backward_that_is_linear_to_the_users_tolerance():
    """An iterative solver with a fixed number of digits."""
    approximate = lambda d, x: np.round(d * 2 * x, 9)
    options = {"style": "dout"}
    assert check_gradients(lambda x: x**2, approximate, (X,), **options).verdict == FAIL
    assert (
        check_gradients(lambda x: x**2, approximate, (X,), rtol=1e-6, atol=1e-8, **options).verdict
        == PASS
    )


def test_what_is_missing_is_said():
    with pytest.raises(KeyError, match="no argument 'z'; there are x, W"):
        check_gradients(product, d_product, (X, W))["z"]
    for func, grad in ((3, product), (product, 3), (product, None)):
        with pytest.raises(TypeError, match="must be a function"):
            check_gradients(func, grad, (X, W))
    with pytest.raises(ValueError, match="max_evals=3 is used up"):
        numerical_gradient(lambda x: np.sum(x**2), X, max_evals=3)


def test_bad_usage_is_refused():
    for options in (
        {"mode": "all"},
        {"method": "magic"},
        {"kinks": "hide"},
        {"style": "x"},
        {"n_directions": 0},
        {"n_directions": 2.5},
        {"max_evals": 0},
        {"seed": -1},
        {"seed": None},
        {"rtol": -1e-3},
        {"atol": np.nan},
    ):
        with pytest.raises(ValueError, match=r"must be|style is"):
            check_gradients(product, d_product, (X, W), **options)
    with pytest.raises(ValueError, match=r"an array of floats to differentiate by, got n \(int\)"):
        check_gradients(lambda n: n, lambda n: n, (3,))
    with pytest.raises(ValueError, match="max_evals must be a whole number, 1 or more; got 0"):
        numerical_gradient(lambda x: np.sum(x**2), X, max_evals=0)
    with pytest.raises(ValueError, match="a gradient for one argument or more, got None"):
        taylor_test(product, lambda *a: None, (X, W))
    nonsaturating = losses.nonsaturating
    for refused, words in (
        (lambda: check_layer(product, X), "layer or network, got a function"),
        (lambda: check_primitive(np.tanh, X), "a primitive of npgan.ops, got an ufunc"),
        (
            lambda: check_loss(nonsaturating, "critic"),
            "side must be one of 'discriminator', 'generator'",
        ),
        (
            lambda: check_step("critic", nonsaturating),
            "which must be one of 'discriminator', 'generator'",
        ),
        (lambda: check_penalty("r3"), "name must be one of 'r1'"),
    ):
        with pytest.raises((ValueError, TypeError), match=words):
            refused()


def test_a_dout_of_the_user_is_like_the_output():
    two = lambda x: {"a": x**2, "b": (x**3,)}
    d_two = lambda d, x: d["a"] * 2 * x + d["b"][0] * 3 * x**2
    for dout in (2.0, {"a": X, "b": (X + 1,)}):
        assert check_gradients(two, d_two, (X,), dout=dout, style="dout").verdict == PASS
    assert check_gradients(product, d_product, (X, W), dout=(X @ W).tolist()).verdict == PASS
    for check in (check_gradients, taylor_test):
        for wrong in (np.ones(3), np.ones((3, 5)), np.ones(15)):  # 15 numbers, in another shape
            with pytest.raises(
                ValueError, match=r"expected dout of shape \(5, 3\), like the output of func"
            ):
                check(product, d_product, (X, W), dout=wrong)
        with pytest.raises(
            ValueError, match=r"expected dout\['a'\] of shape \(5, 4\), dout\['b'\]"
        ):
            check(two, d_two, (X,), dout={"b": (X,), "a": X}, style="dout")
        with pytest.raises(ValueError, match=r"dout must be None where grad\(\*args\) takes none"):
            check(lambda x: np.sum(x**2), lambda x: 2 * x, (X,), dout=2.0)
    assert np.allclose(numerical_gradient(lambda x: np.sum(x**2), X, dout=3.0).gradients, 6 * X)


def test_why_nothing_could_be_checked():
    def reason(func, grad, x, **options):
        report = check_gradients(func, grad, (x,), style="dout", **options)
        assert report.verdict == INCONCLUSIVE, str(report)
        return report.arguments[0].reason

    def only_here(x):
        if not np.array_equal(x, X[0]):
            raise ValueError("elsewhere")
        return x

    for mode in ("elements", "projections"):
        relu, slope = lambda x: np.maximum(x, 0), lambda d, x: d * (x > 0)
        assert "which lies on a kink" in reason(relu, slope, np.zeros(5), mode=mode)
        assert "no slope could be measured" in reason(only_here, lambda d, x: d, X[0], mode=mode)


def test_the_budget_may_run_out_between_float64_and_float32():
    """The last comparison, of the float32 gradient at points nearby, may need too many calls."""
    grad = lambda x: (2.0 if x.dtype == np.float64 else 2.1) * x
    verdicts = [
        check_gradients(
            lambda x: np.sum(x**2), grad, (X[:1].astype(np.float32),), mode=mode, max_evals=n
        ).verdict
        for mode in ("elements", "projections")
        for n in range(30, 75)
    ]
    assert set(verdicts) == {FAIL, INCONCLUSIVE}


def frames(caught):
    """The functions of a traceback that pytest shows."""
    return [
        frame.f_code.co_name
        for frame, _ in traceback.walk_tb(caught.tb)
        if not {**frame.f_globals, **frame.f_locals}.get("__tracebackhide__")
    ]


def test_the_assertion_is_the_report():
    assert_gradients(product, d_product, (X, W))
    with pytest.raises(AssertionError) as caught:
        assert_gradients(product, lambda dout, x, W: (dout @ W.T, 2 * x.T @ dout), (X, W))
    assert "gradient check of product: FAIL" in str(caught.value)
    assert caught.value.__cause__ is None
    assert frames(caught) == ["test_the_assertion_is_the_report"]
    for func, grad, args, last in (
        (product, d_product, (1, 2), []),
        (lambda x: x["a"], d_product, (X,), ["<lambda>"]),
        (product, lambda dout, x, W: x["a"], (X, W), ["<lambda>"]),
    ):
        with pytest.raises((ValueError, LookupError)) as caught:
            assert_gradients(func, grad, args)
        assert frames(caught) == ["test_the_assertion_is_the_report", *last]
    with pytest.raises(AssertionError, match="INCONCLUSIVE"):
        assert_gradients(lambda x: x * 0.0, lambda dout, x: 0 * x, (X,), style="dout")
    assert_gradients(
        lambda x: x * 0.0, lambda dout, x: 0 * x, (X,), style="dout", inconclusive="allow"
    )


def test_tolerances_of_the_user():
    grad = lambda dout, x, W: (dout @ W.T, (1 + 1e-4) * x.T @ dout)
    assert check_gradients(product, grad, (X, W)).verdict == FAIL
    assert check_gradients(product, grad, (X, W), rtol=1e-3).verdict == PASS
    assert check_gradients(product, grad, (X, W), atol=1e-2).verdict == PASS
    assert (
        check_gradients(product, d_product, (X, W), atol=1e3).verdict == INCONCLUSIVE
    )  # it would hide anything


def test_numerical_gradient_and_its_bounds():
    gradients, bounds = numerical_gradient(lambda a, n, b: np.sum(np.sin(a) * b**n), (X, 2, X + 3))
    for g, bound, true in zip(
        gradients, bounds, (np.cos(X) * (X + 3) ** 2, None, 2 * np.sin(X) * (X + 3)), strict=True
    ):
        if true is not None:
            assert np.all(np.abs(g - true) <= bound)
            assert bound.max() < 1e-8
    assert gradients[1] is None
    value, bound = numerical_gradient(lambda x: np.abs(x), np.array([0.0, 2.0]))
    assert value.tolist() == pytest.approx([0, 1])
    assert bound[0] >= 1  # both one-sided slopes are within it
    assert bound[1] < 1e-9


def test_the_taylor_test():
    args = (X, W)
    f, g = (
        lambda x, W: np.exp(0.3 * x @ W),
        lambda d, x, W: (lambda e: (e @ W.T, x.T @ e))(0.3 * d * np.exp(0.3 * x @ W)),
    )
    assert taylor_test(f, g, args).order == pytest.approx(2, abs=0.1)
    wrong = taylor_test(f, lambda *a: (g(*a)[0], 1.01 * g(*a)[1]), args)
    assert wrong.order == pytest.approx(1, abs=0.1)
    assert not wrong.passed
    assert taylor_test(
        lambda x: 2 * x, lambda d, x: 2 * d, (X,), style="dout"
    ).passed  # nothing remains


def test_power_lists_what_a_test_would_miss():
    assert check_power(product, d_product, (X, W), n_directions=2).missed == []

    def blind(grad):
        assert np.allclose(grad(np.ones((5, 3)), X, W)[1], X.T @ np.ones((5, 3)), atol=0.5)

    report = check_power(product, d_product, (X, W), test=blind)
    assert "x: sign" in report.missed
    assert "all: dout is ignored" in report.missed
    assert "W: sign" in report.caught
    assert "missed: x: zero" in str(report)
    with pytest.raises(ValueError, match="must pass on grad as it is"):
        check_power(product, lambda *a: (0, 0), (X, W))


@pytest.mark.parametrize("case", primitive_cases(), ids=lambda case: case.name)
def test_every_primitive(case):
    assert [str(r) for r in primitives_module.case_reports(case) if r.verdict != PASS] == []


@pytest.mark.parametrize("name", PENALTIES)
def test_every_penalty(name):
    assert check_penalty(name).passed


@pytest.mark.parametrize("part", ["layers", "losses", "steps"])
def test_every_layer_loss_and_step(part):
    assert [str(r) for r in PARTS[part]() if r.verdict != PASS] == []


def test_what_check_own_covers(monkeypatch):
    """Each part with the names of what it must cover; the checks themselves are replaced."""
    titles = {
        part: [report.title for report in reports()] for part, reports in covered(monkeypatch)
    }
    everything = [title for part in titles.values() for title in part]
    assert [report.title for report in check_own()] == everything
    assert len(set(everything)) == len(everything)
    for case in primitive_cases():
        assert {f"{case.name}, order {n}" for n in (1, 2)} <= set(titles["primitives"])
    assert set(PARTS) == {"primitives", "penalties", "layers", "losses", "steps"}
    for op in PRIMITIVES.values():
        if op.function.__module__ in ("npgan.ops", "npgan.convolution.ops"):
            assert any(title.startswith(op.__name__) for title in titles["primitives"])
    assert [name for name in PENALTIES if f"the penalty {name}" in titles["penalties"]] == [
        *PENALTIES
    ]
    for name in losses.LOSSES:
        assert f"{name}, generator's loss" in titles["losses"]
        assert f"the discriminator's step, {name}" in titles["steps"]


def covered(monkeypatch):
    """PARTS with a check_gradients that only passes."""
    for module in (layers_module, losses_module, penalties_module, primitives_module, steps_module):
        monkeypatch.setattr(module, "check_gradients", lambda *a, **k: Report(PASS, []))
    return PARTS.items()


def test_a_primitive_without_a_case_is_missed(monkeypatch):
    cases = [case for case in primitive_cases() if case.primitive is ops.exp]
    monkeypatch.setattr(primitives_module, "primitive_cases", lambda seed: cases)
    report = list(PARTS["primitives"]())[-1]
    assert (report.title, report.verdict) == ("completeness", FAIL)
    assert report.faults[0].endswith("tanh_gate, transpose, with_texture")
    assert "exp" not in report.faults[0].split(" for ")[1].split(", ")


def test_a_derivative_that_is_zero_by_its_rule_passes():
    report = check_primitive(ops.power, X, keywords={"p": 0})
    assert report.summary() == "PASS: x is zero on both sides"
    assert "would have noticed" not in str(report)


def test_a_layer_by_parameter_name(monkeypatch):
    net = Network([Dense(4, 3, rng=0), LeakyReLU(), Dense(3, 2, rng=1)])
    x = X.astype(np.float32)
    kept = net.theta.copy()
    assert_layer_gradients(net, x)
    for whole in (
        np.ones((2, 4), int),
        [[1, 2, 3, 4]],
    ):  # turned into floats, so that x is checked, too
        assert check_layer(net, whole)["x"].verdict == PASS
    assert np.array_equal(net.theta, kept)
    right = kernels.weight_gradients

    def mean_for_sum(x, g, dW, db):
        right(x, g, dW, db)
        db /= len(g)

    monkeypatch.setattr(kernels, "weight_gradients", mean_for_sum)
    report = check_layer(net, x)
    assert {a.name: a.verdict for a in report.arguments} == {
        "x": PASS,
        "0.W": PASS,
        "0.b": FAIL,
        "2.W": PASS,
        "2.b": FAIL,
    }
    assert "5 is the batch size" in report["2.b"].hint
    with pytest.raises(AssertionError, match="5 is the batch size"):
        assert_layer_gradients(net, x)
    assert check_step("discriminator", losses.nonsaturating).verdict == FAIL


def test_order_2_finds_the_rule_that_reads_a_bare_array(monkeypatch):
    bare = lambda a: a.data if isinstance(a, Tensor) else a
    monkeypatch.setattr(ops.tanh, "rules", (lambda g, y, x: g * (1 - bare(y) ** 2),))
    assert check_primitive(ops.tanh, X).verdict == PASS
    assert check_primitive(ops.tanh, X, order=2).verdict == FAIL


def test_a_check_that_takes_long_shows_a_bar(monkeypatch):
    shown = []

    def bar(items, **options):
        shown.append((list(items), options["initial"], options["total"]))
        return items

    monkeypatch.setattr("tqdm.tqdm", bar)
    assert list(progress.with_progress([3, 4, 5], "x")) == [3, 4, 5]
    assert not shown
    clock = iter([0.0, 0.1, 9.0])
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock))
    assert list(progress.with_progress([3, 4, 5], "x")) == [3, 4, 5]
    assert shown == [([4, 5], 1, 3)]


PUBLIC = [getattr(testing, name) for name in testing.__all__ if not name.isupper()]


@pytest.mark.parametrize("public", PUBLIC, ids=lambda public: public.__name__)
def test_every_public_parameter_is_documented(public):
    head, _, text = public.__doc__.partition("Parameters\n    ----------\n")
    assert head.strip()
    documented = {
        name.strip("* ")
        for line in text.splitlines()
        if line.startswith("    ") and not line.startswith("     ")
        for name in line.partition(" : ")[0].split(",")
    }
    assert set(inspect.signature(public).parameters) <= documented


@pytest.mark.parametrize("public", PUBLIC, ids=lambda public: public.__name__)
def test_examples_in_docstrings(public):
    for example in doctest.DocTestFinder(recurse=False).find(public, public.__name__, globs={}):
        runner = doctest.DocTestRunner()
        runner.run(example)
        assert runner.failures == 0
        assert example.examples or inspect.isclass(public), "a function has an example"


WITHOUT_TQDM = """
import sys
sys.modules["tqdm"] = None  # as where it is not installed
import numpy as np
from npgan.testing import assert_gradients
from npgan.testing.verdict import progress
progress.DELAY = -1.0
assert_gradients(np.tanh, lambda dout, x: dout * (1 - np.tanh(x) ** 2), np.ones((2, 3)))
assert not {"matplotlib", "numba"} & set(sys.modules)
"""


def test_the_checker_needs_no_tqdm_no_numba_and_no_matplotlib():
    subprocess.run([sys.executable, "-c", WITHOUT_TQDM], check=True)


TARGETS = """
import numpy as np
X = np.linspace(0.5, 2, 6)
def right(): return (lambda x: np.sum(x**2)), (lambda x: 2 * x), (X,)
def wrong(): return (lambda x: np.sum(x**2)), (lambda x: x), (X,)
def both(): return [right(), wrong()]
def nested(): return [[right(), right()], right()]
def asserts(): assert False, "my own words"
def silent(): return None
def nonsense(): return 3
def nothing(): return []
def needs(x): return None
def raises(): return (lambda x: 1 / 0), (lambda x: x), (X,)
def imports(): import helper_of_gradcheck as h; return h.case
def option(): return (lambda x: np.sum(x**2)), (lambda x: 2 * x), (X,), {"foo": 1}
number = 3
"""


def test_the_command(tmp_path, monkeypatch, capsys):
    (tmp_path / "targets_of_gradcheck.py").write_text(TARGETS)
    monkeypatch.chdir(tmp_path)

    def run(name, *more):
        code = main(["gradcheck", f"targets_of_gradcheck:{name}", *more])
        return code, capsys.readouterr()

    code, said = run("right", "--json")
    assert (code, json.loads(said.out)["targets_of_gradcheck:right"]["verdict"]) == (0, "PASS")
    code, said = run("wrong")
    assert code == 1
    assert "a factor 2 is missing" in said.out + said.err
    assert "1 of 1 gradient checks did not pass" in said.err.splitlines()[-1]
    code, said = run("both", "--json")
    assert (code, [r["verdict"] for r in json.loads(said.out).values()]) == (1, ["PASS", "FAIL"])
    code, said = run("nested", "--json")
    places = [title.removeprefix("targets_of_gradcheck:nested") for title in json.loads(said.out)]
    assert (code, places) == (0, [" [0] [0]", " [0] [1]", " [1]"])
    assert run("silent")[0] == 0
    (tmp_path / "helper_of_gradcheck.py").write_text("case = None\n")
    before = list(sys.path)
    assert run("imports")[0] == 0
    assert sys.path == before
    code, said = run("asserts")
    assert (code, "my own words" in said.err) == (1, True)
    (tmp_path / "broken_target_of_gradcheck.py").write_text("def cases(:")
    name = "targets_of_gradcheck"
    for target, words in {
        f"{name}:nonsense": f"npgan gradcheck: {name}:nonsense: the function must return (func, grad, args)",
        f"{name}:nothing": "must return (func, grad, args)",
        f"{name}:missing": "cannot be loaded",
        f"{name}:number": "is an int; it must be a function",
        f"{name}:needs": "needs arguments",
        f"{name}:raises": f"ZeroDivisionError: division by zero ({name}.py, line ",
        f"{name}:option": "unexpected keyword argument 'foo'",
        "broken_target_of_gradcheck:cases": "invalid syntax (broken_target_of_gradcheck.py, line 1)",
        "no_module_of_this_name:cases": "cannot be loaded",
        "./path:cases": "expected module:function",
        "no_colon": "expected module:function",
    }.items():
        assert main(["gradcheck", target]) == 1
        said = capsys.readouterr().err.splitlines()
        assert len(said) == 1, target
        assert words in said[0]
