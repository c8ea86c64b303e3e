"""Which arguments are differentiated by in any case, and which of them must have a gradient."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .leaves import holds_numbers, is_float, is_integer, refusal
from .tree import named_leaves, type_name

__tracebackhide__ = True  # pytest shows a failure at the user's line, not at ours


def differentiable_leaves(
    args: Sequence[Any], named: Sequence[tuple[str, Any]], has_gradient: bool
) -> tuple[list[int], list[int]]:
    """(arguments that must have a gradient, leaves that are checked in any case).

    These are the floats; where there are none, the complex numbers; where there are none either,
    the integers. Raises ValueError if nothing is a number.
    """

    def with_leaves(test: Any) -> list[int]:
        return [i for i, arg in enumerate(args) if any(test(a) for _, a in named_leaves(arg, ""))]

    if not has_gradient:
        slots = [i for i, (_, leaf) in enumerate(named) if holds_numbers(leaf)]
        if slots:
            return with_leaves(holds_numbers), slots
    for test in (is_float, holds_numbers):
        slots = [i for i, (_, leaf) in enumerate(named) if test(leaf)]
        if slots:
            return with_leaves(test), slots
    integers = [i for i in with_leaves(is_integer) if not isinstance(args[i], int)]
    if integers and has_gradient:
        return integers, []
    found = ", ".join(f"{name} ({type_name(leaf)})" for name, leaf in named) or "nothing"
    message = f"args must have a float or an array of floats to differentiate by, got {found}"
    advice = [refusal(leaf, name) for name, leaf in named if not is_integer(leaf)]
    raise ValueError("; ".join([message, *advice[:1]]))
