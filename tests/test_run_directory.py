"""A run directory: one process at a time, nothing of a user's overwritten, and what was lost drawn again."""

import errno
import json
import logging
import os
import shutil
import signal
import stat
import struct
import subprocess
import sys
import zlib

import numpy as np
import pytest
from PIL import Image, ImageSequence

from npgan import GAN, datasets
from npgan.cli import main
from npgan.cli.train import next_free_directory
from npgan.files import checkpoint, lock
from npgan.files.atomic import atomic_write, remove_temporary_files
from npgan.training.run_directory import RunDirectory, read_config

IMAGES = np.random.default_rng(0).integers(0, 256, (43, 3, 4), dtype=np.uint8)
SMALL = dict(latent=3, hidden=(5,), hidden_D=(4,), batch=8)
OPTIONS = ["--latent", "3", "--hidden", "5", "--hidden-D", "4", "--batch", "8", "--quiet"]


def fit(out, epochs=1, gan=None, **more):
    gan = GAN(**SMALL) if gan is None else gan
    return gan.fit(IMAGES, epochs=epochs, out=out, progress=False, **more)


def contents(out):
    return {
        str(path.relative_to(out)): path.read_bytes()
        for path in sorted(out.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """images.npy, and a complete run of two epochs in "run"."""
    folder = tmp_path_factory.mktemp("folder")
    np.save(folder / "images.npy", IMAGES)
    train(folder, "--data", str(folder / "images.npy"), "--epochs", "2", *OPTIONS)
    return folder


def train(folder, *options):
    assert main(["train", "--out", str(folder / "run"), *options]) == 0


@pytest.fixture
def run(folder, tmp_path):
    """A copy of the run, with the same times."""
    shutil.copytree(folder / "run", tmp_path / "run")
    return tmp_path / "run"


# ---- one process at a time ----

HOLD = "import sys; from pathlib import Path; from npgan.files.lock import DirectoryLock\n"
HOLD += "held = DirectoryLock(Path(sys.argv[1])); print('held', flush=True); sys.stdin.read()"


def test_another_process_in_the_directory_is_refused(run):
    before = contents(run)
    command = [sys.executable, "-c", HOLD, str(run)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout.readline() == "held\n"
        with pytest.raises(FileExistsError, match="another training run is writing"):
            fit(run, gan=GAN.load(run))
        assert contents(run) == before
        other.communicate()
    assert fit(run, gan=GAN.load(run)).epoch_ == 3


def test_a_second_run_of_this_process_is_refused_until_the_first_ends(tmp_path):
    refused = []

    def second(state):
        with pytest.raises(FileExistsError, match="another training run"):
            fit(tmp_path, gan=GAN(**SMALL, rng=1))
        refused.append(state.epoch)

    fit(tmp_path, callbacks=[second])
    assert refused == [1]
    fit(tmp_path, gan=GAN.load(tmp_path))


def test_the_lock_is_released_after_an_error(tmp_path):
    with pytest.raises(ZeroDivisionError):
        fit(tmp_path, callbacks=[lambda _: 1 / 0])
    fit(tmp_path, gan=GAN.load(tmp_path))
    with pytest.raises(FileExistsError, match="another run;"):
        fit(tmp_path)
    fit(tmp_path, gan=GAN.load(tmp_path))


def test_a_file_system_without_locks_does_not_end_a_run(tmp_path, monkeypatch):
    def refuse(_handle):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(lock, "lock", refuse)
    assert fit(tmp_path / "run").epoch_ == 1


@pytest.mark.skipif(os.name != "posix", reason="Windows does not move a directory in use")
@pytest.mark.parametrize("how", ["moved", "replaced"])
def test_a_directory_that_is_moved_during_training_gets_no_more_files(tmp_path, how):
    def move(state):
        (tmp_path / "run").rename(tmp_path / "moved")
        if how == "replaced":
            (tmp_path / "run").mkdir()

    with pytest.raises(FileNotFoundError, match="moved or removed"):
        fit(tmp_path / "run", 2, callbacks=[move])
    assert not (tmp_path / "run" / "checkpoint.npz").exists()
    assert GAN.load(tmp_path / "moved").epoch_ == 1


def test_a_free_number_is_claimed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = [next_free_directory("digits.npy").name for _ in range(3)]
    assert names == ["digits-1", "digits-2", "digits-3"]


def test_a_claimed_number_is_given_back_if_nothing_was_written(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    np.save("few.npy", IMAGES[:4])
    assert main(["train", "--data", "few.npy", *OPTIONS]) == 1
    assert "batch is 8" in capsys.readouterr().err
    assert list((tmp_path / "runs").iterdir()) == []


# ---- nothing of a user's is overwritten ----


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("config.json", '{"mine": 1}'),
        ("config.json", "[1, 2]"),
        ("samples.png", "mine"),
        ("training.gif", "mine"),
        ("history.csv", "mine"),
        ("samples/epoch_0001.png", "mine"),
    ],
)
def test_files_that_are_no_runs_are_not_overwritten(tmp_path, name, text):
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text(text)
    with pytest.raises(FileExistsError, match="no file of a run; give a new directory"):
        fit(tmp_path)
    assert contents(tmp_path) == {name: text.encode()}


def test_an_empty_name_is_not_the_current_directory(run, monkeypatch):
    monkeypatch.chdir(run)
    before = contents(run)
    for call in (lambda: fit(""), lambda: GAN.load(""), lambda: datasets.load("")):
        with pytest.raises(ValueError, match="got an empty one"):
            call()
    assert contents(run) == before


def test_a_run_that_ended_before_its_first_checkpoint_can_begin_again(run):
    (run / "checkpoint.npz").unlink()
    (run / "notes.txt").write_text("mine")
    fit(run)
    assert (run / "notes.txt").read_text() == "mine"
    assert GAN.load(run).epoch_ == 1


def test_the_same_settings_on_other_images_are_another_run(run):
    before = contents(run)
    other = GAN(**SMALL).fit(255 - IMAGES, epochs=2, progress=False)
    with pytest.raises(FileExistsError, match="another run"):
        fit(run, gan=other)
    assert contents(run) == before


# ---- what a killed run has lost ----


@pytest.mark.parametrize(
    "lost",
    [
        ["samples.png"],
        ["losses.png", "interpolation.png"],
        ["training.gif", "samples/epoch_0002.png"],
        ["history.csv"],
    ],
    ids=str,
)
def test_resuming_a_complete_run_writes_what_is_missing(run, lost, capsys):
    before = contents(run)
    for name in lost:
        (run / name).unlink()
    assert main(["train", "--resume", str(run), "--quiet"]) == 0
    error = capsys.readouterr().err
    assert all(name in error for name in lost)
    assert contents(run) == before
    assert main(["train", "--resume", str(run), "--quiet"]) == 1
    assert "has completed its 2 epochs" in capsys.readouterr().err


def test_pictures_of_an_earlier_end_are_drawn_again(run):
    """A run made longer, and killed after its last checkpoint, has the pictures of its old end."""
    before = contents(run)
    for name in ("samples.png", "training.gif"):
        (run / name).write_bytes((run / "losses.png").read_bytes())
        os.utime(run / name, (1, 1))
    assert main(["train", "--resume", str(run), "--quiet"]) == 0
    assert contents(run) == before


def test_a_history_cut_short_is_written_again_by_the_next_start(run, caplog):
    before = contents(run)
    (run / "history.csv").write_text("epoch\n1\n")
    (run / "samples" / "epoch_0001.png").unlink()
    (run / "samples" / "epoch_0002.png").unlink()
    with caplog.at_level(logging.WARNING, "npgan"):
        fit(run, gan=GAN.load(run))
    assert "no picture of epoch 1;" in caplog.text
    after = contents(run)
    assert after["history.csv"].startswith(before["history.csv"])
    assert after["samples/epoch_0002.png"] == before["samples/epoch_0002.png"]


def test_a_history_that_was_lost_is_written_again_before_the_first_step(run, monkeypatch):
    before = (run / "history.csv").read_bytes()
    (run / "history.csv").unlink()
    monkeypatch.setattr(GAN, "step", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        fit(run, gan=GAN.load(run))
    assert (run / "history.csv").read_bytes() == before


@pytest.mark.parametrize("data", [b"\xff\xfe\0", b"", b"epoch\r\n1\r\n", b"\0" * 1000])
def test_a_history_that_is_no_text_is_written_again(run, data):
    before = (run / "history.csv").read_bytes()
    (run / "history.csv").write_bytes(data)
    fit(run, gan=GAN.load(run))
    assert (run / "history.csv").read_bytes().startswith(before)


@pytest.mark.parametrize("name", ["history.csv", "samples", "config.json"])
def test_a_resume_that_cannot_write_leaves_the_run_as_it_was(run, name, capsys):
    if (run / name).is_dir():
        shutil.rmtree(run / name)
        (run / name).write_text("mine")
    else:
        (run / name).unlink()
        (run / name).mkdir()
    before = contents(run)
    assert main(["train", "--resume", str(run), "--epochs", "3", *OPTIONS[-1:]]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert str(run / name) in line
    assert contents(run) == before


@pytest.mark.skipif(os.name != "posix", reason="pipes of Unix")
@pytest.mark.parametrize(
    "name", ["samples/epoch_0001.png", "samples/epoch_0002.png", "training.gif"]
)
def test_a_pipe_in_the_place_of_a_picture_is_not_waited_for(run, name, caplog):
    before = (run / "training.gif").read_bytes()
    (run / name).unlink()
    os.mkfifo(run / name)
    assert main(["train", "--resume", str(run), "--epochs", "3", "--quiet"]) == 0
    words = "no picture of epoch 1;" if "0001" in name else f"{run / name} could not be drawn"
    assert words in caplog.text
    assert stat.S_ISFIFO(os.stat(run / name).st_mode)
    assert GAN.load(run).epoch_ == 3
    if name != "training.gif":
        assert (run / "training.gif").read_bytes() != before


def test_temporary_files_of_a_killed_run_are_removed(run):
    for name in (".npgan-abc.tmp", "samples/.npgan-def.tmp", "mine.tmp"):
        (run / name).write_text("half")
    fit(run, gan=GAN.load(run))
    assert [path.name for path in run.rglob("*.tmp")] == ["mine.tmp"]


def test_a_complete_run_loses_the_temporary_files_of_a_killed_process(run, capsys):
    (run / ".npgan-abc.tmp").touch()
    (run / "samples" / ".npgan-abc.tmp").touch()
    assert main(["train", "--resume", str(run), "--quiet"]) == 1
    assert "has completed its" in capsys.readouterr().err
    assert list(run.rglob("*.tmp")) == []


def test_a_file_that_is_being_written_is_not_removed(tmp_path):
    with atomic_write(tmp_path / "mine") as file:
        remove_temporary_files(tmp_path)
        file.write(b"mine")
    assert contents(tmp_path) == {"mine": b"mine"}


# ---- a directory that changes during the run ----


def test_a_directory_that_is_moved_before_the_last_pictures_ends_the_run(tmp_path, caplog):
    move = lambda _: (tmp_path / "run").rename(tmp_path / "moved")
    with pytest.raises(FileNotFoundError, match="moved or removed"):
        fit(tmp_path / "run", 1, callbacks=[move])
    assert caplog.records == []


def test_a_directory_that_is_moved_while_the_last_picture_is_drawn(tmp_path, monkeypatch):
    from npgan import plot

    draw = plot.interpolation
    monkeypatch.setattr(
        plot,
        "interpolation",
        lambda images: (tmp_path / "run").rename(tmp_path / "moved") and draw(images),
    )
    with pytest.raises(FileNotFoundError, match="moved or removed"):
        fit(tmp_path / "run")


def test_a_folder_of_pictures_that_was_removed_is_made_again(tmp_path):
    fit(tmp_path, 2, callbacks=[lambda _: shutil.rmtree(tmp_path / "samples")])
    assert [path.name for path in (tmp_path / "samples").iterdir()] == ["epoch_0002.png"]
    gan = GAN.load(tmp_path)
    fit(
        tmp_path,
        2,
        gan,
        callbacks=[lambda state: state.epoch == 3 and shutil.rmtree(tmp_path / "samples")],
    )
    assert [path.name for path in (tmp_path / "samples").iterdir()] == ["epoch_0004.png"]


def test_a_run_that_was_continued_since_it_was_read_is_not_overwritten(run):
    late = GAN.load(run)
    fit(run, gan=GAN.load(run))
    before = contents(run)
    with pytest.raises(FileExistsError, match="another program has continued"):
        fit(run, gan=late)
    assert contents(run) == before


def test_a_checkpoint_of_another_program_is_not_overwritten(run):
    gan = GAN.load(run)
    checkpoint.save(run / "checkpoint.npz", {"theta_G": np.zeros(3)}, {"kind": "another"})
    before = contents(run)
    with pytest.raises(FileExistsError, match="another run;"):
        fit(run, gan=gan)
    assert contents(run) == before


def refusing(function, name):
    """The function, but with an error of the disk for files of this name."""

    def refuse(path, *more, **options):
        if os.path.basename(path) == name:
            raise OSError(errno.EIO, os.strerror(errno.EIO), str(path))
        return function(path, *more, **options)

    return refuse


def test_a_checkpoint_that_cannot_be_looked_at_is_not_taken_for_absent(run, monkeypatch):
    before = contents(run)
    with monkeypatch.context() as patch:
        patch.setattr(os, "lstat", refusing(os.lstat, "checkpoint.npz"))
        with pytest.raises(OSError, match="Input/output error"):
            fit(run)
    assert contents(run) == before


def test_a_config_that_cannot_be_read_is_not_taken_for_empty(run, monkeypatch, capsys):
    with monkeypatch.context() as patch:
        patch.setattr(os, "stat", refusing(os.stat, "config.json"))
        assert main(["train", "--resume", str(run), "--quiet"]) == 1
    assert "Input/output error" in capsys.readouterr().err


# ---- a picture that cannot be drawn ----


def failing_once(monkeypatch, error=OSError):
    """The first picture of samples cannot be drawn."""
    from npgan import plot

    grid, failures = plot.grid, [error("no space")]

    def draw(*args):
        if failures:
            raise failures.pop()
        return grid(*args)

    monkeypatch.setattr(plot, "grid", draw)


def test_a_picture_that_failed_is_drawn_after_the_next_epoch(tmp_path, monkeypatch, caplog):
    fit(tmp_path / "expected", 2)
    failing_once(monkeypatch)
    fit(tmp_path / "run", 2)
    assert "could not be drawn" in caplog.text
    assert contents(tmp_path / "run") == contents(tmp_path / "expected")


def test_a_picture_that_failed_is_drawn_when_ctrl_c_ends_the_run(tmp_path, monkeypatch):
    failing_once(monkeypatch)
    step = GAN.step

    def stepped(gan, *batch):
        if gan.epoch_ == 1:
            signal.raise_signal(signal.SIGINT)
        return step(gan, *batch)

    monkeypatch.setattr(GAN, "step", stepped)
    with pytest.raises(KeyboardInterrupt):
        fit(tmp_path, 2)
    assert (tmp_path / "samples" / "epoch_0001.png").exists()


def test_the_samples_of_failed_pictures_do_not_fill_the_memory(tmp_path, monkeypatch):
    directory = RunDirectory(tmp_path, started(), None, None)
    monkeypatch.setattr("npgan.training.run_directory.save_samples", lambda *_: 1 / 0)
    monkeypatch.setattr("npgan.training.run_directory.MAX_LATE", 3 * 64 * 12)
    for epoch in range(1, 8):
        directory.draw_epochs(epoch)
    directory.close()
    assert sorted(directory.late) == [5, 6, 7]


def started():
    """A GAN with networks, and no training."""
    gan = GAN(**SMALL)
    gan.start((3, 4))
    return gan


def test_an_earlier_picture_that_is_lost_is_named(run, caplog):
    (run / "samples" / "epoch_0001.png").unlink()
    fit(run, gan=GAN.load(run))
    assert "has no picture of epoch 1;" in caplog.text


def frames(run):
    """The pixels of each frame of the animation."""
    with Image.open(run / "training.gif") as animation:
        return [np.array(frame.convert("RGB")) for frame in ImageSequence.Iterator(animation)]


def cut(file):
    file.write_bytes(file.read_bytes()[:-40])


def of_another_shape(file):
    Image.new("RGB", (5, 5)).save(file)


def bomb(file):
    """A picture that promises 10 gigapixels."""
    data = bytearray(file.read_bytes())
    data[16:24] = struct.pack(">2I", 100_000, 100_000)
    data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
    file.write_bytes(data)


DAMAGES = {
    "empty": lambda file: file.write_bytes(b""),
    "cut": cut,
    "text": lambda file: file.write_text("mine"),
    "another shape": of_another_shape,
    "too large": bomb,
    "removed": os.unlink,
    "a directory": lambda file: (file.unlink(), file.mkdir()),
    "a link to nothing": lambda file: (file.unlink(), file.symlink_to("nothing")),
}


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("epoch", [1, 2])
def test_the_animation_goes_on_without_a_picture_that_is_broken(damage, epoch, tmp_path, caplog):
    fit(tmp_path / "expected", 3)
    expected = frames(tmp_path / "expected")
    assert len(expected) == 3

    def break_one(state):
        if state.epoch == 2:
            DAMAGES[damage](tmp_path / "run" / "samples" / f"epoch_{epoch:04d}.png")

    fit(tmp_path / "run", 3, callbacks=[break_one])
    (record,) = caplog.records
    assert f"has no picture of epoch {epoch};" in record.getMessage()
    np.testing.assert_array_equal(
        frames(tmp_path / "run"), [expected[i] for i in range(3) if i != epoch - 1]
    )


def test_the_picture_of_the_last_epoch_is_drawn_again_for_the_animation(tmp_path, caplog):
    fit(tmp_path / "expected", 2)

    def break_it(state):
        if state.epoch == 2:
            cut(tmp_path / "run" / "samples" / "epoch_0002.png")

    fit(tmp_path / "run", 2, callbacks=[break_it])
    assert not caplog.records
    assert contents(tmp_path / "run") == contents(tmp_path / "expected")


def test_no_picture_that_can_be_read_leaves_no_animation_and_one_line(tmp_path, caplog):
    def break_all(_state):
        for file in (tmp_path / "samples").iterdir():
            file.write_bytes(b"")

    fit(tmp_path, 7, callbacks=[break_all])
    (record,) = caplog.records
    assert "has no picture of epoch 1, 2, 3, 4, 5, ...;" in record.getMessage()
    assert len(frames(tmp_path)) == 1


@pytest.mark.parametrize("error", [ImportError, MemoryError, OSError, RuntimeError])
def test_a_failure_to_draw_costs_one_warning_and_no_training(tmp_path, error, monkeypatch, caplog):
    def fail(*_args, **_kwargs):
        raise error("no pictures\nhere")

    with monkeypatch.context() as patch, caplog.at_level(logging.WARNING, "npgan"):
        for name in ("grid", "losses", "interpolation"):
            patch.setattr(f"npgan.plot.{name}", fail)
        fit(tmp_path, 2)
    assert len(caplog.records) == 1
    assert "could not be drawn" in caplog.text
    assert contents(tmp_path).keys() == {"config.json", "checkpoint.npz", "history.csv"}
    gan = GAN.load(tmp_path)
    assert gan.epoch_ == 2


# ---- config.json ----


@pytest.mark.parametrize(
    "text",
    ['{"epochs": "3"}', '{"epochs": 1e999}', '{"epochs": true}', '{"epochs": -1}', '{"epochs": []}',
     "[]", "7", "{", "[" * 100_000, "\xff", '{"epochs": 2.5}', "null"],
)  # fmt: skip
def test_a_config_of_wrong_types_costs_one_line(run, text, capsys):
    (run / "config.json").write_bytes(text.encode("latin-1"))
    assert main(["train", "--resume", str(run), "--quiet"]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "does not say how many epochs" in error


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with a name here")
def test_a_config_that_is_a_pipe_or_huge_is_not_read(tmp_path):
    os.mkfifo(tmp_path / "config.json")
    assert read_config(tmp_path) == {}
    (tmp_path / "config.json").unlink()
    (tmp_path / "config.json").write_text(json.dumps({"npgan": " " * 2**20}))
    assert read_config(tmp_path) == {}
