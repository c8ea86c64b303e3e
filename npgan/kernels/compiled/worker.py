"""What a thread does in a job: take part after part, and wait for the other threads.

A job's words tell the threads where they are:

    caller:   write the job, open it, take parts, wait until all are done, close it,
              wait until no helper is inside
    helper:   wait until a new job is open, step inside, check that the job is still open,
              take parts, step outside

The second check matters: only a helper that is counted as inside may read the job, and the caller
writes the next job only when none is. So a late helper never mixes two jobs.
"""

import os

import numba
from llvmlite import ir
from numba import float64, types
from numba.extending import intrinsic

from .jit import inlined, inner, jit
from .job import (
    BCE,
    CALLER_CORE,
    EMA,
    GENERATION,
    HELPERS_INSIDE,
    KIND,
    MIX,
    MOMENT_1,
    MOMENT_2,
    NEXT_PART,
    NONFINITE_PARTS,
    OPEN,
    PARTS,
    PARTS_DONE,
    PRODUCT,
    QUIT,
    SHARED,
    SLOPE,
    TANH,
    TANH_GATE,
    THREADS,
    WORKSPACES,
    A,
    C,
    N,
    atomic_add,
    atomic_load,
    atomic_swap,
)
from .loops import (
    adam_loop,
    bce_gradient_loop,
    ema_loop,
    mix_loop,
    tanh_gate_loop,
    tanh_loop,
)
from .panel import COPIED_BLOCK, PACKED, compute_panel
from .vectors import pointer

CHUNK = 16384  # numbers in one part of a loop
SPIN_ROUNDS = (
    50_000  # a helper waits so many rounds for the next job, about a millisecond, then sleeps
)
YIELD_INTERVAL = 128  # rounds of waiting, some microseconds, between two offers of the core


@intrinsic
def cpu_pause(typingctx):
    """Tell an x86 core that it is in a waiting loop; nothing on other CPUs."""

    def codegen(context, builder, signature, args):
        if builder.module.triple.startswith(("x86_64", "i686")):
            name, nothing = "llvm.x86.sse2.pause", ir.FunctionType(ir.VoidType(), [])
            builder.call(
                builder.module.globals.get(name) or ir.Function(builder.module, nothing, name), []
            )
        return context.get_dummy_value()

    return types.void(), codegen


# Functions of the C library: one offers the core to other threads, one tells on which core this
# thread runs. Where the system does not have them, nothing is offered, and the core is unknown
# (-1).
sched_yield = (
    types.ExternalFunction("sched_yield", types.int32())
    if hasattr(os, "sched_yield")
    else cpu_pause
)
current_core = (
    types.ExternalFunction("sched_getcpu", types.int32())
    if hasattr(os, "sched_setaffinity")  # on Linux
    else jit(lambda: -1)
)


@inner
def spin(rounds):
    """One round of waiting. At times it offers the core, which the other thread may need."""
    if rounds % YIELD_INTERVAL == YIELD_INTERVAL - 1:
        sched_yield()
    else:
        cpu_pause()


@jit
def on_callers_core(job):
    """Whether this thread runs on the core on which the caller opened the job."""
    return job[CALLER_CORE] >= 0 and current_core() == job[CALLER_CORE]


@inlined
def compute_part(q, job, scalars, workspace):
    """Compute part q of a job; False where what it updates is not finite."""
    if job[KIND] == PRODUCT:
        compute_panel(q, job, scalars, workspace)
        return True
    n = job[N] if job[KIND] == BCE else min(CHUNK, job[N] - q * CHUNK)
    start, like = q * CHUNK * scalars.itemsize, scalars[SLOPE]
    target = numba.carray(pointer(job[C] + start, like), n)
    source = numba.carray(pointer(job[A] + start, like), n)
    if job[KIND] == EMA:
        return ema_loop(target, source, scalars[0])
    if job[KIND] == TANH:
        tanh_loop(source, target)
        return True
    if job[KIND] == BCE:
        paired = job[MOMENT_1] != 0
        second = numba.carray(pointer(job[MOMENT_1] if paired else job[A], like), n)
        target = numba.carray(pointer(job[C], like), 2 * n)
        values = numba.carray(pointer(job[MOMENT_2], like), 3)
        goal, limit = float64(scalars[0]), float64(scalars[1])
        return bce_gradient_loop(source, second, paired, goal, limit, target, values)
    m = numba.carray(pointer(job[MOMENT_1] + start, like), n)
    if job[KIND] == TANH_GATE:
        tanh_gate_loop(source, m, target)
        return True
    if job[KIND] == MIX:
        return mix_loop(source, m, scalars[0], scalars[1], scalars[2], target)
    v = numba.carray(pointer(job[MOMENT_2] + start, like), n)
    return adam_loop(target, source, m, v, scalars)


