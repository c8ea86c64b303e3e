"""The comparison of every argument: its row, and the hints where it is wrong."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import NamedTuple

import numpy as np

from .explain.evidence import Evidence, evidence_of_entries, evidence_of_projections
from .explain.experiment import is_cut_short
from .explain.hints import NO_PATTERN, hints
from .problem.arrays import max_abs, norm, typical_size
from .problem.errors import BudgetError
from .problem.styles import in_own_words
from .report import FAIL, INCONCLUSIVE, ArgumentReport
from .slopes.noise import ROUNDING_MARGIN
from .slopes.points import Points
from .verdict.bisection import locate_wrong_entry
from .verdict.budget import Budget
from .verdict.comparison import Comparison
from .verdict.entries import compare_entries
from .verdict.linearity import is_visible
from .verdict.projections import ProjectionComparison
from .verdict.rows import (
    budget_reason,
    fault_row,
    row_of_entries,
    row_of_projections,
    unfinished_row,
)
from .verdict.small_entries import wrong_small_entries
from .verdict.special_entries import check_special_entries
from .verdict.ties import check_ties, check_ties_between

CUT_SHORT = (
    "the search for the cause was cut short, because backward takes many operations: "
    "smaller arguments or a shorter recursion may name it"
)
# A gap that has more effect than this, in units of that of all arguments, is no rounding error.
MOST_ROUNDING = {False: 1e-3, True: 0.3}

__tracebackhide__ = True  # pytest shows a failure at the user's line, not at ours


class Checked(NamedTuple):
    """The row of one leaf, the comparison behind it, and what its hints are made from."""

    row: ArgumentReport
    found: Comparison | None = None
    evidence: Callable[[], Evidence] | None = None


def check_leaves(
    points: Points, mode: str, n_directions: int, notes: list[str]
) -> dict[int, ArgumentReport]:
    """A row for every leaf that has a gradient, and a note on those that have none."""
    problem, gradients = points.problem, points.analytic.values
    faults = {leaf: fault for leaf, fault in points.analytic.faults if leaf is not None}
    compared = [
        leaf for leaf, g in enumerate(gradients) if g is not None and problem.values[leaf].size
    ]
    budget = Budget(problem, compared, mode, n_directions)
    short: list[int] = []  # for which max_evals did not suffice
    checked: dict[int, Checked] = {}
    for leaf, name in enumerate(problem.names):
        if gradients[leaf] is None and leaf in faults:
            checked[leaf] = Checked(fault_row(points, leaf, faults[leaf]))
        elif gradients[leaf] is None:
            notes.append(f"{name} is not checked: backward returned no gradient for it")
        elif problem.values[leaf].size:
            one = check_leaf(points, leaf, budget, n_directions)
            if is_explained_by_rounding(points, leaf, one.found, one.row.mode):
                one = check_leaf(points, leaf, budget, n_directions)
            checked[leaf] = one
            if one.row.reason == budget_reason(points) and budget.may_project:
                short.append(leaf)
    for leaf in short:  # once more, with what the others have left
        again = check_by_projections(points, leaf, n_directions)
        checked[leaf] = checked[leaf] if again.row.verdict == INCONCLUSIVE else again
    rows = {leaf: one.row for leaf, one in checked.items()}
    with suppress(BudgetError):  # what follows looks for more, after all leaves had their share
        for leaf, row in rows.items():
            if row.mode == "elements" and not row.kinks and row.verdict != FAIL:
                check_ties(points, leaf, row)
        check_ties_between(points, rows)
    explain(points, faults, checked)
    if is_cut_short(points) and any(NO_PATTERN in row.hints for row in rows.values()):
        notes.append(CUT_SHORT)
    return rows


def explain(points: Points, faults: dict[int, str], checked: dict[int, Checked]) -> None:
    """Set the hints, and FAIL for what backward does wrong whatever the slopes are.

    Explanations cost calls; they come when every argument has its verdict.
    """
    doubts = {one.leaf: one for one in points.analytic.nonlinear}
    for leaf, (row, found, evidence) in checked.items():
        causes = [own_words(points, cause) for cause in causes_of(evidence)]
        fault = faults.get(leaf) if points.analytic.values[leaf] is not None else None
        if fault is None and leaf in doubts:
            noise = points.analytic.noise[leaf]
            if is_visible(doubts[leaf], noise, found, row.mode):
                fault = own_words(points, doubts[leaf].fault)
        if fault is not None:
            row.verdict, row.hints = FAIL, [fault, *(c for c in causes if c != NO_PATTERN)]
            row.hint = "; ".join(row.hints[:2])
        elif causes:
            row.set_hints(*causes)


def own_words(points: Points, text: str) -> str:
    """A sentence with the user's name of dout."""
    problem = points.native
    return in_own_words(text, problem.style, problem.grad, problem.argnames)


