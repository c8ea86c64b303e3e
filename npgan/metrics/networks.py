"""The networks of judges: dense, or with convolutions below the dense layers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from ..convolution.layers import Convolution, MaxPool, Reshape
from ..gan import hidden_layers
from ..layers import Dense, Layer, LeakyReLU, Seed

WINDOW = 5  # height and width of the window of a convolution


def judge_layers(
    shape: Sequence[int], channels: Sequence[int], sizes: Sequence[int], rng: Seed = None
) -> list[Layer]:
    """The layers of a judge, from `input_shape` to logits.

    For each number of `channels`: Convolution, MaxPool, LeakyReLU. (LeakyReLU before MaxPool would
    give the same numbers, four times as slowly.) Then Dense and LeakyReLU in turn, and Dense at the
    end; `sizes` are pixels, hidden widths, classes.
    """
    rng = np.random.default_rng(rng)
    layers: list[Layer] = []
    for inputs, outputs in pairwise([1, *channels]):
        layers += [Convolution(inputs, outputs, WINDOW, rng), MaxPool(), LeakyReLU()]
    first, *hidden, classes = [flat_size(shape, channels), *sizes[1:]]
    if channels:
        layers.append(Reshape(first))
    layers += hidden_layers(first, hidden, rng)
    return [*layers, Dense(hidden[-1] if hidden else first, classes, "glorot", rng)]


def input_shape(shape: Sequence[int], channels: Sequence[int]) -> tuple[int, ...]:
    """The shape of one input: an image with one channel for a convolution, else a row."""
    return (*shape, 1) if channels else (math.prod(shape),)


def flat_size(shape: Sequence[int], channels: Sequence[int]) -> int:
    """How many numbers the first dense layer gets. ValueError where an image is too small."""
    sides = list(shape)
    for _ in channels:
        sides = [side - WINDOW + 1 for side in sides]
        if min(sides) < 2 or any(side % 2 for side in sides):
            raise ValueError(f"{len(channels)} convolutions do not fit images of shape {shape}")
        sides = [side // 2 for side in sides]
    return math.prod(sides) * (channels[-1] if channels else 1)


def weight_count(shape: Sequence[int], channels: Sequence[int], sizes: Sequence[int]) -> int:
    """How many weights `judge_layers` makes, counted without making them."""
    convolutions = sum(
        (WINDOW**2 * inputs + 1) * outputs for inputs, outputs in pairwise([1, *channels])
    )
    dense = pairwise([flat_size(shape, channels), *sizes[1:]])
    return convolutions + sum((inputs + 1) * outputs for inputs, outputs in dense)
