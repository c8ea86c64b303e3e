"""The operation of backward that is wrong: the one that, changed, makes it agree with the slopes.

Backward runs on a tape, and again with one of its operations changed as its author may have meant
it. An explanation must hold at the user's arguments with two douts and at other arguments.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice
from typing import Any, NamedTuple

import numpy as np

from ..problem.errors import BudgetError
from .changes import groups
from .edits import Changes, Edit, paired_edits, plain_edits, plainest_edits
from .evidence import Evidence, Hint
from .lacks import Quantity, factor_edits, term_edits
from .traced import Change, Step, Tape, quoted, target_of
from .trial import Trial

# Operations of backward that run: for one argument, for all of a check, for one in any case.
MOST_STEPS, MOST_STEPS_OF_ALL, LEAST_STEPS = 150_000, 300_000, 5_000
MOST_KEPT = 4000  # numbers of a gradient that is kept; of a larger one no operation is sought
SMALL = 1e-2  # an error, in units of the largest slope, of which no operation is sought
ENOUGH, MANY = 3, 8  # slopes that must tell a plain edit, and one of many, from what is wrong


def repaired(e: Evidence) -> Iterator[Hint]:
    """The first edit of one operation of backward that explains the error in every trial."""
    if e.first.entries.size < e.first.x.size:
        return  # a large argument, of which backward would run for too long
    # Of a small error e, 1 - e and 1 / (1 + e) are the same within what the slopes can tell.
    if np.max(np.abs(e.first.error), initial=0) < SMALL * e.first.size:
        return
    benches: list[Bench] = []
    try:
        for trial in e.trials:
            bench = Bench(trial)
            if not bench.is_faithful or bench.is_too_long(len(e.trials)):
                return
            benches.append(bench)
        found = first_edit(e, benches)
    except BudgetError:
        raise
    except Exception:  # whatever backward raises for arrays of another class
        return
    if found:
        yield 4, f"in backward, {found}; with that changed, it agrees with the slopes"


class Bench:
    """Backward on a tape at one trial."""

    def __init__(self, trial: Trial):
        self.trial, self.shared, self.steps_run = trial, trial.shared, 0
        self.now: list[Any] = []  # the results in the run that goes on
        tape = Tape(is_thorough=True)
        found = trial.backward_on(tape)[trial.leaf]
        self.steps = tape.steps
        self.shared.steps_run += len(self.steps)
        size = float(np.max(np.abs(trial.analytic), initial=0))
        self.is_faithful = (
            bool(self.steps)
            and found is not None
            and bool(np.all(np.abs(found - trial.analytic) <= 1e-6 * size))
        )

    def with_changes(self, changes: dict[int, Change]) -> np.ndarray | None:
        """The gradient with changed operations; None where they do not fit."""
        found = self.all_with_changes(changes)[self.trial.leaf]
        return found if found is not None and np.isfinite(found).all() else None

    def all_with_changes(self, changes: dict[int, Change]) -> list[np.ndarray | None]:
        """The gradients of all arguments with changed operations; None where they do not fit."""
        self.steps_run += len(self.steps)
        self.shared.steps_run += len(self.steps)
        tape = Tape(self.steps, is_thorough=True)
        tape.changes, self.now = changes, tape.now
        try:
            return self.trial.backward_on(tape)
        except BudgetError:
            raise
        except Exception:  # shapes that do not fit
            return [None] * len(self.trial.gradients)

    def slopes_repaired(self, changes: dict[int, Change]) -> int | None:
        """How many other gradients were wrong along a direction and are right with changes.

        None where one is reached and wrong with them. One mistake that two gradients are made from
        makes both wrong, and both are right without it.
        """
        count = 0
        others = self.trial.slopes_of_others
        gradients = self.all_with_changes(changes) if others else []
        for i, (direction, slope, allowed) in others.items():
            found, before = gradients[i], self.trial.gradients[i]
            if found is not None and before is not None and found.shape == before.shape:
                if abs(np.vdot(direction, found - before)) <= allowed:
                    continue
                if not abs(np.vdot(direction, found) - slope) <= allowed:
                    return None
                count += 1
        return count

    def is_too_long(self, trials: int) -> bool:
        """Whether to record backward at all trials alone is too much, after all that has run."""
        is_long = trials * len(self.steps) > LEAST_STEPS
        is_too_long = is_long and self.shared.steps_run > MOST_STEPS_OF_ALL
        self.shared.is_cut_short |= is_too_long
        return is_too_long

    def is_tired(self) -> bool:
        """Whether backward has run often enough, for this argument or for all."""
        own, of_all = self.steps_run, self.shared.steps_run
        is_tired = own > MOST_STEPS or (of_all > MOST_STEPS_OF_ALL and own > LEAST_STEPS)
        self.shared.is_cut_short |= is_tired
        return is_tired


def first_edit(e: Evidence, benches: list[Bench]) -> str:
    """The sentence of the first edit that explains the error; "" where none does.

    What was found for another argument of this check is tried first.
    """
    first = benches[0]
    for found in first.shared.found:
        edit = found.at(first)
        # It was told from what is wrong by the slopes of that argument already.
        if edit is not None and explains(e, benches, found._replace(enough=1), edit):
            return said(first, found.group, edit)
    reaching = [group for group in groups(first.steps)[::-1] if reaches(first, group)]
    has_many = sum(int(bench.trial.wrong.sum()) for bench in benches) >= 2 * MANY
    for edits, enough in STAGES:
        for group in reaching:
            if (edits, group) in first.shared.tried:
                continue  # it reaches another argument that is wrong, too, and does not explain it
            sources = sources_of(first, group) if edits in (with_factors, with_terms) else []
            for n, edit in enumerate(edits(first, group, sources)):
                if first.is_tired():
                    return ""
                choice = Choice(edits, group, sources, n, enough)
                if explains(e, benches, choice, edit):
                    first.shared.found.append(choice)
                    return said(first, group, edit)
            if has_many:
                first.shared.tried.add((edits, group))
    return ""


def said(bench: Bench, group: tuple[int, ...], edit: Edit) -> str:
    """The sentence of an edit; another one where the gradient only jumps with the operation."""
    if edit.rival is not None and is_enough(bench, edit.rival[1]):
        return edit.rival[0]
    if not edit.if_decides:
        return edit.if_there() or edit.text

    def nearly(step: Step, operands: list[Any]) -> Any:
        return step.call(operands) * (1 + 0.01 * bench.trial.precision)

    found = bench.with_changes(dict.fromkeys(group, nearly))
    decides = found is not None and np.array_equal(found, bench.trial.analytic)
    return edit.if_decides if decides else edit.text


class Choice(NamedTuple):
    """The n-th edit of a kind at an operation, at any trial."""

    edits: Callable[..., Iterator[Edit]]
    group: tuple[int, ...]
    sources: list[Source]
    n: int
    enough: int  # slopes that must tell it from what is wrong

    def at(self, bench: Bench) -> Edit | None:
        """The edit at a trial; None where backward took another branch."""
        if self.group[-1] >= len(bench.steps):
            return None
        return next(islice(self.edits(bench, self.group, self.sources), self.n, None), None)


def explains(e: Evidence, benches: list[Bench], choice: Choice, edit: Edit) -> bool:
    """Whether an edit explains the error in every trial, shown by enough slopes."""
    seen = 0
    for bench in benches:
        is_first = bench is benches[0]
        there = edit if is_first else choice.at(bench)
        corrected = None if there is None else bench.with_changes(there.changes)
        if corrected is None or not bench.trial.explains(corrected):
            return False
        if is_first and not np.isnan(corrected).any() and not e.predicts(corrected):
            return False
        seen += bench.trial.evidence(corrected)
    if seen < 1 or any(is_enough(benches[0], half) for half in edit.halves):
        return False
    of_others = benches[0].slopes_repaired(edit.changes)
    return of_others is not None and seen + of_others >= choice.enough


def is_enough(bench: Bench, changes: Changes) -> bool:
    """Whether changes explain the error at one trial."""
    corrected = bench.with_changes(changes)
    return corrected is not None and bench.trial.explains(corrected)


def plainest(bench: Bench, group: tuple[int, ...], sources: list[Source]) -> Iterator[Edit]:
    """The commonest edits of one operation."""
    return plainest_edits(bench.steps, group)


def all_plain(bench: Bench, group: tuple[int, ...], sources: list[Source]) -> Iterator[Edit]:
    """The other plain edits of one operation."""
    return plain_edits(bench.steps, group)


def in_pairs(bench: Bench, group: tuple[int, ...], sources: list[Source]) -> Iterator[Edit]:
    """The edits of one operation with another one."""
    for other in groups(bench.steps):
        if other[0] > group[0]:
            yield from paired_edits(bench.steps, group, other)


def with_factors(bench: Bench, group: tuple[int, ...], sources: list[Source]) -> Iterator[Edit]:
    """Other factors, made of what else backward computes."""
    return factor_edits(bench.steps, group, stock_of(bench, sources))


def with_terms(bench: Bench, group: tuple[int, ...], sources: list[Source]) -> Iterator[Edit]:
    """Other terms, made of what else backward computes."""
    return term_edits(bench.steps, group, stock_of(bench, sources))


# The edits of each operation, the plainest of all operations first, and how many slopes must tell.
STAGES: tuple[tuple[Callable[..., Iterator[Edit]], int], ...] = (
    (plainest, ENOUGH), (all_plain, ENOUGH), (in_pairs, ENOUGH),
    (with_factors, MANY), (with_terms, MANY),
)  # fmt: skip


def stock_of(bench: Bench, sources: list[Source]) -> list[Quantity]:
    """The arrays that backward has, at one trial."""
    return [Quantity(name, of(bench), live(bench, of)) for name, of in sources]


def reaches(bench: Bench, group: tuple[int, ...]) -> bool:
    """Whether all entries that are wrong depend on the results of these steps."""
    if bench.steps[group[0]].result.dtype.kind not in "fc":
        return True
    values, known = bench.trial.where.values, bench.shared.disturbed
    if group not in known or known[group][0] is not values:
        if bench.is_tired():
            return False
        known[group] = values, disturbed_at(bench, group)
    found = known[group][1][bench.trial.leaf]
    if found is None or not np.isfinite(found).all():
        return True
    changed = np.abs(found - bench.trial.analytic) > bench.trial.allowed
    return bool(np.all(changed[bench.trial.wrong]))


def disturbed_at(bench: Bench, group: tuple[int, ...]) -> list[np.ndarray | None]:
    """The gradients of all arguments where the results of these steps are disturbed."""
    rng = np.random.default_rng(len(group))

    def disturbed(step: Step, operands: list[Any]) -> Any:
        found = step.call(operands)
        if step.place[2] == "setitem":
            operands[0][step.key] += rng.uniform(0.5, 1.5, np.shape(found))
        return found + rng.uniform(0.5, 1.5, np.shape(found)) * (np.abs(found) + 1)

    found = bench.all_with_changes(dict.fromkeys(group, disturbed))
    return [g if g is not None and g.size <= MOST_KEPT else None for g in found]


class Values(NamedTuple):
    """The results of some steps, or one of their operands, or an argument that many times."""

    times: list[int]
    operand: int | None = None
    argument: int | None = None
    is_after: bool = False  # of an array that is assigned to: what it is then

    def __call__(self, bench: Bench) -> list[np.ndarray]:
        """The values of the run that was recorded."""
        return [self.recorded(bench, j) for j in self.times]

    def recorded(self, bench: Bench, j: int) -> np.ndarray:
        """The value at one step."""
        if self.argument is not None:
            return np.asarray(bench.trial.where.values[self.argument], float)
        step = bench.steps[j]
        if self.is_after:
            array = np.array(step.operands[0])
            array[step.key] = step.operands[1]
            return array
        return np.asarray(step.result if self.operand is None else step.operands[self.operand])


def live(bench: Bench, of: Values) -> list[Callable[[], np.ndarray]]:
    """The values in the run that goes on: of a result that is there already, what it is now."""

    def value(j: int) -> np.ndarray:
        is_there = of.argument is None and of.operand is None and j < len(bench.now)
        return np.asarray(bench.now[j]) if is_there else of.recorded(bench, j)

    return [partial(value, j) for j in of.times]


# What an array is called, and its values at any trial, one for each time of an operation.
Source = tuple[str, Values]


def sources_of(bench: Bench, group: tuple[int, ...]) -> list[Source]:
    """The arrays that backward has at an operation: arguments, results, operands; each one once."""
    kept: dict[bytes, Source] = {}
    for name, of in all_sources(bench, group):
        values = of(bench)
        if any(np.any(v) for v in values):
            key = b"".join(v.tobytes() + str(v.shape).encode() for v in values)
            kept.setdefault(key, (name, of))
    return list(kept.values())


def all_sources(bench: Bench, group: tuple[int, ...]) -> Iterator[Source]:
    """The arrays, some of them under several names."""
    steps, n = bench.steps, len(group)
    for i, name in enumerate(bench.trial.where.names):
        yield f"`{name}`", Values([0] * n, argument=i)
    for k in range(len(steps[group[0]].operands) if n > 1 else 0):
        for times, name in (
            ([group[0], *group[:-1]], "that of the step before"),
            ([*group[1:], group[-1]], "that of the step after"),
        ):
            yield name, Values(times, k)
    for other in groups(steps):
        step = steps[other[0]]
        if step.result.dtype.kind not in "fc":
            continue
        for times in aligned(other, group) if other != group else [list(group)]:
            if other != group:
                yield quoted(step.place), Values(times)
            for k, operand in enumerate(step.operands):
                if isinstance(operand, np.ndarray) and operand.dtype.kind in "fc":
                    yield quoted(step.place, k).split(" in `")[0], Values(times, k)
            if step.place[2] == "setitem" and other != group:
                yield f"`{target_of(step.place)}`", Values(times, 0, is_after=True)


def aligned(other: tuple[int, ...], group: tuple[int, ...]) -> Iterator[list[int]]:
    """The steps of one place for each time of another: the latest, the same or the mirrored one."""
    n = len(group)
    latest = [[j for j in other if j < i][-1:] for i in group]
    if all(latest):
        yield [j[0] for j in latest]
    if n == 1 and len(other) > 1 and other[0] < group[0]:
        yield [other[0]]
    for lag in range(len(other) - n + 1) if n > 1 else ():
        yield list(other[lag : lag + n])
        yield list(other[::-1][lag : lag + n])
