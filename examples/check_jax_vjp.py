"""A hand-written jax.custom_vjp, right and with a bug, checked with npgan.testing.

    python examples/check_jax_vjp.py        (needs JAX: pip install jax)

The function normalises each row by its root mean square (Zhang & Sennrich 2019):

    y = g x / sqrt(mean(x²) + eps)        x (B, F), g (F,)
"""

import jax
import jax.numpy as jnp
import numpy as np

from npgan.testing import check_gradients

jax.config.update("jax_enable_x64", True)  # else JAX computes in float32, and so does the check
EPS = 1e-6


def normalised(x):
    return x / jnp.sqrt(jnp.mean(x**2, axis=1, keepdims=True) + EPS)


@jax.custom_vjp
def rms_norm(x, g):
    return g * normalised(x)


def rms_norm_forward(x, g):
    return rms_norm(x, g), (x, g)


def rms_norm_backward(saved, dout):
    x, g = saved
    r = jnp.sqrt(jnp.mean(x**2, axis=1, keepdims=True) + EPS)
    n, dn = x / r, dout * g
    return (dn - n * jnp.mean(dn * n, axis=1, keepdims=True)) / r, (dout * n).sum(axis=0)


rms_norm.defvjp(rms_norm_forward, rms_norm_backward)


@jax.custom_vjp
def wrong_norm(x, g):
    return g * normalised(x)


def wrong_backward(saved, dout):
    _, dg = rms_norm_backward(saved, dout)
    x, g = saved
    r = jnp.sqrt(jnp.mean(x**2, axis=1, keepdims=True) + EPS)
    return dout * g / r, dg  # r depends on x, too


wrong_norm.defvjp(rms_norm_forward, wrong_backward)


def in_numpy(function):
    """(forward, backward) of NumPy arrays, for check_gradients."""

    def forward(*arrays):
        return np.asarray(function(*arrays))

    def backward(dout, *arrays):
        return jax.vjp(function, *arrays)[1](jnp.asarray(dout))

    return forward, backward


def main():
    rng = np.random.default_rng(0)
    args = rng.standard_normal((5, 4)), rng.standard_normal(4)
    reports = []
    for function in (rms_norm, wrong_norm):
        reports.append(check_gradients(*in_numpy(function), args, argnames=("x", "g")))
        print(f"---- {function.__name__} ----\n{reports[-1]}\n")
    return reports


if __name__ == "__main__":
    main()
