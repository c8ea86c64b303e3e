"""Child processes of the tests: Python with this package, and a limit on their time."""

import subprocess
import sys
from typing import Any, NamedTuple

import pytest
from suite import clean_environment

LIMIT = 300  # seconds; a child that takes longer hangs, and its test fails


class Done(NamedTuple):
    """A child process that has ended: its exit code and what it printed."""

    code: int
    out: Any  # str, or bytes where the child was started with text=False
    err: Any


def start(*argv: object, env: dict[str, str | None] | None = None, **how: Any) -> subprocess.Popen:
    """Start `python ARGV`; `env` are changes of the environment, in which None removes a variable."""
    streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(
        [sys.executable, *map(str, argv)],
        env=clean_environment(**(env or {})),
        **{**streams, "text": True, **how},
    )


def start_npgan(*argv: object, env: dict[str, str | None] | None = None, **how: Any) -> Any:
    """Start `npgan ARGV`, with the NumPy kernels, which start sooner."""
    return start("-m", "npgan", *argv, env={"NPGAN_KERNELS": "reference", **(env or {})}, **how)


def finish(process: subprocess.Popen, limit: float = LIMIT) -> Done:
    """Wait for the end of a child; one that hangs is killed, and the test fails."""
    try:
        out, err = process.communicate(timeout=limit)
    except subprocess.TimeoutExpired:
        process.kill()
        out, err = process.communicate()
        pytest.fail(f"{process.args} did not end in {limit} s; it printed:\n{out}\n{err}")
    return Done(process.returncode, out, err)


def run(*argv: object, **how: Any) -> Done:
    """`start` and `finish`."""
    return finish(start(*argv, **how))


def run_npgan(*argv: object, **how: Any) -> Done:
    """`start_npgan` and `finish`."""
    return finish(start_npgan(*argv, **how))
