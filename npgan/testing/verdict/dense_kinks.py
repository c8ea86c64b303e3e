"""In float32: whether a slope seems wrong only because kinks are denser than the steps.

The slope between two points is then compared with the mean of the gradients between them. Points
near the user's are judged by it, as where a kink is met.
"""

from __future__ import annotations

from collections.abc import Callable

from ..slopes.directions import Direction
from ..slopes.path import slope_along_path
from ..slopes.points import Point
from ..slopes.slope import Estimate

__tracebackhide__ = True  # pytest shows a failure at the user's line, not at ours
LENGTHS = (2.0**-4, 2.0**-7, 2.0**-10, 2.0**-13)  # of the paths, in units of the argument


def among_dense_kinks(
    point: Point,
    leaf: int,
    direction: Direction,
    scale: float,
    reach: float,
    limit_of: Callable[[Estimate], float],
    wanted: float,
) -> tuple[Estimate, float] | None:
    """(the slope along a path, its tolerance); None where dense kinks do not explain a difference.

    reach: the largest step of the slope in question, the length of the first path. Shorter ones are
    tried until the tolerance is as small as it is wanted. A difference that is left along one of
    them is a bug.
    """
    if not point.is_coarse or point.problem.grad is None:
        return None
    best: tuple[Estimate, float] | None = None
    lengths = [length * scale for length in LENGTHS]
    for length in [reach, *lengths] if reach else lengths:
        if length > reach > 0:
            continue
        found = slope_along_path(point, leaf, direction, length)
        if found is None or not found[1]:
            continue
        limit = limit_of(found[0])
        if best is None or limit < best[1]:
            best = found[0], limit
        if abs(found[0].gap) > limit:
            return found[0], limit
        if limit <= wanted:
            break
    return best
