"""Runs that go wrong on purpose. They set the thresholds of npgan/training/health.py.

    python tools/health_runs.py                     every run: its numbers, and what health reports
    python tools/health_runs.py collapse swings     only these
    python tools/health_runs.py --pictures docs/images good collapse won

The exit code is 1 if a run was not reported as expected. The last command draws the pictures of
docs/reading-a-run.md. Each run takes seconds, because networks and data are small.
tests/test_health.py makes the same runs, some of them shorter.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from npgan import GAN, datasets, plot
from npgan.datasets import Images
from npgan.training import State, health
from npgan.training.sample_statistics import SampleStatistics, draw_reference, measure
from npgan.training.streams import Stream

# Both are named in full, whatever the defaults are.
PLAIN = dict(
    loss="nonsaturating", beta1=0.5, beta2=0.999, average=0.999, penalty=None, lr_decay=0.0
)
PAIRS = dict(
    loss="relativistic", lr=5e-4, beta1=0.0, beta2=0.99, average=0.999, lr_decay=0.0,
    penalty="r1+r2", penalty_weight=0.2, penalty_every=16,
)  # fmt: skip
IMAGES = dict(PLAIN, hidden=(128, 256), hidden_D=(128, 64), latent=32, batch=64)
POINTS = dict(PLAIN, hidden=(64, 64), hidden_D=(64, 64), latent=2, batch=256)
PAIRS_OF_IMAGES, PAIRS_OF_POINTS = {**IMAGES, **PAIRS}, {**POINTS, **PAIRS}
UNHELD = dict(penalty=None, penalty_weight=None, penalty_every=None)


class Recipe(NamedTuple):
    """A run, and the names of the findings that health is expected to explain, in order."""

    source: int | str  # a number of MNIST images, or "ring", or "cloud"
    settings: dict[str, Any]
    epochs: int
    expected: list[str]
    # The epochs after which all of this has been reported already if the first 1500 steps are not
    # left out, but only the first 600. The learning rates are constant, so these epochs have the
    # same bits as those of the whole run. None: the whole run is needed.
    short: int | None = None


STRONG, WEAK, COLLAPSE = "D too strong", "D too weak", "collapse"
RECIPES = {
    "good": Recipe(20_000, dict(IMAGES, lr=1e-3), 10, []),
    "won": Recipe(10_000, dict(IMAGES, lr=(1e-5, 2e-3)), 11, [STRONG], 5),
    "weak": Recipe(10_000, dict(IMAGES, hidden_D=(2,), lr=(2e-3, 1e-5)), 11, [WEAK, COLLAPSE], 5),
    "collapse": Recipe(10_000, dict(IMAGES, lr=(1e-2, 1e-3)), 11, [STRONG, COLLAPSE], 5),
    "memory": Recipe(20, dict(IMAGES, latent=4, batch=20, lr=1e-3), 2200, ["memorisation"]),
    # A linear G on its way around has little spread.
    "swings": Recipe(
        "cloud",
        dict(POINTS, hidden=(), hidden_D=(), batch=64, lr=3e-2, beta1=0.9),
        130,
        [COLLAPSE, "oscillation"],
    ),
    "equilibrium": Recipe(
        "ring",
        dict(POINTS, lr=2e-3, penalty="r1", penalty_weight=0.03, penalty_every=4),
        50,
        ["equilibrium"],
    ),
    "pairs-good": Recipe(20_000, PAIRS_OF_IMAGES, 6, []),
    "pairs-won": Recipe(
        10_000, dict(PAIRS_OF_IMAGES, **UNHELD, lr=(1e-5, 2e-3)), 11, [STRONG, COLLAPSE], 7
    ),
    "pairs-weak": Recipe(10_000, dict(PAIRS_OF_IMAGES, lr=(5e-4, 2.5e-5)), 11, [WEAK, COLLAPSE], 5),
    "pairs-dead": Recipe(10_000, dict(PAIRS_OF_IMAGES, **UNHELD, lr=(5e-4, 5e-3)), 11, [WEAK], 5),
    "pairs-collapse": Recipe(
        10_000, dict(PAIRS_OF_IMAGES, **UNHELD, lr=(1e-2, 1e-3)), 11, [STRONG, COLLAPSE], 7
    ),
    "pairs-equilibrium": Recipe("ring", dict(PAIRS_OF_POINTS, lr=2e-3), 90, ["equilibrium"]),
}


def data_of(source: int | str) -> Images:
    if source == "ring":
        return datasets.ring(rng=0)
    if source == "cloud":  # G and D are linear on it, as in Mescheder et al. 2018, section 2
        points = np.random.default_rng(0).normal([0.8, 0.3], 0.05, (2000, 2))
        return Images("a cloud", points.astype(np.float32), None, (2,))
    mnist = datasets.mnist()
    return Images("mnist", mnist.images[:source], mnist.labels[:source], mnist.shape)


def run(
    name: str, epochs: int | None = None, verbose: bool = False
) -> tuple[GAN, list[tuple[int, str]]]:
    """The GAN after the epochs of its recipe, or these, and health's reports with their epochs."""
    recipe = RECIPES[name]
    data, gan = data_of(recipe.source), GAN(**recipe.settings)
    reports: list[tuple[int, str]] = []
    remarks = health.monitor(data, lambda: gan.stream(Stream.HEALTH))

    def after_epoch(state: State[GAN]) -> None:
        reports.extend((state.epoch, line) for line in remarks(state))
        if verbose and state.epoch % max(1, state.epochs // 10) == 0:
            real = draw_reference(data, gan.stream(Stream.HEALTH))
            samples = gan.sample(health.N_SAMPLES, gan.stream(Stream.HEALTH), refine=0, keep=1)
            print_row(state, measure(samples, real))

    gan.fit(data, epochs=epochs or recipe.epochs, callbacks=[after_epoch], progress=False)
    return gan, reports


def explained(reports: list[tuple[int, str]]) -> list[str]:
    """The names of the findings that were explained, in order."""
    return [line.partition(":")[0] for _, line in reports if not line.startswith("still")]


def print_row(state: State[GAN], samples: SampleStatistics) -> None:
    """One line of an epoch's means and of the statistics of samples."""
    row = "  ".join(f"{name} {value:.3f}" for name, value in state.row.items() if name != "epoch")
    numbers = "  ".join(
        f"{name} {getattr(samples, name):.2f}"
        for name in ("spread", "variety", "distance", "copies")
    )
    missing = ",".join(map(str, samples.missing)) or "-"
    print(f"{state.epoch:4d}  {row}  {numbers}  missing {missing}", flush=True)


def main() -> int:
    """Make the runs; returns the number of those that were not reported as expected."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="RUN", help=", ".join(RECIPES))
    parser.add_argument(
        "--pictures", type=Path, metavar="DIR", help="write reading-RUN.png and -samples.png"
    )
    args = parser.parse_args()
    surprises = 0
    for name in args.names or RECIPES:
        if name not in RECIPES:
            parser.error(f"there is no run {name!r}; there are {', '.join(RECIPES)}")
        print(f"{name}: {RECIPES[name]}")
        gan, reports = run(name, verbose=True)
        print(*(f"{epoch:4d}  health: {line}" for epoch, line in reports), sep="\n")
        if explained(reports) != RECIPES[name].expected:
            print(f"{name}: expected {RECIPES[name].expected}, reported {explained(reports)}")
            surprises += 1
        if args.pictures and gan.pixels_:
            plot.save(plot.losses(gan.history_), args.pictures / f"reading-{name}.png")
            plot.save(
                plot.grid(gan.sample(40, rng=1), columns=10, scale=2),
                args.pictures / f"reading-{name}-samples.png",
            )
    return surprises


if __name__ == "__main__":
    sys.exit(min(main(), 1))
