"""The peers of the comparison and the packages they need. Importing this imports no library."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from typing import NamedTuple

Say = Callable[[str], None]


class Peer(NamedTuple):
    """The package that a peer needs, where its step is, and the environment of its process."""

    package: str
    step: str
    environment: dict[str, str] = {}  # noqa: RUF012


PINNED = {"OMP_PROC_BIND": "true"}  # from PyTorch's tuning guide; gains a few per cent
QUIET_TF = {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""}
PEERS = {
    "npgan": Peer("numba", "npgan.bench.in_npgan:step"),
    "numpy": Peer("numpy", "npgan.bench.in_numpy:step"),
    "torch-eager": Peer("torch", "npgan.bench.in_torch:eager", PINNED),
    "torch-tuned": Peer("torch", "npgan.bench.in_torch:tuned", PINNED),
    "torch-compiled": Peer("torch", "npgan.bench.in_torch:compiled", PINNED),
    "jax-jit": Peer("jax", "npgan.bench.in_jax:step"),
    "tensorflow": Peer("tensorflow", "npgan.bench.in_tensorflow:step", QUIET_TF),
    "tensorflow-xla": Peer("tensorflow", "npgan.bench.in_tensorflow:xla", QUIET_TF),
    "keras": Peer(
        "keras", "npgan.bench.in_keras:step", {**QUIET_TF, "KERAS_BACKEND": "tensorflow"}
    ),
    "tinygrad": Peer("tinygrad", "npgan.bench.in_tinygrad:step", {"DEV": "CPU"}),
}


def installed(names: Sequence[str], say: Say) -> list[str]:
    """The peers whose package is installed; each of the others is reported in a line."""
    found = [name for name in names if importlib.util.find_spec(PEERS[name].package)]
    for name in names:
        if name not in found:
            say(f"{name} is left out: {PEERS[name].package} is not installed")
    return found
