"""Read .npy and .npz files; their headers are checked before memory is reserved."""

from __future__ import annotations

import math
from pathlib import Path
from typing import IO, Any, BinaryIO

import numpy as np
import numpy.typing as npt

from .base import DataError, listing
from .idx import LARGEST
from .packing import check_packed

HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


def read_npy(path: Path) -> npt.NDArray[Any]:
    """The array in a .npy file, memory-mapped.

    Raises
    ------
    DataError
        If the file is none, or shorter or longer than its header says.
    """
    if path.exists() and not path.is_file():
        raise DataError(f"{path}: expected a .npy file; this is a folder, a pipe or a device")
    try:
        with path.open("rb") as file:
            _check_header(file, path.stat().st_size, path.name)
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except DataError:
        raise
    except Exception as error:  # a damaged header may raise many types, even tokenize.TokenError
        raise DataError(f"{path.name}: cannot read it as .npy ({first_line(error)})") from None


class Archive:
    """An open .npz file: a zip of .npy files.

    Raises
    ------
    DataError
        If it holds no arrays, or two of one name.
    """

    def __init__(self, path: Path, file: BinaryIO) -> None:
        from ..files.zips import open_zip

        self.path, self.size = path, path.stat().st_size
        self.zip = open_zip(file)
        members = [info for info in self.zip.infolist() if info.filename.endswith(".npy")]
        self.members = {info.filename.removesuffix(".npy"): info for info in members}
        if not members:
            held = listing([info.filename for info in self.zip.infolist()]) or "nothing"
            raise DataError(
                f"{path.name}: a zip file without arrays; unpack it and give the folder that holds "
                f"the images. It holds {held}"
            )
        if len(self.members) < len(members):
            raise DataError(f"{path.name}: holds two arrays of the same name; save it again")

    def read(self, name: str) -> npt.NDArray[Any]:
        """The array of this name."""
        info = self.members[name]
        where = f"{self.path.name}[{name}]"
        check_packed(info.file_size, min(info.compress_size, self.size), where)
        with self.zip.open(info) as member:
            _check_header(member, info.file_size, where)
        with self.zip.open(info) as member:
            array: npt.NDArray[Any] = np.lib.format.read_array(member, allow_pickle=False)
            return array


def _check_header(file: IO[bytes], size: int, where: str) -> None:
    """Raise DataError if the array in the file is not as long as its header says."""
    version = np.lib.format.read_magic(file)
    # Version 3.0 is for names of fields that are not Latin-1, and npgan reads no fields.
    if version not in HEADERS:
        raise DataError(f"{where}: .npy of version {version}; save it again with np.save")
    shape, _, dtype = HEADERS[version](file)
    if dtype.hasobject:
        raise DataError(
            f"{where}: cannot read it as .npy: it holds objects, and allow_pickle=False"
        )
    expected, held = math.prod(shape) * dtype.itemsize, size - file.tell()
    # NumPy has no array whose axes together are larger, even if it holds no bytes.
    counted = dtype.itemsize and math.prod(n or 1 for n in shape) * dtype.itemsize <= LARGEST
    if expected != held or min(shape, default=0) < 0 or not counted:
        raise DataError(
            f"{where}: cannot read it as .npy: its header says {expected:,} bytes (shape "
            f"{shape!s:.60}), the file holds {held:,}; it is damaged, copy or save it again"
        )


def first_line(error: Exception) -> str:
    """The first line of an error's message, or its type if it has none."""
    return str(error).partition("\n")[0] or type(error).__name__
