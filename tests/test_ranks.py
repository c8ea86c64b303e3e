"""One run on several ranks, with real MPI: the bits of one process, and an end whatever happens.

Every run is a child process (tests/rank_worker.py) with a limit on its time, after which none of its
processes may be left.
"""

import os
import re
import signal
import sys

import numpy as np
import pytest
from mpi import launch as launch
from mpi import missing
from rank_worker import IMAGES, RECIPES, SWEEP

from npgan import GAN, sweep
from npgan import kernels as kernel_set
from npgan.files import checkpoint

if not sys.platform.startswith("linux"):
    pytest.skip("the tests look for processes in /proc", allow_module_level=True)

SETTINGS = [
    "--latent",
    "4",
    "--hidden",
    "9",
    "--hidden-D",
    "9",
    "--batch",
    "16",
    "--shards",
    "8",
    "--penalty-every",
    "2",
]


@pytest.fixture
def data(tmp_path):
    np.save(tmp_path / "data.npy", IMAGES)
    return tmp_path / "data.npy"


def npgan(*argv, fault="none", rank=0, step=0):
    return ["npgan", fault, rank, step, *argv]


def train(out, *more, epochs=4, **fault):
    argv = ["--data", "data.npy", "--epochs", epochs, "--out", out, *SETTINGS, *more]
    return npgan("train", *argv, **fault)


def lines(text):
    """What npgan printed, without the launcher's words."""
    return [line for line in text.splitlines() if line.startswith("npgan")]


def results(folder):
    return {name: (folder / name).read_bytes() for name in ("checkpoint.npz", "history.csv")}


# ---- the same bits ----


@pytest.mark.parametrize("kernels", ["reference", "compiled"])
def test_any_number_of_ranks_gives_the_same_bytes(kernels, launch, tmp_path):
    found = {}
    for ranks in (0, 1, 2, 3, 4):
        out = tmp_path / str(ranks)
        out.mkdir()
        done = launch.run(ranks, "fit", out, NPGAN_KERNELS=kernels)
        assert done.code == 0, done.err
        found[ranks] = {path.name: path.read_bytes() for path in out.iterdir()}
    assert len(found[0]) == 2 * len(RECIPES)
    for ranks, files in found.items():
        assert files == found[0], f"{ranks} ranks"
    arrays, _ = checkpoint.load(tmp_path / "4" / "default.npz")
    assert np.count_nonzero(arrays["adam_D_v"]) > 0.9 * arrays["adam_D_v"].size


def test_without_a_launcher_mpi4py_is_not_imported(launch, data, tmp_path):
    argv = train("run", "--quiet", epochs=1, fault="imported")
    assert launch.run(0, *argv).code == 0
    argv = train("again", "--quiet", epochs=1, fault="no mpi4py")
    assert launch.run(0, *argv).code == 0
    assert results(tmp_path / "run") == results(tmp_path / "again")


def test_a_run_on_four_ranks_says_so_and_writes_once(launch, data, tmp_path):
    done = launch.run(4, *train("run", "--json"))
    assert done.code == 0, done.err
    assert "4 ranks on 1 machine, 1 thread each; 8 shards of 2\n" in done.err
    assert done.err.count("epoch 4/4") == done.out.count("loss_D") == 1
    assert launch.run(0, *train("alone", "--quiet")).code == 0
    assert results(tmp_path / "run") == results(tmp_path / "alone")
    assert len(list((tmp_path / "run" / "samples").iterdir())) == 4
    done = launch.run(2, *npgan("train", "--resume", "run"))
    assert done.code == 1
    assert lines(done.err) == ["npgan train: run has completed its 4 epochs; --epochs 14 adds ten"]
    (tmp_path / "run" / "losses.png").unlink()
    done = launch.run(2, *npgan("train", "--resume", "run"))
    assert done.code == 0
    assert "written again: losses.png" in done.err


