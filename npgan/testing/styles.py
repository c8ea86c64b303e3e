"""The ways to write a function and its gradient, brought to one form: a `Problem`.

    loss     func(*args) -> scalar             grad(*args) -> gradients
    dout     forward(*args) -> out             backward(dout, *args) -> gradients
    cache    forward(*args) -> (out, cache)    backward(dout, cache) -> gradients

Gradients come in the order of the arguments: a tuple or list, a dict by name, or the bare array where
there is one. None says that an argument is not to be differentiated; one that is just left out is a fault.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .tree import is_float, kind, leaves, pick, rebuild, typed

__tracebackhide__ = True  # pytest shows a failure at the user's line, not at ours
STYLES = {"loss": "loss", "dout": "dout", "cache": "cache", "a": "loss", "b": "dout", "c": "cache"}
OUTSIDE = (
    ValueError,
    ArithmeticError,
    AssertionError,
)  # how functions refuse a point out of their domain


class StyleError(ValueError):
    """func or grad does not return what its style promises."""


class BudgetError(Exception):
    """max_evals calls have been made."""


class Problem:
    """A function of float arrays with its gradient, whatever the style it was written in.

    values are the float leaves of the arguments, in order, and names what they are called.
    outputs(values) is everything that the function returns as one flat vector; gradients(values, dout)
    what the backward pass says, one array or None per leaf.
    """

    def __init__(
        self,
        func: Callable,
        grad: Callable | None,
        args: Any,
        argnames: Any,
        style: str,
        max_evals: int,
    ):
        for what, given in (("func", func), ("grad", grad)):
            if not (callable(given) or (what == "grad" and given is None)):
                raise TypeError(f"{what} must be a function, got {kind(given)}")
        self.func, self.grad, self.max_evals, self.evals, self.style = func, grad, max_evals, 0, ""
        self.dout_changed = False  # backward wrote into its dout
        self.args = tuple(args) if isinstance(args, (tuple, list)) else (args,)
        self.argnames = names_of(func, self.args, argnames)
        flat = [
            pair
            for name, arg in zip(self.argnames, self.args, strict=True)
            for pair in leaves(arg, name)
        ]
        self.slots = [i for i, (_, leaf) in enumerate(flat) if is_float(leaf)]
        self.names = [flat[i][0] for i in self.slots]
        self.fixed = self.leaves_but_values(flat)
        self.values = [np.array(flat[i][1]) for i in self.slots]
        if style != "auto" and style not in STYLES:
            raise ValueError(f'style is "auto", "loss", "dout" or "cache", got {style!r}')
        if not self.values:
            found = ", ".join(f"{name} ({typed(leaf)})" for name, leaf in flat) or "nothing"
            raise ValueError(
                f"args must have a float or an array of floats to differentiate by, got {found}"
            )
        self.count()
        result = func(*self.call_args([value.copy() for value in self.values]))
        self.fixed = self.leaves_but_values(
            flat
        )  # anew: func may have written into them, as is still to be seen
        self.style = (
            guess_style(result, func, grad, self.args) if style == "auto" else STYLES[style]
        )
        self.out = self.split(result)[0]
        outs = [np.asarray(leaf) for _, leaf in leaves(self.out, "out")]
        for leaf in outs:
            if leaf.dtype.kind not in "fiub":
                raise StyleError(
                    f"func must return real numbers, got {leaf.dtype} ({kind(leaf[()])})"
                )
        self.out_shapes = [leaf.shape for leaf in outs]
        self.out_dtypes = [
            leaf.dtype if leaf.dtype.kind == "f" else np.dtype(float) for leaf in outs
        ]
        self.out_size = sum(leaf.size for leaf in outs)
        if self.style == "loss" and self.out_size != 1:
            raise StyleError(
                f"func(*args) must return a scalar where grad(*args) takes no dout; it returned shape "
                f"{outs[0].shape}. Reduce it to one number, or write backward(dout, *args), which calls "
                "forward first where the cache is on self"
            )

    def leaves_but_values(self, flat: list[tuple[str, Any]]) -> list[Any]:
        """All leaves; labels and the like copied, so that the caller's stay as they are."""
        slots = set(self.slots)
        return [
            np.array(leaf) if isinstance(leaf, np.ndarray) and i not in slots else leaf
            for i, (_, leaf) in enumerate(flat)
        ]

    def call_args(self, values: Sequence[np.ndarray]) -> tuple:
        flat = list(self.fixed)
        for slot, value in zip(self.slots, values, strict=True):
            flat[slot] = value if isinstance(flat[slot], np.ndarray) else value[()]
        new = iter(flat)
        return tuple(rebuild(arg, new) for arg in self.args)

    def split(self, result: Any) -> tuple[Any, Any]:
        """(out, cache) of what the function returned."""
        if self.style != "cache":
            return result, None
        if not isinstance(result, tuple) or len(result) != 2:
            raise StyleError(
                f"forward(*args) must return (out, cache) in this style, got {kind(result)}"
            )
        return result

    def count(self) -> None:
        self.evals += 1
        if self.evals > self.max_evals:
            raise BudgetError

    def outputs(self, values: Sequence[np.ndarray]) -> np.ndarray:
        """All outputs as one flat vector, float64 or (of complex values) complex128."""
        return self.flat(self.split(self.call(values))[0])

    def call(self, values: Sequence[np.ndarray]) -> Any:
        self.count()
        return self.func(*self.call_args(values))

    def flat(self, out: Any) -> np.ndarray:
        parts = [np.asarray(leaf) for _, leaf in leaves(out, "out")]
        if sum(part.size for part in parts) != self.out_size:
            raise StyleError(
                f"func returned {self.out_size} numbers, and then {sum(p.size for p in parts)}"
            )
        wide = np.complex128 if any(part.dtype.kind == "c" for part in parts) else np.float64
        if len(parts) == 1:
            return parts[0].reshape(-1).astype(wide, copy=True)
        return np.concatenate([part.reshape(-1) for part in parts]).astype(wide, copy=False)

    def flat_dout(self, given: Any) -> np.ndarray:
        """A dout of the user's as a flat vector: like the output, or one number for all of it."""
        if self.style == "loss" and self.grad is not None:
            raise ValueError(
                "dout must be None where grad(*args) takes none; or write backward(dout, *args)"
            )
        if isinstance(given, (int, float, np.number)):
            return np.full(self.out_size, float(given))
        if not isinstance(self.out, (tuple, list, dict)):
            given = np.asarray(given)
        wanted, found = (
            ", ".join(f"{name} of shape {np.shape(leaf)}" for name, leaf in leaves(tree, "dout"))
            for tree in (self.out, given)
        )
        if wanted != found:
            raise ValueError(f"expected {wanted}, like the output of func; got {found}")
        return self.flat(given)

    def dout_tree(self, dout: np.ndarray) -> Any:
        """A flat vector as what backward is given: nested, shaped and typed like the output."""
        parts, start = [], 0
        for shape, dtype in zip(self.out_shapes, self.out_dtypes, strict=True):
            size = int(np.prod(shape))
            part = dout[start : start + size].reshape(shape).astype(dtype)
            parts.append(part if shape else part[()])
            start += size
        return rebuild(self.out, iter(parts))

    def gradients(
        self, values: Sequence[np.ndarray], dout: np.ndarray, between: Any = None
    ) -> list[Any]:
        """What backward returns, one entry per leaf, as it came.

        between: other values, at which the function is called after the forward pass and before the
        backward one. A gradient that changes then was made from a cache that forward overwrote.
        """
        if self.grad is None:
            raise TypeError("grad must be a function, got None")
        args = self.call_args(values)
        if self.style == "loss":
            given: tuple = args
        elif self.style == "dout":
            given = (self.dout_tree(dout), *args)
        else:
            self.count()
            given = (self.dout_tree(dout), self.split(self.func(*args))[1])
        if between is not None:
            self.call(between)
        before = (
            None
            if self.style == "loss"
            else [np.array(leaf) for _, leaf in leaves(given[0], "dout")]
        )
        self.count()
        returned = self.grad(*given)
        if before is not None:
            after = [leaf for _, leaf in leaves(given[0], "dout")]
            self.dout_changed |= not all(map(np.array_equal, before, after))
        return self.match(returned)

    def match(self, returned: Any) -> list[Any]:
        """The returned gradients, one per float leaf, None where there is none."""
        per_arg: list[Any] = [None] * len(self.args)
        floats = [
            i
            for i, arg in enumerate(self.args)
            if any(is_float(leaf) for _, leaf in leaves(arg, ""))
        ]
        if isinstance(returned, dict) and not (
            len(floats) == 1 and isinstance(self.args[floats[0]], dict)
        ):
            left = set(floats)
            for key, g in returned.items():
                known = [
                    i
                    for i, name in enumerate(self.argnames)
                    if key in (name, f"d{name}", f"d_{name}")
                ]
                if not known:
                    raise StyleError(
                        f"backward returned a gradient {key!r}; the arguments are {self.argnames}"
                    )
                per_arg[known[0]] = g
                left.discard(known[0])
            if left:
                missing = ", ".join(self.argnames[i] for i in sorted(left))
                raise StyleError(
                    f"backward returned no gradient for {missing}; return None for what is not to be checked"
                )
        elif len(floats) == 1 and not self.wrapped(returned, floats[0]):
            per_arg[floats[0]] = returned
        elif isinstance(returned, (tuple, list)):
            if len(returned) == len(self.args):
                per_arg = list(returned)
            elif len(returned) == len(floats):
                for i, g in zip(floats, returned, strict=True):
                    per_arg[i] = g
            else:
                raise StyleError(
                    f"backward returned {len(returned)} gradients for {len(floats)} float arguments "
                    f"({', '.join(self.argnames[i] for i in floats)}); return one each, or None"
                )
        elif returned is not None:
            raise StyleError(
                f"backward returned {kind(returned)} for {len(floats)} float arguments "
                f"({', '.join(self.argnames[i] for i in floats)}); return a gradient each, or None"
            )
        try:
            flat = [
                g
                for name, arg, mine in zip(self.argnames, self.args, per_arg, strict=True)
                for g in pick(mine, arg, name)
            ]
        except ValueError as error:
            raise StyleError(str(error)) from None
        return [flat[slot] for slot in self.slots]

    def nest(self, gradients: Sequence[Any]) -> tuple:
        """One gradient per float leaf, back in the nesting of the arguments; None at the others."""
        flat: list[Any] = [None] * len(self.fixed)
        for slot, g in zip(self.slots, gradients, strict=True):
            flat[slot] = g
        new = iter(flat)
        return tuple(rebuild(arg, new) for arg in self.args)

    def wrapped(self, returned: Any, i: int) -> bool:
        """Whether the only gradient came in a tuple of its own, (dx,) or (dx, None)."""
        if not isinstance(returned, (tuple, list)):
            return False
        if isinstance(self.args[i], (tuple, list)):
            inner = self.args[i]
            return len(returned) == len(self.args) and (
                len(returned) != len(inner) or isinstance(returned[i], (tuple, list))
            )
        return True

    def cast(self, dtype: Any) -> Problem:
        """The same problem with all its float arguments in another dtype."""
        values = [value.astype(dtype) for value in self.values]
        flat = list(self.fixed)
        for slot, value in zip(self.slots, values, strict=True):
            flat[slot] = value
        new = iter(flat)
        args = tuple(rebuild(arg, new) for arg in self.args)
        left = self.max_evals - self.evals
        return Problem(self.func, self.grad, args, self.argnames, self.style, left)


