"""The ten rules of the gradient checker: each holds, and each, when it is taken out, is missed by its test."""

import math
import warnings

import numpy as np
import pytest
from checked_functions import spoilt_gradient

from npgan.testing import FAIL, INCONCLUSIVE, PASS, check_gradients, leaves
from npgan.testing import check as check_module
from npgan.testing import report as report_module
from npgan.testing.explain import hints as hints_module
from npgan.testing.problem.analytic import AnalyticGradients
from npgan.testing.slopes import noise, precision, slope
from npgan.testing.slopes.complex_step import complex_slope
from npgan.testing.verdict import entries, projections, rows

rng = np.random.default_rng(0)
X, W, B = rng.standard_normal((5, 4)), rng.standard_normal((4, 3)), rng.standard_normal(3)


def layer(x, W, b):
    return np.tanh(x @ W + b)


def backward(dout, x, W, b):
    d = dout * (1 - layer(x, W, b) ** 2)
    return d @ W.T, x.T @ d, d.sum(axis=0)


def spoilt(change, argument):
    return spoilt_gradient(backward, change, argument)


def rule_1_the_complex_step_is_checked_by_differences():
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # ComplexWarning becomes a fallback, not noise
        smooth = check_gradients(layer, backward, (X, W, B))
        assert smooth.verdict == PASS
        assert {a.method for a in smooth.arguments} == {"complex step"}

        def buffered(x):
            out = np.zeros(x.shape)
            out[...] = x * x
            return out

        for f, g in (
            (lambda x: np.abs(x) * x, lambda d, x: d * 2 * np.abs(x)),
            (lambda x: np.var(x), lambda d, x: d * 2 * (x - x.mean()) / x.size),
            (lambda x: np.linalg.norm(x), lambda d, x: d * x / np.linalg.norm(x)),
            (buffered, lambda d, x: d * 2 * x),
            (lambda x: x**2 + 1e-3 * np.abs(x), lambda d, x: d * (2 * x + 1e-3 * np.sign(x))),
        ):
            report = check_gradients(f, g, (X,), style="dout")
            assert report.verdict == PASS, str(report)
            assert report.arguments[0].method == "differences"


def rule_2_the_tolerance_comes_from_the_error_bar():
    for scale in (1e-12, 1e-6, 1.0, 1e6):

        def small(x, W, b, scale=scale):
            return scale * layer(x, W, b)

        right = check_gradients(small, lambda d, *a, s=scale: backward(s * d, *a), (X, W, B))
        wrong = check_gradients(
            small, lambda d, *a, s=scale: [g * (1 + 1e-6) for g in backward(s * d, *a)], (X, W, B)
        )
        assert (right.verdict, wrong.verdict) == (PASS, FAIL), scale
    shifted = check_gradients(lambda *a: layer(*a) + 1e6, backward, (X, W, B))
    assert shifted.verdict == PASS, str(shifted)


def rule_3_what_could_not_have_failed_is_inconclusive():
    saturated = check_gradients(np.tanh, lambda d, x: 0 * x, (100.0 + X,), style="dout")
    assert saturated.verdict == INCONCLUSIVE
    zero = check_gradients(lambda x, b: x * 1.0 + 0 * b.sum(), lambda d, x, b: (d, 0 * b), (X, B))
    assert [a.verdict for a in zero.arguments] == [PASS, INCONCLUSIVE]
    assert zero.verdict == INCONCLUSIVE

    def centred(x):
        return x - x.mean(axis=0)

    uniform = check_gradients(
        centred, lambda d, x: d - d.mean(axis=0), (X,), dout=np.ones(X.shape), style="dout"
    )
    assert uniform.verdict == INCONCLUSIVE
    assert "uniform dout" in str(uniform)
    right = check_gradients(layer, backward, (X, W, B))
    for row in right.arguments:
        assert 0 < row.power < 1e-6
        assert f"would have noticed a relative error of {row.power:.0e}" in str(right)


