"""Functions with their gradients, bugs, and removed guards that several tests of the checker use."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from npgan.testing import leaves

Gradients = tuple[np.ndarray, ...]


def product(x: np.ndarray, W: np.ndarray) -> np.ndarray:
    return x @ W


def d_product(dout: np.ndarray, x: np.ndarray, W: np.ndarray) -> Gradients:
    return dout @ W.T, x.T @ dout


def layer(x: np.ndarray, W: np.ndarray) -> np.ndarray:
    return np.tanh(x @ W)


def d_layer(dout: np.ndarray, x: np.ndarray, W: np.ndarray) -> Gradients:
    d = dout * (1 - layer(x, W) ** 2)
    return d @ W.T, x.T @ d


def softmax(z: np.ndarray) -> np.ndarray:
    e = np.exp(z - z.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def d_softmax(dout: np.ndarray, z: np.ndarray) -> np.ndarray:
    p = softmax(z)
    return p * (dout - (dout * p).sum(axis=-1, keepdims=True))


def spoilt_gradient(
    grad: Callable[..., Gradients], change: Callable[..., Any], k: int = 0
) -> Callable[..., Gradients]:
    """The gradient with a bug at one argument: change(gradient of it)."""

    def wrong(*given: np.ndarray) -> Gradients:
        gradients = list(grad(*given))
        gradients[k] = change(gradients[k])
        return tuple(gradients)

    return wrong


def without_special_entries(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(leaves, "check_special_entries", lambda *a: None)
