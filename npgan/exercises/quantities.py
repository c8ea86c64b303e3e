"""What a student may have computed from the arguments: arrays, with how one would write them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import combinations

import numpy as np

Inputs = Mapping[str, np.ndarray]  # the arguments of backward by their names, dy first
Quantity = tuple[str, np.ndarray]


def per_entry(inputs: Inputs) -> Iterator[Quantity]:
    """Arrays made entry by entry, the simplest first."""
    for name, v in inputs.items():
        yield name, v
    for name, v in inputs.items():
        yield f"{name}²", v**2
        yield f"1 - {name}²", 1 - v**2
        yield f"1 + {name}²", 1 + v**2
        yield f"1 - {name}", 1 - v
        yield f"1 + {name}", 1 + v
        yield f"1 - 2 {name}", 1 - 2 * v
        yield f"2 {name}", 2 * v
        yield f"(1 - {name})²", (1 - v) ** 2
        yield f"(1 - {name}²)²", (1 - v**2) ** 2
        yield f"sqrt(1 - {name}²)", np.sqrt(1 - v**2)
        yield f"{name}³", v**3
        yield f"1 - {name}³", 1 - v**3
        yield f"{name} (1 - {name})", v * (1 - v)
        yield f"|{name}|", np.abs(v)
        yield f"sign({name})", np.sign(v)
        yield f"tanh({name})", np.tanh(v)
        yield f"1 - |{name}|", 1 - np.abs(v)
    for a, b in combinations(inputs, 2):
        if inputs[a].shape == inputs[b].shape:
            yield f"{a} {b}", inputs[a] * inputs[b]
            yield f"({a} + {b})", inputs[a] + inputs[b]
            yield f"({a} - {b})", inputs[a] - inputs[b]


def of_one(inputs: Inputs) -> Iterator[Quantity]:
    """An argument as it is, turned, reduced along an axis, or one row of it."""
    for name, v in inputs.items():
        yield name, v
        yield f"np.ones_like({name})", np.ones_like(v)
        if v.ndim > 1:
            yield f"{name}.T", v.T
        for axis in range(v.ndim if v.ndim > 1 else 0):
            for how in ("sum", "mean", "max", "min", "prod"):
                yield f"{name}.{how}(axis={axis})", getattr(v, how)(axis=axis)
            if v.ndim == 2:
                reshaped = v.reshape(v.T.shape)
                yield f"{name}.reshape{v.T.shape}.sum(axis={axis})", reshaped.sum(axis=axis)
        if v.ndim > 1:
            yield f"{name}[0]", v[0]
            yield f"{name}[-1]", v[-1]
        yield f"{name}.sum()", v.sum()
        yield f"{name}.mean()", v.mean()


def of_two(inputs: Inputs) -> Iterator[Quantity]:
    """Products of two matrices, turned or reshaped or not."""
    matrices = {name: v for name, v in inputs.items() if v.ndim == 2}
    for a, left in matrices.items():
        for b, right in matrices.items():
            for first, u in turned(a, left):
                for second, v in turned(b, right):
                    if u.shape[1] == v.shape[0]:
                        yield f"{first} @ {second}", u @ v
    for (a, left), (b, right) in combinations(inputs.items(), 2):
        if left.shape != right.shape and fits(left.shape, right.shape):
            yield f"{a} * {b}", left * right
            yield f"{a} + {b}", left + right


def turned(name: str, v: np.ndarray) -> Iterator[Quantity]:
    """A matrix, its transpose, what reshape makes in the place of it, and ones of its shape."""
    yield name, v
    yield f"{name}.T", v.T
    yield f"{name}.reshape{v.T.shape}", v.reshape(v.T.shape)
    yield f"np.ones_like({name})", np.ones_like(v)
    yield f"np.ones_like({name}).T", np.ones_like(v).T


def fits(a: tuple[int, ...], b: tuple[int, ...]) -> bool:
    """Whether NumPy broadcasts these shapes."""
    try:
        np.broadcast_shapes(a, b)
    except ValueError:
        return False
    return True


def name_of_number(n: int, inputs: Inputs) -> str:
    """How one writes a number that is a length of the arguments: len(x), W.shape[1]; else ""."""
    others = list(inputs.items())[1:] + list(inputs.items())[:1]
    for axis in range(4):
        for name, v in others:
            if v.ndim > axis and v.shape[axis] == n > 1:
                return f"len({name})" if axis == 0 else f"{name}.shape[{axis}]"
    return next((f"{name}.size" for name, v in others if v.size == n > 1), "")
