"""Sweeps: the same bits on any executor, and nothing is trained twice."""

import concurrent.futures
import json
import os
import signal
import time
from pathlib import Path

import loky
import numpy as np
import pytest
from children import finish, run_npgan, start_npgan
from rank_worker import SMALL
from rank_worker import SWEEP as CONFIGS

import npgan
from npgan import GAN
from npgan.training import sweep_runs
from npgan.training.sweep import summary

IMAGES = np.random.default_rng(0).integers(0, 256, (48, 4, 4), dtype=np.uint8)


@pytest.fixture
def data(tmp_path):
    np.save(tmp_path / "data.npy", IMAGES)
    return str(tmp_path / "data.npy")


def files(out):
    """The files of a sweep that must not depend on who trained it."""
    wanted = ("checkpoint.npz", "history.csv", "sweep.csv", "sweep.png")
    return {
        str(path.relative_to(out)): path.read_bytes()
        for path in sorted(Path(out).rglob("*"))
        if path.name in wanted
    }


def states(results):
    return [result.state for result in results]


def executors():
    yield None
    yield concurrent.futures.ThreadPoolExecutor(1)
    yield sweep_runs.pool(2, sweep_runs.stop_event())
    yield loky.ProcessPoolExecutor(2)


def test_eight_runs_have_the_same_bits_on_every_executor(data, tmp_path):
    found = []
    for i, executor in enumerate(executors()):
        out = tmp_path / str(i)
        results = npgan.sweep(CONFIGS, range(4), executor, data=data, epochs=2, out=out)
        assert states(results) == ["trained"] * 8
        assert [r.seed for r in results] == [0, 1, 2, 3] * 2
        found.append(files(out))
        if executor is not None:
            executor.shutdown()
    assert len(found[0]) == 8 * 2 + 2
    assert all(other == found[0] for other in found)
    assert len(found) == 4
    gan = GAN(rng=3, **CONFIGS["hinge"]).fit(IMAGES, 2, progress=False)
    trained = GAN.load(tmp_path / "0" / "hinge-3")
    assert np.array_equal(gan.average_.theta, trained.average_.theta)


def test_complete_runs_are_left_out_and_begun_ones_resumed(data, tmp_path, monkeypatch):
    out = tmp_path / "out"
    fitted, fit = [], GAN.fit

    def counted(gan, images, epochs, **how):
        fitted.append((gan.config["rng"], gan.epoch_, epochs))
        if gan.config["rng"] == 1 and gan.epoch_ == 0:
            fit(gan, images, epochs, callbacks=[lambda state: state.epoch == 1], **how)
            raise MemoryError("planted")
        return fit(gan, images, epochs, **how)

    monkeypatch.setattr(GAN, "fit", counted)
    configs = {"a": SMALL}
    results = npgan.sweep(configs, range(3), data=data, epochs=3, out=out)
    assert states(results) == ["trained", "failed", "trained"]
    assert results[1].error == "MemoryError: planted"
    assert "1/3" not in summary(results)
    assert "2/3" in summary(results)
    results = npgan.sweep(configs, range(4), data=data, epochs=3, out=out)
    assert states(results) == ["done", "resumed", "done", "trained"]
    assert fitted == [(0, 0, 3), (1, 0, 3), (2, 0, 3), (1, 1, 2), (3, 0, 3)]
    monkeypatch.undo()
    npgan.sweep(configs, range(4), data=data, epochs=3, out=tmp_path / "whole")
    assert files(out) == files(tmp_path / "whole")
    (out / "a-2" / "losses.png").unlink()
    results = npgan.sweep(configs, range(4), data=data, epochs=3, out=out)
    assert states(results) == ["done", "done", "resumed", "done"]
    assert (out / "a-2" / "losses.png").exists()


def test_a_run_that_diverges_does_not_stop_the_others(data, tmp_path):
    configs = {"wild": {**SMALL, "lr": 1e30}, "tame": SMALL}
    results = npgan.sweep(configs, [0], data=data, epochs=1, out=tmp_path / "out")
    assert states(results) == ["failed", "trained"]
    assert results[0].error.startswith("FloatingPointError: step ")
    assert "wild,0,,,,,,,FloatingPointError" in (tmp_path / "out" / "sweep.csv").read_text()


def test_a_directory_with_other_settings_or_another_end_is_refused(data, tmp_path):
    npgan.sweep({"a": SMALL}, [0], data=data, epochs=1, out=tmp_path)
    (other,) = npgan.sweep({"a": {**SMALL, "lr": 1e-3}}, [0], data=data, epochs=1, out=tmp_path)
    assert "holds a run with other settings (" in other.error
    (longer,) = npgan.sweep({"a": SMALL}, [0], data=data, epochs=2, out=tmp_path)
    assert "holds a run that was started with epochs 1, not 2" in longer.error


