"""Exercise 11: a GAN that learns nothing. One line is wrong.

discriminator_step makes one update of the discriminator D. Its logits shall be high for real
images and low for generated ones. bce_with_logits(logits, targets) returns (loss, dloss/dlogits),
the mean over all logits; the target of a real image is 1, that of a generated one 0.

All gradients in this file are right. A gradient check finds nothing: the code computes the right
gradient of the wrong loss. Find the line.
"""

import numpy as np

from npgan import bce_with_logits


def discriminator_step(D, optimiser, real, fake):
    logits, pull = D.forward(np.concatenate([real, fake]))
    targets = np.zeros_like(logits)
    targets[len(real) :] = 1
    loss, dlogits = bce_with_logits(logits, targets)
    optimiser.step(pull(dlogits, wrt="params"))
    return loss
