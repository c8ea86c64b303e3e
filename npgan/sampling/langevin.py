"""Discriminator-driven latent sampling.    Che et al. 2020

If a d(x) is log p(x)/q(x) up to a constant, then latent vectors with the density

    p(z) ∝ exp(-E(z)),    E(z) = |z|²/2 - a d(G(z))

give images G(z) with the density p of the data, as far as G can draw them. Langevin's equation
draws such z. Each step goes down the gradient of E, and adds noise:

    z <- z - ε/2 dE/dz + √ε ξ,    ξ ~ N(0, I)

With few steps, z stays near where it began, so an image is repaired and not replaced. The result is
approximate: ε is not 0, the steps are few, and D is not exact.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
# z (B, latent) -> D's logits (B, 1), and the pullback from the gradient by them to that by z.
Critic = Callable[[Array], tuple[Array, Callable[[Array], Array]]]

STEP = 0.03  # ε; with 0.06 the images are further from the data, by two judges of digits


def energy_gradient(z: Array, critic: Critic, slope: float) -> Array:
    """dE/dz = z - a dd/dz, for each row of z."""
    logits, pull = critic(z)
    gradient: Array = z - pull(np.full_like(logits, slope))
    return gradient


def langevin(
    z: Array, gradient: Callable[[Array], Array], noises: Iterable[Array], step: float = STEP
) -> Array:
    """z after one step of Langevin's equation for each of the noises ξ, which are like z."""
    drift, spread = z.dtype.type(step / 2), z.dtype.type(math.sqrt(step))
    for noise in noises:
        z = z - drift * gradient(z) + spread * noise
    return z
