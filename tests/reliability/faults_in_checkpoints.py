"""The hostile checkpoints of F2: a small one of a GAN, and what can be wrong with it."""

import functools
import io
import json
import os
import socket
import struct
import zipfile
import zlib
from functools import partial

import faults_in_files
import numpy as np
from hostile import Fault
from hostile_files import npy, npy_of, zip_of

from npgan import GAN
from npgan.files.checkpoint import digest
from npgan.training.saving import get_state

SLOTS = (
    "theta_G",
    "theta_D",
    "theta_average",
    "theta_average_D",
    "adam_G_m",
    "adam_G_v",
    "adam_D_m",
    "adam_D_v",
)
STEPS = ("adam_G_t", "adam_D_t")


@functools.cache
def state():
    """(arrays, meta) of a conditional GAN after one epoch and two steps of the next."""
    gan = GAN(latent=3, hidden=(4,), hidden_D=(3,), batch=4, conditional=True)
    gan.start((2, 3), classes=[1, 5])
    arrays, meta = get_state(gan)
    rng = np.random.default_rng(0)
    for name in SLOTS:
        arrays[name] = rng.random(arrays[name].size, dtype=np.float32)
    arrays |= {name: np.array(7) for name in STEPS}
    losses = ("loss_D", "D_real", "D_fake", "loss_G", "penalty")
    data = dict(name="a", source="/absent/a.npy", count=20, crc32=5, crc32_labels=6)
    history = {"epoch": [1], **{name: [0.25] for name in losses}}
    meta |= dict(
        data_=data, epoch_=1, position_=2, sums_=dict.fromkeys(losses, 0.5), history_=history
    )
    return arrays, {**meta, "shape_": [2, 3], "format": 1}


def signed(arrays, meta):
    """The JSON text of a checkpoint, with the SHA-256 of all."""
    text = json.dumps(meta)
    return f'{text[:-1]}, "sha256": "{digest(arrays, text)}"}}'


def pack(arrays, text):
    """The bytes of a checkpoint; text: its JSON, or a meta to be signed."""
    text = text if isinstance(text, str) else signed(arrays, text)
    stream = io.BytesIO()
    np.savez(stream, **arrays, meta=np.array(text))
    return stream.getvalue()


@functools.cache
def whole():
    """The bytes of a checkpoint without any fault."""
    return pack(*state())


def old():
    """The JSON text of a checkpoint from before the SHA-256, which is still read."""
    return json.dumps(state()[1])


