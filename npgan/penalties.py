"""Penalties on the gradient of D by its input: R1, R2, both of them, and WGAN-GP.

Each returns (value, flat gradient by D.theta), to be added to D's loss. The penalty contains a
gradient, so its own gradient is a second derivative; the tape computes it by the same rules.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from . import ops
from .autograd import Tensor, grad
from .kernels import slopes
from .layers import Network, Seed, flatten

# A penalty's value and flat gradient by D.theta, and the function of (D, real, fake) that gives it.
Penalised = tuple[float, np.ndarray]
Penalty = Callable[[Network, np.ndarray, np.ndarray], Penalised]
slopes.register(ops, grad)


def slope_penalty(
    D: Network, x: np.ndarray, of_square: Callable[[Tensor], Tensor], pixels: int | None = None
) -> Penalised:
    """of_square(|∇x D(x)|² of each image) and its gradient by D.theta, through the tape.

    Logit i depends on image i alone, so row i of the gradient of their sum is that of logit i.
    pixels: how many columns of x are the image, where a label follows it.
    """
    if (direct := slopes.penalty(D, x, of_square, pixels)) is not None:
        return direct  # the bits of what follows, without the tape
    leaf, params = Tensor(D.cast(x)), D.tensors()
    slope = grad(ops.sum(D.apply(leaf, params)), leaf, create_graph=True)[:, :pixels]
    value = of_square(ops.sum(slope * slope, axis=1))
    return float(value.data), flatten(grad(value, params, unused="zero"))


def r1(D: Network, real: np.ndarray, gamma: float = 1.0, pixels: int | None = None) -> Penalised:
    """(γ/2) E |∇D(real)|².    Mescheder et al. 2018, eq. 9.

    Parameters
    ----------
    D : Network
        Image (B, inputs) -> logit (B, 1).
    real : array (B, inputs)
    gamma : float, default 1
        The weight γ.
    pixels : int, optional
        How many columns of an input are the image, where a label follows it; all by default.
    """
    return slope_penalty(D, real, lambda square: 0.5 * gamma * ops.mean(square), pixels)


def r2(D: Network, fake: np.ndarray, gamma: float = 1.0, pixels: int | None = None) -> Penalised:
    """(γ/2) E |∇D(fake)|².    Mescheder et al. 2018, eq. 10.

    Parameters
    ----------
    D, gamma, pixels
        As of `r1`.
    fake : array (B, inputs)
    """
    return r1(D, fake, gamma, pixels)


def r1_and_r2(
    D: Network, real: np.ndarray, fake: np.ndarray, gamma: float, pixels: int | None = None
) -> Penalised:
    """(γ/2) E |∇D(real)|² + (γ/2) E |∇D(fake)|² as one mean.    Huang et al. 2024 (R3GAN)."""
    return r1(D, np.concatenate([real, fake]), 2 * gamma, pixels)


def wgan_gp(
    D: Network, real: np.ndarray, fake: np.ndarray, rng: Seed = None, weight: float = 10.0,
    pixels: int | None = None,
) -> Penalised:  # fmt: skip
    """weight · E (|∇D(x)| - 1)², x on the lines from real to fake.    Gulrajani et al. 2017, eq. 3.

    Parameters
    ----------
    D, pixels
        As of `r1`.
    real, fake : array (B, inputs)
        The two ends of each line.
    rng : int, Generator or None
        What the points on the lines are drawn from.
    weight : float, default 10
        λ.
    """
    if (shapes := (np.shape(real), np.shape(fake)))[0] != shapes[1]:
        raise ValueError("wgan_gp() pairs real with fake images, got {} and {}".format(*shapes))
    along = np.random.default_rng(rng).random((len(real), 1)).astype(real.dtype)
    tiny = float(np.finfo(real.dtype).tiny)  # added, because a root has no derivative at 0
    x = real + along * (fake - real)
    return slope_penalty(
        D, x, lambda square: weight * ops.mean(((square + tiny) ** 0.5 - 1.0) ** 2), pixels
    )
