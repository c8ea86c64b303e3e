"""Arrays that begin at a cache line.

A vector of such an array lies in one cache line, and two threads that work on different vectors
never write to the same line.
"""

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import DTypeLike

CACHE_LINE = 64  # bytes


def address_of(x: np.ndarray) -> int:
    """The address of the first element."""
    return x.ctypes.data


def empty(
    shape: tuple[int, ...], dtype: DTypeLike, address: Callable[[np.ndarray], int] = address_of
) -> np.ndarray:
    """np.empty that begins at a cache line; `address` may be a faster version of address_of."""
    dtype = np.dtype(dtype)
    size = math.prod(shape) * dtype.itemsize
    memory = np.empty(size + CACHE_LINE, np.uint8)
    start = -address(memory) % CACHE_LINE
    return np.ndarray(shape, dtype, memory, start)


def zeros(shape: tuple[int, ...], dtype: DTypeLike) -> np.ndarray:
    """np.zeros that begins at a cache line."""
    x = empty(shape, dtype)
    x.fill(0)
    return x


def copy(x: np.ndarray, dtype: DTypeLike) -> np.ndarray:
    """A copy of x in this dtype that begins at a cache line."""
    y = empty(x.shape, dtype)
    y[...] = x
    return y
