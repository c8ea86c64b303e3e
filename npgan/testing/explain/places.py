"""Causes that are wrong at some entries only: one entry, row, block, border, triangle or region."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from .evidence import Evidence, Hint
from .quantities import output_name
from .trial import Trial

FACTORS = (
    (-1.0, "has the wrong sign"),
    (2.0, "is half of what it should be"),
    (0.5, "is twice what it should be"),
)
ENOUGH_FACTORS = 4  # numbers that a factor must explain
CERTAIN = 4.0  # decades by which a split must be rarer than chance


def one_part(e: Evidence) -> Iterator[Hint]:
    """Wrong at the same entries in every trial: one index, a range, a border or a triangle."""
    shape = e.first.x.shape
    if e.first.x.size < 2:
        return
    wrong = np.logical_or.reduce([t.wrong for t in e.trials])
    known = np.logical_and.reduce([t.known for t in e.trials])
    right = known & ~wrong
    if not wrong.any() or not right.any():
        return
    part = smallest_part(shape, wrong, known)
    if part is None or not e.confined(part[1]):
        return
    text, mask = part
    # A part that is nearly everything may be wrong for a reason that is not its place.
    rank = (
        2 if text.startswith("the entry") else 5 if 2 * (mask & known).sum() <= known.sum() else 6
    )
    yield rank, f"only {text} {how(e, mask, text)}; the others are right"


def smallest_part(
    shape: tuple[int, ...], wrong: np.ndarray, known: np.ndarray
) -> tuple[str, np.ndarray] | None:
    """(name, mask) of the smallest part that holds all that is wrong, if it is mostly wrong."""
    best: tuple[str, np.ndarray] | None = None
    size = 2 * int(wrong.sum())  # at least half of the part must be wrong
    for text, mask in parts(shape, wrong):
        n = int((mask & known).sum())
        if n < size and not (wrong & ~mask).any() and (known & ~mask).any():
            best, size = (text, mask), n
    return best


def parts(shape: tuple[int, ...], wrong: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    """(name, mask) of the parts in which everything that is wrong may lie."""
    indices = np.argwhere(wrong)
    low, high = indices.min(axis=0), indices.max(axis=0)
    count = sum(1 for n in shape if n > 1)
    fixed = [axis for axis, n in enumerate(shape) if low[axis] == high[axis] and n > 1]
    if len(fixed) == count:
        yield f"the entry {[int(i) for i in low]}", wrong
        return
    for axis in fixed:
        i = int(low[axis])
        edge = {0: " (the first)", shape[axis] - 1: " (the last)"}.get(i, "")
        yield f"{axis_name(axis, shape)} {i}{edge}", slab(shape, axis, i, i)
    for axis, n in enumerate(shape):
        first, last = int(low[axis]), int(high[axis])
        if n > 2 and last - first < n - 1 and axis not in fixed:
            yield (
                f"{axis_names(axis, shape)} {first} to {last}",
                slab(shape, axis, first, last),
            )
    yield from patterns(shape)


def patterns(shape: tuple[int, ...]) -> Iterator[tuple[str, np.ndarray]]:
    """Every second index, the border, the inner part, the diagonal, the triangles."""
    grid = np.indices(shape)
    for axis, n in enumerate(shape):
        for step in (2, 3):
            for phase in range(step):
                if n > 2 * step:
                    text = f"every {'second' if step == 2 else 'third'} index along axis {axis}"
                    yield f"{text}, from {phase} on,", grid[axis] % step == phase
    border = np.ones(shape, bool)
    border[tuple(slice(1, -1) if n > 2 else slice(None) for n in shape)] = False
    if border.any() and not border.all():
        yield "the edges", border
    for axis, n in enumerate(shape):
        if n > 3:
            edges = (grid[axis] == 0) | (grid[axis] == n - 1)
            yield f"the two edges along axis {axis}", edges
            yield f"what lies between the two edges along axis {axis}", ~edges
    if len(shape) >= 2 and shape[-1] == shape[-2] > 1:
        i, j = grid[-2], grid[-1]
        for text, mask in (
            ("the diagonal", i == j),
            ("the lower triangle", i > j),
            ("the upper triangle", i < j),
            ("the off-diagonal part", i != j),
            ("the lower triangle with the diagonal", i >= j),
            ("the upper triangle with the diagonal", i <= j),
        ):
            yield text, mask


def slab(shape: tuple[int, ...], axis: int, first: int, last: int) -> np.ndarray:
    """The mask of a range of indices along an axis."""
    mask = np.zeros(shape, bool)
    mask[(slice(None),) * axis + (slice(first, last + 1),)] = True
    return mask


def axis_name(axis: int, shape: tuple[int, ...]) -> str:
    """What one index along an axis is called."""
    return {0: "row", 1: "column"}[axis] if len(shape) == 2 else f"axis {axis}, index"


def axis_names(axis: int, shape: tuple[int, ...]) -> str:
    """What several indices along an axis are called."""
    return {0: "rows", 1: "columns"}[axis] if len(shape) == 2 else f"axis {axis}, indices"


def how(e: Evidence, mask: np.ndarray, text: str) -> str:
    """What is wrong inside a mask that is the same in every trial."""
    found = how_in(e, [mask] * len(e.trials))
    return plural(found) if is_plural(text) else found


def is_plural(text: str) -> bool:
    """Whether a part's name is a plural."""
    return text.startswith(("rows", "columns", "the edges", "the two")) or "indices" in text


