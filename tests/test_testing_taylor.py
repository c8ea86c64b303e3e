"""The Taylor test of functions that are linear between kinks, and bugs that change nothing but roundings."""

import numpy as np
import pytest

from npgan.testing import check_power, taylor_test

rng = np.random.default_rng(0)


def pool(x):
    return np.maximum(x[:, 0::2], x[:, 1::2])


def d_pool(g, x):
    d, first = np.zeros_like(x), x[:, 0::2] >= x[:, 1::2]
    d[:, 0::2], d[:, 1::2] = g * first, g * ~first
    return d


def largest_three(x):
    return np.sort(x, axis=1)[:, -3:].sum(axis=1)


def d_largest_three(g, x):
    return g[:, None] * (x >= np.sort(x, axis=1)[:, -3:-2])


def variation(x):
    return np.abs(np.diff(x, axis=1))


def d_variation(g, x):
    s = g * np.sign(np.diff(x, axis=1))
    return np.pad(s, ((0, 0), (1, 0))) - np.pad(s, ((0, 0), (0, 1)))


def relu_and_tanh(x):
    return np.tanh(np.maximum(x, 0)) + x.dtype.type(0.1) * x**2


def d_relu_and_tanh(g, x):
    return g * ((x > 0) * (1 - np.tanh(np.maximum(x, 0)) ** 2) + x.dtype.type(0.2) * x)


# Not in the issue: the hinge, leaky ReLU, total variation, a median, kinks in a curved function.
LINEAR = {
    "max-pool": (pool, d_pool),
    "top-k": (largest_three, d_largest_three),
    "clip": (lambda x: np.clip(x, -1, 1), lambda g, x: g * (np.abs(x) < 1)),
    "relu": (lambda x: np.maximum(x, 0), lambda g, x: g * (x > 0)),
    "abs": (np.abs, lambda g, x: g * np.sign(x)),
    "hinge": (lambda x: np.maximum(0, 1 - x), lambda g, x: -g * (x < 1)),
    "leaky": (lambda x: np.where(x > 0, x, x / 5), lambda g, x: g * np.where(x > 0, 1, 1 / 5).astype(x.dtype)),
    "total variation": (variation, d_variation),
    "median": (lambda x: np.median(x, axis=0), lambda g, x: g * (x == np.median(x, axis=0))),
    "relu, curved": (relu_and_tanh, d_relu_and_tanh),
}  # fmt: skip


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", LINEAR)
def test_a_function_that_is_linear_between_kinks(name, dtype):
    f, g = LINEAR[name]
    for seed in range(5):
        x = np.random.default_rng(seed).standard_normal((5, 6 if name != "median" else 4))
        x = x.astype(dtype)
        assert taylor_test(f, g, (x,), style="dout", seed=seed).passed
        for factor in (1.05, 1 + 1e-4):
            wrong = lambda d, x, factor=factor: factor * np.asarray(g(d, x), np.float64)
            assert not taylor_test(f, wrong, (x,), style="dout", seed=seed).passed


@pytest.mark.parametrize("name", ["relu", "abs", "leaky", "clip", "relu, curved", "max-pool"])
@pytest.mark.parametrize("distance", [0.0, 1e-5, 1e-9])
def test_on_a_kink_and_near_one(name, distance):
    f, g = LINEAR[name]
    for seed in range(4):
        x = np.random.default_rng(seed).standard_normal((5, 6))
        x[::2, ::2] = distance + (name == "clip")
        if name == "max-pool":
            x[:, 0] = x[:, 1] + distance
        assert taylor_test(f, g, (x,), style="dout", seed=seed).passed
        wrong = lambda d, x: 1.01 * g(d, x)
        assert not taylor_test(f, wrong, (x,), style="dout", seed=seed).passed


def test_a_wrong_value_at_a_smooth_point_is_not_excused():
    """sin(x) / x at 0: no kink, so no other point is tried."""
    s = lambda x: np.where(x == 0, 1, x)
    slope = lambda x: (np.cos(s(x)) * s(x) - np.sin(s(x))) / s(x) ** 2
    x = np.array([0.0, 1.0, 2.0, -1.0])
    for at_0, passes in ((0.0, True), (1.0, False)):
        grad = lambda d, x, at_0=at_0: d * np.where(x == 0, at_0, slope(x))
        found = taylor_test(lambda x: np.sinc(x / np.pi), grad, (x,), style="dout")
        assert found.passed == passes


def test_a_step_outside_the_domain_is_left_out():
    def logarithm(x):
        return {True: np.log}[bool((x > 0).all())](x)

    x = np.array([0.1, 1.0, 2.0])
    assert taylor_test(logarithm, lambda d, x: d / x, (x,), style="dout").passed
    assert not taylor_test(logarithm, lambda d, x: 1.01 * d / x, (x,), style="dout").passed


GRAM = rng.standard_normal((4, 4))
SYMMETRIC = GRAM @ GRAM.T + np.eye(4)


@pytest.mark.parametrize(
    ("func", "grad", "same"),
    [
        (lambda a: np.linalg.slogdet(a)[1], lambda a: np.linalg.inv(a).T, "transposed"),
        (lambda a: np.sum(GRAM * a**2), lambda a: 2 * GRAM * a, None),
        (lambda a: np.sum(np.linalg.inv(a) ** 2), lambda a: -2 * np.linalg.inv(a).T @ np.linalg.inv(a) @ np.linalg.inv(a).T, "transposed"),
        (lambda a: np.trace(np.linalg.matrix_power(a, 3)) / 3, lambda a: (a @ a).T, "transposed"),
    ],
    ids=["log det", "not symmetric", "norm of the inverse", "trace of a cube"],
)  # fmt: skip
def test_an_equal_gradient_is_no_bug_that_was_missed(func, grad, same):
    power = check_power(func, grad, SYMMETRIC)
    assert power.missed == []
    assert ("a: transposed" in power.same) == (same is not None)
    assert "a: x (1 + 1e-6)" in power.caught


def test_zero_but_for_rounding_is_equal_to_its_negative():
    """With a test of the user's; by default a gradient of zero is INCONCLUSIVE."""
    x, b = rng.standard_normal((6, 3)), rng.standard_normal(3)

    def centred(x, b):
        return np.tanh(x + b - (x + b).mean(axis=0))

    def d_centred(g, x, b):
        d = g * (1 - centred(x, b) ** 2)
        d = d - d.mean(axis=0)
        return d, d.sum(axis=0)

    power = check_power(centred, d_centred, (x, b), test=lambda grad: True)
    assert {"b: sign", "b: zero", "b: x 2"} <= set(power.same)
    assert {"x: sign", "x: x (1 + 1e-6)"} <= set(power.missed)
