"""Entry by entry: each entry of a gradient against its own slope, with its own error bar."""

from __future__ import annotations

from contextlib import suppress
from functools import partial

import numpy as np

from ..problem.arrays import typical_size
from ..problem.errors import BudgetError
from ..problem.random_streams import Stream
from ..slopes.complex_step import complex_slope
from ..slopes.directions import random_weights
from ..slopes.hidden_kinks import has_hidden_kink
from ..slopes.one_sided import one_sided_slope
from ..slopes.points import Point, Points
from ..slopes.slope import Estimate, measure_slope
from .comparison import Comparison
from .dense_kinks import among_dense_kinks
from .nearby import at_kink, is_on_kink, special_entries
from .progress import with_progress
from .tolerance import (
    COMPLEX_STEP_GAIN,
    ERROR_BAR_MARGIN,
    JITTER_ATTEMPTS,
    RESOLUTION,
    SAFETY,
    WANTED_RESOLUTION,
    best_estimate,
    tolerance,
)
from .zeros import is_sharp_at

__tracebackhide__ = True  # pytest shows a failure at the user's line, not at ours
# Of so many entries it is asked whether they lie on a hidden kink; if all do, so do the others.
MOST_HIDDEN_KINKS = 12
# Where so many entries are wrong by more steps, too, others are wrong by the usual steps alone, if
# their gap is so many times its tolerance.
CONFIRMED, CLEARLY = 12, 100.0
# Where so many entries are wrong among dense kinks, the others are not asked about these.
MOST_REFUTED = 3


def compare_entries(points: Points, leaf: int) -> Comparison:
    """Compare every entry of the gradient by one leaf."""
    return EntryComparison(points, leaf).run()


