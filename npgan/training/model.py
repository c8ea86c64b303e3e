"""The class GAN: two networks, their optimisers, and everything that trains, samples, saves and loads them."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .. import kernels
from ..datasets import Images, to_uint8
from ..datasets.arrays import as_dataset
from ..datasets.fingerprints import fingerprint, matches
from ..files import checkpoint
from ..gan import Discriminator, Generator, discriminator_step, generator_step
from ..losses import LOSSES, with_smoothing
from ..optim import Adam
from ..penalties import Penalty
from . import health, loop
from .conditional import before, classes_of, join_labels, labels_for, one_hot
from .noise import add_noise, with_dropout
from .penalty import lazy_penalty
from .run_directory import RunDirectory
from .schedules import linear_decay
from .settings import checked, completed, is_count


class GAN:
    """A generator and a discriminator with everything that trains them.

    GAN(batch=128).fit(images, epochs=10).sample(16); a second fit goes on with the weights of the first.
    lr: one number, or a pair (G's, D's). average: the decay of the moving average of G's weights from which
    every picture is drawn (0: none; Yazıcı et al. 2019). rng: int, np.random.Generator or None; the same
    int gives the same bits. After fit: generator_, discriminator_, average_, history_, epoch_, shape_, and
    classes_, which is empty unless the GAN is conditional.

    The defaults are among the best of those tried (docs/recipes.md); the papers stand in npgan.losses and
    npgan.penalties.
    penalty: "r1", "r2", "r1+r2", "wgan_gp" or None, on D's slope, times penalty_weight (γ or λ; r1, r2: 1,
    r1+r2: 0.2, wgan_gp: 10), every penalty_every steps of D (16; wgan_gp: 1).
    lr_decay: over this share of the run, at its end, lr falls linearly to 0. A fit after a complete one makes
    the run longer, so lr rises again first: to train in pieces use callbacks, or lr_decay=0.
    smoothing: D is asked for 1 - smoothing at real images. instance_noise: std of the noise on what D sees,
    falling to 0 over the run. d_steps: updates of D for one of G (Goodfellow et al. 2014, algorithm 1).
    dropout: the share of D's hidden units left out, in both steps. conditional: learn the labels, too.
    """

    def __init__(
        self,
        latent: int = 32,
        hidden: Sequence[int] = (512, 512, 512),
        hidden_D: Sequence[int] = (512, 256),
        loss: str = "relativistic",
        lr: float | tuple[float, float] = 8e-4,
        beta1: float = 0.0,
        beta2: float = 0.99,
        batch: int = 64,
        average: float = 0.999,
        rng: Any = 0,
        *,
        lr_decay: float = 0.5,
        penalty: str | None = "r1+r2",
        penalty_weight: float | None = None,
        penalty_every: int | None = None,
        smoothing: float = 0.0,
        instance_noise: float = 0.0,
        d_steps: int = 1,
        dropout: float = 0.0,
        conditional: bool = False,
    ):
        self.config: dict[str, Any] = checked(
            latent=latent, hidden=hidden, hidden_D=hidden_D, loss=loss, lr=lr, lr_decay=lr_decay, beta1=beta1,
            beta2=beta2, batch=batch, average=average, penalty=penalty, penalty_weight=penalty_weight,
            penalty_every=penalty_every, smoothing=smoothing, instance_noise=instance_noise, d_steps=d_steps,
            dropout=dropout, conditional=conditional, rng=rng,
        )  # fmt: skip
        self.batch = self.config["batch"] * self.config["d_steps"]  # the real images of one step
        self.classes_: list[int] = []  # the labels that a conditional GAN knows
        self.shape_: tuple[int, ...] | None = None  # known, as the networks are, once there is data
        self.data_: dict[str, Any] = {}
        self.epoch_, self.position_ = 0, 0
        self.end_: tuple[int, int] | None = (
            None  # of the fit that is on: its last epoch, the steps of each
        )
        self.sums_: dict[str, float] = {}
        self.history_: dict[str, list[float]] = {}

    # ---- its life: start, step by step, and the random numbers of each part ----

    def stream(self, *path: int) -> np.random.Generator:
        """A random generator of its own for every purpose, so that no part disturbs another's numbers."""
        return np.random.default_rng([self.config["rng"], *path])

    def order(self, epoch: int) -> np.random.Generator:
        """What shuffles this epoch: a function of the seed and the epoch's number alone."""
        return self.stream(1, epoch)

    def start(self, shape: Sequence[int], pixels: bool = True, classes: Sequence[int] = ()) -> None:
        """Make new networks for images of this shape; for pixels=False, for points in space.

        classes: the labels that a conditional GAN joins to z and to the image.
        """
        c, size = self.config, int(np.prod(shape))
        weights = self.stream(0)
        output = "tanh" if pixels else "linear"
        self.classes_ = [int(label) for label in classes]
        self.generator_ = Generator(c["latent"] + len(classes), c["hidden"], size, output, weights)
        self.discriminator_ = Discriminator(size + len(classes), c["hidden_D"], weights)
        self.average_ = self.generator_.copy()
        (lr_G, lr_D), betas = c["lr"], {"beta1": c["beta1"], "beta2": c["beta2"]}
        self.adam_G = Adam(self.generator_, lr_G, **betas)
        self.adam_D = Adam(self.discriminator_, lr_D, **betas)
        self.noise = self.stream(2)
        self.shape_, self.pixels_ = tuple(int(n) for n in shape), pixels

    def step(self, real: np.ndarray, labels: np.ndarray | None = None) -> dict[str, float]:
        """One update of D, or d_steps of them on images and fakes of their own; one of G; one of the average.

        real (batch * d_steps, pixels) in [-1, 1], with their labels if the GAN is conditional; each fake then
        gets the label of the real image in its row. Returns the losses and D's mean answers.
        """
        c, G, D = self.config, self.generator_, self.discriminator_
        loss = with_smoothing(LOSSES[c["loss"]], c["smoothing"])
        rate = linear_decay(self.done(), c["lr_decay"])
        self.adam_G.hyper["lr"], self.adam_D.hyper["lr"] = rate * c["lr"][0], rate * c["lr"][1]
        values = dict.fromkeys(
            ("loss_D", "D_real", "D_fake", *(["penalty"] if c["penalty"] else [])), 0.0
        )
        y = one_hot(labels, self.classes_)
        ys = [None] * c["d_steps"] if y is None else np.split(y, c["d_steps"])
        with np.errstate(over="ignore", invalid="ignore"):  # check_finite names what went wrong
            for part, y in zip(np.split(real, c["d_steps"]), ys, strict=True):
                z = self.noise.standard_normal((len(part), c["latent"]), dtype=np.float32)
                fake, pull_G = G.forward(join_labels(z, y))
                part, fake = self.shown(part, fake, y)
                judge = with_dropout(D, c["dropout"], [c["rng"], 6, self.adam_D.t])
                row = discriminator_step(judge, self.adam_D, part, fake, loss, self.penalty())
                values = {
                    name: value + row.get(name, 0.0) / c["d_steps"]
                    for name, value in values.items()
                }
            judge = with_dropout(D, c["dropout"], [c["rng"], 7, self.adam_G.t])
            values |= generator_step(
                judge, self.adam_G, fake, before(pull_G, real.shape[1], y), loss, part
            )
        # The first steps are far from the last ones' weights: let the average forget them sooner.
        decay = min(c["average"], (1 + self.adam_G.t) / (10 + self.adam_G.t))
        kernels.ema_update(self.average_.theta, G.theta, decay if c["average"] else 0.0)
        return values

    def done(self) -> float:
        """The share of the run that is done, in [0, 1): what every schedule is a function of."""
        return (
            0.0
            if self.end_ is None
            else (self.epoch_ + self.position_ / self.end_[1]) / self.end_[0]
        )

    def shown(
        self, real: np.ndarray, fake: np.ndarray, y: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray]:
        """The images as D sees them: with this step's instance noise, and their labels beside them."""
        std = self.config["instance_noise"] * linear_decay(self.done(), 1.0)
        if std > 0:
            rng = self.stream(4, self.adam_D.t)
            real, fake = add_noise(real, std, rng), add_noise(fake, std, rng)
        return join_labels(real, y), join_labels(fake, y)

    def penalty(self) -> Penalty | None:
        """The penalty on D's slope, where this step has one."""
        c, t = self.config, self.adam_D.t
        pixels = math.prod(self.shape_ or ()) if self.classes_ else None
        return lazy_penalty(
            c["penalty"], c["penalty_weight"], c["penalty_every"], t, [c["rng"], 5, t], pixels
        )

    # ---- what people call ----

    def fit(
        self,
        images: Any,
        epochs: int = 24,
        callbacks: Sequence[loop.Callback] = (),
        out: str | os.PathLike[str] | None = None,
        progress: bool | str | None = None,
        labels: Any = None,
    ) -> GAN:
        """Train for so many epochs, from where this GAN stands: new networks, or on from an earlier fit.

        images: what npgan.datasets gives, uint8 (n, h, w), (n, h, w, 3) or (n, pixels), or float points
        (n, d). labels: (n,) whole numbers for a conditional GAN, if images is an array. out: a directory for
        the run's files; without it nothing is written. callbacks get a State after each epoch. Raises
        ValueError on data that do not fit, FloatingPointError at a step that is not finite; Ctrl-C completes
        the step, or the pictures at the end, and raises KeyboardInterrupt.
        lr_decay and instance_noise follow the share of the run that is done, and the run ends where this fit
        does: the same end after an interruption gives the same bits; with a later one the place that was
        reached is a smaller share of the run, and lr and the noise rise to what they are there.
        """
        if not is_count(epochs):
            raise ValueError(f"epochs must be a whole number of 1 or more, got {epochs!r}")
        data, classes = self.accepted(images, labels)
        before = self.shape_, self.classes_, self.data_
        try:
            if self.shape_ is None:
                self.start(data.shape, data.images.dtype == np.uint8, classes)
            self.data_ = fingerprint(data, with_labels=bool(classes))
            directory = None if out is None else RunDirectory(out, self, data, self.epoch_ + epochs)
        except BaseException:  # nothing was trained: as if fit had not been called
            self.shape_, self.classes_, self.data_ = before
            raise
        self.end_ = (self.epoch_ + epochs, len(data.images) // self.batch)
        watchers = [*callbacks] if directory is None else [directory.after_epoch, *callbacks]
        try:
            labels, remarks = (
                data.labels if classes else None,
                health.watch(data, lambda: self.stream(8)),
            )
            loop.run(self, data.images, epochs, watchers, progress, labels, remarks)
        except loop.Interrupted:
            if directory is not None:
                directory.save()
                if self.epoch_ == self.end_[0]:
                    directory.finish()
            raise
        finally:
            self.end_ = None  # a step by hand has no end, and no schedule
        if directory is not None:
            with loop.interruptible() as interrupted:
                directory.finish()
            if interrupted():
                raise loop.Interrupted
        return self

    def accepted(self, images: Any, labels: Any) -> tuple[Images, list[int]]:
        """The data as a dataset, and the classes to learn; ValueError where this GAN cannot take them."""
        if labels is not None and (isinstance(images, Images) or not self.config["conditional"]):
            raise ValueError(
                "labels=... is for GAN(conditional=True), and for images in a plain array"
            )
        data = images if isinstance(images, Images) else as_dataset(images, labels)
        classes = classes_of(data, self.classes_) if self.config["conditional"] else []
        if self.batch > len(data.images):
            times = f" x {self.config['d_steps']} d_steps" if self.config["d_steps"] > 1 else ""
            raise ValueError(
                f"batch is {self.config['batch']}{times}, but there are only {len(data.images)} images"
            )
        pixels = data.images.dtype == np.uint8
        if self.shape_ is not None and (self.shape_ != data.shape or self.pixels_ != pixels):
            raise ValueError(
                f"this GAN was started on images of shape {self.shape_}, got {data.shape}"
            )
        if self.position_ and not matches(self.data_, data):
            what = "images and labels" if classes else "images"
            raise ValueError(
                f"an epoch on {self.data_['name']} was interrupted; it needs the same {what} to go on"
            )
        return data, classes

    def generate(self, z: np.ndarray, labels: Any = None) -> np.ndarray:
        """The images (n, *shape) that the averaged generator makes of z (n, latent); uint8, or points.

        labels, for a conditional GAN: one for all, one for each, or None: every class in turn.
        """
        if self.shape_ is None:
            raise RuntimeError("this GAN has no generator yet; fit it, or GAN.load() one")
        z = join_labels(z, one_hot(labels_for(len(z), labels, self.classes_), self.classes_))
        pieces = [
            self.average_(z[i : i + 256]) for i in range(0, len(z), 256)
        ]  # 256: bounded memory
        x = np.concatenate([np.zeros((0, int(np.prod(self.shape_))), np.float32), *pieces])
        return (to_uint8(x) if self.pixels_ else x).reshape(-1, *self.shape_)

    def sample(self, n: int = 64, rng: Any = None, label: Any = None) -> np.ndarray:
        """n new images: uint8 of shape (n, *shape), or float32 points.    rng: int, Generator or None

        label, for a conditional GAN: the class of all, or of each (n,); None: every class in turn.
        """
        if n < 1:
            raise ValueError(f"sample() makes 1 image or more, got n={n}")
        z = np.random.default_rng(rng).standard_normal((n, self.config["latent"]), dtype=np.float32)
        return self.generate(z, label)

    # ---- to a file and back ----

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write everything that continues this GAN bit for bit, to the same end, to one .npz, atomically."""
        if self.shape_ is None:
            raise RuntimeError("there is nothing to save before the first fit")
        arrays = {"theta_G": self.generator_.theta, "theta_D": self.discriminator_.theta,
                  "theta_average": self.average_.theta}  # fmt: skip
        for name, adam in (("adam_G", self.adam_G), ("adam_D", self.adam_D)):
            arrays |= {f"{name}_{slot}": a for slot, a in adam.state().items()}
        meta = {
            name: getattr(self, name)
            for name in (
                "config",
                "shape_",
                "pixels_",
                "classes_",
                "data_",
                "epoch_",
                "position_",
                "sums_",
                "history_",
            )
        }
        checkpoint.save(path, arrays, {**meta, "noise": self.noise.bit_generator.state})

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> GAN:
        """The GAN that `save` wrote; path is the file, or the directory of a run.

        Raises CheckpointError in one line where that is no checkpoint, or its parts do not fit together.
        """
        arrays, meta = checkpoint.load(path)
        try:
            gan = cls(**completed(meta["config"]))
            gan.start(meta["shape_"], meta["pixels_"], meta.get("classes_", []))
            for name, net in (
                ("G", gan.generator_),
                ("D", gan.discriminator_),
                ("average", gan.average_),
            ):
                theta = arrays[f"theta_{name}"]
                if theta.shape != net.theta.shape or not np.isfinite(theta).all():
                    raise ValueError(f"theta_{name} is not {net.theta.size:,} finite numbers")
                net.theta[:] = theta
            for name, adam in (("adam_G", gan.adam_G), ("adam_D", gan.adam_D)):
                adam.restore({slot: arrays[f"{name}_{slot}"] for slot in ("t", *adam.slots)})
            gan.noise.bit_generator.state = meta["noise"]
            for name in ("data_", "epoch_", "position_", "sums_", "history_"):
                setattr(gan, name, meta[name])
        except (KeyError, TypeError, ValueError) as error:
            reason = f"{error.args[0]} is missing" if isinstance(error, KeyError) else error
            raise checkpoint.CheckpointError(
                f"{Path(path)} is not a whole checkpoint: {reason}"
            ) from error
        return gan

    def __repr__(self) -> str:
        settings = ", ".join(f"{name}={value!r}" for name, value in self.config.items())
        return f"GAN({settings})" + ("" if self.shape_ is None else f", {self.epoch_} epochs done")
