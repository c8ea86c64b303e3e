"""Analytic and measured slopes side by side."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Comparison(NamedTuple):
    """All that was measured of one leaf: arrays of its shape, or one entry per projection."""

    analytic: np.ndarray
    numeric: np.ndarray
    bound: np.ndarray  # the largest gap that rounding, truncation and the user's tolerances explain
    known: np.ndarray  # False where no estimate was good enough to compare with
    kinks: int
    method: str

    @property
    def gap(self) -> np.ndarray:
        """|numeric - analytic|"""
        return np.abs(self.numeric - self.analytic)

    @property
    def wrong(self) -> np.ndarray:
        """Where the gap is larger than its bound."""
        return self.known & (self.gap > self.bound)

    @property
    def worst(self) -> int:
        """The flat index of the largest wrong gap; if none is wrong, of the largest gap / bound."""
        gap, wrong = self.gap, self.wrong
        if wrong.any():
            return int(np.argmax(np.where(wrong, gap, -1.0)))
        smallest = 1e-300  # instead of a division by zero
        return int(np.argmax(np.where(self.known, gap / np.maximum(self.bound, smallest), -1.0)))
