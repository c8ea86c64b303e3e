"""What every function of npgan.datasets returns, and the error that they raise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy.typing as npt


class DataError(ValueError):
    """Data that cannot be used.

    Notes
    -----
    The message is one line that says what was expected, what was found and what to do.
    """

    def __init__(self, text: str) -> None:
        # Names inside files and other libraries' messages may contain line breaks.
        super().__init__(" ".join(text.splitlines()))


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
    """

    name: str
    images: npt.NDArray[Any]
    labels: npt.NDArray[Any] | None
    shape: tuple[int, ...]
    source: str = ""

    def __len__(self) -> int:
        return len(self.images)
