"""Animations: pictures as the frames of a GIF file."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from .checks import Pixels, check_images, check_whole_number
from .figures import read, write_picture
from .limits import frames_step

SHADES = 32  # grey levels of a grey frame; the file is a third smaller than with 256


def animate(
    frames: Sequence[Pixels | Path] | Pixels,
    path: str | os.PathLike[str],
    seconds_per_frame: float = 0.25,
    hold: float = 2.0,
    scale: int = 2,
) -> None:
    """Write pictures as a GIF file that repeats for ever.

    Parameters
    ----------
    frames : sequence of (H, W) or (H, W, 3) uint8 arrays, or of paths
        Pictures of one shape, such as `tile` or `pixels` return, or the files that `save` wrote,
        which are read one at a time.
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
    stored; the earlier one is shown for longer. An animation of more than 2**29 pixels is made of
    every second, third, ... frame, and a warning says so.
    """
    scale = check_whole_number("scale", scale, 1)
    if not len(frames):
        raise ValueError("animate() needs frames of one shape, got no frame")
    first = _pixels_of(frames[0])
    step = frames_step(len(frames), first.shape[0] * first.shape[1] * scale**2)
    kept = range(len(frames) - 1, -1, -step)[::-1]  # with the last one
    seconds = [seconds_per_frame] * (len(kept) - 1) + [hold]
    if not 0.01 <= min(seconds) <= max(seconds) <= 655:
        raise ValueError(
            f"a GIF frame lasts 0.01 to 655 s, got {seconds_per_frame!r} and hold={hold!r}"
        )
    images = _gif_frames((frames[i] for i in kept), first.shape, scale)
    write_picture(
        "animate",
        ".gif",
        path,
        next(images),
        save_all=True,
        append_images=images,
        duration=[10 * round(100 * s) for s in seconds],  # milliseconds
        loop=0,
    )


def _pixels_of(frame: Pixels | Path) -> Pixels:
    """The frame, or what is in its file, as an array; ValueError if it is no picture."""
    picture = read(frame) if isinstance(frame, Path) else np.asarray(frame)
    return check_images("animate", picture[None])[0]


def _gif_frames(
    frames: Iterable[Pixels | Path], shape: tuple[int, ...], scale: int
) -> Iterator[Image.Image]:
    """The frames as images, one at a time; ValueError if one has another shape."""
    for frame in frames:
        picture = _pixels_of(frame)
        if picture.shape != shape:
            shapes = sorted({shape, picture.shape})
            raise ValueError(f"animate() needs frames of one shape, got {shapes}")
        yield _gif_frame(picture, scale)


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
