"""Arrays that begin at a cache line.

A vector of such an array lies in one cache line, and two threads that work on different vectors
never write to the same line.
"""

from __future__ import annotations

import math
import weakref
from collections.abc import Callable
from contextlib import suppress

import numpy as np
from numpy.typing import DTypeLike

CACHE_LINE = 64  # bytes

# The memory of the last array that `empty_again` returned, its address at a cache line, and the
# array's base, which lives as long as the array and its views do.
latest: list[tuple[np.ndarray, int, weakref.ref[Base]]] = []


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


class Base:
    """The `base` of an array in memory that is used again. All views of the array keep it alive."""

    def __init__(self, memory: np.ndarray, address: int, shape: tuple[int, ...], typestr: str):
        self.memory = memory
        # NumPy makes an array of this; False: it may be written to.
        self.__array_interface__ = {
            "version": 3, "shape": shape, "typestr": typestr, "data": (address, False)
        }  # fmt: skip


def empty_again(shape: tuple[int, ...], dtype: DTypeLike) -> np.ndarray:
    """As `empty`, in the memory of the last array that this returned, if nobody has that any more.

    Training makes one gradient after the other. In one memory they leave more of the caches to the
    weights, and a large one does not come from the system anew each time.
    """
    dtype = np.dtype(dtype)
    size = math.prod(shape) * dtype.itemsize + CACHE_LINE
    memory = None
    with suppress(IndexError):  # no array yet, or another thread has this memory just now
        memory, address, users = latest.pop()
    if memory is None or memory.size < size or users() is not None:
        memory = np.empty(size, np.uint8)
        address = address_of(memory)
        address += -address % CACHE_LINE
    base = Base(memory, address, shape, dtype.str)
    latest.append((memory, address, weakref.ref(base)))
    del latest[:-1]
    return np.asarray(base)


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
