"""Second set: functions with an argument that has no effect, so that its true gradient is zero.

The gradients are written as people write them: the zero comes out of the sums, to rounding.
"""

# fmt: off
from __future__ import annotations

import numpy as np
from gradcheck_more_kinds import kind
from gradcheck_more_maths import log_softmax, softmax


def normalised(z, axis):
    s = np.sqrt(((z - z.mean(axis, keepdims=True)) ** 2).mean(axis, keepdims=True) + 1e-5)
    return (z - z.mean(axis, keepdims=True)) / s, s


def d_normalised(d, z, axis):
    n, s = normalised(z, axis)
    return (d - d.mean(axis, keepdims=True) - n * (d * n).mean(axis, keepdims=True)) / s


def dense_batch_norm(x, W, b):
    return normalised(x @ W + b, 0)[0]


def d_dense_batch_norm(dout, x, W, b):
    d = d_normalised(dout, x @ W + b, 0)
    return d @ W.T, x.T @ d, d.sum(0)


def instance_bias(x, b):
    """x (N, C, L)"""
    return np.tanh(normalised(x + b[:, None], 2)[0])


def d_instance_bias(dout, x, b):
    z = x + b[:, None]
    d = d_normalised(dout * (1 - np.tanh(normalised(z, 2)[0]) ** 2), z, 2)
    return d, d.sum((0, 2))


def key_bias(x, W, U, b):
    a = softmax(x @ W @ (x @ U + b).T)
    return a @ x


def d_key_bias(dout, x, W, U, b):
    q, k = x @ W, x @ U + b
    a = softmax(q @ k.T)
    da = dout @ x.T
    ds = a * (da - (a * da).sum(1, keepdims=True))
    dq, dk = ds @ k, ds.T @ q
    return a.T @ dout + dq @ W.T + dk @ U.T, x.T @ dq, x.T @ dk, dk.sum(0)


def shifted_logits(z, shift, labels):
    return -log_softmax(z + shift)[np.arange(len(labels)), labels].mean()


def d_shifted_logits(z, shift, labels):
    d = softmax(z + shift)
    d[np.arange(len(labels)), labels] -= 1
    d /= len(labels)
    return d, d.sum(1, keepdims=True)


def scaled_direction(x, scale):
    z = x * scale
    return z / np.sqrt((z**2).sum(1, keepdims=True))


def d_scaled_direction(dout, x, scale):
    z = x * scale
    r = np.sqrt((z**2).sum(1, keepdims=True))
    u = z / r
    d = (dout - u * (dout * u).sum(1, keepdims=True)) / r
    return d * scale, np.sum(d * x)


def moved_distances(x, shift):
    z = x + shift
    return ((z[:, None] - z) ** 2).sum(-1)


def d_moved_distances(dout, x, shift):
    z = x + shift
    g = 2 * dout[:, :, None] * (z[:, None] - z)
    dz = g.sum(1) - g.sum(0)
    return dz, dz.sum(0)


def moved_bodies(x, t):
    d = (x + t)[:, None] - (x + t)
    return -0.5 * np.sum(1 / np.sqrt((d**2).sum(-1) + 0.01))


def d_moved_bodies(x, t):
    d = (x + t)[:, None] - (x + t)
    dx = (((d**2).sum(-1) + 0.01) ** -1.5)[:, :, None] * d
    return dx.sum(1), dx.sum((0, 1))


def offset_contrast(a, c):
    """pairwise logistic ranking of scores a + c"""
    s = a + c
    return np.mean(np.logaddexp(0, -(s[:, None] - s)[np.triu_indices(len(a), 1)]))


def d_offset_contrast(a, c):
    s = a + c
    i, j = np.triu_indices(len(a), 1)
    d = -1 / (1 + np.exp(s[i] - s[j])) / len(i)
    ds = np.zeros_like(s)
    np.add.at(ds, i, d)
    np.subtract.at(ds, j, d)
    return ds, ds.sum()


KINDS = (
    kind("dense bias before batch norm", dense_batch_norm, d_dense_batch_norm, lambda r: (r(6, 3), r(3, 4), r(4))),
    kind("bias before instance norm", instance_bias, d_instance_bias, lambda r: (r(2, 3, 5), r(3))),
    kind("key bias in attention", key_bias, d_key_bias, lambda r: (r(4, 3), r(3, 3), r(3, 3), r(3))),
    kind("shift before softmax", shifted_logits, d_shifted_logits, lambda r: (r(5, 4), r(5, 1), r(5, low=0, high=4)), style="loss"),
    kind("scale before a direction", scaled_direction, d_scaled_direction, lambda r: (r(4, 3), r(low=0.5, high=2.0))),
    kind("shift before pairwise distances", moved_distances, d_moved_distances, lambda r: (r(4, 3), r(3))),
    kind("translation of bodies", moved_bodies, d_moved_bodies, lambda r: (r(4, 3), r(3)), style="loss"),
    kind("offset of a ranking", offset_contrast, d_offset_contrast, lambda r: (r(5), r()), style="loss"),
)
