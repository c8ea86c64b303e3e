"""How good generated images are: in the eyes of a judge, a digit classifier that npgan itself has trained.

>>> scores = evaluate(gan.sample(10_000))       # a dict; scores["real"] and scores["noise"] beside it
>>> Judge.load().probabilities(images)          # (n, 10)
"""

from .distances import frechet_distance, nearest, precision_recall
from .judge import Judge, View, as_pixels
from .scores import agreement, evaluate, histogram, kl_divergence

__all__ = [
    "Judge",
    "View",
    "agreement",
    "as_pixels",
    "evaluate",
    "frechet_distance",
    "histogram",
    "kl_divergence",
    "nearest",
    "precision_recall",
]
