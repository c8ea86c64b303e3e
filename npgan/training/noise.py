"""Noise that regularises D: Gaussian noise on its images, and dropout in its hidden layers.

The noise of step t is a function of the seed and of t, so a run that was interrupted continues
with the same numbers.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from .. import ops
from ..layers import Layer, Network


def add_noise(images: npt.NDArray[Any], std: float, rng: np.random.Generator) -> npt.NDArray[Any]:
    """images + N(0, std²), pixels in [-1, 1]: instance noise, for real and generated images alike.

    It makes the two distributions overlap, so that D's gradient by its input does not vanish.
    Sønderby et al. 2017; Arjovsky & Bottou 2017, section 3. The gradient by the noisy image is the
    gradient by the image.
    """
    return images + std * rng.standard_normal(images.shape, dtype=images.dtype)


def with_dropout(net: Network, rate: float, key: list[int]) -> Network:
    """The network with dropout after every LeakyReLU, on the weights of `net` itself.

    Srivastava et al. 2014; in D, Goodfellow et al. 2014, section 5. One step uses one such network
    in place of D, for its forward pass, its pullback and its penalty; `net` stays without dropout.
    The masks follow from the key: two forward passes of batches of the same size have the same
    masks.
    """
    if not rate:
        return net
    layers: list[Layer] = []
    for i, layer in enumerate(net.layers):
        layers.append(layer)
        if layer.op is ops.leaky_relu:
            layers.append(Layer(ops.dropout, rate=rate, key=[*key, i]))
    return net.with_theta(net.theta, layers)
