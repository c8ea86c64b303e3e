"""Pictures of a trained GAN: samples as a grid or as points, and interpolations in latent space."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..layers import Seed
from .protocol import GANLike
from .settings import COUNT
from .streams import generator

MAX_COLUMNS = 32  # classes that get a column of their own


def displayed_classes(gan: GANLike) -> list[int]:
    """The classes with a column each in the pictures of a conditional GAN: all, or the first 32."""
    return gan.classes_[:MAX_COLUMNS]


def save_samples(
    gan: GANLike, samples: npt.NDArray[Any], path: Path, title: str | None = None,
    real: npt.NDArray[Any] | None = None, columns: int | None = None,
) -> None:  # fmt: skip
    """Write a grid of images, or 2-D points over real ones; other points have no picture."""
    from .. import plot

    if gan.pixels_:
        plot.save(plot.grid(with_height(samples), columns, title), path)
    elif gan.shape_ == (2,):
        plot.save(plot.points(samples, real, title=title), path)


def with_height(images: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Images without a height, (n, pixels), as images one pixel high."""
    return images[:, None, :] if images.ndim == 2 else images


def interpolate(
    gan: GANLike, rows: int | None = None, steps: int = 12, rng: Seed = 0
) -> npt.NDArray[Any]:
    """Images on paths in latent space, each path from one random z to another and of one class.

    A path is the great circle through its ends (White 2016). A straight line would pass through
    vectors z that are shorter than those that the generator was trained on.

    Parameters
    ----------
    gan : GAN
        A GAN that was trained on images.
    rows : int, optional
        The number of paths; by default one for each class, or 8.
    steps : int
        Images on each path, with its ends.
    rng : int, np.random.Generator or None
        For the ends of the paths.

    Returns
    -------
    array (rows, steps, height, width)
        The images; uint8.
    """
    default = len(displayed_classes(gan)) or 8
    rows = default if rows is None else COUNT.check("rows", rows)
    steps = COUNT.check("steps", steps)
    z = paths(rows, steps, gan.config["latent"], generator(rng))
    labels = np.repeat(np.resize(gan.classes_, rows), steps) if gan.classes_ else None
    images = with_height(gan.generate(z.reshape(rows * steps, -1), labels))
    return images.reshape(rows, steps, *images.shape[1:])


def paths(rows: int, steps: int, latent: int, rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """(rows, steps, latent): points on the great circles between pairs of random vectors."""
    a, b = rng.standard_normal((2, rows, 1, latent), dtype=np.float32)
    t = np.linspace(0, 1, steps, dtype=np.float32)[:, None]
    cosine = np.sum(a * b, -1) / (np.linalg.norm(a, axis=-1) * np.linalg.norm(b, axis=-1))
    angle = np.arccos(np.clip(cosine, -1, 1))[..., None]
    # Vectors on one line through 0, as all are in one dimension, have no great circle between them.
    collinear = np.sin(angle) < 1e-3
    sine = np.where(collinear, 1, np.sin(angle))
    circle = (np.sin((1 - t) * angle) * a + np.sin(t * angle) * b) / sine
    z: npt.NDArray[np.float32] = np.where(collinear, (1 - t) * a + t * b, circle).astype(np.float32)
    return z
