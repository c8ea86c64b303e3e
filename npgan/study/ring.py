"""The ring's training, recorded; right, and with one mistake in it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from ..autograd import value_and_grad
from ..datasets import ring
from ..gan import Discriminator, Generator, discriminator_step
from ..layers import Network
from ..losses import Loss, nonsaturating
from ..optim import Adam
from ..penalties import Penalised, r1
from .swaps import NOTHING, Swap, swapped

SEED, BATCH, LATENT, HIDDEN, MODES, RADIUS = 0, 64, 2, (32, 32), 8, 0.8
LEARNING_RATE, GAMMA, EVERY = 4e-3, 0.02, 4
ROWS = 128  # a larger product is shared among BLAS's threads, which then wait at full speed


class Scenario(NamedTuple):
    """How the ring is trained; the defaults are the right way."""

    key: str
    title: str
    sentence: str = ""
    gamma: float = GAMMA  # of R1
    faster: float = 1.0  # D's learning rate, in G's
    swap: Swap = NOTHING
    loss: Loss = nonsaturating
    also_moves_d: bool = False  # G's step moves D's weights too
    refreshed: int = 1  # after how many steps G's step gets the D of now


class Ring(NamedTuple):
    """The networks between two steps."""

    step: int
    G: Network
    D: Network


def train(scenario: Scenario, steps: int) -> Iterator[Ring]:
    """Train; gives the networks before each step and after the last. They change while it runs."""
    rng = np.random.default_rng(SEED)
    points = ring(modes=MODES, radius=RADIUS, rng=rng).images
    G = swapped(Generator(LATENT, HIDDEN, 2, rng=rng), scenario.swap)
    D = swapped(Discriminator(2, HIDDEN, rng=rng), scenario.swap)
    adam_G = Adam(G, LEARNING_RATE, beta1=0.5)
    adam_D = Adam(D, LEARNING_RATE * scenario.faster, beta1=0.5)
    stale = D.copy()

    def penalty(D: Network, real: np.ndarray, fake: np.ndarray) -> Penalised:
        return r1(D, real, EVERY * scenario.gamma)

    for step in range(steps):
        yield Ring(step, G, D)
        real = points[rng.integers(len(points), size=BATCH)]
        fake, pull_G = G.forward(rng.standard_normal((BATCH, LATENT), dtype=np.float32))
        lazy = penalty if scenario.gamma and step % EVERY == 0 else None
        discriminator_step(D, adam_D, real, fake, scenario.loss, lazy)
        if step % scenario.refreshed == 0:
            stale.theta[:] = D.theta
        judge = D if scenario.refreshed == 1 else stale
        logits, pull_D = judge.forward(fake)
        _, (dlogits,) = value_and_grad(lambda z: scenario.loss.generator(None, z), logits)
        gradient_D = pull_D(dlogits, "params") if scenario.also_moves_d else None
        adam_G.step(pull_G(pull_D(dlogits, "input"), "params"))
        if gradient_D is not None:
            adam_D.step(gradient_D)
    yield Ring(steps, G, D)


def in_parts(net: Network, x: np.ndarray) -> np.ndarray:
    """net(x), a few rows at a time; so the bits do not depend on the number of threads."""
    return np.concatenate([net(x[i : i + ROWS]) for i in range(0, len(x), ROWS)])


def centres() -> np.ndarray:
    """The centres of the modes."""
    angle = 2 * np.pi * np.arange(MODES) / MODES
    return RADIUS * np.stack([np.cos(angle), np.sin(angle)], axis=1)


DISTANCE = (
    "The distance to the ring is the mean distance of a point of G to the nearest of the eight "
    "centres of the real points, plus the mean distance of a centre to the nearest point of G; it "
    "is 0 only if G draws all eight centres and nothing else."
)


def distance(G: Network) -> float:
    """How far G is from the ring, as `DISTANCE` says."""
    z = np.random.default_rng(SEED).standard_normal((512, LATENT), dtype=np.float32)
    apart = np.linalg.norm(in_parts(G, z)[:, None] - centres(), axis=2)
    return float(apart.min(axis=1).mean() + apart.min(axis=0).mean())
