"""load(): one function for every kind of data that --data may name."""

from __future__ import annotations

import difflib
import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from .arrays import as_labels, as_rows
from .base import DataError, Images
from .embedded import SPLITS, mnist
from .folder import SUFFIXES, image_files, read_folder
from .idx import GZIP_MAGIC, read_idx

# What a set of images and its labels are called in an .npz file.
NPZ_KEYS = {
    "train": (
        ("images", "labels"),
        ("x_train", "y_train"),
        ("train_images", "train_labels"),
        ("x", "y"),
        ("arr_0", ""),
    ),
    "test": (("x_test", "y_test"), ("test_images", "test_labels")),
}
# train-images-idx3-ubyte, t10k-images.idx3-ubyte.gz, emnist-letters-test-images-idx3-ubyte.gz, ...
IDX_NAMES = {
    "train": re.compile(r"(.*-)?train-images[-.]idx3-ubyte(\.gz)?"),
    "test": re.compile(r"(.*-)?(t10k|test)-images[-.]idx3-ubyte(\.gz)?"),
}
PUBLISHED = {"train": "train-images-idx3-ubyte", "test": "t10k-images-idx3-ubyte"}
KINDS = "an IDX file (.gz or not), a .npy or .npz file, or a folder of IDX, PNG or JPEG files"

# Images and labels as found, and where: a name for error messages.
Found = tuple[npt.NDArray[Any], npt.NDArray[Any] | None, str]


def load(path: str | os.PathLike[str], split: str = "train") -> Images:
    """Load "mnist" (built in), an IDX, .npy or .npz file, or a folder of IDX, PNG or JPEG files.

    split is "train", "test" or "all".  A source without splits is one set, returned for "train" and
    "all".  A labels file beside an IDX file is found by its published name.  What an array must look
    like: npgan.datasets.arrays.as_rows.  EMNIST's images are transposed, as they were published.
    "mnist" is always the built-in set; a folder of that name is "./mnist".
    Raises DataError, in one line, for all that is missing, damaged or not understood.
    """
    if os.fspath(path) == "mnist":
        return mnist(split)
    if split not in SPLITS:
        raise DataError(f'split must be "train", "test" or "all", got {split!r}')
    where = Path(path).expanduser()
    try:
        found = _find(where, split)
    except OSError as error:
        raise DataError(f"{path}: cannot read it ({error.strerror or error})") from None
    sets = [(*as_rows(images, name), labels, name) for images, labels, name in found]
    rows, shape, _, name = sets[0]
    labels = [as_labels(y, len(x), f"labels of {name}") for x, _, y, name in sets if y is not None]
    for _, other, _, other_name in sets[1:]:
        if other != shape:
            raise DataError(
                f"{other_name} holds images of {other}, but {name} of {shape}; use one split"
            )
    if len(sets) > 1:
        rows = np.concatenate([x for x, *_ in sets])
    where = where.resolve()
    known = np.concatenate(labels) if len(labels) == len(sets) else None
    return Images(where.name, rows, known, shape, source=str(where))


def _find(path: Path, split: str) -> list[Found]:
    if path.is_dir():
        return _find_in_folder(path, split)
    if not path.exists():
        raise DataError(_missing(path))
    if not path.is_file():
        raise DataError(f"{path}: neither a file nor a folder; expected {KINDS}")
    with path.open("rb") as file:
        start = file.read(8)
    if start.startswith(b"PK"):
        return _find_in_npz(path, split)
    _refuse_test(path, split)
    if start.startswith(b"\x93NUMPY"):
        return [(read_npy(path), None, path.name)]
    if start.startswith((GZIP_MAGIC, b"\0\0")):
        return [_read_idx_pair(path)]
    if path.suffix.lower() in SUFFIXES:
        raise DataError(f"{path.name} is a single image; expected the folder that holds the images")
    raise DataError(f"{path.name}: starts with {start.hex(' ') or 'nothing'}; expected {KINDS}")


