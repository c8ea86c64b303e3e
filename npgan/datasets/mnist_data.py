"""MNIST, which is part of the package (9 MB), so that nothing has to be downloaded.

How it is packed: a pixel is blank (0) or inked. One bit per pixel says which. Then come the grey
values of the inked pixels, those with few inked neighbours first. This separates the edges of the
strokes, which have all grey values, from their inner pixels, which are near 255. Deflate packs this
order smaller than xz packs the images, and unpacks it faster.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from .base import DataError, Images
from .idx import header

DATA = Path(__file__).parent / "data"
SIDE = 28
PIXELS = SIDE * SIDE
CHUNK = 2_500  # images whose pixels are sorted together; part of the format

Bytes = npt.NDArray[np.uint8]


class Part(NamedTuple):
    """One of MNIST's two parts: its size, the name of its files, and their SHA-256, unzipped."""

    n: int
    stem: str
    images_sha256: str
    labels_sha256: str


PARTS = {
    "train": Part(
        60_000,
        "train",
        "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    ),
    "test": Part(
        10_000,
        "t10k",
        "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    ),
}
SPLITS = {"train": ("train",), "test": ("test",), "all": ("train", "test")}


def mnist(split: str = "train") -> Images:
    """Load the MNIST digits, greyscale images of 28 x 28 pixels, from the package.

    Parameters
    ----------
    split : {"train", "test", "all"}
        The 60,000 training images, the 10,000 test images, or both in this order.

    Returns
    -------
    Images
        `images` (n, 784) uint8, where 0 is background and 255 is ink; `labels` (n,) uint8, the
        digits 0 to 9.

    Raises
    ------
    DataError
        If `split` is another word, or the files in the package are damaged.

    Notes
    -----
    The data are checked with the published SHA-256. Their licence is CC BY-SA 3.0 [1]_.

    References
    ----------
    .. [1] Y. LeCun, C. Cortes, C. Burges, "The MNIST database of handwritten digits".
    """
    check_split(split)
    n = sum(PARTS[name].n for name in SPLITS[split])
    images, labels = np.empty((n, PIXELS), np.uint8), np.empty(n, np.uint8)
    start = 0
    for name in SPLITS[split]:
        stop = start + PARTS[name].n
        _read(name, images[start:stop], labels[start:stop])
        start = stop
    return Images("mnist", images, labels, (SIDE, SIDE), source="mnist")


def check_split(split: str) -> None:
    """Raise DataError if this is the name of no split."""
    if not isinstance(split, str) or split not in SPLITS:
        raise DataError(f'split must be "train", "test" or "all", got {split!r:.60}')


def is_as_published(part: Part, images: Bytes, labels: Bytes) -> bool:
    """Whether images (n, 784) and labels (n,), written as IDX files, have the published SHA-256."""
    return (
        _sha256((len(images), SIDE, SIDE), images) == part.images_sha256
        and _sha256(labels.shape, labels) == part.labels_sha256
    )


def ink_order(ink: Bytes) -> npt.NDArray[np.intp]:
    """Indices of the inked pixels of a flattened chunk, by their number of inked neighbours.

    `ink` is 1 for inked pixels and 0 for blank ones. Pixels with equally many inked neighbours stay
    in their order. A pixel has 8 neighbours, in the flattened chunk as if images had no borders.
    """
    neighbours = np.zeros_like(ink)
    for step in (1, SIDE - 1, SIDE, SIDE + 1):
        neighbours += np.roll(ink, step)
        neighbours += np.roll(ink, -step)
    where = np.flatnonzero(ink)
    return where[np.argsort(neighbours[where], kind="stable")]


def unpack(packed: bytes, images: Bytes, labels: Bytes) -> None:
    """Fill images (n, 784) and labels (n,) from bytes that tools/build_mnist.py packed."""
    import zlib

    data = np.frombuffer(zlib.decompress(packed), np.uint8)
    labels[:], data = data[: labels.size], data[labels.size :]
    ink, grey = data[: images.size // 8], data[images.size // 8 :]
    for start in range(0, len(images), CHUNK):
        chunk = images[start : start + CHUNK].reshape(-1)
        n = chunk.size // 8
        chunk[:], ink = np.unpackbits(ink[:n]), ink[n:]
        where = ink_order(chunk)
        chunk[where], grey = grey[: where.size], grey[where.size :]


def _read(name: str, images: Bytes, labels: Bytes) -> None:
    """Fill images (n, 784) and labels (n,) with a part of MNIST, checked."""
    import zlib

    path = DATA / f"mnist-{name}.z"
    try:
        unpack(_packed(path), images, labels)
    except OSError as error:
        raise DataError(f"cannot read the built-in MNIST ({error}); install npgan again") from None
    except (zlib.error, ValueError) as error:
        raise DataError(
            f"{path}: the built-in MNIST is damaged ({error}); install npgan again"
        ) from None
    if not is_as_published(PARTS[name], images, labels):
        raise DataError(
            f"{path}: the built-in MNIST is damaged (wrong SHA-256); install npgan again"
        )


def _packed(path: Path) -> bytes:
    """The bytes of a file of the package, which may be imported from a zip file."""
    try:
        return path.read_bytes()
    except NotADirectoryError:
        from importlib import resources

        return (resources.files(__package__) / "data" / path.name).read_bytes()


def _sha256(shape: tuple[int, ...], array: Bytes) -> str:
    """The SHA-256 of an array of this shape, written as an IDX file."""
    digest = hashlib.sha256(header(shape))
    digest.update(array.data)
    return digest.hexdigest()
