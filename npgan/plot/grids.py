"""Images as tiles: grids, walks through the latent space, pairs."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from .checks import TO_UINT8, Pixels, check_images, check_whole_number
from .figures import INK, empty_figure
from .limits import fit_picture
from .style import default_style

GUTTER = 72  # grey level between tiled images; it differs from black and from white
CAPTION = 28  # height of a title, in pixels


def as_images(x: ArrayLike, shape: Sequence[int]) -> Pixels:
    """Give flat images their shape.

    Parameters
    ----------
    x : (n, pixels) uint8 array
        One flattened image per row.
    shape : (h, w), (h, w, 1) or (h, w, 3)
        The shape of one image.

    Returns
    -------
    (n, *shape) uint8 array
        The same pixels.

    Raises
    ------
    ValueError
        If `shape` is no image shape, or `x` is not uint8 of shape (n, product of `shape`).
    """
    x, shape = np.asarray(x), tuple(shape)
    if len(shape) not in (2, 3) or shape[2:] not in ((), (1,), (3,)) or min(shape) < 1:
        raise ValueError(f"as_images() needs an image shape (h, w) or (h, w, 3), got {shape}")
    if x.dtype != np.uint8 or x.ndim != 2 or x.shape[1] != math.prod(shape):
        hint = "is that the shape of one image?" if x.dtype == np.uint8 else TO_UINT8
        raise ValueError(
            f"as_images() needs uint8 of shape (n, {math.prod(shape)}) for images of shape "
            f"{shape}, got {x.dtype} {x.shape}; {hint}"
        )
    return x.reshape(-1, *shape)


def tile(images: ArrayLike, columns: int | None = None, pad: int = 2) -> Pixels:
    """Arrange images row by row in one picture, with a grey gutter around each.

    Parameters
    ----------
    images : (n, h, w), (n, h, w, 1) or (n, h, w, 3) uint8 array
        The images.
    columns : int, optional
        Images in a row; ceil(sqrt(n)) by default. Empty cells of the last row are grey.
    pad : int
        Width of the gutter, in pixels.

    Returns
    -------
    (H, W) or (H, W, 3) uint8 array
        H = rows (h + pad) + pad and W = columns (w + pad) + pad.

    Raises
    ------
    ValueError
        If `images` are not uint8 images, `columns` is below 1 or `pad` is negative.
    """
    images = check_images("tile", images)
    if images.shape[3:] == (1,):
        images = images[..., 0]
    n, h, w, *colour = images.shape
    columns = (
        math.isqrt(n - 1) + 1 if columns is None else check_whole_number("columns", columns, 1)
    )
    rows, pad = -(-n // columns), check_whole_number("pad", pad, 0)

    cells = np.full((rows * columns, h + pad, w + pad, *colour), GUTTER, np.uint8)
    cells[:n, pad:, pad:] = images
    cells = cells.reshape(rows, columns, h + pad, w + pad, *colour).swapaxes(1, 2)
    height, width = rows * (h + pad), columns * (w + pad)
    picture = np.full((height + pad, width + pad, *colour), GUTTER, np.uint8)
    picture[:height, :width] = cells.reshape(height, width, *colour)
    return picture


@default_style()
def grid(
    images: ArrayLike, columns: int | None = None, title: str | None = None, scale: int = 3
) -> Figure:
    """Draw images as a grid.

    Parameters
    ----------
    images : (n, h, w) or (n, h, w, 3) uint8 array
        The images.
    columns : int, optional
        Images in a row; ceil(sqrt(n)) by default.
    title : str, optional
        A line of text above the picture.
    scale : int
        Each pixel of an image is scale x scale pixels of the figure.

    Returns
    -------
    matplotlib.figure.Figure
        `save` writes it, `pixels` renders it.

    Raises
    ------
    ValueError
        If `images` are not uint8 images, or `columns` or `scale` is below 1.

    Notes
    -----
    A picture has at most 4.5 million pixels, and 16384 on a side. What does not fit is enlarged
    less; then images are left out, and very large ones thinned out. A warning says so.
    """
    images, scale = check_images("grid", images), check_whole_number("scale", scale, 1)
    if columns is not None:
        columns = check_whole_number("columns", columns, 1)
    images, columns, scale = fit_picture(images, columns, scale)
    return _picture_figure(tile(images, columns), scale, title)


@default_style()
def interpolation(rows: ArrayLike, scale: int = 3, title: str | None = None) -> Figure:
    """Draw walks through the latent space, one in a row.

    Parameters
    ----------
    rows : (r, steps, h, w) or (r, steps, h, w, 3) uint8 array
        The images of r walks of `steps` images each.
    scale : int
        Each pixel of an image is scale x scale pixels of the figure.
    title : str, optional
        A line of text above the picture.

    Returns
    -------
    matplotlib.figure.Figure
        `save` writes it, `pixels` renders it.

    Raises
    ------
    ValueError
        If `rows` are not uint8 images, or `scale` is below 1.
    """
    rows = check_images("interpolation", rows, lead="r, steps")
    scale = check_whole_number("scale", scale, 1)
    images, columns, scale = fit_picture(rows.reshape(-1, *rows.shape[2:]), rows.shape[1], scale)
    return _picture_figure(tile(images, columns), scale, title)


@default_style()
def pairs(
    left: ArrayLike,
    right: ArrayLike,
    columns: int = 8,
    gap: int = 0,
    scale: int = 2,
    title: str | None = None,
) -> Figure:
    """Draw pairs of images next to each other.

    Parameters
    ----------
    left, right : (n, h, w) or (n, h, w, 3) uint8 array
        The two images of each pair; both arrays have one shape.
    columns : int
        Pairs in a row.
    gap : int
        A wider gutter follows after so many rows; 0 for none.
    scale : int
        Each pixel of an image is scale x scale pixels of the figure.
    title : str, optional
        A line of text above the picture.

    Returns
    -------
    matplotlib.figure.Figure
        `save` writes it, `pixels` renders it.

    Raises
    ------
    ValueError
        If `left` and `right` are not uint8 images of one shape, `columns` or `scale` is below 1, or
        `gap` is negative.
    """
    left, right = check_images("pairs", left), check_images("pairs", right)
    if left.shape != right.shape:
        raise ValueError(f"pairs() needs two sets of one shape, got {left.shape} and {right.shape}")
    both = np.concatenate([left, right], axis=2)
    columns, scale = (
        check_whole_number("columns", columns, 1),
        check_whole_number("scale", scale, 1),
    )
    both, kept, scale = fit_picture(both, columns, scale, pad=6)
    columns = kept or columns
    first = check_whole_number("gap", gap, 0) * columns
    parts = [tile(part, columns, pad=6) for part in (both[:first], both[first:]) if len(part)]
    return _picture_figure(np.concatenate(parts), scale, title)


def _picture_figure(picture: Pixels, scale: int, title: str | None) -> Figure:
    """A figure that holds the enlarged picture, pixel for pixel, and a title above it."""
    height, width = (scale * side for side in picture.shape[:2])
    total = height + (CAPTION if title else 0)
    figure = empty_figure(width, total)
    axes = figure.add_axes((0, 0, 1, height / total))
    if picture.ndim == 2:  # as RGB: a grey colour map would draw some levels one lower
        picture = np.stack([picture] * 3, axis=-1)
    axes.imshow(picture, interpolation="nearest", origin="upper", aspect="auto")
    axes.set_axis_off()
    if title:
        middle = 1 - CAPTION / 2 / total
        caption = figure.text(0.5, middle, title, ha="center", va="center", color=INK, fontsize=9)
        caption.set_fontsize(9 * min(1, 0.96 * width / caption.get_window_extent().width))
    return figure
