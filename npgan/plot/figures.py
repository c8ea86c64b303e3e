"""What all pictures share: colours, empty figures, and rendering, writing and reading them."""

from __future__ import annotations

import errno
import io
import os
import stat
from contextlib import nullcontext
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from ..files.atomic import atomic_write
from .checks import Pixels
from .style import default_style

# A power of two: (pixels / DPI) * DPI is exact, so that rounding never costs a figure a row.
DPI = 128
INK, GREY = "#2b2b2b", "#8a8a8a"
# From the palette of Okabe and Ito (2008): D and real data are blue, G and generated data red.
BLUE, RED = "#0072b2", "#d55e00"


class Picture(Figure):
    """A figure of npgan, which a notebook shows as a PNG image."""

    def _repr_png_(self) -> bytes:
        """The bytes that `save` writes, for IPython."""
        return png(self)


def empty_figure(width: int, height: int) -> Figure:
    """A white figure of so many pixels, on the Agg canvas."""
    figure = Picture(figsize=(width / DPI, height / DPI), dpi=DPI, facecolor="white")
    figure.set_layout_engine("none")  # even where the caller's style asks for one
    FigureCanvasAgg(figure)
    return figure


def pixels(figure: Figure) -> Pixels:
    """Render a figure as an array of pixels.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        The figure; its canvas stays attached to it.

    Returns
    -------
    (H, W, 3) uint8 array
        RGB pixels; `animate` takes them as a frame.
    """
    canvas: Any = figure.canvas  # matplotlib has no types for the Agg canvas's methods
    if not isinstance(canvas, FigureCanvasAgg):
        canvas = FigureCanvasAgg(figure)
    ours = isinstance(figure, Picture)
    # A second drawing may differ, as the layout starts from where the first has put the axes. So a
    # figure that nobody has changed since ("stale") is not drawn again.
    if not ours or figure.stale or not hasattr(canvas, "renderer"):
        # Some parts of a figure, such as the numbers at an axis, are made when it is drawn.
        with default_style() if ours else nullcontext():
            canvas.draw()
    return np.array(canvas.buffer_rgba())[..., :3]


def png(figure: Figure) -> bytes:
    """The bytes of the file that `save` writes."""
    buffer = io.BytesIO()
    Image.fromarray(pixels(figure)).save(buffer, "png", dpi=(figure.dpi, figure.dpi))
    return buffer.getvalue()


def save(figure: Figure, path: str | os.PathLike[str]) -> None:
    """Write a figure as a PNG file.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        Such as `grid` or `losses` return.
    path : path-like
        A name that ends in .png, in a directory that exists.

    Raises
    ------
    ValueError
        If `figure` is no Figure, or the name does not end in .png.
    OSError
        If the file cannot be written. An older file of this name then stays unchanged.

    Notes
    -----
    The same figure gives the same bytes.
    """
    if not isinstance(figure, Figure):
        raise ValueError(
            f"save() needs a Figure, such as grid() returns, got {type(figure).__name__}"
        )
    image = Image.fromarray(pixels(figure))
    write_picture("save", ".png", path, image, dpi=(figure.dpi, figure.dpi))


def read(path: str | os.PathLike[str]) -> Pixels:
    """Read a picture that `save` wrote.

    Parameters
    ----------
    path : path-like
        The file.

    Returns
    -------
    (H, W, 3) uint8 array
        RGB pixels.

    Raises
    ------
    OSError
        If the file cannot be read as a picture, or is a pipe or a device.
    """
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise OSError(errno.EINVAL, "no regular file", os.fspath(path))
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def write_picture(
    caller: str,
    suffix: str,
    path: str | os.PathLike[str],
    image: Image.Image,
    **options: object,
) -> None:
    """Write a Pillow image in the format of the suffix, atomically; `options` are Pillow's."""
    path = os.fspath(path)
    if not path.lower().endswith(suffix):
        raise ValueError(
            f"{caller}() writes {suffix} files, got {path!r}; give a name that ends in {suffix}"
        )
    buffer = io.BytesIO()
    image.save(buffer, suffix[1:], **options)
    with atomic_write(path) as file:
        file.write(buffer.getvalue())
