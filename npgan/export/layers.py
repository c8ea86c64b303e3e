"""The averaged generator of a GAN as a list of simple layers, which other programs can compute."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .. import ops
from ..training.model import GAN

Array = np.ndarray


class Dense(NamedTuple):
    """y = x W + b, with W (inputs, outputs)."""

    W: Array
    b: Array


class LeakyReLU(NamedTuple):
    """y = x where x > 0, else slope x."""

    slope: float


class Tanh(NamedTuple):
    """y = tanh(x)."""


Layer = Dense | LeakyReLU | Tanh


def layers_of(gan: GAN) -> list[Layer]:
    """The layers of the averaged generator, which `sample` uses.

    Raises
    ------
    RuntimeError
        If the GAN was not trained.
    ValueError
        If a layer is none of Dense, LeakyReLU and Tanh.
    """
    if gan.shape_ is None:
        raise RuntimeError("this GAN has no generator yet; fit it, or GAN.load() one")
    found: list[Layer] = []
    for layer in gan.average_.layers:
        if layer.op is ops.affine:
            found.append(Dense(layer.params["W"], layer.params["b"]))
        elif layer.op is ops.leaky_relu:
            found.append(LeakyReLU(float(layer.options.get("slope", 0.2))))
        elif layer.op is ops.tanh:
            found.append(Tanh())
        else:
            raise ValueError(
                f"only Dense, LeakyReLU and Tanh can be exported; this generator has {layer!r}"
            )
    return found
