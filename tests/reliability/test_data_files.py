"""F1: no hostile data file costs more than one clear line, and none is read as what it is not.

Every fault is tried twice: `load(path)`, and `npgan train --data PATH` in this process. Of an
accepted file every value is compared with what another reader reads.
"""

import os
import warnings

import faults_in_files as faults
import numpy as np
import pytest
from hostile import (
    MEMORY,
    Limit,
    check_line,
    limits,
    reference_kernels,  # noqa: F401
    run_main,
)
from hostile_files import expected_rows, read
from suite import thinned

from npgan.datasets import DataError, load

pytestmark = pytest.mark.usefixtures("reference_kernels")


def size_of(path):
    """The bytes of a file, or of the files of a folder, as far as they are regular."""
    files = [path] if path.is_file() else path.iterdir() if path.is_dir() else []
    return sum(p.stat().st_size for p in files if p.is_file())


@pytest.mark.parametrize("fault", thinned(faults.ALL, fast=380, ids=[f.name for f in faults.ALL]))
def test_a_hostile_file_is_refused_in_a_line_or_read_as_it_is(
    fault, tmp_path, monkeypatch, capsys, caplog, injected
):
    injected("F1")
    (tmp_path / "data").mkdir()
    path = fault.make(tmp_path / "data")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        with limits(2 * size_of(path)):
            try:
                data = load(path)
            except DataError as error:
                data = None
                check_line(str(error))
        assert fault.ok in (None, data is not None)
        if data is not None:
            assert not found
            array, labels = read(path)
            found.clear()
            assert np.array_equal(data.images, expected_rows(array, data.note))
            assert labels is None or np.array_equal(data.labels, labels)
            check_line(data.note)
        with limits(2 * size_of(path)):
            argv = ["train", "--data", path, "--batch", 10**6, "--out", tmp_path / "run"]
            code, _, lines = run_main(argv, capsys, caplog)
    assert not found  # a warning of NumPy or Pillow is two more lines
    assert code == 1
    assert lines[-1].startswith("npgan train: ")
    assert ("batch is 1000000" in lines[-1]) == (data is not None)
    assert all(line.startswith("npgan: warning: ") for line in lines[:-1])
    assert os.listdir(tmp_path) == ["data"]
    assert not faults.EXPLODED.exists()


@pytest.mark.parametrize("option", ["target", "--judge", "--data"])
@pytest.mark.parametrize(
    "fault", thinned(faults.ALL[::5], fast=30, ids=[f.name for f in faults.ALL[::5]])
)
def test_what_evaluate_is_given_costs_one_line(
    fault, option, tmp_path, monkeypatch, capsys, caplog, injected
):
    injected("F1")
    (tmp_path / "data").mkdir()
    path = fault.make(tmp_path / "data")
    monkeypatch.chdir(tmp_path)
    np.save("few.npy", np.zeros((99, 28, 28), np.uint8))
    target = [path] if option == "target" else ["few.npy", option, path]
    with limits(2 * size_of(path)):
        code, _, lines = run_main(["evaluate", *target], capsys, caplog)
    assert code == 1
    assert lines[-1].startswith("npgan evaluate: ")
    assert all(line.startswith("npgan: warning: ") for line in lines[:-1])
    assert sorted(os.listdir(tmp_path)) == ["data", "few.npy"]
    assert not faults.EXPLODED.exists()


def test_the_limit_of_memory_is_noticed():
    with pytest.raises(Limit), limits():
        bytearray(MEMORY + (64 << 20))
    with limits(128 << 20):
        bytearray(MEMORY + (64 << 20))


def test_the_limit_of_time_is_noticed(monkeypatch):
    monkeypatch.setattr("hostile.CPU_SECONDS", 0.05)

    def wait():
        while True:  # in Python: C code would not notice the signal
            pass

    with pytest.raises(Limit), limits():
        wait()
