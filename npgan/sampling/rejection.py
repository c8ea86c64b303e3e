"""Rejection of the samples that D likes least, after discriminator rejection sampling.

Azadi et al. 2019 accept a sample x with the probability σ(F), F = s - M - log(1 - exp(s - M)) - γ,
where s = a d(x) is log p/q up to a constant, M is the largest s, and γ sets the mean acceptance.
Here a sample is accepted if d(x) is not among the smallest: the limit of that rule for a large a,
with the same mean. On digits whose z had been refined, the soft rule changed nothing that two
judges could see; this one left fewer malformed digits, and a little less variety.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Samples = tuple[Array, Array]  # m samples (m, ...), and their logits (m,)

ROUNDS = 100  # after so many, a place takes the best of its samples


def lowest_kept(logits: Array, keep: float) -> float:
    """The logit from which samples are kept: of these ones, the share `keep`."""
    return float(np.quantile(logits, 1 - keep))


def redrawn(first: Samples, propose: Callable[[Array], Samples], lowest: Array | float) -> Array:
    """Samples of which each was drawn again until its logit was at least `lowest`.

    Parameters
    ----------
    first : (samples, logits)
        One sample for each place of the result.
    propose : function
        From the places that are still to be filled, (m,), to new samples and their logits. A place
        may have a label, so that all its samples are of this class.
    lowest : float or array (n,)
        For all places, or for each.
    """
    samples, logits = first[0].copy(), first[1].copy()
    for _ in range(ROUNDS):
        places = np.flatnonzero(logits < lowest)
        if not len(places):
            break
        new, new_logits = propose(places)
        better = new_logits > logits[places]
        samples[places[better]] = new[better]
        logits[places[better]] = new_logits[better]
    return samples
