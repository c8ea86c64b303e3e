"""A run's whole state in one file: written atomically, checked when it is read.

A checkpoint is an .npz of plain arrays plus one JSON text under the name "meta". It holds what
continues a run bit for bit: weights, averages, Adam's moments, the random generators and the place
in the epoch. The same state gives the same bytes.
"""

from __future__ import annotations

import json
import os
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

FORMAT = 1


class CheckpointError(ValueError):
    """A checkpoint cannot be read, or does not fit; the message says which and why, in one line."""


def save(path: str | os.PathLike[str], arrays: dict[str, np.ndarray], meta: dict[str, Any]) -> None:
    """Write arrays and meta (what JSON can hold) to path, whole or not at all.

    The bytes go to a new file beside it, reach the disk, and then take its name in one step: a crash
    or a full disk leaves the old checkpoint as it was. Raises OSError where that folder refuses.
    """
    path = Path(path)
    text = json.dumps({**meta, "format": FORMAT})
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            np.savez(file, **arrays, meta=np.array(text))  # type: ignore[arg-type]
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o666 & ~current_umask())  # mkstemp gives 600
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
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
            raise CheckpointError(f"{path.parent} holds no checkpoint.npz; is it the directory of a run?")
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        meta = json.loads(str(arrays.pop("meta")))
    except FileNotFoundError:
        raise CheckpointError(f"{path} does not exist") from None
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, NotImplementedError) as error:
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise CheckpointError(f"{path} cannot be read as a checkpoint of npgan ({reason})") from error
    if not isinstance(meta, dict) or meta.get("format") != FORMAT:
        found = meta.get("format") if isinstance(meta, dict) else None
        raise CheckpointError(f"{path} has checkpoint format {found}; this version of npgan reads {FORMAT}")
    return arrays, meta
