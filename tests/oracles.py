"""What a derivative is compared with: central differences, and HIPS autograd on the same cases.

The cases are those of `npgan gradcheck`, in npgan/testing/own/primitive_cases.py. A new primitive needs
a line in ORACLES.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import autograd.numpy as anp
import numpy as np
from autograd import grad as hips_grad
from autograd.tracer import getval

from npgan import ops
from npgan.autograd import Tensor, grad
from npgan.testing.own.primitive_cases import PrimitiveCase


def numerical(f: Callable[[], float], x: np.ndarray, h: float = 1e-6) -> np.ndarray:
    """df/dx by central differences, f reading x in place."""
    out = np.zeros_like(x)
    for i in np.ndindex(x.shape):
        kept = x[i]
        x[i] = kept + h
        up = f()
        x[i] = kept - h
        out[i] = (up - f()) / (2 * h)
        x[i] = kept
    return out


# ---- every primitive in HIPS autograd's NumPy, with the same arguments and keywords ----


def gate(g, y, slope=0.2):
    return anp.where(y > 0, g, slope * g)


def softplus(x):
    return anp.logaddexp(0.0, x)


def cross_entropy(p, t):
    return -anp.mean(t * anp.log(p) + (1 - t) * anp.log(1 - p))


def transposed(x, axes=None):
    """HIPS autograd's own transpose has a wrong derivative for negative axes."""
    return anp.transpose(x, axes and tuple(axis % x.ndim for axis in axes))


def summed_to(x, shape):
    extra = x.ndim - len(shape)
    ones = tuple(extra + i for i, n in enumerate(shape) if n == 1)
    return anp.reshape(anp.sum(x, axis=(*range(extra), *ones)), shape)


def placed(x, index, shape):
    """x at [index] of zeros, as a product with a matrix of zeros and ones."""
    targets = np.arange(np.prod(shape)).reshape(shape)[index].ravel()
    return anp.reshape(anp.dot(anp.ravel(x), np.eye(np.prod(shape))[targets]), shape)


def dropped(x, rate, key):
    return x * (np.random.default_rng(key).random(x.shape, np.float32) >= rate) / (1 - rate)


def windows(x, size):
    """The pixels of every window, by slices: (size, size) -> (B, H', W', C)."""
    down, right = x.shape[1] - size + 1, x.shape[2] - size + 1
    return [[x[:, i : i + down, j : j + right] for j in range(size)] for i in range(size)]


def patches(x, size):
    pixels = [pixel for row in windows(x, size) for pixel in row]
    return anp.reshape(anp.concatenate(pixels, axis=3), (-1, size * size * x.shape[3]))


def fold(p, size, shape):
    """A product with the matrix that `patches` is."""
    n = int(np.prod(shape))
    pixels = patches(np.arange(n).reshape(shape), size).ravel()
    return anp.reshape(anp.dot(anp.ravel(p), np.eye(n)[pixels]), shape)


def convolution(x, W, b):
    pixels = windows(x, W.shape[0])
    terms = [anp.dot(pixels[i][j], W[i, j]) for i in range(len(W)) for j in range(len(W))]
    return sum(terms) + b


