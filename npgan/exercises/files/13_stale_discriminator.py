"""Exercise 13: a generator that uses an old discriminator. A part is in the wrong place.

training_step updates D, then G. G shall get its gradient from the D that has just been updated.
Here D is asked about the generated images before its update. The gradient is kept, and used after
the update, when D has other weights.

npgan's pullbacks refuse that (call pull_D after an update of D, and read the error). But a gradient
with respect to the pixels that was computed too early is an array like any other: no program can
see that it is old.
"""

import numpy as np

from npgan import bce_with_logits


def training_step(G, D, optimiser_G, optimiser_D, real, z):
    fake, pull_G = G.forward(z)

    # what D says about the generated images, and which pixels would change that
    logits, pull_D = D.forward(fake)
    _, dlogits = bce_with_logits(logits, np.ones_like(logits))
    dfake = pull_D(dlogits, wrt="input")

    # D's update
    logits, pull_D = D.forward(np.concatenate([real, fake]))
    targets = np.concatenate([np.ones((len(real), 1)), np.zeros((len(fake), 1))])
    _, dlogits = bce_with_logits(logits, targets)
    optimiser_D.step(pull_D(dlogits, wrt="params"))

    # G's update
    optimiser_G.step(pull_G(dfake, wrt="params"))
