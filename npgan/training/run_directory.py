"""The directory of a run: its settings, history, pictures and checkpoint.

    config.json   history.csv   checkpoint.npz   samples/epoch_0001.png ...
    samples.png   losses.png    training.gif     interpolation.png

Every file is written completely under another name and then renamed, so that no file is ever
incomplete. The pictures of all epochs are made from the same latent vectors, so that they can be
compared.
"""

from __future__ import annotations

import csv
import io
import json
import os
from pathlib import Path

import numpy as np
import numpy.typing as npt

from .. import __version__
from ..datasets import Images
from ..files import checkpoint
from ..files.atomic import write_text
from ..gan import check_finite
from ..losses import LOSSES
from .loop import State
from .pictures import displayed_classes, interpolate, save_samples
from .protocol import GANLike
from .settings import complete
from .smoothing import with_smoothing
from .streams import Stream

RESULTS = (
    "samples.png",
    "losses.png",
    "training.gif",
    "interpolation.png",
    "history.csv",
    "checkpoint.npz",
)


class RunDirectory:
    """Writes the files of a run in which `gan` is trained on `data` up to epoch `epochs`.

    Raises FileExistsError if the directory holds another run.
    """

    def __init__(
        self, path: str | os.PathLike[str], gan: GANLike, data: Images, epochs: int
    ) -> None:
        self.path, self.gan, self.data = Path(path), gan, data
        self.check_same_run()
        (self.path / "samples").mkdir(parents=True, exist_ok=True)
        settings = dict(
            npgan=__version__, epochs=epochs, data=gan.data_, shape=list(data.shape), gan=gan.config
        )
        write_text(self.path / "config.json", json.dumps(settings, indent=2) + "\n")

    def check_same_run(self) -> None:
        """Raise FileExistsError if there is a checkpoint that this GAN does not continue."""
        file = self.path / "checkpoint.npz"
        if not file.exists():
            return
        _, meta = checkpoint.load(file)
        saved = meta.get("epoch_"), meta.get("position_")  # a file of another program has neither
        gan = self.gan
        if saved != (gan.epoch_, gan.position_) or complete(meta["config"]) != gan.config:
            raise FileExistsError(
                f"{self.path} already holds another run; resume that one, or give a new directory"
            )

    def after_epoch(self, state: State[object]) -> None:
        """Write the checkpoint first, then the history and the epoch's picture."""
        self.save()
        table = io.StringIO()
        writer = csv.writer(table, lineterminator="\n")
        writer.writerow(self.gan.history_)
        writer.writerows(zip(*self.gan.history_.values(), strict=True))
        write_text(self.path / "history.csv", table.getvalue())
        self.draw(self.path / "samples" / f"epoch_{state.epoch:04d}.png", f"epoch {state.epoch}")

    def save(self) -> None:
        """Write the checkpoint. FloatingPointError, and no new file, if weights are not finite."""
        gan = self.gan
        try:
            check_finite(weights_of_D=gan.discriminator_.theta, weights_of_G=gan.generator_.theta)
        except FloatingPointError as error:
            raise FloatingPointError(f"step {gan.adam_G.t}: {error}") from None
        gan.save(self.path / "checkpoint.npz")

    def draw(self, path: Path, title: str | None) -> None:
        """Write a picture of 64 samples; of 2-D points, 1000 over real ones.

        Of a conditional GAN: a column for each class, in order, and each of the 8 rows made from
        one z.
        """
        n, classes = 64 if self.gan.pixels_ else 1000, displayed_classes(self.gan)
        if classes and self.gan.pixels_:
            z = np.repeat(self.fixed_latents(8), len(classes), axis=0)
            samples = self.gan.generate(z, np.tile(classes, 8))
        else:
            samples = self.gan.generate(self.fixed_latents(n))
        save_samples(self.gan, samples, path, title, self.data.images[:n], len(classes) or None)

    def fixed_latents(self, n: int) -> npt.NDArray[np.float32]:
        """(n, latent): the vectors z of every picture of this run."""
        rng = self.gan.stream(Stream.FIXED_LATENT)
        return rng.standard_normal((n, self.gan.config["latent"]), dtype=np.float32)

    def finish(self) -> None:
        """Write the pictures of the whole run."""
        from .. import plot

        self.draw(self.path / "samples.png", None)
        settings = self.gan.config
        loss = with_smoothing(LOSSES[settings["loss"]], settings["smoothing"])
        figure = plot.losses(
            self.gan.history_, equilibrium=loss.equilibrium, labels=loss.equilibrium_labels
        )
        plot.save(figure, self.path / "losses.png")
        frames = [plot.read(path) for path in sorted((self.path / "samples").glob("epoch_*.png"))]
        if frames:
            plot.animate(frames, self.path / "training.gif", scale=1)
        if self.gan.pixels_:
            plot.save(plot.interpolation(interpolate(self.gan)), self.path / "interpolation.png")


def result_files(path: Path) -> list[Path]:
    """The files of a run for its user, if they exist."""
    return [path / name for name in RESULTS if (path / name).exists()]
