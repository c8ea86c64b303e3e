"""What backward may lack at one operation: a factor, a term, a path; or another operand.

What may belong there are the other arrays of the same run of backward.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from .edits import PRODUCTS, SUMS, Edit, here, replaced
from .traced import Change, Step, quoted

MOST_NUMBERS = 4000  # of a result that is changed
WITH_FACTORS = (*PRODUCTS, *SUMS, "divide", "true_divide", "power", "where", "maximum")


LACKS = "lacks the factor {}"
# How a factor may be made of a quantity q: (the words, the factor).
FACTORS: tuple[tuple[str, Callable[[np.ndarray], np.ndarray]], ...] = (
    (LACKS, lambda q: q),
    ("has a factor {} too many", lambda q: 1 / q),
    ("lacks the factor (1 - {})", lambda q: 1 - q),
    ("has a factor (1 - {}) too many", lambda q: 1 / (1 - q)),
    ("lacks the factor (1 - {}²)", lambda q: 1 - q**2),
    ("has a factor (1 - {}²) too many", lambda q: 1 / (1 - q**2)),
    ("lacks the factor y (1 - y), where y is {}", lambda q: q * (1 - q)),
    ("has a factor y (1 - y) too many, where y is {}", lambda q: 1 / (q * (1 - q))),
    ("lacks the factor {}²", lambda q: q**2),
    ("has a factor {}² too many", lambda q: 1 / q**2),
    ("lacks the mask or gate ({} > 0)", lambda q: (q > 0) * 1.0),
    ("lacks the factor sign of {}", np.sign),
)


# Of which an operand may be meant.
FUNCTIONS: tuple[tuple[str, Callable[[np.ndarray], np.ndarray]], ...] = (
    ("its square", np.square),
    ("1 minus it", lambda v: 1 - v),
    ("its tanh", np.tanh),
    ("its exp", np.exp),
    ("the mask of where it is positive", lambda v: (v > 0) * 1.0),
    ("its absolute value", np.abs),
    ("its square root", np.sqrt),
)
SUMMING = ("sum", "add.reduce", "matmul", "dot", "einsum")  # in which a factor comes before a sum


def of_activation(
    factor: Callable[[np.ndarray], np.ndarray],
) -> Callable[[np.ndarray], np.ndarray]:
    """A factor for results of a sigmoid or a tanh, which are below 1; NaN for other arrays."""
    return lambda y: factor(y) if np.all(np.abs(y) < 1) else np.full(y.shape, np.nan)


# An exponential; one local derivative in the place of another one, both of a result y.
RATIOS: tuple[tuple[str, Callable[[np.ndarray], np.ndarray]], ...] = (
    ("lacks the factor exp({})", np.exp),
    ("has a factor exp({}) too many", lambda q: np.exp(-q)),
    (
        "has y (1 - y) where the local derivative 1 - y² belongs, y being {}",
        of_activation(lambda y: (1 + y) / y),
    ),
    (
        "has 1 - y² where the local derivative y (1 - y) belongs, y being {}",
        of_activation(lambda y: y / (1 + y)),
    ),
    (
        "has y where the local derivative 1 - y belongs, y being {}",
        of_activation(lambda y: (1 - y) / y),
    ),
    (
        "has 1 - y where the local derivative y belongs, y being {}",
        of_activation(lambda y: y / (1 - y)),
    ),
)


class Quantity(NamedTuple):
    """An array of backward's run, one value for each time that the changed operation runs."""

    name: str
    values: list[np.ndarray]  # of the run that was recorded
    now: list[Callable[[], np.ndarray]]  # of the run in which something is changed


