"""What several ranks cost.

    python benchmarks/ranks.py [--rounds 9] [--batch 1024]

Times a run of 2 ranks with 1 thread each and a run of 1 process with 2 threads in turns, with the
same 2 shards, on a machine without other work.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

import npgan
from npgan import GAN, datasets
from npgan.parallel.launcher import connect, launched

STEPS = 40  # that are timed, after the first 10


def speed(batch: int, rounds: int) -> None:
    """Print seconds per step of both, and their ratio, round by round."""
    launcher = shutil.which("mpiexec", path=Path(sys.executable).parent) or "mpiexec"
    one = [sys.executable, __file__, "one", "--batch", str(batch)]
    commands = {
        "2 ranks x 1 thread": [launcher, "-n", "2", *one, "--threads", "1"],
        "1 rank x 2 threads": [*one, "--threads", "2"],
    }
    seconds: dict[str, list[float]] = {name: [] for name in commands}
    for i in range(rounds):
        for name, command in commands.items():
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            seconds[name].append(float(done.stdout))
        shared, alone = (values[-1] for values in seconds.values())
        print(f"round {i + 1}: {1e3 * shared:.2f} and {1e3 * alone:.2f} ms, {shared / alone:.3f}")
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    for name, median in medians.items():
        print(f"{name}: {1e3 * median:.2f} ms a step")
    shared, alone = medians.values()
    print(f"ratio of the medians: {shared / alone:.3f}")


def time_one(batch: int, threads: int) -> None:
    """Print the median seconds of a step, on the ranks that a launcher has started or alone."""
    npgan.set_threads(threads)
    started = launched()
    comm = None if started is None else connect(started.size)
    ended: list[float] = []

    class Timed(GAN):
        def step(self, *batch: Any) -> dict[str, float]:
            values = super().step(*batch)
            ended.append(time.perf_counter())
            return values

    images = datasets.mnist().images[: (STEPS + 10) * batch]
    epochs = -(-(STEPS + 10) * batch // len(images))
    Timed(batch=batch, shards=2).fit(images, epochs, progress=False, comm=comm)
    if comm is None or comm.rank == 0:
        print(statistics.median(np.diff(ended[10:])))


def main() -> None:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("action", choices=("speed", "one"), nargs="?", default="speed")
    parser.add_argument("--batch", type=int, default=1024)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--threads", type=int, default=1, help="of each process, for `one`")
    args = parser.parse_args()
    if args.action == "speed":
        speed(args.batch, args.rounds)
    else:
        time_one(args.batch, args.threads)


if __name__ == "__main__":
    main()
