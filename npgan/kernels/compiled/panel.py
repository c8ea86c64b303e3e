"""The panel: the columns of B that all tiles below each other need, and what is computed from it.

A panel has K rows without gaps between them, and is as wide as a tile; so it stays in the cache of
the core. Where B lies in memory as it is needed, the first tile copies it into the panel while it
computes; in A Bᵀ it is transposed into the panel before. In Aᵀ B, A is read with its two steps
exchanged.

K is never split, and each sum runs over K in order with fused multiply-adds. So an element of C
has the same bits for any number of threads, any width of the vectors and any shape of the tile.
"""

import math

from numba import types
from numba.extending import intrinsic

from ..memory import CACHE_LINE
from .jit import inlined, jit
from .job import (
    A_K_STEP,
    A_ROW_STEP,
    B_ROW_STEP,
    B_TRANSPOSED,
    BIAS,
    BIAS_STEP,
    GATE,
    SLOPE,
    SUMS,
    THREADS,
    A,
    B,
    C,
    K,
    M,
    N,
    atomic_load,
    atomic_swap,
)
from .tile import PANEL_ROW_BYTES, TILE_ROWS, packing_tile, tile
from .vectors import Vectors, copy_vector, load_number, store_number, transpose_block

# The workspace of a thread, as offsets in bytes: which block of A has been copied into it, the
# bias of a panel, the sums over its rows, a tile of C and one of the gate for tiles that are not
# as wide as a panel, the copied block of A, and the panel.
COPIED_BLOCK, BIAS_ROW, SUMS_ROW, EDGE_TILE = range(0, 4 * PANEL_ROW_BYTES, PANEL_ROW_BYTES)
EDGE_GATE = EDGE_TILE + TILE_ROWS * PANEL_ROW_BYTES
A_COPY = EDGE_GATE + TILE_ROWS * PANEL_ROW_BYTES
PANEL_START = A_COPY + 512 * (4096 + CACHE_LINE)

# Rows of A in one part of a product, at most 512 and a multiple of TILE_ROWS and of a vector's 16
# numbers: more would not stay in the cache.
BLOCK_ROWS = 512 // math.lcm(TILE_ROWS, 16) * math.lcm(TILE_ROWS, 16)


@intrinsic
def clear_row(typingctx, target, like):
    """Set a row of a panel to zero."""

    def codegen(context, builder, signature, args):
        vectors = Vectors(builder, signature.args[-1])
        for offset in range(0, PANEL_ROW_BYTES, CACHE_LINE):
            vectors.store(vectors.zero, args[0], offset)
        return context.get_dummy_value()

    return types.void(types.int64, like), codegen


@intrinsic
def add_row(typingctx, source, target, like):
    """target += source, for two rows of a panel."""

    def codegen(context, builder, signature, args):
        vectors = Vectors(builder, signature.args[-1])
        for offset in range(0, PANEL_ROW_BYTES, CACHE_LINE):
            total = builder.fadd(vectors.load(args[1], offset), vectors.load(args[0], offset))
            vectors.store(total, args[1], offset)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, like), codegen


@jit
def pack_panel(job, j, width, panel, scalars):
    """Copy the columns j ... j + width - 1 of op(B) into a panel.

    The other columns of the panel are left as they are; what is computed from them is not used.
    """
    b, b_step, transposed, k = job[B], job[B_ROW_STEP], job[B_TRANSPOSED], job[K]
    size, like = scalars.itemsize, scalars[SLOPE]
    lanes = CACHE_LINE // size
    # Vectors of numbers for these columns and rows, single numbers for the rest.
    columns, rows = width - width % lanes, k - k % lanes if transposed else k
    for p in range(0, rows, lanes if transposed else 1):
        for v in range(0, columns, lanes):
            target = panel + p * PANEL_ROW_BYTES + v * size
            if transposed:
                transpose_block(
                    b + (j + v) * b_step + p * size, b_step, target, PANEL_ROW_BYTES, like
                )
            else:
                copy_vector(b + p * b_step + (j + v) * size, target, like)
    for p in range(k):
        for q in range(columns if p < rows else 0, width):
            source = b + (
                (j + q) * b_step + p * size if transposed else p * b_step + (j + q) * size
            )
            store_number(panel + p * PANEL_ROW_BYTES + q * size, load_number(source, like))


@jit
def sum_panel(panel, k, total, like):
    """Write the sum over the rows of a panel to the address `total`."""
    clear_row(total, like)
    for p in range(k):
        add_row(panel + p * PANEL_ROW_BYTES, total, like)


