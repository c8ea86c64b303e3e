"""Every primitive with its derivative rules next to it. (Those of images: convolution/ops.py.)

A rule is called as rule(g, y, *arguments), where g is dL/dy and y is the primitive's result; the
rule of argument i returns dL/d(argument i). Rules use only primitives and the operators + - * / **,
so a rule works on arrays (it computes) and on Tensors (it can be differentiated). All of them are
derived on paper in docs/derivations.md. In training, networks, losses and penalties compute some of
them by other code with the same bits; after npgan.use_rules() they call the rules here.
"""

from __future__ import annotations

import builtins
import functools
import math
from typing import Any

import numpy as np

from . import kernels
from .autograd import PRIMITIVES, Tensor, primitive
from .kernels import passes

# The rule of an argument whose derivative is zero wherever it exists.
zero_derivative = lambda g, y, *args, **options: None


# ---- arithmetic; arguments broadcast as in NumPy, so a rule sums over what was repeated ----


@primitive
def add(a, b):
    """a + b"""
    return np.add(a, b)


add.rules = (
    lambda g, y, a, b: sum_to(g, shape=np.shape(a)),
    lambda g, y, a, b: sum_to(g, shape=np.shape(b)),
)


@primitive
def subtract(a, b):
    """a - b"""
    return np.subtract(a, b)


subtract.rules = (
    lambda g, y, a, b: sum_to(g, shape=np.shape(a)),
    lambda g, y, a, b: sum_to(negative(g), shape=np.shape(b)),
)


@primitive
def multiply(a, b):
    """a b, element by element"""
    return np.multiply(a, b)


multiply.rules = (
    lambda g, y, a, b: sum_to(g * b, shape=np.shape(a)),
    lambda g, y, a, b: sum_to(g * a, shape=np.shape(b)),
)


@primitive
def divide(a, b):
    """a / b"""
    return np.divide(a, b)


divide.rules = (
    lambda g, y, a, b: sum_to(g / b, shape=np.shape(a)),
    lambda g, y, a, b: sum_to(negative(g * y / b), shape=np.shape(b)),
)


@primitive
def negative(x):
    """-x"""
    return np.negative(x)


negative.rules = (lambda g, y, x: negative(g),)


@primitive
def power(x, p):
    """x ** p for a fixed number p.    A Tensor as exponent: exp(p * log(x))."""
    if np.ndim(p) > 0:
        raise TypeError(f"power() needs a number p, got shape {np.shape(p)}; write exp(p * log(x))")
    return np.power(x, p)


power.rules = (lambda g, y, x, p: g * (p * power(x, p - 1)) if p != 0 else g * 0.0, None)


@primitive
def exp(x):
    """e^x"""
    return np.exp(x)


exp.rules = (lambda g, y, x: g * y,)


@primitive
def log(x):
    """The natural logarithm."""
    return np.log(x)


log.rules = (lambda g, y, x: g / x,)


# ---- shapes ----


@primitive
def reshape(x, shape):
    """The same numbers in another shape."""
    return np.reshape(x, shape)


reshape.rules = (lambda g, y, x, shape: reshape(g, shape=np.shape(x)),)


@primitive
def transpose(x, axes=None):
    """Axes in another order; reversed by default."""
    return np.transpose(x, axes)


transpose.rules = (
    lambda g, y, x, axes=None: transpose(
        g, axes=axes and tuple(np.argsort([a % np.ndim(x) for a in axes]))
    ),
)


@primitive
def broadcast_to(x, shape):
    """x repeated to fill a larger shape."""
    return np.broadcast_to(x, shape)


broadcast_to.rules = (lambda g, y, x, shape: sum_to(g, shape=np.shape(x)),)


@primitive
def sum_to(x, shape):
    """Sum over the axes along which broadcasting from `shape` repeats: broadcast_to's transpose."""
    if np.shape(x) == shape:
        return x
    extra = np.ndim(x) - len(shape)
    stretched = tuple(
        i for i, n in enumerate(np.shape(x)) if i < extra or (shape[i - extra] == 1 and n != 1)
    )
    return np.reshape(np.sum(x, axis=stretched), shape)


