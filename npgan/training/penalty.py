"""The penalties by name, with their usual weights and intervals."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ..kernels import definitions, updates
from ..layers import Network, Seed
from ..penalties import Penalised, Penalty, r1, r1_and_r2, r2, wgan_gp
from .settings import PENALTY_DEFAULTS


class NamedPenalty(NamedTuple):
    """A penalty with its usual weight, and the number of updates of D from one to the next."""

    function: Callable[..., Penalised]  # of (D, real, fake, weight, rng, pixels)
    weight: float
    every: int


@updates.register_penalty
@dataclass(frozen=True)
class LazyPenalty:
    """A penalty of (D, real, fake), with what it depends on besides these."""

    name: str
    weight: float
    rng: Seed
    pixels: int | None

    def __call__(self, D: Network, real: np.ndarray, fake: np.ndarray) -> Penalised:
        """The value, and the flat gradient by D.theta."""
        return PENALTIES[self.name].function(D, real, fake, self.weight, self.rng, self.pixels)

    @property
    def on_slopes(self) -> tuple[str, float] | None:
        """On which images this is (γ/2) E |∇D|², and γ; None if it is another penalty."""
        if self.pixels is not None or self.name not in ON_SLOPES:
            return None
        where, factor = ON_SLOPES[self.name]
        return where, factor * self.weight


# As the functions below: on which images, and the factor of the weight.
ON_SLOPES = {"r1": ("real", 1), "r2": ("fake", 1), "r1+r2": ("both", 2)}
FUNCTIONS: dict[str, Callable[..., Penalised]] = {
    "r1": lambda D, real, fake, weight, rng, pixels: r1(D, real, weight, pixels),
    "r2": lambda D, real, fake, weight, rng, pixels: r2(D, fake, weight, pixels),
    "r1+r2": lambda D, real, fake, weight, rng, pixels: r1_and_r2(D, real, fake, weight, pixels),
    "wgan_gp": lambda D, real, fake, weight, rng, pixels: wgan_gp(
        D, real, fake, rng, weight, pixels
    ),
}
PENALTIES = {
    name: NamedPenalty(function, *PENALTY_DEFAULTS[name]) for name, function in FUNCTIONS.items()
}

definitions.watch(globals(), "r1", "r2", "r1_and_r2")
definitions.watch(PENALTIES, *ON_SLOPES)


def lazy_penalty(
    name: str | None, weight: float, every: int, step: int, rng: Seed, pixels: int | None = None
) -> Penalty | None:
    """The penalty of this step, or None. Lazy: every k steps, with k times the weight.

    The gradient of D changes little in k steps, so the effect is the same at 1/k of the cost.
    Karras et al. 2020 (StyleGAN2), section 3.1 and appendix B, use a separate step of Adam for
    the penalty, and correct Adam's constants for it. Here the gradient of the penalty is added to
    that of the loss, so no correction is needed.
    """
    if name is None or step % every:
        return None
    return LazyPenalty(name, weight * every, rng, pixels)
