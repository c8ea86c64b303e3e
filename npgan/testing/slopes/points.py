"""The points at which slopes are measured: the user's own, and others near it.

Where the user's point lies on a kink, or where no slope can be measured there, the gradient is
checked at points that are moved a little at random ("jittered").
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ..problem.analytic import AnalyticGradients, as_arrays
from ..problem.arrays import ignore_float_errors, max_abs, norm, rms, typical_size
from ..problem.errors import DOMAIN_ERRORS
from ..problem.problem import Problem
from ..problem.random_streams import Stream, generator
from .noise import Noise

__tracebackhide__ = True  # pytest shows a failure at the user's line, not at ours
# In units of each argument; the smaller ones are used where func does not accept the larger ones.
JITTER_DISTANCES = (2.0**-5, 2.0**-9, 2.0**-14)


class Settings(NamedTuple):
    """The options of check_gradients that decide on a slope."""

    rtol: float
    atol: float
    method: str
    kinks: str


class Point:
    """Arguments, with outputs, dout and analytic gradients there, and their rounding errors."""

    def __init__(
        self, problem: Problem, values: Sequence[np.ndarray], dout: np.ndarray, noise: Noise
    ):
        self.problem, self.values, self.dout = problem, list(values), dout
        self.is_coarse = noise.is_coarse
        self.gradients: list[np.ndarray | None] = [None] * len(self.values)
        self.gradient_noise: list[np.ndarray | None] = [None] * len(self.values)
        self.sizes: dict[int, float] = {}
        self.scratch: dict[int, tuple[np.ndarray, np.ndarray, np.ndarray]] = {}
        with ignore_float_errors():
            self.outputs = problem.outputs(self.values)
            self.sigma = noise.at(self.outputs)
            # The samples of one output may agree by chance.
            self.pooled_sigma = np.maximum(self.sigma, rms(self.sigma))
            self.loss_sigma = norm(dout * self.sigma)  # of Σ dout F

    def gradient(self, leaf: int) -> np.ndarray:
        """The analytic gradient by a leaf that has one."""
        gradient = self.gradients[leaf]
        assert gradient is not None
        return gradient

    def largest(self, leaf: int) -> float:
        """The largest absolute value of a leaf."""
        if leaf not in self.sizes:
            self.sizes[leaf] = max_abs(self.values[leaf])
        return self.sizes[leaf]

    def buffers(self, leaf: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Three arrays like a leaf, made once: allocation would cost more than the arithmetic."""
        if leaf not in self.scratch:
            x = self.values[leaf]
            self.scratch[leaf] = np.empty_like(x), np.empty_like(x), np.empty(x.shape)
        return self.scratch[leaf]

    def outputs_with(self, leaf: int, value: np.ndarray) -> np.ndarray:
        """The outputs where one leaf is replaced by another value."""
        values = list(self.values)
        values[leaf] = value
        with ignore_float_errors():
            return self.problem.outputs(values)


class Points:
    """One problem with the points at which it is checked, each made when it is first used.

    native is the problem in the user's dtypes, problem the one that is measured (in float64 where
    that is possible), analytic what backward says at the user's point.
    """

    def __init__(
        self,
        native: Problem,
        problem: Problem,
        dout: np.ndarray,
        noise: Noise,
        analytic: AnalyticGradients,
        settings: Settings,
        seed: int,
    ):
        self.native, self.problem, self.dout, self.noise = native, problem, dout, noise
        self.analytic, self.settings, self.seed = analytic, settings, seed
        self.made: dict[int, Point] = {}
        self.nearby: list[list[np.ndarray | None]] = []  # gradients around the user's point

    def at(self, attempt: int) -> Point:
        """The user's point at attempt 0, jittered points after it."""
        if attempt not in self.made:
            self.made[attempt] = self.jittered(attempt) if attempt else self.given()
        return self.made[attempt]

    def given(self) -> Point:
        """The user's point."""
        point = Point(self.problem, self.problem.values, self.dout, self.noise)
        point.gradients, point.gradient_noise = self.analytic.values, self.analytic.noise
        return point

    def jittered(self, attempt: int) -> Point:
        """A point as far from the user's as func accepts; without gradients if it accepts none."""
        for i, distance in enumerate(JITTER_DISTANCES):
            rng = generator(self.seed, Stream.JITTER, attempt, i)
            values = [jitter(v, distance, rng) for v in self.problem.values]
            try:
                point = Point(self.problem, values, self.dout, self.noise)
                if not np.isfinite(point.outputs).all():
                    continue
                with ignore_float_errors():
                    returned = self.problem.gradients(values, self.dout)
                    point.gradients = as_arrays(self.problem, returned)[0]
            except DOMAIN_ERRORS:
                continue
            point.gradient_noise = self.analytic.noise
            return point
        point = copy.copy(self.at(0))
        point.gradients = [None] * len(point.values)
        return point


def jitter(v: np.ndarray, distance: float, rng: np.random.Generator) -> np.ndarray:
    """Every entry moved by 0.5 to 1.5 times the distance, in units of its own size."""
    with ignore_float_errors():
        unit = np.abs(v) + 0.5 * typical_size(v)
        shift = rng.uniform(-1.0, 1.0, v.shape)
        shift += np.copysign(0.5, shift)
        return (v + distance * unit * shift).astype(v.dtype)
