"""Trains npgan's GAN with different settings for as many steps as fit in the same seconds.

    python benchmarks/recipes.py rates OUT      # steps per second of each recipe
    python benchmarks/recipes.py train OUT [--seconds 60 180] [--seeds 0 1 2]
                                           [--recipes default ...] [--jobs 2]
    python benchmarks/recipes.py score OUT      # scores of every .npy file there: OUT/scores.json
    python benchmarks/recipes.py table OUT      # Markdown; --page adds the scores to
                                                # docs/recipes.json, and writes docs/recipes.md
    python benchmarks/recipes.py plot OUT DIR   # DIR/recipes.png, DIR/recipes_samples.png
    python benchmarks/recipes.py batches OUT [--epochs 24] [--seeds 0 1 2] [--jobs 2]
                                         [--recipes 64 ...]
                                                # at equal images, by npgan.sweep; --page as above,
                                                # with every run that OUT holds

A recipe is a set of arguments of `GAN()`. The weights after n steps have the same bits on any
number of threads. Therefore the steps per second are measured once, with all recipes in turns, on
all cores of a machine without other work. The training may then run while the machine does other
work: its seconds are steps / rate. A recipe with a schedule is trained once for each time.

Samples that OUT already holds are not made again. A recipe takes the defaults of `GAN()` for what
it does not name, so use a new OUT after a default has changed.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from page import PAGE, machine, median_cells, put
from quality import curves, narrate, publish, read, run_one, runs, score, table, train_one
from quality_programs import npgan_with

from npgan import GAN, datasets, plot

CONSTANT: dict[str, Any] = dict(lr=5e-4, lr_decay=0.0)
FALLING: dict[str, Any] = dict(lr=1e-3, lr_decay=1.0)
# Generator()'s sizes, which were the default of GAN() before.
CLASSIC: dict[str, Any] = dict(latent=100, hidden=(256, 512, 1024))
PLAIN: dict[str, Any] = dict(
    CLASSIC, loss="nonsaturating", penalty=None, lr=4e-4, lr_decay=0.0, beta1=0.5, beta2=0.999
)
SHORT: dict[str, Any] = dict(PLAIN, beta1=0.0, beta2=0.99)  # Adam with a short memory
PLAIN_R1: dict[str, Any] = dict(SHORT, penalty="r1", penalty_weight=0.2)

# Compared at both times, on three seeds. What a name does not say is as in the default, except that
# each penalty has its own default weight and interval.
RECIPES: dict[str, dict[str, Any]] = {
    "default": {},
    "constant lr 5e-4": CONSTANT,
    "lr falling from 1e-3": FALLING,
    "lr 1e-3": dict(lr=1e-3),
    "no average": dict(average=0.0),
    "no penalty": dict(penalty=None),
    "R1 alone": dict(penalty="r1"),
    "hinge": dict(loss="hinge"),
    "least squares": dict(loss="least_squares"),
    "non-saturating": dict(loss="nonsaturating"),
    "non-saturating, smoothing 0.1": dict(loss="nonsaturating", smoothing=0.1),
    "minimax": dict(loss="minimax"),
    "WGAN-GP": dict(loss="wasserstein", penalty="wgan_gp"),
    "instance noise 0.3": dict(instance_noise=0.3),
    "dropout 0.3": dict(dropout=0.3),
    "D at half the rate": dict(lr=(8e-4, 4e-4)),
    "two D steps": dict(d_steps=2),
    "batch 32, lr 6e-4": dict(batch=32, lr=6e-4),
    "batch 128, lr 1.2e-3": dict(batch=128, lr=1.2e-3),
    "classic": CLASSIC,
    "classic, constant lr 5e-4": dict(CLASSIC, **CONSTANT),
    "classic, lr falling from 1e-3": dict(CLASSIC, **FALLING),
}

# Tried before, on one seed, and on more if the result was good. Most have the "classic" generator.
SCREENED: dict[str, dict[str, Any]] = {
    "G of 256, 512, 512": dict(hidden=(256, 512, 512)),
    "latent 100": dict(latent=100),
    "latent 100, D of 512, 128": dict(latent=100, hidden_D=(512, 128)),
    "G of 512, 512, latent 100": dict(hidden=(512, 512), latent=100),
    "G of 256, 512, 512, latent 100": dict(hidden=(256, 512, 512), latent=100),
    "G of 512, 512, 512, 512, latent 100": dict(hidden=(512, 512, 512, 512), latent=100),
    "classic, latent 16": dict(CLASSIC, latent=16),
    "classic, latent 32": dict(CLASSIC, latent=32),
    "classic, latent 64": dict(CLASSIC, latent=64),
    "classic, R1 alone": dict(CLASSIC, penalty="r1"),
    "classic, no penalty": dict(CLASSIC, penalty=None),
    "classic, no average": dict(CLASSIC, average=0.0),
    "classic, penalty weight 1": dict(CLASSIC, penalty_weight=1.0),
    "classic, lr 5e-4": dict(CLASSIC, lr=5e-4),
    "classic, lr 1e-3": dict(CLASSIC, lr=1e-3),
    "classic, batch 32, lr 6e-4": dict(CLASSIC, batch=32, lr=6e-4),
    "classic, batch 128, lr 1.2e-3": dict(CLASSIC, batch=128, lr=1.2e-3),
    "classic, lr falling from 7e-4": dict(CLASSIC, lr=7e-4, lr_decay=1.0),
    "classic, lr falling from 2e-3": dict(CLASSIC, lr=2e-3, lr_decay=1.0),
    "classic, lr falling from 1e-3, R1 alone": dict(CLASSIC, **FALLING, penalty="r1"),
    "classic, lr falling from 1e-3, penalty weight 1": dict(CLASSIC, **FALLING, penalty_weight=1.0),
    "classic, lr falling from 1e-3, latent 32": dict(CLASSIC | FALLING, latent=32),
    "classic, lr falling from 1e-3, D of 1024, 512": dict(CLASSIC, **FALLING, hidden_D=(1024, 512)),
    "classic, lr falling from 1.5e-3, batch 128": dict(CLASSIC, lr=1.5e-3, lr_decay=1.0, batch=128),
    "classic, lr falling from 7e-4, batch 32": dict(CLASSIC, lr=7e-4, lr_decay=1.0, batch=32),
    "classic, lr falling from 5e-4, batch 16": dict(CLASSIC, lr=5e-4, lr_decay=1.0, batch=16),
    "classic, constant lr 8e-4": dict(CLASSIC, lr=8e-4, lr_decay=0.0),
    "classic, constant lr 5e-4, batch 32": dict(CLASSIC, **CONSTANT, batch=32),
    "classic, constant lr 8e-4, batch 128": dict(CLASSIC, lr=8e-4, lr_decay=0.0, batch=128),
    "classic, constant lr 5e-4, penalty weight 0.05": dict(
        CLASSIC, **CONSTANT, penalty_weight=0.05
    ),
    "classic, constant lr 5e-4, penalty weight 1": dict(CLASSIC, **CONSTANT, penalty_weight=1.0),
    "classic, constant lr 5e-4, R1 alone": dict(CLASSIC, **CONSTANT, penalty="r1"),
    "classic, constant lr 5e-4, no penalty": dict(CLASSIC, **CONSTANT, penalty=None),
    "classic, constant lr 5e-4, no average": dict(CLASSIC, **CONSTANT, average=0.0),
    "classic, constant lr 5e-4, D at half the rate": dict(CLASSIC, lr=(5e-4, 2.5e-4), lr_decay=0.0),
    "classic, constant lr 5e-4, two D steps": dict(CLASSIC, **CONSTANT, d_steps=2),
    "plain, lr 2e-4": dict(PLAIN, lr=2e-4),
    "plain, lr 4e-4": PLAIN,
    "plain, batch 32, lr 3e-4": dict(PLAIN, batch=32, lr=3e-4),
    "plain, instance noise 0.3": dict(PLAIN, instance_noise=0.3),
    "plain, smoothing 0.1": dict(PLAIN, smoothing=0.1),
    "plain, dropout 0.3": dict(PLAIN, dropout=0.3),
    "plain, short memory": SHORT,
    "plain, short memory, R1": PLAIN_R1,
    "plain, short memory, hinge, R1": dict(PLAIN_R1, loss="hinge"),
    "plain, short memory, least squares, R1": dict(PLAIN_R1, loss="least_squares"),
    "plain, minimax": dict(PLAIN, loss="minimax"),
    "plain, short memory, WGAN-GP": dict(SHORT, loss="wasserstein", penalty="wgan_gp"),
}
# Batches that are k times as large, compared at equal numbers of images: the learning rate times 1/2,
# 1, √k and k; the average over as many images as with 64; the penalty as often by images.
BATCHES: dict[str, dict[str, Any]] = {"64": {}}
for k in (4, 16):
    same: dict[str, Any] = dict(batch=64 * k, average=0.999**k, penalty_every=16 // k)
    BATCHES[f"{64 * k}, all else as for 64"] = dict(batch=64 * k)
    for words, by in (("4e-4", 0.5), ("8e-4", 1.0), ("8e-4 √k", k**0.5), ("8e-4 k", float(k))):
        BATCHES[f"{64 * k}, lr {words}"] = dict(same, lr=8e-4 * by)
# The scores of BATCHES, and how they are written.
FORMS = {"frechet_distance": ".1f", "confident": ".0%", "precision": ".2f", "recall": ".2f"}
ALL = RECIPES | SCREENED
PROGRAMS = {name: npgan_with(**settings) for name, settings in ALL.items()}
WARM, TURN = 20, 60  # steps of a turn that are not timed, and that are
ROUNDS = 7  # turns of each recipe


def rates(out: Path, chosen: list[str]) -> None:
    """Steps per second of each recipe, the median of its turns, into OUT/rates.json."""
    out.mkdir(parents=True, exist_ok=True)
    kept = out / "rates.json"
    found = json.loads(kept.read_text()) if kept.exists() else {}
    data = datasets.mnist()
    seconds: dict[str, list[float]] = {name: [] for name in chosen}
    gans: dict[str, Any] = {}
    for name in chosen:
        gans[name] = gan = GAN(**ALL[name])
        gan.start(data.shape)
    for _ in range(ROUNDS):
        for name, gan in gans.items():
            batches = datasets.batches(data.images, gan.images_per_step, gan.shuffle_rng(0))
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
    """Train the recipes that were asked for, with every seed, several at a time."""
    from npgan.bench.child import environment
    from npgan.kernels.compiled import available_cores

    try:
        found = json.loads((args.out / "rates.json").read_text())
    except OSError:
        raise SystemExit(
            f"{args.out} has no rates.json; `recipes.py rates {args.out}` makes it"
        ) from None

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
                words = [str(folder), "--recipes", name, "--seeds", str(seed)]
                words += ["--rate", str(found[name])]
                train_one(f"{name}, seed {seed}", words, seconds, clean)

    with ThreadPoolExecutor(args.jobs) as pool:
        list(pool.map(one, ((seed, name) for seed in args.seeds for name in args.recipes)))


def batches(args: argparse.Namespace) -> None:
    """Train settings of BATCHES to equal numbers of images; the table of all runs in OUT."""
    import npgan
    from npgan.kernels.cores import available_cores
    from npgan.training.sweep_runs import pool, stop_event

    if unknown := [name for name in args.recipes or () if name not in BATCHES]:
        raise SystemExit(f"{unknown[0]!r} is none of {', '.join(BATCHES)}")
    chosen = {name: BATCHES[name] for name in args.recipes or BATCHES}
    stop = stop_event()
    workers = pool(args.jobs, stop)
    try:
        npgan.sweep(
            chosen, args.seeds, workers, epochs=args.epochs, out=args.out,
            threads=max(1, available_cores() // args.jobs),
            report=lambda result: narrate(f"{result.out.name} {result.state} {result.error or ''}"),
        )  # fmt: skip
    finally:
        stop.set()
        workers.shutdown(cancel_futures=True)
    lines = [
        f"Medians (with the smallest and the largest) of the seeds after {args.epochs} epochs:",
        "",
        "| batch | seeds | Fréchet distance | confident | precision | recall |",
        "|---|---|---|---|---|---|",
    ]
    for name in BATCHES:
        scores = [scores_of(out, args.epochs) for out in run_directories(args.out, name)]
        if scores := [score for score in scores if score]:
            lines.append(f"| {name} | {len(scores)} | {' | '.join(median_cells(scores, FORMS))} |")
    print("\n".join(lines))
    if args.page:
        put("batches", "\n".join([*lines, "", machine()]), PAGE.with_name("recipes.md"))


def run_directories(out: Path, name: str) -> list[Path]:
    """The directories in which npgan.sweep has trained these settings, by seed."""
    return sorted(path for path in out.iterdir() if path.name.rpartition("-")[0] == name)


def scores_of(out: Path, epochs: int) -> dict[str, float]:
    """The scores of 10,000 samples of a run, kept in its directory; none if it is not complete."""
    from npgan.metrics import evaluate

    if not (out / "checkpoint.npz").exists() or (gan := GAN.load(out)).epoch_ < epochs:
        return {}
    kept = out / "scores.json"
    if not kept.exists():
        images = gan.sample(10_000, rng=gan.config["rng"], refine=0, keep=1)
        kept.write_text(json.dumps(evaluate(images), default=float) + "\n")
    found: dict[str, float] = json.loads(kept.read_text())
    return found


def added(scores: Path, page: Path) -> Path:
    """Add scores to the file of a page, which keeps its other scores if the judge is the same."""
    old, new = read(page), read(scores)
    if old["judge"] == new["judge"]:
        new["samples"] = old["samples"] | new["samples"]
    page.write_text(json.dumps(new, indent=1) + "\n")
    return page


def main() -> None:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    actions = parser.add_subparsers(dest="action", required=True)
    for action in ("rates", "train", "run-one", "score", "table", "plot", "batches"):
        sub = actions.add_parser(action)
        sub.add_argument("out", type=Path)
        if action in ("rates", "train", "run-one"):
            sub.add_argument(
                "--recipes", nargs="+", choices=ALL, default=list(RECIPES), metavar="NAME"
            )
        if action in ("train", "run-one"):
            sub.add_argument("--seconds", type=float, nargs="+", default=[60, 180])
        if action in ("train", "run-one", "batches"):
            sub.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
        if action == "batches":
            sub.add_argument("--epochs", type=int, default=24)
            sub.add_argument("--recipes", nargs="+", metavar="NAME", help="(default: all)")
        if action in ("train", "batches"):
            sub.add_argument(
                "--jobs",
                type=int,
                default=1,
                help="recipes that are trained at a time, on shared cores",
            )
        if action == "run-one":
            sub.add_argument("--rate", type=float)
        if action == "plot":
            sub.add_argument("pictures", type=Path)
        if action in ("table", "batches"):
            sub.add_argument(
                "--page", action="store_true", help="write docs/recipes.json and docs/recipes.md"
            )
    args = parser.parse_args()
    if args.action == "rates":
        rates(args.out, args.recipes)
    elif args.action == "train":
        train(args)
    elif args.action == "batches":
        batches(args)
    elif args.action == "run-one":
        run_one(PROGRAMS[args.recipes[0]], args.out, args.seeds[0], args.seconds, args.rate)
    elif args.action == "score":
        score(args.out, PROGRAMS)
    elif args.action == "table":
        scores = args.out / "scores.json"
        if args.page:
            scores = added(scores, PAGE.with_name("recipes.json"))
        for part, names in (("recipes", RECIPES), ("screened", SCREENED)):
            programs = {name: PROGRAMS[name] for name in names}
            if curves(scores, programs):
                print(table(scores, programs) + "\n")
                if args.page:
                    publish(scores, programs, "recipes.md", part)
    else:
        from quality_pictures import gallery, ranking

        found = curves(args.out / "scores.json", {name: PROGRAMS[name] for name in RECIPES})
        args.pictures.mkdir(parents=True, exist_ok=True)
        plot.save(ranking(found), args.pictures / "recipes.png")
        plot.save(
            gallery(args.out, found, digits=(2, 10), pixels=30),
            args.pictures / "recipes_samples.png",
        )


if __name__ == "__main__":
    main()
