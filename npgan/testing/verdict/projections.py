"""Large arrays: the gradient against slopes along random directions.

The weights of a direction are of either sign and between 0.25 and 1.75. A single wrong entry shows
in every projection, two cannot cancel in all of them, and many add up like a random walk. Each
argument has projections of its own: if they were pooled, the rounding error of the largest gradient
would hide an error in the smallest one.
"""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import NamedTuple

import numpy as np

from ..problem.arrays import norm, typical_size
from ..problem.errors import BudgetError
from ..slopes.complex_step import complex_slope
from ..slopes.directions import LARGEST_WEIGHT, random_weights
from ..slopes.hidden_kinks import has_hidden_kink
from ..slopes.parts import Part, measure_in_parts, measure_zeros_apart, parts_by_size
from ..slopes.points import Point, Points
from ..slopes.richardson import Entry
from ..slopes.slope import Estimate, measure_slope
from .comparison import Comparison
from .dense_kinks import among_dense_kinks
from .progress import with_progress
from .tolerance import (
    COMPLEX_STEP_GAIN,
    JITTER_ATTEMPTS,
    RESOLUTION,
    SAFETY,
    WANTED_RESOLUTION,
    best_estimate,
    tolerance,
)

__tracebackhide__ = True  # pytest shows a failure at the user's line, not at ours


class Projection(NamedTuple):
    """The slope along one direction: at which attempt's point, the estimate, its tolerance."""

    attempt: int
    estimate: Estimate
    limit: float

    @property
    def is_wrong(self) -> bool:
        return abs(self.estimate.gap) > self.limit


