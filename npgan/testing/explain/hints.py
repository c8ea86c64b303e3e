"""Hints: which usual mistake explains a wrong gradient, the likeliest first.

A candidate is a corrected gradient ("if the sign were changed"). It explains the error if it agrees
with the measured slopes in every trial: at the user's point, with another dout, and at other
arguments. Each rule yields a sentence for what explains it. The simplest explanation comes first.
"""

from __future__ import annotations

from contextlib import suppress

import numpy as np

from ..problem.errors import BudgetError
from . import factors, intermediates, order, paths, places, repair, symmetry, terms
from .evidence import Evidence, Hint

RULES = (
    factors.zero,
    factors.factor,
    order.moved,
    order.swapped,
    order.lost_signs,
    places.labelled,
    symmetry.symmetric,
    symmetry.used_twice,
    places.one_part,
    places.repeated_index,
    places.clipped,
    order.shifted,
    paths.transposed_jacobian,
    order.flipped_kernel,
    order.permuted,
    terms.constant_term,
    paths.ignored_outputs,
    paths.one_for_all,
    order.moved_dout,
    places.region,
    places.masked,
    terms.averaged,
    factors.local_derivative,
    factors.derivative_of_output,
    terms.added_term,
    paths.dropped_paths,
    intermediates.intermediate,
    repair.repaired,
    terms.dropped_along_axis,
    factors.one_factor_per_call,
    paths.through_one_number,
    factors.relative_error,
)


NO_PATTERN = "no simple pattern: a term of the sum is wrong or dropped"
BEFORE_THE_DEAR = paths.dropped_paths  # the rule after it runs func often


def hints(e: Evidence) -> list[str]:
    """Sentences, the likeliest first; never empty."""
    if e.trials and not any(t.wrong.any() for t in e.trials):
        return [e.at_kinks or no_pattern(e)]
    found: list[Hint] = []
    with np.errstate(all="ignore"), suppress(BudgetError):
        for rule in RULES if e.trials else ():
            found += rule(e)
            is_next = rule is BEFORE_THE_DEAR
            if any(rank <= (4 if is_next else 2) for rank, _ in found):
                break  # certain and simple: what comes later fits by coincidence or says the same
    found.sort(key=lambda hint: hint[0])
    simple = [text for rank, text in found if rank <= found[0][0] + 1]
    same = {text.replace(" at the output", "") for text in simple if " at the output" in text}
    if same & set(simple):  # the same factor, said twice
        simple = [text for text in simple if " at the output" not in text]
    return simple or [no_pattern(e)]


def no_pattern(e: Evidence) -> str:
    """Where no rule fits: how large the error is."""
    if e.trials and e.first.known.any():
        t = e.first
        worst = float(np.max(np.abs(t.error))) / t.size if t.size else np.inf
        if worst < 1e-2:
            return (
                f"nearly right, to {worst:.1e} of the largest entry: "
                "a constant, an epsilon or lost digits"
            )
    return NO_PATTERN
