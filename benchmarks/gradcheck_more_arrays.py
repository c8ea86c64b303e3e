"""Second set: sums, indices and graphs (see gradcheck_more_kinds.py)."""

# fmt: off
from __future__ import annotations

import numpy as np
from gradcheck_more_kinds import edit, kind


def bilinear_form(x, W, y):
    """x (N, I), W (K, I, J), y (N, J) -> (N, K)"""
    return np.einsum("ni,kij,nj->nk", x, W, y)


def d_bilinear_form(dout, x, W, y):
    dx = np.einsum("nk,kij,nj->ni", dout, W, y)
    dW = np.einsum("nk,ni,nj->kij", dout, x, y)
    dy = np.einsum("nk,ni,kij->nj", dout, x, W)
    return dx, dW, dy


BILINEAR_FORM = kind(
    "bilinear form", bilinear_form, d_bilinear_form, lambda r: (r(4, 3), r(2, 3, 3), r(4, 3)),
    edit("nk,kij,nj->ni", "nk,kji,nj->ni", "transpose"),
    edit("nk,ni,nj->kij", "nk,ni,nj->kji", "transpose"),
    edit('"nk,ni,kij->nj", dout, x, W', '"nk,ni,kij->nj", dout, y, W', "swapped stale"),
    edit("nk,kij,nj->ni", "nk,kij,mj->ni", "axis"),
    edit('"nk,ni,nj->kij", dout, x, y)', '"nk,ni,nj->kij", dout, x, y) / len(x)', "factor sum"),
    edit("return dx, dW, dy", "return dy, dW, dx", "swapped"),
)


def batched_matmul(A, B, bias):
    """A (N, 2, H, D) with B (H, D, E), broadcast over the batch, and a bias (H, 1, E)"""
    return A @ B + bias


def d_batched_matmul(dout, A, B, bias):
    dA = dout @ B.transpose(0, 2, 1)
    dB = (A.transpose(0, 1, 3, 2) @ dout).sum(0)
    return dA, dB, dout.sum((0, 2), keepdims=True)[0]


BATCHED_MATMUL = kind(
    "batched product", batched_matmul, d_batched_matmul, lambda r: (r(3, 2, 4, 3), r(2, 3, 3), r(2, 1, 3)),
    edit("@ B.transpose(0, 2, 1)", "@ B", "transpose"),
    edit("@ dout).sum(0)", "@ dout)[0]", "axis dout term"),
    edit("@ dout).sum(0)", "@ dout).mean(0)", "sum factor"),
    edit("dout.sum((0, 2), keepdims=True)[0]", "dout.sum((0, 1), keepdims=True)[0, :, :1] + 0 * bias", "axis"),
    edit("dout.sum((0, 2), keepdims=True)[0]", "dout.sum(0).mean(1, keepdims=True)", "sum factor"),
    edit("(A.transpose(0, 1, 3, 2) @ dout).sum(0)", "(dout.transpose(0, 1, 3, 2) @ A).sum(0)", "transpose swapped"),
)


def composite(sigma, colour):
    """volume rendering of N rays: sigma (N, S), colour (N, S, 3)"""
    alpha = 1 - np.exp(-(sigma**2))
    through = np.cumprod(1 - alpha, axis=1)
    w = alpha * np.concatenate([np.ones_like(through[:, :1]), through[:, :-1]], axis=1)
    return (w[:, :, None] * colour).sum(1)


def d_composite(dout, sigma, colour):
    alpha = 1 - np.exp(-(sigma**2))
    T = np.cumprod(np.concatenate([np.ones_like(alpha[:, :1]), 1 - alpha], axis=1), axis=1)
    w = alpha * T[:, :-1]
    dw = (colour * dout[:, None]).sum(2)
    behind = np.cumsum((dw * w)[:, ::-1], axis=1)[:, ::-1] - dw * w
    d_alpha = dw * T[:, :-1] - behind / (1 - alpha)
    return d_alpha * (1 - alpha) * 2 * sigma, w[:, :, None] * dout[:, None]


COMPOSITE = kind(
    "alpha compositing", composite, d_composite, lambda r: (0.7 * r(3, 5), r(3, 5, 3)),
    edit(" - dw * w\n", "\n", "order term"),
    edit(" - behind / (1 - alpha)", "", "path term recursion"),
    edit("behind / (1 - alpha)", "behind", "local term"),
    edit("(dw * w)[:, ::-1], axis=1)[:, ::-1]", "dw * w, axis=1)", "order term"),
    edit(" * 2 * sigma", "", "local"),
    edit(" * 2 * sigma", " * sigma", "factor"),
    edit("w[:, :, None] * dout[:, None]", "T[:, :-1, None] * dout[:, None]", "local stale"),
    oracle="complex", without="inputs x 1e3",
)


