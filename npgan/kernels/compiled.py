"""The kernels compiled by Numba, at the speed of the machine.

Same names, signatures and results as `reference.py`. Read that file first: it says what is computed;
this one says how, in five parts. docs/kernels.md draws the second and third.

1. *Vectors.* Numba writes loops over numbers; a fast matrix product needs vectors that stay in registers.
   A few `@intrinsic` functions emit them as LLVM code. A vector is always one cache line: 16 float32 or
   8 float64, also where a register holds half or a quarter of that; LLVM then uses two or four.
2. *The tile.* C = A B is computed in tiles of MR rows by NV vectors. The tile's sums live in registers
   while the loop over K adds one product to each: a row of B (NV vectors) times MR single numbers of A.
3. *The panel.* All tiles below each other need the same NV vectors' width of columns of B. These are copied
   into a *panel*, K rows without gaps, which stays in the cache: by the first tile as it goes or, where the
   product is A Bᵀ, transposed, before it. For Aᵀ B, A is read with its two strides swapped.
4. *Threads.* What is to be done stands in an array of integers, a job. Its parts, for a product its panels,
   are handed out one by one to this thread and to helpers that wait for work. K is never split, and each
   sum runs over K in order with fused multiply-adds: so an element of C has the same bits for any number of
   threads, any vector width, and any shape of tile.
5. *Loops* over flat memory: activations, Adam. Their e^x, tanh and log are polynomials written here, so
   these have the same bits on every CPU, too.

The loops of parts 2 to 4 work on addresses (int64) and on steps in bytes. The dtype travels as the type
of one number, `like`.
"""

import atexit
import functools
import logging
import math
import os
import threading
from pathlib import Path

import llvmlite.binding as llvm
import numba
import numpy as np
from llvmlite import ir
from numba import float64, types
from numba.core import event
from numba.core.registry import cpu_target
from numba.extending import intrinsic

from . import memory, reference
from .cache import ForgivingCache
from .memory import LINE  # bytes in a cache line, and in a vector

log = logging.getLogger("npgan")


class SayOnce(event.Listener):
    """Announces the first compilation of a process: it takes seconds, and silence looks like a hang."""

    said = False

    def on_start(self, event):
        if not SayOnce.said and event.data["dispatcher"].py_func.__module__ == __name__:
            SayOnce.said = True
            log.warning("npgan: compiling the kernels for this CPU (kept for the next start)")

    def on_end(self, event):
        pass


event.register("numba:compile", SayOnce())


def jit(function):
    """Compile at the first call, once per dtype, and keep the result on disk."""
    dispatcher = numba.njit(error_model="numpy", nogil=True)(function)
    dispatcher._cache = ForgivingCache.of(function)
    return dispatcher


# ---- 1. vectors ----

I64, I32 = ir.IntType(64), ir.IntType(32)


def int64(n):
    return ir.Constant(I64, n)


class Vectors:
    """Emits loads, stores and arithmetic of vectors whose element is `like`: Numba's float32 or float64."""

    def __init__(self, builder, like):
        self.builder, self.size = builder, like.bitwidth // 8
        self.lanes = LINE // self.size
        self.scalar = ir.FloatType() if like == types.float32 else ir.DoubleType()
        self.type = ir.VectorType(self.scalar, self.lanes)
        self.zero = ir.Constant(self.type, [0.0] * self.lanes)

    def pointer(self, address, offset, kind):
        return self.builder.inttoptr(self.builder.add(address, int64(offset)), kind.as_pointer())

    def load(self, address, offset=0):
        return self.builder.load(self.pointer(address, offset, self.type), align=self.size)

    def load_some(self, address, offset, n):
        """A shorter vector, of n numbers."""
        where = self.pointer(address, offset, ir.VectorType(self.scalar, n))
        return self.builder.load(where, align=self.size)

    def store(self, vector, address, offset=0):
        self.builder.store(vector, self.pointer(address, offset, self.type), align=self.size)

    def load_one(self, address):
        return self.builder.load(self.pointer(address, 0, self.scalar), align=self.size)

    def store_one(self, number, address):
        self.builder.store(number, self.pointer(address, 0, self.scalar), align=self.size)

    def splat(self, number):
        """The number in every lane."""
        undefined = ir.Constant(self.type, ir.Undefined)
        first = self.builder.insert_element(undefined, number, ir.Constant(I32, 0))
        return self.shuffle(first, undefined, [0] * self.lanes)

    def shuffle(self, x, y, order):
        """The numbers of x and then y, in this order."""
        mask = ir.Constant(ir.VectorType(I32, len(order)), order)
        return self.builder.shuffle_vector(x, y, mask)

    def joined(self, parts):
        """One vector of several: 2, 4, ..."""
        while len(parts) > 1:
            both = list(range(2 * parts[0].type.count))
            parts = [self.shuffle(x, y, both) for x, y in zip(parts[::2], parts[1::2], strict=True)]
        return parts[0]

    def fma(self, x, y, z):
        return fused(self.builder, f"v{self.lanes}f{8 * self.size}", self.type, x, y, z)

    def prefetch(self, address, offset=0, write=0):
        """Ask for a cache line before it is needed; the address may lie anywhere."""
        byte, module = ir.IntType(8).as_pointer(), self.builder.module
        kind = ir.FunctionType(ir.VoidType(), [byte, I32, I32, I32])
        name = "llvm.prefetch.p0"
        function = module.globals.get(name) or ir.Function(module, kind, name)
        wishes = [
            ir.Constant(I32, n) for n in (write, 2, 1)
        ]  # for reading or writing, into L2, data
        self.builder.call(function, [self.pointer(address, offset, ir.IntType(8)), *wishes])

    def leaky(self, sign, value, slopes):
        """value where sign > 0, else slope value"""
        builder = self.builder
        return builder.select(
            builder.fcmp_ordered(">", sign, self.zero), value, builder.fmul(value, slopes)
        )


def fused(builder, suffix, kind, x, y, z):
    """x y + z, rounded once.  (llvmlite's own declare_intrinsic knows no vectors.)"""
    name, module = f"llvm.fma.{suffix}", builder.module
    function = module.globals.get(name) or ir.Function(
        module, ir.FunctionType(kind, [kind] * 3), name
    )
    return builder.call(function, [x, y, z])


