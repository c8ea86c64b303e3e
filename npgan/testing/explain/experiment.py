"""The measurements that tell explanations apart: more douts and more arguments than the user's.

An explanation that fits at one point by chance does not fit at others. So a wrong gradient is
compared with slopes at the user's point with two douts, at a point whose entries are shuffled, and
at one whose entries are moved.
"""

from __future__ import annotations

from collections.abc import Sequence
from weakref import WeakKeyDictionary

import numpy as np

from ..problem.analytic import as_arrays
from ..problem.arrays import ignore_float_errors, max_abs, typical_size
from ..problem.errors import BudgetError
from ..problem.problem import Problem
from ..problem.random_streams import Stream, generator
from ..problem.tree import named_leaves
from ..slopes.points import Point, Points
from .on_tape import gradients_on_tape, outputs_on_tape
from .traced import Tape
from .trial import Shared, Trial, Where

MOST_ENTRIES, MOST_ENTRIES_ELSEWHERE, MUCH_WORK = 400, 60, 2e7
STEPS = {False: (2.0**-8, 2.0**-10), True: (2.0**-3, 2.0**-5)}  # is the function coarse?
PRECISION = {False: 1e-4, True: 5e-3}
SHARED: WeakKeyDictionary[Points, Shared] = WeakKeyDictionary()  # per check


def is_cut_short(points: Points) -> bool:
    """Whether the search for a cause has ended because too many operations have run."""
    return points in SHARED and SHARED[points].is_cut_short


def make_trials(points: Points, leaf: int, attempt: int, wrong: np.ndarray) -> list[Trial]:
    """The trials of one leaf, the one at the user's dout first; fewer where calls run out.

    attempt: at which of the points the comparison was made; wrong: entries known to be wrong.
    """
    point = points.at(attempt)
    dtype = points.problem.values[leaf].dtype
    second = points.native.dout_vector(None, generator(points.seed, Stream.EXPLANATIONS))
    entries = chosen_entries(points, leaf, wrong, MOST_ENTRIES)
    trials = []
    try:
        first = trial_at(points, leaf, point, points.dout, entries)
        if first is None:
            return []
        trials.append(first)
        if points.problem.style != "loss":
            gradients = gradients_at(points, point.values, second)
            measured = first.entries, first.jacobian, first.uncertainty
            trials.append(make(points, leaf, point, second, gradients, *measured))
        few = chosen_entries(points, leaf, wrong, MOST_ENTRIES_ELSEWHERE)
        for is_shuffled in (True, False):
            values = other_values(points, is_shuffled)
            elsewhere = point_at(points, [np.asarray(v, dtype) for v in values])
            if elsewhere is not None:
                trial = trial_at(points, leaf, elsewhere, second, few)
                trials += [trial] if trial is not None else []
    except BudgetError:
        pass
    return trials


