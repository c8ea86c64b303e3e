"""One point with one dout: what backward says there, and the slopes that were measured there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from ..problem.arrays import max_abs, rms
from ..problem.errors import BudgetError
from .traced import Tape

MOST_OTHERS = 12  # other arguments by which a slope is measured, too
MOST_OUTPUTS = 400  # whose rows of backward's Jacobian are asked for, one call each


class Where(NamedTuple):
    """The arguments of a trial."""

    values: Sequence[np.ndarray]  # all float arguments
    names: Sequence[str]
    fixed: Sequence[tuple[str, np.ndarray]]  # the arguments that are no floats, as arrays
    out: np.ndarray | None  # the output, where there is one array of it


class Shared:
    """What was found of one argument of a check, for the others."""

    def __init__(self) -> None:
        self.found: list[Any] = []  # the edits of backward that explain an error
        self.tried: set[Any] = set()  # edits that explain no error of an argument that they reach
        self.disturbed: dict[tuple[int, ...], Any] = {}  # gradients where operations are disturbed
        self.steps_run = 0  # operations of backward that have run in search of one
        self.is_cut_short = False  # whether a search has ended because so many have run


class Trial:
    """What backward says for one argument, and the slopes of some or all of its entries.

    jacobian[:, k] is the slope of all outputs by the entry entries[k], uncertainty its error.
    traced(value, tape) is all outputs at another value of the argument, run on a tape; or at one of
    another argument, traced(value, tape, i). The tape is told what depends on this argument.
    backward_on(tape) is the gradients of all arguments, run on one. slope_of(i, v) is the slope of
    the loss by the argument i in the direction v, and its uncertainty.
    """

    def __init__(
        self,
        where: Where,
        leaf: int,
        gradients: Sequence[np.ndarray | None],
        dout: np.ndarray,
        entries: np.ndarray,
        jacobian: np.ndarray,
        error: np.ndarray,
        backward: Callable[[np.ndarray], np.ndarray],
        traced: Callable[..., np.ndarray],
        backward_on: Callable[[Tape], list[np.ndarray | None]],
        slope_of: Callable[[int, np.ndarray], tuple[float, float]],
        precision: float,
        shared: Shared,
    ):
        self.where, self.leaf, self.name = where, leaf, where.names[leaf]
        self.x = where.values[leaf].astype(np.float64)
        self.out = where.out
        own = gradients[leaf]
        assert own is not None
        self.analytic = own
        self.others = [
            (name, g)
            for i, (name, g) in enumerate(zip(where.names, gradients, strict=True))
            if i != leaf and g is not None
        ]
        self.flat_dout, self.entries = dout, entries
        self.jacobian, self.uncertainty = jacobian, error
        self.dout = dout.reshape(where.out.shape) if where.out is not None else None
        self.backward, self.traced, self.precision = backward, traced, precision
        self.backward_on, self.slope_of, self.shared = backward_on, slope_of, shared
        self.gradients = gradients
        self.kept: dict[object, list[tuple[str, np.ndarray]]] = {}  # quantities, by shape
        self.measure(dout @ jacobian, np.abs(dout) @ error)

    def measure(self, slopes: np.ndarray, bounds: np.ndarray) -> None:
        """Keep the slopes of the entries; NaN elsewhere."""
        self.numeric = np.full(self.x.shape, np.nan)
        self.bound = np.zeros(self.x.shape)
        self.numeric.flat[self.entries] = slopes
        self.bound.flat[self.entries] = bounds
        size = max_abs(slopes[np.isfinite(slopes)])
        known = np.isfinite(self.numeric) & (self.bound <= 1e-2 * size)
        self.numeric[~known] = np.nan
        self.known, self.size = known, size
        self.error = np.where(known, self.analytic - self.numeric, 0.0)
        # A candidate may be off by a part of the error, so that small errors are explained, too.
        leeway = min(self.precision * size, 0.02 * max_abs(self.error))
        self.allowed = 4 * self.bound + leeway
        self.wrong = known & (np.abs(self.error) > self.allowed)

    @property
    def is_full(self) -> bool:
        """Whether the slope of every entry is known."""
        return bool(self.known.all())

    @property
    def flat_out_shape(self) -> tuple[int, ...]:
        """The shape of the output, or of all outputs as one vector."""
        return self.flat_dout.shape if self.out is None else self.out.shape

    def explains(self, candidate: np.ndarray) -> bool:
        """Whether this gradient would agree with the slopes."""
        if candidate.shape != self.x.shape:
            return False
        known = self.known
        return bool(np.all(np.abs(candidate - self.numeric)[known] <= self.allowed[known]))

    def evidence(self, candidate: np.ndarray) -> int:
        """How many slopes tell the candidate from the gradient that backward returned."""
        known = self.known
        differs = np.abs(candidate - self.analytic)[known] > 4 * self.allowed[known]
        return int(np.count_nonzero(differs))

    @cached_property
    def analytic_jacobian(self) -> np.ndarray | None:
        """What backward says of every output, by the known entries; None where it is too much."""
        if not 1 < self.flat_dout.size <= MOST_OUTPUTS:
            return None
        rows = [self.backward(unit).flat[self.entries] for unit in np.eye(self.flat_dout.size)]
        return np.array(rows)

    @cached_property
    def slopes_of_others(self) -> dict[int, tuple[np.ndarray, float, float]]:
        """For some other arguments a direction, the slope along it, and what it may be off."""
        found: dict[int, tuple[np.ndarray, float, float]] = {}
        for i, (x, g) in enumerate(zip(self.where.values, self.gradients, strict=True)):
            if i == self.leaf or g is None or not x.size or len(found) == MOST_OTHERS:
                continue
            usual = max(float(rms(x)), 1e-3)
            direction = usual * np.random.default_rng(i).uniform(-1, 1, x.shape)
            try:
                slope, gap = self.slope_of(i, direction)
            except BudgetError:
                raise
            except Exception:  # whatever func raises outside of its domain
                continue
            size = max(abs(slope), float(np.sum(np.abs(g * direction))) / x.size**0.5)
            if gap < 0.01 * size:
                found[i] = direction, slope, gap + self.precision * size
        return found

    def with_dout(self, dout: np.ndarray) -> np.ndarray:
        """The gradient that backward returns for another dout."""
        rows = self.__dict__.get("analytic_jacobian")
        if rows is None:
            return self.backward(dout.ravel())
        gradient = np.full(self.x.shape, np.nan)
        gradient.flat[self.entries] = dout.ravel() @ rows
        return gradient

    def slopes_with_dout(self, dout: np.ndarray) -> np.ndarray:
        """The measured gradient for another dout; NaN where it is not known."""
        gradient = np.full(self.x.shape, np.nan)
        gradient.flat[self.entries] = dout.ravel() @ self.jacobian
        return gradient

    def told(self) -> np.ndarray:
        """The mask of entries that are not zero on both sides, which any mask would leave right."""
        return self.known & (np.abs(np.where(self.known, self.numeric, 0.0)) > self.allowed)
