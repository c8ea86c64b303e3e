"""In projections: entries whose gradients are far smaller than the largest.

The errors of slopes of 1e8, as of a row of padding that is normalised, hide what is wrong
with slopes of size 1, though these are of other outputs. Therefore entries of small gradients are
moved alone, too.
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
    sizes = np.abs(point.gradient(leaf))
    if point.is_coarse:
        noise = np.abs(point.dout) * point.sigma
        is_uneven = max_abs(noise) > UNEVEN * np.median(noise)  # else that of fewer is no smaller
    else:
        is_uneven = np.median(sizes) < SMALL * max_abs(sizes)
    if not is_uneven:
        return None
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
