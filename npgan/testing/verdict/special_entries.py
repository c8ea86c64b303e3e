"""In projections: entries whose gradient is special at the user's very point.

On a kink, or where F is sharp, projections are compared at points nearby, which says nothing about
a wrong rule for the point itself (x == 0). There the gradient jumps. Entries at which it leaves the
range of the gradients around the point are compared one by one.
"""

from __future__ import annotations

import math

import numpy as np

from ..problem.arrays import max_abs
from ..report import FAIL, ArgumentReport
from ..slopes.points import Points
from .entries import EntryComparison
from .nearby import SAME, gradients_nearby
from .rows import index_of

__tracebackhide__ = True  # pytest shows a failure at the user's line, not at ours
MOST = 6  # entries that are compared
SMALLEST = 1e-3  # of the largest entry: less is a smooth change from point to point


def check_special_entries(points: Points, leaf: int, row: ArgumentReport) -> None:
    """Make a row a FAIL if one of the special entries is wrong at the user's point."""
    gradient = points.at(0).gradient(leaf)
    comparison = EntryComparison(points, leaf)
    for i in special_entries(gradient, gradients_nearby(points, leaf, pairs=2)):
        if (found := comparison.wrong_at_point(i)) is None:
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


def special_entries(gradient: np.ndarray, around: np.ndarray) -> list[int]:
    """The entries furthest out of the range of the gradients around, at most MOST of them."""
    if not len(around):
        return []
    low, high = around.min(axis=0), around.max(axis=0)
    beyond = np.maximum(low - gradient, gradient - high) - SAME * (high - low)
    beyond = (beyond - SMALLEST * max_abs(gradient)).ravel()
    return [int(i) for i in np.argsort(-beyond)[:MOST] if beyond[i] > 0]
