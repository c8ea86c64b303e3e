"""Penalties on D's slope by its input: R1, R2, both of them, and WGAN-GP; also lazy.

Each returns (value, flat gradient by D.theta), to be added to D's loss. The slope is a gradient itself, so
its derivative is a second one: through the tape, by the same rules.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from . import ops
from .autograd import Tensor, grad
from .layers import Network, flatten

Penalty = Callable[
    [Network, np.ndarray, np.ndarray], tuple[float, np.ndarray]
]  # of (D, real, fake)


def slope_penalty(
    D: Network, x: np.ndarray, of_square: Callable[[Tensor], Tensor], pixels: int | None = None
) -> tuple[float, np.ndarray]:
    """of_square(|∇x D(x)|² of each image), through the tape: the slope is itself differentiated.

    Row i of the logits depends on image i alone, so one gradient of their sum holds every slope.
    pixels: how many columns of x are the image, where a label stands beside it.
    """
    leaf, params = Tensor(D.cast(x)), D.tensors()
    slope = grad(ops.sum(D.apply(leaf, params)), leaf, create_graph=True)
    slope = slope if pixels is None else slope[:, :pixels]
    value = of_square(ops.sum(slope * slope, axis=1))
    return float(value.data), flatten(grad(value, params, unused="zero"))


def r1(
    D: Network, real: np.ndarray, gamma: float = 1.0, pixels: int | None = None
) -> tuple[float, np.ndarray]:
    """(γ/2) E |∇D(real)|².    Mescheder et al. 2018, eq. 9"""
    return slope_penalty(D, real, lambda square: 0.5 * gamma * ops.mean(square), pixels)


def r2(
    D: Network, fake: np.ndarray, gamma: float = 1.0, pixels: int | None = None
) -> tuple[float, np.ndarray]:
    """(γ/2) E |∇D(fake)|²: the same at generated images.    Mescheder et al. 2018, eq. 10"""
    return r1(D, fake, gamma, pixels)


def wgan_gp(
    D: Network,
    real: np.ndarray,
    fake: np.ndarray,
    rng: Any = None,
    weight: float = 10.0,
    pixels: int | None = None,
) -> tuple[float, np.ndarray]:
    """weight · E (|∇D(x)| - 1)², x on the lines from real to fake.    Gulrajani et al. 2017, eq. 3"""
    if np.shape(real) != np.shape(fake):
        raise ValueError(
            f"wgan_gp() pairs real with fake images, got {np.shape(real)} and {np.shape(fake)}"
        )
    along = np.random.default_rng(rng).random((len(real), 1)).astype(real.dtype)
    tiny = float(np.finfo(real.dtype).tiny)  # |∇D| has no derivative where it is 0
    return slope_penalty(
        D,
        real + along * (fake - real),
        lambda square: weight * ops.mean(((square + tiny) ** 0.5 - 1.0) ** 2),
        pixels,
    )


def r1_and_r2(
    D: Network, real: np.ndarray, fake: np.ndarray, gamma: float, pixels: int | None = None
) -> tuple[float, np.ndarray]:
    """(γ/2) E |∇D(real)|² + (γ/2) E |∇D(fake)|², as one mean over both.    Huang et al. 2024 (R3GAN)"""
    return r1(D, np.concatenate([real, fake]), 2 * gamma, pixels)


class Kind(NamedTuple):
    """A penalty by its name: what it computes, with which weight, and every how many steps."""

    function: Callable[..., tuple[float, np.ndarray]]  # of (D, real, fake, weight, rng, pixels)
    weight: float  # the paper's; for r1+r2, where it depends on the data, what drew the best digits here
    every: int


PENALTIES = {
    "r1": Kind(lambda D, real, fake, weight, rng, pixels: r1(D, real, weight, pixels), 1.0, 16),
    "r2": Kind(lambda D, real, fake, weight, rng, pixels: r2(D, fake, weight, pixels), 1.0, 16),
    "r1+r2": Kind(
        lambda D, real, fake, weight, rng, pixels: r1_and_r2(D, real, fake, weight, pixels), 0.2, 16
    ),
    "wgan_gp": Kind(
        lambda D, real, fake, weight, rng, pixels: wgan_gp(D, real, fake, rng, weight, pixels),
        10.0,
        1,
    ),
}


def lazy_penalty(
    name: str | None, weight: float, every: int, step: int, rng: Any, pixels: int | None = None
) -> Penalty | None:
    """The penalty of this step, or None.  Lazy: every k steps, with k times the weight.

    Between two of them D's slope changes little, so this costs 1/k and pulls as much. Karras et al. 2020
    (StyleGAN2), section 3.1 and appendix B; they give the penalty a step of its own, and correct Adam's
    constants for it. Here its gradient is added to that of the loss, and nothing needs correcting.
    """
    if name is None or step % every:
        return None
    return lambda D, real, fake: PENALTIES[name].function(
        D, real, fake, weight * every, rng, pixels
    )
