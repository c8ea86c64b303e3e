"""Products with a matrix of one column, such as D's last layer, in one call and without a job.

They are so small that to check the arrays, and to write and run a job, takes several times as long
as to compute. So the calling thread computes at once, without a panel. A network's passes do not
need this: their jobs are written once (see job_list).

The terms of a sum are added in the order p = 0, 1, 2, ... by fused multiply-adds, as in the tiles:
so the bits are the same.
"""

import numpy as np
from numba import types
from numba.core.errors import NumbaTypeError
from numba.extending import intrinsic

from ..memory import CACHE_LINE
from .elementary import fma
from .jit import inlined, inner, jit_where
from .job import EMPTY
from .product import SHARED_FROM, no_overlap
from .tile import TILE_SHAPE, TILE_VECTORS
from .vectors import Vectors, columns_of_square, int64, load_number, starts_of, store_number

PREFETCHED = 4 * CACHE_LINE  # so many bytes to the right of a square begins the prefetched one
PIECE = 32 if TILE_VECTORS == 2 else 16  # see columns_of_square; 32 is slower with AVX2


def square_intrinsic(transposed):
    """An intrinsic that adds the terms of a square of numbers to a vector of sums.

    sums += w[p] · (vector p of the square), for p = 0 ... lanes - 1. Vector p is row p of the
    square in memory, or with `transposed` column p. A step is the bytes from one row to the next.
    """

    @intrinsic
    def add_square(typingctx, square, step, w, sums, like):
        def codegen(context, builder, signature, args):
            square, step, w, sums, _ = args
            vectors = Vectors(builder, signature.args[-1])
            starts = starts_of(builder, square, step, vectors.lanes)
            terms = map(vectors.load, starts)
            if transposed:
                terms = columns_of_square(vectors, starts, PIECE)
                for start in starts:  # so many rows at a time are prefetched by no CPU itself
                    vectors.prefetch(start, PREFETCHED)
            total = vectors.load(sums)
            for p, vector in enumerate(terms):
                number = vectors.load_number(builder.add(w, int64(p * vectors.size)))
                total = vectors.fma(vectors.splat(number), vector, total)
            vectors.store(total, sums)
            return context.get_dummy_value()

        return types.void(*[types.int64] * 4, like), codegen

    return add_square


add_rows, add_columns = square_intrinsic(transposed=False), square_intrinsic(transposed=True)


@inner
def add_terms(a, row_step, k_step, m, k, w, sums, size, like):
    """sums += op(A) w, for m sums of k terms, one number at a time; all arrays are addresses."""
    for p in range(k if m else 0):
        number = load_number(w + p * size, like)
        for i in range(m):
            value = load_number(a + i * row_step + p * k_step, like)
            total = load_number(sums + i * size, like)
            store_number(sums + i * size, fma(value, number, total))


@inlined
def multiply_rows(a, w, c):
    """c = a w.

    In a square each FMA waits four cycles for the one before. So the squares of two groups of rows
    are computed in turns; more would not stay in the L1 cache.
    """
    (m, k), size, zero = a.shape, c.itemsize, c.dtype.type(0)
    lanes, step = CACHE_LINE // size, k * size
    down, across = m - m % lanes, k - k % lanes
    a, w, sums = a.ctypes.data, w.ctypes.data, c.ctypes.data
    c[:] = zero
    for i in range(0, down, 2 * lanes):
        for p in range(0, across, lanes):
            for r in range(i, i + 2 * lanes, lanes):
                if r < down:
                    square = a + r * step + p * size
                    add_columns(square, step, w + p * size, sums + r * size, zero)
    # What is left of these sums, and the other sums.
    left, rest = a + across * size, w + across * size
    add_terms(left, step, size, down, k - across, rest, sums, size, zero)
    others, rest = a + down * step, sums + down * size
    add_terms(others, step, size, m - down, k, w, rest, size, zero)


