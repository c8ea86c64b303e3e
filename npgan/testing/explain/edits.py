"""What may be changed at one operation of backward, so that it is right.

An edit is a sentence that says what is wrong there, with the changes of the steps. The plain ones
come first: a sign, a transpose, an index. Then what multiplies, replaces or is added to a result.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from .keys import keys_of, shown
from .traced import Change, NewKey, Step, expression, quoted

PRODUCTS = ("multiply", "matmul", "dot", "einsum", "outer", "tensordot", "inner", "solve", "kron")
SUMS = ("add", "subtract")
REDUCTIONS: dict[str, Callable[..., Any]] = {
    "sum": np.sum, "mean": np.mean, "cumsum": np.cumsum, "max": np.max, "min": np.min,
}  # fmt: skip
PICKS: dict[str, Callable[..., Any]] = {"argmax": np.argmax, "argmin": np.argmin}
UNARY: dict[str, Callable[[Any], Any]] = {
    "sin": np.sin, "cos": np.cos, "tanh": np.tanh, "exp": np.exp, "log": np.log, "sqrt": np.sqrt,
    "sinh": np.sinh, "cosh": np.cosh, "sign": np.sign, "square": np.square, "absolute": np.abs,
}  # fmt: skip
MOST_NUMBERS = 4000  # of a result that is changed


class Edit(NamedTuple):
    """A sentence about what is wrong, and the changes that put it right."""

    text: str
    changes: dict[int, Change]


def here(step: Step, operand: int | None = None) -> str:
    """What a hint calls an operation of backward, or an operand of it."""
    code, at = step.place[:2]
    positions = getattr(code, "co_positions", None)
    line = list(positions())[at // 2][0] if positions is not None else None
    where = f", line {line} of {code.co_name}" if line and expression(step.place) is None else ""
    return quoted(step.place, operand) + where


def plain_edits(steps: list[Step], group: tuple[int, ...]) -> Iterator[Edit]:
    """A sign, a factor 2, a transpose, another order, an axis, a slice, another function."""
    step = steps[group[0]]
    name, result = step.place[2], step.result

    def everywhere(change: Change) -> dict[int, Change]:
        return dict.fromkeys(group, change)

    if result.dtype.kind not in "fc":
        yield from of_truths(step, everywhere)
        return
    if len(group) > 1 and len({steps[i].result.shape for i in group}) == 1:
        total = sum(steps[i].result for i in group)
        yield Edit(
            f"what {here(step)} gives is assigned, not added, each of the {len(group)} times",
            {group[-1]: lambda step, operands: total},
        )
    if name == "setitem":
        yield Edit(f"{here(step)} {shown(step.key)} is assigned, not added", everywhere(added))
    if name in ("setitem", "getitem"):
        for text, new in keys_of(step):
            change = NewKey(new) if name == "getitem" else assigned_at(new)
            yield Edit(f"{here(step)} {shown(step.key)}: {text}", everywhere(change))
    for text, factor in (("has the wrong sign", -1.0), ("is half of what it should be", 2.0),
                         ("is twice what it should be", 0.5)):  # fmt: skip
        for k in range(len(step.operands)) if name in SUMS else ():
            if np.any(step.operands[k]):
                yield Edit(f"{here(step, k)} {text}", everywhere(times(k, factor)))
        yield Edit(f"{here(step)} {text}", everywhere(times(None, factor)))
    for k, operand in enumerate(step.operands):
        shape = np.shape(operand)
        is_square = len(shape) > 1 and shape[-1] == shape[-2] > 1
        if is_square and name in (*PRODUCTS, *SUMS):
            words = f"{here(step, k)} is transposed, or a transposition is missing"
            yield Edit(words, everywhere(turned(k)))
    if result.ndim > 1 and result.shape[-1] == result.shape[-2] > 1:
        yield Edit(f"{here(step)} is transposed", everywhere(turned(None)))
    yield from of_axes(step, everywhere)
    if name in UNARY and len(step.operands) == 1:
        for other, function in UNARY.items():
            words = f"the local derivative is taken as {here(step)}: np.{other} is right"
            if other != name:
                yield Edit(words, everywhere(instead(function)))
        words = f"the local derivative is taken as {here(step)}: right without np.{name}"
        yield Edit(words, everywhere(instead(np.array)))
    for axis, n in enumerate(result.shape):
        if n > 1:
            flipped = moved(lambda a, axis=axis: np.flip(a, axis))  # type: ignore[misc]
            yield Edit(f"{here(step)} is flipped along axis {axis}", everywhere(flipped))
        for by in (1, -1) if n > 2 else ():
            words = f"{here(step)} is shifted by one along axis {axis}"
            rolled = moved(lambda a, axis=axis, by=by: np.roll(a, by, axis))  # type: ignore[misc]
            yield Edit(words, everywhere(rolled))
            yield Edit(words, everywhere(moved(emptied(axis, by))))


def of_truths(step: Step, everywhere: Callable[[Change], dict[int, Change]]) -> Iterator[Edit]:
    """A mask the wrong way round, the smallest for the largest."""
    name = step.place[2]
    if step.result.dtype.kind == "b":
        yield Edit(
            f"the mask or gate {here(step)} is the wrong way round",
            everywhere(lambda step, operands: np.logical_not(step.call(operands))),
        )
    for other, function in PICKS.items() if name in PICKS else ():
        if other != name:
            options = reduced_along(PICKS[name], step)
            if options is not None:
                yield Edit(
                    f"{here(step)} picks the wrong entry: np.{other} is right",
                    everywhere(lambda step, ops, f=function, o=options: f(ops[0], **o)),  # type: ignore[misc]
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
    n = np.size(step.operands[0]) / max(1, step.result.size)
    if n > 1 and name in ("sum", "mean"):
        k, how = (1 / n, "large: a mean belongs") if name == "sum" else (n, "small: a sum belongs")
        yield Edit(f"{here(step)} is {n:g} times too {how} here", everywhere(times(None, k)))
    if options is None or np.ndim(step.operands[0]) < 2:
        return
    for axis in [*range(np.ndim(step.operands[0])), None]:
        if axis != options["axis"] and not (axis is None and name == "cumsum"):
            other = {**options, "axis": axis}
            yield Edit(
                f"{here(step)} is summed over the wrong axis: axis={axis} is right",
                everywhere(lambda step, ops, o=other: function(ops[0], **o)),  # type: ignore[misc]
            )


def reduced_along(function: Callable[..., Any], step: Step) -> dict[str, Any] | None:
    """The options with which a reduction gives what the step gave."""
    x = np.asarray(step.operands[0])
    for keepdims in (False, True) if function is not np.cumsum else (None,):
        for axis in [*range(x.ndim), None]:
            options = {"axis": axis} | ({} if keepdims is None else {"keepdims": keepdims})
            found = function(x, **options)
            if np.shape(found) == step.result.shape and np.allclose(found, step.result):
                return options
    return None


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


# How a factor may be made of a quantity q: (the words, the factor).
FACTORS: tuple[tuple[str, Callable[[np.ndarray], np.ndarray]], ...] = (
    ("lacks the factor {}", lambda q: q),
    ("has a factor {} too many", lambda q: 1 / q),
    ("lacks the factor (1 - {})", lambda q: 1 - q),
    ("has a factor (1 - {}) too many", lambda q: 1 / (1 - q)),
    ("lacks the factor (1 - {}²)", lambda q: 1 - q**2),
    ("has a factor (1 - {}²) too many", lambda q: 1 / (1 - q**2)),
    ("lacks the factor y (1 - y), where y is {}", lambda q: q * (1 - q)),
    ("has a factor y (1 - y) too many, where y is {}", lambda q: 1 / (q * (1 - q))),
    ("lacks the factor {}²", lambda q: q**2),
    ("has a factor {}² too many", lambda q: 1 / q**2),
    ("lacks the factor ({} > 0)", lambda q: (q > 0) * 1.0),
    ("lacks the factor sign of {}", np.sign),
    ("lacks the factor exp({})", np.exp),
    ("has a factor exp({}) too many", lambda q: np.exp(-q)),
    (
        "takes for the local derivative 1 - y² what is y (1 - y), where y is {}",
        lambda q: (1 + q) / q,
    ),
    (
        "takes for the local derivative y (1 - y) what is 1 - y², where y is {}",
        lambda q: q / (1 + q),
    ),
    ("takes for the local derivative 1 - y what is y, where y is {}", lambda q: (1 - q) / q),
    ("takes for the local derivative y what is 1 - y, where y is {}", lambda q: q / (1 - q)),
)


class Quantity(NamedTuple):
    """An array of backward's run, one value for each time that the changed operation runs."""

    name: str
    values: list[np.ndarray]


