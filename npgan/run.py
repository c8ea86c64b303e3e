"""A run's directory: its settings, history, pictures and checkpoint.

    config.json   history.csv   checkpoint.npz   samples/epoch_0001.png ...
    samples.png   losses.png    training.gif     interpolation.png

Every file is replaced whole, so that none is ever half written. The pictures of all epochs are made
from one fixed z: the eye compares like with like.
"""

from __future__ import annotations

import csv
import io
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from . import __version__, checkpoint
from .datasets import Images
from .losses import LOSSES
from .regularise import smoothed
from .settings import completed
from .train import check_finite

if TYPE_CHECKING:
    from .gan import GAN
    from .train import State


class RunDirectory:
    """Keeps the directory `path` in step with a GAN that is being trained on `data`."""

    def __init__(self, path: str | os.PathLike[str], gan: GAN, data: Images, epochs: int):
        self.path, self.gan, self.data = Path(path), gan, data
        kept = self.path / "checkpoint.npz"
        if kept.exists():
            _, meta = checkpoint.load(kept)
            place = (
                meta.get("epoch_"),
                meta.get("position_"),
            )  # another program's file may have none
            if place != (gan.epoch_, gan.position_) or completed(meta["config"]) != gan.config:
                raise FileExistsError(
                    f"{self.path} already holds another run; resume that one, or name a new place"
                )
        (self.path / "samples").mkdir(parents=True, exist_ok=True)
        settings = dict(
            npgan=__version__, epochs=epochs, data=gan.data_, shape=list(data.shape), gan=gan.config
        )
        replace(self.path / "config.json", json.dumps(settings, indent=2) + "\n")

    def after_epoch(self, state: State) -> None:
        """The epoch's checkpoint first, then its row and its picture."""
        self.save()
        table = io.StringIO()
        writer = csv.writer(table, lineterminator="\n")
        writer.writerow(self.gan.history_)
        writer.writerows(zip(*self.gan.history_.values(), strict=True))
        replace(self.path / "history.csv", table.getvalue())
        self.draw(self.path / "samples" / f"epoch_{state.epoch:04d}.png", f"epoch {state.epoch}")

    def save(self) -> None:
        """Write the checkpoint. Weights that the last step made infinite would cost the last good one."""
        gan = self.gan
        try:
            check_finite(weights_of_D=gan.discriminator_.theta, weights_of_G=gan.generator_.theta)
        except FloatingPointError as error:
            raise FloatingPointError(f"step {gan.adam_G.t}: {error}") from None
        gan.save(self.path / "checkpoint.npz")

    def draw(self, path: Path, title: str | None) -> None:
        """The picture of 64 samples (of 2-D points: 1000, over the real ones).

        Of a conditional GAN: a column for each class, in order, and each of the 8 rows made from one z.
        """
        n, classes = 64 if self.gan.pixels_ else 1000, columns_of(self.gan)
        if classes and self.gan.pixels_:
            z = np.repeat(self.fixed(8), len(classes), axis=0)
            samples = self.gan.generate(z, np.tile(classes, 8))
        else:
            samples = self.gan.generate(self.fixed(n))
        picture(self.gan, samples, path, title, self.data.images[:n], len(classes) or None)

    def fixed(self, n: int) -> np.ndarray:
        """This run's fixed z, (n, latent)."""
        return self.gan.stream(3).standard_normal((n, self.gan.config["latent"]), dtype=np.float32)

    def finish(self) -> None:
        """The pictures of the whole run."""
        from . import plot

        self.draw(self.path / "samples.png", None)
        settings = self.gan.config
        loss = smoothed(LOSSES[settings["loss"]], settings["smoothing"])
        figure = plot.losses(self.gan.history_, equilibrium=loss.equilibrium)
        plot.save(figure, self.path / "losses.png")
        frames = [plot.read(path) for path in sorted((self.path / "samples").glob("epoch_*.png"))]
        if frames:
            plot.animate(frames, self.path / "training.gif", scale=1)
        if self.gan.pixels_:
            plot.save(plot.interpolation(interpolate(self.gan)), self.path / "interpolation.png")


RESULTS = (
    "samples.png",
    "losses.png",
    "training.gif",
    "interpolation.png",
    "history.csv",
    "checkpoint.npz",
)


def results(path: Path) -> list[Path]:
    """Those of a run's files that a person looks for, as far as they exist."""
    return [path / name for name in RESULTS if (path / name).exists()]


def columns_of(gan: GAN) -> list[int]:
    """The classes that get a column each in a picture of a conditional GAN: all, or the first 32."""
    return gan.classes_[:32]


def picture(
    gan: GAN, samples: np.ndarray, path: Path, title: str | None = None, real: Any = None,
    columns: int | None = None,
) -> None:  # fmt: skip
    """Samples as a grid; 2-D points as a plot, over real ones; points of other spaces have no picture."""
    from . import plot

    if gan.pixels_:
        plot.save(plot.grid(pictures(samples), columns, title), path)
    elif gan.shape_ == (2,):
        plot.save(plot.points(samples, real, title=title), path)


def pictures(images: np.ndarray) -> np.ndarray:
    """Images that have no height, (n, pixels), become strips one pixel high."""
    return images[:, None, :] if images.ndim == 2 else images


def interpolate(gan: GAN, rows: int | None = None, steps: int = 12, rng: Any = 0) -> np.ndarray:
    """(rows, steps, h, w): walks in latent space, each from one random z to another, and of one class.

    Along the great circle (White 2016): a straight line would pass through z shorter than any that
    the generator was trained on.
    """
    rows = rows or len(columns_of(gan)) or 8
    a, b = np.random.default_rng(rng).standard_normal(
        (2, rows, 1, gan.config["latent"]), dtype=np.float32
    )
    t = np.linspace(0, 1, steps, dtype=np.float32)[:, None]
    cosine = np.sum(a * b, -1) / (np.linalg.norm(a, axis=-1) * np.linalg.norm(b, axis=-1))
    angle = np.arccos(np.clip(cosine, -1, 1))[..., None]
    on_a_line = (
        np.sin(angle) < 1e-3
    )  # with 0, as all are in one dimension: no circle leads from a to b
    sine = np.where(on_a_line, 1, np.sin(angle))
    circle = (np.sin((1 - t) * angle) * a + np.sin(t * angle) * b) / sine
    z = np.where(on_a_line, (1 - t) * a + t * b, circle)
    labels = np.repeat(np.resize(gan.classes_, rows), steps) if gan.classes_ else None
    images = pictures(gan.generate(z.reshape(rows * steps, -1).astype(np.float32), labels))
    return images.reshape(rows, steps, *images.shape[1:])


def replace(path: Path, text: str) -> None:
    """Write a text file, whole or not at all."""
    with checkpoint.whole(path) as file:
        file.write(text.encode())
