"""Samples compared with real images: spread, variety, distance, missing classes and copies."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from .. import kernels
from ..datasets import Images

N_REFERENCE = 2000  # real images that samples are compared with
# A class is missing if samples have less than this part of the share that the class has in the
# data.
MISSING_BELOW = 0.1
# A sample is a copy if its distance to a training image is less than this part of the distance from
# that image to the next one.
COPY_BELOW = 0.5


class SampleStatistics(NamedTuple):
    """The result of `measure`. Real images have about 1 in the first three. NaN: not computable."""

    spread: float  # square root of the total variance, relative to the data's
    variety: float  # number of different real images that are the nearest one to a sample, relative
    distance: float  # median distance to the nearest real image, relative to that between real ones
    missing: tuple[int, ...]  # classes that are not among the samples
    missing_share: float  # their share of the data
    copies: float  # share of the samples that repeat a training image


class Reference(NamedTuple):
    """The real images that samples are compared with."""

    x: npt.NDArray[np.float32]  # (n, d)
    neighbours: npt.NDArray[np.intp]  # index of the nearest other image, for each
    gaps: npt.NDArray[np.float32]  # the distance to it
    labels: npt.NDArray[Any] | None
    total: int  # training images, from which these were drawn
    pixels: bool


def draw_reference(data: Images, rng: np.random.Generator) -> Reference:
    """Up to N_REFERENCE random real images, with the distances between them."""
    rows = rng.permutation(len(data))[:N_REFERENCE]
    x = as_floats(data.images[rows])
    square = square_distances(x, x)
    np.fill_diagonal(square, np.inf)
    labels = None if data.labels is None else data.labels[rows]
    pixels = data.images.dtype == np.uint8
    return Reference(x, square.argmin(1), np.sqrt(square.min(1)), labels, len(data), pixels)


def measure(samples: npt.NDArray[Any], real: Reference) -> SampleStatistics:
    """Compare samples (n, ...) with real images; a sample has the class of the nearest real image.

    uint8 pixels count as 0 to 1. If the reference holds only a part of the training images, the
    share of copies is scaled up accordingly.
    """
    x = as_floats(samples)
    spread = math.sqrt(x.var(0).sum() / max(float(real.x.var(0).sum()), 1e-12))
    if len(real.x) < 2:
        return SampleStatistics(spread, math.nan, math.nan, (), 0.0, 0.0)
    square = square_distances(x, real.x)
    nearest = square.argmin(1)
    variety = len(np.unique(nearest)) / len(np.unique(real.neighbours[: len(x)]))
    distance, gap = np.sqrt(square[np.arange(len(x)), nearest]), real.gaps[nearest]
    missing, missing_share = missing_classes(real.labels, nearest)
    relative, copies = math.nan, 0.0  # points in a plane are too close together for both
    if real.pixels:
        relative = float(np.median(distance) / max(float(np.median(real.gaps)), 1e-12))
        copies = float(np.mean(distance < COPY_BELOW * gap)) * real.total / len(real.x)
    return SampleStatistics(spread, variety, relative, missing, missing_share, copies)


def missing_classes(
    labels: npt.NDArray[Any] | None, nearest: npt.NDArray[np.intp]
) -> tuple[tuple[int, ...], float]:
    """The classes that hardly any sample has, and their share of the data."""
    if labels is None:
        return (), 0.0
    classes, index = np.unique(labels, return_inverse=True)
    in_data = np.bincount(index) / len(index)
    in_samples = np.bincount(index[nearest], minlength=len(classes)) / len(nearest)
    # Of a rare class there may be no sample by chance.
    missing = (in_samples < MISSING_BELOW * in_data) & (in_data * len(nearest) > 10)
    return tuple(classes[missing].tolist()), float(in_data[missing].sum())


def square_distances(a: npt.NDArray[Any], b: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """|a - b|² between every row of a (n, d) and every row of b (m, d), shape (n, m)."""
    squares = np.sum(a * a, axis=1)[:, None] + np.sum(b * b, axis=1)
    products: npt.NDArray[Any] = kernels.gemm(a, b, False, True)
    result: npt.NDArray[Any] = np.maximum(squares - 2 * products, 0.0)
    return result


def as_floats(x: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    """One float32 row for each image, pixels from 0 to 1."""
    rows = x.reshape(len(x), -1)
    return rows / np.float32(255) if x.dtype == np.uint8 else rows.astype(np.float32)
