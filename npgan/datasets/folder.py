"""Read a folder of PNG or JPEG files as one array."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from .base import DataError, listing
from .jpeg import MOST_SCANS, count_scans
from .packing import RATIO, is_implausible
from .scales import warn

if TYPE_CHECKING:
    from PIL import Image

SUFFIXES = {".png", ".jpg", ".jpeg"}
OTHER_IMAGES = {
    *(".webp", ".bmp", ".gif", ".tif", ".tiff", ".avif", ".heic", ".jp2", ".jfif", ".jpe"),
    *(".ppm", ".pgm", ".pbm", ".tga", ".svg"),
}
MOST_PIXELS = 1 << 24  # of an image, 4096 x 4096; a PNG of 400 kB can hold 144 million
ORIENTATION = 0x0112  # the tag of EXIF
# Pillow's mode of a file -> the mode that it is read in. Transparent images are refused, because
# they would need a background.
MODES = {"L": "L", "1": "L", "RGB": "RGB", "P": "RGB"}
NAMES = {"L": "greyscale", "RGB": "RGB"}


def image_files(folder: Path) -> list[Path]:
    """The PNG and JPEG files of a folder, sorted by name, without hidden files and subfolders.

    Raises
    ------
    DataError
        If these are only a part of the images: there are images of other formats, links to files
        that are gone, or subfolders with more images than the folder.
    """
    entries = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    files = [path for path in entries if path.suffix.lower() in SUFFIXES and not path.is_dir()]
    if not files:
        return []
    if broken := [path.name for path in files if not path.is_file()]:
        raise DataError(
            f"{folder}: no regular files (broken links, pipes?): {listing(broken)}; remove them"
        )
    if others := [path.name for path in entries if path.suffix.lower() in OTHER_IMAGES]:
        raise DataError(
            f"{folder}: holds {len(files):,} PNG or JPEG files, and {len(others):,} images of "
            f"other formats, which are not read ({listing(others, 2)}); convert or move them"
        )
    subfolders = {path.name: count for path in entries if (count := _count_images(path))}
    total = sum(subfolders.values())
    inside = f"{total:,} images in subfolders ({listing(subfolders)}), which are not searched"
    if total > len(files):
        raise DataError(
            f"{folder}: holds {len(files):,} images, and {inside}; "
            "give one of them, or move all images into one folder"
        )
    if subfolders:
        warn(f"{folder}: {inside}")
    return files


def _count_images(path: Path) -> int:
    """The number of PNG and JPEG files in a subfolder; 0 for a file."""
    if not path.is_dir():
        return 0
    return sum(inner.suffix.lower() in SUFFIXES for inner in path.iterdir())


def read_folder(files: list[Path]) -> npt.NDArray[np.uint8]:
    """Read image files of one size, all greyscale or all RGB: (n, h, w) or (n, h, w, 3) uint8.

    Raises
    ------
    DataError
        If a file is unreadable, transparent, or of another size or mode than the first one.
    """
    first = _read_image(files[0])
    size, held = len(files) * first.size, sum(path.stat().st_size for path in files)
    if is_implausible(size, held):
        raise DataError(
            f"{files[0].parent}: {len(files):,} images of {_describe(first)}, {size:,} bytes, in "
            f"files of {held:,}; more than {RATIO} to 1 is probably damage. If it is right, save "
            "them as .npy"
        )
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
        # Pillow warns of large images, which are refused, and of EXIF data that are damaged.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(path, formats=("PNG", "JPEG")) as image:
                check_kind(path, image)
                pixels = np.asarray(image.convert(MODES[image.mode]))
                return turned_upright(pixels, image.getexif().get(ORIENTATION, 1))
    except DataError:
        raise
    except Exception as error:  # Pillow's decoders raise many types on a damaged file
        raise DataError(f"{path.name}: cannot read it as PNG or JPEG ({error})") from None


def check_kind(path: Path, image: Image.Image) -> None:
    """Raise DataError for an image that is not read, before anything of it is decoded."""
    name = path.name
    if image.width * image.height > MOST_PIXELS:
        raise DataError(
            f"{name} is {image.height} x {image.width} pixels; at most "
            f"{MOST_PIXELS:,} pixels are read; scale the images down first"
        )
    if image.mode not in MODES or "transparency" in image.info:
        kind = image.mode if image.mode not in MODES else "transparent"
        raise DataError(
            f"{name} is {kind}; expected greyscale or RGB of 8 bits, without "
            "transparency; convert it first"
        )
    # A JPEG of several images, as cameras write it, holds previews of the first one.
    if image.format == "PNG" and getattr(image, "is_animated", False):
        raise DataError(f"{name} is an animation; save the frames that you want as files")
    if image.format != "PNG" and (scans := count_scans(path.read_bytes())) > MOST_SCANS:
        raise DataError(
            f"{name} has {scans:,} scans, each of which takes the time of an image; at most "
            f"{MOST_SCANS} are read; save it again"
        )


def turned_upright(pixels: npt.NDArray[np.uint8], orientation: int) -> npt.NDArray[np.uint8]:
    """An image (h, w) or (h, w, 3) as it is to be looked at, by the orientation 1 to 8 of EXIF."""
    if orientation in (5, 6, 7, 8):
        pixels = pixels.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return pixels


def _describe(image: npt.NDArray[np.uint8]) -> str:
    """Size and mode of an image, for an error message."""
    mode = NAMES["RGB" if image.ndim == 3 else "L"]
    return f"{image.shape[0]} x {image.shape[1]} {mode}"
