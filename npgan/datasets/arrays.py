"""Which arrays hold images or points, and how they become rows."""

from __future__ import annotations

import os
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from .base import DataError, Images, printable
from .scales import BYTES, finite_range, log, to_pixels
from .shapes import check_plausible, check_points, row_shape


class Rows(NamedTuple):
    """Flattened images or points, the shape of one of them, and a line that says what they are."""

    rows: npt.NDArray[Any]
    shape: tuple[int, ...]
    note: str


def as_rows(array: npt.NDArray[Any], where: str) -> Rows:
    """Convert an array, such as a file holds, to rows (n, pixels), with the shape of one row.

    Arrays (n, h, w), (n, h, w, 1) and (n, h, w, 3) are images, and their rows are uint8. Their
    values are uint8, other whole numbers in 0..255, or floats. Floats are taken as pixels in
    [0, 1], else in [-1, 1], else in [0, 255]: the first range that holds them all, up to half a
    pixel. Whole numbers that are only 0 and 1 are black and white.
    Arrays (n, d) of whole numbers in 0..255 are images, too; the shape of one is (side, side) if d
    is a square, else (d,). Arrays (n, d) of floats are points, and their rows are float32.
    An implausible scale is taken with a warning.

    Raises
    ------
    DataError
        If the array has another shape or type, no rows, NaN, infinite values or another range.
    """
    check_numbers(array, where)
    floating = array.dtype.kind == "f"
    shape = row_shape(array.shape, floating, where)
    if array.size == 0:
        raise DataError(f"{where}: holds no images (its shape is {array.shape})")
    size = " x ".join(map(str, shape))
    if floating and array.ndim == 2:
        with np.errstate(over="ignore"):
            points = np.array(array, np.float32, order="C")
        low, high = finite_range(points, where)
        check_points(len(points[0]), low, high, where)
        note = f"{len(points):,} points of {size} values from {low:g} to {high:g}, used as they are"
        return Rows(points, shape, note)
    pixels, scale = to_pixels(array, where)
    scaled = "" if scale is BYTES else ", scaled to 0..255"
    note = f"{len(array):,} images of {size}, pixels in {scale.name}{scaled}"
    return Rows(pixels.reshape(len(array), -1), shape, note)


def check_numbers(array: npt.NDArray[Any], where: str) -> None:
    """Raise DataError if the array does not hold whole numbers or floats."""
    if array.dtype.kind not in "iuf":
        hint = "; 255 * array.astype(np.uint8) makes pixels of them" if array.dtype == bool else ""
        kind = printable(str(array.dtype), 60)
        raise DataError(f"{where}: holds {kind} values; expected uint8 or floats{hint}")


def as_labels(array: npt.NDArray[Any], n: int, where: str) -> npt.NDArray[Any]:
    """Labels (n,) or (n, 1) of whole numbers as (n,): uint8 where they fit, else int64."""
    if array.shape not in [(n,), (n, 1)] or array.dtype.kind not in "iu":
        raise DataError(
            f"{where}: expected one whole number for each of {n} images, "
            f"got {array.shape} {printable(str(array.dtype), 60)}"
        )
    if array.max() > np.iinfo(np.int64).max:
        raise DataError(f"{where}: the largest is {array.max()}, which int64 cannot hold")
    fits = array.min() >= 0 and array.max() <= 255
    return array.reshape(n).astype(np.uint8 if fits else np.int64)


def plain_array(values: npt.ArrayLike, where: str) -> npt.NDArray[Any]:
    """What the user passed as an array of NumPy, if nothing of its meaning is lost by that."""
    kind = type(values).__name__
    if isinstance(values, str | bytes | os.PathLike):
        raise DataError(
            f"{where}: expected an array, got the name {values!r:.60}; "
            "npgan.datasets.load(name) reads a file or a folder"
        )
    if isinstance(values, np.ma.MaskedArray):
        raise DataError(
            f"{where}: a masked array, whose mask would be lost; .filled(0) makes a plain array"
        )
    if isinstance(values, np.ndarray) and type(values) not in (np.ndarray, np.memmap):
        raise DataError(
            f"{where}: a {kind}, a kind of array that would lose its meaning; "
            "np.array(values) makes a plain array, if that is what it holds"
        )
    if hasattr(values, "to_numpy"):
        raise DataError(
            f"{where}: a {kind}; take its columns of pixels, without labels, as an array: "
            ".to_numpy(), and for images .reshape(n, height, width)"
        )
    if isinstance(values, Images):
        raise DataError(f"{where}: npgan's Images; expected an array, such as .images or .labels")
    try:
        array = np.asarray(values)
    except Exception as error:  # ragged lists, tensors on a GPU: each library has its own types
        if isinstance(values, list | tuple) and len(values) == 2:
            raise DataError(
                f"{where}: two things of different shapes; are they images and labels? "
                "Give them as fit(images, labels=labels)"
            ) from None
        reason = printable(str(error), 120)
        raise DataError(f"{where}: no array but a {kind}; NumPy says: {reason}") from None
    if array.dtype == object:
        raise DataError(
            f"{where}: a {kind} of objects; expected an array of numbers, (n, h, w) or (n, d)"
        )
    return array


def as_dataset(images: npt.ArrayLike, labels: npt.ArrayLike | None = None) -> Images:
    """The user's arrays as a dataset; see `as_rows` and `as_labels` for what they may be."""
    array = plain_array(images, "the images")
    check_plausible(array.shape, array.dtype.kind == "f", "the images")
    rows, shape, note = as_rows(array, "the images")
    known = None
    if labels is not None:
        known = as_labels(plain_array(labels, "the labels"), len(rows), "the labels")
    log.info("npgan: %s", note)
    return Images("an array in memory", rows, known, shape, note=note)
