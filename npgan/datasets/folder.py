"""Read a folder of PNG or JPEG files as one array."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from .base import DataError

SUFFIXES = {".png", ".jpg", ".jpeg"}
# Pillow's mode of a file -> the mode that it is read in. Transparent images are refused, because
# they would need a background.
MODES = {"L": "L", "1": "L", "RGB": "RGB", "P": "RGB"}
NAMES = {"L": "greyscale", "RGB": "RGB"}


def image_files(folder: Path) -> list[Path]:
    """The PNG and JPEG files of a folder, sorted by name, without hidden files and subfolders."""
    return sorted(
        path
        for path in folder.iterdir()
        if path.suffix.lower() in SUFFIXES and not path.name.startswith(".") and path.is_file()
    )


def read_folder(files: list[Path]) -> npt.NDArray[np.uint8]:
    """Read image files of one size, all greyscale or all RGB: (n, h, w) or (n, h, w, 3) uint8.

    Raises
    ------
    DataError
        If a file is unreadable, transparent, or of another size or mode than the first one.
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
    """One image, (h, w) or (h, w, 3)."""
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
                    f"{path.name} is {kind}; expected greyscale or RGB of 8 bits, without "
                    "transparency; convert it first"
                )
            return np.asarray(image.convert(MODES[image.mode]))
    except DataError:
        raise
    except Exception as error:  # Pillow's decoders raise many types on a damaged file
        raise DataError(f"{path.name}: cannot read it as PNG or JPEG ({error})") from None


def _describe(image: npt.NDArray[np.uint8]) -> str:
    """Size and mode of an image, for an error message."""
    mode = NAMES["RGB" if image.ndim == 3 else "L"]
    return f"{image.shape[0]} x {image.shape[1]} {mode}"
