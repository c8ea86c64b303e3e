"""One training step: the updates of D, one update of G, and those of the averages of weights.

The two gradients are functions of npgan.gan. This module adds what the settings ask for: falling
learning rates, smoothed labels, instance noise, dropout, penalties, and the labels of a conditional
GAN. A batch is cut into shards; each has its own images and random numbers, and the group of
processes computes their gradients and updates the networks by the means.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from .. import kernels
from ..gan import check_finite, discriminator_gradient, generator_gradient
from ..kernels import definitions, updates
from ..layers import Pull
from ..parallel.group import Group
from ..penalties import Penalty
from .conditional import join_labels, one_hot, pull_through_join, with_wrong_labels
from .noise import add_noise, with_dropout
from .penalty import lazy_penalty
from .protocol import GANLike
from .schedules import linear_decay
from .smoothing import loss_of
from .streams import Stream, key

Array = npt.NDArray[Any]
ByShard = dict[int, dict[str, float]]  # values by the number of the shard


class Batch(NamedTuple):
    """The images of one shard of an update of D, as D sees them, and the pullback through G."""

    real: Array
    fake: Array
    pull: Pull


def training_step(gan: GANLike, real: Array, labels: Array | None) -> dict[str, float]:
    """`GAN.step`, which describes the arguments and the result."""
    z = latent_vectors(gan, len(real), 0) if is_plain(gan) else None
    set_learning_rates(gan)

    def definition() -> dict[str, float]:
        d_steps, y = gan.config["d_steps"], one_hot(labels, gan.classes_)
        real_parts = equal_parts(real, d_steps)
        y_parts = [None] * d_steps if y is None else equal_parts(y, d_steps)
        with np.errstate(over="ignore", invalid="ignore"):  # check_finite reports what went wrong
            parts = zip(real_parts, y_parts, strict=True)
            of_D = [update_discriminator(gan, *part, z) for part in parts]
            last_batches = of_D[-1][0]
            loss_G = update_generator(gan, last_batches)
        values = mean_values(gan, [values for _, values in of_D], loss_G)
        check_finite(**values)  # the penalty, too, which only its gradient has been checked for
        return values

    values = definition() if z is None else plain_step(gan, definition, real, z)
    update_averages(gan)
    return values


def is_plain(gan: GANLike) -> bool:
    """Whether a step is G.forward, `discriminator_step` and `generator_step`, and nothing else."""
    c = gan.config
    changed = c["instance_noise"] or c["dropout"] or gan.classes_
    alone = type(gan.group) is Group and gan.group.shards == 1
    return alone and c["d_steps"] == 1 and not changed


def plain_step(
    gan: GANLike, definition: Callable[[], dict[str, float]], real: Array, z: Array
) -> dict[str, float]:
    """As `definition`, in one call of compiled code where that is possible."""
    G, D, loss, penalised = gan.generator_, gan.discriminator_, loss_of(gan.config), penalty_of(gan)
    has_penalty = gan.config["penalty"] is not None
    adams = gan.adam_D, gan.adam_G
    return updates.of_both(definition, G, D, adams, z, real, loss, penalised, has_penalty)


def update_discriminator(
    gan: GANLike, real: Array, y: Array | None, z: Array | None = None
) -> tuple[dict[int, Batch], ByShard]:
    """One update of D. Returns the images that it used, and its values, by shard.

    z: the latent vectors, if they were drawn already.
    """
    own, t, loss = gan.group.own, gan.adam_D.t, loss_of(gan.config)
    reals = dict(zip(own, equal_parts(real, len(own)), strict=True))
    ys = {} if y is None else dict(zip(own, equal_parts(y, len(own)), strict=True))
    batches: dict[int, Batch] = {}
    values: ByShard = {}

    def gradient_of(shard: int) -> Array:
        batches[shard] = batch = make_batch(gan, reals[shard], ys.get(shard), shard, z)
        seed = shard_key(gan, Stream.DROPOUT_IN_STEP_OF_D, t, shard)
        D = with_dropout(gan.discriminator_, gan.config["dropout"], seed)
        penalty = penalty_of(gan, shard)
        fake = rejected(gan, batch, shard)
        gradient, values[shard] = discriminator_gradient(D, batch.real, fake, loss, penalty)
        return gradient

    gan.group.update(gan.adam_D, gradient_of)
    return batches, values


def rejected(gan: GANLike, batch: Batch, shard: int) -> Array:
    """What D learns to reject: generated images, and in a conditional GAN real ones mislabelled."""
    share = gan.config["wrong_labels"]
    if not share or len(gan.classes_) < 2:
        return batch.fake
    rng = np.random.default_rng(shard_key(gan, Stream.WRONG_LABELS, gan.adam_D.t, shard))
    return with_wrong_labels(batch.real, batch.fake, len(gan.classes_), share, rng)


def update_generator(gan: GANLike, batches: Mapping[int, Batch]) -> ByShard:
    """One update of G, with the images of D's last update. Returns its values by shard."""
    t, loss = gan.adam_G.t, loss_of(gan.config)
    values: ByShard = {}

    def gradient_of(shard: int) -> Array:
        real, fake, pull = batches[shard]
        seed = shard_key(gan, Stream.DROPOUT_IN_STEP_OF_G, t, shard)
        D = with_dropout(gan.discriminator_, gan.config["dropout"], seed)
        gradient, values[shard] = generator_gradient(D, fake, pull, loss, real)
        return gradient

    gan.group.update(gan.adam_G, gradient_of)
    return values


