"""Data files to be damaged: a small one of each format, and an independent reader of each."""

import functools
import gzip
import io
import struct
import warnings
import zipfile
from pathlib import Path

import numpy as np
from hostile import Fault
from PIL import Image, ImageOps

ARRAY = np.random.default_rng(0).integers(0, 256, (6, 5, 4), dtype=np.uint8)
ARRAY[0, 0, :2] = 0, 255
COLOURS = np.random.default_rng(1).integers(0, 256, (9, 7, 3), dtype=np.uint8)
PICTURES = (".png", ".jpg")


def idx(array=ARRAY, kind=8, axes=None, lengths=None):
    """An IDX file; kind, axes and lengths: what its header says."""
    lengths = array.shape if lengths is None else lengths
    axes = len(lengths) if axes is None else axes
    return struct.pack(f">BBBB{len(lengths)}I", 0, 0, kind, axes, *lengths) + array.tobytes()


def npy(array=ARRAY):
    """A .npy file as NumPy writes it."""
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=True)
    return stream.getvalue()


def npy_with(descr="'|u1'", shape="(6, 5, 4)", order="False", body=None, version=(1, 0)):
    """A .npy file whose header holds these texts."""
    text = f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}\n"
    return npy_of(text.encode("utf-8", "surrogateescape"), body, version)


def npy_of(text, body=None, version=(1, 0)):
    """A .npy file with this header."""
    length = struct.pack("<H" if version == (1, 0) else "<I", len(text))
    body = ARRAY.tobytes() if body is None else body
    return b"\x93NUMPY" + bytes(version) + length + text + body


def npz(compression=zipfile.ZIP_STORED, **arrays):
    """A .npz file of arrays, or of the bytes of members; _ in a name is kept."""
    return zip_of([(f"{k}.npy", v) for k, v in arrays.items()], compression)


def zip_of(members, compression=zipfile.ZIP_STORED, comment=b""):
    """A zip file of (name, array or bytes)."""
    stream = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(stream, "w", compression) as archive:
        warnings.simplefilter("ignore")  # zipfile warns of a second member with one name
        archive.comment = comment
        for name, held in members:
            info = zipfile.ZipInfo(name)
            info.compress_type = compression
            archive.writestr(info, held if isinstance(held, bytes) else npy(held))
    return stream.getvalue()


def picture(array, kind="PNG", mode=None, **options):
    """An image file of this format."""
    stream = io.BytesIO()
    image = Image.fromarray(array)
    (image.convert(mode) if mode else image).save(stream, kind, **options)
    return stream.getvalue()


@functools.cache
def whole():
    """The bytes of a small file of each format, by name."""
    labels = np.arange(6)
    return {
        "a.idx": idx(),
        "a.gz": gzip.compress(idx(), mtime=0),
        "a.npy": npy(),
        "fortran.npy": npy(np.asfortranarray(ARRAY)),
        "points.npy": npy(np.linspace(-2, 2, 60, dtype=np.float32).reshape(20, 3)),
        "a.npz": npz(images=ARRAY, labels=labels),
        "packed.npz": npz(zipfile.ZIP_DEFLATED, x_train=ARRAY / 255, y_train=labels),
        "grey.png": picture(ARRAY[0]),
        "colours.png": picture(COLOURS),
        "palette.png": picture(COLOURS, mode="P"),
        "grey.jpg": picture(COLOURS[:, :, 0], "JPEG"),
        "colours.jpg": picture(COLOURS, "JPEG"),
    }


def file(name, data, file_name=None, ok=None):
    """The fault of one file with these bytes; a picture is alone in its folder."""

    def make(folder):
        path = folder / (file_name or "a")
        path.write_bytes(data() if callable(data) else data)
        return folder if path.suffix in PICTURES else path

    return Fault(name, make, ok)


# ---- what is in a file, by other readers than npgan's ----


def read(path: Path):
    """The images and labels in a file or folder, as NumPy, gzip, struct and Pillow read them."""
    if path.is_dir():
        files = sorted(p for p in path.iterdir() if p.is_file() and p.name[0] != ".")
        files = [p for p in files if p.suffix.lower() in (*PICTURES, ".jpeg")]
        return np.array([as_array(p) for p in files]), None
    data = path.read_bytes()
    if data.startswith(b"PK"):
        with np.load(path) as held:
            names = ("images", "x_train", "train_images", "x", "arr_0", *held.files)
            name = next(name for name in names if name in held.files)
            label = name.replace("x", "y").replace("images", "labels")
            known = label in held.files and label != name
            return held[name], held[label].ravel() if known else None
    if data.startswith(b"\x93NUMPY"):
        return np.load(path), None
    if data.startswith(b"\x1f\x8b"):
        data = gzip.decompress(data)
    assert data[:3] == b"\0\0\x08"
    shape = struct.unpack_from(f">{data[3]}I", data, 4)
    return np.frombuffer(data[4 + 4 * data[3] :], np.uint8).reshape(shape), None


def as_array(path):
    """One image, upright, greyscale or RGB."""
    with Image.open(path) as image:
        try:
            upright = ImageOps.exif_transpose(image)
        except OSError:  # damaged EXIF data say nothing
            upright = image
        return np.asarray(upright.convert("L" if image.mode in ("L", "1") else "RGB"))


def expected_rows(array, note):
    """The rows that training gets from such an array, scaled as the note says."""
    if array.ndim == 2 and array.dtype.kind == "f":
        return array.astype(np.float32)
    values = array.reshape(len(array), -1).astype(np.float64)
    if "[-1, 1]" in note:
        values = 127.5 * (values + 1)
    elif "[0, 1]" in note:
        values = 255 * values
    return np.rint(values).astype(np.uint8)
