"""Kinks that no single slope shows: several entries tie, and a move of one of them changes nothing.

Of three equal numbers the median stays where it is when one of them moves, to either side. Both
one-sided slopes are 0, yet when all three move the median moves with them. Where F is smooth, the
effects of two small moves add up; at such a kink they do not, however small the moves are. Smooth
functions may look like one down to small moves: sqrt(x² + y² + 1e-24) at (0, 0). Therefore the
moves are made as small as rounding allows.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..problem.arrays import ignore_float_errors, typical_size
from ..problem.random_streams import Stream, generator
from .directions import Direction
from .points import Point

__tracebackhide__ = True  # pytest shows a failure at the user's line, not at ours
TRIALS = 3
LARGEST_STEP = 2.0**-17  # of the moves, which are as large as the arguments
# Smaller steps, at which a kink is still seen. Where only entries of 0 are moved, rounding may
# allow the second ones, too.
FINER, FINER_AT_ZERO = 2.0 ** -np.array([24, 31, 38, 42, 46]), 2.0 ** -np.arange(24.0, 104, 5)
# The rounding error at entries of 0 is seen from steps that differ by these factors.
NEIGHBOURS, MARGIN = (1.0, 1.013, 1.031), 4.0


class Moves(NamedTuple):
    """Two moves: of some entries of one leaf, and of the others of all leaves."""

    point: Point
    leaf: int
    some: np.ndarray
    others: list[np.ndarray]

    @property
    def of_zeros(self) -> Moves | None:
        """The same without the entries that are not 0; None where one of the first ones is not."""
        values = self.point.values
        if np.any(values[self.leaf][self.some != 0]):
            return None
        others = [np.where(v == 0, m, 0.0) for v, m in zip(values, self.others, strict=True)]
        return self._replace(others=others)


def has_hidden_kink(
    point: Point, leaf: int, direction: Direction, size: float, step: float, gap: float, seed: int
) -> bool:
    """Whether the effect of a move depends on moves of other entries, at any step.

    size is that of the moves of the leaf, step one at which its slope has settled, and gap the
    error of the gradient that such a kink would have to explain.
    """
    h = min(LARGEST_STEP, step / size / 4) if step > 0 else LARGEST_STEP
    has_vanished = is_hidden = False
    for trial in range(TRIALS):
        rng = generator(seed, Stream.HIDDEN_KINKS, leaf, trial)
        others = [typical_size(v) * centred(rng, v.shape) for v in point.values]
        if isinstance(direction, np.ndarray):
            some = rng.random(direction.shape) < 0.5
            move = size * np.where(some, direction, 0.0)
            others[leaf] = size * np.where(some, 0.0, direction)
        else:
            move = np.zeros(others[leaf].shape)
            move.flat[direction] = 2 * size
            others[leaf].flat[direction] = 0.0
        for sign in (1.0, -1.0):
            moves = Moves(point, leaf, sign * move, others)
            if not stays(moves, h, 2e-2 * size * abs(gap)):
                continue
            if vanishes(moves, h):
                has_vanished = True
            elif is_clear(moves, h):
                return True
            else:  # too small to tell
                is_hidden = True
    return is_hidden and not has_vanished


def centred(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Random numbers between -1 and 1."""
    return rng.uniform(-1.0, 1.0, shape)


def stays(moves: Moves, h: float, smallest: float) -> bool:
    """Whether two moves have an effect that is not the sum of theirs and does not shrink with h."""
    fine = interaction(moves, h)
    if not abs(fine) > max(10 * moves.point.loss_sigma / h, smallest):
        return False
    return bool(abs(fine) > 0.5 * abs(interaction(moves, 4 * h)))


def is_clear(moves: Moves, h: float) -> bool:
    """Whether an effect that vanishes at the smallest step would have been seen to."""
    return bool(10 * moves.point.loss_sigma / FINER[-1] < 0.25 * abs(interaction(moves, h)))


def vanishes(moves: Moves, h: float) -> bool:
    """Whether much smaller moves show that there is no kink, as far as rounding lets them."""
    size = interaction(moves, h)
    for step in FINER[h > FINER]:
        noise = 10 * moves.point.loss_sigma / step
        if abs(interaction(moves, step)) + noise < 0.5 * abs(size):
            return True
    zeros = moves.of_zeros
    if zeros is None or not abs(interaction(zeros, h) - size) < 0.5 * abs(size):
        return False
    return any(vanishes_at_zero(zeros, h, step) for step in FINER_AT_ZERO[h > FINER_AT_ZERO])


def vanishes_at_zero(zeros: Moves, h: float, step: float) -> bool:
    """The same at one step, where only entries of 0 are moved: rounding is as small as they are.

    Where an output that shows the effect at the step h does not change at all, rounding hides it.
    """
    dout = zeros.point.dout
    effect = np.abs(dout * left_over(zeros, h)[0])
    shows = effect > 0.1 * np.max(effect, initial=0.0)
    found = [left_over(zeros, step * factor) for factor in NEIGHBOURS]
    if not all(np.all(both[shows] != 0) for _, both in found):
        return False
    sizes = [
        np.dot(dout, rest) / (step * f) for (rest, _), f in zip(found, NEIGHBOURS, strict=True)
    ]
    noise = MARGIN * np.ptp(sizes)
    return bool(abs(sizes[0]) + noise < 0.5 * np.sum(effect) / h)


def interaction(moves: Moves, h: float) -> float:
    """The effect of both moves without those of each alone, by h; NaN outside the domain of F."""
    return float(np.dot(moves.point.dout, left_over(moves, h)[0])) / h


def left_over(moves: Moves, h: float) -> tuple[np.ndarray, np.ndarray]:
    """Per output (the effect of both moves without those of each alone, the effect of both)."""
    point = moves.point

    def effect(has_some: bool, has_others: bool) -> np.ndarray:
        values = [h * v if has_others else 0.0 * v for v in moves.others]
        if has_some:
            values[moves.leaf] = values[moves.leaf] + h * moves.some
        values = [
            (v + m).astype(v.dtype, copy=False) for v, m in zip(point.values, values, strict=True)
        ]
        return point.problem.outputs(values) - point.outputs

    with ignore_float_errors():
        try:
            both = effect(True, True)
            return both - effect(True, False) - effect(False, True), both
        except Exception:  # outside the domain, whatever is raised
            nothing = np.full(point.outputs.shape, np.nan)
            return nothing, nothing
