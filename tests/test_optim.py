"""Optimisers against tables computed by hand, and their state."""

from fractions import Fraction

import numpy as np
import pytest

from npgan import SGD, Adam, Dense, Discriminator, Network, use_kernels

both_sets = pytest.fixture(params=["reference", "compiled"])(lambda request: request.param)


@pytest.fixture(autouse=True)
def kernels(both_sets):
    use_kernels(both_sets)
    yield
    use_kernels("auto")


def test_five_adam_steps_follow_the_table():
    """theta from 1, gradients 1, -2, 3, 0, 0.5; lr 0.1, β1 0.5, β2 0.75, eps 0.

    The table was computed with rational numbers.

    t     m          v             m/(1-β1^t)   v/(1-β2^t)
    1     1/2        1/4           1            1
    2    -3/4        19/16         -1           19/7
    3     9/8        201/64        9/7          201/37
    4     9/16       603/256       3/5          603/175
    5    17/32       1873/1024     17/31        1873/781
    """
    table = [(1, 1), (-1, Fraction(19, 7)), (Fraction(9, 7), Fraction(201, 37)),
             (Fraction(3, 5), Fraction(603, 175)), (Fraction(17, 31), Fraction(1873, 781))]  # fmt: skip
    theta = np.array([1.0])
    adam = Adam(theta, lr=0.1, beta1=0.5, beta2=0.75, eps=1e-300)
    expected = 1.0
    for g, (m_hat, v_hat) in zip((1.0, -2.0, 3.0, 0.0, 0.5), table, strict=True):
        adam.step(np.array([g]))
        expected -= 0.1 * float(m_hat) / np.sqrt(float(v_hat))
        np.testing.assert_allclose(theta, expected, rtol=1e-14)
    np.testing.assert_allclose(
        [adam.slots["m"][0], adam.slots["v"][0]], [17 / 32, 1873 / 1024], rtol=1e-14
    )


def test_eps_stands_outside_the_root():
    theta = np.zeros(1)
    Adam(theta, lr=1.0, eps=0.5).step(np.array([1.0]))
    np.testing.assert_allclose(theta, -1 / (1 + 0.5), rtol=1e-12)


@pytest.mark.parametrize("beta1", [0.5, 0.0])
def test_adam_follows_the_algorithm_over_many_numbers(beta1):
    rng = np.random.default_rng(0)
    theta = rng.standard_normal(1003)
    adam, mine = Adam(theta, lr=3e-3, beta1=beta1, beta2=0.99), theta.copy()
    m = v = np.zeros(1003)
    for t in range(1, 31):
        g = rng.standard_normal(1003) * 10.0 ** rng.integers(-6, 3, 1003)
        adam.step(g)
        m, v = beta1 * m + (1 - beta1) * g, 0.99 * v + 0.01 * g * g
        mine -= 3e-3 * (m / (1 - beta1**t)) / (np.sqrt(v / (1 - 0.99**t)) + 1e-8)
    np.testing.assert_allclose(theta, mine, rtol=1e-12, atol=1e-14)


def test_sgd_with_momentum_follows_the_table():
    theta = np.array([1.0])
    sgd = SGD(theta, lr=0.5, momentum=0.5)
    for g, expected in ((1.0, 0.5), (1.0, -0.25), (0.0, -0.625), (-2.0, 0.1875)):
        sgd.step(np.array([g]))
        np.testing.assert_allclose(theta, expected, rtol=1e-15)


@pytest.mark.parametrize("make", [lambda p: Adam(p, 0.1), lambda p: SGD(p, 0.1, momentum=0.9)])
def test_state_restored_goes_on_with_the_same_bits(make):
    rng = np.random.default_rng(0)
    gradients = rng.standard_normal((6, 50)).astype(np.float32)
    whole = np.ones(50, np.float32)
    optimiser = make(whole)
    for g in gradients[:3]:
        optimiser.step(g)
    kept, state = whole.copy(), optimiser.state()
    for g in gradients[3:]:
        optimiser.step(g)
    again = make(kept)
    again.restore(state)
    for g in gradients[3:]:
        again.step(g)
    np.testing.assert_array_equal(kept, whole)
    with pytest.raises(ValueError, match="expected"):
        make(np.ones(3, np.float32)).restore(state)


