"""A network's values and gradients by fused kernels: the same bits in fewer passes over memory.

Skip this file at a first reading: Network.forward in layers.py is the definition, and a test
compares the two bit for bit. Three kernels compute in one pass what rules give in several:
`affine_leaky` is Dense with the LeakyReLU above it, `gemm_gate` the gradient through Dense and the
LeakyReLU below it, `weight_gradients` both gradients of Dense's parameters.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from .. import kernels

Values = dict[int, np.ndarray]


class LayersInARow(Protocol):
    """What is used of a Network here and in passes.py and slopes.py."""

    layers: Any
    is_dense: list[bool]  # which layers are Dense
    is_leaky: list[bool]  # which are LeakyReLU, with a slope
    is_tanh: list[bool]  # which are Tanh
    slices: list[slice]  # where each one's parameters are in theta
    theta: np.ndarray
    updates: list[int]

    def cast(self, x: Any) -> np.ndarray: ...
    def apply(self, x: Any, params: Any) -> Any: ...


def layer_values(net: LayersInARow, x: np.ndarray) -> Values:
    """values[i] goes into layer i; the last is the output. None between Dense and LeakyReLU."""
    layers, values, i = net.layers, {0: x}, 0
    while i < len(layers):
        layer = layers[i]
        layer.check(values[i])
        arguments = (values[i], *layer.params.values())
        if net.is_dense[i] and i + 1 < len(layers) and net.is_leaky[i + 1]:
            y = kernels.affine_leaky(*arguments, **layers[i + 1].options)
            i += 2
        else:
            y = layer.op(*arguments, **layer.options)
            i += 1
        values[i] = y
    return values


def gradients(
    net: LayersInARow, values: Values, g: np.ndarray, wrt: str, dtheta: np.ndarray
) -> np.ndarray:
    """dL/dx from g = dL/dy, unless wrt is "params"; dL/dtheta is written to dtheta."""
    layers, dense, leaky, i = net.layers, net.is_dense, net.is_leaky, len(net.layers)
    while i > 0:
        i -= 1
        layer, x, part = layers[i], values.get(i), net.slices[i]
        if wrt != "input" and dense[i]:
            W, _ = layer.params.values()
            dW, db = dtheta[part][: W.size].reshape(W.shape), dtheta[part][W.size :]
            kernels.weight_gradients(x, g, dW, db)
        elif wrt != "input":
            dtheta[part] = layer.parameter_gradient(g, x, values.get(i + 1))
        if wrt == "params" and part.start == 0:
            break  # no layer below has parameters
        if dense[i] and i > 1 and leaky[i - 1] and dense[i - 2]:
            i -= 1  # continue below the LeakyReLU
            W, _ = layer.params.values()
            g = kernels.gemm_gate(g, W, x, **layers[i].options)
        else:
            g = layer.input_gradient(g, x, values.get(i + 1))
    return g
