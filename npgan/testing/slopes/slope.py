"""The slope along one direction with its error bar, from central differences at several steps."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..problem.arrays import ignore_float_errors
from .difference_quotient import Direction, central_difference
from .kinks import find_kinks
from .points import Point
from .richardson import Entry, best_entry, last_entry

__tracebackhide__ = True  # pytest shows a failure at the user's line, not at ours

# Steps in units of the argument's size, by (which steps, does the function compute in float32?).
# The best single step of a fourth-order formula is about eps^(1/5), 2^-10 and 2^-5; these straddle
# it. "short" calibrates projections, which are expensive; "wide" is tried where "usual" was not
# enough.
STEPS = {
    ("usual", False): 2.0 ** np.array([-7, -11, -15, -19]),
    ("short", False): 2.0 ** np.array([-7, -11, -15]),
    ("wide", False): 2.0 ** np.arange(-1, -28, -2),
    ("usual", True): 2.0 ** np.array([-1, -3, -5, -7]),
    ("short", True): 2.0 ** np.array([-1, -3, -5]),
    ("wide", True): 2.0 ** np.arange(1, -13, -1),
}


class Estimate(NamedTuple):
    """A measured slope: numeric - analytic with its error bar."""

    gap: float
    error: float
    slope: float
    kinks: int = 0  # outputs whose one-sided slopes differ
    kink_size: float = 0.0  # how much these may have changed the slope
    entry: Entry = (0, 0)  # of the Richardson table
    method: str = "differences"


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
    if entry is not None:
        order, last = entry
        chosen = chosen[last - order : last + 1]
    with ignore_float_errors():
        quotients = [
            quotient
            for h in chosen
            if (quotient := central_difference(point, leaf, direction, gradient, float(h)))
            is not None
        ]
    # Rounding (of float16) may make a step as long as the one before it.
    quotients = [q for k, q in enumerate(quotients) if k == 0 or q.step < quotients[k - 1].step]
    if not quotients:
        return Estimate(np.nan, np.inf, np.nan)
    h = np.array([quotient.step for quotient in quotients])
    gaps = np.array([quotient.slope - quotient.predicted for quotient in quotients])
    noise = np.array([quotient.noise for quotient in quotients])
    if entry is None:
        gap, error, entry = best_entry(h, gaps, noise)
        kinks, size = find_kinks(quotients, entry[1], point.dout)
    else:
        gap, error = last_entry(h, gaps, noise), float(noise[-1]) * 1.2
        kinks, size = 0, 0.0
    return Estimate(gap, error, gap + quotients[-1].predicted, kinks, size, entry)