def factor_edits(
    steps: list[Step], group: tuple[int, ...], stock: list[Quantity]
) -> Iterator[Edit]:
    """An operand that is replaced, a factor that is forgotten or one too many."""
    step = steps[group[0]]
    if not may_change(step):
        return
    name, result = step.place[2], step.result
    for k, operand in enumerate(step.operands) if name in WITH_FACTORS else ():
        by_entry = name in ("multiply", *SUMS) and np.shape(step.operands[1 - k]) == result.shape
        for q in stock:
            if np.ndim(operand) and all(
                np.shape(steps[i].operands[k]) == v.shape or (by_entry and fits(v, result))
                for i, v in zip(group, q.values, strict=True)
            ):
                words = f"{here(step, k)} is used where {q.name} belongs"
                if step.place[2] in SUMS:
                    words = f"{here(step, k)} is the wrong term: {q.name} belongs there"
                if step.place[2] in PRODUCTS and len(step.operands) == 2:
                    factor = quoted(step.place, k)
                    words = f"what multiplies {here(step, 1 - k)} is {factor}, not {q.name}"
                if np.shape(operand) == q.values[0].shape and (c := ratio(q.values[0], operand)):
                    words = f"{here(step, k)} is wrong by a factor: {c:.6g} times it belongs there"
                rival = None
                if name in SUMS:
                    sign = "" if name == "add" or k == 0 else ", with a minus"
                    more = {i: one_more_term(k, v) for i, v in zip(group, q.values, strict=True)}
                    rival = f"the term {q.name} is missing{sign}: {here(step)}", more
                yield Edit(words, each(group, q, partial(replaced, k)), rival=rival)
        for text, of in FUNCTIONS if name in PRODUCTS and np.ndim(operand) else ():
            words = f"{here(step, k)} is used where {text} belongs"
            yield Edit(words, dict.fromkeys(group, partial(changed_operand, k=k, of=of)))
    for k in range(len(step.operands)) if name.startswith(SUMMING) else ():
        for q in stock:
            if all(fits(v, steps[i].operands[k]) for i, v in zip(group, q.values, strict=True)):
                words = f"{here(step, k)} {lacking(q).format(q.name)}"
                yield Edit(words, each(group, q, partial(multiplied_operand, k)))
    if step.place[2] != "exp":  # of which a factor is a term of the exponent
        yield from multiplied_by(steps, group, stock, FACTORS)


def term_edits(steps: list[Step], group: tuple[int, ...], stock: list[Quantity]) -> Iterator[Edit]:
    """A path or a term that is forgotten, another local derivative."""
    step = steps[group[0]]
    if not may_change(step):
        return
    yield from paths(steps, group, fitting(steps, group, stock))
    for q in fitting(steps, group, stock):
        for sign, text in ((1.0, "missing"), (-1.0, "missing, with a minus")):
            words = f"the term {q.name} is {text}: {here(step)}"
            changes = {i: plus(v, None, sign) for i, v in zip(group, q.now, strict=True)}
            there = partial(
                already_there, steps, group[0], step.result, partial(np.multiply, sign, q.values[0])
            )
            yield Edit(words, changes, if_there=there)
    first = 1 if step.place[2] == "setitem" else 0  # after the array that is assigned to
    for k in range(first, len(step.operands)) if step.place[2] not in SUMS else ():
        for q in stock:
            if all(fits(v, steps[i].operands[k]) for i, v in zip(group, q.values, strict=True)):
                words = f"the term {q.name} is missing: {here(step, k)}"
                changes = {i: plus(v, k, 1.0) for i, v in zip(group, q.now, strict=True)}
                there = partial(
                    already_there, steps, group[0], step.operands[k], partial(np.array, q.values[0])
                )
                yield Edit(words, changes, if_there=there)
    yield from multiplied_by(steps, group, stock, RATIOS)


def already_there(
    steps: list[Step], i: int, total: np.ndarray, adds: Callable[[], np.ndarray]
) -> str:
    """What is said of a term that seems missing where a multiple of it is added already."""
    more = np.broadcast_to(adds(), total.shape)
    for name, term in summands(steps[: i + 1], total):
        if np.ndim(term) and np.ndim(term) <= np.ndim(total):
            c = 1 + ratio(more, np.broadcast_to(term, total.shape))
            if abs(c) < 1e-9:
                return f"the term {name} is one too many"
            if c != 1:
                return f"the term {name} is wrong by a factor: {c:.6g} times it belongs there"
    return ""


def summands(steps: list[Step], total: np.ndarray) -> Iterator[tuple[str, Any]]:
    """The terms of a sum with their signs, and what these are called."""
    made = [i for i, step in enumerate(steps) if np.array_equal(step.result, total)]
    if not made or steps[made[-1]].place[2] not in SUMS:
        return
    step = steps[made[-1]]
    for k, v in enumerate(step.operands):
        sign = -1.0 if k and step.place[2] == "subtract" else 1.0
        yield here(step, k), sign * v
        for name, term in summands(steps[: made[-1]], v):
            yield name, sign * term


