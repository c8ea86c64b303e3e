"""Samples that D has improved: refined latent vectors, and samples drawn again (npgan.sampling).

The critic is the moving average of D's weights, whose logits fluctuate less than those of D, as the
images of G's average do. After each epoch, `measure_critic` compares its logits at real and at
generated images; the result, `GAN.critic_`, is in the checkpoint.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ..datasets import Images, to_uint8, to_unit
from ..layers import Seed
from ..sampling import calibration
from ..sampling.langevin import Critic, energy_gradient, langevin
from ..sampling.rejection import Samples, lowest_kept, redrawn
from .conditional import join_labels, labels_for, one_hot, without_labels
from .protocol import GANLike
from .settings import COUNT, KEEP, REFINE
from .streams import Stream, generator

Array = npt.NDArray[Any]

MEASURED = 1000  # real images, and as many generated ones, whose logits are compared
# Samples from which it is found which logits are the smallest: in all, and of a class at least.
PILOT, PILOT_OF_CLASS = 500, 50
CHUNK = 512  # rows at a time, so that memory is bounded; the bits of refined samples depend on it


class Guidance(NamedTuple):
    """What D does for samples; `GAN.sample` describes it."""

    refine: int
    keep: float


NONE = Guidance(0, 1.0)
OF_IMAGES = Guidance(3, 0.97)  # the default, and for points in space there is none


# ---- what D's logits mean ----


def measure_critic(gan: GANLike, data: Images) -> dict[str, float]:
    """The logits at up to MEASURED real images and at generated ones with the same labels.

    The random numbers are those of a stream of their own, so training has the same bits.
    """
    rng = gan.stream(Stream.CRITIC, gan.epoch_)
    rows = rng.permutation(len(data))[:MEASURED]
    z = latents(gan, rng, len(rows))
    labels = data.labels[rows] if gan.classes_ and data.labels is not None else None
    real, y = data.images[rows], one_hot(labels, gan.classes_)
    real = to_unit(real) if gan.pixels_ else real
    at_real, at_generated = [], []
    with np.errstate(over="ignore", invalid="ignore"):  # then nothing is measured
        for i in chunks(len(rows)):
            at_real.append(gan.average_D_(join_labels(real[i], part(y, i))))
            at_generated.append(images_and_logits(gan, z[i], part(y, i))[1])
    return calibration.measure(np.concatenate(at_real), np.concatenate(at_generated))


def default(gan: GANLike) -> Guidance:
    """What D does for the samples of a GAN if nothing else is asked for."""
    return OF_IMAGES if gan.shape_ is not None and gan.pixels_ else NONE


def chosen(gan: GANLike, refine: int | None = None, keep: float | None = None) -> Guidance:
    """What D does for samples of this GAN; None: the default, or nothing if D tells nothing.

    Raises ValueError if something is asked for, and D tells nothing.
    """
    steps = default(gan).refine if refine is None else REFINE.check("refine", refine)
    share = default(gan).keep if keep is None else KEEP.check("keep", keep)
    if gan.shape_ is None or calibration.slope(gan.critic_) is not None:
        return Guidance(steps, share)
    if refine or keep not in (None, 1):
        raise ValueError(f"refine and keep use what D has learnt, and {why_not(gan)}")
    return NONE


def why_not(gan: GANLike) -> str:
    """Why D is of no use for samples, and what to do."""
    if not gan.critic_:
        return (
            "this GAN holds no measurement of its D, which training takes after each epoch: "
            "train one more, or use refine=0 and keep=1"
        )
    return (
        f"its mean logit is {gan.critic_['real']:.3g} for real images and "
        f"{gan.critic_['generated']:.3g} for generated ones, which must be smaller: train on, or "
        "use refine=0 and keep=1"
    )


# ---- samples ----


def sample(
    gan: GANLike, n: int, rng: Seed, label: npt.ArrayLike | None, refine: int | None,
    keep: float | None,
) -> Array:  # fmt: skip
    """`GAN.sample`, which describes the arguments and the result."""
    n, guidance = COUNT.check("n", n), chosen(gan, refine, keep)
    rng = generator(rng)
    seed = seed_of(rng)
    return guided(gan, latents(gan, rng, n), label, seed, guidance)


def seed_of(rng: np.random.Generator) -> int:
    """A seed for what D does, which leaves the numbers that rng will give as they are."""
    return int(copy.deepcopy(rng).integers(2**63))


def guided(
    gan: GANLike, z: Array, label: npt.ArrayLike | None, seed: int, guidance: Guidance
) -> Array:
    """The images of these z after D has helped; all further random numbers follow from the seed.

    Each image is the same however many others there are, and on any number of threads.
    """
    if guidance == NONE:
        return gan.generate(z, label)
    labels = labels_for(len(z), label, gan.classes_)
    lowest = lowest_logits(gan, labels, seed, guidance) if guidance.keep < 1 else None
    y = one_hot(labels, gan.classes_)
    blocks = [
        draw_block(gan, z[i], part(y, i), part(lowest, i), [seed, 0, i.start], guidance.refine)
        for i in chunks(len(z))
    ]
    return as_images(gan, np.concatenate(blocks))


def lowest_logits(
    gan: GANLike, labels: Array | None, seed: int, guidance: Guidance
) -> npt.NDArray[np.float64]:
    """The logits from which samples are kept: one, or one for each row, by its class."""
    if labels is None:
        return np.array([lowest_of_class(gan, None, seed, guidance)])
    classes, index = np.unique(labels, return_inverse=True)
    of_class = [lowest_of_class(gan, label, seed, guidance) for label in classes.tolist()]
    return np.array(of_class)[index]


def lowest_of_class(gan: GANLike, label: int | None, seed: int, guidance: Guidance) -> float:
    """The logit from which samples of a class are kept, from others that are drawn for this."""
    n, place = PILOT, 0
    if label is not None:
        n = max(PILOT // len(gan.classes_), PILOT_OF_CLASS)
        place = gan.classes_.index(label)
    rng = np.random.default_rng([seed, 1, place])
    z, logits = latents(gan, rng, n), []
    y = one_hot(labels_for(n, label, gan.classes_), gan.classes_)
    noises = [latents(gan, rng, n) for _ in range(guidance.refine)]
    for i in chunks(n):
        found = refined(gan, z[i], part(y, i), [noise[i] for noise in noises])
        logits.append(found[1])
    return lowest_kept(np.concatenate(logits), guidance.keep)


def draw_block(
    gan: GANLike, z: Array, y: Array | None, lowest: Array | None, key: list[int], refine: int
) -> Array:
    """The samples of up to CHUNK rows, as G makes them: refined, and drawn again where D says so.

    Random numbers are drawn for CHUNK rows, so that a row does not depend on their number.
    """
    rng, n = np.random.default_rng(key), len(z)

    def noises(places: Array) -> Iterator[Array]:
        return (latents(gan, rng, CHUNK)[places] for _ in range(refine))

    def again(places: Array) -> Samples:
        new = latents(gan, rng, CHUNK)[places]
        return refined(gan, new, None if y is None else y[places], noises(places))

    first = refined(gan, z, y, noises(np.arange(n)))
    return first[0] if lowest is None else redrawn(first, again, lowest)


def refined(gan: GANLike, z: Array, y: Array | None, noises: Iterable[Array]) -> Samples:
    """The images of z after a Langevin step for each of the noises, and their logits."""
    critic, a = critic_of(gan, y), calibration.slope(gan.critic_)
    assert a is not None
    z = langevin(z, lambda z: energy_gradient(z, critic, a), noises)
    return images_and_logits(gan, z, y)


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


def images_and_logits(gan: GANLike, z: Array, y: Array | None) -> Samples:
    """G(z | y), and D's logit of each."""
    x = gan.average_(join_labels(z, y))
    return x, gan.average_D_(join_labels(x, y))[:, 0]


def as_images(gan: GANLike, x: Array) -> Array:
    """What G makes, (n, pixels), as uint8 images or as points."""
    return (to_uint8(x) if gan.pixels_ else x).reshape(-1, *(gan.shape_ or ()))


def latents(gan: GANLike, rng: np.random.Generator, n: int) -> npt.NDArray[np.float32]:
    """(n, latent) standard normal numbers."""
    return rng.standard_normal((n, gan.config["latent"]), dtype=np.float32)


def chunks(n: int) -> Iterator[slice]:
    """Slices of CHUNK rows that together are n rows."""
    return (slice(i, i + CHUNK) for i in range(0, n, CHUNK))


def part(rows: Array | None, i: slice) -> Array | None:
    """Some of the rows, or None; one row alone is for all."""
    return rows if rows is None or len(rows) == 1 else rows[i]
