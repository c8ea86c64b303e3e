"""The tiny GAN of the page: 2-4-2 and 2-4-1 in float64, on the ring of eight modes."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..datasets import ring
from ..gan import Discriminator, Generator, discriminator_step, generator_step
from ..layers import Dense, Network, Tanh
from ..losses import nonsaturating
from ..optim import Adam
from .steps import R1_LEAKY, R1_TANH, Computation, gan_computations, penalty_tape

SEED, BATCH, STEPS_BEFORE = 3, 4, 200


class Tiny(NamedTuple):
    """Two networks with their optimisers, and one batch."""

    G: Network
    D: Network
    adam_of_g: Adam
    adam_of_d: Adam
    real: np.ndarray
    z: np.ndarray


def tiny_gan() -> Tiny:
    """The GAN after some steps, so that Adam's averages are not zero, and the next batch."""
    rng = np.random.default_rng(SEED)
    points = ring(rng=rng).images.astype(np.float64)
    G = Generator(2, (4,), 2, rng=rng).astype(np.float64)
    D = Discriminator(2, (4,), rng=rng).astype(np.float64)
    adam_G, adam_D = Adam(G, lr=1e-2, beta1=0.5), Adam(D, lr=1e-2, beta1=0.5)
    for _ in range(STEPS_BEFORE):
        fake, pull = G.forward(rng.standard_normal((64, 2)))
        discriminator_step(D, adam_D, points[rng.integers(len(points), size=64)], fake)
        generator_step(D, adam_G, fake, pull)
    real = points[rng.integers(len(points), size=BATCH)]
    return Tiny(G, D, adam_G, adam_D, real, rng.standard_normal((BATCH, 2)))


def with_tanh(D: Network) -> Network:
    """The same weights with tanh in the place of LeakyReLU."""
    layers = [
        Dense(layer.shapes["W"][0], layer.shapes["W"][1]) if layer.shapes else Tanh()
        for layer in D.layers
    ]
    net = Network(layers).astype(D.theta.dtype)
    net.theta[:] = D.theta
    return net


def tiny_computations() -> list[Computation]:
    """D's step, G's step, and R1 of the D after it, with LeakyReLU and with tanh."""
    G, D, adam_G, adam_D, real, z = tiny_gan()
    steps = gan_computations(G, D, adam_G, adam_D, real, z, nonsaturating, 0.0)
    adam_D.step(steps[0].gradient)
    return [
        *steps,
        penalty_tape(D, real, 1.0, "R1 LeakyReLU", R1_LEAKY),
        penalty_tape(with_tanh(D), real, 1.0, "R1 tanh", R1_TANH),
    ]
