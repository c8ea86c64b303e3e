"""Numbers to predict."""

from __future__ import annotations

from .. import outcomes
from .exercise import Exercise, Mistake

PREDICTIONS = (
    Exercise(
        "19_adam",
        "predict where Adam moves a weight",
        outcomes.answers("SMALL", "LARGE", "AGAIN"),
        (
            "Write m_hat and v_hat after the first step, with m = v = 0 before it. What cancels?",
            "m_hat = g and v_hat = g². What is g / sqrt(g²)?",
            "It is 1 for each positive gradient, so the first step is lr = 0.1 long; and the "
            "second?",
        ),
        (
            Mistake(
                "SMALL = 1.9",
                "SMALL = 1.9999",
                "SMALL: this is plain gradient descent, lr * g; Adam divides by sqrt(v_hat)",
            ),
            Mistake(
                "LARGE = 1.9",
                "LARGE = -3.0",
                "LARGE: this is plain gradient descent, lr * g; Adam divides by sqrt(v_hat)",
            ),
            Mistake(
                "SMALL = 1.9",
                "SMALL = 1.842",
                "SMALL: m and v are not corrected; use m_hat and v_hat",
            ),
            Mistake(
                "LARGE = 1.9",
                "LARGE = 1.842",
                "LARGE: m and v are not corrected; use m_hat and v_hat",
            ),
            Mistake("SMALL = 1.9", "SMALL = 2.1", "SMALL: the step goes against the gradient"),
            Mistake("LARGE = 1.9", "LARGE = 2.1", "LARGE: the step goes against the gradient"),
            Mistake(
                "AGAIN = 1.8",
                "AGAIN = 1.9",
                "AGAIN: the second step is as long as the first; count both",
            ),
            Mistake(
                "AGAIN = 1.8",
                "AGAIN = 1.85",
                "AGAIN: with the same gradient m_hat and v_hat stay g and g²",
            ),
        ),
        tolerance=6e-4,
    ),
    Exercise(
        "20_ln2",
        "why ln 2, three times",
        outcomes.answers("FIRST", "PERFECT", "PAIRS", "VALUE"),
        (
            "sigmoid(0) = 1/2, and -log(1/2) = ?",
            "FIRST, PERFECT and PAIRS are the same number. VALUE has two terms, and the other "
            "sign.",
            "ln 2 = 0.693, and VALUE = 2 log(1/2)",
        ),
        (
            Mistake(
                "FIRST = 0.693",
                "FIRST = 1.386",
                "FIRST: the loss is the mean over real and generated images, not the sum",
            ),
            Mistake(
                "FIRST = 0.693",
                "FIRST = 0.5",
                "FIRST: 1/2 is the probability; the loss is -log of it",
            ),
            Mistake(
                "PERFECT = 0.693",
                "PERFECT = 0",
                "PERFECT: a loss of 0 needs a D that is sure that the images are real",
            ),
            Mistake(
                "PERFECT = 0.693",
                "PERFECT = 0.5",
                "PERFECT: 1/2 is the probability; the loss is -log of it",
            ),
            Mistake(
                "PAIRS = 0.693",
                "PAIRS = 0",
                "PAIRS: the difference is 0; the loss is -log(sigmoid(0))",
            ),
            Mistake("PAIRS = 0.693", "PAIRS = 1.386", "PAIRS: each pair has one term"),
            Mistake(
                "VALUE = -1.386",
                "VALUE = 1.386",
                "VALUE: V has logarithms of probabilities, without a minus: it is negative",
            ),
            Mistake(
                "VALUE = -1.386",
                "VALUE = -0.693",
                "VALUE: two terms, log D(real) and log(1 - D(fake))",
            ),
        ),
        tolerance=6e-4,
    ),
)