def survival(hazard, seen):
    """discrete-time survival likelihood: the cumulative sum of softplus hazards"""
    h = np.logaddexp(0, hazard)
    total = np.cumsum(h, axis=1)
    rows = np.arange(len(seen))
    return np.sum(total[rows, seen] - np.log(h[rows, seen]))


def d_survival(hazard, seen):
    h = np.logaddexp(0, hazard)
    rows = np.arange(len(seen))
    d_total = np.zeros_like(h)
    d_total[rows, seen] = 1
    dh = np.cumsum(d_total[:, ::-1], axis=1)[:, ::-1].copy()
    dh[rows, seen] -= 1 / h[rows, seen]
    return dh / (1 + np.exp(-hazard))


SURVIVAL = kind(
    "cumulative hazard", survival, d_survival, lambda r: (r(4, 5), r(4, low=0, high=5)),
    edit("np.cumsum(d_total[:, ::-1], axis=1)[:, ::-1].copy()", "np.cumsum(d_total, axis=1)", "order"),
    edit("np.cumsum(d_total[:, ::-1], axis=1)[:, ::-1].copy()", "d_total", "recursion term part"),
    edit("    dh[rows, seen] -= 1 / h[rows, seen]\n", "", "term part"),
    edit("-= 1 / h[rows, seen]", "+= 1 / h[rows, seen]", "sign term part"),
    edit("axis=1)[:, ::-1].copy()", "axis=0)[:, ::-1].copy()", "axis"),
    edit(" / (1 + np.exp(-hazard))", "", "local"),
    edit("np.exp(-hazard)", "np.exp(hazard)", "sign local"),
    style="loss",
)


def log_sum_exp(x, w):
    """log-sum-exp over axes 0 and 2 with weights exp(w)"""
    z = x + w[:, None]
    m = z.max((0, 2), keepdims=True)
    return np.log(np.exp(z - m).sum((0, 2))) + m[0, :, 0]


def d_log_sum_exp(dout, x, w):
    z = x + w[:, None]
    e = np.exp(z - z.max((0, 2), keepdims=True))
    p = e / e.sum((0, 2), keepdims=True)
    dx = p * dout[:, None]
    return dx, dx.sum((0, 2))


LOG_SUM_EXP = kind(
    "log-sum-exp", log_sum_exp, d_log_sum_exp, lambda r: (r(3, 3, 3), r(3)),
    edit("e / e.sum((0, 2), keepdims=True)", "e / e.sum((0, 1), keepdims=True)", "axis"),
    edit("e / e.sum((0, 2), keepdims=True)", "e / e.sum()", "axis"),
    edit("e / e.sum((0, 2), keepdims=True)", "e", "path local"),
    edit("p * dout[:, None]", "p * dout", "axis"),
    edit("dx.sum((0, 2))", "dx.sum((0, 1))", "axis"),
    edit("dx.sum((0, 2))", "dx.mean((0, 2))", "factor sum"),
    edit("p * dout[:, None]", "p * (dout[:, None] - (p * dout[:, None]).sum((0, 2), keepdims=True))", "term path"),
)


def segment_mean(x, segments):
    """the mean of the rows of each segment, by np.add.at"""
    out = np.zeros((4, x.shape[1]), x.dtype)
    np.add.at(out, segments, x)
    return out / np.maximum(np.bincount(segments, minlength=4), 1)[:, None]


def d_segment_mean(dout, x, segments):
    count = np.maximum(np.bincount(segments, minlength=4), 1)
    return (dout / count[:, None])[segments]


SEGMENT_MEAN = kind(
    "segment mean", segment_mean, d_segment_mean, lambda r: (r(7, 3), np.array([0, 0, 3, 1, 1, 1, 3])),
    edit(" / count[:, None]", "", "factor local sum"),
    edit("dout / count[:, None]", "dout / len(x)", "factor sum local"),
    edit("[segments]", "[np.sort(segments)]", "order"),
    edit("[segments]", "[segments - 1]", "order"),
    edit("count = np.maximum(np.bincount(segments, minlength=4), 1)", "count = np.bincount(segments, minlength=4)[::-1] + 1", "order local"),
    edit("(dout / count[:, None])[segments]", "np.repeat(dout / count[:, None], 2, axis=0)[:7]", "order"),
    oracle="complex",
)


def gcn(x, W, edges):
    """tanh(Â x W) with Â = D^-1/2 (A + I) D^-1/2; edges as pairs, in one direction"""
    A = np.eye(len(x))
    A[edges[:, 0], edges[:, 1]] = 1
    s = A.sum(1) ** -0.5
    return np.tanh(s[:, None] * A * s @ x @ W)


