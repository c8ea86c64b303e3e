"""The loss of a run, and label smoothing: D's target at real images is below 1."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..losses import LOSSES, Loss


def loss_of(config: Mapping[str, Any]) -> Loss:
    """The loss, with smoothed labels if the settings ask for them.

    With wrong labels, which D learns to recognise, its values at equilibrium are not known.
    """
    loss = with_smoothing(LOSSES[config["loss"]], config["smoothing"])
    if config["wrong_labels"]:
        loss = loss._replace(equilibrium=None, equilibrium_labels=None)
    return loss


def with_smoothing(loss: Loss, smoothing: float) -> Loss:
    """The loss with D's target 1 - smoothing at real images; at fakes it stays 0.

    One-sided: with a target above 0 at fakes, D would learn high logits where there are only fakes.
    Salimans et al. 2016, section 3.4. Raises ValueError for a loss in which D has no target.
    """
    if not smoothing:
        return loss
    with_target = loss.with_target
    if with_target is None:
        known = ", ".join(name for name, known in LOSSES.items() if known.with_target)
        raise ValueError(f"smoothing needs a loss with targets ({known}), got {loss.name}")
    return loss._replace(
        discriminator=lambda real, fake: with_target(real, fake, 1.0 - smoothing),
        equilibrium=None,
        equilibrium_labels=None,
    )
