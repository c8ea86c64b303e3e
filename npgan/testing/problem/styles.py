"""The three ways to write a function and its gradient, told apart by their signatures and results.

loss     func(*args) -> scalar             grad(*args) -> gradients
dout     forward(*args) -> out             backward(dout, *args) -> gradients
cache    forward(*args) -> (out, cache)    backward(dout, cache) -> gradients
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from .errors import StyleError
from .tree import describe
from .types import Argnames, Function, Gradient

__tracebackhide__ = True  # pytest shows a failure at the user's line, not at ours

STYLES = {"loss": "loss", "dout": "dout", "cache": "cache", "a": "loss", "b": "dout", "c": "cache"}


def argument_names(func: Function, args: tuple[Any, ...], argnames: Argnames) -> list[str]:
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
        elif parameter.kind not in (parameter.KEYWORD_ONLY, parameter.VAR_KEYWORD):
            names.append(parameter.name)
    names += [f"args[{i}]" for i in range(len(names), len(args))]
    return names[: len(args)]


def parameters(func: Callable[..., object]) -> list[inspect.Parameter]:
    """The parameters of func; none where it has no signature, as some functions written in C."""
    try:
        return list(inspect.signature(func).parameters.values())
    except (TypeError, ValueError):
        return []


def accepts(func: Callable[..., object], n: int) -> bool:
    """Whether func can be called with n positional arguments; True where it has no signature."""
    try:
        inspect.signature(func).bind(*[None] * n)
    except TypeError:
        return False
    except ValueError:
        return True
    return True


def guess_style(result: Any, func: Function, grad: Gradient | None, args: tuple[Any, ...]) -> str:
    """The style, from what func returned and how many arguments grad takes."""
    n = len(args)
    if grad is None:
        return "loss" if np.size(result) == 1 else "dout"
    if isinstance(result, tuple) and len(result) == 2 and accepts(grad, 2):
        return "dout" if returns_two_outputs(result, func, grad, args) else "cache"
    if is_scalar(result) and accepts(grad, n) and not takes_scalar_dout(grad, n):
        return "loss"
    if accepts(grad, n + 1):
        return "dout"
    if accepts(grad, n):
        return "loss"  # of more than one number, which Problem will refuse
    raise StyleError(
        f"grad fits no style: func(*args) returned {describe(result)} and grad does not take "
        f"{n} argument{'s' * (n != 1)} (*args), {n + 1} (dout, *args) "
        "or, with a cache, 2 (dout, cache)"
    )


def is_scalar(result: Any) -> bool:
    """Whether func returned one number."""
    return not isinstance(result, (tuple, list, dict)) and np.size(result) == 1


def returns_two_outputs(
    result: tuple[Any, ...], func: Function, grad: Gradient, args: tuple[Any, ...]
) -> bool:
    """Whether f(x) -> (y, z) with b(dout, x) means two outputs, not an output with its cache."""
    same_names = [p.name for p in parameters(grad)[1:]] == [p.name for p in parameters(func)]
    return len(args) == 1 and same_names and not np.array_equal(result[1], args[0])


def takes_scalar_dout(grad: Gradient, n: int) -> bool:
    """Whether grad of a scalar function can take n + 1 arguments, the first named like a dout."""
    names = [p.name for p in parameters(grad)]
    if n == 1 or not accepts(grad, n + 1) or not names:
        return False
    return names[0] == "d" or names[0].startswith(("dout", "dy", "g"))
