"""What every dataset function returns, and the one error they raise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy.typing as npt


class DataError(ValueError):
    """Data that cannot be used: one line that says what was expected, what was found and what to do."""

    def __init__(self, text: str) -> None:
        # Names inside files and other libraries' messages may bring line breaks.
        super().__init__(" ".join(text.splitlines()))


@dataclass(frozen=True, eq=False)
class Images:
    """A dataset in memory: one flattened image (or point) per row.

    images  (n, pixels) uint8 pixels, or (n, features) float32 taken as they are; C-contiguous
    labels  (n,) whole numbers, uint8 where they fit, or None
    shape   of one row unflattened: (h, w) greyscale, (h, w, 3) RGB, (features,) otherwise
    source  what load() takes to load it again, "" for what is only in memory
    """

    name: str
    images: npt.NDArray[Any]
    labels: npt.NDArray[Any] | None
    shape: tuple[int, ...]
    source: str = ""

    def __len__(self) -> int:
        return len(self.images)
