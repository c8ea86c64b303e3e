"""Second set: layers, as people write them by hand (see gradcheck_more_kinds.py)."""

# fmt: off
from __future__ import annotations

import numpy as np
from gradcheck_more_kinds import edit, kind


def group_norm(x, gamma, beta):
    """x (N, C, L), two groups of channels"""
    n, c, length = x.shape
    g = x.reshape(n, 2, -1)
    m = g.mean(-1, keepdims=True)
    v = ((g - m) ** 2).mean(-1, keepdims=True)
    h = ((g - m) / np.sqrt(v + 1e-5)).reshape(n, c, length)
    return gamma[:, None] * h + beta[:, None]


def d_group_norm(dout, x, gamma, beta):
    n = len(x)
    g = x.reshape(n, 2, -1)
    m = g.mean(-1, keepdims=True)
    s = np.sqrt(((g - m) ** 2).mean(-1, keepdims=True) + 1e-5)
    h = (g - m) / s
    dh = (dout * gamma[:, None]).reshape(n, 2, -1)
    dx = (dh - dh.mean(-1, keepdims=True) - h * (dh * h).mean(-1, keepdims=True)) / s
    dgamma = (dout * h.reshape(x.shape)).sum((0, 2))
    dbeta = dout.sum((0, 2))
    return dx.reshape(x.shape), dgamma, dbeta


GROUP_NORM = kind(
    "group norm", group_norm, d_group_norm, lambda r: (r(2, 4, 4), r(4), r(4)),
    edit("dh - dh.mean(-1, keepdims=True)", "dh", "path term"),
    edit("- h * (dh * h).mean(-1, keepdims=True)", "", "path term"),
    edit("(dout * gamma[:, None])", "dout", "local"),
    edit("dbeta = dout.sum((0, 2))", "dbeta = dout.mean((0, 2))", "sum factor"),
    edit("(dh * h).mean(", "(dh * h).sum(", "sum path"),
    edit(")) / s\n", "))\n", "local"),
    edit("dh * h).mean(-1, keepdims=True)) / s", "dh * h).mean(-1, keepdims=True)) / s**2", "local"),
    edit("dgamma = (dout * h.reshape(x.shape))", "dgamma = (dout * x)", "local term stale"),
)


def instance_norm(x):
    """x (N, C, H, W), each image and channel alone"""
    m = x.mean((2, 3), keepdims=True)
    return (x - m) / np.sqrt(((x - m) ** 2).mean((2, 3), keepdims=True) + 1e-5)


def d_instance_norm(dout, x):
    count = x.shape[2] * x.shape[3]
    centred = x - x.mean((2, 3), keepdims=True)
    inv = 1 / np.sqrt((centred**2).mean((2, 3), keepdims=True) + 1e-5)
    dvar = -0.5 * (dout * centred).sum((2, 3), keepdims=True) * inv**3
    dmean = -(dout * inv).sum((2, 3), keepdims=True)
    return dout * inv + dvar * 2 * centred / count + dmean / count


INSTANCE_NORM = kind(
    "instance norm", instance_norm, d_instance_norm, lambda r: (r(2, 2, 3, 3),),
    edit(" + dmean / count", "", "path term"),
    edit(" + dvar * 2 * centred / count", "", "path term"),
    edit("dvar * 2 * centred", "dvar * centred", "factor path"),
    edit("dvar = -0.5", "dvar = 0.5", "sign"),
    edit("inv**3", "inv**2", "local"),
    edit("(dout * centred).sum((2, 3), keepdims=True)", "(dout * centred).sum((0, 2, 3), keepdims=True)", "axis path"),
    edit("count = x.shape[2] * x.shape[3]", "count = x.shape[2]", "factor path"),
    edit("dmean = -(dout * inv).sum((2, 3), keepdims=True)", "dmean = -(dout * inv).mean((2, 3), keepdims=True)", "sum path"),
)


def rms_norm(x, w):
    return w * x / np.sqrt((x**2).mean(-1, keepdims=True) + 1e-6)


def d_rms_norm(dout, x, w):
    r = 1 / np.sqrt((x**2).mean(-1, keepdims=True) + 1e-6)
    d = dout * w
    dx = d * r - x * r**3 * (d * x).mean(-1, keepdims=True)
    dw = (dout * x * r).sum((0, 1))
    return dx, dw


