"""The discriminator of a GAN, which may begin with a layer that computes the texture of images."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from ..convolution import Texture
from ..gan import Discriminator
from ..layers import Network
from .settings import Config


def make_discriminator(
    config: Config, shape: Sequence[int], classes: int, rng: np.random.Generator
) -> Network:
    """D for images of this shape, and for so many labels behind each."""
    inputs = math.prod(shape) + classes
    if not config["texture"]:
        return Discriminator(inputs, config["hidden_D"], rng)
    D = Discriminator(inputs + texture_size(shape), config["hidden_D"], rng)
    return D.with_theta(D.theta, [Texture(*shape), *D.layers])


def check_texture(config: Config, shape: Sequence[int], pixels: bool) -> None:
    """Raise ValueError if the setting `texture` is on, and the data are no images."""
    if config["texture"] and not (pixels and len(shape) in (2, 3)):
        raise ValueError(
            "texture needs images, (height, width) or (height, width, channels); "
            f"got {'images' if pixels else 'points'} of shape {tuple(shape)}: leave texture off"
        )


def texture_size(shape: Sequence[int]) -> int:
    """How many numbers `Texture` computes of an image."""
    height, width, *channels = shape
    return (height + 1) // 2 * ((width + 1) // 2) * math.prod(channels)