def d_gcn(dout, x, W, edges):
    A = np.eye(len(x))
    A[edges[:, 0], edges[:, 1]] = 1
    s = A.sum(1) ** -0.5
    A = s[:, None] * A * s
    d = dout * (1 - np.tanh(A @ x @ W) ** 2)
    return A.T @ d @ W.T, (A @ x).T @ d


GCN = kind(
    "graph convolution", gcn, d_gcn,
    lambda r: (r(5, 3), r(3, 3), np.array([[0, 1], [1, 2], [2, 0], [3, 1], [4, 0], [4, 2]])),
    edit("A.T @ d @ W.T", "A @ d @ W.T", "transpose"),
    edit("A.T @ d @ W.T", "A.T @ d @ W", "transpose"),
    edit("(A @ x).T @ d", "x.T @ d", "local term"),
    edit("    A = s[:, None] * A * s\n", "", "local stale"),
    edit("dout * (1 - np.tanh(A @ x @ W) ** 2)", "dout", "local"),
    edit("A = np.eye(len(x))", "A = np.zeros((len(x), len(x)))", "term stale"),
    edit("np.tanh(A @ x @ W) ** 2", "np.tanh(A @ x @ W)", "local"),
)


def message_passing(h, W, source, target):
    """h + the sum over incoming edges of relu(h_source W + h_target)"""
    m = np.maximum(h[source] @ W + h[target], 0)
    out = h.astype(np.result_type(h, W))
    np.add.at(out, target, m)
    return out


def d_message_passing(dout, h, W, source, target):
    dm = dout[target] * (h[source] @ W + h[target] > 0)
    dh = dout.copy()
    np.add.at(dh, source, dm @ W.T)
    np.add.at(dh, target, dm)
    return dh, h[source].T @ dm


MESSAGE_PASSING = kind(
    "message passing", message_passing, d_message_passing,
    lambda r: (r(5, 3), r(3, 3), np.array([0, 0, 1, 2, 3, 4]), np.array([1, 2, 2, 2, 0, 3])),
    edit("np.add.at(dh, source, dm @ W.T)", "dh[source] += dm @ W.T", "repeat"),
    edit("np.add.at(dh, target, dm)", "dh[target] += dm", "repeat"),
    edit("dh = dout.copy()", "dh = np.zeros_like(h)", "term"),
    edit("    np.add.at(dh, target, dm)\n", "", "term"),
    edit("dm @ W.T", "dm @ W", "transpose"),
    edit("dm = dout[target] *", "dm = dout[source] *", "swapped order"),
    edit(" * (h[source] @ W + h[target] > 0)", "", "local"),
    edit("(h[source] @ W + h[target] > 0)", "(h[source] @ W > 0)", "local part"),
    oracle="extended",
)


def top_k(z, t):
    """the mean of the 4 largest squared errors (hard example mining)"""
    return np.sort((z - t).reshape(-1) ** 2)[-4:].mean()


def d_top_k(z, t):
    e = (z - t).ravel()
    d = np.zeros_like(e)
    worst = np.argsort(e**2)[-4:]
    d[worst] = 2 * e[worst] / 4
    d = d.reshape(z.shape)
    return d, -d


TOP_K = kind(
    "top-k loss", top_k, d_top_k, lambda r: (r(4, 3), r(4, 3)),
    edit("np.argsort(e**2)", "np.argsort(e)", "order part"),
    edit("[-4:]", "[-5:-1]", "order part"),
    edit("2 * e[worst] / 4", "2 * e[worst] / e.size", "factor sum"),
    edit("2 * e[worst] / 4", "e[worst] / 4", "factor"),
    edit("[-4:]", "[:4]", "order"),
    edit("return d, -d", "return d, d", "sign"),
    edit("2 * e[worst] / 4", "2 * np.abs(e[worst]) / 4", "sign part"),
    style="loss",
)


def grid_sample(image, where):
    """image (H, W, C) read at real coordinates where (P, 2), bilinear; inside only"""
    y, x = where[:, 0], where[:, 1]
    i, j = np.floor(y).astype(int), np.floor(x).astype(int)
    a, b = (y - i)[:, None], (x - j)[:, None]
    top = (1 - b) * image[i, j] + b * image[i, j + 1]
    low = (1 - b) * image[i + 1, j] + b * image[i + 1, j + 1]
    return (1 - a) * top + a * low


def d_grid_sample(dout, image, where):
    y, x = where[:, 0], where[:, 1]
    i, j = np.floor(y).astype(int), np.floor(x).astype(int)
    a, b = (y - i)[:, None], (x - j)[:, None]
    di = np.zeros_like(image)
    np.add.at(di, (i, j), (1 - a) * (1 - b) * dout)
    np.add.at(di, (i, j + 1), (1 - a) * b * dout)
    np.add.at(di, (i + 1, j), a * (1 - b) * dout)
    np.add.at(di, (i + 1, j + 1), a * b * dout)
    p, q, r, s = image[i, j], image[i, j + 1], image[i + 1, j], image[i + 1, j + 1]
    dy = ((r - p) * (1 - b) + (s - q) * b) * dout
    dx = ((q - p) * (1 - a) + (s - r) * a) * dout
    return di, np.stack([dy.sum(1), dx.sum(1)], axis=1)


