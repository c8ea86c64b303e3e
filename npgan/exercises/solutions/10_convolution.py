"""dk is a product of all patches with dy; dx adds up what each patch gets, at its place.

The forward pass copies each pixel into up to nine patches; backwards, the nine gradients are added.
This is exercise 2 again: what is used several times gets a sum. With E[index] = d instead of
E[index] += d all but the last would be lost.
"""

import numpy as np


def patches(x):
    rows, columns = x.shape[1] - 2, x.shape[2] - 2
    shifted = [x[:, i : i + rows, j : j + columns] for i in range(3) for j in range(3)]
    return np.stack(shifted, axis=-1)


def forward(x, k):
    return patches(x) @ k.ravel()


def backward(dy, x, k):
    dk = np.tensordot(dy, patches(x), axes=3).reshape(3, 3)
    dx = np.zeros_like(x)
    rows, columns = dy.shape[1:]
    for i in range(3):
        for j in range(3):
            dx[:, i : i + rows, j : j + columns] += dy * k[i, j]
    return dx, dk
