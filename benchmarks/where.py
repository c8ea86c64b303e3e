"""Where the time of a training step goes: the jobs of a step, added up by kind, and all else.

    python benchmarks/where.py [--batch 32 64 128] [--threads 2] [--rounds 20] [--page]

The default step is that of GAN(), with its penalty in every 16th step: the numbers are means over
16 steps. The classic step is the one that `npgan bench` compares with other libraries. Steps are
timed as they are; in between, periods in which every job is timed. "All else" is the difference:
Python, random numbers, copies, and the losses of a batch of logits.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

import numpy as np
from page import machine, put

from npgan.bench.child import Child
from npgan.bench.jobs import PERIOD, STEPS, Job
from npgan.bench.step import Machine

GROUPS = ("large products", "small products", "adam", "average", "tanh")


def measure(step: str, batch: int, threads: int, rounds: int, caches: Path) -> dict[str, float]:
    """Mean milliseconds of a step, of each group of its jobs, and the rate of the products."""
    child = Child("npgan.bench.jobs:Worker", "npgan.bench.jobs:STEPS", threads, caches)
    try:
        child.ask("start", step=step, batch=batch)
        steps, jobs = [], []
        for _ in range(rounds):
            steps.append(child.ask("run")["times"])
            jobs.append(child.ask("jobs", periods=1)["jobs"])
    finally:
        child.close()
    # The median of every step and of every job in the period; then the means over the period.
    found: dict[str, float] = defaultdict(float)
    found["step"] = 1e3 * float(np.mean(np.median(steps, axis=0)))
    for same in zip(*jobs, strict=True):
        one = Job(*same[0][:-1])
        found[one.group] += 1e3 * float(np.median([job[-1] for job in same])) / PERIOD
        found["flops"] += one.flops / PERIOD
    return found


def table(results: dict[tuple[str, int], dict[str, float]], threads: int, peak: float) -> str:
    """The results in Markdown."""
    lines = [
        f"{threads} thread(s), a measured peak of {peak:.0f} GFLOP/s; milliseconds of one step",
        "",
        "| step | batch | step | large products | small products | Adam | averages | tanh | "
        "all else | all else | large products, share of peak | step, share of peak |",
        "|" + "---|" * 12,
    ]
    for (step, batch), r in results.items():
        rest = r["step"] - sum(r.get(group, 0.0) for group in GROUPS)
        cells = [f"{r.get(group, 0.0):.2f}" for group in GROUPS]
        of_products = r["flops"] / r["large products"] / 1e6 / peak
        of_step = r["flops"] / r["step"] / 1e6 / peak
        lines.append(
            f"| {step} | {batch} | {r['step']:.2f} | {' | '.join(cells)} | {rest:.2f} | "
            f"{rest / r['step']:.0%} | {of_products:.0%} | {of_step:.0%} |"
        )
    return "\n".join(lines)


def main() -> None:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("--batch", type=int, nargs="+", default=[32, 64, 128])
    parser.add_argument("--threads", type=int)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument(
        "--page", action="store_true", help="write the table into docs/benchmarks.md"
    )
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        peak = Machine(args.threads, Path(folder))
        results = {}
        for step in STEPS:
            for batch in args.batch:
                print(f"{step} step, batch {batch}", file=sys.stderr, flush=True)
                peak.measure()
                results[step, batch] = measure(step, batch, peak.threads, args.rounds, Path(folder))
        peak.close()
    found = table(results, peak.threads, peak.peak or float("nan"))
    print(found)
    if args.page:
        put("where", f"{machine()}\n\n{found}")


if __name__ == "__main__":
    main()
