"""The hostile data files of F1: damage, headers, members, arrays."""

import gzip
import os
import pickle
import struct
import tempfile
import zipfile
from pathlib import Path

import faults_in_folders as folders
import numpy as np
from hostile import bit_flips, places
from hostile_files import (
    ARRAY,
    COLOURS,
    file,
    idx,
    npy,
    npy_of,
    npy_with,
    npz,
    picture,
    whole,
    zip_of,
)
from PIL import Image

EXPLODED = Path(tempfile.gettempdir()) / f"npgan-exploded-{os.getpid()}"


class Bomb:
    """Unpickling it makes a directory."""

    def __reduce__(self):
        return os.mkdir, (str(EXPLODED),)


def cuts():
    """Every file, cut at every byte of its header and of its end, and at random places."""
    for name, data in whole().items():
        head = {"a.idx": 16, "a.gz": 24}.get(name, 60)
        where = {*range(head), *places(len(data), 12, seed=len(data))}
        if name.endswith("npz"):
            where |= set(range(len(data) - 22, len(data)))
        for at in sorted(where):
            yield file(f"{name} cut at {at}", data[:at], name)


def flips():
    """Every bit of IDX's header, and random bits of each file."""
    for name, data in whole().items():
        bits = {*places(8 * len(data), 40, seed=len(data))}
        bits |= set(range(128)) if name == "a.idx" else set()
        for bit, damaged in zip(sorted(bits), bit_flips(data, sorted(bits)), strict=True):
            yield file(f"{name} bit {bit}", damaged, name)


def idx_headers():
    """Wrong types, numbers of axes, and lengths."""
    for kind in (0, 1, 7, 9, 10, 11, 12, 13, 14, 15, 127, 255):
        yield file(f"idx of type {kind}", idx(kind=kind), ok=False)
    for axes in (0, 1, 2, 4, 5, 9, 64, 255):
        yield file(f"idx of {axes} axes", idx(axes=axes), ok=False)
    big = 2**32 - 1
    for lengths in [
        (0, 5, 4), (6, 0, 4), (6, 5, 0), (5, 5, 4), (7, 5, 4), (6, 5, 5), (big, 5, 4), (6, big, 4),
        (big, big, big), (0, big, big), (2**31, 2, 1), (2**16, 2**16, 1), (120,), (24, 5), (),
        (1, 6, 5, 4), (6, 5, 4, 1), (6, 1, 5, 4), (65536, 65536, 65536), (big,), (2**30, 4, 0),
    ]:  # fmt: skip
        for name, pack in (("idx", bytes), ("gz", gzip.compress)):
            yield file(f"{name} of lengths {lengths}", pack(idx(lengths=lengths)), ok=False)
    yield file("gz in gz", gzip.compress(gzip.compress(idx())), ok=False)
    yield file("gz and more", gzip.compress(idx()) + b"more", ok=None)
    yield file("gz of two", gzip.compress(idx()[:50]) + gzip.compress(idx()[50:]), ok=True)
    yield file("gz of two and more", gzip.compress(idx()) + gzip.compress(b"more"), ok=False)
    damaged = gzip.compress(idx())[:10] + b"\xff" * 40  # no block of deflate starts so
    yield file("gz of no deflate", damaged, ok=False)
    yield file("idx and more", idx() + b"m", ok=False)
    yield file("gz of a CSV", gzip.compress(b"1,2,3\n" * 50), ok=False)
    yield file("gz of an npy", gzip.compress(npy()), ok=False)
    yield file("gz of nothing", gzip.compress(b""), ok=False)