def ratio(a: np.ndarray, b: np.ndarray) -> float:
    """The constant c of a = c b; 0 where there is none."""
    c = float(np.real(np.vdot(b, a)) / (np.real(np.vdot(b, b)) or 1.0))
    return c if np.allclose(a, c * b, rtol=1e-9, atol=0) else 0.0


def may_change(step: Step) -> bool:
    """Whether a step gives numbers, and not too many of them."""
    return step.result.dtype.kind in "fc" and step.result.size <= MOST_NUMBERS


def fitting(steps: list[Step], group: tuple[int, ...], stock: list[Quantity]) -> list[Quantity]:
    """The quantities that can be broadcast to the results of these steps."""
    return [
        q
        for q in stock
        if all(fits(v, steps[i].result) for i, v in zip(group, q.values, strict=True))
    ]


def multiplied_by(
    steps: list[Step],
    group: tuple[int, ...],
    stock: list[Quantity],
    factors: Sequence[tuple[str, Callable[[np.ndarray], np.ndarray]]],
) -> Iterator[Edit]:
    """The results times a function of a quantity."""
    for q in fitting(steps, group, stock):
        for text, factor in factors:
            changes = {i: multiplied(factor(v)) for i, v in zip(group, q.values, strict=True)}
            said = lacking(q) if text == LACKS else text
            yield Edit(f"{here(steps[group[0]])} {said.format(q.name)}", changes)


def lacking(q: Quantity) -> str:
    """What is said of a factor that is forgotten."""
    is_mask = all(np.isin(v, (0, 1)).all() for v in q.values)
    return "lacks the mask or gate {}" if is_mask else LACKS


def paths(steps: list[Step], group: tuple[int, ...], fitting: list[Quantity]) -> Iterator[Edit]:
    """The path through a mean, or through the sum of a softmax or a norm, that is missing."""
    step = steps[group[0]]
    words = f"the path through {{}} over axis {{}} is missing: {here(step)}"
    for axis in range(step.result.ndim):
        if step.result.shape[axis] < 2:
            continue

        none = Quantity("", [step.result] * len(group), [])
        same_shape = [q for q in fitting if q.values[0].shape == step.result.shape]
        for text, q, of in [
            ("the mean", none, mean_of),
            *((text.format(q.name), q, of) for q in same_shape for text, of in PATHS),
        ]:
            more = partial(minus, step.result, q.values[0], axis, of)
            there = partial(already_there, steps, group[0], step.result, more)
            changes = each(group, q, partial(less, axis=axis, of=of))
            yield Edit(words.format(text, axis), changes, if_there=there)


def minus(result: np.ndarray, q: np.ndarray, axis: int, of: Callable[..., np.ndarray]) -> Any:
    """What a path through a sum adds to a result."""
    return -of(result, q, axis)


def mean_of(d: np.ndarray, q: np.ndarray, axis: int) -> np.ndarray:
    """What is subtracted for the path through a mean."""
    mean: np.ndarray = np.mean(d, axis, keepdims=True)
    return mean


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


def one_more_term(k: int, term: np.ndarray) -> Change:
    """A sum, or a difference, with a term beside one of its operands."""
    return partial(changed_operand, k=k, of=partial(np.add, term))


def changed_operand(
    step: Step, operands: list[Any], k: int, of: Callable[[np.ndarray], np.ndarray]
) -> Any:
    """The operation with a function of one operand."""
    return step.call([of(v) if i == k else v for i, v in enumerate(operands)])


def multiplied_operand(k: int, factor: np.ndarray) -> Change:
    """The operation with one operand times an array."""
    return partial(changed_operand, k=k, of=partial(np.multiply, factor))


def multiplied(factor: np.ndarray) -> Change:
    """The result times an array."""
    return lambda step, operands: step.call(operands) * factor


def plus(term: Callable[[], np.ndarray], k: int | None, sign: float) -> Change:
    """The result, or an operand, and a term."""

    def change(step: Step, operands: list[Any]) -> Any:
        more = sign * term()
        if k is None:
            return step.call(operands) + more
        return step.call([v + more if i == k else v for i, v in enumerate(operands)])

    return change


def fits(q: np.ndarray, result: Any) -> bool:
    """Whether a quantity can be broadcast to a result."""
    if not isinstance(result, np.ndarray) or q.ndim > result.ndim:
        return False
    return all(m in (1, n) for m, n in zip(q.shape[::-1], result.shape[::-1], strict=False))
