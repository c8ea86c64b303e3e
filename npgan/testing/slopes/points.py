"""The points at which slopes are measured: the user's own, and others near it.

Where the user's point lies on a kink, or where no slope can be measured there, the gradient is
checked at points that are moved a little at random ("jittered").
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from contextlib import suppress
from typing import NamedTuple

import numpy as np

from ..problem.analytic import AnalyticGradients, as_arrays
from ..problem.arrays import ignore_float_errors, max_abs, norm, rms, typical_size
from ..problem.problem import Problem
from ..problem.random_streams import Stream, generator
from .directions import Direction, random_signs
from .noise import ROUNDING_MARGIN, Noise, is_rounding, measure_gradient_noise

__tracebackhide__ = True  # pytest shows a failure at the user's line, not at ours


# How much larger the noise of all outputs is, before it is asked which depend on an argument.
UNEVEN = 64.0
# Moves, in units of the argument, that no output that depends on it should leave unchanged.
FAR_AWAY = (2.0**40, 2.0**20, 2.0**10, 2.0**3)
# Factors of all arguments that open the gates which large arguments shut.
SMALLER = (2.0**-2, 2.0**-5, 2.0**-9)
ODD = 0.7  # part of a move: by a whole one, an even function of 0.5 may come to -0.5


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
        self.leaf_sigmas: dict[tuple[int, int | bytes], tuple[float, np.ndarray, float]] = {}
        self.at_zeros: dict[tuple[int, float], np.ndarray] = {}  # noise, by leaf and step
        self.eps = noise.eps
        with ignore_float_errors():
            self.outputs = problem.outputs(self.values)
            self.sigma = noise.at(self.outputs)
            # The samples of one output may agree by chance.
            self.pooled_sigma = np.maximum(self.sigma, rms(self.sigma))
            self.loss_sigma = norm(dout * self.sigma)  # of Σ dout F

    def sigmas(
        self, leaf: int, direction: Direction, moved: np.ndarray
    ) -> tuple[float, np.ndarray, float]:
        """(loss_sigma, pooled_sigma, hidden) of the outputs that depend on the entries in motion.

        moved: the outputs that a step has changed. Only where their noise is far smaller than that
        of all does it matter which of the others depend on these entries. hidden is the slope of
        the others that their rounding hides even where the entries are moved far.
        """
        everything = self.loss_sigma, self.pooled_sigma, 0.0
        found = self.leaf_sigmas.get((leaf, b""), everything)
        if moved.all() or not moved.any():
            return found
        if UNEVEN * norm((self.dout * self.sigma)[moved]) > found[0]:
            return found
        found, sigma, whole = everything, self.sigma, np.ones(self.values[leaf].shape)
        for entries in (whole, direction):
            key = leaf, entries if isinstance(entries, int) else support(entries)
            if key in self.leaf_sigmas:
                found = self.leaf_sigmas[key]
            elif UNEVEN * norm((self.dout * sigma)[moved]) <= found[0]:
                found = self.leaf_sigmas[key] = self.sigmas_of(leaf, entries, moved, sigma)
            sigma = np.maximum(self.sigma, self.common_sigma(moved, found[1] > 0))
        return found

    def common_sigma(self, moved: np.ndarray, of_leaf: np.ndarray) -> float:
        """The noise of all outputs of a leaf that are not much larger than those that have moved.

        The samples of few outputs may all be small by chance, those of many not.
        """
        most = UNEVEN * max_abs(self.outputs[moved])
        return float(rms(self.sigma[of_leaf & (np.abs(self.outputs) <= most)]))

    def sigmas_of(
        self, leaf: int, direction: Direction, moved: np.ndarray, sigma: np.ndarray
    ) -> tuple[float, np.ndarray, float]:
        """The same from each output's noise, where it matters which depend on these entries."""
        depends, distance = self.dependent_outputs(leaf, direction)
        depends = depends | moved
        sigma = np.where(depends, sigma, 0.0)
        pooled = np.maximum(sigma, np.where(depends, rms(sigma[depends]), 0.0))
        hidden = norm(self.dout * np.where(depends, 0.0, self.sigma)) / distance
        return norm(self.dout * sigma), pooled, hidden

    def dependent_outputs(self, leaf: int, direction: Direction) -> tuple[np.ndarray, float]:
        """(the outputs that change where some entries are moved far, how far).

        All outputs, where func refuses.
        """
        x = self.values[leaf]
        size = typical_size(x)
        move = size * random_signs(x.shape, [leaf])
        if isinstance(direction, np.ndarray):
            move[direction == 0] = 0.0
        else:
            move.flat[np.arange(x.size) != direction] = 0.0
        for distance in FAR_AWAY:
            with suppress(Exception), ignore_float_errors():  # outside the domain
                far = (x + distance * move).astype(x.dtype)
                changed: np.ndarray = self.outputs_with(leaf, far) != self.outputs
                return changed | self.changed_elsewhere(leaf, move), distance * size
        return np.ones(self.outputs.shape, bool), 1.0

    def changed_elsewhere(self, leaf: int, move: np.ndarray) -> np.ndarray:
        """The outputs that a move changes where all arguments are smaller.

        At the point itself a gate that is shut may keep an entry from them, wherever it is moved.
        """
        changed = np.zeros(self.outputs.shape, bool)
        x = self.values[leaf]
        for factor in SMALLER:
            with suppress(Exception), ignore_float_errors():  # outside the domain
                before, after = (
                    self.problem.outputs(
                        [(factor * v).astype(v.dtype) for v in self.values_with(leaf, value)]
                    )
                    for value in (x, (x + ODD * move).astype(x.dtype))
                )
                changed |= before != after
        return changed

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
        with ignore_float_errors():
            return self.problem.outputs(self.values_with(leaf, value))

    def values_with(self, leaf: int, value: np.ndarray) -> list[np.ndarray]:
        """The values of all leaves, where one is replaced by another value."""
        values = list(self.values)
        values[leaf] = value
        return values

    def gradient_with(self, leaf: int, value: np.ndarray) -> np.ndarray:
        """What backward returns for one leaf where this leaf is replaced by another value."""
        returned = self.problem.gradients(self.values_with(leaf, value), self.dout)
        gradient = as_arrays(self.problem, returned)[0][leaf]
        if gradient is None:
            raise ValueError("backward returned no usable gradient here")
        return gradient


