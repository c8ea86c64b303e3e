"""Calls that fit no style: which sentence says what to write instead."""

from __future__ import annotations

import traceback
from collections.abc import ItemsView, Iterator, KeysView, ValuesView
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from .errors import StyleError
from .styles import (
    CACHE_NAMES,
    DOUT_PREFIXES,
    accepts,
    is_called_alike,
    is_output_with_cache,
    is_scalar,
    parameters,
    required_keywords,
    takes_dout,
)
from .tree import an, named_leaves
from .types import Function, Gradient, Tree

__tracebackhide__ = True  # pytest shows a failure at the user's line, not at ours
ON_SELF = (
    "grad takes dout alone, so its cache must be on self. Write a function that calls forward "
    "first: def backward(dout, *args): layer.forward(*args); return layer.backward(dout)"
)


def wrapped_arguments(func: Function, args: Tree) -> tuple[Any, ...]:
    """The arguments as a tuple; raise TypeError where func does not take so many."""
    if names := required_keywords(func):
        raise TypeError(
            f"func must be given {', '.join(names)} by name; write functools.partial(func, "
            f"{', '.join(f'{name}=...' for name in names)}), and so for grad"
        )
    if isinstance(args, dict) and not accepts(func, 1):
        keys = ", ".join(f"args[{key!r}]" for key in args)
        raise TypeError(
            f"args is a dict, which is one argument, and func does not take 1 argument; "
            f"pass a tuple in the order of func's parameters: ({keys})"
        )
    if isinstance(args, (Iterator, KeysView, ValuesView, ItemsView, AbstractSet)):
        raise TypeError(
            f"args is {an(type(args).__name__)}; pass a tuple with one item per argument of func"
        )
    if not isinstance(args, (tuple, list)):
        return (args,)
    n = len(args)
    if accepts(func, n):
        return tuple(args)
    if hasattr(args, "_fields") and accepts(func, 1):
        return (args,)  # a namedtuple that is one argument
    raise TypeError(
        f"args has {n} item{'s' * (n != 1)}, and func does not take {n} argument{'s' * (n != 1)}; "
        "args is a tuple with one item per argument of func: (x,) for one, and np.array(args) "
        "where a list of numbers is meant as one array"
    )


def refuse_misuse(
    result: Any, func: Function, grad: Gradient | None, args: tuple[Any, ...]
) -> None:
    """Raise StyleError where func and grad are written in a way that is known, but not checked."""
    if grad is None:
        return
    n, wants_dout = len(args), takes_dout(grad, func)
    refuse_misplaced_cache(result, func, grad, args)
    if not wants_dout and accepts(grad, n) and is_value_and_gradient(result, func, grad, args):
        raise StyleError(
            "func returned (loss, gradient). Pass each by itself: "
            "check_gradients(lambda *a: func(*a)[0], lambda *a: func(*a)[1], args)"
        )
    if isinstance(result, (tuple, list)) and len(result) > 1:
        k = len(result)
        if accepts(grad, n + k) and not accepts(grad, n + 1) and not accepts(grad, 2):
            raise StyleError(
                f"func returned {k} outputs, and grad takes {k} douts; the outputs have one dout, "
                "nested like them. Write lambda dout, *args: grad(*dout, *args)"
            )
    if not wants_dout and not accepts(grad, n) and (advice := dout_elsewhere(func, grad)):
        raise StyleError(advice)
    if names := required_keywords(grad):
        given = ", ".join(f"{name}=..." for name in names)
        raise StyleError(
            f"grad must be given {', '.join(names)} by name; write functools.partial(grad, {given})"
        )
    is_alone = wants_dout and accepts(grad, 1) and not accepts(grad, n + 1)
    has_cache = isinstance(result, tuple) and accepts(grad, 2)
    if is_alone and not has_cache and parameters(func) and not is_vague(grad, n):
        raise StyleError(ON_SELF)


def refuse_misplaced_cache(
    result: Any, func: Function, grad: Gradient, args: tuple[Any, ...]
) -> None:
    """Raise StyleError for a list [out, cache], and for a grad that takes the cache first."""
    names = [parameter.name.lower() for parameter in parameters(grad)]
    if len(names) == 2 and names[0].startswith(CACHE_NAMES) and names[1].startswith(DOUT_PREFIXES):
        raise StyleError(
            "grad takes the cache first, and dout is given first. "
            "Write lambda dout, cache: grad(cache, dout)"
        )
    is_named = len(names) == 2 and names[1].startswith(CACHE_NAMES)
    if (
        isinstance(result, list)
        and is_output_with_cache(tuple(result), func, grad, args)
        and (is_named or not accepts(grad, len(args) + 1))
    ):
        raise StyleError("func returned a list [out, cache]; return a tuple: return out, cache")


