"""What steadies the game between G and D: penalties, smoothed labels, noise, decay.

Each is a small function beside the two steps in gan.py, not a branch inside them: it exchanges the loss, or
D, or the images that D is shown, or it adds to the gradient of D. What is random in step t draws from a
generator made from the seed and t, so a run that was interrupted goes on with the same numbers.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from . import ops
from .layers import Layer, Network
from .losses import Loss, call, least_squares, minimax, nonsaturating, r1, r2, wgan_gp

Penalty = Callable[
    [Network, np.ndarray, np.ndarray], tuple[float, np.ndarray]
]  # of (D, real, fake)


# ---- penalties on D's slope: (value, flat gradient), to be added to D's loss ----


class Kind(NamedTuple):
    """A penalty by its name: what it computes, with which weight, and every how many steps."""

    function: Callable[..., tuple[float, np.ndarray]]  # of (D, real, fake, weight, rng, pixels)
    weight: float  # the paper's; for r1+r2, where it depends on the data, what drew the best digits here
    every: int


def r1_and_r2(
    D: Network, real: np.ndarray, fake: np.ndarray, gamma: float, pixels: int | None = None
) -> tuple[float, np.ndarray]:
    """(γ/2) E |∇D(real)|² + (γ/2) E |∇D(fake)|², as one mean over both.    Huang et al. 2024 (R3GAN)"""
    return r1(D, np.concatenate([real, fake]), 2 * gamma, pixels)


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


# ---- what D is asked for, and what it is shown ----


def smoothed(loss: Loss, smoothing: float) -> Loss:
    """The loss with D's target 1 - smoothing at real images, 0 at fakes.    Salimans et al. 2016, section 3.4

    One-sided, for a target above 0 at fakes would hold D up where only fakes are. Raises ValueError for a
    loss in which D has no target at real images.
    """
    if not smoothing:
        return loss
    target = 1.0 - smoothing
    if loss.name in (nonsaturating.name, minimax.name):
        return loss._replace(
            discriminator=lambda real, fake: call(real, target) + call(fake, 0.0), equilibrium=None
        )
    if loss.name == least_squares.name:
        return loss._replace(
            discriminator=lambda real, fake: (
                0.5 * ops.mean((real - target) ** 2) + 0.5 * ops.mean(fake**2)
            ),
            equilibrium=None,
        )
    raise ValueError(
        f"smoothing needs a loss with labels (nonsaturating, minimax, least_squares), got {loss.name}"
    )


def noisy(images: np.ndarray, std: float, rng: np.random.Generator) -> np.ndarray:
    """images + N(0, std²), pixels in [-1, 1]: instance noise, for real and generated images alike.

    It makes the two distributions overlap, so that D's answer has a slope everywhere. Sønderby et al. 2017;
    Arjovsky & Bottou 2017, section 3. The gradient by the noisy image is the gradient by the image.
    """
    return images + std * rng.standard_normal(images.shape, dtype=images.dtype)


def thinned(net: Network, rate: float, key: list[int]) -> Network:
    """The network with dropout behind every LeakyReLU: its own masks, the weights of `net` itself.

    Srivastava et al. 2014; in D, Goodfellow et al. 2014, section 5. A step draws one such network and lets it
    answer in place of D, forwards, backwards and in the penalties; net is left as it is, for whoever asks
    it without dropout. Masks belong to the step, from its key: two passes over equal batches have the same.
    """
    if not rate:
        return net
    other, layers = copy.copy(net), []
    for i, layer in enumerate(net.layers):
        layers.append(copy.copy(layer))
        if layer.op is ops.leaky_relu:
            layers.append(Layer(ops.dropout, rate=rate, key=[*key, i]))
    other.layers = layers
    other.bind(net.theta)
    return other


# ---- schedules: functions of how much of the run is done, in [0, 1] ----


def falling(done: float, share: float) -> float:
    """1, and over the last `share` of the run linearly to 0; share 0: 1 throughout, share 1: from the start.

    For learning rates: Gulrajani et al. 2017 fall from the start, Zhu et al. 2017 over the last half.
    """
    return min(1.0, (1.0 - done) / share) if share else 1.0
