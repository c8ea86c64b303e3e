"""The panel: the columns of B that all tiles below each other need, and what is computed from it.

A panel has K rows without gaps between them, and is as wide as a tile; so it stays in the cache of
the core. Where B lies in memory as it is needed, the first tile copies it into the panel while it
computes; in A Bᵀ it is transposed into the panel before. In Aᵀ B, A is read with its two steps
exchanged.

Transposing a large B takes as long as 10 to 20 rows of A take to compute. So A Bᵀ of few rows is
computed as the transpose of B Aᵀ: the small matrix goes into panels, the large one is read once as
it lies in memory, and the result is transposed when it is stored, a strip of rows at a time.
`few_rows` in product.py chooses.

K is never split, and each sum runs over K in order with fused multiply-adds. So an element of C
has the same bits for any number of threads, any width of the vectors and any shape of the tile.
"""

import math

from numba import types
from numba.extending import intrinsic

from ..memory import CACHE_LINE
from .jit import inlined, inner
from .job import (
    A_K_STEP,
    A_ROW_STEP,
    B_ROW_STEP,
    B_TRANSPOSED,
    BIAS,
    BIAS_STEP,
    C_TRANSPOSED,
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

# Rows of a strip, which is a part of a product that is stored transposed: whole tiles, and whole
# squares of numbers of either size.
STRIP_ROWS = math.lcm(TILE_ROWS, 16)

# The workspace of a thread, as offsets in bytes: which block of A has been copied into it, whether
# the panels of all strips are packed, the bias of a panel, the sums over its rows, a tile of C and
# one of the gate for tiles that are not as wide as a panel, or a strip, the copied block of A, and
# the panels.
COPIED_BLOCK, BIAS_ROW, SUMS_ROW, EDGE_TILE = range(0, 4 * PANEL_ROW_BYTES, PANEL_ROW_BYTES)
PACKED = COPIED_BLOCK + 8
EDGE_GATE = EDGE_TILE + TILE_ROWS * PANEL_ROW_BYTES
A_COPY = EDGE_TILE + max(2 * TILE_ROWS, STRIP_ROWS) * PANEL_ROW_BYTES
PANEL_START = A_COPY + 512 * (4096 + CACHE_LINE)

# Rows of A in one part of a product, at most 512: more would not stay in the cache.
BLOCK_ROWS = 512 // STRIP_ROWS * STRIP_ROWS


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


@intrinsic
def gate_vector(typingctx, target, gate, slope):
    """Keep a vector where that of the gate is above 0, else multiply it by slope, in place."""

    def codegen(context, builder, signature, args):
        vectors = Vectors(builder, signature.args[-1])
        value, sign = vectors.load(args[0], 0), vectors.load(args[1], 0)
        vectors.store(vectors.leaky(sign, value, vectors.splat(args[2])), args[0], 0)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, slope), codegen


@inner
def transpose(source, source_step, target, target_step, rows, width, scalars):
    """Write the transpose of rows x width numbers; a step is the bytes from one row to the next."""
    size, like = scalars.itemsize, scalars[SLOPE]
    lanes = CACHE_LINE // size
    # Squares of numbers in registers, and single numbers for the rest.
    squares_down, squares_across = rows - rows % lanes, width - width % lanes
    for q in range(0, squares_across, lanes):
        for r in range(0, squares_down, lanes):
            transpose_block(
                source + r * source_step + q * size, source_step,
                target + q * target_step + r * size, target_step, like,
            )  # fmt: skip
    for q in range(width):
        for r in range(squares_down if q < squares_across else 0, rows):
            number = load_number(source + r * source_step + q * size, like)
            store_number(target + q * target_step + r * size, number)


@inner
def pack_panel(job, j, width, panel, scalars):
    """Copy the columns j ... j + width - 1 of op(B) into a panel.

    The other columns of the panel are left as they are; what is computed from them is not used.
    """
    b, b_step, k, size, like = job[B], job[B_ROW_STEP], job[K], scalars.itemsize, scalars[SLOPE]
    if job[B_TRANSPOSED] != 0:
        transpose(b + j * b_step, b_step, panel, PANEL_ROW_BYTES, width, k, scalars)
        return
    lanes = CACHE_LINE // size
    vectors = width - width % lanes
    for p in range(k):
        row, target = b + p * b_step + j * size, panel + p * PANEL_ROW_BYTES
        for v in range(0, vectors, lanes):
            copy_vector(row + v * size, target + v * size, like)
        for q in range(vectors, width):
            store_number(target + q * size, load_number(row + q * size, like))


@inner
def sum_panel(panel, k, total, like):
    """Write the sum over the rows of a panel to the address `total`."""
    clear_row(total, like)
    for p in range(k):
        add_row(panel + p * PANEL_ROW_BYTES, total, like)


