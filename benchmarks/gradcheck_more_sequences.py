"""Second set: attention, recurrences and dynamic programs (see gradcheck_more_kinds.py)."""

# fmt: off
from __future__ import annotations

import numpy as np
from gradcheck_more_kinds import edit, kind
from gradcheck_more_maths import lse, sigmoid, softmax


def heads(x):
    """(T, D) -> (2, T, D / 2)"""
    return x.reshape(len(x), 2, -1).transpose(1, 0, 2)


def merge(h):
    return h.transpose(1, 0, 2).reshape(h.shape[1], -1)


def attention(x, Wq, Wk, Wv, Wo):
    """causal, two heads"""
    q, k, v = heads(x @ Wq), heads(x @ Wk), heads(x @ Wv)
    mask = np.tril(np.ones((len(x), len(x)), bool))
    s = q @ k.transpose(0, 2, 1) / q.shape[-1] ** 0.5
    return merge(softmax(np.where(mask, s, -1e9)) @ v) @ Wo


def d_attention(dout, x, Wq, Wk, Wv, Wo):
    q, k, v = heads(x @ Wq), heads(x @ Wk), heads(x @ Wv)
    mask = np.tril(np.ones((len(x), len(x)), bool))
    scale = q.shape[-1] ** -0.5
    a = softmax(np.where(mask, q @ k.transpose(0, 2, 1) * scale, -1e9))
    dWo = merge(a @ v).T @ dout
    do = heads(dout @ Wo.T)
    da = do @ v.transpose(0, 2, 1)
    dv = merge(a.transpose(0, 2, 1) @ do)
    ds = a * (da - (a * da).sum(-1, keepdims=True))
    dq = merge(ds @ k * scale)
    dk = merge(ds.transpose(0, 2, 1) @ q * scale)
    dx = dq @ Wq.T + dk @ Wk.T + dv @ Wv.T
    return dx, x.T @ dq, x.T @ dk, x.T @ dv, dWo


ATTENTION = kind(
    "causal attention", attention, d_attention, lambda r: (r(4, 4), r(4, 4), r(4, 4), r(4, 4), r(4, 4)),
    edit(" - (a * da).sum(-1, keepdims=True)", "", "path term"),
    edit("ds @ k * scale", "ds @ k", "factor"),
    edit("ds.transpose(0, 2, 1) @ q", "ds @ q", "transpose"),
    edit(" + dv @ Wv.T", "", "term"),
    edit("merge(a.transpose(0, 2, 1) @ do)", "merge(a @ do)", "transpose"),
    edit("np.where(mask, q @ k.transpose(0, 2, 1) * scale, -1e9)", "q @ k.transpose(0, 2, 1) * scale", "stale part"),
    edit("heads(dout @ Wo.T)", "heads(dout @ Wo)", "transpose"),
    edit("dq @ Wq.T + dk @ Wk.T", "dq @ Wk.T + dk @ Wq.T", "swapped"),
    edit("x.T @ dq, x.T @ dk", "x.T @ dk, x.T @ dq", "swapped"),
    oracle="complex",
)


def lstm(x, h, c, W, U, b):
    """x (T, B, D) -> the last hidden state; gates in the order i, f, g, o"""
    n = h.shape[1]
    for xt in x:
        z = xt @ W + h @ U + b
        i, f, g, o = sigmoid(z[:, :n]), sigmoid(z[:, n : 2 * n]), np.tanh(z[:, 2 * n : 3 * n]), sigmoid(z[:, 3 * n :])
        c = f * c + i * g
        h = o * np.tanh(c)
    return h


def d_lstm(dout, x, h, c, W, U, b):
    n = h.shape[1]
    tape = []
    for xt in x:
        z = xt @ W + h @ U + b
        i, f, g, o = sigmoid(z[:, :n]), sigmoid(z[:, n : 2 * n]), np.tanh(z[:, 2 * n : 3 * n]), sigmoid(z[:, 3 * n :])
        tape.append((h, c, i, f, g, o))
        c = f * c + i * g
        h = o * np.tanh(c)
    dx, dW, dU, db = np.zeros_like(x), np.zeros_like(W), np.zeros_like(U), np.zeros_like(b)
    dh, dc = dout, 0
    for t in reversed(range(len(x))):
        h, c, i, f, g, o = tape[t]
        tc = np.tanh(f * c + i * g)
        dc = dc + dh * o * (1 - tc**2)
        dz = np.hstack([dc * g * i * (1 - i), dc * c * f * (1 - f), dc * i * (1 - g**2), dh * tc * o * (1 - o)])
        dx[t] = dz @ W.T
        dW += x[t].T @ dz
        dU += h.T @ dz
        db += dz.sum(0)
        dh, dc = dz @ U.T, dc * f
    return dx, dh, dc, dW, dU, db


