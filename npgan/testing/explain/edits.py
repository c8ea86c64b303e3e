"""What may be changed at one operation of backward, so that it is right.

An edit is a sentence that says what is wrong there, with the changes of the steps. The plain ones
come first: a sign, a transpose, an index. Then what multiplies, replaces or is added to a result.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from functools import lru_cache, partial
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np

from .keys import keys_of, shown
from .traced import Change, NewKey, Place, Step, expression, quoted

PRODUCTS = ("multiply", "matmul", "dot", "einsum", "outer", "tensordot", "inner", "solve", "kron")
SUMS = ("add", "subtract")
REARRANGING = ("tril", "triu", "clip", "flip", "roll", "sort", "cumsum", "transpose")
COUNTED = ("multiply", "divide", "true_divide", "power")
REDUCTIONS: dict[str, Callable[..., Any]] = {
    "sum": np.sum, "mean": np.mean, "cumsum": np.cumsum, "max": np.max, "min": np.min,
}  # fmt: skip
PICKS: dict[str, Callable[..., Any]] = {"argmax": np.argmax, "argmin": np.argmin}
UNARY: dict[str, Callable[[Any], Any]] = {
    "sin": np.sin, "cos": np.cos, "tanh": np.tanh, "exp": np.exp, "log": np.log, "sqrt": np.sqrt,
    "sinh": np.sinh, "cosh": np.cosh, "sign": np.sign, "square": np.square, "absolute": np.abs,
}  # fmt: skip
MOST_NUMBERS = 4000  # of a result that is changed
# (is it a divisor?, is it one number?) -> what it is called
FACTOR = {
    (False, False): "factor", (False, True): "constant factor",
    (True, False): "division by", (True, True): "division by the constant",
}  # fmt: skip

Changes = dict[int, Change]


class Edit(NamedTuple):
    """A sentence about what is wrong, and the changes that put it right.

    Of two changes each must be needed: none of the halves may be enough.
    """

    text: str
    changes: Changes
    halves: tuple[Changes, ...] = ()
    if_decides: str = ""  # the sentence where the operation only decides: what is picked or masked
    rival: tuple[str, Changes] | None = None  # said in its place where it is as good, and plainer
    if_there: Callable[[], str] = str  # another sentence, "" where it is not true; asked at the end


def here(step: Step, operand: int | None = None) -> str:
    """What a hint calls an operation of backward, or an operand of it."""
    return called(step.place, operand)


@lru_cache(maxsize=4096)
def called(place: Place, operand: int | None) -> str:
    """What the operation at a place is called, with its line."""
    code, at = place[:2]
    positions = getattr(code, "co_positions", None)
    line = list(positions())[at // 2][0] if positions is not None else None
    where = f" (line {line} of {code.co_name})" if line else ""
    return quoted(place, operand) + where


def indexed(step: Step) -> str:
    """What a hint calls x[key], or an assignment to it."""
    known = isinstance(expression(step.place), ast.Subscript)
    return here(step) if known else f"{here(step)}, index {shown(step.key)}"


def plainest_edits(steps: list[Step], group: tuple[int, ...]) -> Iterator[Edit]:
    """A sign, a factor 2, a term or a factor too many, a transpose, = for +=."""
    step = steps[group[0]]
    name, result = step.place[2], step.result

    def everywhere(change: Change) -> dict[int, Change]:
        return dict.fromkeys(group, change)

    if result.dtype.kind not in "fc":
        yield from of_truths(steps, step, everywhere)
        return
    if len(group) > 1 and len({steps[i].result.shape for i in group}) == 1:
        total = sum(steps[i].result for i in group)
        yield Edit(
            f"what {here(step)} gives is assigned, not added, each of the {len(group)} times",
            {group[-1]: lambda step, operands: total},
        )
    if name == "setitem" and any(np.any(steps[i].operands[1]) for i in group):
        yield Edit(f"{indexed(step)}, is assigned, not added", everywhere(added))
    for text, factor in (("has the wrong sign", -1.0), ("is half of what belongs here", 2.0),
                         ("is twice what belongs here", 0.5)):  # fmt: skip
        limit = f"the mask or gate that {here(step)} decides on has a wrong limit"
        picked = f"what {here(step)} decides on is in the wrong order: its sign is reversed"
        other = picked if factor < 0 else limit
        for k in range(len(step.operands)) if name in SUMS else ():
            if np.any(step.operands[k]):
                change = times(k, factor)
                rival = f"the term {here(step, k)} is one too many", everywhere(times(k, 0.0))
                yield Edit(f"{here(step, k)} {text}", everywhere(change), (), other, rival)
        rival = f"the term made of {here(step)} is one too many", everywhere(times(None, 0.0))
        yield Edit(f"{here(step)} {text}", everywhere(times(None, factor)), (), other, rival)
    yield from of_too_many(step, everywhere)
    for k, operand in enumerate(step.operands):
        if name in COUNTED and is_whole(operand):
            for by in (1, -1):
                words = f"{here(step, k)} is off by one: that {'+' if by > 0 else '-'} 1 is right"
                yield Edit(words, everywhere(one_more(k, by)))
        shape = np.shape(operand)
        is_square = len(shape) > 1 and shape[-1] == shape[-2] > 1
        if is_square and name in (*PRODUCTS, *SUMS):
            words = f"{here(step, k)} is transposed, or a transposition is missing"
            yield Edit(words, everywhere(turned(k)))
    if result.ndim > 1 and result.shape[-1] == result.shape[-2] > 1:
        yield Edit(f"{here(step)} is transposed", everywhere(turned(None)))


def plain_edits(steps: list[Step], group: tuple[int, ...]) -> Iterator[Edit]:
    """Another order, an axis, a slice, another function."""
    step = steps[group[0]]
    name, result = step.place[2], step.result
    if result.dtype.kind not in "fc":
        return

    def everywhere(change: Change) -> dict[int, Change]:
        return dict.fromkeys(group, change)

    if name in ("setitem", "getitem"):
        for text, new in keys_of(step):
            words = f"{indexed(step)}: {text}"
            change: Change = NewKey(new) if name == "getitem" else assigned_at(new)
            yield Edit(words, everywhere(change))
    yield from of_axes(step, everywhere)
    if name in UNARY and len(step.operands) == 1:
        choices = [(f"right without np.{name}", instead(np.array))]
        choices += [(f"np.{o} is right", instead(f)) for o, f in UNARY.items() if o != name]
        for right, change in choices:
            words = f"{here(step)} makes a wrong local derivative: {right}"
            if name == "absolute" and right == "right without np.absolute":
                words = f"{here(step)} loses the sign: {right}"
            decides = f"the mask or gate that {here(step)} decides on is wrong: {right}"
            yield Edit(words, everywhere(change), (), decides)
    if name in REARRANGING and np.shape(step.operands[0]) == result.shape:
        words = f"{here(step)} does not belong there: it is right without np.{name}"
        yield Edit(words, everywhere(instead(np.array)))
    for axis, n in enumerate(result.shape):
        if n > 1:
            flipped = moved(partial(np.flip, axis=axis))
            yield Edit(f"{here(step)} is flipped along axis {axis}", everywhere(flipped))
        for by in (1, -1) if n > 2 else ():
            words = f"{here(step)} is shifted by one along axis {axis}"
            rolled = moved(partial(np.roll, shift=by, axis=axis))
            yield Edit(words, everywhere(rolled))
            yield Edit(words, everywhere(moved(emptied(axis, by))))


def of_too_many(step: Step, everywhere: Callable[[Change], dict[int, Change]]) -> Iterator[Edit]:
    """A term, a factor or a division that does not belong there."""
    name = step.place[2]
    if len(step.operands) != 2:
        return
    for k, operand in enumerate(step.operands):
        if name in SUMS and np.any(operand):
            yield Edit(f"the term {here(step, k)} is one too many", everywhere(times(k, 0.0)))
        is_divided = name in ("divide", "true_divide") and k == 1
        is_mask = bool(np.isin(operand, (0, 1)).all())  # of which its place is said
        if (name == "multiply" or is_divided) and not is_mask:
            what = FACTOR[is_divided, np.ndim(operand) == 0]
            words = f"the {what} {here(step, k)} is one too many"
            yield Edit(words, everywhere(without(k)))


def paired_edits(
    steps: list[Step], group: tuple[int, ...], other: tuple[int, ...]
) -> Iterator[Edit]:
    """Operands of two operations that are exchanged, or transposed both."""
    a, b = steps[group[0]], steps[other[0]]
    if a.place[2] != b.place[2] or len(group) != len(other):
        return
    for k, (v, w) in enumerate(zip(a.operands, b.operands, strict=False)):
        if a.place[2] not in (*PRODUCTS, *SUMS) or not np.ndim(v) or np.shape(v) != np.shape(w):
            continue
        pairs = list(zip(group, other, strict=True))
        there = {i: replaced(k, steps[j].operands[k]) for i, j in pairs}
        back = {j: replaced(k, steps[i].operands[k]) for i, j in pairs}
        yield Edit(f"{here(a, k)} and {here(b, k)} are swapped", {**there, **back}, (there, back))
        if np.ndim(v) > 1 and v.shape[-1] == v.shape[-2] > 1 and a.place[2] in PRODUCTS:
            one, two = dict.fromkeys(group, turned(k)), dict.fromkeys(other, turned(k))
            words = f"{here(a, k)} and {here(b, k)} are transposed, both"
            yield Edit(words, {**one, **two}, (one, two))


def of_truths(
    steps: list[Step], step: Step, everywhere: Callable[[Change], dict[int, Change]]
) -> Iterator[Edit]:
    """A mask the wrong way round, the smallest for the largest."""
    name = step.place[2]
    if step.result.dtype.kind == "b":
        # np.where(mask, a, b) with the other mask is np.where(mask, b, a).
        uses = [
            other.place[2]
            for other in steps
            if any(v.dtype == bool and np.array_equal(v, step.result)
                   for v in other.operands if isinstance(v, np.ndarray))
        ]  # fmt: skip
        # A np.where of plain arrays is on no tape, and uses it unseen.
        chooses = not uses or "where" in uses
        or_else = ", or the two that it chooses between are swapped" if chooses else ""
        yield Edit(
            f"the mask or gate {here(step)} is the wrong way round{or_else}",
            everywhere(lambda step, operands: np.logical_not(step.call(operands))),
        )
    for other, function in PICKS.items() if name in PICKS else ():
        if other != name:
            options = reduced_along(PICKS[name], step)
            if options is not None:
                yield Edit(
                    f"{here(step)} picks the wrong entry: np.{other} is right",
                    everywhere(instead(partial(function, **options))),
                )
    if name in PICKS:
        options = reduced_along(PICKS[name], step) or {}
        yield Edit(
            f"{here(step)} picks the wrong entry: that of the largest absolute value is right",
            everywhere(lambda step, ops: np.argmax(np.abs(ops[0]), **options)),
        )


def of_axes(step: Step, everywhere: Callable[[Change], dict[int, Change]]) -> Iterator[Edit]:
    """A sum over another axis, a mean for a sum."""
    name = step.place[2].removesuffix(".reduce").replace("add", "sum")
    if name not in REDUCTIONS or len(step.operands) != 1:
        return
    function = REDUCTIONS[name]
    options = reduced_along(function, step)
    x = np.asarray(step.operands[0])
    n = np.size(step.operands[0]) / max(1, step.result.size)
    if n > 1 and name in ("sum", "mean"):
        k, how = (1 / n, "large: a mean belongs") if name == "sum" else (n, "small: a sum belongs")
        yield Edit(f"{here(step)} is {n:g} times too {how} here", everywhere(times(None, k)))
    if n > 1 and name == "sum":
        words = f"{here(step)} sums what must not be summed there: it is right without the sum"
        yield Edit(words, everywhere(instead(np.array)))
    if options is None or x.ndim < 2:
        return
    for axis in axes_of(x, name):
        if axis != options["axis"]:
            other = {**options, "axis": axis}
            yield Edit(
                f"{here(step)} is summed over the wrong axis: axis={axis} is right",
                everywhere(instead(partial(function, **other))),
            )


def reduced_along(function: Callable[..., Any], step: Step) -> dict[str, Any] | None:
    """The options with which a reduction gives what the step gave."""
    x = np.asarray(step.operands[0])
    for keepdims in (False, True) if function is not np.cumsum else (None,):
        for axis in axes_of(x, function.__name__):
            options = {"axis": axis} | ({} if keepdims is None else {"keepdims": keepdims})
            found = function(x, **options)
            if np.shape(found) == step.result.shape and np.allclose(found, step.result):
                return options
    return None


def axes_of(x: np.ndarray, name: str) -> list[Any]:
    """The axes over which an array may be reduced: one, several or all of them."""
    one: list[Any] = list(range(x.ndim))
    if name in ("cumsum", *PICKS):
        return one if name == "cumsum" else [*one, None]
    several = [some for n in range(2, x.ndim) for some in combinations(range(x.ndim), n)]
    return [*one, *several, None]


def added(step: Step, operands: list[Any]) -> Any:
    """x[key] += value."""
    operands[0][step.key] += operands[1]
    return np.array(operands[0][step.key])


def assigned_at(new: Callable[[Step], Any]) -> Change:
    """x[other key] = value."""

    def change(step: Step, operands: list[Any]) -> Any:
        operands[0][new(step)] = operands[1]
        return np.array(operands[1])

    return change


def times(k: int | None, factor: float) -> Change:
    """An operand, or the result, times a constant."""

    def change(step: Step, operands: list[Any]) -> Any:
        if k is None:
            return step.call(operands) * factor
        return step.call([v * factor if i == k else v for i, v in enumerate(operands)])

    return change


def without(k: int) -> Change:
    """The other one of two factors alone, or what is divided."""
    return lambda step, operands: np.array(np.broadcast_to(operands[1 - k], step.result.shape))


def is_whole(operand: Any) -> bool:
    """Whether an operand is a count, a rank or an exponent: whole numbers, not only 0 and 1."""
    a = np.asarray(operand)
    return a.dtype.kind in "iuf" and bool(np.all(a == np.round(a))) and not np.isin(a, (0, 1)).all()


def one_more(k: int, by: int) -> Change:
    """An operand and 1, or less 1."""
    return lambda step, operands: step.call(
        [v + by if i == k else v for i, v in enumerate(operands)]
    )


def turned(k: int | None) -> Change:
    """An operand, or the result, with its last two axes exchanged."""

    def change(step: Step, operands: list[Any]) -> Any:
        if k is None:
            return np.swapaxes(step.call(operands), -1, -2).copy()
        return step.call([np.swapaxes(v, -1, -2) if i == k else v for i, v in enumerate(operands)])

    return change


def moved(move: Callable[[np.ndarray], np.ndarray]) -> Change:
    """The result with its entries moved."""
    return lambda step, operands: np.array(move(np.asarray(step.call(operands))))


def emptied(axis: int, by: int) -> Callable[[np.ndarray], np.ndarray]:
    """A shift in which zeros enter."""

    def move(a: np.ndarray) -> np.ndarray:
        a = np.roll(a, by, axis)
        a[(slice(None),) * axis + (0 if by > 0 else -1,)] = 0
        return a

    return move


def instead(function: Callable[[Any], Any]) -> Change:
    """Another function of the same operand."""
    return lambda step, operands: function(operands[0])


def replaced(k: int, value: np.ndarray) -> Change:
    """Another operand."""
    return lambda step, operands: step.call(
        [value if i == k else v for i, v in enumerate(operands)]
    )
