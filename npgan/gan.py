"""The GAN: two networks, and one training step of each.

Read `discriminator_step` and `generator_step` first: they are the whole algorithm. The class `GAN`, which
calls them in a loop and keeps what they made, is in training/.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from .autograd import value_and_grad
from .layers import Dense, Layer, LeakyReLU, Network, Pull, Tanh
from .losses import Loss, nonsaturating
from .ops import sigmoid
from .optim import Optimiser
from .penalties import Penalty

# ---- the two networks ----


class Generator(Network):
    """z (B, latent) -> image (B, out).  Dense and LeakyReLU(0.2) in turn; tanh at the end, or "linear".

    The default widths are classic ones, which `npgan bench` times; GAN() has others (docs/recipes.md).
    """

    def __init__(self, latent: int = 100, hidden: Sequence[int] = (256, 512, 1024), out: int = 784,
                 output: str = "tanh", rng: Any = None):  # fmt: skip
        rng = np.random.default_rng(rng)
        if output not in ("tanh", "linear"):
            raise ValueError(f'output is "tanh" or "linear", got {output!r}')
        layers = [
            *hidden_layers(latent, hidden, rng),
            Dense(hidden[-1] if hidden else latent, out, "glorot", rng),
        ]
        super().__init__([*layers, Tanh()] if output == "tanh" else layers)


class Discriminator(Network):
    """image (B, inputs) -> logit (B, 1); σ(logit) is D's probability that the image is real."""

    def __init__(self, inputs: int = 784, hidden: Sequence[int] = (512, 256), rng: Any = None):
        rng = np.random.default_rng(rng)
        last = Dense(hidden[-1] if hidden else inputs, 1, "glorot", rng)
        super().__init__([*hidden_layers(inputs, hidden, rng), last])


def hidden_layers(inputs: int, hidden: Sequence[int], rng: np.random.Generator) -> list[Layer]:
    """Dense(he), LeakyReLU, Dense(he), LeakyReLU, ..."""
    layers: list[Layer] = []
    for a, b in pairwise([inputs, *hidden]):
        layers += [Dense(a, b, "he", rng), LeakyReLU()]
    return layers


# ---- one update of each ----


def discriminator_step(
    D: Network, optimiser: Optimiser, real: np.ndarray, fake: np.ndarray, loss: Loss = nonsaturating,
    penalty: Penalty | None = None,
) -> dict[str, float]:  # fmt: skip
    """Move D to call real images real and fake ones fake.    real, fake (B, pixels)

    One forward pass scores both. The gradient is pulled no further than D's own parameters: what it
    would be by the pixels is work that this step can skip. Returns the loss and D's mean answers.
    penalty: (D, real, fake) -> (value, flat gradient), to be added; see npgan.penalties.
    """
    logits, pull = D.forward(np.concatenate([real, fake]))
    at_real, at_fake = logits[: len(real)], logits[len(real) :]
    value, dlogits = value_and_grad(loss.discriminator, at_real, at_fake)
    check_finite(real_images=real, fake_images=fake, logits_of_D=logits, loss_D=value)
    gradient, added = pull(np.concatenate(dlogits), wrt="params"), {}
    if penalty is not None:
        added["penalty"], slope = penalty(D, real, fake)
        gradient += slope
    optimiser.step(gradient)
    if loss.needs_real:  # its D answers which of two is real, not whether one is
        at_real, at_fake = at_real - at_fake, at_fake - at_real
    return {
        "loss_D": value,
        "D_real": float(sigmoid(at_real).mean()),
        "D_fake": float(sigmoid(at_fake).mean()),
        **added,
    }


def generator_step(
    D: Network, optimiser: Optimiser, fake: np.ndarray, pull_G: Pull, loss: Loss = nonsaturating,
    real: np.ndarray | None = None,
) -> dict[str, float]:  # fmt: skip
    """Move G to make D call its images real.    fake, pull_G = G.forward(z)

    The gradient runs through D to the pixels and on through G; D's parameters get none, for their
    arrows are not followed. A relativistic loss looks at D's logits of real images, too.
    """
    if loss.needs_real and real is None:
        raise ValueError(
            f"the {loss.name} loss compares with real images; give generator_step(..., real=...)"
        )
    at_real = None if real is None or not loss.needs_real else D(real)
    at_fake, pull_D = D.forward(fake)
    value, (dlogits,) = value_and_grad(lambda logits: loss.generator(at_real, logits), at_fake)
    check_finite(logits_of_D=at_fake, loss_G=value)
    optimiser.step(pull_G(pull_D(dlogits, wrt="input"), wrt="params"))
    return {"loss_G": value}


def check_finite(**named: Any) -> None:
    """Raise FloatingPointError that names the first of these arrays with a NaN or an infinity."""
    for name, value in named.items():
        if not np.isfinite(value).all():
            bad = np.asarray(value)[~np.isfinite(value)].flat[0]
            raise FloatingPointError(f"{name.replace('_', ' ')} became {bad}")
