"""A backward pass checked at shapes and numbers that Hypothesis chooses.

    python -m pytest examples/check_with_hypothesis.py        (needs pytest and hypothesis)

Some bugs show at some shapes only: here a square matrix, a batch of one, a single class. Hypothesis
tries them, and reports the smallest arguments at which the check fails.
"""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from npgan.testing import assert_gradients


def forward(x, W):
    """Softmax over the last axis of x W.    x (B, I), W (I, O)"""
    z = np.exp(x @ W - np.max(x @ W, axis=1, keepdims=True))
    return z / z.sum(axis=1, keepdims=True)


def backward(dout, x, W):
    y = forward(x, W)
    dz = y * (dout - (dout * y).sum(axis=1, keepdims=True))
    return dz @ W.T, x.T @ dz


def wrong_if_square(dout, x, W):
    """A bug that only a square matrix hides from an error of shapes: W for its transpose."""
    dx, dW = backward(dout, x, W)
    if W.shape[0] == W.shape[1]:
        dx = dx @ np.linalg.inv(W.T) @ W
    return dx, dW


sizes = st.integers(1, 4)


def check(gradient, batch, inputs, outputs, seed):
    rng = np.random.default_rng(seed)
    args = rng.standard_normal((batch, inputs)), rng.standard_normal((inputs, outputs))
    # The softmax of a single class is 1: its gradient is zero, and nothing can be checked.
    assert_gradients(forward, gradient, args, inconclusive="allow" if outputs == 1 else "raise")


@settings(deadline=None, max_examples=10, derandomize=True)
@given(batch=sizes, inputs=sizes, outputs=sizes, seed=st.integers(0, 2**32 - 1))
def test_softmax(batch, inputs, outputs, seed):
    check(backward, batch, inputs, outputs, seed)


if __name__ == "__main__":
    test_softmax()
    print("the gradient is right at all shapes that were tried")
