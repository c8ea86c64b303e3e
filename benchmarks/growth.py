"""How the time of a training step grows with the width, the depth and the batch.

    python benchmarks/growth.py [--threads 2] [--rounds 3] [--page] [--picture FILE.png]

A step of the classic kind: one update of D and one of G with Adam and the non-saturating loss, G of
100-WIDTH-...-WIDTH-784 and D of 784-WIDTH-...-WIDTH-1. Beside the time stand the operations of its
matrix products, the speed at which it computes them, and the memory that it must at least read and
write: the weights twice in each direction, their gradients, and Adam's state.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from itertools import pairwise
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from page import machine, put

from npgan.bench.child import Child
from npgan.bench.problem import flops
from npgan.bench.step import Machine

# What grows -> the cases, each (width, depth, batch).
CASES = {
    "width": [(2**n, 2, 64) for n in range(6, 13)],
    "depth": [(512, depth, 64) for depth in (1, 2, 3, 4, 6, 8)],
    "batch": [(512, 2, 2**n) for n in range(3, 12)],
}
Case = tuple[int, int, int]


def sizes(width: int, depth: int) -> tuple[list[int], list[int]]:
    """The widths of the layers of G and of D."""
    return [100, *[width] * depth, 784], [784, *[width] * depth, 1]


def weights(layers: list[int]) -> int:
    """How many weights there are, without the biases."""
    return sum(a * b for a, b in pairwise(layers))


def megabytes(width: int, depth: int) -> float:
    """What a step must read and write at least, without the activations, of 4 bytes each.

    The weights of G in two passes and those of D in four; gradients are written and read; Adam reads
    and writes the weights and both moments.
    """
    of_G, of_D = map(weights, sizes(width, depth))
    return 4e-6 * ((2 + 2 + 6) * of_G + (4 + 2 + 6) * of_D)


def measure(threads: int | None, rounds: int) -> tuple[dict[Case, float], Machine]:
    """Median seconds of a step by case, and the machine with its peak."""
    times: dict[Case, list[float]] = {case: [] for cases in CASES.values() for case in cases}
    with tempfile.TemporaryDirectory() as folder:
        peak = Machine(threads, Path(folder))
        worker = "npgan.bench.jobs:Worker", "npgan.bench.jobs:STEPS"
        child = Child(*worker, peak.threads, Path(folder))
        try:
            for done in range(rounds):
                peak.measure()
                for case, found in times.items():
                    width, depth, batch = case
                    print(f"round {done + 1}: {case}", file=sys.stderr, flush=True)
                    G_sizes, D_sizes = sizes(width, depth)
                    child.ask(
                        "start", step="classic", batch=batch, G_sizes=G_sizes, D_sizes=D_sizes
                    )
                    found += child.ask("run")["times"]
        finally:
            child.close()
            peak.close()
    return {case: float(np.median(found)) for case, found in times.items()}, peak


def table(times: dict[Case, float], peak: Machine) -> str:
    """The results in Markdown."""
    lines = [
        f"{peak.threads} thread(s), a measured peak of {peak.peak:.0f} GFLOP/s",
        "",
        "| grows | width | depth | batch | ms | GFLOP | share of peak | MB of weights | GB/s |",
        "|" + "---|" * 9,
    ]
    for name, cases in CASES.items():
        for case in cases:
            width, depth, batch = case
            work, moved = flops(batch, *sizes(width, depth)) / 1e9, megabytes(width, depth)
            share = work / times[case] / (peak.peak or float("nan"))
            lines.append(
                f"| {name} | {width} | {depth} | {batch} | {1e3 * times[case]:.2f} | {work:.2f} | "
                f"{share:.0%} | {moved:.0f} | {moved / times[case] / 1e3:.1f} |"
            )
    return "\n".join(lines)


def draw(times: dict[Case, float], peak: Machine, file: Path) -> None:
    """One chart for each thing that grows: the time, and the time of the products at the peak."""
    figure = Figure(figsize=(9, 3), layout="constrained")
    for place, (name, cases) in enumerate(CASES.items()):
        axes = figure.add_subplot(1, 3, place + 1)
        x = [case[("width", "depth", "batch").index(name)] for case in cases]
        at_peak = [
            flops(batch, *sizes(width, depth)) / 1e6 / (peak.peak or 1.0)
            for width, depth, batch in cases
        ]
        axes.loglog(x, [1e3 * times[case] for case in cases], "o-", label="measured")
        axes.loglog(x, at_peak, "--", label="products at the peak")
        axes.set_xlabel(name)
        axes.set_xticks(x, map(str, x), rotation=45)
        axes.minorticks_off()
        axes.grid(alpha=0.3)
        if place == 0:
            axes.set_ylabel("ms per step")
            axes.legend(loc="lower right", fontsize=8)
    figure.savefig(file, dpi=150)


def main() -> None:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--page", action="store_true", help="write the table into docs/benchmarks.md"
    )
    parser.add_argument("--picture", type=Path, help="also draw it to this file")
    args = parser.parse_args()
    times, peak = measure(args.threads, args.rounds)
    print(table(times, peak))
    if args.page:
        put("growth", f"{machine()}\n\n{table(times, peak)}")
    if args.picture:
        draw(times, peak, args.picture)


if __name__ == "__main__":
    main()