def plural(text: str) -> str:
    """A predicate of several parts."""
    return text.replace("is ", "are ", 1).replace("has ", "have ", 1)


def how_in(e: Evidence, masks: list[np.ndarray]) -> str:
    """What is wrong inside masks, one per trial: zero, a factor, or just wrong."""
    analytic = np.concatenate(
        [t.analytic[m & t.known] for t, m in zip(e.trials, masks, strict=True)]
    )
    numeric = np.concatenate([t.numeric[m & t.known] for t, m in zip(e.trials, masks, strict=True)])
    allowed = np.concatenate([t.allowed[m & t.known] for t, m in zip(e.trials, masks, strict=True)])
    if not np.any(analytic):
        return "is zero"
    if np.all(np.abs(numeric) <= allowed):
        return "should be zero"
    if analytic.size > 2:
        for k, text in FACTORS:
            if np.all(np.abs(k * analytic - numeric) <= allowed):
                return text
        if factor := missing_factor(e, masks):
            return factor
        c = float(np.vdot(analytic, numeric) / np.vdot(analytic, analytic))
        if np.all(np.abs(c * analytic - numeric) <= allowed) and analytic.size > 3:
            return f"is wrong by a factor {c:.4g}"
    return "is wrong"


def missing_factor(e: Evidence, masks: list[np.ndarray]) -> str:
    """A quantity by which what is inside of masks must be multiplied or divided; "" where none."""
    for i, (name, _) in enumerate(variables(e.first)):
        if "|" in name or "largest" in name:
            continue
        parts = []
        for t, m in zip(e.trials, masks, strict=True):
            inside = m & t.known
            f = list(variables(t))[i][1][inside]
            parts.append((t.analytic[inside], t.numeric[inside], t.allowed[inside], f))
        a, numeric, allowed, f = (np.concatenate(p) for p in zip(*parts, strict=True))
        if np.ptp(f) == 0 or a.size < ENOUGH_FACTORS:
            continue
        if np.all(np.abs(a * f - numeric) <= allowed):
            return f"lacks the factor {name}"
        if np.all(f) and np.all(np.abs(a / f - numeric) <= allowed):
            return f"has a factor {name} too many"
    return ""


def repeated_index(e: Evidence) -> Iterator[Hint]:
    """Rows that an array of indices names more than once."""
    shape = e.first.x.shape
    for name, ids in e.first.where.fixed:
        if ids.dtype.kind not in "iu" or ids.size < 2 or not shape:
            continue
        for axis, n in enumerate(shape):
            if ids.min() < -n or ids.max() >= n:
                continue
            counts = np.bincount(ids.ravel() % n, minlength=n)
            if not (counts > 1).any() or (counts > 0).sum() < 2:
                continue
            lost = counts > 1
            rest = tuple(a for a in range(len(shape)) if a != axis)
            wrong = np.logical_or.reduce([t.wrong.any(axis=rest) for t in e.trials])
            seen = np.logical_or.reduce([t.told().any(axis=rest) for t in e.trials])
            if np.array_equal(wrong[seen], lost[seen]) and (seen & (counts == 1)).any():
                yield (
                    2,
                    f"only at the indices that {name} repeats: `d[{name}] += ...` adds once "
                    "for each index; use np.add.at",
                )
                return


