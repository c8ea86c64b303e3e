"""The primitives of convolution and max-pooling, each with its derivative rules next to it.

The form is that of npgan/ops.py: a rule is called as rule(g, y, *arguments) with g = dL/dy, and
calls only primitives. docs/derivations.md derives these rules, too. Images x are (B, H, W, C).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .. import kernels
from ..autograd import primitive
from ..ops import (
    add,
    column_sum,
    gemm,
    get,
    multiply,
    put,
    reshape,
    transpose,
    zero_derivative,
)

# ---- patches and their transpose; both are linear, so each is the other's rule ----


@primitive
def patches(x, size):
    """Every window of size x size pixels as a row.    x (B, H, W, C) -> (B H' W', size² C)

    H' = H - size + 1 and W' = W - size + 1. Row (b, i, j) is x[b, i : i + size, j : j + size, :],
    flattened. Known as im2col. Chellapilla et al. 2006, section 3.1
    """
    B, H, W, C = check_images("patches", x, size)
    down, right = H - size + 1, W - size + 1
    x = np.ascontiguousarray(x)
    b, i, j, c = x.strides
    # One row of pixels in a window is one piece of memory, size * C numbers long.
    windows = np.lib.stride_tricks.as_strided(
        x, (B, down, right, size, size * C), (b, i, j, i, c), writeable=False
    )
    return windows.reshape(B * down * right, size * size * C)


patches.rules = (lambda g, y, x, size: fold(g, size=size, shape=np.shape(x)),)


@primitive
def fold(p, size, shape):
    """Add every row to the pixels of its window: the transpose of `patches`, known as col2im.

    p (B H' W', size² C) -> (B, H, W, C) = shape
    """
    B, H, W, C = shape
    down, right = H - size + 1, W - size + 1
    windows = np.reshape(p, (B, down, right, size, size, C))
    x = np.zeros(shape, windows.dtype)
    for i in range(down):
        for j in range(right):
            x[:, i : i + size, j : j + size] += windows[:, i, j]
    return x


fold.rules = (lambda g, y, p, size, shape: patches(g, size=size),)


# ---- convolution: a matrix product with the patches ----


@primitive
def convolution(x, W, b):
    """y[n, i, j] = Σ x[n, i + k, j + l] W[k, l] + b over k, l and the channels; no padding.

    x (B, H, W, C), W (size, size, C, O), b (O,)  ->  y (B, H - size + 1, W - size + 1, O)
    As in every library, this is a correlation: W is not mirrored.
    """
    size, outputs = np.shape(W)[0], np.shape(W)[3]
    B, height, width, _ = check_images("convolution", x, size)
    y = kernels.affine(patches(x, size=size), np.reshape(W, (-1, outputs)), b)
    return np.reshape(y, (B, height - size + 1, width - size + 1, outputs))


def rows(g: Any) -> Any:
    """One row of channels for each pixel: the last axis stays."""
    return reshape(g, shape=(-1, np.shape(g)[-1]))


def convolution_rule_x(g, y, x, W, b):
    """The gradient of each patch is g Wᵀ, and a pixel is part of several patches."""
    p = gemm(rows(g), rows(W), tb=True)
    return fold(p, size=np.shape(W)[0], shape=np.shape(x))


def convolution_rule_W(g, y, x, W, b):  # noqa: N802
    """patchesᵀ g, as xᵀ g of a dense layer; computed as (gᵀ patches)ᵀ, which takes half the time.

    The patches are made again, because that takes less time than fetching them from memory.
    """
    p = patches(x, size=np.shape(W)[0])
    return reshape(transpose(gemm(rows(g), p, ta=True)), shape=np.shape(W))


convolution.rules = (
    convolution_rule_x,
    convolution_rule_W,
    lambda g, y, x, W, b: column_sum(rows(g)),
)


# ---- max-pooling; give and take move numbers to the largest pixels, and back ----


@primitive
def max_pool(x):
    """The largest of each window of 2 x 2 pixels, in steps of 2.

    x (B, H, W, C) with even H and W -> (B, H/2, W/2, C)
    Among equal pixels the first one is taken: the upper row first, in it the left one.
    """
    a, b, c, d = corners(x)
    return np.maximum(np.maximum(a, b), np.maximum(c, d))


max_pool.rules = (lambda g, y, x: give(g, y, x),)


@primitive
def give(g, y, x):
    """Zeros of the shape of x, with each g at the pixel of x that max_pool takes as y."""
    out = np.zeros(np.shape(x), np.asarray(g).dtype)
    free = np.ones(np.shape(y), bool)  # windows whose largest pixel was not met yet
    for pixel, place in zip(corners(x), corners(out), strict=True):
        largest = free & (pixel == y)
        np.multiply(g, largest, out=place)
        free ^= largest
    return out


give.rules = (lambda h, z, g, y, x: take(h, y, x), zero_derivative, zero_derivative)


@primitive
def take(h, y, x):
    """The number of h at each pixel of x that max_pool takes as y: the transpose of `give`."""
    out, free = np.zeros(np.shape(y), np.asarray(h).dtype), np.ones(np.shape(y), bool)
    for pixel, value in zip(corners(x), corners(h), strict=True):
        largest = free & (pixel == y)
        out += value * largest
        free ^= largest
    return out


take.rules = (lambda g, z, h, y, x: give(g, y, x), zero_derivative, zero_derivative)


def corners(x: Any) -> list[Any]:
    """The four pixels of every 2 x 2 window, as views of shape (B, H/2, W/2, C)."""
    x = np.asarray(x)
    if x.ndim != 4 or x.shape[1] % 2 or x.shape[2] % 2:
        raise ValueError(f"max_pool() needs images (B, H, W, C) with even H and W, got {x.shape}")
    return [x[:, i::2, j::2] for i in (0, 1) for j in (0, 1)]


# ---- texture: how large the details of an image are, in every block of 2 x 2 pixels ----


@primitive
def details(x):
    """x - S x, what the binomial smoothing S takes away.    x (B, H, W, C), and so is the result

    S weighs a pixel and its neighbours by 1 2 1 in both directions, / 16. Beyond an edge of the
    image is the pixel at this edge, so an image of one colour has no details.
    """
    down = 2.0 * x
    down[:, 1:] += x[:, :-1]
    down[:, :-1] += x[:, 1:]
    down[:, :1] += x[:, :1]
    down[:, -1:] += x[:, -1:]
    both = 2 * down
    both[:, :, 1:] += down[:, :, :-1]
    both[:, :, :-1] += down[:, :, 1:]
    both[:, :, :1] += down[:, :, :1]
    both[:, :, -1:] += down[:, :, -1:]
    both /= 16
    return np.subtract(x, both, out=both)


details.rules = (lambda g, y, x: details(g),)


@primitive
def block_sum(x):
    """The sums over blocks of 2 x 2 pixels; at the end of an odd row or column over what is there.

    x (B, H, W, C) -> (B, ceil(H/2), ceil(W/2), C)
    """
    down = x[:, 0::2].copy()
    down[:, : x.shape[1] // 2] += x[:, 1::2]
    both = down[:, :, 0::2].copy()
    both[:, :, : x.shape[2] // 2] += down[:, :, 1::2]
    return both


block_sum.rules = (lambda g, y, x: spread(g, shape=np.shape(x)),)


@primitive
def spread(s, shape):
    """Every number of s at all pixels of its block: the transpose of `block_sum`.

    s (B, ceil(H/2), ceil(W/2), C) -> (B, H, W, C) = shape
    """
    return np.repeat(np.repeat(s, 2, axis=1), 2, axis=2)[:, : shape[1], : shape[2]]


spread.rules = (lambda g, y, s, shape: block_sum(g),)


@primitive
def with_texture(x, shape):
    """(x | t), t = block_sum((the images' details)²): what is rough in each block of an image.

    x (B, n), rows that begin with the pixels of an image of shape (H, W, C) -> (B, n + size of t)
    """
    d = details(images_in(x, shape))
    return np.concatenate([x, as_rows(block_sum(d * d))], axis=1)


def images_in(x: Any, shape: tuple[int, int, int]) -> Any:
    """The images with which the rows of x begin."""
    size, given = math.prod(shape), np.shape(x)
    if len(given) != 2 or given[1] < size:
        height, width, channels = shape
        raise ValueError(
            f"with_texture() needs rows that begin with the {size} pixels of an image of "
            f"{height} x {width} x {channels}, got {given}"
        )
    pixels = get(x, index=(slice(None), slice(size)))
    return reshape(pixels, shape=(np.shape(x)[0], *shape))


def as_rows(x: Any) -> Any:
    """A row of all numbers of each image."""
    B, *shape = np.shape(x)
    return reshape(x, shape=(B, math.prod(shape)))


def with_texture_rule(g, y, x, shape):
    """g of x goes on; that of t goes back by t = block_sum(d²), dt = 2 block_sum(d dd)."""
    (B, n), (height, width, channels) = np.shape(x), shape
    d = details(images_in(x, shape))
    of_t = get(g, index=(slice(None), slice(n, None)))
    of_t = reshape(of_t, shape=(B, (height + 1) // 2, (width + 1) // 2, channels))
    dx = as_rows(details(multiply(multiply(d, 2.0), spread(of_t, shape=np.shape(d)))))
    dx = put(dx, index=(slice(None), slice(math.prod(shape))), shape=(B, n))
    return add(get(g, index=(slice(None), slice(n))), dx)


with_texture.rules = (with_texture_rule,)


def check_images(caller: str, x: Any, size: int) -> tuple[int, ...]:
    """The shape of x; ValueError unless it is (B, H, W, C) and a window fits into an image."""
    shape = np.shape(x)
    if len(shape) != 4 or not 1 <= size <= min(shape[1:3]):
        raise ValueError(
            f"{caller}() needs images (B, H, W, C) of {size} x {size} pixels or more, got {shape}"
        )
    return shape
