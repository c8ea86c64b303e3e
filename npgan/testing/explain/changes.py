"""What backward may do wrong at one operation: the changes of func that would make it right."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from itertools import permutations
from typing import Any, NamedTuple

import numpy as np

from .probe import Probe
from .traced import Change, Step, quoted

PICKS = ("amax", "amin", "max", "min", "maximum.reduce", "minimum.reduce", "median")
MASKS = ("getitem", "maximum", "minimum", "where", "clip", "abs", "absolute", "fabs", "select")
BILINEAR = ("multiply", "matmul", "dot", "einsum", "outer", "tensordot", "convolve", "inner")


class Where(NamedTuple):
    """An operand of the operations at one place; operand None is their result."""

    steps: tuple[int, ...]
    operand: int | None
    which: str


DERIVATIVES: tuple[tuple[str, Callable[[np.ndarray, np.ndarray], np.ndarray]], ...] = (
    ("y", lambda x, y: y),
    ("1 - y", lambda x, y: 1 - y),
    ("y (1 - y)", lambda x, y: y * (1 - y)),
    ("1 - y²", lambda x, y: 1 - y**2),
    ("1 + y²", lambda x, y: 1 + y**2),
    ("1 - x²", lambda x, y: 1 - x**2),
    ("x", lambda x, y: x),
    ("1/x", lambda x, y: 1 / x),
    ("1/y", lambda x, y: 1 / y),
)


def groups(steps: list[Step]) -> list[tuple[int, ...]]:
    """The steps at each place of the code: for all calls of a function, and for each of them."""
    found: dict[tuple[int, ...], None] = {}
    keys: list[Callable[[Step], Any]] = [lambda step: step.place[:3], lambda step: step.place]
    for key in keys:
        at: dict[Any, list[int]] = {}
        for i, step in enumerate(steps):
            at.setdefault(key(step), []).append(i)
        found.update(dict.fromkeys(tuple(indices) for indices in at.values()))
    return list(found)


def places(steps: list[Step]) -> Iterator[Where]:
    """Every operand and every result of every place in the code."""
    for indices in groups(steps):
        moving = steps[indices[-1]].moving
        for operand in [*moving, None] if len(moving) > 1 else moving:
            yield Where(indices, operand, "")


def parts(edge: Where) -> Iterator[Where]:
    """An operand the first and the last time, and all times but these."""
    indices, operand = edge.steps, edge.operand
    if len(indices) > 1:
        yield Where(indices[:1], operand, ", the first time,")
        yield Where(indices[-1:], operand, ", the last time,")
    if len(indices) > 2:
        yield Where(indices[1:], operand, ", after the first time,")
        yield Where(indices[:-1], operand, ", before the last time,")


def with_operand(operands: list[Any], k: int, value: Any) -> list[Any]:
    """The operands with one replaced."""
    return [value if i == k else v for i, v in enumerate(operands)]


def freeze(edge: Where) -> dict[int, Change]:
    """Nothing gets through."""
    k = edge.operand

    def change(step: Step, operands: list[Any]) -> Any:
        if k is None:
            return step.result.copy()
        return step.call(with_operand(operands, k, step.operands[k]))

    return dict.fromkeys(edge.steps, change)


def changes_of(probe: Probe, edge: Where) -> Iterator[tuple[str, dict[int, Change]]]:
    """(the sentence, the changes) of what backward may do wrong at one operand."""
    k, step = edge.operand, probe.steps[edge.steps[0]]
    if k is None:
        return
    value = np.asarray(step.operands[k])
    here, operand = quoted(step.place), quoted(step.place, k)

    def everywhere(change: Change) -> dict[int, Change]:
        return dict.fromkeys(edge.steps, change)

    if step.place[2] == "getitem":
        words = f"an index that {here} names twice is assigned, not added: use np.add.at"
        yield words, everywhere(last_of_each)
        for other in probe.steps:
            same = other.place[2] == "getitem" and other.result.shape == step.result.shape
            if same and other.operands[0].shape == value.shape and other.place != step.place:
                words = f"the indices of {here} and {quoted(other.place)} are swapped"
                yield words, everywhere(picked_by(other))
    if value.shape == step.result.shape:
        words = f"the local derivative of {here} is taken as"
        if step.place[2] not in ("multiply", "add", "subtract", "negative"):
            yield f"{words} 1: this step is skipped", everywhere(passed_through(k))
        if len(step.operands) == 1:
            for text, of in DERIVATIVES:
                of_what = "x is its operand" if "x" in text else "y is its result"
                yield f"{words} {text}, where {of_what}", everywhere(derivative(of))
    elif step.place[2] in PICKS and len(step.operands) == 1:
        words = f"every entry gets the gradient of {here}, not only the one that it picks"
        yield from ((words, everywhere(spread_evenly(axis))) for axis in range(value.ndim))
    others = [j for j in range(len(step.operands)) if j != k] * (step.place[2] in BILINEAR)
    for j in others:
        for text, swap in other_factors(np.asarray(step.operands[j])):
            words = f"{factor_name(step, k, j)} is {text} in backward"
            yield words, everywhere(bilinear(k, j, swap))
    for text, weight in weights(step, k):
        yield f"the local derivative of {here} is wrong: {text}", everywhere(scaled(k, weight))
    for text, move in movings(value):
        yield f"the gradient of {operand} is {text}", everywhere(moved(k, move))
    for j in others:
        factors = [np.asarray(probe.steps[i].operands[j]) for i in edge.steps]
        for text, values in stand_ins(probe, edge, factors):
            changes = {
                i: bilinear(k, j, lambda b, v=v: v)  # type: ignore[misc]
                for i, v in zip(edge.steps, values, strict=True)
            }
            yield f"{factor_name(step, k, j)} is {text} in backward", changes


def factor_name(step: Step, k: int, j: int) -> str:
    """What a hint calls the factor j of a product for the gradient of the factor k."""
    if len(step.operands) == 2:
        return f"what multiplies {quoted(step.place, k)}"
    return f"what multiplies operand {k + 1}, its operand {j + 1}, in {quoted(step.place)}"


def stand_ins(
    probe: Probe, edge: Where, factors: list[np.ndarray]
) -> Iterator[tuple[str, list[np.ndarray]]]:
    """Other arrays that backward may use in the place of a factor, one for each time."""
    n = len(factors)
    if n > 1 and len({b.shape for b in factors}) == 1:
        yield "that of the step before", [factors[0], *factors[:-1]]
        yield "that of the step after", [*factors[1:], factors[-1]]
    found: dict[str, list[np.ndarray]] = {}
    for name, value in zip(probe.trial.where.names, probe.trial.where.values, strict=True):
        found[f"`{name}`"] = [value]
    for i, step in enumerate(probe.steps):
        if i not in edge.steps:
            found.setdefault(quoted(step.place), []).append(step.result)
            for k, v in enumerate(step.operands):
                if isinstance(v, np.ndarray):
                    found.setdefault(quoted(step.place, k).split(" in `")[0], []).append(v)
    tried: list[list[np.ndarray]] = [factors]
    for name, values in found.items():
        if len(values) not in (1, n):
            continue
        values = values * n if len(values) == 1 else values
        for turned in ("", ", transposed"):
            use = [v.T for v in values] if turned else values
            if any(v.shape != b.shape or not b.ndim for v, b in zip(use, factors, strict=True)):
                continue
            if any(all(map(np.array_equal, use, old)) for old in tried):
                continue
            tried.append(use)
            yield name + turned, use


def derivative(of: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> Change:
    """Another local derivative of an operation entry by entry."""

    def change(step: Step, operands: list[Any]) -> Any:
        x = step.operands[0]
        return step.result + of(x, step.result) * (operands[0] - x)

    return change


def picked_by(other: Step) -> Change:
    """What other indices pick."""
    return lambda step, operands: (
        step.result + other.call([np.asarray(operands[0] - step.operands[0])])
    )


def passed_through(k: int) -> Change:
    """The local derivative 1."""
    return lambda step, operands: (
        step.call(with_operand(operands, k, step.operands[k])) + (operands[k] - step.operands[k])
    )


def last_of_each(step: Step, operands: list[Any]) -> Any:
    """Of an index that is named twice only the last one counts."""
    source = np.arange(operands[0].size).reshape(operands[0].shape)
    named = np.ravel(step.call([source]))
    backwards = np.unique(named[::-1], return_index=True)[1]
    counts = np.zeros(named.size)
    counts[named.size - 1 - backwards] = 1
    change = step.call(operands) - step.result
    return step.result + change * counts.reshape(step.result.shape)


def spread_evenly(axis: int) -> Change:
    """A sum in the place of a maximum."""

    def change(step: Step, operands: list[Any]) -> Any:
        rest = np.asarray(operands[0] - step.operands[0]).sum(axis)
        return step.result + rest.reshape(step.result.shape)

    return change


def moved(k: int, move: Callable[[np.ndarray], np.ndarray]) -> Change:
    """What gets through is moved."""

    def change(step: Step, operands: list[Any]) -> Any:
        base = step.operands[k]
        return step.call(with_operand(operands, k, base + move(np.asarray(operands[k] - base))))

    return change


def scaled(k: int, weight: Callable[[Step], Any]) -> Change:
    """What gets through is multiplied by a quantity."""

    def change(step: Step, operands: list[Any]) -> Any:
        base = step.operands[k]
        by = (operands[k] - base) * weight(step)
        if np.shape(by) == np.shape(base):
            return step.call(with_operand(operands, k, base + by))
        raise ValueError("a weight of another shape")

    return change


def bilinear(k: int, j: int, swap: Callable[[np.ndarray], np.ndarray]) -> Change:
    """A product whose other factor is changed for what gets through."""

    def change(step: Step, operands: list[Any]) -> Any:
        base = step.call(with_operand(operands, k, step.operands[k]))
        tangent = with_operand(step.operands, k, np.asarray(operands[k] - step.operands[k]))
        through = step.call(with_operand(tangent, j, swap(np.asarray(step.operands[j]))))
        if np.shape(through) == np.shape(base):
            return base + through
        raise ValueError("a factor of another shape")

    return change


def other_factors(b: np.ndarray) -> Iterator[tuple[str, Callable[[np.ndarray], np.ndarray]]]:
    """What may stand in the place of a factor."""
    if b.ndim >= 2 and b.shape[-1] == b.shape[-2]:
        yield "transposed", lambda b: np.swapaxes(b, -1, -2)
    if np.iscomplexobj(b):
        yield "not conjugated", np.conj
    for axis in range(b.ndim):
        if b.shape[axis] > 1 and not is_linear_in(b, np.flip(b, axis)):
            yield f"flipped along axis {axis}", lambda b, axis=axis: np.flip(b, axis)  # type: ignore[misc]
            yield f"shifted by one along axis {axis}", lambda b, axis=axis: np.roll(b, 1, axis)  # type: ignore[misc]
            yield f"shifted by one along axis {axis}", lambda b, axis=axis: np.roll(b, -1, axis)  # type: ignore[misc]


def is_linear_in(b: np.ndarray, moved: np.ndarray) -> bool:
    """Whether an array that was moved is a + c b with numbers a and c, as the steps of a grid are.

    Then another factor, such as 1 - b, is as likely as one that is moved.
    """
    if b.size < 3 or np.iscomplexobj(b):
        return False
    x, y = b - b.mean(), moved - moved.mean()
    return bool(np.allclose(y * np.vdot(x, x), x * np.vdot(x, y), rtol=1e-9, atol=1e-12))


def weights(step: Step, k: int) -> Iterator[tuple[str, Callable[[Step], Any]]]:
    """Quantities by which a local derivative may be wrong, and what is then said."""
    sources: list[tuple[str, Callable[[Step], Any]]] = [
        (quoted(step.place), lambda s: s.result),
        (quoted(step.place, k), lambda s: s.operands[k]),
    ]
    for i in range(len(step.operands)):
        if i != k:
            sources.append((quoted(step.place, i), lambda s, i=i: s.operands[i]))  # type: ignore[misc]
    for name, of in sources:
        yield f"a factor {name} is forgotten", lambda s, of=of: 1 / of(s)  # type: ignore[misc]
        yield f"a factor {name} too many", lambda s, of=of: of(s)  # type: ignore[misc]


def averaged(a: np.ndarray, axis: int) -> np.ndarray:
    """The means over one axis, each as often as they were summed over."""
    means: np.ndarray = a.mean(axis, keepdims=True) + 0 * a
    return means


def movings(value: np.ndarray) -> Iterator[tuple[str, Callable[[np.ndarray], np.ndarray]]]:
    """Rearrangements that keep the shape."""
    for axis, n in enumerate(value.shape):
        if n > 1:
            yield f"flipped along axis {axis}", lambda a, axis=axis: np.flip(a, axis)  # type: ignore[misc]
            yield f"averaged over axis {axis}", partial(averaged, axis=axis)
        if n > 2:
            for by in (1, -1):
                yield f"shifted by one along axis {axis}", partial(np.roll, shift=by, axis=axis)
    for order in permutations(range(value.ndim)):
        if (
            order != tuple(range(value.ndim))
            and tuple(value.shape[i] for i in order) == value.shape
        ):
            yield "transposed", lambda a, order=order: a.transpose(order)  # type: ignore[misc]
    if np.iscomplexobj(value):
        yield "not conjugated", np.conj
