"""Points in the plane, on which a GAN trains in seconds and mode collapse is easy to see."""

from __future__ import annotations

import numpy as np

from .base import DataError, Images
from .batching import Seed


def ring(
    n: int = 10_000, modes: int = 8, radius: float = 0.8, std: float = 0.02, rng: Seed = None
) -> Images:
    """Draw points from a mixture of Gaussians whose centres lie evenly spaced on a circle.

    Parameters
    ----------
    n : int
        The number of points.
    modes : int
        The number of Gaussians, from 1 to 256. Mode k is centred at the angle 2 pi k / modes.
    radius : float
        The radius of the circle around 0.
    std : float
        The standard deviation of each mode on both axes.
    rng : int, numpy.random.Generator or None
        The random generator or its seed; None for other points at every call.

    Returns
    -------
    Images
        `images` (n, 2) float32 are the points, `labels` (n,) uint8 the mode of each. With the
        default radius they lie within [-1, 1], the range of tanh.

    Raises
    ------
    DataError
        If n < 1, `modes` is not from 1 to 256, or `std` is negative or NaN.

    References
    ----------
    .. [1] L. Metz et al., "Unrolled generative adversarial networks", 2017, section 3.2, where the
       radius is 2.
    """
    if n < 1 or not 1 <= modes <= 256 or not std >= 0:
        raise DataError(
            f"ring needs n >= 1, 1 <= modes <= 256 and std >= 0; "
            f"got n={n}, modes={modes}, std={std}"
        )
    rng = np.random.default_rng(rng)
    labels = rng.integers(modes, size=n, dtype=np.uint8, endpoint=False)
    angle = 2 * np.pi / modes * labels.astype(np.float64)
    centres = radius * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    points = centres + std * rng.standard_normal((n, 2))
    return Images("ring", points.astype(np.float32), labels, (2,))
