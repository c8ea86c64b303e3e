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
import logging
import os
import stat
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from .. import __version__
from ..datasets import Images
from ..files import checkpoint
from ..files.atomic import exists, remove_temporary_files, write_text
from ..files.lock import DirectoryLock
from .guidance import NONE, Guidance, chosen, default, guided, seed_of
from .loop import State
from .pictures import displayed_classes, interpolate, save_samples
from .protocol import GANLike
from .settings import complete
from .smoothing import loss_of
from .streams import Stream

log = logging.getLogger("npgan")

MAX_CONFIG = 2**20  # bytes; a larger config.json is no run's
POINTS = 1000  # in a picture of points
MAX_LATE = 2**24  # bytes of samples that are kept for pictures that could not be written
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

    It holds a lock on the directory until `close`. If the directory holds this run already, the
    files that an earlier process could not write are written first. Of a complete run, `epochs` is
    None, and the data are needed only for points.

    Raises FileExistsError if the directory holds another run, or files that are no run's, or if
    another process is training in it.
    """

    def __init__(
        self, path: str | os.PathLike[str], gan: GANLike, data: Images | None, epochs: int | None
    ) -> None:
        if not os.fspath(path):  # Path("") is the current directory
            raise ValueError("out must be the name of a directory; got an empty one")
        self.path, self.gan, self.data = Path(path), gan, data
        self.warned = False
        self.named: set[int] = set()  # epochs whose pictures were said to be lost
        self.late: dict[int, npt.NDArray[Any]] = {}  # samples of epochs that have no picture yet
        self.path.mkdir(parents=True, exist_ok=True)
        self.lock = DirectoryLock(self.path)
        try:
            continued = self.check_same_run()
            remove_litter(self.path)
            (self.path / "samples").mkdir(exist_ok=True)
            if continued:
                self.complete_epochs()
            if data is not None and epochs is not None:
                settings = dict(
                    npgan=__version__, epochs=epochs, data=gan.data_, shape=list(data.shape),
                    gan=gan.config, samples=default(gan)._asdict(),
                )  # fmt: skip
                write_text(self.path / "config.json", json.dumps(settings, indent=2) + "\n")
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Let other processes write to the directory."""
        self.lock.release()

    def check_same_run(self) -> bool:
        """Whether there is a checkpoint, which this GAN continues.

        Raises FileExistsError if the GAN does not continue it, or if there are other files of the
        names that a run writes.
        """
        file = self.path / "checkpoint.npz"
        if not exists(file):
            names = (*RESULTS, "config.json", "samples")
            if found := [name for name in names if exists(self.path / name)]:
                samples = self.path / "samples"
                empty = found == ["samples"] and samples.is_dir() and not any(samples.iterdir())
                if not empty and not {"npgan", "gan"} <= read_config(self.path).keys():
                    raise FileExistsError(
                        f"{self.path / found[0]} would be overwritten, and it is no file of a run; "
                        "give a new directory"
                    )
            return False
        arrays, meta = checkpoint.load(file)
        gan = self.gan
        saved = meta.get("epoch_"), meta.get("position_")  # a file of another program has neither
        now = gan.epoch_, gan.position_
        continued = None not in saved and saved != now and any(now)
        if continued and complete(meta["config"]) == gan.config:
            raise FileExistsError(
                f"{self.path} already holds another run, or another program has continued this one "
                "since it was read; load it again, or give a new directory"
            )
        if (
            saved != now
            or complete(meta["config"]) != gan.config
            or not np.array_equal(arrays["theta_G"], gan.generator_.theta)
            or not np.array_equal(arrays["theta_D"], gan.discriminator_.theta)
        ):
            raise FileExistsError(
                f"{self.path} already holds another run; resume that one, or give a new directory"
            )
        return True

    def after_epoch(self, state: State[object]) -> None:
        """Write the checkpoint first, then the history and the epoch's picture."""
        self.save()
        write_text(self.path / "history.csv", history_table(self.gan))
        self.draw_epochs(state.epoch)

    def save(self) -> None:
        """Write the checkpoint. FloatingPointError, and no new file, if a part is not finite."""
        try:
            self.gan.save(self.path / "checkpoint.npz")
        except FloatingPointError as error:
            raise FloatingPointError(f"step {self.gan.adam_G.t}: {error}") from None

    def complete_epochs(self) -> None:
        """Write what a process could not write that ended between a checkpoint and a picture.

        The picture of an earlier epoch cannot be drawn again: a warning names it.
        """
        file, text = self.path / "history.csv", history_table(self.gan)
        if self.gan.epoch_ and not (file.is_file() and file.read_bytes() == text.encode()):
            write_text(file, text)
        self.complete_pictures()

    def complete_pictures(self) -> None:
        """Draw the last epoch's picture if it is lost; name the others that are."""
        lost = lost_epochs(self.path, self.gan)
        if lost[-1:] == [self.gan.epoch_] and not self.gan.position_:
            self.draw_epochs(lost.pop())
        self.name_lost(lost)

    def name_lost(self, epochs: Sequence[int]) -> None:
        """Warn once that these epochs have no picture, if none can be drawn any more."""
        if lost := [n for n in epochs if n not in self.named and n not in self.late]:
            self.named.update(lost)
            numbers = ", ".join(map(str, lost[:5])) + (", ..." if len(lost) > 5 else "")
            log.warning(
                "npgan: warning: %s has no picture of epoch %s; only the last epoch can be drawn "
                "again", self.path / "samples", numbers,
            )  # fmt: skip

    def epoch_picture(self, epoch: int) -> Path:
        """The file of an epoch's picture."""
        return self.path / "samples" / f"epoch_{epoch:04d}.png"

    def draw_epochs(self, *epochs: int) -> None:
        """Draw the pictures of these epochs, and of earlier ones that could not be written then."""
        for epoch in (*epochs, *reversed(list(self.late))):
            if not self.attempt(self.draw_epoch, self.epoch_picture(epoch), epoch):
                break
        while sum(samples.nbytes for samples in self.late.values()) > MAX_LATE:
            del self.late[min(self.late)]

    def draw_epoch(self, path: Path, epoch: int) -> None:
        """Write the picture of an epoch; its samples are kept until it is written."""
        if epoch not in self.late:
            self.late[epoch] = self.samples()
        path.parent.mkdir(exist_ok=True)
        self.draw(path, f"epoch {epoch}", self.late[epoch])
        del self.late[epoch]

    def attempt(self, draw: Callable[..., None], path: Path, *args: object) -> bool:
        """Draw a picture, and return whether it was written. The first failure logs a warning.

        Only a directory that was moved or removed ends the training.
        """
        self.lock.check()
        try:
            draw(path, *args)
        except Exception as error:  # of matplotlib, of Pillow, of the disk, of the memory
            if not self.warned:
                self.warned = True
                log.warning(
                    "npgan: warning: %s could not be drawn (%s: %s); training goes on, and the "
                    "picture is tried again after the next epoch, or by npgan train --resume",
                    path, type(error).__name__, " ".join(str(error).split())[:160],
                )  # fmt: skip
            return False
        return True

    def samples(self, guidance: Guidance = NONE) -> npt.NDArray[Any]:
        """The samples of a picture: 64 images, or 1000 points, as G makes them or with D's help.

        Of a conditional GAN: a column for each class, in order, and each of the 8 rows made from
        one z.
        """
        n, classes = 64 if self.gan.pixels_ else POINTS, displayed_classes(self.gan)
        z, labels = self.fixed_latents(n), None
        if classes and self.gan.pixels_:
            z, labels = np.repeat(z[:8], len(classes), axis=0), np.tile(classes, 8)
        seed = seed_of(self.gan.stream(Stream.FIXED_LATENT))
        return guided(self.gan, z, labels, seed, guidance)

    def draw(
        self, path: Path, title: str | None = None, samples: npt.NDArray[Any] | None = None
    ) -> None:
        """Write a picture of samples; of 2-D points, over as many real ones."""
        samples = self.samples() if samples is None else samples
        real = None if self.data is None else self.data.images[:POINTS]
        columns = len(displayed_classes(self.gan)) or None
        save_samples(self.gan, samples, path, title, real, columns)

    def fixed_latents(self, n: int) -> npt.NDArray[np.float32]:
        """(n, latent): the vectors z of every picture of this run."""
        rng = self.gan.stream(Stream.FIXED_LATENT)
        return rng.standard_normal((n, self.gan.config["latent"]), dtype=np.float32)

    def finish(self) -> None:
        """Write the pictures of the whole run."""
        self.draw_epochs()
        self.complete_pictures()
        self.attempt(self.draw_samples, self.path / "samples.png")
        self.attempt(self.draw_losses, self.path / "losses.png")
        self.attempt(self.animate, self.path / "training.gif")
        if self.gan.pixels_:
            self.attempt(self.draw_interpolation, self.path / "interpolation.png")
        self.lock.check()

    def draw_samples(self, path: Path) -> None:
        """Write the samples of the run, with D's help as `GAN.sample` has it by default."""
        guidance = chosen(self.gan)
        title = None
        if guidance != NONE:
            title = f"refined in {guidance.refine} steps, the best {guidance.keep:.0%} kept"
        self.draw(path, title, self.samples(guidance))

    def draw_losses(self, path: Path) -> None:
        """Write the chart of the history."""
        from .. import plot

        loss = loss_of(self.gan.config)
        figure = plot.losses(
            self.gan.history_, equilibrium=loss.equilibrium, labels=loss.equilibrium_labels
        )
        plot.save(figure, path)

    def animate(self, path: Path) -> None:
        """Write the pictures of the epochs, as far as they can be read, as an animation."""
        from .. import plot

        epochs = {self.epoch_picture(n): n for n in range(1, self.gan.epoch_ + 1)}
        files = [file for file in epochs if file.is_file()]
        if not files:
            return
        try:
            plot.animate(files, path, scale=1)
        except Exception:  # of Pillow, which has many for a damaged file
            self.draw_epochs(self.gan.epoch_)  # so that the last one has the right shape
            usable = frames_of_one_shape(files)
            self.name_lost([epochs[file] for file in files if file not in usable])
            plot.animate(usable, path, scale=1)

    def draw_interpolation(self, path: Path) -> None:
        """Write the images on paths in latent space."""
        from .. import plot

        plot.save(plot.interpolation(interpolate(self.gan)), path)


