"""load(): one function for every kind of data that the option --data takes."""

from __future__ import annotations

import difflib
import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from .arrays import as_labels, as_rows
from .base import DataError, Images, listing, printable
from .folder import SUFFIXES, image_files, read_folder
from .formats import advice_on
from .idx import GZIP_MAGIC, read_idx
from .mnist_data import SPLITS, check_split, mnist
from .numpy_files import Archive, first_line, read_npy
from .scales import log, warn
from .shapes import check_plausible

# The names of images and their labels in an .npz file, in the order in which they are looked for.
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

# Images and labels as found in a file, and a name for them in error messages.
Found = tuple[npt.NDArray[Any], npt.NDArray[Any] | None, str]


def load(path: str | os.PathLike[str], split: str = "train") -> Images:
    """Load images or points, and their labels, from the package, a file or a folder.

    Parameters
    ----------
    path : path-like
        "mnist" for the data in the package (a folder of this name is "./mnist"); an IDX file,
        gzipped or not; a .npy or .npz file; or a folder of IDX, PNG or JPEG files.
    split : {"train", "test", "all"}
        Which part to load. Data without a test split are returned for "train" and "all".

    Returns
    -------
    Images
        The data; `labels` is None if there are none.

    Raises
    ------
    DataError
        If something is missing, damaged or of an unknown format.

    Notes
    -----
    Arrays (n, h, w), (n, h, w, 1) and (n, h, w, 3) are images: uint8, whole numbers in 0..255, or
    floats in [0, 1], else in [-1, 1], else in [0, 255], up to half a pixel. Whole numbers that are
    only 0 and 1 are black and white. Arrays (n, d) of whole numbers are images, too; arrays (n, d)
    of floats are points. `note` of the result says which was taken, and the logger "npgan" warns
    of a scale or shape that is implausible.

    Images in a folder are turned as the orientation in their EXIF data says.

    Labels of an IDX file are read from the file in the same folder with the published name. In an
    .npz file images and labels are found by the usual names, such as "x_train" and "y_train".
    EMNIST's images are transposed, as they were published.

    Examples
    --------
    >>> load("mnist", "test").images.shape
    (10000, 784)
    """
    if not isinstance(path, str | os.PathLike) or not isinstance(os.fspath(path), str):
        kind = type(path).__name__
        raise DataError(f"load takes the name of a file or folder, got {kind}; fit takes arrays")
    if not os.fspath(path):  # Path("") is the current directory
        raise DataError("load takes the name of a file or folder, got an empty one")
    if os.fspath(path) == "mnist":
        return mnist(split)
    check_split(split)
    try:
        where = Path(path).expanduser()
        found = _find(where, split)
    except OSError as error:
        raise DataError(f"{path}: cannot read it ({error.strerror or error})") from None
    except RuntimeError as error:  # of a ~name that is nobody's
        raise DataError(f"{path}: cannot read it ({error})") from None
    except MemoryError:
        raise DataError(f"{path}: larger than the memory that is free; give fewer images") from None
    sets = [(as_rows(images, name), labels, name) for images, labels, name in found]
    (rows, shape, note), _, name = sets[0]
    labels = [
        as_labels(y, len(x.rows), f"labels of {name}") for x, y, name in sets if y is not None
    ]
    for other, _, other_name in sets[1:]:
        if other.shape != shape:
            raise DataError(
                f"{other_name} holds images of {other.shape}, but {name} of {shape}; use one split"
            )
    if len(sets) > 1:
        rows = np.concatenate([x.rows for x, *_ in sets])
        note = "; ".join(x.note for x, *_ in sets)
    where = where.resolve()
    known = np.concatenate(labels) if len(labels) == len(sets) else None
    log.info("npgan: %s: %s", printable(where.name), note)
    return Images(where.name, rows, known, shape, source=str(where), note=note)


def _find(path: Path, split: str) -> list[Found]:
    """The arrays of each part of the split, in a file or folder of any kind."""
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
        array = read_npy(path)
        check_plausible(array.shape, array.dtype.kind == "f", path.name)
        return [(array, None, path.name)]
    if start.startswith((GZIP_MAGIC, b"\0\0")):
        return [_read_idx_pair(path)]
    if advice := advice_on(path, start):
        raise DataError(f"{path.name} {advice}")
    if path.suffix.lower() in SUFFIXES:
        raise DataError(f"{path.name} is a single image; expected the folder that holds the images")
    raise DataError(f"{path.name}: starts with {start.hex(' ') or 'nothing'}; expected {KINDS}")