RMS_NORM = kind(
    "RMS norm", rms_norm, d_rms_norm, lambda r: (r(2, 3, 5), r(5)),
    edit(" - x * r**3 * (d * x).mean(-1, keepdims=True)", "", "path term"),
    edit("r**3", "r**2", "local path"),
    edit("d = dout * w", "d = dout", "local"),
    edit("(dout * x * r).sum((0, 1))", "(dout * x).sum((0, 1))", "local"),
    edit("(dout * x * r).sum((0, 1))", "(dout * x * r).mean(0).sum(0)", "sum factor"),
    edit("(d * x).mean(-1, keepdims=True)", "(d * x).sum(-1, keepdims=True)", "sum path"),
    edit("+ 1e-6", "+ 1e-3", "eps"),
)


def strided_conv(x, w, b):
    """x (N, C, H, W), w (O, C, 3, 3): stride 2, padding 1"""
    p = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    h = (p.shape[2] - 3) // 2 + 1
    out = 0
    for i in range(3):
        for j in range(3):
            part = p[:, :, i : i + 2 * h - 1 : 2, j : j + 2 * h - 1 : 2]
            out = out + np.einsum("nchw,oc->nohw", part, w[:, :, i, j])
    return out + b[:, None, None]


def d_strided_conv(dout, x, w, b):
    p = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    h = dout.shape[2]
    dp, dw = np.zeros_like(p), np.zeros_like(w)
    for i in range(3):
        for j in range(3):
            rows, cols = slice(i, i + 2 * h - 1, 2), slice(j, j + 2 * h - 1, 2)
            dw[:, :, i, j] = np.einsum("nohw,nchw->oc", dout, p[:, :, rows, cols])
            dp[:, :, rows, cols] += np.einsum("nohw,oc->nchw", dout, w[:, :, i, j])
    return dp[:, :, 1:-1, 1:-1], dw, dout.sum((0, 2, 3))


STRIDED_CONV = kind(
    "strided convolution", strided_conv, d_strided_conv, lambda r: (r(1, 2, 5, 5), r(2, 2, 3, 3), r(2)),
    edit("dp[:, :, rows, cols] += ", "dp[:, :, rows, cols] = ", "repeat"),
    edit("dp[:, :, 1:-1, 1:-1]", "dp[:, :, 2:, 2:]", "stride order"),
    edit("dp[:, :, 1:-1, 1:-1]", "dp[:, :, :-2, :-2]", "stride order"),
    edit("p[:, :, rows, cols])", "p[:, :, i : i + h, j : j + h])", "stride"),
    edit("slice(i, i + 2 * h - 1, 2), slice(j, j + 2 * h - 1, 2)", "slice(i, i + h), slice(j, j + h)", "stride"),
    edit("dout, w[:, :, i, j])", "dout, w[:, :, 2 - i, 2 - j])", "order"),
    edit("dw[:, :, i, j] =", "dw[:, :, j, i] =", "transpose"),
    edit("dout.sum((0, 2, 3))", "dout.mean((0, 2, 3))", "sum factor"),
    edit("range(3):\n        for j in range(3)", "range(3):\n        for j in range(2)", "part"),
    oracle="complex",
)


def transposed_conv(x, w):
    """x (N, C, T), w (C, O, K): stride 2"""
    length = 2 * (x.shape[2] - 1) + w.shape[2]
    out = np.zeros((x.shape[0], w.shape[1], length), np.result_type(x, w))
    for k in range(w.shape[2]):
        out[:, :, k : k + 2 * x.shape[2] - 1 : 2] += np.einsum("nct,co->not", x, w[:, :, k])
    return out


def d_transposed_conv(dout, x, w):
    dx, dw = np.zeros_like(x), np.zeros_like(w)
    span = 2 * x.shape[2] - 1
    for k in range(w.shape[2]):
        part = dout[:, :, k : k + span : 2]
        dx += np.einsum("not,co->nct", part, w[:, :, k])
        dw[:, :, k] = np.einsum("not,nct->co", part, x)
    return dx, dw


TRANSPOSED_CONV = kind(
    "transposed convolution", transposed_conv, d_transposed_conv, lambda r: (r(2, 3, 4), r(3, 3, 3)),
    edit("dx += ", "dx = ", "repeat term"),
    edit("part, w[:, :, k])", "part, w[:, :, -1 - k])", "order"),
    edit("dout[:, :, k : k + span : 2]", "dout[:, :, k : k + x.shape[2]]", "stride"),
    edit("dout[:, :, k : k + span : 2]", "dout[:, :, : span : 2]", "stride order"),
    edit('"not,co->nct"', '"not,oc->nct"', "transpose"),
    edit('"not,nct->co"', '"not,nct->oc"', "transpose"),
    edit("range(w.shape[2])", "range(w.shape[2] - 1)", "part term"),
    oracle="complex",
)


def causal_conv(x, w, b):
    """x (T, C), w (K, C, O): dilation 2, nothing of the future"""
    p = np.concatenate([np.zeros((2 * (len(w) - 1), x.shape[1])), x])
    return sum(p[2 * k : 2 * k + len(x)] @ w[k] for k in range(len(w))) + b


