"""Locks: one process at a time writes to a run's directory; a file being written is not removed."""

from __future__ import annotations

import errno
import importlib.util
import os
import sys
from contextlib import suppress
from pathlib import Path

held: list[DirectoryLock] = []  # by this process

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
            if error.errno in BUSY:
                os.close(handle)
                raise FileExistsError(
                    f"another training run is writing to {path}; wait until it has ended, or give "
                    "another directory"
                ) from None
        self.handle, self.process = handle, os.getpid()
        held.append(self)

    def check(self) -> None:
        """Raise FileNotFoundError if the directory was moved, removed or replaced."""
        if self.handle < 0 or self.file is not None:
            return
        try:
            same = os.path.samestat(os.stat(self.path), os.fstat(self.handle))
        except (FileNotFoundError, NotADirectoryError):
            same = False
        if not same:
            reason = "The directory of the run was moved or removed during training"
            raise FileNotFoundError(errno.ENOENT, reason, str(self.path))

    def release(self) -> None:
        """Give the lock back; a second call does nothing."""
        if self.handle >= 0:
            held.remove(self)
            if os.getpid() == self.process:
                with suppress(OSError):
                    unlock(self.handle)  # a fork of this process keeps the handle open
            os.close(self.handle)
            self.handle = -1
            if self.file is not None:
                with suppress(OSError):
                    self.file.unlink()


def check_held(path: Path) -> None:
    """Raise FileNotFoundError if `path` is in a directory that is locked here and was moved."""
    for one in held:
        if one.path in path.parents:
            one.check()


def is_locked(path: Path) -> bool:
    """Whether a process holds the lock of a file; False where the file system has no locks."""
    with open(path, "rb+") as file:
        try:
            lock(file.fileno())
        except OSError as error:
            return error.errno in BUSY
    return False


if sys.platform == "win32":
    import msvcrt

    def lock(handle: int) -> None:
        """Lock an open file, or raise OSError."""
        msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)

    def unlock(handle: int) -> None:
        """Give the lock of an open file back, or raise OSError."""
        msvcrt.locking(handle, msvcrt.LK_UNLCK, 1)

elif importlib.util.find_spec("fcntl") is None:  # WebAssembly

    def lock(handle: int) -> None:
        """Raise OSError, as a file system without locks does."""
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    unlock = lock

else:
    import fcntl

    def lock(handle: int) -> None:
        """Lock an open file or directory, or raise OSError."""
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def unlock(handle: int) -> None:
        """Give the lock of an open file or directory back, or raise OSError."""
        fcntl.flock(handle, fcntl.LOCK_UN)
