"""What is known of one wrong gradient, and whether a corrected one would agree with the slopes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from ..problem.arrays import rms
from ..slopes.points import Points
from ..verdict.comparison import Comparison
from ..verdict.projections import ProjectionComparison
from .experiment import PRECISION, make_trials
from .finer import finer
from .resized import powers_of_lengths
from .sizes import Sizes, sizes_of
from .trial import Trial

# (how simple the explanation is, the sentence); of those that fit, the simplest is named.
Hint = tuple[int, str]
# A corrected gradient of a trial; None where it does not apply.
Candidate = Callable[[Trial], np.ndarray | None]
# A candidate that was chosen among many must be told from the wrong gradient by this many slopes.
ENOUGH = 3


class Evidence(NamedTuple):
    """What is known of one wrong gradient: the trials, the user's point first."""

    trials: Sequence[Trial]
    sizes: Sizes
    # Would this gradient predict the slopes along the directions of projections?
    predicts: Callable[[np.ndarray], bool]
    confined: Callable[[np.ndarray], bool]  # is everything outside this mask right?
    # How a wrong factor depends on the lengths of axes: {length: power}.
    powers: Callable[[float], dict[int, float]]
    at_kinks: str = ""  # what is said where backward is wrong at kinks of func alone

    @property
    def first(self) -> Trial:
        """The trial at the user's point with the user's dout."""
        return self.trials[0]

    def holds(self, candidate: Candidate, enough: int = ENOUGH) -> bool:
        """Whether a candidate explains the error in every trial, shown by enough slopes."""
        seen = 0
        for i, trial in enumerate(self.trials):
            corrected = candidate(trial)
            if corrected is None or not trial.explains(corrected):
                return False
            if i == 0 and not np.isnan(corrected).any() and not self.predicts(corrected):
                return False
            seen += trial.evidence(corrected)
        return seen >= enough

    def best_factor(self, of: Candidate) -> float:
        """The k that fits best, numeric = k x candidate, in the first trial in which both are
        clearly not zero."""
        for trial in self.trials:
            candidate = of(trial)
            if candidate is None or candidate.shape != trial.x.shape:
                return np.nan
            k = least_squares(candidate[trial.known], trial.numeric[trial.known])
            if np.isfinite(k) and k != 0:
                return k
        return np.nan

    def pairs(self) -> Iterator[tuple[Trial, np.ndarray]]:
        """Every trial in which something is wrong, with the mask of what is wrong."""
        for trial in self.trials:
            if trial.wrong.any():
                yield trial, trial.wrong


def least_squares(candidate: np.ndarray, numeric: np.ndarray) -> float:
    """The factor that fits best, numeric = factor x candidate; NaN where there is none."""
    size = float(np.max(np.abs(candidate), initial=0))
    if not 0 < size < np.inf:
        return np.nan
    unit = candidate / size  # whose squares do not overflow
    return float(np.vdot(unit, numeric / size)) / float(np.vdot(unit, unit))


def evidence_of_entries(points: Points, leaf: int, found: Comparison) -> Evidence:
    """From a comparison entry by entry, to which other points and other douts are added."""
    attempt = 0 if not found.kinks else first_attempt(points, leaf)
    sharp = finer(points)
    trials = make_trials(sharp, leaf, attempt, np.flatnonzero(found.wrong))
    if trials and attempt == 0 and sharp is points:
        entries = trials[0].entries
        numeric = np.where(found.known, found.numeric, np.nan)
        trials[0].measure(numeric.flat[entries], found.bound.flat[entries])

    def confined(mask: np.ndarray) -> bool:
        return not np.any(found.wrong & ~mask)

    return Evidence(
        trials=usable(trials),
        sizes=sizes_of(points.problem),
        predicts=lambda candidate: True,
        confined=confined,
        powers=lambda factor: powers_of_lengths(sharp, leaf, factor),
        at_kinks=wrong_at_kinks(points, leaf, found) if found.kinks else "",
    )


def wrong_at_kinks(points: Points, leaf: int, found: Comparison) -> str:
    """The hint where backward is right at points near the user's, and wrong at kinks of func."""
    x, name = points.native.values[leaf], points.problem.names[leaf]
    value = x[found.wrong][0]
    is_one = np.all(x[found.wrong] == value) and np.all(x[~found.wrong] != value)
    where = f"where {name} is {value:.12g}, a kink of func" if is_one else "at kinks of func"
    is_zero = not points.at(0).gradient(leaf)[found.wrong].any()
    return (
        f"only {where}: it is {'zero' if is_zero else 'wrong'} there, and any number between the "
        "two one-sided slopes would be right"
    )


def evidence_of_projections(
    points: Points,
    leaf: int,
    projections: ProjectionComparison,
    index: tuple[int, ...] | None,
) -> Evidence:
    """From slopes along directions, to which those of some entries are added."""
    found = list(projections.found.values())
    directions = [projections.directions[d] for d in projections.found]
    slopes = np.array([projection.estimate.slope for projection in found])
    limits = np.array([projection.limit for projection in found])
    gaps = np.array([projection.estimate.gap for projection in found])
    attempt = found[0].attempt
    point = points.at(attempt)
    size = min(float(rms(slopes)), 200 * float(rms(gaps)))
    allowed = 4 * limits + PRECISION[points.noise.is_coarse] * size

    def predicts(candidate: np.ndarray) -> bool:
        predicted = np.array([np.vdot(v, candidate) for v in directions])
        return bool(np.all(np.abs(predicted - slopes) <= allowed))

    def confined(mask: np.ndarray) -> bool:
        outside = np.where(mask, 0.0, projections.directions[projections.wrong_directions()[0]])
        estimate, limit = projections.measure(point, outside, projections.steps, projections.entry)
        return abs(estimate.gap) <= limit

    wrong = [] if index is None else [int(np.ravel_multi_index(index, projections.shape))]
    sharp = finer(points)
    return Evidence(
        trials=usable(make_trials(sharp, leaf, attempt, np.array(wrong, int))),
        sizes=sizes_of(points.problem),
        predicts=predicts,
        confined=confined,
        powers=lambda factor: powers_of_lengths(sharp, leaf, factor),
    )


def first_attempt(points: Points, leaf: int) -> int:
    """The first point near the user's at which backward gives a gradient."""
    return 1 if points.at(1).gradients[leaf] is not None else 0


def usable(trials: Sequence[Trial]) -> list[Trial]:
    """The first trial, and those others in which a slope is known and something is wrong."""
    return [t for i, t in enumerate(trials) if i == 0 or (t.known.any() and t.wrong.any())]
