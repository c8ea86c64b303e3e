"""What every peer computes: one step of D and one of G, and how much work that is.

The networks are the classic ones of MLP GANs, which `Generator()` and `Discriminator()` are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np

G_SIZES, D_SIZES = (100, 256, 512, 1024, 784), (784, 512, 256, 1)
LR, BETA1, BETA2, EPS, SLOPE = 2e-4, 0.5, 0.999, 1e-8, 0.2
BATCHES = 8  # different ones, which the peers go through again and again

Weights = list[np.ndarray]  # W, b, W, b, ...
Step = Callable[
    [np.ndarray, np.ndarray], tuple[float, float]
]  # (real, z) -> (D's loss, G's loss), in nats


def problem(
    batch: int, G_sizes: Sequence[int] = G_SIZES, D_sizes: Sequence[int] = D_SIZES
) -> dict[str, np.ndarray]:
    """Weights of G and D ("G0", "G1", ...), real images and noise; the same for every peer."""
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
    """Widths of a network's layers, from its input on."""
    return [weights[0].shape[0], *(len(b) for b in weights[1::2])]


def flops(batch: int, G_sizes: Sequence[int] = G_SIZES, D_sizes: Sequence[int] = D_SIZES) -> float:
    """Of the matrix products that a step cannot do without, two per multiply-add."""
    G, D = ([a * b for a, b in pairwise(sizes)] for sizes in (G_sizes, D_sizes))
    of_G = 3 * sum(G) - G[0]  # forward, to weights, to inputs but not to z
    of_D = 2 * (3 * sum(D) - D[0]) + 2 * sum(D)  # on 2 B images; then forward and to inputs on B
    return 2.0 * batch * (of_G + of_D)