def rule_4_one_wrong_entry_of_100352_is_found_and_named():
    x, weights, b = (
        rng.standard_normal((8, 784)),
        rng.standard_normal((784, 128)),
        1e-6 * rng.standard_normal(128),
    )

    def forward(x, weights, b):
        return x @ weights + b

    def plant(i, j, size):
        def wrong(d, x, weights, b):
            dw, db = x.T @ d, d.sum(axis=0)
            dw[i, j] += size
            return d @ weights.T, dw, db

        return wrong

    for i, j in ((0, 0), (783, 127), (391, 64)):
        report = check_gradients(forward, plant(i, j, 0.1), (x, weights, b))
        assert report["weights"].verdict == FAIL
        assert report["weights"].index == (i, j)
        assert report["x"].verdict == report["b"].verdict == PASS
        assert "only the entry" in report["weights"].hint
    small = check_gradients(
        forward, lambda d, x, w, b: (d @ w.T, x.T @ d, d.sum(axis=0) * (1 + 1e-6)), (x, weights, b)
    )
    assert [a.verdict for a in small.arguments] == [PASS, PASS, FAIL]  # pooled, it would drown


def rule_5_kinks_are_found_counted_and_checked_nearby():
    x = X.copy()
    x[0] = 0.0
    for mode in ("elements", "projections"):
        for slope_at_0 in (0.0, 0.5, 1.0):
            report = check_gradients(
                lambda x: np.maximum(x, 0),
                lambda d, x, s=slope_at_0: d * np.where(x == 0, s, x > 0),
                (x,),
                style="dout",
                mode=mode,
            )
            assert report.verdict == PASS, str(report)
            assert report.arguments[0].kinks == 4
        wrong = check_gradients(
            lambda x: np.maximum(x, 0),
            lambda d, x: d * (x > 0) * 1.1,
            (x,),
            style="dout",
            mode=mode,
        )
        assert wrong.verdict == FAIL
    near = check_gradients(
        np.abs, lambda d, x: d * np.sign(x), (np.array([1e-9, -1e-7, 1e-5, 1.0]),), style="dout"
    )
    assert near.verdict == PASS, str(near)


def rule_6_what_must_hold_before_any_number():
    def fault(func, grad, args=(X, W, B), **options):
        report = check_gradients(func, grad, args, **options)
        assert report.verdict == FAIL
        return str(report)

    calls = []

    def accumulating(d, *args):
        calls.append(1)
        return [len(calls) * g for g in backward(d, *args)]

    def mutating(x, W, b):
        x *= 1.0000001
        return layer(x, W, b)

    def writing(d, x, W, b):
        d *= 1 - layer(x, W, b) ** 2
        return d @ W.T, x.T @ d, d.sum(axis=0)

    noisy = np.random.default_rng(1)
    cache = {}

    def remembering(x):
        cache["x"] = x
        return x**3, None

    assert "(transposed?)" in fault(layer, spoilt(lambda g: g.T, 1))
    assert "must have its shape (3,), got (5, 3)" in fault(
        layer, lambda d, x, W, b: (*backward(d, x, W, b)[:2], d)
    )
    assert "nan" in fault(layer, spoilt(lambda g: g * np.nan, 0))
    assert "must be real numbers" in fault(layer, spoilt(lambda g: g * 1j, 0))
    assert "not deterministic" in fault(
        lambda *a: layer(*a) * noisy.uniform(), backward, style="dout"
    )
    assert "func changes its argument x" in fault(mutating, backward, (X.copy(), W, B))
    assert "changes d in place" in fault(layer, writing)
    assert "not repeatable" in fault(layer, accumulating)
    assert "stale cache" in fault(remembering, lambda d, _: d * 3 * cache["x"] ** 2, (X,))
    assert "d is ignored" in fault(layer, lambda d, *a: backward(np.ones_like(d), *a))
    assert "not linear in d for x" in fault(layer, lambda d, *a: backward(np.abs(d), *a))


def rule_7_steps_follow_dtype_and_magnitude():
    wide = np.array([1e-8, 1e-3, 1.0, 1e3, 1e6])
    report = check_gradients(
        lambda x: np.sum(np.log(x)), lambda x: 1 / x, (wide,), method="differences"
    )
    assert report.verdict == PASS, str(report)
    assert math.isclose(report["x"].size, 1e8)  # the smallest entry was checked at its own size
    wrong = check_gradients(
        lambda x: np.sum(np.log(x)), lambda x: (1 + 1e-6) / x, (wide,), method="differences"
    )
    assert wrong.verdict == FAIL
    narrow = [a.astype(np.float32) for a in (X, W, B)]
    allowed = check_gradients(layer, backward, narrow)
    assert allowed.verdict == PASS
    assert max(a.power for a in allowed.arguments) < 1e-8
    assert "checked in float64" in str(allowed)

    def single(*args):
        return layer(*[np.asarray(a, np.float32) for a in args])

    for args in (narrow, (X, W, B)):
        report = check_gradients(single, backward, args, argnames=("x", "W", "b"))
        assert report.verdict == PASS, str(report)
        assert all(1e-7 < a.power < 1e-2 for a in report.arguments)
        assert "float32's resolution" in str(report) or args[0].dtype == np.float64
        bad = check_gradients(single, lambda d, *a: [1.01 * g for g in backward(d, *a)], args)
        assert bad.verdict == FAIL


