"""Every primitive, every argument, at order 1 and 2: against central differences and HIPS autograd."""

import autograd.numpy as anp
import numpy as np
import pytest
from autograd import grad as hips_grad
from oracles import (
    ORACLES,
    check_order_1,
    check_order_2,
    first_order,
    numerical,
    our_gradient,
    ours,
    second_order,
    their_gradient,
    theirs,
)

from npgan import ops
from npgan.autograd import PRIMITIVES, Tensor, grad
from npgan.testing.own.primitive_cases import primitive_cases

CASES = primitive_cases()
PLACES = ("npgan.ops", "npgan.convolution.ops")
named = pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])


def test_every_primitive_has_a_case_and_an_oracle():
    here = {name for name, p in PRIMITIVES.items() if p.function.__module__ in PLACES}
    assert here == {case.primitive.__name__ for case in CASES}
    assert here == set(ORACLES)


def test_no_two_cases_are_the_same():
    assert len({case.name for case in CASES}) == len(CASES)


@named
def test_the_case_uses_the_primitive_it_names(case):
    y = ours(case)(*(Tensor(a) for a in case.args))
    assert y.made_by[0] is PRIMITIVES[case.primitive.__name__]


@named
def test_value(case):
    np.testing.assert_allclose(
        ours(case)(*case.args), theirs(case)(*case.args), rtol=1e-13, atol=1e-14
    )


@named
def test_order_1_against_central_differences(case):
    check_order_1(case)


@named
@pytest.mark.filterwarnings("ignore:Output seems independent")  # of the gate's second argument
def test_order_1_against_hips_autograd(case):
    found = our_gradient(first_order(ours(case), case.args, ops))(*case.args)
    L = first_order(theirs(case), case.args, anp)
    for g, expected in zip(found, their_gradient(L, len(case.args))(*case.args), strict=True):
        np.testing.assert_allclose(g, expected, rtol=1e-12, atol=1e-13)


@named
def test_order_2_against_central_differences(case):
    check_order_2(case)


@named
@pytest.mark.filterwarnings(
    "ignore:Output seems independent"
)  # a linear primitive's second derivative
def test_order_2_against_hips_autograd(case):
    gradient = our_gradient(first_order(ours(case), case.args, ops))
    found = our_gradient(second_order(gradient, case.args, ops))(*case.args)
    L = first_order(theirs(case), case.args, anp)
    H = second_order(their_gradient(L, len(case.args)), case.args, anp)
    for i, g in enumerate(found):
        np.testing.assert_allclose(g, hips_grad(H, i)(*case.args), rtol=1e-10, atol=1e-11)


@named
def test_float32_stays_float32_and_agrees(case):
    small = [a.astype(np.float32) for a in case.args]
    assert np.asarray(ours(case)(*small)).dtype == np.float32
    gradient = our_gradient(first_order(ours(case), case.args, ops))
    # The weights of first_order are float64 on purpose: a rule must not care what g is.
    for g, expected in zip(gradient(*small), gradient(*case.args), strict=True):
        np.testing.assert_allclose(g, expected, rtol=2e-4, atol=2e-5)


def test_a_third_derivative():
    x = Tensor(0.7)
    first = grad(ops.tanh(x) ** 3, x, create_graph=True)
    third = grad(grad(first, x, create_graph=True), x)
    expected = hips_grad(hips_grad(hips_grad(lambda t: anp.tanh(t) ** 3)))(0.7)
    np.testing.assert_allclose(third, expected, rtol=1e-12)


# ---- the compositions ----


def test_softmax_cross_entropy():
    rng = np.random.default_rng(0)
    z, t = rng.standard_normal((4, 3)), np.eye(3)[[0, 2, 1, 1]]
    L = lambda z: ops.softmax_cross_entropy(z, t)
    probabilities = np.exp(z) / np.exp(z).sum(1, keepdims=True)
    np.testing.assert_allclose(L(z), -np.mean(np.log(probabilities[t == 1])), rtol=1e-13)
    leaf = Tensor(z)
    np.testing.assert_allclose(grad(L(leaf), leaf), (probabilities - t) / 4, rtol=1e-12)
    assert np.isfinite(L(np.array([[1e4, -1e4, 0.0]] * 4)))