def test_a_sweep_on_the_executor_of_mpi4py_has_the_bits_of_one_process(launch, data, tmp_path):
    done = launch.run(3, "sweep", "ranks", NPGAN_KERNELS=kernel_set.active)
    assert done.code == 0, done.err
    sweep(SWEEP, range(2), data=str(data), epochs=2, out=tmp_path / "one")
    runs = sorted(path.name for path in (tmp_path / "one").iterdir() if path.is_dir())
    assert len(runs) == 4
    for run in runs:
        assert results(tmp_path / "ranks" / run) == results(tmp_path / "one" / run)


# ---- signals ----


def start_and_wait(launch, ranks, argv, words):
    """Start a run, and return when it has printed the words, with what it printed until then."""
    process, seen = launch.start(ranks, *argv), ""
    while words not in seen:
        line = process.stderr.readline()
        assert line, seen
        seen += line
    return process, seen


@pytest.mark.parametrize("name", ["SIGINT", "SIGUSR1"])
def test_a_signal_to_the_launcher_saves_and_the_run_goes_on_with_other_ranks(
    name, launch, data, tmp_path
):
    number = getattr(signal, name)
    process, _ = start_and_wait(launch, 4, train("run", epochs=60), "epoch  1/60")
    process.send_signal(number)
    done = launch.finish(process)
    assert done.code != 0
    saved = "stopped and saved; npgan train --resume run continues from here"
    assert saved in done.err
    assert "Traceback" not in done.err
    first = GAN.load(tmp_path / "run")
    assert 1 <= first.epoch_ < 60
    argv = npgan("train", "--resume", "run")
    process, _ = start_and_wait(launch, 2, argv, f"epoch {first.epoch_ + 1:2d}/60")
    process.send_signal(number)
    done = launch.finish(process)
    assert saved in done.err
    second = GAN.load(tmp_path / "run")
    assert first.epoch_ < second.epoch_ < 60
    assert launch.run(0, *argv, "--quiet").code == 0
    assert launch.run(0, *train("whole", "--quiet", epochs=60)).code == 0
    assert results(tmp_path / "run") == results(tmp_path / "whole")


# ---- faults ----


def test_nan_in_one_shard_stops_all_ranks_with_the_words_of_one_process(launch, data, tmp_path):
    """Rank 2 of 3 has the shards 5, 6 and 7; alone it is the last of the eight."""
    alone = launch.run(0, *train("alone", fault="nan", rank=0, step=8))
    shared = launch.run(3, *train("run", fault="nan", rank=2, step=8))
    words = "npgan train: training diverged at step 9 (epoch 2): real images became nan; "
    assert lines(alone.err)[-1].startswith(words)
    assert lines(shared.err) == [lines(alone.err)[-1].replace("alone", "run")]
    assert alone.code == 1
    assert shared.code != 0
    assert results(tmp_path / "run") == results(tmp_path / "alone")


def test_a_learning_rate_far_too_high_has_the_words_of_one_process(launch, data):
    more = ("--lr", "1e30", "--penalty-weight", "1e20")
    alone, shared = (launch.run(n, *train(f"run{n}", *more)) for n in (0, 4))
    assert "diverged at step" in alone.err
    assert lines(alone.err)[-1] == lines(shared.err)[-1]


@pytest.mark.parametrize("rank", [0, 2])
def test_an_error_on_one_rank_ends_all_with_its_traceback(rank, launch, data, tmp_path):
    done = launch.run(3, *train("run", fault="error", rank=rank, step=8))
    assert done.code != 0
    assert re.search(rf"npgan: rank {rank} of 3 on \S+ failed; all ranks end\nTraceback", done.err)
    assert done.err.count("ZeroDivisionError: planted") == 1
    assert GAN.load(tmp_path / "run").epoch_ == 1


def test_a_killed_rank_ends_all(launch, data, tmp_path):
    done = launch.run(3, *train("run", fault="kill", rank=1, step=8))
    assert done.code != 0
    assert GAN.load(tmp_path / "run").epoch_ == 1