sum_to.rules = (lambda g, y, x, shape: broadcast_to(g, shape=np.shape(x)),)


@primitive
def sum(x, axis=None, keepdims=False):
    """Σ x over one axis, several, or all."""
    return np.sum(x, axis=axis, keepdims=keepdims)


def sum_rule(g, y, x, axis=None, keepdims=False):
    """Every summand gets g, so g is repeated along the axes that were summed."""
    if axis is not None and not keepdims:
        g = reshape(g, shape=np.sum(np.empty(np.shape(x), bool), axis=axis, keepdims=True).shape)
    return broadcast_to(g, shape=np.shape(x))


sum.rules = (sum_rule,)


def mean(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """(1/n) Σ x"""
    total = sum(x, axis=axis, keepdims=keepdims)
    return total / (math.prod(np.shape(x)) / max(math.prod(np.shape(total)), 1))


def checked_index(index):
    """Raise TypeError for an array: with an element in it twice, put would lose a gradient."""
    for i in index if isinstance(index, tuple) else (index,):
        known = i is None or i is Ellipsis or isinstance(i, (int, np.integer, slice))
        if isinstance(i, bool) or not known:
            raise TypeError(f"a Tensor is indexed by integers and slices, got {type(i).__name__}")
    return index


@primitive
def get(x, index):
    """x[index] for integers, slices, None and ..., which select no element twice."""
    return x[checked_index(index)]


get.rules = (lambda g, y, x, index: put(g, index=index, shape=np.shape(x)),)


@primitive
def put(x, index, shape):
    """Zeros of `shape`, with x at [index]: the transpose of get."""
    out = np.zeros(shape, np.asarray(x).dtype)
    out[checked_index(index)] = x
    return out


put.rules = (lambda g, y, x, index, shape: get(g, index=index),)


@primitive
def concatenate(*parts, axis=0):
    """The parts end to end along an axis."""
    return np.concatenate(parts, axis=axis)


def concatenate_rule(i):
    """The rule of part i: the slice of g that the part fills."""

    def rule(g, y, *parts, axis=0):
        start = builtins.sum(np.shape(part)[axis] for part in parts[:i])
        part = slice(start, start + np.shape(parts[i])[axis])
        return get(g, index=(slice(None),) * (axis % np.ndim(y)) + (part,))

    return rule


concatenate.rules = concatenate_rule


# ---- matrix products ----


@primitive
def gemm(a, b, ta=False, tb=False):
    """a b (NN), a bᵀ (tb, NT) or aᵀ b (ta, TN).    Its rules need only these three."""
    return kernels.gemm(a, b, ta, tb)


def gemm_rule_a(g, y, a, b, ta=False, tb=False):
    if ta:
        return gemm(b, g, tb=True)  # y = aᵀ b:  dL/da = b gᵀ
    return gemm(g, b) if tb else gemm(g, b, tb=True)  # y = a bᵀ: g b;  y = a b: g bᵀ


def gemm_rule_b(g, y, a, b, ta=False, tb=False):
    if tb:
        return gemm(g, a, ta=True)  # y = a bᵀ:  dL/db = gᵀ a
    return gemm(a, g) if ta else gemm(a, g, ta=True)  # y = aᵀ b: a g;  y = a b: aᵀ g


gemm.rules = (gemm_rule_a, gemm_rule_b)


@primitive
def affine(x, W, b):
    """y = x W + b.    x (B, I), W (I, O), b (O,)  ->  y (B, O)"""
    return kernels.affine(x, W, b)


affine.rules = (
    lambda g, y, x, W, b: gemm(g, W, tb=True),  # dL/dx = g Wᵀ
    lambda g, y, x, W, b: gemm(x, g, ta=True),  # dL/dW = xᵀ g
    lambda g, y, x, W, b: column_sum(g),  # dL/db = Σ over the batch
)


@primitive
def column_sum(x):
    """Σ over the rows of a matrix, one after the other.    x (B, O) -> (O,)"""
    return kernels.column_sum(x)


column_sum.rules = (lambda g, y, x: broadcast_to(g, shape=np.shape(x)),)


def matmul(a: Any, b: Any) -> Any:
    """a @ b for vectors and matrices."""
    shapes = np.shape(a), np.shape(b)
    if not all(len(shape) in (1, 2) for shape in shapes):
        raise ValueError("matmul() takes vectors and matrices, got {} and {}".format(*shapes))
    rows = reshape(a, shape=(1, -1)) if np.ndim(a) == 1 else a
    columns = reshape(b, shape=(-1, 1)) if np.ndim(b) == 1 else b
    return reshape(gemm(rows, columns), shape=np.shape(a)[:-1] + np.shape(b)[1:])


# ---- activations; a gate is the product of g and an activation's derivative, in one pass ----


@primitive
def leaky_relu(x, slope=0.2):
    """x where x > 0, else slope x, also at 0.    Maas et al. 2013; slope 0: ReLU"""
    if not 0 <= slope < math.inf:
        raise ValueError(f"leaky_relu() needs a slope of 0 or more, got {slope}")
    return kernels.leaky_relu(x, slope)


leaky_relu.rules = (lambda g, y, x, slope=0.2: leaky_gate(g, y, slope=slope),)  # y > 0 iff x > 0


@primitive
def leaky_gate(g, y, slope=0.2):
    """g where y > 0, else slope g"""
    return kernels.leaky_gate(g, y, slope)


leaky_gate.rules = (lambda h, z, g, y, slope=0.2: leaky_gate(h, y, slope=slope), zero_derivative)


@primitive
def tanh(x):
    """(e^x - e^-x) / (e^x + e^-x)"""
    return kernels.tanh(x)


tanh.rules = (lambda g, y, x: tanh_gate(g, y),)


@primitive
def tanh_gate(g, y):
    """g (1 - y²)"""
    return kernels.tanh_gate(g, y)


tanh_gate.rules = (lambda h, z, g, y: tanh_gate(h, y), lambda h, z, g, y: -2.0 * (h * g * y))


@primitive
def sigmoid(x):
    """The logistic function σ(x) = 1 / (1 + e^-x)"""
    return kernels.sigmoid(x)


sigmoid.rules = (lambda g, y, x: sigmoid_gate(g, y),)


@primitive
def sigmoid_gate(g, y):
    """g y (1 - y)"""
    return kernels.sigmoid_gate(g, y)


sigmoid_gate.rules = (
    lambda h, z, g, y: sigmoid_gate(h, y),
    lambda h, z, g, y: h * g * (1.0 - 2.0 * y),
)


@primitive
def dropout(x, rate, key):
    """0 with probability rate, else x / (1 - rate), elementwise.    Srivastava et al. 2014

    The key is the seed of the mask, so the rule can draw the same mask again.
    """
    if not 0 <= rate < 1:
        raise ValueError(f"dropout() needs a rate in [0, 1), got {rate}")
    if key is None or hasattr(key, "random") or hasattr(key, "random_raw"):
        raise TypeError("dropout() needs a seed as key: its rule draws the mask again")
    kept = np.random.default_rng(key).random(np.shape(x), np.float32) >= rate
    return np.multiply(x, kept) / (1 - rate)


dropout.rules = (lambda g, y, x, rate, key: dropout(g, rate=rate, key=key),)


@primitive
def softplus(x):
    """The smooth ramp log(1 + e^x);  -log σ(x) = softplus(-x)"""
    return kernels.softplus(x)


softplus.rules = (lambda g, y, x: g * sigmoid(x),)


@primitive
def log_softmax(z):
    """z - log Σ e^z over the last axis"""
    z = z - np.max(z, axis=-1, keepdims=True)
    return z - np.log(np.sum(np.exp(z), axis=-1, keepdims=True))


log_softmax.rules = (lambda g, y, z: g - exp(y) * sum(g, axis=-1, keepdims=True),)


# ---- losses, in nats ----


@primitive
def bce(p, t):
    """Binary cross-entropy, mean of -t log p - (1 - t) log(1 - p).    p in (0, 1), t in [0, 1]

    It is infinite at p = 0 and 1. For training use bce_with_logits, which is always finite.
    """
    check_targets(p, t)
    return -np.mean(t * np.log(p) + (1 - t) * np.log(1 - p), dtype=np.asarray(p).dtype)


bce.rules = (
    lambda g, y, p, t: g * (p - t) / (p * (1.0 - p)) / np.size(p),
    lambda g, y, p, t: sum_to(g * (log(1.0 - p) - log(p)) / np.size(p), shape=np.shape(t)),
)


@primitive
def bce_with_logits(z, t):
    """bce(sigmoid(z), t) without computing the sigmoid: finite for every finite logit z."""
    check_targets(z, t)
    z = np.asarray(z)
    return kernels.bce_with_logits(z if z.dtype.kind == "f" else z.astype(np.float64), t)


bce_with_logits.rules = (  # dL/dz is σ(z) - t, as two terms, so that small values are not lost
    lambda g, y, z, t: g * ((1.0 - t) * sigmoid(z) - t * sigmoid(-z)) / np.size(z),
    lambda g, y, z, t: sum_to(g * (-z) / np.size(z), shape=np.shape(t)),
)


def check_targets(answers, targets):
    """Raise ValueError if broadcasting enlarges the answers: (B,) with (B, 1) gives B² pairs."""
    shapes = np.shape(targets), np.shape(answers)
    if np.broadcast_shapes(*shapes) != shapes[1]:
        raise ValueError("targets of shape {} do not fit answers of {}".format(*shapes))


def softmax_cross_entropy(logits: Any, targets: Any) -> Any:
    """Mean over rows of -Σ t log softmax(z).    logits, targets (B, K); a row of t sums to 1"""
    return -mean(sum(targets * log_softmax(logits), axis=-1))


# ---- the operators of Tensor ----

NUMBERS = (Tensor, np.ndarray, np.generic, int, float)


def operator(function):
    """function(a, b) as a method; if b is no number, Python tries the method of b."""
    return lambda a, b: function(a, b) if isinstance(b, NUMBERS) else NotImplemented


def reduction(function):
    """function(x, axis, keepdims) as a method; np.sum(x) calls it with `out`, which is refused."""

    @functools.wraps(function, assigned=("__doc__",), updated=())
    def method(x, axis=None, keepdims=False, **more):
        if "out" in more:
            x.__array__()  # which raises, and says why
        return function(x, axis=axis, keepdims=keepdims, **more)

    return method


binary = dict(add=add, sub=subtract, mul=multiply, truediv=divide, matmul=matmul)
for name, function in binary.items():
    setattr(Tensor, f"__{name}__", operator(function))
    setattr(Tensor, f"__r{name}__", operator(lambda b, a, function=function: function(a, b)))
Tensor.__pow__ = operator(lambda x, p: exp(p * log(x)) if isinstance(p, Tensor) else power(x, p))
Tensor.__rpow__ = operator(lambda p, x: exp(p * (np.log(x) if np.ndim(x) else math.log(x))))
Tensor.__neg__ = lambda x: negative(x)
Tensor.__getitem__ = lambda x, index: get(x, index=index)
Tensor.sum, Tensor.mean = reduction(sum), reduction(mean)
Tensor.reshape = lambda x, *shape: reshape(x, shape=shape[0] if np.ndim(shape[0]) else shape)
Tensor.reshape.__doc__ = "The same numbers in another shape: a tuple, or its numbers one by one."
Tensor.T = property(lambda x: transpose(x))
passes.ship(*PRIMITIVES.values())
