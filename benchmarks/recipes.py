"""Recipes for npgan's GAN, each trained for as many steps as it can take in the same seconds, and scored.

    python benchmarks/recipes.py rates OUT      # steps per second of each, on all cores of a quiet machine
    python benchmarks/recipes.py train OUT [--seconds 60 180] [--seeds 0 1 2] [--recipes default ...] [--jobs 2]
    python benchmarks/recipes.py score OUT      # of every .npy there: OUT/scores.json
    python benchmarks/recipes.py table OUT      # Markdown; --page writes it into docs/recipes.md
    python benchmarks/recipes.py plot OUT DIR   # DIR/recipes.png (curves), DIR/recipes_samples.png

A GAN's weights after n steps have the same bits on any number of threads. So the rate is measured once, with all
recipes taking turns, and the training may then run beside other work: its seconds are steps / rate. A recipe is
what `GAN()` takes; what it does not name has the default's value, so take a new OUT when a default has changed:
what lies there is not trained again. A recipe with a schedule is trained once for each time.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from quality import curves, narrate, publish, run_one, runs, score, table, train_one
from quality_programs import npgan_with

from npgan import GAN, datasets

CONSTANT: dict[str, Any] = dict(lr=5e-4, lr_decay=0.0)  # the default before
FALLING: dict[str, Any] = dict(lr=1e-3, lr_decay=1.0)
PLAIN: dict[str, Any] = dict(CONSTANT, loss="nonsaturating", penalty=None, beta1=0.5, beta2=0.999)
SHORT: dict[str, Any] = dict(PLAIN, beta1=0.0, beta2=0.99, lr=4e-4)  # Adam with a short memory

RECIPES: dict[str, dict[str, Any]] = {
    "default": {},
    "default, R1 alone": dict(penalty="r1"),
    "default, no penalty": dict(penalty=None),
    "default, no average": dict(average=0.0),
    "default, lr 5e-4": dict(lr=5e-4),
    "default, lr 1e-3": dict(lr=1e-3),
    "default, batch 32, lr 6e-4": dict(batch=32, lr=6e-4),
    "default, batch 128, lr 1.2e-3": dict(batch=128, lr=1.2e-3),
    "default, penalty weight 1": dict(penalty_weight=1.0),
    "default, latent 16": dict(latent=16),
    "default, latent 32": dict(latent=32),
    "default, latent 64": dict(latent=64),
    "default, G of 256, 512, 512": dict(hidden=(256, 512, 512)),
    "default, G of 512, 512": dict(hidden=(512, 512)),
    "default, G of 512, 512, 512": dict(hidden=(512, 512, 512)),
    "default, G of 512, 512, 512, 512": dict(hidden=(512, 512, 512, 512)),
    "default, G of 512, 512, 512, latent 32": dict(hidden=(512, 512, 512), latent=32),
    "default, G of 512, 512, 512, D of 512, 128": dict(hidden=(512, 512, 512), hidden_D=(512, 128)),
    "falling from 1e-3": FALLING,
    "falling from 7e-4": dict(FALLING, lr=7e-4),
    "falling from 2e-3": dict(FALLING, lr=2e-3),
    "falling from 1e-3, R1 alone": dict(FALLING, penalty="r1"),
    "falling from 1e-3, penalty weight 1": dict(FALLING, penalty_weight=1.0),
    "falling from 1e-3, latent 32": dict(FALLING, latent=32),
    "falling from 1e-3, D of 1024, 512": dict(FALLING, hidden_D=(1024, 512)),
    "falling from 1.5e-3, batch 128": dict(FALLING, lr=1.5e-3, batch=128),
    "falling from 7e-4, batch 32": dict(FALLING, lr=7e-4, batch=32),
    "falling from 5e-4, batch 16": dict(FALLING, lr=5e-4, batch=16),
    "constant 5e-4": CONSTANT,
    "constant 8e-4": dict(CONSTANT, lr=8e-4),
    "constant 5e-4, batch 32": dict(CONSTANT, batch=32),
    "constant 8e-4, batch 128": dict(CONSTANT, lr=8e-4, batch=128),
    "constant 5e-4, penalty weight 0.05": dict(CONSTANT, penalty_weight=0.05),
    "constant 5e-4, penalty weight 1": dict(CONSTANT, penalty_weight=1.0),
    "constant 5e-4, R1 alone": dict(CONSTANT, penalty="r1"),
    "constant 5e-4, no penalty": dict(CONSTANT, penalty=None),
    "constant 5e-4, no average": dict(CONSTANT, average=0.0),
    "constant 5e-4, D at half the rate": dict(CONSTANT, lr=(5e-4, 2.5e-4)),
    "constant 5e-4, two D steps": dict(CONSTANT, d_steps=2),
    "plain, lr 2e-4": dict(PLAIN, lr=2e-4),
    "plain, lr 4e-4": dict(PLAIN, lr=4e-4),
    "plain, batch 32, lr 3e-4": dict(PLAIN, batch=32, lr=3e-4),
    "plain, short memory": SHORT,
    "plain, short memory, R1": dict(SHORT, penalty="r1", penalty_weight=0.2),
    "plain, instance noise 0.3": dict(PLAIN, lr=4e-4, instance_noise=0.3),
    "plain, smoothing 0.1": dict(PLAIN, lr=4e-4, smoothing=0.1),
    "plain, dropout 0.3": dict(PLAIN, lr=4e-4, dropout=0.3),
    "hinge, R1": dict(SHORT, loss="hinge", penalty="r1", penalty_weight=0.2),
    "least squares, R1": dict(SHORT, loss="least_squares", penalty="r1", penalty_weight=0.2),
    "minimax": dict(PLAIN, loss="minimax", lr=4e-4),
    "wgan-gp": dict(SHORT, loss="wasserstein", penalty="wgan_gp"),
}


PROGRAMS = {name: npgan_with(**settings) for name, settings in RECIPES.items()}
SEEDS = 3  # the pictures show recipes with as many
WARM, TURN, ROUNDS = 20, 60, 7  # steps of a turn that are not timed, and that are; turns


def rates(out: Path, chosen: list[str]) -> None:
    """Steps per second of each recipe, the median of its turns, into OUT/rates.json."""
    out.mkdir(parents=True, exist_ok=True)
    kept = out / "rates.json"
    found = json.loads(kept.read_text()) if kept.exists() else {}
    data = datasets.mnist()
    seconds: dict[str, list[float]] = {name: [] for name in chosen}
    gans: dict[str, Any] = {}
    for name in chosen:
        gans[name] = gan = GAN(**RECIPES[name])
        gan.start(data.shape)
    for _ in range(ROUNDS):
        for name, gan in gans.items():
            batches = datasets.batches(data.images, gan.batch, gan.order(0))
            for i, batch in zip(range(WARM + TURN), batches, strict=False):
                if i == WARM:
                    began = time.perf_counter()
                gan.step(batch)
            seconds[name].append((time.perf_counter() - began) / TURN)
    for name in chosen:
        found[name] = 1 / statistics.median(seconds[name])
        narrate(f"{name}: {found[name]:.1f} steps/s")
    kept.write_text(json.dumps(found, indent=1) + "\n")


def train(args: argparse.Namespace) -> None:
    from npgan.bench.child import environment
    from npgan.kernels.compiled import available_cores

    try:
        found = json.loads((args.out / "rates.json").read_text())
    except OSError:
        raise SystemExit(f"{args.out} has no rates.json; `recipes.py rates {args.out}` makes it") from None

    if unknown := [name for name in args.recipes if name not in found]:
        raise SystemExit(
            f"{args.out}/rates.json does not have {unknown[0]!r}; `recipes.py rates` measures it"
        )
    threads = max(available_cores() // args.jobs, 1)

    def one(job: tuple[int, str]) -> None:
        seed, name = job
        folder = args.out / name / f"seed{seed}"
        folder.mkdir(parents=True, exist_ok=True)
        clean = environment(threads, args.out.resolve() / "caches", {})
        for seconds in runs(PROGRAMS[name], args.seconds):
            if not all((folder / f"{second:g}.npy").exists() for second in seconds):
                words = [str(folder), "--recipes", name, "--seeds", str(seed), "--rate", str(found[name])]
                train_one(f"{name}, seed {seed}", words, seconds, clean)

    with ThreadPoolExecutor(args.jobs) as pool:
        list(pool.map(one, ((seed, name) for seed in args.seeds for name in args.recipes)))


def main() -> None:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    actions = parser.add_subparsers(dest="action", required=True)
    for action in ("rates", "train", "run-one", "score", "table", "plot"):
        sub = actions.add_parser(action)
        sub.add_argument("out", type=Path)
        if action in ("rates", "train", "run-one"):
            sub.add_argument("--recipes", nargs="+", choices=RECIPES, default=list(RECIPES))
        if action in ("train", "run-one"):
            sub.add_argument("--seconds", type=float, nargs="+", default=[60, 180])
            sub.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
        if action == "train":
            sub.add_argument("--jobs", type=int, default=1, help="so many at a time, which share the cores")
        if action == "run-one":
            sub.add_argument("--rate", type=float)
        if action == "plot":
            sub.add_argument("pictures", type=Path)
        if action == "table":
            sub.add_argument("--page", action="store_true", help="write it into docs/recipes.md")
    args = parser.parse_args()
    if args.action == "rates":
        rates(args.out, args.recipes)
    elif args.action == "train":
        train(args)
    elif args.action == "run-one":
        run_one(PROGRAMS[args.recipes[0]], args.out, args.seeds[0], args.seconds, args.rate)
    elif args.action == "score":
        score(args.out, PROGRAMS)
    elif args.action == "table":
        print(table(args.out, PROGRAMS))
        if args.page:
            publish(args.out, PROGRAMS, "recipes.md", "recipes")
    else:
        from quality_pictures import draw

        found = curves(args.out, PROGRAMS)
        tried = {name: times for name, times in found.items() if max(map(len, times.values())) >= SEEDS}
        narrate(f"{len(found) - len(tried)} recipes with fewer than {SEEDS} seeds are left out")
        draw(args.out, tried, args.pictures, "recipes")


if __name__ == "__main__":
    main()
