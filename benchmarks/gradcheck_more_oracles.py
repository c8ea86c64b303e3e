"""Second set: independent oracles, none of which uses npgan, for the right gradients.

"autograd" runs the function itself on HIPS autograd in place of NumPy; "complex" is the complex step on
all arguments; "extended" extrapolates central differences in extended precision.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import gradcheck_more_maths
import numpy as np
from gradcheck_more_kinds import Kind, is_float

GROUPS = ("layers", "units", "sequences", "losses", "algebra", "arrays", "dynamics")
MODULES = [importlib.import_module(f"gradcheck_more_{group}") for group in GROUPS]
KINDS: tuple[Kind, ...] = sum((module.KINDS for module in MODULES), ())


def exact_gradients(kind: Kind, dout: Any, args: tuple[Any, ...]) -> list[np.ndarray]:
    """The gradient of Σ dout func(*args) by each float argument, by the kind's oracle."""
    return {"autograd": by_autograd, "complex": by_complex_steps, "extended": by_differences}[
        kind.oracle
    ](kind.func, dout, args)


@contextmanager
def numpy_of_autograd() -> Iterator[None]:
    """Lets every function of the set compute with autograd's NumPy."""
    import autograd.numpy as anp

    modules = [*MODULES, gradcheck_more_maths]
    for module in modules:
        module.np = anp
    try:
        yield
    finally:
        for module in modules:
            module.np = np


def by_autograd(func: Callable[..., Any], dout: Any, args: tuple[Any, ...]) -> list[np.ndarray]:
    import autograd
    import autograd.numpy as anp

    places = [i for i, a in enumerate(args) if is_float(a)]
    with numpy_of_autograd():
        total = autograd.grad(lambda *a: anp.sum(dout * func(*a)), tuple(places))
        return list(total(*args))


def by_complex_steps(
    func: Callable[..., Any], dout: Any, args: tuple[Any, ...]
) -> list[np.ndarray]:
    step = 1e-30
    wide = [np.asarray(a, complex) if is_float(a) else a for a in args]

    def slope(k: int, index: tuple[int, ...]) -> float:
        moved = [a.copy() if is_float_or_complex(a) else a for a in wide]
        moved[k][index] += 1j * step
        return float(np.sum(dout * func(*moved)).imag / step)

    return each_entry(slope, args)


def is_float_or_complex(a: Any) -> bool:
    return isinstance(a, np.ndarray) and np.issubdtype(a.dtype, np.inexact)


def by_differences(func: Callable[..., Any], dout: Any, args: tuple[Any, ...]) -> list[np.ndarray]:
    wide = [np.asarray(a, np.longdouble) if is_float(a) else a for a in args]

    def slope(k: int, index: tuple[int, ...]) -> float:
        estimates = []
        for step in (2e-3, 1e-3, 5e-4):
            sides = []
            for s in (step, -step):
                moved = list(wide)
                moved[k] = wide[k].copy()
                moved[k][index] += np.longdouble(s)
                sides.append(np.sum(dout * func(*moved)))
            estimates.append((sides[0] - sides[1]) / (2 * np.longdouble(step)))
        a, b, c = estimates
        a, b = b + (b - a) / 3, c + (c - b) / 3
        return float(b + (b - a) / 15)

    return each_entry(slope, args)


def each_entry(slope: Callable[[int, Any], float], args: tuple[Any, ...]) -> list[np.ndarray]:
    return [
        np.array([slope(k, i) for i in np.ndindex(np.shape(a))]).reshape(np.shape(a))
        for k, a in enumerate(args)
        if is_float(a)
    ]
