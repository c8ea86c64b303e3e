"""The gradient of a mean is the gradient of the sum divided by the number of terms.

With plain gradient descent the step was 2B times too long. Adam divides by the size of the
gradient, so with Adam only its eps and a penalty, whose size is now wrong in comparison, would show
it.
"""

import numpy as np

from npgan.ops import sigmoid


def discriminator_step(D, optimiser, real, fake):
    logits, pull = D.forward(np.concatenate([real, fake]))
    targets = np.concatenate([np.ones((len(real), 1)), np.zeros((len(fake), 1))])
    losses = np.maximum(logits, 0) - targets * logits + np.log1p(np.exp(-np.abs(logits)))
    dlogits = (sigmoid(logits) - targets) / len(logits)
    optimiser.step(pull(dlogits, wrt="params"))
    return losses.mean()
