"""Slopes with error bars: ladders of central differences, extrapolated, and the complex step.

A slope is measured at several steps h. From D(h) = F' + c2 h² + c4 h⁴ + ... two neighbouring steps
eliminate c2, three eliminate c4 (Richardson 1911; in this use Ridders 1982). What is left, the change
from one entry of the table to the next, plus the rounding noise of F divided by h, is the error bar.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from .noise import Noise, norm, rms
from .styles import OUTSIDE, BudgetError, Problem

__tracebackhide__ = True  # pytest shows a failure at the user's line, not at ours
# Steps in units of the argument's magnitude. The best single step of a fourth-order formula is about
# eps^(1/5) (2^-10 and 2^-5); the ladders straddle it. "wide" asks again where "usual" was not enough.
LADDERS = {
    ("usual", "fine"): 2.0 ** np.array([-7, -11, -15, -19]),
    ("short", "fine"): 2.0 ** np.array([-7, -11, -15]),  # to calibrate projections, which are dear
    ("wide", "fine"): 2.0 ** np.arange(-1, -28, -2),
    ("usual", "coarse"): 2.0 ** np.array([-1, -3, -5, -7]),
    ("short", "coarse"): 2.0 ** np.array([-1, -3, -5]),
    ("wide", "coarse"): 2.0 ** np.arange(1, -13, -1),
}
COMPLEX_STEP = 2.0**-100  # nothing is subtracted, so it can be as small as one likes


class Rung(NamedTuple):
    """One central difference: along v at step h, against what the backward pass says for that same move."""

    step: float
    slope: float  # Σ dout (F+ - F-) / 2h
    along: float  # what the analytic gradient predicts for it
    noise: float  # one standard deviation of the slope's rounding error
    jump: np.ndarray  # per output: |right slope - left slope|
    jump_noise: np.ndarray


class Estimate(NamedTuple):
    """numeric - analytic, with its error bar and what lies under it."""

    gap: float
    error: float
    slope: float
    kinks: int = 0  # outputs whose one-sided slopes differ
    kink_size: float = 0.0  # what they may have done to the slope
    rungs: tuple[int, int] = (0, 0)  # order of extrapolation and last rung used
    method: str = "differences"


class Point:
    """Where the gradient is judged: values, outputs there, dout, noise of the outputs, analytic gradients."""

    def __init__(
        self, problem: Problem, values: Sequence[np.ndarray], dout: np.ndarray, noise: Noise
    ):
        self.problem, self.values, self.dout, self.noise = problem, list(values), dout, noise
        self.grade = "coarse" if noise.coarse else "fine"
        self.scratch: dict[int, tuple[np.ndarray, ...]] = {}
        with quiet():
            self.outputs = problem.outputs(self.values)
            self.sigma = noise.at(self.outputs)
            self.pooled = np.maximum(
                self.sigma, rms(self.sigma)
            )  # five samples may agree by chance
            self.spread = norm(dout * self.sigma)  # of Σ dout F

    def buffers(self, leaf: int) -> tuple[np.ndarray, ...]:
        """Three arrays like a leaf, made once: fresh memory for every step costs more than the arithmetic."""
        if leaf not in self.scratch:
            x = self.values[leaf]
            self.scratch[leaf] = np.empty_like(x), np.empty_like(x), np.empty(x.shape)
        return self.scratch[leaf]

    def moved(self, leaf: int, value: np.ndarray) -> np.ndarray:
        values = list(self.values)
        values[leaf] = value
        with quiet():
            return self.problem.outputs(values)


def quiet() -> np.errstate:
    """Floating-point warnings off: steps may lead where a function overflows."""
    return np.errstate(all="ignore")


def magnitude(x: np.ndarray) -> float:
    """The usual size of an argument's entries; 1 where all are zero."""
    count = np.count_nonzero(x)
    size = float(np.sum(np.abs(x), dtype=np.float64)) / count if count else 1.0
    return size if np.isfinite(size) and size > 0 else 1.0


def climb(
    point: Point, leaf: int, move: int | np.ndarray, gradient: np.ndarray, h: float
) -> Rung | None:
    """The argument moved by ±h at one flat index, or by ±h v along signs v; None where F is not finite."""
    x = point.values[leaf]
    up, down, difference = point.buffers(leaf)
    if isinstance(move, np.ndarray):
        np.multiply(move, h, out=difference)
        np.add(x, difference, out=up, casting="same_kind")
        np.subtract(x, difference, out=down, casting="same_kind")
        np.subtract(
            up, down, out=difference, dtype=np.float64
        )  # what was really added, after rounding
        width = 2 * h
        along = float(np.dot(gradient.ravel(), difference.ravel())) / width
    else:
        up[...] = down[...] = x
        up.flat[move] += x.dtype.type(h)
        down.flat[move] -= x.dtype.type(h)
        width = float(up.flat[move]) - float(down.flat[move])
        along = float(gradient.flat[move])
        if width == 0:
            return None
    try:
        right, left = point.moved(leaf, up), point.moved(leaf, down)
    except OUTSIDE:
        return None
    slope = float(np.dot(point.dout, right - left)) / width
    if not np.isfinite(slope):
        return None
    jump = np.abs(right - 2 * point.outputs + left) * (2 / width)
    noise = np.sqrt(2) * point.spread / width
    return Rung(width / 2, slope, along, noise, jump, point.pooled * (8 / width))


