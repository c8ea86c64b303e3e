"""Second set: activations, gates and similarities (see gradcheck_more_kinds.py)."""

# fmt: off
from __future__ import annotations

import numpy as np
from gradcheck_more_kinds import edit, kind
from gradcheck_more_maths import sigmoid, softmax


def gumbel(logits, noise, V):
    """a relaxed sample (temperature 0.5, fixed noise) times the values V"""
    return softmax((logits + noise) / 0.5) @ V


def d_gumbel(dout, logits, noise, V):
    y = softmax((logits + noise) / 0.5)
    dy = dout @ V.T
    d = y * (dy - (y * dy).sum(1, keepdims=True)) / 0.5
    return d, d, y.T @ dout


GUMBEL = kind(
    "Gumbel softmax", gumbel, d_gumbel, lambda r: (r(4, 3), r(4, 3), r(3, 2)),
    edit(" / 0.5\n    return", "\n    return", "factor"),
    edit(" / 0.5\n    return", " * 0.5\n    return", "factor"),
    edit("- (y * dy).sum(1, keepdims=True)", "", "path term"),
    edit("(y * dy).sum(1, keepdims=True)", "(y * dy).sum(0, keepdims=True)", "axis path"),
    edit("y = softmax((logits + noise) / 0.5)", "y = softmax(logits / 0.5)", "stale term"),
    edit("return d, d,", "return d, 0 * d,", "zero"),
    edit("d = y * (dy", "d = (dy", "local"),
)


def cosine(a, b):
    return (a * b).sum(1) / np.sqrt((a**2).sum(1) * (b**2).sum(1))


def d_cosine(dout, a, b):
    na, nb = np.sqrt((a**2).sum(1, keepdims=True)), np.sqrt((b**2).sum(1, keepdims=True))
    u, v = a / na, b / nb
    c = (u * v).sum(1, keepdims=True)
    return dout[:, None] * (v - c * u) / na, dout[:, None] * (u - c * v) / nb


COSINE = kind(
    "cosine similarity", cosine, d_cosine, lambda r: (r(5, 3), r(5, 3)),
    edit("(v - c * u)", "v", "path term"),
    edit("(v - c * u) / na", "(v - c * u)", "local"),
    edit("(v - c * u) / na", "(v - c * u) / nb", "swapped local"),
    edit("(v - c * u)", "(v + c * u)", "sign"),
    edit("(v - c * u)", "(b - c * a)", "local stale"),
    edit("c = (u * v).sum(1, keepdims=True)", "c = (a * b).sum(1, keepdims=True)", "local path"),
    edit("dout[:, None] * (u", "dout.mean() * (u", "dout"),
    without="zeros,ties",
)


def swiglu(x, W, V):
    """SiLU(x W) (x V)"""
    return x @ W * sigmoid(x @ W) * (x @ V)


def d_swiglu(dout, x, W, V):
    a, b = x @ W, x @ V
    s = sigmoid(a)
    da = dout * b * (s + a * s * (1 - s))
    db = dout * a * s
    return da @ W.T + db @ V.T, x.T @ da, x.T @ db


SWIGLU = kind(
    "SwiGLU", swiglu, d_swiglu, lambda r: (r(5, 3), r(3, 3), r(3, 3)),
    edit("(s + a * s * (1 - s))", "s", "term local"),
    edit("(s + a * s * (1 - s))", "s * (1 - s)", "term local"),
    edit("da = dout * b *", "da = dout *", "local"),
    edit("da @ W.T + db @ V.T", "da @ W.T", "term"),
    edit("da @ W.T + db @ V.T", "da @ W + db @ V", "transpose"),
    edit("db = dout * a * s", "db = dout * s", "local"),
    edit("x.T @ da, x.T @ db", "x.T @ db, x.T @ da", "swapped"),
)


def gelu_mish(x, b):
    """GELU (its tanh form) of x + b, then mish"""
    z = x + b
    g = 0.5 * z * (1 + np.tanh(0.7978845608 * (z + 0.044715 * z**3)))
    return g * np.tanh(np.log1p(np.exp(g)))


def d_gelu_mish(dout, x, b):
    z = x + b
    t = np.tanh(0.7978845608 * (z + 0.044715 * z**3))
    g = 0.5 * z * (1 + t)
    w = np.tanh(np.log1p(np.exp(g)))
    dg = dout * (w + g * (1 - w**2) * sigmoid(g))
    dz = dg * (0.5 * (1 + t) + 0.5 * z * (1 - t**2) * 0.7978845608 * (1 + 0.134145 * z**2))
    return dz, dz.sum(0)


