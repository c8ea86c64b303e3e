"""What must hold before any number is compared, and what it tells about the backward pass's own rounding."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import Any, NamedTuple

import numpy as np

from .noise import line
from .numeric import magnitude, quiet
from .styles import OUTSIDE, Problem

__tracebackhide__ = True  # pytest shows a failure at the user's line, not at ours


class Ground(NamedTuple):
    """The analytic gradients with their rounding noise, and everything that is wrong already."""

    gradients: list[np.ndarray | None]  # float64, None where backward returned none or nonsense
    blur: list[np.ndarray | None]
    faults: list[tuple[int | None, str]]  # (leaf or None for the whole function, what is wrong)
    notes: list[str]


def same(a: np.ndarray, b: np.ndarray) -> bool:
    if np.array_equal(a, b):  # mostly the quick way
        return True
    return a.dtype.kind in "fc" and bool(np.array_equal(a, b, equal_nan=True))


def top(a: np.ndarray) -> float:
    return float(max(a.max(), -a.min())) if a.size else 0.0  # no temporary array, for large ones


def close(a: np.ndarray, b: np.ndarray, tolerance: float) -> bool:
    """Equal, but for rounding in units of the largest entry."""
    if same(a, b):
        return True
    size = max(float(np.max(np.abs(a), initial=0)), float(np.max(np.abs(b), initial=0)))
    return bool(np.max(np.abs(a - b), initial=0) <= tolerance * size)


def as_gradients(
    problem: Problem, returned: Sequence[Any]
) -> tuple[list[np.ndarray | None], list[tuple[int | None, str]]]:
    """The gradients as float64 arrays of the arguments' shapes, and the faults of those that are none."""
    arrays: list[np.ndarray | None] = []
    faults: list[tuple[int | None, str]] = []
    for i, (name, value, g) in enumerate(zip(problem.names, problem.values, returned, strict=True)):
        arrays.append(None)
        if g is None:
            continue
        found = np.asarray(g)
        if found.dtype.kind not in "fiub":
            faults.append((i, f"the gradient of {name} must be real numbers, got {found.dtype}"))
        elif found.shape != value.shape:
            swapped = " (transposed?)" if found.shape == value.shape[::-1] else ""
            if found.ndim and found.shape[1:] == value.shape and not swapped:
                swapped = " (not summed over the batch?)"
            faults.append(
                (
                    i,
                    f"the gradient of {name} must have its shape {value.shape}, got {found.shape}{swapped}",
                )
            )
        elif not np.isfinite(found).all():
            index = [int(n) for n in np.argwhere(~np.isfinite(found))[0]]
            faults.append((i, f"the gradient of {name} is {found[tuple(index)]} at {index}"))
        else:
            arrays[-1] = found.astype(np.float64)
    return arrays, faults


def check_function(problem: Problem) -> tuple[np.ndarray, list[str]]:
    """The outputs, and the faults of the function itself: it changes its arguments, or gives two answers."""
    values = problem.values
    kept = [v.copy() for v in values]
    slots = set(problem.slots)
    fixed = [
        np.array(f) if isinstance(f, np.ndarray) and i not in slots else None
        for i, f in enumerate(problem.fixed)
    ]
    with quiet():
        first = problem.outputs(values)
        changed = [n for n, v, k in zip(problem.names, values, kept, strict=True) if not same(v, k)]
        changed += [
            f"a fixed argument of shape {k.shape}"
            for f, k in zip(problem.fixed, fixed, strict=True)
            if k is not None and not same(f, k)
        ]
        if changed:
            return first, [
                f"func changes its argument {', '.join(changed)} in place; work on a copy"
            ]
        second = problem.outputs(values)
    if not close(first, second, 1e-5 if np.float32 in problem.out_dtypes else 1e-12):
        return first, [
            "func is not deterministic: two calls with the same arguments differ; seed its random numbers"
        ]
    return first, []


