"""What a user gives to `record`, checked, copied and in float64."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike

from ..autograd import Tensor
from ..layers import Network
from ..losses import Loss
from ..optim import Adam
from .steps import Computation, copy_of, gan_computations
from .tape import nodes, replay


def of_loss(y: Tensor, names: Mapping[str, Tensor] | None) -> Computation:
    """A user's loss, computed again in float64 and in memory of its own."""
    if y.size != 1:
        raise ValueError(f"record() needs a scalar, got shape {y.shape}; reduce it first: y.sum()")
    if y.made_by is None:
        raise ValueError("record() got a leaf: nothing was computed there")
    tape = nodes(y, names)
    on_tape = {node.tensor.number for node in tape}
    for name, tensor in (names or {}).items():
        if tensor.number not in on_tape:
            raise ValueError(f"the loss was not computed from {name!r}")
    tensors = replay(tape, dtype=np.float64)
    if not np.isfinite(tensors[-1].data).all():
        raise ValueError(f"record() needs a finite loss, got {tensors[-1].data}")
    called = {n.name: t for n, t in zip(tape, tensors, strict=True) if n.name}
    if not tape[-1].name:
        called["loss"] = tensors[-1]
    return Computation(
        "loss",
        "A loss",
        "A loss that was computed from the leaves on the left.",
        "loss",
        tensors[-1],
        called,
        lambda node: "loss" if node.op else "leaf",
        lambda node: "loss" if node.op else "data",
    )


def of_gan(
    G: Network, D: Network, real: ArrayLike, z: ArrayLike, adam_G: Adam | None,
    adam_D: Adam | None, loss: Loss, gamma: float,
) -> list[Computation]:  # fmt: skip
    """A user's GAN."""
    arrays = {"real": np.asarray(real), "z": np.asarray(z)}
    for name, array in arrays.items():
        if array.ndim != 2 or array.dtype.kind != "f" or not len(array):
            raise ValueError(
                f"record() needs {name} as floats of shape (batch, n); "
                f"got {array.dtype} of shape {array.shape}"
            )
    if len(arrays["real"]) != len(arrays["z"]):
        raise ValueError(
            "record() needs as many rows of z as of real; "
            f"got {len(arrays['z'])} and {len(arrays['real'])}"
        )
    if not gamma >= 0:
        raise ValueError(f"gamma must be 0 or more, got {gamma}")
    given = []
    for letter, net, adam in (("G", G, adam_G), ("D", D, adam_D)):
        if adam is not None and (not isinstance(adam, Adam) or adam.theta is not net.theta):
            raise TypeError(f"adam_{letter} must be the Adam of {letter}, as in Adam({letter})")
        net64 = net.astype(np.float64)
        given.append((net64, copy_of(adam or Adam(net), net64)))
    real64, z64 = (array.astype(np.float64) for array in arrays.values())
    (G, adam_G), (D, adam_D) = given
    return gan_computations(G, D, adam_G, adam_D, real64, z64, loss, gamma)
