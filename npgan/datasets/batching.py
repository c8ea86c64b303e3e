"""Random batches for training, and the conversion of pixels between uint8 and [-1, 1]."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, overload

import numpy as np
import numpy.typing as npt

from .base import DataError

Seed = int | np.random.Generator | None
Part = slice | Sequence[int]
Batch = npt.NDArray[np.float32]  # (batch, pixels)


def to_unit(images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Convert pixels from 0..255 to [-1, 1].

    Parameters
    ----------
    images : uint8 array of any shape
        The pixels.

    Returns
    -------
    float32 array of the same shape
        x / 127.5 - 1, which is exact for 0 and 255.

    Raises
    ------
    DataError
        If the array is not uint8.
    """
    if images.dtype != np.uint8:
        raise DataError(
            f"to_unit takes uint8 pixels, got {images.dtype}; are they in [-1, 1] already?"
        )
    x = images.astype(np.float32)
    x /= 127.5
    x -= 1
    return x


def to_uint8(x: npt.NDArray[np.floating[Any]]) -> npt.NDArray[np.uint8]:
    """Convert floats in [-1, 1] to pixels 0..255; the inverse of `to_unit`.

    Parameters
    ----------
    x : float array of any shape
        The values; those outside [-1, 1] are clipped.

    Returns
    -------
    uint8 array of the same shape
        round((x + 1) 127.5).

    Raises
    ------
    DataError
        If the array does not hold floats, or holds NaN.
    """
    if not np.issubdtype(x.dtype, np.floating):
        raise DataError(
            f"to_uint8 takes floats in [-1, 1], got {x.dtype}; are they pixels already?"
        )
    if bad := int(np.isnan(x).sum()):
        raise DataError(f"to_uint8 got {bad} NaN among {x.size} values; has training diverged?")
    pixels: npt.NDArray[np.uint8] = np.clip(np.rint((x + 1) * 127.5), 0, 255).astype(np.uint8)
    return pixels


# What the iterator yields depends on whether there are labels, which a type checker may not know.
@overload
def batches(
    images: npt.NDArray[Any],
    batch: int,
    rng: Seed = None,
    skip: int = 0,
    labels: None = None,
    part: Part = slice(None),
) -> Iterator[Batch]: ...
@overload
def batches(
    images: npt.NDArray[Any],
    batch: int,
    rng: Seed = None,
    skip: int = 0,
    labels: npt.NDArray[Any] = ...,
    part: Part = slice(None),
) -> Iterator[tuple[Batch, npt.NDArray[Any]]]: ...
@overload
def batches(
    images: npt.NDArray[Any],
    batch: int,
    rng: Seed = None,
    skip: int = 0,
    labels: npt.NDArray[Any] | None = ...,
    part: Part = slice(None),
) -> Iterator[Any]: ...
def batches(
    images: npt.NDArray[Any],
    batch: int,
    rng: Seed = None,
    skip: int = 0,
    labels: npt.NDArray[Any] | None = None,
    part: Part = slice(None),
) -> Iterator[Batch] | Iterator[tuple[Batch, npt.NDArray[Any]]]:
    """Iterate once over the rows of a dataset, in batches and in random order: one epoch.

    Parameters
    ----------
    images : (n, pixels) uint8 or float array
        One flattened image, or one point, per row. uint8 pixels are converted to [-1, 1] by
        `to_unit`, floats are used as they are.
    batch : int
        Rows in a batch, from 1 to n.
    rng : int, numpy.random.Generator or None
        The random generator or its seed; None for another order at every call. The order is drawn
        when the function is called.
    skip : int
        Leave out this many batches at the start, to continue an epoch that was interrupted.
    labels : (n,) array, optional
        The class of each row.
    part : slice or sequence of int
        The positions in a batch of the rows that are read and returned; all by default. So each of
        several processes reads its own rows of the same batches.

    Returns
    -------
    iterator
        n // batch - skip arrays (batch, pixels) float32; with labels, tuples of such an array and
        its labels (batch,). With `part` they have as many rows as it has positions.

    Raises
    ------
    DataError
        If `images` has another shape or type, `batch` or `skip` is out of range, or there is not
        one label for each row.

    Notes
    -----
    The last n % batch rows of the order are not used; the next epoch has another order. Only one
    batch is converted at a time.

    Examples
    --------
    >>> for x in batches(mnist().images, 128, rng=0):  # x is (128, 784) float32 in [-1, 1]
    ...     train(x)
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
    rows_of_batches = order[skip * batch : n // batch * batch].reshape(-1, batch)[:, part]
    converted = _converted(images, rows_of_batches)
    if labels is None:
        return converted
    return zip(converted, labels[rows_of_batches], strict=True)


def _converted(images: npt.NDArray[Any], rows_of_batches: npt.NDArray[np.intp]) -> Iterator[Batch]:
    """The rows of each batch as float32, pixels in [-1, 1]."""
    for rows in rows_of_batches:
        chosen = images[rows]
        is_pixels = chosen.dtype == np.uint8
        yield to_unit(chosen) if is_pixels else chosen.astype(np.float32, copy=False)
