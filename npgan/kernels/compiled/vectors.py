"""Vectors: LLVM code that Numba does not write by itself.

Numba compiles loops over numbers. A fast matrix product needs vectors that stay in registers. The
class `Vectors` emits LLVM code for them; the functions with `@intrinsic` make this code callable
from jitted functions.

A vector is always one cache line: 16 float32 or 8 float64. Where a register of the CPU holds a
half or a quarter of that, LLVM uses two or four registers.

All addresses are int64, and all steps are in bytes. The dtype is the type of the argument `like`, a
number whose value does not matter.
"""

import math

import llvmlite.binding as llvm
from llvmlite import ir
from numba import types
from numba.core.registry import cpu_target
from numba.extending import intrinsic

from ..memory import CACHE_LINE  # also the bytes in a vector

I64, I32 = ir.IntType(64), ir.IntType(32)


def int64(n):
    """An LLVM constant."""
    return ir.Constant(I64, n)


class Vectors:
    """Emits operations on vectors with elements of the type `like`, Numba's float32 or float64."""

    def __init__(self, builder, like):
        self.builder, self.size = builder, like.bitwidth // 8
        self.lanes = CACHE_LINE // self.size
        self.scalar = ir.FloatType() if like == types.float32 else ir.DoubleType()
        self.type = ir.VectorType(self.scalar, self.lanes)
        self.zero = ir.Constant(self.type, [0.0] * self.lanes)

    def pointer(self, address, offset, kind):
        """The address + offset as a pointer to a value of this kind."""
        return self.builder.inttoptr(self.builder.add(address, int64(offset)), kind.as_pointer())

    def load(self, address, offset=0):
        """A vector from memory."""
        return self.builder.load(self.pointer(address, offset, self.type), align=self.size)

    def load_short(self, address, offset, n):
        """A shorter vector, of n numbers, from memory."""
        source = self.pointer(address, offset, ir.VectorType(self.scalar, n))
        return self.builder.load(source, align=self.size)

    def store(self, vector, address, offset=0):
        """Write a vector to memory."""
        self.builder.store(vector, self.pointer(address, offset, self.type), align=self.size)

    def load_number(self, address):
        """A single number from memory."""
        return self.builder.load(self.pointer(address, 0, self.scalar), align=self.size)

    def store_number(self, number, address):
        """Write a single number to memory."""
        self.builder.store(number, self.pointer(address, 0, self.scalar), align=self.size)

    def splat(self, number):
        """A vector with this number in every lane."""
        undefined = ir.Constant(self.type, ir.Undefined)
        first = self.builder.insert_element(undefined, number, ir.Constant(I32, 0))
        return self.shuffle(first, undefined, [0] * self.lanes)

    def shuffle(self, x, y, order):
        """The vector of the elements `order` of x followed by y."""
        mask = ir.Constant(ir.VectorType(I32, len(order)), order)
        return self.builder.shuffle_vector(x, y, mask)

    def concatenate(self, parts):
        """One vector of 2, 4, 8, ... shorter ones."""
        while len(parts) > 1:
            both = list(range(2 * parts[0].type.count))
            parts = [self.shuffle(x, y, both) for x, y in zip(parts[::2], parts[1::2], strict=True)]
        return parts[0]

    def fma(self, x, y, z):
        """x y + z, rounded once."""
        return emit_fma(self.builder, f"v{self.lanes}f{8 * self.size}", self.type, x, y, z)

    def prefetch(self, address, offset=0, write=0):
        """Ask for a cache line before it is needed; any address is allowed."""
        byte, module = ir.IntType(8).as_pointer(), self.builder.module
        kind = ir.FunctionType(ir.VoidType(), [byte, I32, I32, I32])
        name = "llvm.prefetch.p0"
        function = module.globals.get(name) or ir.Function(module, kind, name)
        # For reading or for writing; into the L2 cache; data, not instructions.
        hints = [ir.Constant(I32, n) for n in (write, 2, 1)]
        self.builder.call(function, [self.pointer(address, offset, ir.IntType(8)), *hints])

    def leaky(self, sign, value, slopes):
        """value where sign > 0, else slopes * value."""
        builder = self.builder
        return builder.select(
            builder.fcmp_ordered(">", sign, self.zero), value, builder.fmul(value, slopes)
        )


def emit_fma(builder, suffix, kind, x, y, z):
    """x y + z, rounded once.  (declare_intrinsic of llvmlite does not accept vectors.)"""
    name, module = f"llvm.fma.{suffix}", builder.module
    function = module.globals.get(name) or ir.Function(
        module, ir.FunctionType(kind, [kind] * 3), name
    )
    return builder.call(function, [x, y, z])


