"""Causes inside func: the path through an intermediate result is dropped, scaled or mixed up.

Func runs again with one operation changed as backward may have got it wrong: nothing gets through
it, or its local derivative is 1, or what it multiplies is transposed. Where the slopes of that func
are what backward says, at other arguments, too, the cause is found.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import combinations, islice

import numpy as np

from ..problem.errors import BudgetError
from .changes import MASKS, PICKS, Where, changes_of, freeze, parts, places
from .evidence import Evidence, Hint
from .probe import Probe, make_probes, measured
from .traced import Change, expression, quoted

ENOUGH, MANY = 3, 8
UNSURE = 6  # the rank of an explanation that another argument does not share
UNKNOWN = 7  # the rank of an operation whose source is not known
FEW = 2  # directions that are enough to reject an explanation
NICE = (0.0, -1.0, 2.0, 0.5)
# The changes of one explanation, at any point.
Changes = Callable[[Probe], dict[int, Change]]


def intermediate(e: Evidence) -> Iterator[Hint]:
    """The operation at which backward went wrong, if one change of one operation explains it."""
    try:
        probes = make_probes(e)
        if len(probes) < 2 or not probes[0].steps:
            return
        found = first_that_fits(probes)
    except BudgetError:
        raise
    except Exception:  # whatever func raises for arrays of another class
        return
    if found is not None:
        # Without its source an operation has no name that a reader knows: other words come first.
        is_known = any(expression(step.place) is not None for step in probes[0].steps)
        yield found if is_known else (UNKNOWN, found[1])


def first_that_fits(probes: list[Probe]) -> Hint | None:
    """The first explanation: paths that are dropped or scaled, then those that are changed."""
    first = probes[0]
    few = first.directions[:FEW]
    whole: dict[Where, np.ndarray] = {}
    only: dict[Where, np.ndarray] = {}  # paths that reach nothing else
    best: Hint | None = None
    doubtful: Hint | None = None  # of another argument, which it concerns, too, it is not true
    for edges in (places(first.steps), (part for edge in list(whole) for part in parts(edge))):
        for edge in edges:
            if first.is_tired():
                return best or doubtful
            frozen = measured(first, freeze(edge), few)
            if frozen is None:
                continue
            everything, nothing_else = first.reach(frozen)
            if not edge.which and np.any(np.abs(frozen - first.right[: len(frozen)]) > 0):
                whole[edge] = frozen
            is_partial = may_be_partial(first, edge)
            if not is_partial and not (everything and first.is_quiet(freeze(edge))):
                continue
            if nothing_else or is_partial:
                only[edge] = frozen
            k = fits(probes, edge, None, frozen, first.right)
            if k is not None:
                hint = name_of_path(first, edge, k)
                if not first.is_told_by_others(freeze(edge), k):
                    doubtful = doubtful or for_one(hint, first)
                elif k in NICE:
                    return hint
                else:
                    best = best or hint
        best = best or pair_of_paths(probes, whole)
        if best is not None:
            return best
    for edge, frozen in only.items():
        if edge.which:
            continue
        for n, (text, changes) in enumerate(changes_of(first, edge)):
            if first.is_tired():
                return doubtful

            def same(probe: Probe, n: int = n, edge: Where = edge) -> dict[int, Change]:
                return next(islice(changes_of(probe, edge), n, None))[1]

            other = measured(first, changes, few)
            k = None if other is None else fits(probes, edge, same, frozen, other)
            if k == 1 and first.is_told_by_others(freeze(edge), k, changes):
                return 4, text
            if k == 1:
                doubtful = doubtful or for_one((4, text), first)
    return doubtful


def for_one(hint: Hint, probe: Probe) -> Hint:
    """A hint that holds for one argument of several that go the same way."""
    return UNSURE, f"{hint[1]} (for {probe.trial.name} alone)"


def fits(
    probes: list[Probe], edge: Where, change: Changes | None, frozen: np.ndarray, other: np.ndarray
) -> float | None:
    """The k with which backward is frozen + k (other - frozen) at all points; else None.

    frozen and other are slopes along the first directions at the first point.
    """
    first, n = probes[0], len(frozen)
    path = other[:n] - frozen
    if np.max(np.abs(path)) <= 10 * first.allowed:
        return None
    k = float(np.vdot(path, first.said[:n] - frozen)) / float(np.vdot(path, path))
    nice = [c for c in (*NICE, 1.0) if abs(k - c) < (1e-2 if first.is_coarse else 2e-3)]
    k = nice[0] if nice else k
    if np.any(np.abs(frozen + k * path - first.said[:n]) > first.allowed):
        return None
    seen = 0
    for probe in probes:
        frozen_there = measured(probe, freeze(edge))
        there = probe.right if change is None else measured(probe, change(probe))
        if frozen_there is None or there is None:
            return None
        said = frozen_there + k * (there - frozen_there)
        if np.any(np.abs(said - probe.said) > probe.allowed):
            return None
        seen += np.count_nonzero(np.abs(probe.said - probe.right) > 4 * probe.allowed)
    is_whole = k == 0 or any(abs(c / max(round(c), 1) - 1) < 2e-3 for c in (k, 1 / k))
    return k if seen >= (ENOUGH if nice or is_whole else MANY) else None


def name_of_path(probe: Probe, edge: Where, k: float) -> Hint:
    """A path that is dropped, or multiplied by a constant."""
    path = f"what goes through {quoted(probe.steps[edge.steps[0]].place, edge.operand)}{edge.which}"
    if k == 0:
        return 4, f"{path} is dropped"
    if k == -1:
        return 4, f"{path} has the wrong sign"
    if k in (2, 0.5):
        return 4, f"{path} is {'twice' if k == 2 else 'half of'} what it should be"
    return 5, f"{path} is {k:.4g} times what it should be"


def pair_of_paths(probes: list[Probe], paths: dict[Where, np.ndarray]) -> Hint | None:
    """Two paths that are dropped, or have the wrong sign, both."""
    first = probes[0]
    for a, b in combinations(paths, 2):
        n = len(paths[a])
        error = first.said[:n] - first.right[:n]
        both = paths[a] + paths[b] - 2 * first.right[:n]
        for k, text in ((1, "are dropped"), (2, "have the wrong sign"), (0.5, "are halved")):
            if np.any(np.abs(k * both - error) > 2 * first.allowed):
                continue
            if set(a.steps) & set(b.steps):
                continue  # in one operation: its result
            changes = {**freeze(a), **freeze(b)}
            seen = 0
            for probe in probes:
                said = (1 - k) * probe.right + k * probe.slopes(changes)
                if np.any(np.abs(said - probe.said) > probe.allowed):
                    break
                seen += np.count_nonzero(np.abs(probe.said - probe.right) > 4 * probe.allowed)
            else:
                if seen >= MANY and first.is_told_by_others(changes, 1 - k):
                    names = [quoted(first.steps[e.steps[0]].place, e.operand) for e in (a, b)]
                    return 4, f"what goes through {names[0]} and {names[1]} {text}"
    return None


def may_be_partial(probe: Probe, edge: Where) -> bool:
    """Whether an operation lets some entries through as they are."""
    return probe.steps[edge.steps[0]].place[2] in (*PICKS, *MASKS)
