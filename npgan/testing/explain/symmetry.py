"""Causes that have to do with a transpose: one of two paths, one of two triangles."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from .evidence import Evidence, Hint
from .order import on_gradient
from .trial import Trial

TRIANGLE = "func reads only this triangle"


def transpose(a: np.ndarray) -> np.ndarray:
    """The last two axes exchanged."""
    return np.swapaxes(a, -1, -2)


def with_transpose(a: np.ndarray) -> np.ndarray:
    """a + a.T"""
    return a + transpose(a)


def diagonal(a: np.ndarray) -> np.ndarray:
    """The diagonal, and zeros elsewhere."""
    return a * np.eye(a.shape[-1])


# (what it is called, the corrected gradient)
CORRECTIONS: tuple[tuple[str, Callable[[np.ndarray], np.ndarray]], ...] = (
    (
        "numeric = analytic + analytic.T: the second path, through the transpose, is missing",
        with_transpose,
    ),
    (
        "numeric = (analytic + analytic.T) / 2: the gradient is not symmetrised",
        lambda a: with_transpose(a) / 2,
    ),
    (
        f"numeric = the lower triangle of analytic + analytic.T: {TRIANGLE}",
        lambda a: np.tril(with_transpose(a)) - diagonal(a),
    ),
    (
        f"numeric = the upper triangle of analytic + analytic.T: {TRIANGLE}",
        lambda a: np.triu(with_transpose(a)) - diagonal(a),
    ),
    (f"only the lower triangle belongs here: {TRIANGLE}", np.tril),
    (f"only the upper triangle belongs here: {TRIANGLE}", np.triu),
    (
        "the off-diagonal entries are twice what they should be: each was counted for both sides",
        lambda a: (a + diagonal(a)) / 2,
    ),
    (
        "the off-diagonal entries are half of what they should be: each stands for both sides",
        lambda a: 2 * a - diagonal(a),
    ),
)


def symmetric(e: Evidence) -> Iterator[Hint]:
    """The gradient by a square matrix that is symmetric, or of which one triangle is read."""
    shape = e.first.x.shape
    if len(shape) < 2 or shape[-1] != shape[-2] or shape[-1] < 2:
        return
    for text, change in CORRECTIONS:
        if e.holds(on_gradient(change)):
            yield 2, text
            return
    if all(t.is_full and is_symmetrised(t) for t in e.trials):
        yield 2, "symmetrised: analytic = (numeric + numeric.T) / 2, but func reads each entry"
    elif all(t.is_full and is_of_symmetric(t) for t in e.trials):
        yield (
            2,
            "symmetrised: analytic = numeric + numeric.T - its diagonal, the formula for a "
            "symmetric argument, but func reads each entry",
        )


def is_symmetrised(t: Trial) -> bool:
    """Whether backward returned the symmetric part of the right gradient."""
    return bool(np.all(np.abs(with_transpose(t.numeric) / 2 - t.analytic) <= t.allowed))


def is_of_symmetric(t: Trial) -> bool:
    """Whether backward returned the derivative by the entries of a triangle alone."""
    rest = with_transpose(t.numeric) - diagonal(t.numeric) - t.analytic
    return bool(np.all(np.abs(rest) <= t.allowed))


def used_twice(e: Evidence) -> Iterator[Hint]:
    """A product of the argument with itself: the path through the transpose is missing."""
    out = e.first.where.out
    if out is None or out.ndim < 2 or out.shape[-1] != out.shape[-2] or out.shape[-1] < 2:
        return
    for sign, text in ((1.0, "+"), (-1.0, "-")):

        def candidate(t: Trial, sign: float = sign) -> np.ndarray | None:
            if t.dout is None:
                return None
            return t.with_dout(t.dout) + sign * t.with_dout(transpose(t.dout))

        if e.holds(candidate):
            yield (
                2,
                f"right with dout {text} dout.T for dout: the argument is used twice, and the "
                "second path, through the transpose, is missing",
            )
            return
