"""The rounding noise of outputs where only entries of 0 are moved, at the size of their moves.

Near 0 numbers are rounded in proportion to themselves: x log(|x| + 1e-15) has values of 1e-18 at
steps of 1e-20, and rounding errors of 1e-34. What is measured along a line that moves all entries,
as in `noise`, is the error of other numbers, and hides slopes that can be measured.
"""

from __future__ import annotations

import numpy as np

from ..problem.arrays import ignore_float_errors, norm
from ..problem.random_streams import Stream, generator
from .noise import sigma_of_samples
from .points import Point

__tracebackhide__ = True  # pytest shows a failure at the user's line, not at ours
SAMPLES = 5
# The distance of two points on a line, in units of the step whose noise is measured; by whether the
# function computes in float32. In it no smooth function shows a second difference.
DISTANCE = {False: 2.0**-30, True: 2.0**-16}
# Roundings of half a unit in the last place that every output has, whatever few samples show.
ROUNDINGS = 8.0
# The noise is measured where that of the other numbers is more than this part of the slope.
ENOUGH = 1e-9


class NoiseAtZeros:
    """The noise of one slope by entries of 0; `see` comes before `sigmas`, the largest step first.

    An output that no step has changed does not depend on these entries, and has no noise.
    """

    def __init__(self, point: Point, leaf: int):
        self.point, self.leaf = point, leaf
        self.depends = np.zeros(point.outputs.shape, bool)
        self.largest = 0.0  # the largest step

    def see(self, right: np.ndarray | None, left: np.ndarray | None, h: float) -> None:
        """Note which outputs a step changes, to either side."""
        for outputs in (right, left):
            if outputs is not None:
                self.depends |= outputs != self.point.outputs
                self.largest = max(self.largest, h)

    def sigmas(self, h: float, slope: float) -> tuple[float, np.ndarray, float]:
        """As `Point.sigmas`: (of the loss, per output, what is hidden of the slope)."""
        point, dout = self.point, self.point.dout
        others = norm(dout * np.where(self.depends, 0.0, point.sigma))
        hidden = others / self.largest
        sigma = np.where(self.depends, point.sigma, 0.0)
        if norm(dout * sigma) > ENOUGH * abs(slope) * h:
            sigma = np.where(self.depends, noise_at(point, self.leaf, h), 0.0)
        return norm(dout * sigma), sigma, hidden


def noise_at(point: Point, leaf: int, h: float) -> np.ndarray:
    """The noise per output where the entries of 0 have moved by about h; measured once per step.

    Of an output that does not change from sample to sample nothing is learnt: it may be rounded to
    larger steps. Its noise is that of the point.
    """
    known = point.at_zeros
    if (leaf, h) not in known:
        known[leaf, h] = measured_noise(point, leaf, h)
    return known[leaf, h]


def measured_noise(point: Point, leaf: int, h: float) -> np.ndarray:
    """The noise per output from samples on a line to the right of 0; else to the left."""
    x = point.values[leaf]
    best = np.maximum(point.sigma, ROUNDINGS * point.eps * np.abs(point.outputs))
    rng = generator(0, Stream.NOISE_AT_ZEROS, leaf)
    start, move = (np.where(x == 0, rng.uniform(0.5, 1.5, x.shape), 0.0) for _ in range(2))
    distance = DISTANCE[point.is_coarse]
    for sign in (1.0, -1.0):
        try:
            with ignore_float_errors():
                samples = np.stack(
                    [
                        point.outputs_with(
                            leaf, (x + sign * h * (start + k * distance * move)).astype(x.dtype)
                        )
                        for k in range(SAMPLES)
                    ]
                )
        except Exception:  # outside the domain, whatever is raised
            continue
        with ignore_float_errors():
            found = np.maximum(*sigma_of_samples(list(samples)))
        size = np.maximum(np.abs(samples[0]), np.abs(point.outputs))
        found = 2 * np.maximum(found, 0.5 * ROUNDINGS * point.eps * size)
        is_seen = np.isfinite(found) & np.all(np.diff(samples, axis=0) != 0, axis=0)
        best = np.where(is_seen, np.minimum(best, found), best)
        if is_seen.all():
            break
    return best
