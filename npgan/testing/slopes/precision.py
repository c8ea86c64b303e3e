"""The dtype in which slopes are measured: float64 where the function allows it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..problem.arrays import ignore_float_errors, typical_size
from ..problem.problem import Problem
from ..problem.random_streams import Stream, generator
from .noise import Noise, measure_noise

__tracebackhide__ = True  # pytest shows a failure at the user's line, not at ours


def narrow_dtypes(problem: Problem) -> str:
    """The arguments' dtypes but float64, for a sentence; "" where there is none."""
    return ", ".join(sorted({str(v.dtype) for v in problem.values if v.dtype != np.float64}))


def widen(native: Problem, seed: int) -> tuple[Problem, Noise, list[str]]:
    """(the problem to measure, the noise of its outputs, notes for the report)."""
    narrow = narrow_dtypes(native)
    noise = function_noise(native, seed, bool(narrow))
    if not narrow:
        return native, noise, []
    wide = in_float64(native, seed)
    if wide is None:
        note = f"func works in {narrow}, so it is checked at {narrow}'s resolution"
        return native, noise, [note]
    return *wide, ["checked in float64 at the same numbers"]


def in_float64(native: Problem, seed: int) -> tuple[Problem, Noise] | None:
    """The problem in float64 with its noise; None where func or grad does not allow it."""
    try:
        wide = native.cast(np.float64)
        if any(dtype != np.float64 for dtype in wide.out_dtypes):
            return None
        noise = function_noise(wide, seed, False)
        if noise.is_coarse:
            return None
        if wide.grad is not None:
            with ignore_float_errors():
                wide.gradients(wide.values, np.ones(wide.out_size))
    except Exception:  # func may refuse float64 in any way
        return None
    return wide, noise


def function_noise(problem: Problem, seed: int, is_coarse: bool) -> Noise:
    """The rounding noise of the problem's outputs."""

    def outputs(values: Sequence[np.ndarray]) -> np.ndarray:
        try:
            return problem.outputs(values)
        except Exception:  # outside the domain, whatever is raised
            return np.full(problem.out_size, np.nan)

    is_coarse = is_coarse or any(dtype != np.float64 for dtype in problem.out_dtypes)
    scales = [typical_size(v) for v in problem.values]
    rng = generator(seed, Stream.FUNCTION_NOISE)
    with ignore_float_errors():
        return measure_noise(outputs, problem.values, scales, rng, is_coarse)