def names_of(func: Callable, args: tuple, argnames: Any) -> list[str]:
    """What the arguments are called: as the user says, else as func does."""
    if isinstance(argnames, str):
        argnames = (argnames,)
    if argnames is not None:
        if len(argnames) != len(args):
            raise ValueError(
                f"argnames has {len(argnames)} names for {len(args)} arguments: {tuple(argnames)}"
            )
        return [str(name) for name in argnames]
    names: list[str] = []
    for parameter in parameters(func):
        if parameter.kind is parameter.VAR_POSITIONAL:
            names += [f"{parameter.name}[{i}]" for i in range(len(args) - len(names))]
        elif (
            parameter.kind is not parameter.KEYWORD_ONLY
            and parameter.kind is not parameter.VAR_KEYWORD
        ):
            names.append(parameter.name)
    names += [f"args[{i}]" for i in range(len(names), len(args))]
    return names[: len(args)]


def parameters(func: Callable) -> list[inspect.Parameter]:
    try:
        return list(inspect.signature(func).parameters.values())
    except (TypeError, ValueError):  # some functions written in C have no signature
        return []


def accepts(func: Callable, n: int) -> bool:
    """Whether func can be called with n positional arguments; True where it does not say."""
    try:
        inspect.signature(func).bind(*[None] * n)
    except TypeError:
        return False
    except ValueError:
        return True
    return True


