"""Scores of generated images, computed with judges: digit classifiers that npgan has trained.

>>> scores = evaluate(gan.sample(10_000))       # a dict; "real" and "noise" hold what those score
>>> Judge.load().probabilities(images)          # (n, 10)
"""

from .distances import frechet_distance, kernel_distance, nearest, precision_recall
from .judge import Judge, Prediction, as_pixels
from .scores import agreement, evaluate, histogram, kl_divergence

__all__ = [
    "Judge",
    "Prediction",
    "agreement",
    "as_pixels",
    "evaluate",
    "frechet_distance",
    "histogram",
    "kernel_distance",
    "kl_divergence",
    "nearest",
    "precision_recall",
]
