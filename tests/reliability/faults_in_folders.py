"""The hostile data of F1 that are more than one file: folders, names, devices, bombs, foreign formats."""

import gzip
import io
import os
import socket
import struct
import tarfile
import zipfile
import zlib

import numpy as np
from hostile import Fault
from hostile_files import ARRAY, COLOURS, file, idx, npy, npz, picture, zip_of

PNG, RGB, JPEG = picture(ARRAY[0]), picture(COLOURS), picture(COLOURS, "JPEG")
TRAIN, LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"
LINE = np.arange(6, dtype=np.uint8)


def folder(name, ok=False, **files):
    """The fault of a folder of these files; the first _ in a name is its dot, None a subfolder."""
    return of_files(name, {key.replace("_", "."): data for key, data in files.items()}, ok)


def of_files(name, files, ok=False):
    """The fault of a folder of these files, by name; a dict is a subfolder."""

    def fill(place, held):
        for key, data in held.items():
            if isinstance(data, dict):
                (place / key).mkdir()
                fill(place / key, data)
            else:
                (place / key).write_bytes(data() if callable(data) else data)
        return place

    return Fault(name, lambda place: fill(place, files), ok)


def mixed():
    """Folders that hold more than one kind of data, or none."""
    yield folder("an empty folder")
    yield folder("only text", readme_txt=b"abc")
    yield folder("two sizes", a_png=PNG, b_png=picture(ARRAY[0][:4]))
    yield folder("two modes", a_png=PNG, b_png=picture(np.stack([ARRAY[0]] * 3, -1)))
    yield folder("one broken of three", a_png=PNG, b_png=PNG[:50], c_png=PNG)
    yield folder("one empty of three", a_png=PNG, b_png=b"", c_png=PNG)
    yield folder("a text called png", a_png=PNG, b_png=b"not an image")
    yield folder("png and jpeg", a_png=RGB, b_jpg=JPEG, ok=True)
    yield folder("upper case", a_PNG=RGB, b_JPEG=JPEG, ok=True)
    for other in ("webp", "bmp", "gif", "tif", "tiff", "avif", "heic", "jp2", "ppm", "svg", "tga"):
        yield of_files(f"png and {other}", {"a.png": PNG, f"b.{other}": b""})
        yield of_files(f"only {other}", {f"b.{other}": b""})
    yield of_files("hidden files alone", {".a.png": PNG, "._b.png": b"resource fork"})
    yield of_files("a hidden file beside", {"a.png": PNG, "._a.png": b"resource fork"}, ok=True)
    yield of_files("classes in subfolders", {"cat": {"a.png": PNG}, "dog": {"b.png": PNG}})
    yield of_files("one preview", {"p.png": PNG, "cat": {"a.png": PNG, "b.png": PNG}})
    yield of_files(
        "more above than below", {"a.png": PNG, "b.png": PNG, "c": {"c.png": PNG}}, ok=True
    )
    yield of_files("a folder called png", {"a.png": PNG, "b.png": {}}, ok=True)
    yield of_files("only a folder called png", {"b.png": {}})
    yield of_files("a folder called npy", {"b.npy": {}})
    yield of_files("npy files alone", {"a.npy": npy(), "b.npy": npy()})
    yield of_files("csv alone", {"train.csv": b"1,2\n"})
    yield of_files("npy beside png", {"a.png": PNG, "b.npy": npy()}, ok=True)


def idx_folders():
    """Folders of IDX files whose parts are missing, doubled or do not fit."""
    test = "t10k-images-idx3-ubyte"
    for name, labels in {
        "of 5": idx(LINE[:5]), "of 7": idx(np.arange(7, dtype=np.uint8)), "2-D": idx(LINE[None]),
        "empty": b"", "cut": idx(LINE)[:9], "of int": idx(LINE, kind=12), "text": b"0 1 2 3 4 5",
        "images": idx(), "none": idx(LINE[:0]),
    }.items():  # fmt: skip
        yield of_files(f"IDX labels: {name}", {TRAIN: idx(), LABELS: labels})
        packed = {TRAIN + ".gz": gzip.compress(idx()), LABELS + ".gz": gzip.compress(labels)}
        yield of_files(f"IDX.gz labels: {name}", packed)
    yield of_files("gz labels cut", {TRAIN: idx(), LABELS + ".gz": gzip.compress(idx(LINE))[:-9]})
    yield of_files("only test images", {test: idx()})
    yield of_files("two sets", {f"a-{TRAIN}": idx(), f"b-{TRAIN}": idx()})
    yield of_files("a folder called so", {TRAIN: {}})
    yield of_files("empty images", {TRAIN: b""})
    yield of_files("images of two axes", {TRAIN: idx(ARRAY[0])})
    yield of_files("text images", {TRAIN: b"<html>404</html>"})
    yield of_files("points as images", {TRAIN: npy()})


