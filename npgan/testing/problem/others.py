"""Arguments that are no floats: which of them are checked, because backward has a gradient of them.

Complex numbers are checked as they are, integers as floats. What cannot be differentiated by, and
has a gradient all the same, is unsupported: the verdict is then not PASS.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .arrays import close, ignore_float_errors
from .errors import BudgetError
from .foreign import to_array
from .leaves import (
    float_version,
    holds_numbers,
    is_integer,
    refusal,
)
from .problem import Problem
from .random_streams import Stream, generator
from .tree import type_name

__tracebackhide__ = True  # pytest shows a failure at the user's line, not at ours
FLOAT0 = np.dtype([("float0", np.void, 0)])  # JAX's gradient by an integer


def include_others(problem: Problem) -> None:
    """Differentiate also by the other leaves of which backward returns a gradient."""
    others = [i for i in range(len(problem.leaves)) if i not in problem.slots]
    if not others:
        return
    try:
        included = leaves_with_gradients(problem, others)
    except BudgetError:  # which the check itself will meet, too
        return
    if included:
        problem.args = problem.nest(problem.leaves)
        problem.select([*problem.slots, *included])
    problem.fixed = problem.copy_fixed()  # backward may have written into these


def leaves_with_gradients(problem: Problem, others: Sequence[int]) -> list[int]:
    """Those that can be checked, integers turned into floats; notes and refusals of the rest."""
    dout = problem.dout_vector(None, generator(0, Stream.DOUT))
    with ignore_float_errors():
        values = [value.copy() for value in problem.values]
        gradients = problem.all_gradients(values, dout)
    included: list[int] = []
    for i in others:
        leaf, gradient, name = problem.leaves[i], gradients[i], problem.leaf_names[i]
        if is_no_gradient(gradient):
            if not isinstance(leaf, (int, str, bytes, type(None))) and not callable(leaf):
                problem.notes.append(
                    f"{name} ({type_name(leaf)}) is not checked: "
                    "backward returned no gradient for it"
                )
        elif holds_numbers(leaf):
            included.append(i)
        elif is_integer(leaf):
            why = why_no_floats(problem, i, dout)
            if not why:
                problem.leaves[i] = float_version(leaf)
                included.append(i)
                problem.integers.append(name)
            elif is_zero(gradient):
                problem.notes.append(f"{name} ({type_name(leaf)}) is not checked: {why}")
            else:
                problem.unsupported[name] = f"{why}: pass floats, or return None for {name}"
        elif is_zero(gradient):
            problem.notes.append(f"{name} ({type_name(leaf)}) is not checked")
        else:
            problem.unsupported[name] = refusal(leaf, name)
    if problem.integers:
        names = ", ".join(problem.integers)
        problem.notes.append(f"checked as float64, for backward returns a gradient of it: {names}")
    return included


def is_no_gradient(gradient: Any) -> bool:
    """Whether it says that there is no gradient: None, or what JAX returns for an integer."""
    return gradient is None or getattr(gradient, "dtype", None) == FLOAT0


def is_zero(gradient: Any) -> bool:
    """Whether it consists of zeros."""
    found = to_array(gradient, "backward returned")
    return found.dtype.kind in "fiubc" and not found.any()


def why_no_floats(problem: Problem, i: int, dout: np.ndarray) -> str:
    """Why an integer leaf cannot be checked as floats; "" where it can."""
    name = problem.leaf_names[i]
    fixed = problem.fixed
    try:
        with ignore_float_errors():
            values = [value.copy() for value in problem.values]
            problem.fixed = problem.copy_fixed()
            outputs = problem.outputs(values)
            problem.fixed[i] = float_version(problem.leaves[i])
            if not close(problem.outputs(values), outputs, 1e-6):
                return f"func gives other results where {name} is floats"
            problem.all_gradients(values, dout)
    except BudgetError:
        raise
    except Exception as error:  # an index, a shape or a mask may be refused in any way
        return f"func or grad refuses floats for {name} ({type(error).__name__})"
    finally:
        problem.fixed = fixed
    return ""
