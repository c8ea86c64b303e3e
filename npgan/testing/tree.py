"""Arguments as trees: any nesting of tuples, lists and dicts, whose float arrays are the leaves."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np


def leaves(tree: Any, name: str) -> list[tuple[str, Any]]:
    """[(name, leaf), ...] from left to right; a leaf of a dict is called params['W'], of a tuple pair[0]."""
    if isinstance(tree, dict):
        return [pair for key, value in tree.items() for pair in leaves(value, f"{name}[{key!r}]")]
    if isinstance(tree, (tuple, list)):
        return [pair for i, value in enumerate(tree) for pair in leaves(value, f"{name}[{i}]")]
    return [(name, tree)]


def rebuild(tree: Any, new: Iterator[Any]) -> Any:
    """The same nesting with the leaves replaced, from left to right, by those of `new`."""
    if isinstance(tree, dict):
        return {key: rebuild(value, new) for key, value in tree.items()}
    if isinstance(tree, tuple) and hasattr(tree, "_fields"):
        return type(tree)(*(rebuild(value, new) for value in tree))
    if isinstance(tree, (tuple, list)):
        return type(tree)(rebuild(value, new) for value in tree)
    return next(new)


def is_float(leaf: Any) -> bool:
    """Whether one can differentiate by it: a float, or an array of floats."""
    return isinstance(leaf, float) or (
        isinstance(leaf, (np.ndarray, np.generic)) and leaf.dtype.kind == "f"
    )


def pick(gradients: Any, arg: Any, name: str) -> list[Any]:
    """The gradients of one argument's leaves, None where none was returned; ValueError on another nesting."""
    if not isinstance(arg, (dict, tuple, list)):
        return [gradients]
    if gradients is None:
        return [None] * len(leaves(arg, name))
    if isinstance(arg, dict):
        if not isinstance(gradients, dict):
            raise ValueError(
                f"the gradient of {name} must be a dict like {name}, got {kind(gradients)}"
            )
        unknown = [key for key in gradients if key not in arg]
        if unknown:
            raise ValueError(f"the gradient of {name} has the keys {unknown}, which {name} has not")
        missing = [
            key
            for key in arg
            if key not in gradients and any(is_float(x) for _, x in leaves(arg[key], ""))
        ]
        if missing:
            raise ValueError(
                f"the gradient of {name} lacks the keys {missing}; return None for what is not to be checked"
            )
        return [g for key in arg for g in pick(gradients.get(key), arg[key], f"{name}[{key!r}]")]
    if not isinstance(gradients, (tuple, list)) or len(gradients) != len(arg):
        found = (
            f"{len(gradients)} items" if isinstance(gradients, (tuple, list)) else kind(gradients)
        )
        raise ValueError(
            f"the gradient of {name} must have {len(arg)} items like {name}, got {found}; "
            f"or make {name} an array"
        )
    return [g for i, a in enumerate(arg) for g in pick(gradients[i], a, f"{name}[{i}]")]


def typed(value: Any) -> str:
    return str(value.dtype) if isinstance(value, (np.ndarray, np.generic)) else type(value).__name__


def kind(value: Any) -> str:
    """A value in a few words, for an error."""
    if isinstance(value, np.ndarray):
        return f"an array of shape {value.shape}"
    name = type(value).__name__
    return f"{'an' if name[0].lower() in 'aeiou' else 'a'} {name}"
