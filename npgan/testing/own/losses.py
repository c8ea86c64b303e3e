"""check_loss: the gradients of a GAN loss by the discriminator's logits."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

from ...autograd import value_and_grad
from ...losses import LOSSES, Loss, least_squares, nonsaturating
from ..check import check_gradients
from ..problem.options import check_choice
from ..problem.random_streams import Stream, generator
from ..report import Report

__tracebackhide__ = True  # pytest shows a failure at the user's line, not at ours
SIDES = ("discriminator", "generator")


def check_loss(
    loss: Loss, side: str = "discriminator", batch: int = 6, seed: int = 0, **options: Any
) -> Report:
    """Check the gradients of one side of a GAN loss by the logits.

    Parameters
    ----------
    loss : Loss
        The loss, such as ``npgan.losses.hinge``.
    side : {"discriminator", "generator"}
        Whose loss.
    batch : int
        How many real and how many fake images the logits stand for.
    seed : int
        The seed of the logits and of the check.
    **options
        The options of `check_gradients`.

    Returns
    -------
    Report
        A row for the logits at fake images, and one for those at real images if the loss uses them.

    Raises
    ------
    ValueError
        side or an option is not allowed.

    Examples
    --------
    >>> from npgan import losses
    >>> from npgan.testing import check_loss
    >>> check_loss(losses.hinge, "generator").verdict
    'PASS'
    """
    check_choice("side", side, SIDES)
    rng = generator(seed, Stream.LOSSES)
    real, fake = 1.5 * rng.standard_normal((batch, 1)), 1.5 * rng.standard_normal((batch, 1))
    function = getattr(loss, side)
    uses_real = side == "discriminator" or loss.needs_real
    names = ("logits_real", "logits_fake") if uses_real else ("logits_fake",)
    args = (real, fake) if uses_real else (fake,)

    def scalar(*logits: Any) -> Any:
        return function(*logits) if uses_real else function(None, *logits)

    def value(*logits: np.ndarray) -> float:
        return value_and_grad(scalar, *logits)[0]

    def gradient(*logits: np.ndarray) -> tuple[np.ndarray, ...]:
        return tuple(value_and_grad(scalar, *logits)[1])

    options = {"method": "differences", "seed": seed, **options}
    report = check_gradients(value, gradient, args, argnames=names, style="loss", **options)
    report.title = f"{loss.name}, {side}'s loss"
    return report


def loss_reports(seed: int = 0) -> Iterator[Report]:
    """Both sides of every loss, and the discriminator's with smoothed targets."""
    for loss in LOSSES.values():
        for side in SIDES:
            yield check_loss(loss, side, seed=seed)
    for loss in (nonsaturating, least_squares):
        report = check_loss(loss._replace(discriminator=partial(smoothed, loss)), seed=seed)
        report.title += ", smoothed"
        yield report


def smoothed(loss: Loss, real: Any, fake: Any) -> Any:
    """D's loss with the target 0.9 at real images."""
    assert loss.with_target is not None
    return loss.with_target(real, fake, 0.9)
