"""The rounding noise of a function's outputs and of a gradient, measured instead of assumed.

Along a line of tiny steps a smooth function is nearly a polynomial of degree one. What its second
and third differences leave is rounding (Hamming 1971; Moré & Wild 2011, "Estimating computational
noise"). A float32 buffer inside a float64 function, or a large term that cancels, is found this
way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from ..problem.analytic import as_arrays
from ..problem.arrays import max_abs, rms, typical_size
from ..problem.problem import Problem

__tracebackhide__ = True  # pytest shows a failure at the user's line, not at ours
SAMPLES = 5
# (distance of two points on the line, of the line from the given point), by "is it float32?".
STEP = {True: (2.0**-18, 2.0**-9), False: (2.0**-30, 2.0**-12)}
# Farther points on the line, for outputs that do not change near its start.
FAR, NOT_FAR = [2.0**k for k in range(3, 28, 3)], 2.0**12
# Of the outputs; float64 has less rounding noise than that, float32 more.
COARSE = 1e-9
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
) -> Iterator[list[np.ndarray]]:
    """Points on a line near the given values, at these positions in units of STEP.

    The line starts a little off the given point: points chosen by people lie on kinks, and a kink
    would look like noise. Where an array has entries of very different sizes, each moves in
    proportion to itself, and so stays on its side of 0.
    """
    step, offset = STEP[is_coarse]
    directions = [
        np.where(v == 0, s, np.minimum(np.abs(v), s)) * rng.uniform(-1.0, 1.0, v.shape)
        for v, s in zip(values, scales, strict=True)
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
    line = points_on_a_line(values, scales, rng, is_coarse, range(SAMPLES))
    samples = [outputs(v) for v in line]
    if not all(np.isfinite(s).all() for s in samples):
        return Noise(np.zeros_like(samples[0]), is_coarse)
    constant = samples[0] == samples[-1]
    if not is_coarse and constant.any():
        rng.bit_generator.state = state  # the same line, in larger steps
        line = points_on_a_line(values, scales, rng, False, FAR)
        changes = first_changes(map(outputs, line), samples[0], constant)
        quantised = changes > 0
        if quantised.sum() > 0.5 * (~constant | quantised).sum():
            sigma = np.maximum(0.25 * changes, np.maximum(*sigma_of_samples(samples)))
            # Where float64 itself resolves no such steps, of a large term, it is less than that.
            size = float(rms(samples[0][quantised]))
            return Noise(sigma, float(rms(sigma[quantised])) > COARSE * size)
    if not constant.all() and all(np.array_equal(s, s.astype(np.float32)) for s in samples):
        return Noise(
            np.maximum(*sigma_of_samples(samples)), True
        )  # float64 arrays of float32 numbers
    second, third = sigma_of_samples(samples)
    sigma = np.maximum(second, third)
    # Third differences, because a function that varies fast has second ones even here.
    is_noisy = bool(rms(third) > COARSE * rms(samples[0]))
    if sigma.size < 8:
        sigma = 2 * sigma  # few samples may agree by chance; many outputs average that out
    return Noise(sigma, is_coarse or is_noisy)


def first_changes(
    outputs: Iterator[np.ndarray], start: np.ndarray, constant: np.ndarray
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
