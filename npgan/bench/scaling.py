"""How a training step of npgan scales with the number of threads: a model, and measurements.

The model takes the time of every job on one thread. A job that is shared is divided into parts; on
n threads it takes as long as the thread with the most parts, ceil(parts / n) of them, and the time
to hand the job out. All else takes as long as on one thread. So the model has no limit of memory:
what is measured is slower where the threads wait for memory.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..kernels.cores import available_cores
from .child import Child
from .jobs import PERIOD, Job
from .peers import Say

THREADS = (1, 2, 4, 8, 16, 32)  # those for which the model is told
PERIODS = 12  # of the jobs on one thread


def scaling(
    step: str = "default", batches: Sequence[int] = (64,), threads: int | None = None,
    rounds: int = 20, say: Say = lambda line: None,
) -> dict[str, Any]:  # fmt: skip
    """Measure a step on 1, 2, 4, ... threads in turns, and compute what the model says.

    Parameters
    ----------
    step : {"default", "classic"}
        That of GAN(), or the one that `npgan bench` compares.
    batches : sequence of int
    threads : int, optional
        The most threads that are measured; by default one per core.
    rounds : int
        Turns of each number of threads.

    Returns
    -------
    dict
        {"step", "batch": {size: {"parts": [...], "threads": {n: {...}}}}}, in milliseconds.
    """
    most = threads or available_cores()
    measured = sorted({n for n in THREADS if n < most} | {most})
    results: dict[str, Any] = {"step": step, "batch": {}}
    for batch in batches:
        say(f"batch {batch}: {', '.join(map(str, measured))} threads, {rounds} rounds")
        with tempfile.TemporaryDirectory() as folder:
            children = {}
            try:
                for n in measured:
                    name = "npgan.bench.jobs"
                    children[n] = Child(f"{name}:Worker", f"{name}:STEPS", n, Path(folder))
                    children[n].ask("start", step=step, batch=batch)
                jobs = [
                    (Job(*one), seconds)
                    for *one, seconds in children[1].ask("jobs", periods=PERIODS)["jobs"]
                ]
                handout = {n: children[n].ask("handout")["seconds"] for n in measured}
                times: dict[int, list[list[float]]] = {n: [] for n in measured}
                for _ in range(rounds):
                    for n, child in children.items():
                        times[n].append(child.ask("run")["times"])
            finally:
                for child in children.values():
                    child.close()
        # The median of every step of the period, and their mean.
        means = {n: float(np.mean(np.median(found, axis=0))) for n, found in times.items()}
        results["batch"][str(batch)] = row(jobs, handout, means)
    return results


def row(
    jobs: Sequence[tuple[Job, float]], handout: dict[int, float], times: dict[int, float]
) -> dict[str, Any]:
    """The results of one batch size."""
    alone = times[1]
    rest = alone - sum(seconds for _, seconds in jobs) / PERIOD
    found: dict[str, Any] = {}
    for n in sorted({*THREADS, *times}):
        cost = handout.get(n, max(handout.values()))
        predicted = model(jobs, n, cost) / PERIOD + rest
        found[str(n)] = {"model_ms": 1e3 * predicted, "model_speedup": alone / predicted}
        if n in times:
            found[str(n)] |= {"median_ms": 1e3 * times[n], "speedup": alone / times[n]}
            found[str(n)]["handout_us"] = 1e6 * handout[n]
    parts = sorted({one.parts for one, _ in jobs if one.kind == "product" and one.shared})
    return {"parts": parts, "rest_ms": 1e3 * rest, "threads": found}


def model(jobs: Sequence[tuple[Job, float]], threads: int, handout: float) -> float:
    """The seconds of these jobs on so many threads, from their seconds on one."""
    return sum(
        seconds * math.ceil(one.parts / threads) / one.parts + handout * (threads > 1)
        if one.shared
        else seconds
        for one, seconds in jobs
    )


def table(results: dict[str, Any]) -> str:
    """The results in Markdown."""
    lines = []
    for batch, found in results["batch"].items():
        parts = ", ".join(map(str, found["parts"]))
        lines += [
            f"The {results['step']} step, batch {batch}. The shared products have {parts} parts; "
            f"besides its jobs a step takes {found['rest_ms']:.2f} ms.",
            "",
            "| threads | model ms | model's speedup | measured ms | speedup | hand-out µs |",
            "|---|---|---|---|---|---|",
        ]
        for n, r in found["threads"].items():
            measured = "– | – | –"
            if "median_ms" in r:
                measured = f"{r['median_ms']:.2f} | {r['speedup']:.2f} | {r['handout_us']:.1f}"
            lines.append(f"| {n} | {r['model_ms']:.2f} | {r['model_speedup']:.2f} | {measured} |")
        lines.append("")
    return "\n".join(lines).rstrip()