def history_table(gan: GANLike) -> str:
    """The history as the text of history.csv."""
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(gan.history_)
    writer.writerows(zip(*gan.history_.values(), strict=True))
    return table.getvalue()


def frames_of_one_shape(files: Sequence[Path]) -> list[Path]:
    """The pictures that can be read and have the shape of the last of them."""
    from .. import plot

    shapes: dict[Path, tuple[int, ...]] = {}
    for file in files:
        with suppress(Exception):  # of Pillow, which has many for a damaged file
            shapes[file] = plot.read(file).shape
    return [file for file in shapes if shapes[file] == list(shapes.values())[-1]]


def has_pictures(gan: GANLike) -> bool:
    """Whether samples are drawn: images, or points in a plane."""
    return gan.pixels_ or gan.shape_ == (2,)


def lost_epochs(path: Path, gan: GANLike) -> list[int]:
    """The complete epochs of which a run has no picture."""
    if not has_pictures(gan):
        return []
    epochs = range(1, gan.epoch_ + 1)
    return [n for n in epochs if not (path / "samples" / f"epoch_{n:04d}.png").is_file()]


def missing_results(path: Path, gan: GANLike) -> list[str]:
    """The names of the files that a complete run should have and has not.

    A picture that is older than the checkpoint is of an earlier end of the run, and so missing.
    """
    drawn = ["losses.png"]
    drawn += ["samples.png", "training.gif"] if has_pictures(gan) else []
    drawn += ["interpolation.png"] if gan.pixels_ else []
    saved = (path / "checkpoint.npz").stat().st_mtime_ns
    missing = [
        name
        for name in drawn
        if not (path / name).exists() or (path / name).stat().st_mtime_ns < saved
    ]
    table = path / "history.csv"
    if not table.is_file() or table.read_bytes() != history_table(gan).encode():
        missing.append(table.name)
    if gan.epoch_ in lost_epochs(path, gan):
        missing.append(f"samples/epoch_{gan.epoch_:04d}.png")
    return missing


def remove_litter(path: Path) -> None:
    """Remove the temporary files that a killed process has left in a run."""
    remove_temporary_files(path)
    remove_temporary_files(path / "samples")


def redraw(path: Path, gan: GANLike, data: Images | None) -> None:
    """Write the files that a complete run has lost; data: needed for points only."""
    directory = RunDirectory(path, gan, data, None)
    try:
        directory.finish()
    finally:
        directory.close()


def read_config(path: Path) -> dict[str, Any]:
    """What the config.json of a run holds; empty if there is none, or it is no run's.

    Raises OSError if the system cannot read it.
    """
    file = path / "config.json"
    try:
        found = os.stat(file)
        if not stat.S_ISREG(found.st_mode) or found.st_size > MAX_CONFIG:
            return {}
        config = json.loads(file.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError, ValueError, RecursionError):
        return {}
    return config if isinstance(config, dict) else {}


def result_files(path: Path) -> list[Path]:
    """The files of a run for its user, if they exist."""
    return [path / name for name in RESULTS if (path / name).exists()]
