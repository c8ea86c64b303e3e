"""numerical_gradient: the measured gradient itself, with its error bounds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from .check import make_dout
from .judge import Elements
from .options import check_choice, check_whole
from .places import Places, Settings
from .precision import widen
from .preconditions import Ground
from .streams import DOUT
from .styles import BudgetError, Problem
from .tree import rebuild

__tracebackhide__ = True  # pytest shows a failure at the user's line, not at ours


class Numerical(NamedTuple):
    """Measured gradients and the largest errors they may have, both nested like the arguments.

    None stands where an argument is no float. Where no slope could be measured (max_evals ran out, or func
    returns NaN) the value is nan and its bound infinite.
    """

    gradients: Any
    bounds: Any


def numerical_gradient(
    func: Callable,
    args: Any,
    *,
    dout: Any = None,
    style: str = "auto",
    method: str = "auto",
    seed: int = 0,
    max_evals: int = 20_000,
) -> Numerical:
    """The gradient of Σ dout func(*args) by every float argument, entry by entry, with error bounds.

    A scalar func needs no dout; else dout is an array like the output (None: ones). At a kink the value
    is the mean of the one-sided slopes, and the bound reaches to both.
    One array as args: its gradient comes bare, not in a tuple.  Ridders 1982; Squire & Trapp 1998.
    """
    check_choice("method", method, ("auto", "complex", "differences"))
    check_whole("max_evals", max_evals, 1)
    check_whole("seed", seed, 0)
    native = Problem(func, None, args, None, style, max_evals)
    zeros: list[np.ndarray | None] = [np.zeros(v.shape) for v in native.values]
    ground = Ground(zeros, list(zeros), [], [])  # compared with nothing, a slope is the gap to zero
    try:
        problem, noise, _ = widen(native, seed)
        flat = make_dout(native, 1.0 if dout is None else dout, seed, DOUT)
        places = Places(
            native, problem, flat, noise, ground, Settings(0.0, 0.0, method, "stay"), seed
        )
        places.place(0)
    except BudgetError:
        raise ValueError(f"max_evals={max_evals} is used up before any slope; allow more") from None
    judged = [Elements(places, leaf, name).run() for leaf, name in enumerate(problem.names)]
    value: list[Any] = [None] * len(problem.fixed)
    bound: list[Any] = [None] * len(problem.fixed)
    for slot, found in zip(problem.slots, judged, strict=True):
        value[slot], bound[slot] = found.numeric, found.bound
    new_value, new_bound = iter(value), iter(bound)
    values = tuple(rebuild(arg, new_value) for arg in problem.args)
    bounds = tuple(rebuild(arg, new_bound) for arg in problem.args)
    if isinstance(args, (tuple, list)):
        return Numerical(values, bounds)
    return Numerical(values[0], bounds[0])