def d_causal_conv(dout, x, w, b):
    pad = 2 * (len(w) - 1)
    p = np.concatenate([np.zeros((pad, x.shape[1])), x])
    dp = np.zeros_like(p)
    for k in range(len(w)):
        dp[2 * k : 2 * k + len(x)] += dout @ w[k].T
    dw = np.stack([p[2 * k : 2 * k + len(x)].T @ dout for k in range(len(w))])
    return dp[pad:], dw, dout.sum(0)


CAUSAL_CONV = kind(
    "dilated causal convolution", causal_conv, d_causal_conv, lambda r: (r(7, 3), r(3, 3, 3), r(3)),
    edit("+= dout @ w[k].T", "+= dout @ w[k]", "transpose"),
    edit("+= dout", "= dout", "repeat"),
    edit("dp[2 * k : 2 * k + len(x)]", "dp[k : k + len(x)]", "stride"),
    edit("dp[pad:]", "dp[: len(x)]", "stride order"),
    edit("p[2 * k : 2 * k + len(x)].T @ dout", "dout.T @ p[2 * k : 2 * k + len(x)]", "transpose swapped"),
    edit("p[2 * k : 2 * k + len(x)].T @ dout", "p[k : k + len(x)].T @ dout", "stride"),
    edit("dout.sum(0)", "dout.mean(0)", "sum factor"),
)


def depthwise_conv(x, w):
    """x (C, H, W), w (C, 3, 3): each channel with its own kernel, same size"""
    p = np.pad(x, ((0, 0), (1, 1), (1, 1)))
    h, v = x.shape[1:]
    return sum(w[:, i, j, None, None] * p[:, i : i + h, j : j + v] for i in range(3) for j in range(3))


def d_depthwise_conv(dout, x, w):
    p = np.pad(x, ((0, 0), (1, 1), (1, 1)))
    q = np.pad(dout, ((0, 0), (1, 1), (1, 1)))
    h, v = x.shape[1:]
    dx, dw = np.zeros_like(x), np.empty_like(w)
    for i in range(3):
        for j in range(3):
            dx += w[:, 2 - i, 2 - j, None, None] * q[:, i : i + h, j : j + v]
            dw[:, i, j] = (dout * p[:, i : i + h, j : j + v]).sum((1, 2))
    return dx, dw


DEPTHWISE = kind(
    "depthwise convolution", depthwise_conv, d_depthwise_conv, lambda r: (r(3, 4, 5), r(3, 3, 3)),
    edit("w[:, 2 - i, 2 - j, None, None]", "w[:, i, j, None, None]", "order"),
    edit("w[:, 2 - i, 2 - j, None, None]", "w[:, 2 - j, 2 - i, None, None]", "transpose"),
    edit("dw[:, i, j] =", "dw[:, j, i] =", "transpose"),
    edit("dw[:, i, j] = (dout", "dw[:, 2 - i, 2 - j] = (dout", "order"),
    edit(".sum((1, 2))", ".mean((1, 2))", "sum factor"),
    edit("(dout * p[:, i : i + h, j : j + v]).sum((1, 2))", "(dout * p[:, i : i + h, j : j + v]).sum()", "axis"),
    edit("dx += w", "dx = w", "repeat term"),
    edit("q = np.pad(dout, ((0, 0), (1, 1), (1, 1)))", "q = np.pad(dout, ((0, 0), (2, 0), (2, 0)))", "stride order"),
    oracle="complex",
)


def average_pool(x):
    """x (N, H, W): windows of 3 x 3, stride 2, that overlap"""
    h = (x.shape[1] - 3) // 2 + 1
    parts = [x[:, i : i + 2 * h - 1 : 2, j : j + 2 * h - 1 : 2] for i in range(3) for j in range(3)]
    return sum(parts) / 9


def d_average_pool(dout, x):
    dx = np.zeros_like(x)
    for i in range(dout.shape[1]):
        for j in range(dout.shape[2]):
            dx[:, 2 * i : 2 * i + 3, 2 * j : 2 * j + 3] += dout[:, i, j, None, None] / 9
    return dx


AVERAGE_POOL = kind(
    "average pool with overlap", average_pool, d_average_pool, lambda r: (r(2, 5, 5),),
    edit("+= dout", "= dout", "repeat"),
    edit(" / 9", "", "factor sum"),
    edit(" / 9", " / 3", "factor"),
    edit("2 * i : 2 * i + 3, 2 * j : 2 * j + 3", "i : i + 3, j : j + 3", "stride"),
    edit("2 * i : 2 * i + 3, 2 * j : 2 * j + 3", "3 * i : 3 * i + 3, 3 * j : 3 * j + 3", "stride"),
    edit("2 * i : 2 * i + 3, 2 * j", "2 * i : 2 * i + 2, 2 * j", "part"),
    edit("dout[:, i, j, None, None]", "dout[:, j, i, None, None]", "transpose"),
)


