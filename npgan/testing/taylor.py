"""The Taylor test: a second check of a gradient, which depends on no single step.

With the right gradient the remainder |F(x + h v) - F(x) - h <g, v>| falls as h² when h is halved;
with a wrong one it falls as h. The order is fitted over many steps.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import NamedTuple

import numpy as np

from .problem.advice import sentence_for_stubs
from .problem.analytic import as_arrays
from .problem.arrays import ignore_float_errors, norm, typical_size
from .problem.options import check_whole
from .problem.others import include_others
from .problem.problem import Problem
from .problem.random_streams import Stream, generator
from .problem.styles import style_to_guess
from .problem.types import Argnames, Function, Gradient, Tree
from .slopes.directions import random_signs
from .slopes.noise import Noise
from .slopes.points import jitter
from .slopes.precision import widen

__tracebackhide__ = True  # pytest shows a failure at the user's line, not at ours
# A remainder is surely no rounding from this many times the rounding on.
SURELY = 10.0
# From a kink to the point next to it, in units of the arguments.
KINK_DISTANCE = 2.0**-5


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
        grad returns no usable gradient, func or grad is not written yet, or an option is not
        allowed.

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
    with sentence_for_stubs():
        native = Problem(func, grad, args, argnames, style_to_guess(style, dout), 10_000)
        include_others(native)
    if native.unsupported:
        raise ValueError(next(iter(native.unsupported.values())))
    rng = generator(seed, Stream.TAYLOR)
    weights = native.dout_vector(dout, rng)
    with ignore_float_errors():
        with sentence_for_stubs():
            usable_gradients(native, weights)
        problem, noise, _ = widen(native, seed)
        gradients = usable_gradients(problem, weights)
        scales = [typical_size(v) for v in problem.values]
        directions = [
            None if g is None else s * random_signs(v.shape, [seed, Stream.TAYLOR_DIRECTIONS, i])
            for i, (v, g, s) in enumerate(zip(problem.values, gradients, scales, strict=True))
        ]
        line = Line(problem, weights, noise, directions)
        found = line.test(problem.values, gradients)
        if not found.passed and line.is_on_kink(problem.values):  # test next to it
            values = [jitter(v, KINK_DISTANCE, rng) for v in problem.values]
            with suppress(Exception):  # outside the domain, whatever is raised
                nearby = line.test(values, usable_gradients(problem, weights, values))
                found = nearby if np.isfinite(nearby.remainders).any() else found
    return found


class Line(NamedTuple):
    """The line along which the remainders are taken: one direction per argument, None for fixed."""

    problem: Problem
    dout: np.ndarray
    noise: Noise
    directions: Sequence[np.ndarray | None]

    def test(self, values: Sequence[np.ndarray], gradients: Sequence[np.ndarray | None]) -> Taylor:
        """The Taylor test at these values."""
        steps, start, slope = self.steps(), self.outputs(values), 0.0
        remainders = np.zeros(len(steps))
        for k, h in enumerate(steps):
            change, predicted = self.change(values, gradients, start, float(h))
            slope = max(slope, abs(predicted / h), abs(change / h))
            remainders[k] = abs(change - predicted)
        rounding = self.rounding(start) + 1e-15 * slope * steps
        return Taylor(fitted_order(steps, remainders, rounding, slope), steps, remainders)

    def is_on_kink(self, values: Sequence[np.ndarray]) -> bool:
        """Whether the second difference F+ - 2 F + F- falls as h, where a smooth F has h²."""
        steps, start = self.steps(), self.outputs(values)
        none = [None] * len(values)
        bends = np.array(
            [
                abs(sum(self.change(values, none, start, sign * float(h))[0] for sign in (1, -1)))
                for h in steps
            ]
        )
        return fitted_order(steps, bends, 2 * self.rounding(start) + 0 * steps, 1.0) < 1.5

    def steps(self) -> np.ndarray:
        """The steps, halved from one to the next."""
        return 2.0 ** -np.arange(1, 11 if self.noise.is_coarse else 27)

    def rounding(self, outputs: np.ndarray) -> float:
        """The rounding error of Σ dout F."""
        return 8 * norm(self.dout * self.noise.at(outputs))

    def outputs(self, values: Sequence[np.ndarray]) -> np.ndarray:
        """The outputs; NaN outside the domain."""
        try:
            return self.problem.outputs(values)
        except Exception:  # outside the domain, whatever is raised
            return np.full(self.problem.out_size, np.nan)

    def change(
        self,
        values: Sequence[np.ndarray],
        gradients: Sequence[np.ndarray | None],
        start: np.ndarray,
        h: float,
    ) -> tuple[float, float]:
        """(the change of Σ dout F, what the gradient predicts) for a step h."""
        moved = [
            v if d is None else (v + h * d).astype(v.dtype)
            for v, d in zip(values, self.directions, strict=True)
        ]
        change = float(np.dot(self.dout, self.outputs(moved) - start))
        predicted = sum(
            float(np.vdot(g, m.astype(np.float64) - v))
            for g, m, v in zip(gradients, moved, values, strict=True)
            if g is not None
        )
        return change, predicted


def usable_gradients(
    problem: Problem, dout: np.ndarray, values: Sequence[np.ndarray] | None = None
) -> list[np.ndarray | None]:
    """The analytic gradients; ValueError where one is not usable, or where there is none."""
    returned = problem.gradients(problem.values if values is None else values, dout)
    gradients, faults = as_arrays(problem, returned)
    if faults:
        raise ValueError(faults[0][1])
    if all(g is None for g in gradients):
        raise ValueError("grad must return a gradient for one argument or more, got None for each")
    return gradients


def fitted_order(
    steps: np.ndarray, remainders: np.ndarray, rounding: np.ndarray, slope: float
) -> float:
    """The slope of log(remainder) over log(step), where rounding is small.

    Where F is linear between kinks, only steps across a kink leave a remainder, of order 1; that of
    the next step is rounding. A remainder of order 1 could not fall so fast, which bounds the order
    from below.
    """
    usable = np.isfinite(remainders) & (remainders > SURELY * rounding)
    if not usable.any():
        return np.inf if 0 < slope < np.inf else np.nan
    last = int(np.flatnonzero(usable)[-1])
    smaller = slice(last + 2, None)  # one step alone may vanish where two errors cancel
    gone = np.isfinite(remainders[smaller])
    lowest = SURELY * rounding[smaller][gone]
    falls = np.log2(remainders[last] / lowest) / np.log2(steps[last] / steps[smaller][gone])
    least = float(np.max(falls, initial=-np.inf))
    if usable.sum() <= 2:
        return least if least > 1.8 else np.nan
    x, y = np.log2(steps[usable]), np.log2(remainders[usable])
    order = float(np.polyfit(x[-6:], y[-6:], 1)[0])
    if order < 1.8 and usable.sum() > 10:  # kinks may lie among the six steps
        order = max(order, float(np.polyfit(x[-4:], y[-4:], 1)[0]))
    return max(order, least) if order < 1.8 < least else order
