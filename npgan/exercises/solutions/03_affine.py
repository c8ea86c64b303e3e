"""Each product of matrices has two products in its backward pass.

dL/dx[i, k] = sum over j of dy[i, j] W[k, j], and this is dy @ W.T. dL/dW[k, j] = sum over i of
x[i, k] dy[i, j], and this is x.T @ dy: the sum over the batch is part of the product. b is the bias
of exercise 2. So a backward pass costs twice as much as a forward pass.
"""


def forward(x, W, b):
    return x @ W + b


def backward(dy, x, W, b):
    return dy @ W.T, x.T @ dy, dy.sum(axis=0)
