"""Arrays that begin at a cache line.

A vector of such an array lies in one cache line, and two threads that work on different vectors
never write to the same line.
"""

from __future__ import annotations

import math
import weakref
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

CACHE_LINE = 64  # bytes

# The memory of the last array that `empty_again` returned, and the array's base, which lives as
# long as the array and its views do.
latest: list[tuple[np.ndarray, weakref.ref[Any]]] = []


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


def empty_again(shape: tuple[int, ...], dtype: DTypeLike) -> np.ndarray:
    """As `empty`, in the memory of the last array that this returned, if nobody has that any more.

    Training makes one gradient after the other. In one memory they leave more of the caches to the
    weights, and a large one does not come from the system anew each time.
    """
    dtype, memory = np.dtype(dtype), None
    size = math.prod(shape) * dtype.itemsize
    with suppress(IndexError):  # no array yet, or another thread has this memory just now
        memory, users = latest.pop()
    # Not memory that is much larger, which a small array would keep for as long as it is kept.
    if memory is None or users() is not None or not size <= memory.size <= 4 * size:
        memory = empty((size,), np.uint8)
    x = np.frombuffer(memory.data, dtype, math.prod(shape))  # its base is a memoryview of its own
    latest.append((memory, weakref.ref(x.base)))
    del latest[:-1]
    return x.reshape(shape)


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
