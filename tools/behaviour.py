"""Record what npgan computes, writes and prints, and compare it with an earlier record.

    python tools/behaviour.py record before.json     # on the old commit
    python tools/behaviour.py compare before.json    # on the new one: prints the differences

For a change that must not change results, such as a move of files or a new name. A record holds,
for short training runs (each loss, each penalty, each option, both kernel sets), the SHA-256 of
every array in the checkpoint and of every file of the run; the reports of the gradient checker on a
set of right and wrong gradients; and what the commands print on stdout, with their exit codes. The
bits of a record belong to one machine and one NumPy: compare on the same ones.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import io
import json
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

import npgan
from npgan import GAN, datasets, testing
from npgan.cli import main

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "benchmarks"))

SMALL: dict[str, Any] = dict(latent=8, hidden=(32, 24), hidden_D=(24, 16), batch=32, rng=3)
LOSSES = ("nonsaturating", "minimax", "least_squares", "hinge", "wasserstein", "relativistic")
RUNS: dict[str, dict[str, Any]] = {
    "small": SMALL,
    "conditional": {**SMALL, "conditional": True},
    **{f"loss {name}": {**SMALL, "loss": name, "penalty": None} for name in LOSSES},
    **{
        f"penalty {name}": {**SMALL, "penalty": name, "penalty_every": 2}
        for name in ("r1", "r2", "r1+r2", "wgan_gp")
    },
    "conditional wgan_gp": {**SMALL, "conditional": True, "penalty": "wgan_gp", "penalty_every": 3},
    "smoothing": {**SMALL, "loss": "nonsaturating", "smoothing": 0.1},
    "smoothed least squares": {**SMALL, "loss": "least_squares", "smoothing": 0.2},
    "noise": {**SMALL, "instance_noise": 0.3},
    "dropout": {**SMALL, "dropout": 0.25, "penalty_every": 2},
    "two updates of D": {**SMALL, "d_steps": 2, "lr": (1e-3, 4e-4), "lr_decay": 1.0},
    "momentum, no average": {**SMALL, "beta1": 0.5, "average": 0.0, "lr_decay": 0.0},
}


def digest(data: Any) -> str:
    return hashlib.sha256(data).hexdigest()[:16]


def recorded_run(settings: dict[str, Any], data: Any, epochs: int = 2) -> dict[str, Any]:
    """The digests of a run's files and of the arrays in its checkpoint, with its last losses."""
    with tempfile.TemporaryDirectory() as folder:
        gan = GAN(**settings).fit(data, epochs=epochs, out=folder, progress=False)
        found: dict[str, Any] = {}
        for path in sorted(Path(folder).rglob("*")):
            if path.name == "config.json":  # it holds the version of npgan
                config = json.loads(path.read_text())
                config.pop("npgan")
                found["config.json"] = config
            elif path.is_file():
                found[str(path.relative_to(folder))] = digest(path.read_bytes())
        with np.load(Path(folder) / "checkpoint.npz") as arrays:
            for name in arrays.files:
                found[f"checkpoint {name}"] = digest(np.ascontiguousarray(arrays[name]).data)
        again = GAN.load(folder)
        found["sample"] = digest(again.sample(7, rng=1).data)
    found["losses"] = {
        name: [round(float(v), 4) for v in values] for name, values in gan.history_.items()
    }
    return found


def runs() -> Iterator[tuple[str, Any]]:
    mnist = datasets.mnist("test")
    few = datasets.Images("few", mnist.images[:256], mnist.labels[:256], mnist.shape)
    for kernels in ("compiled", "reference"):
        npgan.use_kernels(kernels)
        for name, settings in RUNS.items():
            yield f"run, {kernels}, {name}", recorded_run(settings, few)
        ring = datasets.ring(400, rng=0)
        yield f"run, {kernels}, ring", recorded_run({**SMALL, "loss": "nonsaturating"}, ring)
        more = datasets.Images("more", mnist.images[:1920], mnist.labels[:1920], mnist.shape)
        yield f"run, {kernels}, default networks", recorded_run(dict(rng=5), more, epochs=1)
    npgan.use_kernels("compiled")


def report_of(report: Any) -> dict[str, Any]:
    """A report's verdicts and numbers, without its sentences."""
    found = report.to_dict()
    rows = [
        {k: v for k, v in row.items() if k not in ("hint", "hints", "reason")}
        for row in found["arguments"]
    ]
    return {
        "verdict": found["verdict"],
        "faults": len(found["faults"]),
        "evaluations": found["evaluations"],
        "rows": rows,
    }


