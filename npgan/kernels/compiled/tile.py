"""The tile: the innermost part of a matrix product, whose sums stay in registers.

C = A B is computed in tiles of TILE_ROWS rows by TILE_VECTORS vectors. In each round of the loop
over K, a row of B (TILE_VECTORS vectors) times TILE_ROWS single numbers of A is added to the sums
of the tile.
"""

from numba import types
from numba.extending import intrinsic

from ..memory import CACHE_LINE
from .vectors import I64, Vectors, assembly_of_fma, int64


def choose_tile_shape(assembly):
    """(rows, vectors) of a tile that fill the registers; None where the CPU has no vector FMA.

    AVX-512 has 32 registers of one vector: 16 for sums, 2 for B, the others for numbers of A that
    are being loaded. AVX2 has 16 registers of half a vector: 12 for sums, 2 for B, 1 for A. NEON
    has 32 of a quarter: 24 for sums, 4 for B, 1 for A.
    """
    if "zmm" in assembly:
        return 8, 2
    if ("ymm" in assembly and "vfmadd" in assembly) or "fmla" in assembly:
        return 6, 1
    return None


TILE_SHAPE = choose_tile_shape(assembly_of_fma())
TILE_ROWS, TILE_VECTORS = TILE_SHAPE or (1, 1)
PANEL_ROW_BYTES = TILE_VECTORS * CACHE_LINE  # a panel is as wide as a tile


def emit_tile(
    builder, like, packs,
    a, a_row_step, a_k_step, rows, b, b_step, panel, k, c, c_step,
    gate, bias, prefetch, prefetch_step, slope,
):  # fmt: skip
    """C = A B for `rows` rows and the columns of one panel, and what follows the product.

    a, a_row_step, a_k_step: the address of the first number of A, and the bytes to the next row
        and to the next column.
    rows: at most TILE_ROWS. If there are fewer, the missing ones repeat the last one; so the tile
        reads and writes no other memory.
    b, b_step: the address of the first row of B in a panel, and the bytes to the next row.
    panel: where a tile that `packs` stores the rows that it reads from b; unused by other tiles.
    c, c_step: as for b.
    gate: the address of an array like C: c where gate > 0, else slope c, is stored.
    bias: else the address of a row of a panel: leaky_relu(c + bias) is stored.
        If both are 0, c is stored.
    prefetch, prefetch_step: in each round of the loop over K the next row from here is prefetched.
    """
    vectors = Vectors(builder, like)
    positions = [(i, j) for i in range(TILE_ROWS) for j in range(TILE_VECTORS)]
    last = builder.sub(rows, int64(1))
    index = [
        builder.select(builder.icmp_signed("<", int64(i), last), int64(i), last)
        for i in range(TILE_ROWS)
    ]
    a_rows = [builder.add(a, builder.mul(i, a_row_step)) for i in index]
    c_rows = [builder.add(c, builder.mul(i, c_step)) for i in index]

    for c_row in c_rows:  # likely in no cache, and needed when the loop is done
        for j in range(TILE_VECTORS):
            vectors.prefetch(c_row, CACHE_LINE * j, write=1)

    # for p in range(k): the sums are phi nodes, values that one round of a loop passes to the next.
    before, loop, after = builder.block, builder.append_basic_block(), builder.append_basic_block()
    builder.cbranch(builder.icmp_signed(">", k, int64(0)), loop, after)
    builder.position_at_end(loop)
    p, a_offset, b_row, panel_row, prefetched = (builder.phi(I64) for _ in range(5))
    sums = {ij: builder.phi(vectors.type) for ij in positions}
    for j in range(TILE_VECTORS):
        vectors.prefetch(prefetched, CACHE_LINE * j)
    b_vectors = [vectors.load(b_row, CACHE_LINE * j) for j in range(TILE_VECTORS)]
    if packs:
        for j in range(TILE_VECTORS):
            vectors.store(b_vectors[j], panel_row, CACHE_LINE * j)
    new_sums = {}
    for i in range(TILE_ROWS):
        number = vectors.splat(vectors.load_number(builder.add(a_rows[i], a_offset)))
        for j in range(TILE_VECTORS):
            new_sums[i, j] = vectors.fma(number, b_vectors[j], sums[i, j])
    next_p = builder.add(p, int64(1))
    phi_nodes = [
        (p, int64(0), next_p),
        (a_offset, int64(0), builder.add(a_offset, a_k_step)),
        (b_row, b, builder.add(b_row, b_step)),
        (panel_row, panel, builder.add(panel_row, int64(PANEL_ROW_BYTES))),
        (prefetched, prefetch, builder.add(prefetched, prefetch_step)),
        *((sums[ij], vectors.zero, new_sums[ij]) for ij in positions),
    ]
    for phi, first, following in phi_nodes:
        phi.add_incoming(first, before)
        phi.add_incoming(following, loop)
    builder.cbranch(builder.icmp_signed("<", next_p, k), loop, after)

    builder.position_at_end(after)
    total = {ij: builder.phi(vectors.type) for ij in positions}
    for ij in positions:
        total[ij].add_incoming(vectors.zero, before)
        total[ij].add_incoming(new_sums[ij], loop)
    slopes = vectors.splat(slope)
    with builder.if_else(builder.icmp_signed("!=", gate, int64(0))) as (gated, ungated):
        with gated:
            from_c_to_gate = builder.sub(gate, c)
            for i, j in positions:
                sign = vectors.load(builder.add(c_rows[i], from_c_to_gate), CACHE_LINE * j)
                vectors.store(vectors.leaky(sign, total[i, j], slopes), c_rows[i], CACHE_LINE * j)
        with ungated, builder.if_else(builder.icmp_signed("!=", bias, int64(0))) as (biased, plain):
            with biased:
                biases = [vectors.load(bias, CACHE_LINE * j) for j in range(TILE_VECTORS)]
                for i, j in positions:
                    value = builder.fadd(total[i, j], biases[j])
                    vectors.store(vectors.leaky(value, value, slopes), c_rows[i], CACHE_LINE * j)
            with plain:
                for i, j in positions:
                    vectors.store(total[i, j], c_rows[i], CACHE_LINE * j)


def tile_intrinsic(packs):
    """The intrinsic with the arguments of emit_tile after `packs`."""

    @intrinsic
    def tile(
        typingctx, a, a_row_step, a_k_step, rows, b, b_step, panel, k, c, c_step,
        gate, bias, prefetch, prefetch_step, slope,
    ):  # fmt: skip
        def codegen(context, builder, signature, args):
            emit_tile(builder, signature.args[-1], packs, *args)
            return context.get_dummy_value()

        return types.void(*[types.int64] * 14, slope), codegen

    return tile


tile, packing_tile = tile_intrinsic(packs=False), tile_intrinsic(packs=True)