SQUARE = rng.standard_normal((4, 4))
HINTS = {
    "the sign is wrong": (0, lambda g: -g),
    "a factor 2 is missing": (1, lambda g: g / 2),
    "added twice": (2, lambda g: 2 * g),
    "5 is the batch size: a factor 5 is missing (a mean where a sum belongs": (2, lambda g: g / 5),
    "5 is the batch size: a factor 5 too many (a sum where a mean belongs?)": (1, lambda g: g * 5),
    "numeric = 0.909091 x analytic": (0, lambda g: 1.1 * g),
    "returns zeros": (1, lambda g: 0 * g),
    "flipped along axis 0": (0, lambda g: g[::-1]),
    "shifted by one along axis 1": (1, lambda g: np.roll(g, 1, 1)),
    "only the entry [2, 1] is wrong": (
        1,
        lambda g: g + 0.3 * (np.indices(g.shape) == np.array([2, 1])[:, None, None]).all(0),
    ),
    "row 2 of dout is not used": (0, lambda g: g * (np.arange(5) != 2)[:, None]),
    "only column 0 (the first) is zero": (0, lambda g: g * (np.arange(4) != 0)),
    "a constant, 0.25, is added to every entry": (0, lambda g: g + 0.25),
    "only where x < 0: it is zero there": (0, lambda g: g * (X > 0)),
    "`g - g.mean(axis=0)`": (0, lambda g: g - g.mean(axis=0)),
}


def rule_8_hints_say_what_kind_of_mistake_it_is():
    for words, (argument, change) in HINTS.items():
        report = check_gradients(layer, spoilt(change, argument), (X, W, B))
        bad = [a for a in report.arguments if a.verdict == FAIL]
        assert [a.name for a in bad] == ["xWb"[argument]], words
        assert words in bad[0].hint, f"{words!r} is not in {bad[0].hint!r}"
    for words, func, grad, args in (
        ("transposed", lambda a: a @ SQUARE, lambda d, a: (d @ SQUARE.T).T, (SQUARE + 1,)),
        ("the local derivative is forgotten", np.tanh, lambda d, x: d, (X,)),
        (
            "numeric = analytic x (1 - y)",
            lambda x: 1 / (1 + np.exp(-x)),
            lambda d, x: d / (1 + np.exp(-x)),
            (X,),
        ),
        (
            "two gradients are swapped",
            lambda a, b: a * b,
            lambda d, a, b: (d * a, d * b),
            (X, X[::-1] + 3),
        ),
    ):
        report = check_gradients(func, grad, args, style="dout")
        assert words in " ".join(report.arguments[0].hints), str(report)


def rule_9_the_same_verdict_on_every_run():
    state = np.random.get_state()[1].copy()  # noqa: NPY002
    reports = [check_gradients(layer, spoilt(lambda g: g + 1e-3, 1), (X, W, B), mode=mode).to_dict()
               for mode in ("elements", "projections") for _ in range(2)]  # fmt: skip
    assert reports[0] == reports[1]
    assert reports[2] == reports[3]
    assert np.array_equal(np.random.get_state()[1], state)  # noqa: NPY002
    other = check_gradients(layer, backward, (X, W, B), mode="projections", seed=1).to_dict()
    assert (
        other["arguments"][0]["numeric"]
        != check_gradients(layer, backward, (X, W, B), mode="projections").to_dict()["arguments"][
            0
        ]["numeric"]
    )


def rule_10_costs_are_bounded():
    for budget in (3, 30, 200):  # 200 is enough for projections
        calls = [0, 0]

        def forward(*args, calls=calls):
            calls[0] += 1
            return layer(*args)

        def counted(*given, calls=calls):
            calls[1] += 1
            return backward(*given)

        report = check_gradients(forward, counted, (X, W, B), style="dout", max_evals=budget)
        assert sum(calls) <= budget + 1
        assert report.verdict == (PASS if budget == 200 else INCONCLUSIVE), budget
        assert ("max_evals" in str(report)) == (budget < 200)


RULES = [f for name, f in sorted(globals().items()) if name.startswith("rule_")]


@pytest.mark.parametrize("rule", RULES, ids=lambda f: f.__name__)
def test_rule(rule):
    rule()


