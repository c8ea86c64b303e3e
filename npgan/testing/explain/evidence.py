"""What is known of one wrong gradient, and whether a corrected one would agree with the slopes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from ..problem.arrays import max_abs, rms
from ..problem.problem import Problem
from ..slopes.points import Points
from ..verdict.comparison import Comparison
from ..verdict.projections import ProjectionComparison


class Context(NamedTuple):
    """What does not depend on how the gradient was compared."""

    name: str
    x: np.ndarray
    out: np.ndarray | None  # the output and its dout, where there is one array of it
    dout: np.ndarray | None
    others: Sequence[tuple[str, np.ndarray]]  # the other arguments' analytic gradients
    sizes: dict[str, int]


class Evidence(NamedTuple):
    """What is known of one wrong gradient; numeric and wrong are None for projections."""

    context: Context
    analytic: np.ndarray
    numeric: np.ndarray | None
    wrong: np.ndarray | None  # a mask of the array's shape
    wrong_index: tuple[int, ...] | None
    explains: Callable[
        [np.ndarray], bool
    ]  # would this array agree with the slopes, to a per mille?
    ratio: float  # the factor that fits best: numeric = ratio x analytic
    confined: Callable[[np.ndarray], bool]  # is everything outside this mask right?


def evidence_of_entries(
    points: Points, leaf: int, found: Comparison, index: tuple[int, ...] | None
) -> Evidence:
    """A candidate explains the error if it agrees with the slope of every known entry."""
    analytic, numeric, known, wrong = found.analytic, found.numeric, found.known, found.wrong
    size = float(np.max(np.abs(numeric[known]), initial=0))
    allowed = leeway(points, found.bound, size)

    def explains(candidate: np.ndarray) -> bool:
        return bool(np.all(np.abs(candidate - numeric)[known] <= allowed[known]))

    return Evidence(
        context=context_of(points, leaf),
        analytic=analytic,
        numeric=numeric if known.all() else None,
        wrong=wrong,
        wrong_index=index,
        explains=explains,
        ratio=best_ratio(analytic[known], numeric[known]),
        confined=lambda mask: not np.any(wrong & ~mask),
    )


def evidence_of_projections(
    points: Points,
    leaf: int,
    projections: ProjectionComparison,
    index: tuple[int, ...] | None,
) -> Evidence:
    """A candidate explains the error if it predicts the slope along every direction."""
    found = list(projections.found.values())
    directions = [projections.directions[d] for d in projections.found]
    slopes = np.array([projection.estimate.slope for projection in found])
    gaps = np.array([projection.estimate.gap for projection in found])
    limits = np.array([projection.limit for projection in found])
    point = points.at(found[0].attempt)
    allowed = leeway(points, limits, float(rms(slopes)))

    def explains(candidate: np.ndarray) -> bool:
        predicted = np.array([np.vdot(v, candidate) for v in directions])
        return bool(np.all(np.abs(predicted - slopes) <= allowed))

    def confined(mask: np.ndarray) -> bool:
        outside = np.where(mask, 0.0, projections.directions[projections.wrong_directions()[0]])
        estimate, limit = projections.measure(point, outside, projections.steps, projections.entry)
        return abs(estimate.gap) <= limit

    return Evidence(
        context=context_of(points, leaf),
        analytic=point.gradient(leaf),
        numeric=None,
        wrong=None,
        wrong_index=index,
        explains=explains,
        ratio=best_ratio(slopes - gaps, slopes),
        confined=confined,
    )


def leeway(points: Points, bound: np.ndarray, size: float) -> np.ndarray:
    """By how much a candidate may be off: generous, since it decides no verdict."""
    return 4 * bound + (5e-3 if points.noise.is_coarse else 1e-4) * size


def best_ratio(analytic: np.ndarray, numeric: np.ndarray) -> float:
    """The factor that fits best, numeric = ratio x analytic, by least squares."""
    size = max_abs(analytic)
    if not 0 < size < np.inf:
        return np.nan
    unit = analytic / size  # whose squares do not overflow
    return float(np.vdot(unit, numeric / size)) / float(np.vdot(unit, unit))


def context_of(points: Points, leaf: int) -> Context:
    """The argument, the output and the other gradients."""
    problem, shapes = points.problem, points.problem.out_shapes
    has_one_array = len(shapes) == 1 and shapes[0] != () and problem.style != "loss"
    others = [
        (name, gradient)
        for i, (name, gradient) in enumerate(
            zip(problem.names, points.analytic.values, strict=True)
        )
        if i != leaf and gradient is not None
    ]
    return Context(
        name=problem.names[leaf],
        x=problem.values[leaf].astype(np.float64),
        out=points.at(0).outputs.reshape(shapes[0]) if has_one_array else None,
        dout=points.dout.reshape(shapes[0]) if has_one_array else None,
        others=others,
        sizes=named_sizes(problem),
    )


def named_sizes(problem: Problem) -> dict[str, int]:
    """The numbers by which a gradient may be off, and what they are called."""
    out, first = problem.out_shapes[:1], problem.values[0].shape
    batch = out[0][0] if out and out[0] else first[0] if first else 1
    sizes = {"the batch size": int(batch), "the number of outputs": problem.out_size}
    for name, v in zip(problem.names, problem.values, strict=True):
        sizes.setdefault(f"the size of {name}", v.size)
        for n in v.shape:
            sizes.setdefault(f"a side of {name}", n)
    return sizes
