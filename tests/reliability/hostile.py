"""What the tests of hostile input share: limits, damage, and the shape of a clear refusal."""

import logging
import random
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import pytest

from npgan import kernels, use_kernels
from npgan.cli import main

resource = pytest.importorskip("resource")  # and the timers of signals: not on Windows

MEMORY = 200 << 20  # bytes that a file may cost beyond its honest content
CPU_SECONDS, SECONDS = 5, 60  # of one fault; the second is for what waits and does not compute
LONGEST = 300  # characters of a line


class Limit(BaseException):
    """A fault took too long or too much memory; no `except Exception` hides it."""


class Fault(NamedTuple):
    """`make(folder)` makes the file or folder and returns its path; `ok`: whether it is accepted.

    None: it may be refused, or accepted as what an independent reader reads.
    """

    name: str
    make: Callable[[Path], Path]
    ok: bool | None = None


@contextmanager
def limits(honest: int = 0) -> Iterator[None]:
    """Raise Limit if the block needs more than the CPU's time, or memory beyond `honest` bytes."""

    def too_long(*_: object) -> None:
        raise Limit(f"more than {CPU_SECONDS} s")

    before = [signal.signal(s, too_long) for s in (signal.SIGPROF, signal.SIGALRM)]
    start = reset_peak()
    signal.setitimer(signal.ITIMER_PROF, CPU_SECONDS)
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in zip((signal.SIGPROF, signal.SIGALRM), before, strict=True):
            signal.signal(number, handler)
    if (grown := peak() - start) > honest + MEMORY:
        raise Limit(f"{grown / 2**20:.0f} MiB, of which {honest / 2**20:.0f} are the file's")


def reset_peak() -> int:
    """Let the peak of this process's memory start again, if the system can; return it in bytes."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
    return peak()


def peak() -> int:
    """The most memory that this process has had, in bytes."""
    try:
        status = Path("/proc/self/status").read_text()
        return int(status.partition("VmHWM:")[2].split()[0]) << 10
    except (OSError, IndexError):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10


@contextmanager
def address_space(more: int) -> Iterator[None]:
    """Bound the memory that this process can ask for: a mistake is a MemoryError, not the end."""
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + more, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def check_line(text: str) -> None:
    """Check that a message is one printable line of words, and not too long."""
    assert text.isprintable(), repr(text)
    assert 10 < len(text) <= LONGEST, text
    assert "Traceback" not in text


def run_main(argv: Sequence[str], capsys, caplog) -> tuple[int, str, list[str]]:
    """(exit code, stdout, lines on stderr) of `main(argv)`; warnings of the logger are lines, too.

    Checks what holds for every command: the code, and that each line is short and printable.
    """
    capsys.readouterr()
    caplog.clear()
    with caplog.at_level(logging.WARNING, "npgan"):
        try:
            code = main([str(arg) for arg in argv])
        except SystemExit as exit:  # of argparse
            code = exit.code
    out, err = capsys.readouterr()
    lines = [*(record.getMessage() for record in caplog.records), *err.splitlines()]
    assert code in (0, 1, 2), (code, err)
    assert all(line.isprintable() for line in err.split("\n")), err
    for line in lines:
        check_line(line)
    if code:
        assert err.startswith("npgan"), err
        assert err.endswith("\n")
        assert out == ""
    return code, out, lines


def bit_flips(data: bytes, bits: Sequence[int]) -> Iterator[bytes]:
    """The data with each of these bits flipped, counted from the start."""
    for bit in bits:
        damaged = bytearray(data)
        damaged[bit // 8] ^= 1 << bit % 8
        yield bytes(damaged)


def places(n: int, count: int, seed: int) -> list[int]:
    """Places in 0..n-1 at random, in order, without repetition."""
    return sorted(random.Random(seed).sample(range(n), min(count, n)))


@pytest.fixture(scope="module")
def reference_kernels():
    """NumPy's kernels for a module of tests, which need not be compiled; then those of before."""
    before = kernels.active
    use_kernels("reference")
    yield
    if before is not None:
        use_kernels(before)
        return
    for name in kernels.NAMES:
        del vars(kernels)[name]
    kernels.active = None
