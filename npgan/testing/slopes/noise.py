"""The rounding noise of a function's outputs and of a gradient, measured instead of assumed.

Along a line of tiny steps a smooth function is nearly a polynomial of degree one. What its second
and third differences leave is rounding (Hamming 1971; Moré & Wild 2011, "Estimating computational
noise"). A large term that cancels is found this way. Numbers that are rounded to float32 on their
way, arguments or a buffer, do not change along so short a line; a longer one finds them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial

import numpy as np

from ..problem.analytic import as_arrays
from ..problem.arrays import max_abs, rms, typical_size
from ..problem.problem import Problem

__tracebackhide__ = True  # pytest shows a failure at the user's line, not at ours
SAMPLES = 5
# (distance of two points on the line, of the line from the given point), by "is it float32?".
STEP = {True: (2.0**-18, 2.0**-9), False: (2.0**-30, 2.0**-12)}
SIDES = (0, 1, -1)  # the signs of the moves, in this order; 0 for both
# Farther points on the line, for outputs that do not change near its start.
FAR, NOT_FAR = [2.0**k for k in range(3, 28, 3)], 2.0**12
# Of the outputs; float64 has less rounding noise than that, float32 more.
COARSE = 1e-9
# (points, their distance) on the two longer lines; less than LEFT on the second is no rounding.
LONG, LESS_LONG, LEFT = (7, 2.0**-20), (13, 2.0**-22), 0.02
# By how much rounding errors at two points may differ.
ROUNDING_MARGIN = 30.0


class Noise:
    """Standard deviation of the rounding error, per output.

    is_coarse: the function computes in float32 (or less).
    """

    def __init__(self, sigma: np.ndarray, is_coarse: bool):
        self.sigma, self.is_coarse = sigma, is_coarse
        info = np.finfo(np.float32 if is_coarse else np.float64)
        self.eps, self.tiny = float(info.eps), float(info.tiny)

    def at(self, outputs: np.ndarray) -> np.ndarray:
        """The noise at other outputs: as measured, but at least half a unit in the last place."""
        return np.maximum(self.sigma, 0.5 * self.eps * np.abs(outputs) + self.tiny)


def points_on_a_line(
    values: Sequence[np.ndarray],
    scales: Sequence[float],
    rng: np.random.Generator,
    is_coarse: bool,
    positions: Sequence[float],
    side: int = 0,
) -> Iterator[list[np.ndarray]]:
    """Points on a line near the given values, at these positions in units of STEP.

    The line starts a little off the given point: points chosen by people lie on kinks, and a kink
    would look like noise. Where an array has entries of very different sizes, each moves in
    proportion to itself, and so stays on its side of 0. side: the sign of all moves, or 0.
    """
    step, offset = STEP[is_coarse]
    moves = [rng.uniform(-1.0, 1.0, v.shape) for v in values]
    directions = [
        np.where(v == 0, s, np.minimum(np.abs(v), s)) * (side * np.abs(move) if side else move)
        for v, s, move in zip(values, scales, moves, strict=True)
    ]
    starts = [v + offset * d for v, d in zip(values, directions, strict=True)]
    for position in positions:
        yield [
            (start + (position * step) * d).astype(v.dtype, copy=False)
            for v, start, d in zip(values, starts, directions, strict=True)
        ]


def sigma_of_samples(samples: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Two estimates of the rounding error, from second and from third differences.

    If the errors of the samples are independent, second differences have 6 times their variance and
    third differences 20 times.
    """
    stacked = np.stack([np.asarray(s, np.float64) for s in samples])
    second, third = np.diff(stacked, 2, axis=0), np.diff(stacked, 3, axis=0)
    return rms(second, 0, 6), rms(third, 0, 20)


