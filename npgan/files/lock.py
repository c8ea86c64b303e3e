"""A lock on a directory, so that one process at a time writes the files of a run."""

from __future__ import annotations

import errno
import os
import sys
from contextlib import suppress
from pathlib import Path

# What the system answers if another process holds the lock.
BUSY = (errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES, errno.EDEADLK)


class DirectoryLock:
    """Hold the system's lock on a directory until `release`, or until the process ends.

    On Windows, which cannot lock a directory, a file in it is locked and removed afterwards. Where
    the file system has no locks, nothing is locked.

    Raises
    ------
    FileExistsError
        If another process, or another run of this one, holds the lock.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.handle = path, -1
        self.file = path / ".npgan-lock" if sys.platform == "win32" else None
        handle = os.open(self.file or path, os.O_RDWR | os.O_CREAT if self.file else os.O_RDONLY)
        try:
            lock(handle)
        except OSError as error:
            os.close(handle)
            if error.errno in BUSY:
                raise FileExistsError(
                    f"another training run is writing to {path}; wait until it has ended, or give "
                    "another directory"
                ) from None
        else:
            self.handle = handle

    def check(self) -> None:
        """Raise FileNotFoundError if the directory was moved, removed or replaced."""
        if self.handle < 0 or self.file is not None:
            return
        try:
            same = os.path.samestat(os.stat(self.path), os.fstat(self.handle))
        except FileNotFoundError:
            same = False
        if not same:
            reason = "The directory of the run was moved or removed during training"
            raise FileNotFoundError(errno.ENOENT, reason, str(self.path))

    def release(self) -> None:
        """Give the lock back; a second call does nothing."""
        if self.handle >= 0:
            os.close(self.handle)
            self.handle = -1
            if self.file is not None:
                with suppress(OSError):
                    self.file.unlink()


if sys.platform == "win32":
    import msvcrt

    def lock(handle: int) -> None:
        """Lock an open file, or raise OSError."""
        msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def lock(handle: int) -> None:
        """Lock an open directory, or raise OSError."""
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
