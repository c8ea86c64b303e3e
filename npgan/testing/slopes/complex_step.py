"""The complex step, Im F(x + i h v) / h: a slope without cancellation (Squire & Trapp 1998)."""

from __future__ import annotations

import warnings

import numpy as np

from ..problem.arrays import ignore_float_errors
from .directions import Direction
from .points import Point
from .slope import Estimate

__tracebackhide__ = True  # pytest shows a failure at the user's line, not at ours
STEP = 2.0**-100  # nothing is subtracted, so it may be as small as one likes


def complex_slope(
    point: Point, leaf: int, direction: Direction, gradient: np.ndarray, scale: float
) -> Estimate | None:
    """numeric - analytic by the complex step; None where F does not accept complex numbers.

    Its error is a few roundings. But np.abs, np.var, np.sign, a comparison or a buffer of floats
    make it wrong without a warning, so the caller must compare it with differences.
    """
    x = point.values[leaf]
    if x.dtype != np.float64:
        return None
    h = STEP * scale
    z = x.astype(np.complex128)
    if isinstance(direction, np.ndarray):
        z += 1j * h * direction
        predicted = float(np.vdot(gradient, direction))
    else:
        z.flat[direction] += 1j * h
        predicted = float(gradient.flat[direction])
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", np.exceptions.ComplexWarning)
            outputs = point.outputs_with(leaf, z)
    except Exception:  # F accepts real numbers; it may refuse complex ones in any way
        return None
    if outputs.dtype != np.complex128 or not np.isfinite(outputs).all():
        return None
    with ignore_float_errors():
        slopes = outputs.imag / h
        slope = float(np.dot(point.dout, slopes))
    if not np.isfinite(slope):
        return None
    size = float(np.dot(np.abs(point.dout), np.abs(slopes))) + abs(predicted)
    error = 4 * np.finfo(float).eps * size
    return Estimate(slope - predicted, error, slope, method="complex step")