def check_backward(
    problem: Problem,
    dout: np.ndarray,
    other: np.ndarray,
    elsewhere: Sequence[np.ndarray],
    rng: np.random.Generator,
    coarse: bool,
    rtol: float,
) -> Ground:
    """Shapes, types, mutation, repeatability, stale caches, linearity in dout; and backward's noise."""
    values, names = problem.values, problem.names
    kept = [v.copy() for v in values]
    with quiet():
        raw = problem.gradients(values, dout)
        gradients, faults = as_gradients(problem, raw)
        changed = [n for n, v, k in zip(names, values, kept, strict=True) if not same(v, k)]
        if changed:
            for v, k in zip(values, kept, strict=True):
                v[...] = k
            faults.append(
                (
                    None,
                    f"backward changes the argument {', '.join(changed)} in place; work on a copy",
                )
            )
        if problem.dout_changed:
            faults.append(
                (
                    None,
                    "backward changes its dout in place, which belongs to the caller; work on a copy",
                )
            )
        notes = [
            f"the gradient of {n} came in {np.asarray(g).dtype} for an argument in {v.dtype}: digits are lost"
            for n, v, g in zip(names, values, raw, strict=True)
            if g is not None
            and np.asarray(g).dtype.kind == "f"
            and np.asarray(g).dtype.itemsize < v.dtype.itemsize
        ]
        if faults:
            return Ground(gradients, [None] * len(names), faults, notes)

        def backward(d: np.ndarray, between: Any = None) -> list[np.ndarray | None]:
            return as_gradients(problem, problem.gradients(values, d, between))[0]

        def differs(again: Sequence[np.ndarray | None], tolerance: float) -> str:
            return ", ".join(
                n
                for n, a, b in zip(names, gradients, again, strict=True)
                if (a is None) != (b is None)
                or (a is not None and b is not None and not close(a, b, tolerance))
            )

        level = 1e-5 if coarse else 1e-10
        if bad := differs(backward(dout, elsewhere), level):
            if again := differs(backward(dout), level):
                fault = (
                    f"backward is not repeatable: it returns two gradients of {again}; "
                    "does it add to a buffer, or use random numbers?"
                )
            else:
                fault = (
                    f"a stale cache: the gradient of {bad} changes when forward is called with other "
                    "arguments before backward; keep what backward needs per call"
                )
            return Ground(gradients, [None] * len(names), [(None, fault)], notes)
        residual: list[np.ndarray | None]
        if problem.style == "loss":
            residual = wobble(problem, dout, rng, coarse)
        else:
            turned = backward(-2.0 * dout)
            mixed, second = backward(1.5 * dout - 2.0 * other), backward(other)
            residual = [
                None if m is None or a is None or b is None else remainder(m, a, b)
                for m, a, b in zip(mixed, gradients, second, strict=True)
            ]
            limit = max(rtol, 1e-2 if coarse else 1e-6)
            for i, (r, a, b, t) in enumerate(zip(residual, gradients, second, turned, strict=True)):
                if r is None or a is None or b is None or t is None:
                    continue
                size = top(a) + top(b)
                # To double is exact in floating point, so the slightest difference is a fault, and no noise.
                if top(t + 2.0 * a) > max(rtol, 1e-13) * size or top(r) > limit * size:
                    ignored = np.array_equal(a, b) and size > 0
                    why = "dout is ignored" if ignored else "is a constant added, or dout squared?"
                    residual[i] = np.zeros_like(r)  # a fault, not noise
                    faults.append(
                        (
                            i,
                            f"backward is not linear in dout for {names[i]} (-2 u, 1.5 u - 2 v): {why}",
                        )
                    )
    blur = [
        None if r is None else 3 * np.maximum(np.abs(r), np.sqrt(np.mean(r * r)) if r.size else 0.0)
        for r in residual
    ]
    return Ground(gradients, blur, faults, notes)


def remainder(m: np.ndarray, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """m - 1.5 a + 2 b"""
    r = -1.5 * a
    r += m
    r += 2.0 * b
    return r


def wobble(
    problem: Problem, dout: np.ndarray, rng: np.random.Generator, coarse: bool
) -> list[np.ndarray | None]:
    """The rounding noise of a gradient without dout: its second differences along a line of tiny steps."""
    scales = [magnitude(v) for v in problem.values]
    try:
        rows = [
            as_gradients(problem, problem.gradients(v, dout))[0]
            for v in islice(line(problem.values, scales, rng, coarse), 3)
        ]
    except OUTSIDE:
        return [None if v is None else np.zeros(v.shape) for v in problem.values]
    return [
        np.zeros(v.shape) if a is None or b is None or c is None else (a - 2 * b + c) / np.sqrt(6)
        for v, a, b, c in zip(problem.values, *rows, strict=True)
    ]
