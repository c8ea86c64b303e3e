"""Cross-entropies of logits with their gradients, without the tape.

Skip this file at a first reading: npgan/losses.py defines these losses, and a test compares the two
bit for bit. All arrays are (B, 1).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .. import kernels
from . import passes

Direct = Callable[[Any, Any], tuple[float, Sequence[Any]]]
Gradients = tuple[np.ndarray | None, np.ndarray]  # by the logits of real images and of fakes


def of_each(real: np.ndarray, fake: np.ndarray) -> tuple[float, Gradients]:
    """Of D, non-saturating and minimax: the target is 1 for real images and 0 for fakes."""
    value_real, dreal = kernels.bce_with_gradient(real, 1.0)
    value_fake, dfake = kernels.bce_with_gradient(fake, 0.0)
    return float(value_real + value_fake), (dreal, dfake)


def of_pairs(real: np.ndarray, fake: np.ndarray) -> tuple[float, Gradients]:
    """Of D, relativistic: the target is 1 for the logits of real images less those of fakes."""
    value, dreal = kernels.bce_with_gradient(real - fake, 1.0)
    return float(value), (dreal, -dreal)


def of_difference(real: np.ndarray | None, fake: np.ndarray) -> tuple[float, Gradients]:
    """Of G, non-saturating and relativistic: 1 for the logits of fakes, less those of real."""
    value, dfake = kernels.bce_with_gradient(fake if real is None else fake - real, 1.0)
    return float(value), (None if real is None else -dfake, dfake)


KERNELS = ("sigmoid", "bce_with_logits")  # for which bce_with_gradient stands

# By the identity of a function of a Loss: the function, and what computes its gradients directly.
registered: dict[int, tuple[Any, Direct]] = {}
USED = ("add", "subtract", "negative", "sigmoid", "bce_with_logits")  # of which they are made
primitives: list[Any] = []
cross_entropy: Callable[[], Any] = lambda: None  # the one that losses.py uses now


def register(losses: Sequence[Any], ops: Any, used_now: Callable[[], Any]) -> None:
    """Take from each Loss what is direct in it."""
    global cross_entropy
    cross_entropy, primitives[:] = used_now, [getattr(ops, name) for name in USED]
    for loss in losses:
        functions = (loss.discriminator, loss.generator)
        for function, direct in zip(functions, loss.direct, strict=True):
            if direct is not None:
                registered[id(function)] = function, direct


def registered_for(function: Any) -> Direct | None:
    """What computes this function's gradients directly, if nothing was edited."""
    return registered.get(id(function), (None, None))[1]


def direct_of(function: Any, real: np.ndarray | None, fake: np.ndarray) -> Direct | None:
    """What computes this function's gradients directly; None where it is left to the tape."""
    found = registered_for(function)
    if found is None or not may_be_direct():
        return None
    return found if real is None or real.shape == fake.shape else None


def may_be_direct() -> bool:
    """Whether nobody has edited or replaced what these losses are made of."""
    return (
        not passes.rules_only
        and kernels.as_chosen(KERNELS)
        and all(map(passes.as_shipped, primitives))
        and cross_entropy() is primitives[-1]
    )