def update_averages(gan: GANLike) -> None:
    """Update the averages of G's and D's weights, with a smaller decay in the first steps."""
    average, t = gan.config["average"], gan.adam_G.t
    decay = min(average, (1 + t) / (10 + t)) if average else 0.0
    # Every 8th step with decay⁸ forgets as fast as every step with decay, in an eighth of the time.
    # With a decay of 0.99 or more, samples do not show the difference.
    every = 8 if decay >= 0.99 else 1
    if t % every:
        return
    if not kernels.ema_update(gan.average_.theta, gan.generator_.theta, decay**every):
        check_finite(averaged_weights=gan.average_.theta)
    if not kernels.ema_update(gan.average_D_.theta, gan.discriminator_.theta, decay**every):
        check_finite(averaged_weights_of_D=gan.average_D_.theta)


def equal_parts(rows: Array, n: int) -> Sequence[Array]:
    """n views of as many rows each, as of np.split, in a tenth of its time."""
    return [rows] if n == 1 else list(rows.reshape(n, -1, *rows.shape[1:]))


def latent_vectors(gan: GANLike, n: int, shard: int) -> Array:
    """n latent vectors of this step."""
    if gan.config["shards"] == 1:
        rng = gan.z_rng
    else:
        rng = np.random.default_rng(shard_key(gan, Stream.LATENT, gan.adam_D.t, shard))
    return rng.standard_normal((n, gan.config["latent"]), dtype=np.float32)


def make_batch(
    gan: GANLike, real: Array, y: Array | None, shard: int, z: Array | None = None
) -> Batch:
    """Real images and as many generated ones, with this step's instance noise and with labels."""
    t = gan.adam_D.t
    z = latent_vectors(gan, len(real), shard) if z is None else z
    fake, pull = gan.generator_.forward(join_labels(z, y))
    pull = pull_through_join(pull, fake, y)
    std = gan.config["instance_noise"] * linear_decay(gan.fraction_done(), 1.0)
    if std > 0:
        rng = np.random.default_rng(shard_key(gan, Stream.INSTANCE_NOISE, t, shard))
        real, fake = add_noise(real, std, rng), add_noise(fake, std, rng)
    return Batch(join_labels(real, y), join_labels(fake, y), pull)


def mean_values(gan: GANLike, updates: Sequence[ByShard], loss_G: ByShard) -> dict[str, float]:
    """The means over the shards, and over the updates of D in one step.

    An update without a penalty counts as 0.
    """
    names = ("loss_D", "D_real", "D_fake", *(["penalty"] if gan.config["penalty"] else []))
    rows = [
        [update.get(shard, {}).get(name, 0.0) for update in updates for name in names]
        + [loss_G.get(shard, {}).get("loss_G", 0.0)]
        for shard in gan.group.own
    ]
    *of_D, of_G = gan.group.agree(np.array(rows)).tolist()
    means = dict.fromkeys(names, 0.0)
    for i, value in enumerate(of_D):
        means[names[i % len(names)]] += value / len(updates)
    return {**means, "loss_G": of_G}


def penalty_of(gan: GANLike, shard: int = 0) -> Penalty | None:
    """The penalty on D's gradient, if this step has one."""
    c, t = gan.config, gan.adam_D.t
    pixels = math.prod(gan.shape_ or ()) if gan.classes_ else None
    weight = c["penalty_weight"] or 0.0  # None without a penalty
    seed = shard_key(gan, Stream.PENALTY, t, shard)
    return lazy_penalty(c["penalty"], weight, c["penalty_every"], t, seed, pixels)


def shard_key(gan: GANLike, stream: Stream, t: int, shard: int) -> list[int]:
    """The seed of the random numbers that one shard uses in step t for one purpose."""
    path = (t,) if gan.config["shards"] == 1 else (t, shard)
    return key(gan.config["rng"], stream, *path)


def set_learning_rates(gan: GANLike) -> None:
    """Set the learning rates of this step."""
    rate = linear_decay(gan.fraction_done(), gan.config["lr_decay"])
    for adam, lr in zip((gan.adam_G, gan.adam_D), gan.config["lr"], strict=True):
        adam.hyper["lr"] = rate * lr


definitions.watch(
    globals(), "update_discriminator", "update_generator", "make_batch", "mean_values",
    "discriminator_gradient", "generator_gradient", "check_finite",
)  # fmt: skip