@inlined
def multiply_columns(a, w, c):
    """c = aᵀ w; the squares of all sums in turns, so a is read in the order in which it lies."""
    (k, m), size, zero = a.shape, c.itemsize, c.dtype.type(0)
    lanes, step = CACHE_LINE // size, m * size
    down, across = m - m % lanes, k - k % lanes
    a, w, sums = a.ctypes.data, w.ctypes.data, c.ctypes.data
    c[:] = zero
    for p in range(0, across, lanes):
        for r in range(0, down, lanes):
            add_rows(a + r * size + p * step, step, w + p * size, sums + r * size, zero)
    left, rest = a + across * step, w + across * size
    add_terms(left, size, step, down, k - across, rest, sums, size, zero)
    others, rest = a + down * size, sums + down * size
    add_terms(others, size, step, m - down, k, w, rest, size, zero)


@inlined
def can_compute(m, n, k, a, b, c):
    """Whether this is a product m x n x k, in memory as it must be, and too small to be shared."""
    if not (a.flags.c_contiguous and b.flags.c_contiguous and c.flags.c_contiguous):
        return False
    aligned = (a.ctypes.data | b.ctypes.data | c.ctypes.data) % c.itemsize == 0
    fit = b.shape[1] == 1 and a.size == m * k and b.size == n * k and c.shape == (m, n)
    return aligned and fit and m * n * k < SHARED_FROM and no_overlap(c, a) and no_overlap(c, b)


def fits(*arrays):
    """Whether a version is compiled for arrays of these types: three matrices, perhaps a bias."""
    kinds = {(type(x), x.dtype, x.flags.carray) for x in arrays}
    known = TILE_SHAPE is not None and kinds in [{(np.ndarray, dtype, True)} for dtype in EMPTY]
    return known and [x.ndim for x in arrays] in ([2, 2, 2], [2, 2, 2, 1])


@jit_where(fits)
def multiply_nn(a, b, c):
    """c = a b; False where this is no such product."""
    able = can_compute(a.shape[0], 1, a.shape[1], a, b, c)
    if able:
        multiply_rows(a, b, c)
    return able


@jit_where(fits)
def multiply_nn_add(a, b, c, bias):
    """c = a b + bias; False where this is no such product, or c overlaps a factor or the bias."""
    able = multiply_nn(a, b, c) and bias.size == 1 and no_overlap(c, bias)
    if able:
        for i in range(c.size):
            c[i, 0] += bias[0]
    return able


@jit_where(fits)
def multiply_tn(a, b, c):
    """c = aᵀ b; False where this is no such product."""
    able = can_compute(a.shape[1], 1, a.shape[0], a, b, c)
    if able:
        multiply_columns(a, b, c)
    return able


@jit_where(fits)
def multiply_nt(a, b, c):
    """c = a bᵀ; False where this is no such product."""
    m, n, zero = a.shape[0], b.shape[0], c.dtype.type(0)
    able = can_compute(m, n, 1, a, b, c)
    if able:
        a, b, c = a.ravel(), b.ravel(), c.ravel()
        for i in range(m):
            for j in range(n):
                c[i * n + j] = fma(a[i], b[j], zero)
    return able


def multiply_column(a, b, ta, tb, out=None, bias=None):
    """op(a) op(b), or a b + bias, for b of one column; None where `product.multiply` must do it.

    A small product takes as long as the Python code before it. So little is checked here: that the
    numbers have one dtype, in the order of bytes of this computer, which Numba does not always see.
    """
    dtype = a.dtype
    if out is None:  # a result of one column need not begin at a cache line
        out = np.empty((a.shape[-1] if ta else len(a), len(b) if tb else 1), dtype)
    if dtype not in EMPTY or not dtype is b.dtype is out.dtype or (ta and tb):
        return None
    try:
        if bias is not None:
            return out if bias.dtype is dtype and multiply_nn_add(a, b, out, bias) else None
        compute = multiply_tn if ta else multiply_nt if tb else multiply_nn
        return out if compute(a, b, out) else None
    except NumbaTypeError:
        return None
