"""The state of a GAN as arrays and JSON, for a checkpoint, and back."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ..layers import Network
from ..optim import Adam
from .protocol import GANLike

# Attributes of a GAN that JSON can hold, in the order of the file.
BEFORE_TRAINING = ("config", "shape_", "pixels_", "classes_")
COUNTERS = ("data_", "epoch_", "position_", "sums_", "history_")


def networks(gan: GANLike) -> dict[str, Network]:
    """The networks by their names in a checkpoint."""
    return {"G": gan.generator_, "D": gan.discriminator_, "average": gan.average_}


def optimisers(gan: GANLike) -> dict[str, Adam]:
    """The optimisers by their names in a checkpoint."""
    return {"adam_G": gan.adam_G, "adam_D": gan.adam_D}


def get_state(gan: GANLike) -> tuple[dict[str, npt.NDArray[Any]], dict[str, Any]]:
    """(arrays, meta): the whole state, from which a GAN continues bit for bit."""
    arrays = {f"theta_{name}": net.theta for name, net in networks(gan).items()}
    for name, adam in optimisers(gan).items():
        arrays |= {f"{name}_{slot}": array for slot, array in adam.state().items()}
    meta = {name: getattr(gan, name) for name in (*BEFORE_TRAINING, *COUNTERS)}
    return arrays, {**meta, "noise": gan.z_rng.bit_generator.state}


def set_state(gan: GANLike, arrays: dict[str, npt.NDArray[Any]], meta: dict[str, Any]) -> None:
    """Put back what `get_state` returned, into a GAN that was started with the same settings.

    Raises KeyError, TypeError or ValueError if a part is missing or does not fit.
    """
    for name, net in networks(gan).items():
        theta = arrays[f"theta_{name}"]
        if theta.shape != net.theta.shape or not np.isfinite(theta).all():
            raise ValueError(f"theta_{name} is not {net.theta.size:,} finite numbers")
        net.theta[:] = theta
    for name, adam in optimisers(gan).items():
        adam.restore({slot: arrays[f"{name}_{slot}"] for slot in ("t", *adam.slots)})
    gan.z_rng.bit_generator.state = meta["noise"]
    for name in COUNTERS:
        setattr(gan, name, meta[name])
