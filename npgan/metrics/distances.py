"""Distances between two sets of vectors, one per row: features of images, or their pixels."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import kernels
from ..datasets.batching import Seed

MAX_DISTANCES = 1 << 20  # distances in memory at a time
MAX_ROWS = 4000  # rows in memory as float32 at a time

Vectors = NDArray[Any]  # (n, d), float or uint8
Floats = NDArray[np.float32]


def frechet_distance(a: ArrayLike, b: ArrayLike) -> float:
    """Compute the Fréchet distance between two sets of feature vectors.

    Parameters
    ----------
    a : (n, d) array
        Feature vectors, n >= 2.
    b : (m, d) array
        Feature vectors of the other set, m >= 2.

    Returns
    -------
    float
        |μa - μb|² + tr(Ca + Cb - 2 (Ca Cb)^½), where μ are the means and C the covariances.

    Raises
    ------
    ValueError
        If the arrays have other shapes.

    Notes
    -----
    This is the squared Wasserstein-2 distance between the Gaussians with these means and
    covariances [1]_, and the formula of the FID [2]_. It is the FID only for features of the FID's
    network; other features have another scale. With few vectors the distance is too large on
    average. The trace of the root is computed as that of (Ca^½ Cb Ca^½)^½, which is symmetric, so
    that two eigendecompositions are enough.

    References
    ----------
    .. [1] D. Dowson and B. Landau, "The Fréchet distance between multivariate normal
       distributions", 1982.
    .. [2] M. Heusel et al., "GANs trained by a two time-scale update rule converge to a local Nash
       equilibrium", 2017, section 3.
    """
    a, b = check_matrices("frechet_distance", 2, a, b)
    a, b = a.astype(np.float64), b.astype(np.float64)
    gap = a.mean(0) - b.mean(0)
    Ca, Cb = (np.atleast_2d(np.cov(x, rowvar=False)) for x in (a, b))
    values, vectors = np.linalg.eigh(Ca)
    root = vectors * np.sqrt(np.maximum(values, 0)) @ vectors.T
    middle = np.sqrt(np.maximum(np.linalg.eigvalsh(root @ Cb @ root), 0)).sum()
    return max(float(gap @ gap + np.trace(Ca) + np.trace(Cb) - 2 * middle), 0.0)


def kernel_distance(
    a: ArrayLike, b: ArrayLike, subsets: int = 10, rng: Seed = 0
) -> tuple[float, float]:
    """Compute the kernel distance between two sets of feature vectors, and its standard error.

    Parameters
    ----------
    a : (n, d) array
        Feature vectors, n >= 2 subsets.
    b : (m, d) array
        Feature vectors of the other set, m >= 2 subsets.
    subsets : int
        How many parts without common rows each set is split into, 2 or more.
    rng : int, Generator or None
        What the rows of the parts are drawn from.

    Returns
    -------
    distance : float
        The mean over the pairs of parts of an unbiased estimate of the squared maximum mean
        discrepancy, with the kernel k(x, y) = (x·y / d + 1)³. For parts x and y of n rows each:
        1 / (n (n - 1)) Σ_{i≠j} (k(x_i, x_j) + k(y_i, y_j)) - 2 / n² Σ_{i,j} k(x_i, y_j)
    standard_error : float
        The standard deviation of these estimates (with subsets - 1), divided by √subsets.

    Raises
    ------
    ValueError
        If the arrays have other shapes, or `subsets` is less than 2.

    Notes
    -----
    This is the formula of the KID [1]_, which is its value in the features of another network. No
    Gaussian is fitted, and the estimate is unbiased: for few vectors it is less certain, but not
    larger on average, and for two sets from one distribution it is 0 on average, so it can be
    negative. The parts have no rows in common so that their estimates are independent.

    References
    ----------
    .. [1] M. Bińkowski et al., "Demystifying MMD GANs", 2018, section 4.
    """
    if subsets < 2:
        raise ValueError(f"kernel_distance() needs 2 subsets or more, got {subsets}")
    a, b = check_matrices("kernel_distance", 2 * subsets, a, b)
    generator = np.random.default_rng(rng)
    rows = min(len(a), len(b)) // subsets
    orders = [generator.permutation(len(x))[: rows * subsets].reshape(subsets, -1) for x in (a, b)]
    estimates = [
        squared_discrepancy(a[i].astype(np.float64), b[j].astype(np.float64))
        for i, j in zip(*orders, strict=True)
    ]
    return float(np.mean(estimates)), float(np.std(estimates, ddof=1) / np.sqrt(subsets))


def squared_discrepancy(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    """The unbiased estimate in `kernel_distance`, of two sets of n vectors each."""
    n, d = x.shape

    def kernel(x: NDArray[np.float64], y: NDArray[np.float64]) -> Any:
        return (kernels.gemm(x, y, False, True) / d + 1) ** 3

    within = sum(k.sum() - np.trace(k) for k in (kernel(x, x), kernel(y, y)))
    return float(within / (n * (n - 1)) - 2 * kernel(x, y).mean())


def precision_recall(real: ArrayLike, fake: ArrayLike, k: int = 3) -> tuple[float, float]:
    """Compute precision and recall of generated feature vectors.

    Parameters
    ----------
    real : (n, d) array
        Feature vectors of real images, n > k.
    fake : (m, d) array
        Feature vectors of generated images, m > k.
    k : int
        Which nearest neighbour gives the radius of a ball.

    Returns
    -------
    precision : float
        The share of `fake` in the manifold of `real`: how many generated images look real.
    recall : float
        The share of `real` in the manifold of `fake`: how many real images could be generated.

    Raises
    ------
    ValueError
        If the arrays have other shapes.

    Notes
    -----
    The manifold of a set is estimated as a union of balls around its points. The radius of each
    ball is the distance from the point to its k-th nearest neighbour in the set [1]_.

    References
    ----------
    .. [1] T. Kynkäänniemi et al., "Improved precision and recall metric for assessing generative
       models", 2019, section 2.
    """
    real, fake = check_matrices("precision_recall", k + 1, real, fake)
    return shares_inside_balls(real, squared_radii(real, k), fake, squared_radii(fake, k))


def nearest(x: ArrayLike, others: ArrayLike) -> tuple[NDArray[np.intp], Floats]:
    """Find the nearest row of `others` for each row of `x`, in Euclidean distance.

    Parameters
    ----------
    x : (n, d) array
        Vectors; uint8 rows are pixels, and 0 to 255 count as 0 to 1.
    others : (m, d) array
        The vectors to search.

    Returns
    -------
    index : (n,) int array
        The row of `others` that is nearest to each row of `x`.
    distance : (n,) float32 array
        The distance between the two.

    Raises
    ------
    ValueError
        If the arrays have other shapes.
    """
    x, others = check_matrices("nearest", 1, x, others)
    index, best = np.zeros(len(x), np.intp), np.full(len(x), np.inf, np.float32)
    for start in range(0, len(others), MAX_ROWS):
        for rows, square in squared_distance_blocks(x, others[start : start + MAX_ROWS]):
            candidate = square.argmin(1)
            square = square[np.arange(len(candidate)), candidate]
            index[rows] = np.where(square < best[rows], candidate + start, index[rows])
            best[rows] = np.minimum(square, best[rows])
    # a² + b² - 2ab has selected the row; the distance itself is computed without its cancellation.
    gap = as_float32(x) - as_float32(others[index])
    return index, np.sqrt(np.sum(gap * gap, axis=1))


def shares_inside_balls(
    real: Vectors, real_squared_radii: Floats, fake: Vectors, fake_squared_radii: Floats
) -> tuple[float, float]:
    """The share of `fake` inside a ball around a real point, and of `real` around a fake one."""
    fake_inside, real_inside = np.zeros(len(fake), bool), np.zeros(len(real), bool)
    for rows, square in squared_distance_blocks(real, fake):
        fake_inside |= (square <= real_squared_radii[rows, None]).any(0)
        real_inside[rows] = (square <= fake_squared_radii).any(1)
    return float(fake_inside.mean()), float(real_inside.mean())


def squared_radii(x: Vectors, k: int) -> Floats:
    """The squared distance from each row to its k-th nearest neighbour among the other rows."""
    found = np.empty(len(x), np.float32)
    for rows, square in squared_distance_blocks(x, x):
        # A row is not its neighbour.
        square[np.arange(len(square)), np.arange(rows.start, rows.stop)] = np.inf
        square.partition(k - 1, axis=1)
        found[rows] = square[:, k - 1]
    return found


def squared_distance_blocks(a: Vectors, b: Vectors) -> Iterator[tuple[slice, Floats]]:
    """Yield (a slice of rows of a, their squared distances to every row of b), block after block.

    |a - b|² = a² + b² - 2ab is one matrix product, of the rows (-2a, a², 1) and (b, 1, b²).
    """
    centre = as_float32(b).mean(0)  # around 0 the subtraction cancels fewer digits
    b = as_float32(b) - centre
    b = np.column_stack([b, np.ones(len(b), np.float32), np.sum(b * b, axis=1)])
    step = max(1, MAX_DISTANCES // len(b))
    for start in range(0, len(a), step):
        part = as_float32(a[start : start + step]) - centre
        part = np.column_stack(
            [-2 * part, np.sum(part * part, axis=1), np.ones(len(part), np.float32)]
        )
        yield slice(start, start + len(part)), kernels.gemm(part, b, False, True)


def as_float32(x: NDArray[Any]) -> Floats:
    """The array as float32; uint8 pixels, 0 to 255, become 0 to 1."""
    x32 = x.astype(np.float32)
    return x32 / np.float32(255) if x.dtype == np.uint8 else x32


def check_matrices(caller: str, least: int, *sets: ArrayLike) -> list[Vectors]:
    """The sets as arrays, if they are matrices of one width with at least `least` rows each."""
    found = [np.asarray(x) for x in sets]
    shapes = " and ".join(str(x.shape) for x in found)
    if any(x.ndim != 2 or len(x) < least for x in found) or len({x.shape[1] for x in found}) > 1:
        raise ValueError(
            f"{caller}() needs two matrices with rows of one length, {least} rows or more; "
            f"got {shapes}"
        )
    return found
