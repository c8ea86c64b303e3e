"""The kernels compiled by Numba: one pass over memory where NumPy makes several.

Same names, signatures and results as `reference.py`. Each compiled loop runs over flat, contiguous
arrays of one dtype; the function of the same name in front of it sees to that, and hands what does not
fit (mixed dtypes, shapes that broadcast, float16) to the reference kernel.
"""

import functools
import logging
import math

import numba
import numpy as np
from numba.core import event

from . import reference
from .cache import ForgivingCache
from .reference import gemm, tanh  # BLAS, and NumPy's own vectorised tanh

__all__ = ["gemm", "tanh"]
log = logging.getLogger("npgan")


class SayOnce(event.Listener):
    """Announces the first compilation of a process: it takes seconds, and silence looks like a hang."""

    said = False

    def on_start(self, event):
        if not SayOnce.said and event.data["dispatcher"].py_func.__module__ == __name__:
            SayOnce.said = True
            log.warning("npgan: compiling the kernels for this CPU (kept for the next start)")

    def on_end(self, event):
        pass


event.register("numba:compile", SayOnce())


def jit(function):
    """Compile at the first call, once per dtype.  contract: a multiply and an add may become one FMA."""
    dispatcher = numba.njit(fastmath={"contract"}, error_model="numpy", nogil=True)(function)
    dispatcher._cache = ForgivingCache.of(function)
    return dispatcher


def fits(x, *others):
    """Whether a loop over flat arrays computes what the reference kernel would."""
    known = isinstance(x, (np.ndarray, np.generic)) and x.dtype.char in "fd"
    return known and all(a.dtype == x.dtype and a.shape == x.shape for a in others)


def flat_memory(*arrays):
    """Whether a loop may write into these arrays, taken as flat."""
    return fits(*arrays) and all(a.flags.c_contiguous for a in arrays)


def elementwise(loop):
    """The kernel (arrays and numbers) -> new array, from a loop (flat arrays, numbers, flat out).

    The first argument is an array, the others are arrays of its shape and dtype, or numbers.
    """
    fallback, loop = getattr(reference, loop.__name__), jit(loop)

    @functools.wraps(fallback)
    def kernel(x, *others):
        if not fits(x, *(a for a in others if hasattr(a, "shape"))):
            return fallback(x, *others)
        out = np.empty(x.shape, x.dtype)
        flat = (a.ravel() if hasattr(a, "shape") else x.dtype.type(a) for a in others)
        loop(x.ravel(), *flat, out.ravel())
        return out

    return kernel


# In the loops, `one` is a 1 of the array's dtype: a bare 1 is an integer, and makes Numba use float64.


@elementwise
def leaky_relu(x, slope, out):
    for i in range(x.size):
        out[i] = x[i] if x[i] > 0 else slope * x[i]


@elementwise
def leaky_gate(g, y, slope, out):
    for i in range(g.size):
        out[i] = g[i] if y[i] > 0 else slope * g[i]


@elementwise
def tanh_gate(g, y, out):
    one = g.dtype.type(1)
    for i in range(g.size):
        out[i] = g[i] * (one - y[i] * y[i])


@elementwise
def sigmoid(x, out):
    one = x.dtype.type(1)
    for i in range(x.size):
        e = math.exp(-abs(x[i]))
        out[i] = (one if x[i] >= 0 else e) / (one + e)


@elementwise
def sigmoid_gate(g, y, out):
    one = g.dtype.type(1)
    for i in range(g.size):
        out[i] = g[i] * (y[i] * (one - y[i]))


@elementwise
def softplus(x, out):
    zero = x.dtype.type(0)
    for i in range(x.size):
        out[i] = max(x[i], zero) + math.log1p(math.exp(-abs(x[i])))


@jit
def bce_loop(z, t):
    one, zero, total = z.dtype.type(1), z.dtype.type(0), 0.0
    for i in range(z.size):
        tail = math.log1p(math.exp(-abs(z[i])))
        total += t[i] * (max(-z[i], zero) + tail) + (one - t[i]) * (max(z[i], zero) + tail)
    return total / z.size


@functools.wraps(reference.bce_with_logits)
def bce_with_logits(z, t):
    t = np.broadcast_to(np.asarray(t, z.dtype), z.shape)
    if not fits(z):
        return reference.bce_with_logits(z, t)
    return z.dtype.type(bce_loop(z.ravel(), t.ravel()))  # Numba returns Python's float


@jit
def add_bias(y, b):
    for i in range(y.shape[0]):
        for j in range(y.shape[1]):
            y[i, j] += b[j]


@functools.wraps(reference.affine)
def affine(x, W, b):
    y = gemm(x, W)
    if y.dtype == b.dtype and y.dtype.char in "fd":
        add_bias(y, b)
    else:
        y += b
    return y


@jit
def sgd_loop(theta, grad, velocity, lr, momentum):
    finite = True
    for i in range(theta.size):
        finite &= abs(grad[i]) < np.inf  # false for NaN too
        velocity[i] = momentum * velocity[i] + grad[i]
        theta[i] -= lr * velocity[i]
    return finite


@functools.wraps(reference.sgd)
def sgd(theta, grad, velocity, lr, momentum):
    if not flat_memory(theta, grad, velocity):
        return reference.sgd(theta, grad, velocity, lr, momentum)
    number = theta.dtype.type
    return sgd_loop(theta, grad, velocity, number(lr), number(momentum))


@jit
def adam_loop(theta, grad, m, v, rate, beta1, rest1, beta2, rest2, correction2, eps):
    finite = True
    for i in range(theta.size):
        g = grad[i]
        finite &= abs(g) < np.inf  # false for NaN too
        m[i] = beta1 * m[i] + rest1 * g
        v[i] = beta2 * v[i] + rest2 * g * g
        theta[i] -= rate * m[i] / (math.sqrt(v[i] * correction2) + eps)
    return finite


@functools.wraps(reference.adam)
def adam(theta, grad, m, v, lr, beta1, beta2, eps, t):
    if not flat_memory(theta, grad, m, v):
        return reference.adam(theta, grad, m, v, lr, beta1, beta2, eps, t)
    rate, correction2 = lr / (1 - beta1**t), 1 / (1 - beta2**t)
    numbers = (rate, beta1, 1 - beta1, beta2, 1 - beta2, correction2, eps)
    return adam_loop(theta, grad, m, v, *(theta.dtype.type(n) for n in numbers))


@jit
def mix_loop(average, theta, rest):
    for i in range(theta.size):
        average[i] += rest * (theta[i] - average[i])


@functools.wraps(reference.mix)
def mix(average, theta, decay):
    if not flat_memory(average, theta):
        return reference.mix(average, theta, decay)
    mix_loop(average, theta, theta.dtype.type(1 - decay))


def try_out():
    """Run every loop once in float32, so that a compiler that fails does so here."""
    x, v = np.ones((2, 2), np.float32), np.ones(2, np.float32)
    for activation in (sigmoid, softplus):
        activation(x)
    leaky_relu(x, 0.2), leaky_gate(x, x, 0.2), tanh_gate(x, x), sigmoid_gate(x, x)
    affine(x, x, v), bce_with_logits(v, v)
    sgd(v, v, v, 0.0, 0.0), adam(v, v, v, v, 0.0, 0.5, 0.5, 1.0, 1), mix(v, v, 0.5)
