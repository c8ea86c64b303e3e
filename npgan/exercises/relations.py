"""What a wrong gradient is, if not the right one: in another place, too large, without dy.

The right gradients are known here, so what is said is true of all numbers, and of no other mistake:
it is compared to 1e-7. `judging` asks for it where no known mistake of the catalogue fits.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from itertools import permutations
from typing import NamedTuple

import numpy as np

from .outcomes import Results
from .quantities import Inputs, name_of_number, of_one, of_two, per_entry

# What backward returns where dy is multiplied with a number; None where it cannot be asked.
WithDy = Callable[[float], Results | None]
TIMES = (0.0, 2.0, -1.0)


class Wrong(NamedTuple):
    """One wrong gradient: what was found, what is right, and what it was made from."""

    found: np.ndarray
    right: np.ndarray
    inputs: Inputs
    scaled: dict[float, np.ndarray]  # what is found where dy is so many times as large

    def at(self, mask: np.ndarray) -> Wrong:
        """The entries of a mask, as vectors."""
        return Wrong(
            self.found[mask],
            self.right[mask],
            {name: v[mask] for name, v in self.inputs.items()},
            {k: v[mask] for k, v in self.scaled.items()},
        )

    @property
    def is_per_entry(self) -> bool:
        """Whether each entry of the gradient is made from the same entries of the arguments."""
        return bool(self.inputs) and all(v.shape == self.right.shape for v in self.inputs.values())


def equal(a: np.ndarray, b: np.ndarray, tolerance: float = 1e-7) -> bool:
    """Whether two arrays have one shape and, relative to the largest number, the same numbers."""
    a, b = np.asarray(a), np.asarray(b)
    if a.shape != b.shape or not np.isfinite(a).all():
        return False
    size = float(np.max(np.abs(b), initial=0.0)) or 1.0
    return bool(np.all(np.abs(a - b) <= tolerance * size))


def relation(
    found: Results, expected: Results, wrong: list[str], inputs: Inputs, with_dy: WithDy
) -> tuple[str, list[str]]:
    """(a sentence, the wrong results that it explains); ("", []) where none is known."""
    if sentence := exchanged(found, expected, wrong):
        return sentence, wrong
    scaled = {k: results for k in TIMES if (results := with_dy(k)) is not None}
    said: dict[str, list[str]] = {}
    with np.errstate(all="ignore"):
        for name in wrong:
            if name not in found or not expected[name].ndim:
                continue
            parts = {k: results[name] for k, results in scaled.items() if name in results}
            one = Wrong(found[name], expected[name], inputs, parts)
            if clause := next(clauses(one), ""):
                said.setdefault(clause, []).append(name)
    if not said:
        return "", []
    clause, names = next(iter(said.items()))
    return f"{listed([short(name) for name in names])}: {clause}", names


def short(name: str) -> str:
    """What a gradient is called in a program: dx for dL/dx."""
    return name.replace("dL/d", "d")


def listed(names: list[str]) -> str:
    """Names with commas, and the last one with and."""
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


def exchanged(found: Results, expected: Results, wrong: list[str]) -> str:
    """The right gradients in another order, or one of them in the place of another."""
    names = [name for name in wrong if name in found and expected[name].ndim]
    if 1 < len(names) <= 4:
        for order in permutations(names):
            if all(equal(found[a], expected[b]) for a, b in zip(names, order, strict=True)):
                all_names = ", ".join(short(name) for name in expected)
                return f"the gradients are right, but in the wrong order: return {all_names}"
    for name in names:
        for other in expected:
            if other != name and equal(found[name], expected[other]):
                return f"{short(other)} stands where {short(name)} belongs"
    return ""


def clauses(one: Wrong) -> Iterator[str]:
    """What may be said of one wrong gradient, the simplest first."""
    if one.found.shape != one.right.shape:
        yield from of_other_shape(one)
        return
    if not np.isfinite(one.found).all():
        return
    yield from same_everywhere(one)
    yield from turned_over(one)
    yield from without_dy(one)
    if one.is_per_entry:
        yield from entry_by_entry(one)
        yield from on_a_part(one)
    yield from with_a_factor(one)
    yield from made_from(one)
    yield from not_proportional(one)


def of_other_shape(one: Wrong) -> Iterator[str]:
    """Transposed, not summed, summed too often, or something else that is known."""
    found, right = one.found, one.right
    shapes = f"it has the shape {found.shape}, and must have {right.shape}"
    if found.ndim > 1 and equal(found.T, right):
        yield f"it is transposed: {shapes}"
    if found.shape != right.shape and equal(found.ravel(), right.ravel()):
        one_too_many = found.ndim > right.ndim and 1 in found.shape
        why = ": sum without keepdims" if one_too_many else ""
        yield f"the numbers are right, but {shapes}{why}"
    for axis in range(found.ndim):
        for how in ("sum", "mean"):
            if equal(getattr(found, how)(axis=axis), right):
                yield f"it must be a {how} over axis {axis}: {shapes}"
    for axis in [None, *range(right.ndim)]:
        where = "over all entries" if axis is None else f"over axis {axis}"
        if equal(found, right.sum(axis=axis)):
            yield f"it is summed {where}, which is too much: {shapes}"
        if equal(found, right.mean(axis=axis)):
            yield f"it is averaged {where}, which is too much: {shapes}"
    for text, value in [*of_one(one.inputs), *of_two(one.inputs)]:
        if equal(found, value):
            yield f"this is {text}{why_not(text, one)}: {shapes}"
    if found.size == 1 and one.scaled and equal(one.scaled[2.0], found):
        yield f"this is the number {found.item():g}, and dy is not used: {shapes}"


def why_not(text: str, one: Wrong) -> str:
    """What is wrong with an expression that gives the numbers that were found."""
    dy, others = next(iter(one.inputs)), dict(of_one(one.inputs))
    if ".reshape" in text:
        return ": reshape does not transpose; use .T"
    if not re.search(rf"\b{dy}\b", text) or "ones_like" in text:
        return f": {dy} is not used"
    other_axis = {"axis=0": "axis=1", "axis=1": "axis=0"}
    for axis, other in other_axis.items():
        turned = text.replace(axis, other).replace(".mean", ".sum")
        if axis in text and turned in others and equal(others[turned], one.right):
            return ", the wrong axis" if ".sum" in text else ", not a sum, and the wrong axis"
    for how in ("mean", "max", "min", "prod"):
        turned = text.replace(f".{how}(", ".sum(")
        if f".{how}(" in text and turned in others and equal(others[turned], one.right):
            return ", but a sum belongs here"
    return ""


def same_everywhere(one: Wrong) -> Iterator[str]:
    """Zeros, or the right gradient times one number."""
    found, right = one.found, one.right
    if not found.any():
        yield "all entries are 0"
        return
    if right.size < 2:
        return
    k = float(np.vdot(right, found) / np.vdot(right, right))
    if k and equal(found, k * right):
        yield factor(k, one)


def factor(k: float, one: Wrong) -> str:
    """What it means that the gradient is k times what it should be."""
    if abs(k + 1) < 1e-6:
        return "the sign is wrong"
    sign = " with the wrong sign, and" if k < 0 else ""
    large = abs(k) > 1
    n = abs(k) if large else 1 / abs(k)
    if abs(n - round(n)) > 1e-6 * n:
        return f"it is{sign} {abs(k):.4g} times what it should be"
    n = round(n)
    name = name_of_number(n, one.inputs)
    size = f"{sign} {n} times too {'large' if large else 'small'}"
    if name and large:
        return f"it is{size}: a factor {n} too many ({name} is {n})"
    if name:
        return f"it is{size}: a factor {n} is missing ({name} is {n}: is it divided by that?)"
    if n == 2:
        return f"it is{sign} {'twice' if large else 'half of'} what it should be"
    return f"it is{size}"


def turned_over(one: Wrong) -> Iterator[str]:
    """Transposed, reshaped, or in the reverse order."""
    found, right = one.found, one.right
    if right.ndim == 2:
        if equal(found.T, right):
            yield "it is transposed"
        if equal(found, right.T.reshape(right.shape)):
            yield "the transposed matrix is reshaped: reshape does not transpose; use .T"
    for axis in range(right.ndim):
        if right.shape[axis] > 1 and equal(found, np.flip(right, axis)):
            yield f"the entries are in the reverse order along axis {axis}"


def without_dy(one: Wrong) -> Iterator[str]:
    """Nothing that is multiplied with dy, or not all of it, or dy twice."""
    if any(k not in one.scaled or one.scaled[k].shape != one.found.shape for k in TIMES):
        return
    found, dy = one.found, next(iter(one.inputs))
    at_zero, twice = one.scaled[0.0], one.scaled[2.0]
    if not np.isfinite(at_zero).all():
        if equal(twice, found / 2):
            yield f"it is divided by {dy}: multiply with {dy}"
    elif equal(twice, found):
        yield from nothing_of_dy(one, dy)
    elif at_zero.any():
        fixed = at_zero != 0
        is_alone = np.array_equal(fixed, (twice == found) & (found != 0))
        if is_alone and one.is_per_entry and (where := region(fixed, ~fixed, one.inputs)):
            yield f"{dy} is missing {where}: multiply with {dy} there, too"
        for text, value in [("1", np.ones(found.shape)), *per_entry(one.inputs)]:
            for sign, k in (("", 1), ("-", -1)):
                fits = value.ndim and value.shape == found.shape[-value.ndim :]
                if fits and equal(at_zero, k * np.broadcast_to(value, found.shape)):
                    term = f"-({text})" if sign and " " in text else sign + text
                    yield f"the term {term} is not multiplied with {dy}: are parentheses missing?"
        yield f"a term is not multiplied with {dy}: are parentheses missing?"
    elif equal(twice, 4 * found):
        yield f"{dy} is in it twice: multiply with it once"


def nothing_of_dy(one: Wrong, dy: str) -> Iterator[str]:
    """What is said where dy does not change the gradient."""
    found, value = one.found, one.inputs[dy]
    if value.shape == found.shape and equal(found * value, one.right):
        yield f"{dy} is missing: multiply with {dy}"
    if np.ptp(found) == 0:
        yield f"all entries are {found.flat[0]:g}: {dy} is not used"


def entry_by_entry(one: Wrong) -> Iterator[str]:
    """dy times something else than the derivative."""
    dy = next(iter(one.inputs))
    value = one.inputs[dy]
    some = value != 0
    one, value = one.at(some), value[some]
    derivative, is_now = one.right / value, one.found / value
    others = {name: v for name, v in one.inputs.items() if name != dy}
    quantities = list(per_entry(others))
    name = next((text for text, q in quantities if equal(q, derivative)), "")
    called = name or "the derivative"
    if equal(is_now * derivative, np.ones_like(value)):
        yield f"{dy} is divided by {called}: multiply with it"
    if equal(is_now, derivative**2) and not equal(is_now, derivative):
        yield f"{called} is in it twice: multiply {dy} with it once"
    sides = np.unique(np.round(derivative, 9))
    swapped = np.isclose(is_now, sides.sum() - derivative)
    for v in others.values():  # at 0 the student may have chosen the other side
        swapped |= (v == 0) & np.isclose(is_now, derivative)
    if sides.size == 2 and swapped.all() and not np.allclose(is_now, derivative):
        yield "the two sides are exchanged: the gate is the wrong way round"
    if sides.size == 2 and np.ptp(is_now) < 1e-9:
        yield (
            f"{dy} is multiplied with {is_now[0]:g} everywhere, "
            f"but the derivative is {sides[0]:g} or {sides[1]:g}"
        )
    if equal(is_now, np.ones_like(is_now)):
        yield f"this is {dy} itself: it is not multiplied with the derivative"
    for sign, k in (("", 1), ("-", -1)):
        for text, q in [*quantities, *per_entry(one.inputs)]:
            written = f"-({text})" if sign and " " in text else sign + text
            if equal(is_now, k * q):
                yield f"{dy} is multiplied with {written}, which is not the derivative"
            if equal(is_now * q, k * np.ones_like(q)):
                yield f"{dy} is divided by {written}: multiply with the derivative"
    for text, q in quantities:
        if equal(is_now, derivative * q):
            yield f"a factor {text} too many"
        if equal(is_now * q, derivative):
            yield f"a factor {text} is missing"
        for sign, k in (("added", 1), ("subtracted", -1)):
            if equal(is_now, derivative + k * q):
                yield f"{dy} times {text} is {sign}, and does not belong here"


def on_a_part(one: Wrong) -> Iterator[str]:
    """Right for some entries; and what is wrong with the others."""
    size = np.max(np.abs(one.right))
    wrong = np.abs(one.found - one.right) > 1e-7 * size
    right = ~wrong & (np.abs(one.right) > 1e-7 * size)
    if not right.any():
        return
    where = region(wrong, right, one.inputs)
    if not where:
        return
    inside = one.at(wrong)
    nothing = "the gradient is 0" if not inside.found.any() else ""
    times = next(same_everywhere(inside._replace(inputs={})), "")  # whose lengths mean nothing
    said = nothing or next(entry_by_entry(inside), "") or times or "it is wrong"
    yield f"{where}, {said}; elsewhere it is right"


def region(inside: np.ndarray, outside: np.ndarray, inputs: Inputs) -> str:
    """In which part of an argument's range some entries lie, and no others: "where x > 0"."""
    dy, *others = inputs
    for name in [*others, dy]:
        v = inputs[name]
        for text, mask in (
            ("is 0", v == 0),
            ("> 0", v > 0),
            ("< 0", v < 0),
            (">= 0", v >= 0),
            ("<= 0", v <= 0),
        ):
            if np.all(mask[inside]) and not np.any(mask[outside]):
                return f"where {name} {text}"
    for name in others:
        v = inputs[name]
        low, high = v[inside].min(), v[inside].max()
        if inside.sum() > 2 and not np.any((v[outside] >= low) & (v[outside] <= high)):
            return f"where {name} is from {low:.3g} to {high:.3g}"
    return ""


