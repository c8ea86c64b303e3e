"""The largest picture: of what does not fit, less is drawn, and a warning says so."""

from __future__ import annotations

import inspect
import math
import warnings

from .checks import Pixels

MAX_PIXELS = 4_500_000  # matplotlib needs about 120 bytes for each
MAX_SIDE = 16_384
MAX_POINTS = 100_000
MAX_ANIMATION = 2**29  # pixels of all frames together; Pillow needs a byte for each
INSIDE = (__package__, "contextlib")  # the modules whose lines no warning names


def fit_picture(
    images: Pixels, columns: int | None, scale: int, pad: int = 2
) -> tuple[Pixels, int | None, int]:
    """(images, columns, scale) whose picture is within the limits; the same ones if theirs is.

    What does not fit is enlarged less. If that is not enough, a large image is thinned out to some
    of its rows and columns of pixels, and the last images are left out: with `columns`, the last
    columns and rows of images.
    """
    n, wanted = len(images), scale
    while scale > 1 and not _fits(images, columns, scale, pad):
        scale -= 1
    thinned, shown = (1, 1), n
    if not _fits(images, columns, scale, pad):
        thinned = _steps(images.shape[1], images.shape[2], pad)
        images = images[:, :: thinned[0], :: thinned[1]]
        images, columns = _first_images(images, columns, pad)
        shown = len(images)
    parts = [
        f"{shown:,} of {n:,} images" if shown < n else "",
        f"one pixel of each {thinned[0]} x {thinned[1]}" if thinned != (1, 1) else "",
        f"pixels enlarged {scale} instead of {wanted} times" if scale < wanted else "",
    ]
    if any(parts):
        _warn_limit(
            f"a picture has at most {MAX_PIXELS:,} pixels, {MAX_SIDE:,} on a side; this one shows "
            + ", ".join(filter(None, parts))
        )
    return images, columns, scale


def points_shown(n: int, name: str) -> int:
    """How many of n points are drawn."""
    if n > MAX_POINTS:
        _warn_limit(f"a picture shows at most {MAX_POINTS:,} {name} points, here of {n:,}")
    return min(n, MAX_POINTS)


def frames_step(n: int, pixels: int) -> int:
    """k, if every k-th of n frames of so many pixels is in an animation."""
    step = max(1, math.ceil(n * pixels / MAX_ANIMATION))
    if step > 1:
        _warn_limit(
            f"an animation has at most {MAX_ANIMATION:,} pixels; this one shows the last of each "
            f"{step:,} frames"
        )
    return step


def _warn_limit(message: str) -> None:
    """A warning, at the line that called a function of npgan.plot."""
    frame, level = inspect.currentframe(), 0
    while frame is not None and frame.f_globals.get("__name__", "").startswith(INSIDE):
        frame, level = frame.f_back, level + 1
    warnings.warn(message, UserWarning, stacklevel=level + 1)


def _fits(images: Pixels, columns: int | None, scale: int, pad: int) -> bool:
    """Whether the picture of all images is within the limits."""
    n, h, w = images.shape[:3]
    columns = columns or math.isqrt(n - 1) + 1
    height = scale * (-(-n // columns) * (h + pad) + pad)
    width = scale * (columns * (w + pad) + pad)
    return max(height, width) <= MAX_SIDE and height * width <= MAX_PIXELS


def _steps(h: int, w: int, pad: int) -> tuple[int, int]:
    """(i, j): every i-th row and every j-th column of one image fit in a picture."""
    longest = MAX_SIDE - 2 * pad
    rows, columns = -(-h // longest), -(-w // longest)
    while (-(-h // rows) + 2 * pad) * (-(-w // columns) + 2 * pad) > MAX_PIXELS:
        rows, columns = rows + (h > 1), columns + (w > 1)
    return rows, columns


def _first_images(images: Pixels, columns: int | None, pad: int) -> tuple[Pixels, int]:
    """The first images that fit in a picture, and its columns."""
    n, h, w = images.shape[:3]
    widest = (MAX_SIDE - pad) // (w + pad)
    widest = max(1, min(widest, (MAX_PIXELS // (h + 2 * pad) - pad) // (w + pad)))
    if columns is None:
        n = max(1, min(n, MAX_PIXELS // ((h + pad) * (w + pad))))
        kept = columns = min(math.isqrt(n - 1) + 1, widest)
    else:
        kept = min(columns, widest)
    tallest = min(MAX_SIDE, MAX_PIXELS // (kept * (w + pad) + pad))
    rows = max(1, (tallest - pad) // (h + pad))
    order = [i for i in range(min(n, rows * columns)) if i % columns < kept]
    return images[order], kept
