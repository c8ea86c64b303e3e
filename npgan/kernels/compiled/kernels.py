"""The kernels: the names and signatures of `npgan.kernels.reference`, and its results to rounding.

A kernel checks its arrays, then calls compiled code. Arrays that the compiled code does not
accept, such as those of another dtype, are left to the reference kernel.
"""

import functools

import numpy as np
from numba import float64

from .. import reference
from .column import multiply_column
from .elementary import scalar_sigmoid, scalar_softplus
from .jit import jit
from .job import ADAM, BCE, EMA, EMPTY, TANH, TANH_GATE
from .job_list import JobList
from .loops import adam_settings, bce_loop, column_sum_loop, sgd_loop
from .product import contiguous, multiply
from .team import dispatch
from .worker import CHUNK, write_loop

# ---- matrix products ----


@functools.wraps(reference.gemm)
def gemm(a, b, ta=False, tb=False, out=None):
    y = multiply_column(a, b, ta, tb, out) if a.ndim == b.ndim == 2 and b.shape[1] == 1 else None
    if y is None:
        y = multiply(a, b, ta, tb, out)
    return reference.gemm(a, b, ta, tb, out) if y is None else y


@functools.wraps(reference.affine)
def affine(x, W, b):
    y = (
        multiply_column(x, W, False, False, bias=b)
        if x.ndim == W.ndim == 2 and W.shape[1] == 1
        else None
    )
    if y is None:
        y = multiply(x, W, False, False, bias=b)
    return reference.affine(x, W, b) if y is None else y


@functools.wraps(reference.affine_leaky)
def affine_leaky(x, W, b, slope):
    y = multiply(x, W, False, False, bias=b, slope=slope)
    return reference.affine_leaky(x, W, b, slope) if y is None else y


@functools.wraps(reference.gemm_gate)
def gemm_gate(g, W, y, slope):
    dx = multiply(g, W, False, True, gate=y, slope=slope)
    return reference.gemm_gate(g, W, y, slope) if dx is None else dx


@functools.wraps(reference.weight_gradients)
def weight_gradients(x, g, dW, db):
    if multiply(x, g, True, False, out=dW, sums=db) is None:
        gemm(x, g, ta=True, out=dW)
        db[:] = column_sum(g)


# ---- functions of each element, and sums ----


def supported(x, *others):
    """Whether a loop over these arrays computes what the reference kernel would."""
    known = isinstance(x, (np.ndarray, np.generic)) and x.dtype in EMPTY
    return known and all(a.dtype == x.dtype and a.shape == x.shape for a in others)


def elementwise(loop):
    """The kernel (arrays and numbers) -> new array, from a loop (1-D arrays, numbers, 1-D out).

    The first argument is an array, the others are arrays of its shape and dtype, or numbers.
    """
    fallback, loop = getattr(reference, loop.__name__), jit(loop)

    @functools.wraps(fallback)
    def kernel(x, *others):
        if not supported(x, *(a for a in others if hasattr(a, "shape"))):
            return fallback(x, *others)
        out = np.empty(x.shape, x.dtype)
        rest = (contiguous(a).ravel() if hasattr(a, "shape") else x.dtype.type(a) for a in others)
        loop(contiguous(x).ravel(), *rest, out.ravel())
        return out

    return kernel


@elementwise
def leaky_relu(x, slope, out):
    for i in range(x.size):
        out[i] = x[i] if x[i] > 0 else slope * x[i]


@elementwise
def leaky_gate(g, y, slope, out):
    for i in range(g.size):
        out[i] = g[i] if y[i] > 0 else slope * g[i]


@functools.wraps(reference.tanh)
def tanh(x):
    if not supported(x):
        return reference.tanh(x)
    out, x = np.empty(x.shape, x.dtype), contiguous(x).ravel()
    share = x.size >= 2 * CHUNK
    dispatch(share, x.dtype, 0, write_loop, TANH, out.ravel(), x, x, x, EMPTY[x.dtype][0])
    return out


@functools.wraps(reference.tanh_gate)
def tanh_gate(g, y):
    if not supported(g, y):
        return reference.tanh_gate(g, y)
    out, g, y = np.empty(g.shape, g.dtype), contiguous(g).ravel(), contiguous(y).ravel()
    share = g.size >= 2 * CHUNK
    dispatch(share, g.dtype, 0, write_loop, TANH_GATE, out.ravel(), g, y, y, EMPTY[g.dtype][0])
    return out