LSTM = kind(
    "LSTM", lstm, d_lstm, lambda r: (r(3, 2, 2), r(2, 3), r(2, 3), r(2, 12), r(3, 12), r(12)),
    edit("dh, dc = dz @ U.T, dc * f", "dh, dc = dz @ U.T, dc * i", "swapped local"),
    edit("dc = dc + dh * o", "dc = dh * o", "recursion term"),
    edit("dh, dc = dz @ U.T, dc * f", "dc = dc * f", "recursion term"),
    edit("dW += ", "dW = ", "repeat recursion term"),
    edit("dc * c * f * (1 - f)", "dc * tc * f * (1 - f)", "stale local"),
    edit("dc * i * (1 - g**2)", "dc * i * g * (1 - g)", "local"),
    edit("dc * g * i * (1 - i), dc * c * f * (1 - f)", "dc * c * f * (1 - f), dc * g * i * (1 - i)", "swapped order"),
    edit("dh * o * (1 - tc**2)", "dh * o", "local"),
    edit("reversed(range(len(x)))", "range(len(x) - 1, 0, -1)", "recursion"),
    edit("db += dz.sum(0)", "db += dz.mean(0)", "sum factor"),
)


def gru(x, h, W, U):
    """x (T, B, D); W (3, D, H), U (3, H, H) for the gates r, z and the candidate n"""
    for xt in x:
        r = sigmoid(xt @ W[0] + h @ U[0])
        z = sigmoid(xt @ W[1] + h @ U[1])
        n = np.tanh(xt @ W[2] + r * (h @ U[2]))
        h = (1 - z) * n + z * h
    return h


def d_gru(dout, x, h, W, U):
    tape = []
    for xt in x:
        r = sigmoid(xt @ W[0] + h @ U[0])
        z = sigmoid(xt @ W[1] + h @ U[1])
        n = np.tanh(xt @ W[2] + r * (h @ U[2]))
        tape.append((xt, h, r, z, n))
        h = (1 - z) * n + z * h
    dx, dW, dU = np.zeros_like(x), np.zeros_like(W), np.zeros_like(U)
    dh = dout
    for t, (xt, h, r, z, n) in reversed(list(enumerate(tape))):
        dn = dh * (1 - z) * (1 - n**2)
        dz = dh * (h - n) * z * (1 - z)
        dr = dn * (h @ U[2]) * r * (1 - r)
        dx[t] = dr @ W[0].T + dz @ W[1].T + dn @ W[2].T
        dW += np.stack([xt.T @ dr, xt.T @ dz, xt.T @ dn])
        dU += np.stack([h.T @ dr, h.T @ dz, h.T @ (dn * r)])
        dh = dh * z + dr @ U[0].T + dz @ U[1].T + (dn * r) @ U[2].T
    return dx, dh, dW, dU


GRU = kind(
    "GRU", gru, d_gru, lambda r: (r(3, 2, 2), r(2, 3), r(3, 2, 3), r(3, 3, 3)),
    edit("dh = dh * z + dr", "dh = dr", "term recursion"),
    edit("h.T @ (dn * r)", "h.T @ dn", "local"),
    edit("+ (dn * r) @ U[2].T", "+ dn @ U[2].T", "local recursion"),
    edit("dh * (h - n)", "dh * (n - h)", "sign"),
    edit("dr = dn * (h @ U[2]) *", "dr = dn *", "local"),
    edit("(1 - z) * (1 - n**2)", "z * (1 - n**2)", "swapped local"),
    edit("dW += ", "dW = ", "repeat recursion term"),
    edit(" + dz @ U[1].T", "", "term recursion"),
)


def turn(x, base):
    """rotary position embedding of x (T, D): pairs (i, i + D / 2) turned by t base^i"""
    half = x.shape[1] // 2
    angle = np.arange(len(x))[:, None] * base ** np.arange(half)
    a, b = x[:, :half], x[:, half:]
    return np.concatenate([a * np.cos(angle) - b * np.sin(angle), a * np.sin(angle) + b * np.cos(angle)], 1)


def rotary(q, k):
    return turn(q, 0.3) @ turn(k, 0.3).T


