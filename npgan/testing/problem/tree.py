"""Arguments as trees: any nesting of tuples, lists and dicts, whose arrays are the leaves."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from .types import Tree


def named_leaves(tree: Tree, name: str) -> list[tuple[str, Any]]:
    """[(name, leaf), ...] from left to right; names read as in Python: params['W'], pair[0]."""
    if isinstance(tree, dict):
        return [
            pair for key, value in tree.items() for pair in named_leaves(value, f"{name}[{key!r}]")
        ]
    if isinstance(tree, (tuple, list)):
        return [
            pair for i, value in enumerate(tree) for pair in named_leaves(value, f"{name}[{i}]")
        ]
    return [(name, tree)]


def replace_leaves(tree: Tree, new: Iterator[Any]) -> Any:
    """The same nesting with the leaves replaced, from left to right, by those of `new`."""
    if isinstance(tree, dict):
        return {key: replace_leaves(value, new) for key, value in tree.items()}
    if isinstance(tree, tuple) and hasattr(tree, "_fields"):
        return type(tree)(*(replace_leaves(value, new) for value in tree))
    if isinstance(tree, (tuple, list)):
        return type(tree)(replace_leaves(value, new) for value in tree)
    return next(new)


def is_float(leaf: object) -> bool:
    """Whether one can differentiate by it: a float, or an array of floats."""
    return isinstance(leaf, float) or (
        isinstance(leaf, (np.ndarray, np.generic)) and leaf.dtype.kind == "f"
    )


def gradients_like(arg: Tree, gradients: Any, name: str) -> list[Any]:
    """The gradients of one argument's leaves, None where none was returned.

    Raises ValueError where the gradients are nested in another way than the argument.
    """
    if not isinstance(arg, (dict, tuple, list)):
        return [gradients]
    if gradients is None:
        return [None] * len(named_leaves(arg, name))
    if isinstance(arg, dict):
        check_keys(arg, gradients, name)
        pairs = [(arg[key], gradients.get(key), f"{name}[{key!r}]") for key in arg]
    else:
        check_length(arg, gradients, name)
        pairs = [(a, gradients[i], f"{name}[{i}]") for i, a in enumerate(arg)]
    return [leaf for pair in pairs for leaf in gradients_like(*pair)]


def check_keys(arg: dict[Any, Any], gradients: object, name: str) -> None:
    """Raise ValueError unless gradients is a dict with every key of arg that holds floats."""
    if not isinstance(gradients, dict):
        raise ValueError(
            f"the gradient of {name} must be a dict like {name}, got {describe(gradients)}"
        )
    unknown = [key for key in gradients if key not in arg]
    if unknown:
        raise ValueError(f"the gradient of {name} has the keys {unknown}, which {name} has not")
    missing = [
        key
        for key in arg
        if key not in gradients and any(is_float(leaf) for _, leaf in named_leaves(arg[key], ""))
    ]
    if missing:
        raise ValueError(
            f"the gradient of {name} lacks the keys {missing}; "
            "return None for what is not to be checked"
        )


def check_length(arg: tuple[Any, ...] | list[Any], gradients: object, name: str) -> None:
    """Raise ValueError unless gradients is a tuple or list as long as arg."""
    found = (
        f"{len(gradients)} items" if isinstance(gradients, (tuple, list)) else describe(gradients)
    )
    if not isinstance(gradients, (tuple, list)) or len(gradients) != len(arg):
        raise ValueError(
            f"the gradient of {name} must have {len(arg)} items like {name}, got {found}; "
            f"or make {name} an array"
        )


def type_name(value: object) -> str:
    """The dtype of an array, else the type, for an error message."""
    return str(value.dtype) if isinstance(value, (np.ndarray, np.generic)) else type(value).__name__


def describe(value: object) -> str:
    """A value in a few words, for an error message."""
    if isinstance(value, np.ndarray):
        return f"an array of shape {value.shape}"
    name = type(value).__name__
    return f"{'an' if name[0].lower() in 'aeiou' else 'a'} {name}"
