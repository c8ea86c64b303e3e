"""MNIST, carried inside the package: no download, no mirror, 9 MB.

How it is packed. A pixel is blank or inked. One bit per pixel says which; the grey values of the inked
ones follow, those with few inked neighbours first. Edges (any grey) and insides (near 255) then lie
apart, and plain deflate makes them smaller than xz makes the images, and reads them faster.
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
CHUNK = 2_500  # images that are sorted together; a part of the format

Bytes = npt.NDArray[np.uint8]


class Part(NamedTuple):
    """One half of MNIST: its size, its published names and the SHA-256 of its two files, unzipped."""

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
    """The MNIST digits, 28 x 28 grey pixels: "train" (60000), "test" (10000) or "all" (train, then test).

    images (n, 784) uint8, 0 is background and 255 is ink; labels (n,) uint8, 0 to 9.  Only what is asked
    for is unpacked, and it is checked against the published SHA-256.
    Raises DataError for another split or a damaged installation.
    Source: Y. LeCun, C. Cortes, C. Burges, The MNIST database of handwritten digits; CC BY-SA 3.0.
    """
    if split not in SPLITS:
        raise DataError(f'split must be "train", "test" or "all", got {split!r}')
    n = sum(PARTS[name].n for name in SPLITS[split])
    images, labels = np.empty((n, PIXELS), np.uint8), np.empty(n, np.uint8)
    start = 0
    for name in SPLITS[split]:
        stop = start + PARTS[name].n
        _read(name, images[start:stop], labels[start:stop])
        start = stop
    return Images("mnist", images, labels, (SIDE, SIDE), source="mnist")


def check(part: Part, images: Bytes, labels: Bytes) -> bool:
    """Whether images (n, 784) and labels (n,), written as IDX files, have the published SHA-256."""
    return (
        _sha256((len(images), SIDE, SIDE), images) == part.images_sha256
        and _sha256(labels.shape, labels) == part.labels_sha256
    )


def order(ink: Bytes) -> npt.NDArray[np.intp]:
    """Indices of the inked pixels of a flat chunk (1 inked, 0 blank), by inked neighbours, then by place.

    Neighbours are the 8 around a pixel, counted in the flat chunk as if it had no borders.
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
        where = order(chunk)
        chunk[where], grey = grey[: where.size], grey[where.size :]


def _read(name: str, images: Bytes, labels: Bytes) -> None:
    import zlib

    path = DATA / f"mnist-{name}.z"
    try:
        unpack(path.read_bytes(), images, labels)
    except OSError as error:
        raise DataError(f"cannot read the built-in MNIST ({error}); install npgan again") from None
    except (zlib.error, ValueError) as error:
        raise DataError(
            f"{path}: the built-in MNIST is damaged ({error}); install npgan again"
        ) from None
    if not check(PARTS[name], images, labels):
        raise DataError(
            f"{path}: the built-in MNIST is damaged (wrong SHA-256); install npgan again"
        )


def _sha256(shape: tuple[int, ...], array: Bytes) -> str:
    digest = hashlib.sha256(header(shape))
    digest.update(array.data)
    return digest.hexdigest()
