"""The same problem with one length less by one: does a wrong factor depend on that length?"""

from __future__ import annotations

import math

import numpy as np

from ..problem.errors import BudgetError
from ..problem.problem import Problem
from ..problem.random_streams import Stream, generator
from ..slopes.noise import Noise
from ..slopes.points import Point, Points
from .experiment import trial_at

MOST_LENGTHS, ENTRIES = 5, 12


def powers_of_lengths(points: Points, leaf: int, factor: float) -> dict[int, float]:
    """{n: p} where the wrong factor grows like n^p with the length n of an axis.

    Every axis of this length is shortened by one, in all arguments. Lengths at which func then
    raises, or at which the error is no factor, are not in the dict.
    """
    arrays = [v for v in (*points.problem.values, *points.problem.fixed) if np.ndim(v)]
    lengths = sorted({n for v in arrays for n in np.shape(v) if n > 2})[:MOST_LENGTHS]
    found = {}
    for n in lengths:
        try:
            other = factor_with(points, leaf, n)
        except BudgetError:
            break
        except Exception:  # whatever func raises for sizes that do not fit
            continue
        if other is not None and other / factor > 0:
            power = math.log(other / factor) / math.log((n - 1) / n)
            halves = round(2 * power) / 2
            if abs(other / factor / ((n - 1) / n) ** halves - 1) < 5e-3:
                found[n] = halves
    return found


def factor_with(points: Points, leaf: int, n: int) -> float | None:
    """The wrong factor where every axis of length n has one entry less."""
    problem = shortened(points.problem, n)
    rng = generator(points.seed, Stream.EXPLANATIONS, n)
    dout = problem.dout_vector(None, rng)
    noise = Noise(np.zeros(problem.out_size), points.noise.is_coarse)
    smaller = Points(problem, problem, dout, noise, points.analytic, points.settings, points.seed)
    point = Point(problem, problem.values, dout, noise)
    size = problem.values[leaf].size
    entries = np.arange(size) if size <= ENTRIES else rng.choice(size, ENTRIES, replace=False)
    trial = trial_at(smaller, leaf, point, dout, entries)
    points.problem.evals += problem.evals
    if trial is None or not trial.known.any():
        return None
    analytic, numeric = trial.analytic[trial.known], trial.numeric[trial.known]
    c = float(np.vdot(analytic, numeric) / np.vdot(analytic, analytic))
    return c if trial.explains(c * trial.analytic) else None


def shortened(problem: Problem, n: int) -> Problem:
    """The same problem without the last index of every axis of length n."""

    def cut(value: object) -> object:
        if not isinstance(value, np.ndarray):
            return value
        return value[tuple(slice(0, -1) if k == n else slice(None) for k in value.shape)].copy()

    leaves = [cut(leaf) for leaf in problem.fixed]
    for slot, value in zip(problem.slots, problem.values, strict=True):
        leaves[slot] = cut(value) if value.ndim else value[()]
    left = problem.max_evals - problem.evals
    return Problem(
        problem.func, problem.grad, problem.nest(leaves), problem.argnames, problem.style, left
    )