@pytest.mark.parametrize(
    ("configs", "seeds", "words"),
    [
        ({}, [0], "one set of settings"),
        ({"a": {}}, [], "one seed at least"),
        ({"a": {}}, [0, 1, 0], "given twice"),
        ({"a": {}}, [-1], "a seed must be a whole number of 0 or more; got -1"),
        ({"a": {"depth": 3}}, [0], "a has 'depth', which is no setting"),
        ({"a": {"rng": 3}}, [0], "a has 'rng', which is no setting"),
        ({"a": {"lr": 0}}, [0], "a: lr must be"),
        ({"../a": {}}, [0], "cannot be called"),
        ({"": {}}, [0], "cannot be called"),
    ],
)
def test_mistakes_are_told_before_anything_is_trained(configs, seeds, words, tmp_path):
    with pytest.raises(ValueError, match=words):
        npgan.sweep(configs, seeds, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


# ---- npgan sweep ----


def command(*more):
    return ("sweep", "file.json", "--data", "data.npy", "--epochs", "2", "--jobs", "2", *more)


def test_the_command_prints_a_table_and_does_nothing_the_second_time(data, tmp_path):
    (tmp_path / "file.json").write_text(json.dumps(CONFIGS))
    done = run_npgan(*command("--seeds", "0:2", "5"), cwd=tmp_path)
    assert done.code == 0, done.err
    header, plain, hinge = done.out.splitlines()
    assert header.split() == ["settings", "runs", "loss_D", "D_real", "D_fake", "penalty", "loss_G"]
    assert plain.split()[:2] == ["plain", "3/3"]
    assert hinge.split()[:2] == ["hinge", "3/3"]
    assert done.err.count(": trained") == 6
    out = tmp_path / "runs" / "file"
    before = files(out)
    done = run_npgan(*command("--seeds", "0:2", "5", "--json"), cwd=tmp_path)
    assert {row["state"] for row in json.loads(done.out).values()} == {"done"}
    assert files(out) == before


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGKILL"])
@pytest.mark.skipif(os.name != "posix", reason="signals of Unix")
def test_a_sweep_that_is_stopped_goes_on_where_it_was(name, data, tmp_path):
    (tmp_path / "file.json").write_text(json.dumps({"a": SMALL}))
    argv = command("--seeds", "0:3", "--epochs", "40")
    process = start_npgan(*argv, cwd=tmp_path, start_new_session=True)
    out = tmp_path / "runs" / "file"
    begun = out / "a-1" / "samples" / "epoch_0002.png"
    while not begun.exists():
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.02)
    process.send_signal(getattr(signal, name))
    done = finish(process)  # and no worker holds its stderr open
    assert done.code == {"SIGINT": 130, "SIGTERM": 143, "SIGKILL": -9}[name]
    assert "Traceback" not in done.err
    stopped = GAN.load(out / "a-1")
    assert stopped.epoch_ < 40
    again = run_npgan(*argv, "--json", cwd=tmp_path)
    assert again.code == 0, again.err
    assert {row["state"] for row in json.loads(again.out).values()} <= {
        "done",
        "resumed",
        "trained",
    }
    assert json.loads(again.out)["a-1"]["state"] == "resumed"
    assert run_npgan(*argv, "--out", "whole", cwd=tmp_path).code == 0
    assert files(out) == files(tmp_path / "whole")


@pytest.mark.parametrize(
    ("text", "argv", "code", "words"),
    [
        ("{", (), 1, "npgan sweep: file.json is not JSON that can be read"),
        ("[1]", (), 1, "npgan sweep: file.json must hold settings by name"),
        ('{"a": {}, "b": {}, "a": {"lr": 1}}', (), 1, "npgan sweep: file.json is not JSON that"),
        ('{"a": {"lr": 1e-3, "lr": 1e-4}}', (), 1, "npgan sweep: file.json is not JSON that"),
        ('{"a": {}}' + " " * 1_000_000, (), 1, "npgan sweep: file.json is no file of settings"),
        ('{"../a": {}}', (), 1, "npgan sweep: a directory of runs cannot be called '../a'"),
        ('{"a": {}}', ("--out", "file.json"), 1, "npgan sweep: file.json is a file; --out must"),
        ('{"a": {}}', ("--seeds", "3:1"), 2, "npgan sweep: --seeds 3:1 has no seed in it"),
        ('{"a": {"lr": 0}}', (), 1, "npgan sweep: a: lr must be"),
        ('{"a": {}}', ("--seeds", "x"), 2, "npgan sweep: --seeds takes numbers, or ranges"),
    ],
)
def test_a_mistake_is_one_line(text, argv, code, words, data, tmp_path):
    (tmp_path / "file.json").write_text(text)
    done = run_npgan(*command(*argv), cwd=tmp_path)
    assert done.code == code
    (line,) = done.err.splitlines()
    assert line.startswith(words)
