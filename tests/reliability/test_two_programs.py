"""F7. Two programs in one directory: one trains, the others are refused, or read whole files.

A program is stopped at a step or at a system call, another one runs, and the first goes on.
"""

import os
import shutil
import signal
from pathlib import Path

import numpy as np
import pytest
from runs import SMALL, STEPS, complaints, contents, copy, differences
from suite import thinned
from warm import Moment
from worlds import REFUSED, World, after, moment

from npgan.files.lock import DirectoryLock

MOMENTS = [{"step": step} for step in range(1, 2 * STEPS + 1)]
PLACES = [{"share": share / 8} for share in range(8)]  # of the calls between lock and release


@pytest.mark.parametrize("where", thinned([*MOMENTS, *PLACES], 3))
def test_a_second_new_run_is_refused(world, where, injected):
    injected("F7")
    first = world.start(world.train(0, world.run), **moment(world, where))
    code, error = world.do(*world.train(1, world.run))
    assert code == 1
    assert REFUSED in error or "already holds a run" in error
    assert after(world, first) == ""
    assert differences(world.run, world.expected[0]) == []


@pytest.mark.parametrize("where", thinned([*MOMENTS, *PLACES], 2))
def test_a_resumed_run_is_refused_while_the_first_trains(world, where, injected):
    injected("F7")
    first = world.start(world.train(0, world.run), **moment(world, where))
    code, error = world.do(*world.resume())
    assert code == 1
    assert any(
        words in error for words in (REFUSED, "holds no checkpoint.npz", "has completed its 2")
    )
    assert after(world, first) == ""
    assert differences(world.run, world.expected[0]) == []


@pytest.fixture(scope="module")
def middle(built: World) -> Path:
    """A run that a signal has ended in its second epoch."""
    shutil.rmtree(built.folder / "here", ignore_errors=True)
    (built.folder / "here").mkdir()
    moment = Moment(step=STEPS + 2, signal=signal.SIGTERM)
    done = built.warm.run(*built.train(0, built.run), cwd=built.folder, moment=moment)
    assert done.code == 143
    return copy(built.run, built.folder / "middle")


@pytest.mark.parametrize("where", thinned([{"step": 1}, {"step": 2}, *PLACES], 2))
def test_of_two_resumed_runs_one_is_refused(world, middle, where, injected):
    injected("F7")
    copy(middle, world.run)
    done = world.warm.run(*world.resume(), cwd=world.folder, moment=Moment(below=str(world.run)))
    copy(middle, world.run)
    first = world.start(world.resume(), **moment(world, where, done.calls))
    code, error = world.do(*world.resume())
    assert code == 1
    assert REFUSED in error or "has completed its 2" in error
    assert after(world, first) == ""
    assert differences(world.run, world.expected[0]) == []


@pytest.mark.parametrize("epochs", [None, 3])
def test_a_run_that_another_program_has_continued_since_it_was_read(
    world, middle, epochs, injected
):
    """Stopped between reading the checkpoint and taking the lock."""
    injected("F7")
    copy(middle, world.run)
    done = world.warm.run(*world.resume(), cwd=world.folder, moment=Moment(below=str(world.run)))
    copy(middle, world.run)
    call = done.calls.index("flock") + 1
    late = world.start(world.resume(), call=call, below=str(world.run))
    more = () if epochs is None else ("--epochs", epochs)
    assert world.do(*world.resume(), *more)[0] == 0
    before = contents(world.run)
    assert "another program has continued" in after(world, late, 1)
    assert contents(world.run) == before


@pytest.mark.parametrize("n", thinned(range(8), 1))
def test_of_programs_that_start_together_one_trains(world, n, injected):
    injected("F7")
    programs = [
        world.warm.start(*world.train(i % 2, world.run), cwd=world.folder) for i in range(2 + n % 3)
    ]
    ends = [program.wait() for program in programs]
    assert [problem for end in ends for problem in complaints(end)] == []
    winners = [i for i, end in enumerate(ends) if end.code == 0]
    assert len(winners) == 1
    assert differences(world.run, world.expected[winners[0] % 2]) == []


@pytest.mark.parametrize("n", thinned([2, 3, 4, 5], 1))
def test_programs_without_a_directory_take_one_each(world, n, injected):
    injected("F7", n)
    here = world.folder / "here"
    programs = [world.warm.start(*world.train(i % 2), cwd=here) for i in range(n)]
    for program in programs:
        assert complaints(program.wait(), (0,)) == []
    found = [contents(run) for run in sorted((here / "runs").iterdir())]
    assert len(found) == n
    for seed in (0, 1):
        assert found.count(world.expected[seed]) == (n + 1 - seed) // 2


