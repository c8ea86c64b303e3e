"""Second set: linear algebra and kernels (see gradcheck_more_kinds.py)."""

# fmt: off
from __future__ import annotations

import numpy as np
from gradcheck_more_kinds import edit, kind


def log_det(A):
    return np.linalg.slogdet(A)[1]


def d_log_det(A):
    return np.linalg.inv(A).T


LOG_DET = kind(
    "log-determinant", log_det, d_log_det, lambda r: (r(4, 4) + 2 * np.eye(4),),
    edit(".T", "", "transpose"),
    edit("return np", "return -np", "sign"),
    edit("np.linalg.inv(A).T", "np.linalg.det(A) * np.linalg.inv(A).T", "factor local"),
    edit("np.linalg.inv(A).T", "np.linalg.inv(A) + np.linalg.inv(A).T - np.diag(np.diag(np.linalg.inv(A)))", "symmetry"),
    edit("np.linalg.inv(A).T", "0.5 * (np.linalg.inv(A) + np.linalg.inv(A).T)", "symmetry"),
    edit("np.linalg.inv(A).T", "0.5 * np.linalg.inv(A).T", "factor"),
    edit("np.linalg.inv(A).T", "np.diag(1 / np.diag(A))", "part term"),
    style="loss", without="zeros,ties",
)


def covariance(X, L):
    """-log density of the rows of X under N(0, S), S = L Lᵀ with a free L, by a Cholesky factor"""
    S = L @ L.T + 0.1 * np.eye(len(L))
    C = np.linalg.cholesky(S)
    z = np.linalg.solve(C, X.T)
    return 0.5 * np.sum(z**2) + len(X) * np.sum(np.log(np.diag(C)))


def d_covariance(X, L):
    S = L @ L.T + 0.1 * np.eye(len(L))
    P = np.linalg.inv(S)
    u = X @ P
    dS = 0.5 * (len(X) * P - u.T @ u)
    dL = (dS + dS.T) @ L
    return u, dL


COVARIANCE = kind(
    "Cholesky, normal density", covariance, d_covariance, lambda r: (r(5, 3), r(3, 3)),
    edit("(dS + dS.T) @ L", "dS @ L", "factor symmetry"),
    edit("0.5 * (len(X) * P", "0.5 * (P", "factor term sum"),
    edit(" - u.T @ u)", " + u.T @ u)", "sign term"),
    edit(" - u.T @ u)", ")", "term"),
    edit("return u, dL", "return 0.5 * u, dL", "factor"),
    edit("(dS + dS.T) @ L", "np.tril((dS + dS.T) @ L)", "part zero"),
    edit(" + 0.1 * np.eye(len(L))", "", "eps term stale"),
    style="loss",
)


def inverse(A):
    return np.linalg.inv(A)


def d_inverse(dout, A):
    B = np.linalg.inv(A)
    return -B.T @ dout @ B.T


INVERSE = kind(
    "matrix inverse", inverse, d_inverse, lambda r: (r(3, 3) + 2 * np.eye(3),),
    edit("-B.T @ dout @ B.T", "-B @ dout @ B", "transpose"),
    edit("-B.T @ dout @ B.T", "B.T @ dout @ B.T", "sign"),
    edit("-B.T @ dout @ B.T", "-B.T @ dout.T @ B.T", "transpose"),
    edit("-B.T @ dout @ B.T", "-B.T @ B.T @ dout", "order swapped"),
    edit("-B.T @ dout @ B.T", "-dout * B.T**2", "part local"),
    edit("-B.T @ dout @ B.T", "-(B.T @ dout @ B.T).T", "transpose"),
    without="zeros,ties",
)


def triangular(L, b):
    """x with tril(L) x = b, by forward substitution"""
    x = []
    for i in range(len(b)):
        rest = b[i]
        for j in range(i):
            rest = rest - L[i, j] * x[j]
        x.append(rest / L[i, i])
    return np.stack(x)


def d_triangular(dout, L, b):
    x = np.linalg.solve(np.tril(L), b)
    db = np.linalg.solve(np.tril(L).T, dout)
    dL = -np.tril(np.outer(db, x))
    return dL, db


TRIANGULAR = kind(
    "triangular solve", triangular, d_triangular, lambda r: (r(4, 4) + 3 * np.eye(4), r(4)),
    edit("-np.tril(np.outer(db, x))", "-np.outer(db, x)", "part"),
    edit("np.tril(L).T, dout", "np.tril(L), dout", "transpose"),
    edit("np.outer(db, x)", "np.outer(x, db)", "transpose swapped"),
    edit("-np.tril(", "np.tril(", "sign"),
    edit("-np.tril(np.outer(db, x))", "-np.tril(np.outer(db, x), -1)", "part"),
    edit("np.outer(db, x)", "np.outer(dout, x)", "local stale"),
    edit("np.linalg.solve(np.tril(L), b)", "np.linalg.solve(L, b)", "stale part"),
    without="zeros,ties",
)