def stocked_edits(
    steps: list[Step], group: tuple[int, ...], stock: list[Quantity]
) -> Iterator[Edit]:
    """An operand that is replaced, a factor, a term, a path through a sum."""
    step = steps[group[0]]
    if step.result.dtype.kind not in "fc" or step.result.size > MOST_NUMBERS:
        return
    name = here(step)
    is_plural = step.place[2] in (
        *PRODUCTS,
        *SUMS,
        "divide",
        "true_divide",
        "power",
        "where",
        "maximum",
    )
    for k, operand in enumerate(step.operands) if is_plural else ():
        for q in stock:
            same = all(
                isinstance(steps[i].operands[k], np.ndarray)
                and v.shape == steps[i].operands[k].shape
                for i, v in zip(group, q.values, strict=True)
            )
            if not same or not np.ndim(operand):
                continue
            words = f"{here(step, k)} is used where {q.name} belongs"
            if step.place[2] in PRODUCTS and len(step.operands) == 2:
                words = (
                    f"what multiplies {here(step, 1 - k)} is {quoted(step.place, k)}, not {q.name}"
                )
            yield Edit(words, each(group, q, lambda v, k=k: replaced(k, v)))  # type: ignore[misc]
    fitting = [
        q
        for q in stock
        if all(fits(v, steps[i].result) for i, v in zip(group, q.values, strict=True))
    ]
    for q in fitting:
        for text, factor in FACTORS:
            yield Edit(
                f"{name} {text.format(q.name)}",
                each(group, q, lambda v, f=factor: multiplied(f(v))),
            )  # type: ignore[misc]
    if step.result.ndim:
        yield from paths(step, group, fitting)
    for q in fitting:
        for sign, text in ((1.0, "missing"), (-1.0, "missing, with a minus")):
            words = f"the term {q.name} is {text}: {name}"
            yield Edit(words, each(group, q, lambda v, s=sign: plus(s * v, None)))  # type: ignore[misc]
    for k, operand in enumerate(step.operands):
        if not isinstance(operand, np.ndarray) or not operand.ndim or step.place[2] in SUMS:
            continue
        for q in stock:
            if all(fits(v, steps[i].operands[k]) for i, v in zip(group, q.values, strict=True)):
                words = f"the term {q.name} is missing: {here(step, k)}"
                yield Edit(words, each(group, q, lambda v, k=k: plus(v, k)))  # type: ignore[misc]


