"""Func at one point, run on tapes, beside what backward says there along some directions."""

from __future__ import annotations

import numpy as np

from ..problem.errors import BudgetError
from .evidence import Evidence
from .traced import Change, Tape
from .trial import Trial

STEP = {False: 2.0**-24, True: 2.0**-6}  # is the function coarse?
NUMBERS, MOST_DIRECTIONS = 8, 6
MOST_CALLS, MOST_STEPS = 250, 8000  # of func, and operations in it


class Probe:
    """What backward says along some directions at one point, and func on tapes."""

    def __init__(self, trial: Trial, seed: int, right: np.ndarray):
        self.trial = trial
        rows = trial.analytic_jacobian
        self.douts = np.eye(trial.flat_dout.size) if rows is not None else trial.flat_dout[None]
        known = trial.known.ravel()[trial.entries]
        count = min(MOST_DIRECTIONS, -(-NUMBERS // len(self.douts)), max(1, int(known.sum())))
        rng = np.random.default_rng(seed)
        usual = np.sqrt(np.mean(trial.x**2)) or 1.0
        sizes = np.maximum(np.abs(trial.x.ravel()), 0.1 * usual)[trial.entries]
        signs = rng.uniform(0.5, 1.5, (count, known.size)) * rng.choice(
            [-1, 1], (count, known.size)
        )
        moves = signs * sizes * known
        self.directions = np.zeros((count, trial.x.size))
        self.directions[:, trial.entries] = moves
        # A last direction, of the entries at which backward is right.
        self.quiet = self.directions[:1] * right.ravel() if right.any() else self.directions[:0]
        own = rows if rows is not None else trial.analytic.ravel()[trial.entries][None]
        self.said = (own @ moves.T).T.ravel()
        self.calls = 0
        self.is_coarse = trial.precision > 1e-3
        tape = Tape()
        self.base = trial.traced(trial.x, tape)
        self.steps = tape.steps
        self.right = self.slopes({})
        self.right_quiet = self.slopes({}, self.quiet)
        error = np.max(np.abs(self.said - self.right), initial=0)
        size = max(np.max(np.abs(self.said)), np.max(np.abs(self.right)))
        rounding = 1e-6 if self.is_coarse else 1e-15
        noise = (
            rounding * float(np.max(np.abs(self.douts) @ np.abs(self.base))) / STEP[self.is_coarse]
        )
        self.allowed = 4 * noise + min(trial.precision * size, 0.02 * error)

    def slopes(
        self, changes: dict[int, Change], directions: np.ndarray | None = None
    ) -> np.ndarray:
        """The slopes along directions, with some operations changed."""
        directions = self.directions if directions is None else directions
        if not len(directions):
            return np.zeros(0)
        h = STEP[self.is_coarse]

        def at(move: np.ndarray) -> np.ndarray:
            self.calls += 1
            tape = Tape(self.steps)
            tape.changes = changes
            return self.trial.traced(self.trial.x + move.reshape(self.trial.x.shape), tape)

        found = []
        for v in directions:
            if self.is_coarse:
                found.append((at(h * v) - at(-h * v)) / (2 * h))
            else:
                found.append((at(h * v) - self.base) / h)
        return (self.douts @ np.array(found).T).T.ravel()

    def slope_of_another(self, i: int, direction: np.ndarray, changes: dict[int, Change]) -> float:
        """The slope of the loss by another argument, with some operations changed."""
        h, x = STEP[self.is_coarse], self.trial.where.values[i].astype(np.float64)

        def at(by: float) -> np.ndarray:
            self.calls += 1
            tape = Tape(self.steps)
            tape.changes = changes
            return self.trial.traced(x + by * direction, tape, i)

        change = (at(h) - at(-h)) / 2 if self.is_coarse else at(h) - self.base
        return float(np.vdot(self.trial.flat_dout, change)) / h

    def is_told_by_others(
        self, frozen: dict[int, Change], k: float, changes: dict[int, Change] | None = None
    ) -> bool:
        """Whether backward is wrong in the same way for every other argument that a path reaches.

        The path: frozen + k (changed - frozen), where changes of None change nothing.
        """
        for i, (direction, slope, allowed) in self.trial.slopes_of_others.items():
            own = self.trial.gradients[i]
            assert own is not None
            try:
                without = self.slope_of_another(i, direction, frozen)
                other = slope
                if changes is not None:
                    other = self.slope_of_another(i, direction, changes)
            except BudgetError:
                raise
            except Exception:  # shapes that do not fit
                continue
            there = without + k * (other - without)
            if abs(there - slope) > allowed and abs(there - np.vdot(own, direction)) > allowed:
                return False
        return True

    def is_tired(self) -> bool:
        """Whether func has run often enough."""
        return self.calls > min(MOST_CALLS, MOST_STEPS // len(self.steps))

    def reach(self, frozen: np.ndarray) -> tuple[bool, bool]:
        """Whether a path reaches most slopes that are wrong, and few other ones."""
        n = len(frozen)
        error, path = np.abs(self.said[:n] - self.right[:n]), np.abs(frozen - self.right[:n])
        wrong, reached = error > 4 * self.allowed, path > self.allowed / 4
        missed = int(np.count_nonzero(wrong & ~reached))
        large = path > 100 * self.allowed
        untouched = int(np.count_nonzero(large & (error <= self.allowed)))
        few_missed = reached.any() and 4 * missed <= int(wrong.sum())
        return bool(few_missed), 4 * untouched <= int(large.sum())

    def is_quiet(self, changes: dict[int, Change]) -> bool:
        """Whether a path does not reach the entries at which backward is right."""
        found = measured(self, changes, self.quiet)
        return found is not None and bool(
            np.all(np.abs(found - self.right_quiet) <= 10 * self.allowed)
        )


def make_probes(e: Evidence) -> list[Probe]:
    """One per point; none where func cannot be followed."""
    probes: list[Probe] = []
    wrong = np.logical_or.reduce([t.wrong for t in e.trials])
    right = np.logical_and.reduce([t.known for t in e.trials]) & ~wrong
    for trial in e.trials:
        if any(p.trial.jacobian is trial.jacobian for p in probes):
            continue
        probe = Probe(trial, len(probes), right)
        outputs = trial.traced(trial.x, None)
        if not np.allclose(probe.base, outputs, rtol=1e-6, atol=1e-12, equal_nan=True):
            return []
        if probes and [s.place for s in probe.steps] != [s.place for s in probes[0].steps]:
            continue
        if not np.isfinite(probe.said).all() or not np.isfinite(probe.right).all():
            continue
        probes.append(probe)
    return probes


def measured(
    probe: Probe, changes: dict[int, Change], directions: np.ndarray | None = None
) -> np.ndarray | None:
    """The slopes with changes; None where func refuses them."""
    try:
        found = probe.slopes(changes, directions)
    except BudgetError:
        raise
    except Exception:  # shapes that do not fit
        return None
    return found if np.isfinite(found).all() else None
