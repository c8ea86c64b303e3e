"""In projections: entries whose gradient is special at the user's very point.

On a kink, or where F is sharp, projections are compared at points nearby, which says nothing about
a wrong rule for the point itself (x == 0). There the gradient jumps. Entries at which it leaves the
range of the gradients around the point are compared one by one, those of 0 where F is sharp there
along directions of their own.
"""

from __future__ import annotations

import math

import numpy as np

from ..problem.random_streams import Stream
from ..report import FAIL, INCONCLUSIVE, PASS, ArgumentReport
from ..slopes.directions import random_weights
from ..slopes.points import Points
from .entries import EntryComparison
from .nearby import special_entries
from .rows import index_of, unjudged_reason
from .zeros import compare_zeros, is_sharp_at

__tracebackhide__ = True  # pytest shows a failure at the user's line, not at ours
MOST = 6  # entries that are compared
MOST_ZEROS = 3  # of those that are 0, where F is sharp


def check_zeros(points: Points, leaf: int, row: ArgumentReport) -> bool:
    """Make a row a FAIL if F is sharp at entries of 0 and one is wrong; whether all are right."""
    x = points.at(0).values[leaf]
    v = np.where(x == 0, random_weights(x.shape, [points.seed, Stream.ZEROS, leaf]), 0.0)
    if not v.any() or not is_sharp_at(points.at(0), leaf, v):
        return False
    zeros = compare_zeros(points, leaf)
    if zeros.wrong:
        set_fail(points, leaf, row, *zeros.wrong)
    return zeros.are_right


def check_special_entries(points: Points, leaf: int, row: ArgumentReport, has_moved: bool) -> None:
    """Make a row a FAIL if one of the special entries is wrong at the user's point.

    Those at which no slope can be measured count as not judged: points nearby say nothing of them.
    """
    are_right = check_zeros(points, leaf, row)
    if row.verdict == FAIL or not has_moved:
        return
    gradient, x = points.at(0).gradient(leaf), points.at(0).values[leaf]
    comparison, unknown = EntryComparison(points, leaf), 0
    jumps, zeros = special_entries(points, leaf)
    if are_right:
        jumps, zeros = [i for i in jumps if x.flat[i]], []
    tried = [*jumps[:MOST], *zeros[:MOST_ZEROS]]
    for i in tried:
        if (found := comparison.wrong_at_point(i)) is None:
            unknown += int(not comparison.is_judged(i))
            continue
        return set_fail(points, leaf, row, i, *found)
    row.unjudged = len(jumps) + len(zeros) if tried and unknown == len(tried) else unknown
    if row.verdict == PASS and row.unjudged:
        row.verdict = INCONCLUSIVE
        row.reason = unjudged_reason(row.unjudged, gradient.size)


def set_fail(
    points: Points, leaf: int, row: ArgumentReport, i: int, numeric: float, bound: float
) -> None:
    """Make a row a FAIL at one entry."""
    gradient = points.at(0).gradient(leaf)
    row.verdict, row.power, row.reason = FAIL, math.inf, ""
    row.index, row.analytic = index_of(i, gradient.shape), float(gradient.flat[i])
    row.numeric, row.error_bound = numeric, bound
    row.set_hints(
        f"only at this very point is the entry {list(row.index)} wrong: it is "
        f"{row.analytic:.6g}, while the slopes on the two sides allow {numeric:.6g} ± {bound:.2g}"
    )
