"""Second set: the regimes in which a right gradient is checked.

A trial is a function, its gradient and arguments, with the gradient that is right to float64.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import wraps
from typing import Any, NamedTuple

import gradcheck_more_zero
import numpy as np
from gradcheck_more_kinds import Kind, dout_for, gradients, in_dtype, is_float
from gradcheck_more_oracles import KINDS


class Trial(NamedTuple):
    """One check to make."""

    kind: Kind  # its func and grad are those of the regime
    args: tuple[Any, ...]
    dout: Any
    exact: list[np.ndarray]  # the true gradients at these arguments


def scaled(kind: Kind, s: float) -> Kind:
    """The output times s."""

    @wraps(kind.func)
    def func(*args: Any) -> Any:
        return kind.func(*args) * s

    @wraps(kind.grad)
    def grad(*args: Any) -> Any:
        if kind.style == "loss":
            found = kind.grad(*args)
            return tuple(d * s for d in found) if isinstance(found, tuple) else found * s
        return kind.grad(args[0] * s, *args[1:])

    return kind._replace(func=func, grad=grad)


def raised(kind: Kind, by: float) -> Kind:
    """The output plus a large number."""

    @wraps(kind.func)
    def func(*args: Any) -> Any:
        return kind.func(*args) + by

    return kind._replace(func=func)


def locked(kind: Kind) -> Kind:
    """A function that casts its arguments to float32, whatever it is given."""

    @wraps(kind.func)
    def func(*args: Any) -> Any:
        return kind.func(*(in_dtype(np.asarray(a), np.float32) for a in args))

    @wraps(kind.grad)
    def grad(*args: Any) -> Any:
        return kind.grad(*(in_dtype(np.asarray(a), np.float32)[()] for a in args))

    return kind._replace(func=func, grad=grad)


def first_changed(change: Callable[[np.ndarray], np.ndarray]) -> Callable[..., Any]:
    """Arguments of which the first float one is changed."""

    def apply(args: tuple[Any, ...]) -> tuple[Any, ...]:
        k = next(i for i, a in enumerate(args) if is_float(a))
        return (*args[:k], change(args[k]), *args[k + 1 :])

    return apply


def without_first_row(x: np.ndarray) -> np.ndarray:
    x = x.copy()
    x[0] = 0
    return x


def same(anything: Any) -> Any:
    return anything


# name -> (change of the kind, change of the arguments, dtype)
REGIMES: dict[str, tuple[Callable[..., Any], Callable[..., Any], Any]] = {
    "normal": (same, same, np.float64),
    "float32": (same, same, np.float32),
    "float32 locked": (locked, same, np.float32),
    "inputs x 1e3": (same, first_changed(lambda x: x * 1e3), np.float64),
    "inputs x 1e-3": (same, first_changed(lambda x: x * 1e-3), np.float64),
    "zeros": (same, first_changed(without_first_row), np.float64),
    "ties": (same, first_changed(np.round), np.float64),
    "output + 1e6": (lambda kind: raised(kind, 1e6), same, np.float64),
    "loss x 1e6": (lambda kind: scaled(kind, 1e6), same, np.float64),
    "loss x 1e-6": (lambda kind: scaled(kind, 1e-6), same, np.float64),
}
# Arguments without effect are checked in these, all with dout and in the user's dtype.
OF_ZERO = ("normal", "float32", "float32 locked", "inputs x 1e-3", "output + 1e6", "loss x 1e-6")


def trials(regime: str, seed: int = 0) -> Iterator[Trial]:
    """A trial of every kind whose domain the regime does not leave."""
    for kind in KINDS:
        if regime not in kind.without:
            yield trial(kind, regime, seed)


def zero_trials(regime: str, seed: int = 0) -> Iterator[Trial]:
    """The same for the functions with an argument that has no effect."""
    for kind in gradcheck_more_zero.KINDS:
        made = trial(kind, regime, seed)
        size = max(float(np.max(np.abs(g))) for g in made.exact)
        exact = [g if np.max(np.abs(g)) > 1e-9 * size else np.zeros(g.shape) for g in made.exact]
        yield made._replace(exact=exact)


def trial(kind: Kind, regime: str, seed: int) -> Trial:
    """The kind in a regime. Its own gradient at float64 is the exact one (see the oracles' test)."""
    change, move, dtype = REGIMES[regime]
    args = move(kind.args(seed, dtype))
    changed = change(kind)
    dout = dout_for(changed, args, seed)
    wide = tuple(in_dtype(a, np.float64) for a in args)
    ideal = change(kind) if change is not locked else kind
    exact = [np.asarray(g) for g in gradients(ideal, ideal.grad, np.float64(dout), wide)]
    return Trial(changed, args, dout, exact)
