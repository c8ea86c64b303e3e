"""The training step in JAX: one jitted function with donated state."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from npgan.bench.problem import BETA1, BETA2, EPS, LR, SLOPE, Step, Weights


def forward(weights: Any, x: Any) -> Any:
    for i in range(0, len(weights), 2):
        x = x @ weights[i] + weights[i + 1]
        if i + 2 < len(weights):
            x = jnp.where(x > 0, x, SLOPE * x)
    return x


def adam(weights: Any, grads: Any, state: Any, t: Any) -> tuple[Any, Any]:
    moved, kept = [], []
    for w, g, (m, v) in zip(weights, grads, state, strict=True):
        m, v = BETA1 * m + (1 - BETA1) * g, BETA2 * v + (1 - BETA2) * g * g
        moved.append(w - LR * m / (1 - BETA1**t) / (jnp.sqrt(v / (1 - BETA2**t)) + EPS))
        kept.append((m, v))
    return moved, kept


def update(state: Any, real: Any, z: Any) -> tuple[Any, Any, Any]:
    G, D, of_G, of_D, t = state
    t = t + 1
    fake, back = jax.vjp(lambda G: jnp.tanh(forward(G, z)), G)

    def loss_D(D: Any) -> Any:
        logits = forward(D, jnp.concatenate([real, fake]))
        return (
            jax.nn.softplus(-logits[: len(real)]).mean()
            + jax.nn.softplus(logits[len(real) :]).mean()
        )

    value_D, grads = jax.value_and_grad(loss_D)(D)
    D, of_D = adam(D, grads, of_D, t)
    value_G, dfake = jax.value_and_grad(lambda x: jax.nn.softplus(-forward(D, x)).mean())(fake)
    G, of_G = adam(G, back(dfake)[0], of_G, t)
    return (G, D, of_G, of_D, t), value_D, value_G


def step(G0: Weights, D0: Weights) -> Step:
    jitted = jax.jit(update, donate_argnums=0)
    G, D = [jnp.array(w) for w in G0], [jnp.array(w) for w in D0]
    zeros = lambda net: [(jnp.zeros_like(w), jnp.zeros_like(w)) for w in net]
    state = (G, D, zeros(G), zeros(D), jnp.zeros((), jnp.float32))

    def step(real: np.ndarray, z: np.ndarray) -> tuple[float, float]:
        nonlocal state
        state, loss_D, loss_G = jitted(state, real, z)
        return float(loss_D), float(loss_G)

    return step
