"""Matrix products of the default networks' shapes: npgan's kernels and the BLAS of other libraries.

    python benchmarks/gemm.py [--batch 32 64 128 256] [--threads 1 2] [--cold] [--avx2]
                              [--json FILE] [--shapes] [--page]

The shapes are those of a training step: for every layer y = x W (NN), dx = g Wᵀ (NT) and
dW = xᵀ g (TN), and for the inner layers the same with the operations that npgan fuses into them.
Each library runs in its own process, and they take turns, shape by shape. A sample is the mean of
as many calls as fit into some milliseconds, after calls that are not timed. The operands are in the
caches where the call before left them; --cold uses so many copies of them in turn that they come
from beyond the L2 cache. --avx2 restricts npgan and NumPy's BLAS to AVX2 code.

Shares of the peak refer to the float32 peak measured in the same run. Their geometric mean leaves
out D's last layer: with its one column it is a product of a matrix and a vector, whose speed is
limited by memory and not by arithmetic.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import math
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from page import machine, put

from npgan.bench.child import Child, ChildError
from npgan.bench.problem import D_SIZES, G_SIZES
from npgan.bench.step import Machine

FORMS, FUSED = ("NN", "NT", "TN"), ("NN+", "NT+", "TN+")
SAMPLE, WARM = 4e-3, 8e-3  # seconds of a sample, and of calls before it that are not timed
# Seconds after which the threads of NumPy's BLAS, which computed the expected result, are asleep.
SLEEP = 0.05
PASSES = 3  # over all shapes, so that a disturbed minute does not affect one shape alone
COLD = 32e6  # bytes of copies that --cold uses in turn
PEERS = {"npgan": "numba", "numpy": "numpy", "scipy": "scipy", "torch": "torch", "jax": "jax"}
AVX2 = {
    "npgan": {"NUMBA_CPU_NAME": "haswell", "NUMBA_CPU_FEATURES": ""},
    "numpy": {"OPENBLAS_CORETYPE": "Haswell"},
}


class Shape(NamedTuple):
    kind: str
    m: int
    n: int
    k: int

    def __str__(self) -> str:
        return f"{self.kind} {self.m} x {self.n} x {self.k}"


def shapes(batch: int) -> list[Shape]:
    """The products of a step on `batch` rows, layer by layer."""
    found = []
    for sizes in (G_SIZES, D_SIZES):
        for inputs, outputs in pairwise(sizes):
            found.append(Shape("NN", batch, outputs, inputs))
            if inputs != G_SIZES[0]:  # the gradient with respect to z is not needed
                found.append(Shape("NT", batch, inputs, outputs))
            found.append(Shape("TN", inputs, outputs, batch))
    fused = []
    for inputs, outputs in pairwise(G_SIZES[1:-1]):
        fused += [Shape("NN+", batch, outputs, inputs), Shape("NT+", batch, inputs, outputs)]
        fused.append(Shape("TN+", inputs, outputs, batch))
    return found + fused


# ---- in a peer's process ----


def arrays_of(shape: Shape, seed: int) -> dict[str, np.ndarray]:
    kind, m, n, k = shape
    rng = np.random.default_rng(seed)
    draw = lambda *size: rng.standard_normal(size, dtype=np.float32)
    a, b = draw(*(k, m) if kind[0] == "T" else (m, k)), draw(*(n, k) if kind[1] == "T" else (k, n))
    return {"a": a, "b": b, "out": np.zeros((m, n), np.float32), "bias": draw(n), "y": draw(m, n),
            "sums": np.zeros(n, np.float32)}  # fmt: skip


def expected(kind: str, x: dict[str, np.ndarray]) -> np.ndarray:
    a, b = (x[name].astype(np.float64) for name in "ab")
    product = (a.T if kind[0] == "T" else a) @ (b.T if kind[1] == "T" else b)
    if kind == "NN+":
        product += x["bias"]
    if kind in ("NN+", "NT+"):
        product *= np.where((product if kind == "NN+" else x["y"]) > 0, 1, 0.2)
    return product


class Worker:
    def __init__(self, peer: Callable[[], Any]):
        self.bind = peer()

    def start(self, shape: list[Any], cold: bool) -> dict[str, Any]:
        """Prepare a shape: check the result, and find out how many calls make a sample."""
        one = Shape(*shape)
        x = arrays_of(one, 0)
        self.calls = [self.bind(one.kind, x)]
        result = self.calls[0]()
        if x["out"].any():  # written into, as all but JAX do
            result = x["out"]
        elif isinstance(result, tuple):
            result = result[0]
        right = expected(one.kind, x)
        error = float(
            np.abs(np.asarray(result).reshape(right.shape) - right).max() / np.abs(right).max()
        )
        if not error < 1e-5:
            return {"error": f"{one} is wrong by {error:.1e}"}
        time.sleep(SLEEP)
        if cold:
            copies = math.ceil(COLD / sum(array.nbytes for array in x.values()))
            self.calls = [self.bind(one.kind, arrays_of(one, seed)) for seed in range(copies)]
        self.repeat = 1
        while (seconds := self.sample()["seconds"] * self.repeat) < SAMPLE / 2:
            self.repeat = max(2 * self.repeat, int(0.7 * SAMPLE / seconds * self.repeat))
        return {}

    def sample(self) -> dict[str, Any]:
        """Seconds per call."""
        calls, n = self.calls, self.repeat
        calls[0]()
        until, i = time.perf_counter() + WARM, 1  # threads wake up, and find a core each
        while time.perf_counter() < until:
            calls[i % len(calls)]()
            i += 1
        if len(calls) == 1:
            call = calls[0]
            began = time.perf_counter()
            for _ in range(n):
                call()
        else:
            turns = [calls[i % len(calls)] for i in range(n)]
            began = time.perf_counter()
            for call in turns:
                call()
        return {"seconds": (time.perf_counter() - began) / n}


# ---- in the parent ----


def narrate(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def started(
    names: list[str], threads: int, caches: Path, avx2: bool
) -> Iterator[tuple[str, Child]]:
    for name in names:
        more = AVX2[name] if avx2 else {}
        try:
            yield name, Child("gemm:Worker", f"gemm_peers:in_{name}", threads, caches, more)
        except ChildError as error:
            narrate(f"{name} is left out: {error}")


def compare(
    names: list[str],
    batches: list[int],
    threads: int | None,
    rounds: int,
    cold: bool,
    avx2: bool,
    caches: Path,
) -> dict[str, Any]:
    """{"threads", "peak_gflops", "rows": [{"batch", "shape", "times": {peer: {"median_us", "min_us"}}}]}"""
    machine = Machine(threads, caches, narrate, AVX2["npgan"] if avx2 else None)
    children = dict(started(names, machine.threads, caches, avx2))
    times: dict[tuple[int, Shape], dict[str, list[float]]] = {}
    try:
        for turn, batch in [(turn, batch) for turn in range(PASSES) for batch in batches]:
            machine.measure()
            narrate(f"{machine.threads} thread(s), batch {batch}, pass {turn + 1} of {PASSES}")
            for shape in shapes(batch):
                able = {}
                for name, child in children.items():
                    if name == "scipy" and shape.kind in FUSED:
                        continue
                    try:
                        child.ask("start", shape=shape, cold=cold)
                    except ChildError as error:
                        raise SystemExit(f"{name}: {error}") from None
                    able[name] = child
                seen = times.setdefault((batch, shape), {name: [] for name in able})
                for _ in range(rounds):
                    for name, child in able.items():
                        seen[name].append(1e6 * child.ask("sample")["seconds"])
        machine.measure()
    finally:
        for child in [*children.values(), machine]:
            child.close()
    rows = []
    for (batch, shape), seen in times.items():
        found = {n: {"median_us": float(np.median(t)), "min_us": min(t)} for n, t in seen.items()}
        rows.append({"batch": batch, "shape": shape, "times": found})
    return {"threads": machine.threads, "peak_gflops": machine.peak, "rows": rows}


# ---- the tables ----


def gflops(row: dict[str, Any], name: str, key: str) -> float:
    _, m, n, k = row["shape"]
    return 2e-3 * m * n * k / row["times"][name][key]


def geometric_mean(numbers: list[float]) -> float:
    return math.exp(sum(map(math.log, numbers)) / len(numbers)) if numbers else math.nan


def against_the_best(row: dict[str, Any], key: str) -> tuple[float, str]:
    """(time of the fastest other / npgan's time, its name): above 1 npgan is faster."""
    others = {name: t[key] for name, t in row["times"].items() if name != "npgan"}
    best = min(others, key=others.get)  # type: ignore[arg-type]
    return others[best] / row["times"]["npgan"][key], best


def summary(runs: list[dict[str, Any]]) -> str:
    """How near the peak each comes, and npgan's slowest shape against the fastest of the others."""
    names = list(runs[0]["rows"][0]["times"])
    heads = [name for name in names for _ in range(2)]
    lines = [
        "| threads | peak GFLOP/s | "
        + " | ".join(f"{name}{kind}" for name, kind in zip(heads, ["", " (min)"] * 9, strict=False))
        + " |",
        "|---" * (2 + len(heads)) + "|",
    ]
    for run in runs:
        peak = run["peak_gflops"]
        counted = [
            r
            for r in run["rows"]
            if r["batch"] >= 64 and min(r["shape"][1:]) > 1 and r["shape"][0] in FORMS
        ]
        cells = []
        for name in names:
            for key in ("median_us", "min_us"):
                shares = [gflops(row, name, key) / peak for row in counted]
                cells.append(f"{geometric_mean(shares):.0%}" if shares and peak else "–")
        lines.append(f"| {run['threads']} | {peak:.0f} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def ranking(runs: list[dict[str, Any]], kinds: tuple[str, ...], most: int | None) -> str:
    """npgan's slowest shapes and the fastest other library, the worst first; most=None: all shapes."""
    found = [
        (run, row)
        for run in runs
        for row in run["rows"]
        if row["shape"][0] in kinds and len(row["times"]) > 1
    ]
    if most is not None:
        found = sorted(found, key=lambda pair: against_the_best(pair[1], "median_us")[0])[:most]
    lines = [
        "| threads | batch | product m x n x k | npgan µs | share of peak | fastest other | its time / npgan's | by minima |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for run, row in found:
        ratio, best = against_the_best(row, "median_us")
        share = gflops(row, "npgan", "median_us") / run["peak_gflops"]
        lines.append(
            f"| {run['threads']} | {row['batch']} | {Shape(*row['shape'])} | {row['times']['npgan']['median_us']:.1f} | "
            f"{share:.0%} | {best} | {ratio:.2f} | {against_the_best(row, 'min_us')[0]:.2f} |"
        )
    return "\n".join(lines)


def report(results: dict[str, Any], every: bool = False) -> str:
    runs = results["runs"]
    ratios = [against_the_best(row, "median_us")[0] for run in runs for row in run["rows"]
              if row["shape"][0] in FORMS and len(row["times"]) > 1]  # fmt: skip
    parts = [
        f"Operands {'from beyond the L2 cache' if results['cold'] else 'hot'}"
        + (", AVX2 code" if results["avx2"] else "")
        + ". Share of the peak, geometric mean over the shapes at batch 64 and more:",
        summary(runs),
    ]
    if ratios:
        parts += [
            f"Against the fastest of the others, shape by shape: {min(ratios):.2f} at worst, "
            f"{geometric_mean(ratios):.2f} in the mean, faster on {sum(r > 1 for r in ratios)} of {len(ratios)}.",
            ranking(runs, FORMS, None if every else 5),
            "With what follows the product (bias and LeakyReLU, its gate, the sum over the batch):",
            ranking(runs, FUSED, None if every else 6),
        ]
    return "\n\n".join(parts)


def main() -> None:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("--batch", type=int, nargs="+", default=[32, 64, 128, 256])
    parser.add_argument("--threads", type=int, nargs="+", help="default: 1 and all")
    parser.add_argument("--peers", nargs="+", choices=PEERS, default=list(PEERS))
    parser.add_argument("--rounds", type=int, default=5, help="turns in each pass")
    parser.add_argument("--cold", action="store_true")
    parser.add_argument(
        "--avx2", action="store_true", help="npgan against NumPy, both on AVX2 code"
    )
    parser.add_argument(
        "--shapes", action="store_true", help="print every shape, not only the worst"
    )
    parser.add_argument("--json", type=Path)
    parser.add_argument(
        "--page", action="store_true", help="write the report into docs/benchmarks.md"
    )
    args = parser.parse_args()
    names = ["npgan", *(name for name in args.peers if name != "npgan")]
    if args.avx2:
        names = [name for name in names if name in AVX2]
    for name in [name for name in names if not importlib.util.find_spec(PEERS[name])]:
        narrate(f"{name} is left out: {PEERS[name]} is not installed")
        names.remove(name)
    here = str(Path(__file__).parent)
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [here, os.environ.get("PYTHONPATH")]))
    counts: list[int | None] = [*dict.fromkeys(args.threads)] if args.threads else [1, None]
    with tempfile.TemporaryDirectory() as caches:
        runs = [
            compare(names, args.batch, n, args.rounds, args.cold, args.avx2, Path(caches))
            for n in counts
        ]
    results = {"cold": args.cold, "avx2": args.avx2, "runs": runs}
    print(report(results, args.shapes))
    if args.json:
        args.json.write_text(json.dumps(results, indent=1) + "\n")
    if args.page:
        part = "gemm" + "-cold" * args.cold + "-avx2" * args.avx2
        put(part, f"{machine('scipy', 'torch', 'jax')}\n\n{report(results, args.shapes)}")


if __name__ == "__main__":
    main()
