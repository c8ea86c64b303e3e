"""The tape: the order in which it is walked, the operators of Tensor, the errors."""

import gc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles import numerical

from npgan import Tensor, grad, ops, primitive
from npgan.autograd import PRIMITIVES


def test_a_graph_of_5000_primitives_needs_no_recursion():
    x = Tensor(1.0)
    y = x
    for _ in range(5000):
        y = ops.tanh(y) * 1.0001
    slope = grad(y, x, create_graph=True)
    assert np.isfinite(slope.data)
    assert np.isfinite(grad(slope, x))
    del y, slope
    gc.collect()  # nor does deleting the graph


def test_a_tensor_used_twice_gets_both_gradients():
    x = Tensor(np.array([1.0, 2.0]))
    y = x * x + x  # x is an argument three times
    np.testing.assert_array_equal(grad(y.sum(), x), [3.0, 5.0])


def test_a_diamond_is_walked_once_per_node():
    x = Tensor(1.0)
    y = x
    for _ in range(200):  # 2^200 paths
        y = (y + y) * 0.5
    assert grad(y, x) == 1.0


def test_only_rules_between_y_and_x_are_called():
    calls = []

    @primitive
    def watched(x):
        return x * 1.0

    watched.rules = (lambda g, y, x: calls.append(1) or g,)
    del PRIMITIVES["watched"]
    a, b = Tensor(1.0), Tensor(2.0)
    assert grad(watched(a) * b, b) == 1.0
    assert not calls


def test_gradients_share_no_memory():
    x, y = Tensor(np.ones(3)), Tensor(np.ones(3))
    a, b = grad((x + y).sum(), [x, y])
    a += 1
    np.testing.assert_array_equal(b, np.ones(3))


@pytest.mark.parametrize(
    ("expression", "numpy"),
    [
        (lambda x: x + 2, lambda x: x + 2),
        (lambda x: 2 + x, lambda x: 2 + x),
        (lambda x: x - 2, lambda x: x - 2),
        (lambda x: 2 - x, lambda x: 2 - x),
        (lambda x: x * 3, lambda x: x * 3),
        (lambda x: 3 * x, lambda x: 3 * x),
        (lambda x: x / 4, lambda x: x / 4),
        (lambda x: 4 / x, lambda x: 4 / x),
        (lambda x: x**3, lambda x: x**3),
        (lambda x: 3**x, lambda x: 3**x),
        (lambda x: x**x, lambda x: x**x),
        (lambda x: -x, lambda x: -x),
        (lambda x: x @ np.ones((3, 2)), lambda x: x @ np.ones((3, 2))),
        (lambda x: np.ones((4, 2)) @ x, lambda x: np.ones((4, 2)) @ x),
        (lambda x: np.arange(3.0) * x, lambda x: np.arange(3.0) * x),
        (lambda x: x.sum(0), lambda x: x.sum(0)),
        (lambda x: x.mean(axis=1, keepdims=True), lambda x: x.mean(axis=1, keepdims=True)),
        (lambda x: x.reshape(3, 2), lambda x: x.reshape(3, 2)),
        (lambda x: x.reshape((6,)), lambda x: x.reshape((6,))),
        (lambda x: x.T, lambda x: x.T),
        (lambda x: x[:, 1:], lambda x: x[:, 1:]),
        (lambda x: x[0], lambda x: x[0]),
        (lambda x: x[..., None, -1], lambda x: x[..., None, -1]),
    ],
)
def test_operators_agree_with_numpy_and_are_differentiable(expression, numpy):
    x = np.arange(1.0, 7.0).reshape(2, 3) / 3
    leaf = Tensor(x)
    y = expression(leaf)
    np.testing.assert_allclose(y.data, numpy(x), rtol=1e-14)
    np.testing.assert_allclose(
        grad((y * y).sum(), leaf), numerical(lambda: np.sum(numpy(x) ** 2), x), rtol=1e-6
    )


