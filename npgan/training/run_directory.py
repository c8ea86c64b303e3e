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
from typing import TYPE_CHECKING

import numpy as np

from .. import __version__
from ..datasets import Images
from ..files import checkpoint
from ..files.atomic import write_text
from ..gan import check_finite
from ..losses import LOSSES, with_smoothing
from .loop import State
from .pictures import columns_of, interpolate, picture
from .settings import completed

if TYPE_CHECKING:
    from .model import GAN


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
        write_text(self.path / "config.json", json.dumps(settings, indent=2) + "\n")

    def after_epoch(self, state: State) -> None:
        """The epoch's checkpoint first, then its row and its picture."""
        self.save()
        table = io.StringIO()
        writer = csv.writer(table, lineterminator="\n")
        writer.writerow(self.gan.history_)
        writer.writerows(zip(*self.gan.history_.values(), strict=True))
        write_text(self.path / "history.csv", table.getvalue())
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
        from .. import plot

        self.draw(self.path / "samples.png", None)
        settings = self.gan.config
        loss = with_smoothing(LOSSES[settings["loss"]], settings["smoothing"])
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
