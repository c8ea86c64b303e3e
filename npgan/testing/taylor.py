"""The Taylor test: a second check of a gradient, which depends on no single step.

With the right gradient the remainder |F(x + h v) - F(x) - h <g, v>| falls as h² when h is halved;
with a wrong one it falls as h. The order is fitted over many steps.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .problem.analytic import as_arrays
from .problem.arrays import ignore_float_errors, norm, typical_size
from .problem.options import check_whole
from .problem.others import include_others
from .problem.problem import Problem
from .problem.random_streams import Stream, generator
from .problem.styles import style_to_guess
from .problem.types import Argnames, Function, Gradient, Tree
from .slopes.directions import random_signs
from .slopes.noise import measure_noise

__tracebackhide__ = True  # pytest shows a failure at the user's line, not at ours


class Taylor(NamedTuple):
    """The result of a Taylor test.

    Parameters
    ----------
    order : float
        The order of the remainder in the step: about 2 (or more) where the gradient is right, 1
        where it is wrong; infinity where no remainder is left, NaN where rounding leaves too few
        steps.
    steps : ndarray of shape (n,)
        The steps h.
    remainders : ndarray of shape (n,)
        The remainders at these steps.
    """

    order: float
    steps: np.ndarray
    remainders: np.ndarray

    @property
    def passed(self) -> bool:
        """Whether the order is above 1.8."""
        return self.order > 1.8


def taylor_test(
    func: Function,
    grad: Gradient,
    args: Tree,
    *,
    dout: Tree = None,
    style: str = "auto",
    argnames: Argnames = None,
    seed: int = 0,
) -> Taylor:
    """Measure the order of the remainder of the first-order Taylor series.

    Parameters
    ----------
    func, grad, args, dout, style, argnames
        As in `check_gradients`.
    seed : int
        The seed of the random direction, in which all arguments are moved together.

    Returns
    -------
    Taylor
        The order, with the steps and remainders from which it was fitted.

    Raises
    ------
    ValueError
        grad returns no usable gradient, or an option is not allowed.

    Examples
    --------
    >>> import numpy as np
    >>> from npgan.testing import taylor_test
    >>> x = np.array([0.5, 1.0, 2.0])
    >>> round(taylor_test(lambda x: np.sum(np.exp(x)), np.exp, x).order)
    2
    >>> round(taylor_test(lambda x: np.sum(np.exp(x)), lambda x: 1.1 * np.exp(x), x).order)
    1
    """
    check_whole("seed", seed, 0)
    problem = Problem(func, grad, args, argnames, style_to_guess(style, dout), 10_000)
    include_others(problem)
    if problem.unsupported:
        raise ValueError(next(iter(problem.unsupported.values())))
    rng = generator(seed, Stream.TAYLOR)
    weights = problem.dout_vector(dout, rng)
    values = problem.values
    scales = [typical_size(v) for v in values]
    with ignore_float_errors():
        gradients = usable_gradients(problem, weights)
        is_narrow = any(v.dtype != np.float64 for v in values) or any(
            dtype != np.float64 for dtype in problem.out_dtypes
        )
        start = problem.outputs(values)
        noise = measure_noise(problem.outputs, values, scales, rng, is_narrow)
        sigma = norm(weights * noise.at(start))
        directions = [
            None if g is None else s * random_signs(v.shape, [seed, Stream.TAYLOR_DIRECTIONS, i])
            for i, (v, g, s) in enumerate(zip(values, gradients, scales, strict=True))
        ]
        steps = 2.0 ** -np.arange(1, 11 if noise.is_coarse else 27)
        remainders, slope = np.zeros(len(steps)), 0.0
        for k, h in enumerate(steps):
            moved = [
                v if d is None else (v + h * d).astype(v.dtype)
                for v, d in zip(values, directions, strict=True)
            ]
            change = float(np.dot(weights, problem.outputs(moved) - start))
            predicted = sum(
                float(np.vdot(g, m.astype(np.float64) - v))
                for g, m, v in zip(gradients, moved, values, strict=True)
                if g is not None
            )
            slope = max(slope, abs(predicted / h), abs(change / h))
            remainders[k] = abs(change - predicted)
    rounding = 8 * sigma + 1e-15 * slope * steps
    return Taylor(fitted_order(steps, remainders, rounding, slope), steps, remainders)


def usable_gradients(problem: Problem, dout: np.ndarray) -> list[np.ndarray | None]:
    """The analytic gradients; ValueError where one is not usable, or where there is none."""
    gradients, faults = as_arrays(problem, problem.gradients(problem.values, dout))
    if faults:
        raise ValueError(faults[0][1])
    if all(g is None for g in gradients):
        raise ValueError("grad must return a gradient for one argument or more, got None for each")
    return gradients


def fitted_order(
    steps: np.ndarray, remainders: np.ndarray, rounding: np.ndarray, slope: float
) -> float:
    """The slope of log(remainder) over log(step), where rounding is small."""
    usable = np.isfinite(remainders) & (remainders > 10 * rounding)
    if not usable.any():
        return np.inf if 0 < slope < np.inf else np.nan
    if usable.sum() <= 2:
        return np.nan
    smallest = slice(-6, None)
    x, y = np.log2(steps[usable][smallest]), np.log2(remainders[usable][smallest])
    return float(np.polyfit(x, y, 1)[0])
