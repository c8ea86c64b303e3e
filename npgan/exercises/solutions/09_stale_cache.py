"""A pullback that is a closure keeps the values of its own forward pass.

Each call of forward makes a new function pull, with its own x and y. Two forward passes cannot
disturb each other, and there is nothing to reset. npgan's layers work like this; frameworks store
the same values in the graph of the forward pass.
"""

import numpy as np


class Layer:
    def __init__(self, W):
        self.W = W

    def forward(self, x):
        y = np.tanh(x @ self.W)

        def pull(dy):
            d = dy * (1 - y**2)
            return d @ self.W.T, x.T @ d

        return y, pull
