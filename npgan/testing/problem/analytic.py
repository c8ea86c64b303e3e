"""The gradients that backward returned, as float64 arrays, with what is wrong with them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from .foreign import to_array
from .leaves import is_object_array
from .problem import Problem
from .tree import describe

# (index of the leaf, or None where the whole function is meant; what is wrong)
Fault = tuple[int | None, str]
Gradients = list[np.ndarray | None]


class Nonlinearity(NamedTuple):
    """By how much backward is not linear in dout; whether that is a fault the slopes decide."""

    leaf: int
    size: np.ndarray  # per entry
    is_gross: bool
    fault: str


class AnalyticGradients(NamedTuple):
    """What backward says at the user's arguments: one entry per leaf."""

    values: list[np.ndarray | None]  # float64; None where backward returned none, or no usable one
    noise: list[np.ndarray | None]  # about three standard deviations of the rounding error
    faults: list[Fault]
    notes: list[str]
    nonlinear: Sequence[Nonlinearity] = ()


def as_arrays(
    problem: Problem, returned: Sequence[Any]
) -> tuple[list[np.ndarray | None], list[Fault]]:
    """The gradients as float64 arrays of the arguments' shapes, and the faults of the others."""
    arrays: list[np.ndarray | None] = []
    faults: list[Fault] = []
    for i, (name, value, g) in enumerate(zip(problem.names, problem.values, returned, strict=True)):
        found = None if g is None else to_array(g, f"the gradient of {name} is")
        if is_object_array(found):
            found = np.asarray(found, np.float64)
        fault = "" if found is None else fault_of(found, value.shape, name, problem.out_shapes)
        if fault:
            faults.append((i, fault))
        arrays.append(None if found is None or fault else found.astype(np.float64))
    return arrays, faults


def fault_of(
    gradient: np.ndarray, shape: tuple[int, ...], name: str, outputs: Sequence[tuple[int, ...]]
) -> str:
    """Why this cannot be the gradient of an argument of this shape; "" where it can."""
    if gradient.dtype.kind not in "fiub":
        found = str(gradient.dtype)
        if gradient.dtype.kind == "c":
            found += "; return its real part"
        if gradient.dtype == object and not gradient.shape:
            found = describe(gradient[()])
            found += " (pass its .toarray())" if hasattr(gradient[()], "toarray") else ""
        return f"the gradient of {name} must be real numbers, got {found}"
    if gradient.shape != shape:
        likely = what_it_looks_like(gradient.shape, shape, outputs)
        return f"the gradient of {name} must have its shape {shape}, got {gradient.shape}{likely}"
    if not np.isfinite(gradient).all():
        index = [int(n) for n in np.argwhere(~np.isfinite(gradient))[0]]
        return f"the gradient of {name} is {gradient[tuple(index)]} at {index}"
    return ""


def what_it_looks_like(
    found: tuple[int, ...], shape: tuple[int, ...], outputs: Sequence[tuple[int, ...]]
) -> str:
    """What a gradient of another shape than its argument may be; "" where nothing is known."""
    if len(outputs) == 1 and outputs[0]:
        out = outputs[0]
        k = len(out)
        if found == out + shape:
            product = "dout @ J" if k == 1 else f"np.tensordot(dout, J, {k})"
            summed = f"; if it is multiplied by dout already, sum it over its first {k} axes"
            if k == 1:
                summed = "; if it is multiplied by dout already, return its .sum(axis=0)"
            return f" (it looks like the Jacobian J of the output: return {product}{summed})"
        if found == shape + out and found != shape[::-1]:
            product = "J @ dout" if k == 1 else f"np.tensordot(J, dout, {k})"
            return f" (it looks like the Jacobian J, transposed: return {product})"
    if found == shape[::-1]:
        return " (transposed?)"
    if found and found[1:] == shape:
        return " (not summed over the batch?)"
    return ""