NAMES = [
    "two\nlines", "\x1b[2J", "bell\a", "\u202ertl", "sur\udcffrogate", "é" * 120, " ", "'\"`",
    "-dash", "%s%n", "{0}", "\x9b31m", "\u2028", "\x85", "tab\t", "a" * 250, "\r\r", "zero\u200bwidth",
    "😀", "*?", "$HOME", "~", "~root", ";rm", "|", "\\", "\x7f", "con", "a\u0301", "\ufeff", "#", "@file",
]  # fmt: skip


def names():
    """Names that a terminal or a message could choke on, of every kind of thing."""
    for name in NAMES:
        shown = ascii(name)[:20]
        yield Fault(f"missing {shown}", lambda place, name=name: place / name, False)
        yield of_files(f"broken {shown}", {name: {"a.png": PNG[:40]}})
        if len(name.encode("utf-8", "surrogateescape")) < 250:
            yield file(f"damaged npy {shown}", npy()[:-1], f"{name}.npy", ok=False)
            yield file(f"damaged idx {shown}", idx()[:-1], f"{name}.idx", ok=False)
            yield file(f"text {shown}", b"1,2\n", f"{name}.csv", ok=False)
            yield file(f"whole npy {shown}", npy(), f"{name}.npy", ok=True)
            yield of_files(f"png {shown}", {f"{name}.png": PNG, "z.png": RGB})
    for text in (
        "",
        "\0",
        "a\0b",
        "a" * 5000,
        "/" * 5000,
        "~nobody_here/a",
        "../" * 900,
        "a/" * 900,
        "\ud800",
    ):
        yield Fault(f"text {text!r:.12}", lambda place, text=text: _Text(text), False)


class _Text(str):
    """A text in the place of a path: what the user typed."""

    def is_file(self):
        return False

    is_dir = is_file


def special():
    """What is no regular file, alone and among images."""
    makers = {
        "pipe": os.mkfifo,
        "socket": lambda path: socket.socket(socket.AF_UNIX).bind(str(path)),
        "loop": lambda path: path.symlink_to(path.name),
        "broken link": lambda path: path.symlink_to("gone"),
        "/dev/zero": lambda path: path.symlink_to("/dev/zero"),
        "/dev/full": lambda path: path.symlink_to("/dev/full"),
        "/dev/null": lambda path: path.symlink_to("/dev/null"),
        "/dev/random": lambda path: path.symlink_to("/dev/urandom"),
        "directory": lambda path: path.mkdir(),
        "link to itself": lambda path: path.symlink_to("."),
    }
    for name, make in makers.items():
        for called in ("a.npy", "a.npz", "a.gz", "a.png", "a"):

            def alone(place, make=make, called=called):
                make(place / called)
                return place / called

            yield Fault(f"{name} called {called}", alone, False)

        def among(place, make=make):
            (place / "a.png").write_bytes(PNG)
            make(place / "b.png")
            return place

        yield Fault(f"{name} among images", among, name == "directory" or None)

        def images(place, make=make):
            make(place / TRAIN)
            return place

        yield Fault(f"{name} as IDX images", images, False)

        def labels(place, make=make):
            (place / TRAIN).write_bytes(idx())
            make(place / LABELS)
            return place

        yield Fault(f"{name} as IDX labels", labels, False)


