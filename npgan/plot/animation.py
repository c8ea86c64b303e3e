"""Animations: pictures as the frames of a GIF file."""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np
from PIL import Image

from .checks import Pixels, check_images, check_whole_number
from .figures import write_picture

SHADES = 32  # grey levels of a grey frame; the file is a third smaller than with 256


def animate(
    frames: Sequence[Pixels] | Pixels,
    path: str | os.PathLike[str],
    seconds_per_frame: float = 0.25,
    hold: float = 2.0,
    scale: int = 2,
) -> None:
    """Write pictures as a GIF file that repeats for ever.

    Parameters
    ----------
    frames : sequence of (H, W) or (H, W, 3) uint8 arrays
        Pictures of one shape, such as `tile` or `pixels` return.
    path : path-like
        A name that ends in .gif, in a directory that exists.
    seconds_per_frame : float
        How long a frame is shown, in seconds; rounded to 0.01 s.
    hold : float
        How long the last frame is shown, in seconds.
    scale : int
        Each pixel of a frame is scale x scale pixels of the animation.

    Raises
    ------
    ValueError
        If there is no frame, the frames have several shapes or are not uint8, a time is not
        between 0.01 and 655 s, `scale` is below 1, or the name does not end in .gif.
    OSError
        If the file cannot be written. An older file of this name then stays unchanged.

    Notes
    -----
    Grey frames are stored with 32 grey levels. A frame that equals the frame before it is not
    stored; the earlier one is shown for longer.
    """
    scale, pictures = check_whole_number("scale", scale, 1), [np.asarray(frame) for frame in frames]
    shapes = sorted({picture.shape for picture in pictures})
    if len(shapes) != 1:
        raise ValueError(f"animate() needs frames of one shape, got {shapes or 'no frame'}")
    check_images("animate", pictures)
    seconds = [seconds_per_frame] * (len(pictures) - 1) + [hold]
    if not 0.01 <= min(seconds) <= max(seconds) <= 655:
        raise ValueError(
            f"a GIF frame lasts 0.01 to 655 s, got {seconds_per_frame!r} and hold={hold!r}"
        )
    first, *others = (_gif_frame(picture, scale) for picture in pictures)
    write_picture(
        "animate",
        ".gif",
        path,
        first,
        save_all=True,
        append_images=others,
        duration=[10 * round(100 * s) for s in seconds],  # milliseconds
        loop=0,
    )


def _gif_frame(picture: Pixels, scale: int) -> Image.Image:
    """The enlarged picture, with a palette of SHADES grey levels if it has no colour."""
    picture = picture.repeat(scale, axis=0).repeat(scale, axis=1)
    grey = picture.reshape(*picture.shape[:2], -1)[..., 0]
    if picture.ndim == 3 and np.any(picture != grey[..., None]):
        return Image.fromarray(picture)
    shades = (grey.astype(np.uint16) * (SHADES - 1) + 127) // 255
    image = Image.fromarray(shades.astype(np.uint8))
    palette = np.linspace(0, 255, SHADES).round().astype(np.uint8)
    image.putpalette(palette.repeat(3).tobytes())
    return image
