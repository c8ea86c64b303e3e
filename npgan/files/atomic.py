"""Atomic files: a file is written completely, or the old one stays as it was."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

PREFIX, SUFFIX = ".npgan-", ".tmp"  # of the names of temporary files


@contextmanager
def atomic_write(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Open a binary file for writing that replaces `path` when the block ends without an error.

    The bytes go to a temporary file in the same directory. It is written to the disk and then
    renamed to `path` in one step, so that a crash or a full disk leaves the old file unchanged.
    The new name is written to the disk, too, where the system can do this. The new file has the
    permissions that the umask allows.

    Raises
    ------
    OSError
        If the file cannot be written; its `filename` is `path`.
    """
    asked, path, temporary = os.fspath(path), Path(path), None
    try:
        # The name is short and does not contain that of `path`, which may be as long as is allowed.
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=PREFIX, suffix=SUFFIX)
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o666 & ~_current_umask())  # mkstemp gives 600
        os.replace(temporary, path)
        _sync_directory(path.parent)
    except BaseException as error:
        if temporary is not None:
            with suppress(OSError):
                os.unlink(temporary)
        if isinstance(error, OSError) and error.errno:
            raise OSError(error.errno, error.strerror, asked) from None
        raise


def write_text(path: Path, text: str) -> None:
    """Write a text file in UTF-8, completely or not at all."""
    with atomic_write(path) as file:
        file.write(text.encode())


def remove_temporary_files(directory: Path) -> None:
    """Remove what a killed process has left in a directory to which no other process writes."""
    for path in directory.glob(f"{PREFIX}*{SUFFIX}"):
        with suppress(OSError):
            path.unlink()


def _sync_directory(path: Path) -> None:
    """Write the names in a directory to the disk; Windows and some file systems cannot."""
    with suppress(OSError):
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _current_umask() -> int:
    """The process's umask, which can only be read by setting it."""
    mask = os.umask(0)
    os.umask(mask)
    return mask
