"""Exercise 12: a generator that gets worse. One line is wrong.

generator_step makes one update of the generator G, which shall make images that D calls real.
`fake` and `pull_G` are what G.forward(z) returned. The gradient goes back through D to the pixels,
and from there through G to its weights.
"""

import numpy as np

from npgan import bce_with_logits


def generator_step(D, optimiser, fake, pull_G):
    logits, pull_D = D.forward(fake)
    targets = np.zeros_like(logits)
    loss, dlogits = bce_with_logits(logits, targets)
    dfake = pull_D(dlogits, wrt="input")
    optimiser.step(pull_G(dfake, wrt="params"))
    return loss
