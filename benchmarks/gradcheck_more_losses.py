"""Second set: losses (see gradcheck_more_kinds.py)."""

# fmt: off
from __future__ import annotations

import numpy as np
from gradcheck_more_kinds import edit, kind
from gradcheck_more_maths import log_softmax, sigmoid, softmax


def elbo(mu, logvar, W, eps, x):
    """negative ELBO of a linear decoder, with the noise eps fixed"""
    z = mu + np.exp(0.5 * logvar) * eps
    rec = ((z @ W - x) ** 2).sum(1)
    kl = 0.5 * (np.exp(logvar) + mu**2 - 1 - logvar).sum(1)
    return (rec + kl).mean()


def d_elbo(mu, logvar, W, eps, x):
    n = len(mu)
    sigma = np.exp(0.5 * logvar)
    z = mu + sigma * eps
    dr = 2 * (z @ W - x) / n
    dz = dr @ W.T
    dmu = dz + mu / n
    dlogvar = dz * eps * 0.5 * sigma + 0.5 * (sigma**2 - 1) / n
    return dmu, dlogvar, z.T @ dr, dz * sigma, -dr


ELBO = kind(
    "VAE ELBO", elbo, d_elbo, lambda r: (r(4, 2), r(4, 2), r(2, 3), r(4, 2), r(4, 3)),
    edit("dz + mu / n", "dz + mu", "factor term sum"),
    edit("dz + mu / n", "dz", "term"),
    edit("eps * 0.5 * sigma", "eps * sigma", "factor term"),
    edit(" + 0.5 * (sigma**2 - 1) / n", "", "term"),
    edit("0.5 * (sigma**2 - 1)", "0.5 * (sigma - 1)", "local term"),
    edit("dr = 2 * (z @ W - x) / n", "dr = 2 * (z @ W - x) / x.size", "factor sum"),
    edit("z.T @ dr", "mu.T @ dr", "stale term"),
    edit("0.5 * (sigma**2 - 1)", "0.5 * (1 - sigma**2)", "sign"),
    edit("dz * sigma, -dr", "dz * sigma, dr", "sign"),
    style="loss",
)


def info_nce(a, b, log_t):
    """contrastive loss of rows of a and b with a learnt temperature; no normalisation"""
    s = a @ b.T * np.exp(log_t)
    return -np.mean(np.diag(log_softmax(s)) + np.diag(log_softmax(s.T)))


def d_info_nce(a, b, log_t):
    n, t = len(a), np.exp(log_t)
    s = a @ b.T * t
    ds = (softmax(s) + softmax(s.T).T - 2 * np.eye(n)) / n
    return ds @ b * t, ds.T @ a * t, np.sum(ds * s)


INFO_NCE = kind(
    "InfoNCE", info_nce, d_info_nce, lambda r: (r(4, 3), r(4, 3), r()),
    edit("softmax(s.T).T", "softmax(s.T)", "transpose"),
    edit(" + softmax(s.T).T - 2 * np.eye(n)", " - np.eye(n)", "term"),
    edit("ds.T @ a", "ds @ a", "transpose"),
    edit("ds @ b * t", "ds @ b", "factor local"),
    edit("np.sum(ds * s)", "np.sum(ds * s) / t", "factor local"),
    edit(" - 2 * np.eye(n)", " - np.eye(n)", "factor term"),
    edit(") / n\n", ") / n**2\n", "factor sum"),
    style="loss",
)


def triplet(anchor, positive, negative):
    near = ((anchor - positive) ** 2).sum(1)
    far = ((anchor - negative) ** 2).sum(1)
    return np.maximum(near - far + 1, 0).mean()


def d_triplet(anchor, positive, negative):
    near = ((anchor - positive) ** 2).sum(1)
    far = ((anchor - negative) ** 2).sum(1)
    active = (near - far + 1 > 0)[:, None] / len(anchor)
    d_anchor = 2 * (negative - positive) * active
    d_positive = -2 * (anchor - positive) * active
    d_negative = 2 * (anchor - negative) * active
    return d_anchor, d_positive, d_negative


