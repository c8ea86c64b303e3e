"""Kinks that no single slope shows: several entries tie, and a move of one of them changes nothing.

Of three equal numbers the median stays where it is when one of them moves, to either side. Both
one-sided slopes are 0, yet when all three move the median moves with them. Where F is smooth, the
effects of two small moves add up; at such a kink they do not, however small the moves are.
"""

from __future__ import annotations

import numpy as np

from ..problem.arrays import ignore_float_errors, typical_size
from ..problem.random_streams import Stream, generator
from .difference_quotient import Direction
from .points import Point

__tracebackhide__ = True  # pytest shows a failure at the user's line, not at ours
TRIALS = 3
LARGEST_STEP = 2.0**-17  # of the moves, which are as large as the arguments


def has_hidden_kink(
    point: Point, leaf: int, direction: Direction, size: float, step: float, gap: float, seed: int
) -> bool:
    """Whether the effect of a move depends on moves of other entries, at any step.

    size is that of the moves of the leaf, step one at which its slope has settled, and gap the
    error of the gradient that such a kink would have to explain.
    """
    h = min(LARGEST_STEP, step / size / 4) if step > 0 else LARGEST_STEP
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
            if stays(point, leaf, sign * move, others, h, 2e-2 * size * abs(gap)):
                return True
    return False


def centred(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Random numbers between -1 and 1."""
    return rng.uniform(-1.0, 1.0, shape)


def stays(
    point: Point,
    leaf: int,
    move: np.ndarray,
    others: list[np.ndarray],
    h: float,
    smallest: float,
) -> bool:
    """Whether two moves have an effect that is not the sum of theirs and does not shrink with h."""
    noise = 10 * point.loss_sigma
    fine = interaction(point, leaf, move, others, h)
    if not abs(fine) > max(noise / h, smallest):
        return False
    coarse = interaction(point, leaf, move, others, 4 * h)
    return bool(abs(fine) > 0.5 * abs(coarse))


def interaction(
    point: Point, leaf: int, move: np.ndarray, others: list[np.ndarray], h: float
) -> float:
    """The effect of both moves without those of each alone, by h; NaN outside the domain of F."""

    def effect(has_move: bool, has_others: bool) -> np.ndarray:
        moves = [h * v if has_others else 0.0 * v for v in others]
        if has_move:
            moves[leaf] = moves[leaf] + h * move
        values = [
            (v + m).astype(v.dtype, copy=False) for v, m in zip(point.values, moves, strict=True)
        ]
        return point.problem.outputs(values) - point.outputs

    with ignore_float_errors():
        try:
            left_over = effect(True, True) - effect(True, False) - effect(False, True)
        except Exception:  # outside the domain, whatever is raised
            return float("nan")
        return float(np.dot(point.dout, left_over)) / h
