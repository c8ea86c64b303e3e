"""Exercise 10: the backward pass of a convolution, as a matrix product.

A convolution is a dense layer that looks at patches. x has the shape (B, H, W), the kernel k the
shape (3, 3), and y[b, i, j] is the sum of k times the 3 x 3 patch of x whose first corner is
(i, j). `patches` (often called im2col) collects all patches in one array of shape
(B, H - 2, W - 2, 9), and then y = patches @ k, a matrix product.

Return dL/dx and dL/dk. For dk: which patches met dy? For dx: the gradient of a patch, dy times k,
goes back to where its pixels came from. A pixel is part of up to nine patches: add, do not assign.
"""

import numpy as np


def patches(x):
    rows, columns = x.shape[1] - 2, x.shape[2] - 2
    shifted = [x[:, i : i + rows, j : j + columns] for i in range(3) for j in range(3)]
    return np.stack(shifted, axis=-1)


def forward(x, k):
    return patches(x) @ k.ravel()


def backward(dy, x, k):
    raise NotImplementedError
