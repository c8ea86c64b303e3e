"""Compares one training step, an update of D and one of G with Adam, in several libraries.

Every peer runs in a process of its own. First each takes CHECKED steps with the same weights,
images and noise, and its losses must equal those of the same steps in float64. Then the peers are
timed in turns of a few steps, round after round, so that a slow second of the machine affects all.
The results are ratios to npgan's time in this run, and shares of the peak measured in this run.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from . import in_numpy
from .child import Child, ChildError, peak_memory
from .peers import PEERS, Say
from .problem import BATCHES, D_SIZES, G_SIZES, Step, flops, problem, weights_of

CHECKED = 6  # steps whose losses are checked before the timing
TOLERANCE = 1e-3  # the largest relative error of a loss, compared with float64
WARM = 3  # steps at the start of a turn that are not timed: caches and threads are cold
TURN = 10  # steps of a turn that are timed
PATIENCE = 0.5  # seconds after which the turn of a slow peer ends, with fewer steps


class DisagreementError(RuntimeError):
    """A peer that does not compute what the others compute, so that its time means nothing."""


# ---- in the peer's process ----


class Worker:
    """Takes and times steps. After the CHECKED steps it continues with the same weights."""

    def __init__(self, build: Callable[..., Step]):
        self.build, self.done = build, 0

    def start(self, file: str) -> dict[str, Any]:
        """Build the peer for the problem in a file, and take CHECKED steps."""
        with np.load(file) as data:
            arrays = dict(data)
        self.real, self.z = arrays["real"], arrays["z"]
        began = time.perf_counter()
        self.step = self.build(weights_of(arrays, "G"), weights_of(arrays, "D"))
        losses = [self.next()]
        first = time.perf_counter() - began
        losses += [self.next() for _ in range(CHECKED - 1)]
        return {"losses": losses, "first_s": first}

    def next(self) -> tuple[float, float]:
        """Take one step with the next batch."""
        at = self.done % len(self.z)
        self.done += 1
        return self.step(self.real[at], self.z[at])

    def run(self, warm: int, steps: int) -> dict[str, Any]:
        """Take `warm` steps without and `steps` steps with timing, fewer if the peer is slow."""
        began = time.perf_counter()
        for _ in range(warm):
            if time.perf_counter() - began < PATIENCE:
                self.next()
        times: list[float] = []
        while len(times) < steps and sum(times) < PATIENCE:
            began = time.perf_counter()
            self.next()
            times.append(time.perf_counter() - began)
        return {"times": times, "memory_mb": peak_memory()}


# ---- in the parent ----


def expected_losses(arrays: dict[str, np.ndarray]) -> np.ndarray:
    """The losses (CHECKED, 2) that plain NumPy computes in float64."""
    wide = {name: array.astype(np.float64) for name, array in arrays.items()}
    step = in_numpy.step(weights_of(wide, "G"), weights_of(wide, "D"))
    return np.array(
        [step(wide["real"][i % BATCHES], wide["z"][i % BATCHES]) for i in range(CHECKED)]
    )


def check(name: str, losses: Any, expected: np.ndarray) -> float:
    """The largest relative error of losses; raises DisagreementError if it is above TOLERANCE."""
    losses = np.asarray(losses, np.float64)
    error = np.abs(losses - expected) / np.abs(expected)
    worst = float(np.where(np.isnan(error), np.inf, error).max())
    if not worst <= TOLERANCE:
        step, which = np.unravel_index(np.argmax(np.nan_to_num(error, nan=np.inf)), error.shape)
        raise DisagreementError(
            f"{name} computes {'DG'[which]}'s loss {losses[step, which]:.6g} at step {step + 1}, "
            f"float64 {expected[step, which]:.6g}; a peer may be {TOLERANCE:g} off"
        )
    return worst


@contextmanager
def started(
    names: Sequence[str], file: str, threads: int, caches: Path, say: Say
) -> Iterator[tuple[dict[str, Child], dict[str, dict[str, Any]]]]:
    """Children that have taken their first steps, with their answers; without those that fail."""
    children: dict[str, Child] = {}
    told: dict[str, dict[str, Any]] = {}
    try:
        for name in names:
            peer = PEERS[name]
            try:
                child = Child(
                    "npgan.bench.step:Worker", peer.step, threads, caches, peer.environment
                )
                children[name] = child
                told[name] = {**child.started, **child.ask("start", file=file)}
            except ChildError as error:
                say(f"{name} is left out: {error}")
                if name in children:
                    children.pop(name).close()
        yield children, told
    finally:
        for child in children.values():
            child.close()


def compare(
    names: Sequence[str],
    batches: Sequence[int],
    threads: int | None = None,
    rounds: int = 20,
    say: Say = lambda line: None,
    G_sizes: Sequence[int] = G_SIZES,
    D_sizes: Sequence[int] = D_SIZES,
) -> dict[str, Any]:
    """Check and time peers, and compare them with the first one.

    Returns
    -------
    dict
        {"threads", "peak_gflops", "start": {peer: ...}, "batch": {size: {peer: ...}}}

    Raises
    ------
    DisagreementError
        If a peer computes other losses.
    ChildError
        If the first peer does not start, or a peer fails while it is timed.
    """
    with tempfile.TemporaryDirectory() as folder:
        caches = Path(folder) / "caches"
        machine = Machine(threads, caches, say)
        results: dict[str, Any] = {"threads": machine.threads, "start": {}, "batch": {}}
        try:
            for batch in batches:
                arrays = problem(batch, G_sizes, D_sizes)
                file = str(Path(folder) / f"{batch}.npz")
                np.savez(file, **arrays)  # type: ignore[arg-type]
                expected = expected_losses(arrays)
                if not results["start"]:  # the first batch size: no compiled code is cached
                    say("starting each peer for the first time")
                    for name in names:
                        with started([name], file, machine.threads, caches, say) as (_, told):
                            results["start"] |= told
                    if names[0] not in results["start"]:
                        raise ChildError(
                            f"{names[0]}, with which the others are compared, did not start"
                        )
                    names = [name for name in names if name in results["start"]]
                machine.measure()
                with started(names, file, machine.threads, caches, say) as (children, told):
                    errors = {name: check(name, told[name]["losses"], expected) for name in told}
                    say(f"batch {batch}: losses agree, {rounds} rounds of {TURN} steps")
                    rows = take_turns(children, rounds)
                work = flops(batch, G_sizes, D_sizes)
                for name, row in rows.items():
                    row |= {"gflops": work / row["median_ms"] / 1e6, "loss_error": errors[name]}
                    row |= {
                        key: row[f"{key}_ms"] / rows[names[0]][f"{key}_ms"]
                        for key in ("median", "min")
                    }
                    results["start"][name]["warm_s"] = told[name]["first_s"]
                    results["start"][name]["memory_mb"] = row.pop("memory_mb")
                results["batch"][str(batch)] = rows
            machine.measure()
        finally:
            machine.close()
    for row in results["start"].values():
        del row["losses"]
    return {**results, "peak_gflops": machine.peak}


def take_turns(children: dict[str, Child], rounds: int) -> dict[str, dict[str, Any]]:
    """Time all children round after round: median and minimum of a step, in milliseconds."""
    times: dict[str, list[float]] = {name: [] for name in children}
    memory = {}
    for _ in range(rounds):
        for name, child in children.items():
            try:
                answer = child.ask("run", warm=WARM, steps=TURN)
            except ChildError as error:
                raise ChildError(f"{name} failed in the middle of the run: {error}") from None
            times[name] += answer["times"]
            memory[name] = answer["memory_mb"]
    return {
        name: {
            "median_ms": 1e3 * float(np.median(t)),
            "min_ms": 1e3 * min(t),
            "memory_mb": memory[name],
        }
        for name, t in times.items()
    }


class Machine:
    """The machine's number of cores and its float32 peak, measured in a process of its own."""

    def __init__(
        self,
        threads: int | None,
        caches: Path,
        say: Say = lambda line: None,
        more: dict[str, str] | None = None,
    ):
        self.child, self.peak = None, None
        try:
            self.child = Child(
                "npgan.bench.peak:Worker", "npgan.bench.peak:peak", threads or 0, caches, more
            )
            cores = self.child.ask("cores")["cores"]
        except ChildError as error:
            say(f"the machine's peak is not known: {error}")
            cores = os.cpu_count() or 1
        self.threads: int = threads or cores

    def measure(self) -> None:
        """Measure the peak again, and keep the best, in GFLOP/s."""
        if self.child is not None:
            self.peak = max(
                self.peak or 0.0, self.child.ask("measure", threads=self.threads)["gflops"]
            )

    def close(self) -> None:
        """End the process."""
        if self.child is not None:
            self.child.close()


