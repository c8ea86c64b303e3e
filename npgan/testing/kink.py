"""On a kink itself: most slopes have no single answer there, but the one along (1, ..., 1) may have."""

from __future__ import annotations

import math

import numpy as np

from .judge import RESOLVED, verdict_of
from .places import Places
from .projections import Projections
from .report import FAIL, ArgumentReport

__tracebackhide__ = True  # pytest shows a failure at the user's line, not at ours


def judge_shift(places: Places, leaf: int, row: ArgumentReport) -> None:
    """A shift of all entries may meet no kink (ties of a max): then the slope along it must agree.

    FAIL where it does not; otherwise the row stays as it is.
    """
    along = Projections(places, leaf, row.name, 0, places.seed)
    ones, place = np.ones(along.shape), places.place(0)
    found = [along.measure(place, ones, ladder, None) for ladder in ("usual", "wide")]
    estimate, limit = verdict_of(found)
    analytic = estimate.slope - estimate.gap
    # Ties are shared out wrongly by whole shares; a small gap may be rounding, like a kink it feigned.
    gross = RESOLVED * max(abs(estimate.slope), abs(analytic), row.size)
    if abs(estimate.gap) > limit + gross and not any(one.kinks for one, _ in found):
        row.verdict, row.index, row.power = FAIL, None, math.inf
        row.analytic, row.numeric, row.error_bound = analytic, estimate.slope, limit
        row.hint = (
            "wrong at this very point, where some entries tie or lie on a kink, and right beside it: "
            "the sum of its entries is not the slope along (1, ..., 1)"
        )
        row.hints = [row.hint]
