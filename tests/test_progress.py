"""Progress on stderr: whatever stands there, training goes on."""

import io
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from children import finish
from suite import clean_environment

from npgan import GAN
from npgan.cli import main
from npgan.files.messages import printable, write_line
from npgan.training.progress import Progress

IMAGES = np.random.default_rng(0).integers(0, 256, (20, 3, 4), dtype=np.uint8)
SMALL = ["--latent", "3", "--hidden", "5", "--hidden-D", "4", "--batch", "8"]
ROW = {"epoch": 1, "loss_D": 1.0}


class WriteOnly:
    """All that a program may put in the place of sys.stderr."""

    def __init__(self):
        self.text = ""

    def write(self, text):
        self.text += text


class Failing(WriteOnly):
    """A terminal that fails after so many writes, as one that was closed does."""

    def __init__(self, writes, error):
        super().__init__()
        self.left, self.error = writes, error

    def isatty(self):
        return True

    def flush(self):
        pass

    def write(self, text):
        self.left -= 1
        if self.left < 0:
            raise self.error
        super().write(text)


def closed_stream():
    stream = io.StringIO()
    stream.close()
    return stream


STREAMS = {
    "none": lambda: None,
    "closed": closed_stream,
    "no isatty": WriteOnly,
    "no stream": lambda: 3,
    "gone at once": lambda: Failing(0, BrokenPipeError(32, "Broken pipe")),
    "full later": lambda: Failing(5, OSError(28, "No space left on device")),
    "odd error": lambda: Failing(3, RuntimeError("no console")),
    "ascii": lambda: io.TextIOWrapper(io.BytesIO(), encoding="ascii"),
}


@pytest.mark.parametrize("progress", [None, True, False, "a heading with ², é and \x1b[31m"])
@pytest.mark.parametrize("name", STREAMS)
def test_no_stderr_ends_a_training(name, progress, monkeypatch):
    monkeypatch.setattr(sys, "stderr", STREAMS[name]())
    gan = GAN(latent=3, hidden=(5,), hidden_D=(4,), batch=8).fit(IMAGES, 3, progress=progress)
    assert gan.epoch_ == 3


def test_an_object_that_can_only_write_shows_every_line(monkeypatch):
    stream = WriteOnly()
    monkeypatch.setattr(sys, "stderr", stream)
    with Progress("heading", 2, 2) as progress:
        progress.epoch(ROW, 10, 0)
        progress.epoch({**ROW, "epoch": 2}, 10, 0)
    assert [line[:9] for line in stream.text.splitlines()] == ["heading", "epoch 1/2", "epoch 2/2"]


def test_after_an_error_nothing_more_is_written(monkeypatch):
    stream = Failing(1, OSError(5, "Input/output error"))
    monkeypatch.setattr(sys, "stderr", stream)
    with Progress("heading", 100, 1) as progress:
        for count in range(100):
            progress.step(1, {"loss_D": 1.0}, count + 1)
        progress.epoch(ROW, 10, 0)
    assert not progress.enabled
    assert stream.left > -9, "it tried again and again"


def test_what_a_terminal_would_obey_is_escaped(monkeypatch):
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    assert write_line("a\x1b[2Jb\rc\x9bd\u202ee\udc80f é\u0301")
    assert stream.getvalue() == "a\\x1b[2Jb\\rc\\x9bd\\u202ee\\udc80f é\u0301\n"
    assert printable("two\nlines\t") == "two\nlines\\t"


def test_a_line_above_the_bar_is_escaped_too(monkeypatch):
    terminal = Failing(10**6, OSError())
    monkeypatch.setattr(sys, "stderr", terminal)
    with Progress(True, 10, 1) as progress:
        assert progress.bar is not None
        progress.write("a\x1b[2Jb\x9bc")
    assert "a\\x1b[2Jb\\x9bc" in terminal.text
    assert "\x1b[2J" not in terminal.text


def test_a_character_that_stderr_cannot_encode_is_escaped(monkeypatch):
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stderr", io.TextIOWrapper(raw, encoding="ascii"))
    assert write_line("π ± 1")
    assert raw.getvalue() == b"\\u03c0 \\xb1 1\n"


@pytest.mark.skipif(os.name != "posix", reason="pipes of Unix")
@pytest.mark.parametrize("how", ["reader has gone", "full", "closed"])
def test_a_command_trains_to_its_end_without_stderr(how, tmp_path):
    np.save(tmp_path / "images.npy", IMAGES)
    reader, writer = os.pipe()
    os.close(reader)
    full = os.open("/dev/full" if Path("/dev/full").exists() else os.devnull, os.O_WRONLY)
    command = [sys.executable, "-m", "npgan", "train", "--data", str(tmp_path / "images.npy")]
    command += [*SMALL, "--epochs", "2", "--out"]
    stderr = {"reader has gone": writer, "full": full, "closed": None}[how]
    start = f'exec {"2>&- " if how == "closed" else ""}"$@"'
    code, out, _ = finish(
        subprocess.Popen(
            ["/bin/sh", "-c", start, "sh", *command, str(tmp_path / "run")],
            stdout=subprocess.PIPE,
            stderr=stderr,
            env=clean_environment(NPGAN_KERNELS="reference"),
            text=True,
        )
    )
    os.close(writer)
    os.close(full)
    assert code == 0
    assert "training.gif" in out
    assert GAN.load(tmp_path / "run").epoch_ == 2


def test_the_scale_that_was_taken_is_shown(capsys, tmp_path, monkeypatch):
    images = np.random.default_rng(0).random((16, 4, 4))
    small = dict(latent=2, hidden=(3,), hidden_D=(3,), batch=8)
    GAN(**small).fit(images, epochs=1, progress=True)
    assert "16 images of 4 x 4, pixels in [0, 1]" in capsys.readouterr().err
    monkeypatch.chdir(tmp_path)
    np.save("x.npy", 2 * images - 1)
    options = "--epochs 1 --latent 2 --hidden 3 --hidden-D 3 --batch 8"
    assert main(["train", "--data", "x.npy", *options.split()]) == 0
    assert "pixels in [-1, 1]" in capsys.readouterr().err