def eigenvalues(A):
    """the eigenvalues of the symmetric part of A, squared and weighted"""
    w = np.linalg.eigh(0.5 * (A + A.T))[0]
    return np.sum(w**2 * np.arange(1, len(A) + 1))


def d_eigenvalues(A):
    w, V = np.linalg.eigh(0.5 * (A + A.T))
    dw = 2 * w * np.arange(1, len(A) + 1)
    return V * dw @ V.T


EIGENVALUES = kind(
    "symmetric eigenvalues", eigenvalues, d_eigenvalues, lambda r: (r(4, 4),),
    edit("V * dw @ V.T", "V.T * dw @ V", "transpose"),
    edit("2 * w *", "w *", "factor"),
    edit("2 * w *", "2 *", "local"),
    edit("np.arange(1, len(A) + 1)", "np.arange(len(A))", "order"),
    edit("np.arange(1, len(A) + 1)", "np.arange(len(A), 0, -1)", "order"),
    edit("V * dw @ V.T", "np.tril(V * dw @ V.T)", "symmetry part zero"),
    edit("0.5 * (A + A.T)", "A", "symmetry stale"),
    style="loss", without="zeros,ties",
)


def nuclear(A, B):
    """the sum of the singular values of A - B"""
    return np.linalg.svd(A - B, full_matrices=False)[1].sum()


def d_nuclear(A, B):
    U, s, Vt = np.linalg.svd(A - B, full_matrices=False)  # noqa: RUF059
    d = U @ Vt
    return d, -d


NUCLEAR = kind(
    "nuclear norm", nuclear, d_nuclear, lambda r: (r(4, 3), r(4, 3)),
    edit("U @ Vt", "U * s @ Vt", "local factor"),
    edit("U @ Vt", "U @ Vt.T", "transpose"),
    edit("return d, -d", "return d, d", "sign"),
    edit("U @ Vt", "U / s @ Vt", "local"),
    edit("U @ Vt", "np.outer(U[:, 0], Vt[0])", "term"),
    edit("U @ Vt", "2 * U * s @ Vt", "local factor"),
    style="loss",
)


def spectral(W, x, u):
    """x through W divided by its largest singular value, after 3 power iterations from u"""
    for _ in range(3):
        v = W.T @ u
        v = v / np.sqrt(np.sum(v**2))
        u = W @ v
        u = u / np.sqrt(np.sum(u**2))
    return x @ (W / (u @ W @ v)).T


def d_spectral(dout, W, x, u):
    steps = []
    for _ in range(3):
        a = W.T @ u
        na = np.sqrt(np.sum(a**2))
        v = a / na
        c = W @ v
        nc = np.sqrt(np.sum(c**2))
        steps.append((u, v, na, c / nc, nc))
        u = c / nc
    sigma = u @ W @ v
    dN = dout.T @ x
    d_sigma = -np.sum(dN * W) / sigma**2
    dW = dN / sigma + d_sigma * np.outer(u, v)
    du, dv = d_sigma * W @ v, d_sigma * W.T @ u
    for u0, v, na, u, nc in steps[::-1]:
        dc = (du - u * (u @ du)) / nc
        dW += np.outer(dc, v)
        dv = dv + W.T @ dc
        da = (dv - v * (v @ dv)) / na
        dW += np.outer(u0, da)
        du, dv = W @ da, 0
    return dW, dout @ W / sigma, du


SPECTRAL = kind(
    "spectral norm", spectral, d_spectral, lambda r: (r(3, 4), r(5, 4), r(3)),
    edit(" + d_sigma * np.outer(u, v)", "", "path term"),
    edit("d_sigma * np.outer(u, v)", "d_sigma * np.outer(v, v)[:3]", "swapped term"),
    edit("in steps[::-1]:", "in steps[:0:-1]:", "recursion"),
    edit("in steps[::-1]:", "in []:", "recursion path term"),
    edit("sigma**2", "sigma", "local factor path term"),
    edit("(du - u * (u @ du)) / nc", "du / nc", "path term"),
    edit("dout @ W / sigma, du", "dout @ W, du", "factor local"),
    edit("dv = dv + W.T @ dc", "dv = W.T @ dc", "term recursion"),
    without="zeros",
)


def ridge(X, y, log_lambda):
    """the weights of ridge regression"""
    return np.linalg.solve(X.T @ X + np.exp(log_lambda) * np.eye(X.shape[1]), X.T @ y)


def d_ridge(dout, X, y, log_lambda):
    lam = np.exp(log_lambda)
    G = X.T @ X + lam * np.eye(X.shape[1])
    w = np.linalg.solve(G, X.T @ y)
    v = np.linalg.solve(G, dout)
    dX = np.outer(y - X @ w, v) - np.outer(X @ v, w)
    return dX, X @ v, -lam * (v @ w)


