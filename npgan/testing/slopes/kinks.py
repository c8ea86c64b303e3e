"""Kinks: points at which the slopes on the two sides differ."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .difference_quotient import DifferenceQuotient


def find_kinks(quotients: Sequence[DifferenceQuotient], last: int) -> np.ndarray:
    """Per output the jump of its slope at a kink, or 0, by the steps from index `last` on.

    Where F is smooth the one-sided slopes differ by h F'', which shrinks with h; where F is noisy
    the difference grows as h shrinks; at a kink it stays. Near a kink, and where F is smooth but
    sharp, it stays until the steps are small enough, and then vanishes.
    """
    jump = np.zeros_like(quotients[0].jump)
    # Compared are steps at least 4 times apart.
    stride = 1 if len(quotients) < 2 or quotients[0].step > 3 * quotients[1].step else 2
    for k in range(max(last, stride), len(quotients)):
        coarse, fine = quotients[k - stride], quotients[k]
        ratio = np.sqrt(coarse.step / fine.step)
        stays = (fine.jump > 4 * fine.jump_noise) & (fine.jump * ratio > coarse.jump)
        stays &= fine.jump < coarse.jump * ratio
        jump = np.where(stays, fine.jump, remaining(jump, fine))
    return jump


def remaining(jump: np.ndarray, finer: DifferenceQuotient) -> np.ndarray:
    """The kinks, without those of which nothing is left at a finer step."""
    return np.where(finer.jump + 4 * finer.jump_noise < 0.5 * jump, 0.0, jump)


def kinks_of(jump: np.ndarray, dout: np.ndarray) -> tuple[int, float]:
    """(how many outputs have a kink, its effect on the slope)."""
    return int(np.count_nonzero(jump)), 0.5 * float(np.dot(np.abs(dout), jump))
