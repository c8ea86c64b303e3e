"""Exercise 15: a learning rate that depends on the size of the batch. One line is wrong.

The loss of a batch is the *mean* of the losses of its examples: its gradient has the same size for
a batch of 4 and for one of 400. Here the gradient is not that of the returned loss. With Adam,
which divides by the size of the gradient, nobody would notice for a long time.
"""

import numpy as np

from npgan.ops import sigmoid


def discriminator_step(D, optimiser, real, fake):
    logits, pull = D.forward(np.concatenate([real, fake]))
    targets = np.concatenate([np.ones((len(real), 1)), np.zeros((len(fake), 1))])
    losses = np.maximum(logits, 0) - targets * logits + np.log1p(np.exp(-np.abs(logits)))
    dlogits = sigmoid(logits) - targets
    optimiser.step(pull(dlogits, wrt="params"))
    return losses.mean()
