"""From stored rows to what a network eats: random batches, and pixels between uint8 and [-1, 1]."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from .base import DataError

Seed = int | np.random.Generator | None


def to_unit(images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Pixels 0..255 to float32 in [-1, 1], any shape: x / 127.5 - 1, exact at both ends."""
    if images.dtype != np.uint8:
        raise DataError(
            f"to_unit takes uint8 pixels, got {images.dtype}; are they in [-1, 1] already?"
        )
    x = images.astype(np.float32)
    x /= 127.5
    x -= 1
    return x


def to_uint8(x: npt.NDArray[np.floating[Any]]) -> npt.NDArray[np.uint8]:
    """Floats to pixels 0..255, any shape: round((x + 1) 127.5), clipped; undoes to_unit exactly.

    Raises DataError for whole numbers (pixels already?) and for NaN.
    """
    if not np.issubdtype(x.dtype, np.floating):
        raise DataError(
            f"to_uint8 takes floats in [-1, 1], got {x.dtype}; are they pixels already?"
        )
    if bad := int(np.isnan(x).sum()):
        raise DataError(f"to_uint8 got {bad} NaN among {x.size} values; has training diverged?")
    pixels: npt.NDArray[np.uint8] = np.clip(np.rint((x + 1) * 127.5), 0, 255).astype(np.uint8)
    return pixels


def batches(
    images: npt.NDArray[Any],
    batch: int,
    rng: Seed = None,
    skip: int = 0,
    labels: npt.NDArray[Any] | None = None,
) -> Iterator[Any]:
    """One epoch in random order: yields (batch, pixels) float32, n // batch times.

    uint8 pixels come out in [-1, 1] (see to_unit), float rows as they are.  The n % batch rows at the
    end of the order are dropped; another epoch draws another order.  Only one batch at a time is
    converted.  The order is drawn at the call; skip leaves out that many batches at the start, so
    that an interrupted epoch goes on with the same rng state.  With labels (n,) it yields pairs: the
    images and their labels.
    Raises DataError unless 1 <= batch <= n, 0 <= skip <= n // batch, images is (n, pixels) and labels (n,).
    """
    if images.ndim != 2 or not (
        images.dtype == np.uint8 or np.issubdtype(images.dtype, np.floating)
    ):
        raise DataError(
            f"images must be (n, pixels) uint8 or float, got {images.shape} {images.dtype}; "
            "flatten each image to a row"
        )
    n = len(images)
    if not 1 <= batch <= n:
        raise DataError(f"batch must be between 1 and the {n} images there are, got {batch}")
    if not 0 <= skip <= n // batch:
        raise DataError(
            f"skip must be between 0 and the {n // batch} batches of an epoch, got {skip}"
        )
    if labels is not None and np.shape(labels) != (n,):
        raise DataError(
            f"labels must be one for each of the {n} images, got shape {np.shape(labels)}"
        )
    order = np.random.default_rng(rng).permutation(n)
    orders = order[skip * batch : n // batch * batch].reshape(-1, batch)
    return (
        _rows(images, orders)
        if labels is None
        else zip(_rows(images, orders), labels[orders], strict=True)
    )


def _rows(
    images: npt.NDArray[Any], orders: npt.NDArray[np.intp]
) -> Iterator[npt.NDArray[np.float32]]:
    for order in orders:
        rows = images[order]
        yield to_unit(rows) if rows.dtype == np.uint8 else rows.astype(np.float32, copy=False)
