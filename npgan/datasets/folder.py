"""A folder of PNG or JPEG files as one array."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from .base import DataError

SUFFIXES = {".png", ".jpg", ".jpeg"}
# Pillow's mode of a file -> the mode it is read in. Transparency would need a background: refused.
MODES = {"L": "L", "1": "L", "RGB": "RGB", "P": "RGB"}
NAMES = {"L": "greyscale", "RGB": "RGB"}


def image_files(folder: Path) -> list[Path]:
    """The PNG and JPEG files right inside a folder, by name; hidden ones left out."""
    return sorted(
        path
        for path in folder.iterdir()
        if path.suffix.lower() in SUFFIXES and not path.name.startswith(".") and path.is_file()
    )


def read_folder(files: list[Path]) -> npt.NDArray[np.uint8]:
    """Read image files of one size, all greyscale or all RGB: (n, h, w) or (n, h, w, 3) uint8.

    Raises DataError naming the first file that is unreadable, transparent or unlike the first one.
    """
    first = _read_image(files[0])
    images = np.empty((len(files), *first.shape), np.uint8)
    images[0] = first
    for i, path in enumerate(files[1:], start=1):
        image = _read_image(path)
        if image.shape != first.shape:
            raise DataError(
                f"{path.name} is {_describe(image)}, but {files[0].name} is {_describe(first)}; "
                "all images of a folder must have one size and one mode"
            )
        images[i] = image
    return images


def _read_image(path: Path) -> npt.NDArray[np.uint8]:
    try:
        from PIL import Image
    except ImportError:
        raise DataError(
            "reading PNG and JPEG files needs Pillow; try: pip install pillow"
        ) from None
    try:
        with Image.open(path, formats=("PNG", "JPEG")) as image:
            if image.mode not in MODES or "transparency" in image.info:
                kind = image.mode if image.mode not in MODES else "transparent"
                raise DataError(
                    f"{path.name} is {kind}; expected greyscale or RGB of 8 bits, without transparency; "
                    "convert it first"
                )
            return np.asarray(image.convert(MODES[image.mode]))
    except DataError:
        raise
    except Exception as error:  # Pillow's decoders raise nearly anything on a damaged file
        raise DataError(f"{path.name}: cannot read it as PNG or JPEG ({error})") from None


def _describe(image: npt.NDArray[Any]) -> str:
    mode = NAMES["RGB" if image.ndim == 3 else "L"]
    return f"{image.shape[0]} x {image.shape[1]} {mode}"
