"""A folder with the data and the files of two small runs, for programs that meet in it."""

import shutil
import signal
from pathlib import Path
from typing import NamedTuple

from runs import SMALL, complaints, contents, images
from warm import Child, Moment, Warm

Command = tuple[object, ...]
REFUSED = "another training run is writing to"
MOVED = "moved or removed during training"


class World(NamedTuple):
    """A folder, its data, and the files of two runs, of the seeds 0 and 1."""

    warm: Warm
    folder: Path
    data: Path
    expected: tuple[dict[str, bytes | None], ...]
    calls: list[str]  # of a new run

    @property
    def run(self) -> Path:
        """The directory of the run."""
        return self.folder / "here" / "run"

    def train(self, seed: int = 0, out: Path | None = None) -> Command:
        """A new run of two epochs."""
        where = () if out is None else ("--out", out)
        return ("train", "--data", self.data, *where, "--epochs", 2, *SMALL, "--seed", seed)

    def resume(self) -> Command:
        """The command that continues it."""
        return ("train", "--resume", self.run, "--quiet")

    def start(self, command: Command, **moment: object) -> Child:
        """A command that is stopped at the moment, and has got there."""
        found = Moment(signal=signal.SIGSTOP, **moment)
        child = self.warm.start(*command, cwd=self.folder, moment=found)
        assert child.wait_until_stopped()
        return child

    def do(self, *command: object) -> tuple[int, str]:
        """A command from start to end: its exit code, and its stderr, which is clear."""
        done = self.warm.run(*command, cwd=self.folder)
        assert complaints(done) == []
        return done.code, done.err


def build(warm_failing: Warm, folder: Path) -> World:
    """The world, with the two runs as they are if nothing happens."""
    world = World(warm_failing, folder, images(folder), (), [])
    expected, calls = [], []
    for seed in (0, 1):
        moment = Moment(below=str(world.run))
        done = warm_failing.run(*world.train(seed, world.run), cwd=folder, moment=moment)
        assert complaints(done, (0,)) == []
        expected.append(contents(world.run))
        calls = done.calls
        shutil.move(world.run, folder / f"complete-{seed}")
    return world._replace(expected=tuple(expected), calls=calls)


def after(world: World, child: Child, code: int = 0) -> str:
    """Let a stopped program go on to its end. Returns its stderr."""
    child.go_on()
    done = child.wait()
    assert complaints(done, (code,)) == []
    return done.err


def moment(
    world: World, where: dict[str, float], calls: list[str] | None = None
) -> dict[str, object]:
    """The moment: a step, or a system call after the lock was taken (by default in a new run)."""
    if "step" in where:
        return dict(where)
    calls = world.calls if calls is None else calls
    first = calls.index("flock") + 2
    call = first + int(where["share"] * (len(calls) - first - 8))
    return {"call": call, "below": str(world.run)}
