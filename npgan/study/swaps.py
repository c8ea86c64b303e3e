"""Primitives with a mistake in them, to put in the place of npgan's own.

They are made of the same functions and get no place among npgan's primitives: whoever calls
npgan.ops, in this process or another, gets the right rules.
"""

from __future__ import annotations

import copy
from typing import Any

import numpy as np

from .. import ops
from ..autograd import Primitive
from ..layers import Network
from .tape import Swap as Swap

NOTHING: Swap = {}


def with_rules(op: Primitive, *rules: Any) -> Primitive:
    """The same function with these rules."""
    other = Primitive(op.function)
    other.rules = rules
    return other


def mean_for_sum(i: int) -> Any:
    """affine's rule of W or b, with the mean over the batch instead of the sum."""
    return lambda g, y, *args: ops.affine.rule(i)(g, y, *args) / np.shape(y)[0]


TANH_WITHOUT_GATE = {ops.tanh: with_rules(ops.tanh, lambda g, y, x: g)}
LEAKY_WITHOUT_GATE = {ops.leaky_relu: with_rules(ops.leaky_relu, lambda g, y, x, slope=0.2: g)}
MEAN_FOR_SUM = {
    ops.affine: with_rules(ops.affine, ops.affine.rule(0), mean_for_sum(1), mean_for_sum(2))
}


def flipped_bce() -> Primitive:
    """The cross-entropy with the other label: 1 - t."""
    right = ops.bce_with_logits

    def bce_with_logits(z: Any, t: Any) -> np.ndarray:
        return right.function(z, 1 - t)

    op = Primitive(bce_with_logits)
    op.__doc__ = right.__doc__
    op.rules = (
        lambda g, y, z, t: right.rule(0)(g, y, z, 1 - t),
        lambda g, y, z, t: -right.rule(1)(g, y, z, 1 - t),
    )
    return op


LABELS_FLIPPED = {ops.bce_with_logits: flipped_bce()}


def swapped(net: Network, swap: Swap) -> Network:
    """A network with other primitives in its layers, on the same theta."""
    if not swap:
        return net
    layers = []
    for layer in net.layers:
        other = copy.copy(layer)
        other.op = swap.get(layer.op, layer.op)
        layers.append(other)
    return net.with_theta(net.theta, layers)
