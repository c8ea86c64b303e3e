"""A job: what the threads are to compute, as an array of int64 and an array of floats.

Jitted functions that run without Python's lock read everything from these two arrays. A job is
either a matrix product or a loop over arrays of one dimension. It is divided into parts, which the
threads take one by one.
"""

import numpy as np
from numba import types
from numba.extending import intrinsic

from .. import memory
from .vectors import I64

# Indices into the int64 array. Several threads write the first five words at the same time, so
# each of them has a cache line of its own (8 words).
OPEN = 0  # 1 while helpers may take part
HELPERS_INSIDE = 8  # how many helpers are reading the job
NEXT_PART = 16  # the number of the next part to be taken
PARTS_DONE = 24  # how many parts are finished
NONFINITE_PARTS = 32  # in how many parts a result was not finite

# The caller alone writes the other words, while the job is not open.
GENERATION = 40  # the number of jobs until now; tells a helper that this one is new
QUIT = 41  # 1: the helpers shall end
THREADS = 42  # how many threads there are, the caller among them
CALLER_CORE = 43  # the CPU core on which the caller opened the job, or -1

# From here to WORKSPACES the words say what is computed.
KIND = 44  # PRODUCT, ADAM, EMA, TANH, TANH_GATE, BCE or MIX
PARTS = 45  # into how many parts the job is divided

# A product C = op(A) op(B), where op() transposes or does nothing. Addresses; steps and sizes as
# said.
A, A_ROW_STEP, A_K_STEP = 46, 47, 48  # bytes to the next row and to the next column of op(A)
B, B_ROW_STEP, B_TRANSPOSED = 49, 50, 51  # bytes to the next row of B; 1: op(B) = Bᵀ
C, M, N, K = 52, 53, 54, 55  # C has M rows and N columns, and each sum K terms
GATE, BIAS, SUMS = 56, 57, 58  # 0 for none; see product.write_product
BIAS_STEP = 59  # bytes to the next number of the bias; 0 where all columns have the same

# A loop over N numbers: C is the array that it writes, A the other one. These are the addresses of
# Adam's moments. MOMENT_1 is that of y in TANH_GATE, of the second array in MIX, and in BCE of the
# other logits, or 0; MOMENT_2 is that of the values in BCE.
MOMENT_1, MOMENT_2 = 60, 61

SHARED = 62  # 1 where the threads share the job; read in a list of jobs alone
C_TRANSPOSED = 63  # 1: the array at C gets Cᵀ, in strips; see panel.compute_panel
WORKSPACES = 64  # from here on: the address of each helper's workspace

ADDRESSES = (A, B, C, GATE, BIAS, SUMS, MOMENT_1, MOMENT_2)
PRODUCT, ADAM, EMA, TANH, TANH_GATE, BCE, MIX = range(7)  # values of KIND

# Index into the array of floating-point numbers, `scalars`. Those before it are the settings of a
# loop.
SLOPE = 7

# An empty array of one dimension and one of two stand for "no array" in compiled functions.
EMPTY = {
    np.dtype(kind): (np.empty(0, kind), np.empty((0, 0), kind)) for kind in (np.float32, np.float64)
}
# No jobs in a list: the rows of their words and of their floating-point numbers.
NO_ROWS = np.empty((0, 0), np.int64)
NO_SETTINGS = {dtype: no_matrix for dtype, (_, no_matrix) in EMPTY.items()}
# The dtype that helpers compute in. float64 is for checking gradients, and is computed by the
# caller.
SHARED_DTYPE = np.dtype(np.float32)


def new_job(threads):
    """(job, {dtype: scalars}) for so many threads, the caller among them."""
    job = memory.zeros((WORKSPACES + threads,), np.int64)
    job[THREADS], job[CALLER_CORE] = threads, -1
    return job, {dtype: np.zeros(SLOPE + 1, dtype) for dtype in EMPTY}


def atomic(operation):
    """An intrinsic (address of an int64, n) -> the value before; all threads see the same order."""

    @intrinsic
    def access(typingctx, address, n):
        def codegen(context, builder, signature, args):
            target = builder.inttoptr(args[0], I64.as_pointer())
            return builder.atomic_rmw(operation, target, args[1], "seq_cst")

        return types.int64(types.int64, types.int64), codegen

    return access


atomic_add, atomic_swap = atomic("add"), atomic("xchg")


@intrinsic
def atomic_load(typingctx, address):
    """The int64 at an address, in the same order for all threads."""

    def codegen(context, builder, signature, args):
        return builder.load_atomic(builder.inttoptr(args[0], I64.as_pointer()), "seq_cst", 8)

    return types.int64(types.int64), codegen
