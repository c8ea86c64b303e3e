"""The scale of pixels: from which range of values they are converted to 0..255."""

from __future__ import annotations

import logging
import math
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from .base import DataError, printable

log = logging.getLogger("npgan")  # if the user added no handler, a warning is one line on stderr

ROWS = 1_000  # converted at a time, so that no second copy of a large float array is made
DARK = 64  # if no pixel reaches this value, the scale is probably wrong
GREY = 64  # if no value in [-1, 1] becomes a darker pixel than this, the same


class Scale(NamedTuple):
    """A range of values, and how they become pixels: value * factor + shift."""

    name: str
    white: float
    factor: float
    shift: float

    def holds(self, low: float, high: float) -> bool:
        """Whether values from low to high become pixels 0..255, after rounding."""
        return low * self.factor + self.shift > -0.5 and high * self.factor + self.shift < 255.5


UNIT = Scale("[0, 1]", 1.0, 255.0, 0.0)
SYMMETRIC = Scale("[-1, 1]", 1.0, 127.5, 127.5)
BYTES = Scale("[0, 255]", 255.0, 1.0, 0.0)
SCALES = (UNIT, SYMMETRIC, BYTES)


def warn(text: str) -> None:
    """Log a warning: one line on stderr, if the user added no handler."""
    log.warning("npgan: warning: %s", printable(text))


def finite_range(array: npt.NDArray[Any], where: str) -> tuple[float, float]:
    """The smallest and the largest value, if they are finite."""
    low, high = float(array.min()), float(array.max())
    if not (math.isfinite(low) and math.isfinite(high)):
        raise DataError(f"{where}: holds NaN or infinite values; expected finite numbers (float32)")
    return low, high


def scale_of(low: float, high: float, floating: bool, where: str) -> Scale:
    """The scale of values from low to high; DataError if there is none.

    The first of [0, 1], [-1, 1] and [0, 255] in which every value becomes a pixel 0..255 after
    rounding, so a value may exceed the range by less than half a pixel (1.0001 is 1). Whole numbers
    have the range [0, 255], but if they are only 0 and 1, they are black and white.
    """
    if floating:
        scales = [scale for scale in SCALES if scale.holds(low, high)]
        if scales == [BYTES] and low < 0 and high < DARK:  # standardised values
            scales = []
    else:
        scales = [UNIT if high == 1 and low >= 0 else BYTES] if low >= 0 and high <= 255 else []
    if not scales:
        expected = "[0, 1], [-1, 1] or [0, 255]" if floating else "[0, 255]"
        raise DataError(
            f"{where}: values run from {low:g} to {high:g}; expected pixels in {expected}"
        )
    return scales[0]


def to_pixels(
    array: npt.NDArray[Any], where: str, quiet: bool = False
) -> tuple[npt.NDArray[np.uint8], Scale]:
    """The values as uint8, C-contiguous, and their scale; warns of an implausible one."""
    low, high = finite_range(array, where)
    scale = scale_of(low, high, array.dtype.kind == "f", where)
    if not quiet and (doubt := doubts(low, high, scale, array.dtype.kind == "f")):
        warn(f"{where}: values run from {low:g} to {high:g}, taken as {scale.name}: {doubt}")
    if array.dtype == np.uint8 and scale is BYTES:
        # A memory-mapped array is copied: otherwise the images would change with the file.
        copied = isinstance(array, np.memmap)
        return np.array(array, order="C") if copied else np.ascontiguousarray(array), scale
    pixels = np.empty(array.shape, np.uint8)
    for start in range(0, len(array), ROWS):
        rows = array[start : start + ROWS].astype(np.float64)
        pixels[start : start + ROWS] = np.rint(rows * scale.factor + scale.shift)
    return pixels, scale


def doubts(low: float, high: float, scale: Scale, floating: bool) -> str:
    """Why this is an implausible range of pixels, and what to do; "" if it is plausible."""
    darkest, brightest = (value * scale.factor + scale.shift for value in (low, high))
    if scale is UNIT and not floating:
        return "black and white; if they were floats, their fractions are lost: keep the floats"
    if low == high:
        return "all pixels are the same: there is nothing to see in them"
    if brightest < DARK and high > 0:
        factor = scale.white / high
        if math.isfinite(factor):
            return f"nearly black; if {high:g} is white, multiply them by {factor:.6g}"
        return "nearly black"
    if scale is SYMMETRIC and darkest >= GREY - 0.5:
        return "none is nearly black; if 0 is black, clip them to [0, 1], else scale them"
    return ""
