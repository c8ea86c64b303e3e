"""check_gradients and assert_gradients: from the arguments of a check to its report."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numpy as np

from .explain.evidence import Evidence, evidence_of_entries, evidence_of_projections
from .explain.hints import hints
from .problem.analytic import AnalyticGradients
from .problem.arrays import max_abs, norm
from .problem.errors import BudgetError, StyleError
from .problem.options import check_choice, check_tolerance, check_whole
from .problem.problem import Problem
from .problem.random_streams import Stream, generator
from .problem.types import Argnames, Function, Gradient, Tree
from .report import FAIL, INCONCLUSIVE, ArgumentReport, Report, overall_verdict
from .slopes.noise import Noise
from .slopes.points import Points, Settings
from .slopes.precision import widen
from .verdict.bisection import locate_wrong_entry
from .verdict.budget import Budget
from .verdict.common_shift import check_common_shift
from .verdict.comparison import Comparison
from .verdict.entries import compare_entries
from .verdict.linearity import is_visible
from .verdict.native_dtype import compare_native_dtype
from .verdict.preconditions import check_backward, check_function
from .verdict.projections import ProjectionComparison
from .verdict.rows import (
    budget_reason,
    fault_row,
    row_of_entries,
    row_of_projections,
    unfinished_row,
)

__tracebackhide__ = True  # pytest shows a failure at the user's line, not at ours


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
        names; None for an argument that is not to be checked.
    args : tuple
        The arguments, any nesting of tuples, lists and dicts. Floats and arrays of floats are
        differentiated by; everything else is passed on. One array may stand without a tuple.
    argnames : sequence of str, optional
        What the arguments are called in the report; by default as in func's signature.
    dout : array_like, optional
        The gradient by the output that backward is given: like the output, or one number for all of
        it. By default random numbers.
    style : {"auto", "loss", "dout", "cache"}
        "loss": ``func(*args) -> scalar``, ``grad(*args) -> gradients``.
        "dout": ``func(*args) -> out``, ``grad(dout, *args) -> gradients``.
        "cache": ``func(*args) -> (out, cache)``, ``grad(dout, cache) -> gradients``.
        "auto" tells them apart by what func returns and how many arguments grad takes.
    method : {"auto", "complex", "differences"}
        How slopes are measured. "auto" and "complex" use the complex step where func accepts
        complex numbers and where differences confirm it; "auto" only where that is more precise.
    mode : {"auto", "elements", "projections"}
        Compare every entry, or the slopes along random directions; "auto" decides by size.
    rtol, atol : float, optional
        Errors to allow in addition to those of the measured slopes, relative and absolute.
    n_directions : int
        Random directions per argument, in mode "projections".
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
        func or grad is not callable.

    See Also
    --------
    assert_gradients : The same as a test.
    check_power : Whether such a test would notice a bug.

    Notes
    -----
    A wrong func or grad is a FAIL and raises nothing, unless it raises itself.
    docs/gradcheck.md explains how slopes and their error bars are measured.

    Examples
    --------
    >>> import numpy as np
    >>> from npgan.testing import check_gradients
    >>> x = np.array([0.5, 1.0, 2.0])
    >>> check_gradients(lambda x: np.sum(x**3), lambda x: 3 * x**2, x).verdict
    'PASS'
    >>> check_gradients(lambda x: np.sum(x**3), lambda x: x**2, x)["x"].hint
    '3 times too small, and 3 is the batch size: a mean where a sum belongs, or divided twice'
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
    try:
        problem = Problem(func, grad, args, argnames, style, max_evals)
        return check_problem(problem, settings, dout, mode, n_directions, seed)
    except StyleError as error:
        return Report(FAIL, [], [str(error)], seed=seed)


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
        instance, cannot be checked.
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
    if report.verdict == FAIL or (report.verdict == INCONCLUSIVE and inconclusive == "raise"):
        raise AssertionError(str(report)) from None


def check_problem(
    native: Problem, settings: Settings, given_dout: Tree, mode: str, n_directions: int, seed: int
) -> Report:
    """Check func, then backward alone, then every leaf, then the user's dtype if not float64."""
    problem = native
    notes: list[str] = []

    def report(verdict: str, faults: list[str], rows: list[ArgumentReport] | None = None) -> Report:
        evals = native.evals + (problem.evals if problem is not native else 0)
        return Report(verdict, rows or [], faults, notes, evals, seed, title_of(native))

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
    faults = [fault for leaf, fault in native_analytic.faults if leaf is None]
    if faults:
        return report(FAIL, faults)
    points = Points(native, problem, dout, noise, analytic, settings, seed)
    rows = check_leaves(points, mode, n_directions, notes)
    if problem is not native:
        notes.append(compare_native_dtype(points, native_analytic, rows))
    notes += analytic.notes
    if not rows:
        is_empty = not any(v.size for v in problem.values)
        why = "the arguments are empty" if is_empty else "backward returned no gradient"
        return report(INCONCLUSIVE, [f"nothing was checked: {why}"])
    return report(overall_verdict(list(rows.values())), [], list(rows.values()))


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


