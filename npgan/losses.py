"""GAN losses on logits: compositions of primitives, with no derivative of their own.

A GAN loss is a pair of functions of the discriminator's logits at real and at generated images,
each (B, 1). Cross-entropies are in nats per image. `value_and_gradients` computes the value of a
loss and its gradients by the logits; from there the pullbacks of the networks go on.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from . import ops
from .autograd import value_and_grad
from .kernels import logits


class Loss(NamedTuple):
    """The losses of D and of G, and their properties. Each network minimises its own loss.

    Both are functions (logits of real, logits of fake images) -> scalar, written with npgan.ops.
    """

    name: str
    discriminator: Callable[[Any, Any], Any]
    generator: Callable[[Any, Any], Any]
    # with_target(real, fake, t) is the loss of D with the target t, not 1, for real images.
    with_target: Callable[[Any, Any, float], Any] | None = None
    # Whether σ(logit) is a probability: that an image is real, or with needs_real the real of two.
    gives_probabilities: bool = False
    # Whether the loss of G depends on the logits of real images.
    needs_real: bool = False
    # The losses of D and G if D cannot tell real from generated images, and their labels in charts.
    equilibrium: tuple[float, float] | None = None
    equilibrium_labels: tuple[str, str] | None = None
    direct: tuple[Any, Any] = (None, None)  # computes both with their gradients; None: the tape


def bce_with_logits(logits: np.ndarray, targets: ArrayLike) -> tuple[float, np.ndarray]:
    """Binary cross-entropy mean(-t log σ(z) - (1 - t) log(1 - σ(z))), and its gradient by z.

    The value is in nats, and finite for every finite logit; the gradient is (σ(z) - t) / n.

    Parameters
    ----------
    logits : array of n logits, of any shape
    targets : array_like
        Numbers t in [0, 1]: an array like the logits, or one number for all of them.
    """
    value, (dlogits,) = value_and_grad(lambda z: ops.bce_with_logits(z, targets), logits)
    return value, dlogits


cross_entropy = ops.bce_with_logits  # of logits and one target, 1 for real and 0 for fake

# D: -log D(real) - log(1 - D(fake)); G: -log D(fake). Goodfellow et al. 2014, section 3, end.
nonsaturating = Loss(
    "nonsaturating",
    lambda real, fake: cross_entropy(real, 1.0) + cross_entropy(fake, 0.0),
    lambda real, fake: cross_entropy(fake, 1.0),
    with_target=lambda real, fake, t: cross_entropy(real, t) + cross_entropy(fake, 0.0),
    gives_probabilities=True,
    equilibrium=(2 * math.log(2), math.log(2)),
    equilibrium_labels=("2 ln 2", "ln 2"),
    direct=(logits.of_each, logits.of_difference),
)

# As first written: G minimises log(1 - D(fake)), whose slope vanishes where D is sure. Ibid.
minimax = nonsaturating._replace(
    name="minimax",
    generator=lambda real, fake: -cross_entropy(fake, 0.0),
    equilibrium=(2 * math.log(2), -math.log(2)),
    equilibrium_labels=("2 ln 2", "-ln 2"),
    direct=(logits.of_each, None),
)

# Mao et al. 2017, eq. 9: the logits are regressed to 1 and 0. At equilibrium all logits are 1/2.
least_squares = Loss(
    "least_squares",
    lambda real, fake: 0.5 * ops.mean((real - 1.0) ** 2) + 0.5 * ops.mean(fake**2),
    lambda real, fake: 0.5 * ops.mean((fake - 1.0) ** 2),
    with_target=lambda real, fake, t: 0.5 * ops.mean((real - t) ** 2) + 0.5 * ops.mean(fake**2),
    equilibrium=(0.25, 0.125),
    equilibrium_labels=("0.25", "0.125"),
)

# Lim & Ye 2017: D gains nothing from logits beyond ±1. With slope 0, leaky_relu is ReLU.
hinge = Loss(
    "hinge",
    lambda real, fake: ops.mean(
        ops.leaky_relu(1.0 - real, slope=0.0) + ops.leaky_relu(1.0 + fake, slope=0.0)
    ),
    lambda real, fake: -ops.mean(fake),
)

# Arjovsky et al. 2017. D must be kept Lipschitz, e.g. by wgan_gp, or its loss has no lower bound.
wasserstein = Loss(
    "wasserstein",
    lambda real, fake: ops.mean(fake) - ops.mean(real),
    lambda real, fake: -ops.mean(fake),
)

# Relativistic pairing: D compares each real image with a fake. Jolicoeur-Martineau 2019, sec. 4.1.
relativistic = Loss(
    "relativistic",
    lambda real, fake: cross_entropy(real - fake, 1.0),
    lambda real, fake: cross_entropy(fake - real, 1.0),
    gives_probabilities=True,
    needs_real=True,
    equilibrium=(math.log(2), math.log(2)),
    equilibrium_labels=("ln 2", "ln 2"),
    direct=(logits.of_pairs, logits.of_difference),
)

# LOSS_NAMES in training/settings.py lists the same names in the same order.
ALL = (nonsaturating, minimax, least_squares, hinge, wasserstein, relativistic)
LOSSES = {loss.name: loss for loss in ALL}
logits.register(ALL, ops, lambda: cross_entropy)


def value_and_gradients(function: Any, real: Any, fake: np.ndarray) -> tuple[float, Sequence[Any]]:
    """(value, gradients by real and fake) of a `Loss`'s function; real may be None for G's."""
    if (direct := logits.direct_of(function, real, fake)) is not None:
        return direct(real, fake)
    if real is not None:
        return value_and_grad(function, real, fake)
    value, (dfake,) = value_and_grad(lambda z: function(None, z), fake)
    return value, (None, dfake)