def d_rotary(dout, q, k):
    half = q.shape[1] // 2
    angle = np.arange(len(q))[:, None] * 0.3 ** np.arange(half)
    cos, sin = np.cos(angle), np.sin(angle)
    back = lambda d: np.concatenate([d[:, :half] * cos + d[:, half:] * sin, d[:, half:] * cos - d[:, :half] * sin], 1)
    return back(dout @ turn(k, 0.3)), back(dout.T @ turn(q, 0.3))


ROTARY = kind(
    "rotary embedding", rotary, d_rotary, lambda r: (r(4, 6), r(4, 6)),
    edit("cos + d[:, half:] * sin", "cos - d[:, half:] * sin", "sign"),
    edit("dout.T @ turn(q", "dout @ turn(q", "transpose"),
    edit("back(dout @ turn(k, 0.3))", "dout @ turn(k, 0.3)", "local"),
    edit("turn(k, 0.3)), back", "k), back", "stale local"),
    edit("angle = np.arange(len(q))", "angle = np.arange(1, len(q) + 1)", "order"),
    edit("sin = np.cos(angle), np.sin(angle)", "sin = np.cos(angle), -np.sin(angle)", "sign"),
    edit("d[:, half:] * cos - d[:, :half] * sin", "d[:, half:] * cos", "term part"),
)


def hmm(log_start, log_trans, log_emit, seen):
    """-log p(seen) of a hidden Markov model with unnormalised logits"""
    start = log_start - lse(log_start, 0)
    trans = log_trans - lse(log_trans, 1)[:, None]
    emit = log_emit - lse(log_emit, 1)[:, None]
    a = start + emit[:, seen[0]]
    for y in seen[1:]:
        a = lse(a[:, None] + trans, 0) + emit[:, y]
    return -lse(a, 0)


def d_hmm(log_start, log_trans, log_emit, seen):
    start, trans, emit = softmax(log_start), softmax(log_trans), softmax(log_emit)
    alphas = [start * emit[:, seen[0]]]
    for y in seen[1:]:
        alphas.append(alphas[-1] @ trans * emit[:, y])
    p = alphas[-1].sum()
    beta = np.ones_like(start)
    n_trans, n_emit = np.zeros_like(trans), np.zeros_like(emit)
    for t in reversed(range(1, len(seen))):
        n_emit[:, seen[t]] += alphas[t] * beta / p
        n_trans += alphas[t - 1][:, None] * trans * (emit[:, seen[t]] * beta) / p
        beta = trans @ (emit[:, seen[t]] * beta)
    first = alphas[0] * beta / p
    n_emit[:, seen[0]] += first
    d_start = start - first
    d_trans = trans * n_trans.sum(1, keepdims=True) - n_trans
    d_emit = emit * n_emit.sum(1, keepdims=True) - n_emit
    return d_start, d_trans, d_emit


HMM = kind(
    "hidden Markov model", hmm, d_hmm, lambda r: (r(3), r(3, 3), r(3, 4), np.array([0, 2, 2, 1, 3])),
    edit("n_emit[:, seen[t]] += ", "n_emit[:, seen[t]] = ", "repeat"),
    edit("    n_emit[:, seen[0]] += first\n", "", "term recursion part"),
    edit("trans * n_trans.sum(1, keepdims=True) - n_trans", "-n_trans", "path term"),
    edit("n_trans.sum(1, keepdims=True)", "n_trans.sum(0)", "axis"),
    edit("beta = trans @ (emit", "beta = trans.T @ (emit", "transpose recursion"),
    edit("beta = trans @ (emit[:, seen[t]] * beta)", "beta = trans @ beta", "local recursion"),
    edit("start - first", "first - start", "sign"),
    edit("reversed(range(1, len(seen)))", "reversed(range(2, len(seen)))", "recursion"),
    style="loss",
)


def crf(unary, trans, tags):
    """negative log-likelihood of tags in a linear-chain CRF"""
    score = unary[np.arange(len(tags)), tags].sum() + trans[tags[:-1], tags[1:]].sum()
    a = unary[0]
    for u in unary[1:]:
        a = lse(a[:, None] + trans, 0) + u
    return lse(a, 0) - score


def d_crf(unary, trans, tags):
    n = len(tags)
    a, b = [unary[0]], [np.zeros_like(unary[0])]
    for u in unary[1:]:
        a.append(lse(a[-1][:, None] + trans, 0) + u)
    for u in unary[:0:-1]:
        b.insert(0, lse(trans + u + b[0], 1))
    log_z = lse(a[-1], 0)
    d_unary = np.exp(np.array(a) + np.array(b) - log_z)
    d_trans = np.zeros_like(trans)
    for t in range(1, n):
        d_trans += np.exp(a[t - 1][:, None] + trans + unary[t] + b[t] - log_z)
    d_unary[np.arange(n), tags] -= 1
    np.subtract.at(d_trans, (tags[:-1], tags[1:]), 1)
    return d_unary, d_trans