def extrapolate(
    steps: np.ndarray, gaps: np.ndarray, noise: np.ndarray
) -> tuple[float, float, tuple[int, int]]:
    """(value, error, where) of the best entry of the Richardson table over decreasing steps."""
    best: tuple[float, float, tuple[int, int]] = (float(gaps[-1]), np.inf, (0, len(gaps) - 1))
    column, blur = gaps, noise
    # What finer steps may still change: less from rung to rung where the table converges, or it is noise.
    slack = 10 * noise[1:] + 2 * np.minimum.accumulate(np.abs(np.diff(gaps)))
    for order in range(min(3, len(gaps))):
        if order:
            r = (steps[:-order] / steps[order:]) ** 2
            column = column[1:] + (column[1:] - column[:-1]) / (r - 1)
            blur = blur[1:] * (r / (r - 1))
        for k in range(len(column)):
            change = [abs(column[k] - column[j]) for j in (k - 1, k + 1) if 0 <= j < len(column)]
            if not change:
                continue
            error = float(
                max(min(change), 1e-2 * max(change)) + blur[k]
            )  # one neighbour may agree by chance
            finer = slice(
                k + order, None
            )  # large steps may agree on a chord; the smaller ones know better
            if np.any(np.abs(column[k] - gaps[1:][finer]) > 4 * error + slack[finer]):
                continue
            if error < best[1] * (0.5 if order > best[2][0] else 1.0):
                best = (float(column[k]), error, (order, k + order))
    return best


def find_kinks(rungs: Sequence[Rung], last: int, dout: np.ndarray) -> tuple[int, float]:
    """(outputs with a kink, its greatest effect on the slope), seen at the steps from `last` on.

    Where F is smooth the one-sided slopes differ by h F'' and the difference shrinks with h; where it is
    noise the difference grows as h shrinks; at a kink it stays.
    """
    count, size = 0, 0.0
    stride = (
        1 if len(rungs) < 2 or rungs[0].step > 3 * rungs[1].step else 2
    )  # steps at least 4 times apart
    for k in range(max(last, stride), len(rungs)):
        coarse, fine = rungs[k - stride], rungs[k]
        ratio = np.sqrt(coarse.step / fine.step)
        stays = (fine.jump > 4 * fine.jump_noise) & (fine.jump * ratio > coarse.jump)
        stays &= fine.jump < coarse.jump * ratio
        if stays.any():
            count = max(count, int(stays.sum()))
            size = max(size, 0.5 * float(np.dot(np.abs(dout[stays]), fine.jump[stays])))
    return count, size


def measure(
    point: Point,
    leaf: int,
    move: int | np.ndarray,
    gradient: np.ndarray,
    scale: float,
    ladder: str = "usual",
    rungs: tuple[int, int] | None = None,
) -> Estimate:
    """numeric - analytic along one move; `rungs` (order, last) takes only the steps of that entry."""
    steps = LADDERS[ladder, point.grade] * scale
    if rungs is not None:
        steps = steps[rungs[1] - rungs[0] : rungs[1] + 1]
    with quiet():
        climbed = [
            rung
            for h in steps
            if (rung := climb(point, leaf, move, gradient, float(h))) is not None
        ]
    # A step that rounding (float16) made as long as the one before it tells nothing new.
    climbed = [r for k, r in enumerate(climbed) if k == 0 or r.step < climbed[k - 1].step]
    if not climbed:
        return Estimate(np.nan, np.inf, np.nan)
    h = np.array([rung.step for rung in climbed])
    gaps = np.array([rung.slope - rung.along for rung in climbed])
    noise = np.array([rung.noise for rung in climbed])
    if rungs is None:
        gap, error, used = extrapolate(h, gaps, noise)
        kinks, size = find_kinks(climbed, used[1], point.dout)
    else:
        gap, error, used = last_entry(h, gaps, noise), float(noise[-1]) * 1.2, rungs
        kinks, size = 0, 0.0
    return Estimate(gap, error, gap + climbed[-1].along, kinks, size, used)


def last_entry(steps: np.ndarray, column: np.ndarray, noise: np.ndarray) -> float:
    """The entry of highest order in the Richardson table."""
    for order in range(1, len(steps)):
        r = (steps[:-order] / steps[order:]) ** 2
        column = column[1:] + (column[1:] - column[:-1]) / (r - 1)
    return float(column[-1])


def complex_slope(
    point: Point, leaf: int, move: int | np.ndarray, gradient: np.ndarray, scale: float
) -> Estimate | None:
    """numeric - analytic from Im F(x + i h v) / h (Squire & Trapp 1998); None where F is not made for it.

    It subtracts nothing, so its error is a few roundings. np.abs, np.var, np.sign, a comparison or a
    buffer of floats break it without a word, therefore it is never believed alone.
    """
    x = point.values[leaf]
    if x.dtype != np.float64:
        return None
    h = COMPLEX_STEP * scale
    z = x.astype(np.complex128)
    if isinstance(move, np.ndarray):
        z += 1j * h * move
        along = float(np.vdot(gradient, move))
    else:
        z.flat[move] += 1j * h
        along = float(gradient.flat[move])
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", np.exceptions.ComplexWarning)
            F = point.moved(leaf, z)
    except BudgetError:
        raise
    except (
        Exception
    ):  # F works for real numbers: whatever it raises here, it is not made for complex ones
        return None
    if F.dtype != np.complex128 or not np.isfinite(F).all():
        return None
    with quiet():
        slopes = F.imag / h
        slope = float(np.dot(point.dout, slopes))
    if not np.isfinite(slope):
        return None
    bar = 4 * np.finfo(float).eps * (float(np.dot(np.abs(point.dout), np.abs(slopes))) + abs(along))
    return Estimate(slope - along, bar, slope, method="complex step")
