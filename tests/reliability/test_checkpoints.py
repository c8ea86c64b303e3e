"""F2: of a hostile checkpoint nothing is accepted but what it holds, and a refusal moves nothing.

An accepted file must give a GAN whose whole state is what the file holds, part for part. The run
of a refused one is resumed, too: that costs one line, and every file stays as it was.
"""

import io
import json
import os
import warnings

import faults_in_checkpoints as faults
import numpy as np
import pytest
from hostile import (
    bit_flips,
    check_line,
    limits,
    places,
    reference_kernels,  # noqa: F401
    run_main,
)
from suite import thinned

from npgan import GAN, CheckpointError
from npgan.files import checkpoint
from npgan.training.saving import get_state

pytestmark = pytest.mark.usefixtures("reference_kernels")


def as_bytes(arrays, meta):
    """Every part of a state, comparable."""
    held = {name: (a.dtype.str, a.shape, a.tobytes()) for name, a in arrays.items()}
    return held, json.dumps({k: v for k, v in meta.items() if k not in ("format", "sha256")})


def as_held(data):
    """The same of the bytes of a file, read by NumPy alone."""
    held = faults.members(data).items()
    arrays = {name.removesuffix(".npy"): np.load(io.BytesIO(part)) for name, part in held}
    return as_bytes(arrays, json.loads(str(arrays.pop("meta"))))


def in_order(state):
    """The state with its entries in the order of their names."""
    held, text = state
    return held, json.dumps(json.loads(text), sort_keys=True)


def accepted(path, held=None):
    """Whether GAN.load accepts a file; if so, the GAN must be what is held in it."""
    try:
        gan = GAN.load(path)
    except CheckpointError as error:
        check_line(str(error).replace(str(path), "a.npz"))
        return False
    held = as_held(path.read_bytes()) if held is None else held
    assert in_order(as_bytes(*get_state(gan))) == in_order(held)
    return True


def listing(folder):
    """Every entry of a folder, with its size and times."""
    found = {}
    for path in sorted(folder.rglob("*")):
        status = os.lstat(path)
        found[str(path)] = status.st_size, status.st_mtime_ns, status.st_ino
    return found


@pytest.mark.parametrize("fault", thinned(faults.ALL, fast=330, ids=[f.name for f in faults.ALL]))
def test_a_hostile_checkpoint_is_refused_and_nothing_moves(
    fault, tmp_path, monkeypatch, capsys, caplog, injected
):
    injected("F2")
    monkeypatch.chdir(tmp_path)
    run = tmp_path / "run"
    run.mkdir()
    path = fault.make(run)
    (run / "config.json").write_text('{"epochs": 9}')
    size = os.stat(path).st_size if path.is_file() else 0
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        with limits(3 * size):
            ok = accepted(path)
        assert fault.ok in (None, ok)
        before = listing(tmp_path)
        with limits(3 * size):
            code, _, lines = run_main(["train", "--resume", "run"], capsys, caplog)
    assert not found
    assert code == 1  # an accepted one lacks its data
    assert len(lines) == 1
    assert ("checkpoint" in lines[0]) != ok
    assert listing(tmp_path) == before


def damaged(kind):
    """(name, bytes) of a whole checkpoint with each bit, byte or length changed."""
    data = faults.whole()
    n = len(data)
    if kind == "cut":
        yield from ((f"cut at {at}", data[:at]) for at in range(n))
    elif kind == "bit":
        bits = [8 * at + (at * 5) % 8 for at in range(n)]
        yield from (
            (f"bit {bit}", new) for bit, new in zip(bits, bit_flips(data, bits), strict=True)
        )
    elif kind == "byte":
        yield from ((f"{at} is 0", data[:at] + b"\0" + data[at + 1 :]) for at in places(n, 900, 1))
    elif kind == "zeros":
        ends = [(at, min(n, at + 512)) for at in range(0, n, 64)]
        yield from ((f"zeros at {a}", data[:a] + bytes(b - a) + data[b:]) for a, b in ends)
    elif kind == "left out":
        yield from ((f"without {at}", data[:at] + data[at + 1 :]) for at in places(n, 400, 2))
    elif kind == "twice":
        yield from (
            (f"twice {at}", data[:at] + data[at : at + 64] + data[at:]) for at in places(n, 400, 3)
        )


@pytest.mark.parametrize("kind", ["cut", "bit", "byte", "zeros", "left out", "twice"])
@pytest.mark.parametrize(
    "part", [pytest.param(i, marks=[pytest.mark.slow] * (i > 0)) for i in range(10)]
)
def test_a_damaged_checkpoint_is_refused_or_means_the_same(kind, part, tmp_path, injected):
    """Some bytes of a zip file mean nothing; every other change is noticed."""
    path, whole, refused, n = tmp_path / "checkpoint.npz", as_held(faults.whole()), 0, 0
    for name, data in list(damaged(kind))[part::10]:
        path.write_bytes(data)
        with limits(3 * len(data)):
            refused += not accepted(path, whole)
        n += data != faults.whole()
        assert name
    injected("F2", n)
    assert refused > n / 2


def test_the_bytes_are_those_that_npgan_writes(tmp_path):
    arrays, meta = faults.state()
    meta = {name: value for name, value in meta.items() if name != "format"}
    checkpoint.save(tmp_path / "a.npz", arrays, meta)
    assert (tmp_path / "a.npz").read_bytes() == faults.whole()
    assert accepted(tmp_path / "a.npz")
