"""What backward says right near the user's point: which gradients are possible at a kink.

At a kink the gradient jumps. What backward returns there must lie between the gradients around it,
or between the slopes on the two sides.
"""

from __future__ import annotations

import numpy as np

from ..problem.analytic import as_arrays
from ..problem.arrays import ignore_float_errors, max_abs
from ..problem.random_streams import Stream, generator
from ..slopes.points import Points, jitter, lift, lower
from ..slopes.slope import Estimate

__tracebackhide__ = True  # pytest shows a failure at the user's line, not at ours
DISTANCE = 2.0**-14  # in units of the arguments
PAIRS = 4  # of points, on opposite sides of the user's
# Two of the gradients around a kink are one if they differ by less than this part of their range.
SAME = 1e-2
# By how many times its range a gradient that takes more than two values, or that is another one at
# every point, may leave it: many kinks coincide, and few of their combinations have been seen.
OF_SEVERAL, OF_MANY = 4.0, 16.0
# Of the largest entry: a gradient that leaves its range by less changes smoothly.
SMALLEST = 1e-3


def gradients_nearby(points: Points, leaf: int, pairs: int = PAIRS) -> np.ndarray:
    """The gradients by a leaf at points around the user's, stacked; those that are usable."""
    while len(points.nearby) < 2 * pairs:
        rng = generator(points.seed, Stream.NEARBY, len(points.nearby) // 2)
        given = points.at(0).values
        ahead = [jitter(v, DISTANCE, rng) for v in given]
        behind = [2 * v - a for v, a in zip(given, ahead, strict=True)]
        pair = [gradients_at(points, ahead), gradients_at(points, behind)]
        if all(g is None for one in pair for g in one):  # the domain may end at entries that are 0
            moved = [[move(v, DISTANCE, rng) for v in given] for move in (lift, lower)]
            pair = [gradients_at(points, values) for values in moved]
        points.nearby += pair
    found = [one[leaf] for one in points.nearby]
    shape = points.at(0).gradient(leaf).shape
    return np.array([g for g in found if g is not None]).reshape(-1, *shape)


def gradients_at(points: Points, values: list[np.ndarray]) -> list[np.ndarray | None]:
    """What backward returns there; None where it is not usable."""
    problem = points.problem
    try:
        with ignore_float_errors():
            return as_arrays(problem, problem.gradients(values, points.dout))[0]
    except Exception:  # outside the domain, whatever is raised
        return [None] * len(values)


def is_on_kink(estimate: Estimate, limit: float) -> bool:
    """Whether a kink matters for this slope."""
    return estimate.kinks > 0 and estimate.kink_size > 0.25 * limit


def at_kink(points: Points, leaf: int, i: int, estimate: Estimate, limit: float) -> float:
    """The tolerance of an entry on a kink: any slope between the two one-sided ones is right.

    So is any that lies between the gradients around it.
    """
    limit += estimate.kink_size * (1 + SAME)
    gap = abs(estimate.gap)
    if gap <= limit or points.problem.grad is None:
        return limit
    around = np.sort(
        gradients_nearby(points, leaf).reshape(-1, points.at(0).values[leaf].size)[:, i]
    )
    if not around.size:
        return limit
    analytic = estimate.slope - estimate.gap
    width = float(np.ptp(around))
    values = 1 + int(np.sum(np.diff(around) > SAME * width))
    beyond = {1: SAME, 2: SAME, len(around): OF_MANY}.get(values, OF_SEVERAL) * width
    is_inside = around[0] - beyond <= analytic <= around[-1] + beyond
    return gap * (1 + SAME) if is_inside else limit


def special_entries(points: Points, leaf: int) -> tuple[list[int], list[int]]:
    """Entries of which points nearby say nothing: (those where the gradient jumps, other zeros).

    The gradient jumps where it is out of the range of the gradients around; the furthest come
    first. Where F is sharp at 0, a wrong rule for x == 0 may return just what is right nearby.
    """
    x, gradient = points.at(0).values[leaf], points.at(0).gradient(leaf)
    jumps = jumping_entries(gradient, gradients_nearby(points, leaf, pairs=2))
    known = set(jumps)
    zeros = [] if points.at(0).is_coarse else [int(i) for i in np.flatnonzero(x == 0)]
    return jumps, [i for i in zeros if i not in known]


def jumping_entries(gradient: np.ndarray, around: np.ndarray) -> list[int]:
    """The entries out of the range of the gradients around, the furthest first."""
    if not len(around):
        return []
    low, high = around.min(axis=0), around.max(axis=0)
    beyond = np.maximum(low - gradient, gradient - high) - SAME * (high - low)
    beyond = (beyond - SMALLEST * max_abs(gradient)).ravel()
    return [int(i) for i in np.argsort(-beyond) if beyond[i] > 0]
