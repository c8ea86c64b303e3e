"""Penalties on D's slopes without the tape: what the tape computes, bit for bit.

Skip this file at a first reading: `slope_penalty` in npgan/penalties.py is the definition. A slope
is the gradient of a logit by its image. With dense layers h ← leaky(h W + b), it is computed from
the last layer to the first, by s ← gate(s Wᵀ), where the gate multiplies by the derivative of
leaky. So the gradient of a penalty goes the other way, from the first layer to the last: from
u = dL/ds below a layer it computes dL/dW = uᵀ s, with the s above the layer, and u ← gate(u W). No
bias changes a gate, so the gradients by the biases are zero.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .. import kernels
from . import definitions, memory, passes
from .fused import LayersInARow, Values

# The primitives that the tape uses for this, besides those of the layers.
USED = (
    "sum", "broadcast_to", "reshape", "multiply", "divide", "sum_to", "get", "put", "gemm",
    "leaky_gate",
)  # fmt: skip
KERNELS = ("leaky_relu", "leaky_gate")  # and the kernels, besides those of a pass
ops: Any = None  # the module that has the primitives
grad: Any = None  # of npgan.autograd


def register(module: Any, function: Callable[..., Any]) -> None:
    """Take what this module cannot import, as it stands below it."""
    global ops, grad
    ops, grad = module, function
    definitions.watch(vars(ops), "mean")


def half_mean(gamma: float) -> Callable[[Any], Any]:
    """What penalties.r1 computes from the squared lengths of the slopes."""
    return lambda square: 0.5 * gamma * ops.mean(square)


class Slopes:
    """The jobs that compute the slopes from the values of a pass, and a penalty's gradient."""

    def __init__(self, net: LayersInARow, one: passes.Pass):
        dtype = one.x.dtype
        self.jobs, self.back = one.lists(dtype), one.lists(dtype)
        self.slopes, above = add_slopes(self.jobs, net, one.values)
        self.jobs.finish()
        self.u = memory.empty(self.slopes.shape, dtype)
        dtheta = memory.empty(net.theta.shape, dtype)
        add_penalty_gradients(self.back, net, one.values, above, self.u, dtheta)
        self.back.finish(dtheta)
        one.bytes += self.u.nbytes + 2 * sum(value.nbytes for value in above.values())


def add_slopes(jobs: Any, net: LayersInARow, values: Values) -> tuple[np.ndarray, Values]:
    """Add the jobs that compute the slopes; returns where they and all s will be."""
    n, y = len(net.layers), values[len(net.layers)]
    above = {n: memory.empty(y.shape, y.dtype)}  # the gradients of the logits by each value
    above[n].fill(1)
    for i in reversed(range(0, n, 2)):
        W, _ = net.layers[i].params.values()
        leaky = {}
        if i > 0:
            leaky = {"gate": values[i], "slope": net.layers[i - 1].options["slope"]}
        above[i] = jobs.product(above[min(i + 2, n)], W, False, True, **leaky)
    return above[0], above


def add_penalty_gradients(
    jobs: Any, net: LayersInARow, values: Values, above: Values, u: np.ndarray, dtheta: np.ndarray
) -> None:
    """Add the jobs that compute a penalty's gradients by the weights from that by the slopes, u."""
    n = len(net.layers)
    for i in range(0, n, 2):
        W, _ = net.layers[i].params.values()
        dW = dtheta[net.slices[i]][: W.size].reshape(W.shape)
        jobs.product(u, above[min(i + 2, n)], True, False, out=dW)
        if i + 2 < n:
            leaky = {"gate": values[i + 2], "slope": net.layers[i + 1].options["slope"]}
            u = jobs.product(u, W, False, False, **leaky)


def are_direct() -> bool:
    """Whether penalties may be computed without the tape."""
    return (
        not passes.rules_only
        and kernels.job_list(KERNELS) is not None
        and all(passes.as_shipped(getattr(ops, name)) for name in USED)
    )


def gradient_of(of_square: Callable[..., Any], square: np.ndarray) -> np.ndarray:
    """The gradient of a penalty by the squared lengths of the slopes."""
    leaf = ops.Tensor(square)
    return np.asarray(grad(of_square(leaf), leaf, unused="zero"))


def penalty(
    net: LayersInARow, x: np.ndarray, of_square: Callable[..., Any], pixels: int | None
) -> tuple[float, np.ndarray] | None:
    """As `slope_penalty`; None where it is left to the tape."""
    if not (are_direct() and passes.has_own_methods(net)) or net.is_tanh[-1]:
        return None
    x = net.cast(x)
    # Nobody else computes with this pass as long as `loan` exists.
    loan = passes.borrow(net, x, passes.Parts(net))
    if loan is None:
        return None
    slopes = loan.lent.slopes
    if slopes is None:
        slopes = loan.lent.slopes = Slopes(net, loan.lent)
    slopes.jobs.compute()
    # The squares alone are on the tape.
    s = slopes.slopes[:, :pixels]
    square = ops.Tensor(np.sum(s * s, axis=1))
    value = of_square(square)
    if value.dtype != s.dtype:  # then the tape computes all that follows in this other dtype
        return None
    u = grad(value, square, unused="zero")[:, None] * s
    slopes.u[:, :pixels] = u + u
    slopes.u[:, s.shape[1] :] = 0
    dtheta = memory.empty(net.theta.shape, net.theta.dtype)
    for i in range(0, len(net.layers), 2):
        W, _ = net.layers[i].params.values()
        dtheta[net.slices[i]][W.size :] = 0  # the bias
    slopes.back.compute(dtheta)
    return float(value.data), dtheta
