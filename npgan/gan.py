"""The GAN: two networks, and one training step of each.

Read `discriminator_gradient` and `generator_gradient` first: they are the whole algorithm.
training/step.py calls them; the class GAN is in training/model.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from . import kernels
from .kernels import definitions, updates
from .kernels.finite import check_finite as check_finite
from .layers import Dense, Layer, LeakyReLU, Network, Pull, Seed, Tanh
from .losses import Loss, nonsaturating, value_and_gradients
from .optim import Optimiser
from .penalties import Penalty


class Generator(Network):
    """z (B, latent) -> image (B, out).  Dense and LeakyReLU(0.2) in turn, and tanh at the end.

    The default widths are those that `npgan bench` times; GAN() uses (512, 512, 512).

    Parameters
    ----------
    latent, out : int
        The length of z, and of a flattened image.
    hidden : sequence of int
        Widths of the hidden layers.
    output : {"tanh", "linear"}
        How it ends: tanh for pixels in [-1, 1], linear for points in space.
    rng : int, Generator or None
        What the weights are drawn from.
    """

    def __init__(
        self, latent: int = 100, hidden: Sequence[int] = (256, 512, 1024), out: int = 784,
        output: str = "tanh", rng: Seed = None,
    ):  # fmt: skip
        rng = np.random.default_rng(rng)
        if output not in ("tanh", "linear"):
            raise ValueError(f'output is "tanh" or "linear", got {output!r}')
        layers = hidden_layers(latent, hidden, rng)
        layers.append(Dense(hidden[-1] if hidden else latent, out, "glorot", rng))
        super().__init__([*layers, Tanh()] if output == "tanh" else layers)


class Discriminator(Network):
    """Image (B, inputs) -> logit (B, 1), whose meaning depends on the loss (see `Loss`).

    Parameters
    ----------
    inputs : int
        The length of a flattened image, and of the label behind it in a conditional GAN.
    hidden, rng
        As of `Generator`.
    """

    def __init__(self, inputs: int = 784, hidden: Sequence[int] = (512, 256), rng: Seed = None):
        rng = np.random.default_rng(rng)
        # First, as the order is part of a seed's bits.
        last = Dense(hidden[-1] if hidden else inputs, 1, "glorot", rng)
        super().__init__([*hidden_layers(inputs, hidden, rng), last])


def hidden_layers(inputs: int, hidden: Sequence[int], rng: np.random.Generator) -> list[Layer]:
    """Dense(he), LeakyReLU, Dense(he), LeakyReLU, ..."""
    layers: list[Layer] = []
    for a, b in pairwise([inputs, *hidden]):
        layers += [Dense(a, b, "he", rng), LeakyReLU()]
    return layers


def discriminator_gradient(
    D: Network, real: np.ndarray, fake: np.ndarray, loss: Loss = nonsaturating,
    penalty: Penalty | None = None,
) -> tuple[np.ndarray, dict[str, float]]:  # fmt: skip
    """D's flat gradient, and the values that `discriminator_step` returns."""
    logits, pull_D = D.forward(np.concatenate([real, fake]))
    logits_real, logits_fake = logits[: len(real)], logits[len(real) :]
    value, dlogits = value_and_gradients(loss.discriminator, logits_real, logits_fake)
    check_finite({"real images": real, "fake images": fake}, logits_of_D=logits, loss_D=value)
    values, gradient = {"loss_D": value}, pull_D(np.concatenate(dlogits), wrt="params")
    if loss.needs_real:  # this D says which of two images is the real one
        logits_real, logits_fake = logits_real - logits_fake, logits_fake - logits_real
    values["D_real"] = float(kernels.mean_sigmoid(logits_real))
    values["D_fake"] = float(kernels.mean_sigmoid(logits_fake))
    if penalty is not None:
        values["penalty"], penalty_gradient = penalty(D, real, fake)
        check_finite(penalty=values["penalty"])
        gradient += penalty_gradient
    return gradient, values


def discriminator_step(
    D: Network, optimiser_D: Optimiser, real: np.ndarray, fake: np.ndarray,
    loss: Loss = nonsaturating, penalty: Penalty | None = None,
) -> dict[str, float]:  # fmt: skip
    """Update D so that it calls real images real and generated ones fake.

    One forward pass scores both. The gradient is pulled no further than D's own parameters, since
    nothing uses the gradient with respect to the pixels. Returns "loss_D", the means "D_real" and
    "D_fake" of σ(logit) and perhaps "penalty". FloatingPointError names what is not finite.

    Parameters
    ----------
    D, optimiser_D : Network, Optimiser
    real, fake : array (B, pixels)
    loss : Loss
    penalty : function (D, real, fake) -> (value, flat gradient), optional
        Added to the loss; see npgan.penalties.
    """

    def definition() -> dict[str, float]:
        gradient, values = discriminator_gradient(D, real, fake, loss, penalty)
        optimiser_D.step(gradient)
        return values

    return updates.of_discriminator(definition, D, optimiser_D, real, fake, loss, penalty)


def generator_gradient(
    D: Network, fake: np.ndarray, pull_G: Pull, loss: Loss = nonsaturating,
    real: np.ndarray | None = None,
) -> tuple[np.ndarray, dict[str, float]]:  # fmt: skip
    """G's flat gradient, and the values that `generator_step` returns."""
    if loss.needs_real and real is None:
        raise ValueError(f"the {loss.name} loss compares with real images; give real=...")
    logits_real = D(real) if loss.needs_real and real is not None else None
    logits_fake, pull_D = D.forward(fake)
    value, (_, dlogits) = value_and_gradients(loss.generator, logits_real, logits_fake)
    check_finite(logits_of_D=logits_fake, loss_G=value)
    return pull_G(pull_D(dlogits, wrt="input"), wrt="params"), {"loss_G": value}


def generator_step(
    D: Network, optimiser_G: Optimiser, fake: np.ndarray, pull_G: Pull,
    loss: Loss = nonsaturating, real: np.ndarray | None = None,
) -> dict[str, float]:  # fmt: skip
    """Update G so that D calls its images real.

    The gradient goes back through D to the pixels, and on through G. D's parameters get none, since
    wrt="input" does not ask for it. Returns "loss_G".

    Parameters
    ----------
    D, optimiser_G : Network, Optimiser
        The discriminator, and the optimiser of G, which holds G's parameters.
    fake, pull_G
        What G.forward(z) returned.
    loss : Loss
    real : array (B, pixels), optional
        Real images, for a loss that compares with them (the relativistic one).
    """

    def definition() -> dict[str, float]:
        gradient, values = generator_gradient(D, fake, pull_G, loss, real)
        optimiser_G.step(gradient)
        return values

    return updates.of_generator(definition, D, optimiser_G, fake, pull_G, loss, real)


definitions.watch(globals(), "discriminator_gradient", "generator_gradient", "value_and_gradients")
