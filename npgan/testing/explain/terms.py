"""Causes that add: a term that is missing or added, a path through a sum, mean or norm."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from .evidence import Candidate, Evidence, Hint, least_squares
from .factors import factors_that_fit
from .quantities import Quantity, fitting, of_argument, output_name, quantities
from .trial import Trial

MANY = 8


def constant_term(e: Evidence) -> Iterator[Hint]:
    """The same number is added to every entry, whatever dout is."""
    known = e.first.known
    if known.sum() < 2:
        return
    c = float(np.median(e.first.error[known]))
    if c and e.holds(lambda t: t.analytic - c):
        yield 3, f"a constant, {c:.6g}, is added to every entry"
    elif c and e.holds(lambda t: t.analytic - np.median(t.error[t.known]), MANY):
        yield (
            4,
            f"the same number, {c:.6g} here, is added to every entry: a constant, or a path "
            "through a mean or sum over all of them that is dropped or one too many",
        )


def added_term(e: Evidence) -> Iterator[Hint]:
    """The error is a constant times one quantity; or, of the argument, a multiple of it."""
    first = e.first
    finite = [(i, text, f) for i, (text, f) in enumerate(terms(first)) if np.isfinite(f).all()]
    fits = factors_that_fit(first, (f for _, _, f in finite), first.error)
    for (i, text, _), c in zip(finite, fits, strict=True):
        if np.isnan(c):
            continue

        def candidate(trial: Trial, i: int = i, c: float = c) -> np.ndarray | None:
            found = terms(trial)
            return trial.analytic - c * found[i][1] if i < len(found) else None

        def rescaled(trial: Trial) -> np.ndarray:
            k = least_squares(trial.x[trial.known], trial.error[trial.known])
            return trial.analytic - k * trial.x

        nice = any(abs(abs(c) - k) < 2e-3 * k for k in (1, 2, 0.5))
        is_own = text == first.name
        constant = e.holds(candidate, enough=4 if nice else MANY)
        if constant:
            term = text if abs(abs(c) - 1) < 2e-3 else f"{abs(c):.6g} x {text}"
        elif is_own and e.holds(rescaled, enough=MANY):
            term = f"a multiple of {text} ({abs(c):.4g} x {text} here)"
        else:
            continue
        why = "a path or a term of the sum"
        if is_own:
            why = (
                "weight decay, or a product rule" if constant else "the path through a norm or sum"
            )
        is_double = constant and abs(abs(c) - 2) < 4e-3
        sign = f"{text} has the wrong sign, or " if is_double and not is_own else ""
        yield (4 if nice else 5), f"{sign}{term} is {'missing' if c < 0 else 'added'}: {why}"
        return


def terms(trial: Trial) -> list[Quantity]:
    """Quantities that may be terms of a gradient, all of the argument's shape."""
    if "terms" not in trial.kept:
        trial.kept["terms"] = list(all_terms(trial))
    return trial.kept["terms"]


def all_terms(trial: Trial) -> Iterator[Quantity]:
    """The terms, each made once."""
    shape = trial.x.shape
    yield trial.name, trial.x
    yield f"sign({trial.name})", np.sign(trial.x)
    for name, other in trial.others:
        if other.shape == shape:
            yield f"the gradient of {name}", other
    if trial.dout is not None:
        for text, f in of_dout(trial, trial.dout):
            for _, fitted in fitting(iter([(text, f)]), shape):
                yield text, fitted
    yield from quantities(trial, shape)


def of_dout(trial: Trial, dout: np.ndarray) -> Iterator[Quantity]:
    """dout itself, its sums, and its products with what it meets."""
    yield "dout", dout
    y = output_name(trial)
    out = trial.out
    assert out is not None
    for axis in range(dout.ndim):
        yield f"dout summed over axis {axis}", dout.sum(axis=axis)
        yield f"(dout {y}) summed over axis {axis}", (dout * out).sum(axis=axis)
    for text, f in quantities(trial, dout.shape):
        yield f"dout {text}", dout * f
        for axis in range(dout.ndim):
            if dout.ndim - 1 == trial.x.ndim:
                yield f"(dout {text}) summed over axis {axis}", (dout * f).sum(axis=axis)