@pytest.mark.parametrize("alias", ["link", "relative", "parent"])
def test_another_name_of_the_directory_is_the_same_directory(world, alias, injected):
    injected("F7")
    first = world.start(world.train(0, world.run), step=STEPS + 1)
    (world.folder / "here" / "link").symlink_to(world.run)
    (world.folder / "up").unlink(missing_ok=True)
    (world.folder / "up").symlink_to(world.folder / "here")
    name = {"link": "here/link", "relative": "here/../here/run", "parent": "up/run"}[alias]
    code, error = world.do("train", "--resume", name, "--quiet")
    assert code == 1
    assert REFUSED in error
    after(world, first)
    assert differences(world.run, world.expected[0]) == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_fork_that_outlives_a_run_does_not_hold_its_lock(tmp_path, injected):
    injected("F7")
    lock = DirectoryLock(tmp_path)
    child = os.fork()
    if child == 0:
        signal.pause()
    try:
        lock.release()
        DirectoryLock(tmp_path).release()
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_fork_that_ends_does_not_give_the_lock_back(tmp_path, injected):
    injected("F7")
    lock = DirectoryLock(tmp_path)
    child = os.fork()
    if child == 0:
        lock.release()
        os._exit(0)
    os.waitpid(child, 0)
    with pytest.raises(FileExistsError, match=REFUSED):
        DirectoryLock(tmp_path)
    lock.release()


# ---- one trains, and one reads ----


@pytest.mark.parametrize("share", thinned([n / 12 for n in range(12)], 2))
def test_samples_of_a_run_in_training_are_of_a_whole_checkpoint(world, share, injected):
    injected("F7")
    first = world.start(world.train(0, world.run), **moment(world, {"share": share}))
    here = world.folder / "here"
    code, error = world.do("sample", world.run, "--npy", here / "x.npy", "-n", 9, "--seed", 3)
    if code == 0:
        again = copy(world.run, here / "copy")
        world.do("sample", again, "--npy", here / "y.npy", "-n", 9, "--seed", 3)
        assert (here / "x.npy").read_bytes() == (here / "y.npy").read_bytes()
    else:
        assert "holds no checkpoint.npz" in error
    assert after(world, first) == ""
    assert differences(world.run, world.expected[0]) == []


@pytest.mark.parametrize("n", thinned(range(5), 1))
def test_a_picture_that_is_being_written_is_no_litter(world, middle, n, injected):
    """`npgan sample --out RUN/mine.png`, while a resumed run removes temporary files."""
    injected("F7")
    copy(middle, world.run)
    picture = world.run / "mine.png"
    alone = ("--refine", 0, "--keep", 1)  # without a note that D is of no use
    sample = ("sample", world.run, "--out", picture, "-n", 4, "--seed", 0, *alone)
    done = world.warm.run(*sample, cwd=world.folder, moment=Moment(below=str(world.run)))
    kept = picture.read_bytes()
    picture.unlink()
    last = len(done.calls) - done.calls[::-1].index("fsync")  # of the directory
    begun = max(i for i in range(last - 4) if done.calls[i] == "flock") + 2
    call = min(begun + n, last - 4)
    drawing = world.start(sample, call=call, below=str(world.run))
    assert world.do(*world.resume())[0] == 0
    assert after(world, drawing) == ""
    assert picture.read_bytes() == kept
    picture.unlink()
    assert differences(world.run, world.expected[0]) == []


@pytest.mark.parametrize("share", [0.3, 0.8])
def test_scores_of_a_run_in_training(warm_failing, tmp_path, share, injected):
    injected("F7")
    data, run = tmp_path / "images.npy", tmp_path / "run"
    np.save(data, np.random.default_rng(0).integers(0, 256, (32, 28, 28), dtype=np.uint8))
    command = ("train", "--data", data, "--out", run, "--epochs", 2, *SMALL)
    done = warm_failing.run(*command, cwd=tmp_path, moment=Moment(below=str(run)))
    expected = contents(run)
    shutil.rmtree(run)
    stop = Moment(call=int(share * len(done.calls)), below=str(run), signal=signal.SIGSTOP)
    first = warm_failing.start(*command, cwd=tmp_path, moment=stop)
    assert first.wait_until_stopped()
    scores = warm_failing.run("evaluate", run, "-n", 100, "--data", data, cwd=tmp_path)
    first.go_on()
    assert complaints(first.wait(), (0,)) == []
    if scores.code == 0:
        (run / "evaluation.png").unlink()
    else:
        assert scores.err.count("\n") == 1
        assert scores.err.startswith("npgan evaluate: ")
    assert differences(run, expected) == []
