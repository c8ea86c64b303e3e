"""Random numbers: one stream per purpose, derived from the seed, without global state."""

from __future__ import annotations

from enum import IntEnum

import numpy as np


class Stream(IntEnum):
    """What the random numbers are for. The values are part of every report: do not renumber."""

    DOUT = 1
    FUNCTION_NOISE = 2
    OTHER_ARGUMENTS = 3  # of the forward pass that would overwrite a cache
    SECOND_DOUT = 4  # to check that backward is linear in dout
    BACKWARD_NOISE = 5
    JITTER = 6
    TAYLOR = 7
    TAYLOR_DIRECTIONS = 8
    PRIMITIVE_CASES = 9
    LAYERS = 10
    LOSSES = 11
    STEPS = 12
    PENALTIES = 13
    EXPLANATIONS = 14
    HIDDEN_KINKS = 15
    NEARBY = 16
    TIES = 17
    NOISE_AT_ZEROS = 18
    ZEROS = 19


def generator(seed: int, stream: Stream, *index: int) -> np.random.Generator:
    """The generator of one stream; index tells apart several generators of one purpose."""
    return np.random.default_rng([seed, stream, *index])
