"""On a kink, where single entries have no slope: the slope of a shift of all entries."""

from __future__ import annotations

import math

import numpy as np

from ..report import FAIL, ArgumentReport
from ..slopes.points import Points
from .projections import ProjectionComparison
from .tolerance import RESOLUTION, best_estimate

__tracebackhide__ = True  # pytest shows a failure at the user's line, not at ours


def check_common_shift(points: Points, leaf: int, row: ArgumentReport) -> None:
    """Compare the slope along (1, ..., 1) at the user's point, if no kink lies in that direction.

    That is so where entries tie for a maximum. The row becomes a FAIL where the slopes differ; else
    it stays as it is.
    """
    projections = ProjectionComparison(points, leaf, 0)
    ones, point = np.ones(projections.shape), points.at(0)
    found = [projections.measure(point, ones, steps, None) for steps in ("usual", "wide")]
    estimate, limit = best_estimate(found)
    analytic = estimate.slope - estimate.gap
    # A wrong rule for ties is off by whole entries; a smaller gap may be rounding.
    large = RESOLUTION * max(abs(estimate.slope), abs(analytic), row.size)
    if abs(estimate.gap) > limit + large and not any(one.kinks for one, _ in found):
        row.verdict, row.index, row.power = FAIL, None, math.inf
        row.analytic, row.numeric, row.error_bound = analytic, estimate.slope, limit
        row.set_hints(
            "wrong at this very point, where some entries tie or lie on a kink, though right near "
            "it: the sum of its entries is not the slope along (1, ..., 1)"
        )
