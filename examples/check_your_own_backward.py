"""Three classic bugs in hand-written backward passes, and what the gradient checker reports.

    python examples/check_your_own_backward.py

The layer is batch normalisation with a learned scale and shift (Ioffe & Szegedy 2015):

    n = (x - mean) / sqrt(var + eps)        y = gamma n + beta        x (B, F), gamma, beta (F,)
"""

import numpy as np

from npgan.testing import check_gradients, check_power

EPS = 1e-5


def forward(x, gamma, beta):
    n = (x - x.mean(axis=0)) / np.sqrt(x.var(axis=0) + EPS)
    return gamma * n + beta


def backward(dout, x, gamma, beta):
    """Right. Mean and variance depend on x, too; the two subtracted terms come from that."""
    s = np.sqrt(x.var(axis=0) + EPS)
    n = (x - x.mean(axis=0)) / s
    dn = dout * gamma
    dx = (dn - dn.mean(axis=0) - n * (dn * n).mean(axis=0)) / s
    return dx, (dout * n).sum(axis=0), dout.sum(axis=0)


def constants(dout, x, gamma, beta):
    """Bug 1: mean and variance are treated as constants. Such a network trains, but worse."""
    _, dgamma, dbeta = backward(dout, x, gamma, beta)
    return dout * gamma / np.sqrt(x.var(axis=0) + EPS), dgamma, dbeta


def averaged(dout, x, gamma, beta):
    """Bug 2: the gradient of the shift is averaged over the batch; it must be summed."""
    dx, dgamma, _ = backward(dout, x, gamma, beta)
    return dx, dgamma, dout.mean(axis=0)


class Remembering:
    """Bug 3: the cache is on self, where the next forward pass overwrites it."""

    def forward(self, x, gamma, beta):
        self.kept = x, gamma, beta
        return forward(x, gamma, beta), None

    def backward(self, dout, _):
        return backward(dout, *self.kept)


def main():
    rng = np.random.default_rng(0)
    args = rng.standard_normal((6, 3)), rng.standard_normal(3), rng.standard_normal(3)
    layer = Remembering()
    reports = {
        "right": check_gradients(forward, backward, args),
        "bug 1, mean and variance as constants": check_gradients(forward, constants, args),
        "bug 2, a mean for a sum": check_gradients(forward, averaged, args),
        "bug 3, a cache on self": check_gradients(layer.forward, layer.backward, args),
    }
    for title, report in reports.items():
        print(f"---- {title} ----\n{report}\n")
    power = check_power(forward, backward, args, n_directions=4)
    print(f"---- would this test notice other bugs? ----\n{power}")
    return reports, power


if __name__ == "__main__":
    main()
