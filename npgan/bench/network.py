"""What a training step costs on several ranks: a model, with constants that this script measures.

    python -m npgan.bench.network                     # computation here; networks as in the table
    mpirun -n 8 python -m npgan.bench.network         # and the network between these ranks
    ... --batch 2048 --threads 2 --json

A step on P ranks takes

    T(P) = S/P t(B/S)  +  (4 (P-1) + log2 P) a  +  2 N (P-1)/P / w  +  N (S/P - 1 + (P-1)/P) / m

for a global batch of B images in S shards: t(n) seconds for a shard of n images; for each of two
networks an Alltoallv and an Allgatherv in P - 1 messages of a seconds, and one small message; N
bytes of weights in all, sent twice at w bytes per second; and the sums of own shards and of slices,
at m bytes per second. docs/cluster.md explains it.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from .. import kernels
from ..gan import Discriminator, Generator, discriminator_step, generator_step
from ..kernels.cores import available_cores
from ..losses import relativistic
from ..optim import Adam
from ..parallel.launcher import connect, launched
from ..parallel.processes import wait
from ..penalties import r1_and_r2

RANKS = (1, 2, 4, 8, 16, 32, 64, 128, 256)
SIZES = (1 << 12, 1 << 15, 1 << 18, 1 << 21)  # bytes of the vectors that are exchanged
REPEATS, SECONDS = 40, 1.0  # of a measurement, at most; it has two repeats at least
SHARDS = (4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048)  # images
EVERY = 16  # steps from one lazy penalty to the next


class Network(NamedTuple):
    """The constants of a network between ranks."""

    latency: float  # a, in seconds
    bandwidth: float  # w, in bytes per second


class Computation(NamedTuple):
    """The constants of one rank."""

    images: list[int]  # in a shard
    seconds: list[float]  # t: of a step with such a shard
    memory: float  # m: bytes of gradients that are added per second
    parameters: int  # of both networks


# Usual constants: TCP over 10 GbE, RDMA over 100 GbE, MPI within one machine.
NETWORKS = {
    "10 GbE": Network(30e-6, 1.1e9),
    "100 GbE": Network(3e-6, 11e9),
    "shared memory": Network(1e-6, 5e9),
}


def step_seconds(ranks: int, batch: int, shards: int, here: Computation, net: Network) -> float:
    """Seconds of a training step by the model."""
    size = 4.0 * here.parameters
    own = shards / ranks
    seconds = own * float(np.interp(batch / shards, here.images, here.seconds))
    seconds += size * (own - 1) / here.memory  # sums of own shards
    if ranks > 1:
        messages = 2 * 2 * (ranks - 1) + math.ceil(math.log2(ranks))  # of two networks
        seconds += messages * net.latency + 2 * size * (ranks - 1) / ranks / net.bandwidth
        seconds += size * (ranks - 1) / ranks / here.memory  # sums of slices
    return seconds


def best(action: Callable[[], object], limit: float = SECONDS) -> float:
    """The shortest time of an action; limit: of the seconds of all repeats."""
    found, end = math.inf, time.perf_counter() + limit
    for i in range(REPEATS):
        began = time.perf_counter()
        if i > 1 and began > end:
            break
        action()
        found = min(found, time.perf_counter() - began)
    return found


def measure_computation() -> Computation:
    """Time training steps with the default networks and several batches, and sums of gradients."""
    G, D = Generator(32, (512, 512, 512), rng=0), Discriminator(rng=0)
    seconds = []
    for n in SHARDS:
        real = np.random.default_rng(0).random((n, 784), dtype=np.float32)
        plain, with_penalty = (best(partial(step, G, D, real, p)) for p in (False, True))
        seconds.append(((EVERY - 1) * plain + with_penalty) / EVERY)
    parameters = G.theta.size + D.theta.size
    a, b = np.zeros((2, parameters), np.float32)
    memory = 4 * parameters / best(lambda: np.add(a, b, out=a))
    return Computation(list(SHARDS), seconds, memory, parameters)


def step(G: Generator, D: Discriminator, real: np.ndarray, penalised: bool) -> None:
    """Train one step of the default recipe, with its lazy penalty or without."""
    adam_G, adam_D = Adam(G, 8e-4, 0.0, 0.99), Adam(D, 8e-4, 0.0, 0.99)
    z = np.random.default_rng(0).standard_normal((len(real), 32), dtype=np.float32)
    fake, pull = G.forward(z)
    penalty = (lambda D, real, fake: r1_and_r2(D, real, fake, 0.2 * EVERY)) if penalised else None
    discriminator_step(D, adam_D, real, fake, relativistic, penalty)
    generator_step(D, adam_G, fake, pull, relativistic, real)


def measure_network(comm: Any) -> Network:
    """Time the exchanges of vectors of several sizes between the ranks of a communicator."""
    ranks, rows = comm.size, []
    for size in SIZES:
        each = size // 4 // ranks
        vector, slices = np.zeros((2, each * ranks), np.float32)
        parts = ([each] * ranks, [each * r for r in range(ranks)])
        seconds = best(partial(exchange, comm, vector, slices, parts), limit=math.inf) - best(
            comm.Barrier, limit=math.inf
        )
        slowest = max(comm.allgather(seconds))
        rows.append([2 * (ranks - 1), 2 * 4 * each * (ranks - 1), slowest])
    messages, sent, times = np.array(rows).T
    latency = max(times[0] / messages[0], 1e-9)
    bandwidth = sent[-1] / max(times[-1] - messages[-1] * latency, 1e-9)
    return Network(float(latency), float(bandwidth))


def exchange(comm: Any, vector: np.ndarray, slices: np.ndarray, parts: Any) -> None:
    """The two exchanges of one update."""
    own = slices[: parts[0][0]]
    comm.Barrier()
    comm.Alltoallv([vector, parts], [slices, parts])
    comm.Allgatherv(own, [vector, parts])


def table(batch: int, here: Computation, networks: dict[str, Network]) -> str:
    """Milliseconds of a step with a shard for each rank, and the efficiency, in Markdown."""
    lines = ["| ranks | " + " | ".join(networks) + " |", "|--:|" + "--:|" * len(networks)]
    alone = step_seconds(1, batch, 1, here, NETWORKS["shared memory"])
    for ranks in RANKS:
        if ranks > batch // SHARDS[0]:
            break
        cells = []
        for net in networks.values():
            seconds = step_seconds(ranks, batch, ranks, here, net)
            cells.append(f"{1e3 * seconds:.1f} ms, {alone / ranks / seconds:.0%}")
        lines.append(f"| {ranks} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    """Measure, and print the constants and the table."""
    parser = argparse.ArgumentParser(
        prog="python -m npgan.bench.network",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--batch", type=int, default=2048, help="the global batch")
    parser.add_argument("--threads", type=int, help="of each rank (default: its cores)")
    parser.add_argument("--json", action="store_true", help="print the constants as JSON")
    args = parser.parse_args()
    started = launched()
    comm = None if started is None else connect(started.size)
    ranks_here = 1 if comm is None else comm.size
    kernels.set_threads(args.threads or max(1, available_cores() // ranks_here))
    networks = dict(NETWORKS)
    if comm is not None:
        networks["measured here"] = measure_network(comm)
    here = measure_computation() if comm is None or comm.rank == 0 else None
    if comm is not None:
        wait(comm)  # without using a core: the computation is measured on one rank
    if here is None:
        return
    if args.json:
        found = {name: net._asdict() for name, net in networks.items()}
        print(json.dumps({"computation": here._asdict(), "networks": found}))
        return
    times = ", ".join(f"{n}: {1e3 * t:.2f}" for n, t in zip(SHARDS, here.seconds, strict=True))
    print(f"a step with n images on {kernels.thread_count()} threads, in ms: {times}")
    print(f"{here.memory / 1e9:.1f} GB/s of sums; {here.parameters:,} weights")
    for name, net in networks.items():
        print(f"{name}: {1e6 * net.latency:.1f} us, {net.bandwidth / 1e9:.2f} GB/s")
    print(f"\nbatch {args.batch}, a shard for each rank: a step, and the efficiency\n")
    print(table(args.batch, here, networks))


if __name__ == "__main__":
    main()