GELU_MISH = kind(
    "GELU and mish", gelu_mish, d_gelu_mish, lambda r: (r(5, 4), r(4)),
    edit("0.134145", "0.044715", "local factor"),
    edit("0.5 * (1 + t) + 0.5 * z", "0.5 * z", "term"),
    edit(" * sigmoid(g)", "", "local term"),
    edit("(w + g * (1 - w**2) * sigmoid(g))", "w", "term local"),
    edit("0.5 * z * (1 - t**2)", "z * (1 - t**2)", "factor term"),
    edit("dz.sum(0)", "dz.mean(0)", "factor sum"),
    edit("0.7978845608 * (1 + ", "0.8 * (1 + ", "eps local factor"),
)

def maxout(x, W, b):
    """x (N, D), W (K, D, M): the largest of K affine maps"""
    return (np.einsum("nd,kdm->knm", x, W) + b[:, None]).max(0)


def d_maxout(dout, x, W, b):
    z = np.einsum("nd,kdm->knm", x, W) + b[:, None]
    best = z.argmax(0)
    dz = np.where(best == np.arange(len(W))[:, None, None], dout, 0)
    return np.einsum("knm,kdm->nd", dz, W), np.einsum("nd,knm->kdm", x, dz), dz.sum(1)


MAXOUT = kind(
    "maxout", maxout, d_maxout, lambda r: (r(5, 3), r(3, 3, 4), r(3, 4)),
    edit("z.argmax(0)", "np.abs(z).argmax(0)", "part local order"),
    edit(" + b[:, None]\n", "\n", "part local stale order"),
    edit("dout, 0)", "1.0, 0)", "dout"),
    edit("dz.sum(1)", "dz.mean(1)", "sum factor"),
    edit('np.einsum("knm,kdm->nd", dz, W)', "dz.sum(0) @ W.sum(0).T", "axis term"),
    edit("z.argmax(0)", "z.argmin(0)", "order local"),
    edit("np.where(best == np.arange(len(W))[:, None, None], dout, 0)", "np.broadcast_to(dout, z.shape)", "local repeat"),
)


def highway(x, Wh, Wt, b):
    """a gate between tanh(x Wh) and x itself"""
    t = 1 / (1 + np.exp(-(x @ Wt + b)))
    return t * np.tanh(x @ Wh) + (1 - t) * x


def d_highway(dout, x, Wh, Wt, b):
    t = 1 / (1 + np.exp(-(x @ Wt + b)))
    h = np.tanh(x @ Wh)
    dh = dout * t * (1 - h**2)
    dt = dout * (h - x) * t * (1 - t)
    dx = dh @ Wh.T + dt @ Wt.T + dout * (1 - t)
    return dx, x.T @ dh, x.T @ dt, dt.sum(0)


HIGHWAY = kind(
    "highway layer", highway, d_highway, lambda r: (r(5, 4), r(4, 4), r(4, 4), r(4)),
    edit(" + dout * (1 - t)\n", "\n", "term"),
    edit(" + dt @ Wt.T", "", "term"),
    edit("dout * (h - x) * t", "dout * h * t", "term"),
    edit("dh @ Wh.T", "dh @ Wh", "transpose"),
    edit(" * (1 - h**2)", "", "local"),
    edit("(h - x) * t * (1 - t)", "(h - x) * t", "local"),
    edit("dt.sum(0)", "dt.mean(0)", "sum factor"),
    edit("(1 - h**2)", "(1 - (x @ Wh) ** 2)", "local"),
)


def prelu(x, a):
    """x (N, C, L), a slope for each channel"""
    return np.where(x > 0, x, a[:, None] * x)


def d_prelu(dout, x, a):
    dx = dout * np.where(x > 0, 1, a[:, None])
    da = (dout * np.where(x > 0, 0, x)).sum((0, 2))
    return dx, da


PRELU = kind(
    "PReLU", prelu, d_prelu, lambda r: (r(3, 2, 4), r(2)),
    edit("np.where(x > 0, 1, a[:, None])", "(x > 0)", "local part"),
    edit("np.where(x > 0, 0, x)", "x", "local term part"),
    edit(".sum((0, 2))", ".mean((0, 2))", "sum factor"),
    edit(".sum((0, 2))", ".sum(0).mean(-1)", "sum factor"),
    edit("np.where(x > 0, 1, a[:, None])", "np.where(x > 0, a[:, None], 1)", "swapped local"),
    edit("np.where(x > 0, 1, a[:, None])", "np.where(x > 0, 1, 0.25)", "local part stale"),
    edit("np.where(x > 0, 1, a[:, None])", "np.where(x > 0, 1, a[::-1, None])", "order part local"),
)

KINDS = (GUMBEL, COSINE, SWIGLU, GELU_MISH, MAXOUT, HIGHWAY, PRELU)
