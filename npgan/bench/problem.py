"""What every peer computes: one update of D and one of G, and the number of operations.

The networks are the defaults of `Generator()` and `Discriminator()`, usual sizes of MLP GANs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np

G_SIZES, D_SIZES = (100, 256, 512, 1024, 784), (784, 512, 256, 1)
LR, BETA1, BETA2, EPS, SLOPE = 2e-4, 0.5, 0.999, 1e-8, 0.2
BATCHES = 8  # different batches, which the peers use in turn

Weights = list[np.ndarray]  # W, b, W, b, ...
# (real, z) -> (D's loss, G's loss), in nats
Step = Callable[[np.ndarray, np.ndarray], tuple[float, float]]


def problem(
    batch: int, G_sizes: Sequence[int] = G_SIZES, D_sizes: Sequence[int] = D_SIZES
) -> dict[str, np.ndarray]:
    """Weights of G and D ("G0", "G1", ...), real images and noise: the same for every peer."""
    rng = np.random.default_rng(0)
    real = rng.uniform(-1, 1, (BATCHES, batch, D_sizes[0])).astype(np.float32)
    arrays = {
        "real": real,
        "z": rng.standard_normal((BATCHES, batch, G_sizes[0]), dtype=np.float32),
    }
    for net, sizes in (("G", G_sizes), ("D", D_sizes)):
        for i, (a, b) in enumerate(pairwise(sizes)):
            spread = (2 / a) ** 0.5  # He et al. 2015
            arrays[f"{net}{2 * i}"] = np.float32(spread) * rng.standard_normal(
                (a, b), dtype=np.float32
            )
            arrays[f"{net}{2 * i + 1}"] = np.float32(0.1) * rng.standard_normal(b, dtype=np.float32)
    return arrays


def weights_of(arrays: dict[str, np.ndarray], net: str) -> Weights:
    """The weights of the net "G" or "D" of a problem, in order."""
    count = sum(name.startswith(net) for name in arrays)
    return [arrays[f"{net}{i}"] for i in range(count)]


def sizes_of(weights: Weights) -> list[int]:
    """The widths of a network's layers, from its input to its output."""
    return [weights[0].shape[0], *(len(b) for b in weights[1::2])]


def flops(batch: int, G_sizes: Sequence[int] = G_SIZES, D_sizes: Sequence[int] = D_SIZES) -> float:
    """Operations of the matrix products that a step needs; a multiply-add counts as two."""
    G, D = ([a * b for a, b in pairwise(sizes)] for sizes in (G_sizes, D_sizes))
    # Forward, gradients of weights, gradients of inputs except z.
    of_G = 3 * sum(G) - G[0]
    # The same on twice as many images; then forward and gradients of inputs in G's update.
    of_D = 2 * (3 * sum(D) - D[0]) + 2 * sum(D)
    return 2.0 * batch * (of_G + of_D)
