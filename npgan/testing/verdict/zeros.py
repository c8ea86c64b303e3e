"""Entries that are 0, where a function may be sharper than the usual steps.

One move of all of them asks whether that is so. If it is, projections are compared along directions
in which only these entries move, with much smaller steps; points nearby say nothing of them.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..problem.arrays import ignore_float_errors, norm, typical_size
from ..problem.random_streams import Stream
from ..slopes.difference_quotient import central_difference
from ..slopes.directions import random_weights
from ..slopes.noise_at_zeros import NoiseAtZeros
from ..slopes.points import Point, Points
from ..slopes.slope import Estimate, measure_slope
from .tolerance import RESOLUTION, SAFETY, best_estimate, tolerance

__tracebackhide__ = True  # pytest shows a failure at the user's line, not at ours
# Steps of the one move, in units of the arguments, and of a first larger one.
PROBES, FIRST = tuple(2.0 ** -np.arange(44, 100, 14)), 2.0**-7
# A difference counts from this part of the slope on.
SMALLEST = 1e-3
DIRECTIONS = 3  # along which the entries are compared
# The unit of further steps, in units of a step at which the slope has settled.
UNIT = 2.0**15


class Zeros(NamedTuple):
    """What is known of the entries of 0: all are right, or one is wrong, with its slope."""

    are_right: bool
    wrong: tuple[int, float, float] | None = None  # (flat index, slope, tolerance)


def is_sharp_at(point: Point, leaf: int, v: np.ndarray) -> bool:
    """Whether the slope along v, which moves entries of 0 alone, is another one at tiny steps."""
    gradient, scale = point.gradient(leaf), typical_size(point.values[leaf])
    at_zeros = NoiseAtZeros(point, leaf)
    smallest = SMALLEST * norm(gradient * v)
    with ignore_float_errors():
        for step in (FIRST, *PROBES):
            one = central_difference(point, leaf, v, gradient, step * scale, at_zeros)
            if one is None or step == FIRST:
                continue
            at_kink = 0.5 * float(np.dot(np.abs(point.dout), one.jump))
            if abs(one.slope - one.predicted) > SAFETY * one.noise + at_kink + smallest:
                return True
    return False


def compare_zeros(points: Points, leaf: int) -> Zeros:
    """Compare along directions in which only the entries of 0 move, at the user's point."""
    point = points.at(0)
    x, gradient, found = point.values[leaf], point.gradient(leaf), []
    scale = unit = typical_size(x)
    steps = "fine"
    for d in range(DIRECTIONS):
        v = np.where(x == 0, random_weights(x.shape, [points.seed, Stream.ZEROS, leaf, d]), 0.0)
        one = compared(points, leaf, v, unit, steps)
        if one[0].kinks or not np.isfinite(one[1]):
            return Zeros(False)
        if abs(one[0].gap) > one[1]:
            return Zeros(False, wrong_zero(points, leaf, v, scale, one[0].step * UNIT))
        found.append(one)
        if steps == "fine" and one[0].step < 2.0**-28 * scale:
            steps, unit = "usual", one[0].step * UNIT
    size = max(norm(gradient * (x == 0)), *(abs(one.slope) for one, _ in found))
    return Zeros(all(limit <= RESOLUTION * size for _, limit in found))


def compared(
    points: Points, leaf: int, v: np.ndarray, unit: float, steps: str
) -> tuple[Estimate, float]:
    """(the slope along v, its tolerance)"""
    point = points.at(0)
    gradient, noise = point.gradient(leaf), point.gradient_noise[leaf]
    rounding = (0.0 if noise is None else norm(noise * v)) + 4e-16 * norm(gradient * v)

    def measured(unit: float, steps: str) -> tuple[Estimate, float]:
        one = measure_slope(point, leaf, v, gradient, unit, steps)
        limit = tolerance(points.settings, one.error, one.slope, one.slope - one.gap, rounding)
        return one, limit

    found = [measured(unit, steps)]
    if not abs(found[0][0].gap) <= found[0][1] and steps != "fine":
        found.append(measured(typical_size(point.values[leaf]), "fine"))
    return best_estimate(found)


def wrong_zero(
    points: Points, leaf: int, v: np.ndarray, scale: float, unit: float
) -> tuple[int, float, float] | None:
    """(flat index, slope, tolerance) of a wrong entry, by halving; None if none is wrong alone."""
    some = np.flatnonzero(v)
    while some.size > 1:
        halves = some[: some.size // 2], some[some.size // 2 :]
        gaps = []
        for half in halves:
            part = np.zeros(v.size)
            part[half] = v.flat[half]
            one, limit = compared(points, leaf, part.reshape(v.shape), unit, "usual")
            gaps.append(abs(one.gap) / limit if np.isfinite(limit) else 0.0)
        some = halves[int(gaps[1] > gaps[0])]
    only = np.zeros(v.size)
    only[some] = 1.0
    one, limit = compared(points, leaf, only.reshape(v.shape), scale, "fine")
    if one.kinks or not abs(one.gap) > limit:
        return None
    return int(some[0]), one.slope, limit
