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
    ("lacks the mask or gate ({} > 0)", lambda q: (q > 0) * 1.0),
    ("lacks the factor sign of {}", np.sign),
)


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
        "takes for the local derivative 1 - y² what is y (1 - y), where y is {}",
        of_activation(lambda y: (1 + y) / y),
    ),
    (
        "takes for the local derivative y (1 - y) what is 1 - y², where y is {}",
        of_activation(lambda y: y / (1 + y)),
    ),
    (
        "takes for the local derivative 1 - y what is y, where y is {}",
        of_activation(lambda y: (1 - y) / y),
    ),
    (
        "takes for the local derivative y what is 1 - y, where y is {}",
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
    for k, operand in enumerate(step.operands) if step.place[2] in WITH_FACTORS else ():
        for q in stock:
            if np.ndim(operand) and all(
                np.shape(steps[i].operands[k]) == v.shape
                for i, v in zip(group, q.values, strict=True)
            ):
                words = f"{here(step, k)} is used where {q.name} belongs"
                if step.place[2] in SUMS:
                    words = f"{here(step, k)} is the wrong term: {q.name} belongs there"
                if step.place[2] in PRODUCTS and len(step.operands) == 2:
                    factor = quoted(step.place, k)
                    words = f"what multiplies {here(step, 1 - k)} is {factor}, not {q.name}"
                if c := ratio(q.values[0], operand):
                    words = f"{here(step, k)} is wrong by a factor: {c:.6g} times it belongs there"
                yield Edit(words, each(group, q, partial(replaced, k)))
    if step.place[2] != "exp":  # of which a factor is a term of the exponent
        yield from multiplied_by(steps, group, stock, FACTORS)


def term_edits(steps: list[Step], group: tuple[int, ...], stock: list[Quantity]) -> Iterator[Edit]:
    """A path or a term that is forgotten, another local derivative."""
    step = steps[group[0]]
    if not may_change(step):
        return
    yield from paths(step, group, fitting(steps, group, stock))
    for q in fitting(steps, group, stock):
        for sign, text in ((1.0, "missing"), (-1.0, "missing, with a minus")):
            words = f"the term {q.name} is {text}: {here(step)}"
            yield Edit(words, {i: plus(v, None, sign) for i, v in zip(group, q.now, strict=True)})
    first = 1 if step.place[2] == "setitem" else 0  # after the array that is assigned to
    for k in range(first, len(step.operands)) if step.place[2] not in SUMS else ():
        for q in stock:
            if all(fits(v, steps[i].operands[k]) for i, v in zip(group, q.values, strict=True)):
                words = f"the term {q.name} is missing: {here(step, k)}"
                yield Edit(words, {i: plus(v, k, 1.0) for i, v in zip(group, q.now, strict=True)})
    yield from multiplied_by(steps, group, stock, RATIOS)


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
            yield Edit(f"{here(steps[group[0]])} {text.format(q.name)}", changes)


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
                    each(group, q, partial(less, axis=axis, of=subtract)),
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
