"""Cross-entropies of logits with their gradients, without the tape.

Skip this file at a first reading: npgan/losses.py defines these losses, and a test compares the two
bit for bit. All arrays are (B, 1).
"""

from __future__ import annotations

import numpy as np

from .. import kernels

Gradients = tuple[np.ndarray | None, np.ndarray]  # by the logits of real images and of fakes


def toward(target: float, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The mean cross-entropy of z for a target of 0 or 1, and its gradient (σ(z) - target) / n."""
    dz = -kernels.sigmoid(-z) if target else kernels.sigmoid(z)
    return kernels.bce_with_logits(z, target), dz / z.size


def of_each(real: np.ndarray, fake: np.ndarray) -> tuple[float, Gradients]:
    """The target is 1 for real images and 0 for fakes."""
    (value_real, dreal), (value_fake, dfake) = toward(1.0, real), toward(0.0, fake)
    return float(value_real + value_fake), (dreal, dfake)


def of_pairs(real: np.ndarray, fake: np.ndarray) -> tuple[float, Gradients]:
    """The target is 1 for the logits of real images, less those of fakes."""
    value, dreal = toward(1.0, real - fake)
    return float(value), (dreal, -dreal)


def of_difference(real: np.ndarray | None, fake: np.ndarray) -> tuple[float, Gradients]:
    """The target is 1 for the logits of fakes, less those of real images, if any."""
    value, dfake = toward(1.0, fake if real is None else fake - real)
    return float(value), (None if real is None else -dfake, dfake)
