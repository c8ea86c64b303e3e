"""One central difference quotient, with its rounding error and the two one-sided slopes."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..problem.arrays import max_abs
from .directions import Direction
from .noise_at_zeros import NoiseAtZeros
from .points import Point

__tracebackhide__ = True  # pytest shows a failure at the user's line, not at ours

# Relative steps below it are tried only where F is sharper than usual.
TINY_STEP = 2.0**-28


class DifferenceQuotient(NamedTuple):
    """(F(x + h v) - F(x - h v)) / 2h, and what the analytic gradient predicts for it."""

    step: float
    slope: float  # Σ dout (F+ - F-) / 2h
    predicted: float  # by the analytic gradient, for the move that was really made
    noise: float  # one standard deviation of the slope's rounding error
    jump: np.ndarray  # per output: |right slope - left slope|
    jump_noise: np.ndarray


def central_difference(
    point: Point,
    leaf: int,
    direction: Direction,
    gradient: np.ndarray,
    h: float,
    at_zeros: NoiseAtZeros | None = None,
) -> DifferenceQuotient | None:
    """The difference quotient with step h; None where F is not finite or refuses the point.

    at_zeros: the noise where only entries of 0 are moved, by steps that shrink from call to call.
    """
    x = point.values[leaf]
    up, down, difference = point.buffers(leaf)
    if isinstance(direction, np.ndarray):
        np.multiply(direction, h, out=difference)
        np.add(x, difference, out=up, casting="same_kind")
        np.subtract(x, difference, out=down, casting="same_kind")
        # What was really added, after rounding.
        np.subtract(up, down, out=difference, dtype=np.float64)
        width = 2 * h
        predicted = float(np.dot(gradient.ravel(), difference.ravel())) / width
    else:
        up[...] = down[...] = x
        up.flat[direction] += x.dtype.type(h)
        down.flat[direction] -= x.dtype.type(h)
        width = float(up.flat[direction]) - float(down.flat[direction])
        predicted = float(gradient.flat[direction])
        if width == 0:
            return None
    right, left = outputs_or_none(point, leaf, up), outputs_or_none(point, leaf, down)
    if at_zeros is not None:
        at_zeros.see(right, left, width / 2)
    if right is None or left is None:
        return None
    slope = float(np.dot(point.dout, right - left)) / width
    if not np.isfinite(slope):
        return None
    jump = np.abs(right - 2 * point.outputs + left) * (2 / width)
    if at_zeros is None:
        loss_sigma, pooled_sigma, hidden = point.sigmas(leaf, direction, right != left)
    else:
        loss_sigma, pooled_sigma, hidden = at_zeros.sigmas(width / 2, slope)
    noise = np.sqrt(2) * loss_sigma / width + hidden
    if h < TINY_STEP * point.largest(leaf):
        # Where F is sharp the rounding of x itself, as in x - x.mean(), shows in its values.
        moved = x.flat[direction] if isinstance(direction, int) else x[direction != 0]
        size = max_abs(np.asarray(moved))
        noise += 2 * np.finfo(x.dtype).eps * size * abs(slope) / width
    return DifferenceQuotient(width / 2, slope, predicted, noise, jump, pooled_sigma * (8 / width))


def outputs_or_none(point: Point, leaf: int, value: np.ndarray) -> np.ndarray | None:
    """The outputs where one leaf is replaced by another value; None where F raises."""
    try:
        return point.outputs_with(leaf, value)
    except Exception:  # outside the domain, whatever is raised
        return None
