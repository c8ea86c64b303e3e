"""Toy points in the plane, on which a GAN trains in seconds and mode collapse is plain to see."""

from __future__ import annotations

import numpy as np

from .base import DataError, Images
from .batching import Seed


def ring(
    n: int = 10_000, modes: int = 8, radius: float = 0.8, std: float = 0.02, rng: Seed = None
) -> Images:
    """n points from a mixture of Gaussians whose centres lie evenly on a circle around 0.

    images (n, 2) float32; labels (n,) uint8, the mode of each point: mode k is centred at the angle
    2 pi k / modes.  Each mode has standard deviation std on both axes.  The defaults stay within the
    [-1, 1] of a tanh generator.  Raises DataError unless n >= 1, 1 <= modes <= 256 and std >= 0.
    Source: L. Metz et al., Unrolled Generative Adversarial Networks, 2017, section 3.2 (radius 2 there).
    """
    if n < 1 or not 1 <= modes <= 256 or not std >= 0:
        raise DataError(
            f"ring needs n >= 1, 1 <= modes <= 256 and std >= 0; got n={n}, modes={modes}, std={std}"
        )
    rng = np.random.default_rng(rng)
    labels = rng.integers(modes, size=n, dtype=np.uint8, endpoint=False)
    angle = 2 * np.pi / modes * labels.astype(np.float64)
    centres = radius * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    points = centres + std * rng.standard_normal((n, 2))
    return Images("ring", points.astype(np.float32), labels, (2,))