GRID_SAMPLE = kind(
    "grid sample", grid_sample, d_grid_sample,
    lambda r: (r(4, 4, 2), np.concatenate([r(4, 2, low=1.1, high=1.9), r(3, 2, low=0.1, high=2.9)])),
    edit("np.add.at(di, (i, j), (1 - a) * (1 - b) * dout)", "di[i, j] += (1 - a) * (1 - b) * dout", "repeat"),
    edit("[dy.sum(1), dx.sum(1)]", "[dx.sum(1), dy.sum(1)]", "swapped order"),
    edit("(i, j + 1), (1 - a) * b", "(i, j + 1), a * (1 - b)", "swapped local"),
    edit("    np.add.at(di, (i + 1, j + 1), a * b * dout)\n", "", "term"),
    edit("((q - p) * (1 - a) + (s - r) * a)", "((q - p) * a + (s - r) * (1 - a))", "swapped local"),
    edit("dy.sum(1)", "dy.mean(1)", "sum factor part"),
    edit("(r - p) * (1 - b)", "(p - r) * (1 - b)", "sign term"),
    oracle="extended", without="inputs x 1e3,ties",
)


def total_variation(image, target):
    """½ |image - target|² + smoothed total variation; image (H, W)"""
    dy, dx = image[1:, :-1] - image[:-1, :-1], image[:-1, 1:] - image[:-1, :-1]
    return 0.5 * np.sum((image - target) ** 2) + np.sum(np.sqrt(dx**2 + dy**2 + 1e-4))


def d_total_variation(image, target):
    dy, dx = image[1:, :-1] - image[:-1, :-1], image[:-1, 1:] - image[:-1, :-1]
    r = np.sqrt(dx**2 + dy**2 + 1e-4)
    d = image - target
    d[1:, :-1] += dy / r
    d[:-1, 1:] += dx / r
    d[:-1, :-1] -= (dx + dy) / r
    return d, target - image


TOTAL_VARIATION = kind(
    "total variation", total_variation, d_total_variation, lambda r: (r(4, 5), r(4, 5)),
    edit("d[1:, :-1] += dy / r", "d[1:, 1:] += dy / r", "order"),
    edit("    d[:-1, :-1] -= (dx + dy) / r\n", "", "term"),
    edit("-= (dx + dy)", "-= (dx - dy)", "sign term"),
    edit("r = np.sqrt(dx**2 + dy**2 + 1e-4)", "r = np.sqrt(dx**2 + dy**2 + 1e-4) * 2", "factor term"),
    edit("d[:-1, 1:] += dx / r", "d[:-1, 1:] = dx / r", "repeat"),
    edit("d[1:, :-1] += dy / r\n    d[:-1, 1:] += dx / r", "d[1:, :-1] += dx / r\n    d[:-1, 1:] += dy / r", "swapped"),
    edit("return d, target - image", "return d, image - target", "sign"),
    style="loss",
)


def mahalanobis(x, y, L):
    """squared distances |L (x_i - y_j)|² of all pairs"""
    d = (x[:, None] - y) @ L.T
    return (d**2).sum(-1)


def d_mahalanobis(dout, x, y, L):
    diff = x[:, None] - y
    g = 2 * dout[:, :, None] * (diff @ L.T)
    dd = g @ L
    return dd.sum(1), -dd.sum(0), np.einsum("ijk,ijl->kl", g, diff)


MAHALANOBIS = kind(
    "pairwise distances", mahalanobis, d_mahalanobis, lambda r: (r(4, 3), r(5, 3), r(3, 3)),
    edit("2 * dout", "dout", "factor"),
    edit("dd = g @ L\n", "dd = g @ L.T\n", "transpose"),
    edit("-dd.sum(0)", "dd.sum(0)", "sign"),
    edit('"ijk,ijl->kl"', '"ijk,ijl->lk"', "transpose"),
    edit("dd.sum(1), -dd.sum(0)", "dd.mean(1), -dd.mean(0)", "factor sum"),
    edit("g, diff)", "g, diff @ L.T)", "local stale"),
    edit("dd = g @ L\n", "dd = g\n", "local"),
)

KINDS = (
    BILINEAR_FORM, BATCHED_MATMUL, COMPOSITE, SURVIVAL, LOG_SUM_EXP, SEGMENT_MEAN, GCN, MESSAGE_PASSING, TOP_K,
    GRID_SAMPLE, TOTAL_VARIATION, MAHALANOBIS,
)
