"""Which returned gradient belongs to which argument.

Gradients come in the order of the arguments: a tuple or list, a dict by name, or the bare array
where there is one. None says that an argument is not to be differentiated; one that is left out is
a fault.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from .errors import StyleError
from .tree import describe, gradients_like

__tracebackhide__ = True  # pytest shows a failure at the user's line, not at ours


def match_gradients(
    returned: object, args: Sequence[Any], argnames: Sequence[str], required: Sequence[int]
) -> list[Any]:
    """One gradient per leaf of all arguments, in order; None where there is none.

    required: the arguments that must have a gradient.
    """
    if returned is NotImplemented or returned is ...:
        raise StyleError(f"backward is not written yet: it returned {returned}")
    if isinstance(returned, Iterator):  # a generator, map or zip
        returned = tuple(returned)
    differentiable = list(required)
    single_dict = len(differentiable) == 1 and isinstance(args[differentiable[0]], dict)
    names = getattr(returned, "_fields", ())
    if names and not single_dict and all(is_name(key, argnames) for key in names):
        returned = returned._asdict()  # type: ignore[attr-defined]
    if isinstance(returned, dict) and not single_dict:
        per_argument = by_name(returned, differentiable, argnames)
    else:
        per_argument = by_position(returned, differentiable, args, argnames)
    try:
        return [
            leaf
            for name, arg, gradient in zip(argnames, args, per_argument, strict=True)
            for leaf in gradients_like(arg, gradient, name)
        ]
    except ValueError as error:
        raise StyleError(str(error)) from None


def is_name(key: object, argnames: Sequence[str]) -> bool:
    """Whether a key says x, dx or d_x for one of the arguments."""
    return any(key in (name, f"d{name}", f"d_{name}") for name in argnames)


def by_name(
    returned: dict[Any, Any], differentiable: Sequence[int], argnames: Sequence[str]
) -> list[Any]:
    """The gradients per argument from a dict whose keys are x, dx or d_x."""
    per_argument: list[Any] = [None] * len(argnames)
    missing = set(differentiable)
    for key, gradient in returned.items():
        known = [i for i, name in enumerate(argnames) if is_name(key, [name])]
        if not known:
            raise StyleError(
                f"backward returned a gradient {key!r}; the arguments are {list(argnames)}"
            )
        per_argument[known[0]] = gradient
        missing.discard(known[0])
    if missing:
        names = ", ".join(argnames[i] for i in sorted(missing))
        raise StyleError(
            f"backward returned no gradient for {names}; return None for what is not to be checked"
        )
    return per_argument


def by_position(
    returned: object, differentiable: Sequence[int], args: Sequence[Any], argnames: Sequence[str]
) -> list[Any]:
    """The gradients per argument from a tuple or list, or from the only gradient by itself."""
    per_argument: list[Any] = [None] * len(args)
    names = ", ".join(argnames[i] for i in differentiable)
    if len(differentiable) == 1 and not is_wrapped(returned, differentiable[0], args):
        per_argument[differentiable[0]] = returned
    elif isinstance(returned, (tuple, list)):
        if len(returned) == len(args):
            return list(returned)
        if len(returned) != len(differentiable):
            others = [i for i, arg in enumerate(args) if i in differentiable or is_array_like(arg)]
            if len(returned) != len(others):
                raise StyleError(wrong_number(returned, args, names, len(differentiable)))
            differentiable = others
        for i, gradient in zip(differentiable, returned, strict=True):
            per_argument[i] = gradient
    elif returned is not None:
        raise StyleError(
            f"backward returned {describe(returned)} for {len(differentiable)} float arguments "
            f"({names}); return a gradient each, or None"
        )
    return per_argument


def is_array_like(arg: object) -> bool:
    """Whether one might return a gradient of it although it is no float."""
    return (hasattr(arg, "__array__") and np.ndim(arg) > 0) or isinstance(arg, complex)


def wrong_number(
    returned: tuple[Any, ...] | list[Any], args: Sequence[Any], names: str, n: int
) -> str:
    """The error of a tuple of gradients that is too short or too long."""
    found = (
        f"backward returned {len(returned)} gradients for {n} float argument{'s' * (n != 1)} "
        f"({names}); return one each, or None"
    )
    first = returned[0] if returned else None
    is_number = isinstance(first, (int, float, np.generic, np.ndarray)) and not np.ndim(first)
    if (
        is_number
        and len(returned) == 2
        and (n == 1 or isinstance(returned[1], (tuple, list, dict)))
    ):
        return f"{found}. If it is (loss, gradient), write lambda *args: grad(*args)[1]"
    return found


def is_wrapped(returned: object, i: int, args: Sequence[Any]) -> bool:
    """Whether the only gradient came inside a tuple or list, as (dx,) or (dx, None)."""
    if not isinstance(returned, (tuple, list)):
        return False
    arg = args[i]
    if (
        isinstance(returned, list)
        and isinstance(arg, np.ndarray)
        and has_shape(returned, arg.shape)
    ):
        return False
    if isinstance(arg, (tuple, list)):
        return len(returned) == len(args) and (
            len(returned) != len(arg) or isinstance(returned[i], (tuple, list))
        )
    return True


def has_shape(numbers: list[Any], shape: tuple[int, ...]) -> bool:
    """Whether a nested list of numbers has this shape."""
    try:
        return np.shape(numbers) == shape
    except ValueError:  # rows of several lengths
        return False
