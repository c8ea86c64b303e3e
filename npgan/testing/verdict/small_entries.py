"""In projections: entries whose gradients are far smaller than the largest.

In float32 the rounding errors of outputs of slope 1e8 hide what is wrong with slopes of size 1,
though these are of other outputs. Therefore entries of small gradients are moved alone, too.
"""

from __future__ import annotations

import numpy as np

from ..problem.arrays import max_abs
from ..slopes.points import UNEVEN, Points
from .comparison import Comparison
from .projections import ProjectionComparison

__tracebackhide__ = True  # pytest shows a failure at the user's line, not at ours
SMALL = 2.0**-10  # of the largest entry
SIZES, DIRECTIONS = 3, 2  # how often even smaller ones are taken, and the directions for each


def wrong_small_entries(
    points: Points, leaf: int
) -> tuple[ProjectionComparison, Comparison] | None:
    """A comparison along directions that move entries of small gradients alone, if it fails."""
    point = points.at(0)
    if not point.is_coarse:  # in float64 the errors of a slope of 1e8 are 1e-8
        return None
    noise = np.abs(point.dout) * point.sigma
    if not max_abs(noise) > UNEVEN * np.median(noise):
        return None  # that of fewer outputs is no smaller
    sizes = np.abs(point.gradient(leaf))
    for _ in range(SIZES):
        is_small = (sizes < SMALL * max_abs(sizes)) & np.isfinite(sizes)
        if not is_small.any():
            return None
        projections = ProjectionComparison(points, leaf, DIRECTIONS)
        projections.directions = [np.where(is_small, v, 0.0) for v in projections.directions]
        found = projections.run()
        if found.wrong.any():
            return projections, found
        sizes = np.where(is_small, sizes, 0.0)
        if not sizes.any():
            return None
    return None
