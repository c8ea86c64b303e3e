"""The gradient as the user runs it, in float32, against the one that was judged in float64."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from .judge import RESOLVED
from .numeric import quiet
from .places import Places
from .precision import narrow_dtypes
from .preconditions import Ground, as_gradients
from .report import FAIL, INCONCLUSIVE, PASS, ArgumentReport
from .rows import unfinished
from .styles import BudgetError

__tracebackhide__ = True  # pytest shows a failure at the user's line, not at ours


class NativeGap(NamedTuple):
    """Where a float32 gradient is furthest from the float64 one, beyond its rounding noise."""

    spot: tuple[int, ...]
    narrow: float
    wide: float
    excess: float  # in units of the largest entry, as is `relative`, the largest difference of all
    relative: float


def compare_native(places: Places, ground: Ground, rows: dict[int, ArgumentReport]) -> str:
    """Entry by entry, where float64 passed: off by 1 % of the largest is a FAIL. Returns a note."""
    narrow, worst = narrow_dtypes(places.native), 0.0
    for leaf, row in rows.items():
        if row.verdict != PASS:
            continue
        try:
            gaps = [native_gap(places, leaf, ground.blur[leaf], 0)]
            while gaps[-1].excess > RESOLVED and len(gaps) < 3:  # perhaps only there, on a kink
                gaps.append(native_gap(places, leaf, ground.blur[leaf], len(gaps)))
        except BudgetError:
            row.verdict, row.reason = INCONCLUSIVE, unfinished(places)
            continue
        worst = max(worst, gaps[-1].relative)
        if gaps[-1].excess > RESOLVED:
            row.verdict, row.error_bound = FAIL, math.nan
            row.index, row.analytic, row.numeric = gaps[0][:3]
            row.hint = (
                f"right in float64, wrong in {narrow}: it overflows, cancels, or is cast on the way"
            )
            row.hints = [row.hint]
    return f"the gradient in {narrow} differs from it by {worst:.0e} of its largest entry"


def native_gap(places: Places, leaf: int, blur: np.ndarray | None, turn: int) -> NativeGap:
    native, place = places.native, places.place(turn)
    values = [v.astype(n.dtype) for v, n in zip(place.point.values, native.values, strict=True)]
    with quiet():
        narrow = as_gradients(native, native.gradients(values, places.dout))[0][leaf]
    wide = place.gradients[leaf]
    if wide is None or narrow is None:
        return NativeGap((), math.nan, math.nan, math.inf, math.inf)
    gap, size = np.abs(narrow - wide), max(float(np.max(np.abs(wide))), 1e-300)
    beyond = gap if blur is None else gap - 10 * blur
    spot = tuple(int(i) for i in np.unravel_index(int(np.argmax(beyond)), gap.shape))
    excess, relative = float(beyond[spot]) / size, float(np.max(gap)) / size
    return NativeGap(spot, float(narrow[spot]), float(wide[spot]), excess, relative)
