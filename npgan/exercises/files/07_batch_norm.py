"""Exercise 7: the backward pass of batch normalisation.

    mean = x.mean(axis=0)        var = ((x - mean)²).mean(axis=0)
    y = (x - mean) / sqrt(var + EPS)

x has the shape (B, n). Each entry of x reaches y on three paths: directly, through the mean of its
column, and through the variance of its column. A column of y has mean 0 and variance 1, whatever x
is: adding a number to a column of x, or scaling it, changes (almost) nothing. So the columns of dx
must have the sum 0.

Return dL/dx. It is one line, with s = sqrt(var + EPS):

    dx = (dy - (mean of dy over the column) - y * (mean of ? over the column)) / s
"""

import numpy as np

EPS = 1e-5


def forward(x):
    mean = x.mean(axis=0)
    var = ((x - mean) ** 2).mean(axis=0)
    return (x - mean) / np.sqrt(var + EPS)


def backward(dy, x):
    raise NotImplementedError
