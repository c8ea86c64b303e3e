"""A direction in parts: entries of different sizes are moved one size after the other.

One step for all would be too large for the smallest entries of, say, log(x), and too small for the
largest ones.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .points import Point
from .slope import Estimate, measure_slope

__tracebackhide__ = True  # pytest shows a failure at the user's line, not at ours
# The entries of one part differ by less than this power of two.
BITS = 6


class Part(NamedTuple):
    """Some entries of an array, and the unit of their steps."""

    mask: np.ndarray
    scale: float


def parts_by_size(x: np.ndarray) -> list[Part]:
    """The entries of similar size, part by part; [] where all are. Zeros go with the largest."""
    sizes = np.abs(x).astype(np.float64)
    sizes = np.where(sizes == 0, np.max(sizes, initial=0.0), sizes)
    if not sizes.any() or not np.isfinite(sizes).all():
        return []
    exponents = np.frexp(sizes)[1] // BITS
    found = np.unique(exponents)
    if len(found) < 2:
        return []
    masks = [exponents == e for e in found]
    return [Part(mask, float(np.min(sizes[mask]))) for mask in masks]


def measure_in_parts(
    point: Point,
    leaf: int,
    direction: np.ndarray,
    gradient: np.ndarray,
    parts: list[Part],
    steps: str,
) -> Estimate:
    """numeric - analytic along a direction: the sum over its parts."""
    return added(
        [
            measure_slope(point, leaf, np.where(mask, direction, 0.0), gradient, scale, steps)
            for mask, scale in parts
        ]
    )


def measure_zeros_apart(
    point: Point, leaf: int, direction: np.ndarray, gradient: np.ndarray, scale: float
) -> Estimate | None:
    """The slope along a direction, that of the entries which are 0 by much smaller steps.

    None where no entry is 0. F may be sharp at these; no step for all entries is small enough.
    """
    is_zero = point.values[leaf] == 0
    if not np.any(is_zero & (direction != 0)):
        return None
    rest = np.where(is_zero, 0.0, direction)
    at_zeros = measure_slope(point, leaf, direction - rest, gradient, scale, "fine")
    if not rest.any():
        return at_zeros
    others = [measure_slope(point, leaf, rest, gradient, scale, s) for s in ("usual", "wide")]
    return added([at_zeros, min(others, key=lambda one: one.error)])


def added(found: list[Estimate]) -> Estimate:
    """The slope along the sum of several directions."""
    return Estimate(
        gap=sum(one.gap for one in found),
        error=float(np.linalg.norm([one.error for one in found])),
        slope=sum(one.slope for one in found),
        kinks=sum(one.kinks for one in found),
        kink_size=sum(one.kink_size for one in found),
        step=min(one.step for one in found),
        reach=max(one.reach for one in found),
    )
