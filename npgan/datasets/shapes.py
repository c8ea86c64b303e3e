"""The shape of one image or point in an array, and which shapes are implausible."""

from __future__ import annotations

import math

from .base import DataError
from .scales import warn

SMALLEST = 8  # images of fewer pixels on a side are never assumed


def row_shape(shape: tuple[int, ...], floating: bool, where: str) -> tuple[int, ...]:
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
        else "; transpose(3, 0, 1, 2) puts the images first"
        if len(shape) == 4 and shape[2] in (1, 3)
        else ""
    )
    raise DataError(
        f"{where}: its shape is {shape}; expected (n, h, w), (n, h, w, 1), (n, h, w, 3) or "
        f"(n, pixels){hint}"
    )


def image_shape(columns: int) -> tuple[int, ...] | None:
    """The likeliest shape of a flattened image: (h, h) or (h, h, 3); None if there is none."""
    for shape, pixels in (((), columns), ((3,), columns // 3)):
        side = math.isqrt(pixels)
        if side >= SMALLEST and side * side * math.prod(shape) == columns:
            return (side, side, *shape)
    return None


def check_plausible(shape: tuple[int, ...], floating: bool, where: str) -> None:
    """Refuse or warn of shapes of images that are probably arranged in another way.

    It is for arrays from the user. Formats of images (IDX, PNG) say which axis is which.
    """
    if len(shape) == 2 and _is_one_image(*shape, floating):
        rows = "points" if floating else "images"
        warn(
            f"{where}: its shape is {shape}, taken as {shape[0]:,} {rows} of {shape[1]} values; if "
            "it is one image, a dataset needs many: (n, h, w)"
        )
    elif len(shape) == 2 and not floating:
        _check_columns(shape[1], where)
    elif len(shape) == 3:
        n, h, w = shape
        if n == h >= SMALLEST and w != h:
            raise DataError(
                f"{where}: its shape is {shape}; expected (n, h, w). If the last axis counts the "
                "images, transpose(2, 0, 1) puts them first; one image is array[None]"
            )
        if h >= 16 and w <= 4:
            warn(
                f"{where}: its shape is {shape}, taken as {n:,} images of {h} x {w}; if it is one "
                "colour image, a dataset needs many"
            )
        elif w > 4 * h and w > n:
            warn(
                f"{where}: its shape is {shape}, taken as {n:,} images of {h} x {w}; if the last "
                "axis counts the images, transpose(2, 0, 1) puts them first"
            )


def _is_one_image(h: int, w: int, floating: bool) -> bool:
    """Whether (h, w) is rather one image than h flattened images or points."""
    if min(h, w) < 2 * SMALLEST or h == w:
        return h == w >= 2 * SMALLEST
    flattened = math.isqrt(w) ** 2 == w or image_shape(w) or image_shape(w - 1)
    return not floating and not flattened and max(h, w) <= 2 * min(h, w)


def _check_columns(columns: int, where: str) -> None:
    """The same for rows of whole numbers, (n, columns)."""
    if math.isqrt(columns) ** 2 == columns:
        return
    if smaller := image_shape(columns - 1):
        raise DataError(
            f"{where}: rows of {columns} values are one more than {_by(smaller)} pixels; is a "
            "column the labels? Leave it out: images = array[:, 1:], labels = array[:, 0]"
        )
    if fits := image_shape(columns):
        warn(
            f"{where}: rows of {columns} values, taken as images of this shape; if they are "
            f"{_by(fits)}, reshape them to (n, {', '.join(map(str, fits))})"
        )


def check_points(columns: int, low: float, high: float, where: str) -> None:
    """Warn if points (n, columns) of floats from low to high are probably flattened images."""
    fits = image_shape(columns) or image_shape(columns - 1)
    in_range = low >= -1.01 and high <= 255.5 and (low >= -0.01 or high <= 1.01)
    if fits and in_range:
        label = " without the column of labels" if image_shape(columns) is None else ""
        warn(
            f"{where}: floats of shape (n, {columns}) are taken as points and not scaled; for "
            f"images of {_by(fits)}, reshape them to (n, {', '.join(map(str, fits))}){label}"
        )


def _by(shape: tuple[int, ...]) -> str:
    """The words "28 x 28" for a shape."""
    return " x ".join(map(str, shape))