def labelled(e: Evidence) -> Iterator[Hint]:
    """Wrong at the entries that an array of labels names, or at these and their neighbours."""
    shape = e.first.x.shape
    for name, ids in e.first.where.fixed:
        for axis, n in enumerate(shape):
            rest = shape[:axis] + shape[axis + 1 :]
            if ids.dtype.kind not in "iu" or ids.shape != rest or ids.min() < 0 or ids.max() >= n:
                continue
            if not ids.ndim or np.ptp(ids) == 0:
                continue

            def at(shift: int, ids: np.ndarray = ids, axis: int = axis, n: int = n) -> np.ndarray:
                index = np.expand_dims((ids + shift) % n, axis)
                return np.arange(n).reshape((n,) + (1,) * (len(shape) - axis - 1)) == index

            for shift in (0, 1, -1):
                mask = at(0) | at(shift)
                if all(np.array_equal(t.wrong, mask & t.known) for t in e.trials):
                    if shift:
                        yield (
                            2,
                            f"only at the entries that {name} names and next to them: "
                            f"{name} is off by one",
                        )
                    else:
                        found = how(e, mask, "")
                        yield (
                            2,
                            f"only the entries that {name} names {plural(found)}; "
                            "the others are right",
                        )
                    return


def masked(e: Evidence) -> Iterator[Hint]:
    """Where backward is wrong, it should be zero, or it is zero; elsewhere it is right."""
    if not any((t.told() & ~t.wrong).any() for t in e.trials):
        return
    seen = sum(int(t.wrong.sum()) for t in e.trials)
    if seen < 6:
        return
    zero = [np.abs(t.numeric[t.wrong]) <= t.allowed[t.wrong] for t in e.trials]
    if all(z.all() for z in zero):
        yield (
            5,
            "where it is wrong it should be zero, elsewhere it is right: a mask or gate (of a "
            "maximum, a ReLU, dropout, padding) is missing",
        )
    elif is_always_zero(e) and not any(region(e)):
        yield 5, "where it is wrong it is zero, elsewhere it is right: a mask or gate is too narrow"


def is_always_zero(e: Evidence) -> bool:
    """Whether backward is zero wherever it is wrong."""
    return not any(np.any(t.analytic[t.wrong]) for t in e.trials)


def region(e: Evidence) -> Iterator[Hint]:
    """Wrong where a quantity has one sign, or lies on one side of a limit."""
    if all(np.array_equal(t.wrong, e.first.wrong) for t in e.trials) and any(one_part(e)):
        return  # the place explains it, and few places may have one order of values by chance
    names = [name for name, _ in variables(e.first)]
    for i, name in enumerate(names):
        values = [list(variables(t))[i][1] for t in e.trials]
        if equal := one_value(e, name, values):
            yield equal
            return
        for side in ("<", ">"):
            found = one_side(e, name, values, side)
            if found is None:
                continue
            rank, text = found
            if rank > 5 and is_always_zero(e) and not any(one_part(e)):
                yield 5, f"{text}; so at these arguments, at others it is zero elsewhere"
            else:
                yield rank, text
            return


def one_value(e: Evidence, name: str, values: list[np.ndarray]) -> Hint | None:
    """The hint where everything that is wrong has one value of a quantity, and nothing else has."""
    wrong = np.concatenate([v[t.wrong] for t, v in zip(e.trials, values, strict=True)])
    told = [v[t.told() & ~t.wrong] for t, v in zip(e.trials, values, strict=True)]
    right = np.concatenate(told)
    if wrong.size < 2 or np.ptp(wrong) > 0 or np.any(right == wrong[0]):
        return None
    if np.unique(right).size < 2 or log_choices(wrong.size + right.size, wrong.size) < CERTAIN:
        return None
    masks = [(v == wrong[0]) & t.known for t, v in zip(e.trials, values, strict=True)]
    return 5, f"only where {name} is {wrong[0]:.12g}: {there(e, masks)}; elsewhere it is right"


def there(e: Evidence, masks: list[np.ndarray]) -> str:
    """What is wrong in a part, as a sentence."""
    what = how_in(e, masks).replace(
        "should be zero", "should be zero there: a mask or gate is missing"
    )
    said = {"is zero": "it is zero there", "is wrong": "it is wrong there"}
    return said.get(what, f"it {what}")


