"""Zip files whose list of names is bounded; zipfile needs ten times its size in memory."""

from __future__ import annotations

import zipfile
from typing import BinaryIO

MAX_DIRECTORY = 4 << 20  # bytes, which is 90,000 members of the shortest names


class Bounded:
    """An open file that refuses to read more than `most` bytes at once, if that is not None."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self.most: int | None = MAX_DIRECTORY
        self.seek, self.tell, self.seekable = file.seek, file.tell, file.seekable

    def read(self, size: int = -1) -> bytes:
        """The next bytes, as `read` of a file."""
        if self.most is None:
            return self.file.read(size)
        data = self.file.read(self.most + 1 if size < 0 else min(size, self.most + 1))
        if len(data) > self.most:
            raise ValueError(f"its list of names is larger than {self.most:,} bytes")
        return data


def open_zip(file: BinaryIO) -> zipfile.ZipFile:
    """Open a zip file for reading. ValueError if the list of its members is too long.

    zipfile finds the list by two records, whose numbers can contradict each other, and reads it in
    one piece: therefore it is bounded where it is read.
    """
    bounded = Bounded(file)
    archive = zipfile.ZipFile(bounded)
    bounded.most = None
    return archive
