"""check_power: is this test able to fail? Bugs are planted into a backward pass that is right."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from .check import check_gradients
from .report import PASS, plain
from .styles import Problem
from .tree import leaves, rebuild

__tracebackhide__ = True  # pytest shows a failure at the user's line, not at ours


@dataclass
class PowerReport:
    """The planted bugs by what became of them; `same` are those that change nothing at these arguments."""

    caught: list[str] = field(default_factory=list)
    missed: list[str] = field(default_factory=list)
    same: list[str] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        return plain({"caught": self.caught, "missed": self.missed, "same": self.same})

    def __str__(self) -> str:
        planted = len(self.caught) + len(self.missed)
        lines = [f"power: {len(self.caught)} of {planted} planted bugs caught"]
        lines += [f"  missed: {bug}" for bug in self.missed]
        lines += [
            f"  no bug at these arguments (the gradient does not change): {bug}"
            for bug in self.same
        ]
        return "\n".join(lines)


def check_power(
    func: Callable,
    grad: Callable,
    args: Any,
    *,
    test: Callable[[Callable], Any] | None = None,
    **options: Any,
) -> PowerReport:
    """Plant bugs into grad, one at a time and per argument, and list those that the test would miss.

    test(grad) is the test to examine: it raises AssertionError, or returns False, when it finds a bug; None
    takes check_gradients with these options. Raises ValueError where the test rejects grad as it is.
    """
    known = {name: options[name] for name in ("argnames", "style") if name in options}
    problem = Problem(func, grad, args, known.get("argnames"), known.get("style", "auto"), 10**9)

    def passes(candidate: Callable) -> bool:
        if test is None:
            return (
                check_gradients(
                    func, candidate, args, **{**options, "style": problem.style}
                ).verdict
                == PASS
            )
        try:
            return test(candidate) is not False
        except AssertionError:
            return False

    if not passes(grad):
        raise ValueError(
            "the test must pass on grad as it is before bugs are planted; run check_gradients first"
        )
    rng = np.random.default_rng(0)
    dout = np.ones(1) if problem.style == "loss" else rng.standard_normal(problem.out_size)
    right = problem.gradients(problem.values, dout)
    found = PowerReport()
    for i, name in enumerate(problem.names):
        if right[i] is None:
            continue
        g = np.asarray(right[i])
        for bug, plant in bugs(g, problem.values[i], batch_of(problem)):
            label = f"{name}: {bug}"
            if np.array_equal(plant(g), g):
                found.same.append(label)
                continue
            (found.missed if passes(planted(problem, grad, i, plant)) else found.caught).append(
                label
            )
    if problem.style != "loss":
        ignoring = ignoring_dout(problem, grad)
        (found.missed if passes(ignoring) else found.caught).append("all: dout is ignored")
    return found


def batch_of(problem: Problem) -> int:
    shape = problem.out_shapes[0] if problem.out_shapes[0] else problem.values[0].shape
    return shape[0] if shape else 1


def bugs(
    g: np.ndarray, x: np.ndarray, batch: int
) -> Iterator[tuple[str, Callable[[np.ndarray], np.ndarray]]]:
    """(what is wrong, gradient -> wrong gradient), for a gradient of this shape."""
    yield "sign", lambda g: -g
    yield "zero", np.zeros_like
    yield "x 2", lambda g: 2 * g
    yield "x 1/2", lambda g: g / 2
    yield "x 1.01", lambda g: g * 1.01
    yield "x (1 + 1e-6)", lambda g: g * (1 + 1e-6)
    if batch > 2:
        yield "mean for sum", lambda g: g / batch
        yield "sum for mean", lambda g: g * batch
    yield "a constant added", lambda g: g + 0.1 * np.max(np.abs(g))
    yield "signs lost", np.abs
    if g.size > 1:
        middle = g.size // 2

        def one(g):
            wrong = np.array(g)
            wrong.flat[middle] *= 1.5
            return wrong

        yield "one entry x 1.5", one
        yield (
            "nothing where the argument is negative",
            lambda g: np.where(x < 0, 0, g).astype(g.dtype),
        )
        yield (
            "clipped at half its maximum",
            lambda g: np.clip(g, -0.5 * np.max(np.abs(g)), 0.5 * np.max(np.abs(g))),
        )
    for axis in range(g.ndim):
        if g.shape[axis] > 1:
            for what, change in along_axis.items():
                yield what.format(axis), partial(change, axis=axis)
    if g.ndim == 2 and g.shape[0] == g.shape[1]:
        yield "transposed", lambda g: g.T
    if g.dtype == np.float64:
        yield "rounded to float16", lambda g: g.astype(np.float16).astype(np.float64)


def averaged(g: np.ndarray, axis: int) -> np.ndarray:
    return np.zeros_like(g) + g.mean(axis=axis, keepdims=True)


def without(g: np.ndarray, axis: int, i: int) -> np.ndarray:
    g = np.array(g)
    g[(slice(None),) * axis + (i,)] = 0
    return g


along_axis: dict[str, Callable[..., np.ndarray]] = {
    "flipped along axis {}": np.flip,
    "shifted along axis {}": partial(np.roll, shift=1),
    "index 0 of axis {} zero": partial(without, i=0),
    "last index of axis {} zero": partial(without, i=-1),
    "averaged over axis {}": averaged,
}


def planted(problem: Problem, grad: Callable, leaf: int, plant: Callable) -> Callable:
    """grad with its result changed at one leaf, wherever in the nesting that is."""

    def wrong(*given):
        flat = problem.match(grad(*given))
        return problem.nest([plant(np.asarray(g)) if i == leaf else g for i, g in enumerate(flat)])

    return wrong


def ignoring_dout(problem: Problem, grad: Callable) -> Callable:
    def wrong(dout, *rest):
        ones = [np.ones_like(leaf) for _, leaf in leaves(dout, "dout")]
        return grad(rebuild(dout, iter(ones)), *rest)

    return wrong
