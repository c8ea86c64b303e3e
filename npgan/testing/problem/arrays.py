"""Sizes of arrays and comparisons of arrays, robust against overflow and NaN."""

from __future__ import annotations

import math

import numpy as np


def ignore_float_errors() -> np.errstate:
    """Turn floating-point warnings off: steps may lead where a function overflows."""
    return np.errstate(all="ignore")


def max_abs(a: np.ndarray) -> float:
    """The largest absolute value, 0 for an empty array; without a temporary array."""
    return float(max(a.max(), -a.min())) if a.size else 0.0


def norm(a: np.ndarray) -> float:
    """The Euclidean norm, also of numbers whose squares overflow or underflow."""
    largest = max_abs(a)
    return largest * float(np.linalg.norm(a / largest)) if 0 < largest < np.inf else largest


def power_of_two_near(a: np.ndarray) -> float:
    """The power of two below the largest absolute value; 1 where there is none.

    To divide by it is exact, and the squares of the quotients do not overflow.
    """
    largest = max_abs(a)
    return math.ldexp(1.0, math.frexp(largest)[1] - 1) if 0 < largest < np.inf else 1.0


def rms(a: np.ndarray, axis: int | None = None, divisor: float = 1.0) -> np.ndarray:
    """sqrt(mean(a²) / divisor), also of numbers whose squares overflow or underflow."""
    scale = power_of_two_near(a)
    count = a.size if axis is None else a.shape[axis]
    mean = np.sum((a / scale) ** 2, axis=axis) / max(count, 1)
    return scale * np.sqrt(mean / divisor)


def typical_size(x: np.ndarray) -> float:
    """The mean absolute value of the nonzero entries; 1 where it is 0 or not finite."""
    count = np.count_nonzero(x)
    scale = power_of_two_near(x)  # the sum itself may overflow
    size = float(np.sum(np.abs(x) / scale, dtype=np.float64)) / count * scale if count else 1.0
    return size if np.isfinite(size) and size > 0 else 1.0


def identical(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether two arrays are equal, NaN at the same entries included; of objects, the same ones."""
    if a.dtype == b.dtype == object:
        return a.shape == b.shape and all(x is y for x, y in zip(a.flat, b.flat, strict=True))
    if np.array_equal(a, b):  # the fast comparison, which is mostly enough
        return True
    return a.dtype.kind in "fc" and bool(np.array_equal(a, b, equal_nan=True))


def close(a: np.ndarray, b: np.ndarray, tolerance: float) -> bool:
    """Whether two arrays are equal up to tolerance x the largest entry."""
    if identical(a, b):
        return True
    size = max(float(np.max(np.abs(a), initial=0)), float(np.max(np.abs(b), initial=0)))
    return bool(np.max(np.abs(a - b), initial=0) <= tolerance * size)
