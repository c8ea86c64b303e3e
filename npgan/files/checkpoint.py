"""A run's whole state in one file: written atomically, checked when it is read.

A checkpoint is an .npz of plain arrays plus one JSON text under the name "meta". It holds what
continues a run bit for bit: weights, averages, Adam's moments, the random generators and the place
in the epoch; not where the run will end, which whoever goes on with it says. The same state gives
the same bytes.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.npyio import NpzFile

from .atomic import atomic_write

FORMAT = 1


class CheckpointError(ValueError):
    """A checkpoint cannot be read, or does not fit; the message says which and why, in one line."""


def save(path: str | os.PathLike[str], arrays: dict[str, np.ndarray], meta: dict[str, Any]) -> None:
    """Write arrays and meta (what JSON can hold) to path, whole or not at all; see `atomic_write`."""
    text = json.dumps({**meta, "format": FORMAT})
    with atomic_write(path) as file:
        np.savez(file, **arrays, meta=np.array(text))  # type: ignore[arg-type]


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