def dout_elsewhere(func: Function, grad: Gradient) -> str:
    """What to write where a parameter of grad other than the first is called dout; else ""."""
    own = {parameter.name for parameter in parameters(func)}
    for i, parameter in enumerate(parameters(grad)):
        name = parameter.name
        if name in own or not name.lower().startswith(DOUT_PREFIXES):
            continue
        if parameter.kind is parameter.KEYWORD_ONLY:
            call = f"grad(*args, {name}={name})"
        else:
            call = f"grad({'*args' if i > 1 else parameters(grad)[0].name}, {name})"
        given = "*args" if "*args" in call else parameters(grad)[0].name
        return (
            f"grad takes {name} behind other arguments, and it is given first. "
            f"Write lambda {name}, {given}: {call}"
        )
    return ""


def is_vague(grad: Gradient, n: int) -> bool:
    """Whether grad's only parameter may be the argument as well as a dout."""
    return n == 1 and parameters(grad)[0].name in ("d", "g", "delta")


def is_value_and_gradient(
    result: Any, func: Function, grad: Gradient, args: tuple[Any, ...]
) -> bool:
    """Whether func returned a number with arrays like its arguments, which are no cache."""
    if not isinstance(result, (tuple, list)) or len(result) < 2 or not is_scalar(result[0]):
        return False
    same_names = is_called_alike(grad, func)
    if accepts(grad, 2) and len(result) == 2 and not same_names:
        return False  # backward(dout, cache)
    rest = result[1] if len(result) == 2 else result[1:]
    found = [leaf for _, leaf in named_leaves(rest, "")]
    given = [leaf for arg in args for _, leaf in named_leaves(arg, "")]
    if same_names and len(args) > 1 and len(result) == 2 and len(found) == len(given):
        return True
    if len(found) != len(given) or any(
        np.shape(f) != np.shape(g) for f, g in zip(found, given, strict=True)
    ):
        return False
    return not all(np.array_equal(f, g) for f, g in zip(found, given, strict=True))


def advice_on_error(error: Exception, out: Tree, style: str, other_style: str) -> str:
    """What is likely to be the cause where the first call of grad raises; "" if nothing is."""
    what = f"grad raised {type(error).__name__}: {error}."
    if isinstance(out, list) and all(isinstance(n, (float, int)) for _, n in named_leaves(out, "")):
        return (
            f"{what} func returned a list of numbers, and so dout is a list, too; return an array"
        )
    if other_style and is_scalar(out):
        calls = {"loss": "grad(*args)", "dout": "grad(dout, *args)"}
        return (
            f"{what} It was called as {calls[style]} ({place_of(error)}); if it is to be called "
            f'as {calls[other_style]}, pass style="{other_style}"'
        )
    if other_style:
        meaning = {"cache": "(out, cache)", "dout": "two outputs"}
        return (
            f"{what} func returned a pair, which was taken for {meaning[style]}; "
            f'if it is {meaning[other_style]}, pass style="{other_style}"'
        )
    if isinstance(out, tuple) and len(out) > 2 and style == "dout":
        return (
            f"{what} func returned {len(out)} outputs, and so dout is a tuple of {len(out)} "
            f"({place_of(error)}). If only the first is the output, return (out, cache) with the "
            "others in cache, and write grad(dout, cache)"
        )
    return ""


def place_of(error: BaseException) -> str:
    """In which file and line it was raised."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{Path(frame.filename).name}, line {frame.lineno}"


@contextmanager
def sentence_for_stubs() -> Iterator[None]:
    """NotImplementedError of func or grad as a ValueError that says that it is not written yet."""
    try:
        yield
    except NotImplementedError as error:
        raise ValueError(not_written(error)) from None


def not_written(error: NotImplementedError) -> str:
    """That a function is a stub, and where it stands."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    text = f": {error}" if str(error) else ""
    what = f"it raises NotImplementedError{text} ({place_of(error)})"
    name = "the function" if frame.name == "<lambda>" else frame.name
    if "site-packages" in frame.filename:
        return f"a function that func or grad calls is not written for this case: {what}"
    return f"{name} is not written yet: {what}"