def foreign():
    """Files of other programs."""
    table = "label," + ",".join(f"pixel{i}" for i in range(784)) + "\n" + "0," * 784 + "0\n"
    texts = {
        "csv": table, "tsv": table.replace(",", "\t"), "no head": "1,2,3\n4,5,6\n", "json": "[[1, 2]]",
        "html": "<!DOCTYPE html>\n<html>404", "xml": "<?xml?>", "yaml": "a: 1", "one line": "x" * 10**6,
        "python": "import numpy", "ppm": "P3\n1 1\n255\n0 0 0", "empty lines": "\n" * 99, "a dot": ".",
    }  # fmt: skip
    for name, text in texts.items():
        for encoding in ("utf-8", "utf-16", "utf-32", "utf-8-sig", "cp037"):
            yield file(f"{name} in {encoding}", text.encode(encoding), "a.csv", ok=False)
        yield file(f"{name} in zip", zip_of([("a.csv", text.encode())]), "a.zip", ok=False)
        yield file(f"{name} called npy", text.encode(), "a.npy", ok=False)
    starts = {
        "bzip2": b"BZh9", "xz": b"\xfd7zXZ\0", "7z": b"7z\xbc\xaf\x27\x1c", "zstd": b"\x28\xb5\x2f\xfd",
        "rar": b"Rar!\x1a\7", "hdf5": b"\x89HDF\r\n\x1a\n", "parquet": b"PAR1", "matlab": b"MATLAB 5.0",
        "webp": b"RIFF\0\0\0\0WEBP", "gif": b"GIF89a", "elf": b"\x7fELF", "exe": b"MZ\x90\0", "pdf": b"%PDF-1.7",
        "arrow": b"ARROW1", "safetensors": b"\x40\0\0\0\0\0\0\0{", "lfs": b"version https://git-lfs.github",
        "tfrecord": b"\x10\0\0\0\0\0\0\0", "zeros": b"", "sqlite": b"SQLite format 3\0", "lz4": b"\4\"M\x18",
        "lzma": b"]\0\0\x80\0", "compress": b"\x1f\x9d", "npy of 1.9": b"\x93NUMPY\1\x09", "jpeg": JPEG, "png": PNG,
    }  # fmt: skip
    for name, start in starts.items():
        yield file(f"{name} file", start + bytes(99), f"a.{name}.x", ok=False)
        yield file(f"{name} alone", start, "a", ok=False)
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("a.png"))
    yield file("tar", stream.getvalue(), "a.tar", ok=False)
    yield file("tar.gz", gzip.compress(stream.getvalue()), "a.tar.gz", ok=False)
    yield file("zip of images", zip_of([(f"{i}.png", PNG) for i in range(99)]), "a.zip", ok=False)
    yield file("zip of IDX", zip_of([(TRAIN, idx())]), "a.zip", ok=False)
    yield file("zip of nothing", zip_of([]), "a.zip", ok=False)


