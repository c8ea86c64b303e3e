"""Two walks: one gave s, the second walks back through s.

With g = ds: L = ½ |s|² / B, so ds = s / B. Through s = u Wᵀ, with u = (1 - h²) v: du = ds W, and
the first part of dW is dsᵀ u. Through u: dv = the sum over the batch of du (1 - h²), and dh = -2 h
v du. Through h = tanh(a): da = dh (1 - h²), and the second part of dW is xᵀ da.

In npgan nobody writes this: grad(..., create_graph=True) makes the first walk part of the tape, and
the second grad walks back through it (docs/derivations.md).
"""

import numpy as np


def penalty(x, W, v):
    h = np.tanh(x @ W)
    s = ((1 - h**2) * v) @ W.T
    return 0.5 * np.sum(s**2) / len(x)


def backward(x, W, v):
    h = np.tanh(x @ W)
    u = (1 - h**2) * v
    ds = (u @ W.T) / len(x)
    du = ds @ W
    dv = (du * (1 - h**2)).sum(axis=0)
    da = -2 * h * v * du * (1 - h**2)
    return ds.T @ u + x.T @ da, dv
