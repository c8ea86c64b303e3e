"""Atomic files: a file is written completely, or the old one stays as it was."""

from __future__ import annotations

import errno
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from .lock import check_held, is_locked, lock

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
        If the file cannot be written, or `path` is a device, a pipe or a socket, which would be
        replaced by a file; its `filename` is `path`.
    """
    asked, path = os.fspath(path), Path(path)
    check_regular(path)
    # The name is short and does not contain that of `path`, which may be as long as is allowed.
    temporary = path.parent / f"{PREFIX}{secrets.token_hex(8)}{SUFFIX}"
    try:
        with open(temporary, "xb") as file:
            with suppress(OSError):  # some file systems have no locks
                lock(file.fileno())  # so that remove_temporary_files lets it be
            yield file
            file.flush()
            os.fsync(file.fileno())
        # The temporary file is in the directory that is checked now, and so in no other run's.
        check_held(path)
        check_regular(path)
        os.replace(temporary, path)
        _sync_directory(path.parent)
    except BaseException as error:
        with suppress(OSError):
            os.unlink(temporary)
        if isinstance(error, OSError) and error.errno:
            check_held(path)  # the directory that is gone is the cause, if it is
            raise OSError(error.errno, error.strerror, asked) from None
        raise


def check_regular(path: Path) -> None:
    """Raise OSError if the file is a device, a pipe or a socket: `os.replace` would remove it."""
    with suppress(FileNotFoundError, NotADirectoryError):
        kind = os.lstat(path).st_mode
        if not (stat.S_ISREG(kind) or stat.S_ISLNK(kind) or stat.S_ISDIR(kind)):
            reason = "no regular file but a device or a pipe, which is not replaced"
            raise OSError(errno.EEXIST, reason, str(path))


def write_text(path: Path, text: str) -> None:
    """Write a text file in UTF-8, completely or not at all."""
    with atomic_write(path) as file:
        file.write(text.encode())


def exists(path: str | os.PathLike[str]) -> bool:
    """Whether there is something of this name, be it a link to nothing.

    Raises OSError where the system cannot tell: that is no reason to take a name as free.
    """
    try:
        os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


def remove_temporary_files(directory: Path) -> None:
    """Remove what killed processes have left in a directory, but no file that is being written."""
    for path in directory.glob(f"{PREFIX}*{SUFFIX}"):
        with suppress(OSError):
            if not is_locked(path):
                path.unlink()


def _sync_directory(path: Path) -> None:
    """Write the names in a directory to the disk; Windows and some file systems cannot."""
    with suppress(OSError):
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
