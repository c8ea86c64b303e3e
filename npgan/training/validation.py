"""The parts of a checkpoint: whether they have the right types and fit each other.

All of them are checked before a network is made, so that a damaged number in the settings cannot
allocate more memory than the arrays of the file need.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from .saving import BEFORE_TRAINING, COUNTERS
from .settings import Config
from .texture import texture_size

MAX_STEPS = 2**53  # a larger number of steps is damage
MAX_DIMENSIONS = 8  # of an image
MAX_CRC32 = 2**32 - 1
LOSSES = ("loss_D", "D_real", "D_fake", "loss_G")
ENTRIES = {*BEFORE_TRAINING, *COUNTERS, "critic_", "noise", "format"}


def check_state(
    config: Config, arrays: Mapping[str, npt.NDArray[Any]], meta: Mapping[str, Any]
) -> None:
    """Raise KeyError or ValueError for the first part of a checkpoint that is missing or unfit.

    Parameters
    ----------
    config : Config
        The settings in the checkpoint, after `settings.validate`.
    arrays, meta : dict
        What `checkpoint.load` returned.
    """
    for name in meta:
        if name not in ENTRIES:  # it would be lost when the run goes on
            raise ValueError(f"{name} is no entry of a GAN that this version of npgan knows")
    check_data_entries(config, meta)
    sizes = parameter_counts(config, meta["shape_"], meta.get("classes_", []))
    check_arrays(arrays, sizes)
    check_counters(config, arrays, meta)
    check_critic(meta.get("critic_", {}))
    check_noise(meta["noise"])


def check_settings(saved: Mapping[str, Any], config: Config) -> None:
    """Raise ValueError if settings are not as `settings.validate` writes them."""
    for name, value in config.items():
        if name not in saved:
            raise KeyError(name)
        if json.dumps(saved[name]) != json.dumps(value):
            raise ValueError(f"the setting {name} is {saved[name]!r}, expected {value!r}")


def check_data_entries(config: Config, meta: Mapping[str, Any]) -> None:
    """Check the entries about the data: shape_, pixels_, classes_ and data_."""
    shape, pixels = meta["shape_"], meta["pixels_"]
    require(
        isinstance(shape, list)
        and 1 <= len(shape) <= MAX_DIMENSIONS
        and all(is_whole(n, 1) for n in shape),
        "shape_", shape, "the shape of an image",
    )  # fmt: skip
    require(type(pixels) is bool, "pixels_", pixels, "true or false")
    require(pixels or len(shape) == 1, "pixels_", pixels, f"true, as shape_ is {shape}")
    require(
        not config["texture"] or (pixels and len(shape) in (2, 3)),
        "shape_", shape, "height, width and perhaps channels of an image, as texture is on",
    )  # fmt: skip
    classes = meta.get("classes_", [])
    require(
        isinstance(classes, list)
        and all(type(label) is int for label in classes)
        and len(set(classes)) == len(classes)
        and (config["conditional"] or not classes),
        "classes_", classes, "the labels of a conditional GAN, and none of another",
    )  # fmt: skip
    data = meta["data_"]
    kinds = {"name": str, "source": str, "count": int, "crc32": int}
    if config["conditional"]:
        kinds["crc32_labels"] = int
    require(isinstance(data, dict), "data_", data, "the description of the data")
    if data or meta["position_"]:  # a GAN that was only started has no data
        for name, kind in kinds.items():
            require(type(data.get(name)) is kind, f"{name} of data_", data.get(name), kind.__name__)
        require(data["count"] > 0, "count of data_", data["count"], "1 or more")
        for name in kinds.keys() & {"crc32", "crc32_labels"}:
            require(0 <= data[name] <= MAX_CRC32, f"{name} of data_", data[name], "a CRC-32")


def parameter_counts(
    config: Config, shape: Sequence[int], classes: Sequence[int]
) -> dict[str, int]:
    """The number of parameters of each network, from the settings alone."""
    size, labels = math.prod(shape), len(classes)
    widths_G = [config["latent"] + labels, *config["hidden"], size]
    texture = texture_size(shape) if config["texture"] else 0
    widths_D = [size + labels + texture, *config["hidden_D"], 1]
    return {
        name: sum((inputs + 1) * outputs for inputs, outputs in pairwise(widths))
        for name, widths in (("G", widths_G), ("D", widths_D))
    }


def check_arrays(arrays: Mapping[str, npt.NDArray[Any]], sizes: Mapping[str, int]) -> None:
    """Check the names, types, shapes and values of the arrays."""
    expected = {"theta_average": sizes["G"]}
    for net, size in sizes.items():
        expected |= {f"theta_{net}": size, f"adam_{net}_m": size, f"adam_{net}_v": size}
    steps = {f"adam_{net}_t" for net in sizes}
    for name in (*expected, *sorted(steps)):
        if name not in arrays:
            raise KeyError(name)
    if "theta_average_D" in arrays:  # not in a checkpoint from before there was this average
        expected["theta_average_D"] = sizes["D"]
    for name in arrays:
        if name not in expected and name not in steps:
            raise ValueError(f"{name} is no array of a GAN")
    for name, size in expected.items():
        array = arrays[name]
        if array.dtype != np.float32 or array.shape != (size,) or not np.isfinite(array).all():
            kind = f"{array.dtype}, shape {array.shape}"
            raise ValueError(f"{name} is not {size:,} finite numbers of type float32 ({kind})")
        if name.endswith("_v") and (array < 0).any():
            raise ValueError(f"{name}, an average of squares, is negative")
    for name in sorted(steps):
        array = arrays[name]
        if array.dtype not in (np.int64, np.int32) or array.shape != ():
            raise ValueError(f"{name} is not one whole number")


def check_counters(
    config: Config, arrays: Mapping[str, npt.NDArray[Any]], meta: Mapping[str, Any]
) -> None:
    """Check the numbers of steps and epochs, the sums of the epoch, and the history."""
    epoch, position = meta["epoch_"], meta["position_"]
    for name in ("epoch_", "position_"):
        require(is_whole(meta[name], 0), name, meta[name], "a whole number of 0 or more")
    steps, updates = int(arrays["adam_G_t"]), int(arrays["adam_D_t"])
    if not epoch + position <= steps < MAX_STEPS:
        raise ValueError(
            f"adam_G_t is {steps}, but {epoch} epochs and {position} steps are complete"
        )
    if not 0 <= updates - config["d_steps"] * steps <= config["d_steps"]:
        raise ValueError(f"adam_D_t is {updates} after {steps} steps of {config['d_steps']}")
    if count := meta["data_"].get("count"):
        last = count // (config["batch"] * config["d_steps"])
        require(position <= last, "position_", position, f"at most {last}, the steps of an epoch")
    sums, history = meta["sums_"], meta["history_"]
    names = {*LOSSES, *(["penalty"] if config["penalty"] else [])}
    require(
        isinstance(sums, dict)
        and all(map(is_finite, sums.values()))
        and (names <= sums.keys() if position else not sums),
        "sums_", sums, "the sums of the losses of the epoch that has begun",
    )  # fmt: skip
    require(
        isinstance(history, dict)
        and all(isinstance(column, list) for column in history.values())
        and all(len(column) == epoch for column in history.values())
        and all(is_finite(value) for column in history.values() for value in column)
        and (not epoch or {"epoch", *names} <= history.keys())
        and (not epoch or history["epoch"] == list(range(1, epoch + 1))),
        "history_", history, f"finite means of {epoch} epochs",
    )  # fmt: skip


def check_critic(critic: Any) -> None:
    """Check the mean logits at real and at generated images, and their variance."""
    require(
        isinstance(critic, dict)
        and (not critic or critic.keys() == {"real", "generated", "variance"})
        and all(type(value) is float and math.isfinite(value) for value in critic.values())
        and critic.get("variance", 0.0) >= 0,
        "critic_", critic, "two finite means and a variance of logits",
    )  # fmt: skip


def check_noise(state: Any) -> None:
    """Check the state of the random generator of the latent vectors, with another generator."""
    bit_generator = np.random.PCG64(0)
    try:
        bit_generator.state = state
        same = json.dumps(bit_generator.state, sort_keys=True) == json.dumps(state, sort_keys=True)
    except (TypeError, ValueError, KeyError, OverflowError, AttributeError):
        same = False
    require(same, "noise", state, "the state of a PCG64")


def is_whole(value: Any, low: int) -> bool:
    """Whether the value is an int, not a bool, of at least `low`."""
    return type(value) is int and value >= low


def is_finite(value: Any) -> bool:
    """Whether the value is a finite number, not a bool."""
    if type(value) is int:
        return abs(value) < MAX_STEPS
    return type(value) is float and math.isfinite(value)


def require(holds: bool, name: str, value: Any, expected: str) -> None:
    """Raise ValueError, in one line, if the entry does not hold what it should."""
    if not holds:
        text = repr(value)
        found = text if len(text) <= 40 else f"{text[:37]}..."
        raise ValueError(f"{name} is not {expected}: {found}")
