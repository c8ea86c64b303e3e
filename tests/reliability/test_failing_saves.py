"""F3. Every system call below a run's directory fails in turn: nothing is lost, all heals.

failing_calls.c counts the calls of a command and lets one of them fail. Then the last checkpoint
must load, one line must name the reason, and after `--resume` (or the same command, if nothing was
saved) every file must be byte for byte what it is without a failure, and no file must be left over.
"""

import errno
import functools
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from runs import SMALL, STEPS, complaints, contents, copy, differences, healed, images, litter
from suite import thinned
from warm import Done, Moment, Warm

from npgan import GAN

# What the system may answer to each call.
ERRORS = {
    "open": ("EMFILE", "EACCES", "EIO", "ENOSPC"),
    "write": ("ENOSPC", "EIO", "EDQUOT", "EFBIG"),
    "read": ("EIO", "EISDIR"),
    "fsync": ("EIO", "ENOSPC", "EDQUOT"),
    "close": ("EIO", "ENOSPC"),
    "rename": ("EACCES", "EIO", "ENOSPC", "EROFS"),
    "unlink": ("EACCES", "EIO"),
    "mkdir": ("EACCES", "ENOSPC", "EROFS"),
    "opendir": ("EMFILE", "EACCES", "EIO"),
    "stat": ("EIO", "EACCES"),
    "lstat": ("EIO", "EACCES"),
    "fstat": ("EIO",),
    "flock": ("ENOLCK", "EOPNOTSUPP", "EIO"),
    "ftruncate": ("ENOSPC", "EIO"),
}
CHANGES = ("open", "write", "fsync", "close", "rename", "unlink", "mkdir", "ftruncate")
FOR_GOOD = ("ENOSPC", "EIO", "EROFS", "EDQUOT")  # a disk that stays full, or broken
PARTS = 24  # the faults of a scene, in so many tests
EVERY_CALL = ("first", "middle")  # in the other scenes every second call fails
Command = tuple[object, ...]


class World(NamedTuple):
    """Where the scenes are played."""

    warm: Warm
    folder: Path
    data: Path

    @property
    def run(self) -> Path:
        """The directory of the run."""
        return self.folder / "run"

    @property
    def train(self) -> Command:
        """A new run of two epochs."""
        return ("train", "--data", self.data, "--out", self.run, "--epochs", 2, *SMALL)

    @property
    def resume(self) -> Command:
        """The command that continues it."""
        return ("train", "--resume", self.run, "--quiet")

    def play(self, scene: "Scene", **fault: object) -> Done:
        """The command of a scene, from its beginning."""
        shutil.rmtree(self.run, ignore_errors=True)
        if scene.before is not None:
            copy(scene.before, self.run)
        moment = scene.moment._replace(below=str(self.run), **fault)
        return self.warm.run(*scene.command, cwd=self.folder, moment=moment)


class Scene(NamedTuple):
    """A command whose system calls fail, and the directory that it finds."""

    command: Command
    before: Path | None = None  # what the directory holds; None: there is none
    moment: Moment = Moment()
    code: int = 0  # without a failure
    more: Command = ()  # options of the command that heals


def first(world: World) -> Scene:
    """A new run."""
    return Scene(world.train)


def conditional_points(world: World) -> Scene:
    """A new run of points of two classes in a plane."""
    points = np.random.default_rng(1).normal(size=(32, 2)).astype(np.float32)
    np.savez(world.folder / "points.npz", x=points, y=np.arange(32) % 2)
    changed = {str(world.data): world.folder / "points.npz"}
    command = tuple(changed.get(str(one), one) for one in world.train)
    return Scene((*command, "--conditional"))


def middle(world: World) -> Scene:
    """A run that a signal has ended in its second epoch is resumed."""
    world.play(Scene(world.train, moment=Moment(step=STEPS + 2, signal=signal.SIGTERM)))
    return Scene(world.resume, copy(world.run, world.folder / "middle"))


def ended(world: World) -> Scene:
    """A new run that a signal ends in its second epoch, with a save of its own."""
    return Scene(world.train, moment=Moment(step=STEPS + 2, signal=signal.SIGINT), code=130)


def complete(world: World) -> Scene:
    """A complete run that has lost its pictures and its history is resumed."""
    world.play(Scene(world.train))
    before = copy(world.run, world.folder / "complete")
    for name in ("samples.png", "training.gif", "history.csv", "samples/epoch_0002.png"):
        (before / name).unlink()
    return Scene(world.resume, before)


