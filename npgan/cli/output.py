"""What a command prints: results on stdout, messages and errors on stderr."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from ..files.messages import printable, write_encodable, write_line

PRECIOUS = ("checkpoint.npz", "config.json", "history.csv")  # files of a run, beside its pictures
LONGEST_ERROR = 300  # characters of an error's line


class CommandError(Exception):
    """Ends the command with this one line and exit code 1."""

    code = 1


class UsageError(CommandError):
    """Ends the command with exit code 2: the arguments contradict each other."""

    code = 2


def check_target(path: Path | None) -> None:
    """Raise CommandError if an output would replace a file without which a run is lost."""
    if path is not None and path.name in PRECIOUS and path.exists():
        raise CommandError(f"{path} is a file of a run and would be lost; give another name")


def print_message(line: str) -> None:
    """Print a line on stderr, if there is one."""
    write_line(line)


def print_error(line: str) -> None:
    """Print an error as one printable line on stderr, without the middle if it is very long."""
    print_message(shorten(printable(one_line(line))))


def print_result(text: str) -> None:
    """Print a result on stdout, and flush it: an error at exit would not change the exit code."""
    if sys.stdout is None:
        return
    try:
        write_encodable(sys.stdout, printable(text) + "\n")
        sys.stdout.flush()
    except OSError as error:  # the disk is full, or the reader has gone: npgan info | head -1
        discard(sys.stdout)
        raise OSError(error.errno, error.strerror, "stdout") from None


def open_closed_streams() -> None:
    """Open the null device in the place of each standard stream that is closed.

    Else the next file that is opened gets its number, and what a library prints on stderr goes into
    that file.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest number that is free


def discard_unwritten() -> None:
    """Forget what the streams could not take: Python's exit would try again, and end with code 120.

    On stderr it is messages, on stdout the help of argparse; a result is flushed by `print_result`.
    """
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except AttributeError:  # no stream, or an object that only writes
            pass
        except (OSError, ValueError):
            discard(stream)


def discard(stream: object) -> None:
    """Send what is left in the stream's buffer nowhere, so that Python's exit does not fail."""
    with suppress(AttributeError, OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())  # type: ignore[attr-defined]


@contextmanager
def warnings_as_messages(command: str) -> Iterator[None]:
    """A UserWarning is one line in this block."""
    with warnings.catch_warnings():
        before = warnings.showwarning

        def show(message: Warning | str, category: type[Warning], *where: object) -> None:
            if category is UserWarning:
                print_error(f"npgan {command}: {message}")
            else:
                before(message, category, *where)  # type: ignore[arg-type]

        warnings.showwarning = show  # type: ignore[assignment]
        yield


def as_table(results: Mapping[str, object]) -> str:
    """Results as two columns: names and values."""
    width = max(map(len, results))
    return "\n".join(f"{name:{width}}  {value}" for name, value in results.items())


def describe(error: BaseException) -> str:
    """An error in one line."""
    if isinstance(error, OSError) and error.strerror:
        return one_line(f"{error.filename or 'file'}: {error.strerror}")
    if isinstance(error, MemoryError):
        return f"not enough memory ({one_line(str(error))})"
    return one_line(str(error)) or type(error).__name__


def one_line(text: str) -> str:
    """The text with single spaces instead of line breaks."""
    return " ".join(text.split())


def shorten(text: str, length: int = LONGEST_ERROR) -> str:
    """The text, of at most so many characters: the start and the end of a longer one."""
    if len(text) <= length:
        return text
    end = length // 3
    return f"{text[: length - end - 5]} ... {text[-end:]}"
