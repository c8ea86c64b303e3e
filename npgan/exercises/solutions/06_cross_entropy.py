"""dL/dz = (sigmoid(z) - t) / n: the prediction minus the target, divided by the number of examples.

The gradient has no exponential that overflows, because sigmoid is computed with exp(-|z|), which is
at most 1. Computed from probabilities, the same gradient would be (p - t) / (p (1 - p)), times the
derivative of sigmoid: 0 / 0 for large logits. This is why discriminators end in logits.
"""

import numpy as np


def sigmoid(z):
    e = np.exp(-np.abs(z))
    return np.where(z >= 0, 1 / (1 + e), e / (1 + e))


def loss(z, t):
    return np.mean(np.maximum(z, 0) - t * z + np.log1p(np.exp(-np.abs(z))))


def backward(z, t):
    return (sigmoid(z) - t) / z.size
