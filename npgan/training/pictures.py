"""The pictures of a run: samples as a grid or as points, and walks through the latent space."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from .model import GAN


def columns_of(gan: GAN) -> list[int]:
    """The classes that get a column each in a picture of a conditional GAN: all, or the first 32."""
    return gan.classes_[:32]


def picture(
    gan: GAN, samples: np.ndarray, path: Path, title: str | None = None, real: Any = None,
    columns: int | None = None,
) -> None:  # fmt: skip
    """Samples as a grid; 2-D points as a plot, over real ones; points of other spaces have no picture."""
    from .. import plot

    if gan.pixels_:
        plot.save(plot.grid(pictures(samples), columns, title), path)
    elif gan.shape_ == (2,):
        plot.save(plot.points(samples, real, title=title), path)


def pictures(images: np.ndarray) -> np.ndarray:
    """Images that have no height, (n, pixels), become strips one pixel high."""
    return images[:, None, :] if images.ndim == 2 else images


def interpolate(gan: GAN, rows: int | None = None, steps: int = 12, rng: Any = 0) -> np.ndarray:
    """(rows, steps, h, w): walks in latent space, each from one random z to another, and of one class.

    Along the great circle (White 2016): a straight line would pass through z shorter than any that
    the generator was trained on.
    """
    rows = rows or len(columns_of(gan)) or 8
    a, b = np.random.default_rng(rng).standard_normal(
        (2, rows, 1, gan.config["latent"]), dtype=np.float32
    )
    t = np.linspace(0, 1, steps, dtype=np.float32)[:, None]
    cosine = np.sum(a * b, -1) / (np.linalg.norm(a, axis=-1) * np.linalg.norm(b, axis=-1))
    angle = np.arccos(np.clip(cosine, -1, 1))[..., None]
    on_a_line = (
        np.sin(angle) < 1e-3
    )  # with 0, as all are in one dimension: no circle leads from a to b
    sine = np.where(on_a_line, 1, np.sin(angle))
    circle = (np.sin((1 - t) * angle) * a + np.sin(t * angle) * b) / sine
    z = np.where(on_a_line, (1 - t) * a + t * b, circle)
    labels = np.repeat(np.resize(gan.classes_, rows), steps) if gan.classes_ else None
    images = pictures(gan.generate(z.reshape(rows * steps, -1).astype(np.float32), labels))
    return images.reshape(rows, steps, *images.shape[1:])
