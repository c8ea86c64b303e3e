"""What the tests of reliability share: which faults run by default, and copies of the project."""

import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

PROJECT = Path(__file__).resolve().parents[2]


def thinned(faults: Sequence[Any], fast: int, ids: Sequence[str] | None = None) -> list[Any]:
    """Parameters of a test: `fast` of the faults, evenly spread, run by default; the rest is slow."""
    step = max(1, len(faults) // max(1, fast))
    quick = set(range(0, len(faults), step)) if fast else set()
    return [
        pytest.param(
            fault,
            id=None if ids is None else ids[i],
            marks=() if i in quick else pytest.mark.slow,
        )
        for i, fault in enumerate(faults)
    ]


def clean_environment(**changes: str | None) -> dict[str, str]:
    """The environment of a child process; a value of None removes the variable.

    The child imports the package that this process imports, wherever it was started.
    """
    import npgan

    environment = dict(os.environ)
    for name in ("PYTEST_CURRENT_TEST", "PYTEST_XDIST_WORKER", "PYTEST_XDIST_WORKER_COUNT"):
        environment.pop(name, None)
    environment.pop("PYTHONUNBUFFERED", None)  # a stream that is not flushed would not be noticed
    environment["PYTHONPATH"] = str(Path(npgan.__file__).resolve().parents[1])
    environment["MPLBACKEND"] = "agg"
    for name, value in changes.items():
        if value is None:
            environment.pop(name, None)
        else:
            environment[name] = value
    return environment


def command(*arguments: str) -> list[str]:
    """The command line `npgan ARGUMENTS` with this Python."""
    return [sys.executable, "-m", "npgan", *arguments]


def project_copy(folder: Path) -> Path:
    """A copy of the package and its tests in which a guard can be removed.

    Files are linked, not copied: to change one, write a new file in its place.
    """
    unwanted = shutil.ignore_patterns(".*", "__pycache__", "*.egg-info", "runs", "build")
    shutil.copytree(PROJECT, folder, ignore=unwanted, copy_function=_link, symlinks=True)
    return folder


def _link(source: str, target: str) -> None:
    """Link one file, or copy it where the file system cannot link."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
