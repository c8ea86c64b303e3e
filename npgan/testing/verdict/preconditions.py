"""What must hold before any number is compared, and the rounding error of backward."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ..problem.analytic import AnalyticGradients, Fault, Gradients, Nonlinearity, as_arrays
from ..problem.arrays import close, identical, ignore_float_errors, rms, typical_size
from ..problem.problem import Problem
from ..problem.random_streams import Stream, generator
from ..slopes.noise import measure_gradient_noise
from .linearity import check_linearity
from .repeats import CALLS, why_gradients_differ, why_outputs_differ

__tracebackhide__ = True  # pytest shows a failure at the user's line, not at ours
# The sizes of gradients that are similar differ by less than this power of two.
SIMILAR_BITS = 6


# ---- the function ----


def check_function(problem: Problem) -> tuple[np.ndarray, list[str]]:
    """(the outputs, faults): func changes its arguments in place, or is not deterministic."""
    arrays = fixed_arrays(problem)
    before = [np.array(a) for a in arrays]
    kept = [v.copy() for v in problem.values]
    with ignore_float_errors():
        first = problem.outputs(problem.values)
        changed = changed_names(problem, kept)
        changed += [
            f"a fixed argument of shape {b.shape}"
            for a, b in zip(arrays, before, strict=True)
            if not identical(a, b)
        ]
        if changed:
            names = ", ".join(changed)
            return first, [f"func changes its argument {names} in place; work on a copy"]
        second = problem.outputs(problem.values)
    if not close(first, second, 1e-5 if np.float32 in problem.out_dtypes else 1e-12):
        with ignore_float_errors():
            more = [problem.outputs(problem.values) for _ in range(CALLS - 2)]
        return first, [
            "func is not deterministic: two calls with the same arguments differ; "
            + why_outputs_differ([first, second, *more])
        ]
    return first, []


def fixed_arrays(problem: Problem) -> list[np.ndarray]:
    """The arrays among the arguments that are not differentiated by, such as labels."""
    slots = set(problem.slots)
    return [
        leaf
        for i, leaf in enumerate(problem.fixed)
        if isinstance(leaf, np.ndarray) and i not in slots
    ]


def changed_names(problem: Problem, before: Sequence[np.ndarray]) -> list[str]:
    """The float arguments that are no longer what they were."""
    return [
        name
        for name, now, then in zip(problem.names, problem.values, before, strict=True)
        if not identical(now, then)
    ]


# ---- the backward pass ----


def check_backward(
    problem: Problem,
    dout: np.ndarray,
    second_dout: np.ndarray,
    is_coarse: bool,
    rtol: float,
    seed: int,
) -> AnalyticGradients:
    """The gradients at the user's arguments, after all checks of backward alone.

    Types, shapes, changes in place, repeatability, a stale cache, and linearity in dout. is_coarse:
    backward computes in float32.
    """
    other_values = other_arguments(problem, seed)
    with ignore_float_errors():
        gradients, faults, notes = first_gradients(problem, dout)
        noise: Gradients = [None] * len(gradients)
        if not faults:
            faults = repeatability_faults(problem, gradients, dout, other_values, is_coarse)
        if faults:
            return AnalyticGradients(gradients, noise, faults, notes)
        nonlinear: list[Nonlinearity] = []
        if problem.style == "loss":
            rng = generator(seed, Stream.BACKWARD_NOISE)
            residuals = measure_gradient_noise(problem, dout, rng, is_coarse)
        else:
            residuals, nonlinear = check_linearity(
                problem, gradients, (dout, second_dout), is_coarse, rtol, seed
            )
    noise = [
        None if r is None or g is None else noise_of_residual(r, g, is_coarse)
        for r, g in zip(residuals, gradients, strict=True)
    ]
    return AnalyticGradients(gradients, noise, faults, notes, nonlinear)


def other_arguments(problem: Problem, seed: int) -> list[np.ndarray]:
    """Other values of the arguments; the same ones if func does not accept these."""
    values = []
    for i, v in enumerate(problem.values):
        rng = generator(seed, Stream.OTHER_ARGUMENTS, i)
        size = typical_size(v)
        unit = np.where(v == 0, size, np.minimum(np.abs(v), size))  # entries keep their signs
        values.append(v + (0.5 * unit * rng.uniform(-1, 1, v.shape)).astype(v.dtype))
    try:
        with ignore_float_errors():
            problem.outputs(values)
    except Exception:  # outside the domain, whatever is raised
        return problem.values
    return values


def first_gradients(problem: Problem, dout: np.ndarray) -> tuple[Gradients, list[Fault], list[str]]:
    """(gradients, faults, notes) of the first call of backward."""
    kept = [v.copy() for v in problem.values]
    returned = problem.gradients(problem.values, dout)
    gradients, faults = as_arrays(problem, returned)
    if changed := changed_names(problem, kept):
        for value, before in zip(problem.values, kept, strict=True):
            value[...] = before
        names = ", ".join(changed)
        fault = f"backward changes the argument {names} in place; work on a copy"
        faults.append((None, fault))
    if problem.dout_changed:
        fault = "backward changes dout in place, which belongs to the caller; work on a copy"
        faults.append((None, fault))
    return gradients, faults, list(lost_digits(problem, returned))


def lost_digits(problem: Problem, returned: Sequence[Any]) -> Iterator[str]:
    """A note for every gradient in a smaller float type than its argument."""
    for name, value, gradient in zip(problem.names, problem.values, returned, strict=True):
        if gradient is None:
            continue
        dtype = np.asarray(gradient).dtype
        if dtype.kind == "f" and dtype.itemsize < value.dtype.itemsize:
            yield (
                f"the gradient of {name} came in {dtype} for an argument in {value.dtype}: "
                "digits are lost"
            )


def repeatability_faults(
    problem: Problem,
    gradients: Gradients,
    dout: np.ndarray,
    other_values: Sequence[np.ndarray],
    is_coarse: bool,
) -> list[Fault]:
    """Call backward again, with a forward pass at other values in between."""
    tolerance = 1e-5 if is_coarse else 1e-10

    returned = [gradients]

    def differing(between: Sequence[np.ndarray] | None) -> str:
        again = as_arrays(problem, problem.gradients(problem.values, dout, between))[0]
        returned.append(again)
        return ", ".join(
            name
            for name, a, b in zip(problem.names, gradients, again, strict=True)
            if (a is None) != (b is None)
            or (a is not None and b is not None and not close(a, b, tolerance))
        )

    names = differing(other_values)
    if not names:
        return []
    if again := differing(None):
        fault = (
            f"backward is not repeatable: it returns two gradients of {again}; "
            + why_gradients_differ(returned)
        )
    else:
        fault = (
            f"a stale cache: the gradient of {names} changes when forward is called with other "
            "arguments before backward; keep what backward needs per call"
        )
    return [(None, fault)]


def noise_of_residual(r: np.ndarray, gradient: np.ndarray, is_coarse: bool) -> np.ndarray:
    """Three standard deviations of the rounding error of which r is one sample per entry.

    One sample may be small by chance, so it counts for all entries; in float32, where a row of
    slopes of 1e8 has errors of 10, for those whose gradients are of similar size.
    """
    pooled = np.broadcast_to(rms(r), r.shape)
    if is_coarse:
        sizes = np.frexp(np.abs(gradient))[1] // SIMILAR_BITS
        pooled = pooled.copy()
        for size in np.unique(sizes):
            pooled[sizes == size] = rms(r[sizes == size])
    return 3 * np.maximum(np.abs(r), pooled)