def chosen_entries(points: Points, leaf: int, wrong: np.ndarray, most: int) -> np.ndarray:
    """The flat indices of the entries whose slopes are measured: all of them, or a sample.

    A sample has lines along every axis through a wrong entry, and random entries.
    """
    problem = points.problem
    shape, n = problem.values[leaf].shape, problem.values[leaf].size
    numbers = problem.out_size + sum(v.size for v in problem.values)
    most = max(16, min(int(MUCH_WORK / (8 * numbers)), most))
    if n <= most:
        return np.arange(n)
    rng = generator(points.seed, Stream.EXPLANATIONS, leaf)
    chosen = set(wrong[: most // 4].tolist())
    if wrong.size:
        index = [int(i) for i in np.unravel_index(int(wrong[0]), shape)]
        for axis, length in enumerate(shape):
            picks = rng.choice(length, min(length, most // (4 * len(shape))), replace=False)
            for i in [0, length - 1, *picks]:
                moved = (*index[:axis], i, *index[axis + 1 :])
                chosen.add(int(np.ravel_multi_index(moved, shape)))
    chosen.update(rng.choice(n, most // 2, replace=False).tolist())
    return np.array(sorted(chosen))


def other_values(points: Points, is_shuffled: bool) -> list[np.ndarray]:
    """Arguments like the user's: of the same signs, symmetric or sorted where the user's are."""
    values = []
    for i, v in enumerate(points.problem.values):
        rng = generator(points.seed, Stream.EXPLANATIONS, i, int(is_shuffled))
        x = v.astype(np.float64)
        if x.ndim == 2 and x.shape[0] == x.shape[1] > 1 and np.array_equal(x, x.T):
            factor = np.asarray(rng.uniform(0.8, 1.25, x.shape[0]))
            values.append(x * factor[:, None] * factor)  # positive definite if x is
            continue
        is_sorted = x.ndim == 1 and x.size > 3 and bool(np.all(np.diff(x) > 0))
        if is_shuffled:
            x = rng.permutation(x.ravel()).reshape(x.shape)
        x = x * rng.uniform(0.75, 1.3, x.shape)
        values.append(np.sort(x) if is_sorted else x)
    return values


def point_at(points: Points, values: Sequence[np.ndarray]) -> Point | None:
    """A point at other arguments; None where func or backward refuses these."""
    try:
        point = Point(points.problem, values, points.dout, points.noise)
        return point if np.isfinite(point.outputs).all() else None
    except BudgetError:
        raise
    except Exception:  # whatever a function raises outside of its domain
        return None


def gradients_at(
    points: Points, values: Sequence[np.ndarray], dout: np.ndarray
) -> list[np.ndarray | None]:
    """What backward says of all leaves."""
    with ignore_float_errors():
        return as_arrays(points.problem, points.problem.gradients(values, dout))[0]


def trial_at(
    points: Points, leaf: int, point: Point, dout: np.ndarray, entries: np.ndarray
) -> Trial | None:
    """Measure some entries at a point; None where backward gives no gradient there."""
    try:
        gradients = gradients_at(points, point.values, dout)
    except BudgetError:
        raise
    except Exception:  # whatever a function raises outside of its domain
        return None
    if gradients[leaf] is None:
        return None
    jacobian, error = measure_jacobian(points, leaf, point, entries)
    return make(points, leaf, point, dout, gradients, entries, jacobian, error)


def make(
    points: Points,
    leaf: int,
    point: Point,
    dout: np.ndarray,
    gradients: list[np.ndarray | None],
    entries: np.ndarray,
    jacobian: np.ndarray,
    error: np.ndarray,
) -> Trial:
    """A trial of what was measured."""
    problem, shapes = points.problem, points.problem.out_shapes
    has_one_array = len(shapes) == 1 and shapes[0] != () and problem.style != "loss"

    def backward(other: np.ndarray) -> np.ndarray:
        try:
            found = gradients_at(points, point.values, other)[leaf]
        except BudgetError:
            raise
        except Exception:  # whatever backward raises for a dout that it does not expect
            found = None
        return np.full(problem.values[leaf].shape, np.nan) if found is None else found

    def traced(value: np.ndarray, tape: Tape | None, moved: int = leaf) -> np.ndarray:
        values = list(point.values)
        values[moved] = value.astype(point.values[moved].dtype)
        with ignore_float_errors():
            return outputs_on_tape(problem, values, leaf, tape)

    def backward_on(tape: Tape) -> list[np.ndarray | None]:
        return gradients_on_tape(problem, point.values, dout, tape)

    def slope_of(i: int, direction: np.ndarray) -> tuple[float, float]:
        return measure_slope(points, i, point, dout, direction)

    where = Where(
        values=point.values,
        names=problem.names,
        fixed=fixed_arguments(problem),
        out=point.outputs.reshape(shapes[0]) if has_one_array else None,
    )
    precision = PRECISION[points.noise.is_coarse]
    return Trial(
        where, leaf, gradients, dout, entries, jacobian, error,
        backward, traced, backward_on, slope_of, precision, SHARED.setdefault(points, Shared()),
    )  # fmt: skip


def measure_jacobian(
    points: Points, leaf: int, point: Point, entries: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """(the slopes of every output by these entries, their uncertainty), one column per entry."""
    x = point.values[leaf]
    usual = typical_size(x)
    long, short = STEPS[points.noise.is_coarse]
    columns, errors = [], []
    for i in entries:
        size = abs(float(x.flat[i]))
        scale = size if size > 0.1 * usual else usual
        (far, far_bend), (near, near_bend) = (
            difference(point, leaf, int(i), scale * step, points.problem.out_size)
            for step in (long, short)
        )
        column = near + (near - far) / 15  # the steps have the ratio 4
        spread = np.abs(near - far)
        # Where the two steps differ much, there is a kink or a pole between them.
        little = 0.03 * max(max_abs(column[np.isfinite(column)]), 1e-300)
        # Where the point itself is a kink, the two one-sided slopes differ as much at any step.
        is_smooth = (spread <= little) & ((near_bend <= little) | (near_bend < 0.5 * far_bend))
        noise = point.pooled_sigma * (3 / (scale * short))
        columns.append(column)
        errors.append(np.where(is_smooth, 1e-2 * spread + noise, np.inf))
    return np.array(columns).T, np.array(errors).T


def measure_slope(
    points: Points, leaf: int, point: Point, dout: np.ndarray, direction: np.ndarray
) -> tuple[float, float]:
    """The slope along a direction, which is as large as a leaf, and its uncertainty."""
    x = point.values[leaf]

    def loss(h: float) -> float:
        moved = np.asarray(x + h * direction, x.dtype)
        return float(np.vdot(dout, point.outputs_with(leaf, moved)))

    far, near = ((loss(h) - loss(-h)) / (2 * h) for h in STEPS[points.noise.is_coarse])
    return near + (near - far) / 15, abs(near - far)


def difference(
    point: Point, leaf: int, i: int, h: float, out_size: int
) -> tuple[np.ndarray, np.ndarray]:
    """(the central difference of all outputs, half of what the one-sided ones differ by).

    NaN where func refuses a point.
    """
    up, down = point.values[leaf].copy(), point.values[leaf].copy()
    up.flat[i] += up.dtype.type(h)
    down.flat[i] -= down.dtype.type(h)
    width = float(up.flat[i]) - float(down.flat[i])
    try:
        above, below = point.outputs_with(leaf, up), point.outputs_with(leaf, down)
        return (above - below) / width, np.abs(above + below - 2 * point.outputs) / width
    except BudgetError:
        raise
    except Exception:  # whatever a function raises outside of its domain
        return np.full(out_size, np.nan), np.full(out_size, np.nan)


def fixed_arguments(problem: Problem) -> list[tuple[str, np.ndarray]]:
    """The arguments that are not differentiated by, as arrays of numbers."""
    names = [
        name
        for top, arg in zip(problem.argnames, problem.args, strict=True)
        for name, _ in named_leaves(arg, top)
    ]
    slots = set(problem.slots)
    found = []
    for i, (name, leaf) in enumerate(zip(names, problem.fixed, strict=True)):
        if i in slots or leaf is None or isinstance(leaf, str):
            continue
        array = np.asarray(leaf)
        if array.dtype.kind in "iubf":
            found.append((name, array))
    return found