def code_of_an_fma():
    """The assembly that Numba's compiler settings make of one fused multiply-add of a float32 vector."""
    triple, cpu, features = cpu_target.target_context.codegen().magic_tuple()
    kind = ir.VectorType(ir.FloatType(), 16)
    module = ir.Module()
    module.triple = triple
    function = ir.Function(module, ir.FunctionType(kind, [kind] * 3), "f")
    builder = ir.IRBuilder(function.append_basic_block())
    builder.ret(fused(builder, "v16f32", kind, *function.args))
    machine = llvm.Target.from_triple(triple).create_target_machine(cpu=cpu, features=features)
    return machine.emit_assembly(llvm.parse_assembly(str(module)))


def tile_shape(assembly):
    """(MR, NV) that fill the registers, or None where the CPU has no fused multiply-add of vectors.

    AVX-512 has 32 registers of one vector: 16 sums, 2 of B, 8 numbers of A on their way. AVX2 has 16
    of half a vector: 12 sums, 2, 1. NEON has 32 of a quarter: 24, 4, 1.
    """
    if "zmm" in assembly:
        return 8, 2
    if ("ymm" in assembly and "vfmadd" in assembly) or "fmla" in assembly:
        return 6, 1
    return None


SHAPE = tile_shape(code_of_an_fma())
MR, NV = SHAPE or (1, 1)
PANEL = NV * LINE  # bytes in a row of a panel


@intrinsic
def peek(typing, address, like):
    """The number at an address."""

    def generate(context, builder, signature, args):
        return Vectors(builder, signature.args[-1]).load_one(args[0])

    return like(types.int64, like), generate


@intrinsic
def poke(typing, address, number):
    """Put a number at an address."""

    def generate(context, builder, signature, args):
        Vectors(builder, signature.args[-1]).store_one(args[1], args[0])
        return context.get_dummy_value()

    return types.void(types.int64, number), generate


@intrinsic
def pointer(typing, address, like):
    """The address as a pointer, for numba.carray."""

    def generate(context, builder, signature, args):
        return builder.inttoptr(args[0], Vectors(builder, signature.args[-1]).scalar.as_pointer())

    return types.CPointer(like)(types.int64, like), generate


@intrinsic
def copy_line(typing, source, target, like):
    """One vector, from source to target."""

    def generate(context, builder, signature, args):
        vectors = Vectors(builder, signature.args[-1])
        vectors.store(vectors.load(args[0]), args[1])
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, like), generate


@intrinsic
def clear_row(typing, target, like):
    def generate(context, builder, signature, args):
        vectors = Vectors(builder, signature.args[-1])
        for offset in range(0, PANEL, LINE):
            vectors.store(vectors.zero, args[0], offset)
        return context.get_dummy_value()

    return types.void(types.int64, like), generate


@intrinsic
def add_row(typing, source, target, like):
    """target += source, a row of a panel each"""

    def generate(context, builder, signature, args):
        vectors = Vectors(builder, signature.args[-1])
        for offset in range(0, PANEL, LINE):
            total = builder.fadd(vectors.load(args[1], offset), vectors.load(args[0], offset))
            vectors.store(total, args[1], offset)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, like), generate


