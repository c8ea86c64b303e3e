"""The GAN: two networks, and one training step of each.

Read `discriminator_step` and `generator_step` first: they are the whole algorithm. The class GAN
(npgan/training/) calls them in a loop.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from .autograd import value_and_grad
from .layers import Dense, Layer, LeakyReLU, Network, Pull, Seed, Tanh
from .losses import Loss, nonsaturating
from .ops import sigmoid
from .optim import Optimiser
from .penalties import Penalty

# ---- the two networks ----


class Generator(Network):
    """z (B, latent) -> image (B, out).  Dense and LeakyReLU(0.2) in turn, and tanh at the end.

    The default widths are classic ones, which `npgan bench` times; GAN() has others.

    Parameters
    ----------
    latent, out : int
        Numbers in z, and pixels.
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
    """Image (B, inputs) -> logit (B, 1); σ(logit) is D's probability that the image is real.

    Parameters
    ----------
    inputs : int
        Pixels.
    hidden, rng
        As of `Generator`.
    """

    def __init__(self, inputs: int = 784, hidden: Sequence[int] = (512, 256), rng: Seed = None):
        rng = np.random.default_rng(rng)
        last = Dense(hidden[-1] if hidden else inputs, 1, "glorot", rng)  # drawn first
        super().__init__([*hidden_layers(inputs, hidden, rng), last])


def hidden_layers(inputs: int, hidden: Sequence[int], rng: np.random.Generator) -> list[Layer]:
    """Dense(he), LeakyReLU, Dense(he), LeakyReLU, ..."""
    layers: list[Layer] = []
    for a, b in pairwise([inputs, *hidden]):
        layers += [Dense(a, b, "he", rng), LeakyReLU()]
    return layers


# ---- one update of each ----


def discriminator_step(
    D: Network, optimiser: Optimiser, real: np.ndarray, fake: np.ndarray,
    loss: Loss = nonsaturating, penalty: Penalty | None = None,
) -> dict[str, float]:  # fmt: skip
    """Update D so that it calls real images real and generated ones fake.

    One forward pass scores both. The gradient is pulled no further than D's own parameters, since
    nothing uses the gradient by the pixels. Returns "loss_D", D's mean answers "D_real", "D_fake"
    and, if there is one, "penalty". FloatingPointError names the first array that is not finite.

    Parameters
    ----------
    D, optimiser : Network, Optimiser
        The network, and its optimiser.
    real, fake : array (B, pixels)
    loss : Loss
    penalty : function (D, real, fake) -> (value, flat gradient), optional
        Added to the loss; see npgan.penalties.
    """
    logits, pull = D.forward(np.concatenate([real, fake]))
    at_real, at_fake = logits[: len(real)], logits[len(real) :]
    value, dlogits = value_and_grad(loss.discriminator, at_real, at_fake)
    check_finite(real_images=real, fake_images=fake, logits_of_D=logits, loss_D=value)
    gradient, added = pull(np.concatenate(dlogits), wrt="params"), {}
    if penalty is not None:
        added["penalty"], by_slope = penalty(D, real, fake)
        gradient += by_slope
    optimiser.step(gradient)
    if loss.needs_real:  # this D answers which of two images is the real one
        at_real, at_fake = at_real - at_fake, at_fake - at_real
    answers = {"D_real": float(sigmoid(at_real).mean()), "D_fake": float(sigmoid(at_fake).mean())}
    return {"loss_D": value, **answers, **added}


def generator_step(
    D: Network, optimiser: Optimiser, fake: np.ndarray, pull_G: Pull,
    loss: Loss = nonsaturating, real: np.ndarray | None = None,
) -> dict[str, float]:  # fmt: skip
    """Update G so that D calls its images real.

    The gradient goes back through D to the pixels, and on through G. D's parameters get none, since
    wrt="input" does not ask for it. Returns "loss_G".

    Parameters
    ----------
    D, optimiser : Network, Optimiser
        The discriminator, and the optimiser of G.
    fake, pull_G
        What G.forward(z) returned.
    loss : Loss
    real : array (B, pixels), optional
        Real images, for a loss that compares with them (the relativistic one).
    """
    if loss.needs_real and real is None:
        raise ValueError(f"the {loss.name} loss compares with real images; give real=...")
    at_real = None if real is None or not loss.needs_real else D(real)
    at_fake, pull_D = D.forward(fake)
    value, (dlogits,) = value_and_grad(lambda logits: loss.generator(at_real, logits), at_fake)
    check_finite(logits_of_D=at_fake, loss_G=value)
    optimiser.step(pull_G(pull_D(dlogits, wrt="input"), wrt="params"))
    return {"loss_G": value}


def check_finite(**named: np.ndarray | float) -> None:
    """Raise FloatingPointError that names the first of these with a NaN or an infinity."""
    for name, value in named.items():
        if not np.isfinite(value).all():
            bad = np.asarray(value)[~np.isfinite(value)].flat[0]
            raise FloatingPointError(f"{name.replace('_', ' ')} became {bad}")
