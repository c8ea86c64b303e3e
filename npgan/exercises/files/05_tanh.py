"""Exercise 5: the backward pass of tanh, from its output.

The derivative of tanh(x) is 1 - tanh(x)². The forward pass has computed tanh(x) already: y. A good
backward pass uses it, for np.tanh takes longer than all the rest.

Return dL/dx. Here backward is given y instead of x.
"""

import numpy as np


def forward(x):
    return np.tanh(x)


def backward(dy, y):
    raise NotImplementedError
