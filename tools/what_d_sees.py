"""What D of a finished run sees in images: its logits, what it likes least and most, its gradient.

    python tools/what_d_sees.py RUN PICTURE.png

Draws 2,000 samples of G alone and 2,000 with the help of D, and as many real images. The critic is
the moving average of D's weights, which `npgan sample` uses.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from npgan import GAN, datasets, plot
from npgan.datasets import to_unit

N, SHOWN, COLUMNS = 2000, 40, 10


def logits(gan: GAN, images: np.ndarray) -> np.ndarray:
    """The critic's logit of each image."""
    return gan.average_D_(pixels(images))[:, 0]


def pixels(images: np.ndarray) -> np.ndarray:
    """Images as rows of numbers in [-1, 1]."""
    return to_unit(images.reshape(len(images), -1))


def draw(gan: GAN, real: np.ndarray, file: Path) -> None:
    """Write the picture."""
    alone = gan.sample(N, rng=0, refine=0, keep=1)
    helped = gan.sample(N, rng=0)
    sets = {"real": real, "G alone": alone, "D helped": helped}
    scores = {name: logits(gan, images) for name, images in sets.items()}
    figure = Figure(figsize=(9, 4.4), layout="constrained")
    places = figure.subplots(2, 2).ravel()

    bins = np.linspace(*np.quantile(np.concatenate([*scores.values()]), [0.002, 0.998]), 40)
    for name, values in scores.items():
        places[0].hist(values, bins, histtype="step", density=True, label=name)
    places[0].set_xlabel("D's logit")
    places[0].set_yticks([])
    places[0].legend(loc="upper left", fontsize=8)

    order = np.argsort(scores["G alone"])
    for axes, title, chosen in (
        (places[2], f"least liked of {N:,} samples of G alone", order[:SHOWN]),
        (places[3], f"most liked of {N:,} samples of G alone", order[::-1][:SHOWN]),
    ):
        show(axes, plot.tile(alone[chosen], COLUMNS), title, cmap="gray")

    some = alone[order[:SHOWN]]
    _, pull = gan.average_D_.forward(pixels(some))
    gradient = pull(np.ones((SHOWN, 1), np.float32), "input").reshape(some.shape)
    largest = np.abs(gradient).max(axis=(1, 2), keepdims=True)
    as_pixels = np.round(127.5 * (gradient / largest + 1)).astype(np.uint8)
    title = "where the least liked want more ink (red) and less (blue)"
    show(places[1], plot.tile(as_pixels, COLUMNS), title, cmap="RdBu_r")
    figure.savefig(file, dpi=110)


def show(axes, grid: np.ndarray, title: str, **options) -> None:
    """One grid of images."""
    axes.imshow(grid, interpolation="nearest", **options)
    axes.set_title(title, fontsize=9)
    axes.axis("off")


def main() -> None:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("run", type=Path)
    parser.add_argument("picture", type=Path)
    args = parser.parse_args()
    gan = GAN.load(args.run)
    data = datasets.load(gan.data_["source"])
    draw(gan, data.images[:N], args.picture)


if __name__ == "__main__":
    main()
