"""Errors that name the first number that is not finite."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np


class Fault(NamedTuple):
    """A number that is not finite, in one of several arrays of the same length.

    If such arrays are cut into parts, the first fault of the parts by `order` is that of the whole.
    """

    order: tuple[float, ...]
    words: str


def is_finite(value: np.ndarray | float) -> bool:
    """Whether a number is finite (in a tenth of NumPy's time), or all numbers of an array."""
    return math.isfinite(value) if isinstance(value, float) else bool(np.isfinite(value).all())


def check_finite(
    causes: Mapping[str, np.ndarray] | None = None, /, **named: np.ndarray | float
) -> None:
    """Raise FloatingPointError for the first of these that is not finite, by its name here.

    causes: large arrays that are looked at, and named before the others, only if one of these is
    not finite. (An infinite image gives finite logits where D has bounded layers like Tanh; then
    the optimiser names the gradient.)
    """
    if all(map(is_finite, named.values())):
        return
    for name, value in {**(causes or {}), **named}.items():
        if not is_finite(value):
            bad = np.asarray(value)[~np.isfinite(value)].flat[0]
            raise FloatingPointError(f"{name.replace('_', ' ')} became {bad}")


def name_at(net: Any, index: int) -> str:
    """Which parameter of a network theta[index] belongs to, with its position: "2.W[17, 4]"."""
    for name, p in net.named_parameters():
        if index < p.size:
            return f"{name}{[int(n) for n in np.unravel_index(index, p.shape)]}"
        index -= p.size
    raise IndexError("beyond the end of theta")


def find_fault(arrays: Mapping[str, np.ndarray], net: Any, start: int) -> Fault:
    """The first array that is not finite, or else the first, and its first NaN or its largest |x|.

    net: the network whose parameters the arrays belong to, or None. start: the index of the arrays'
    first element in the whole arrays.
    """
    names = list(arrays)
    bad = [not is_finite(array) for array in arrays.values()]
    place = bad.index(True) if any(bad) else 0
    array = arrays[names[place]]
    at = int(np.argmax(np.abs(array)))  # the first NaN if there is one
    number, index = float(array[at]), start + at
    kind = (0.0, 0.0) if np.isnan(number) else (1.0, -abs(number))
    where = f"[{index}]" if net is None else f"{type(net).__name__} {name_at(net, index)}"
    words = f"{names[place]} of {where} is {array[at]}"
    return Fault((not any(bad), place, *kind, index), words)
