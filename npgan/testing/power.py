"""check_power: can this test fail? Bugs are planted into a backward pass that is right."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from .check import check_gradients
from .problem.advice import sentence_for_stubs
from .problem.arrays import max_abs, rms
from .problem.others import include_others
from .problem.problem import Problem
from .problem.styles import style_to_guess
from .problem.tree import named_leaves, replace_leaves
from .problem.types import Function, Gradient, Tree
from .report import PASS, printable_on_stdout
from .slopes.noise import measure_gradient_noise

__tracebackhide__ = True  # pytest shows a failure at the user's line, not at ours
Change = Callable[[np.ndarray], np.ndarray]  # a gradient -> a wrong one


@dataclass
class PowerReport:
    """Which planted bugs a test notices; ``print(report)`` lists those that it misses.

    Parameters
    ----------
    caught : list of str
        Bugs at which the test failed, as it should.
    missed : list of str
        Bugs at which the test passed.
    same : list of str
        Bugs that change nothing at these arguments, such as the wrong sign of a gradient of zeros.
    """

    caught: list[str] = field(default_factory=list)
    missed: list[str] = field(default_factory=list)
    same: list[str] = field(default_factory=list)

    def to_dict(self) -> dict[str, list[str]]:
        """The three lists by name, for JSON."""
        return {"caught": self.caught, "missed": self.missed, "same": self.same}

    def __str__(self) -> str:
        planted = len(self.caught) + len(self.missed)
        lines = [f"power: {len(self.caught)} of {planted} planted bugs caught"]
        lines += [f"  missed: {bug}" for bug in self.missed]
        lines += [
            f"  no bug at these arguments (the gradient does not change): {bug}"
            for bug in self.same
        ]
        return printable_on_stdout("\n".join(lines))


def check_power(
    func: Function,
    grad: Gradient,
    args: Tree,
    *,
    test: Callable[[Gradient], object] | None = None,
    **options: Any,
) -> PowerReport:
    """Plant bugs into a gradient, one at a time, and list those that a test misses.

    Parameters
    ----------
    func, grad, args
        As in `check_gradients`; grad must be right.
    test : callable, optional
        The test to examine, ``test(grad)``: it raises AssertionError or returns False when it finds
        grad wrong. By default `check_gradients` with these options.
    **options
        The options of `check_gradients`; of these a `test` of your own uses argnames and style
        only.

    Returns
    -------
    PowerReport
        The bugs that were caught, those that were missed, and those that change nothing.

    Raises
    ------
    ValueError
        The test rejects grad as it is, or func or grad is not written yet.

    Examples
    --------
    >>> import numpy as np
    >>> from npgan.testing import check_power
    >>> x = np.array([0.5, 1.0, 2.0])
    >>> power = check_power(lambda x: np.sum(x**2), lambda x: 2 * x, x)
    >>> power.missed
    []
    """
    argnames = options.get("argnames")
    style = style_to_guess(options.get("style", "auto"), options.get("dout"))
    with sentence_for_stubs():
        problem = Problem(func, grad, args, argnames, style, 10**9)
        include_others(problem)
        dout = problem.dout_vector(options.get("dout"), np.random.default_rng(0))
        problem.gradients(problem.values, dout)

    def passes(candidate: Gradient) -> bool:
        if test is None:
            given = {**options, "style": problem.style}
            return check_gradients(func, candidate, args, **given).verdict == PASS
        try:
            return test(candidate) is not False
        except AssertionError:
            return False

    if not passes(grad):
        raise ValueError(
            "the test must pass on grad as it is before bugs are planted; run check_gradients first"
        )
    report = PowerReport()
    for label, wrong in wrong_gradients(problem, grad, options.get("dout")):
        if wrong is None:
            report.same.append(label)
        elif passes(wrong):
            report.missed.append(label)
        else:
            report.caught.append(label)
    return report


def wrong_gradients(
    problem: Problem, grad: Gradient, given_dout: Tree
) -> Iterator[tuple[str, Gradient | None]]:
    """(label, grad with this bug); None instead where the bug changes nothing but roundings."""
    dout = problem.dout_vector(given_dout, np.random.default_rng(0))
    right = problem.gradients(problem.values, dout)
    is_coarse = any(v.dtype != np.float64 for v in problem.values)
    rounding = measure_gradient_noise(problem, dout, np.random.default_rng(0), is_coarse)
    for i, name in enumerate(problem.names):
        if right[i] is None:
            continue
        g = np.asarray(right[i])
        equal = rounding_of(g, rounding[i])
        for bug, change in bugs(g, problem.values[i], batch_size(problem)):
            is_same = max_abs(change(g) - g) <= equal
            yield f"{name}: {bug}", None if is_same else with_bug(problem, grad, i, change)
    if problem.style != "loss":
        yield "all: dout is ignored", ignoring_dout(grad)


def rounding_of(g: np.ndarray, noise: np.ndarray | None) -> float:
    """Up to which difference two gradients are equal: a transposed symmetric one, for instance."""
    eps = float(np.finfo(g.dtype).eps) if g.dtype.kind == "f" else 0.0
    measured = 0.0 if noise is None else 10 * float(rms(noise))
    return max(4 * eps * max_abs(g), measured) if np.isfinite(g).all() else 0.0


def batch_size(problem: Problem) -> int:
    """The length of the first axis of the output, or of the first argument."""
    shape = problem.out_shapes[0] or problem.values[0].shape
    return shape[0] if shape else 1


def bugs(g: np.ndarray, x: np.ndarray, batch: int) -> Iterator[tuple[str, Change]]:
    """(what is wrong, the change) of every bug that fits the gradient g by the argument x."""
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
        yield "one entry x 1.5", one_entry_larger
        yield "nothing where the argument is negative", partial(zero_where_negative, x=x)
        yield "clipped at half its maximum", clipped
    for axis in range(g.ndim):
        if g.shape[axis] > 1:
            for what, change in ALONG_AN_AXIS.items():
                yield what.format(axis), partial(change, axis=axis)
    if g.ndim == 2 and g.shape[0] == g.shape[1]:
        yield "transposed", lambda g: g.T
    if g.dtype == np.float64:
        yield "rounded to float16", lambda g: g.astype(np.float16).astype(np.float64)


def one_entry_larger(g: np.ndarray) -> np.ndarray:
    """The entry in the middle times 1.5."""
    g = np.array(g)
    g.flat[g.size // 2] *= 1.5
    return g


def zero_where_negative(g: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Zero where the argument is negative."""
    return np.where(x < 0, 0, g).astype(g.dtype)


