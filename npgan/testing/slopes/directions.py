"""Directions along which a large array is moved as a whole."""

from __future__ import annotations

import numpy as np


def random_signs(shape: tuple[int, ...], seed: list[int]) -> np.ndarray:
    """±1 per entry."""
    n = int(np.prod(shape))
    random = np.random.default_rng(seed).bytes((n + 7) // 8)
    bits = np.unpackbits(np.frombuffer(random, np.uint8), count=n).view(np.int8)
    return (2 * bits - 1).astype(np.float64).reshape(shape)


def restrict(v: np.ndarray, region: list[tuple[int, int]]) -> np.ndarray:
    """v inside the region, (first, last + 1) per axis; zeros elsewhere."""
    part = np.zeros_like(v)
    box = tuple(slice(low, high) for low, high in region)
    part[box] = v[box]
    return part
