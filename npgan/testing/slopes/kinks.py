"""Kinks: points at which the slopes on the two sides differ."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .difference_quotient import DifferenceQuotient


def find_kinks(
    quotients: Sequence[DifferenceQuotient], last: int, dout: np.ndarray
) -> tuple[int, float]:
    """(outputs with a kink, its greatest effect on the slope), by the steps from index `last` on.

    Where F is smooth the one-sided slopes differ by h F'', which shrinks with h; where F is noisy
    the difference grows as h shrinks; at a kink it stays.
    """
    count, size = 0, 0.0
    # Compared are steps at least 4 times apart.
    stride = 1 if len(quotients) < 2 or quotients[0].step > 3 * quotients[1].step else 2
    for k in range(max(last, stride), len(quotients)):
        coarse, fine = quotients[k - stride], quotients[k]
        ratio = np.sqrt(coarse.step / fine.step)
        stays = (fine.jump > 4 * fine.jump_noise) & (fine.jump * ratio > coarse.jump)
        stays &= fine.jump < coarse.jump * ratio
        if stays.any():
            count = max(count, int(stays.sum()))
            size = max(size, 0.5 * float(np.dot(np.abs(dout[stays]), fine.jump[stays])))
    return count, size