CRF = kind(
    "CRF", crf, d_crf, lambda r: (r(5, 3), r(3, 3), np.array([0, 1, 1, 1, 2])),
    edit("np.subtract.at(d_trans, (tags[:-1], tags[1:]), 1)", "d_trans[tags[:-1], tags[1:]] -= 1", "repeat"),
    edit("(tags[:-1], tags[1:]), 1)", "(tags[1:], tags[:-1]), 1)", "swapped transpose"),
    edit("    d_unary[np.arange(n), tags] -= 1\n", "", "term"),
    edit("range(1, n)", "range(1, n - 1)", "recursion term"),
    edit("lse(trans + u + b[0], 1)", "lse(trans + b[0], 1)", "recursion term"),
    edit("lse(trans + u + b[0], 1)", "lse(trans.T + u + b[0], 1)", "transpose recursion"),
    edit("trans + unary[t] + b[t]", "trans + b[t]", "term local"),
    edit("d_trans += ", "d_trans = ", "repeat recursion term"),
    style="loss",
)


def ctc(logits, labels):
    """-log p(labels) over all alignments with blanks (class 0); logits (T, C)"""
    logp = logits - lse(logits, 1)[:, None]
    ext = [0]
    for s in labels:
        ext += [int(s), 0]
    a = [logp[0, ext[0]], logp[0, ext[1]]] + [-1e30] * (len(ext) - 2)
    for t in range(1, len(logits)):
        new = []
        for s, c in enumerate(ext):
            best = np.logaddexp(a[s], a[s - 1]) if s else a[s]
            if s > 1 and c and c != ext[s - 2]:
                best = np.logaddexp(best, a[s - 2])
            new.append(best + logp[t, c])
        a = new
    return -np.logaddexp(a[-1], a[-2])


def d_ctc(logits, labels):
    y = softmax(logits)
    T = len(y)
    ext = np.zeros(2 * len(labels) + 1, int)
    ext[1::2] = labels
    S = len(ext)
    skip = np.array([s > 1 and ext[s] != 0 and ext[s] != ext[s - 2] for s in range(S)])
    alpha, beta = np.zeros((T, S)), np.zeros((T, S))
    alpha[0, :2] = y[0, ext[:2]]
    beta[-1, -2:] = 1
    for t in range(1, T):
        for s in range(S):
            alpha[t, s] = alpha[t - 1, max(s - 1, 0) : s + 1].sum() + (alpha[t - 1, s - 2] if skip[s] else 0)
            alpha[t, s] *= y[t, ext[s]]
    for t in range(T - 2, -1, -1):
        for s in range(S):
            beta[t, s] = (beta[t + 1] * y[t + 1, ext])[s : s + 2].sum()
            if s + 2 < S and skip[s + 2]:
                beta[t, s] += beta[t + 1, s + 2] * y[t + 1, ext[s + 2]]
    p = alpha[-1, -2:].sum()
    d = y.copy()
    for s in range(S):
        d[:, ext[s]] -= alpha[:, s] * beta[:, s] / p
    return d


CTC = kind(
    "CTC", ctc, d_ctc, lambda r: (r(6, 4), np.array([1, 1, 3])),
    edit("d[:, ext[s]] -= alpha[:, s] * beta[:, s] / p", "d[:, ext[s]] = y[:, ext[s]] - alpha[:, s] * beta[:, s] / p", "repeat"),
    edit("beta[-1, -2:] = 1", "beta[-1, -1:] = 1", "recursion"),
    edit(" and ext[s] != ext[s - 2] for", " for", "recursion"),
    edit("d = y.copy()", "d = np.zeros_like(y)", "term path"),
    edit("                beta[t, s] += beta[t + 1, s + 2] * y[t + 1, ext[s + 2]]\n", "                pass\n", "term recursion"),
    edit("(beta[t + 1] * y[t + 1, ext])", "(beta[t + 1] * y[t, ext])", "order stale recursion"),
    edit("beta[:, s] / p\n", "beta[:, s] / p / T\n", "factor term"),
    edit("p = alpha[-1, -2:].sum()", "p = alpha[-1, -1]", "term recursion factor"),
    style="loss", without="inputs x 1e3",  # where a path's probability underflows to 0, and log(0)
)


KINDS = (ATTENTION, LSTM, GRU, ROTARY, HMM, CRF, CTC)
