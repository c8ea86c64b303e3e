"""The penalties by name, with their usual weights, and how often they are computed."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from ..layers import Seed
from ..penalties import Penalised, Penalty, r1, r1_and_r2, r2, wgan_gp


class NamedPenalty(NamedTuple):
    """A penalty with its usual weight, and every how many steps it is computed."""

    function: Callable[..., Penalised]  # of (D, real, fake, weight, rng, pixels)
    weight: float  # the paper's; of r1+r2, whose weight depends on the data, the best for digits
    every: int


PENALTIES = {
    "r1": NamedPenalty(lambda D, real, fake, w, rng, pixels: r1(D, real, w, pixels), 1.0, 16),
    "r2": NamedPenalty(lambda D, real, fake, w, rng, pixels: r2(D, fake, w, pixels), 1.0, 16),
    "r1+r2": NamedPenalty(
        lambda D, real, fake, w, rng, pixels: r1_and_r2(D, real, fake, w, pixels), 0.2, 16
    ),
    "wgan_gp": NamedPenalty(
        lambda D, real, fake, w, rng, pixels: wgan_gp(D, real, fake, rng, w, pixels), 10.0, 1
    ),
}


def lazy_penalty(
    name: str | None, weight: float, every: int, step: int, rng: Seed, pixels: int | None = None
) -> Penalty | None:
    """The penalty of this step, or None.  Lazy: every k steps, with k times the weight.

    D's slope changes little between two of them: this costs 1/k and has the same effect. Karras et al.
    2020 (StyleGAN2), section 3.1 and appendix B: there the penalty has a step of its own, and Adam's
    constants are corrected for it. Here its gradient is added to the loss's; nothing needs correction.
    """
    if name is None or step % every:
        return None
    return lambda D, real, fake: PENALTIES[name].function(
        D, real, fake, weight * every, rng, pixels
    )
