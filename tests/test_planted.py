"""Tests of the tests: wrong derivatives are planted, and each must be caught by name."""

import numpy as np
import pytest
from oracles import check_order_1, check_order_2, numerical

from npgan import Dense, LeakyReLU, Network, ops
from npgan.autograd import PRIMITIVES, Tensor
from npgan.testing.own.primitive_cases import primitive_cases


def raw(x):
    """What a rule must never do: look at the bare array behind a Tensor."""
    return x.data if isinstance(x, Tensor) else x


PLANTED = {
    # name: (primitive, argument, wrong rule, the order at which it shows)
    "sign": ("subtract", 1, lambda g, y, a, b: ops.sum_to(g, shape=np.shape(b)), 1),
    "sign of one term": ("log_softmax", 0, lambda g, y, z: g + ops.exp(y) * ops.sum(g, axis=-1, keepdims=True), 1),
    "transpose": ("affine", 0, lambda g, y, x, W, b: ops.gemm(g, ops.transpose(ops.reshape(W, shape=W.shape[::-1])), tb=True), 1),
    "transpose of a cycle": ("transpose", 0, lambda g, y, x, axes=None: ops.transpose(g, axes=axes), 1),
    "missing sum over the batch": ("affine", 2, lambda g, y, x, W, b: g[0], 1),
    "mean for sum over the batch": ("affine", 2, lambda g, y, x, W, b: ops.mean(g, axis=0), 1),
    "missing sum over what was broadcast": ("add", 1, lambda g, y, a, b: g, 1),
    "missing batch size": ("bce_with_logits", 0, lambda g, y, z, t: g * (ops.sigmoid(z) - t), 1),
    "factor": ("tanh_gate", 1, lambda h, z, g, y: -1.0 * (h * g * y), 1),
    "forgotten local derivative": ("sigmoid", 0, lambda g, y, x: g, 1),
    "y for 1 - y": ("sigmoid_gate", 0, lambda h, z, g, y: h * y * y, 1),
    "swapped arguments": ("multiply", 0, lambda g, y, a, b: ops.sum_to(g * a, shape=np.shape(a)), 1),
    "dropped slope": ("leaky_relu", 0, lambda g, y, x, slope=0.2: ops.leaky_gate(g, y, slope=0.0), 1),
    "a rule that reads a raw array": ("tanh", 0, lambda g, y, x: g * (1 - raw(y) ** 2), 2),
    "a raw array in a product": ("multiply", 0, lambda g, y, a, b: ops.sum_to(g * raw(b), shape=np.shape(a)), 2),
    "a gate without its own rule": ("sigmoid_gate", 1, ops.zero_derivative, 1),
    "an arrow forgotten at order 2": ("exp", 0, lambda g, y, x: g * np.exp(raw(x)), 2),
}  # fmt: skip


@pytest.mark.parametrize("bug", PLANTED)
def test_a_planted_wrong_rule_is_caught_by_name(bug, monkeypatch):
    name, argument, wrong, order = PLANTED[bug]
    op = PRIMITIVES[name]
    rules = list(op.rules)
    rules[argument] = wrong
    monkeypatch.setattr(op, "rules", tuple(rules))
    cases = [case for case in primitive_cases() if case.primitive is op]
    check = check_order_1 if order == 1 else check_order_2
    caught = pytest.raises(AssertionError, match=rf"{name}, argument \d, order {order}")
    with caught:
        [check(case) for case in cases]
    if order == 2:  # such a bug passes every test of first derivatives
        for case in cases:
            check_order_1(case)


def test_a_forward_pass_that_overwrites_the_cache_is_caught(monkeypatch):
    """The cache-on-self bug, planted into Dense: its gradient then uses the last x, not its own."""
    net = Network([Dense(3, 2, rng=0), LeakyReLU()]).astype(np.float64)
    rng = np.random.default_rng(0)
    real, fake, g = (
        rng.standard_normal((4, 3)),
        rng.standard_normal((4, 3)),
        rng.standard_normal((4, 2)),
    )
    expected = numerical(lambda: np.sum(g * net(real)), net.theta)

    def gradient_at_real_after_a_fake_pass():
        _, pull = net.forward(real)
        net.forward(fake)
        return pull(g, wrt="params")

    np.testing.assert_allclose(gradient_at_real_after_a_fake_pass(), expected, rtol=1e-6, atol=1e-9)
    last, right = {}, Dense.parameter_gradient
    monkeypatch.setattr(
        "npgan.kernels.passes.rules_only", True
    )  # the fused kernels would not call it
    monkeypatch.setattr(Dense, "check", lambda layer, x: last.update({layer: x}))
    monkeypatch.setattr(
        Dense, "parameter_gradient", lambda layer, g, x, y: right(layer, g, last[layer], y)
    )
    with pytest.raises(AssertionError):
        np.testing.assert_allclose(
            gradient_at_real_after_a_fake_pass(), expected, rtol=1e-6, atol=1e-9
        )