def test_defaults_are_those_of_the_paper():
    defaults = {"lr": 1e-3, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8}
    assert Adam(np.ones(3)).hyper == defaults
    assert SGD(np.ones(3)).hyper == {"lr": 0.01, "momentum": 0.0}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_state_has_thetas_dtype_and_is_a_copy(dtype):
    for optimiser in (Adam(np.ones(3, dtype)), SGD(np.ones(3, dtype))):
        optimiser.step([1.0, 2.0, 3.0])
        state = optimiser.state()
        assert state.pop("t") == 1
        for name, array in state.items():
            assert array.dtype == dtype
            array[:] = 7
            assert np.all(optimiser.slots[name] != 7)


@pytest.mark.parametrize("make", [Adam, SGD])
def test_restore_keeps_the_state_in_its_memory(make):
    optimiser = make(np.ones(3, np.float32))
    before = dict(optimiser.slots)
    optimiser.restore({"t": 5, **{name: np.full(3, 7.0) for name in before}})
    assert optimiser.t == 5
    for name, slot in optimiser.slots.items():
        assert slot is before[name]
        np.testing.assert_array_equal(slot, np.full(3, 7, np.float32))


@pytest.mark.filterwarnings("ignore:invalid value")
def test_a_bad_gradient_names_the_kind_of_network():
    with pytest.raises(FloatingPointError, match=r"gradient of Discriminator 0\.W\[0, 0\] is nan"):
        SGD(Discriminator(3, ())).step(np.full(4, np.nan, np.float32))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("make", [Adam, SGD])
@pytest.mark.filterwarnings("ignore:invalid value")
def test_a_gradient_that_is_not_finite_is_named(make, bad):
    net = Network([Dense(3, 2, rng=0)])
    g = np.zeros(8, np.float32)
    g[5] = bad
    with pytest.raises(FloatingPointError, match=r"0.W\[2, 1\]"):
        make(net).step(g)
    with pytest.raises(FloatingPointError, match=r"\[5\]"):
        make(net.theta).step(g)


@pytest.mark.parametrize(
    ("wrong", "error", "words"),
    [
        (lambda: Adam(np.ones(3)).step(np.ones(4)), ValueError, r"shape \(4,\), theta has \(3,\)"),
        (lambda: Adam(np.ones((3, 3))), TypeError, "flat vector"),
        (lambda: Adam("G"), TypeError, "flat vector"),
        (lambda: Adam(np.ones(3), lr=0), ValueError, "lr=0"),
        (lambda: Adam(np.ones(3), lr=-1), ValueError, "lr=-1"),
        (lambda: Adam(np.ones(3), lr=np.nan), ValueError, "lr=nan"),
        (lambda: Adam(np.ones(3), beta1=1.0), ValueError, "beta1=1.0"),
        (lambda: Adam(np.ones(3), beta1=-0.1), ValueError, r"beta1=-0.1; it must lie in \[0, 1\)"),
        (lambda: Adam(np.ones(3), beta2=1.0), ValueError, "beta2=1.0"),
        (lambda: Adam(np.ones(3), eps=0), ValueError, "eps=0"),
        (lambda: Adam(np.ones(3), lr=np.inf), ValueError, "lr=inf"),
        (lambda: SGD(np.ones(3), momentum=-0.1), ValueError, "momentum=-0.1"),
        (lambda: SGD(np.ones(3), momentum=1), ValueError, "momentum=1"),
        (lambda: SGD(np.ones(3)).step(np.ones((1, 3))), ValueError, r"shape \(1, 3\)"),
        (lambda: SGD([1.0, 2.0]), TypeError, "flat vector"),
    ],
)
def test_errors_say_what_to_do(wrong, error, words):
    with pytest.raises(error, match=words):
        wrong()