def table(results: dict[str, Any]) -> str:
    """The results in Markdown."""
    peak = results["peak_gflops"]
    first = next(iter(results["start"]), "")
    measured = f"a measured peak of {peak:.0f} GFLOP/s" if peak else "its peak not known"
    lines = [
        f"{results['threads']} thread(s), {measured}",
        "",
        "| batch | peer | median ms | min ms | "
        f"median / {first}'s | min / {first}'s | share of peak |",
        "|---|---|---|---|---|---|---|",
    ]
    for batch, rows in results["batch"].items():
        for name, r in rows.items():
            share = f"{r['gflops'] / peak:.0%}" if peak else "–"
            lines.append(
                f"| {batch} | {name} | {r['median_ms']:.2f} | {r['min_ms']:.2f} | "
                f"{r['median']:.2f} | {r['min']:.2f} | {share} |"
            )
    lines += [
        "",
        "| peer | import s | first step s | first step s, code cached | peak memory MB |",
        "|---|---|---|---|---|",
    ]
    for name, r in results["start"].items():
        memory = "–" if r.get("memory_mb") is None else f"{r['memory_mb']:.0f}"
        warm = f"{r['warm_s']:.1f}" if "warm_s" in r else "–"
        lines.append(f"| {name} | {r['import_s']:.1f} | {r['first_s']:.1f} | {warm} | {memory} |")
    return "\n".join(lines)
