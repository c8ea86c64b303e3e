"""GAN losses on logits, and penalties: compositions of primitives, with no derivative of their own.

A GAN loss is a pair of functions of the discriminator's logits at real and at generated images,
each (B, 1), in nats per image where it is a cross-entropy. `evaluate` gives a loss its value and
its gradients by the logits, which is where the pullbacks of the networks take over.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from . import ops
from .autograd import Tensor, grad
from .layers import Network, flatten


class Loss(NamedTuple):
    """The two sides of a GAN loss; both are minimised, each by its own network."""

    name: str
    discriminator: Callable[[Any, Any], Any]  # (logits at real, logits at fake) -> scalar
    generator: Callable[[Any, Any], Any]
    needs_real: bool = False  # whether the generator's loss looks at the real logits
    equilibrium: tuple[float, float] | None = (
        None  # D's and G's value where D can no longer tell, if it has one
    )


def evaluate(function: Callable[..., Any], *arrays: np.ndarray) -> tuple[float, list[np.ndarray]]:
    """(value, [gradient by each array]) of a scalar function written with npgan.ops."""
    leaves = [Tensor(a) for a in arrays]
    value = function(*leaves)
    return float(value.data), grad(value, leaves, unused="zero")


def bce_with_logits(logits: np.ndarray, targets: Any) -> tuple[float, np.ndarray]:
    """Cross-entropy of σ(logits) against targets in [0, 1], the mean in nats, and its gradient.

    targets: an array like the logits, or one number for all of them.
    """
    value, (dlogits,) = evaluate(lambda z: ops.bce_with_logits(z, targets), logits)
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


# ---- penalties on D's slope by its input: each returns (value, flat gradient by D.theta) ----


def slope_penalty(
    D: Network, x: np.ndarray, of_square: Callable[[Tensor], Tensor], pixels: int | None = None
) -> tuple[float, np.ndarray]:
    """of_square(|∇x D(x)|² of each image), through the tape: the slope is itself differentiated.

    Row i of the logits depends on image i alone, so one gradient of their sum holds every slope.
    pixels: how many columns of x are the image, where a label stands beside it.
    """
    leaf, params = Tensor(D.cast(x)), D.tensors()
    slope = grad(ops.sum(D.apply(leaf, params)), leaf, create_graph=True)
    slope = slope if pixels is None else slope[:, :pixels]
    value = of_square(ops.sum(slope * slope, axis=1))
    return float(value.data), flatten(grad(value, params, unused="zero"))


def r1(
    D: Network, real: np.ndarray, gamma: float = 1.0, pixels: int | None = None
) -> tuple[float, np.ndarray]:
    """(γ/2) E |∇D(real)|².    Mescheder et al. 2018, eq. 9"""
    return slope_penalty(D, real, lambda square: 0.5 * gamma * ops.mean(square), pixels)


def r2(
    D: Network, fake: np.ndarray, gamma: float = 1.0, pixels: int | None = None
) -> tuple[float, np.ndarray]:
    """(γ/2) E |∇D(fake)|²: the same at generated images.    Mescheder et al. 2018, eq. 10"""
    return r1(D, fake, gamma, pixels)


def wgan_gp(
    D: Network,
    real: np.ndarray,
    fake: np.ndarray,
    rng: Any = None,
    weight: float = 10.0,
    pixels: int | None = None,
) -> tuple[float, np.ndarray]:
    """weight · E (|∇D(x)| - 1)², x on the lines from real to fake.    Gulrajani et al. 2017, eq. 3"""
    if np.shape(real) != np.shape(fake):
        raise ValueError(
            f"wgan_gp() pairs real with fake images, got {np.shape(real)} and {np.shape(fake)}"
        )
    along = np.random.default_rng(rng).random((len(real), 1)).astype(real.dtype)
    tiny = float(np.finfo(real.dtype).tiny)  # |∇D| has no derivative where it is 0
    return slope_penalty(
        D,
        real + along * (fake - real),
        lambda square: weight * ops.mean(((square + tiny) ** 0.5 - 1.0) ** 2),
        pixels,
    )
