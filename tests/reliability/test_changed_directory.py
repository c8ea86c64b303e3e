"""F7. The directory of a run changes during the run: moved, replaced, full, read-only.

The run is stopped at a step or at a system call, its directory changes, and it goes on. Nothing is
written to what stands in its place, and where the run is now, it can be completed.
"""

import os
import random
import shutil
import signal
import subprocess
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from runs import STEPS, complaints, contents, copy, differences, healed, litter
from suite import thinned
from worlds import MOVED, World, after, moment


def deleted(world: World) -> None:
    shutil.rmtree(world.run)


def moved(world: World) -> None:
    world.run.rename(world.folder / "here" / "away")


def parent_moved(world: World) -> None:
    (world.folder / "here").rename(world.folder / "here-away")
    (world.folder / "here").mkdir()
    (world.folder / "here-away").rename(world.folder / "here" / "away")


def replaced_by_an_empty_one(world: World) -> None:
    moved(world)
    world.run.mkdir()


def replaced_by_another_run(world: World) -> None:
    moved(world)
    copy(world.folder / "complete-1", world.run)


def replaced_by_a_file(world: World) -> None:
    moved(world)
    world.run.write_text("mine")


def replaced_by_a_link(world: World) -> None:
    moved(world)
    copy(world.folder / "complete-1", world.folder / "here" / "other")
    world.run.symlink_to(world.folder / "here" / "other")


GONE = (
    deleted, moved, parent_moved, replaced_by_an_empty_one, replaced_by_another_run,
    replaced_by_a_file, replaced_by_a_link,
)  # fmt: skip
# Before and after the first checkpoint, and at calls between two of its files.
TIMES = [{"step": 2}, {"step": STEPS + 1}, {"share": 0.3}, {"share": 0.5}, {"share": 0.7}]


def everything(folder: Path, without: Path) -> dict[str, bytes | None]:
    """The files below a folder but those of one directory in it."""
    return {
        name: data for name, data in contents(folder).items()
        if without not in (folder / name, *(folder / name).parents)
    }  # fmt: skip


def away(world: World) -> Path | None:
    """Where the directory of the run is now."""
    places = [world.folder / "here" / "away", world.folder / "here" / "away" / "run"]
    return next((place for place in places if (place / "config.json").exists()), None)


@pytest.mark.parametrize("change", GONE, ids=lambda change: change.__name__)
@pytest.mark.parametrize("where", thinned(TIMES, 1))
def test_a_directory_that_is_gone_ends_the_run_and_gets_nothing(world, where, change, injected):
    gone(world, injected, change, **moment(world, where))


@pytest.mark.parametrize("share", thinned([n / 24 for n in range(24)], 2))
def test_another_run_in_the_place_of_the_first_is_not_touched(world, share, injected):
    """At calls all over the run: between any check and the write that it allows."""
    where = moment(world, {"share": share})
    gone(world, injected, replaced_by_another_run, **where)


def gone(world: World, injected: Callable[..., None], change: Callable, **where: object) -> None:
    """Stop a run, change its directory, go on; then finish the run where it is now."""
    injected("F7")
    here = world.folder / "here"
    first = world.start(world.train(0, world.run), **where)
    change(world)
    place = away(world)
    nowhere = here / "none"
    before = everything(here, place or nowhere)
    error = after(world, first, 1)
    assert MOVED in error or "already holds another run" in error  # which it finds at the start
    assert everything(here, place or nowhere) == before
    if place is None:
        return
    where_now = place / "checkpoint.npz"
    if where_now.exists():
        code, error = world.do("train", "--resume", place, "--quiet")
    else:
        code, error = world.do(*world.train(0, place))
    assert code == 0 or "has completed its" in error
    assert differences(place, world.expected[0]) == []


def directory_in_the_place_of(name: str) -> Callable[[World], Callable[[], None]]:
    """A directory with a file in it, where the run writes this file next."""

    def put(world: World) -> Callable[[], None]:
        target, kept = world.run / name, world.folder / "kept"
        if target.exists():
            target.rename(kept)
        target.mkdir(parents=True)
        (target / "mine").touch()

        def undo() -> None:
            shutil.rmtree(target)
            if kept.exists():
                kept.rename(target)

        return undo

    put.__name__ = f"directory in the place of {name}"
    return put


def read_only(world: World) -> Callable[[], None]:
    """The run's directory is mounted read-only."""
    path = str(world.run)
    run_as_root("mount", "--bind", path, path)
    run_as_root("mount", "-o", "remount,ro,bind", path)
    return lambda: run_as_root("umount", path)


def immutable(world: World) -> Callable[[], None]:
    """No file may be made in the run's directory."""
    run_as_root("chattr", "+i", str(world.run))
    return lambda: run_as_root("chattr", "-i", str(world.run))


def run_as_root(*command: str) -> None:
    """A command that needs rights; the test is skipped where it fails."""
    program = shutil.which(command[0])
    done = program and subprocess.run([program, *command[1:]], capture_output=True, text=True)
    if not done or done.returncode:
        pytest.skip(f"needs the right to run {command[0]}")


OBSTACLES = [
    directory_in_the_place_of("checkpoint.npz"),
    directory_in_the_place_of("history.csv"),
    directory_in_the_place_of("samples/epoch_0002.png"),
    directory_in_the_place_of("samples.png"),
    directory_in_the_place_of("training.gif"),
    read_only,
    immutable,
]


@pytest.mark.parametrize("obstacle", OBSTACLES, ids=lambda obstacle: obstacle.__name__)
@pytest.mark.parametrize("step", thinned([2, STEPS + 1, 2 * STEPS], 1))
def test_an_obstacle_in_the_directory_costs_nothing(world, obstacle, step, injected):
    injected("F7")
    first = world.start(world.train(0, world.run), step=step)
    try:
        undo = obstacle(world)
    except BaseException:
        first.send(signal.SIGKILL)
        first.wait()
        raise
    first.go_on()
    done = first.wait()
    undo()
    assert complaints(done) == []
    assert done.err != ""
    again = healed(world.warm, world.run, world.train(0, world.run), ())
    assert again.code == 0 or "has completed its" in again.err, again.err
    assert differences(world.run, world.expected[0]) == []


@pytest.mark.parametrize("n", thinned(range(8), 2))
def test_a_disk_that_is_full_for_a_while(world, n, injected):
    """A small file system of its own fills up during the run."""
    injected("F7")
    disk = world.folder / "here" / "disk"
    disk.mkdir()
    run_as_root("mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk))
    try:
        run, rng = disk / "run", random.Random(n)
        first = world.start(world.train(0, run), step=rng.randint(1, 2 * STEPS))
        with (disk / "filler").open("wb") as filler:
            with suppress(OSError):
                while os.write(filler.fileno(), bytes(4096)):
                    pass
            filler.truncate(max(0, filler.tell() - 4096 * rng.randint(0, 6)))
        first.go_on()
        done = first.wait()
        assert complaints(done) == []
        assert done.code == 0 or "No space left on device" in done.err
        (disk / "filler").unlink()
        again = healed(world.warm, run, world.train(0, run), ())
        assert again.code == 0 or "has completed its" in again.err, again.err
        assert differences(run, world.expected[0]) == []
        assert litter(disk) == []
    finally:
        run_as_root("umount", str(disk))