def made_from(one: Wrong) -> Iterator[str]:
    """Another expression of the same arguments."""
    for text, value in [*of_one(one.inputs), *of_two(one.inputs)]:
        if equal(one.found, value):
            yield f"this is {text}{why_not(text, one) or ', which is not the gradient'}"


def not_proportional(one: Wrong) -> Iterator[str]:
    """dy in a place where it is no factor."""
    if any(k not in one.scaled or one.scaled[k].shape != one.found.shape for k in TIMES):
        return
    dy = next(iter(one.inputs))
    if equal(one.scaled[2.0], one.found):
        yield f"{dy} is not used"
    if not equal(one.scaled[2.0], 2 * one.found) or not equal(one.scaled[-1.0], -one.found):
        yield f"it is not proportional to {dy}: twice the {dy} must give twice the gradient"


def with_a_factor(one: Wrong) -> Iterator[str]:
    """The right gradient times an argument that belongs elsewhere."""
    for text, value in one.inputs.items():
        if value.ndim <= one.right.ndim and value.shape == one.right.shape[-value.ndim :]:
            if equal(one.found, one.right * value):
                yield f"a factor {text} too many"
            if equal(one.found * value, one.right):
                yield f"it is divided by {text}, which does not belong here"
            if equal(one.found, one.right + value):
                yield f"{text} is added, and does not belong here"
