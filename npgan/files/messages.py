"""Messages on stderr, which may be absent, closed, full, or unable to encode a character."""

from __future__ import annotations

import sys
from collections.abc import Callable


def is_terminal(stream: object) -> bool:
    """Whether the stream is a terminal; False for None, a closed stream, or one without isatty."""
    try:
        isatty: Callable[[], object] = stream.isatty  # type: ignore[attr-defined]
        return bool(isatty())
    except Exception:  # whatever an object in the place of stderr raises
        return False


def printable(text: str) -> str:
    r"""The text with an escape such as \x1b for each character but a line break that is no text.

    A terminal would obey such characters, which may come from a file's name or contents.
    """
    return "".join(c if c.isprintable() or c == "\n" else repr(c)[1:-1] for c in text)


def write_line(line: str) -> bool:
    """Write a line on stderr, printable, and return whether that was possible."""
    stream = sys.stderr
    try:
        write_encodable(stream, printable(line) + "\n")
        if hasattr(stream, "flush"):
            stream.flush()
    except Exception:  # no stderr, a reader that has gone, a full disk
        return False
    return True


def write_encodable(stream: object, text: str) -> None:
    """Write the text; a character that the stream's encoding lacks becomes an escape."""
    write: Callable[[str], object] = stream.write  # type: ignore[attr-defined]
    encoding = getattr(stream, "encoding", None) or "utf-8"
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        text = text.encode(encoding, "backslashreplace").decode(encoding)
    write(text)
