"""The state of a GAN as arrays and JSON, for a checkpoint, and back."""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np
import numpy.typing as npt

from ..gan import check_finite
from ..layers import Network
from ..optim import Adam
from .protocol import GANLike

# Attributes of a GAN that JSON can hold, in the order of the file.
BEFORE_TRAINING = ("config", "shape_", "pixels_", "classes_")
COUNTERS = ("data_", "epoch_", "position_", "sums_", "history_")

PARTS = {"theta_D": "weights of D", "theta_G": "weights of G", "theta_average": "averaged weights"}
PARTS["theta_average_D"] = "averaged weights of D"
PARTS |= {f"adam_{net}_{slot}": f"Adam's {slot} of {net}" for net in "DG" for slot in "mv"}


def networks(gan: GANLike) -> dict[str, Network]:
    """The networks by their names in a checkpoint."""
    return {
        "G": gan.generator_, "D": gan.discriminator_,
        "average": gan.average_, "average_D": gan.average_D_,
    }  # fmt: skip


def optimisers(gan: GANLike) -> dict[str, Adam]:
    """The optimisers by their names in a checkpoint."""
    return {"adam_G": gan.adam_G, "adam_D": gan.adam_D}


def checksum(gan: GANLike) -> int:
    """A CRC-32 of all weights and moments."""
    found = 0
    for net in networks(gan).values():
        found = zlib.crc32(net.theta.tobytes(), found)
    for adam in optimisers(gan).values():
        for array in adam.state().values():
            found = zlib.crc32(array.tobytes(), found)
    return found


def get_state(gan: GANLike) -> tuple[dict[str, npt.NDArray[Any]], dict[str, Any]]:
    """(arrays, meta): the whole state, from which a GAN continues bit for bit.

    Raises FloatingPointError, which names the part, if a number is not finite.
    """
    arrays = {f"theta_{name}": net.theta for name, net in networks(gan).items()}
    for name, adam in optimisers(gan).items():
        arrays |= {f"{name}_{slot}": array for slot, array in adam.state().items()}
    check_finite(**{words: arrays[part] for part, words in PARTS.items()})
    check_finite(**{f"the sum of {name}": value for name, value in gan.sums_.items()})
    check_finite(**{f"the history of {n}": np.array(row) for n, row in gan.history_.items()})
    numbers = {n: np.array(value) for n, value in gan.config.items()}
    check_finite(**{f"the setting {n}": x for n, x in numbers.items() if x.dtype.kind == "f"})
    meta = {name: getattr(gan, name) for name in (*BEFORE_TRAINING, *COUNTERS)}
    return arrays, {**meta, "critic_": gan.critic_, "noise": gan.z_rng.bit_generator.state}


def set_state(gan: GANLike, arrays: dict[str, npt.NDArray[Any]], meta: dict[str, Any]) -> None:
    """Put back what `get_state` returned, into a GAN that was started with the same settings.

    `validation.check_state` has checked all parts before.
    """
    # Older checkpoints have neither the average of D's weights nor what its logits are.
    arrays = {"theta_average_D": arrays["theta_D"], **arrays}
    gan.critic_ = meta.get("critic_", {})
    for name, net in networks(gan).items():
        net.theta[:] = arrays[f"theta_{name}"]
    for name, adam in optimisers(gan).items():
        adam.restore({slot: arrays[f"{name}_{slot}"] for slot in ("t", *adam.slots)})
    gan.z_rng.bit_generator.state = meta["noise"]
    for name in COUNTERS:
        setattr(gan, name, meta[name])