def support(direction: np.ndarray) -> bytes:
    """Which entries a direction moves; b"" for all."""
    return b"" if direction.all() else np.packbits(direction != 0).tobytes()


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
        self.rounding_errors: list[np.ndarray | None] = []  # measured when they are needed

    def at(self, attempt: int) -> Point:
        """The user's point at attempt 0, jittered points after it."""
        if attempt not in self.made:
            self.made[attempt] = self.jittered(attempt) if attempt else self.given()
        return self.made[attempt]

    def rounding(self, leaf: int) -> np.ndarray:
        """The rounding error of backward at points near the user's, one sample per entry.

        At the user's point itself it may be frozen: linear in dout, and so not seen there.
        """
        if not self.rounding_errors:
            problem, rng = self.problem, generator(self.seed, Stream.BACKWARD_NOISE)
            with ignore_float_errors():
                self.rounding_errors = measure_gradient_noise(
                    problem, self.dout, rng, self.noise.is_coarse, samples=5
                )
        found = self.rounding_errors[leaf]
        return np.zeros(self.problem.values[leaf].shape) if found is None else np.abs(found)

    def admit_rounding(self, leaf: int) -> None:
        """Raise the noise of a gradient to its rounding error nearby."""
        gradient, spread = self.at(0).gradient(leaf), self.rounding(leaf)
        # The median: one entry that jumps does not excuse the others.
        noise = 3 * np.maximum(spread, 1.5 * np.median(spread))
        if is_rounding(gradient, spread):  # and no larger at the other points
            noise = np.maximum(noise, ROUNDING_MARGIN * rms(spread))
        old = self.analytic.noise[leaf]
        self.analytic.noise[leaf] = noise if old is None else np.maximum(noise, old)

    def given(self) -> Point:
        """The user's point."""
        point = Point(self.problem, self.problem.values, self.dout, self.noise)
        point.gradients, point.gradient_noise = self.analytic.values, self.analytic.noise
        return point

    def jittered(self, attempt: int) -> Point:
        """A point as far from the user's as func accepts; without gradients if it accepts none."""
        for i, (distance, move) in enumerate(JITTERS):
            rng = generator(self.seed, Stream.JITTER, attempt, i)
            values = [move(v, distance, rng) for v in self.problem.values]
            try:
                point = Point(self.problem, values, self.dout, self.noise)
                if not np.isfinite(point.outputs).all():
                    continue
                with ignore_float_errors():
                    returned = self.problem.gradients(values, self.dout)
                    point.gradients = as_arrays(self.problem, returned)[0]
            except Exception:  # outside the domain, whatever is raised
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


def shrink(v: np.ndarray, distance: float, rng: np.random.Generator) -> np.ndarray:
    """Every entry moved towards 0 by 0.5 to 1.5 times the distance, in units of itself."""
    return (v * (1 - distance * rng.uniform(0.5, 1.5, v.shape))).astype(v.dtype)


def grow(v: np.ndarray, distance: float, rng: np.random.Generator) -> np.ndarray:
    """Every entry moved away from 0."""
    return shrink(v, -distance, rng)


def lift(v: np.ndarray, distance: float, rng: np.random.Generator) -> np.ndarray:
    """Every entry moved up, at most by its own size; a 0 by the size of the others."""
    unit = np.where(v == 0, typical_size(v), np.abs(v))
    return (v + distance * unit * rng.uniform(0.5, 1.5, v.shape)).astype(v.dtype)


def lower(v: np.ndarray, distance: float, rng: np.random.Generator) -> np.ndarray:
    """Every entry moved down."""
    return lift(v, -distance, rng)


# In units of each argument; the later ones are used where func does not accept those before.
# The domain may end at entries that are 0: to one side of them, or to both.
JITTERS = (
    (2.0**-5, jitter),
    (2.0**-9, jitter),
    (2.0**-14, jitter),
    (2.0**-6, lift),
    (2.0**-6, lower),
    (2.0**-6, shrink),
    (2.0**-6, grow),
)
