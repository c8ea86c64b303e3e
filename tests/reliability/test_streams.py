"""F6: pipes, full devices and closed streams: a run is never lost by what it prints."""

import os
import subprocess
import sys

import children
import numpy as np
import pytest
from children import finish
from suite import clean_environment, thinned
from test_signals import CHECKS, SMALL, assert_quiet, contents
from test_signals import zoo as zoo

from npgan import GAN

COMMANDS = {
    "train": ["train", "--data", "x.npy", *SMALL[:-1], "--epochs", "2", "--out", "out"],
    "resume": ["train", "--resume", "half"],
    "sample": ["sample", "RUN", "--npy", "new.npy"],
    "evaluate": ["evaluate", "large.npy", "--out", "new.png"],
    "info": ["info", "--json"],
    "gradcheck": ["gradcheck", "checks:good"],
    "bench": ["bench", "--peers", "numpy", "--rounds", "1", "--batch", "8"],
    "wrong use": ["train", "--epochs", "0"],
    "mistake": ["sample", "absent"],
    "help": ["--help"],
}
CODES = {"wrong use": 2, "mistake": 1}  # the others: 0


@pytest.fixture
def room(zoo, tmp_path, monkeypatch):
    """A working directory with all that the commands need."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "checks.py").write_text(CHECKS)
    for name in ("x.npy", "large.npy"):
        (tmp_path / name).symlink_to(zoo / name)
    return tmp_path


@pytest.fixture(scope="module")
def half(zoo):
    """A run of which one of two epochs is done."""
    out = zoo / "half"
    argv = ["train", "--data", "x.npy", *SMALL, "--epochs", "2", "--out", str(out)]
    code = (
        "import signal, sys\nfrom npgan import GAN\nfrom npgan.cli import main\n"
        "step = GAN.step\n"
        "def stop(gan, *args):\n"
        "    values = step(gan, *args)\n"
        "    if gan.adam_G.t == 6: signal.raise_signal(signal.SIGTERM)\n"
        "    return values\n"
        "GAN.step = stop\nsys.exit(main(sys.argv[1:]))"
    )
    done = children.run("-c", code, *argv, cwd=zoo, env={"NPGAN_KERNELS": "reference"})
    assert done.code == 143, done.err
    return out


def in_shell(script, command, zoo, half, room):
    """Run the script, in which "$@" is npgan COMMAND, with a limit on its time."""
    import shutil

    if command == "resume":
        shutil.copytree(half, room / "half")
    argv = [str(zoo / "run") if text == "RUN" else text for text in COMMANDS[command]]
    process = subprocess.Popen(
        ["/bin/bash", "-c", script, "bash", sys.executable, "-m", "npgan", *argv],
        cwd=room,
        env=clean_environment(NPGAN_KERNELS="reference"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    return finish(process)


def assert_nothing_lost(command, zoo, room):
    """The files of the command are complete."""
    out = {"train": room / "out", "resume": room / "half"}.get(command)
    if out is not None:
        assert GAN.load(out).epoch_ == 2
        for name, data in contents(zoo / "run").items():
            if name != "config.json":  # which names the data
                if name == "checkpoint.npz":
                    continue
                assert (out / name).read_bytes() == data, name
    if command == "sample":
        assert np.load(room / "new.npy").shape == (64, 3, 4)
    if command == "evaluate":
        assert (room / "new.png").read_bytes().startswith(b"\x89PNG")


WRITES_RESULT = ("train", "resume", "sample", "evaluate", "info", "gradcheck", "bench")
STREAMS = {  # name: (the script, whether the result is lost)
    "stdout to head": ('"$@" | head -1 >/dev/null; exit ${PIPESTATUS[0]}', False),
    "stdout to nobody": ('"$@" > >(exec true); exit $?', False),
    "stderr to head": ('"$@" 2> >(head -1 >/dev/null)', False),
    "both to head": ('"$@" 2>&1 | head -1 >/dev/null; exit ${PIPESTATUS[0]}', False),
    "stdout full": ('"$@" >/dev/full', True),
    "stderr full": ('"$@" 2>/dev/full', False),
    "both full": ('"$@" >/dev/full 2>&1', True),
    "stdin closed": ('"$@" <&-', False),
    "stdout closed": ('"$@" >&-', False),
    "stderr closed": ('"$@" 2>&-', False),
    "all closed": ('"$@" <&- >&- 2>&-', False),
    "out and err closed": ('"$@" >&- 2>&-', False),
    "stdout only for reading": ('exec 3</dev/null; "$@" >&3', True),
    "stderr only for reading": ('exec 3</dev/null; "$@" 2>&3', False),
}
SLOW_COMMANDS = {"evaluate": ("stdout full", "both to head", "all closed"),
                 "bench": ("stdout full",)}  # fmt: skip
REDIRECTED = [
    (stream, command)
    for stream in STREAMS
    for command in COMMANDS
    if stream in SLOW_COMMANDS.get(command, STREAMS)
]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
@pytest.mark.parametrize("fault", thinned(REDIRECTED, 4, ["-".join(f) for f in REDIRECTED]))
def test_a_stream_that_does_not_work(fault, zoo, half, room, injected):
    injected("F6")
    stream, command = fault
    script, lost = STREAMS[stream]
    done = in_shell(script, command, zoo, half, room)
    assert_quiet(done)
    expected = CODES.get(command, 0)
    if lost and command in WRITES_RESULT:
        expected = 1
    allowed = {expected}
    if "stdout to" in stream or "both to" in stream:  # the reader may be gone, or not yet
        allowed.add(max(expected, 1))
    assert done.code in allowed, (done.code, done.err)
    if lost and "both" not in stream and expected == 1 and command in WRITES_RESULT:
        assert "stdout: " in done.err.splitlines()[-1]
    assert_nothing_lost(command, zoo, room)


def test_no_file_of_a_run_gets_the_number_of_a_closed_stream(zoo, half, room, injected):
    """Else a library that prints an error on stderr, number 2, would write into the checkpoint."""
    injected("F6")
    code = """
import os, sys
fsync = os.fsync
def noisy(file):  # every file of a run is open here
    for number in (0, 1, 2):
        try:
            os.write(number, b"an error of a library")
        except OSError:
            pass
    fsync(file)
os.fsync = noisy
from npgan.cli import main
sys.exit(main(sys.argv[1:]))
"""
    argv = ["train", "--data", "x.npy", *SMALL, "--epochs", "2", "--out", "out"]
    done = finish(
        subprocess.Popen(
            ["/bin/sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", sys.executable, "-c", code, *argv],
            env=clean_environment(NPGAN_KERNELS="reference"),
        )
    )
    assert done.code == 0
    assert_nothing_lost("train", zoo, room)
    for name, data in contents(room / "out").items():
        assert b"an error of a library" not in data, name
