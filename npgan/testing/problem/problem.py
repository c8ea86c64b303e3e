"""A function with its gradient in one form, whatever the style it was written in: a `Problem`."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from .advice import advice_on_error, refuse_misuse, wrapped_arguments
from .choice import differentiable_leaves
from .errors import BudgetError, StyleError
from .leaves import join, join_gradient, part_names, split, split_gradient
from .output import Output
from .returned import match_gradients
from .styles import GIVEN_DOUT, STYLES, argument_names, guess_style, other_style, style_not_tried
from .tree import describe, named_leaves, replace_leaves
from .types import Argnames, Function, Gradient, Tree

__tracebackhide__ = True  # pytest shows a failure at the user's line, not at ours


class Problem:
    """A function of float arrays with its gradient.

    The numbers among the arguments, however nested, are its *leaves*: `values` holds them in order
    as float arrays (two for a complex leaf), `names` what these are called. outputs(values) is
    everything that the function returns as one vector; gradients(values, dout) is what backward
    returns, one array or None per float array.
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
            if isinstance(given, type):
                kind = given.__name__
                raise TypeError(
                    f"{name} is the class {kind}; pass a method of an object, such as "
                    f"{kind}().{'forward' if name == 'func' else 'backward'}"
                )
        self.is_guessed = style in ("auto", GIVEN_DOUT)
        if not self.is_guessed and style not in STYLES:
            raise ValueError(f'style is "auto", "loss", "dout" or "cache", got {style!r}')
        self.func, self.grad, self.max_evals, self.evals, self.style = func, grad, max_evals, 0, ""
        self.limit = max_evals  # of the calls; less for a while where they are shared out
        self.dout_changed = False  # whether backward wrote into its dout
        self.other_style = ""  # which may be meant just as well
        self.has_gradients = False  # whether backward has returned once
        self.args = wrapped_arguments(func, args)
        self.is_nested = any(isinstance(arg, (tuple, list, dict)) for arg in self.args)
        self.argnames = argument_names(func, self.args, argnames)
        named = [
            pair
            for name, arg in zip(self.argnames, self.args, strict=True)
            for pair in named_leaves(arg, name)
        ]
        self.leaf_names, self.leaves = [name for name, _ in named], [leaf for _, leaf in named]
        self.notes: list[str] = []
        self.integers: list[str] = []  # leaves that were integers, and are checked as floats
        self.unsupported: dict[str, str] = {}  # leaves with a gradient that cannot be checked
        self.required, slots = differentiable_leaves(self.args, named, grad is not None)
        self.values: list[np.ndarray] = []
        self.select(slots)
        self.count_call()
        result = func(*self.call_args([value.copy() for value in self.values]))
        # Copied again: func may have written into them, which check_function has yet to see.
        self.fixed = self.copy_fixed()
        if self.is_guessed:
            refuse_misuse(result, func, grad, self.args)
            self.style = guess_style(result, func, grad, self.args, style == GIVEN_DOUT)
            self.other_style = other_style(self.style, result, grad, self.args)
        else:
            self.style = STYLES[style]
        self.output = Output(self.split_cache(result)[0], self.style == "loss")

    def select(self, slots: Sequence[int]) -> None:
        """Differentiate by the leaves at these slots, and by no other ones."""
        self.slots = sorted(slots)
        self.fixed = self.copy_fixed()
        self.is_plain = all(
            type(self.leaves[slot]) is np.ndarray and self.leaves[slot].dtype.kind == "f"
            for slot in self.slots
        )
        parts = [split(self.leaves[slot]) for slot in self.slots]
        self.values = [value for found in parts for value in found]
        self.counts = [len(found) for found in parts]  # of float arrays per slot
        self.names = [
            name
            for slot in self.slots
            for name in part_names(self.leaf_names[slot], self.leaves[slot])
        ]

    def copy_fixed(self) -> list[Any]:
        """All leaves; arrays that are not differentiated by are copied, to protect the user's."""
        slots = set(self.slots)
        return [
            np.array(leaf, subok=True) if isinstance(leaf, np.ndarray) and i not in slots else leaf
            for i, leaf in enumerate(self.leaves)
        ]

    @property
    def out_shapes(self) -> list[tuple[int, ...]]:
        """The shapes of the outputs."""
        return self.output.shapes

    @property
    def out_dtypes(self) -> list[np.dtype[Any]]:
        """The float dtypes of the outputs."""
        return self.output.dtypes

    @property
    def out_size(self) -> int:
        """How many numbers the function returns."""
        return self.output.size

    # ---- calls of the function ----

    def count_call(self) -> None:
        """Count one call of func or grad; raise BudgetError where it is one too many."""
        if self.evals >= self.limit:
            raise BudgetError
        self.evals += 1

    def call_args(self, values: Sequence[np.ndarray]) -> tuple[Any, ...]:
        """The arguments for a call, with these values as float leaves."""
        leaves, start = list(self.fixed), 0
        if self.is_plain:  # the usual case, thousands of times in one check
            for slot, value in zip(self.slots, values, strict=True):
                leaves[slot] = value
            return self.nest(leaves)
        for slot, count in zip(self.slots, self.counts, strict=True):
            leaves[slot] = join(self.leaves[slot], values[start : start + count])
            start += count
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
        """All outputs as one vector, float64 or (of complex arguments) complex128."""
        return self.output.as_vector(self.split_cache(self.call(values))[0])

    # ---- calls of the gradient ----

    def dout_vector(self, given: Any, rng: np.random.Generator) -> np.ndarray:
        """The dout to use, as a vector of numbers that the output's dtype holds.

        given: like the output, or one number for all of it; None draws one (a loss takes 1).
        """
        if given is not None:
            if self.style == "loss" and self.grad is not None:
                raise ValueError(
                    "dout must be None where grad(*args) takes none; or write backward(dout, *args)"
                )
            vector = self.output.read_dout(given)
        elif self.style == "loss":
            return np.ones(1)
        else:
            vector = rng.standard_normal(self.out_size)
        return self.output.as_vector(self.nest_dout(vector))

    def nest_dout(self, dout: np.ndarray) -> Any:
        """A vector as what backward is given: nested, shaped and typed like the output."""
        return self.output.nest(dout)

    def gradients(
        self,
        values: Sequence[np.ndarray],
        dout: np.ndarray,
        between: Sequence[np.ndarray] | None = None,
    ) -> list[Any]:
        """What backward returns, one entry per float array, as it came.

        between: other values, at which the function is called after the forward pass and before the
        backward one. A gradient that changes then was made from a cache that forward overwrote.
        """
        return self.of_slots(self.all_gradients(values, dout, between))

    def all_gradients(
        self,
        values: Sequence[np.ndarray],
        dout: np.ndarray,
        between: Sequence[np.ndarray] | None = None,
    ) -> list[Any]:
        """What backward returns, one entry per leaf, also for those that are no floats."""
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
        try:
            returned = self.grad(*given)
        except Exception as error:
            if self.has_gradients or isinstance(error, NotImplementedError):
                raise
            tree = self.output.tree
            if self.is_guessed and not self.other_style:
                n = len(self.args)
                self.other_style = style_not_tried(self.style, tree, self.grad, n)
            if advice := advice_on_error(error, tree, self.style, self.other_style):
                raise StyleError(advice) from error
            raise
        self.has_gradients = True
        after = [leaf for _, leaf in named_leaves(dout_given, "dout")]
        self.dout_changed |= not all(map(np.array_equal, before, after))
        return match_gradients(returned, self.args, self.argnames, self.required)

    def match(self, returned: Tree) -> list[Any]:
        """The returned gradients, one per float array, None where there is none."""
        return self.of_slots(match_gradients(returned, self.args, self.argnames, self.required))

    def of_slots(self, gradients: Sequence[Any]) -> list[Any]:
        """The gradients by the float arrays, of those by all leaves."""
        return [
            part
            for slot in self.slots
            for part in split_gradient(self.leaves[slot], gradients[slot])
        ]

    # ---- the same problem in another form ----

    def nest_gradients(self, gradients: Sequence[Any]) -> tuple[Any, ...]:
        """One gradient per leaf, in the nesting of the arguments; None at other leaves."""
        leaves: list[Any] = [None] * len(self.fixed)
        start = 0
        for slot, count in zip(self.slots, self.counts, strict=True):
            leaves[slot] = join_gradient(self.leaves[slot], gradients[start : start + count])
            start += count
        return self.nest(leaves)

    def cast(self, dtype: DTypeLike) -> Problem:
        """The same problem with all its float arguments in another dtype, and calls of its own."""
        other = copy.copy(self)
        other.values = [value.astype(dtype) for value in self.values]
        other.max_evals, other.evals = self.max_evals - self.evals, 0
        result = other.call([value.copy() for value in other.values])
        other.output = Output(other.split_cache(result)[0], self.style == "loss")
        return other