def one_side(e: Evidence, name: str, values: list[np.ndarray], side: str) -> Hint | None:
    """The hint where everything that is wrong has a quantity on one side of a limit."""
    sign = 1.0 if side == ">" else -1.0
    counted = list(zip(e.trials, values, strict=True))
    for trials, rank in ((counted, 5), (counted[:1], 6)):
        wrong = np.concatenate([sign * v[t.wrong] for t, v in trials])
        told = [t.told() & ~t.wrong for t, _ in trials]
        right = np.concatenate([sign * v[m] for (_, v), m in zip(trials, told, strict=True)])
        if wrong.size < 2 or right.size < 2 or not wrong.min() > right.max():
            continue
        if log_choices(wrong.size + right.size, wrong.size) < CERTAIN:
            continue
        is_mask = all(np.isin(v, (0, 1)).all() for v in values)
        errors = np.concatenate([np.abs(t.error[t.wrong]) for t, _ in trials])
        nearest = errors[np.argsort(wrong)[:3]]
        # An error that is proportional to the quantity is small where it is small: no limit.
        jumps = nearest.max() > 0.25 * np.median(errors)
        is_fine = e.first.precision < 1e-3 and right.size > 0.25 * (wrong.size + right.size)
        if not (is_mask or jumps or is_fine):
            continue
        last = sign * wrong.min()
        low, high = sorted((last, sign * right.max()))
        limit = 0.0 if low <= 0 <= high else round_between(low, high)
        masks = [(sign * v >= wrong.min()) & t.known for t, v in trials]
        some = e._replace(trials=[t for t, _ in trials])
        if is_mask:
            where = f"{name} is {'true' if side == '>' else 'false'}"
        else:
            where = f"{name} {side}{'=' if last == limit else ''} {limit:.12g}"
        what = there(some, masks)
        if rank == 5 and limit == 0 and what == "it is zero there":
            rank = 4  # as in the derivative of ReLU: plainer than the path that it drops
        return rank, f"only where {where}: {what}; elsewhere it is right"
    return None


def variables(trial: Trial) -> Iterator[tuple[str, np.ndarray]]:
    """The quantities on whose sign or size the branch of a function usually depends."""
    shape, y = trial.x.shape, output_name(trial)
    yield trial.name, trial.x
    yield f"|{trial.name}|", np.abs(trial.x)
    if trial.where.out is not None and trial.where.out.shape == shape:
        yield y, trial.where.out
    for i, (name, w) in enumerate(zip(trial.where.names, trial.where.values, strict=True)):
        if i != trial.leaf and w.shape == shape and shape:
            yield f"({trial.name} - {name})", trial.x - w
            yield f"|{trial.name} - {name}|", np.abs(trial.x - w)
            yield name, w
        elif i != trial.leaf and w.ndim and fits(w, shape):
            yield name, np.broadcast_to(w, shape)
    for name, w in trial.where.fixed:
        if w.ndim and fits(w, shape):
            yield name, np.broadcast_to(w.astype(np.float64), shape)
    if trial.dout is not None and trial.dout.shape == shape:
        yield "dout", trial.dout
    for axis, n in enumerate(shape):
        if n > 2:
            largest = trial.x == trial.x.max(axis=axis, keepdims=True)
            yield f"({trial.name} is the largest along axis {axis})", largest * 1.0


def fits(w: np.ndarray, shape: tuple[int, ...]) -> bool:
    """Whether an array can be broadcast to a shape."""
    try:
        return np.broadcast_shapes(w.shape, shape) == shape
    except ValueError:
        return False


def log_choices(n: int, k: int) -> float:
    """log10 of the number of ways to choose k of n."""
    return (math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)) / math.log(10)


def round_between(low: float, high: float) -> float:
    """The number with the fewest digits between two numbers."""
    for digits in range(-3, 12):
        middle = round((low + high) / 2, digits)
        if low <= middle <= high:
            return middle
    return (low + high) / 2


def clipped(e: Evidence) -> Iterator[Hint]:
    """Right up to a limit, and the limit where the right gradient exceeds it."""
    limits, seen = [], 0
    for t in e.trials:
        wrong = t.wrong
        if not wrong.any():
            continue
        limit = float(np.max(np.abs(t.analytic[wrong])))
        small = 1e-6 * limit
        is_clipped = (
            np.all(np.abs(np.abs(t.analytic[wrong]) - limit) < small)
            and np.all(np.sign(t.analytic[wrong]) == np.sign(t.numeric[wrong]))
            and np.all(np.abs(t.numeric[wrong]) > limit)
            and np.all(np.abs(t.analytic[t.known]) <= limit + small)
        )
        if not is_clipped or limit == 0 or not (t.told() & ~wrong).any():
            return
        seen += int(wrong.sum())
        limits.append(limit)
    if seen >= 3:
        yield 3, f"clipped at {limits[0]:.4g}: the right gradient is larger there"
