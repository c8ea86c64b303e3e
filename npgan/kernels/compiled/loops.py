"""Loops over whole arrays that are more than one line of a kernel, or that the threads share.

The arrays have one dimension and no gaps, except in column_sum_loop. `kernels` says what is
computed.
"""

import math

import numpy as np
from numba import float64

from .elementary import fma, of_both_signs, scalar_softplus, scalar_tanh
from .jit import inner, jit


@inner
def tanh_loop(x, out):
    for i in range(x.size):
        out[i] = scalar_tanh(float64(x[i]))


@inner
def mix_loop(x, y, a, b, largest, out):
    """out = a x + b y. False where a number of x is larger than that, or not finite."""
    small = True
    for i in range(x.size):
        out[i] = a * x[i] + b * y[i]
        small &= abs(x[i]) <= largest
    return small


@inner
def tanh_gate_loop(g, y, out):
    one = g.dtype.type(1)  # a bare 1 is an integer, with which Numba would compute in float64
    for i in range(g.size):
        out[i] = g[i] * fma(-y[i], y[i], one)


@jit
def bce_loop(z, t):
    total = 0.0
    for i in range(z.size):
        x, target = float64(z[i]), float64(t[i])
        total += target * scalar_softplus(-x) + (1.0 - target) * scalar_softplus(x)
    return total / z.size


@inner
def bce_gradient_loop(first, second, paired, target, limit, dz, values):
    """The cross-entropy of z = first - second if they are paired, else of z = first.

    dz: the gradient by first, and behind it, if they are paired, that by second. values: the
    cross-entropy, and the means of σ(z) and σ(-z), all summed in float64. Returns whether the
    cross-entropy is below the limit.
    """
    n, divisor = first.size, first.dtype.type(first.size)
    total, positive, negative = 0.0, 0.0, 0.0
    for i in range(n):
        x = float64(first[i] - second[i] if paired else first[i])
        of_zero, of_one, yes, no = of_both_signs(x)
        total += target * of_one + (1.0 - target) * of_zero
        positive += yes
        negative += no
        dz[i] = -no if target > 0.0 else yes  # rounded to dz's dtype
        dz[i] /= divisor
        if paired:
            dz[n + i] = -dz[i]
    values[0], values[1], values[2] = total / n, positive / n, negative / n
    return values[0] < limit


@jit
def column_sum_loop(x, out):
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            out[j] += x[i, j]


@jit
def sgd_loop(theta, grad, velocity, lr, momentum):
    finite = True
    for i in range(theta.size):
        velocity[i] = fma(momentum, velocity[i], grad[i])
        theta[i] = fma(-lr, velocity[i], theta[i])
        finite &= abs(theta[i]) < np.inf  # false for NaN, and where grad or velocity is not finite
    return finite


def adam_settings(lr, beta1, beta2, eps, t):
    """The numbers that adam_loop reads."""
    rate, correction2 = lr / (1 - beta1**t), 1 / (1 - beta2**t)
    return rate, beta1, 1 - beta1, beta2, 1 - beta2, correction2, eps


@inner
def adam_loop(theta, grad, m, v, scalars):
    """scalars: lr/(1-β1^t), β1, 1-β1, β2, 1-β2, 1/(1-β2^t), eps, from `adam_settings`"""
    rate, beta1, rest1, beta2 = scalars[0], scalars[1], scalars[2], scalars[3]
    rest2, correction2, eps = scalars[4], scalars[5], scalars[6]
    finite = True
    for i in range(theta.size):
        g = grad[i]
        v[i] = fma(beta2, v[i], rest2 * g * g)
        square = v[i] * correction2
        if beta1 > 0.0:  # else m equals g, and is neither read nor written
            g = m[i] = fma(beta1, m[i], rest1 * g)
        theta[i] -= rate * g / (math.sqrt(square) + eps)
        # False for NaN too, and where g, its square, or the new theta is not finite.
        finite &= square + abs(theta[i]) < np.inf
    return finite


@inner
def ema_loop(average, theta, rest):
    finite = True
    for i in range(theta.size):
        average[i] = fma(rest, theta[i] - average[i], average[i])
        finite &= abs(average[i]) < np.inf
    return finite