def causes_of(evidence: Callable[[], Evidence] | None) -> list[str]:
    """The hints of a wrong gradient; without calls for them it is wrong all the same."""
    if evidence is None:
        return []
    try:
        return hints(evidence())
    except BudgetError:
        return ["wrong; max_evals is used up before a cause was found"]


def check_leaf(points: Points, leaf: int, budget: Budget, n_directions: int) -> Checked:
    """Compare one leaf, entry by entry or along directions.

    Where there are too few calls to go entry by entry, what is kept for projections is used.
    """
    by_entries = None
    if budget.by_entries[leaf]:
        with budget.share(leaf, budget.for_projections if budget.may_project else 0):
            by_entries = check_by_entries(points, leaf)
            is_short = points.problem.evals >= points.problem.limit
        if not (is_short and by_entries.row.verdict == INCONCLUSIVE and budget.may_project):
            return by_entries
    with budget.share(leaf):
        by_projections = check_by_projections(points, leaf, n_directions)
    if by_entries is not None and by_projections.row.verdict == INCONCLUSIVE:
        return by_entries
    return by_projections


def check_by_entries(points: Points, leaf: int) -> Checked:
    """Compare every entry with its own slope."""
    found = None
    try:
        found = compare_entries(points, leaf)
        row = row_of_entries(points, leaf, found)
        if row.verdict == FAIL:
            return Checked(row, found, partial(evidence_of_entries, points, leaf, found))
        if row.kinks:
            check_ties(points, leaf, row)
        return Checked(row, found)
    except BudgetError:
        return Checked(unfinished_row(points, leaf), found)


def check_by_projections(points: Points, leaf: int, n_directions: int) -> Checked:
    """Compare the slopes along random directions."""
    found = None
    try:
        projections = ProjectionComparison(points, leaf, n_directions)
        found = projections.run()
        if not found.wrong.any() and (small := wrong_small_entries(points, leaf)):
            projections, found = small
        wrong_entry = locate_wrong_entry(projections) if found.wrong.any() else None
        row = row_of_projections(points, leaf, found, wrong_entry)
        if row.verdict == FAIL:
            evidence = partial(evidence_of_projections, points, leaf, projections, row.index)
            return Checked(row, found, evidence)
        check_special_entries(points, leaf, row, projections.has_moved)
        if row.kinks and row.verdict != FAIL:
            check_ties(points, leaf, row)
        return Checked(row, found)
    except BudgetError:
        return Checked(unfinished_row(points, leaf), found)


def is_explained_by_rounding(
    points: Points, leaf: int, found: Comparison | None, mode: str
) -> bool:
    """Whether a gradient seems wrong only because its rounding error was taken for too small."""
    if found is None or not found.wrong.any():
        return False
    gaps = found.gap[found.wrong]
    if float(np.max(gaps)) > MOST_ROUNDING[points.noise.is_coarse] * relevant_size(points, leaf):
        return False
    noise = points.rounding(leaf)
    size = ROUNDING_MARGIN * (max_abs(noise) if mode == "elements" else norm(noise))
    is_explained = bool(np.all(gaps <= found.bound[found.wrong] + size))
    if is_explained:
        points.admit_rounding(leaf)
    return is_explained


def relevant_size(points: Points, leaf: int) -> float:
    """How large a gradient of this leaf would have as much effect as that of any other leaf."""
    values, gradients = points.problem.values, points.analytic.values
    effects = [
        max_abs(g) * typical_size(v)
        for v, g in zip(values, gradients, strict=True)
        if g is not None and v.size
    ]
    return max(effects) / typical_size(values[leaf])