DEEP = "(" * 500 + ")" * 500
SHAPES = [
    "(6, 5, 5)", "(7, 5, 4)", "(5, 5, 4)", "(-6, -5, 4)", "(-1, 5, 4)", "(6, 5, -4)", "(0, 5, 4)",
    "(0, 2**62, 4)", f"(0, {2**62}, {2**62})", f"({2**62}, 0, 4)", f"({2**63}, 5, 4)", "(1e3, 5)",
    f"({10**30}, 5, 4)", f"({'9' * 5000},)", "(True, 5, 4)", "(6.0, 5, 4)", "('6', 5, 4)", "6",
    "[6, 5, 4]", "{6, 5, 4}", "None", "()", "(120,)", "(None,)", "((6,), 5, 4)", "(6, 5, 4, 0)",
    DEEP, "-" * 5000 + "1", "(" + "1," * 65 + ")", "(" + "1," * 40 + "6, 5, 4)", "(6, 5, 4",
    "__import__('os').mkdir('exploded')", "open('exploded', 'w')", "(6, 5, 4) or 1", "(6, *(5, 4))",
    "(6, 5, 4)}#", "'\\x1b[2J'", "(6, 5, 4), 'more': 1", "[i for i in (6, 5, 4)]", "f'{6}'",
    "(4294967296, 4294967296, 4294967296)", "(3037000500, 3037000500)", "(0,)", "(6, 20)",
]  # fmt: skip
DESCRS = [
    "'|b1'", "'|i1'", "'<u2'", "'>u2'", "'<i8'", "'<f2'", "'<f4'", "'>f8'", "'<f16'", "'<c8'",
    "'|S1'", "'|S9'", "'<U1'", "'|V1'", "'|V0'", "'<U0'", "'|S0'", "'|O'", "'|O8'", "'<M8[s]'",
    "'<m8[ns]'", "'<M8'", "None", "7", "''", "'x'", "'u1,u1'", "'(5,4)u1'", "('|u1', (5, 4))",
    "[('a', '|u1')]", "[('a', '|u1'), ('a', '|u1')]", "[('\\x1b[2J', '|u1')]", "[]", "{}",
    "[('a', '|O')]", "[('a', [('b', '|O')])]", "('|u1', (2147483647, 9))", "('|u1', (-1,))",
    "'<U536870911'", "'|S2147483647'", "'|V2147483647'", "'u999999999999'", "'\\n'", "'=u1'",
    "[('a', '|u1', (2147483647,))]", "(('|u1', (1,)), (1,))", "'|u1' * 9", "b'|u1'", "'ü1'",
]  # fmt: skip
ORDERS = ["True", "1", "0", "'False'", "None", "[]", "2.5"]


def npy_headers():
    """Shapes, types and orders in a .npy header, alone and as a member of an .npz file."""
    held = {f"shape {text:.30}": npy_with(shape=text) for text in SHAPES}
    held |= {f"empty of shape {text:.30}": npy_with(shape=text, body=b"") for text in SHAPES}
    held |= {f"descr {text:.30}": npy_with(descr=text) for text in DESCRS}
    held |= {f"order {text}": npy_with(order=text) for text in ORDERS}
    huge = f"({2**40}, {2**40})"
    for descr in ("'|V0'", "'<U0'", "('|u1', (0,))"):
        held[f"nothing, {descr}"] = npy_with(descr=descr, shape=huge, body=b"")
    for version in [(0, 0), (1, 1), (2, 0), (3, 0), (4, 0), (255, 255)]:
        held[f"version {version}"] = npy_with(version=version)
    for length in (0, 1, 60, 119, 65535):
        data = npy()
        held[f"length {length}"] = data[:8] + struct.pack("<H", length) + data[10:]
    held["length of 4 GB"] = b"\x93NUMPY\2\0\xff\xff\xff\xff{}"
    held["a header of blanks"] = npy_of(b" " * 118)
    held["a header of 60 kB"] = npy_of(b"{'descr': '|u1', 'fortran_order': False, }".ljust(60_000))
    for text in (b"{}", b"[]", b"1", b"\0" * 80, b"\xff" * 80, b"{'shape': (6, 5, 4)}", b"{" * 300):
        held[f"header {text!r:.30}"] = npy_of(text)
    for name, data in held.items():
        yield file(f"npy, {name}", data, "a.npy")
        yield file(f"npz, {name}", npz(images=data), "a.npz")


def objects():
    """Pickles in every place in which one could be loaded."""
    bomb = np.array([Bomb()], dtype=object)
    yield file("objects in npy", npy(bomb), "a.npy", ok=False)
    yield file("objects in npz", npz(images=bomb), "a.npz", ok=False)
    yield file("objects as labels", npz(images=ARRAY, labels=bomb), "a.npz", ok=False)
    record = np.array([(Bomb(),)], dtype=[("a", "O")])
    yield file("objects in records", npy(record), "a.npy", ok=False)
    for protocol in range(6):
        data = pickle.dumps(bomb, protocol)
        yield file(f"pickle {protocol}", data, "a.npy", ok=False)
        yield file(f"pickle {protocol} in npz", npz(images=data), "a.npz", ok=False)
        yield file(f"pickle {protocol} in gz", gzip.compress(data), "a.gz", ok=False)
    yield file("torch's format", zip_of([("archive/data.pkl", pickle.dumps(bomb))]), ok=False)


LABELS = np.arange(6)
LABEL_ARRAYS = [
    LABELS[:5], np.arange(7), LABELS / 1, LABELS[None], np.zeros((6, 10)), np.array(3),
    LABELS.astype("U1"), LABELS.astype("S1"), LABELS == 1, LABELS + 0j, LABELS.astype("M8[s]"),
    LABELS.astype(np.uint64) + np.uint64(2**63), np.full(6, np.nan), np.zeros((6, 2), int),
    np.array([], int), LABELS.astype([("a", int)]),
]  # fmt: skip
GOOD_LABELS = [
    LABELS[:, None], LABELS - 9, LABELS * 1000, LABELS.astype(np.uint64), LABELS.astype(">i2"),
]  # fmt: skip
MEMBERS = [
    "../../images", "/images", "C:\\images", "images\n", "\x1b[2J", "im\0ages", "é" * 200, "", ".",
    "\u202eimages", "images/", "IMAGES", "x" * 60_000, "a/b/c",
]  # fmt: skip


