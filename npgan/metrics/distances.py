"""How far apart two sets are: pure functions of feature vectors (or pixels), one row per image."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from .. import kernels

BLOCK = 1 << 20  # distances held at a time
STRIP = 4000  # rows held as floats at a time


def frechet_distance(a: np.ndarray, b: np.ndarray) -> float:
    """|μa - μb|² + tr(Ca + Cb - 2 (Ca Cb)^½), of the means μ and covariances C of a (n, d) and b (m, d).

    The squared Wasserstein-2 distance between the Gaussians that have these moments (Dowson & Landau 1982),
    the formula of Heusel et al. 2017, section 3. It is the FID only in the features of the FID's own
    network; in any other features it has another scale. The root's trace is that of (Ca^½ Cb Ca^½)^½, which
    is symmetric: two eigendecompositions do. Few samples bias it upwards. Raises ValueError for other shapes.
    """
    a, b = rows("frechet_distance", 2, a, b)
    a, b = a.astype(np.float64), b.astype(np.float64)
    gap = a.mean(0) - b.mean(0)
    Ca, Cb = (np.atleast_2d(np.cov(x, rowvar=False)) for x in (a, b))
    values, vectors = np.linalg.eigh(Ca)
    root = vectors * np.sqrt(np.maximum(values, 0)) @ vectors.T
    middle = np.sqrt(np.maximum(np.linalg.eigvalsh(root @ Cb @ root), 0)).sum()
    return max(float(gap @ gap + np.trace(Ca) + np.trace(Cb) - 2 * middle), 0.0)


def precision_recall(real: np.ndarray, fake: np.ndarray, k: int = 3) -> tuple[float, float]:
    """(precision, recall): how much of fake (m, d) lies in real's manifold, and of real (n, d) in fake's.

    A set's manifold is the union of balls around its points, each as wide as the distance to the point's
    k-th neighbour in the set. Precision: how much of what is generated looks real; recall: how much of
    what is real can be generated. Kynkäänniemi et al. 2019, section 2. Raises ValueError for other shapes,
    or where a set has no k-th neighbour.
    """
    real, fake = rows("precision_recall", k + 1, real, fake)
    return overlap(real, radii(real, k), fake, radii(fake, k))


def overlap(
    real: np.ndarray, real_radii: np.ndarray, fake: np.ndarray, fake_radii: np.ndarray
) -> tuple[float, float]:
    """The shares of fake and of real that lie in a ball of the other, of these squared radii."""
    precise, recalled = np.zeros(len(fake), bool), np.zeros(len(real), bool)
    for here, square in square_distances(real, fake):
        precise |= (square <= real_radii[here, None]).any(0)
        recalled[here] = (square <= fake_radii).any(1)
    return float(precise.mean()), float(recalled.mean())


def nearest(x: np.ndarray, others: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(index, distance) of the row of others (m, d) that is nearest to each row of x (n, d), Euclidean.

    uint8 rows are pixels: 0 to 255 count as 0 to 1. Raises ValueError for other shapes.
    """
    x, others = rows("nearest", 1, x, others)
    index, best = np.zeros(len(x), np.intp), np.full(len(x), np.inf, np.float32)
    for start in range(0, len(others), STRIP):
        for here, square in square_distances(x, others[start : start + STRIP]):
            at = square.argmin(1)
            square = square[np.arange(len(at)), at]
            index[here] = np.where(square < best[here], at + start, index[here])
            best[here] = np.minimum(square, best[here])
    # a² + b² - 2ab has chosen the row; the distance itself is computed without its cancellation.
    gap = floats(x) - floats(others[index])
    return index, np.sqrt(np.sum(gap * gap, axis=1))


def radii(x: np.ndarray, k: int) -> np.ndarray:
    """The squared distance from each row to its k-th neighbour among the other rows."""
    found = np.empty(len(x), np.float32)
    for here, square in square_distances(x, x):
        square[np.arange(len(square)), np.arange(here.start, here.stop)] = (
            np.inf
        )  # not its own neighbour
        square.partition(k - 1, axis=1)
        found[here] = square[:, k - 1]
    return found


def square_distances(a: np.ndarray, b: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
    """(rows of a, squared distances from these rows to every row of b), block after block, in float32.

    |a - b|² = a² + b² - 2ab is one matrix product, of the rows (-2a, a², 1) and (b, 1, b²).
    """
    centre = floats(b).mean(0)  # nearer to 0, fewer digits cancel
    b = floats(b) - centre
    b = np.column_stack([b, np.ones(len(b), np.float32), np.sum(b * b, axis=1)])
    step = max(1, BLOCK // len(b))
    for start in range(0, len(a), step):
        part = floats(a[start : start + step]) - centre
        part = np.column_stack(
            [-2 * part, np.sum(part * part, axis=1), np.ones(len(part), np.float32)]
        )
        yield slice(start, start + len(part)), kernels.gemm(part, b, False, True)


def floats(x: np.ndarray) -> np.ndarray:
    x32 = x.astype(np.float32)
    return x32 / np.float32(255) if x.dtype == np.uint8 else x32


def rows(caller: str, least: int, *sets: Any) -> list[np.ndarray]:
    """The sets as matrices with rows of one length, at least so many rows each."""
    found = [np.asarray(x) for x in sets]
    shapes = " and ".join(str(x.shape) for x in found)
    if any(x.ndim != 2 or len(x) < least for x in found) or len({x.shape[1] for x in found}) > 1:
        raise ValueError(
            f"{caller}() needs two matrices with rows of one length, {least} rows or more; got {shapes}"
        )
    return found
