"""What must hold before any number is compared, and the rounding error of backward."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ..problem.analytic import AnalyticGradients, Fault, as_arrays
from ..problem.arrays import close, identical, ignore_float_errors, max_abs, rms, typical_size
from ..problem.errors import DOMAIN_ERRORS
from ..problem.problem import Problem
from ..problem.random_streams import Stream, generator
from ..slopes.noise import measure_gradient_noise
from .repeats import CALLS, why_gradients_differ, why_outputs_differ

__tracebackhide__ = True  # pytest shows a failure at the user's line, not at ours
Gradients = list[np.ndarray | None]


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
        if problem.style == "loss":
            rng = generator(seed, Stream.BACKWARD_NOISE)
            residuals = measure_gradient_noise(problem, dout, rng, is_coarse)
        else:
            limit = max(rtol, 1e-2 if is_coarse else 1e-6)
            residuals, faults = linearity(problem, gradients, dout, second_dout, rtol, limit)
    noise = [None if r is None else noise_of_residual(r) for r in residuals]
    return AnalyticGradients(gradients, noise, faults, notes)


def other_arguments(problem: Problem, seed: int) -> list[np.ndarray]:
    """Other values of the arguments; the same ones if func does not accept these."""
    values = []
    for i, v in enumerate(problem.values):
        rng = generator(seed, Stream.OTHER_ARGUMENTS, i)
        values.append(v + (0.5 * typical_size(v) * rng.uniform(-1, 1, v.shape)).astype(v.dtype))
    try:
        with ignore_float_errors():
            problem.outputs(values)
    except (*DOMAIN_ERRORS, IndexError):
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
        fault = "backward changes its dout in place, which belongs to the caller; work on a copy"
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


def linearity(
    problem: Problem,
    gradients: Gradients,
    u: np.ndarray,
    v: np.ndarray,
    rtol: float,
    limit: float,
) -> tuple[Gradients, list[Fault]]:
    """(b(1.5 u - 2 v) - 1.5 b(u) + 2 b(v), faults) of the backward pass b, per leaf.

    Where b is linear in dout this residual is the rounding error of b.
    """

    def backward(dout: np.ndarray) -> Gradients:
        return as_arrays(problem, problem.gradients(problem.values, dout))[0]

    at_minus_2u = backward(-2.0 * u)
    at_mixture, at_v = backward(1.5 * u - 2.0 * v), backward(v)
    residuals: Gradients = []
    faults: list[Fault] = []
    for i, (mixture, a, b, double) in enumerate(
        zip(at_mixture, gradients, at_v, at_minus_2u, strict=True)
    ):
        if mixture is None or a is None or b is None:
            residuals.append(None)
            continue
        residuals.append(r := residual(mixture, a, b))
        if double is None:
            continue
        size = max_abs(a) + max_abs(b)
        # To double a number is exact in floating point, so the slightest difference is a fault.
        if max_abs(double + 2.0 * a) > max(rtol, 1e-13) * size or max_abs(r) > limit * size:
            is_ignored = np.array_equal(a, b) and size > 0
            why = "dout is ignored" if is_ignored else "is a constant added, or dout squared?"
            name = problem.names[i]
            fault = f"backward is not linear in dout for {name} (-2 u, 1.5 u - 2 v): {why}"
            faults.append((i, fault))
            residuals[-1] = np.zeros_like(r)  # a fault and no rounding error
    return residuals, faults


def residual(mixture: np.ndarray, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """mixture - 1.5 a + 2 b, with one temporary array less."""
    r = -1.5 * a
    r += mixture
    r += 2.0 * b
    return r


def noise_of_residual(r: np.ndarray) -> np.ndarray:
    """Three standard deviations of the rounding error of which r is one sample per entry."""
    return 3 * np.maximum(np.abs(r), rms(r))