def npz_members():
    """Wrong labels, names, doubled members, wrong sizes and methods."""
    for i, labels in enumerate(LABEL_ARRAYS):
        name = f"labels {i} {labels.dtype} {labels.shape}"
        yield file(f"npz, {name}", npz(images=ARRAY, labels=labels), "a.npz", ok=False)
    for i, labels in enumerate(GOOD_LABELS):
        yield file(f"npz, good labels {i}", npz(images=ARRAY, labels=labels), "a.npz", ok=True)
    for name in MEMBERS:
        yield file(f"npz, member {name!r:.20}", zip_of([(f"{name}.npy", ARRAY)]), "a.npz")
        yield file(f"zip, member {name!r:.20}", zip_of([(name, b"abc")]), "a.zip", ok=False)
        two = zip_of([(f"{name}.npy", ARRAY), ("other.npy", ARRAY)])
        yield file(f"npz, member {name!r:.20} of two", two, "a.npz")
    for method in (zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        yield file(f"npz, method {method}", npz(method, images=ARRAY), "a.npz", ok=True)
    data = npz(images=ARRAY)
    start, end = data.find(b"PK\1\2"), data.find(b"PK\5\6")
    # Of the central directory: flags, method, CRC-32, both sizes, lengths, offset; of the end: all.
    for at in (8, 10, 16, 20, 24, 28, 30, 32, 42):
        for value in (1, 255, 65535):
            size = 4 if at in (16, 20, 24, 42) else 2
            yield file(f"npz, directory {at} is {value}", patched(data, start + at, value, size))
    for at in (4, 6, 8, 10, 12, 16, 20):
        for value in (0, 1, 65535):
            size = 4 if at in (12, 16) else 2
            yield file(f"npz, end {at} is {value}", patched(data, end + at, value, size))
    for at in (6, 8, 14, 18, 22, 26, 28):
        yield file(f"npz, local {at}", patched(data, at, 65535, 2))
    yield file("npz, encrypted", patched(data, start + 8, 1, 2), ok=False)
    yield file("npz, a comment", zip_of([("images.npy", ARRAY)], comment=b"\x1b" * 9), ok=True)
    yield file("npz and more", data + b"more", ok=None)
    yield file("npz in npz", npz(images=data), ok=False)
    yield file("npz of text", zip_of([("a.csv", b"1,2"), ("\x1b.txt", b"")]), ok=False)
    yield file("npz of test images alone", npz(x_test=ARRAY), ok=True)
    yield file("npz of two arrays", npz(a=ARRAY, b=ARRAY), ok=False)


def patched(data, at, value, size):
    """The data with a little-endian number in another's place."""
    return data[:at] + value.to_bytes(size, "little") + data[at + size :]


def arrays():
    """Types, scales, shapes and values of arrays, each as .npy and as .npz."""
    unit = ARRAY / 255
    held = {
        "bool": ARRAY > 99, "complex": ARRAY + 0j, "text": ARRAY.astype("U3"),
        "bytes": ARRAY.astype("S3"), "dates": ARRAY.astype("M8[s]"), "spans": ARRAY.astype("m8[s]"),
        "void": ARRAY.view("V1"), "records": np.zeros((6, 5, 4), [("r", "u1"), ("g", "u1")]),
        "minus": ARRAY.astype(int) - 1, "256": ARRAY.astype(int) + 1, "int64 max": ARRAY.astype(int) * 2**55,
        "floats beyond": unit * 300, "all minus": -unit * 9, "standardised": (unit - 0.5) * 5,
        "NaN": np.where(ARRAY == 255, np.nan, unit), "inf": np.where(ARRAY == 0, np.inf, unit),
        "minus inf": np.where(ARRAY == 0, -np.inf, unit), "float16 inf": np.full((3, 5, 4), np.inf, "f2"),
        "1e300": np.full((20, 3), 1e300), "long double": np.full((20, 3), np.longdouble("1e4000")),
        "points of NaN": np.full((20, 3), np.nan), "no images": ARRAY[:0], "no pixels": ARRAY[:, :0],
        "no axis": np.uint8(3), "one axis": ARRAY[0, 0], "four axes": np.zeros((6, 5, 4, 2), np.uint8),
        "planes": np.zeros((6, 3, 5, 4), np.uint8), "five axes": np.zeros((2, 3, 4, 5, 3), np.uint8),
        "last axis counts": np.zeros((28, 28, 9), np.uint8), "labels beside": np.zeros((9, 785), int),
        "uint64": np.full((6, 5, 4), 2**64 - 1, np.uint64), "int8": ARRAY.view(np.int8) | -128,
    }  # fmt: skip
    good = {
        "uint8": ARRAY, "fortran": np.asfortranarray(ARRAY), "backwards": ARRAY[::-1, :, ::-1],
        ">u2": ARRAY.astype(">u2"), "<i8": ARRAY.astype("<i8"), "unit": unit, ">f8": unit.astype(">f8"),
        "f2": unit.astype("f2"), "g": unit.astype("g"), "symmetric": 2 * unit - 1, "to 255": unit * 255,
        "a bit above": unit * 1.0001, "zeros": ARRAY * 0, "black and white": ARRAY // 128,
        "to 16": ARRAY // 15, "colours": np.stack([ARRAY] * 3, axis=-1), "one": ARRAY[:1],
        "plane": ARRAY[..., None], "rows": ARRAY.reshape(6, 20), "points": unit.reshape(6, 20),
        "constant": np.full((6, 5, 4), 0.5), "small": unit * 1e-30, "-0.0": -0.0 * unit,
        "points of 0..255": np.float32(ARRAY.reshape(6, 20)), "subnormal": np.full((20, 3), 1e-320),
        "1e38": np.full((20, 3), 1e38), "one point": np.zeros((1, 1)), "images of 1": ARRAY[:, :1, :1],
    }  # fmt: skip
    for ok, group in ((False, held), (True, good)):
        for name, array in group.items():
            yield file(f"npy, {name}", npy(np.asarray(array)), "a.npy", ok)
            yield file(f"npz, {name}", npz(zipfile.ZIP_DEFLATED, x=np.asarray(array)), "a.npz", ok)


def pictures():
    """Image files of every mode, format and orientation."""
    for mode in ("RGBA", "LA", "CMYK", "I;16", "F", "YCbCr"):
        yield file(f"png or tiff of {mode}", of_mode(mode), "a.png", ok=False)
    for mode in ("1", "L", "P", "RGB"):
        yield file(f"png of {mode}", picture(COLOURS, mode=mode), "a.png", ok=True)
    yield file("transparent palette", picture(COLOURS, mode="P", transparency=0), "a.png", ok=False)
    yield file("transparent grey", picture(ARRAY[0], transparency=0), "a.png", ok=False)
    yield file("jpeg of CMYK", picture(COLOURS, "JPEG", mode="CMYK"), "a.jpg", ok=False)
    yield file("progressive jpeg", picture(COLOURS, "JPEG", progressive=True), "a.jpg", ok=True)
    for kind in ("WEBP", "GIF", "BMP", "TIFF", "PPM", "ICO", "TGA", "PCX", "SGI", "JPEG2000"):
        data = picture(COLOURS, kind)
        yield file(f"{kind} called png", data, "a.png", ok=False)
        yield file(f"{kind} alone", data, f"a.{kind.lower()}", ok=False)
    yield file("png called jpg", picture(COLOURS), "a.jpg", ok=True)
    yield file("jpeg called png", picture(COLOURS, "JPEG"), "a.png", ok=True)
    for data in (b"", b"abc", b"<svg/>", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", npy(), idx()):
        yield file(f"{data!r:.20} called png", data, "a.png", ok=False)
    for orientation in range(10):
        data = picture(COLOURS, "JPEG", exif=exif(orientation))
        yield file(f"jpeg turned {orientation}", data, "a.jpg", ok=True)
        yield file(
            f"png turned {orientation}", picture(COLOURS, exif=exif(orientation)), "a.png", ok=True
        )
    for size in (0, 3, 9, 20):
        cut = exif(6)[:size]
        yield file(f"jpeg of cut EXIF {size}", picture(COLOURS, "JPEG", exif=cut), "a.jpg")
    animation = picture(COLOURS, save_all=True, append_images=[Image.fromarray(COLOURS[::-1])])
    yield file("an animation", animation, "a.png", ok=False)


def of_mode(mode):
    """A PNG of this mode, or a TIFF where PNG has none."""
    if mode == "I;16":
        return picture(ARRAY[0].astype(np.uint16))
    return picture(COLOURS, "PNG" if mode in ("RGBA", "LA") else "TIFF", mode)


def exif(orientation):
    """The EXIF data of an image that is turned."""
    data = Image.Exif()
    data[0x0112] = orientation
    return data.tobytes()


ALL = [
    fault
    for make in (cuts, flips, idx_headers, npy_headers, objects, npz_members, arrays, pictures)
    for fault in make()
] + folders.ALL