TRIPLET = kind(
    "triplet loss", triplet, d_triplet, lambda r: (0.6 * r(6, 3), 0.6 * r(6, 3), 0.6 * r(6, 3)),
    edit("(negative - positive)", "(positive - negative)", "sign swapped"),
    edit("(near - far + 1 > 0)", "(near - far > 0)", "part eps"),
    edit("(near - far + 1 > 0)[:, None]", "1.0", "part local"),
    edit("2 * (negative - positive)", "2 * (anchor - positive)", "term"),
    edit(" / len(anchor)", "", "factor sum"),
    edit("d_positive = -2 *", "d_positive = -", "factor"),
    edit(" / len(anchor)", " / anchor.size", "factor sum"),
    style="loss",
)


def focal(z, t):
    """focal loss with gamma 2; t in {0, 1} as int"""
    p = sigmoid(z)
    q = np.where(t == 1, p, 1 - p)
    return -np.mean((1 - q) ** 2 * np.log(q))


def d_focal(z, t):
    p = sigmoid(z)
    q = np.where(t == 1, p, 1 - p)
    dq = 2 * (1 - q) * np.log(q) - (1 - q) ** 2 / q
    dq_dz = np.where(t == 1, 1, -1) * p * (1 - p)
    return dq * dq_dz / z.size


FOCAL = kind(
    "focal loss", focal, d_focal, lambda r: (r(6, 3), r(6, 3, low=0, high=2)),
    edit("2 * (1 - q) * np.log(q) - (1 - q) ** 2 / q", "-((1 - q) ** 2) / q", "term"),
    edit("2 * (1 - q) * np.log(q) -", "-2 * (1 - q) * np.log(q) -", "sign term"),
    edit("(1 - q) ** 2 / q", "(1 - q) / q", "local term"),
    edit("np.where(t == 1, 1, -1)", "np.where(t == 1, -1, 1)", "sign"),
    edit("np.where(t == 1, 1, -1) * ", "", "sign part"),
    edit(" * p * (1 - p)", "", "local"),
    edit(" / z.size", " / len(z)", "factor sum"),
    style="loss",
)


def dice(z, t):
    """1 - soft dice, for each image"""
    p = sigmoid(z)
    return np.mean(1 - (2 * (p * t).sum(1) + 1) / (p.sum(1) + t.sum(1) + 1))


def d_dice(z, t):
    p = sigmoid(z)
    top = (2 * (p * t).sum(1) + 1)[:, None]
    bottom = (p.sum(1) + t.sum(1) + 1)[:, None]
    dp = -(2 * t / bottom - top / bottom**2) / len(z)
    return dp * p * (1 - p)


DICE = kind(
    "dice loss", dice, d_dice, lambda r: (r(3, 6), r(3, 6, low=0, high=2)),
    edit(" - top / bottom**2", "", "path term"),
    edit("top / bottom**2", "top / bottom", "local path"),
    edit("2 * t / bottom", "t / bottom", "factor term"),
    edit("+ 1)[:, None]\n    bottom", ")[:, None]\n    bottom", "eps term"),
    edit(" * p * (1 - p)", "", "local"),
    edit("dp = -(", "dp = (", "sign"),
    edit(" / len(z)", " / z.size", "factor sum"),
    style="loss",
)


def huber(y, t):
    r = np.abs(y - t)
    return np.where(r <= 1.0, 0.5 * r**2, r - 0.5).mean()


def d_huber(y, t):
    r = y - t
    d = np.where(np.abs(r) <= 1.0, r, np.sign(r)) / r.size
    return d, -d


