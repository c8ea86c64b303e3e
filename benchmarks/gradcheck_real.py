"""E6: bugs that were reported in public, each rebuilt in a few lines from its thread.

The code is written for this benchmark; only the mistake is theirs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

GITHUB = "https://github.com/"
rng = np.random.default_rng(6)
X, Y = rng.standard_normal((6, 4)), rng.standard_normal(4)


class Real(NamedTuple):
    where: str
    what: str
    func: Callable
    grad: Callable
    args: tuple[Any, ...]
    style: str = "dout"

    @property
    def url(self) -> str:
        return GITHUB + self.where


def softmax(z):
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def hot(z):
    return np.eye(z.shape[1])[np.arange(len(z)) % z.shape[1]]


def cross_entropy(z):
    return -np.log(softmax(z)[hot(z) == 1])


def normalised(x, gamma):
    s = np.sqrt(x.var(axis=0) + 1e-5)
    return (x - x.mean(axis=0)) / s, s


def batch_norm(x, gamma):
    return gamma * normalised(x, gamma)[0]


def unscaled_batch_norm(dout, x, gamma):
    n, s = normalised(x, gamma)
    return (dout - dout.mean(axis=0) - n * (dout * n).mean(axis=0)) / s, (dout * n).sum(axis=0)


def constant_batch_norm(dout, x, gamma):
    n, s = normalised(x, gamma)
    return dout * gamma / s, (dout * n).sum(axis=0)


def log_normal(C):
    return -0.5 * (Y @ np.linalg.solve(C, Y) + np.linalg.slogdet(C)[1])


def turned_log_normal(C):
    u = np.linalg.solve(C, Y)
    return -0.5 * (np.outer(u, u) - np.linalg.inv(C)).T


def half_max(dout, x):
    most = (x == x.max()).astype(np.float16)
    return dout * most / most.sum(dtype=np.float16)


BUGS = [
    Real("pytorch/pytorch/issues/995", "prod: the incoming gradient is not used",
         lambda x: np.prod(x), lambda dout, x: np.prod(x) / x, (1.5 + rng.random(5),)),
    Real("HIPS/autograd/pull/412", "log density of a normal: the sign of the gradient by the covariance",
         log_normal, turned_log_normal, (X.T @ X,), "loss"),
    Real("NervanaSystems/neon/issues/169", "dot(x, x.T): the path through x.T is not added",
         lambda x: x @ x.T, lambda dout, x: dout @ x, (X,)),
    Real("denizyuret/Knet.jl/issues/288", "batch norm: dx is made from dy before it is multiplied by the scale",
         batch_norm, unscaled_batch_norm, (X, 1.0 + rng.random(4))),
    Real("deeplearning4j/deeplearning4j/pull/8379", "batch norm: no gradient through mean and variance",
         batch_norm, constant_batch_norm, (X, 1.0 + rng.random(4))),
    Real("scientific-computing/FKB/issues/15", "leaky ReLU with the derivative of ReLU",
         lambda x: np.where(x > 0, x, 0.3 * x), lambda dout, x: dout * (x > 0), (X,)),
    Real("victorlempitsky/Mate/issues/2", "softmax loss: divided by the number of entries, not of rows",
         lambda z: cross_entropy(z).mean(), lambda z: (softmax(z) - hot(z)) / z.size, (X,), "loss"),
    Real("paiml/aprender/pull/2182", "cross-entropy, summed: the gradient of the mean",
         lambda z: cross_entropy(z).sum(), lambda z: (softmax(z) - hot(z)) / len(z), (X,), "loss"),
    Real("paiml/aprender/pull/2182", "cross-entropy, per row: every row gets the first row's dout",
         cross_entropy, lambda dout, z: dout[0] * (softmax(z) - hot(z)) / len(z), (X,)),
    Real("tinygrad/tinygrad/pull/17404", "prod: the product divided by an entry that is zero",
         lambda x: np.prod(x), lambda dout, x: dout * np.prod(x) / x, (np.array([0.0, 2.0, 3.0]),)),
    Real("markroxor/fromscratchtoml/issues/65", "softmax: off by a factor of two",
         softmax, lambda dout, z: 2 * softmax(z) * (dout - (dout * softmax(z)).sum(axis=1, keepdims=True)), (X,)),
    Real("TrenTorch/TrenTorch/pull/58", "max: no gradient at all",
         lambda x: x.max(axis=1), lambda dout, x: np.zeros_like(x), (X,)),
    Real("tinygrad/tinygrad/issues/12296", "max: ties are counted in half precision, whose range they leave",
         lambda x: np.max(x), half_max, (np.ones(70_000),)),
    Real("tinygrad/tinygrad/issues/155", "power: the gradient by the exponent takes the log of a negative base",
         lambda x, y: x**y, lambda dout, x, y: (dout * y * x ** (y - 1), dout * x**y * np.log(x)),
         (X[0], np.array([2.0, 2.0, 2.0, 2.0]))),
]  # fmt: skip
