"""The second set of functions for the gradient checker: what a kind is, and how a bug is planted.

A kind is a function as people write it, its gradient by hand, arguments, and bugs. A bug is an edit
of the gradient's source text, so each one reads like the line of a diff.
"""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

# The causes that a bug may have, and the words of a hint that name each one.
CAUSES = {
    "sign": "the whole gradient, or a term of it, has the wrong sign",
    "factor": "a constant factor is missing or one too many, such as 2 or the batch size",
    "zero": "no gradient where there is one",
    "transpose": "a matrix is transposed, or a transposition is missing",
    "order": "the right numbers at the wrong indices: shifted, reversed, off by one",
    "swapped": "two gradients or two operands are swapped",
    "part": "only some entries, rows or regions are wrong",
    "local": "a local derivative is missing, wrong or one too many",
    "path": "the path through a mean, a variance, a norm or a softmax's sum is dropped",
    "term": "one term of a sum, or of the product rule, is dropped",
    "axis": "a sum over the wrong axis, or a broadcast argument summed wrongly",
    "repeat": "repeated or overlapping indices are assigned instead of added",
    "stride": "a wrong stride, dilation or padding",
    "recursion": "a recursion over time or layers is cut or starts wrongly",
    "stale": "a value of before is used where the new one belongs",
    "symmetry": "the gradient of a symmetric argument is not symmetrised",
    "dout": "the incoming gradient is not used, or only a part of it",
    "eps": "a small constant differs between function and gradient",
    "sum": "a sum where a mean belongs, or a mean for a sum",
}


class Edit(NamedTuple):
    """One bug: in the gradient's source, `old` becomes `new`; causes are words of CAUSES."""

    old: str
    new: str
    causes: tuple[str, ...]


class Kind(NamedTuple):
    """A function with its right gradient, its arguments and its bugs."""

    name: str
    func: Callable[..., Any]
    grad: Callable[..., Any]
    make: Callable[[Callable[..., np.ndarray]], tuple[Any, ...]]
    edits: tuple[Edit, ...]
    style: str
    oracle: str  # "autograd", "complex" or "extended": what its gradient is verified with
    without: tuple[str, ...]  # regimes that leave its domain
    precision: float  # of the right gradient itself, in units of its largest entry

    def args(self, seed: int = 0, dtype: Any = np.float64) -> tuple[Any, ...]:
        """The arguments; floats are rounded to the dtype, and computed with in it."""
        rng = np.random.default_rng([seed, *self.name.encode()])

        def draw(*shape: int, low: float | None = None, high: float = 1.0) -> np.ndarray:
            if low is None:
                return rng.standard_normal(shape)
            if isinstance(low, int) and isinstance(high, int):
                return rng.integers(low, high, shape)
            return rng.uniform(low, high, shape)

        return tuple(in_dtype(a, dtype) for a in self.make(draw))


def in_dtype(a: Any, dtype: Any) -> Any:
    """A float array in the dtype; anything else as it is."""
    return a.astype(dtype) if is_float(a) else a


def is_float(a: Any) -> bool:
    return isinstance(a, (np.ndarray, np.floating)) and np.issubdtype(a.dtype, np.floating)


def edit(old: str, new: str, causes: str) -> Edit:
    """An edit with its causes, separated by blanks."""
    words = tuple(causes.split())
    assert set(words) <= set(CAUSES), words
    return Edit(old, new, words)


def kind(
    name: str,
    func: Callable[..., Any],
    grad: Callable[..., Any],
    make: Callable[..., tuple[Any, ...]],
    *edits: Edit,
    style: str = "dout",
    oracle: str = "autograd",
    without: str = "",
    precision: float = 1e-14,
) -> Kind:
    """A kind; `without` names regimes, separated by commas."""
    return Kind(name, func, grad, make, edits, style, oracle, tuple(without.split(",")), precision)


def planted(function: Callable[..., Any], bug: Edit) -> Callable[..., Any]:
    """The gradient with the edit applied to its source."""
    source = textwrap.dedent(inspect.getsource(function))
    count = source.count(bug.old)
    if count != 1:
        raise ValueError(
            f"{function.__name__} has {bug.old!r} {count} times; an edit needs it once"
        )
    space = dict(function.__globals__)
    exec(compile(source.replace(bug.old, bug.new), f"<{function.__name__}, edited>", "exec"), space)
    return space[function.__name__]


def gradients(kind: Kind, grad: Callable[..., Any], dout: Any, args: tuple[Any, ...]) -> list[Any]:
    """What a gradient returns, as a list; a loss has no dout."""
    found = grad(*args) if kind.style == "loss" else grad(dout, *args)
    return list(found) if isinstance(found, (tuple, list)) else [found]


def dout_for(kind: Kind, args: tuple[Any, ...], seed: int = 0) -> Any:
    """Weights of the outputs, in the output's dtype."""
    out = np.asarray(kind.func(*args))
    if kind.style == "loss":
        return out.dtype.type(1)
    return np.random.default_rng([seed, 5]).standard_normal(out.shape).astype(out.dtype)[()]
