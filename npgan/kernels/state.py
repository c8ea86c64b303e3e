"""Guards against a gradient of what has changed since the forward pass."""

from __future__ import annotations

import copy
import operator
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

COMPARED = 64  # elements of theta, evenly spaced; of a smaller one all


class State(NamedTuple):
    """The layers' primitives and options, some of their weights, and the number of updates."""

    parts: Sequence[Any]
    weights: bytes
    updates: int


def state_of(layers: Sequence[Any], theta: np.ndarray, updates: int = 0) -> State:
    """The state of layers in a row."""
    parts = [part for layer in layers for part in (layer.op, *layer.options.values())]
    return State(parts, some_of(theta), updates)


def some_of(theta: np.ndarray) -> bytes:
    """Some elements of a large theta, since a copy would take as long as a layer.

    They are enough to notice that it was set or loaded, but not that one weight was.
    """
    return theta[:: theta.size // COMPARED + 1].tobytes()


def check_unchanged(before: State, now: State) -> None:
    """Raise RuntimeError unless the layers are in the same state."""
    if before[1:] != now[1:]:
        raise RuntimeError("the weights have changed since this forward pass; call it again")
    if not identical(before.parts, now.parts):
        raise RuntimeError("a layer has changed since this forward pass; call it again")


def identical(parts: Sequence[Any], others: Sequence[Any]) -> bool:
    """Whether both have the same objects in the same order."""
    return len(parts) == len(others) and all(map(operator.is_, parts, others))


def check_wrt(wrt: str) -> None:
    """Raise ValueError where wrt is not known."""
    if wrt not in ("input", "params", "both"):
        raise ValueError(f'wrt is "input", "params" or "both", got {wrt!r}')


def checked(
    net: Any, g: Any, y: np.ndarray, wrt: str, before: State, now: State | None = None
) -> np.ndarray:
    """A pullback's argument in the network's dtype; errors where it must not be used.

    now: the state of the network, if it is known already.
    """
    check_wrt(wrt)
    g = net.cast(g)  # a float64 gradient would make every later product float64
    if g.shape != y.shape:
        raise ValueError(f"pull() got a gradient of shape {g.shape}, the output has {y.shape}")
    check_unchanged(before, now or state_of(net.layers, net.theta, net.updates[0]))
    return np.asarray(g)


def snapshot(a: Any) -> Any:
    """A copy of an argument of a primitive, or itself if it cannot change."""
    return a if isinstance(a, (float, int, str, type(None))) else copy.deepcopy(a)


def own(dx: Any, g: Any) -> Any:
    """dx, in memory that is not that of g: a rule may return g itself, or a view of it."""
    return dx.copy() if np.may_share_memory(dx, g) else dx
