"""What every function of npgan.datasets returns, and the error that they raise."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy.typing as npt

LONGEST = 280  # characters of an error message
LONGEST_NAME = 60  # characters of a name in a list of names


class DataError(ValueError):
    """Data that cannot be used.

    Notes
    -----
    The message is one line that says what was expected, what was found and what to do.
    """

    def __init__(self, text: str) -> None:
        super().__init__(printable(text))


def printable(text: str, longest: int = LONGEST) -> str:
    """A text as one line that a terminal can print; the middle of a long one is left out.

    Names inside files and other libraries' messages may contain line breaks, escape sequences and
    bytes that are no text.
    """
    text = shorten(" ".join(text.splitlines()), longest)
    text = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    return shorten(text, longest)  # an escape is longer than its character


def shorten(text: str, longest: int) -> str:
    """The start and the end of a text that is too long."""
    if len(text) <= longest:
        return text
    end = (longest - 5) // 3
    return f"{text[: longest - 5 - end]} ... {text[-end:]}"


def listing(names: Iterable[str], most: int = 4) -> str:
    """The first names, shortened, and how many more there are."""
    known = list(names)
    more = f" and {len(known) - most:,} more" if len(known) > most else ""
    return ", ".join(shorten(name, LONGEST_NAME) for name in known[:most]) + more


@dataclass(frozen=True, eq=False)
class Images:
    """A dataset in memory: one flattened image, or one point, per row.

    Parameters
    ----------
    name : str
        The name of the dataset.
    images : (n, pixels) uint8 or (n, features) float32 array
        Pixels from 0 to 255, or features that are used as they are; C-contiguous.
    labels : (n,) int array or None
        The class of each row; uint8 if all fit, else int64.
    shape : tuple of int
        The shape of one image before it was flattened: (h, w) for greyscale, (h, w, 3) for RGB,
        (features,) for points.
    source : str
        What `load` takes to load the data again; "" if they are only in memory.
    note : str
        One line that says as what the values were taken: images or points, of which shape, and
        from which range the pixels were scaled. "" if nothing had to be decided.
    """

    name: str
    images: npt.NDArray[Any]
    labels: npt.NDArray[Any] | None
    shape: tuple[int, ...]
    source: str = ""
    note: str = ""

    def __len__(self) -> int:
        return len(self.images)
