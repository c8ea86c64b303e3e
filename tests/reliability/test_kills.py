"""F4. SIGKILL at random times, and at system calls of the saves: `--resume` completes the run.

After it every file must be byte for byte what it is without a kill, the weights among them, and no
temporary file may be left.
"""

import random
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from runs import SMALL, contents, copy, differences, healed, images, interrupted, litter
from suite import thinned
from warm import Moment, Warm

from npgan import GAN

TIMES = 96  # kills after a random time
CHAINS = 8  # runs that are killed four times in a row
CALLS = 36  # kills at a system call

OPTIONS = {  # of the runs, taken in turn
    "plain": (),
    "regularised": ("--dropout", 0.2, "--instance-noise", 0.1, "--d-steps", 2),
    "conditional": ("--conditional",),
    "points": ("--loss", "hinge", "--penalty", "none"),
}


class Run(NamedTuple):
    """A run: the command, its directories before a kill, its files at the end, and its seconds."""

    command: tuple[object, ...]
    resume: tuple[object, ...]
    out: Path
    befores: dict[str, Path | None]
    expected: dict[str, bytes | None]
    seconds: float


@pytest.fixture(scope="module")
def runs(warm: Warm, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Run]:
    """A run by the name of its options: new, in the middle, and without its last files."""
    known: dict[str, Run] = {}

    def prepare(name: str) -> Run:
        folder = tmp_path_factory.mktemp(name)
        out, data = folder / "run", images(folder)
        if name == "conditional":
            data = folder / "digits.npz"
            np.savez(data, x=np.load(folder / "images.npy"), y=np.arange(32) % 3)
        if name == "points":
            np.save(data, np.random.default_rng(1).normal(size=(32, 2)).astype(np.float32))
        command = ("train", "--data", data, "--out", out, "--epochs", 2, *SMALL, *OPTIONS[name])
        began = time.perf_counter()
        assert warm.run(*command, cwd=folder).code == 0
        seconds = time.perf_counter() - began
        expected, stripped = contents(out), copy(out, folder / "stripped")
        for file in ("samples.png", "losses.png", "training.gif"):
            (stripped / file).unlink()
        shutil.rmtree(out)
        step = 3 if "--d-steps" in command else 6
        middle = copy(interrupted(warm, data, out, step, *OPTIONS[name]), folder / "middle")
        befores = {"new": None, "middle": middle, "complete": stripped}
        return Run(command, ("train", "--resume", out, "--quiet"), out, befores, expected, seconds)

    def run(name: str) -> Run:
        if name not in known:
            known[name] = prepare(name)
        return known[name]

    return run


def begin(run: Run, before: Path | None) -> tuple[object, ...]:
    """Put the directory into this state, and return the command that is killed."""
    shutil.rmtree(run.out, ignore_errors=True)
    if before is None:
        return run.command
    copy(before, run.out)
    return run.resume


def check(warm: Warm, run: Run) -> None:
    """The last checkpoint loads, and the next command completes the run."""
    if (run.out / "checkpoint.npz").exists():
        GAN.load(run.out)
    done = healed(warm, run.out, run.command, ())
    assert done.code == 0 or "has completed its" in done.err, done.err
    assert differences(run.out, run.expected) == []
    assert litter(run.out.parent) == []


def kill_after(warm: Warm, run: Run, command: tuple[object, ...], seconds: float) -> int:
    """Run the command, and kill it after a time. Returns its exit code."""
    child = warm.start(*command, cwd=run.out.parent)
    time.sleep(seconds)
    child.send(signal.SIGKILL)
    return child.wait().code


@pytest.mark.parametrize("n", thinned(range(TIMES), 5))
def test_a_kill_at_any_time_costs_nothing(warm, runs, n, injected):
    injected("F4")
    run = runs(list(OPTIONS)[n % len(OPTIONS)])
    before = ("new", "middle", "new", "complete")[n // len(OPTIONS) % 4]
    command = begin(run, run.befores[before])
    seconds = random.Random(n).uniform(0, 1.05) * run.seconds
    assert kill_after(warm, run, command, seconds) in (-signal.SIGKILL, 0)
    check(warm, run)


@pytest.mark.parametrize("n", thinned(range(CHAINS), 1))
def test_kill_after_kill_costs_nothing(warm, runs, n, injected):
    run, rng = runs(list(OPTIONS)[n % len(OPTIONS)]), random.Random(n)
    command = begin(run, None)
    for _ in range(4):
        injected("F4")
        kill_after(warm, run, command, rng.uniform(0, 0.8) * run.seconds)
        saved = (run.out / "checkpoint.npz").exists()
        command = run.resume if saved else run.command
    check(warm, run)


@pytest.mark.parametrize("n", thinned(range(CALLS), 3))
def test_a_kill_at_a_call_of_a_save_costs_nothing(warm_failing, runs, n, injected):
    """Spread over the calls, from before the first to after the last."""
    injected("F4")
    run = runs(list(OPTIONS)[n % len(OPTIONS)])
    before = ("new", "middle", "complete")[n % 3]
    command, below = begin(run, run.befores[before]), str(run.out)
    if (name := (run.out, before)) not in COUNTS:
        done = warm_failing.run(*command, cwd=run.out.parent, moment=Moment(below=below))
        COUNTS[name] = len(done.calls)
        begin(run, run.befores[before])
    call = 1 + int((n + 0.5) / CALLS * COUNTS[name])
    moment = Moment(below=below, call=call, signal=signal.SIGKILL)
    done = warm_failing.run(*command, cwd=run.out.parent, moment=moment)
    assert done.code == -signal.SIGKILL
    check(warm_failing, run)


COUNTS: dict[tuple[Path, str], int] = {}  # of calls