def chunk(kind, data):
    """A chunk of a PNG file."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width, height, depth=8, colour=0, packed=b"", before=b""):
    """A PNG file whose header says this size."""
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + before + chunk(b"IDAT", packed) + chunk(b"IEND", b"")


def png_of_text(kind):
    """A small image whose text unpacks to 512 MB."""
    text = b"a\0" + (b"\1\0\0\0" if kind == b"iTXt" else b"\0") + zeros(1 << 29)
    return png(4, 5, packed=zlib.compress(bytes(5 * 5)), before=chunk(kind, text))


def npz_of_huge_labels():
    """An .npz file whose labels are zeros that unpack to 256 MB."""
    members = [("images.npy", ARRAY), ("labels.npy", npy_header((1 << 28,)) + bytes(1 << 28))]
    return zip_of(members, zipfile.ZIP_DEFLATED)


def zeros(size):
    """Zeros, deflated without holding them."""
    packer = zlib.compressobj(9)
    parts = [packer.compress(bytes(min(1 << 24, size - i))) for i in range(0, size, 1 << 24)]
    return b"".join(parts) + packer.flush()


def npy_header(shape, descr="|u1"):
    """The header of a .npy file of this shape."""
    stream = io.BytesIO()
    held = {"descr": descr, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(stream, held)
    return stream.getvalue()


def huge_npz(size, method=zipfile.ZIP_DEFLATED, name="images"):
    """An .npz file whose member is zeros."""
    stream = io.BytesIO()
    with (
        zipfile.ZipFile(stream, "w", method) as archive,
        archive.open(f"{name}.npy", "w") as member,
    ):
        member.write(npy_header((size // 1024, 32, 32)))
        for _ in range(0, size, 1 << 20):
            member.write(bytes(1 << 20))
    return stream.getvalue()


def huge_gz(size):
    """A gzip file of an IDX file of zeros."""
    stream = io.BytesIO()
    with gzip.open(stream, "w") as packed:
        packed.write(idx(np.zeros(0, np.uint8), lengths=(size // 1024, 32, 32)))
        for _ in range(0, size, 1 << 20):
            packed.write(bytes(1 << 20))
    return stream.getvalue()


def many_names(count, claimed=None):
    """A zip file of one member that is in the list of names many times."""
    data = npz(images=ARRAY)
    start, end = data.find(b"PK\1\2"), data.find(b"PK\5\6")
    names = data[start:end] * count
    size = len(names) if claimed is None else claimed
    last = struct.pack("<4H2IH", 0, 0, 1, 1, size, start, 0)
    if claimed is None:
        return data[:start] + names + b"PK\5\6" + last
    at = start + len(names)
    large = struct.pack("<QHHIIQQQQ", 44, 45, 45, 0, 0, count, count, len(names), start)
    where = b"PK\6\7" + struct.pack("<IQI", 0, at, 1)
    return data[:start] + names + b"PK\6\6" + large + where + b"PK\5\6" + last


def sparse(name, header, size):
    """A file of zeros that takes no place on the disk."""

    def make(place):
        with (place / name).open("wb") as handle:
            handle.write(header)
            handle.truncate(size)
        return place / name

    return make


def bombs():
    """Small files that promise, or unpack to, very much."""
    half = 1 << 29
    yield file("gz bomb", lambda: huge_gz(half), ok=False)
    yield of_files("gz bomb of labels", {TRAIN: idx(), LABELS + ".gz": lambda: huge_gz(1 << 28)})
    for method in (zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2):
        yield file(f"npz bomb {method}", lambda m=method: huge_npz(half, m), "a.npz", ok=False)
    yield file("npz bomb of labels", npz_of_huge_labels, ok=False)
    yield file("gz of zeros after the end", lambda: gzip.compress(idx() + bytes(1 << 28)), ok=False)
    for claimed in (None, 56):  # a second record holds the true size, and zipfile believes it
        yield file(
            f"zip of a million names {claimed}", lambda c=claimed: many_names(10**6, c), ok=False
        )
    for side in (2**31 - 1, 10**6, 20_000, 5_000):
        yield file(f"png of {side}", png(side, side), "a.png", ok=False)
        yield file(f"jpeg of {side}", jpeg_of(side), "a.jpg", ok=False)
    yield file("png of one row", png(2**31 - 1, 1, 1), "a.png", ok=False)
    yield file("png of no row", png(0, 0), "a.png", ok=False)
    for depth, size in ((8, 4096 * 4097), (1, 4096 * 513)):
        many = {
            f"{i}.png": lambda d=depth, n=size: png(4096, 4096, d, packed=zeros(n))
            for i in range(40)
        }
        yield of_files(f"40 png of {depth} bits", many)
    for kind in (b"zTXt", b"iTXt", b"iCCP"):
        yield file(f"png with {kind.decode()} bomb", lambda kind=kind: png_of_text(kind), "a.png")
    for size in (1 << 20, 1 << 40):
        header = npy_header((size // 1024, 32, 32))
        yield Fault(f"npy cut, of {size}", sparse("a.npy", header, size // 2), False)
        lengths = (min(size // 1024, 2**32 - 1), 32, 32)
        start = idx(np.zeros(0, np.uint8), lengths=lengths)
        yield Fault(f"idx cut, of {size}", sparse("a", start, 4096), False)
        yield Fault(f"idx too long, of {size}", sparse("a", start[:4] + bytes(12), size), False)


def scans():
    """JPEG files of many scans, each of which is as long to decode as an image."""
    image = np.zeros((4096, 4096), np.uint8)
    for count in (10**5, 2000, 100):
        yield file(f"jpeg of {count} scans", lambda n=count: repeated(image, n), "a.jpg", ok=False)
        yield file(
            f"small, {count} scans", lambda n=count: repeated(ARRAY[0], n), "a.jpg", ok=False
        )
    for count in (1, 20):
        yield file(
            f"jpeg of {count} scans", lambda n=count: repeated(ARRAY[0], n), "a.jpg", ok=True
        )
    preview = b"\xff\xe1" + struct.pack(">H", 2 + 8000) + b"\xff\xda\0\3" * 2000
    yield file("jpeg with scans in its comment", JPEG[:2] + preview + JPEG[2:], "a.jpg", ok=True)
    yield file("jpeg with scans after its end", JPEG + b"\xff\xda\0\2" * 20_000, "a.jpg", ok=True)
    broken = b"\xff\xda\0\0" * 10**5
    yield file("jpeg of empty scans", JPEG[:-2] + broken + JPEG[-2:], "a.jpg", ok=False)


def repeated(array, count):
    """A progressive JPEG with its last scan so many times."""
    data = picture(array, "JPEG", progressive=True)
    last = data.rfind(b"\xff\xda")
    return data[:last] + data[last:-2] * count + data[-2:]


def jpeg_of(side):
    """A JPEG whose header says a larger size."""
    at = JPEG.find(b"\xff\xc0") + 5
    return JPEG[:at] + struct.pack(">HH", min(side, 65535), min(side, 65535)) + JPEG[at + 4 :]


ALL = [
    fault
    for make in (mixed, idx_folders, names, special, foreign, bombs, scans)
    for fault in make()
]