RIDGE = kind(
    "ridge regression", ridge, d_ridge, lambda r: (r(6, 3), r(6), r()),
    edit("np.outer(y - X @ w, v)", "np.outer(y, v)", "term"),
    edit(" - np.outer(X @ v, w)", "", "term symmetry"),
    edit("np.outer(X @ v, w)", "np.outer(X @ w, v)", "swapped term symmetry"),
    edit("-lam * (v @ w)", "-(v @ w)", "local factor"),
    edit("-lam * (v @ w)", "lam * (v @ w)", "sign"),
    edit("v = np.linalg.solve(G, dout)", "v = G @ dout", "local"),
    edit("X @ v, -lam", "X @ w, -lam", "dout stale"),
)


def matrix_power(A, x):
    """A³ x by repeated products"""
    return A @ (A @ (A @ x))


def d_matrix_power(dout, A, x):
    y = A @ x
    z = A @ y
    d2 = A.T @ dout
    d1 = A.T @ d2
    return np.outer(dout, z) + np.outer(d2, y) + np.outer(d1, x), A.T @ d1


MATRIX_POWER = kind(
    "matrix power", matrix_power, d_matrix_power, lambda r: (r(3, 3), r(3)),
    edit("np.outer(dout, z) + np.outer(d2, y) + np.outer(d1, x)", "3 * np.outer(dout, z)", "term"),
    edit(" + np.outer(d1, x)", "", "term recursion"),
    edit("np.outer(d2, y)", "np.outer(y, d2)", "transpose term"),
    edit("d2 = A.T @ dout", "d2 = A @ dout", "transpose"),
    edit("A.T @ d1", "A.T @ d2", "stale recursion"),
    edit("np.outer(d1, x)", "np.outer(d1, y)", "stale term"),
)


def fft_conv(x, k):
    """circular convolution of each row with k by FFT"""
    return np.real(np.fft.ifft(np.fft.fft(x) * np.fft.fft(k)))


def d_fft_conv(dout, x, k):
    F = np.fft.fft(dout)
    dx = np.fft.ifft(F * np.conj(np.fft.fft(k))).real
    dk = np.fft.ifft(F * np.conj(np.fft.fft(x))).real.sum(0)
    return dx, dk


FFT_CONV = kind(
    "FFT convolution", fft_conv, d_fft_conv, lambda r: (r(3, 6), r(6)),
    edit("np.conj(np.fft.fft(k))", "np.fft.fft(k)", "order local"),
    edit("np.conj(np.fft.fft(x))", "np.fft.fft(x)", "order local"),
    edit(".real.sum(0)", ".real.mean(0)", "factor sum"),
    edit("np.fft.ifft(F * np.conj(np.fft.fft(k))).real", "np.fft.fft(F * np.conj(np.fft.fft(k))).real", "factor order"),
    edit("F * np.conj(np.fft.fft(k))", "np.conj(F) * np.fft.fft(k)", "order"),
    edit("np.fft.fft(dout)", "np.fft.fft(dout) / dout.shape[1]", "factor"),
    edit("F * np.conj(np.fft.fft(k))", "F", "local"),
)


def gp(X, y, log_ell, log_sf, log_sn):
    """negative log marginal likelihood of a Gaussian process, RBF kernel"""
    d2 = ((X[:, None] - X[None]) ** 2).sum(-1)
    K = np.exp(2 * log_sf - 0.5 * d2 * np.exp(-2 * log_ell)) + np.exp(2 * log_sn) * np.eye(len(y))
    return 0.5 * y @ np.linalg.solve(K, y) + 0.5 * np.linalg.slogdet(K)[1]


def d_gp(X, y, log_ell, log_sf, log_sn):
    diff = X[:, None] - X[None]
    d2 = (diff**2).sum(-1)
    R = np.exp(2 * log_sf - 0.5 * d2 * np.exp(-2 * log_ell))
    noise = np.exp(2 * log_sn)
    P = np.linalg.inv(R + noise * np.eye(len(y)))
    alpha = P @ y
    dK = 0.5 * (P - np.outer(alpha, alpha))
    g = dK * R
    dX = -2 * np.exp(-2 * log_ell) * (g[:, :, None] * diff).sum(1)
    d_ell = np.sum(g * d2) * np.exp(-2 * log_ell)
    return dX, alpha, d_ell, 2 * np.sum(g), 2 * noise * np.trace(dK)


