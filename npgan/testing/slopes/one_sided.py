"""The slope to one side, at the end of the domain of a function: x ** 1.5 at 0."""

from __future__ import annotations

import numpy as np

from ..problem.arrays import ignore_float_errors
from .difference_quotient import outputs_or_none
from .points import Point
from .richardson import best_entry
from .slope import Estimate

__tracebackhide__ = True  # pytest shows a failure at the user's line, not at ours
# In units of the argument, by whether the function computes in float32.
STEPS = {False: 2.0 ** -np.arange(7.0, 80, 6), True: 2.0 ** -np.arange(1.0, 40, 3)}


def one_sided_slope(
    point: Point, leaf: int, i: int, gradient: np.ndarray, scale: float
) -> Estimate | None:
    """numeric - analytic by an entry to the side where F is finite; None if not just one is."""
    x = point.values[leaf]
    for sign in (1.0, -1.0):
        steps, slopes = [], []
        for h in scale * STEPS[point.is_coarse]:
            up, down = x.copy(), x.copy()
            up.flat[i] += x.dtype.type(sign * h)
            down.flat[i] -= x.dtype.type(sign * h)
            width = float(up.flat[i]) - float(x.flat[i])
            inside, outside = outputs_or_none(point, leaf, up), outputs_or_none(point, leaf, down)
            if outside is not None and np.isfinite(outside).all():
                return None
            if inside is None or not np.isfinite(inside).all() or not width:
                break
            with ignore_float_errors():
                slopes.append(float(np.dot(point.dout, inside - point.outputs)) / width)
            steps.append(abs(width))
        if len(slopes) > 2:
            h = np.array(steps)
            noise = 2 * point.loss_sigma / h
            slope, error, (_, last) = best_entry(h, np.array(slopes), noise)
            return Estimate(slope - float(gradient.flat[i]), error, slope, step=steps[last])
    return None
