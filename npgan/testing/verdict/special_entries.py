"""In projections: entries whose gradient is special at the user's very point.

On a kink, or where F is sharp, projections are compared at points nearby, which says nothing about
a wrong rule for the point itself (x == 0). There the gradient jumps. Entries at which it leaves the
range of the gradients around the point are compared one by one.
"""

from __future__ import annotations

import math

from ..report import FAIL, INCONCLUSIVE, PASS, ArgumentReport
from ..slopes.points import Points
from .entries import EntryComparison
from .nearby import special_entries
from .rows import MOST_UNJUDGED, index_of, unjudged_reason

__tracebackhide__ = True  # pytest shows a failure at the user's line, not at ours
MOST = 6  # entries that are compared
MOST_ZEROS = 3  # of those that are 0, where F is sharp


def check_special_entries(points: Points, leaf: int, row: ArgumentReport) -> None:
    """Make a row a FAIL if one of the special entries is wrong at the user's point.

    Those at which no slope can be measured count as not judged: points nearby say nothing of them.
    """
    gradient = points.at(0).gradient(leaf)
    comparison, unknown = EntryComparison(points, leaf), 0
    jumps, zeros = special_entries(points, leaf)
    tried = [*jumps[:MOST], *zeros[:MOST_ZEROS]]
    for i in tried:
        if (found := comparison.wrong_at_point(i)) is None:
            unknown += int(not comparison.is_judged(i))
            continue
        row.verdict, row.power, row.reason = FAIL, math.inf, ""
        row.index, row.analytic = index_of(i, gradient.shape), float(gradient.flat[i])
        row.numeric, row.error_bound = found
        row.set_hints(
            f"only at this very point is the entry {list(row.index)} wrong: it is "
            f"{row.analytic:.6g}, while the slopes on the two sides allow "
            f"{row.numeric:.6g} ± {row.error_bound:.2g}"
        )
        return
    row.unjudged = len(jumps) + len(zeros) if tried and unknown == len(tried) else unknown
    if row.verdict == PASS and row.unjudged > MOST_UNJUDGED * gradient.size:
        row.verdict = INCONCLUSIVE
        row.reason = unjudged_reason(row.unjudged, gradient.size)