def clipped(g: np.ndarray) -> np.ndarray:
    """Clipped at half of the largest absolute value."""
    limit = 0.5 * np.max(np.abs(g))
    return np.clip(g, -limit, limit)


def averaged(g: np.ndarray, axis: int) -> np.ndarray:
    """The mean along an axis instead of each entry."""
    return np.zeros_like(g) + g.mean(axis=axis, keepdims=True)


def zero_at(g: np.ndarray, axis: int, i: int) -> np.ndarray:
    """Zero at index i of an axis."""
    g = np.array(g)
    g[(slice(None),) * axis + (i,)] = 0
    return g


ALONG_AN_AXIS: dict[str, Callable[..., np.ndarray]] = {
    "flipped along axis {}": np.flip,
    "shifted along axis {}": partial(np.roll, shift=1),
    "index 0 of axis {} zero": partial(zero_at, i=0),
    "last index of axis {} zero": partial(zero_at, i=-1),
    "averaged over axis {}": averaged,
}


def with_bug(problem: Problem, grad: Gradient, leaf: int, change: Change) -> Gradient:
    """grad with its result changed at one leaf."""

    def wrong(*given: Any) -> tuple[Any, ...]:
        gradients = problem.match(grad(*given))
        gradients[leaf] = change(np.asarray(gradients[leaf]))
        return problem.nest_gradients(gradients)

    return wrong


def ignoring_dout(grad: Gradient) -> Gradient:
    """grad that takes dout for ones."""

    def wrong(dout: Any, *rest: Any) -> Tree:
        ones = [np.ones_like(leaf) for _, leaf in named_leaves(dout, "dout")]
        return grad(replace_leaves(dout, iter(ones)), *rest)

    return wrong
