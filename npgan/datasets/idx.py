"""IDX, the file format in which MNIST was published: a big-endian header, then the values."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from .base import DataError
from .packing import check_packed

UINT8 = 8
TYPES = {UINT8: "uint8", 9: "int8", 11: "int16", 12: "int32", 13: "float32", 14: "float64"}
MOST_AXES = 8
LARGEST = 2**62  # bytes of the largest array
GZIP_MAGIC = b"\x1f\x8b"


class Readable(Protocol):
    """An open file, plain or gzip."""

    def read(self, size: int, /) -> bytes:
        """Return the next bytes, at most `size`."""


def header(shape: tuple[int, ...]) -> bytes:
    """The header of a uint8 array: 00 00 08, the number of axes, and the length of each axis."""
    return bytes([0, 0, UINT8, len(shape)]) + np.array(shape, ">u4").tobytes()


def read_idx(path: Path) -> npt.NDArray[np.uint8]:
    """Read the uint8 array in an IDX file, gzipped or not.

    Raises
    ------
    DataError
        If the header is wrong, the values are not uint8, or the file is shorter or longer than its
        header says.

    Notes
    -----
    It reads no further than the header says, however large the rest of the file is [1]_.

    References
    ----------
    .. [1] Y. LeCun, C. Cortes, C. Burges, "The MNIST database of handwritten digits", section "File
       formats for the MNIST database".
    """
    with path.open("rb") as file:
        zipped = file.read(2) == GZIP_MAGIC
        file.seek(0)
        size = os.fstat(file.fileno()).st_size
        if not zipped:
            return _read(path.name, file, size)
        import gzip
        import zlib

        try:
            with gzip.open(file) as unzipped:
                return _read(path.name, unzipped, size, zipped=True)
        except EOFError:
            raise DataError(
                f"{path.name}: the gzip stream stops early; copy the file again"
            ) from None
        except (gzip.BadGzipFile, zlib.error) as error:
            raise DataError(
                f"{path.name}: the gzip stream is damaged ({error}); copy it again"
            ) from None


def _read(name: str, file: Readable, file_size: int, zipped: bool = False) -> npt.NDArray[np.uint8]:
    """The array in an open IDX file; `name` is for error messages."""
    magic = file.read(4)
    if len(magic) < 4 or magic[:2] != b"\0\0" or magic[2] not in TYPES:
        found = magic.hex(" ") or "nothing"
        raise DataError(
            f"{name}: not an IDX file: it must start with the bytes 00 00 08, found {found}"
        )
    if magic[2] != UINT8:
        raise DataError(
            f"{name}: holds {TYPES[magic[2]]} values; expected uint8; convert it to a .npy file"
        )
    lengths = file.read(4 * magic[3])
    if len(lengths) < 4 * magic[3]:
        raise DataError(f"{name}: the file ends inside its header; it is truncated, copy it again")
    shape = tuple(np.frombuffer(lengths, ">u4").tolist())
    size = math.prod(shape)
    if len(shape) > MOST_AXES:
        raise DataError(f"{name}: its header says {len(shape)} axes; expected 3, (n, h, w)")
    if size == 0 and math.prod(n or 1 for n in shape) > LARGEST:  # NumPy has no such array
        raise DataError(f"{name}: holds no images (its shape is {shape})")
    if zipped:
        check_packed(size, file_size, name)

    # In pieces: a damaged header may give terabytes, and a single read would reserve them.
    data = bytearray()
    while piece := file.read(min(size - len(data), 1 << 20)):
        data += piece
    expected = f"{name}: the header says {' x '.join(map(str, shape))} bytes, the file holds"
    if len(data) < size:
        raise DataError(f"{expected} {len(data)}; it is truncated, copy it again")
    if file.read(1):
        raise DataError(f"{expected} more; the file or its header is damaged, copy it again")
    return np.frombuffer(data, np.uint8).reshape(shape)
