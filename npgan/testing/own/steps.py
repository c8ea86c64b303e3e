"""check_step: the gradient that a training step hands to its optimiser."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ...gan import Discriminator, Generator, discriminator_step, generator_step
from ...losses import LOSSES, Loss
from ..check import check_gradients
from ..problem.options import check_choice
from ..problem.random_streams import Stream, generator
from ..report import Report
from .losses import SIDES

__tracebackhide__ = True  # pytest shows a failure at the user's line, not at ours


class Recorder:
    """An optimiser that keeps the gradient and changes no weights."""

    def __init__(self) -> None:
        self.gradient: Any = None

    def step(self, gradient: np.ndarray) -> None:
        """Keep the gradient."""
        self.gradient = gradient.copy()


def check_step(which: str, loss: Loss, seed: int = 0, **options: Any) -> Report:
    """Check the whole gradient of a training step, at a small GAN in float64.

    Parameters
    ----------
    which : {"discriminator", "generator"}
        Whose step: `npgan.gan.discriminator_step` or `npgan.gan.generator_step`.
    loss : Loss
        The loss, such as ``npgan.losses.hinge``.
    seed : int
        The seed of the networks, of the images and of the check.
    **options
        The options of `check_gradients`.

    Returns
    -------
    Report
        One row, for all parameters of the network as one vector.

    Raises
    ------
    ValueError
        which or an option is not allowed.

    Examples
    --------
    >>> from npgan import losses
    >>> from npgan.testing import check_step
    >>> check_step("generator", losses.nonsaturating, mode="projections").verdict
    'PASS'
    """
    check_choice("which", which, SIDES)
    rng = generator(seed, Stream.STEPS)
    D = Discriminator(5, (4, 3), rng).astype(np.float64)
    G = Generator(3, (4,), 5, rng=rng).astype(np.float64)
    for net in (D, G):
        net.theta += 0.3 * rng.standard_normal(net.theta.size)
    real, z = rng.standard_normal((6, 5)), rng.standard_normal((6, 3))
    fake, net = G(z), (D if which == "discriminator" else G)

    def step(theta: np.ndarray) -> tuple[float, np.ndarray]:
        recorder: Any = Recorder()
        model = net.with_theta(theta)
        if which == "discriminator":
            value = discriminator_step(model, recorder, real, fake, loss)["loss_D"]
        else:
            images, pull = model.forward(z)
            value = generator_step(D, recorder, images, pull, loss, real)["loss_G"]
        return value, recorder.gradient

    options = {
        "argnames": (f"theta_{which[0].upper()}",),
        "method": "differences",
        "seed": seed,
        **options,
    }
    report = check_gradients(
        lambda theta: step(theta)[0],
        lambda theta: step(theta)[1],
        (net.theta.copy(),),
        style="loss",
        **options,
    )
    report.title = f"the {which}'s step, {loss.name}"
    return report


def step_reports(seed: int = 0) -> Iterator[Report]:
    """Both steps with every loss."""
    for loss in LOSSES.values():
        for side in SIDES:
            yield check_step(side, loss, seed)