def dropped_along_axis(e: Evidence) -> Iterator[Hint]:
    """Along one axis the error is one number times 1, x or y: a path through one number is lost."""
    shape, name = e.first.x.shape, e.first.name
    for axis in range(len(shape)):
        if shape[axis] < 3:
            continue
        if proportional(e, axis, lambda t: np.ones(shape)):
            yield (
                5,
                f"a term is dropped or added, the same along axis {axis}: "
                "could be the path through a mean or sum over it",
            )
            return
        if proportional(e, axis, centred_along(axis)):
            yield (
                5,
                f"a term proportional to {name} minus its mean along axis {axis} is dropped or "
                "wrong: the path through the variance",
            )
            return
        y = output_name(e.first)
        has_output = e.first.out is not None and e.first.out.shape == shape
        if has_output and proportional(e, axis, lambda t: t.out):
            yield (
                5,
                f"a term proportional to {y} along axis {axis} is dropped or wrong: could be the "
                "path through a sum or norm over it",
            )
            return
        found = [t for t, _ in of_argument(e.first.x, name)]
        for i in range(len(found)):
            if proportional(e, axis, own_quantity(i)):
                yield (
                    5,
                    f"a term proportional to {found[i]} along axis {axis} is dropped or wrong: "
                    "could be the path through a sum, norm or variance over it",
                )
                return
        if shape[axis] > 3 and linear_along(e, axis):
            yield (
                5,
                f"terms linear in {name} along axis {axis} are dropped or wrong: "
                "the path through its mean or variance",
            )
            return


def own_quantity(i: int) -> Candidate:
    """The i-th function of the argument."""
    return lambda t: list(of_argument(t.x, t.name))[i][1]


def centred_along(axis: int) -> Candidate:
    """The argument minus its mean."""
    return lambda t: t.x - t.x.mean(axis=axis, keepdims=True)


def proportional(e: Evidence, axis: int, of: Candidate) -> bool:
    """Whether the error is a number per slice times a quantity, in every trial."""
    seen = 0
    for t in e.trials:
        quantity = of(t)
        if quantity is None or not np.isfinite(quantity).all():
            return False
        q = np.where(t.known, quantity, 0.0)
        squares = (q**2).sum(axis=axis, keepdims=True)
        number = (t.error * q).sum(axis=axis, keepdims=True) / np.where(squares, squares, 1.0)
        if not is_small(t, t.error - number * q):
            return False
        large = np.abs(number * q) > 4 * t.allowed
        seen += int(large.sum() - large.any(axis=axis).sum())
    return seen >= MANY


def linear_along(e: Evidence, axis: int) -> bool:
    """Whether the error is a + b x along an axis, with numbers a and b per slice."""
    seen = 0
    for t in e.trials:
        count = np.maximum(t.known.sum(axis=axis, keepdims=True), 1)
        mean_x = (t.x * t.known).sum(axis=axis, keepdims=True) / count
        mean_error = t.error.sum(axis=axis, keepdims=True) / count
        centred = (t.x - mean_x) * t.known
        squares = (centred**2).sum(axis=axis, keepdims=True)
        slope = (t.error * centred).sum(axis=axis, keepdims=True) / np.where(squares, squares, 1.0)
        if not is_small(t, t.error - (mean_error + slope * centred)):
            return False
        seen += int(np.maximum(t.known.sum(axis=axis) - 2, 0).sum())
    return seen >= MANY


def is_small(t: Trial, rest: np.ndarray) -> bool:
    """Whether what an explanation leaves of the error is within rounding, where it is known."""
    limit = np.minimum(t.allowed, 1e-2 * np.max(np.abs(t.error)))
    return bool(np.all((np.abs(rest) <= limit)[t.known]))


def averaged(e: Evidence) -> Iterator[Hint]:
    """The right gradient, averaged or summed over an axis that belongs to it."""
    if not all(t.is_full for t in e.trials):
        return
    for axis, n in enumerate(e.first.x.shape):
        if n < 2:
            continue
        for text, of in (("averaged", np.mean), ("summed", np.sum)):
            if all(
                np.all(np.abs(of(t.numeric, axis=axis, keepdims=True) - t.analytic) <= t.allowed)
                for t in e.trials
            ):
                yield (
                    5,
                    f"the same for every index along axis {axis}: {text} over it, or its weights "
                    "(a softmax, the largest entry) are forgotten",
                )
                return
