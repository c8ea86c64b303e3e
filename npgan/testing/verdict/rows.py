"""From a comparison to a row of the report: verdict, worst entry, power, reason."""

from __future__ import annotations

import math

import numpy as np

from ..problem.arrays import max_abs, norm
from ..report import FAIL, INCONCLUSIVE, PASS, ArgumentReport
from ..slopes.directions import smallest_effect
from ..slopes.noise import is_rounding
from ..slopes.points import Points
from .bisection import WrongEntry
from .comparison import Comparison
from .tolerance import RESOLUTION

__tracebackhide__ = True  # pytest shows a failure at the user's line, not at ours
MOST_UNJUDGED = 0.1  # of the entries
# An error of this part of the largest entry, and of half of the entry itself, must show everywhere.
GROSS, HALF = 0.1, 0.5


def row_of_entries(points: Points, leaf: int, found: Comparison) -> ArgumentReport:
    """The row of a leaf that was compared entry by entry; hints of a FAIL come later."""
    row = empty_row(points, leaf)
    row.mode, row.method, row.kinks = "elements", found.method, found.kinks
    row.size = max(max_abs(found.numeric[found.known]), max_abs(found.analytic))
    if not row.size:  # at a kink found.analytic is the gradient at a point nearby
        row.size = max_abs(points.at(0).gradient(leaf))
    gap = found.gap
    resolved = found.known & (found.bound <= resolution(points) * row.size) & (row.size > 0)
    row.index = index_of(found.worst, gap.shape)
    fill_numbers(row, found)
    row.unjudged = int((~resolved).sum())
    gross = max(GROSS, resolution(points)) * row.size
    if resolved.any():
        hidden = np.where(is_seen(found, gross), found.bound + gap, 0.0)
        row.power = float(np.max(hidden)) / row.size
        row.weakest = index_of(int(np.argmax(hidden)), gap.shape)
    if found.wrong.any():
        row.verdict = FAIL
    elif row.unjudged > MOST_UNJUDGED * gap.size or not points.at(0).gradient(leaf).any():
        row.verdict = INCONCLUSIVE
        row.reason = why_inconclusive(points, leaf, row, found)
    elif (unseen := ~is_seen(found, gross)).any():
        row.verdict, row.index = INCONCLUSIVE, index_of(int(np.argmax(unseen)), gap.shape)
        row.reason = unjudged_reason(int(unseen.sum()), gap.size, row.entry)
        row.analytic = float(points.at(0).gradient(leaf)[row.index])
        row.numeric = row.error_bound = math.nan
    return row


def is_seen(found: Comparison, gross: float) -> np.ndarray:
    """Where a gross error would show, although an error of one per cent may be hidden."""
    return found.known & (found.bound <= np.maximum(gross, HALF * np.abs(found.numeric)))


def row_of_projections(
    points: Points, leaf: int, found: Comparison, wrong_entry: WrongEntry | None
) -> ArgumentReport:
    """The row of a leaf that was compared along directions; hints of a FAIL come later."""
    row = empty_row(points, leaf)
    row.mode, row.method, row.kinks = "projections", found.method, found.kinks
    gradient, known = points.at(0).gradient(leaf), found.known
    row.size = max_abs(gradient)
    if found.wrong.any():
        row.verdict = FAIL
        fill_numbers(row, found)
        if wrong_entry:
            row.index, row.analytic, row.numeric, row.error_bound = wrong_entry
        return row
    bound = float(np.max((found.bound + found.gap)[known])) if known.any() else math.inf
    seen = smallest_effect(gradient.size, found.gap.size)
    if row.size:
        row.power = bound / seen / row.size if seen else math.inf
    length = max(norm(gradient), max_abs(found.numeric[known]))
    if not known.any() or bound > resolution(points) * length or row.size == 0:
        row.verdict = INCONCLUSIVE
        row.reason = why_inconclusive(points, leaf, row, found)
    else:
        fill_numbers(row, found)
    return row


def empty_row(points: Points, leaf: int) -> ArgumentReport:
    """A row without numbers."""
    value = points.native.values[leaf]
    return ArgumentReport(points.problem.names[leaf], value.shape, str(value.dtype), PASS)


