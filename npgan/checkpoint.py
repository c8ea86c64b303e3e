"""A run's whole state in one file: written atomically, checked when it is read.

A checkpoint is an .npz of plain arrays plus one JSON text under the name "meta". It holds what
continues a run bit for bit: weights, averages, Adam's moments, the random generators and the place
in the epoch; not where the run will end, which whoever goes on with it says. The same state gives
the same bytes.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.lib.npyio import NpzFile

FORMAT = 1


class CheckpointError(ValueError):
    """A checkpoint cannot be read, or does not fit; the message says which and why, in one line."""


def save(path: str | os.PathLike[str], arrays: dict[str, np.ndarray], meta: dict[str, Any]) -> None:
    """Write arrays and meta (what JSON can hold) to path, whole or not at all; see `whole`."""
    text = json.dumps({**meta, "format": FORMAT})
    with whole(path) as file:
        np.savez(file, **arrays, meta=np.array(text))  # type: ignore[arg-type]


@contextmanager
def whole(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """A file to write to, which takes the name `path` when the block ends well.

    The bytes go to a new file beside it, reach the disk, and then take its name in one step: a crash
    or a full disk leaves the old file as it was. Raises OSError, naming path, where that folder refuses.
    """
    path, temporary = Path(path), None
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o666 & ~current_umask())  # mkstemp gives 600
        os.replace(temporary, path)
    except BaseException as error:
        if temporary is not None:
            with suppress(OSError):
                os.unlink(temporary)
        if isinstance(error, OSError) and error.errno:
            raise OSError(error.errno, error.strerror, str(path)) from None
        raise


def current_umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def load(path: str | os.PathLike[str]) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """(arrays, meta) from a file that `save` wrote; a directory means its checkpoint.npz.

    Raises CheckpointError in one line where the file is missing, damaged or of another program.
    """
    path = Path(path)
    if path.is_dir():
        path = path / "checkpoint.npz"
        if not path.exists():
            raise CheckpointError(
                f"{path.parent} holds no checkpoint.npz; is it the directory of a run?"
            )
    try:
        with open(path, "rb") as raw, NpzFile(raw, allow_pickle=False) as file:
            if damaged := file.zip.testzip():  # a header that shrinks its array would pass unseen
                raise ValueError(f"{damaged} is damaged")
            arrays = {name: file[name] for name in file.files}
        if "meta" not in arrays:
            raise ValueError('it holds no "meta"')
        meta = json.loads(str(arrays.pop("meta")))
    except FileNotFoundError:
        raise CheckpointError(f"{path} does not exist") from None
    except Exception as error:  # zipfile, zlib and NumPy raise a dozen types on a damaged file
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise CheckpointError(
            f"{path} cannot be read as a checkpoint of npgan ({reason})"
        ) from error
    if not isinstance(meta, dict) or meta.get("format") != FORMAT:
        found = meta.get("format") if isinstance(meta, dict) else None
        raise CheckpointError(
            f"{path} has checkpoint format {found}; this version of npgan reads {FORMAT}"
        )
    return arrays, meta
