"""A matrix product as a job, and the check of its arrays."""

import numpy as np

from .. import memory
from .jit import jit
from .job import (
    A_K_STEP,
    A_ROW_STEP,
    B_ROW_STEP,
    B_TRANSPOSED,
    BIAS,
    BIAS_STEP,
    C_TRANSPOSED,
    EMPTY,
    GATE,
    KIND,
    PARTS,
    PRODUCT,
    SLOPE,
    SUMS,
    A,
    B,
    C,
    K,
    M,
    N,
)
from .panel import BLOCK_ROWS, STRIP_ROWS
from .team import dispatch, thread_count
from .tile import PANEL_ROW_BYTES, TILE_SHAPE

SHARED_FROM = 1_000_000  # multiplications; smaller products are not shared among threads
L2_SHARE = 1 << 18  # bytes of the panels of few rows


@jit
def address_of(x):
    """As memory.address_of, but faster."""
    return x.ctypes.data


@jit
def no_overlap(x, y):
    """Whether two arrays without gaps have no memory in common."""
    start, end = x.ctypes.data, x.ctypes.data + x.size * x.itemsize
    return y.ctypes.data >= end or y.ctypes.data + y.size * y.itemsize <= start


@jit
def write_product(job, scalars, a, b, c, ta, tb, gate, bias, sums, slope, in_strips):
    """Write the job C = op(A) op(B) and what follows it; False where that is not possible.

    An empty array stands for no gate, bias or sums. tile.emit_tile says what gate and bias do; sums
    get the sum over the rows of op(B). With in_strips (see few_rows) the job is Cᵀ = B Aᵀ.
    False where C overlaps an array that is read, or the sums overlap A or B.
    """
    size = c.itemsize
    job[KIND] = PRODUCT
    job[M], job[N], job[K] = c.shape[0], c.shape[1], a.shape[0] if ta else a.shape[1]
    job[A], job[B], job[C] = a.ctypes.data, b.ctypes.data, c.ctypes.data
    row, column = a.shape[1] * size, size
    job[A_ROW_STEP], job[A_K_STEP] = (column, row) if ta else (row, column)
    job[B_ROW_STEP], job[B_TRANSPOSED] = b.shape[1] * size, tb
    job[GATE] = gate.ctypes.data if gate.size else 0
    job[BIAS] = bias.ctypes.data if bias.size else 0
    job[BIAS_STEP] = 0 if bias.size == 1 else size
    job[SUMS] = sums.ctypes.data if sums.size else 0
    full = PANEL_ROW_BYTES // size
    blocks = max((job[M] + BLOCK_ROWS - 1) // BLOCK_ROWS, 1)
    job[PARTS] = (job[N] + full - 1) // full * blocks
    job[C_TRANSPOSED] = in_strips
    if in_strips:
        job[M], job[N] = job[N], job[M]
        job[A], job[B] = job[B], job[A]  # whose rows are equally long
        job[PARTS] = (job[M] + STRIP_ROWS - 1) // STRIP_ROWS
    scalars[SLOPE] = slope
    free = no_overlap(c, a) and no_overlap(c, b) and no_overlap(c, gate) and no_overlap(c, bias)
    return free and no_overlap(sums, a) and no_overlap(sums, b)


def contiguous(x):
    """x as an array that compiled code accepts: without gaps, aligned, writable, of no subclass.

    Numba compiles another version of a function for read-only arrays.
    """
    x = np.asarray(x)
    return x if x.flags.carray else np.array(x, order="C")


def few_rows(m, n, k, size, threads):
    """Whether A Bᵀ with m rows of A and n of B is computed sooner as the transpose of B Aᵀ.

    This saves the transposition of n k numbers of B. Instead m n of C are transposed, and m k of A,
    by each thread. What these cost in comparison was measured with m from 32 to 256, n and k from
    256 to 1,024, on one and two threads of a Zen 5. The panels must stay in the L2 cache, and at
    most a ninth of their columns may be idle.
    """
    full = PANEL_ROW_BYTES // size
    is_cheaper = 0 < 5 * m * (n + 0.3 * k) < n * k and threads * m <= n
    return is_cheaper and m * k * size <= L2_SHARE and 9 * m >= 8 * (-(-m // full) * full)


def multiply(a, b, ta, tb, out=None, gate=None, bias=None, sums=None, slope=1.0, compute=dispatch):
    """op(a) op(b) and what follows it; None where the tiles cannot read or write these arrays.

    compute: takes the job as `dispatch` does.

    A small product takes as long as this function, so it asks each question once, in the cheapest
    way.
    """
    dtype = a.dtype
    if TILE_SHAPE is None or dtype not in EMPTY or a.ndim != 2 or b.ndim != 2 or b.dtype != dtype:
        return None
    (k, m), (n, rows) = a.shape if ta else a.shape[::-1], b.shape if tb else b.shape[::-1]
    if k != rows:
        raise ValueError(f"cannot multiply {(m, k)} by {(rows, n)}: the inner sizes differ")
    no_vector, no_matrix = EMPTY[dtype]
    if out is None:
        c = memory.empty((m, n), dtype, address_of)
    elif out.shape == (m, n) and out.dtype == dtype and out.flags.carray:
        c = out
    else:
        return None
    if gate is None:
        gate = no_matrix
    elif gate.shape != (m, n) or gate.dtype != dtype:
        return None
    if bias is None:
        bias = no_vector
    elif bias.shape != (n,) or bias.dtype != dtype:
        return None
    if sums is None:
        sums = no_vector
    elif sums.shape != (n,) or sums.dtype != dtype or not sums.flags.carray:
        return None
    a, b, gate, bias = contiguous(a), contiguous(b), contiguous(gate), contiguous(bias)
    share, y = m * n * k >= SHARED_FROM, c
    if n == 1 and m > 1 and sums is no_vector:
        # One column would leave all lanes but one idle: compute it as the row of the transposed
        # product, whose columns all have the same bias.
        a, b, c, ta, tb = b.reshape(1, k), a, c.reshape(1, m), False, not ta
        gate = gate.reshape(1, m) if gate.size else gate
    slope, in_strips, panel_rows = dtype.type(slope), False, k
    plain = bias is no_vector and sums is no_vector and (slope == 1 or gate is not no_matrix)
    if tb and not ta and plain and few_rows(m, n, k, a.itemsize, thread_count()):
        in_strips, panel_rows = True, k * -(-m * a.itemsize // PANEL_ROW_BYTES)
    arrays = a, b, c, ta, tb, gate, bias, sums, slope, in_strips
    done = compute(share, dtype, panel_rows, write_product, *arrays)
    return None if done is None else y
