"""Arrays that begin at a cache line: a vector of theirs lies in one line, and two threads share none."""

import math

import numpy as np

LINE = 64  # bytes


def address_of(x):
    return x.ctypes.data


def empty(shape, dtype, address=address_of):
    """np.empty that begins at a cache line.    address: a faster function for that, where there is one"""
    dtype = np.dtype(dtype)
    size = math.prod(shape) * dtype.itemsize
    memory = np.empty(size + LINE, np.uint8)
    start = -address(memory) % LINE
    return np.ndarray(shape, dtype, memory, start)


def zeros(shape, dtype):
    x = empty(shape, dtype)
    x.fill(0)
    return x


def copy(x, dtype):
    y = empty(x.shape, dtype)
    y[...] = x
    return y
