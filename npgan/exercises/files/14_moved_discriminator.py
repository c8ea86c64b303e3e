"""Exercise 14: a discriminator that helps the generator. Something is there that must not be.

In the generator's step, the gradient goes *through* D to the pixels. On the way one could compute
the gradient by D's weights, too: how D would have to change to call the generated images real. D
must not do that. In frameworks that add up gradients in the parameters, this happens when D's
gradients are not set to zero before its next step.
"""

import numpy as np

from npgan import bce_with_logits


def generator_step(D, optimiser_G, optimiser_D, fake, pull_G):
    logits, pull_D = D.forward(fake)
    loss, dlogits = bce_with_logits(logits, np.ones_like(logits))
    dfake, dtheta_D = pull_D(dlogits, wrt="both")
    optimiser_D.step(dtheta_D)
    optimiser_G.step(pull_G(dfake, wrt="params"))
    return loss
