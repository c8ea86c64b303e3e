"""The machine's float32 peak, in GFLOP/s.

    python -m npgan.bench.peak

It is measured with a loop of independent chains of vector fused multiply-adds (FMA) on registers,
without memory access, on one thread and on all threads. The other benchmarks measure it in the same
run and report their speed as a share of it.
"""

import threading
import time

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from npgan.kernels.compiled import I64, TILE_SHAPE, Vectors, available_cores, int64

# Enough to hide the latency of an FMA, few enough for the registers.
CHAINS = {None: 1, (8, 2): 24, (6, 1): 6}[TILE_SHAPE]


@intrinsic
def chains(typing, rounds, like):
    """Multiply and add CHAINS vectors `rounds` times; one lane of their sum is returned."""

    def generate(context, builder, signature, args):
        vectors = Vectors(builder, signature.args[-1])
        factor = vectors.splat(args[1])
        before, loop, after = (
            builder.block,
            builder.append_basic_block(),
            builder.append_basic_block(),
        )
        builder.branch(loop)
        builder.position_at_end(loop)
        i = builder.phi(I64)
        sums = [builder.phi(vectors.type) for _ in range(CHAINS)]
        longer = [vectors.fma(s, factor, factor) for s in sums]
        following = builder.add(i, int64(1))
        for phi, first, then in [
            (i, int64(0), following),
            *zip(sums, [factor] * CHAINS, longer, strict=True),
        ]:
            phi.add_incoming(first, before)
            phi.add_incoming(then, loop)
        builder.cbranch(builder.icmp_signed("<", following, args[0]), loop, after)
        builder.position_at_end(after)
        total = longer[0]
        for s in longer[1:]:
            total = builder.fadd(total, s)
        return builder.extract_element(total, ir.Constant(ir.IntType(32), 0))

    return like(types.int64, like), generate


@numba.njit(nogil=True)
def burn(rounds, like):
    """Run the chains; compiled, and without the GIL."""
    return chains(rounds, like)


def peak(workers: int, seconds: float = 0.3) -> float:
    """The GFLOP/s of so many threads together: the best of several rounds."""
    like, rounds = np.float32(1e-9), 100_000
    burn(1, like)
    flops, best, until = 2.0 * 16 * CHAINS * rounds * workers, 0.0, time.perf_counter() + seconds
    while time.perf_counter() < until:
        crew = [threading.Thread(target=burn, args=(20 * rounds, like)) for _ in range(workers)]
        start = time.perf_counter()
        for thread in crew:
            thread.start()
        for thread in crew:
            thread.join()
        best = max(best, 20 * flops / (time.perf_counter() - start) / 1e9)
    return best


class Worker:
    """For `child`: measures the peak in its process."""

    def __init__(self, peak):
        self.peak = peak

    def cores(self):
        return {"cores": available_cores()}

    def measure(self, threads):
        return {"gflops": self.peak(threads)}


if __name__ == "__main__":
    for n in sorted({1, available_cores()}):
        print(f"{n} thread(s): {peak(n):.0f} GFLOP/s")