@intrinsic
def transpose_block(typing, source, source_step, target, target_step, like):
    """A square of lanes x lanes numbers, transposed in registers, q = 16 bytes' worth of columns at a time.

    A vector is put together from q columns of the rows r, q + r, 2q + r, ...: every 16 bytes of the vectors
    for r = 0 ... q-1 then hold a small square of q x q. To interleave the first half of these vectors with
    the second, log2(q) times, transposes all the small squares at once: the vectors are the q columns.
    """

    def generate(context, builder, signature, args):
        source, source_step, target, target_step, _ = args
        vectors = Vectors(builder, signature.args[-1])
        lanes, size, q = vectors.lanes, vectors.size, 16 // vectors.size
        starts = [source]
        for _ in range(lanes - 1):
            starts.append(builder.add(starts[-1], source_step))
        for start in starts:
            vectors.prefetch(start, 2 * LINE)
        lower, upper = (
            [n for base in range(0, lanes, q) for i in half for n in (base + i, lanes + base + i)]
            for half in (range(q // 2), range(q // 2, q))
        )
        for c in range(0, lanes, q):
            rows = [
                vectors.joined(
                    [vectors.load_some(starts[i], c * size, q) for i in range(r, lanes, q)]
                )
                for r in range(q)
            ]
            for _ in range(int(math.log2(q))):
                pairs = list(zip(rows[: q // 2], rows[q // 2 :], strict=True))
                rows = [vectors.shuffle(*pair, order) for pair in pairs for order in (lower, upper)]
            for row in rows:
                vectors.store(row, target)
                target = builder.add(target, target_step)
        return context.get_dummy_value()

    return types.void(*[types.int64] * 4, like), generate


def atomic(operation):
    """An intrinsic (address of an int64, n) -> what was there; all threads see these in one order."""

    @intrinsic
    def access(typing, address, n):
        def generate(context, builder, signature, args):
            where = builder.inttoptr(args[0], I64.as_pointer())
            return builder.atomic_rmw(operation, where, args[1], "seq_cst")

        return types.int64(types.int64, types.int64), generate

    return access


atomic_add, atomic_swap = atomic("add"), atomic("xchg")


@intrinsic
def atomic_load(typing, address):
    def generate(context, builder, signature, args):
        return builder.load_atomic(builder.inttoptr(args[0], I64.as_pointer()), "seq_cst", 8)

    return types.int64(types.int64), generate


# ---- 2. the tile ----


def emit_tile(
    builder, like, packs,
    a, row_step, k_step, rows, b, b_step, panel, k, c, c_step, gate, bias, ahead, ahead_step, slope,
):  # fmt: skip
    """C[rows, width] = A[rows, K] B[K, width], and what follows the product, before C is stored.

    b, b_step: the panel and its row's bytes; a tile that `packs` reads B itself, and leaves it in the panel.
    With a gate, an address of an array like C: c where gate > 0, else slope c.
    Else with a bias, an address of a panel's row: c + bias, then times slope where that is not > 0.
    With neither (0): plain C.
    Fewer than MR rows: the missing ones repeat the last, so that they read and write nothing new.
    Meanwhile memory is asked for a panel's row at `ahead` in every round.
    """
    vectors = Vectors(builder, like)
    every = [(i, j) for i in range(MR) for j in range(NV)]
    last = builder.sub(rows, int64(1))
    index = [
        builder.select(builder.icmp_signed("<", int64(i), last), int64(i), last) for i in range(MR)
    ]
    row = [builder.add(a, builder.mul(i, row_step)) for i in index]
    target = [builder.add(c, builder.mul(i, c_step)) for i in index]

    for there in target:  # they are far away, and needed when the loop is done
        for j in range(NV):
            vectors.prefetch(there, LINE * j, write=1)

    # for p in range(k): the sums are phi nodes, values that a loop hands on to its next round.
    before, loop, after = builder.block, builder.append_basic_block(), builder.append_basic_block()
    builder.cbranch(builder.icmp_signed(">", k, int64(0)), loop, after)
    builder.position_at_end(loop)
    p, offset, source, kept, wish = (builder.phi(I64) for _ in range(5))
    sums = {ij: builder.phi(vectors.type) for ij in every}
    for j in range(NV):
        vectors.prefetch(wish, LINE * j)
    columns = [vectors.load(source, LINE * j) for j in range(NV)]
    if packs:
        for j in range(NV):
            vectors.store(columns[j], kept, LINE * j)
    longer = {}
    for i in range(MR):
        number = vectors.splat(vectors.load_one(builder.add(row[i], offset)))
        for j in range(NV):
            longer[i, j] = vectors.fma(number, columns[j], sums[i, j])
    next_p = builder.add(p, int64(1))
    steps = [
        (p, int64(0), next_p),
        (offset, int64(0), builder.add(offset, k_step)),
        (source, b, builder.add(source, b_step)),
        (kept, panel, builder.add(kept, int64(PANEL))),
        (wish, ahead, builder.add(wish, ahead_step)),
        *((sums[ij], vectors.zero, longer[ij]) for ij in every),
    ]
    for phi, first, following in steps:
        phi.add_incoming(first, before)
        phi.add_incoming(following, loop)
    builder.cbranch(builder.icmp_signed("<", next_p, k), loop, after)

    builder.position_at_end(after)
    total = {ij: builder.phi(vectors.type) for ij in every}
    for ij in every:
        total[ij].add_incoming(vectors.zero, before)
        total[ij].add_incoming(longer[ij], loop)
    slopes = vectors.splat(slope)
    with builder.if_else(builder.icmp_signed("!=", gate, int64(0))) as (gated, ungated):
        with gated:
            there = builder.sub(gate, c)
            for i, j in every:
                sign = vectors.load(builder.add(target[i], there), LINE * j)
                vectors.store(vectors.leaky(sign, total[i, j], slopes), target[i], LINE * j)
        with ungated, builder.if_else(builder.icmp_signed("!=", bias, int64(0))) as (biased, plain):
            with biased:
                biases = [vectors.load(bias, LINE * j) for j in range(NV)]
                for i, j in every:
                    value = builder.fadd(total[i, j], biases[j])
                    vectors.store(vectors.leaky(value, value, slopes), target[i], LINE * j)
            with plain:
                for i, j in every:
                    vectors.store(total[i, j], target[i], LINE * j)


def tile_intrinsic(packs):
    @intrinsic
    def tile(
        typing, a, row_step, k_step, rows, b, b_step, panel, k, c, c_step, gate, bias, ahead, ahead_step,
        slope,
    ):  # fmt: skip
        def generate(context, builder, signature, args):
            emit_tile(builder, signature.args[-1], packs, *args)
            return context.get_dummy_value()

        return types.void(*[types.int64] * 14, slope), generate

    return tile


tile, packing_tile = tile_intrinsic(False), tile_intrinsic(True)


# ---- jobs ----

# What is to be done stands in one array of int64, a *job*: a product, or a loop over flat memory. The first
# words are written by several threads at once, so each has a cache line of its own; the others are written
# by the caller alone, while the job is closed. Its floating-point numbers stand in an array of their own.
OPEN, INSIDE, NEXT, DONE, FAULTS = 0, 8, 16, 24, 32
GENERATION, QUIT, KIND, PARTS, CREW, HOME = range(40, 46)
A, A_ROW, A_K, B, B_ROW, TRANSPOSED, C, M, N, K, GATE, BIAS, SUMS, MOMENT_1, MOMENT_2 = range(
    46, 61
)
SPACES = 64  # and behind: each helper's memory
PRODUCT, ADAM, MIX, TANH = range(4)
SLOPE = 7  # among the numbers; those before it are Adam's


# ---- 3. the panel, and all tiles below each other ----

# A thread's memory: which block of A lies in the store, the bias of a panel, its sums, a tile of C and one of
# the gate for tiles that are not stored straight into C, the store, and the panel.
KEPT, ROW_BIAS, ROW_SUMS, EDGE = range(0, 4 * PANEL, PANEL)
EDGE_GATE, STORE = EDGE + MR * PANEL, EDGE + 2 * MR * PANEL
START = STORE + 512 * (4096 + LINE)
BLOCK = (
    512 // math.lcm(MR, 16) * math.lcm(MR, 16)
)  # rows of A per panel: more would not stay in the cache


@jit
def pack(job, j, width, panel, numbers):
    """Columns j, j+1, ... of B (of Bᵀ: transposed) as a panel.

    What stands in the columns beyond its width does not matter, for nobody reads what is made of them.
    """
    b, b_step, transposed, k = job[B], job[B_ROW], job[TRANSPOSED], job[K]
    size, like = numbers.itemsize, numbers[SLOPE]
    lanes = LINE // size
    columns, rows = width - width % lanes, k - k % lanes if transposed else k  # moved as vectors
    for p in range(0, rows, lanes if transposed else 1):
        for v in range(0, columns, lanes):
            target = panel + p * PANEL + v * size
            if transposed:
                transpose_block(b + (j + v) * b_step + p * size, b_step, target, PANEL, like)
            else:
                copy_line(b + p * b_step + (j + v) * size, target, like)
    for p in range(k):
        for q in range(columns if p < rows else 0, width):
            source = b + (
                (j + q) * b_step + p * size if transposed else p * b_step + (j + q) * size
            )
            poke(panel + p * PANEL + q * size, peek(source, like))


@jit
def sum_rows(panel, k, total, like):
    clear_row(total, like)
    for p in range(k):
        add_row(panel + p * PANEL, total, like)


@jit
def copy_corner(source, source_step, target, target_step, rows, width, numbers):
    size, like = numbers.itemsize, numbers[SLOPE]
    for i in range(rows):
        for q in range(width):
            poke(
                target + i * target_step + q * size, peek(source + i * source_step + q * size, like)
            )


@jit
def block_of_a(job, first, rows, numbers, space):
    """Where a block of A begins, and the bytes from one of its columns to the next.

    In Aᵀ B the numbers that a tile needs one after the other lie a row of the array A apart. Where that is a
    multiple of 4096 bytes, the first cache has room for few of them at a time, and every tile would fetch
    them anew. So the block is copied, once for all the panels that this thread takes, to rows that end with
    a line of nothing.
    """
    a, column, k, size = job[A] + first * job[A_ROW], job[A_K], job[K], numbers.itemsize
    length, apart = rows * size, rows * size + LINE
    many = job[N] * size >= 8 * PANEL
    if column % 4096 != 0 or k * apart > START - STORE or not many:
        return a, column
    if atomic_load(space + KEPT) != first:
        for p in range(k):
            for v in range(0, length, LINE):
                copy_line(a + p * column + v, space + STORE + p * apart + v, numbers[SLOPE])
        atomic_swap(space + KEPT, first)
    return space + STORE, apart


@jit
def panel_of_c(q, job, numbers, space):
    """Part q of a product: one panel of columns times one block of rows."""
    size, slope = numbers.itemsize, numbers[SLOPE]
    m, n, k, full = job[M], job[N], job[K], PANEL // size
    panels = (n + full - 1) // full
    j, first = q % panels * full, q // panels * BLOCK
    width, c_step, panel = min(full, n - j), n * size, space + START
    # Where B's rows lie as they would in the panel, the first tile packs them: one pass less over the memory.
    packing = width == full and job[TRANSPOSED] == 0 and first < m
    if not packing:
        pack(job, j, width, panel, numbers)
    for i in range(full):
        known = job[BIAS] != 0 and i < width
        bias = peek(job[BIAS] + (j + i) * size, slope) if known else slope - slope
        poke(space + ROW_BIAS + i * size, bias)
    # While the first tile is computed, ask for the columns of B that this thread will probably pack next.
    ahead = job[B] + (j + job[CREW] * full) * (job[B_ROW] if job[TRANSPOSED] else size)
    ahead_step = PANEL if job[TRANSPOSED] else job[B_ROW]
    a, column = block_of_a(job, first, min(BLOCK, m - first), numbers, space)
    row, bias = job[A_ROW], space + ROW_BIAS if job[BIAS] != 0 or slope != 1 else 0
    for i in range(first, min(first + BLOCK, m), MR):
        rows, corner = min(MR, m - i), job[C] + i * c_step + j * size
        c, step, gate = corner, c_step, job[GATE] + corner - job[C] if job[GATE] != 0 else 0
        if width < full:  # a tile would reach over C's right edge: compute it aside
            c, step = space + EDGE, PANEL
            if gate != 0:
                copy_corner(gate, c_step, space + EDGE_GATE, PANEL, rows, width, numbers)
                gate = space + EDGE_GATE
        if packing and i == first:
            packing_tile(
                a, row, column, rows, job[B] + j * size, job[B_ROW], panel, k, c, step, gate, bias, ahead,
                ahead_step, slope,
            )  # fmt: skip
        else:
            tile(
                a,
                row,
                column,
                rows,
                panel,
                PANEL,
                panel,
                k,
                c,
                step,
                gate,
                bias,
                ahead,
                ahead_step,
                slope,
            )
        a += MR * row
        ahead, ahead_step = panel, 0
        if width < full:
            copy_corner(c, PANEL, corner, c_step, rows, width, numbers)
    if job[SUMS] != 0 and first == 0:
        sum_rows(panel, k, space + ROW_SUMS, slope)
        copy_corner(space + ROW_SUMS, 0, job[SUMS] + j * size, 0, 1, width, numbers)


# ---- 4. threads ----

CHUNK = 16384  # numbers in one part of a job over flat memory
PATIENCE = 50_000  # rounds that a helper waits for the next job before it goes to sleep: about a millisecond


@intrinsic
def breathe(typing):
    """Tells an x86 core that it is in a waiting loop; elsewhere nothing."""

    def generate(context, builder, signature, args):
        if builder.module.triple.startswith(("x86_64", "i686")):
            name, nothing = "llvm.x86.sse2.pause", ir.FunctionType(ir.VoidType(), [])
            builder.call(
                builder.module.globals.get(name) or ir.Function(builder.module, nothing, name), []
            )
        return context.get_dummy_value()

    return types.void(), generate


# The C library's functions that let another thread have this core, and that tell which core this is. Where it
# has none of these names, nothing is offered, and the core is always the same unknown one.
LINUX = hasattr(os, "sched_setaffinity")
sched_yield = (
    types.ExternalFunction("sched_yield", types.int32()) if hasattr(os, "sched_yield") else breathe
)
core = types.ExternalFunction("sched_getcpu", types.int32()) if LINUX else jit(lambda: -1)
TURNS = 128  # rounds of waiting, some microseconds, between two offers of the core


@jit
def wait(rounds):
    """One round of waiting. Where cores are few, the thread waited for may need this very one."""
    if rounds % TURNS == TURNS - 1:
        sched_yield()
    else:
        breathe()


@jit
def shares_core(job):
    """Whether this thread runs where the job's caller ran when it opened it."""
    return job[HOME] >= 0 and core() == job[HOME]


@jit
def part_of_job(q, job, numbers, space):
    """Part q of a job; False where a gradient is not finite"""
    if job[KIND] == PRODUCT:
        panel_of_c(q, job, numbers, space)
        return True
    n = min(CHUNK, job[N] - q * CHUNK)
    at, like = q * CHUNK * numbers.itemsize, numbers[SLOPE]
    theta, other = (
        numba.carray(pointer(job[C] + at, like), n),
        numba.carray(pointer(job[A] + at, like), n),
    )
    if job[KIND] == MIX:
        mix_loop(theta, other, numbers[0])
        return True
    if job[KIND] == TANH:
        tanh_loop(other, theta)
        return True
    m = numba.carray(pointer(job[MOMENT_1] + at, like), n)
    v = numba.carray(pointer(job[MOMENT_2] + at, like), n)
    return adam_loop(theta, other, m, v, numbers)


@jit
def take_parts(job, numbers, space):
    """Do part after part until none is left; how many they were."""
    words, done = job.ctypes.data, 0
    if job[KIND] == PRODUCT:  # what lies in the store belongs to an earlier one
        atomic_swap(space + KEPT, -1)
    while True:
        q = atomic_add(words + 8 * NEXT, 1)
        if q >= job[PARTS]:
            return done
        if not part_of_job(q, job, numbers, space):
            atomic_add(words + 8 * FAULTS, 1)
        atomic_add(words + 8 * DONE, 1)
        done += 1


@jit
def attend(job, numbers, space, me, seen):
    """A caller's job from its opening to its end (me = -1), or a stretch of helper number me's life.

    The caller opens the job, takes part, waits for those inside, closes it, and gets the number of faults.
    A helper takes part in every new job until none comes for a while, or until it finds itself on the
    caller's core; it gets the last job's number, for the next time. (Both in one function, so that what they
    share is compiled once.)
    """
    words, idle = job.ctypes.data, 0
    if me < 0:
        atomic_swap(words + 8 * NEXT, 0)
        atomic_swap(words + 8 * DONE, 0)
        atomic_swap(words + 8 * FAULTS, 0)
        job[HOME] = core()
        atomic_add(words + 8 * GENERATION, 1)
        atomic_swap(words + 8 * OPEN, 1)
    while idle < PATIENCE and (me < 0 or job[QUIT] == 0):
        if me >= 0:
            wait(idle)
            idle += 1
            if idle % TURNS == 0 and shares_core(job):
                return seen
            if atomic_load(words + 8 * OPEN) == 0 or atomic_load(words + 8 * GENERATION) == seen:
                continue
            atomic_add(words + 8 * INSIDE, 1)
            # Only now, being counted, may the job be looked at: its caller cannot change it under our hands.
            if atomic_load(words + 8 * OPEN) == 0:
                atomic_add(words + 8 * INSIDE, -1)
                continue
            seen, idle, space = atomic_load(words + 8 * GENERATION), 0, job[SPACES + me]
        done = take_parts(job, numbers, space)
        if me < 0:
            if (
                done == job[PARTS] and job[CREW] > 1
            ):  # nobody came; a helper may need this very core
                sched_yield()
            break
        atomic_add(words + 8 * INSIDE, -1)
    if me >= 0:
        return seen
    idle = 0
    while atomic_load(words + 8 * DONE) < job[PARTS]:
        wait(idle)
        idle += 1
    atomic_swap(words + 8 * OPEN, 0)
    while atomic_load(words + 8 * INSIDE) != 0:
        wait(idle)
        idle += 1
    return job[FAULTS]


# What stands for no array of one dimension, and of two.
NONE = {
    np.dtype(kind): (np.empty(0, kind), np.empty((0, 0), kind)) for kind in (np.float32, np.float64)
}
SHARED = np.dtype(
    np.float32
)  # the dtype that helpers know; float64 is for checks, and computed alone


@jit
def address(x):
    return x.ctypes.data


def new_job(threads):
    """(job, numbers for each dtype) for so many threads, this one among them"""
    job = memory.zeros((SPACES + threads,), np.int64)
    job[CREW], job[HOME] = threads, -1
    return job, {kind: np.zeros(8, kind) for kind in NONE}


class Place:
    """Where one thread works alone: a job of its own, and memory for panels."""

    def __init__(self):
        self.job, self.numbers = new_job(1)
        self.rows = -1

    def space(self, k):
        """The address of room for panels of k rows."""
        if k > self.rows:
            self.memory, self.rows = memory.empty((START + k * PANEL,), np.uint8), k
            self.address = self.memory.ctypes.data
        return self.address


class Own(threading.local):
    """Each Python thread's free places; more than one where a signal handler interrupted a kernel."""

    def __init__(self):
        self.places = [Place()]


class Team:
    """The calling thread and its helpers, which wait for jobs without holding Python's lock.

    One caller at a time has the team; another thread that calls meanwhile works alone, with the same bits
    as result. A forked child gets a team of its own. Helpers sleep when nothing has come for a millisecond.
    """

    def __init__(self, threads):
        self.threads, self.caller, self.helpers, self.complete = threads, {}, [], False
        self.job, self.numbers = new_job(threads)
        self.memory = []  # of each helper, for panels of self.rows rows
        self.rows = 0
        self.bells = [
            threading.Event() for _ in range(threads - 1)
        ]  # rung: there is work, do not sleep

    def help(self, me):
        seen, tried = 0, None
        while not self.job[QUIT]:
            seen = attend(self.job, self.numbers[SHARED], 0, me, seen)
            newest = int(self.job[GENERATION])
            if newest != tried and shares_core(self.job):  # once for a job: it may be moved back
                tried = newest
                if self.moved():
                    continue
            self.bells[me].wait()
            self.bells[me].clear()

    def moved(self):
        """Leave the caller's core; False where that is not possible.

        Two threads that wake up together often start on one core, and Linux takes some milliseconds to part
        them; until then a product takes twice the time. Not to be allowed there for a moment is enough.
        """
        try:
            usable = os.sched_getaffinity(0)
            os.sched_setaffinity(0, usable - {int(self.job[HOME])})
            os.sched_setaffinity(0, usable)
        except OSError:  # no other core, or not permitted here
            return False
        return True

    def prepare(self, k):
        """Before a job is written: room for panels of k rows, and helpers that are awake."""
        if k > self.rows:
            rows = max(k, 1024)
            spaces = [memory.empty((START + rows * PANEL,), np.uint8) for _ in self.bells]
            self.job[SPACES : SPACES + len(spaces)] = [space.ctypes.data for space in spaces]
            self.memory, self.rows = spaces, rows
        if not self.complete:
            self.complete = True
            self.hire()
        for bell in self.bells:
            if not bell.is_set():
                bell.set()

    def hire(self):
        try:
            for me in range(self.threads - 1):
                helper = threading.Thread(
                    target=self.help, args=(me,), name="npgan helper", daemon=True
                )
                helper.start()
                self.helpers.append(helper)
        except RuntimeError as error:  # a limit on threads: those that there are share the work
            log.warning(
                "npgan: warning: %s; going on with %d threads", error, 1 + len(self.helpers)
            )

    def stop(self):
        self.job[QUIT] = 1
        for bell in self.bells:
            bell.set()
        for helper in self.helpers:
            helper.join()


def available_cores():
    """The cores that this process may use: without hyper-threads, and within a container's quota."""
    try:
        usable = os.sched_getaffinity(0)
        places = "/sys/devices/system/cpu/cpu{}/topology/thread_siblings_list"
        cores = len({Path(places.format(cpu)).read_text() for cpu in usable})
    except (AttributeError, OSError):
        cores = os.cpu_count() or 1
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        cores = min(cores, math.ceil(int(quota) / int(period)))
    except (OSError, ValueError):  # no such file, or "max"
        pass
    return max(cores, 1)


team = Team(available_cores())
own = Own()


def set_threads(n):
    """Let n threads (this one and n - 1 helpers) share the work from now on; None: one per core."""
    global team
    before, team = team, Team(n or available_cores())
    before.stop()  # a job that is under way is finished by its caller


def after_fork():
    """A child has the parent's memory and none of its threads."""
    global team, own
    team, own = Team(team.threads), Own()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=after_fork)
atexit.register(lambda: team.stop())  # no helper may run compiled code while Python takes it down


def perform(enough, dtype, k, describe, *args):
    """Do the job that describe(job, numbers, *args) writes; shared if the team is free and there is enough.

    Returns how many of its parts met a gradient that is not finite, or None where describe refuses.
    """
    crew, me, places = team, None, own.places
    place = places.pop() if places else Place()
    try:
        at = place
        if enough and crew.threads > 1 and dtype == SHARED:
            me = object()
            # setdefault claims the team in one step: a signal handler's exception cannot leave it claimed.
            if crew.caller.setdefault("is", me) is me:
                crew.prepare(k)
                at = crew
        job, numbers = at.job, at.numbers[dtype]
        if not describe(job, numbers, *args):
            return None
        return attend(job, numbers, place.space(k), -1, 0)
    finally:
        places.append(place)
        if me is not None and crew.caller.get("is") is me:
            del crew.caller["is"]


# ---- matrix products ----


@jit
def apart(x, y):
    """Whether two arrays without gaps have no memory in common."""
    start, end = x.ctypes.data, x.ctypes.data + x.size * x.itemsize
    return y.ctypes.data >= end or y.ctypes.data + y.size * y.itemsize <= start


@jit
def product(job, numbers, a, b, c, ta, tb, gate, bias, sums, slope):
    """C = op(A) op(B) and what `tile` adds; an empty array stands for no gate, bias or sums.

    False where C overlaps what is read, or the sums A or B.
    """
    size = c.itemsize
    job[KIND], job[M], job[N], job[K] = (
        PRODUCT,
        c.shape[0],
        c.shape[1],
        a.shape[0] if ta else a.shape[1],
    )
    job[A], job[B], job[C] = a.ctypes.data, b.ctypes.data, c.ctypes.data
    row, column = a.shape[1] * size, size
    job[A_ROW], job[A_K] = (column, row) if ta else (row, column)
    job[B_ROW], job[TRANSPOSED] = b.shape[1] * size, tb
    job[GATE] = gate.ctypes.data if gate.size else 0
    job[BIAS] = bias.ctypes.data if bias.size else 0
    job[SUMS] = sums.ctypes.data if sums.size else 0
    full = PANEL // size
    job[PARTS] = (job[N] + full - 1) // full * max((job[M] + BLOCK - 1) // BLOCK, 1)
    numbers[SLOPE] = slope
    free = apart(c, a) and apart(c, b) and apart(c, gate) and apart(c, bias)
    return free and apart(sums, a) and apart(sums, b)


@jit
def flat(job, numbers, kind, theta, other, m, v, first):
    """A loop over flat memory: Adam, the mix of two vectors, or tanh (of `other`, into `theta`)."""
    job[KIND], job[N], job[PARTS] = kind, theta.size, (theta.size + CHUNK - 1) // CHUNK
    job[C], job[A] = theta.ctypes.data, other.ctypes.data
    job[MOMENT_1], job[MOMENT_2] = m.ctypes.data, v.ctypes.data
    for i in range(first.size):
        numbers[i] = first[i]
    return True


WORTH = 1_000_000  # multiplications, from which on a product is shared among threads


def multiply(a, b, ta, tb, out=None, gate=None, bias=None, sums=None, slope=1.0):
    """op(a) op(b) with what `tile` adds; None where these arrays are not what the tiles can read.

    A small product takes as long as this function does, so it asks each question once, and the cheap way.
    """
    dtype = a.dtype
    if SHAPE is None or dtype not in NONE or a.ndim != 2 or b.ndim != 2 or b.dtype != dtype:
        return None
    (k, m), (n, rows) = a.shape if ta else a.shape[::-1], b.shape if tb else b.shape[::-1]
    if k != rows:
        raise ValueError(f"cannot multiply {(m, k)} by {(rows, n)}: the inner sizes differ")
    none, nothing = NONE[dtype]
    if out is None:
        c = memory.empty((m, n), dtype, address)
    elif out.shape == (m, n) and out.dtype == dtype and out.flags.carray:
        c = out
    else:
        return None
    if gate is None:
        gate = nothing
    elif gate.shape != (m, n) or gate.dtype != dtype:
        return None
    if bias is None:
        bias = none
    elif bias.shape != (n,) or bias.dtype != dtype:
        return None
    if sums is None:
        sums = none
    elif sums.shape != (n,) or sums.dtype != dtype or not sums.flags.carray:
        return None
    a, b, gate, bias = plain(a), plain(b), plain(gate), plain(bias)
    enough, y = m * n * k >= WORTH, c
    if n == 1 and m > 1 and sums is none:
        # One column would leave all lanes but one idle: compute it as the row of the transposed product.
        bias = np.full(m, bias[0]) if bias.size else bias
        a, b, c, ta, tb = b.reshape(1, k), a, c.reshape(1, m), False, not ta
        gate = gate.reshape(1, m) if gate.size else gate
    done = perform(enough, dtype, k, product, a, b, c, ta, tb, gate, bias, sums, dtype.type(slope))
    return None if done is None else y


def plain(x):
    """x without gaps, aligned, and not read-only, for that would be another type to Numba."""
    x = np.asarray(x)  # of no other class
    return x if x.flags.carray else np.array(x, order="C")


@functools.wraps(reference.gemm)
def gemm(a, b, ta=False, tb=False, out=None):
    y = multiply(a, b, ta, tb, out)
    return reference.gemm(a, b, ta, tb, out) if y is None else y


@functools.wraps(reference.affine)
def affine(x, W, b):
    y = multiply(x, W, False, False, bias=b)
    return reference.affine(x, W, b) if y is None else y


@functools.wraps(reference.affine_leaky)
def affine_leaky(x, W, b, slope):
    y = multiply(x, W, False, False, bias=b, slope=slope)
    return reference.affine_leaky(x, W, b, slope) if y is None else y


@functools.wraps(reference.gemm_gate)
def gemm_gate(g, W, y, slope):
    dx = multiply(g, W, False, True, gate=y, slope=slope)
    return reference.gemm_gate(g, W, y, slope) if dx is None else dx


@functools.wraps(reference.weight_gradients)
def weight_gradients(x, g, dW, db):
    if g.shape[1] == 1 or multiply(x, g, True, False, out=dW, sums=db) is None:
        gemm(x, g, ta=True, out=dW)
        db[:] = column_sum(g)


# ---- 5. loops over flat memory ----


@intrinsic
def fma(typing, x, y, z):
    """x y + z, rounded once"""

    def generate(context, builder, signature, args):
        kind, bits = Vectors(builder, signature.args[0]).scalar, signature.args[0].bitwidth
        return fused(builder, f"f{bits}", kind, *args)

    return x(x, y, z), generate


@intrinsic
def bits_of(typing, x):
    """The 64 bits of a float64 as an integer."""

    def generate(context, builder, signature, args):
        return builder.bitcast(args[0], I64)

    return types.int64(types.float64), generate


@intrinsic
def float_of(typing, bits):
    """The float64 with these 64 bits."""

    def generate(context, builder, signature, args):
        return builder.bitcast(args[0], ir.DoubleType())

    return types.float64(types.int64), generate


# e^x, tanh and log are computed in float64, also for float32, and rounded once. ln 2 is split into a part
# that ends in 21 zeros, so that its product with a whole number is exact, and the rest. MAGIC is 1.5 times
# 2^52: added to a small number it rounds that to a whole one, which then stands in the low bits of the sum.
# Measured errors: float32 below 0.51 ulp; float64 at most 2 ulp (tanh) and 3 ulp (sigmoid, softplus).
LN2_HIGH, LN2_LOW, LOG2_E, MAGIC = (
    0.6931471803691238,
    1.9082149292705877e-10,
    math.log2(math.e),
    6755399441055744.0,
)
EXP = tuple(1 / math.factorial(n) for n in range(14))
LOG = tuple(2 / n for n in range(1, 23, 2))


@jit
def exp_parts(x):
    """e^x as a b (1 + p), with a b = 2^n and p small: p keeps what e^x - 1 needs.    |x| < 747"""
    n = fma(x, LOG2_E, MAGIC)
    whole = bits_of(n) - bits_of(MAGIC)
    n -= MAGIC
    r = fma(-n, LN2_LOW, fma(-n, LN2_HIGH, x))
    p = EXP[13]
    for i in range(12, 0, -1):
        p = fma(p, r, EXP[i])
    half = whole >> 1  # 2^n itself may be too large or too small for a float64
    return float_of((half + 1023) << 52), float_of((whole - half + 1023) << 52), p * r


@jit
def exp(x):
    x = 710.0 if x > 710.0 else (-747.0 if x < -747.0 else x)  # a NaN passes
    a, b, p = exp_parts(x)
    return fma(a, p, a) * b


@jit
def tanh_of(x):
    """E / (E + 2) with E = e^2x - 1, which loses nothing where x is small"""
    y = 20.0 if x > 20.0 else (-20.0 if x < -20.0 else x)
    a, b, p = exp_parts(2.0 * y)
    n = a * b
    e = fma(n, p, n - 1.0)
    return x if abs(x) < 1e-9 else e / (e + 2.0)


@jit
def log1p(x):
    """log(1 + x) for 0 <= x <= 1, from u = 1 + x and what its rounding lost"""
    u = 1.0 + x
    lost = x - (u - 1.0)
    n = (bits_of(u) - bits_of(0.7071067811865476)) >> 52  # u = 2^n m, m from √½ to √2
    f = float_of(bits_of(u) - (n << 52)) - 1.0
    s = f / (f + 2.0)
    z, p = s * s, LOG[10]
    for i in range(9, 0, -1):
        p = fma(p, z, LOG[i])
    k = float_of(n + bits_of(MAGIC)) - MAGIC
    return fma(k, LN2_HIGH, fma(2.0, s, fma(k, LN2_LOW, s * z * p + lost / u)))


@jit
def softplus_of(x):
    return (x if x > 0.0 else 0.0) + log1p(exp(-abs(x)))  # a NaN comes through the second term


def fits(x, *others):
    """Whether a loop over flat arrays computes what the reference kernel would."""
    known = isinstance(x, (np.ndarray, np.generic)) and x.dtype in NONE
    return known and all(a.dtype == x.dtype and a.shape == x.shape for a in others)


def flat_memory(*arrays):
    """Whether a loop may write into these arrays, taken as flat."""
    return fits(*arrays) and all(a.flags.c_contiguous and a.flags.writeable for a in arrays)


def elementwise(loop):
    """The kernel (arrays and numbers) -> new array, from a loop (flat arrays, numbers, flat out).

    The first argument is an array, the others are arrays of its shape and dtype, or numbers.
    """
    fallback, loop = getattr(reference, loop.__name__), jit(loop)

    @functools.wraps(fallback)
    def kernel(x, *others):
        if not fits(x, *(a for a in others if hasattr(a, "shape"))):
            return fallback(x, *others)
        out = np.empty(x.shape, x.dtype)
        flat = (plain(a).ravel() if hasattr(a, "shape") else x.dtype.type(a) for a in others)
        loop(plain(x).ravel(), *flat, out.ravel())
        return out

    return kernel


@elementwise
def leaky_relu(x, slope, out):
    for i in range(x.size):
        out[i] = x[i] if x[i] > 0 else slope * x[i]


@elementwise
def leaky_gate(g, y, slope, out):
    for i in range(g.size):
        out[i] = g[i] if y[i] > 0 else slope * g[i]


@jit
def tanh_loop(x, out):
    for i in range(x.size):
        out[i] = tanh_of(float64(x[i]))


@functools.wraps(reference.tanh)
def tanh(x):
    if not fits(x):
        return reference.tanh(x)
    out = np.empty(x.shape, x.dtype)
    x, y = plain(x).ravel(), out.ravel()
    if x.dtype == SHARED and x.size >= 2 * CHUNK:
        perform(True, x.dtype, 0, flat, TANH, y, x, x, x, NONE[x.dtype][0])
    else:
        tanh_loop(x, y)
    return out


@elementwise
def tanh_gate(g, y, out):
    one = g.dtype.type(1)  # a bare 1 is an integer, and would make Numba compute in float64
    for i in range(g.size):
        out[i] = g[i] * fma(-y[i], y[i], one)


@elementwise
def sigmoid(x, out):
    for i in range(x.size):
        e = exp(-abs(float64(x[i])))
        out[i] = (1.0 if x[i] >= 0 else e) / (1.0 + e)


@elementwise
def sigmoid_gate(g, y, out):
    one = g.dtype.type(1)
    for i in range(g.size):
        out[i] = g[i] * (y[i] * (one - y[i]))


@elementwise
def softplus(x, out):
    for i in range(x.size):
        out[i] = softplus_of(float64(x[i]))


@jit
def bce_loop(z, t):
    total = 0.0
    for i in range(z.size):
        x, target = float64(z[i]), float64(t[i])
        total += target * softplus_of(-x) + (1.0 - target) * softplus_of(x)
    return total / z.size


@functools.wraps(reference.bce_with_logits)
def bce_with_logits(z, t):
    t = np.asarray(t, z.dtype)
    t = (
        np.full(z.shape, t) if t.ndim == 0 else np.broadcast_to(t, z.shape)
    )  # the first is the faster one
    if not fits(z):
        return reference.bce_with_logits(z, t)
    return z.dtype.type(
        bce_loop(plain(z).ravel(), plain(t).ravel())
    )  # Numba returns Python's float


@jit
def column_sum_loop(x, out):
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            out[j] += x[i, j]


@functools.wraps(reference.column_sum)
def column_sum(x):
    if not fits(x) or x.ndim != 2:
        return reference.column_sum(x)
    out = np.zeros(x.shape[1], x.dtype)
    column_sum_loop(plain(x), out)
    return out


@jit
def sgd_loop(theta, grad, velocity, lr, momentum):
    finite = True
    for i in range(theta.size):
        finite &= abs(grad[i]) < np.inf  # false for NaN too
        velocity[i] = fma(momentum, velocity[i], grad[i])
        theta[i] = fma(-lr, velocity[i], theta[i])
    return finite


@functools.wraps(reference.sgd)
def sgd(theta, grad, velocity, lr, momentum):
    if not flat_memory(theta, grad, velocity):
        return reference.sgd(theta, grad, velocity, lr, momentum)
    number = theta.dtype.type
    return sgd_loop(theta, grad, velocity, number(lr), number(momentum))


@jit
def adam_loop(theta, grad, m, v, numbers):
    rate, beta1, rest1, beta2 = numbers[0], numbers[1], numbers[2], numbers[3]
    rest2, correction2, eps = numbers[4], numbers[5], numbers[6]
    finite = True
    for i in range(theta.size):
        g = grad[i]
        finite &= abs(g) < np.inf  # false for NaN too
        v[i] = fma(beta2, v[i], rest2 * g * g)
        if beta1 > 0.0:  # else m is g, and need be neither read nor written
            g = m[i] = fma(beta1, m[i], rest1 * g)
        theta[i] -= rate * g / (math.sqrt(v[i] * correction2) + eps)
    return finite


@functools.wraps(reference.adam)
def adam(theta, grad, m, v, lr, beta1, beta2, eps, t):
    if not flat_memory(theta, grad, m, v):
        return reference.adam(theta, grad, m, v, lr, beta1, beta2, eps, t)
    rate, correction2 = lr / (1 - beta1**t), 1 / (1 - beta2**t)
    numbers = np.array([rate, beta1, 1 - beta1, beta2, 1 - beta2, correction2, eps], theta.dtype)
    arrays = (x.ravel() for x in (theta, grad, m, v))
    return perform(theta.size >= 4 * CHUNK, theta.dtype, 0, flat, ADAM, *arrays, numbers) == 0


@jit
def mix_loop(average, theta, rest):
    for i in range(theta.size):
        average[i] = fma(rest, theta[i] - average[i], average[i])


@functools.wraps(reference.ema_update)
def ema_update(average, theta, decay):
    if not flat_memory(average, theta):
        return reference.ema_update(average, theta, decay)
    average, theta, numbers = average.ravel(), theta.ravel(), np.array([1 - decay], theta.dtype)
    perform(
        theta.size >= 4 * CHUNK, theta.dtype, 0, flat, MIX, average, theta, theta, theta, numbers
    )


def try_out():
    """Run what training needs once in float32, so that a compiler that fails does so here."""
    x, v = np.ones((2, 2), np.float32), np.ones(2, np.float32)
    for activation in (sigmoid, softplus, tanh):
        activation(x)
    leaky_relu(x, 0.2), leaky_gate(x, x, 0.2), tanh_gate(x, x), sigmoid_gate(x, x)
    affine(x, x, v), gemm_gate(x, x, x, 0.2), bce_with_logits(v, v), column_sum(x)
    sgd(v, v, v, 0.0, 0.0), adam(v, v, v, v, 0.0, 0.5, 0.5, 1.0, 1), ema_update(v, v, 0.5)
