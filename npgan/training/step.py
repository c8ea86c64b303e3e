"""One training step: the updates of D, one update of G, and one of the average of G's weights.

The two updates are functions of npgan.gan. This module adds what the settings ask for: falling
learning rates, smoothed labels, instance noise, dropout, penalties, and the labels of a conditional
GAN.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from .. import kernels
from ..gan import check_finite, discriminator_step, generator_step
from ..layers import Pull
from ..losses import LOSSES, Loss
from ..penalties import Penalty
from .conditional import join_labels, one_hot, pull_through_join
from .noise import add_noise, with_dropout
from .penalty import lazy_penalty
from .protocol import GANLike
from .schedules import linear_decay
from .settings import Config
from .smoothing import with_smoothing
from .streams import Stream, key

Array = npt.NDArray[Any]


class Batch(NamedTuple):
    """The images of one update of D, as D sees them, and the pullback from `fake` through G."""

    real: Array
    fake: Array
    pull: Pull


def training_step(gan: GANLike, real: Array, labels: Array | None) -> dict[str, float]:
    """`GAN.step`, which describes the arguments and the result."""
    d_steps, y = gan.config["d_steps"], one_hot(labels, gan.classes_)
    real_parts = np.split(real, d_steps)
    y_parts = [None] * d_steps if y is None else np.split(y, d_steps)
    set_learning_rates(gan)
    with np.errstate(over="ignore", invalid="ignore"):  # check_finite reports what went wrong
        updates = [
            update_discriminator(gan, *part) for part in zip(real_parts, y_parts, strict=True)
        ]
        last_batch = updates[-1][0]
        values = mean_values([values for _, values in updates], gan.config)
        values |= update_generator(gan, last_batch)
    check_finite(**values)  # the penalty, too, which only its gradient has been checked for
    update_average(gan)
    return values


def update_discriminator(
    gan: GANLike, real: Array, y: Array | None
) -> tuple[Batch, dict[str, float]]:
    """One update of D. Returns the images that it used, and its values."""
    batch = make_batch(gan, real, y)
    seed = key(gan.config["rng"], Stream.DROPOUT_IN_STEP_OF_D, gan.adam_D.t)
    D = with_dropout(gan.discriminator_, gan.config["dropout"], seed)
    loss, penalty = loss_of(gan.config), penalty_of(gan)
    return batch, discriminator_step(D, gan.adam_D, batch.real, batch.fake, loss, penalty)


def update_generator(gan: GANLike, batch: Batch) -> dict[str, float]:
    """One update of G, with the images of D's last update."""
    seed = key(gan.config["rng"], Stream.DROPOUT_IN_STEP_OF_G, gan.adam_G.t)
    D = with_dropout(gan.discriminator_, gan.config["dropout"], seed)
    loss = loss_of(gan.config)
    return generator_step(D, gan.adam_G, batch.fake, batch.pull, loss, batch.real)


def update_average(gan: GANLike) -> None:
    """Update the average of G's weights, with a smaller decay in the first steps."""
    average, t = gan.config["average"], gan.adam_G.t
    decay = min(average, (1 + t) / (10 + t)) if average else 0.0
    if not kernels.ema_update(gan.average_.theta, gan.generator_.theta, decay):
        check_finite(averaged_weights=gan.average_.theta)


def make_batch(gan: GANLike, real: Array, y: Array | None) -> Batch:
    """Real images and as many generated ones, with this step's instance noise and with labels."""
    z = gan.z_rng.standard_normal((len(real), gan.config["latent"]), dtype=np.float32)
    fake, pull = gan.generator_.forward(join_labels(z, y))
    pull = pull_through_join(pull, fake, y)
    std = gan.config["instance_noise"] * linear_decay(gan.fraction_done(), 1.0)
    if std > 0:
        rng = gan.stream(Stream.INSTANCE_NOISE, gan.adam_D.t)
        real, fake = add_noise(real, std, rng), add_noise(fake, std, rng)
    return Batch(join_labels(real, y), join_labels(fake, y), pull)


def mean_values(rows: Sequence[dict[str, float]], config: Config) -> dict[str, float]:
    """The means over the updates of D in one step; an update without a penalty counts as 0."""
    names = ("loss_D", "D_real", "D_fake", *(["penalty"] if config["penalty"] else []))
    means = dict.fromkeys(names, 0.0)
    for row in rows:
        means = {name: mean + row.get(name, 0.0) / len(rows) for name, mean in means.items()}
    return means


def loss_of(config: Config) -> Loss:
    """The loss, with smoothed labels if the settings ask for them."""
    return with_smoothing(LOSSES[config["loss"]], config["smoothing"])


def penalty_of(gan: GANLike) -> Penalty | None:
    """The penalty on D's gradient, if this step has one."""
    c, t = gan.config, gan.adam_D.t
    pixels = math.prod(gan.shape_ or ()) if gan.classes_ else None
    weight = c["penalty_weight"] or 0.0  # None without a penalty
    seed = key(c["rng"], Stream.PENALTY, t)
    return lazy_penalty(c["penalty"], weight, c["penalty_every"], t, seed, pixels)


def set_learning_rates(gan: GANLike) -> None:
    """Set the learning rates of this step."""
    rate = linear_decay(gan.fraction_done(), gan.config["lr_decay"])
    for adam, lr in zip((gan.adam_G, gan.adam_D), gan.config["lr"], strict=True):
        adam.hyper["lr"] = rate * lr
