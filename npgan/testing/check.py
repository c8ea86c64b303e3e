"""check_gradients and assert_gradients: from the arguments of a check to its report."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numpy as np

from .leaves import check_leaves
from .problem.advice import not_written
from .problem.analytic import AnalyticGradients
from .problem.errors import BudgetError, StyleError
from .problem.options import check_choice, check_tolerance, check_whole
from .problem.others import include_others
from .problem.problem import Problem
from .problem.random_streams import Stream, generator
from .problem.styles import in_own_words, style_to_guess
from .problem.types import Argnames, Function, Gradient, Tree
from .report import FAIL, INCONCLUSIVE, ArgumentReport, Report, overall_verdict
from .slopes.noise import Noise
from .slopes.points import Points, Settings
from .slopes.precision import widen
from .verdict.native_dtype import compare_native_dtype
from .verdict.parts import drop_zero_integers, say_convention
from .verdict.preconditions import check_backward, check_function
from .verdict.rows import unsupported_row

__tracebackhide__ = True  # pytest shows a failure at the user's line, not at ours

NOTHING = (
    "nothing was checked: backward returned no gradient. "
    "Is it written yet, or is its return missing?"
)


def check_gradients(
    func: Function,
    grad: Gradient,
    args: Tree,
    *,
    argnames: Argnames = None,
    dout: Tree = None,
    style: str = "auto",
    method: str = "auto",
    mode: str = "auto",
    rtol: float | None = None,
    atol: float | None = None,
    n_directions: int = 8,
    kinks: str = "jitter",
    seed: int = 0,
    max_evals: int = 20_000,
) -> Report:
    """Compare a gradient with measured slopes; the verdict is PASS, FAIL or INCONCLUSIVE.

    Parameters
    ----------
    func : callable
        The function. What it returns depends on `style`.
    grad : callable
        Its gradient. It returns one gradient per float argument, in their order, or a dict by their
        names; None for an argument that is not to be checked. By a complex argument z = x + iy it
        is dL/dx + i dL/dy.
    args : tuple
        The arguments, any nesting of tuples, lists and dicts. Floats and arrays of floats are
        differentiated by, and so are complex numbers and integers of which grad returns a gradient;
        everything else is passed on. One array may stand without a tuple.
    argnames : sequence of str, optional
        What the arguments are called in the report; by default as in func's signature.
    dout : array_like, optional
        The gradient by the output that backward is given: like the output, or one number for all of
        it. By default random numbers.
    style : {"auto", "loss", "dout", "cache"}
        "loss": ``func(*args) -> scalar``, ``grad(*args) -> gradients``.
        "dout": ``func(*args) -> out``, ``grad(dout, *args) -> gradients``.
        "cache": ``func(*args) -> (out, cache)``, ``grad(dout, cache) -> gradients``.
        "auto" tells them apart by what func returns, how many arguments grad takes, and whether
        the first one is called like a dout, or `dout` is given.
    method : {"auto", "complex", "differences"}
        How slopes are measured. "auto" and "complex" use the complex step where func accepts
        complex numbers and where differences confirm it; "auto" only where that is more precise.
    mode : {"auto", "elements", "projections"}
        Compare every entry, or the slopes along random directions; "auto" decides by size.
    rtol, atol : float, optional
        Errors to allow in addition to those of the measured slopes, relative and absolute.
    n_directions : int
        Random directions per argument, in mode "projections". With one, two errors may cancel: the
        power is then infinite.
    kinks : {"jitter", "stay"}
        Where the arguments lie on a kink: check at points nearby, or at this point, where any slope
        between the two one-sided ones is right.
    seed : int
        The seed of all random numbers; the same seed gives the same report.
    max_evals : int
        The most calls of func and grad.

    Returns
    -------
    Report
        The verdict with a row per argument.

    Raises
    ------
    ValueError
        An option has a value that is not allowed, or there is nothing to differentiate by.
    TypeError
        func or grad is not callable, or func does not take so many arguments.

    See Also
    --------
    assert_gradients : The same as a test.
    check_power : Whether such a test would notice a bug.

    Notes
    -----
    A wrong func or grad is a FAIL and raises nothing, unless it raises itself. NotImplementedError
    is a FAIL: the function is not written yet.
    docs/gradcheck.md explains how slopes and their error bars are measured.

    Examples
    --------
    >>> import numpy as np
    >>> from npgan.testing import check_gradients
    >>> x = np.array([0.5, 1.0, 2.0])
    >>> check_gradients(lambda x: np.sum(x**3), lambda x: 3 * x**2, x).verdict
    'PASS'
    >>> check_gradients(lambda x: np.sum(x**3), lambda x: x**2, x)["x"].hint
    'wrong by a constant factor: numeric = 3 x analytic'
    """
    check_choice("method", method, ("auto", "complex", "differences"))
    check_choice("mode", mode, ("auto", "elements", "projections"))
    check_choice("kinks", kinks, ("jitter", "stay"))
    check_tolerance("rtol", rtol)
    check_tolerance("atol", atol)
    check_whole("n_directions", n_directions, 1)
    check_whole("max_evals", max_evals, 1)
    check_whole("seed", seed, 0)
    settings = Settings(rtol or 0.0, atol or 0.0, method, kinks)

    def attempt(style: str) -> tuple[Report, str]:
        """The report in this style, and the other style that may be meant."""
        problem = None
        try:
            problem = Problem(func, grad, args, argnames, style, max_evals)
            report = check_problem(problem, settings, dout, mode, n_directions, seed)
            return report, problem.other_style
        except StyleError as error:
            fault = str(error)
        except NotImplementedError as error:
            fault = not_written(error)
        other = problem.other_style if problem else ""
        return Report(FAIL, [], [fault], seed=seed, title=title_of(func)), other

    report, other = attempt(style_to_guess(style, dout))
    return second_try(report, other, attempt) if other and report.verdict == FAIL else report


def second_try(report: Report, other: str, attempt: Callable[[str], tuple[Report, str]]) -> Report:
    """The report in the other style where grad can be called in two, and the first is wrong."""
    with suppress(Exception):  # of a grad that is not written in this style
        second = attempt(other)[0]
        if second.passed:
            return second
    if report.faults:  # which say what to write
        return report
    report.notes.append(
        'func returned a pair: pass style="cache" if it is (out, cache), style="dout" if it is '
        "two outputs"
    )
    return report


def assert_gradients(
    func: Function, grad: Gradient, args: Tree, *, inconclusive: str = "raise", **options: Any
) -> None:
    """Raise AssertionError unless check_gradients says PASS.

    Parameters
    ----------
    func, grad, args
        As in `check_gradients`.
    inconclusive : {"raise", "allow"}
        Whether the verdict INCONCLUSIVE raises, too. A gradient that is zero on both sides, for
        instance, cannot be checked. A gradient by an argument of an unsupported type raises in any
        case.
    **options
        The options of `check_gradients`.

    Raises
    ------
    AssertionError
        The verdict is FAIL, or INCONCLUSIVE and not allowed; its text is the report.
    ValueError, TypeError
        As in `check_gradients`.

    Examples
    --------
    >>> import numpy as np
    >>> from npgan.testing import assert_gradients
    >>> assert_gradients(np.tanh, lambda dout, x: dout * (1 - np.tanh(x) ** 2), np.ones((2, 3)))
    """
    check_choice("inconclusive", inconclusive, ("raise", "allow"))
    report = check_gradients(func, grad, args, **options)
    raise_unless_passed(report, inconclusive)


def raise_unless_passed(report: Report, inconclusive: str = "raise") -> None:
    """Raise AssertionError with the report as its text unless the verdict is PASS, or allowed."""
    is_refused = inconclusive == "raise" or any(row.unsupported for row in report.arguments)
    if report.verdict == FAIL or (report.verdict == INCONCLUSIVE and is_refused):
        raise AssertionError(str(report)) from None


def check_problem(
    native: Problem, settings: Settings, given_dout: Tree, mode: str, n_directions: int, seed: int
) -> Report:
    """Check func, then backward alone, then every leaf, then the user's dtype if not float64."""
    problem = native
    notes: list[str] = []

    def report(verdict: str, faults: list[str], rows: list[ArgumentReport] | None = None) -> Report:
        evals = native.evals + (problem.evals if problem is not native else 0)
        said = [*notes, *native.notes]
        return Report(verdict, rows or [], faults, said, evals, seed, title_of(native.func))

    include_others(native)
    refused = [unsupported_row(name, why) for name, why in native.unsupported.items()]
    if not native.values:
        return report(INCONCLUSIVE, [] if refused else [NOTHING], refused)
    try:
        outputs, faults = check_function(native)
        if faults:
            return report(FAIL, faults)
        if not np.isfinite(outputs).all():
            reason = "func returns NaN or infinity at these arguments: there is nothing to compare"
            return report(INCONCLUSIVE, [reason])
        problem, noise, notes = widen(native, seed)
        if np.float16 in [*(v.dtype for v in problem.values), *problem.out_dtypes]:
            reason = (
                "func works in float16, whose three digits give no slopes; let it accept float64"
            )
            return report(INCONCLUSIVE, [reason])
        dout = native.dout_vector(given_dout, generator(seed, Stream.DOUT))
        analytic, native_analytic = analytic_gradients(
            native, problem, noise, dout, settings.rtol, seed
        )
    except BudgetError:
        reason = f"max_evals={native.max_evals} is used up before any comparison"
        return report(INCONCLUSIVE, [reason])
    faults = [
        in_own_words(fault, native.style, native.grad, native.argnames)
        for leaf, fault in native_analytic.faults
        if leaf is None
    ]
    if faults:
        return report(FAIL, faults)
    points = Points(native, problem, dout, noise, analytic, settings, seed)
    rows = check_leaves(points, mode, n_directions, notes)
    if problem is not native:
        notes.append(compare_native_dtype(points, native_analytic, rows))
    notes += analytic.notes
    drop_zero_integers(native, rows, notes)
    say_convention(native, rows, notes)
    found = [*rows.values(), *refused]
    if not found:
        is_empty = not any(v.size for v in problem.values)
        empty = "nothing was checked: the arguments are empty"
        return report(INCONCLUSIVE, [empty if is_empty else NOTHING])
    return report(overall_verdict(found), [], found)


def analytic_gradients(
    native: Problem, problem: Problem, noise: Noise, dout: np.ndarray, rtol: float, seed: int
) -> tuple[AnalyticGradients, AnalyticGradients]:
    """The gradients of the problem that is measured, and those in the user's dtypes."""
    second_dout = native.dout_vector(None, generator(seed, Stream.SECOND_DOUT))
    is_coarse = native is not problem or noise.is_coarse
    in_native = check_backward(native, dout, second_dout, is_coarse, rtol, seed)
    is_unusable = any(leaf is None for leaf, _ in in_native.faults)
    if problem is native or is_unusable:
        return in_native, in_native
    return check_backward(problem, dout, second_dout, False, rtol, seed), in_native


def title_of(func: Function) -> str:
    """What the report calls func; "" for a lambda."""
    name = getattr(func, "__name__", "") or type(func).__name__
    return "" if name == "<lambda>" else name
