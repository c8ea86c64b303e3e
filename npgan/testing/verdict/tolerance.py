"""How large a difference between an analytic and a measured slope may be before it is a bug."""

from __future__ import annotations

import numpy as np

from ..slopes.points import Settings
from ..slopes.slope import Estimate

# An error bar is about one standard deviation; a difference of more than four of them is a FAIL.
SAFETY = 4.0
# A poorer relative resolution is worth more steps; by whether the function computes in float32.
WANTED_RESOLUTION = {False: 1e-7, True: 1e-3}
# The complex step's error bar is at best this much smaller than that of the differences.
COMPLEX_STEP_GAIN = 4.0
# By how much an error bar may be too small; the power that is reported is out by no more.
ERROR_BAR_MARGIN = 8.0
# An entry is checked only if an error of one per cent would show.
RESOLUTION = 1e-2
JITTER_ATTEMPTS = 4


def tolerance(
    settings: Settings, error: float, numeric: float, analytic: float, noise: float
) -> float:
    """The largest |numeric - analytic| that is no evidence of a bug.

    error is the error bar of numeric, noise the rounding error of analytic.
    """
    if not np.isfinite(error):
        return np.inf
    floor = 8 * np.finfo(float).eps * (abs(numeric) + abs(analytic))
    return SAFETY * error + noise + floor + settings.atol + settings.rtol * abs(numeric)


def best_estimate(candidates: list[tuple[Estimate, float]]) -> tuple[Estimate, float]:
    """The (estimate, tolerance) to use of several of the same slope.

    It is the one of smallest tolerance, unless it shows a difference that another one, precise
    enough to show it, does not. Error bars are estimates themselves: a difference of a few
    tolerances is given up for an estimate that shows none, if that is hardly less precise.
    """
    finest = min(candidates, key=lambda one: one[1])
    gap = abs(finest[0].gap)
    if gap <= finest[1] or not np.isfinite(finest[1]):
        return finest
    precise_enough = max(ERROR_BAR_MARGIN * finest[1], 0.5 * gap)
    agreeing = [one for one in candidates if abs(one[0].gap) <= one[1] < precise_enough]
    return min(agreeing, key=lambda one: one[1]) if agreeing else finest