@jit
def copy_rectangle(source, source_step, target, target_step, rows, width, scalars):
    """Copy rows x width numbers between addresses; a step is the bytes from one row to the next."""
    size, like = scalars.itemsize, scalars[SLOPE]
    for i in range(rows):
        for q in range(width):
            store_number(
                target + i * target_step + q * size,
                load_number(source + i * source_step + q * size, like),
            )


@jit
def block_of_a(job, first, rows, scalars, workspace):
    """(address of a block of op(A), bytes from one column to the next); a copy where that helps.

    In Aᵀ B the numbers that a tile needs one after the other lie one row of the array A apart.
    Where that is a multiple of 4096 bytes, the L1 cache can hold few of them at a time, and every
    tile would fetch them again. So the block is copied, once for all panels that this thread
    computes, to rows with an empty cache line at their end.
    """
    a, a_k_step, k, size = job[A] + first * job[A_ROW_STEP], job[A_K_STEP], job[K], scalars.itemsize
    length, copy_step = rows * size, rows * size + CACHE_LINE
    many_panels = job[N] * size >= 8 * PANEL_ROW_BYTES
    if a_k_step % 4096 != 0 or k * copy_step > PANEL_START - A_COPY or not many_panels:
        return a, a_k_step
    if atomic_load(workspace + COPIED_BLOCK) != first:
        for p in range(k):
            for v in range(0, length, CACHE_LINE):
                copy_vector(
                    a + p * a_k_step + v, workspace + A_COPY + p * copy_step + v, scalars[SLOPE]
                )
        atomic_swap(workspace + COPIED_BLOCK, first)
    return workspace + A_COPY, copy_step


@inlined
def compute_panel(q, job, scalars, workspace):
    """Compute part q of a product: one panel of columns of C, in one block of rows."""
    size, slope = scalars.itemsize, scalars[SLOPE]
    m, n, k, full = job[M], job[N], job[K], PANEL_ROW_BYTES // size
    panels = (n + full - 1) // full
    j, first = q % panels * full, q // panels * BLOCK_ROWS
    width, c_step, panel = min(full, n - j), n * size, workspace + PANEL_START
    # Where the rows of B lie in memory as in the panel, the first tile packs them: one pass less.
    packing = width == full and job[B_TRANSPOSED] == 0 and first < m
    if not packing:
        pack_panel(job, j, width, panel, scalars)
    for i in range(full):
        bias = slope - slope
        if job[BIAS] != 0 and i < width:
            bias = load_number(job[BIAS] + (j + i) * job[BIAS_STEP], slope)
        store_number(workspace + BIAS_ROW + i * size, bias)
    # While the first tile is computed, prefetch the columns of B that this thread will probably
    # need next.
    prefetch = job[B] + (j + job[THREADS] * full) * (job[B_ROW_STEP] if job[B_TRANSPOSED] else size)
    prefetch_step = PANEL_ROW_BYTES if job[B_TRANSPOSED] else job[B_ROW_STEP]
    a, a_k_step = block_of_a(job, first, min(BLOCK_ROWS, m - first), scalars, workspace)
    a_row_step = job[A_ROW_STEP]
    bias = workspace + BIAS_ROW if job[BIAS] != 0 or slope != 1 else 0
    for i in range(first, min(first + BLOCK_ROWS, m), TILE_ROWS):
        rows, target = min(TILE_ROWS, m - i), job[C] + i * c_step + j * size
        c, step, gate = target, c_step, job[GATE] + target - job[C] if job[GATE] != 0 else 0
        if width < full:  # a tile is wider than what is left of C: compute it in the workspace
            c, step = workspace + EDGE_TILE, PANEL_ROW_BYTES
            if gate != 0:
                edge_gate = workspace + EDGE_GATE
                copy_rectangle(gate, c_step, edge_gate, PANEL_ROW_BYTES, rows, width, scalars)
                gate = edge_gate
        if packing and i == first:
            packing_tile(
                a, a_row_step, a_k_step, rows, job[B] + j * size, job[B_ROW_STEP], panel, k, c,
                step, gate, bias, prefetch, prefetch_step, slope,
            )  # fmt: skip
        else:
            tile(
                a, a_row_step, a_k_step, rows, panel, PANEL_ROW_BYTES, panel, k, c,
                step, gate, bias, prefetch, prefetch_step, slope,
            )  # fmt: skip
        a += TILE_ROWS * a_row_step
        prefetch, prefetch_step = panel, 0
        if width < full:
            copy_rectangle(c, PANEL_ROW_BYTES, target, c_step, rows, width, scalars)
    if job[SUMS] != 0 and first == 0:
        sums = workspace + SUMS_ROW
        sum_panel(panel, k, sums, slope)
        copy_rectangle(sums, 0, job[SUMS] + j * size, 0, 1, width, scalars)