def max_pool(x):
    """x (N, H, W): windows of 3 x 3, stride 2, that overlap"""
    h = (x.shape[1] - 3) // 2 + 1
    parts = [x[:, i : i + 2 * h - 1 : 2, j : j + 2 * h - 1 : 2] for i in range(3) for j in range(3)]
    return np.max(np.stack(parts), axis=0)


def d_max_pool(dout, x):
    dx = np.zeros_like(x)
    for n in range(len(x)):
        for i in range(dout.shape[1]):
            for j in range(dout.shape[2]):
                window = x[n, 2 * i : 2 * i + 3, 2 * j : 2 * j + 3]
                a, b = np.unravel_index(window.argmax(), window.shape)
                dx[n, 2 * i + a, 2 * j + b] += dout[n, i, j]
    return dx


MAX_POOL = kind(
    "max pool with overlap", max_pool, d_max_pool,
    lambda r: (r(2, 5, 5) + 3 * np.outer(np.eye(5)[2], np.eye(5)[2]),),
    edit("+= dout", "= dout", "repeat"),
    edit("2 * i + a, 2 * j + b", "i + a, j + b", "stride"),
    edit("2 * i + a, 2 * j + b", "2 * i + b, 2 * j + a", "transpose order"),
    edit("window.argmax()", "window.argmin()", "order local"),
    edit("window.argmax()", "min(window.argmax() + 1, 8)", "order"),
    edit("window.argmax()", "window[:2].argmax()", "order part"),
    edit("dout[n, i, j]", "dout[0, i, j]", "dout"),
)


def embedding(E, ids):
    """E (V, D), ids (B, T): the mean of the words of each text"""
    return E[ids].mean(1)


def d_embedding(dout, E, ids):
    dE = np.zeros_like(E)
    d = np.repeat(dout[:, None], ids.shape[1], axis=1) / ids.shape[1]
    np.add.at(dE, ids, d)
    return dE


EMBEDDING = kind(
    "embedding", embedding, d_embedding,
    lambda r: (r(6, 4), np.array([[1, 2, 2, 5], [0, 1, 1, 1], [5, 5, 2, 0]])),
    edit("np.add.at(dE, ids, d)", "dE[ids] += d", "repeat"),
    edit("np.add.at(dE, ids, d)", "dE[ids] = d", "repeat"),
    edit(" / ids.shape[1]\n", "\n", "sum factor"),
    edit("np.add.at(dE, ids, d)", "np.add.at(dE, ids - 1, d)", "order"),
    edit("np.add.at(dE, ids, d)", "np.add.at(dE, ids[:, 0], d[:, 0])", "part term"),
    edit("/ ids.shape[1]\n", "/ ids.size\n", "factor sum"),
)


def weight_norm(x, v, g):
    """each row of v scaled to length g"""
    return x @ (v * (g / np.sqrt((v**2).sum(1)))[:, None]).T


def d_weight_norm(dout, x, v, g):
    norm = np.sqrt((v**2).sum(1))[:, None]
    u = v / norm
    dw = dout.T @ x
    dg = (dw * u).sum(1)
    dv = g[:, None] / norm * (dw - u * dg[:, None])
    dx = dout @ (g[:, None] * u)
    return dx, dv, dg


WEIGHT_NORM = kind(
    "weight norm", weight_norm, d_weight_norm, lambda r: (r(5, 4), r(3, 4), r(3)),
    edit("(dw - u * dg[:, None])", "dw", "path term"),
    edit("g[:, None] / norm *", "g[:, None] *", "local"),
    edit("g[:, None] / norm *", "1 / norm *", "local"),
    edit("dg = (dw * u)", "dg = (dw * v)", "local"),
    edit("dx = dout @ (g[:, None] * u)", "dx = dout @ (g[:, None] * v)", "local stale"),
    edit("u * dg[:, None])", "v * dg[:, None])", "path local"),
    edit("dout.T @ x", "dout.T @ x / len(x)", "factor sum"),
    without="zeros",
)


KINDS = (
    GROUP_NORM, INSTANCE_NORM, RMS_NORM, STRIDED_CONV, TRANSPOSED_CONV, CAUSAL_CONV, DEPTHWISE, AVERAGE_POOL,
    MAX_POOL, EMBEDDING, WEIGHT_NORM,
)