def reports() -> Iterator[tuple[str, Any]]:
    for report in testing.check_own(0):
        yield f"own, {report.title}", report_of(report)
    import gradcheck_cases as cases

    rng = np.random.default_rng(0)
    for case in cases.cases():
        for dtype in (np.float64, np.float32):
            args = tuple(
                np.asarray(a, dtype) if np.asarray(a).dtype.kind == "f" else a for a in case.args
            )
            right = testing.check_gradients(case.forward, case.backward, args, style="dout", seed=1)
            yield f"check, {case.name}, {dtype.__name__}, right", report_of(right)

            def wrong(dout: Any, *xs: Any, case: Any = case) -> tuple:
                return tuple(1.01 * np.asarray(g) for g in case.backward(dout, *xs))

            yield (
                f"check, {case.name}, {dtype.__name__}, 1 % off",
                report_of(testing.check_gradients(case.forward, wrong, args, style="dout", seed=1)),
            )
    x, W = rng.standard_normal((60, 50)), rng.standard_normal((50, 40))
    big = testing.check_gradients(
        lambda x, W: np.tanh(x @ W),
        lambda d, x, W: (
            (d * (1 - np.tanh(x @ W) ** 2)) @ W.T,
            x.T @ (d * (1 - np.tanh(x @ W) ** 2)),
        ),
        (x, W),
        seed=2,
    )
    yield "check, a large layer, by projections", report_of(big)
    taylor = testing.taylor_test(lambda x: np.sum(np.sin(x)), lambda x: np.cos(x), (x[0],), seed=0)
    yield "taylor", [taylor.order, *taylor.remainders.tolist()]
    power = testing.check_power(
        lambda x: np.tanh(x), lambda d, x: d * (1 - np.tanh(x) ** 2), (x[:3, :4],)
    )
    yield "power", power.to_dict()
    numerical = testing.numerical_gradient(lambda x: float(np.sum(np.exp(x))), x[0, :6])
    yield "numerical", [np.asarray(part).tolist() for part in numerical]


def commands() -> Iterator[tuple[str, Any]]:
    """What the commands print on stdout, with the exit code; paths and versions replaced."""
    train = (
        "train --data few.npz --epochs 2 --batch 32 --latent 8 --hidden 32 24 --hidden-D 24 16 "
        "--seed 4 --quiet"
    )
    lines = [
        f"{train} --out a", f"{train} --out b --conditional --json", "train --out a",
        "train --resume a --epochs 3 --quiet", "train --resume a", "train --resume a --lr 1",
        "sample a --seed 1 --json", "sample b --digit 3 --npy c.npy --seed 1", "sample nowhere",
        "sample a --interpolate --seed 2", "sample a --digit 3", "evaluate a -n 200",
        "evaluate b -n 200 --json", "evaluate no.npy", "noise -n 4 --seed 1 --out noise.png",
        "train --penalty-every 0", "train --loss no", "train --smoothing 0.1 --loss hinge",
        "gradcheck no", "info --json", "--version",
    ]  # fmt: skip
    mnist = datasets.mnist("test")
    here = os.getcwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        np.savez("few.npz", x=mnist.images[:256], y=mnist.labels[:256])
        for line in lines:
            out = io.StringIO()
            code: Any
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(io.StringIO()):
                try:
                    code = main(line.split())
                except SystemExit as stop:
                    code = stop.code
            text = out.getvalue().replace(folder, "").replace(npgan.__version__, "VERSION")
            yield f"npgan {line}", [code, re.sub(r"(npgan\S*\s+)\d+\.\d+\.\S+", r"\1VERSION", text)]
        pictures = {str(p): digest(p.read_bytes()) for p in sorted(Path().rglob("*.png"))}
        yield "pictures of the commands", pictures
        os.chdir(here)


def everything(parts: list[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, part in (("runs", runs), ("reports", reports), ("commands", commands)):
        if name in parts:
            for key, value in part():
                found[key] = value
                print(f"\r{len(found)} {key:70.70}", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return json.loads(json.dumps(found))


def differences(old: Any, new: Any, where: str = "") -> Iterator[str]:
    if isinstance(old, dict) and isinstance(new, dict):
        for key in [*old, *(key for key in new if key not in old)]:
            if key not in new or key not in old:
                yield f"{where}{key}: only in the {'old' if key in old else 'new'} record"
            else:
                yield from differences(old[key], new[key], f"{where}{key}: ")
    elif old != new and not (old != old and new != new):  # NaN equals NaN here
        yield f"{where}{old!r:.200} became {new!r:.200}"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("action", choices=("record", "compare"))
    parser.add_argument("file", type=Path)
    parser.add_argument(
        "--parts", nargs="+", default=["runs", "reports", "commands"], help="of the record"
    )
    args = parser.parse_args()
    found = everything(args.parts)
    if args.action == "record":
        args.file.write_text(json.dumps(found, indent=1))
    else:
        old = json.loads(args.file.read_text())
        if args.parts != ["runs", "reports", "commands"]:
            old = {key: value for key, value in old.items() if key in found}
        changed = list(differences(old, found))
        print("\n".join(changed) or f"{len(found)} records, all equal")
        sys.exit(bool(changed))