class EntryComparison:
    """The comparison of one leaf, entry by entry; entries are counted by their flat index."""

    def __init__(self, points: Points, leaf: int):
        self.points, self.leaf, self.name = points, leaf, points.problem.names[leaf]
        gradient = points.at(0).gradient(leaf)
        n = gradient.size
        self.analytic, self.numeric = gradient.ravel().copy(), np.full(n, np.nan)
        self.bound, self.known = np.full(n, np.inf), np.zeros(n, bool)
        self.estimates: dict[int, Estimate] = {}  # those that are used
        self.with_kinks: set[int] = set()
        self.given: dict[int, tuple[Estimate, float]] = {}  # with tolerances, at the user's point
        self.attempts: dict[int, int] = {}  # at which attempt's point
        self.refuted = 0  # entries that are wrong among dense kinks, too
        self.confirmed = 0  # wrong entries that were measured with more steps
        self.method = "differences"
        self.sharp_scale = 0.0  # the unit of the steps at entries of 0 where F is sharp there
        self.size = 0.0  # the largest entry, analytic or measured

    def run(self) -> Comparison:
        """Compare as far as max_evals allows; entries that are not reached stay unknown."""
        with suppress(BudgetError):
            left = self.compare_at(0, list(range(self.analytic.size)))
            if hidden := self.hidden_kinks():
                left = sorted({*left, *hidden})
            if self.points.settings.kinks == "jitter":
                for attempt in range(1, JITTER_ATTEMPTS + 1):
                    if not left:
                        break
                    left = self.compare_at(attempt, left)
            self.return_to_special_entries()
            self.look_closer_at_zeros()
            self.look_to_one_side()
        shape = self.points.at(0).values[self.leaf].shape
        return Comparison(
            self.analytic.reshape(shape),
            self.numeric.reshape(shape),
            self.bound.reshape(shape),
            self.known.reshape(shape),
            len(self.with_kinks),
            self.method,
        )

    def compare_at(self, attempt: int, wanted: list[int]) -> list[int]:
        """Compare these entries at the attempt's point; returns those that need another point."""
        point = self.points.at(attempt)
        gradient = point.gradients[self.leaf]
        if gradient is None:
            return wanted
        scales = self.scales(point)
        found = {
            i: self.measure(point, i, scales[i], "usual") for i in with_progress(wanted, self.name)
        }
        slopes = [
            abs(gradient.flat[i] + e.gap) for i, (e, _) in found.items() if np.isfinite(e.gap)
        ]
        self.size = max([self.size, float(np.max(np.abs(gradient), initial=0.0)), *slopes])
        if self.points.settings.method != "differences":
            self.use_complex_step(point, scales, found)
        left = []
        for i, first in found.items():
            if not self.settle(attempt, i, scales[i], first):
                left.append(i)
        return left

    def settle(self, attempt: int, i: int, scale: float, first: tuple[Estimate, float]) -> bool:
        """Keep the best estimate of one entry; False where the entry needs another point."""
        point = self.points.at(attempt)
        estimate, limit = first
        if self.is_doubtful(point, *first) and not self.is_clearly_wrong(point, *first):
            estimate, limit = self.remeasure(point, i, scale, first)
            self.confirmed += int(abs(estimate.gap) > limit and not estimate.kinks)
        if abs(estimate.gap) > limit and not estimate.kinks and self.refuted < MOST_REFUTED:
            limit_of = partial(self.limit, point, i)
            wanted = RESOLUTION * self.size
            reach = estimate.reach
            if found := among_dense_kinks(point, self.leaf, i, scale, reach, limit_of, wanted):
                estimate, limit = found
                self.with_kinks.add(i)
            self.refuted += int(abs(estimate.gap) > limit)
        on_kink = is_on_kink(estimate, limit)
        if on_kink:
            self.with_kinks.add(i)
            limit = at_kink(self.points, self.leaf, i, estimate, limit)
            is_outside = attempt == 0 and abs(estimate.gap) > limit
            if self.points.settings.kinks == "jitter" and not is_outside:
                return False
        if attempt == 0:
            self.given[i] = estimate, limit
        if limit < self.bound[i]:
            self.keep(attempt, i, estimate, limit)
        # An estimate may be too poor because of a kink nearby. If it refutes the gradient all the
        # same, as of a wrong rule for x == 0 where F is sharp, no point nearby excuses that.
        is_refuted = attempt == 0 and abs(estimate.gap) > ERROR_BAR_MARGIN * limit
        return bool(limit <= RESOLUTION * self.size) or on_kink or is_refuted

    def keep(self, attempt: int, i: int, estimate: Estimate, limit: float) -> None:
        """Use this estimate of one entry."""
        a = float(self.points.at(attempt).gradient(self.leaf).flat[i])
        self.analytic[i], self.numeric[i], self.bound[i] = a, a + estimate.gap, limit
        self.known[i] = True
        self.estimates[i] = estimate
        self.attempts[i] = attempt

    def hidden_kinks(self) -> list[int]:
        """Entries that seem wrong at the user's point and lie on a kink that is not seen by itself.

        They are looked for until one entry is wrong without such a kink, the largest gaps first.
        """
        gap = np.where(self.known, np.abs(self.numeric - self.analytic), 0.0)
        wrong = [int(i) for i in np.argsort(-gap) if gap[i] > self.bound[i]]
        wrong = [i for i in wrong if i not in self.with_kinks]
        point, found = self.points.at(0), []
        scales = self.scales(point)
        for i in wrong[:MOST_HIDDEN_KINKS]:
            e = self.estimates[i]
            if not has_hidden_kink(
                point, self.leaf, i, float(scales[i]), e.step, e.gap, self.points.seed
            ):
                break
            found.append(i)
        if len(found) == MOST_HIDDEN_KINKS:
            found = wrong
        for i in found:
            self.with_kinks.add(i)
            self.known[i], self.bound[i], self.numeric[i] = False, np.inf, np.nan
        return found

    def return_to_special_entries(self) -> None:
        """Measure special entries at the user's point alone, however poor the slopes are there.

        That the gradient is right nearby says nothing of a special case (x == 0) where there is no
        kink, but F is too sharp, or its domain ends.
        """
        right = np.abs(self.numeric - self.analytic) <= self.bound
        moved = {i for i, n in self.attempts.items() if n and right[i]} - self.with_kinks
        if not moved or self.points.problem.grad is None:
            return
        jumps, zeros = special_entries(self.points, self.leaf)
        for i in sorted(moved & {*jumps, *zeros}):
            estimate, limit = self.given[i]
            if not self.is_fine(estimate.gap, limit, estimate.slope):
                self.keep(0, i, estimate, limit)
                self.known[i] = bool(np.isfinite(limit))

    def look_closer_at_zeros(self) -> None:
        """Where F is sharp at entries of 0, right as they seem, measure these with tiny steps."""
        point = self.points.at(0)
        x = point.values[self.leaf]
        right = np.abs(self.numeric - self.analytic) <= self.bound
        zeros = {i for i in np.flatnonzero(x == 0).tolist() if right[i] and not self.attempts[i]}
        zeros -= self.with_kinks
        zeros -= {i for i in zeros if self.estimates[i].step < 2.0**-28 * typical_size(x)}
        v = random_weights(x.shape, [self.points.seed, Stream.ZEROS, self.leaf])
        v[~np.isin(np.arange(x.size), sorted(zeros)).reshape(x.shape)] = 0.0
        if not zeros or self.points.problem.grad is None or not is_sharp_at(point, self.leaf, v):
            return
        for i in sorted(zeros):
            estimate, limit = self.measure(point, i, typical_size(x), "fine")
            if limit < np.inf and not abs(estimate.gap) <= limit and not estimate.kinks:
                self.keep(0, i, estimate, limit)

    def look_to_one_side(self) -> None:
        """At the end of the domain compare with the slope to the side where F is finite.

        Where they differ, the entry stays unknown: what a gradient has to be there is a convention.
        """
        point, outputs = self.points.at(0), self.points.at(0).outputs
        if self.points.problem.grad is None or not np.isfinite(outputs).all():
            return
        for i in np.flatnonzero(~self.known).tolist():
            scale = float(self.scales(point)[i])
            one = one_sided_slope(point, self.leaf, i, point.gradient(self.leaf), scale)
            if one is not None and self.is_fine(one.gap, self.limit(point, i, one), one.slope):
                self.keep(0, i, one, self.limit(point, i, one))

    def is_judged(self, i: int) -> bool:
        """Whether the entry lies on a kink, or an error as large as half of it would have shown."""
        gap, slope = float(self.numeric[i] - self.analytic[i]), float(self.numeric[i])
        return i in self.with_kinks or self.is_fine(gap, float(self.bound[i]), slope)

    def is_fine(self, gap: float, limit: float, slope: float) -> bool:
        """Whether an entry is right, and an error as large as half of it would have shown."""
        return abs(gap) <= limit <= max(RESOLUTION * self.size, 0.5 * abs(slope))

    def wrong_at_point(self, i: int) -> tuple[float, float] | None:
        """(slope, tolerance) of one entry at the user's point if it is wrong there, else None."""
        self.size = float(np.max(np.abs(self.points.at(0).gradient(self.leaf)), initial=0.0))
        left = self.compare_at(0, [i])
        if left or self.hidden_kinks() or not self.known[i]:
            return None
        gap = abs(self.numeric[i] - self.analytic[i])
        return (float(self.numeric[i]), float(self.bound[i])) if gap > self.bound[i] else None

    def scales(self, point: Point) -> np.ndarray:
        """The unit of the steps, per entry."""
        x = point.values[self.leaf]
        return np.maximum(np.abs(x.ravel()).astype(np.float64), typical_size(x))

    def measure(self, point: Point, i: int, scale: float, steps: str) -> tuple[Estimate, float]:
        """(the slope by one entry, its tolerance)."""
        gradient = point.gradient(self.leaf)
        estimate = measure_slope(point, self.leaf, i, gradient, scale, steps)
        return estimate, self.limit(point, i, estimate)

    def limit(self, point: Point, i: int, estimate: Estimate) -> float:
        """The tolerance of one entry."""
        a = float(point.gradient(self.leaf).flat[i])
        all_noise = point.gradient_noise[self.leaf]
        noise = 0.0 if all_noise is None else float(all_noise.flat[i])
        return tolerance(self.points.settings, estimate.error, a + estimate.gap, a, noise)

    def is_doubtful(self, point: Point, estimate: Estimate, limit: float) -> bool:
        """Whether the entry seems wrong, or its estimate is poor."""
        is_poor = limit > WANTED_RESOLUTION[point.is_coarse] * self.size
        return not abs(estimate.gap) <= limit or is_poor

    def is_clearly_wrong(self, point: Point, estimate: Estimate, limit: float) -> bool:
        """Whether an entry is wrong as many others are, so that more steps need not confirm it."""
        is_fine = limit <= WANTED_RESOLUTION[point.is_coarse] * self.size and not estimate.kinks
        return is_fine and self.confirmed >= CONFIRMED and abs(estimate.gap) > CLEARLY * limit

    def remeasure(
        self, point: Point, i: int, scale: float, first: tuple[Estimate, float]
    ) -> tuple[Estimate, float]:
        """Measure with more steps; and, if an entry is far smaller than the others, in its unit.

        Where the slope still changes at the smallest step, or where nothing says how small a step
        has to be because the entry is 0, with much smaller steps, too.
        """
        candidates = [first]
        size = abs(float(point.values[self.leaf].flat[i]))
        if size == 0 and self.sharp_scale:
            candidates.append(self.measure(point, i, self.sharp_scale, "usual"))
            if not self.is_doubtful(point, *candidates[1]):
                return candidates[1]
        is_unsettled = first[0].error == np.inf and not first[0].kinks
        if not (is_unsettled and size == 0):
            candidates.append(self.measure(point, i, scale, "wide"))
            is_unsettled = is_unsettled and candidates[-1][0].error == np.inf
        if 0 < size < 1e-2 * scale:
            candidates.append(self.measure(point, i, size, "usual"))
            is_unsettled = is_unsettled and candidates[-1][0].error == np.inf
        estimate, limit = best_estimate(candidates)
        if is_unsettled or (size == 0 and not estimate.kinks and not abs(estimate.gap) <= limit):
            fine = self.measure(point, i, scale, "fine")
            if fine[0].error < np.inf and fine[0].step < 2.0**-28 * scale:
                if size == 0:
                    self.sharp_scale = fine[0].step * 2.0**15
                return fine
            candidates.append(fine)
        return best_estimate(candidates)

    def use_complex_step(
        self, point: Point, scales: np.ndarray, found: dict[int, tuple[Estimate, float]]
    ) -> None:
        """Replace differences by the complex step, if they agree on every entry.

        It is trusted as far as the differences could check it: a part of F that it does not see (a
        small |x|) would be hidden under their error bars. `remeasure` weighs both where it alone
        sees a difference.
        """
        gradient = point.gradient(self.leaf)
        complex_steps: dict[int, Estimate] = {}
        for i, (estimate, _) in found.items():
            one = complex_slope(point, self.leaf, i, gradient, scales[i])
            if one is None:
                return
            allowed = SAFETY * (estimate.error + one.error) + estimate.kink_size
            if not abs(one.gap - estimate.gap) <= allowed:
                return
            complex_steps[i] = one
        checked = [
            found[i][0].error
            for i, one in complex_steps.items()
            if abs(one.slope) > 0.1 * self.size and not found[i][0].kinks
        ]
        if not checked or min(checked) > 1e-4 * self.size:
            return
        self.method = "complex step"
        for i, one in complex_steps.items():
            estimate = found[i][0]
            error = max(one.error, min(checked), estimate.error / COMPLEX_STEP_GAIN)
            if error < estimate.error and not estimate.kinks:
                better = one._replace(error=error)
                found[i] = better, self.limit(point, i, better)