@given(st.lists(st.integers(0, 3), min_size=1, max_size=12), st.integers(0, 2**32 - 1))
def test_random_programs_agree_with_central_differences(choices, seed):
    rng = np.random.default_rng(seed)
    x, w = rng.uniform(0.5, 1.5, (2, 2)), rng.uniform(-1, 1, (2, 2))

    def program(x):
        for choice in choices:
            x = [
                lambda t: ops.tanh(t @ w),
                lambda t: t * t - t,
                lambda t: t.T + 0.5,
                lambda t: t / (t * t + 1),
            ][choice](x)
        return (x * x).sum()

    leaf = Tensor(x)
    scale = max(1.0, float(program(Tensor(x)).data))
    if scale < 1e3:
        expected = numerical(lambda: float(program(Tensor(x)).data), x)
        np.testing.assert_allclose(
            grad(program(leaf), leaf), expected, rtol=1e-5, atol=1e-5 * scale
        )


def test_numbers_and_integers():
    assert Tensor([1, 2]).dtype == np.float64
    assert Tensor(np.float32(1)).dtype == np.float32
    assert (Tensor(np.ones(2, np.float32)) * 2.5).dtype == np.float32
    assert len(Tensor(np.ones((4, 2)))) == 4


def test_repr_says_what_it_is():
    x = Tensor(np.ones((2, 2)))
    assert repr(x) == "Tensor([[1., 1.],\n        [1., 1.]], shape (2, 2), float64)"
    assert repr(x.sum()) == "Tensor(4., shape (), float64, made by sum)"


@pytest.mark.parametrize(
    ("wrong", "error", "words"),
    [
        (lambda x: grad(x * 2, x), ValueError, r"scalar y, got shape \(2,\).*y\.sum\(\)"),
        (lambda x: grad(x.sum(), Tensor(1.0)), ValueError, r"does not depend on xs\[0\]"),
        (lambda x: grad(x.sum(), [x, Tensor(1.0)]), ValueError, r"does not depend on xs\[1\]"),
        (lambda x: grad(x.sum(), np.ones(2)), TypeError, "wrap what you"),
        (lambda x: grad(1.0, x), TypeError, "needs Tensors"),
        (lambda x: grad(x.sum(), x, unused="maybe"), ValueError, "unused is"),
        (lambda x: Tensor(x), TypeError, "got a Tensor"),
        (lambda x: np.exp(x), TypeError, "Tensor"),
        (lambda x: np.asarray(x), TypeError, "take no Tensors"),
        (lambda x: bool(x), TypeError, "no truth value"),
        (lambda x: x[[0, 1]], TypeError, "integers and slices, got list"),
        (lambda x: x[np.array([True, False])], TypeError, "integers and slices"),
        (lambda x: x[True], TypeError, "integers and slices"),
        (lambda x: ops.get(x, index=[0, 0]), TypeError, "integers and slices"),
        (lambda x: ops.put(x, index=[0, 0], shape=(3,)), TypeError, "integers and slices"),
        (lambda x: np.sum(x), TypeError, "take no Tensors"),
        (lambda x: np.mean(x, axis=0), TypeError, "take no Tensors"),
        (lambda x: x.sum(axes=0), TypeError, "axes"),
        (lambda x: x + "a", TypeError, "unsupported operand"),
        (lambda x: ops.leaky_relu(x, slope=-1.0), ValueError, "slope of 0 or more"),
        (
            lambda p: grad(ops.power(p, 2.0).sum() + ops.power(2.0, p.sum()), p),
            NotImplementedError,
            "no rule for its argument 1",
        ),
    ],
)
def test_errors_say_what_to_do(wrong, error, words):
    with pytest.raises(error, match=words):
        wrong(Tensor(np.ones(2)))


def test_a_primitive_without_a_rule_says_so():
    @primitive
    def ruleless(x):
        return x * 2

    del PRIMITIVES["ruleless"]
    x = Tensor(1.0)
    with pytest.raises(
        NotImplementedError, match=r"ruleless\(\) has no rule for its argument 0; give it one"
    ):
        grad(ruleless(x), x)


def test_unused_zero_gives_zeros_of_the_right_shape_and_kind():
    x, other = Tensor(np.ones(2)), Tensor(np.ones((2, 3), np.float32))
    g = grad(x.sum(), other, unused="zero")
    assert g.shape == (2, 3)
    assert g.dtype == np.float32
    assert isinstance(grad(x.sum(), other, create_graph=True, unused="zero"), Tensor)
