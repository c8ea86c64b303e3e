"""Exercise 3: the backward pass of a dense layer.

    y = x @ W + b        x (B, n)   W (n, m)   b (m,)   y and dy (B, m)

Written out: y[i, j] = sum over k of x[i, k] W[k, j], plus b[j]. So x[i, k] meets W[k, j] for every
j, and W[k, j] meets x[i, k] for every i. The shapes help: dx must be (B, n), and there is one way
to multiply dy (B, m) with W (n, m) that gives this shape.

Return dL/dx, dL/dW and dL/db.
"""

import numpy as np


def forward(x, W, b):
    return x @ W + b


def backward(dy, x, W, b):
    raise NotImplementedError
