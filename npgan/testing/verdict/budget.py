"""The share of max_evals that each leaf gets, and whether it is enough to go entry by entry."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from ..problem.problem import Problem

# mode="auto" compares entry by entry up to this many entries, and up to this much work:
# entries x numbers that each call handles.
MANY_ENTRIES, MUCH_WORK = 400, 2e7
# The calls for one entry of a right gradient, and of one that is measured with more steps, too;
# for the calibration of projections, and for one direction.
PER_ENTRY, PER_POOR_ENTRY, CALIBRATION, PER_DIRECTION = 10, 20, 40, 8


class Budget:
    """The calls that are left, shared among the leaves that are still to be compared."""

    def __init__(self, problem: Problem, leaves: Sequence[int], mode: str, n_directions: int):
        self.problem, self.waiting = problem, list(leaves)
        self.for_projections = CALIBRATION + PER_DIRECTION * n_directions
        sizes = {leaf: problem.values[leaf].size for leaf in leaves}
        self.by_entries = dict.fromkeys(leaves, mode == "elements")
        self.may_project = mode == "auto"
        if mode != "auto":
            return
        # The smallest leaves first; the others keep what projections need.
        left = problem.limit - problem.evals - self.for_projections * len(leaves)
        for leaf in sorted(leaves, key=lambda leaf: sizes[leaf]):
            cost = PER_ENTRY * sizes[leaf] - self.for_projections
            if is_small(problem, leaf) and cost <= left:
                self.by_entries[leaf] = True
                left -= max(cost, 0)

    def reserve(self, leaf: int) -> int:
        """What a leaf needs if its gradient is right."""
        entries = PER_ENTRY * self.problem.values[leaf].size
        return min(entries, self.for_projections) if self.by_entries[leaf] else self.for_projections

    @contextmanager
    def share(self, leaf: int, keep: int = 0) -> Iterator[None]:
        """Limit the calls to what the leaves behind this one leave, and keep some of these."""
        if leaf in self.waiting:
            self.waiting.remove(leaf)
        limit = self.problem.limit
        behind = keep + sum(self.reserve(other) for other in self.waiting)
        left = limit - self.problem.evals
        # Where there is not enough for all: equal parts, of which this leaf keeps some, too.
        part = max(left - behind, left // (1 + len(self.waiting)) - keep, 0)
        self.problem.limit = self.problem.evals + part
        try:
            yield
        finally:
            self.problem.limit = limit


def is_small(problem: Problem, leaf: int) -> bool:
    """Whether mode="auto" compares a leaf entry by entry, if there are calls enough."""
    n = problem.values[leaf].size
    numbers = problem.out_size + sum(v.size for v in problem.values)
    is_affordable = n * PER_POOR_ENTRY <= problem.limit
    return n <= MANY_ENTRIES and n * 8 * numbers <= MUCH_WORK and is_affordable
