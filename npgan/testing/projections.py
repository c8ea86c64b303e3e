"""Large arrays: the gradient against slopes along random signs, and bisection to the entry that is wrong.

Along v = (±1, ..., ±1) a single wrong entry shows at its full size in every projection, and many wrong
entries add up like a random walk. Each argument has projections of its own: pooled, the largest
gradient's rounding would hide an error in the smallest one.
"""

from __future__ import annotations

from contextlib import suppress
from typing import NamedTuple

import numpy as np

from .judge import NEEDED, RESOLVED, ROUNDS, SAFETY, TRUST, Judged, tolerance, verdict_of, watch
from .numeric import Estimate, complex_slope, magnitude, measure
from .places import Place, Places
from .styles import BudgetError

__tracebackhide__ = True  # pytest shows a failure at the user's line, not at ours


class Found(NamedTuple):
    """The wrong entry that bisection ended at."""

    spot: tuple[int, ...]
    analytic: float
    numeric: float
    bound: float
    within: (
        tuple[int, ...] | None
    )  # the axes along which the error is confined to this index; None: unknown


class Projections:
    """The judgement of one leaf along n directions."""

    def __init__(self, places: Places, leaf: int, name: str, n: int, seed: int):
        self.places, self.leaf, self.name, self.n = places, leaf, name, n
        x = places.place(0).point.values[leaf]
        self.shape, self.scale = x.shape, magnitude(x)
        self.directions = [signs(x.shape, [seed, leaf, d]) for d in range(n)]
        self.estimates: dict[
            int, tuple[int, Estimate, float]
        ] = {}  # direction -> (turn, estimate, limit)
        self.norms: dict[int, float] = {}
        self.kinks = 0
        self.method = "differences"
        self.ladder, self.rungs, self.truncation = "short", (0, 0), 0.0

    def limit(self, place: Place, v: np.ndarray, estimate: Estimate) -> float:
        gradient, blur = place.gradients[self.leaf], place.blur[self.leaf]
        assert gradient is not None
        if v.all():  # ±1 everywhere: the norms do not depend on the signs
            if id(place) not in self.norms:
                self.norms[id(place)] = norm(blur) + 4e-16 * norm(gradient)
            noise = self.norms[id(place)]
        else:
            noise = (0.0 if blur is None else norm(blur * v)) + 4e-16 * norm(gradient * v)
        return tolerance(
            self.places, estimate.error, estimate.slope, estimate.slope - estimate.gap, noise
        )

    def measure(
        self, place: Place, v: np.ndarray, ladder: str, rungs: tuple[int, int] | None
    ) -> tuple[Estimate, float]:
        gradient = place.gradients[self.leaf]
        assert gradient is not None
        estimate = measure(place.point, self.leaf, v, gradient, self.scale, ladder, rungs)
        if (
            rungs is not None
        ):  # no ladder, no error bar of its own: the calibrated one, with a margin
            estimate = estimate._replace(error=estimate.error + self.truncation)
        return estimate, self.limit(place, v, estimate)

    def calibrate(self, place: Place, v: np.ndarray) -> tuple[Estimate, float]:
        """The full ladder along one direction; the others then need only the steps that served best."""
        self.ladder = "short"
        estimate, limit = self.measure(place, v, "short", None)
        gradient = place.gradients[self.leaf]
        assert gradient is not None
        size = max(float(np.linalg.norm(gradient)), abs(estimate.slope))
        if limit > 1e-2 * NEEDED[place.point.grade] * size or abs(estimate.gap) > limit:
            wide = self.measure(place, v, "wide", None)
            if wide[1] < limit:
                self.ladder, (estimate, limit) = "wide", wide
        self.rungs, self.truncation = estimate.rungs, 2 * estimate.error
        return estimate, limit

    def visit(self, turn: int, wanted: list[int]) -> list[int]:
        """Judge these directions at the turn's place; returns those that could not be judged there."""
        place = self.places.place(turn)
        gradient = place.gradients[self.leaf]
        if gradient is None:
            return wanted
        left = []
        for j in watch(range(len(wanted)), self.name):
            d = wanted[j]
            v = self.directions[d]
            if j == 0:
                estimate, limit = self.calibrate(place, v)
            else:
                estimate, limit = self.measure(place, v, self.ladder, self.rungs)
            if not abs(estimate.gap) <= limit:
                estimate, limit = verdict_of(
                    [self.measure(place, v, ladder, None) for ladder in ("usual", "wide")]
                )
            if estimate.kinks and estimate.kink_size > 0.25 * limit:
                self.kinks = max(self.kinks, estimate.kinks)
                left.append(d)
                if self.places.settings.kinks == "jitter":
                    if j == 0:
                        return wanted  # they will all meet it
                    continue
                limit += estimate.kink_size  # any slope between the one-sided ones is right
            if not (limit <= RESOLVED * abs(estimate.slope) or limit <= RESOLVED * norm(gradient)):
                left.append(d)  # too poor to be judged here, perhaps for a kink nearby
            if d not in self.estimates or not limit >= self.estimates[d][2]:
                self.estimates[d] = turn, estimate, limit
        return left

    def sharpen(self) -> None:
        """The complex step where differences are poor, believed as far as the best of them could check it."""
        if self.places.settings.method == "differences" or not self.estimates:
            return
        sharp = {}
        for d, (turn, estimate, _) in self.estimates.items():
            place = self.places.place(turn)
            gradient = place.gradients[self.leaf]
            assert gradient is not None
            size = float(np.linalg.norm(gradient))
            if self.places.settings.method == "auto" and estimate.error < 1e-8 * size:
                return
            one = complex_slope(place.point, self.leaf, self.directions[d], gradient, self.scale)
            if one is None or abs(one.gap - estimate.gap) > SAFETY * (estimate.error + one.error):
                return
            sharp[d] = one
        trust = min(estimate.error for _, estimate, _ in self.estimates.values())
        for d, one in sharp.items():
            turn, estimate, _ = self.estimates[d]
            better = one._replace(error=max(one.error, trust, estimate.error / TRUST))
            limit = self.limit(self.places.place(turn), self.directions[d], better)
            if (
                better.error < estimate.error and abs(better.gap) <= limit
            ):  # alone it accuses nobody
                self.method = "complex step"
                self.estimates[d] = turn, better, limit

    def run(self) -> Judged:
        with suppress(BudgetError):
            left = self.visit(0, list(range(self.n)))
            if self.places.settings.kinks == "jitter":
                for turn in range(1, ROUNDS + 1):
                    if not left:
                        break
                    left = self.visit(turn, left)
                if self.kinks:  # a direction that seems wrong may have met one, too
                    doubted = {d: self.estimates.pop(d) for d in self.wrong()}
                    self.visit(1, list(doubted))
                    self.estimates = {**doubted, **self.estimates}
            self.sharpen()
        slope = np.array(
            [self.estimates[d][1].slope if d in self.estimates else np.nan for d in range(self.n)]
        )
        gap = np.array(
            [self.estimates[d][1].gap if d in self.estimates else np.nan for d in range(self.n)]
        )
        bound = np.array(
            [self.estimates[d][2] if d in self.estimates else np.inf for d in range(self.n)]
        )
        return Judged(slope - gap, slope, bound, np.isfinite(bound), self.kinks, self.method)

    def wrong(self) -> list[int]:
        ratios = {
            d: abs(e.gap) / limit
            for d, (_, e, limit) in self.estimates.items()
            if abs(e.gap) > limit
        }
        return sorted(ratios, key=lambda d: -ratios[d])

    def locate(self) -> Found | None:
        """Halve the array, by rows first and then along them, always into the half with the larger gap."""
        for d in self.wrong():
            with suppress(BudgetError):
                if found := self.descend(d):
                    return found
        return None

    def descend(self, d: int) -> Found | None:
        turn, estimate, _ = self.estimates[d]
        place, v = self.places.place(turn), self.directions[d]
        gradient = place.gradients[self.leaf]
        assert gradient is not None
        region = [(0, n) for n in self.shape]
        gap = estimate.gap
        for axis in range(len(self.shape)):
            while region[axis][1] - region[axis][0] > 1:
                low, high = region[axis]
                middle = (low + high) // 2
                first, second = list(region), list(region)
                first[axis], second[axis] = (low, middle), (middle, high)
                upper = self.gap_of(place, only(v, first))
                region, gap = (
                    (first, upper) if abs(upper) >= abs(gap - upper) else (second, gap - upper)
                )
        index = tuple(low for low, _ in region)
        flat = int(np.ravel_multi_index(index, self.shape)) if index else 0
        a = float(gradient.flat[flat])
        x = abs(float(place.point.values[self.leaf].flat[flat]))
        unit = np.zeros(self.shape)
        unit.flat[flat] = 1.0
        for ladder in ("usual", "wide"):
            one = measure(place.point, self.leaf, flat, gradient, max(x, self.scale), ladder)
            bound = self.limit(place, unit, one)
            if not abs(one.gap) > bound:
                return None
        return Found(index, a, a + one.gap, bound, self.confined(place, v, index))

    def confined(
        self, place: Place, v: np.ndarray, index: tuple[int, ...]
    ) -> tuple[int, ...] | None:
        """The axes along which everything but this index is right."""
        axes = []
        for axis, i in enumerate(index):
            rest = v.copy()
            rest[(slice(None),) * axis + (i,)] = 0.0
            if not rest.any():
                continue
            estimate, limit = self.measure(place, rest, self.ladder, self.rungs)
            if abs(estimate.gap) <= limit:
                axes.append(axis)
        return tuple(axes)

    def gap_of(self, place: Place, v: np.ndarray) -> float:
        return self.measure(place, v, self.ladder, self.rungs)[0].gap


def signs(shape: tuple[int, ...], seed: list[int]) -> np.ndarray:
    """±1 per entry."""
    n = int(np.prod(shape))
    random = np.random.default_rng(seed).bytes((n + 7) // 8)
    bits = np.unpackbits(np.frombuffer(random, np.uint8), count=n).view(np.int8)
    return (2 * bits - 1).astype(np.float64).reshape(shape)


def norm(a: np.ndarray | None) -> float:
    return 0.0 if a is None else float(np.sqrt(np.dot(a.ravel(), a.ravel())))


def only(v: np.ndarray, region: list[tuple[int, int]]) -> np.ndarray:
    """v inside the region, zeros elsewhere."""
    part = np.zeros_like(v)
    box = tuple(slice(low, high) for low, high in region)
    part[box] = v[box]
    return part