def _missing(path: Path) -> str:
    """The error message for a path that does not exist, with a similar name if there is one."""
    names = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
    close = difflib.get_close_matches(path.name, [*names, "mnist"], n=1)
    hint = f"did you mean {close[0]}?" if close else 'the built-in set is called "mnist"'
    return f"{path}: no such file or folder; {hint}"


def _refuse_test(path: Path, split: str) -> None:
    """Raise DataError if the test split is asked for, where there is only one set."""
    if split == "test":
        raise DataError(
            f'{path.name} is one set of images without splits; got split="test", leave it out'
        )


def _find_in_folder(path: Path, split: str) -> list[Found]:
    """The IDX files of each part of the split, else all PNG and JPEG files."""
    names = sorted(p.name for p in path.iterdir() if p.is_file())
    idx = {part: [n for n in names if pattern.fullmatch(n)] for part, pattern in IDX_NAMES.items()}
    if any(idx.values()):
        if pictures := [n for n in names if Path(n).suffix.lower() in SUFFIXES]:
            warn(f"{path.name}: IDX files are read, and not the images {listing(pictures, 2)}")
        return [_read_idx_pair(path / _one(path, part, idx[part])) for part in SPLITS[split]]
    if files := image_files(path):
        _refuse_test(path, split)
        if arrays := [n for n in names if n.endswith((".npy", ".npz", ".csv", ".zip", ".gz"))]:
            warn(f"{path.name}: PNG and JPEG files are read, and not {listing(arrays, 2)}")
        return [(read_folder(files), None, path.name)]
    folders = sorted(p.name for p in path.iterdir() if p.is_dir() and not p.name.startswith("."))
    inside = f": {listing(folders)}" if folders else ""
    raise DataError(
        f"{path}: found no train-images-idx3-ubyte (.gz or not) and no PNG or JPEG files in this "
        f"folder; subfolders are not searched{inside}"
    )


def _one(path: Path, part: str, names: list[str]) -> str:
    """The only name, of several that differ only in .gz the one without."""
    unzipped = {name.removesuffix(".gz"): name for name in reversed(names)}
    if not unzipped:
        raise DataError(f"{path}: has no images for the {part} split; expected {PUBLISHED[part]}")
    if len(unzipped) > 1:
        raise DataError(
            f"{path}: holds several {part} sets ({listing(sorted(unzipped))}); name one file"
        )
    return unzipped.popitem()[1]


def _read_idx_pair(path: Path) -> Found:
    """The images in an IDX file, and the labels if their file is in the same folder."""
    images = read_idx(path)
    if images.ndim != 3:
        raise DataError(
            f"{path.name}: holds an array of shape {images.shape}; expected images (n, h, w)"
        )
    name = path.name.removesuffix(".gz").replace("images", "labels").replace("idx3", "idx1")
    candidates = [path.with_name(name), path.with_name(name + ".gz")]
    labels = next((p for p in candidates if p.name != path.name and os.path.lexists(p)), None)
    if labels is not None and not labels.is_file():
        raise DataError(f"{labels}: no regular file of labels (a broken link, a pipe?); remove it")
    return images, None if labels is None else read_idx(labels), path.name


def _find_in_npz(path: Path, split: str) -> list[Found]:
    """The arrays of each part of the split in an .npz file."""
    try:
        with path.open("rb") as file:
            npz, found = Archive(path, file), []
            for x, y in _npz_keys(path, list(npz.members), split):
                images, name = npz.read(x), f"{path.name}[{x}]"
                check_plausible(images.shape, images.dtype.kind == "f", name)
                found.append((images, npz.read(y) if y in npz.members else None, name))
            return found
    except DataError:
        raise
    except Exception as error:  # zipfile, zlib and NumPy raise a dozen types on a damaged file
        raise DataError(f"{path.name}: cannot read it as .npz ({first_line(error)})") from None


def _npz_keys(path: Path, keys: list[str], split: str) -> list[tuple[str, str]]:
    """The names of images and labels in the file, for each part of the split that it holds."""
    found = [next((xy for xy in NPZ_KEYS[part] if xy[0] in keys), None) for part in SPLITS[split]]
    pairs = [xy for xy in found if xy]
    if not pairs and len(keys) == 1 and split != "test":
        pairs = [(keys[0], "")]
    if not pairs:
        expected = " or ".join(x for part in SPLITS[split] for x, _ in NPZ_KEYS[part])
        raise DataError(
            f"{path.name}: has no {split} images under {expected}; it holds {listing(keys)}"
        )
    return pairs
