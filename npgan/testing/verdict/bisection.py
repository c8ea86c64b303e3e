"""From a wrong projection to a wrong entry: halve the array until one entry is left."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import NamedTuple

import numpy as np

from ..problem.errors import BudgetError
from ..slopes.directions import restrict
from ..slopes.points import Point
from ..slopes.slope import measure_slope
from .dense_kinks import among_dense_kinks
from .projections import ProjectionComparison
from .tolerance import RESOLUTION

__tracebackhide__ = True  # pytest shows a failure at the user's line, not at ours


class WrongEntry(NamedTuple):
    """The wrong entry at which bisection ended."""

    at_index: tuple[int, ...]
    analytic: float
    numeric: float
    bound: float


def locate_wrong_entry(projections: ProjectionComparison) -> WrongEntry | None:
    """Search along the wrong directions, the clearest first; None if no single entry is wrong."""
    for d in projections.wrong_directions():
        with suppress(BudgetError):
            if found := bisect(projections, d):
                return found
    return None


def bisect(projections: ProjectionComparison, d: int) -> WrongEntry | None:
    """Halve the array, axis by axis, always into the half with the larger gap."""
    attempt, estimate, _ = projections.found[d]
    point, v = projections.points.at(attempt), projections.directions[d]
    region = [(0, n) for n in projections.shape]
    gap = estimate.gap
    for axis in range(len(projections.shape)):
        while region[axis][1] - region[axis][0] > 1:
            low, high = region[axis]
            middle = (low + high) // 2
            first, second = list(region), list(region)
            first[axis], second[axis] = (low, middle), (middle, high)
            part = restrict(v, first)
            in_first = projections.measure(point, part, projections.steps, projections.entry)[0].gap
            region, gap = (
                (first, in_first)
                if abs(in_first) >= abs(gap - in_first)
                else (second, gap - in_first)
            )
    return confirm(projections, point, v, tuple(low for low, _ in region))


def confirm(
    projections: ProjectionComparison, point: Point, v: np.ndarray, index: tuple[int, ...]
) -> WrongEntry | None:
    """The entry with its own slope, measured twice; None where it is not wrong by itself."""
    leaf, shape = projections.leaf, projections.shape
    gradient = point.gradient(leaf)
    i = int(np.ravel_multi_index(index, shape)) if index else 0
    own = abs(float(point.values[leaf].flat[i]))
    scale = own if projections.parts and own else max(own, projections.scale)
    unit = np.zeros(shape)
    unit.flat[i] = 1.0
    # At an entry of 0, where F may be sharp, the finest steps decide.
    for steps in ("usual", "wide") if own else ("usual", "wide", "fine"):
        estimate = measure_slope(point, leaf, i, gradient, scale, steps)
        if own and not np.isfinite(estimate.error):  # its steps may lead out of the domain
            estimate = measure_slope(point, leaf, i, gradient, own, steps)
        bound = projections.limit(point, unit, estimate)
        is_open = bound == np.inf and not own and steps != "fine"  # finer steps may settle
        if not is_open and not abs(estimate.gap) > bound:
            return None
    limit_of = partial(projections.limit, point, unit)
    wanted = RESOLUTION * abs(estimate.slope)
    if found := among_dense_kinks(point, leaf, i, scale, estimate.reach, limit_of, wanted):
        estimate, bound = found
        if not abs(estimate.gap) > bound:
            return None
    analytic = float(gradient.flat[i])
    return WrongEntry(index, analytic, analytic + estimate.gap, bound)
