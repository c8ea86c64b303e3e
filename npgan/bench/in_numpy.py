"""The training step in plain NumPy, without any code of npgan.

It reuses arrays and computes nothing twice. In float64 it gives the losses with which those of all
peers are compared.
"""

from __future__ import annotations

import numpy as np

from npgan.bench.problem import BETA1, BETA2, EPS, LR, SLOPE, Step
from npgan.bench.problem import Weights as Arrays


def forward(weights: Arrays, x: np.ndarray) -> Arrays:
    """The input of every layer, and the output, to which no activation is applied."""
    values = [x]
    for W, b in zip(weights[::2], weights[1::2], strict=True):
        y = values[-1] @ W
        y += b
        if len(values) < len(weights) // 2:
            np.maximum(y, SLOPE * y, out=y)
        values.append(y)
    return values


def backward(
    weights: Arrays, values: Arrays, g: np.ndarray, grads: Arrays | None, to_input: bool
) -> np.ndarray:
    """From dL/d(output): the gradients of the weights, into `grads`, and dL/d(input), returned."""
    for i in range(len(weights) // 2 - 1, -1, -1):
        if grads is not None:
            np.matmul(values[i].T, g, out=grads[2 * i])
            np.add.reduce(g, axis=0, out=grads[2 * i + 1])
        if i or to_input:
            g = g @ weights[2 * i].T
        if i:
            g *= np.where(values[i] > 0, g.dtype.type(1), g.dtype.type(SLOPE))
    return g


class Adam:
    def __init__(self, weights: Arrays):
        self.weights, self.t = weights, 0
        self.m, self.v, self.spare = ([np.zeros_like(w) for w in weights] for _ in range(3))

    def step(self, grads: Arrays) -> None:
        self.t += 1
        rate, correction = LR / (1 - BETA1**self.t), (1 - BETA2**self.t) ** -0.5
        for w, g, m, v, spare in zip(self.weights, grads, self.m, self.v, self.spare, strict=True):
            m *= BETA1
            np.multiply(g, 1 - BETA1, out=spare)
            m += spare
            v *= BETA2
            g *= g
            g *= 1 - BETA2
            v += g
            np.sqrt(v, out=spare)
            spare *= correction
            spare += EPS
            np.divide(m, spare, out=spare)
            spare *= rate
            w -= spare


def softplus(x: np.ndarray) -> np.ndarray:
    return np.logaddexp(0, x)


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def step(G0: Arrays, D0: Arrays) -> Step:
    G, D = [w.copy() for w in G0], [w.copy() for w in D0]
    adam_G, adam_D = Adam(G), Adam(D)
    grads_G, grads_D = [np.empty_like(w) for w in G], [np.empty_like(w) for w in D]

    def step(real: np.ndarray, z: np.ndarray) -> tuple[float, float]:
        n = len(real)
        of_G = forward(G, z)
        fake = np.tanh(of_G[-1])

        of_D = forward(D, np.concatenate([real, fake]))
        at_real, at_fake = of_D[-1][:n], of_D[-1][n:]
        loss_D = softplus(-at_real).mean() + softplus(at_fake).mean()
        dlogits = np.concatenate([sigmoid(at_real) - 1, sigmoid(at_fake)]) / n
        backward(D, of_D, dlogits.astype(z.dtype), grads_D, to_input=False)
        adam_D.step(grads_D)

        of_D = forward(D, fake)
        loss_G = softplus(-of_D[-1]).mean()
        dfake = backward(D, of_D, (sigmoid(of_D[-1]) - 1) / n, None, to_input=True)
        fake *= fake
        dfake *= np.subtract(1, fake, out=fake)
        backward(G, of_G, dfake, grads_G, to_input=False)
        adam_G.step(grads_G)
        return float(loss_D), float(loss_G)

    return step
