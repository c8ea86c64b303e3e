"""Backward must be linear in dout, as far as rounding and the slopes can tell."""

from __future__ import annotations

import numpy as np

from ..problem.analytic import Gradients, Nonlinearity, as_arrays
from ..problem.arrays import max_abs, norm
from ..problem.problem import Problem
from ..problem.random_streams import Stream, generator
from ..slopes.directions import LARGEST_WEIGHT
from ..slopes.noise import is_rounding, measure_gradient_noise
from .comparison import Comparison

__tracebackhide__ = True  # pytest shows a failure at the user's line, not at ours
# An adjoint that is solved by iteration is linear in dout only to the digits it was solved to. Up
# to SOLVED of its size this is no fault; up to POORLY_SOLVED it is the solver's error where the
# slopes cannot tell. Without iteration the error is EXACT or less.
EXACT, SOLVED, POORLY_SOLVED = 1e-13, 3e-11, 1e-6
# The function is then solved as well. By how much its own error may exceed the adjoint's, as the
# derivative of n steps has n terms.
SOLVER_MARGIN = 100.0
# By how much a nonlinearity must exceed the bound of a slope: it has the errors of three gradients.
SLOPE_MARGIN = 5.0


def check_linearity(
    problem: Problem,
    gradients: Gradients,
    douts: tuple[np.ndarray, np.ndarray],
    is_coarse: bool,
    rtol: float,
    seed: int,
) -> tuple[Gradients, list[Nonlinearity]]:
    """(b(1.5 u - 2 v) - 1.5 b(u) + 2 b(v), nonlinearities) of backward b for douts u, v, per leaf.

    Where b is linear in dout this residual is the rounding error of b. It is of the size of b
    itself where b is zero but for rounding, which is no fault. Other residuals are compared with
    the slopes later, by `is_visible`.
    """
    u, v = douts

    def backward(dout: np.ndarray) -> Gradients:
        return as_arrays(problem, problem.gradients(problem.values, dout))[0]

    at_minus_2u = backward(-2.0 * u)
    at_mixture, at_v = backward(1.5 * u - 2.0 * v), backward(v)
    residuals: Gradients = []
    found: list[Nonlinearity] = []
    rounding: Gradients = []
    limit = max(rtol, 1e-2 if is_coarse else 1e-6)
    for i, (mixture, a, b, double) in enumerate(
        zip(at_mixture, gradients, at_v, at_minus_2u, strict=True)
    ):
        if mixture is None or a is None or b is None:
            residuals.append(None)
            continue
        residuals.append(r := residual(mixture, a, b))
        # To double a number is exact in floating point, so a smaller difference counts here.
        doubled = np.zeros_like(r) if double is None else double + 2.0 * a
        size, excess = max_abs(a) + max_abs(b), np.maximum(np.abs(r), np.abs(doubled))
        worst, is_exact = max_abs(excess), max_abs(doubled) <= EXACT * size
        if is_exact and (worst <= EXACT * size or SOLVED * size < worst <= limit * size):
            continue
        if is_exact and is_coarse and worst <= limit * size:
            continue
        if not rounding:
            rng = generator(seed, Stream.BACKWARD_NOISE)
            rounding = measure_gradient_noise(problem, u, rng, is_coarse, samples=5)
        nearby = rounding[i]
        if nearby is not None and is_rounding(a, nearby) and is_rounding(b, nearby):
            residuals[-1] = np.maximum(excess, np.abs(nearby))
            continue
        is_solved = worst <= POORLY_SOLVED * size
        residuals[-1] = np.full(r.shape, SOLVER_MARGIN / 3 * worst if is_solved else 0.0)
        if worst > max(rtol, SOLVED) * size:
            is_ignored = np.array_equal(a, b) and size > 0
            why = "dout is ignored" if is_ignored else "is a constant added, or dout squared?"
            name = problem.names[i]
            fault = (
                f"backward is not linear in dout for {name} (twice the dout must give twice the "
                f"gradient): {why}"
            )
            found.append(Nonlinearity(i, excess, worst > limit * size, fault))
    return residuals, found


def residual(mixture: np.ndarray, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """mixture - 1.5 a + 2 b, with one temporary array less."""
    r = -1.5 * a
    r += mixture
    r += 2.0 * b
    return r


def is_visible(
    one: Nonlinearity, noise: np.ndarray | None, found: Comparison | None, mode: str
) -> bool:
    """Whether a nonlinearity is larger than what the slopes of its leaf can resolve.

    noise is the part of their bounds that is the gradient's. Where no slope was measured, a gross
    nonlinearity is visible all the same.
    """
    if found is None or not found.known.any():
        return one.is_gross
    if mode == "elements":
        bound = found.bound if noise is None else found.bound - noise
        return bool(np.any((one.size > SLOPE_MARGIN * bound) & found.known))
    of_gradient = 0.0 if noise is None else LARGEST_WEIGHT * norm(noise)
    bound = np.min(found.bound[found.known]) - of_gradient
    return norm(one.size) > SLOPE_MARGIN * float(bound)
