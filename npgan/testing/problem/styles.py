"""The three ways to write a function and its gradient, told apart by their signatures and results.

loss     func(*args) -> scalar             grad(*args) -> gradients
dout     forward(*args) -> out             backward(dout, *args) -> gradients
cache    forward(*args) -> (out, cache)    backward(dout, cache) -> gradients
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from typing import Any

import numpy as np

from .errors import StyleError
from .tree import describe
from .types import Argnames, Function, Gradient, Tree

__tracebackhide__ = True  # pytest shows a failure at the user's line, not at ours

# The first parameter of a backward that takes a dout; names such as dout_2 and grad_output, too.
DOUT_NAMES = {"d", "g", "gy", "gz", "ct", "cotangent", "dl", "dloss", "d_loss", "delta"}
DOUT_PREFIXES: tuple[str, ...] = (
    "dout",
    "d_out",
    "dy",
    "dz",
    "d_y",
    "d_z",
    "gout",
    "g_out",
    "gradout",
    "grad_out",
)
DOUT_PREFIXES += ("output_grad", "out_grad", "upstream", "dl_d", "delta_")
CACHE_NAMES = ("cache", "ctx", "context", "saved", "mem", "tape", "resid", "res", "state", "store")

GIVEN_DOUT = "auto, with a dout"  # the style is to be guessed, and grad takes a dout
STYLES = {"loss": "loss", "dout": "dout", "cache": "cache", "a": "loss", "b": "dout", "c": "cache"}


def style_to_guess(style: str, dout: Tree) -> str:
    """The style that the user gave; GIVEN_DOUT for "auto" with a dout."""
    return GIVEN_DOUT if style == "auto" and dout is not None else style


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
    func = unwrapped(func)
    try:
        return list(inspect.signature(func).parameters.values())
    except (TypeError, ValueError):
        return []


def unwrapped(func: Callable[..., object]) -> Callable[..., object]:
    """The function in an np.vectorize, which itself takes any number of arguments."""
    return func.pyfunc if isinstance(func, np.vectorize) else func


def required_keywords(func: Callable[..., object]) -> list[str]:
    """The parameters that must be given by name."""
    return [p.name for p in parameters(func) if p.kind is p.KEYWORD_ONLY and p.default is p.empty]


def accepts(func: Callable[..., object], n: int) -> bool:
    """Whether func can be called with n positional arguments; True where it has no signature."""
    func = unwrapped(func)
    if isinstance(func, np.ufunc):  # one more argument would be the array to write into
        return n == func.nin
    try:
        inspect.signature(func).bind(*[None] * n)
    except TypeError:
        return False
    except ValueError:
        return True
    return True


def in_own_words(text: str, problem_style: str, grad: Gradient | None, names: list[str]) -> str:
    """A sentence about dout, with the name that it has in backward; names: of the arguments."""
    if problem_style == "loss" or grad is None or "dout" in names:
        return text
    first = parameters(grad)[:1]
    if not first or first[0].kind not in (first[0].POSITIONAL_ONLY, first[0].POSITIONAL_OR_KEYWORD):
        return text
    return re.sub(r"\bdout\b", first[0].name, text)


def takes_dout(grad: Gradient, func: Function) -> bool:
    """Whether grad's first parameter has the name of a dout, and is no argument of func."""
    names = [p.name for p in parameters(grad)]
    if not names or names[0] in {p.name for p in parameters(func)}:
        return False
    first = names[0].lower()
    return first in DOUT_NAMES or first.startswith(DOUT_PREFIXES)


def guess_style(
    result: Any, func: Function, grad: Gradient | None, args: tuple[Any, ...], has_dout: bool
) -> str:
    """The style, from what func returned, how many arguments grad takes, and how they are called.

    has_dout: the user gave a dout, so that grad takes one.
    """
    n = len(args)
    if grad is None:
        return "loss" if is_scalar(result) else "dout"
    wants_dout = has_dout or takes_dout(grad, func)
    if is_output_with_cache(result, func, grad, args):
        return "cache"
    if wants_dout and accepts(grad, n + 1):
        return "dout"
    if is_scalar(result) and accepts(grad, n):
        return "loss"
    if accepts(grad, n + 1):
        return "dout"
    if accepts(grad, n):
        return "loss"  # of more than one number, which Problem will refuse
    raise StyleError(
        f"grad fits no style: func(*args) returned {describe(result)} and grad does not take "
        f"{n} argument{'s' * (n != 1)} (*args), {n + 1} (dout, *args) "
        "or, with a cache, 2 (dout, cache). If it keeps its cache on self, write "
        "def backward(dout, *args): layer.forward(*args); return layer.backward(dout)"
    )


def is_output_with_cache(
    result: Any, func: Function, grad: Gradient, args: tuple[Any, ...]
) -> bool:
    """Whether func returned (out, cache): a pair, of which grad takes dout and the cache."""
    if not isinstance(result, tuple) or len(result) != 2 or not accepts(grad, 2):
        return False
    if fields := getattr(result, "_fields", ()):
        return bool(fields[1].lower().startswith(CACHE_NAMES))
    second = parameters(grad)[1:2]
    if len(args) == 2 and is_called_alike(grad, func):
        return False
    if second and second[0].kind is second[0].VAR_POSITIONAL:
        return second[0].name.lower().startswith(CACHE_NAMES)
    if len(args) != 1 or (second and second[0].name.lower().startswith(CACHE_NAMES)):
        return True
    same_names = [p.name for p in parameters(grad)[1:]] == [p.name for p in parameters(func)]
    return not same_names or np.array_equal(result[1], args[0])


def is_called_alike(grad: Gradient, func: Function) -> bool:
    """Whether the parameters of both have the same names, so that none of them is a dout."""
    return [p.name for p in parameters(grad)] == [p.name for p in parameters(func)]


def is_scalar(result: Any) -> bool:
    """Whether func returned one number."""
    return not isinstance(result, (tuple, list, dict)) and np.size(result) == 1


def style_not_tried(style: str, result: Any, grad: Gradient, n: int) -> str:
    """The other style in which grad can be called, where both would do; "" where one does."""
    if not is_scalar(result) or not (accepts(grad, n) and accepts(grad, n + 1)):
        return ""
    return {"loss": "dout", "dout": "loss"}.get(style, "")


def other_style(style: str, result: Any, grad: Gradient | None, args: tuple[Any, ...]) -> str:
    """The style of a pair that may be two outputs as well as (out, cache); "" where it is clear."""
    is_pair = isinstance(result, tuple) and len(result) == 2 and len(args) == 1
    if grad is None or not is_pair or not accepts(grad, 2):
        return ""
    return {"cache": "dout", "dout": "cache"}.get(style, "")
