"""Samples that D has improved: refined latent vectors, and samples drawn again (npgan.sampling).

The critic is the moving average of D's weights, whose logits fluctuate less than those of D, as the
images of G's average do. After each epoch, `measure_critic` compares its logits at real and at
generated images; the result, `GAN.critic_`, is in the checkpoint.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from ..datasets import Images, to_uint8, to_unit
from ..layers import Seed
from ..sampling import calibration
from ..sampling.langevin import Critic, energy_gradient, langevin
from ..sampling.rejection import accepted
from .conditional import join_labels, labels_for, one_hot, without_labels
from .protocol import GANLike
from .settings import COUNT, KEEP, REFINE
from .streams import Stream, generator

Array = npt.NDArray[Any]

MEASURED = 1000  # real images, and as many generated ones, whose logits are compared
CHUNK = 512  # rows at a time, so that memory is bounded

DEFAULT_REFINE, DEFAULT_KEEP = 0, 1.0


def measure_critic(gan: GANLike, data: Images) -> dict[str, float]:
    """The logits at up to MEASURED real images and at generated ones with the same labels.

    The random numbers are those of a stream of their own, so training has the same bits.
    """
    rng = gan.stream(Stream.CRITIC, gan.epoch_)
    rows = rng.permutation(len(data))[:MEASURED]
    z = rng.standard_normal((len(rows), gan.config["latent"]), dtype=np.float32)
    real = data.images[rows]
    real = to_unit(real) if gan.pixels_ else real
    y = one_hot(
        data.labels[rows] if gan.classes_ and data.labels is not None else None, gan.classes_
    )
    with np.errstate(over="ignore", invalid="ignore"):  # then nothing is measured
        at_real = [gan.average_D_(join_labels(real[i], part(y, i))) for i in chunks(len(z))]
        at_generated = [critic_of(gan, part(y, i))(z[i])[0] for i in chunks(len(z))]
    return calibration.measure(np.concatenate(at_real), np.concatenate(at_generated))


def critic_of(gan: GANLike, y: Array | None) -> Critic:
    """z -> D(G(z | y) | y), and the pullback through both networks to z; y: one-hot labels."""

    def critic(z: Array) -> tuple[Array, Any]:
        x, pull_G = gan.average_.forward(join_labels(z, y))
        logits, pull_D = gan.average_D_.forward(join_labels(x, y))

        def pull(g: Array) -> Array:
            dx = without_labels(pull_D(g, "input"), x, y)
            return without_labels(pull_G(dx, "input"), z, y)

        return logits, pull

    return critic


def sample(
    gan: GANLike, n: int, rng: Seed, label: npt.ArrayLike | None,
    refine: int | None, keep: float | None,
) -> Array:  # fmt: skip
    """`GAN.sample`, which describes the arguments and the result."""
    n = COUNT.check("n", n)
    refine, keep = chosen(gan, refine, keep)
    rng, latent = generator(rng), gan.config["latent"]
    if not refine and keep == 1:
        return gan.generate(rng.standard_normal((n, latent), dtype=np.float32), label)
    labels, a = labels_for(n, label, gan.classes_), calibration.slope(gan.critic_)
    assert a is not None

    def draw(places: Array) -> tuple[Array, Array | None]:
        """Latent vectors, refined, and the one-hot labels of these places of the result."""
        z = rng.standard_normal((len(places), latent), dtype=np.float32)
        y = one_hot(None if labels is None else labels[places], gan.classes_)

        def gradient(z: Array) -> Array:
            parts = [energy_gradient(z[i], critic_of(gan, part(y, i)), a) for i in chunks(len(z))]
            return np.concatenate(parts)

        return langevin(z, gradient, refine, rng), y

    def propose(places: Array) -> tuple[Array, Array]:
        """Images for these places of the result, and their scores."""
        z, y = draw(places)
        images, scores = [], []
        for i in chunks(len(z)):
            x = gan.average_(join_labels(z[i], part(y, i)))
            scores.append(a * gan.average_D_(join_labels(x, part(y, i)))[:, 0].astype(np.float64))
            images.append(to_uint8(x) if gan.pixels_ else x)
        return np.concatenate(images), np.concatenate(scores)

    if keep == 1:
        return gan.generate(draw(np.arange(n))[0], label)
    return accepted(n, propose, keep, rng).reshape(n, *(gan.shape_ or ()))


def chosen(gan: GANLike, refine: int | None, keep: float | None) -> tuple[int, float]:
    """How many steps and which share a sample of this GAN has; None: the defaults.

    Raises ValueError if one of them is asked for, and D's logits tell nothing.
    """
    steps = DEFAULT_REFINE if refine is None else REFINE.check("refine", refine)
    share = DEFAULT_KEEP if keep is None else KEEP.check("keep", keep)
    if gan.shape_ is None or calibration.slope(gan.critic_) is not None:
        return steps, share
    if refine or keep not in (None, 1):
        raise ValueError(f"refine and keep use what D has learnt, and {why_not(gan)}")
    return 0, 1.0


def why_not(gan: GANLike) -> str:
    """Why D is of no use for samples, and what to do."""
    if not gan.critic_:
        return "this GAN has not measured its D yet: train one more epoch, or use refine=0, keep=1"
    return (
        f"this D does not tell real images from generated ones (mean logits "
        f"{gan.critic_['real']:.3g} and {gan.critic_['generated']:.3g}): train on, or use "
        "refine=0, keep=1"
    )


def chunks(n: int) -> Iterator[slice]:
    """Slices of CHUNK rows that together are n rows."""
    return (slice(i, i + CHUNK) for i in range(0, n, CHUNK))


def part(y: Array | None, rows: slice) -> Array | None:
    """Some rows of one-hot labels, if there are any."""
    return None if y is None else y[rows]
