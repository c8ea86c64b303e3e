"""Random numbers: one stream for each purpose, so that options do not change each other's numbers.

All streams follow from the seed of the GAN. A stream that belongs to a step or an epoch has its
number in the key, so a run that was interrupted continues with the same numbers.
"""

from __future__ import annotations

from enum import IntEnum

import numpy as np

from ..layers import Seed
from .settings import is_bool


class Stream(IntEnum):
    """The purposes of random numbers. Every run's bits depend on the values: never change one."""

    WEIGHTS = 0
    ORDER_OF_IMAGES = 1
    LATENT = 2
    FIXED_LATENT = 3  # for the pictures of a run
    INSTANCE_NOISE = 4
    PENALTY = 5
    DROPOUT_IN_STEP_OF_D = 6
    DROPOUT_IN_STEP_OF_G = 7
    HEALTH = 8
    CRITIC = 9  # images whose logits are compared after an epoch
    WRONG_LABELS = 10


def key(seed: int, stream: Stream, *path: int) -> list[int]:
    """The seed of a stream, for np.random.default_rng; path: such as the number of the step."""
    return [seed, int(stream), *path]


def generator(rng: Seed) -> np.random.Generator:
    """The generator for an int, a np.random.Generator or None.

    Raises ValueError in one line for anything else.
    """
    try:
        if is_bool(rng):
            raise TypeError
        return np.random.default_rng(rng)
    except (TypeError, ValueError):
        raise ValueError(
            f"rng must be a whole number of 0 or more, a np.random.Generator or None; got {rng!r}"
        ) from None