HUBER = kind(
    "Huber loss", huber, d_huber, lambda r: (2 * r(6, 3), r(6, 3)),
    edit("np.where(np.abs(r) <= 1.0, r, np.sign(r))", "r", "part local"),
    edit("np.sign(r))", "1.0)", "sign part"),
    edit("<= 1.0, r,", "<= 1.0, 2 * r,", "factor part"),
    edit("np.abs(r) <= 1.0", "r <= 1.0", "part"),
    edit("d, -d", "d, d", "sign"),
    edit(" / r.size", " / len(r)", "factor sum"),
    edit("np.abs(r) <= 1.0", "np.abs(r) <= 0.5", "part eps"),
    style="loss",
)


def pinball(y, t):
    """quantile loss at 0.1, 0.5 and 0.9; y (N, 3), t (N,)"""
    u = t[:, None] - y
    tau = np.array([0.1, 0.5, 0.9])
    return np.maximum(tau * u, (tau - 1) * u).sum(1).mean()


def d_pinball(y, t):
    tau = np.array([0.1, 0.5, 0.9])
    du = np.where(t[:, None] > y, tau, tau - 1) / len(y)
    return -du, du.sum(1)


PINBALL = kind(
    "quantile loss", pinball, d_pinball, lambda r: (r(6, 3), r(6)),
    edit("return -du", "return du", "sign"),
    edit("tau, tau - 1)", "tau - 1, tau)", "swapped"),
    edit("tau, tau - 1)", "tau, -tau)", "term part"),
    edit("[0.1, 0.5, 0.9]", "[0.9, 0.5, 0.1]", "order"),
    edit(" / len(y)", " / y.size", "factor sum"),
    edit("du.sum(1)", "du.mean(1)", "factor sum"),
    edit("tau, tau - 1)", "1.0, -1.0)", "local"),
    style="loss",
)


def smoothed(z, labels):
    """cross entropy with label smoothing 0.1"""
    target = 0.9 * np.eye(z.shape[1])[labels] + 0.1 / z.shape[1]
    return -(target * log_softmax(z)).sum(1).mean()


def d_smoothed(z, labels):
    target = 0.9 * np.eye(z.shape[1])[labels] + 0.1 / z.shape[1]
    return (softmax(z) - target) / len(z)


SMOOTHED = kind(
    "label smoothing", smoothed, d_smoothed, lambda r: (r(5, 4), r(5, low=0, high=4)),
    edit("0.9 * np.eye(z.shape[1])[labels] + 0.1 / z.shape[1]", "np.eye(z.shape[1])[labels]", "term"),
    edit(" + 0.1 / z.shape[1]", "", "term"),
    edit("0.1 / z.shape[1]", "0.1 / (z.shape[1] - 1)", "factor term"),
    edit("[labels]", "[labels - 1]", "order"),
    edit(") / len(z)", ")", "factor sum"),
    edit("(softmax(z) - target)", "(target - softmax(z))", "sign"),
    edit("softmax(z) - target", "-target", "path term"),
    style="loss",
)


def poisson(x, w, counts):
    """mean negative log-likelihood of Poisson regression, without log k!"""
    eta = x @ w
    return np.mean(np.exp(eta) - counts * eta)


def d_poisson(x, w, counts):
    r = (np.exp(x @ w) - counts) / len(x)
    return np.outer(r, w), x.T @ r


POISSON = kind(
    "Poisson regression", poisson, d_poisson, lambda r: (r(6, 3), 0.5 * r(3), r(6, low=0, high=5)),
    edit("(np.exp(x @ w) - counts)", "(x @ w - counts)", "local"),
    edit(" - counts)", ")", "term"),
    edit("(np.exp(x @ w) - counts)", "(counts - np.exp(x @ w))", "sign"),
    edit("np.outer(r, w), x.T @ r", "np.outer(np.exp(x @ w) / len(x), w), x.T @ r", "term"),
    edit(" / len(x)", "", "factor sum"),
    edit("np.exp(x @ w) - counts", "1 - counts / np.exp(x @ w)", "local"),
    edit(" / len(x)", " / x.size", "factor sum"),
    style="loss",
)