def measure_noise(
    outputs: Callable[[Sequence[np.ndarray]], np.ndarray],
    values: Sequence[np.ndarray],
    scales: Sequence[float],
    rng: np.random.Generator,
    is_coarse: bool,
) -> Noise:
    """The noise of outputs(values); is_coarse: the function is known to compute in float32."""
    state = rng.bit_generator.state

    def samples_on(side: int, positions: Sequence[float]) -> list[np.ndarray]:
        rng.bit_generator.state = state  # the same line
        points = points_on_a_line(values, scales, rng, is_coarse, positions, side)
        return [outputs(v) for v in points]

    for side in SIDES:  # the domain may end at entries that are 0
        samples_at = partial(samples_on, side)
        samples = samples_at(range(SAMPLES))
        if all(np.isfinite(s).all() for s in samples):
            break
    if not all(np.isfinite(s).all() for s in samples):
        return Noise(np.zeros_like(samples[0]), is_coarse)
    if is_coarse:
        return Noise(doubled_if_few(np.maximum(*sigma_of_samples(samples))), True)
    second, third = sigma_of_samples(samples)
    sigma = doubled_if_few(np.maximum(second, third))
    of_numbers = rounding_of_numbers(samples_at, samples[0], sigma)
    sigma = np.maximum(sigma, of_numbers)
    constant = samples[0] == samples[-1]
    if constant.any():
        moved = samples_at(FAR)
        changes = first_changes(moved, samples[0], constant)
        quantised = changes > 0
        if quantised.sum() > 0.5 * (~constant | quantised).sum():
            sigma = np.maximum(0.25 * changes, sigma)
            # Where float64 itself resolves no such steps, of a large term, it is less than that.
            size = float(rms(samples[0][quantised]))
            return Noise(sigma, float(rms(sigma[quantised])) > COARSE * size)
    if not constant.all() and all(np.array_equal(s, s.astype(np.float32)) for s in samples):
        return Noise(sigma, True)  # float64 arrays of float32 numbers
    # Third differences, because a function that varies fast has second ones even here.
    noisy = max(float(rms(third)), float(rms(of_numbers)))
    return Noise(sigma, noisy > COARSE * float(rms(samples[0])))


def doubled_if_few(sigma: np.ndarray) -> np.ndarray:
    """Twice as much for few outputs: few samples may agree by chance; many average that out."""
    return 2 * sigma if sigma.size < 8 else sigma


def rounding_of_numbers(
    samples_at: Callable[[Sequence[float]], list[np.ndarray]],
    start: np.ndarray,
    sigma: np.ndarray,
) -> np.ndarray:
    """The rounding error of numbers that are rounded to float32 before the outputs; else zeros.

    start is the output at the start of the lines, sigma its noise as far as the shortest line shows
    it. On longer lines these numbers change by several units in their last place at each point, and
    what is smooth has no fourth differences. Those of a sharp function, or of a kink that is
    crossed, shrink with the step.
    """

    def fourth_differences(count: int, step: float) -> np.ndarray:
        distances = [k * step / STEP[False][0] for k in range(1, count)]
        samples = np.stack([start, *samples_at(distances)])
        found: np.ndarray = rms(np.diff(samples, 4, axis=0), 0, 70)
        return found

    long = fourth_differences(*LONG)
    unit = np.finfo(float).eps * np.abs(start)
    # A number that happens to change on the shortest line shows too little of the error.
    if not np.any((long > 4 * sigma + 4 * unit) | (sigma > 64 * unit)):
        return np.zeros_like(start)
    less_long = fourth_differences(*LESS_LONG)
    return np.where(less_long > LEFT * long, np.maximum(long, less_long), 0.0)


def first_changes(
    outputs: Sequence[np.ndarray], start: np.ndarray, constant: np.ndarray
) -> np.ndarray:
    """By how much each output that seemed constant changes first, as the steps grow; else 0.

    That is about the spacing of the numbers that it is rounded to.
    """
    changes = np.zeros_like(start)
    for position, moved in zip(FAR, outputs, strict=False):
        change = np.abs(moved - start)
        # A large change after a long way is no rounding: a kink was crossed.
        is_rounding = (position <= NOT_FAR) | (change <= 1e-4 * np.abs(start))
        is_first = constant & (changes == 0) & is_rounding & np.isfinite(change)
        changes = np.where(is_first, change, changes)
        if changes[constant].all():
            break
    return changes


def measure_gradient_noise(
    problem: Problem,
    dout: np.ndarray,
    rng: np.random.Generator,
    is_coarse: bool,
    samples: int = 3,
) -> list[np.ndarray | None]:
    """The rounding error of a gradient: its second differences along a line of tiny steps."""
    scales = [typical_size(v) for v in problem.values]
    try:
        found = [
            as_arrays(problem, problem.gradients(v, dout))[0]
            for v in points_on_a_line(problem.values, scales, rng, is_coarse, range(samples))
        ]
    except Exception:  # outside the domain, whatever is raised
        return [np.zeros(v.shape) for v in problem.values]
    return [
        np.zeros(v.shape) if any(g is None for g in line) else second_differences(line)
        for v, line in zip(problem.values, zip(*found, strict=True), strict=True)
    ]


def second_differences(samples: Sequence[np.ndarray | None]) -> np.ndarray:
    """One standard deviation of the rounding error per entry, from equidistant samples."""
    return rms(np.diff(np.stack([s for s in samples if s is not None]), 2, axis=0), 0, 6)


def is_rounding(gradient: np.ndarray, noise: np.ndarray | None) -> bool:
    """Whether a gradient is no larger than its rounding error, of which noise is one sample."""
    return noise is not None and max_abs(gradient) <= ROUNDING_MARGIN * float(rms(noise))