@jit
def write_loop(job, scalars, kind, target, source, m, v, settings):
    """Write the job of a loop: ADAM or EMA of `target`, in place; TANH of `source`, to `target`.

    TANH_GATE of `source` and m; MIX of both (see mix_loop, whose a, b and `largest` are the
    settings). BCE of `source`, paired with m if that is not empty, for the target settings[0] and
    the limit settings[1]: the gradients go to `target`, the values to v (see bce_gradient_loop). It
    is one part, as its sums have an order.
    """
    job[KIND], job[N] = kind, source.size
    job[PARTS] = 1 if kind == BCE else (source.size + CHUNK - 1) // CHUNK
    job[C], job[A] = target.ctypes.data, source.ctypes.data
    job[MOMENT_1], job[MOMENT_2] = m.ctypes.data if m.size else 0, v.ctypes.data
    for i in range(settings.size):
        scalars[i] = settings[i]
    return True


@inlined
def compute_parts(job, scalars, workspace):
    """Take and compute parts until none is left; returns how many this thread computed."""
    words, done = job.ctypes.data, 0
    if job[KIND] == PRODUCT:  # what was copied and packed before belongs to another product
        atomic_swap(workspace + COPIED_BLOCK, -1)
        atomic_swap(workspace + PACKED, 0)
    while True:
        q = atomic_add(words + 8 * NEXT_PART, 1)
        if q >= job[PARTS]:
            return done
        if not compute_part(q, job, scalars, workspace):
            atomic_add(words + 8 * NONFINITE_PARTS, 1)
        atomic_add(words + 8 * PARTS_DONE, 1)
        done += 1


@inner
def open_job(job):
    """As the caller, let the helpers take part in the job."""
    words = job.ctypes.data
    atomic_swap(words + 8 * NEXT_PART, 0)
    atomic_swap(words + 8 * PARTS_DONE, 0)
    atomic_swap(words + 8 * NONFINITE_PARTS, 0)
    job[CALLER_CORE] = current_core()
    atomic_add(words + 8 * GENERATION, 1)
    atomic_swap(words + 8 * OPEN, 1)


@inner
def close_job(job, done):
    """As the caller, who has computed so many parts, wait for the others, and for the helpers.

    Returns the number of parts in which a result was not finite.
    """
    words, idle = job.ctypes.data, 0
    if done == job[PARTS] and job[THREADS] > 1:  # no helper came; one may need this very core
        sched_yield()
    while atomic_load(words + 8 * PARTS_DONE) < job[PARTS]:
        spin(idle)
        idle += 1
    atomic_swap(words + 8 * OPEN, 0)
    while atomic_load(words + 8 * HELPERS_INSIDE) != 0:
        spin(idle)
        idle += 1
    return job[NONFINITE_PARTS]


@inner
def step_inside(job, seen):
    """As a helper, wait for a new job and step inside.

    False if none has come for a while, if this is the caller's core, or at the end of the team.
    """
    words = job.ctypes.data
    for idle in range(1, SPIN_ROUNDS):
        spin(idle)
        # Asked after each offer of the core: a caller that takes it may open a job every time, into
        # which the helper would step, and begin to count again.
        offered = idle % YIELD_INTERVAL == YIELD_INTERVAL - 1
        if job[QUIT] != 0 or (offered and on_callers_core(job)):
            return False
        if atomic_load(words + 8 * OPEN) == 0 or atomic_load(words + 8 * GENERATION) == seen:
            continue
        atomic_add(words + 8 * HELPERS_INSIDE, 1)
        # From here on the caller cannot change the job. It may have closed it just before.
        if atomic_load(words + 8 * OPEN) == 1:
            return True
        atomic_add(words + 8 * HELPERS_INSIDE, -1)
    return False


@jit
def run_jobs(rows, settings, job, scalars, own, own_scalars, workspace, helper, seen):
    """As the caller (helper = -1) compute jobs; as a helper, take part in them for a while.

    The caller computes the job of each row, after it has written it to `job` if the threads share
    it, else to `own`; without rows, the one that `job` has already. It ends after a job in which a
    number is not finite or too large, and returns the number of this job, from 1 on, or else 0.
    Helper number 0, 1, ... returns the generation of the last job it saw, which is its argument
    `seen` in the next call. Both are one function so that what they share is compiled once.
    """
    i = 0
    while True:
        current, numbers = job, scalars
        if helper >= 0:
            if not step_inside(job, seen):
                return seen
            seen = atomic_load(job.ctypes.data + 8 * GENERATION)
            workspace = job[WORKSPACES + helper]
        else:
            if rows.shape[0] > 0:
                if rows[i, SHARED] == 0:
                    current, numbers = own, own_scalars
                for word in range(KIND, WORKSPACES):
                    current[word] = rows[i, word]
                for s in range(numbers.size):
                    numbers[s] = settings[i, s]
            open_job(current)
        done = compute_parts(current, numbers, workspace)
        if helper >= 0:
            atomic_add(job.ctypes.data + 8 * HELPERS_INSIDE, -1)
            continue
        i += 1
        if close_job(current, done) > 0:
            return i
        if i >= rows.shape[0]:
            return 0