def paths(step: Step, group: tuple[int, ...], fitting: list[Quantity]) -> Iterator[Edit]:
    """The path through a mean, or through the sum of a softmax or a norm, that is missing."""
    words = f"the path through {{}} over axis {{}} is missing: {here(step)}"
    for axis in range(step.result.ndim):
        if step.result.shape[axis] < 2:
            continue

        def centred(step: Step, operands: list[Any], axis: int = axis) -> Any:
            found = step.call(operands)
            return found - np.mean(found, axis, keepdims=True)

        yield Edit(words.format("the mean", axis), dict.fromkeys(group, centred))
        for q in fitting:
            if q.values[0].shape != step.result.shape:
                continue
            for text, subtract in PATHS:
                yield Edit(
                    words.format(text.format(q.name), axis),
                    each(group, q, lambda v, a=axis, f=subtract: less(v, a, f)),  # type: ignore[misc]
                )


# What is subtracted from a gradient d for the path through a sum: of a softmax q, of a norm.
PATHS: tuple[tuple[str, Callable[[np.ndarray, np.ndarray, int], np.ndarray]], ...] = (
    ("the sum of the softmax {}", lambda d, q, axis: (d * q).sum(axis, keepdims=True)),
    ("the sum of the softmax {}", lambda d, q, axis: q * d.sum(axis, keepdims=True)),
    ("the norm of {}", lambda d, q, axis: q * (d * q).sum(axis, keepdims=True)),
    ("the variance of {}", lambda d, q, axis: q * (d * q).mean(axis, keepdims=True)),
)


def less(q: np.ndarray, axis: int, of: Callable[..., np.ndarray]) -> Change:
    """The result without what goes through a sum."""

    def change(step: Step, operands: list[Any]) -> Any:
        found = step.call(operands)
        return found - of(found, q, axis)

    return change


def each(
    group: tuple[int, ...], q: Quantity, change: Callable[[np.ndarray], Change]
) -> dict[int, Change]:
    """A change each time, with the value of the quantity then."""
    return {i: change(v) for i, v in zip(group, q.values, strict=True)}


def replaced(k: int, value: np.ndarray) -> Change:
    """Another operand."""
    return lambda step, operands: step.call(
        [value if i == k else v for i, v in enumerate(operands)]
    )


def multiplied(factor: np.ndarray) -> Change:
    """The result times an array."""
    return lambda step, operands: step.call(operands) * factor


def plus(term: np.ndarray, k: int | None) -> Change:
    """The result, or an operand, and a term."""

    def change(step: Step, operands: list[Any]) -> Any:
        if k is None:
            return step.call(operands) + term
        return step.call([v + term if i == k else v for i, v in enumerate(operands)])

    return change


def fits(q: np.ndarray, result: Any) -> bool:
    """Whether a quantity can be broadcast to a result."""
    if not isinstance(result, np.ndarray) or q.ndim > result.ndim:
        return False
    return all(m in (1, n) for m, n in zip(q.shape[::-1], result.shape[::-1], strict=False))