def fault_row(points: Points, leaf: int, fault: str) -> ArgumentReport:
    """A gradient that cannot be compared at all."""
    row = empty_row(points, leaf)
    row.verdict = FAIL
    row.set_hints(fault)
    return row


def unfinished_row(points: Points, leaf: int) -> ArgumentReport:
    """A leaf for which max_evals did not suffice."""
    row = empty_row(points, leaf)
    row.verdict, row.reason = INCONCLUSIVE, budget_reason(points)
    return row


def unsupported_row(name: str, why: str) -> ArgumentReport:
    """A leaf with a gradient that cannot be differentiated by."""
    row = ArgumentReport(name, (), "", INCONCLUSIVE, unsupported=True)
    row.reason = f"UNSUPPORTED, {why}"
    return row


def budget_reason(points: Points) -> str:
    """That max_evals is too small."""
    return f"max_evals={points.native.max_evals:,} was used up; allow more, or mode='projections'"


def resolution(points: Points) -> float:
    """The relative error that must show, for an entry to count as checked."""
    return max(RESOLUTION, 2 * points.settings.rtol)


def index_of(i: int, shape: tuple[int, ...]) -> tuple[int, ...]:
    """A flat index as an index of an array of this shape."""
    return tuple(int(n) for n in np.unravel_index(i, shape))


def fill_numbers(row: ArgumentReport, found: Comparison) -> None:
    """Put the numbers of the worst entry (or projection) into the row."""
    worst = found.worst
    row.analytic, row.numeric, row.error_bound = (
        float(a.flat[worst]) for a in (found.analytic, found.numeric, found.bound)
    )


def is_only_rounding(points: Points, leaf: int) -> bool:
    """Whether backward returns zeros, or no more than its own rounding error."""
    gradient = points.at(0).gradient(leaf)
    return not gradient.any() or is_rounding(gradient, points.rounding(leaf))


def why_inconclusive(points: Points, leaf: int, row: ArgumentReport, found: Comparison) -> str:
    """The reason for the report, with what to do."""
    problem, dout, atol = points.problem, points.dout, points.settings.atol
    if problem.evals >= problem.limit:
        return budget_reason(points)
    is_zero, known = not points.at(0).gradient(leaf).any(), found.known
    is_uniform = dout.size > 1 and np.ptp(dout) == 0
    advice = " with this uniform dout: leave dout=None for a random one" if is_uniform else ""
    bound = np.max(found.bound[known], initial=0.0)
    if found.kinks and is_zero:
        return "backward returns zeros at this point, which lies on a kink; choose other arguments"
    if found.kinks and not known.any():
        return "every point tried lies on a kink; nothing could be compared"
    if not known.any():
        return "no slope could be measured: near this point func raises, or returns NaN or infinity"
    if row.size == 0 and not bound:
        return f"the gradient is zero on both sides{advice}; nothing could have failed"
    if atol and atol > resolution(points) * row.size:
        return f"atol={atol:g} would hide the whole gradient, which is {row.size:.1e} at most"
    if bound > resolution(points) * row.size and is_only_rounding(points, leaf):
        largest = max_abs(points.at(0).gradient(leaf))
        said = f"{largest:.0e} at most" if largest else "exactly 0"
        return (
            f"the gradient is zero to {bound:.0e}, and so says backward ({said})"
            f"{advice}; where that is right, as for a bias before a normalisation, return None for "
            "it or pass inconclusive='allow'"
        )
    if bound > resolution(points) * row.size:
        times = "" if bound > row.size else f"{1 / resolution(points):.0f} times "
        than = f"not {times}larger than" if times else "smaller than"
        return (
            f"the gradient ({row.size:.1e} at most) is {than} the error of the measured "
            f"slopes ({bound:.1e}){advice}; choose arguments at which it is larger, or use float64"
        )
    if is_zero:
        return "backward returns zeros at this very point; choose other arguments"
    if row.unjudged:
        return unjudged_reason(row.unjudged, found.bound.size)
    return f"the slopes are too inaccurate: a relative error of {row.power:.0e} would not show"


def unjudged_reason(unjudged: int, size: int, entry: str = "") -> str:
    """How many entries no slope could be measured at, and one of them."""
    where = (
        f", such as {entry}: rounding hides the slope there, or the domain ends" if entry else ""
    )
    return f"{unjudged} of {size} entries could not be checked{where}"
