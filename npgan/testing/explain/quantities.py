"""The arrays of which a forgotten factor or a forgotten term is usually made.

Functions of the argument, the output and the other arguments, and their sums, means and norms
along each axis. Two trials of one check give the same names in the same order.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from .trial import Trial

# (what it is called, the array, broadcast to the wanted shape)
Quantity = tuple[str, np.ndarray]


def quantities(trial: Trial, shape: tuple[int, ...]) -> list[Quantity]:
    """Every quantity that can be broadcast to this shape."""
    if shape not in trial.kept:
        trial.kept[shape] = list(all_quantities(trial, shape))
    return trial.kept[shape]


def all_quantities(trial: Trial, shape: tuple[int, ...]) -> Iterator[Quantity]:
    """The quantities, each made once."""
    y = output_name(trial)
    if trial.out is not None:
        yield from fitting(of_output(trial.out, y), shape)
    yield from fitting(of_argument(trial.x, trial.name), shape)
    for i, (name, value) in enumerate(zip(trial.where.names, trial.where.values, strict=True)):
        if i != trial.leaf:
            yield from fitting(of_other(value, name), shape)
            yield from fitting(of_two(trial.x, trial.name, value, name), shape)
            yield from fitting(along_axes(value, name), shape)
    for name, fixed in trial.where.fixed:
        yield from fitting(of_other(fixed.astype(np.float64), name), shape)
    if trial.out is not None:
        yield from fitting(along_axes(trial.out, y), shape)
    yield from fitting(along_axes(trial.x, trial.name), shape)


def output_name(trial: Trial) -> str:
    """What hints call the output: y, or out where an argument is called y."""
    names = [*trial.where.names, *(name for name, _ in trial.where.fixed)]
    return "out" if "y" in names else "y"


def of_output(y: np.ndarray, name: str) -> Iterator[Quantity]:
    """Local derivatives are often written with the output."""
    yield name, y
    yield f"{name} (1 - {name})", y * (1 - y)
    yield f"(1 - {name}²)", 1 - y**2
    yield f"(1 - {name})", 1 - y
    yield f"(1 + {name})", 1 + y
    yield f"{name}²", y**2
    yield f"(1 + {name}²)", 1 + y**2
    yield f"exp({name})", np.exp(y)
    yield f"(1 - exp(-{name}))", 1 - np.exp(-y)
    yield f"({name} > 0)", (y > 0) * 1.0
    yield f"sqrt(1 - {name}²)", np.sqrt(1 - y**2)


def of_argument(x: np.ndarray, name: str) -> Iterator[Quantity]:
    """Local derivatives written with the argument."""
    yield name, x
    yield f"({name} > 0)", (x > 0) * 1.0
    yield f"{name}²", x**2
    yield f"|{name}|", np.abs(x)
    yield f"sign({name})", np.sign(x)
    yield f"{name}³", x**3
    yield f"exp({name})", np.exp(x)
    yield f"sqrt({name})", np.sqrt(x)
    yield f"(1 + {name}²)", 1 + x**2
    yield f"(1 - {name}²)", 1 - x**2
    yield f"(1 + {name})", 1 + x
    yield f"(1 - {name})", 1 - x
    yield f"{name} (1 - {name})", x * (1 - x)
    yield f"(1 + |{name}|)", 1 + np.abs(x)
    yield f"(1 - tanh({name})²)", 1 - np.tanh(x) ** 2
    yield f"tanh({name})", np.tanh(x)
    logistic = 1 / (1 + np.exp(-x))
    yield f"sigmoid({name})", logistic
    yield f"sigmoid(-{name})", 1 - logistic
    yield f"sigmoid({name}) (1 - sigmoid({name}))", logistic * (1 - logistic)
    yield f"{name} sigmoid({name}) (1 - sigmoid({name}))", x * logistic * (1 - logistic)
    yield f"{name} (1 - tanh({name})²)", x * (1 - np.tanh(x) ** 2)
    yield f"{name} exp(-{name}²/2)", x * np.exp(-(x**2) / 2)
    yield f"log({name})", np.log(x)
    yield f"cos({name})", np.cos(x)
    yield f"sin({name})", np.sin(x)


def of_other(w: np.ndarray, name: str) -> Iterator[Quantity]:
    """Another argument, such as a scale, a mask, a temperature or a standard deviation."""
    yield name, w
    yield f"{name}²", w**2
    yield f"(1 - {name})", 1 - w
    yield f"exp({name})", np.exp(w)
    yield f"sqrt({name})", np.sqrt(w)
    yield f"|{name}|", np.abs(w)
    yield f"sign({name})", np.sign(w)
    yield f"tanh({name})", np.tanh(w)
    yield f"(1 - tanh({name})²)", 1 - np.tanh(w) ** 2
    yield f"({name} > 0)", (w > 0) * 1.0
    yield f"log({name})", np.log(w)


def of_two(x: np.ndarray, name: str, w: np.ndarray, other: str) -> Iterator[Quantity]:
    """Of two arguments of one shape, such as a prediction and a target."""
    if x.shape == w.shape and x.shape:
        yield f"({name} - {other})", x - w
        yield f"({name} + {other})", x + w
        yield f"{name} {other}", x * w
        yield f"sign({name} - {other})", np.sign(x - w)
        yield f"exp({name} - {other})", np.exp(x - w)


def along_axes(x: np.ndarray, name: str) -> Iterator[Quantity]:
    """Sums, means, norms and standard deviations along each axis and of everything."""
    axes: list[int | None] = [None] if x.ndim == 1 else [*range(x.ndim), None]
    for axis in axes if x.ndim else []:
        where = f"of all of {name})" if axis is None else f"of {name} along axis {axis})"
        count = x.size if axis is None else x.shape[axis]
        total, squares = x.sum(axis, keepdims=True), (x**2).sum(axis, keepdims=True)
        mean = total / count
        centred = x - mean
        variance = (centred**2).sum(axis, keepdims=True) / count
        for what, value in (
            ("the standard deviation", np.sqrt(variance)),
            ("the variance", variance),
            ("the norm", np.sqrt(squares)),
            ("the sum of the squares", squares),
            ("the sum", total),
            ("the mean", mean),
            ("the largest", x.max(axis, keepdims=True)),
            ("the sum of exp", np.exp(x).sum(axis, keepdims=True)),
            ("the root mean square", np.sqrt(squares / count)),
        ):
            yield f"({what} {where}", value
        if axis is not None or x.ndim == 1:
            yield f"({name} minus its mean along axis {axis or 0})", centred
            standardised = centred / np.sqrt(variance)
            yield f"({name} normalised along axis {axis or 0})", standardised


def fitting(found: Iterator[Quantity], shape: tuple[int, ...]) -> Iterator[Quantity]:
    """The quantities broadcast to a shape, from the right as in NumPy, else from the left."""
    for text, f in found:
        if f.ndim > len(shape):
            sides = tuple(n for n in f.shape if n != 1)
            f = f.reshape(sides if len(sides) <= len(shape) else f.shape)
        for aligned in (f.shape, f.shape + (1,) * (len(shape) - f.ndim)):
            try:
                fits = np.broadcast_shapes(aligned, shape) == shape
            except ValueError:
                fits = False
            if fits:
                yield text, np.broadcast_to(f.reshape(aligned), shape)
                break