@elementwise
def sigmoid(x, out):
    for i in range(x.size):
        out[i] = scalar_sigmoid(float64(x[i]))


@elementwise
def sigmoid_gate(g, y, out):
    one = g.dtype.type(1)
    for i in range(g.size):
        out[i] = g[i] * (y[i] * (one - y[i]))


@elementwise
def softplus(x, out):
    for i in range(x.size):
        out[i] = scalar_softplus(float64(x[i]))


@functools.wraps(reference.bce_with_logits)
def bce_with_logits(z, t):
    t = np.asarray(t, z.dtype)
    # np.full is faster where both would do.
    t = np.full(z.shape, t) if t.ndim == 0 else np.broadcast_to(t, z.shape)
    if not supported(z):
        return reference.bce_with_logits(z, t)
    value = bce_loop(contiguous(z).ravel(), contiguous(t).ravel())  # a float of Python
    return z.dtype.type(value)


@functools.wraps(reference.bce_with_gradient)
def bce_with_gradient(z, target):
    if not supported(z):
        return reference.bce_with_gradient(z, target)
    (value, _, _), dz = values_of_bce(z, target)
    return value, dz


@functools.wraps(reference.mean_sigmoid)
def mean_sigmoid(z):
    return values_of_bce(z, 1.0)[0][1] if supported(z) else reference.mean_sigmoid(z)


def values_of_bce(z, target):
    """((value, mean of σ(z), mean of σ(-z)), gradient)"""
    dz, values = np.empty(z.shape, z.dtype), np.empty(3, z.dtype)
    settings = z.dtype.type([target, np.inf])
    z, no_vector = contiguous(z).ravel(), EMPTY[z.dtype][0]
    dispatch(False, z.dtype, 0, write_loop, BCE, dz.ravel(), z, no_vector, values, settings)
    return values, dz


@functools.wraps(reference.column_sum)
def column_sum(x):
    if not supported(x) or x.ndim != 2:
        return reference.column_sum(x)
    out = np.zeros(x.shape[1], x.dtype)
    column_sum_loop(contiguous(x), out)
    return out


# ---- what is updated in place ----


def updatable(*arrays):
    """Whether a loop may write into these arrays, taken as arrays of one dimension."""
    return supported(*arrays) and all(a.flags.c_contiguous and a.flags.writeable for a in arrays)


@functools.wraps(reference.sgd)
@reference.silent  # a rate may be too large for float32
def sgd(theta, grad, velocity, lr, momentum):
    if not updatable(theta, grad, velocity):
        return reference.sgd(theta, grad, velocity, lr, momentum)
    number = theta.dtype.type
    return sgd_loop(theta, grad, velocity, number(lr), number(momentum))


@functools.wraps(reference.adam)
@reference.silent
def adam(theta, grad, m, v, lr, beta1, beta2, eps, t):
    if not updatable(theta, grad, m, v):
        return reference.adam(theta, grad, m, v, lr, beta1, beta2, eps, t)
    settings = np.array(adam_settings(lr, beta1, beta2, eps, t), theta.dtype)
    arrays = (x.ravel() for x in (theta, grad, m, v))
    share = theta.size >= 4 * CHUNK
    return dispatch(share, theta.dtype, 0, write_loop, ADAM, *arrays, settings) == 0


@functools.wraps(reference.ema_update)
def ema_update(average, theta, decay):
    if not updatable(average, theta):
        return reference.ema_update(average, theta, decay)
    average, theta, settings = average.ravel(), theta.ravel(), np.array([1 - decay], theta.dtype)
    share = theta.size >= 4 * CHUNK
    job = write_loop, EMA, average, theta, theta, theta, settings
    return dispatch(share, theta.dtype, 0, *job) == 0


def try_out():
    """Run what the default training needs, in float32: a compiler that fails does so here.

    Other kernels are compiled when they are called; they are loops that need nothing else of Numba.
    """
    x, v = np.ones((2, 2), np.float32), np.ones(2, np.float32)
    bce_with_gradient(x, 1.0)
    jobs = JobList(x.dtype)
    jobs.product(x, x, False, False)
    jobs.finish().compute()
    adam(v, v, v, v, 0.0, 0.5, 0.5, 1.0, 1)