def negative_binomial(log_mu, log_r, counts):
    """negative log-likelihood with mean mu and dispersion r, log Γ(k + r) / Γ(r) as a product"""
    mu, r = np.exp(log_mu), np.exp(log_r)
    rising = sum(np.where(counts > j, np.log(r + j), 0).sum() for j in range(int(counts.max())))
    return -rising - np.sum(counts * np.log(mu / (r + mu)) + r * np.log(r / (r + mu)))


def d_negative_binomial(log_mu, log_r, counts):
    mu, r = np.exp(log_mu), np.exp(log_r)
    d_mu = -(counts / mu - (counts + r) / (r + mu))
    d_r = -sum(np.sum(counts > j) / (r + j) for j in range(int(counts.max())))
    d_r -= np.sum(np.log(r / (r + mu)) + 1 - (counts + r) / (r + mu))
    return d_mu * mu, d_r * r


NEGATIVE_BINOMIAL = kind(
    "negative binomial", negative_binomial, d_negative_binomial,
    lambda r: (r(6), r(), r(6, low=0, high=5)),
    edit("d_mu * mu, d_r * r", "d_mu, d_r * r", "local"),
    edit("d_mu * mu, d_r * r", "d_mu * mu, d_r", "local factor"),
    edit("(counts + r) / (r + mu))\n    d_r = -sum", "counts / (r + mu))\n    d_r = -sum", "term"),
    edit(" + 1 - (counts + r) / (r + mu))", ")", "term"),
    edit("np.sum(counts > j) / (r + j)", "np.sum(counts >= j) / (r + j)", "order term"),
    edit("d_mu = -(", "d_mu = (", "sign"),
    edit("np.sum(np.log(r / (r + mu)) + 1", "np.sum(np.log(r / (r + mu)) + r", "local term"),
    style="loss",
)


def student(mu, log_s, y):
    """negative log-likelihood of Student's t with 4 degrees of freedom, one scale"""
    z = (y - mu) * np.exp(-log_s)
    return np.sum(2.5 * np.log1p(z**2 / 4) + log_s)


def d_student(mu, log_s, y):
    z = (y - mu) * np.exp(-log_s)
    dz = 2.5 * 2 * z / (4 + z**2)
    dmu = -dz * np.exp(-log_s)
    return dmu, np.sum(1 - dz * z), -dmu


STUDENT = kind(
    "Student-t likelihood", student, d_student, lambda r: (r(6), r(), r(6)),
    edit("2.5 * 2 * z", "2.5 * z", "factor"),
    edit("(4 + z**2)", "(1 + z**2 / 4)", "factor"),
    edit("(4 + z**2)", "4", "local"),
    edit("-dz * np.exp(-log_s)", "-dz", "local factor"),
    edit("np.sum(1 - dz * z)", "1 - np.sum(dz * z)", "factor term sum"),
    edit("np.sum(1 - dz * z)", "np.sum(-dz * z)", "term"),
    edit("dmu = -dz", "dmu = dz", "sign"),
    style="loss",
)


def mixture(x, logits, mu, log_s):
    """mean log-likelihood of x (N,) under a mixture of K Gaussians"""
    z = (x[:, None] - mu) * np.exp(-log_s)
    p = log_softmax(logits) - 0.5 * z**2 - log_s
    m = p.max(1, keepdims=True)
    return np.mean(np.log(np.exp(p - m).sum(1)) + m[:, 0])


def d_mixture(x, logits, mu, log_s):
    n, inv = len(x), np.exp(-log_s)
    z = (x[:, None] - mu) * inv
    r = softmax(log_softmax(logits) - 0.5 * z**2 - log_s) / n
    dx = -(r * z * inv).sum(1)
    d_logits = r.sum(0) - softmax(logits)
    return dx, d_logits, (r * z * inv).sum(0), (r * (z**2 - 1)).sum(0)


