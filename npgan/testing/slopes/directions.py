"""Directions along which a large array is moved as a whole."""

from __future__ import annotations

import numpy as np

# What is moved: one entry (its flat index), or all entries along this direction.
Direction = int | np.ndarray


def random_signs(shape: tuple[int, ...], seed: list[int]) -> np.ndarray:
    """±1 per entry."""
    n = int(np.prod(shape))
    random = np.random.default_rng(seed).bytes((n + 7) // 8)
    bits = np.unpackbits(np.frombuffer(random, np.uint8), count=n).view(np.int8)
    return (2 * bits - 1).astype(np.float64).reshape(shape)


# The absolute values of random_weights: equally likely between these two.
SMALLEST_WEIGHT, LARGEST_WEIGHT = 0.25, 1.75
WEIGHTS = (np.arange(-128, 128) + 0.5) * ((LARGEST_WEIGHT - SMALLEST_WEIGHT) / 128)
WEIGHTS = np.roll(WEIGHTS + np.copysign(SMALLEST_WEIGHT, WEIGHTS), -128)


def random_weights(shape: tuple[int, ...], seed: list[int]) -> np.ndarray:
    """Positive or negative weights whose size differs from entry to entry.

    With weights of ±1 two errors of equal size would cancel in every second direction.
    """
    n = int(np.prod(shape))
    random = np.random.default_rng(seed).bytes(n)
    return WEIGHTS[np.frombuffer(random, np.uint8)].reshape(shape)


def smallest_effect(n: int, directions: int) -> float:
    """How much of the larger one of two errors shows at least in one of the directions.

    For the weights of two of n entries to be so nearly parallel over all directions that less of
    their errors is left, the chance is below one per cent. For one direction it is 0, since two
    errors may cancel.
    """
    if n < 2:
        return SMALLEST_WEIGHT
    if directions < 2:
        return 0.0
    pairs = n * (n - 1) / 2
    return min(SMALLEST_WEIGHT, float((0.01 / pairs) ** (1 / (directions - 1))))


def restrict(v: np.ndarray, region: list[tuple[int, int]]) -> np.ndarray:
    """v inside the region, (first, last + 1) per axis; zeros elsewhere."""
    part = np.zeros_like(v)
    box = tuple(slice(low, high) for low, high in region)
    part[box] = v[box]
    return part
