"""What a command prints: results on stdout, messages and errors on stderr."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping


class CommandError(Exception):
    """Ends the command with this one line and exit code 1."""

    code = 1


class UsageError(CommandError):
    """Ends the command with exit code 2: the arguments contradict each other."""

    code = 2


def print_message(line: str) -> None:
    """Print a line on stderr, if there is one."""
    if sys.stderr is not None:
        print(line, file=sys.stderr, flush=True)


def print_result(text: str) -> None:
    """Print a result on stdout, and flush it: an error at exit would not change the exit code."""
    if sys.stdout is None:
        return
    try:
        print(text, flush=True)
    except OSError as error:  # the disk is full, or the reader has gone: npgan info | head -1
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise OSError(error.errno, error.strerror, "stdout") from None


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
