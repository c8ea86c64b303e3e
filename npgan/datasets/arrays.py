"""Which arrays hold images or points, and how they become rows."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from .base import DataError, Images

ROWS = 1_000  # converted at a time, so that no second copy of a large float array is made


def as_rows(array: npt.NDArray[Any], where: str) -> tuple[npt.NDArray[Any], tuple[int, ...]]:
    """Convert an array, such as a file holds, to rows (n, pixels), and return the shape of one row.

    Arrays (n, h, w), (n, h, w, 1) and (n, h, w, 3) are images, and their rows are uint8. Their
    values are uint8, other whole numbers in 0..255, or floats. Floats are taken as pixels in
    [0, 1], else in [-1, 1], else in [0, 255]: the first range that holds them all.
    Arrays (n, d) of whole numbers in 0..255 are images, too; the shape of one is (side, side) if d
    is a square, else (d,). Arrays (n, d) of floats are points, and their rows are float32.

    Raises
    ------
    DataError
        If the array has another shape or type, no rows, NaN, infinite values or another range.
    """
    floating = np.issubdtype(array.dtype, np.floating)
    if not (floating or np.issubdtype(array.dtype, np.integer)):
        raise DataError(f"{where}: holds {array.dtype} values; expected uint8 or floats")
    shape = _row_shape(array.shape, floating, where)
    if array.size == 0:
        raise DataError(f"{where}: holds no images (its shape is {array.shape})")
    if floating and array.ndim == 2:
        with np.errstate(over="ignore"):
            points = np.array(array, np.float32, order="C")
        _finite_range(points, where)
        return points, shape
    return _pixels(array, where).reshape(len(array), -1), shape


def as_labels(array: npt.NDArray[Any], n: int, where: str) -> npt.NDArray[Any]:
    """Labels (n,) or (n, 1) of whole numbers as (n,): uint8 where they fit, else int64."""
    if array.shape not in [(n,), (n, 1)] or not np.issubdtype(array.dtype, np.integer):
        raise DataError(
            f"{where}: expected one whole number for each of {n} images, "
            f"got {array.shape} {array.dtype}"
        )
    fits = array.min() >= 0 and array.max() <= 255
    return array.reshape(n).astype(np.uint8 if fits else np.int64)


def _row_shape(shape: tuple[int, ...], floating: bool, where: str) -> tuple[int, ...]:
    """The shape of one image or point in an array of this shape."""
    if len(shape) == 2:
        side = math.isqrt(shape[1])
        return (side, side) if side * side == shape[1] and not floating else shape[1:]
    if len(shape) == 3 or (len(shape) == 4 and shape[3] == 1):
        return shape[1:3]
    if len(shape) == 4 and shape[3] == 3:
        return shape[1:]
    hint = (
        "; transpose(0, 2, 3, 1) puts colours last"
        if len(shape) == 4 and shape[1] in (1, 3)
        else ""
    )
    raise DataError(
        f"{where}: its shape is {shape}; expected (n, h, w), (n, h, w, 1), (n, h, w, 3) or "
        f"(n, pixels){hint}"
    )


def _pixels(array: npt.NDArray[Any], where: str) -> npt.NDArray[np.uint8]:
    """The values as uint8, C-contiguous, scaled if they are floats in [0, 1] or [-1, 1]."""
    if array.dtype == np.uint8:
        # A memory-mapped array is copied: otherwise the images would change with the file.
        return (
            np.array(array, order="C")
            if isinstance(array, np.memmap)
            else np.ascontiguousarray(array)
        )
    low, high = _finite_range(array, where)
    scale, shift = 1.0, 0.0
    if np.issubdtype(array.dtype, np.floating) and high <= 1 and low >= -1:
        scale, shift = (255.0, 0.0) if low >= 0 else (127.5, 127.5)
    elif low < 0 or high > 255:
        expected = (
            "[0, 255]" if np.issubdtype(array.dtype, np.integer) else "[0, 1], [-1, 1] or [0, 255]"
        )
        raise DataError(
            f"{where}: values run from {low:g} to {high:g}; expected pixels in {expected}"
        )
    pixels = np.empty(array.shape, np.uint8)
    for start in range(0, len(array), ROWS):
        rows = array[start : start + ROWS].astype(np.float64)
        pixels[start : start + ROWS] = np.rint(rows * scale + shift)
    return pixels


def _finite_range(array: npt.NDArray[Any], where: str) -> tuple[float, float]:
    """The smallest and the largest value, if they are finite."""
    low, high = float(array.min()), float(array.max())
    if not (math.isfinite(low) and math.isfinite(high)):
        raise DataError(f"{where}: holds NaN or infinite values; expected finite numbers (float32)")
    return low, high


def as_dataset(images: npt.ArrayLike, labels: npt.ArrayLike | None = None) -> Images:
    """The user's arrays as a dataset; see `as_rows` and `as_labels` for what they may be."""
    rows, shape = as_rows(np.asarray(images), "the images")
    known = None if labels is None else as_labels(np.asarray(labels), len(rows), "the labels")
    return Images("an array in memory", rows, known, shape)
