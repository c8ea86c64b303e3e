"""Arguments as trees: any nesting of tuples, lists and dicts, whose arrays are the leaves."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import numpy as np

from .leaves import is_float
from .types import Tree


def named_leaves(tree: Tree, name: str) -> list[tuple[str, Any]]:
    """[(name, leaf), ...] from left to right; names as in Python: params['W'], pair[0], p.W."""
    if isinstance(tree, dict):
        return [
            pair for key, value in tree.items() for pair in named_leaves(value, f"{name}[{key!r}]")
        ]
    if isinstance(tree, (tuple, list)):
        return [
            pair
            for i, value in enumerate(tree)
            for pair in named_leaves(value, item_name(tree, i, name))
        ]
    return [(name, tree)]


def item_name(tree: tuple[Any, ...] | list[Any], i: int, name: str) -> str:
    """What an item of a tuple, list or namedtuple is called."""
    fields = getattr(tree, "_fields", None)
    return f"{name}.{fields[i]}" if fields else f"{name}[{i}]"


def replace_leaves(tree: Tree, new: Iterator[Any]) -> Any:
    """The same nesting with the leaves replaced, from left to right, by those of `new`.

    Subclasses stay what they are: an OrderedDict, a defaultdict, a namedtuple.
    """
    if isinstance(tree, dict):
        items = {key: replace_leaves(value, new) for key, value in tree.items()}
        if type(tree) is dict:
            return items
        found = copy.copy(tree)
        for key, value in items.items():
            found[key] = value
        return found
    if isinstance(tree, tuple) and hasattr(tree, "_fields"):
        return type(tree)(*(replace_leaves(value, new) for value in tree))
    if isinstance(tree, tuple):
        return type(tree)(replace_leaves(value, new) for value in tree)
    if isinstance(tree, list):
        values = [replace_leaves(value, new) for value in tree]
        if type(tree) is list:
            return values
        kept = copy.copy(tree)
        kept[:] = values
        return kept
    return next(new)


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
        pairs = [(a, gradients[i], item_name(arg, i, name)) for i, a in enumerate(arg)]
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
    """Raise ValueError unless gradients is a tuple, a list or an array as long as arg."""
    if isinstance(gradients, np.ndarray) and gradients.ndim:
        n: int | None = len(gradients)  # the gradient by a list of numbers may be an array
    else:
        n = len(gradients) if isinstance(gradients, (tuple, list)) else None
    if n != len(arg):
        found = describe(gradients) if n is None else f"{n} items"
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
    return an(type(value).__name__)


def an(name: str) -> str:
    """A name with its article."""
    return f"{'an' if name[0].lower() in 'aeiou' else 'a'} {name}"
