"""First D's update, then a new forward pass of D for G's gradient.

The order alone matters: G's step must ask the D that stands after the update. `fake` and pull_G may
be used again, for G has not changed in between. This saves a forward pass of G, and npgan does the
same (docs/design.md).
"""

import numpy as np

from npgan import bce_with_logits


def training_step(G, D, optimiser_G, optimiser_D, real, z):
    fake, pull_G = G.forward(z)

    # D's update
    logits, pull_D = D.forward(np.concatenate([real, fake]))
    targets = np.concatenate([np.ones((len(real), 1)), np.zeros((len(fake), 1))])
    _, dlogits = bce_with_logits(logits, targets)
    optimiser_D.step(pull_D(dlogits, wrt="params"))

    # what the new D says about the generated images, and which pixels would change that
    logits, pull_D = D.forward(fake)
    _, dlogits = bce_with_logits(logits, np.ones_like(logits))
    dfake = pull_D(dlogits, wrt="input")

    # G's update
    optimiser_G.step(pull_G(dfake, wrt="params"))
