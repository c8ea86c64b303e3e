"""Random numbers: every purpose has a stream of its own, derived from the seed; no global state."""

from __future__ import annotations

import numpy as np

DOUT, NOISE, ELSEWHERE, SECOND_DOUT, WOBBLE, JITTER = range(1, 7)


def stream(seed: int, *purpose: int) -> np.random.Generator:
    return np.random.default_rng([seed, *purpose])
