"""Backwards through the layers: dh = dy W2ᵀ, da = dh times the gate, dx = da W1ᵀ.

At each matrix the gradient that arrives is multiplied with the matrix's own input: dW2 = hᵀ dy and
dW1 = xᵀ da. A deep network is this pattern repeated, and npgan's Network.forward is this function
with a loop. Since pull is a closure, its x, a and h are those of its own forward pass.
"""

import numpy as np

SLOPE = 0.2


def forward(x, W1, W2):
    a = x @ W1
    h = np.where(a > 0, a, SLOPE * a)
    y = h @ W2

    def pull(dy):
        dh = dy @ W2.T
        da = dh * np.where(a > 0, 1, SLOPE)
        return da @ W1.T, x.T @ da, h.T @ dy

    return y, pull
