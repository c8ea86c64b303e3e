"""Guards against a gradient of what has changed since the forward pass."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

COMPARED = 64  # elements of theta, evenly spaced; of a smaller one all


class State(NamedTuple):
    """The layers' primitives and options, their parameters, and the number of updates so far."""

    parts: list[Any]
    weights: bytes
    updates: int


def state_of(layers: Sequence[Any], theta: np.ndarray, updates: int = 0) -> State:
    """The state of layers in a row.

    Of a large theta some elements are kept, since a copy would take as long as a layer: enough to
    notice that it was set or loaded, but not that one weight was.
    """
    parts = [part for layer in layers for part in (layer.op, *layer.options.values())]
    return State(parts, theta[:: theta.size // COMPARED + 1].tobytes(), updates)


def check_unchanged(
    before: State, layers: Sequence[Any], theta: np.ndarray, updates: int = 0
) -> None:
    """Raise RuntimeError unless the layers are in the same state."""
    now = state_of(layers, theta, updates)
    if before[1:] != now[1:]:
        raise RuntimeError("the weights have changed since this forward pass; call it again")
    if [*map(id, before.parts)] != [*map(id, now.parts)]:
        raise RuntimeError("a layer has changed since this forward pass; call it again")


def check_wrt(wrt: str) -> None:
    """Raise ValueError where wrt is not known."""
    if wrt not in ("input", "params", "both"):
        raise ValueError(f'wrt is "input", "params" or "both", got {wrt!r}')


def checked(net: Any, g: Any, y: np.ndarray, wrt: str, before: State) -> np.ndarray:
    """A pullback's argument in the network's dtype; errors where it must not be used."""
    check_wrt(wrt)
    g = net.cast(g)  # a float64 gradient would make every later product float64
    if g.shape != y.shape:
        raise ValueError(f"pull() got a gradient of shape {g.shape}, the output has {y.shape}")
    check_unchanged(before, net.layers, net.theta, net.updates[0])
    return np.asarray(g)


def snapshot(a: Any) -> Any:
    """A copy of an argument of a primitive, or itself if it cannot change."""
    return a if isinstance(a, (float, int, str, type(None))) else copy.deepcopy(a)


def own(dx: Any, g: Any) -> Any:
    """dx, in memory that is not that of g: a rule may return g itself, or a view of it."""
    return dx.copy() if np.may_share_memory(dx, g) else dx
