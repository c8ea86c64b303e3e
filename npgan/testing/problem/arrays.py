"""Sizes of arrays and comparisons of arrays, robust against overflow and NaN."""

from __future__ import annotations

import numpy as np


def ignore_float_errors() -> np.errstate:
    """Turn floating-point warnings off: steps may lead where a function overflows."""
    return np.errstate(all="ignore")


def norm(a: np.ndarray) -> float:
    """The Euclidean norm, also of numbers whose squares overflow or underflow."""
    largest = max_abs(a)
    return largest * float(np.linalg.norm(a / largest)) if 0 < largest < np.inf else largest


def rms(a: np.ndarray) -> float:
    """The root mean square, also of numbers whose squares overflow or underflow."""
    return norm(a) / np.sqrt(max(a.size, 1))


def max_abs(a: np.ndarray) -> float:
    """The largest absolute value, 0 for an empty array; without a temporary array."""
    return float(max(a.max(), -a.min())) if a.size else 0.0


def typical_size(x: np.ndarray) -> float:
    """The mean absolute value of the nonzero entries; 1 where all are zero."""
    count = np.count_nonzero(x)
    size = float(np.sum(np.abs(x), dtype=np.float64)) / count if count else 1.0
    return size if np.isfinite(size) and size > 0 else 1.0


def identical(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether two arrays are equal, NaN at the same entries included."""
    if np.array_equal(a, b):  # the fast comparison, which is mostly enough
        return True
    return a.dtype.kind in "fc" and bool(np.array_equal(a, b, equal_nan=True))


def close(a: np.ndarray, b: np.ndarray, tolerance: float) -> bool:
    """Whether two arrays are equal up to tolerance x the largest entry."""
    if identical(a, b):
        return True
    size = max(float(np.max(np.abs(a), initial=0)), float(np.max(np.abs(b), initial=0)))
    return bool(np.max(np.abs(a - b), initial=0) <= tolerance * size)