def test_a_full_disk_ends_all_with_one_line(launch, data, tmp_path):
    done = launch.run(3, *train("run", fault="full disk", rank=0, step=12))
    assert done.code != 0
    assert lines(done.err) == ["npgan train: run: No space left on device"]
    assert "Traceback" not in done.err
    assert GAN.load(tmp_path / "run").epoch_ == 1


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("data", "another data set than rank 0"),
        ("version", "another version of npgan than rank 0"),
        ("settings", "another set of settings than rank 0"),
        ("weights", "another state of the GAN than rank 0"),
        ("weights later", "another network at the end of the epoch than rank 0"),
    ],
)
def test_ranks_that_differ_are_told(what, words, launch):
    done = launch.run(2, "differ", what)
    assert done.code != 0
    assert words in done.err


# ---- mistakes of users ----


@pytest.mark.parametrize(
    ("argv", "code", "words"),
    [
        (("train", "--data", "data.npy", "--shards", "2"), 2,
         "npgan train: 3 processes cannot share 2 shards of a batch; give a new run --shards 3 or"),
        (("train", "--data", "data.npy"), 2, "npgan train: 3 processes cannot share 1 shard of a"),
        (("sample", "run"), 2, "npgan sample: the launcher has started 3 processes, which can"),
        (("train", "--bogus"), 2, "npgan: unrecognized arguments: --bogus"),
        (("train", "--data", "no.npy", "--shards", "4"), 1, "npgan train: no.npy: no such file"),
        (("train", "--resume", "no"), 1, "npgan train: no does not exist"),
    ],
)  # fmt: skip
def test_a_mistake_is_one_line(argv, code, words, launch, data, tmp_path):
    done = launch.run(3, *npgan(*argv))
    assert done.code == code
    (line,) = lines(done.err)
    assert line.startswith(words)
    assert "Traceback" not in done.err
    assert [path.name for path in tmp_path.iterdir()] == ["data.npy"]


@pytest.mark.parametrize(
    "variables",
    [
        {"OMPI_COMM_WORLD_RANK": "0", "OMPI_COMM_WORLD_SIZE": "3"},
        {"SLURM_PROCID": "0", "SLURM_STEP_NUM_TASKS": "3"},
    ],
)
def test_the_launcher_of_another_mpi_is_told(variables, launch, data, monkeypatch):
    monkeypatch.setattr("mpi.LAUNCHERS", ("MPI_",))
    done = launch.run(0, *train("run"), **variables)
    assert done.code == 1
    (line,) = lines(done.err)
    assert line.startswith("npgan train: the launcher has started 3 processes, but mpi4py finds 1")


def test_without_mpi4py_the_line_says_what_to_install(launch, data):
    done = launch.run(2, *train("run", fault="no mpi4py"))
    assert done.code == 1
    (line,) = lines(done.err)
    assert 'pip install "npgan[mpi]"' in line


def test_ci_has_mpi(monkeypatch):
    monkeypatch.setenv("CI", "1")
    with pytest.raises(pytest.fail.Exception, match="must not be skipped"):
        missing("mpi4py is not installed")


def test_the_batch_script_of_slurm_is_no_rank(monkeypatch):
    """It has the variables of its job, but not those of a step that srun started."""
    from npgan.parallel.launcher import launched

    for name in list(os.environ):
        if name.startswith(("SLURM_", "PMI_", "OMPI_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("SLURM_PROCID", "0")
    monkeypatch.setenv("SLURM_NTASKS", "16")
    assert launched() is None
    monkeypatch.setenv("SLURM_STEP_NUM_TASKS", "16")
    assert launched() == (0, 16)
    monkeypatch.setenv("PMI_RANK", "3")
    monkeypatch.setenv("PMI_SIZE", "1")
    assert launched() is None