def guess_style(result: Any, func: Callable, grad: Callable | None, args: tuple) -> str:
    """The style, from what func returned and how many arguments grad takes."""
    n = len(args)
    if grad is None:
        return "loss" if np.size(result) == 1 else "dout"
    if isinstance(result, tuple) and len(result) == 2 and accepts(grad, 2):
        # f(x) -> (y, z) with b(dout, x) looks the same; but there x is the argument, and z is not.
        named = n == 1 and [p.name for p in parameters(grad)[1:]] == [
            p.name for p in parameters(func)
        ]
        return "dout" if named and not np.array_equal(result[1], args[0]) else "cache"
    scalar = not isinstance(result, (tuple, list, dict)) and np.size(result) == 1
    if scalar and accepts(grad, n):
        wanted = parameters(grad)
        if (
            n == 1
            or not accepts(grad, n + 1)
            or not wanted
            or not (wanted[0].name == "d" or wanted[0].name.startswith(("dout", "dy", "g")))
        ):
            return "loss"
    if accepts(grad, n + 1):
        return "dout"
    if accepts(grad, n):
        return "loss"  # with more than one number, which will be said
    raise StyleError(
        f"grad fits no style: func(*args) returned {kind(result)} and grad does not take "
        f"{n} argument{'s' * (n != 1)} (*args), {n + 1} (dout, *args) or, with a cache, 2 (dout, cache)"
    )
