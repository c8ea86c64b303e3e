"""Layers for images: Convolution, MaxPool, and Reshape between rows and images."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from .. import ops as core
from ..layers import INITIALISERS, Layer, Seed
from . import ops


class Convolution(Layer):
    """A convolution without padding (see `ops.convolution`), whose weights start as He et al. do.

    x (B, H, W, inputs), y (B, H - size + 1, W - size + 1, outputs).

    Parameters
    ----------
    inputs, outputs : int
        The channels of x and y. W is (size, size, inputs, outputs), b is (outputs,) and starts
        at 0.
    size : int
        Height and width of the window, in pixels.
    rng : int, Generator or None
        What W is drawn from.
    dtype : dtype

    Raises
    ------
    ValueError
        If a size is not a whole number of 1 or more.
    """

    def __init__(
        self, inputs: int, outputs: int, size: int, rng: Seed = None, dtype: DTypeLike = np.float32
    ):
        for name, n in (("inputs", inputs), ("outputs", outputs), ("size", size)):
            if isinstance(n, bool) or not isinstance(n, (int, np.integer)) or n < 1:
                raise ValueError(f"Convolution() needs {name} of 1 or more, got {n!r}")
        W = INITIALISERS["he"](np.random.default_rng(rng), size * size * inputs, outputs)
        W = W.reshape(size, size, inputs, outputs)
        super().__init__(ops.convolution, {"W": W, "b": np.zeros(outputs)}, dtype)

    def check(self, x: Any) -> None:
        """Raise ValueError unless x is (B, H, W, inputs), and not smaller than the window."""
        size, _, inputs, _ = self.shapes["W"]
        shape = np.shape(x)
        if len(shape) != 4 or shape[3] != inputs or min(shape[1:3]) < size:
            raise ValueError(
                f"{self!r} got x of shape {shape}; it must be (batch, height, width, {inputs}), "
                f"with {size} x {size} pixels or more. Reshape(28, 28, 1) makes images of rows"
            )

    def __repr__(self) -> str:
        size, _, inputs, outputs = self.shapes["W"]
        return f"Convolution({inputs} -> {outputs}, {size} x {size})"


def MaxPool() -> Layer:  # noqa: N802
    """A layer: the largest of each window of 2 x 2 pixels.  x (B, H, W, C), y (B, H/2, W/2, C)."""
    return Layer(ops.max_pool)


def Reshape(*shape: int) -> Layer:  # noqa: N802
    """A layer: each input in another shape, such as (28, 28, 1), or -1 for a row.

    Parameters
    ----------
    *shape : int
        The shape of one output, without the batch.
    """
    return Layer(core.reshape, shape=(-1, *shape))


def Texture(height: int, width: int, channels: int = 1) -> Layer:  # noqa: N802
    """A layer for the discriminator: the pixels, and how rough the image is in each 2 x 2 block.

    x (B, n), rows that begin with height * width * channels pixels; y (B, n + m), x and behind it
    the m = ceil(height / 2) ceil(width / 2) channels sums of the squared details (see
    `ops.details`). It has no parameters.

    Parameters
    ----------
    height, width, channels : int
        The shape of an image.

    Raises
    ------
    ValueError
        If one of them is not a whole number of 1 or more.
    """
    for name, n in (("height", height), ("width", width), ("channels", channels)):
        if isinstance(n, bool) or not isinstance(n, (int, np.integer)) or n < 1:
            raise ValueError(f"Texture() needs {name} of 1 or more, got {n!r}")
    return Layer(ops.with_texture, shape=(height, width, channels))
