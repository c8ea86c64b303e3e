"""D's weights stay as they are in G's step; only the gradient by its input is needed.

wrt="input" says this: the gradient by D's parameters is not even computed, which also saves a third
of the matrix products in D. In a framework one writes fake.detach() in D's step and sets D's
gradients to zero before it; here nothing is accumulated, so nothing must be detached or reset.
"""

import numpy as np

from npgan import bce_with_logits


def generator_step(D, optimiser_G, optimiser_D, fake, pull_G):
    logits, pull_D = D.forward(fake)
    loss, dlogits = bce_with_logits(logits, np.ones_like(logits))
    dfake = pull_D(dlogits, wrt="input")
    optimiser_G.step(pull_G(dfake, wrt="params"))
    return loss
