"""The slope along one direction with its error bar, from central differences at several steps."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from ..problem.arrays import ignore_float_errors, typical_size
from .difference_quotient import DifferenceQuotient, central_difference
from .directions import Direction
from .kinks import find_kinks, kinks_of, remaining
from .noise_at_zeros import NoiseAtZeros
from .points import Point
from .richardson import Entry, best_entry, last_entry

__tracebackhide__ = True  # pytest shows a failure at the user's line, not at ours

# Steps in units of the argument's size, by (which steps, does the function compute in float32?).
# The best single step of a fourth-order formula is about eps^(1/5), 2^-10 and 2^-5; these straddle
# it. "short" calibrates projections, which are expensive; "wide" is tried where "usual" was not
# enough, and "fine" where the slope still changes at the smallest of these.
STEPS = {
    ("usual", False): 2.0 ** np.array([-7, -11, -15, -19]),
    ("short", False): 2.0 ** np.array([-7, -11, -15]),
    ("wide", False): 2.0 ** np.arange(-1, -28, -2),
    ("fine", False): 2.0 ** np.arange(-7, -128, -4),
    ("usual", True): 2.0 ** np.array([-1, -3, -5, -7]),
    ("short", True): 2.0 ** np.array([-1, -3, -5]),
    ("wide", True): 2.0 ** np.arange(1, -13, -1),
    ("fine", True): 2.0 ** np.arange(-1, -98, -4),
}
# A kink is looked at once more at these steps: a function may be smooth, but sharper than others.
# At entries of 0 it may be sharper still; rounding may hide that at the smallest of these steps.
PROBES, PROBES_AT_ZERO = 2.0 ** -np.array([38, 42, 46]), 2.0 ** -np.arange(90, 50, -6.0)
# A slope at such a step is wrong by this part of what is left of the jump of a smooth function.
PART_OF_JUMP = 0.25
# Below such a unit of the steps the noise is that of numbers near 0.
SMALL_UNIT = 2.0**-12
# In units of the slope that the gradient predicts: where all slopes are smaller, digits are lost.
MOST_HIDDEN = 1e-6


class Estimate(NamedTuple):
    """A measured slope: numeric - analytic with its error bar."""

    gap: float
    error: float
    slope: float
    kinks: int = 0  # outputs whose one-sided slopes differ
    kink_size: float = 0.0  # how much these may have changed the slope
    entry: Entry | None = (0, 0)  # of the Richardson table; None if it is of another step
    method: str = "differences"
    step: float = 0.0  # the smallest one that was used
    reach: float = 0.0  # the largest one


def measure_slope(
    point: Point,
    leaf: int,
    direction: Direction,
    gradient: np.ndarray,
    scale: float,
    steps: str = "usual",
    entry: Entry | None = None,
) -> Estimate:
    """numeric - analytic along one direction; `entry` takes only the steps of that table entry."""
    chosen = STEPS[steps, point.is_coarse] * scale
    first = 0
    if entry is not None:
        order, last = entry
        first = last - order
        chosen = chosen[first : last + 1]
    found: list[tuple[int, DifferenceQuotient]] = []  # with the index of the step
    is_at_zero = only_zeros(point.values[leaf], direction)
    at_zeros = (
        noise_at_zeros(point, leaf, direction, gradient, steps, scale) if is_at_zero else None
    )
    with ignore_float_errors():
        for k, h in enumerate(chosen):
            one = central_difference(point, leaf, direction, gradient, float(h), at_zeros)
            # Rounding (of float16) may make a step as long as the one before it.
            if one is not None and (not found or one.step < found[-1][1].step):
                found.append((first + k, one))
    if not found:
        return Estimate(np.nan, np.inf, np.nan)
    quotients = [quotient for _, quotient in found]
    h = np.array([quotient.step for quotient in quotients])
    slopes = np.array([quotient.slope for quotient in quotients])
    predicted = np.array([quotient.predicted for quotient in quotients])
    # The difference of both, unless the prediction is so large that it hides how slopes change.
    is_hidden = np.max(np.abs(slopes)) < MOST_HIDDEN * np.max(np.abs(predicted))
    offset = float(predicted[-1]) if is_hidden else 0.0
    gaps = slopes if is_hidden else slopes - predicted
    noise = np.array([quotient.noise for quotient in quotients])
    if entry is None:
        gap, error, (order, last) = best_entry(h, gaps, noise)
        jump = find_kinks(quotients, last)
        kinks, size = kinks_of(jump, point.dout)
        if kinks and not point.is_coarse:
            smooth = probed(point, leaf, direction, gradient, scale, jump)
            if smooth is not None:
                kinks, size, error = 0, 0.0, np.inf
                if steps == "fine":  # all steps are larger than where F is smooth, but this one
                    return smooth
        entry = order, found[last][0]
    else:
        gap, error, last = last_entry(h, gaps, noise), float(noise[-1]) * 1.2, len(found) - 1
        order, kinks, size = last, 0, 0.0
    gap -= offset
    slope = gap + quotients[last].predicted
    step, reach = quotients[last].step, quotients[last - order].step
    return Estimate(gap, error, slope, kinks, size, entry, step=step, reach=reach)


def only_zeros(x: np.ndarray, direction: Direction) -> bool:
    """Whether only entries that are 0 are moved."""
    if isinstance(direction, np.ndarray):
        return not np.any(x[direction != 0])
    return bool(x.flat[direction] == 0)


def noise_at_zeros(
    point: Point, leaf: int, direction: Direction, gradient: np.ndarray, steps: str, scale: float
) -> NoiseAtZeros | None:
    """The noise of a slope by entries of 0 where its steps are small; else None."""
    is_small = scale < SMALL_UNIT * typical_size(point.values[leaf])
    if steps != "fine" and not is_small:
        return None
    at_zeros = NoiseAtZeros(point, leaf)
    if is_small:  # larger steps show which outputs depend on these entries
        largest = STEPS["usual", point.is_coarse][0] * typical_size(point.values[leaf])
        central_difference(point, leaf, direction, gradient, float(largest), at_zeros)
    return at_zeros


def probed(
    point: Point,
    leaf: int,
    direction: Direction,
    gradient: np.ndarray,
    scale: float,
    jump: np.ndarray,
) -> Estimate | None:
    """The slope at a much smaller step at which the jump of a slope vanishes; None at a kink."""
    size, best = kinks_of(jump, point.dout)[1], None
    left = jump
    for step, at_zeros in probes(point, leaf, direction, scale, jump):
        with ignore_float_errors():
            one = central_difference(point, leaf, direction, gradient, step, at_zeros)
        if one is None:
            continue
        left = remaining(left, one)
        is_clear = at_zeros is not None and bool(np.all((one.jump_noise < 0.01 * jump)[jump > 0]))
        if is_clear and np.all(left[jump > 0] > 0):
            return None  # a kink at the smallest of numbers is one at all
        rest = PART_OF_JUMP * kinks_of(np.where(jump > 0, one.jump, 0.0), point.dout)[1]
        gap = one.slope - one.predicted
        found = Estimate(
            gap, one.noise + rest, one.slope, entry=None, step=one.step, reach=one.step
        )
        if rest < 0.5 * PART_OF_JUMP * size and (best is None or found.error < best.error):
            best = found
    return best if kinks_of(left, point.dout)[1] < 0.5 * size else None


def probes(
    point: Point, leaf: int, direction: Direction, scale: float, jump: np.ndarray
) -> Iterator[tuple[float, NoiseAtZeros | None]]:
    """Small steps with the noise there, at entries of 0 the smallest that rounding allows first."""
    if only_zeros(point.values[leaf], direction):
        at_zeros = NoiseAtZeros(point, leaf)
        at_zeros.depends |= jump > 0
        at_zeros.largest = PROBES[0] * scale
        rounding = 16 * point.eps * np.abs(point.outputs)
        for step in PROBES_AT_ZERO * scale:
            if np.any((jump > 0) & (rounding < step * jump)):
                yield step, at_zeros
    for step in PROBES * scale:
        yield step, None
