"""How D's logits become an estimate of log p/q, p the density of the data and q that of samples.

For the best D of the non-saturating, the minimax and the relativistic loss, the logit is log p/q
plus a constant (Goodfellow et al. 2014, proposition 1). A D that was penalised says less than that,
and the logits of the other losses have units of their own. So the logits are scaled: let them be
normal at real and at generated images, with different means and one variance v. Then

    log p(d)/q(d) = a d + const,    a = (mean at real - mean at generated) / v

which is Fisher's linear discriminant (1936) of one variable. Sampling needs no constant.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt


def measure(real: npt.NDArray[Any], generated: npt.NDArray[Any]) -> dict[str, float]:
    """The mean logits at real and at generated images, and the mean of the two variances.

    Empty if one of them is not finite.
    """
    real, generated = np.asarray(real, np.float64), np.asarray(generated, np.float64)
    with np.errstate(over="ignore", invalid="ignore"):
        found = {
            "real": float(real.mean()),
            "generated": float(generated.mean()),
            "variance": float((real.var() + generated.var()) / 2),
        }
    return found if all(map(math.isfinite, found.values())) else {}


def slope(critic: Mapping[str, float]) -> float | None:
    """a, from what `measure` returned; None if D does not call real images more real."""
    if not critic or critic["variance"] <= 0:
        return None
    a = (critic["real"] - critic["generated"]) / critic["variance"]
    return a if 0 < a < np.finfo(np.float32).max else None
