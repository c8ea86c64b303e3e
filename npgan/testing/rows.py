"""From judged numbers to a row of the report: the verdict on one argument, its worst entry, its power."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .evidence import of_elements, of_projections
from .hints import hints
from .judge import RESOLVED, Judged
from .places import Places
from .projections import Projections
from .report import FAIL, INCONCLUSIVE, PASS, ArgumentReport

__tracebackhide__ = True  # pytest shows a failure at the user's line, not at ours
TINY = 1e-300  # instead of a division by zero


def row_of_elements(places: Places, leaf: int, judged: Judged) -> ArgumentReport:
    row = blank(places, leaf, PASS, mode="elements", method=judged.method, kinks=judged.kinks)
    row.size = max(top(judged.numeric[judged.known]), top(judged.analytic))
    gap, wrong = judged.gap, judged.wrong
    resolved = judged.known & (judged.bound <= resolution(places) * row.size) & (row.size > 0)
    row.index = index_of(worst(judged), gap.shape)
    tell(row, judged, row.index)
    row.unjudged = int((~resolved).sum())
    if resolved.any():
        hidden = np.where(resolved, judged.bound + gap, 0.0)
        row.power = float(np.max(hidden)) / row.size
        row.weakest = index_of(int(np.argmax(hidden)), gap.shape)
    if wrong.any():
        row.verdict = FAIL
        row.hints = hints(of_elements(places, leaf, judged, row.index))
        row.hint = row.hints[0]
    elif row.unjudged > 0.1 * gap.size or not places.gradient(leaf).any():
        row.verdict = INCONCLUSIVE
        row.reason = why_inconclusive(places, leaf, row, judged)
    return row


def row_of_projections(
    places: Places, leaf: int, projections: Projections, judged: Judged
) -> ArgumentReport:
    row = blank(places, leaf, PASS, mode="projections", method=judged.method, kinks=judged.kinks)
    gradient, known = places.gradient(leaf), judged.known
    row.size = top(gradient)
    if judged.wrong.any():
        row.verdict = FAIL
        tell(row, judged, worst(judged))
        if found := projections.locate():
            row.index, row.analytic, row.numeric, row.error_bound = found[:4]
        row.hints = hints(of_projections(places, leaf, projections, found))
        row.hint = row.hints[0]
        return row
    bound = float(np.max((judged.bound + judged.gap)[known])) if known.any() else math.inf
    if row.size:
        row.power = bound / row.size
    length = max(float(np.linalg.norm(gradient)), top(judged.numeric[known]))
    if not known.any() or bound > resolution(places) * length or row.size == 0:
        row.verdict = INCONCLUSIVE
        row.reason = why_inconclusive(places, leaf, row, judged)
    else:
        tell(row, judged, worst(judged))
    return row


def blank(places: Places, leaf: int, verdict: str, **more: Any) -> ArgumentReport:
    value = places.native.values[leaf]
    return ArgumentReport(
        places.problem.names[leaf], value.shape, str(value.dtype), verdict, **more
    )


def fault_row(places: Places, leaf: int, fault: str) -> ArgumentReport:
    """A gradient that cannot be compared at all."""
    return blank(places, leaf, FAIL, hint=fault, hints=[fault])


def unfinished_row(places: Places, leaf: int) -> ArgumentReport:
    return blank(places, leaf, INCONCLUSIVE, reason=unfinished(places))


def unfinished(places: Places) -> str:
    return f"max_evals={places.native.max_evals:,} was used up; allow more, or mode='projections'"


def top(a: np.ndarray) -> float:
    return float(np.max(np.abs(a), initial=0))


def resolution(places: Places) -> float:
    """The relative error that must show, for an entry to count as judged."""
    return max(RESOLVED, 2 * places.settings.rtol)


def worst(judged: Judged) -> int:
    """The largest gap that is wrong; where none is, the one that comes nearest to its bound."""
    gap, wrong = judged.gap, judged.wrong
    if wrong.any():
        return int(np.argmax(np.where(wrong, gap, -1.0)))
    return int(np.argmax(np.where(judged.known, gap / np.maximum(judged.bound, TINY), -1.0)))


def index_of(flat: int, shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(int(i) for i in np.unravel_index(flat, shape))


def tell(row: ArgumentReport, judged: Judged, index: int | tuple[int, ...]) -> None:
    row.analytic, row.numeric, row.error_bound = (
        float(a[index]) for a in (judged.analytic, judged.numeric, judged.bound)
    )


def why_inconclusive(places: Places, leaf: int, row: ArgumentReport, judged: Judged) -> str:
    problem, dout, atol = places.problem, places.dout, places.settings.atol
    if problem.evals >= problem.max_evals:
        return unfinished(places)
    zero, known = not places.gradient(leaf).any(), judged.known
    uniform = dout.size > 1 and np.ptp(dout) == 0
    hint = " with this uniform dout: leave dout=None for a random one" if uniform else ""
    bound = np.max(judged.bound[known], initial=0.0)
    if judged.kinks and zero:
        return (
            "backward returns zeros at this point, which lies on a kink; choose arguments beside it"
        )
    if judged.kinks and not known.any():
        return "every point tried lies on a kink; nothing could be judged"
    if not known.any():
        return (
            "no slope could be measured: beside this point func raises, or returns NaN or infinity"
        )
    if row.size == 0:
        return f"the gradient is zero on both sides{hint}; nothing could have failed"
    if atol and atol > resolution(places) * row.size:
        return f"atol={atol:g} would hide the whole gradient, which is {row.size:.1e} at most"
    if bound > resolution(places) * row.size:
        return (
            f"the gradient ({row.size:.1e} at most) is below what slopes resolve ({bound:.1e}){hint}; "
            "choose arguments at which it is larger, or use float64"
        )
    if zero:
        return "backward returns zeros at this very point; choose other arguments"
    if row.unjudged:
        return f"{row.unjudged} of {judged.bound.size} entries could not be judged"
    return f"the slopes are too rough: a relative error of {row.power:.0e} would not show"
