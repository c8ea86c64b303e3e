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
    # By how much smaller steps may still change a value: less from step to step where it converges.
    slack = 10 * noise[1:] + 2 * np.minimum.accumulate(np.abs(np.diff(values)))
    finer = list(zip(values[1:].tolist(), slack.tolist(), strict=True))
    unsettled = unsettled_change(values, noise)
    for order, (column, column_noise) in enumerate(islice(columns(steps, values, noise), 3)):
        entries = column.tolist()  # as Python floats: the loops below are short
        for k, (entry, entry_noise) in enumerate(zip(entries, column_noise.tolist(), strict=True)):
            neighbours = (j for j in (k - 1, k + 1) if 0 <= j < len(entries))
            change = [abs(entry - entries[j]) for j in neighbours]
            if not change:
                continue
            # One neighbour may agree by chance, hence the part of the other.
            error = max(min(change), 1e-2 * max(change)) + entry_noise
            # Where the finest step still changes the values, nothing says how far they will go.
            if error > 0.1 * unsettled or (k + order == len(values) - 1 and unsettled < np.inf):
                continue
            # Large steps may agree on a chord; smaller ones that contradict refute it.
            if any(abs(entry - value) > 4 * error + more for value, more in finer[k + order :]):
                continue
            if error < best[1] * (0.5 if order > best[2][0] else 1.0):
                best = (entry, error, (order, k + order))
    return best


def unsettled_change(values: np.ndarray, noise: np.ndarray) -> float:
    """The change of the value at the finest step, where changes do not shrink; else infinity.

    The rest of a series whose terms shrink by half or more is no larger than its last term. At
    entries where a function is sharper than the finest step the terms grow instead.
    """
    changes = np.abs(np.diff(values))
    if not changes.size:
        return 0.0
    shrinks = changes.size > 1 and bool(changes[-1] <= 0.5 * changes[-2])
    return np.inf if shrinks or changes[-1] <= 10 * noise[-1] else float(changes[-1])


def last_entry(steps: np.ndarray, values: np.ndarray, noise: np.ndarray) -> float:
    """The entry of highest order, which uses every step."""
    *_, (column, _) = columns(steps, values, noise)
    return float(column[-1])
