"""Small runs for the tests of reliability: their data, their files, and what may stand on stderr."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from warm import Done, Moment, Warm

SMALL = ["--latent", "3", "--hidden", "4", "--hidden-D", "4", "--batch", "8", "--quiet"]
STEPS = 4  # of an epoch: 32 images in batches of 8


def images(folder: Path) -> Path:
    """A file of 32 images of 6 x 6."""
    path = folder / "images.npy"
    np.save(path, np.random.default_rng(0).integers(0, 256, (32, 6, 6), dtype=np.uint8))
    return path


def contents(run: Path) -> dict[str, bytes | None]:
    """The files of a directory, and its folders (None)."""
    return {
        str(path.relative_to(run)): path.read_bytes() if path.is_file() else None
        for path in sorted(run.rglob("*"))
    }


def differences(run: Path, expected: dict[str, bytes | None]) -> list[str]:
    """The files that are not as expected; temporary files that were left are among them."""
    found = contents(run) if run.is_dir() else {}
    names = sorted(found.keys() | expected.keys())
    return [
        f"{name}: " + ("missing" if name not in found else "another" if name in expected else "new")
        for name in names
        if name not in found or name not in expected or found[name] != expected[name]
    ]


def litter(folder: Path) -> list[str]:
    """The temporary files below a folder."""
    return [path.name for path in folder.rglob(".npgan-*")]


def copy(run: Path, target: Path) -> Path:
    """A copy of a run, with the times of its files."""
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(run, target)
    return target


def complaints(done: Done, codes: tuple[int, ...] = (0, 1)) -> list[str]:
    """What is wrong with how a command ended: its code, a traceback, a line that is none of npgan's."""
    found = [] if done.code in codes else [f"exit code {done.code}: {done.err}"]
    for line in done.err.splitlines():
        clear = line.startswith(("npgan", "note: ", "stopped", "the run in"))
        if not clear or len(line) > 400 or not line.isprintable():
            found.append(f"stderr: {line}")
    if done.code == 1 and not done.err:
        found.append("exit code 1 without a line")
    return found


def healed(warm: Warm, run: Path, command: Sequence[object], more: Sequence[object]) -> Done:
    """What a user does after a failure: --resume, or the same command if nothing was saved."""
    if (run / "checkpoint.npz").exists():
        return warm.run("train", "--resume", run, "--quiet", *more, cwd=run.parent)
    return warm.run(*command, cwd=run.parent)


def interrupted(warm: Warm, data: Path, run: Path, step: int, *options: str) -> Path:
    """A run of two epochs that a signal has ended at this step, saved."""
    moment = Moment(step=step, signal=15)
    done = warm.run(
        *("train", "--data", data, "--out", run, "--epochs", 2, *SMALL, *options),
        cwd=run.parent,
        moment=moment,
    )
    assert done.code == 143, done.err
    return run
