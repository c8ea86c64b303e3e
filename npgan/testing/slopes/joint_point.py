"""Several arguments as one, so that they can be moved together."""

from __future__ import annotations

import copy

import numpy as np

from ..problem.analytic import as_arrays
from .points import Point

__tracebackhide__ = True  # pytest shows a failure at the user's line, not at ours


class JointPoint(Point):
    """A point with one leaf: those leaves of another point, laid one after the other."""

    def __init__(self, point: Point, leaves: list[int]):
        self.__dict__.update(copy.copy(point.__dict__))
        self.given, self.leaves = point, leaves
        self.values = [np.concatenate([point.values[leaf].ravel() for leaf in leaves])]
        self.gradients = [np.concatenate([point.gradient(leaf).ravel() for leaf in leaves])]
        noise = [point.gradient_noise[leaf] for leaf in leaves]
        self.gradient_noise = [
            np.concatenate(
                [
                    np.zeros(point.values[leaf].size) if n is None else n.ravel()
                    for leaf, n in zip(leaves, noise, strict=True)
                ]
            )
        ]
        self.scratch, self.sizes, self.leaf_sigmas, self.at_zeros = {}, {}, {}, {}

    def values_with(self, leaf: int, value: np.ndarray) -> list[np.ndarray]:
        """The values of all leaves, where these ones are replaced by the parts of one vector."""
        values, start = list(self.given.values), 0
        for k in self.leaves:
            part = values[k]
            values[k] = value[start : start + part.size].reshape(part.shape)
            start += part.size
        return values

    def gradient_with(self, leaf: int, value: np.ndarray) -> np.ndarray:
        """What backward returns for the leaves there, laid one after the other."""
        returned = self.problem.gradients(self.values_with(leaf, value), self.dout)
        found = as_arrays(self.problem, returned)[0]
        parts = [gradient.ravel() for k in self.leaves if (gradient := found[k]) is not None]
        if len(parts) < len(self.leaves):
            raise ValueError("backward returned no usable gradient here")
        return np.concatenate(parts)
