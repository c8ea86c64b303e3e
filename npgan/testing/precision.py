"""The dtype that a problem is judged in: float64, at the very same numbers, where the function allows it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .noise import Noise, measure_noise
from .numeric import magnitude, quiet
from .streams import NOISE, stream
from .styles import OUTSIDE, Problem

__tracebackhide__ = True  # pytest shows a failure at the user's line, not at ours


def narrow_dtypes(problem: Problem) -> str:
    """The arguments' dtypes but float64, for a sentence; "" where there is none."""
    return ", ".join(sorted({str(v.dtype) for v in problem.values if v.dtype != np.float64}))


def widen(native: Problem, seed: int) -> tuple[Problem, Noise, list[str]]:
    """(the problem to judge, the noise of its outputs, what the report has to say of it)."""
    narrow = narrow_dtypes(native)
    noise = noise_of(native, seed, bool(narrow))
    if not narrow:
        return native, noise, []
    wide = in_float64(native, seed)
    if wide is None:
        return native, noise, [f"func works in {narrow}, so it is judged at {narrow}'s resolution"]
    return *wide, ["judged in float64 at the same numbers"]


def in_float64(native: Problem, seed: int) -> tuple[Problem, Noise] | None:
    """The problem in float64 with its noise; None where func or grad refuses it, or func casts to less."""
    try:
        wide = native.cast(np.float64)
        if any(dtype != np.float64 for dtype in wide.out_dtypes):
            return None
        noise = noise_of(wide, seed, False)
        if noise.coarse:
            return None
        if wide.grad is not None:
            with quiet():
                wide.gradients(wide.values, np.ones(wide.out_size))
    except (TypeError, *OUTSIDE):
        return None
    return wide, noise


def noise_of(problem: Problem, seed: int, coarse: bool) -> Noise:
    def outputs(values: Sequence[np.ndarray]) -> np.ndarray:
        try:
            return problem.outputs(values)
        except OUTSIDE:
            return np.full(problem.out_size, np.nan)

    coarse = coarse or any(dtype != np.float64 for dtype in problem.out_dtypes)
    scales = [magnitude(v) for v in problem.values]
    with quiet():
        return measure_noise(outputs, problem.values, scales, stream(seed, NOISE), coarse)
