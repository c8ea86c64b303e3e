"""Noise that regularises D: on the images that it sees, and dropout in its hidden layers.

What is random in step t draws from a generator made from the seed and t, so a run that was interrupted goes
on with the same numbers.
"""

from __future__ import annotations

import numpy as np

from .. import ops
from ..layers import Layer, Network


def add_noise(images: np.ndarray, std: float, rng: np.random.Generator) -> np.ndarray:
    """images + N(0, std²), pixels in [-1, 1]: instance noise, for real and generated images alike.

    It makes the two distributions overlap, so that D's answer has a slope everywhere. Sønderby et al. 2017;
    Arjovsky & Bottou 2017, section 3. The gradient by the noisy image is the gradient by the image.
    """
    return images + std * rng.standard_normal(images.shape, dtype=images.dtype)


def with_dropout(net: Network, rate: float, key: list[int]) -> Network:
    """The network with dropout behind every LeakyReLU: its own masks, the weights of `net` itself.

    Srivastava et al. 2014; in D, Goodfellow et al. 2014, section 5. A step draws one such network and lets it
    answer in place of D, forwards, backwards and in the penalties; net is left as it is, for whoever asks
    it without dropout. Masks belong to the step, from its key: two passes over equal batches have the same.
    """
    if not rate:
        return net
    layers: list[Layer] = []
    for i, layer in enumerate(net.layers):
        layers.append(layer)
        if layer.op is ops.leaky_relu:
            layers.append(Layer(ops.dropout, rate=rate, key=[*key, i]))
    return net.with_theta(net.theta, layers)