def members(data):
    """The members of a zip file, by name."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {info.filename: archive.read(info) for info in archive.infolist()}


def file(name, data, ok=False):
    """The fault of a run whose checkpoint has these bytes."""

    def make(folder):
        (folder / "checkpoint.npz").write_bytes(data() if callable(data) else data)
        return folder / "checkpoint.npz"

    return Fault(name, make, ok)


# ---- arrays, in a file that is signed: as a program would write it that has a fault ----

CHANGES = {
    "bool": lambda x: x > 0, "complex": lambda x: x + 0j, "f8": lambda x: x.astype("f8"),
    "f2": lambda x: x.astype("f2"), ">f4": lambda x: x.astype(">f4"), "i4": lambda x: x.astype("i4"),
    "u1": lambda x: x.astype("u1"), "text": lambda x: x.astype("U9"), "bytes": lambda x: x.astype("S9"),
    "void": lambda x: x.view("V4"), "records": lambda x: x.view([("a", "f4")]),
    "dates": lambda x: x.astype("i8").view("M8[s]"), "NaN": lambda x: with_value(x, np.nan),
    "inf": lambda x: with_value(x, np.inf), "minus inf": lambda x: with_value(x, -np.inf),
    "one less": lambda x: x[:-1], "one more": lambda x: np.append(x, x[:1]), "none": lambda x: x[:0],
    "two axes": lambda x: x[None], "column": lambda x: x[:, None], "no axis": lambda x: x[0],
    "half": lambda x: x[: x.size // 2], "double": lambda x: np.tile(x, 2),
}  # fmt: skip
NUMBERS = {
    "0": 0, "-1": -1, "2": 2, "8 of one": 8, "2**53": 2**53, "2**62": 2**62, "-2**62": -(2**62),
    "1.5": 1.5, "7.0": 7.0, "NaN": np.nan, "inf": np.inf, "true": True, "text": "7", "list": [7],
    "u8": np.uint64(7), "i2": np.int16(7), "complex": 7 + 0j, "date": np.datetime64(7, "s"), "two": [7, 7],
    "f4": np.float32(7), ">i8": np.array(7, ">i8"), "bytes": b"7",
}  # fmt: skip


def with_value(x, value):
    """A copy whose third number is this one."""
    x = x.copy()
    x[2] = value
    return x


def wrong_arrays():
    """Each array with another type, shape or value, missing, or under another name."""
    arrays, meta = state()
    for name in SLOTS:
        for what, change in CHANGES.items():
            changed = {**arrays, name: change(arrays[name])}
            yield file(f"{name}: {what}", partial(pack, changed, meta))
        if name.endswith("_v"):
            changed = {**arrays, name: -arrays[name]}
            yield file(f"{name}: minus", partial(pack, changed, meta))
    for name in STEPS:
        for what, number in NUMBERS.items():
            changed = {**arrays, name: np.array(number)}
            # Between an update of D and the one of G, D is a step ahead.
            ok = (name, what) == ("adam_D_t", "8 of one")
            yield file(f"{name}: {what}", partial(pack, changed, meta), ok)
    for number in (0, 2, 2**53, -1):
        both = {**arrays, **dict.fromkeys(STEPS, np.array(number))}
        yield file(f"adam_G_t and adam_D_t: {number}", partial(pack, both, meta))
    for name in (*SLOTS, *STEPS):
        rest = {key: array for key, array in arrays.items() if key != name}
        yield file(f"{name} missing", partial(pack, rest, meta))
        for other in (f"{name}2", name.upper(), f" {name}", f"a/{name}", f"{name}\x1b[2J", ""):
            yield file(
                f"{name} called {other!r}", partial(pack, {**rest, other: arrays[name]}, meta)
            )
            yield file(
                f"{name} also {other!r}", partial(pack, {**arrays, other: arrays[name]}, meta)
            )


def mixtures():
    """Parts of another checkpoint of the same run, without a new signature."""
    arrays, meta = state()
    later = {name: array + array.dtype.type(1) for name, array in arrays.items()}
    first, second = members(whole()), members(pack(later, {**meta, "epoch_": 1}))
    for name in first:
        yield file(f"{name} of another", partial(zip_of, {**first, name: second[name]}.items()))
        rest = [(key, data) for key, data in first.items() if key != name]
        yield file(
            f"all but {name} of another", partial(zip_of, [*rest, (name, second[name])][::-1])
        )
        yield file(f"without {name}", partial(zip_of, rest))
        yield file(f"{name} doubled", partial(zip_of, [*first.items(), (name, first[name])]))
        yield file(
            f"{name} and another {name}", partial(zip_of, [*first.items(), (name, second[name])])
        )
        yield file(f"{name} empty", partial(zip_of, [*rest, (name, b"")]))
        yield file(f"{name} cut", partial(zip_of, [*rest, (name, first[name][:-1])]))
        yield file(f"{name} and more", partial(zip_of, [*rest, (name, first[name] + b"\0")]))
        yield file(f"{name} twice as long", partial(zip_of, [*rest, (name, 2 * first[name])]))
        for other in ("theta_G.npy", "adam_D_m.npy", "meta.npy"):
            if other != name:
                yield file(f"{name} is {other}", partial(zip_of, [*rest, (name, first[other])]))
    for name in ("more.npy", "more", "a/", "../more.npy", "\x1b.npy", "x" * 9999 + ".npy", ".npy"):
        yield file(
            f"member {name:.20}", partial(zip_of, [*first.items(), (name, first["theta_G.npy"])])
        )
    for method in (zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        yield file(f"method {method}", partial(zip_of, first.items(), method))
    yield file("in another order", partial(zip_of, list(first.items())[::-1]), ok=True)
    yield file("a comment", partial(zip_of, first.items(), comment=b"\x1b[2J"), ok=True)
    yield file("bytes before", b"more" + whole(), ok=None)
    yield file("bytes after", whole() + b"more", ok=None)
    for name, text in {"meta": "epoch_", "sign": "sha256"}.items():
        packed = first["meta.npy"].replace(text.encode("utf-32-le"), b"x\0\0\0" * len(text))
        yield file(f"{name} renamed", partial(zip_of, {**first, "meta.npy": packed}.items()))


# ---- the JSON text ----


def texts():
    """JSON that is damaged, of another kind, or absurd."""
    arrays, meta = state()
    text = old()
    deep = "[" * 90_000 + "]" * 90_000
    yield file("from before the SHA-256", partial(pack, arrays, text), ok=True)
    for at in range(0, len(text), 23):
        yield file(f"JSON cut at {at}", partial(pack, arrays, text[:at]))
    for what, whole_text in {
        "empty": "", "null": "null", "true": "true", "a number": "1", "a list": "[1]", "a text": '"a"',
        "NaN": "NaN", "deep": deep, "deep value": f'{{"a": {deep}, {text[1:]}', "a long number": "9" * 5000,
        "BOM": "\ufeff" + text, "two": text * 2, "comment": text + " // a", "half a letter": '"\ud800"',
        "repr": repr(meta), "escape": "\x1b[2J" + text, "no format": text.replace("format", "form"),
        "blank lines": "\n" * 10**6 + "x", "quotes": text.replace('"', "'"),
    }.items():  # fmt: skip
        yield file(f"JSON: {what}", partial(pack, arrays, whole_text))
    for name, value in meta.items():
        again = f'{{"{name}": {json.dumps(value)}, {text[1:]}'
        yield file(f"{name} twice in JSON", partial(pack, arrays, again))
        yield file(
            f"{name} missing", partial(pack, arrays, {k: v for k, v in meta.items() if k != name})
        )
        yield file(
            f"{name} called {name}x",
            partial(pack, arrays, json.dumps(meta).replace(name, name + "x")),
        )
    for value in (0, 2, 1.0, "1", True, None, [1], {"1": 1}, -1, 10**300):
        yield file(f"format {value}", partial(pack, arrays, {**meta, "format": value}))
    for found in ("", "0" * 64, None, 5, "\x1b"):
        end = f'{text[:-1]}, "sha256": {json.dumps(found)}}}'
        yield file(f"SHA-256 {found}", partial(pack, arrays, end))
    yield file("an entry that is not known", partial(pack, arrays, {**meta, "more": 1}))
    for name, values in {
        "crc32": (-1, 2**32),
        "crc32_labels": (-5, 2**70),
        "count": (0, -9),
    }.items():
        for value in values:
            changed = replaced(meta, ("data_", name), value)
            yield file(f"range of {name}: {value}", partial(pack, arrays, changed))
    for kind in ("S", "u1", "O", "U0", "two", "list", "wrong letters"):
        held = {**members(whole()), "meta.npy": other_text(text, kind)}
        yield file(f"meta as {kind}", partial(zip_of, held.items()))


def other_text(text, kind):
    """The .npy file of a text that is held in another way than npgan does."""
    if kind == "wrong letters":
        head = b"{'descr': '<U3', 'fortran_order': False, 'shape': (), }\n"
        return npy_of(head, body=b"\xff" * 12)
    array = {
        "S": np.array(text.encode()), "u1": np.frombuffer(text.encode(), np.uint8), "U0": np.array(""),
        "O": np.array(text, object), "two": np.array([text, text]), "list": np.array([text]),
    }[kind]  # fmt: skip
    return npy(array)


WRONG = [
    None, True, -1, 0, 1, 3, 1.5, 2**31, 2**70, 10**400, float("nan"), float("inf"), -0.0, 1e-320, 1e300,
    "", "x", "x" * 100_000, "\x1b[2J\n", [], [[]], [None], {}, {"a": 1}, [1] * 50_000,
    json.loads("[" * 500 + "]" * 500),
]  # fmt: skip


def places_in(value, path=()):
    """The path to every entry of a JSON value, itself included."""
    yield path
    if isinstance(value, dict | list):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from places_in(item, (*path, key))


def replaced(value, path, new):
    """A copy of a JSON value with another entry at a path."""
    if not path:
        return new
    copied = value.copy()
    copied[path[0]] = replaced(value[path[0]], path[1:], new)
    return copied


def entries():
    """Every entry of the JSON text with a value of each wrong kind, in a file that is signed."""
    arrays, meta = state()
    for path in places_in(meta):
        if path and path != ("format",):
            for i, value in enumerate(WRONG):
                changed = replaced(meta, path, value)
                name = f"{'.'.join(map(str, path))} = {value!r:.12} {i}"
                yield file(name, lambda c=changed: pack(arrays, c), ok=None)


# ---- headers, zip records, places ----


def headers():
    """Every wrong .npy header of F1 as a member, in a file without a signature."""
    held = members(pack(state()[0], old()))
    for fault in faults_in_files.npy_headers():
        if fault.name.startswith("npy"):
            for name in ("theta_G.npy", "adam_G_t.npy"):
                yield Fault(f"{name}, {fault.name}", of_header(held, name, fault), False)


def of_header(held, name, fault):
    """The function that makes a checkpoint whose member is the file of another fault."""

    def make(folder):
        data = fault.make(folder)
        (folder / "checkpoint.npz").write_bytes(zip_of({**held, name: data.read_bytes()}.items()))
        data.unlink()
        return folder / "checkpoint.npz"

    return make


def records():
    """Numbers in the records of the zip format, and bombs."""
    data, patched = whole(), faults_in_files.patched
    start, end = data.find(b"PK\1\2"), data.find(b"PK\5\6")
    for at in (4, 6, 8, 10, 16, 20, 24, 28, 30, 32, 34, 36, 42):
        for value in (0, 1, 8, 255, 65535):
            size = 4 if at in (16, 20, 24, 42) else 2
            changed = patched(data, start + at, value, size)
            yield file(f"directory {at} is {value}", changed, ok=None)
    for at in range(4, 22, 2):
        for value in (0, 1, 65535):
            yield file(f"end {at} is {value}", patched(data, end + at, value, 2), ok=None)
    for at in range(4, 30, 2):
        yield file(f"local {at}", patched(data, at, 65535, 2), ok=None)
    for size in (1 << 20, 1 << 27):
        for method in (zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2):
            yield file(f"bomb of {size}, {method}", lambda s=size, m=method: bomb(s, m))
    yield file("members that overlap", overlapping)
    yield file("two million names", lambda: many(2 * 10**6))
    yield file("1001 members", lambda: zip_of([(f"{i}.npy", b"") for i in range(1001)]))


def bomb(size, method):
    """A checkpoint with weights of zeros, compressed."""
    held = {**members(whole()), "theta_G.npy": npy(np.zeros(size, np.uint8))}
    return zip_of(held.items(), method)


def local(name, data):
    """The record before the data of a member."""
    sizes = struct.pack("<LLL", zlib.crc32(data), len(data), len(data))
    return b"PK\3\4" + bytes([20]) + bytes(9) + sizes + struct.pack("<HH", len(name), 0) + name


def overlapping():
    """400 members, each of which lies within the one before: together 400 MB, in a file of 1 MB."""
    names = [f"{i:05}.npy".encode() for i in range(400)]
    data, directory, place = npy(np.zeros(1 << 20, np.uint8)), [], 0
    for name in reversed(names):  # place: from the end of the last one's data
        head = local(name, data)
        place = len(head) + len(data)
        directory.append((name, head, place))
        data = npy(np.frombuffer(head + data, np.uint8))
    whole_size = place
    first = np.load(io.BytesIO(data)).tobytes()  # the loop has wrapped it once too often
    names_list = b"".join(
        b"PK\1\2"
        + bytes([20, 0])
        + head[4:30]
        + bytes(10)
        + struct.pack("<L", whole_size - from_end)
        + name
        for name, head, from_end in directory
    )
    last = struct.pack("<4H2IH", 0, 0, 400, 400, len(names_list), whole_size, 0)
    return first + names_list + b"PK\5\6" + last


def many(count):
    """A zip file with a list of so many names."""
    data = whole()
    start = data.find(b"PK\1\2")
    entry = data[start : start + 28] + struct.pack("<HHH", 1, 0, 0) + data[start + 34 : start + 46]
    names = (entry + b"a") * count
    last = struct.pack("<4H2IH", 0, 0, 1, 1, len(names), start, 0)
    return data[:start] + names + b"PK\5\6" + last


def others():
    """What is no checkpoint: other files, pipes, devices, links, folders."""
    for name, data in {
        "empty": b"", "text": b"epoch,loss\n1,2\n", "npy": npy(np.zeros(3)), "zip of nothing": zip_of([]),
        "npz of images": zip_of([("images.npy", np.zeros((3, 4, 4)))]), "png": b"\x89PNG\r\n\x1a\n",
        "zip of text": zip_of([("meta.npy", b"abc")]), "html": b"<!DOCTYPE html>", "PK": b"PK",
        "json": old().encode(), "objects": npy(np.array([print], object)), "zeros": bytes(9999),
        "4 GB": b"PK\5\6" + b"\xff" * 18,
    }.items():  # fmt: skip
        yield file(name, data)
    makers = {
        "pipe": os.mkfifo, "socket": lambda p: socket.socket(socket.AF_UNIX).bind(str(p)),
        "loop": lambda p: p.symlink_to(p.name), "link": lambda p: p.symlink_to("gone"),
        "zero": lambda p: p.symlink_to("/dev/zero"), "full": lambda p: p.symlink_to("/dev/full"),
        "null": lambda p: p.symlink_to("/dev/null"), "folder": lambda p: p.mkdir(),
        "itself": lambda p: p.symlink_to("."), "nothing": lambda p: None,
    }  # fmt: skip
    for name, make in makers.items():

        def at(folder, make=make):
            make(folder / "checkpoint.npz")
            return folder / "checkpoint.npz"

        yield Fault(name, at, False)


ALL = [
    fault
    for make in (wrong_arrays, mixtures, texts, entries, headers, records, others)
    for fault in make()
]