class ProjectionComparison:
    """The comparison of one leaf along n directions."""

    def __init__(self, points: Points, leaf: int, n: int):
        self.points, self.leaf, self.name, self.n = points, leaf, points.problem.names[leaf], n
        x = points.at(0).values[leaf]
        self.shape, self.scale = x.shape, typical_size(x)
        self.directions = [random_weights(x.shape, [points.seed, leaf, d]) for d in range(n)]
        self.found: dict[int, Projection] = {}  # by direction
        self.gradient_errors: dict[int, float] = {}  # by id of the point
        self.kinks = 0
        self.has_moved = False  # whether points near the user's were needed
        self.method = "differences"
        self.parts: list[Part] = []  # where no step serves all entries
        # Which steps serve best, found by `calibrate`.
        self.steps, self.truncation = "short", 0.0
        self.entry: Entry | None = (0, 0)

    def run(self) -> Comparison:
        """Compare as far as max_evals allows; directions that are not reached stay unknown."""
        jitter = self.points.settings.kinks == "jitter"
        with suppress(BudgetError):
            left = self.compare_at(0, list(range(self.n)))
            if self.has_hidden_kink():
                self.kinks, left = 1, list(self.found)
                self.found.clear()
            for attempt in range(1, JITTER_ATTEMPTS + 1 if jitter else 1):
                if not left:
                    break
                self.has_moved = True
                left = self.compare_at(attempt, left)
            if self.kinks and jitter:  # a direction that seems wrong may have met one, too
                doubtful = {d: self.found.pop(d) for d in self.wrong_directions()}
                self.compare_at(1, list(doubtful))
                self.found = {**doubtful, **self.found}
            if jitter:
                self.pass_dense_kinks()
            self.use_complex_step()
        slope, gap, bound = (np.full(self.n, fill) for fill in (np.nan, np.nan, np.inf))
        for d, (_, estimate, limit) in self.found.items():
            slope[d], gap[d], bound[d] = estimate.slope, estimate.gap, limit
        return Comparison(slope - gap, slope, bound, np.isfinite(bound), self.kinks, self.method)

    def compare_at(self, attempt: int, wanted: list[int]) -> list[int]:
        """Compare these directions at one attempt's point; returns those that need another."""
        point = self.points.at(attempt)
        gradient = point.gradients[self.leaf]
        if gradient is None:
            return wanted
        left = []
        for d in with_progress(wanted, self.name):
            v = self.directions[d]
            if d == wanted[0]:
                estimate, limit = self.calibrate(point, v)
            else:
                estimate, limit = self.measure(point, v, self.steps, self.entry)
            if not abs(estimate.gap) <= limit:
                cheap = estimate.gap
                estimate, limit = self.measure_twice(point, v)
                if np.isfinite(cheap - estimate.gap):  # by so much the few steps are wrong
                    self.truncation = max(self.truncation, abs(cheap - estimate.gap))
            if estimate.kinks and estimate.kink_size > 0.25 * limit:
                self.kinks = max(self.kinks, estimate.kinks)
                left.append(d)
                if self.points.settings.kinks == "jitter":
                    if d == wanted[0]:
                        return wanted  # the others will meet it, too
                    continue
                limit += estimate.kink_size  # any slope between the one-sided ones is right
            if not (
                limit <= RESOLUTION * abs(estimate.slope) or limit <= RESOLUTION * norm(gradient)
            ):
                left.append(d)  # too poor an estimate, perhaps because of a kink nearby
            if d not in self.found or not limit >= self.found[d].limit:
                self.found[d] = Projection(attempt, estimate, limit)
        return left

    def has_hidden_kink(self) -> bool:
        """Whether the clearest of the wrong directions meets a kink that is not seen by itself."""
        if self.kinks or not (wrong := self.wrong_directions()):
            return False
        estimate, v = self.found[wrong[0]].estimate, self.directions[wrong[0]]
        point, seed = self.points.at(0), self.points.seed
        return has_hidden_kink(point, self.leaf, v, self.scale, estimate.step, estimate.gap, seed)

    def pass_dense_kinks(self) -> None:
        """Where the kinks may be denser than the steps: compare along paths across them."""
        point = self.points.at(0)
        wanted = RESOLUTION * norm(point.gradient(self.leaf))
        poor = [d for d in range(self.n) if d not in self.found or self.found[d].limit > wanted]
        for d in [*self.wrong_directions(), *(poor if self.kinks else [])]:
            v = self.directions[d]
            limit_of = partial(self.limit, point, v)
            reach = self.found[d].estimate.reach if d in self.found else 0.0
            found = among_dense_kinks(point, self.leaf, v, self.scale, reach, limit_of, wanted)
            if found is None:
                continue
            if d in self.found and not self.found[d].is_wrong and found[1] > self.found[d].limit:
                continue
            self.found[d] = Projection(0, *found)
            self.kinks, self.has_moved = max(self.kinks, 1), True
            if self.found[d].is_wrong:
                break

    def measure(
        self, point: Point, v: np.ndarray, steps: str, entry: Entry | None
    ) -> tuple[Estimate, float]:
        """(the slope along v, its tolerance)."""
        gradient = point.gradient(self.leaf)
        if self.parts:
            estimate = measure_in_parts(point, self.leaf, v, gradient, self.parts, steps)
            return estimate, self.limit(point, v, estimate)
        estimate = measure_slope(point, self.leaf, v, gradient, self.scale, steps, entry)
        if (
            entry is not None
        ):  # too few steps for an error bar: that of the calibration, with a margin
            estimate = estimate._replace(error=estimate.error + self.truncation)
        return estimate, self.limit(point, v, estimate)

    def measure_twice(self, point: Point, v: np.ndarray) -> tuple[Estimate, float]:
        """The better one of two independent measurements.

        Where both seem wrong, entries of 0, at which F may be sharp, are moved apart.
        """
        found = [self.measure(point, v, steps, None) for steps in ("usual", "wide")]
        if self.steps == "fine":
            found.append(self.measure(point, v, "fine", None))
        best = best_estimate(found)
        if best[0].kinks or not abs(best[0].gap) > best[1]:
            return best
        apart = measure_zeros_apart(point, self.leaf, v, point.gradient(self.leaf), self.scale)
        if apart is None:
            return best
        return best_estimate([*found, (apart, self.limit(point, v, apart))])

    def limit(self, point: Point, v: np.ndarray, estimate: Estimate) -> float:
        """The tolerance along one direction."""
        analytic = estimate.slope - estimate.gap
        noise = self.gradient_error(point, v)
        return tolerance(self.points.settings, estimate.error, estimate.slope, analytic, noise)

    def gradient_error(self, point: Point, v: np.ndarray) -> float:
        """The rounding error of <gradient, v>."""
        gradient, noise = point.gradient(self.leaf), point.gradient_noise[self.leaf]
        if not v.all():
            return (0.0 if noise is None else norm(noise * v)) + 4e-16 * norm(gradient * v)
        if id(point) not in self.gradient_errors:  # the same for all directions
            own = 0.0 if noise is None else norm(noise)
            self.gradient_errors[id(point)] = LARGEST_WEIGHT * (own + 4e-16 * norm(gradient))
        return self.gradient_errors[id(point)]

    def calibrate(self, point: Point, v: np.ndarray) -> tuple[Estimate, float]:
        """Measure one direction at many steps; the others then need only the best of these."""
        self.steps = "short"
        estimate, limit = self.measure(point, v, "short", None)
        size = max(norm(point.gradient(self.leaf)), abs(estimate.slope))
        is_poor = limit > 1e-2 * WANTED_RESOLUTION[point.is_coarse] * size
        if is_poor or abs(estimate.gap) > limit:
            wide = self.measure(point, v, "wide", None)
            if wide[1] < limit:
                self.steps, (estimate, limit) = "wide", wide
            self.parts = parts_by_size(point.values[self.leaf]) if self.is_too_poor(limit) else []
            if self.parts:
                in_parts, steps = self.measure(point, v, "usual", None), "usual"
                if in_parts[1] > 1e-2 * WANTED_RESOLUTION[point.is_coarse] * size:
                    wide = self.measure(point, v, "wide", None)
                    if wide[1] < 0.5 * in_parts[1]:
                        in_parts, steps = wide, "wide"
                # A point nearby, away from a kink, serves better than a poor slope.
                is_usable = point is not self.points.at(0) or not self.is_too_poor(in_parts[1])
                if in_parts[1] < limit and is_usable:
                    self.steps, (estimate, limit) = steps, in_parts
                else:
                    self.parts = []
        if limit == np.inf and not estimate.kinks and point is self.points.at(0):
            # Smooth, but sharper than these steps: points nearby do not say what is right here.
            fine = self.measure(point, v, "fine", None)
            is_precise = fine[1] < 0.1 * RESOLUTION * size
            if is_precise or abs(fine[0].gap) > fine[1]:
                self.steps, (estimate, limit) = "fine", (fine[0]._replace(entry=None), fine[1])
        self.entry, self.truncation = estimate.entry, 2 * estimate.error
        return estimate, limit

    def is_too_poor(self, limit: float) -> bool:
        """Whether an error of one per cent of the gradient (of float64: less) would not show."""
        point = self.points.at(0)
        wanted = RESOLUTION if point.is_coarse else 1e-2 * RESOLUTION
        return not limit <= wanted * norm(point.gradient(self.leaf))

    def use_complex_step(self) -> None:
        """Replace differences by the complex step where it is finer, if both agree everywhere.

        It is trusted as far as the best of the differences could check it.
        """
        method = self.points.settings.method
        if method == "differences" or not self.found:
            return
        complex_steps = {}
        for d, (attempt, estimate, _) in self.found.items():
            point = self.points.at(attempt)
            gradient = point.gradient(self.leaf)
            if method == "auto" and estimate.error < 1e-8 * norm(gradient):
                return
            one = complex_slope(point, self.leaf, self.directions[d], gradient, self.scale)
            if one is None or abs(one.gap - estimate.gap) > SAFETY * (estimate.error + one.error):
                return
            complex_steps[d] = one
        checked = min(estimate.error for _, estimate, _ in self.found.values())
        for d, one in complex_steps.items():
            attempt, estimate, _ = self.found[d]
            error = max(one.error, checked, estimate.error / COMPLEX_STEP_GAIN)
            better = one._replace(error=error)
            limit = self.limit(self.points.at(attempt), self.directions[d], better)
            if error < estimate.error and abs(better.gap) <= limit:  # alone it is no proof of a bug
                self.method = "complex step"
                self.found[d] = Projection(attempt, better, limit)

    def wrong_directions(self) -> list[int]:
        """The directions whose gap is larger than its tolerance, the clearest first."""
        wrong = {d: p for d, p in self.found.items() if p.is_wrong}
        return sorted(wrong, key=lambda d: -abs(wrong[d].estimate.gap) / wrong[d].limit)
