"""Discriminator rejection sampling.    Azadi et al. 2019

A sample with the score s = a d(x), which is log p(x)/q(x) up to a constant, is accepted with the
probability

    σ(F),    F = s - M - log(1 - exp(s - M - ε)) - γ

M is the largest score of a first set of samples. With γ = 0 this is classic rejection sampling, of
probability exp(s - M), which gives the density p and accepts few. γ is chosen so that the mean
acceptance is the share `keep`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Rule = Callable[[Array, float], Callable[[Array], Array]]

PILOT = 512  # samples, at least, whose scores set M and γ
ROUNDS = 100  # then the rest is accepted as it comes, so that sampling ends
EPSILON = 1e-6  # keeps F finite at the largest score


def by_ratio(scores: Array, keep: float) -> Callable[[Array], Array]:
    """The probability of acceptance, as a function of scores; its mean at these ones is `keep`."""
    highest = scores.max()

    def logit(s: Array) -> Array:
        below = np.minimum(s - highest, 0.0) - EPSILON
        return np.asarray(below - np.log(-np.expm1(below)))

    logits = logit(scores)
    low, high = logits.min() - 50.0, logits.max() + 50.0
    for _ in range(60):  # bisection: a larger γ accepts less
        gamma = (low + high) / 2
        low, high = (gamma, high) if sigmoid(logits - gamma).mean() > keep else (low, gamma)
    return lambda s: sigmoid(logit(s) - gamma)


def by_rank(scores: Array, keep: float) -> Callable[[Array], Array]:
    """1 for the scores that are among the largest share `keep` of these, and 0 for the others."""
    threshold = np.quantile(scores, 1 - keep)
    return lambda s: np.asarray(s >= threshold, np.float64)


def sigmoid(x: Array) -> Array:
    """1 / (1 + e^-x)"""
    return np.asarray(0.5 * (1 + np.tanh(0.5 * x)))


RULE: Rule = by_ratio


def accepted(
    n: int, propose: Callable[[Array], tuple[Array, Array]], keep: float, rng: np.random.Generator
) -> Array:
    """n samples; each place in the result is drawn again until its sample is accepted.

    Parameters
    ----------
    n : int
    propose : function
        From the places for which to draw, (m,), to m samples and their scores. A place may have a
        label, so that its samples are of this class.
    keep : float
        The mean acceptance.
    rng : np.random.Generator
    """
    places = np.resize(np.arange(n), max(n, PILOT))
    samples, scores = propose(places)
    probability = RULE(scores, keep)
    result, empty = samples[:n].copy(), np.ones(n, bool)
    for _ in range(ROUNDS):
        keeps = rng.random(len(places)) < probability(scores)
        # The first accepted sample of each place that has none.
        filled, first = np.unique(places[keeps], return_index=True)
        result[filled], empty[filled] = samples[keeps][first], False
        places = np.flatnonzero(empty)
        if not len(places):
            break
        samples, scores = propose(places)
        result[places] = samples
    return result