def assembly_of_fma():
    """The assembly of one FMA of float32 vectors, with the compiler settings that Numba uses."""
    triple, cpu, features = cpu_target.target_context.codegen().magic_tuple()
    kind = ir.VectorType(ir.FloatType(), 16)
    module = ir.Module()
    module.triple = triple
    function = ir.Function(module, ir.FunctionType(kind, [kind] * 3), "f")
    builder = ir.IRBuilder(function.append_basic_block())
    builder.ret(emit_fma(builder, "v16f32", kind, *function.args))
    machine = llvm.Target.from_triple(triple).create_target_machine(cpu=cpu, features=features)
    return machine.emit_assembly(llvm.parse_assembly(str(module)))


@intrinsic
def load_number(typingctx, address, like):
    """The number at an address."""

    def codegen(context, builder, signature, args):
        return Vectors(builder, signature.args[-1]).load_number(args[0])

    return like(types.int64, like), codegen


@intrinsic
def store_number(typingctx, address, number):
    """Write a number to an address."""

    def codegen(context, builder, signature, args):
        Vectors(builder, signature.args[-1]).store_number(args[1], args[0])
        return context.get_dummy_value()

    return types.void(types.int64, number), codegen


@intrinsic
def pointer(typingctx, address, like):
    """The address as a pointer, for numba.carray."""

    def codegen(context, builder, signature, args):
        return builder.inttoptr(args[0], Vectors(builder, signature.args[-1]).scalar.as_pointer())

    return types.CPointer(like)(types.int64, like), codegen


@intrinsic
def copy_vector(typingctx, source, target, like):
    """Copy one vector from the address `source` to the address `target`."""

    def codegen(context, builder, signature, args):
        vectors = Vectors(builder, signature.args[-1])
        vectors.store(vectors.load(args[0]), args[1])
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, like), codegen


def starts_of(builder, address, step, n):
    """The addresses of n rows; a step is the bytes from one to the next."""
    starts = [address]
    for _ in range(n - 1):
        starts.append(builder.add(starts[-1], step))
    return starts


def columns_of_square(vectors, starts, piece):
    """Emit the columns of a square whose rows begin at `starts`, one vector after the other.

    It loads `piece` bytes of a row at a time. Let q be the numbers in 16 bytes. A vector is put
    together from the pieces of rows that are q rows apart; every 16 bytes of q such vectors, which
    begin in q successive rows, then hold small squares of q x q. To interleave the first half of
    these vectors with the second, log2(q) times, transposes all small squares at once. With pieces
    of 16 bytes, the vectors are then q columns. With 32 bytes, every other 16 bytes are those of
    one column, for half of the rows, and another such vector has the other half: fewer loads for
    one shuffle more. What is faster depends on where the numbers come from, and go to.
    """
    lanes, size, q = vectors.lanes, vectors.size, 16 // vectors.size
    numbers = piece // size
    lower, upper = (
        [n for base in range(0, lanes, q) for i in half for n in (base + i, lanes + base + i)]
        for half in (range(q // 2), range(q // 2, q))
    )
    even, odd = ([n for n in range(2 * lanes) if n // q % 2 == parity] for parity in (0, 1))
    for c in range(0, lanes, numbers):
        parts = []  # of the columns, for the first rows and for the others
        for first in range(0, lanes, q * lanes // numbers):
            rows = [
                vectors.concatenate(
                    [
                        vectors.load_short(starts[i], c * size, numbers)
                        for i in range(first + r, first + q * lanes // numbers, q)
                    ]
                )
                for r in range(q)
            ]
            for _ in range(int(math.log2(q))):
                pairs = list(zip(rows[: q // 2], rows[q // 2 :], strict=True))
                rows = [vectors.shuffle(*pair, order) for pair in pairs for order in (lower, upper)]
            parts.append(rows)
        if piece == 16:
            yield from parts[0]
        else:
            for order in (even, odd):
                yield from (vectors.shuffle(x, y, order) for x, y in zip(*parts, strict=True))


@intrinsic
def transpose_block(typingctx, source, source_step, target, target_step, like):
    """Transpose a square of lanes x lanes numbers in registers."""

    def codegen(context, builder, signature, args):
        source, source_step, target, target_step, _ = args
        vectors = Vectors(builder, signature.args[-1])
        starts = starts_of(builder, source, source_step, vectors.lanes)
        for start in starts:
            vectors.prefetch(start, 2 * CACHE_LINE)
        for column in columns_of_square(vectors, starts, piece=16):
            vectors.store(column, target)
            target = builder.add(target, target_step)
        return context.get_dummy_value()

    return types.void(*[types.int64] * 4, like), codegen
