"""Where kinks are denser than the steps: the slope between two points against gradients between.

(F(x + h v) - F(x - h v)) / 2h is the mean of <gradient of F at x + t h v, v> over t from -1 to 1,
however many kinks lie there. In float32 no step is small enough to pass between the kinks of a sort
of 900 numbers, and quotients of several steps may agree by chance.
"""

from __future__ import annotations

from contextlib import suppress

import numpy as np

from ..problem.arrays import ignore_float_errors
from .difference_quotient import central_difference
from .directions import Direction
from .points import Point
from .slope import Estimate

__tracebackhide__ = True  # pytest shows a failure at the user's line, not at ours
GRADIENTS = 32  # between the two ends
# In units of the range of the slopes between: the sum of their second differences, which is 2 for a
# jump and 0 for a straight line; and by how much the slope at the point itself may leave the range.
ROUGH, BEYOND = 0.75, 0.5


def slope_along_path(
    point: Point, leaf: int, direction: Direction, h: float
) -> tuple[Estimate, bool] | None:
    """(the estimate, whether kinks explain a difference at the point itself); None if unusable."""
    found = []
    with suppress(Exception), ignore_float_errors():  # outside the domain, whatever is raised
        for k in range(GRADIENTS):
            value = moved(point.values[leaf], direction, h * ((2 * k + 1) / GRADIENTS - 1))
            found.append(point.gradient_with(leaf, value))
    if len(found) < GRADIENTS:
        return None
    mean: np.ndarray = sum(found[1:], start=found[0]) / GRADIENTS
    ends = central_difference(point, leaf, direction, mean, h)
    if ends is None:
        return None
    between = np.array([along(gradient, direction) for gradient in found])
    # The error of the mean: what one jump between two gradients, or many of either sign, change.
    error = float(np.sqrt(np.sum(np.diff(between) ** 2))) / GRADIENTS
    low, high = float(between.min()), float(between.max())
    width = high - low
    here = along(point.gradient(leaf), direction)
    is_inside = low - BEYOND * width <= here <= high + BEYOND * width
    is_rough = float(np.sum(np.abs(np.diff(between, 2)))) > ROUGH * width
    gap, noise = ends.slope - ends.predicted, ends.noise
    return Estimate(gap, error + noise, ends.slope, kinks=1, step=h), is_inside and is_rough


def moved(x: np.ndarray, direction: Direction, distance: float) -> np.ndarray:
    """The values at this distance along a direction, in the same dtype."""
    if isinstance(direction, np.ndarray):
        return (x + distance * direction).astype(x.dtype)
    new = x.copy()
    new.flat[direction] += x.dtype.type(distance)
    return new


def along(gradient: np.ndarray, direction: Direction) -> float:
    """<gradient, direction>"""
    if isinstance(direction, np.ndarray):
        return float(np.dot(gradient.ravel(), direction.ravel()))
    return float(gradient.flat[direction])
