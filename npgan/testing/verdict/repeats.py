"""Why two calls with the same arguments differ: random numbers, or state that is kept."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..problem.arrays import close, max_abs

CALLS = 6  # six random numbers are in order once in 360 times


def why_outputs_differ(samples: Sequence[np.ndarray]) -> str:
    """What to do about a function whose outputs differ from call to call.

    A running statistic or a counter moves in one direction. A first call that differs, or values
    that return, are state as well. Random numbers do neither.
    """
    steps = np.diff(np.stack(samples), axis=0)
    moves = np.any(steps != 0, axis=0)
    is_monotone = (np.all(steps >= 0, axis=0) | np.all(steps <= 0, axis=0))[moves]
    returns = any(np.array_equal(a, b) for i, a in enumerate(samples) for b in samples[i + 1 :])
    if returns or np.mean(is_monotone) > 0.8:
        return (
            "it keeps state between calls, such as a running statistic or a counter; "
            "reset it at the start of each call"
        )
    return "seed its random numbers"


def why_gradients_differ(calls: Sequence[Sequence[np.ndarray | None]]) -> str:
    """What makes backward return other gradients in each of three calls."""
    for first, second, third in zip(*calls, strict=True):
        if first is None or second is None or third is None:
            continue
        step = second - first
        if max_abs(step) > 0 and close(step, third - second, 1e-9):
            return "the calls add up: set the buffer to zero at the start of each call"
    return "does it add to a buffer, or use random numbers?"
