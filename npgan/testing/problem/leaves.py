"""The leaves of the arguments: which are numbers, and how they become float arrays and back.

A leaf is split into one float array, a complex one into its real and its imaginary part. Joined
again, it has the type that the user passed: a subclass of ndarray keeps its class and attributes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np


def is_float(leaf: object) -> bool:
    """Whether one can differentiate by it: a float, or an array of floats."""
    return isinstance(leaf, float) or (
        isinstance(leaf, (np.ndarray, np.generic)) and leaf.dtype.kind == "f"
    )


def is_complex(leaf: object) -> bool:
    """Whether it is a complex number, or an array of them."""
    return isinstance(leaf, complex) or (
        isinstance(leaf, (np.ndarray, np.generic)) and leaf.dtype.kind == "c"
    )


def is_integer(leaf: object) -> bool:
    """Whether it is an integer or a bool, or an array of them."""
    return isinstance(leaf, int) or (
        isinstance(leaf, (np.ndarray, np.generic)) and leaf.dtype.kind in "iub"
    )


def is_object_array(leaf: object) -> bool:
    """Whether it is an array of Python objects, all of which are real numbers."""
    if not isinstance(leaf, np.ndarray) or leaf.dtype != object or not leaf.size:
        return False
    return all(is_float(n) or is_integer(n) for n in leaf.flat) and not any(
        isinstance(n, np.ndarray) for n in leaf.flat
    )


def holds_numbers(leaf: object) -> bool:
    """Whether it is split into float arrays as it is, without a cast."""
    return is_float(leaf) or is_complex(leaf) or is_object_array(leaf)


def part_names(name: str, leaf: object) -> list[str]:
    """What the float arrays of a leaf are called."""
    return [f"{name}.real", f"{name}.imag"] if is_complex(leaf) else [name]


def split(leaf: Any) -> list[np.ndarray]:
    """The float arrays of a leaf, copied."""
    if is_complex(leaf):
        z = np.array(leaf)
        return [z.real.copy(), z.imag.copy()]
    value = np.array(leaf, dtype=np.float64 if is_object_array(leaf) else None)
    if isinstance(leaf, np.ma.MaskedArray):
        value[np.ma.getmaskarray(leaf) & ~np.isfinite(value)] = 0  # no function may read it
    return [value]


def join(leaf: Any, parts: Sequence[np.ndarray]) -> Any:
    """These float arrays as a leaf like the given one; no part is copied where that is possible."""
    value = parts[0]
    if type(leaf) is np.ndarray and leaf.dtype.kind == "f":
        return value
    if is_complex(leaf):
        value = complex_of(*parts)
    if isinstance(leaf, np.ndarray):
        return value.astype(object) if leaf.dtype == object else like(leaf, value)
    if isinstance(leaf, float) and type(leaf) not in (float, np.float64):
        return type(leaf)(value[()])  # a float with a meaning; it refuses a complex step
    return value[()]


def complex_of(real: np.ndarray, imag: np.ndarray) -> np.ndarray:
    """real + i imag, in the complex dtype of this precision."""
    if real.dtype.kind == "c" or imag.dtype.kind == "c":
        raise TypeError("a part of a complex number is real")
    z = np.empty(real.shape, np.result_type(real.dtype, imag.dtype, np.complex64))
    z.real, z.imag = real, imag
    return z


def like(leaf: np.ndarray, value: np.ndarray) -> np.ndarray:
    """A view of value with the class of leaf, and its attributes: mask, unit, fill value."""
    kind = type(leaf)
    if kind is np.ndarray:
        return value
    new = value.view(kind)
    new.__array_finalize__(leaf)
    if kind.__array_finalize__ is np.ndarray.__array_finalize__:
        vars(new).update(vars(leaf))
    return new


def split_gradient(leaf: Any, gradient: Any) -> list[Any]:
    """The gradients by the float arrays of a leaf.

    A masked entry of a gradient is 0. The gradient by z = x + iy is dL/dx + i dL/dy.
    """
    if isinstance(gradient, np.ma.MaskedArray):
        gradient = gradient.filled(0)
    if not is_complex(leaf):
        return [gradient]
    if gradient is None or np.asarray(gradient).dtype.kind not in "cfiub":
        return [gradient, gradient]
    z = np.asarray(gradient)
    return [z.real, z.imag]


def join_gradient(leaf: Any, parts: Sequence[Any]) -> Any:
    """The gradient by a leaf from those by its float arrays; None where one is None."""
    if not is_complex(leaf):
        return parts[0]
    real, imag = parts
    return None if real is None or imag is None else complex_of(np.asarray(real), np.asarray(imag))


def float_version(leaf: Any) -> Any:
    """An integer or an array of integers as float64, in the same class."""
    if isinstance(leaf, np.ndarray):
        return leaf.astype(np.float64)
    return float(leaf)


def refusal(leaf: object, name: str) -> str:
    """What to write instead of a leaf that cannot be differentiated by."""
    module, kind = type(leaf).__module__.partition(".")[0], type(leaf).__name__
    if isinstance(leaf, np.ndarray):
        if leaf.dtype.names:
            return f"{name} is a structured array: pass a dict of its fields, such as {{k: a[k]}}"
        return f"{name} is an array of {leaf.dtype}: pass an array of floats, or a list of arrays"
    if module == "pandas":
        return f"{name} is a pandas {kind}: pass {name}.to_numpy()"
    if module == "torch":
        return f"{name} is a torch {kind}: pass {name}.detach().numpy(), and convert it in func"
    if hasattr(leaf, "__dataclass_fields__"):
        return f"{name} is a dataclass: pass a dict of its fields, vars({name})"
    if hasattr(leaf, "__array__"):
        return f"{name} is a {kind} of {module}: pass np.asarray({name})"
    return f"{name} is of type {kind}: pass floats, arrays of floats, or lists or dicts of these"
