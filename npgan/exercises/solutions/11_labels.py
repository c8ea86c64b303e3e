"""The targets were exchanged: images that are real had the target 0.

D learns the opposite, and then G, which wants D to say "real", learns to avoid what real images
look like. The curves look healthy, since the loss of D falls. Look at D(real): it should be above
1/2.
"""

import numpy as np

from npgan import bce_with_logits


def discriminator_step(D, optimiser, real, fake):
    logits, pull = D.forward(np.concatenate([real, fake]))
    targets = np.zeros_like(logits)
    targets[: len(real)] = 1
    loss, dlogits = bce_with_logits(logits, targets)
    optimiser.step(pull(dlogits, wrt="params"))
    return loss