GP = kind(
    "Gaussian process", gp, d_gp, lambda r: (r(5, 2), r(5), 0.3 * r(), 0.3 * r(), 0.3 * r()),
    edit("-2 * np.exp(-2 * log_ell) * (g", "-np.exp(-2 * log_ell) * (g", "factor symmetry"),
    edit("0.5 * (P - np.outer(alpha, alpha))", "0.5 * (P + np.outer(alpha, alpha))", "sign term"),
    edit(" - np.outer(alpha, alpha))", ")", "term"),
    edit("np.sum(g * d2) * np.exp(-2 * log_ell)", "np.sum(g * d2) * np.exp(-3 * log_ell)", "factor local"),
    edit("2 * noise * np.trace(dK)", "2 * noise * np.sum(dK)", "term part axis"),
    edit("2 * noise *", "noise *", "factor"),
    edit("2 * np.sum(g),", "2 * np.sum(dK * (R + noise * np.eye(len(y)))),", "term"),
    edit("return dX, alpha", "return dX, y", "local"),
    style="loss", without="inputs x 1e-3",
)


def kde(x, data, log_h):
    """log density at x (N, D) of a Gaussian kernel density estimate"""
    d2 = ((x[:, None] - data) ** 2).sum(-1) * np.exp(-2 * log_h)
    m = (-0.5 * d2).max(1, keepdims=True)
    return np.log(np.exp(-0.5 * d2 - m).mean(1)) + m[:, 0] - x.shape[1] * log_h


def d_kde(dout, x, data, log_h):
    diff = x[:, None] - data
    d2 = (diff**2).sum(-1) * np.exp(-2 * log_h)
    w = np.exp(-0.5 * d2 - (-0.5 * d2).max(1, keepdims=True))
    w = dout[:, None] * w / w.sum(1, keepdims=True)
    pull = w[:, :, None] * diff * np.exp(-2 * log_h)
    return -pull.sum(1), pull.sum(0), np.sum(w * d2) - x.shape[1] * dout.sum()


KDE = kind(
    "kernel density", kde, d_kde, lambda r: (r(4, 2), r(5, 2), 0.3 * r()),
    edit("-pull.sum(1), pull.sum(0)", "pull.sum(1), -pull.sum(0)", "sign"),
    edit(" - x.shape[1] * dout.sum()", "", "term"),
    edit(" - x.shape[1] * dout.sum()", " - dout.sum()", "factor term"),
    edit("diff * np.exp(-2 * log_h)", "diff * np.exp(-log_h)", "factor local"),
    edit("w / w.sum(1, keepdims=True)", "w / len(data)", "path local"),
    edit("w / w.sum(1, keepdims=True)", "w / w.sum(0, keepdims=True)", "axis"),
    edit("np.sum(w * d2)", "0.5 * np.sum(w * d2)", "factor term"),
)


def sinkhorn(C, log_a):
    """log of the entropic transport plan after 4 iterations; columns sum to 1 / m"""
    K, f = -C, 0 * log_a
    for _ in range(4):
        g = -np.log(np.exp(K + f[:, None]).sum(0) * C.shape[1])
        f = log_a - np.log(np.exp(K + g).sum(1))
    return K + f[:, None] + g


def d_sinkhorn(dout, C, log_a):
    K, f, tape = -C, np.zeros_like(log_a), []
    for _ in range(4):
        P = np.exp(K + f[:, None])
        P /= P.sum(0)
        g = -np.log(np.exp(K + f[:, None]).sum(0) * C.shape[1])
        Q = np.exp(K + g)
        Q /= Q.sum(1, keepdims=True)
        tape.append((P, Q))
        f = log_a - np.log(np.exp(K + g).sum(1))
    dK, df, dg, da = dout.copy(), dout.sum(1), dout.sum(0), 0
    for P, Q in reversed(tape):
        da = da + df
        dK -= Q * df[:, None]
        dg = dg - df @ Q
        dK -= P * dg
        df, dg = -P @ dg, 0
    return -dK, da


SINKHORN = kind(
    "Sinkhorn", sinkhorn, d_sinkhorn, lambda r: (r(3, 4), r(3)),
    edit("        da = da + df\n", "        da = df\n", "recursion term repeat"),
    edit("df, dg = -P @ dg, 0", "df, dg = 0 * df, 0", "recursion"),
    edit("        dK -= P * dg\n", "", "term"),
    edit("dg = dg - df @ Q", "dg = dg + df @ Q", "sign"),
    edit("return -dK, da", "return dK, da", "sign"),
    edit("dK, df, dg, da = dout.copy(), dout.sum(1)", "dK, df, dg, da = dout.copy(), dout.mean(1)", "sum factor term"),
    edit("in reversed(tape)", "in tape", "order recursion"),
    edit("-P @ dg, 0", "-P @ dg, dg", "term recursion"),
)


KINDS = (
    LOG_DET, COVARIANCE, INVERSE, TRIANGULAR, EIGENVALUES, NUCLEAR, SPECTRAL, RIDGE, MATRIX_POWER, FFT_CONV, GP,
    KDE, SINKHORN,
)
