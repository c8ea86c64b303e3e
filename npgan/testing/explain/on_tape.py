"""Func and backward run on tapes, at their own precision or a wider one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import update_wrapper
from typing import Any

import numpy as np

from ..problem.analytic import as_arrays
from ..problem.arrays import ignore_float_errors
from ..problem.problem import Problem
from ..problem.tree import named_leaves, replace_leaves
from .lifted import lifted
from .traced import Tape, Traced, Wide, plain_of


def gradients_on_tape(
    problem: Problem, values: Sequence[np.ndarray], dout: np.ndarray, tape: Tape
) -> list[np.ndarray | None]:
    """What backward says of all leaves, where all arrays that it is given are of the tape."""
    args = problem.call_args([v.copy() for v in values])
    given = args
    tape.is_wide = is_widened(problem.grad)
    with ignore_float_errors(), lifted(tape):
        if problem.style == "cache":
            problem.count_call()
            given = (problem.split_cache(problem.func(*args))[1],)
        on_tape = wrapped(given, tape)
        if problem.style != "loss":
            on_tape = (wrapped(problem.nest_dout(dout), tape), *on_tape)
        problem.count_call()
        assert problem.grad is not None
        returned = problem.grad(*on_tape)
    return as_arrays(problem, problem.match(stripped(returned)))[0]


def wrapped(tree: Any, tape: Tape) -> Any:
    """A nested object whose float arrays are of the tape."""
    leaves = [tape.wrap(v) if isinstance(v, np.ndarray) else v for _, v in named_leaves(tree, "")]
    return replace_leaves(tree, iter(leaves))


def stripped(tree: Any) -> Any:
    """A nested object of plain arrays."""
    leaves = [
        np.array(plain_of(v)) if isinstance(v, np.ndarray) else v for _, v in named_leaves(tree, "")
    ]
    return replace_leaves(tree, iter(leaves))


class Widened:
    """A function that computes in float64 although it casts what it is given to float32."""

    def __init__(self, function: Callable[..., Any]):
        self.function = function
        update_wrapper(self, function)

    def __call__(self, *args: Any) -> Any:
        """Casts to a narrower float are left out, where NumPy does them."""
        if any(isinstance(v, Traced) for _, v in named_leaves(args, "")):
            return self.function(*args)  # on a tape already
        tape = SilentTape()
        tape.is_wide = True
        with lifted(tape):
            returned = self.function(*wrapped(args, tape))
        return stripped(returned)


class SilentTape(Tape):
    """A tape that records nothing."""

    def run(
        self, name: str, call: Callable[[list[Any]], Any], operands: list[Any], key: Any = None
    ) -> Any:
        """Do an operation."""
        return self.wrap(call([plain_of(v) for v in operands]))


def is_widened(function: Any) -> bool:
    """Whether a function runs in float64 although it casts."""
    return isinstance(function, Widened)


def outputs_on_tape(
    problem: Problem, values: list[np.ndarray], leaf: int, tape: Tape | None
) -> np.ndarray:
    """All outputs, where the operations on one leaf are told to a tape."""
    if tape is None:
        return problem.outputs(values)
    slot = int(np.searchsorted(np.cumsum(problem.counts), leaf, side="right"))
    args = problem.call_args(values)
    leaves = [
        v
        for name, arg in zip(problem.argnames, args, strict=True)
        for _, v in named_leaves(arg, name)
    ]
    leaves[problem.slots[slot]] = tape.wrap(np.asarray(leaves[problem.slots[slot]]))
    problem.count_call()
    tape.is_wide = is_widened(problem.func)
    if tape.is_wide:
        leaves = [
            v.view(Wide) if type(v) is np.ndarray and v.dtype.kind == "f" else v for v in leaves
        ]
    with lifted(tape):
        result = problem.split_cache(problem.func(*problem.nest(leaves)))[0]
    return problem.output.as_vector(plain_of(result))
