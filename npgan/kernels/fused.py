"""Network.forward with fused kernels: the same bits in fewer passes over memory.

Skip this file at a first reading: Network.forward in layers.py is the definition, and a test
compares the two bit for bit. Three kernels compute in one pass what rules give in several:
`affine_leaky` is Dense with the LeakyReLU above it, `gemm_gate` the gradient through Dense and the
LeakyReLU below it, `weight_gradients` both gradients of Dense's parameters.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from .. import kernels
from . import memory
from .state import checked, own, state_of


class LayersInARow(Protocol):
    """What is used of a Network here."""

    layers: Any
    is_dense: list[bool]  # which layers are Dense
    is_leaky: list[bool]  # which are LeakyReLU, with a slope
    slices: list[slice]  # where each one's parameters are in theta
    theta: np.ndarray
    updates: list[int]

    def cast(self, x: Any) -> np.ndarray: ...


def forward(net: LayersInARow, x: np.ndarray) -> tuple[np.ndarray, Callable[..., Any]]:
    """(y, pull), as Network.forward returns them."""
    layers, before = net.layers, state_of(net.layers, net.theta, net.updates[0])
    dense, leaky = net.is_dense, net.is_leaky
    values, i = {0: x}, 0  # values[i] goes into layer i; none is kept between Dense and LeakyReLU
    while i < len(layers):
        layer = layers[i]
        layer.check(values[i])
        arguments = (values[i], *layer.params.values())
        if dense[i] and i + 1 < len(layers) and leaky[i + 1]:
            y = kernels.affine_leaky(*arguments, **layers[i + 1].options)
            i += 2
        else:
            y = layer.op(*arguments, **layer.options)
            i += 1
        values[i] = y

    def pull(g: np.ndarray, wrt: str = "both") -> Any:
        given = g = checked(net, g, y, wrt, before)
        dtheta = memory.empty((net.theta.size if wrt != "input" else 0,), net.theta.dtype)
        i = len(layers)
        while i > 0:
            i -= 1
            layer, x, part = layers[i], values.get(i), net.slices[i]
            if wrt != "input" and dense[i]:
                W, _ = layer.params.values()
                dW, db = dtheta[part][: W.size].reshape(W.shape), dtheta[part][W.size :]
                kernels.weight_gradients(x, g, dW, db)
            elif wrt != "input":
                dtheta[part] = layer.parameter_gradient(g, x, values.get(i + 1))
            if i == 0 and wrt == "params":
                break
            if dense[i] and i > 1 and leaky[i - 1] and dense[i - 2]:
                i -= 1  # continue below the LeakyReLU
                W, _ = layer.params.values()
                g = kernels.gemm_gate(g, W, x, **layers[i].options)
            else:
                g = layer.input_gradient(g, x, values.get(i + 1))
        if wrt != "params":
            g = own(g, given)
        return g if wrt == "input" else dtheta if wrt == "params" else (g, dtheta)

    # The caller may write to what it gets; the rule of Dense alone does not need y.
    return y if dense[-1] else y.copy(), pull
