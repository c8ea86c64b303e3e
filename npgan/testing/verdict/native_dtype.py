"""The gradient in the user's dtype, such as float32, against the one checked in float64."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from ..problem.analytic import AnalyticGradients, as_arrays
from ..problem.arrays import ignore_float_errors
from ..problem.errors import BudgetError
from ..report import FAIL, INCONCLUSIVE, PASS, ArgumentReport
from ..slopes.points import Points
from ..slopes.precision import narrow_dtypes
from .rows import budget_reason
from .tolerance import RESOLUTION

__tracebackhide__ = True  # pytest shows a failure at the user's line, not at ours


class DtypeGap(NamedTuple):
    """Where a float32 gradient is furthest from the float64 one, beyond its rounding error."""

    at_index: tuple[int, ...]
    narrow: float
    wide: float
    excess: float  # in units of the largest entry, as is `relative`, the largest difference of all
    relative: float


def compare_native_dtype(
    points: Points, analytic: AnalyticGradients, rows: dict[int, ArgumentReport]
) -> str:
    """Compare every argument that passed in float64; off by 1 % of the largest entry is a FAIL.

    analytic are the gradients in the user's dtype. Returns a note for the report.
    """
    narrow, largest = narrow_dtypes(points.native), 0.0
    for leaf, row in rows.items():
        if row.verdict != PASS:
            continue
        try:
            gaps = [dtype_gap(points, leaf, analytic.noise[leaf], 0)]
            # A difference at the user's point only may come from a kink there.
            while gaps[-1].excess > RESOLUTION and len(gaps) < 3:
                gaps.append(dtype_gap(points, leaf, analytic.noise[leaf], len(gaps)))
        except BudgetError:
            row.verdict, row.reason = INCONCLUSIVE, budget_reason(points)
            continue
        largest = max(largest, gaps[-1].relative)
        if gaps[-1].excess > RESOLUTION:
            row.verdict, row.error_bound = FAIL, math.nan
            row.index, row.analytic, row.numeric = gaps[0].at_index, gaps[0].narrow, gaps[0].wide
            row.set_hints(
                f"right in float64, wrong in {narrow}: it overflows, cancels, or is cast on the way"
            )
    return f"the gradient in {narrow} differs from it by {largest:.0e} of its largest entry"


def dtype_gap(points: Points, leaf: int, noise: np.ndarray | None, attempt: int) -> DtypeGap:
    """The largest difference between the gradients in the two dtypes, at one attempt's point."""
    native, point = points.native, points.at(attempt)
    values = [v.astype(n.dtype) for v, n in zip(point.values, native.values, strict=True)]
    try:
        with ignore_float_errors():
            narrow = as_arrays(native, native.gradients(values, points.dout))[0][leaf]
    except Exception:  # outside the domain, whatever is raised
        if attempt == 0:
            raise
        narrow = None
    wide = point.gradients[leaf]
    if wide is None or narrow is None:
        return DtypeGap((), math.nan, math.nan, math.inf, math.inf)
    gap, size = np.abs(narrow - wide), max(float(np.max(np.abs(wide))), 1e-300)
    beyond = gap if noise is None else gap - 10 * noise
    index = tuple(int(i) for i in np.unravel_index(int(np.argmax(beyond)), gap.shape))
    excess, relative = float(beyond[index]) / size, float(np.max(gap)) / size
    return DtypeGap(index, float(narrow[index]), float(wide[index]), excess, relative)