def max_pool(x):
    B, H, W, C = x.shape
    return anp.max(anp.reshape(x, (B, H // 2, 2, W // 2, 2, C)), axis=(2, 4))


def largest(x):
    """1 at the largest pixel of each window, 0 elsewhere."""
    x = getval(x)
    return (x == max_pool(x).repeat(2, axis=1).repeat(2, axis=2)) * 1.0


def give(g, y, x):
    rows = anp.repeat(anp.repeat(g, 2, axis=1), 2, axis=2)
    return rows * largest(x)


def take(h, y, x):
    B, H, W, C = h.shape
    return anp.sum(anp.reshape(h * largest(x), (B, H // 2, 2, W // 2, 2, C)), axis=(2, 4))


def blocks(H, W):
    """The matrix of block_sum for one channel, (H W, blocks)."""
    block = (np.arange(H) // 2)[:, None] * ((W + 1) // 2) + np.arange(W) // 2
    return np.eye(block.max() + 1)[block.ravel()]


def smoothing(H, W):
    """The matrix of the binomial smoothing for one channel, (H W, H W)."""
    one = [np.eye(n) * 2 + np.eye(n, k=1) + np.eye(n, k=-1) for n in (H, W)]
    for matrix in one:  # beyond an edge is the pixel at this edge
        matrix[0, 0] += 1
        matrix[-1, -1] += 1
    return np.kron(*one) / 16


def by_channel(x, matrix, shape):
    """The product of all pixels of each channel with a matrix; shape: height, width after it."""
    B, H, W, C = x.shape
    y = anp.einsum("bpc,pq->bqc", anp.reshape(x, (B, H * W, C)), matrix)
    return anp.reshape(y, (B, *shape, C))


def details(x):
    return x - by_channel(x, smoothing(*x.shape[1:3]), x.shape[1:3])


def block_sum(x):
    H, W = x.shape[1:3]
    return by_channel(x, blocks(H, W), ((H + 1) // 2, (W + 1) // 2))


def with_texture(x, shape):
    t = block_sum(details(anp.reshape(x[:, : np.prod(shape)], (-1, *shape))) ** 2)
    return anp.concatenate([x, anp.reshape(t, (len(x), -1))], axis=1)


ORACLES = {
    "add": lambda a, b: a + b,
    "subtract": lambda a, b: a - b,
    "multiply": lambda a, b: a * b,
    "divide": lambda a, b: a / b,
    "negative": lambda x: -x,
    "power": lambda x, p: x**p,
    "exp": anp.exp,
    "log": anp.log,
    "reshape": anp.reshape,
    "transpose": transposed,
    "broadcast_to": lambda x, shape: x * anp.ones(shape),
    "sum_to": summed_to,
    "sum": anp.sum,
    "get": lambda x, index: x[index],
    "put": placed,
    "concatenate": lambda *parts, axis: anp.concatenate(parts, axis=axis),
    "gemm": lambda a, b, ta=False, tb=False: (a.T if ta else a) @ (b.T if tb else b),
    "affine": lambda x, W, b: x @ W + b,
    "column_sum": lambda x: anp.sum(x, axis=0),
    "leaky_relu": lambda x, slope=0.2: gate(x, x, slope),
    "leaky_gate": gate,
    "tanh": anp.tanh,
    "tanh_gate": lambda g, y: g * (1 - y * y),
    "sigmoid": lambda x: 0.5 * (anp.tanh(x / 2) + 1),
    "sigmoid_gate": lambda g, y: g * y * (1 - y),
    "dropout": dropped,
    "softplus": softplus,
    "log_softmax": lambda z: z - anp.log(anp.sum(anp.exp(z), axis=-1, keepdims=True)),
    "bce": cross_entropy,
    "patches": patches,
    "fold": fold,
    "convolution": convolution,
    "max_pool": max_pool,
    "give": give,
    "take": take,
    "details": details,
    "block_sum": block_sum,
    "spread": lambda s, shape: by_channel(s, blocks(*shape[1:3]).T, shape[1:3]),
    "with_texture": with_texture,
    "bce_with_logits": lambda z, t: anp.mean(t * softplus(-z) + (1 - t) * softplus(z)),
}


def theirs(case: PrimitiveCase) -> Callable[..., Any]:
    """The function of a case's arguments, in HIPS autograd's NumPy."""
    return partial(ORACLES[case.primitive.__name__], **case.keywords)


def ours(case: PrimitiveCase) -> Callable[..., Any]:
    """The same with npgan's primitive."""
    return partial(case.primitive, **case.keywords)


# ---- scalar functions of a primitive, for first and second derivatives ----


def first_order(
    f: Callable[..., Any], args: tuple[np.ndarray, ...], numpy: Any = np
) -> Callable[..., Any]:
    """L = Σ c f(args), c fixed: so that dL/dy is no array of ones."""
    c = np.cos(np.arange(np.size(f(*args)), dtype=np.float64)).reshape(np.shape(f(*args))) + 1.5
    return lambda *a: numpy.sum(c * f(*a))


def second_order(
    gradient: Callable[..., Any], args: tuple[np.ndarray, ...], numpy: Any = np
) -> Any:
    """H = Σ v · (dL/darg)², nonlinear in the gradient, so that linear primitives are seen at work, too."""
    weights = [np.sin(np.arange(a.size, dtype=np.float64) + 1).reshape(a.shape) + 1.5 for a in args]

    def H(*a):
        total = 0.0
        for v, g in zip(weights, gradient(*a), strict=True):
            total = total + numpy.sum(v * g * g)
        return total

    return H


def our_gradient(L: Callable[..., Any]) -> Callable[..., list[Any]]:
    """(arrays) -> gradients by all of them; (Tensors) -> the same on the tape."""

    def gradient(*args):
        on_tape = any(isinstance(a, Tensor) for a in args)
        leaves = args if on_tape else [Tensor(a) for a in args]
        return grad(L(*leaves), leaves, create_graph=on_tape, unused="zero")

    return gradient


def their_gradient(L: Callable[..., Any], n: int) -> Callable[..., list[Any]]:
    return lambda *args: [hips_grad(L, i)(*args) for i in range(n)]


def check_order_1(case: PrimitiveCase) -> None:
    """Raise AssertionError, naming primitive and argument, unless each gradient is the numerical one."""
    L = first_order(ours(case), case.args, ops)
    for i, (x, g) in enumerate(zip(case.args, our_gradient(L)(*case.args), strict=True)):
        name = f"{case.primitive.__name__}, argument {i}, order 1"
        assert np.shape(g) == x.shape, name
        expected = numerical(lambda: L(*case.args), x)
        np.testing.assert_allclose(g, expected, rtol=1e-7, atol=1e-8, err_msg=name)


def check_order_2(case: PrimitiveCase) -> None:
    """The same for the gradient of a function of the gradient."""
    gradient = our_gradient(first_order(ours(case), case.args, ops))
    numbers, on_tape = second_order(gradient, case.args), second_order(gradient, case.args, ops)
    for i, (x, g) in enumerate(zip(case.args, our_gradient(on_tape)(*case.args), strict=True)):
        expected = numerical(lambda: numbers(*case.args), x)
        name = f"{case.primitive.__name__}, argument {i}, order 2"
        np.testing.assert_allclose(g, expected, rtol=2e-6, atol=2e-7, err_msg=name)