def _missing(path: Path) -> str:
    names = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
    close = difflib.get_close_matches(path.name, [*names, "mnist"], n=1)
    hint = f"did you mean {close[0]}?" if close else 'the built-in set is called "mnist"'
    return f"{path}: no such file or folder; {hint}"


def _refuse_test(path: Path, split: str) -> None:
    if split == "test":
        raise DataError(
            f'{path.name} is one set of images without splits; got split="test", leave it out'
        )


def _find_in_folder(path: Path, split: str) -> list[Found]:
    names = sorted(p.name for p in path.iterdir() if p.is_file())
    idx = {part: [n for n in names if pattern.fullmatch(n)] for part, pattern in IDX_NAMES.items()}
    if any(idx.values()):
        return [_read_idx_pair(path / _one(path, part, idx[part])) for part in SPLITS[split]]
    if files := image_files(path):
        _refuse_test(path, split)
        return [(read_folder(files), None, path.name)]
    raise DataError(
        f"{path}: found no train-images-idx3-ubyte (.gz or not) and no PNG or JPEG files in this folder; "
        "subfolders are not searched"
    )


def _one(path: Path, part: str, names: list[str]) -> str:
    unzipped = {name.removesuffix(".gz"): name for name in reversed(names)}
    if not unzipped:
        raise DataError(f"{path}: has no images for the {part} split; expected {PUBLISHED[part]}")
    if len(unzipped) > 1:
        raise DataError(
            f"{path}: holds several {part} sets ({', '.join(sorted(unzipped))}); name one file"
        )
    return unzipped.popitem()[1]


def _read_idx_pair(path: Path) -> Found:
    images = read_idx(path)
    if images.ndim != 3:
        raise DataError(
            f"{path.name}: holds an array of shape {images.shape}; expected images (n, h, w)"
        )
    name = path.name.removesuffix(".gz").replace("images", "labels").replace("idx3", "idx1")
    beside = [path.with_name(name), path.with_name(name + ".gz")]
    labels = next((p for p in beside if p.name != path.name and p.is_file()), None)
    return images, None if labels is None else read_idx(labels), path.name


def read_npy(path: Path) -> npt.NDArray[Any]:
    try:
        # Mapped, so that a header which promises more than the file holds reserves no memory.
        return np.load(path, mmap_mode="r", allow_pickle=False)  # type: ignore[no-any-return]
    except Exception as error:  # a damaged header may even raise tokenize.TokenError
        raise DataError(f"{path.name}: cannot read it as .npy ({_line(error)})") from None


def _find_in_npz(path: Path, split: str) -> list[Found]:
    try:
        with np.load(path, allow_pickle=False) as npz:
            found = []
            for x, y in _npz_keys(path, npz.files, split):
                found.append((npz[x], npz[y] if y in npz.files else None, f"{path.name}[{x}]"))
            return found
    except DataError:
        raise
    except Exception as error:  # zipfile, zlib and NumPy raise a dozen types on a damaged file
        raise DataError(f"{path.name}: cannot read it as .npz ({_line(error)})") from None


def _npz_keys(path: Path, keys: list[str], split: str) -> list[tuple[str, str]]:
    """Names of the images and of their labels, one pair for each part of the split that there is."""
    there = [next((xy for xy in NPZ_KEYS[part] if xy[0] in keys), None) for part in SPLITS[split]]
    pairs = [xy for xy in there if xy]
    if not pairs and len(keys) == 1 and split != "test":
        pairs = [(keys[0], "")]
    if not pairs:
        expected = " or ".join(x for part in SPLITS[split] for x, _ in NPZ_KEYS[part])
        raise DataError(
            f"{path.name}: has no {split} images under {expected}; it holds {', '.join(keys)}"
        )
    return pairs


def _line(error: Exception) -> str:
    return str(error).partition("\n")[0] or type(error).__name__
