"""At a kink, where single entries have no slope: directions in which there is one.

Entries that tie for a maximum or a median stay equal if all entries of equal value move alike. No
kink is met then, so the slope along such a direction must be that of the gradient.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from ..problem.arrays import norm, typical_size
from ..problem.random_streams import Stream, generator
from ..report import FAIL, INCONCLUSIVE, PASS, ArgumentReport
from ..slopes.joint_point import JointPoint
from ..slopes.parts import measure_zeros_apart
from ..slopes.points import Point, Points
from ..slopes.slope import Estimate, measure_slope
from .dense_kinks import among_dense_kinks
from .tolerance import RESOLUTION, best_estimate, tolerance

__tracebackhide__ = True  # pytest shows a failure at the user's line, not at ours
WRONG_TIES = (
    "wrong at this very point, where some entries tie or lie on a kink, though right near it: "
    "where all entries of equal value move alike, the sum of its entries is not the slope"
)
# Relative to the largest entry: a wrong rule for ties is off by whole entries.
SMALLEST_ERROR = 1e-3


def tied_directions(values: np.ndarray, seed: int) -> Iterator[tuple[np.ndarray, float]]:
    """(direction, its size) of moves after which entries of equal value are still equal.

    By a function of the value that is different at every value; by 1, which also keeps entries
    that differ by a constant; and by the value itself, which keeps zeros and equal ratios, too.
    """
    size = typical_size(values)
    a, b, c = generator(seed, Stream.TIES).uniform(0.5, 1.5, 3)
    wave = values * (1 + 0.5 * np.sin(a + b * np.abs(values) / size)) / size
    yield c + wave, size
    yield np.ones(values.shape), size
    if values.any():
        yield values / size, size
        yield wave, size


def check_ties(points: Points, leaf: int, row: ArgumentReport) -> None:
    """Make the row of a leaf a FAIL if the gradient is wrong along a direction that keeps ties.

    Without a kink only one direction is tried: it finds the kinks that no single entry shows.
    """
    point = points.at(0)
    if point.values[leaf].size < 2:
        return
    most = None if row.kinks else 1
    if wrong := wrong_direction(points, point, leaf, point.gradient(leaf), row.size, most)[0]:
        set_fail(row, *wrong)


def check_ties_between(points: Points, rows: dict[int, ArgumentReport]) -> None:
    """The same with all leaves moved together: an entry of one may tie with one of another.

    Their rows become FAIL if the slopes differ. If they agree, so that they could have differed, a
    gradient of zeros on a kink is right, and its row becomes a PASS.
    """
    has_kinks = any(row.kinks for row in rows.values())
    if len(rows) < 2 or not has_kinks or any(row.verdict == FAIL for row in rows.values()):
        return
    if len({points.at(0).values[leaf].dtype for leaf in rows}) > 1:
        return
    joint = JointPoint(points.at(0), list(rows))
    size = max(row.size for row in rows.values())
    wrong, is_checked = wrong_direction(points, joint, 0, joint.gradient(0), size, None)
    for leaf, row in rows.items():
        is_zero = not points.at(0).gradient(leaf).any() and row.unjudged <= 0.1 * math.prod(
            row.shape
        )
        if row.kinks and wrong:
            set_fail(row, *wrong)
        elif row.kinks and is_checked and row.verdict == INCONCLUSIVE and is_zero:
            row.verdict, row.reason = PASS, "is zero, which is right at ties with other arguments"


def wrong_direction(
    points: Points, point: Point, leaf: int, gradient: np.ndarray, size: float, most: int | None
) -> tuple[tuple[Estimate, float] | None, bool]:
    """(the estimate of a wrong slope with its tolerance, whether any slope could be compared)."""
    noise = point.gradient_noise[leaf]
    is_checked = False
    for v, scale in list(tied_directions(point.values[leaf], points.seed))[:most]:
        rounding = (0.0 if noise is None else norm(noise * v)) + 4e-16 * norm(gradient * v)

        def limit_of(estimate: Estimate, rounding: float = rounding) -> float:
            """The tolerance along this direction."""
            slope, analytic = estimate.slope, estimate.slope - estimate.gap
            limit = tolerance(points.settings, estimate.error, slope, analytic, rounding)
            return limit + SMALLEST_ERROR * max(size, abs(slope) * RESOLUTION)

        found: list[tuple[Estimate, float]] = []
        for steps in ("usual", "wide"):
            estimate = measure_slope(point, leaf, v, gradient, scale, steps)
            limit = limit_of(estimate)
            found.append((estimate, limit))
            if estimate.kinks or not abs(estimate.gap) > limit:
                break
        else:
            if apart := measure_zeros_apart(point, leaf, v, gradient, scale):
                found.append((apart, limit_of(apart)))
            best = best_estimate(found)
            if abs(best[0].gap) > best[1]:
                wanted = RESOLUTION * abs(best[0].slope)
                reach = best[0].reach
                best = among_dense_kinks(point, leaf, v, scale, reach, limit_of, wanted) or best
            if abs(best[0].gap) > best[1]:
                return best, True
        estimate, limit = found[-1]
        is_checked |= not estimate.kinks and limit < RESOLUTION * abs(estimate.slope)
    return None, is_checked


def set_fail(row: ArgumentReport, estimate: Estimate, limit: float) -> None:
    """Make a row a FAIL along a direction."""
    row.verdict, row.index, row.power, row.reason = FAIL, None, math.inf, ""
    row.analytic, row.numeric = estimate.slope - estimate.gap, estimate.slope
    row.error_bound = limit
    row.set_hints(WRONG_TIES)
