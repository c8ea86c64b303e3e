"""Checkpoints: the state of a training run in one file, written atomically and checked when read.

A checkpoint is an .npz file of plain arrays, and one JSON text under the name "meta". It holds what
is needed to continue a run with the same bits: weights, their averages, Adam's moments, the states
of the random generators and the position in the epoch. It does not hold the number of epochs: who
resumes the run gives that. The same state gives the same bytes.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.npyio import NpzFile
from numpy.typing import NDArray

from .atomic import atomic_write

FORMAT = 1

AnyArray = NDArray[Any]


class CheckpointError(ValueError):
    """A file that cannot be read as a checkpoint, or that does not fit the program that reads it.

    Raised by `GAN.load` and `metrics.Judge.load`.

    Notes
    -----
    The message is one line that names the file and the reason.
    """


def save(path: str | os.PathLike[str], arrays: dict[str, AnyArray], meta: dict[str, Any]) -> None:
    """Write the arrays and `meta`, which JSON must be able to hold, with `atomic_write`."""
    text = json.dumps({**meta, "format": FORMAT})
    with atomic_write(path) as file:
        np.savez(file, **arrays, meta=np.array(text))  # type: ignore[arg-type]


def load(path: str | os.PathLike[str]) -> tuple[dict[str, AnyArray], dict[str, Any]]:
    """Read (arrays, meta) from a file that `save` wrote, or from checkpoint.npz in a directory.

    Raises
    ------
    CheckpointError
        If the file is missing, damaged, or no checkpoint of npgan.
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
            # NumPy alone would not notice a damaged header that makes its array smaller.
            if damaged := file.zip.testzip():
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
