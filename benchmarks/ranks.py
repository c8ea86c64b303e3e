"""What several ranks and large batches cost and bring.

    python benchmarks/ranks.py speed [--rounds 9] [--batch 1024]
    python benchmarks/ranks.py quality OUT [--epochs 24] [--seeds 0 1 2] [--jobs 2]

`speed` times a run of 2 ranks with 1 thread each and a run of 1 process with 2 threads in turns, with
the same 2 shards, on a machine without other work. `quality` trains the settings below to equal
numbers of images, and scores 10,000 samples of each run; stopped, it goes on where it was.
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
# With a batch k times as large: the learning rate times 1, √k and k; the average over as many
# images; the penalty as often by images.
SETTINGS: dict[str, dict[str, Any]] = {"64": {}}
for k in (4, 16):
    same: dict[str, Any] = dict(batch=64 * k, average=0.999**k, penalty_every=16 // k)
    SETTINGS[f"{64 * k}, steps as before"] = dict(batch=64 * k)
    for name, factor in (("1", 1.0), ("sqrt k", k**0.5), ("k", float(k))):
        SETTINGS[f"{64 * k}, lr times {name}"] = dict(same, lr=8e-4 * factor)


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


def quality(out: Path, epochs: int, seeds: list[int], jobs: int) -> None:
    """Train all settings, and print the scores of each in Markdown."""
    from npgan.kernels.cores import available_cores
    from npgan.metrics import evaluate
    from npgan.training.sweep_runs import pool, stop_event

    stop = stop_event()
    workers = pool(jobs, stop)
    try:
        results = npgan.sweep(
            SETTINGS, seeds, workers, epochs=epochs, out=out,
            threads=max(1, available_cores() // jobs),
            report=lambda result: print(result.out.name, result.state, result.error, flush=True),
        )  # fmt: skip
    finally:
        stop.set()
        workers.shutdown(cancel_futures=True)
    print("\n| batch | seeds | Fréchet distance | precision | recall |\n|---|--:|--:|--:|--:|")
    for name in SETTINGS:
        runs = [r for r in results if r.name == name and r.state in ("trained", "resumed", "done")]
        scores = [evaluate(GAN.load(run.out).sample(10_000, rng=run.seed)) for run in runs]
        cells = []
        for key in ("frechet_distance", "precision", "recall"):
            values = [score[key] for score in scores]
            cells.append(f"{np.mean(values):.3g} ± {np.std(values):.2g}" if values else "-")
        print(f"| {name} | {len(runs)} | {' | '.join(cells)} |", flush=True)


def main() -> None:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("action", choices=("speed", "one", "quality"))
    parser.add_argument("out", type=Path, nargs="?", default=Path("ranks"))
    parser.add_argument("--batch", type=int, default=1024)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--epochs", type=int, default=24)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--jobs", type=int, default=2)
    args = parser.parse_args()
    if args.action == "speed":
        speed(args.batch, args.rounds)
    elif args.action == "one":
        time_one(args.batch, args.threads)
    else:
        quality(args.out, args.epochs, args.seeds, args.jobs)


if __name__ == "__main__":
    main()
