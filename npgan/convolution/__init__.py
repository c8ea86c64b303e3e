"""Convolution and max-pooling of images: layers for a `Network`.

Images are (B, H, W, C): the channels of a pixel are next to each other in memory. The primitives
and their derivative rules are in `npgan.convolution.ops`. The judges of `npgan.metrics` use these
layers. The networks of `GAN` are dense, but its D may begin with `Texture`.
"""

from .layers import Convolution, MaxPool, Reshape, Texture

__all__ = ["Convolution", "MaxPool", "Reshape", "Texture"]
