"""A function with its gradient in one form, whatever the style it was written in: a `Problem`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from .errors import BudgetError, StyleError
from .returned import match_gradients
from .styles import STYLES, argument_names, guess_style
from .tree import describe, is_float, named_leaves, replace_leaves, type_name
from .types import Argnames, Function, Gradient, Tree

__tracebackhide__ = True  # pytest shows a failure at the user's line, not at ours


class Problem:
    """A function of float arrays with its gradient.

    The float arrays among the arguments, however nested, are its *leaves*: `values` holds them in
    order, `names` what they are called. outputs(values) is everything that the function returns as
    one vector; gradients(values, dout) is what backward returns, one array or None per leaf.
    """

    def __init__(
        self,
        func: Function,
        grad: Gradient | None,
        args: Tree,
        argnames: Argnames,
        style: str,
        max_evals: int,
    ):
        for name, given in (("func", func), ("grad", grad)):
            if not (callable(given) or (name == "grad" and given is None)):
                raise TypeError(f"{name} must be a function, got {describe(given)}")
        self.func, self.grad, self.max_evals, self.evals, self.style = func, grad, max_evals, 0, ""
        self.limit = max_evals  # of the calls; less for a while where they are shared out
        self.dout_changed = False  # whether backward wrote into its dout
        self.args = tuple(args) if isinstance(args, (tuple, list)) else (args,)
        self.is_nested = any(isinstance(arg, (tuple, list, dict)) for arg in self.args)
        self.argnames = argument_names(func, self.args, argnames)
        leaves = [
            pair
            for name, arg in zip(self.argnames, self.args, strict=True)
            for pair in named_leaves(arg, name)
        ]
        self.slots = [i for i, (_, leaf) in enumerate(leaves) if is_float(leaf)]
        self.names = [leaves[i][0] for i in self.slots]
        self.fixed = self.copy_fixed(leaves)
        self.values = [np.array(leaves[i][1]) for i in self.slots]
        if style != "auto" and style not in STYLES:
            raise ValueError(f'style is "auto", "loss", "dout" or "cache", got {style!r}')
        if not self.values:
            found = ", ".join(f"{name} ({type_name(leaf)})" for name, leaf in leaves) or "nothing"
            raise ValueError(
                f"args must have a float or an array of floats to differentiate by, got {found}"
            )
        self.count_call()
        result = func(*self.call_args([value.copy() for value in self.values]))
        # Copied again: func may have written into them, which check_function has yet to see.
        self.fixed = self.copy_fixed(leaves)
        self.style = (
            guess_style(result, func, grad, self.args) if style == "auto" else STYLES[style]
        )
        self.read_output(self.split_cache(result)[0])

    def copy_fixed(self, leaves: Sequence[tuple[str, Any]]) -> list[Any]:
        """All leaves; arrays that are not differentiated by are copied, to protect the user's."""
        slots = set(self.slots)
        return [
            np.array(leaf) if isinstance(leaf, np.ndarray) and i not in slots else leaf
            for i, (_, leaf) in enumerate(leaves)
        ]

    def read_output(self, out: Any) -> None:
        """Keep the output's nesting, shapes and dtypes; raise StyleError where it is not usable."""
        self.out = out
        outs = [np.asarray(leaf) for _, leaf in named_leaves(out, "out")]
        for leaf in outs:
            if leaf.dtype.kind not in "fiub":
                raise StyleError(
                    f"func must return real numbers, got {leaf.dtype} ({describe(leaf[()])})"
                )
        self.out_shapes = [leaf.shape for leaf in outs]
        self.out_dtypes = [
            leaf.dtype if leaf.dtype.kind == "f" else np.dtype(float) for leaf in outs
        ]
        self.out_size = sum(leaf.size for leaf in outs)
        if self.style == "loss" and self.out_size != 1:
            raise StyleError(
                "func(*args) must return a scalar where grad(*args) takes no dout; it returned "
                f"shape {outs[0].shape}. Reduce it to one number, or write backward(dout, *args), "
                "which calls forward first where the cache is on self"
            )

    # ---- calls of the function ----

    def count_call(self) -> None:
        """Count one call of func or grad; raise BudgetError where it is one too many."""
        if self.evals >= self.limit:
            raise BudgetError
        self.evals += 1

    def call_args(self, values: Sequence[np.ndarray]) -> tuple[Any, ...]:
        """The arguments for a call, with these values as float leaves."""
        leaves = list(self.fixed)
        for slot, value in zip(self.slots, values, strict=True):
            leaves[slot] = value if isinstance(leaves[slot], np.ndarray) else value[()]
        return self.nest(leaves)

    def nest(self, leaves: Sequence[Any]) -> tuple[Any, ...]:
        """One object per leaf, float or not, in the nesting of the arguments."""
        if not self.is_nested:
            return tuple(leaves)
        new = iter(leaves)
        return tuple(replace_leaves(arg, new) for arg in self.args)

    def call(self, values: Sequence[np.ndarray]) -> Any:
        """What func returns for these values."""
        self.count_call()
        return self.func(*self.call_args(values))

    def split_cache(self, result: Any) -> tuple[Any, Any]:
        """(out, cache) of what the function returned."""
        if self.style != "cache":
            return result, None
        if not isinstance(result, tuple) or len(result) != 2:
            raise StyleError(
                f"forward(*args) must return (out, cache) in this style, got {describe(result)}"
            )
        return result

    def outputs(self, values: Sequence[np.ndarray]) -> np.ndarray:
        """All outputs as one vector, float64 or (of complex values) complex128."""
        return self.as_vector(self.split_cache(self.call(values))[0])

    def as_vector(self, out: Tree) -> np.ndarray:
        """An output, or something nested like it, as one vector."""
        parts = [np.asarray(leaf) for _, leaf in named_leaves(out, "out")]
        if sum(part.size for part in parts) != self.out_size:
            raise StyleError(
                f"func returned {self.out_size} numbers, and then {sum(p.size for p in parts)}"
            )
        wide = np.complex128 if any(part.dtype.kind == "c" for part in parts) else np.float64
        if len(parts) == 1:
            return parts[0].reshape(-1).astype(wide, copy=True)
        return np.concatenate([part.reshape(-1) for part in parts]).astype(wide, copy=False)

    # ---- calls of the gradient ----

    def dout_vector(self, given: Any, rng: np.random.Generator) -> np.ndarray:
        """The dout to use, as a vector of numbers that the output's dtype holds.

        given: like the output, or one number for all of it; None draws one (a loss takes 1).
        """
        if given is not None:
            vector = self.read_dout(given)
        elif self.style == "loss":
            return np.ones(1)
        else:
            vector = rng.standard_normal(self.out_size)
        return self.as_vector(self.nest_dout(vector))

    def read_dout(self, given: Any) -> np.ndarray:
        """The user's dout as a vector; raise ValueError where it is not like the output."""
        if self.style == "loss" and self.grad is not None:
            raise ValueError(
                "dout must be None where grad(*args) takes none; or write backward(dout, *args)"
            )
        if isinstance(given, (int, float, np.number)):
            return np.full(self.out_size, float(given))
        if not isinstance(self.out, (tuple, list, dict)):
            given = np.asarray(given)
        wanted, found = (
            ", ".join(
                f"{name} of shape {np.shape(leaf)}" for name, leaf in named_leaves(tree, "dout")
            )
            for tree in (self.out, given)
        )
        if wanted != found:
            raise ValueError(f"expected {wanted}, like the output of func; got {found}")
        return self.as_vector(given)

    def nest_dout(self, dout: np.ndarray) -> Any:
        """A vector as what backward is given: nested, shaped and typed like the output."""
        parts, start = [], 0
        for shape, dtype in zip(self.out_shapes, self.out_dtypes, strict=True):
            size = int(np.prod(shape))
            part = dout[start : start + size].reshape(shape).astype(dtype)
            parts.append(part if shape else part[()])
            start += size
        return replace_leaves(self.out, iter(parts))

    def gradients(
        self,
        values: Sequence[np.ndarray],
        dout: np.ndarray,
        between: Sequence[np.ndarray] | None = None,
    ) -> list[Any]:
        """What backward returns, one entry per leaf, as it came.

        between: other values, at which the function is called after the forward pass and before the
        backward one. A gradient that changes then was made from a cache that forward overwrote.
        """
        if self.grad is None:
            raise TypeError("grad must be a function, got None")
        args = self.call_args(values)
        if self.style == "loss":
            given: tuple[Any, ...] = args
        elif self.style == "dout":
            given = (self.nest_dout(dout), *args)
        else:
            self.count_call()
            given = (self.nest_dout(dout), self.split_cache(self.func(*args))[1])
        if between is not None:
            self.call(between)
        dout_given = () if self.style == "loss" else given[0]
        before = [np.array(leaf) for _, leaf in named_leaves(dout_given, "dout")]
        self.count_call()
        returned = self.grad(*given)
        after = [leaf for _, leaf in named_leaves(dout_given, "dout")]
        self.dout_changed |= not all(map(np.array_equal, before, after))
        return self.match(returned)

    def match(self, returned: Tree) -> list[Any]:
        """The returned gradients, one per float leaf, None where there is none."""
        gradients = match_gradients(returned, self.args, self.argnames)
        return [gradients[slot] for slot in self.slots]

    # ---- the same problem in another form ----

    def nest_gradients(self, gradients: Sequence[Any]) -> tuple[Any, ...]:
        """One gradient per float leaf, in the nesting of the arguments; None at other leaves."""
        leaves: list[Any] = [None] * len(self.fixed)
        for slot, gradient in zip(self.slots, gradients, strict=True):
            leaves[slot] = gradient
        return self.nest(leaves)

    def cast(self, dtype: DTypeLike) -> Problem:
        """The same problem with all its float arguments in another dtype."""
        leaves = list(self.fixed)
        for slot, value in zip(self.slots, self.values, strict=True):
            leaves[slot] = value.astype(dtype)
        left = self.max_evals - self.evals
        return Problem(self.func, self.grad, self.nest(leaves), self.argnames, self.style, left)
