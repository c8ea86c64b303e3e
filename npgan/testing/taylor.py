"""The Taylor test: a second opinion that trusts no step size.

With the right gradient, |F(x + h v) - F(x) - h <g, v>| falls like h² as h is halved; with a wrong one it
falls like h. The order is read off the slope over many h, so no single h has to be a good one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from .noise import measure_noise
from .numeric import magnitude, quiet
from .options import check_whole
from .preconditions import as_gradients
from .projections import signs
from .styles import Problem

__tracebackhide__ = True  # pytest shows a failure at the user's line, not at ours


class Taylor(NamedTuple):
    """order: about 2 (or more) where the gradient is right, 1 where it is wrong; inf where nothing remains.

    steps and remainders are what it was read from; nan: the remainder drowned in rounding too soon to say.
    """

    order: float
    steps: np.ndarray
    remainders: np.ndarray

    @property
    def passed(self) -> bool:
        return self.order > 1.8


def taylor_test(
    func: Callable,
    grad: Callable,
    args: Any,
    *,
    dout: Any = None,
    style: str = "auto",
    argnames: Any = None,
    seed: int = 0,
) -> Taylor:
    """The order of the remainder of the first-order Taylor series along a random direction of all arguments.

    Same styles as check_gradients.  Raises ValueError where grad returns no usable gradient.
    """
    check_whole("seed", seed, 0)
    problem = Problem(func, grad, args, argnames, style, 10_000)
    rng = np.random.default_rng([seed, 7])
    if dout is not None:
        flat = problem.flat_dout(dout)
    else:
        flat = np.ones(1) if problem.style == "loss" else rng.standard_normal(problem.out_size)
    flat = problem.flat(problem.dout_tree(flat))
    values = problem.values
    scales = [magnitude(v) for v in values]
    with quiet():
        gradients, faults = as_gradients(problem, problem.gradients(values, flat))
        if faults:
            raise ValueError(faults[0][1])
        if all(g is None for g in gradients):
            raise ValueError(
                "grad must return a gradient for one argument or more, got None for each"
            )
        narrow = any(v.dtype != np.float64 for v in values) or any(
            d != np.float64 for d in problem.out_dtypes
        )
        start = problem.outputs(values)
        noise = measure_noise(problem.outputs, values, scales, rng, narrow)
        sigma = float(np.linalg.norm(flat * noise.at(start)))
        directions = [
            None if g is None else s * signs(v.shape, [seed, 8, i])
            for i, (v, g, s) in enumerate(zip(values, gradients, scales, strict=True))
        ]
        steps = 2.0 ** -np.arange(1, 11 if noise.coarse else 27)
        remainders, slope = [], 0.0
        for h in steps:
            moved = [
                v if d is None else (v + h * d).astype(v.dtype)
                for v, d in zip(values, directions, strict=True)
            ]
            change = float(np.dot(flat, problem.outputs(moved) - start))
            along = sum(
                float(np.vdot(g, m.astype(np.float64) - v))
                for g, m, v in zip(gradients, moved, values, strict=True)
                if g is not None
            )
            slope = max(slope, abs(along / h), abs(change / h))
            remainders.append(abs(change - along))
    r = np.array(remainders)
    floor = 8 * sigma + 1e-15 * slope * steps
    usable = np.isfinite(r) & (r > 10 * floor)
    if not usable.any():
        return Taylor(np.inf if slope > 0 else np.nan, steps, r)
    h, r_used = steps[usable], r[usable]
    tail = slice(-6, None)  # the smallest steps that rounding has not reached
    order = (
        float(np.polyfit(np.log2(h[tail]), np.log2(r_used[tail]), 1)[0]) if len(h) > 2 else np.nan
    )
    return Taylor(order, steps, r)