@pytest.mark.parametrize("axis", [None, 0, 1, (0, 1)])
def test_mean(axis):
    x = np.arange(12.0).reshape(3, 4)
    np.testing.assert_allclose(ops.mean(x, axis=axis), np.mean(x, axis=axis))
    leaf = Tensor(x)
    np.testing.assert_allclose(grad(ops.mean(leaf, axis=axis).sum(), leaf), np.full((3, 4), {None: 1 / 12, 0: 1 / 3, 1: 1 / 4, (0, 1): 1 / 12}[axis]))  # fmt: skip


@pytest.mark.parametrize(
    ("a", "b"), [((3,), (3,)), ((2, 3), (3,)), ((3,), (3, 2)), ((2, 3), (3, 4))]
)
def test_matmul_of_vectors_and_matrices(a, b):
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal(a), rng.standard_normal(b)
    X, W = Tensor(x), Tensor(w)
    y = X @ W
    np.testing.assert_allclose(y.data, x @ w, rtol=1e-13)
    for g, array in zip(grad((y * y).sum(), [X, W]), (x, w), strict=True):
        np.testing.assert_allclose(
            g, numerical(lambda: np.sum((x @ w) ** 2), array), rtol=1e-6, atol=1e-7
        )
    with pytest.raises(ValueError, match="vectors and matrices"):
        Tensor(np.ones((2, 2, 2))) @ np.ones((2, 2))


# ---- values at the edges ----

EDGES = np.array([-1e4, -100.0, -20.0, 0.0, 20.0, 100.0, 1e4])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_losses_on_logits_are_finite_and_keep_their_gradient(dtype):
    z = EDGES.astype(dtype)[:, None]
    for t, at, slope_there in ((0.0, 2, np.exp(-20.0)), (1.0, 4, -np.exp(-20.0)), (0.5, 3, 0.0)):
        leaf = Tensor(z)
        value = ops.bce_with_logits(leaf, t)
        assert value.dtype == dtype
        assert np.isfinite(value.data)
        slope = grad(value, leaf) * len(z)
        assert np.isfinite(slope).all()
        np.testing.assert_allclose(
            slope[at], slope_there, rtol=1e-5
        )  # σ(20) - 1 would be 0 in float32


def test_bce_agrees_with_the_logit_form_where_it_is_finite():
    z, t = np.linspace(-8, 8, 17), np.linspace(0, 1, 17)
    a, b = Tensor(z), Tensor(z)
    plain, logits = ops.bce(ops.sigmoid(a), t), ops.bce_with_logits(b, t)
    np.testing.assert_allclose(plain.data, logits.data, rtol=1e-12)
    np.testing.assert_allclose(grad(plain, a), grad(logits, b), rtol=1e-9)


def test_small_probabilities_are_not_rounded_away():
    x = np.array([-40.0, -20.0], np.float32)
    np.testing.assert_allclose(ops.sigmoid(x), np.exp(x), rtol=1e-6)
    np.testing.assert_allclose(ops.softplus(x), np.exp(x), rtol=1e-6)


def test_power_at_zero_has_the_slopes_it_should():
    x = Tensor(np.zeros(1))
    for p, slope in ((0, 0.0), (1, 1.0), (2, 0.0)):
        first = grad((x**p).sum(), x, create_graph=True)
        assert first.data == slope
        second = grad(first.sum(), x, unused="zero")
        assert second == (2.0 if p == 2 else 0.0)


def test_targets_may_stretch_to_the_answers_and_not_the_other_way():
    logits = np.zeros((4, 1))
    assert ops.bce_with_logits(logits, np.ones(1)) == ops.bce_with_logits(logits, 1.0)
    for loss in (ops.bce, ops.bce_with_logits):
        with pytest.raises(
            ValueError, match=r"targets of shape \(4,\) do not fit answers of \(4, 1\)"
        ):
            loss(logits + 0.5, np.ones(4))


def test_numbers_are_as_good_as_arrays():
    assert ops.bce_with_logits(np.array([0, 1]), 0.9) == ops.bce_with_logits(
        np.array([0.0, 1.0]), 0.9
    )
    assert ops.sigmoid(0.0) == 0.5
    assert ops.leaky_relu(-1.0) == -0.2
    np.testing.assert_allclose([ops.softplus(0.0), ops.bce_with_logits(0.0, 1.0)], np.log(2))
    assert (2.0 ** Tensor(np.ones(2, np.float32))).dtype == np.float32
    with pytest.raises(TypeError, match="a number p"):
        Tensor(np.ones(2)) ** np.ones(2)
