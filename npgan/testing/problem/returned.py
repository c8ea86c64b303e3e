"""Which returned gradient belongs to which argument.

Gradients come in the order of the arguments: a tuple or list, a dict by name, or the bare array
where there is one. None says that an argument is not to be differentiated; one that is left out is
a fault.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .errors import StyleError
from .tree import describe, gradients_like, is_float, named_leaves

__tracebackhide__ = True  # pytest shows a failure at the user's line, not at ours


def match_gradients(returned: object, args: Sequence[Any], argnames: Sequence[str]) -> list[Any]:
    """One gradient per leaf of all arguments, in order; None where there is none."""
    differentiable = [
        i for i, arg in enumerate(args) if any(is_float(leaf) for _, leaf in named_leaves(arg, ""))
    ]
    single_dict = len(differentiable) == 1 and isinstance(args[differentiable[0]], dict)
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


def by_name(
    returned: dict[Any, Any], differentiable: Sequence[int], argnames: Sequence[str]
) -> list[Any]:
    """The gradients per argument from a dict whose keys are x, dx or d_x."""
    per_argument: list[Any] = [None] * len(argnames)
    missing = set(differentiable)
    for key, gradient in returned.items():
        known = [i for i, name in enumerate(argnames) if key in (name, f"d{name}", f"d_{name}")]
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
            raise StyleError(
                f"backward returned {len(returned)} gradients for {len(differentiable)} float "
                f"arguments ({names}); return one each, or None"
            )
        for i, gradient in zip(differentiable, returned, strict=True):
            per_argument[i] = gradient
    elif returned is not None:
        raise StyleError(
            f"backward returned {describe(returned)} for {len(differentiable)} float arguments "
            f"({names}); return a gradient each, or None"
        )
    return per_argument


def is_wrapped(returned: object, i: int, args: Sequence[Any]) -> bool:
    """Whether the only gradient came inside a tuple or list, as (dx,) or (dx, None)."""
    if not isinstance(returned, (tuple, list)):
        return False
    arg = args[i]
    if isinstance(arg, (tuple, list)):
        return len(returned) == len(args) and (
            len(returned) != len(arg) or isinstance(returned[i], (tuple, list))
        )
    return True
