"""Penalties: derivatives of derivatives."""

from __future__ import annotations

from .. import outcomes
from .exercise import Exercise, Mistake, unchanged

SECOND_DERIVATIVES = (
    Exercise(
        "17_penalty_by_hand",
        "the R1 penalty of a network with one hidden layer, by hand",
        outcomes.penalty_gradient,
        (
            "Name the parts: u = (1 - h²) * v, s = u @ W.T. What is dL/ds of ½ mean |s|²? Then "
            "exercise 3.",
            "ds = s / len(x), du = ds @ W, and one part of dW is ds.T @ u. dv: du times what v "
            "is multiplied with.",
            "du also reaches h: dh = -2 h v du, da = dh (1 - h²), and a = x @ W gives the second "
            "part of dW.",
        ),
        (
            Mistake(
                "ds.T @ u + x.T @ da",
                "ds.T @ u",
                "the second path is missing: W acts through h, too",
            ),
            Mistake(
                "ds.T @ u + x.T @ da",
                "x.T @ da",
                "the first path is missing: W stands in s itself, as W.T",
            ),
            Mistake("du * (1 - h**2)).sum", "du).sum", "dv must be multiplied with 1 - h²"),
            Mistake("-2 * h * v", "-h * v", "the derivative of 1 - h² is -2 h: the 2 is missing"),
            Mistake(
                "-2 * h * v", "2 * h * v", "the derivative of 1 - h² is -2 h: the sign is wrong"
            ),
            Mistake(
                "-2 * h * v * du * (1 - h**2)",
                "-2 * h * v * du",
                "da is dh times 1 - h²: tanh's gate is missing",
            ),
            Mistake(
                "(u @ W.T) / len(x)",
                "u @ W.T",
                "the penalty is a mean over the batch: divide by len(x)",
            ),
            Mistake(
                "(u @ W.T) / len(x)",
                "2 * (u @ W.T) / len(x)",
                "the derivative of ½ s² is s, not 2 s",
            ),
        ),
    ),
    Exercise(
        "18_frozen_gate",
        "a rule whose second derivative is wrong",
        outcomes.second_derivative,
        (
            "For a second derivative, y is a Tensor. What is y.data?",
            "y.data is an array of numbers, so nobody knows that it came from x. Use y itself.",
            "return ops.multiply(g, 1 - y * y)",
        ),
        (
            unchanged(
                "the rule reads y as plain numbers: the second derivative loses the path through y"
            ),
            Mistake("1 - y * y", "1 - x * x", "1 - y² needs y, the output of tanh, not x"),
            Mistake("1 - y * y", "1 - y", "the square is missing: 1 - y²"),
            Mistake(
                "ops.multiply(g, 1 - y * y)",
                "ops.multiply(1.0, 1 - y * y)",
                "g is missing: multiply the derivative with g",
            ),
        ),
        symptom="the first derivative is right; the second derivative is not",
    ),
)
