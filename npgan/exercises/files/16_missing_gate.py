"""Exercise 16: a GAN that trains, though its gradient is wrong. One line is missing.

The generator ends in tanh, so that its pixels are in (-1, 1). This backward pass forgets tanh. The
signs are right, so the training goes on, only worse: where a pixel is almost black or white, the
true gradient is nearly 0, and here it is not. Such a bug is hard to see in a training, but a
gradient check finds it at once.
"""

import numpy as np


def forward(z, W1, W2):
    a = z @ W1
    h = np.where(a > 0, a, 0.2 * a)
    image = np.tanh(h @ W2)

    def pull(dimage):
        dW2 = h.T @ dimage
        dh = dimage @ W2.T
        da = dh * np.where(a > 0, 1, 0.2)
        return da @ W1.T, z.T @ da, dW2

    return image, pull
