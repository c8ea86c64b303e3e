"""Checks of arguments that several functions of npgan.plot share."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Pixels = NDArray[np.uint8]

TO_UINT8 = "((x + 1) * 127.5).round().astype(np.uint8) brings pixels in [-1, 1] to uint8"


def check_images(caller: str, images: ArrayLike, lead: str = "n") -> Pixels:
    """The images as an array if they are uint8 of shape (lead, h, w[, 3]); else ValueError."""
    images, axes = np.asarray(images), lead.count(",") + 3
    wrong = images.ndim < axes or images.shape[axes:] not in ((), (1,), (3,))
    if wrong or images.dtype != np.uint8 or not images.size:
        raise ValueError(
            f"{caller}() needs uint8 images of shape ({lead}, h, w) or ({lead}, h, w, 3), "
            f"got {images.dtype} {images.shape}; {_advice(images)}"
        )
    return images


def check_whole_number(name: str, value: int, least: int) -> int:
    """The value as an int if it is a whole number of at least `least`; else ValueError."""
    if not isinstance(value, (int, np.integer)) or value < least:
        raise ValueError(f"{name} must be a whole number of at least {least}, got {value!r}")
    return int(value)


def _advice(x: NDArray[np.generic]) -> str:
    """What the caller can do with an array that `check_images` refuses."""
    if not x.size:
        return "there is nothing to draw"
    if x.dtype != np.uint8 and x.ndim != 2:
        return TO_UINT8
    return "as_images(x, (28, 28)) gives flat images their shape"