def longer(world: World) -> Scene:
    """A complete run gets a third epoch."""
    world.play(Scene(world.train))
    before = copy(world.run, world.folder / "two")
    return Scene((*world.resume, "--epochs", 3), before, more=("--epochs", 3))


SCENES: dict[str, Callable[[World], Scene]] = {
    scene.__name__: scene for scene in (first, middle, ended, complete, longer, conditional_points)
}


@pytest.fixture(scope="module")
def world(warm_failing: Warm, tmp_path_factory: pytest.TempPathFactory) -> World:
    """Where the scenes are played."""
    folder = tmp_path_factory.mktemp("world")
    return World(warm_failing, folder, images(folder))


@pytest.fixture(scope="module")
def played(world: World) -> Callable[[str], tuple[Scene, list[str], dict[str, bytes | None]]]:
    """A scene by its name, its calls, and the files of the run as they are without a failure."""

    @functools.cache
    def play(name: str) -> tuple[Scene, list[str], dict[str, bytes | None]]:
        scene = SCENES[name](world)
        done = world.play(scene)
        assert complaints(done, (scene.code,)) == []
        if scene.code:
            assert complaints(healed(world.warm, world.run, world.train, []), (0,)) == []
        return scene, done.calls, contents(world.run)

    return play


def distinct(calls: list[str]) -> list[int]:
    """The numbers of the calls, from 1, without those between two of their own kind."""
    middles = {i for i in range(1, len(calls) - 1) if calls[i - 1] == calls[i] == calls[i + 1]}
    return [i + 1 for i in range(len(calls)) if i not in middles]


def faults(kind: str, calls: list[str]) -> list[dict[str, object]]:
    """The faults of a kind in a scene of these calls."""
    found: list[dict[str, object]] = []
    for n in distinct(calls):
        name = calls[n - 1]
        if kind == "once":
            found.append(dict(call=n, error=ERRORS[name][n % len(ERRORS[name])]))
        elif kind == "for good" and name in CHANGES:
            found.append(dict(call=n, error=FOR_GOOD[n % len(FOR_GOOD)], for_good=True))
        elif kind == "half" and name == "write":
            found.append(dict(call=n, half=True))
    return found


CASES = [
    (scene, kind, part)
    for kind, scenes, parts in (
        ("once", SCENES, PARTS),
        ("for good", ("first", "middle", "complete"), PARTS // 3),
        ("half", ("first",), 2),
    )
    for scene in scenes
    for part in [(n, parts) for n in range(parts)]
]


@pytest.mark.parametrize(
    "case",
    thinned(CASES, 4, [f"{scene} {kind} {part[0]}" for scene, kind, part in CASES]),
)
def test_after_a_failing_call_nothing_is_lost(world, played, case, injected):
    name, kind, part = case
    scene, calls, expected = played(name)
    wrong = []
    every = faults(kind, calls)[:: 1 if name in EVERY_CALL else 2]
    for fault in every[part[0] :: part[1]]:
        injected("F3")
        label = f"{name}: call {fault['call']} ({calls[fault['call'] - 1]}) {fault}"
        wrong += [f"{label}: {line}" for line in after_fault(world, scene, expected, fault)]
    assert not wrong, "\n".join(wrong)


def after_fault(
    world: World, scene: Scene, expected: dict[str, bytes | None], fault: dict[str, object]
) -> Iterator[str]:
    """What is wrong after a fault, and after the command that heals."""
    done = world.play(scene, **fault)
    yield from complaints(done, (scene.code, 1))
    reason = os.strerror(getattr(errno, str(fault["error"]))) if "error" in fault else ""
    if done.code == 1 and reason not in done.err:
        yield f"the reason is not named: {done.err}"
    if not fault.get("for_good") and litter(world.run):
        yield f"left over: {litter(world.run)}"
    file = world.run / "checkpoint.npz"
    if scene.before is not None and not file.exists():
        yield "the checkpoint is lost"
    if file.exists():
        saved = GAN.load(file)
        if scene.before is not None and saved.epoch_ < GAN.load(scene.before).epoch_:
            yield "an older checkpoint"
    if done.code == scene.code == 0:
        missing = differences(world.run, expected)
        if not missing:
            return
        if not done.err:
            yield f"without a word: {missing}"
    again = healed(world.warm, world.run, scene.command, scene.more)
    if again.code == 1 and "has completed its" not in again.err:
        yield f"not healed: {again.err}"
    for difference in differences(world.run, expected):
        yield f"after healing, {difference}; the command that failed said {done.err!r}"