MIXTURE = kind(
    "mixture of Gaussians", mixture, d_mixture, lambda r: (r(6), r(3), 2 * r(3), 0.5 * r(3)),
    edit(" - softmax(logits)", "", "path term"),
    edit("(r * (z**2 - 1))", "(r * z**2)", "term"),
    edit("dx = -(r", "dx = (r", "sign"),
    edit("softmax(log_softmax(logits) - 0.5 * z**2 - log_s) / n", "softmax(logits - 0.5 * z**2) / n", "term stale"),
    edit("(r * z * inv).sum(0), (r", "(r * z).sum(0), (r", "local"),
    edit("- log_s) / n", "- log_s)", "factor sum"),
    edit("r.sum(0) - softmax(logits)", "r.mean(0) - softmax(logits)", "sum factor term"),
    edit("(r * (z**2 - 1)).sum(0)", "(r * (z**2 - 1) * inv).sum(0)", "local"),
    style="loss",
)


def distillation(student, teacher):
    """T² KL(teacher | student) at temperature 3"""
    p = softmax(teacher / 3)
    return 9 * np.mean((p * (log_softmax(teacher / 3) - log_softmax(student / 3))).sum(1))


def d_distillation(student, teacher):
    p, q = softmax(teacher / 3), softmax(student / 3)
    gap = log_softmax(teacher / 3) - log_softmax(student / 3)
    kl = (p * gap).sum(1, keepdims=True)
    return 3 * (q - p) / len(p), 3 * p * (gap - kl) / len(p)


DISTILLATION = kind(
    "distillation", distillation, d_distillation, lambda r: (r(5, 4), r(5, 4)),
    edit("return 3 * (q - p) / len(p)", "return 9 * (q - p) / len(p)", "factor"),
    edit("return 3 * (q - p) / len(p)", "return (q - p) / len(p)", "factor"),
    edit("(q - p)", "(p - q)", "sign swapped"),
    edit("(gap - kl)", "gap", "path term"),
    edit("(gap - kl)", "(gap + 1 - kl)", "term"),
    edit("q = softmax(teacher / 3), softmax(student / 3)", "q = softmax(teacher), softmax(student)", "factor local eps"),
    edit("gap - kl) / len(p)", "gap - kl) / p.size", "factor sum"),
    style="loss",
)


def multiclass_hinge(z, labels):
    """mean over the images of sum_j max(0, z_j - z_y + 1)"""
    rows = np.arange(len(z))
    m = np.maximum(0, z - z[rows, labels][:, None] + 1)
    return (m.sum(1) - 1).mean()


def d_multiclass_hinge(z, labels):
    rows = np.arange(len(z))
    d = (z - z[rows, labels][:, None] + 1 > 0).astype(z.dtype)
    d[rows, labels] = 0
    d[rows, labels] = -d.sum(1)
    return d / len(z)


HINGE = kind(
    "multi-class hinge", multiclass_hinge, d_multiclass_hinge, lambda r: (r(5, 4), r(5, low=0, high=4)),
    edit("    d[rows, labels] = -d.sum(1)\n", "", "term part"),
    edit("= -d.sum(1)", "= -1", "part factor"),
    edit("    d[rows, labels] = 0\n", "", "term part order"),
    edit("= -d.sum(1)", "= -d.sum(0)[labels]", "axis part"),
    edit("[:, None] + 1 > 0", "[:, None] > 0", "part eps"),
    edit("d / len(z)", "d", "factor sum"),
    edit("d / len(z)", "-d / len(z)", "sign"),
    style="loss",
)


KINDS = (
    ELBO, INFO_NCE, TRIPLET, FOCAL, DICE, HUBER, PINBALL, SMOOTHED, POISSON, NEGATIVE_BINOMIAL, STUDENT,
    MIXTURE, DISTILLATION, HINGE,
)
