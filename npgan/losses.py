"""GAN losses on logits: compositions of primitives, with no derivative of their own.

A GAN loss is a pair of functions of the discriminator's logits at real and at generated images,
each (B, 1), in nats per image where it is a cross-entropy. `value_and_grad` gives a loss its value and
its gradients by the logits, which is where the pullbacks of the networks take over.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from . import ops
from .autograd import value_and_grad


class Loss(NamedTuple):
    """The two sides of a GAN loss; both are minimised, each by its own network."""

    name: str
    discriminator: Callable[[Any, Any], Any]  # (logits at real, logits at fake) -> scalar
    generator: Callable[[Any, Any], Any]
    needs_real: bool = False  # whether the generator's loss looks at the real logits
    equilibrium: tuple[float, float] | None = (
        None  # D's and G's value where D can no longer tell, if it has one
    )


def bce_with_logits(logits: np.ndarray, targets: Any) -> tuple[float, np.ndarray]:
    """Cross-entropy of σ(logits) against targets in [0, 1], the mean in nats, and its gradient.

    targets: an array like the logits, or one number for all of them.
    """
    value, (dlogits,) = value_and_grad(lambda z: ops.bce_with_logits(z, targets), logits)
    return value, dlogits


def call(logits: Any, answer: float) -> Any:
    """The cost of these logits where D should have answered real (1.0) or fake (0.0)."""
    return ops.bce_with_logits(logits, answer)


# -log D(real) - log(1 - D(fake)), against -log D(fake): Goodfellow et al. 2014, section 3, end.
nonsaturating = Loss(
    "nonsaturating",
    lambda real, fake: call(real, 1.0) + call(fake, 0.0),
    lambda real, fake: call(fake, 1.0),
    equilibrium=(2 * math.log(2), math.log(2)),
)

# The game as first written: G minimises log(1 - D(fake)), which is flat where D is sure. Ibid., eq. 1.
minimax = Loss(
    "minimax",
    nonsaturating.discriminator,
    lambda real, fake: -call(fake, 0.0),
    equilibrium=(2 * math.log(2), -math.log(2)),
)

# Mao et al. 2017, eq. 9: the logits are regressed to 1 and 0.
least_squares = Loss(
    "least_squares",
    lambda real, fake: 0.5 * ops.mean((real - 1.0) ** 2) + 0.5 * ops.mean(fake**2),
    lambda real, fake: 0.5 * ops.mean((fake - 1.0) ** 2),
    equilibrium=(0.25, 0.125),  # all logits 1/2
)

# Lim & Ye 2017: D gains nothing from logits beyond ±1.
hinge = Loss(
    "hinge",
    lambda real, fake: ops.mean(
        ops.leaky_relu(1.0 - real, slope=0.0) + ops.leaky_relu(1.0 + fake, slope=0.0)
    ),
    lambda real, fake: -ops.mean(fake),
)

# Arjovsky et al. 2017. D must be kept Lipschitz, for instance by wgan_gp, or its loss runs away.
wasserstein = Loss(
    "wasserstein",
    lambda real, fake: ops.mean(fake) - ops.mean(real),
    lambda real, fake: -ops.mean(fake),
)

# Relativistic pairing: D judges each real image against one fake. Jolicoeur-Martineau 2019, section 4.1.
relativistic = Loss(
    "relativistic",
    lambda real, fake: call(real - fake, 1.0),
    lambda real, fake: call(fake - real, 1.0),
    needs_real=True,
    equilibrium=(math.log(2), math.log(2)),
)

LOSSES = {
    loss.name: loss
    for loss in (nonsaturating, minimax, least_squares, hinge, wasserstein, relativistic)
}


def with_smoothing(loss: Loss, smoothing: float) -> Loss:
    """The loss with D's target 1 - smoothing at real images, 0 at fakes.    Salimans et al. 2016, section 3.4

    One-sided, for a target above 0 at fakes would hold D up where only fakes are. Raises ValueError for a
    loss in which D has no target at real images.
    """
    if not smoothing:
        return loss
    target = 1.0 - smoothing
    if loss.name in (nonsaturating.name, minimax.name):
        return loss._replace(
            discriminator=lambda real, fake: call(real, target) + call(fake, 0.0), equilibrium=None
        )
    if loss.name == least_squares.name:
        return loss._replace(
            discriminator=lambda real, fake: (
                0.5 * ops.mean((real - target) ** 2) + 0.5 * ops.mean(fake**2)
            ),
            equilibrium=None,
        )
    raise ValueError(
        f"smoothing needs a loss with labels (nonsaturating, minimax, least_squares), got {loss.name}"
    )
