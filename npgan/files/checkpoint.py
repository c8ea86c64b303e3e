"""Checkpoints: the state of a training run in one file, written atomically and checked when read.

A checkpoint is an .npz file of plain arrays, stored without compression, and one JSON text under
the name "meta". It holds what is needed to continue a run with the same bits: weights, their
averages, Adam's moments, the states of the random generators and the position in the epoch. It does
not hold the number of epochs: who resumes the run gives that. The same state gives the same bytes.

The last entry of the JSON text is the SHA-256 of all arrays and of the rest of the text, so that
members of two checkpoints cannot be mixed. Files from before this entry existed are still read.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
import os
import re
import stat
import zipfile
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from .atomic import atomic_write, exists
from .zips import open_zip

FORMAT = 1
DIGEST = re.compile(r', "sha256": "([0-9a-f]{64})"\}\Z')
MAX_MEMBERS = 1000
MAX_REASON = 160  # characters of a reason in a message

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
    text = f'{text[:-1]}, "sha256": "{digest(arrays, text)}"}}'
    with atomic_write(path) as file:
        np.savez(file, **arrays, meta=np.array(text))  # type: ignore[arg-type]


def digest(arrays: Mapping[str, AnyArray], text: str) -> str:
    """The SHA-256 of all arrays, with their names, types and shapes, and of the JSON text."""
    found = hashlib.sha256(text.encode("utf-8", "surrogatepass"))
    for name, array in sorted(arrays.items()):
        array = np.asarray(array)
        found.update(f"\0{name} {array.dtype.str} {array.shape} ".encode("utf-8", "surrogatepass"))
        found.update(array.tobytes())
    return found.hexdigest()


def load(path: str | os.PathLike[str]) -> tuple[dict[str, AnyArray], dict[str, Any]]:
    """Read (arrays, meta) from a file that `save` wrote, or from checkpoint.npz in a directory.

    Raises
    ------
    CheckpointError
        If the file is missing, damaged, or no checkpoint of npgan.
    """
    if not os.fspath(path):  # Path("") is the current directory
        raise CheckpointError("expected the name of a file or directory, got an empty one")
    path = Path(path)
    try:
        if stat.S_ISDIR(os.stat(path).st_mode):
            path = path / "checkpoint.npz"
            if not exists(path):
                raise CheckpointError(
                    f"{path.parent} holds no checkpoint.npz; is it the directory of a run?"
                )
        if not stat.S_ISREG(os.stat(path).st_mode):  # reading a pipe or a device might never end
            raise ValueError("it is no regular file")
        with open(path, "rb") as file:
            arrays = read_arrays(file)
        meta = pop_meta(arrays)
    except CheckpointError:
        raise
    except FileNotFoundError:
        raise CheckpointError(f"{path} does not exist") from None
    except Exception as error:  # zipfile and NumPy raise a dozen types on a damaged file
        raise CheckpointError(
            f"{path} cannot be read as a checkpoint of npgan ({reason(error)})"
        ) from error
    found = meta.get("format") if isinstance(meta, dict) else None
    if type(found) is not int or found != FORMAT:
        raise CheckpointError(
            f"{path} has checkpoint format {reason(found)}; this version of npgan reads {FORMAT}"
        )
    return arrays, meta


def read_arrays(file: BinaryIO) -> dict[str, AnyArray]:
    """The arrays of an .npz file, by name. It reads no more bytes than the file has."""
    with open_zip(file) as archive:
        members = archive.infolist()
        names = [member.filename for member in members]
        if len(members) > MAX_MEMBERS:
            raise ValueError(f"it has {len(members)} members")
        for member, name in zip(members, names, strict=True):
            stored = member.compress_type == zipfile.ZIP_STORED
            if not stored or member.file_size != member.compress_size:
                raise ValueError(f"{name} is compressed; npgan writes no compressed members")
            if names.count(name) > 1:
                raise ValueError(f"{name} is in it twice")
            if not name.endswith(".npy"):
                raise ValueError(f"{name} is no array")
        # Members that overlap could together be larger than the file.
        if sum(member.file_size for member in members) > file.seek(0, os.SEEK_END):
            raise ValueError("its members are larger than the file")
        return {name.removesuffix(".npy"): read_array(archive, name) for name in names}


def read_array(archive: zipfile.ZipFile, name: str) -> AnyArray:
    """One array, if its header fits the number of its bytes. zipfile compares the CRC-32."""
    try:
        data = archive.read(name)
    except zipfile.BadZipFile as error:
        raise ValueError(f"{name} is damaged") from error
    stream = io.BytesIO(data)
    if npy.read_magic(stream) != (1, 0):
        raise ValueError(f"{name} is no array that npgan has written")
    shape, fortran_order, dtype = npy.read_array_header_1_0(stream)
    if dtype.hasobject:
        raise ValueError(f"{name} holds Python objects")
    size = math.prod(shape) * dtype.itemsize
    if min(shape, default=0) < 0 or size != len(data) - stream.tell():
        raise ValueError(f"{name} is damaged: its header and its size disagree")
    view: AnyArray = np.ndarray(
        shape, dtype, data, stream.tell(), order="F" if fortran_order else "C"
    )
    return view.copy(order="K")


def pop_meta(arrays: dict[str, AnyArray]) -> Any:
    """Take the JSON text out of the arrays, check the digest if there is one, return the rest."""
    if "meta" not in arrays:
        raise ValueError('it holds no "meta"')
    member = arrays.pop("meta")
    if member.shape != () or member.dtype.kind != "U":
        raise ValueError('its "meta" is no text')
    text = str(member)
    meta = json.loads(text, object_pairs_hook=without_repetition)
    if isinstance(meta, dict) and "sha256" in meta:
        found = DIGEST.search(text)
        if found is None or found[1] != digest(arrays, DIGEST.sub("}", text)):
            raise ValueError("its parts do not belong together: the SHA-256 is another")
        del meta["sha256"]
    return meta


def without_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of the JSON text; ValueError if it has two entries of one name."""
    entries = dict(pairs)
    if len(entries) < len(pairs):
        twice, _ = Counter(name for name, _ in pairs).most_common(1)[0]
        raise ValueError(f"{twice!r:.60} is in it twice")
    return entries


def reason(error: object) -> str:
    """An error, or a value from a file, as a short piece of one printable line."""
    hidden = getattr(error, "__context__", None)
    if isinstance(hidden, OSError):  # zipfile calls it a file that is no zip file
        error = hidden
    if isinstance(error, KeyError) and error.args:
        error = f"{error.args[0]} is missing"
    text = str(error).partition("\n")[0] or type(error).__name__
    text = "".join(c if c.isprintable() else "?" for c in text)
    return text if len(text) <= MAX_REASON else f"{text[: MAX_REASON - 3]}..."