def check_leaves(
    points: Points, mode: str, n_directions: int, notes: list[str]
) -> dict[int, ArgumentReport]:
    """A row for every leaf that has a gradient, and a note on those that have none."""
    problem, gradients = points.problem, points.analytic.values
    faults = {leaf: fault for leaf, fault in points.analytic.faults if leaf is not None}
    checked = [
        leaf for leaf, g in enumerate(gradients) if g is not None and problem.values[leaf].size
    ]
    budget = Budget(problem, checked, mode, n_directions)
    short: list[int] = []  # for which max_evals did not suffice
    doubts = {one.leaf: one for one in points.analytic.nonlinear}
    rows = {}
    for leaf, name in enumerate(problem.names):
        if gradients[leaf] is None and leaf in faults:
            rows[leaf] = fault_row(points, leaf, faults[leaf])
        elif gradients[leaf] is None:
            notes.append(f"{name} is not checked: backward returned no gradient for it")
        elif problem.values[leaf].size:
            row, found = check_leaf(points, leaf, budget, n_directions)
            if is_explained_by_rounding(points, leaf, found, row.mode):
                row, found = check_leaf(points, leaf, budget, n_directions)
            rows[leaf] = row
            if leaf in doubts and is_visible(
                doubts[leaf], points.analytic.noise[leaf], found, row.mode
            ):
                row.verdict, row.hints = FAIL, [doubts[leaf].fault, *row.hints]
                row.hint = "; ".join(row.hints[:2])
            if row.reason == budget_reason(points) and budget.may_project:
                short.append(leaf)
    for leaf in short:  # once more, with what the others have left
        row, _ = check_by_projections(points, leaf, n_directions)
        rows[leaf] = rows[leaf] if row.verdict == INCONCLUSIVE else row
    return rows


def check_leaf(
    points: Points, leaf: int, budget: Budget, n_directions: int
) -> tuple[ArgumentReport, Comparison | None]:
    """The row of one leaf, with hints where it fails, and the comparison behind it.

    Where there are too few calls to go entry by entry, what is kept for projections is used.
    """
    row, found = None, None
    if budget.by_entries[leaf]:
        with budget.share(leaf, budget.for_projections):
            row, found = check_by_entries(points, leaf)
            is_short = points.problem.evals >= points.problem.limit
        if not (is_short and row.verdict == INCONCLUSIVE and budget.may_project):
            return row, found
    with budget.share(leaf):
        by_projections = check_by_projections(points, leaf, n_directions)
    if row is not None and by_projections[0].verdict == INCONCLUSIVE:
        return row, found
    return by_projections


def check_by_entries(points: Points, leaf: int) -> tuple[ArgumentReport, Comparison | None]:
    """Compare every entry with its own slope."""
    found = None
    try:
        found = compare_entries(points, leaf)
        row = row_of_entries(points, leaf, found)
        if row.verdict == FAIL:
            set_hints(row, lambda: evidence_of_entries(points, leaf, found, row.index))
        elif row.kinks:
            check_common_shift(points, leaf, row)
        return row, found
    except BudgetError:
        return unfinished_row(points, leaf), found


def check_by_projections(
    points: Points, leaf: int, n_directions: int
) -> tuple[ArgumentReport, Comparison | None]:
    """Compare the slopes along random directions."""
    found = None
    try:
        projections = ProjectionComparison(points, leaf, n_directions)
        found = projections.run()
        wrong_entry = locate_wrong_entry(projections) if found.wrong.any() else None
        row = row_of_projections(points, leaf, found, wrong_entry)
        if row.verdict == FAIL:
            set_hints(row, lambda: evidence_of_projections(points, leaf, projections, row.index))
        elif row.kinks:
            check_common_shift(points, leaf, row)
        return row, found
    except BudgetError:
        return unfinished_row(points, leaf), found


def set_hints(row: ArgumentReport, evidence: Callable[[], Evidence]) -> None:
    """The hints of a wrong gradient; without calls for them it is wrong all the same."""
    try:
        row.set_hints(*hints(evidence()))
    except BudgetError:
        row.set_hints("wrong; max_evals is used up before a cause was found")


def is_explained_by_rounding(
    points: Points, leaf: int, found: Comparison | None, mode: str
) -> bool:
    """Whether a gradient seems wrong only because its rounding error was taken for too small."""
    if found is None or not found.wrong.any():
        return False
    with suppress(BudgetError):
        noise = points.rounding(leaf)
        size = 30 * (max_abs(noise) if mode == "elements" else norm(noise))
        if np.all(found.gap[found.wrong] <= found.bound[found.wrong] + size):
            points.admit_rounding(leaf)
            return True
    return False


def title_of(problem: Problem) -> str:
    """What the report calls func; "" for a lambda."""
    name = getattr(problem.func, "__name__", "") or type(problem.func).__name__
    return "" if name == "<lambda>" else name
