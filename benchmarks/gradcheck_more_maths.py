"""Second set: the mathematical functions that several kinds share."""

from __future__ import annotations

import numpy as np


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def softmax(z):
    e = np.exp(z - z.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def log_softmax(z):
    z = z - z.max(-1, keepdims=True)
    return z - np.log(np.exp(z).sum(-1, keepdims=True))


def lse(z, axis):
    """log-sum-exp along one axis"""
    m = z.max(axis, keepdims=True)
    return np.log(np.exp(z - m).sum(axis)) + np.squeeze(m, axis)
