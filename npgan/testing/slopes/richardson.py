"""Richardson extrapolation of difference quotients to step 0.

From D(h) = F' + c2 h² + c4 h⁴ + ... two neighbouring steps eliminate c2, three eliminate c4
(Richardson 1911; in this use Ridders 1982). The change from one entry of the table to the next is
its error.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

import numpy as np

# (order, index of the smallest step used): which entry of the table.
Entry = tuple[int, int]


def columns(
    steps: np.ndarray, values: np.ndarray, noise: np.ndarray
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The columns of the table over decreasing steps, order 0 first, with their noise."""
    yield values, noise
    for order in range(1, len(steps)):
        r = (steps[:-order] / steps[order:]) ** 2
        values = values[1:] + (values[1:] - values[:-1]) / (r - 1)
        noise = noise[1:] * (r / (r - 1))
        yield values, noise


def best_entry(
    steps: np.ndarray, values: np.ndarray, noise: np.ndarray
) -> tuple[float, float, Entry]:
    """(value, error, which) of the entry of the table whose error is smallest; orders 0 to 2."""
    best: tuple[float, float, Entry] = (float(values[-1]), np.inf, (0, len(values) - 1))
    unsettled, sizes = unsettled_change(values, noise), steps.tolist()
    # By how much smaller steps may still change a value: less from step to step where it converges.
    slack = 10 * noise[1:] + 2 * np.minimum.accumulate(np.abs(np.diff(values)))
    smaller = list(zip(values[1:].tolist(), slack.tolist(), strict=True))
    for order, (column, column_noise) in enumerate(islice(columns(steps, values, noise), 3)):
        # As Python floats: the loops below are short.
        entries, noises = column.tolist(), column_noise.tolist()
        for k, (entry, entry_noise) in enumerate(zip(entries, noises, strict=True)):
            # By how much the entries at coarser and at finer steps differ.
            coarser = abs(entry - entries[k - 1]) + noises[k - 1] if k else np.inf
            finer = np.inf
            if k + 1 < len(entries):
                finer = abs(entry - entries[k + 1]) + noises[k + 1]
            if min(coarser, finer) == np.inf:
                continue
            # One of them may agree by chance. Hence what a series leaves of the change from coarser
            # steps, and what of the changes to finer ones is no rounding.
            left = part_left(sizes[k - 1] / sizes[k + order]) * coarser if k else 1e-2 * finer
            changes = (abs(entry - entries[j]) - 4 * noises[j] for j in range(k + 1, len(entries)))
            error = max(min(coarser, finer), left, *changes) + entry_noise
            # Where the finest step still changes the values, nothing says how far they will go.
            if error > 0.1 * unsettled or (k + order == len(values) - 1 and unsettled < np.inf):
                continue
            # Large steps may agree on a chord; smaller ones that contradict refute it.
            if any(abs(entry - value) > 4 * error + more for value, more in smaller[k + order :]):
                continue
            if error < best[1] * (0.5 if order > best[2][0] else 1.0):
                best = (entry, error, (order, k + order))
    return best


def part_left(ratio: float) -> float:
    """The error of a value in units of its change from steps that are larger by this ratio."""
    return max(1e-2, 1 / (ratio**2 - 1))


def unsettled_change(values: np.ndarray, noise: np.ndarray) -> float:
    """The change of the value at the finest step, where changes do not shrink; else infinity.

    The rest of a series whose terms shrink by half or more is no larger than its last term. At
    entries where a function is sharper than the finest step the terms grow instead.
    """
    changes = np.abs(np.diff(values))
    if not changes.size:
        return 0.0
    clear = np.flatnonzero(changes > 10 * noise[1:])  # no rounding
    if not clear.size:
        return np.inf
    last = int(clear[-1])
    shrinks = last > 0 and bool(changes[last] <= 0.5 * changes[last - 1])
    # Finer steps whose changes are hidden in rounding may have settled, or go on to change.
    has_settled = last + 1 < changes.size and (
        last == 0 or bool(changes[last + 1] <= 0.5 * changes[last])
    )
    return np.inf if shrinks or has_settled else float(changes[last])


def last_entry(steps: np.ndarray, values: np.ndarray, noise: np.ndarray) -> float:
    """The entry of highest order, which uses every step."""
    *_, (column, _) = columns(steps, values, noise)
    return float(column[-1])
