"""Exercise 17: the R1 penalty of a network with one hidden layer, by hand.

R1 (Mescheder et al. 2018) asks D to be flat at real images: it penalises the square of the gradient
of D's logit by the *pixels*. For

    a = x @ W        h = tanh(a)        logit = h @ v        x (B, n)   W (n, m)   v (m,)

the gradient of one logit by its image is   s = ((1 - h²) * v) @ W.T,   of shape (B, n), and

    penalty(x, W, v) = mean over the batch of  ½ |s|²

To train with it you need the gradient of the penalty by W and v: a derivative of a derivative. Walk
back through the formula of s, which is a computation like any other. W occurs in it twice: in
`@ W.T`, and in h, through a = x @ W. The second path is where the second derivative of tanh
appears: the derivative of (1 - h²) by h is -2 h, and that of h by a is 1 - h².

Return dpenalty/dW and dpenalty/dv.
"""

import numpy as np


def penalty(x, W, v):
    h = np.tanh(x @ W)
    s = ((1 - h**2) * v) @ W.T
    return 0.5 * np.sum(s**2) / len(x)


def backward(x, W, v):
    raise NotImplementedError
