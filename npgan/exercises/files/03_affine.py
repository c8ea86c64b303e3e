"""Exercise 3: the backward pass of a dense layer.

    x (B, n)    W (n, m)    b (m,)    y = x @ W + b, of the shape (B, m)    dy (B, m)

A gradient has the shape of what it belongs to: dx is (B, n), dW is (n, m), db is (m,). There is one
way to multiply dy with W that gives the shape of dx, and one way to multiply x with dy that gives
the shape of dW; in each, one of the two is transposed.

Why these are products: y[i, j] = sum over k of x[i, k] W[k, j], plus b[j]. So x[i, k] meets W[k, j]
for every j, and W[k, j] meets x[i, k] for every i.

Return dL/dx, dL/dW and dL/db.
"""

import numpy as np


def forward(x, W, b):
    return x @ W + b


def backward(dy, x, W, b):
    raise NotImplementedError
