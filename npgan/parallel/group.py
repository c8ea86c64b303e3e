"""The processes that compute the shards of one GAN: here a single one, which has all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt

from ..optim import Adam
from .processes import Alone
from .tree import Node, tree_sum

Array = npt.NDArray[Any]
GradientOf = Callable[[int], Array]  # of a shard's number


class Group:
    """One process with all shards of every batch.

    Parameters
    ----------
    shards : int
        How many there are.
    """

    def __init__(self, shards: int = 1) -> None:
        self.shards = shards
        self.own = range(shards)  # those that this process computes
        self.processes = Alone()

    def update(self, adam: Adam, gradient_of: GradientOf) -> None:
        """Update a network by the mean of the shards' gradients."""
        adam.step(self.scaled(own_sum((0, self.shards), gradient_of)))

    def agree(self, values: Array) -> Array:
        """Means over all shards, from a row of float64 values for each own shard."""
        mean: Array = values.sum(axis=0) / self.shards
        return mean

    def rows(self, batch: int, updates: int) -> slice | Sequence[int]:
        """The positions of this process's images among those of a step of several updates."""
        return slice(None)

    @contextmanager
    def epoch(self, model: Any) -> Iterator[None]:
        """What surrounds the steps of an epoch, after which the model is complete."""
        yield

    def scaled(self, total: Array) -> Array:
        """The mean over the shards from their sum, in its memory."""
        if self.shards > 1:
            total *= np.float32(1 / self.shards)
        return total


def own_sum(node: Node, gradient_of: GradientOf) -> Array:
    """The sum of the gradients of a node's shards, each of which is computed here."""
    return tree_sum(*node, lambda lo, hi: gradient_of(lo) if hi - lo == 1 else None)
