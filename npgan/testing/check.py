"""check_gradients and assert_gradients: one problem from its arguments to its report."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .judge import Elements
from .kink import judge_shift
from .native import compare_native
from .numeric import magnitude, quiet
from .options import check_choice, check_tolerance, check_whole
from .places import Places, Settings
from .precision import widen
from .preconditions import Ground, check_backward, check_function
from .projections import Projections
from .report import FAIL, INCONCLUSIVE, PASS, ArgumentReport, Report
from .rows import fault_row, row_of_elements, row_of_projections, unfinished_row
from .streams import DOUT, ELSEWHERE, SECOND_DOUT, WOBBLE, stream
from .styles import OUTSIDE, BudgetError, Problem, StyleError

__tracebackhide__ = True  # pytest shows a failure at the user's line, not at ours
SMALL, WORK = (
    400,
    2e7,
)  # entries, and entries x numbers handled per call: up to here element by element


def check_gradients(
    func: Callable,
    grad: Callable,
    args: Any,
    *,
    argnames: Any = None,
    dout: Any = None,
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
    """Compare grad with the measured slopes of func at args; the verdict is PASS, FAIL or INCONCLUSIVE.

    style "loss": func(*args) -> scalar, grad(*args); "dout": func(*args) -> out, grad(dout, *args);
    "cache": func(*args) -> (out, cache), grad(dout, cache); "auto" finds out. args: a tuple of any nesting of
    arrays. dout: like out, or a number for all of it; None draws one. method "auto" or "complex" (both with
    differences to check the complex step) or "differences"; mode "elements", "projections" (n_directions of
    them per argument) or "auto" (by size); kinks "jitter" or "stay". Tolerances come from the slopes' error
    bars; rtol and atol allow more. max_evals: calls of func and grad.  Raises ValueError on bad usage.
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
        return run(problem, settings, dout, mode, n_directions, seed)
    except StyleError as error:
        return Report(FAIL, [], [str(error)], seed=seed)


def assert_gradients(
    func: Callable, grad: Callable, args: Any, *, inconclusive: str = "raise", **options: Any
) -> None:
    """Raise AssertionError with the report unless check_gradients (same options) says PASS.

    inconclusive="allow" lets pass what could not be judged, such as a gradient that is zero on both sides.
    """
    check_choice("inconclusive", inconclusive, ("raise", "allow"))
    report = check_gradients(func, grad, args, **options)
    demand(report, inconclusive)


def demand(report: Report, inconclusive: str = "raise") -> None:
    """Raise AssertionError with the report unless it is a PASS."""
    if report.verdict == FAIL or (report.verdict == INCONCLUSIVE and inconclusive == "raise"):
        raise AssertionError(str(report)) from None


def run(
    native: Problem, settings: Settings, given: Any, mode: str, n_directions: int, seed: int
) -> Report:
    """What must hold first, then every leaf by itself, then float32 against float64 where they differ."""
    problem = native
    notes: list[str] = []

    def report(verdict: str, faults: list[str], rows: list[ArgumentReport] | None = None) -> Report:
        evals = native.evals + (problem.evals if problem is not native else 0)
        return Report(verdict, rows or [], faults, notes, evals, seed, name_of(native.func))

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
        dout, other = (
            make_dout(native, given, seed, DOUT),
            make_dout(native, None, seed, SECOND_DOUT),
        )
        coarse = native is not problem or noise.coarse
        ground = native_ground = prepare(native, dout, other, coarse, settings.rtol, seed)
        unusable = [fault for leaf, fault in ground.faults if leaf is None]
        if unusable:
            return report(FAIL, unusable)
        if problem is not native:
            ground = prepare(problem, dout, other, False, settings.rtol, seed)
    except BudgetError:
        return report(
            INCONCLUSIVE, [f"max_evals={native.max_evals} is used up before any comparison"]
        )
    places = Places(native, problem, dout, noise, ground, settings, seed)
    rows = judge_all(places, mode, n_directions, notes)
    if problem is not native:
        notes.append(compare_native(places, native_ground, rows))
    notes += ground.notes
    if not rows:
        empty = not any(v.size for v in problem.values)
        why = "the arguments are empty" if empty else "backward returned no gradient"
        return report(INCONCLUSIVE, [f"nothing was checked: {why}"])
    verdicts = {row.verdict for row in rows.values()}
    verdict = FAIL if FAIL in verdicts else PASS if verdicts == {PASS} else INCONCLUSIVE
    return report(verdict, [], list(rows.values()))


def make_dout(native: Problem, given: Any, seed: int, purpose: int) -> np.ndarray:
    """The flat dout, in numbers that the output's dtype can hold; drawn where none is given."""
    if given is not None:
        flat = native.flat_dout(given)
    elif native.style == "loss":
        return np.ones(1)
    else:
        flat = stream(seed, purpose).standard_normal(native.out_size)
    return native.flat(native.dout_tree(flat))


def prepare(
    problem: Problem, dout: np.ndarray, other: np.ndarray, coarse: bool, rtol: float, seed: int
) -> Ground:
    """check_backward, with a forward pass in between at other arguments, if func accepts them."""
    elsewhere = [
        v
        + (0.5 * magnitude(v) * stream(seed, ELSEWHERE, i).uniform(-1, 1, v.shape)).astype(v.dtype)
        for i, v in enumerate(problem.values)
    ]
    try:
        with quiet():
            problem.outputs(elsewhere)
    except (*OUTSIDE, IndexError):
        elsewhere = problem.values
    return check_backward(problem, dout, other, elsewhere, stream(seed, WOBBLE), coarse, rtol)


def judge_all(
    places: Places, mode: str, n_directions: int, notes: list[str]
) -> dict[int, ArgumentReport]:
    """A row for every leaf that has a gradient, and a note on those that have none."""
    ground, problem = places.ground, places.problem
    faults = {leaf: fault for leaf, fault in ground.faults if leaf is not None}
    rows = {}
    for leaf, name in enumerate(problem.names):
        if ground.gradients[leaf] is None and leaf in faults:
            rows[leaf] = fault_row(places, leaf, faults[leaf])
        elif ground.gradients[leaf] is None:
            notes.append(f"{name} is not checked: backward returned no gradient for it")
        elif problem.values[leaf].size:
            row = rows[leaf] = judge(places, leaf, mode, n_directions)
            if leaf in faults:
                row.verdict, row.hints = FAIL, [faults[leaf], *row.hints]
                row.hint = "; ".join(row.hints[:2])
    return rows


def judge(places: Places, leaf: int, mode: str, n_directions: int) -> ArgumentReport:
    name = places.problem.names[leaf]
    try:
        if mode == "elements" or (mode == "auto" and is_small(places.problem, leaf)):
            row = row_of_elements(places, leaf, Elements(places, leaf, name).run())
        else:
            projections = Projections(places, leaf, name, n_directions, places.seed)
            row = row_of_projections(places, leaf, projections, projections.run())
        if row.kinks and row.verdict != FAIL:
            judge_shift(places, leaf, row)
        return row
    except BudgetError:
        return unfinished_row(places, leaf)


def is_small(problem: Problem, leaf: int) -> bool:
    """Whether to go element by element."""
    n = problem.values[leaf].size
    handled = problem.out_size + sum(v.size for v in problem.values)
    return n <= SMALL and n * 8 * handled <= WORK and n * 20 <= problem.max_evals


def name_of(func: Callable) -> str:
    name = getattr(func, "__name__", "") or type(func).__name__
    return "" if name == "<lambda>" else name