# ---- each rule taken out ----


def without_complex(patch):
    patch.setattr(entries, "complex_slope", lambda *a: None)


def complex_alone(patch):
    def use_it(self, point, scales, found):
        self.method = "complex step"
        for i in found:
            one = complex_slope(point, self.leaf, i, point.gradient(self.leaf), scales[i])
            if one is not None:
                found[i] = one, self.limit(point, i, one)

    patch.setattr(entries.EntryComparison, "use_complex_step", use_it)


def fixed_tolerance(patch):
    patch.setattr(entries, "tolerance", lambda *a: 1e-6)
    patch.setattr(projections, "tolerance", lambda *a: 1e-6)


def two_verdicts(patch):
    patch.setattr(check_module, "INCONCLUSIVE", PASS)
    patch.setattr(leaves, "INCONCLUSIVE", PASS)
    patch.setattr(report_module, "INCONCLUSIVE", PASS)
    patch.setattr(rows, "INCONCLUSIVE", PASS)


def pooled(patch):
    """One direction over all arguments: every bound is that of the largest."""
    right = projections.tolerance
    patch.setattr(projections, "tolerance", lambda *a: max(right(*a), 1e-4))


def no_bisection(patch):
    patch.setattr(leaves, "locate_wrong_entry", lambda found: None)


def no_kinks(patch):
    patch.setattr(slope, "find_kinks", lambda quotients, last: 0 * quotients[0].jump)
    patch.setattr(entries, "JITTER_ATTEMPTS", 0)
    patch.setattr(projections, "JITTER_ATTEMPTS", 0)


def no_preconditions(patch):
    right = check_module.check_backward

    def silent(problem, *rest):
        found = right(problem, *rest)
        zeros = [np.zeros(v.shape) for v in problem.values]
        return AnalyticGradients(found.values, zeros, [], found.notes)

    patch.setattr(
        check_module, "check_function", lambda problem: (problem.outputs(problem.values), [])
    )
    patch.setattr(check_module, "check_backward", silent)


def one_step_for_all(patch):
    patch.setattr(entries.EntryComparison, "remeasure", lambda self, point, i, scale, first: first)
    patch.setattr(
        entries.EntryComparison,
        "scales",
        lambda self, point: np.full(point.values[self.leaf].size, 1.0),
    )


def float64_for_all(patch):
    patch.setattr(
        precision,
        "measure_noise",
        lambda outputs, values, *a: noise.Noise(np.zeros(outputs(values).size), False),
    )


def no_hints(patch):
    patch.setattr(leaves, "hints", lambda e: [hints_module.no_pattern(e)])


def unseeded(patch):
    patch.setattr(check_module, "generator", lambda *purpose: np.random.default_rng())


def unbounded(patch):
    patch.setattr(
        check_module,
        "Problem",
        lambda func, grad, args, names, style, most: Unbounded(
            func, grad, args, names, style, most
        ),
    )


class Unbounded(check_module.Problem):
    def count_call(self):
        self.evals += 1


TAKEN_OUT = {
    without_complex: rule_1_the_complex_step_is_checked_by_differences,
    complex_alone: rule_1_the_complex_step_is_checked_by_differences,
    fixed_tolerance: rule_2_the_tolerance_comes_from_the_error_bar,
    two_verdicts: rule_3_what_could_not_have_failed_is_inconclusive,
    pooled: rule_4_one_wrong_entry_of_100352_is_found_and_named,
    no_bisection: rule_4_one_wrong_entry_of_100352_is_found_and_named,
    no_kinks: rule_5_kinks_are_found_counted_and_checked_nearby,
    no_preconditions: rule_6_what_must_hold_before_any_number,
    one_step_for_all: rule_7_steps_follow_dtype_and_magnitude,
    float64_for_all: rule_7_steps_follow_dtype_and_magnitude,
    no_hints: rule_8_hints_say_what_kind_of_mistake_it_is,
    unseeded: rule_9_the_same_verdict_on_every_run,
    unbounded: rule_10_costs_are_bounded,
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("removal", TAKEN_OUT, ids=lambda f: f.__name__)
def test_a_rule_taken_out_is_missed(removal, monkeypatch):
    removal(monkeypatch)
    with pytest.raises((AssertionError, Warning)):
        TAKEN_OUT[removal]()


def test_every_rule_is_taken_out_once():
    assert set(TAKEN_OUT.values()) == set(RULES)
    assert math.isclose(len(RULES), 10)
