"""Element by element: each entry of a gradient against its own slope, with its own error bar."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from .numeric import Estimate, complex_slope, magnitude, measure
from .places import Place, Places
from .styles import BudgetError

__tracebackhide__ = True  # pytest shows a failure at the user's line, not at ours
SAFETY = 4.0  # an error bar is about one standard deviation; a gap of four is judged wrong
NEEDED = {"fine": 1e-7, "coarse": 1e-3}  # a poorer relative resolution is worth a wider ladder
TRUST = (
    4.0  # the complex step's error bar is at best this much smaller than that of the differences
)
MARGIN = (
    8.0  # by how much an error bar may be too small; the power that is reported is out by no more
)
RESOLVED = 1e-2  # what could hide an error of one per cent has not been checked
ROUNDS = 4  # of jitter


class Judged(NamedTuple):
    """All that was measured of one leaf: arrays like it, or one entry per projection."""

    analytic: np.ndarray
    numeric: np.ndarray
    bound: np.ndarray  # the largest gap that rounding, truncation and the user's tolerances explain
    known: np.ndarray  # False where no estimate was good enough to judge
    kinks: int
    method: str

    @property
    def gap(self) -> np.ndarray:
        return np.abs(self.numeric - self.analytic)

    @property
    def wrong(self) -> np.ndarray:
        return self.known & (self.gap > self.bound)


def watch(items: range, label: str) -> Iterator[int]:
    """With a progress bar, once it takes long."""
    if len(items) < 8:
        return iter(items)
    return iter(tqdm(items, desc=label, leave=False, delay=2, disable=None))


def tolerance(places: Places, error: float, numeric: float, analytic: float, blur: float) -> float:
    """The largest |numeric - analytic| that is no evidence of a bug."""
    if not np.isfinite(error):
        return np.inf
    settings = places.settings
    floor = 8 * np.finfo(float).eps * (abs(numeric) + abs(analytic))
    return SAFETY * error + blur + floor + settings.atol + settings.rtol * abs(numeric)


def verdict_of(opinions: list[tuple[Estimate, float]]) -> tuple[Estimate, float]:
    """The sharpest estimate, unless it sees a bug that another one, sharp enough to see it, does not.

    Error bars are estimates, too: a gap of a few is given up for an estimate without one, if hardly poorer.
    """
    sharpest = min(opinions, key=lambda one: one[1])
    gap = abs(sharpest[0].gap)
    if gap <= sharpest[1] or not np.isfinite(sharpest[1]):
        return sharpest
    able = max(MARGIN * sharpest[1], 0.5 * gap)
    calm = [one for one in opinions if abs(one[0].gap) <= one[1] < able]
    return min(calm, key=lambda one: one[1]) if calm else sharpest


class Elements:
    """The judgement of one leaf, element by element."""

    def __init__(self, places: Places, leaf: int, name: str):
        self.places, self.leaf, self.name = places, leaf, name
        place = places.place(0)
        gradient = place.gradients[leaf]
        assert gradient is not None
        n = gradient.size
        self.analytic, self.numeric = gradient.ravel().copy(), np.full(n, np.nan)
        self.bound, self.known = np.full(n, np.inf), np.zeros(n, bool)
        self.kinky: set[int] = set()
        self.method = "differences"
        self.size = 0.0

    def scales(self, place: Place) -> np.ndarray:
        x = place.point.values[self.leaf]
        return np.maximum(np.abs(x.ravel()).astype(np.float64), magnitude(x))

    def measure(self, place: Place, i: int, scale: float, ladder: str) -> tuple[Estimate, float]:
        gradient, blur = place.gradients[self.leaf], place.blur[self.leaf]
        assert gradient is not None
        estimate = measure(place.point, self.leaf, i, gradient, scale, ladder)
        return estimate, self.limit(place, i, estimate, blur)

    def limit(self, place: Place, i: int, estimate: Estimate, blur: np.ndarray | None) -> float:
        gradient = place.gradients[self.leaf]
        assert gradient is not None
        a = float(gradient.flat[i])
        return tolerance(
            self.places,
            estimate.error,
            a + estimate.gap,
            a,
            0.0 if blur is None else float(blur.flat[i]),
        )

    def suspect(self, place: Place, estimate: Estimate, limit: float) -> bool:
        poor = limit > NEEDED[place.point.grade] * self.size
        return not abs(estimate.gap) <= limit or poor

    def settle(
        self, place: Place, i: int, scale: float, first: tuple[Estimate, float]
    ) -> tuple[Estimate, float]:
        """More opinions: a wide ladder, and an own scale for an entry far smaller than its neighbours."""
        opinions = [first, self.measure(place, i, scale, "wide")]
        own = abs(float(place.point.values[self.leaf].flat[i]))
        if 0 < own < 1e-2 * scale:
            opinions.append(self.measure(place, i, own, "usual"))
        return verdict_of(opinions)

    def visit(self, turn: int, wanted: list[int]) -> list[int]:
        """Judge these elements at the turn's place; returns those that could not be judged there."""
        place = self.places.place(turn)
        gradient = place.gradients[self.leaf]
        if gradient is None:
            return wanted
        scales = self.scales(place)
        found = {
            wanted[j]: self.measure(place, wanted[j], scales[wanted[j]], "usual")
            for j in watch(range(len(wanted)), self.name)
        }
        slopes = [
            abs(gradient.flat[i] + e.gap) for i, (e, _) in found.items() if np.isfinite(e.gap)
        ]
        self.size = max([self.size, float(np.max(np.abs(gradient), initial=0.0)), *slopes])
        if self.places.settings.method != "differences":
            self.sharpen(place, scales, found)
        left = []
        for i, first in found.items():
            estimate, limit = first
            if self.suspect(place, *first):
                estimate, limit = self.settle(place, i, scales[i], first)
            if estimate.kinks and estimate.kink_size > 0.25 * limit:
                self.kinky.add(i)
                left.append(i)
                if self.places.settings.kinks == "jitter":
                    continue
                limit += estimate.kink_size  # any slope between the one-sided ones is right
            if not limit <= RESOLVED * self.size:
                left.append(i)  # too poor to be judged here, perhaps for a kink nearby
            if not limit < self.bound[i]:
                continue
            a = float(gradient.flat[i])
            self.analytic[i], self.numeric[i], self.bound[i] = a, a + estimate.gap, limit
            self.known[i] = True
        return left

    def sharpen(
        self, place: Place, scales: np.ndarray, found: dict[int, tuple[Estimate, float]]
    ) -> None:
        """Put the complex step in the place of differences, once they agree on every element.

        It is believed as far as the differences could check it: a part of F that it cannot see (a small
        |x|) would be hidden under their error bars. `settle` hears both where it alone sees a gap.
        """
        gradient, blur = place.gradients[self.leaf], place.blur[self.leaf]
        assert gradient is not None
        sharp: dict[int, Estimate] = {}
        for i, (estimate, _) in found.items():
            one = complex_slope(place.point, self.leaf, i, gradient, scales[i])
            if one is None:
                return
            agrees = (
                abs(one.gap - estimate.gap)
                <= SAFETY * (estimate.error + one.error) + estimate.kink_size
            )
            if not agrees:
                return
            sharp[i] = one
        checked = [
            found[i][0].error
            for i, one in sharp.items()
            if abs(one.slope) > 0.1 * self.size and not found[i][0].kinks
        ]
        if not checked or min(checked) > 1e-4 * self.size:
            return
        self.method = "complex step"
        for i, one in sharp.items():
            estimate = found[i][0]
            error = max(one.error, min(checked), estimate.error / TRUST)
            if error < estimate.error and not estimate.kinks:
                better = one._replace(error=error)
                found[i] = better, self.limit(place, i, better, blur)

    def run(self) -> Judged:
        with suppress(BudgetError):  # what was not reached stays unknown
            self.judge()
        shape = self.places.place(0).point.values[self.leaf].shape
        return Judged(
            self.analytic.reshape(shape),
            self.numeric.reshape(shape),
            self.bound.reshape(shape),
            self.known.reshape(shape),
            len(self.kinky),
            self.method,
        )

    def judge(self) -> None:
        left = self.visit(0, list(range(self.analytic.size)))
        if self.places.settings.kinks == "jitter":
            for turn in range(1, ROUNDS + 1):
                if not left:
                    break
                left = self.visit(turn, left)
