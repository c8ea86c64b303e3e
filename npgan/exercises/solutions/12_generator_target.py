"""G must ask for the target 1: it moves its images to where D says "real".

With the target 0 it moves to where D is sure that they are generated. The loss falls nicely: D
agrees with G that the images are bad.
"""

import numpy as np

from npgan import bce_with_logits


def generator_step(D, optimiser, fake, pull_G):
    logits, pull_D = D.forward(fake)
    targets = np.ones_like(logits)
    loss, dlogits = bce_with_logits(logits, targets)
    dfake = pull_D(dlogits, wrt="input")
    optimiser.step(pull_G(dfake, wrt="params"))
    return loss