@inner
def copy_rectangle(source, source_step, target, target_step, rows, width, scalars):
    """Copy rows x width numbers between addresses; a step is the bytes from one row to the next."""
    size, like = scalars.itemsize, scalars[SLOPE]
    for i in range(rows):
        for q in range(width):
            store_number(
                target + i * target_step + q * size,
                load_number(source + i * source_step + q * size, like),
            )


@inner
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


@inner
def store_strip(strip, i, rows, j, width, job, scalars):
    """Store `rows` rows from i and `width` columns from j of Cᵀ into C, through its gate."""
    size, slope, step = scalars.itemsize, scalars[SLOPE], job[M] * scalars.itemsize
    target = job[C] + j * step + i * size
    transpose(strip, PANEL_ROW_BYTES, target, step, rows, width, scalars)
    if job[GATE] == 0:
        return
    lanes, to_gate = CACHE_LINE // size, job[GATE] - job[C]
    vectors = rows - rows % lanes
    for q in range(width):
        row = target + q * step
        for r in range(0, vectors, lanes):
            gate_vector(row + r * size, row + r * size + to_gate, slope)
        for r in range(vectors, rows):
            number = load_number(row + r * size, slope)
            if not load_number(row + r * size + to_gate, slope) > 0:
                store_number(row + r * size, slope * number)


@inlined
def compute_panel(q, job, scalars, workspace):
    """Compute part q of a product: one panel of columns of C, in one block of rows.

    Where C is stored transposed, a part is one strip of rows and all panels: the tiles of one
    panel, then those of the next. A thread packs these panels in its first part.
    """
    size, slope, in_strips = scalars.itemsize, scalars[SLOPE], job[C_TRANSPOSED] != 0
    m, n, k, full = job[M], job[N], job[K], PANEL_ROW_BYTES // size
    panels, c_step, first_panel = (n + full - 1) // full, n * size, workspace + PANEL_START
    if in_strips:
        j, first, most = 0, q * STRIP_ROWS, STRIP_ROWS
    else:
        j, first, most = q % panels * full, q // panels * BLOCK_ROWS, BLOCK_ROWS
    last = min(first + most, m)
    # Where the rows of B lie in memory as in the panel, the first tile packs them: one pass less.
    packing = n - j >= full and job[B_TRANSPOSED] == 0 and first < m
    if not packing and (not in_strips or atomic_swap(workspace + PACKED, 1) == 0):
        for p in range(j, n if in_strips else j + 1, full):
            pack_panel(job, p, min(full, n - p), first_panel + (p - j) * k * size, scalars)
    for i in range(full):
        bias = slope - slope
        if job[BIAS] != 0 and j + i < n:
            bias = load_number(job[BIAS] + (j + i) * job[BIAS_STEP], slope)
        store_number(workspace + BIAS_ROW + i * size, bias)
    # While the first tile is computed, prefetch the columns of B that this thread will probably
    # need next; while a tile of a strip is computed, the rows of A that it will need next.
    prefetch = job[B] + (j + job[THREADS] * full) * (job[B_ROW_STEP] if job[B_TRANSPOSED] else size)
    prefetch_step = PANEL_ROW_BYTES if job[B_TRANSPOSED] else job[B_ROW_STEP]
    block, a_k_step = block_of_a(job, first, last - first, scalars, workspace)
    a_row_step = job[A_ROW_STEP]
    bias = workspace + BIAS_ROW if job[BIAS] != 0 or (slope != 1 and not in_strips) else 0
    i = first
    while i < last:
        rows, width = min(TILE_ROWS, last - i), min(full, n - j)
        a, panel = block + (i - first) * a_row_step, first_panel
        target = job[C] + i * c_step + j * size
        c, step, gate = target, c_step, job[GATE] + target - job[C] if job[GATE] != 0 else 0
        if in_strips:
            panel += j * k * size
            c, step = workspace + EDGE_TILE + (i - first) * PANEL_ROW_BYTES, PANEL_ROW_BYTES
            gate = 0  # store_strip has it
            prefetch, prefetch_step = a + job[THREADS] * STRIP_ROWS * a_row_step, TILE_ROWS * size
        elif width < full:  # a tile is wider than what is left of C: compute it in the workspace
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
        prefetch, prefetch_step = panel, 0
        i += TILE_ROWS
        if in_strips and i >= last:
            store_strip(workspace + EDGE_TILE, first, last - first, j, width, job, scalars)
            j += full
            i = first if j < n else last
        elif width < full and not in_strips:
            copy_rectangle(c, PANEL_ROW_BYTES, target, c_step, rows, width, scalars)
    if job[SUMS] != 0 and first == 0:
        sums = workspace + SUMS_ROW
        sum_panel(first_panel, k, sums, slope)
        copy_rectangle(sums, 0, job[SUMS] + j * size, 0, 1, min(full, n - j), scalars)
