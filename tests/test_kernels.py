"""Both kernel sets through one suite: `reference` is NumPy, `compiled` is Numba."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from npgan import kernels, use_kernels
from npgan.kernels import reference


@pytest.fixture(params=["reference", "compiled"], autouse=True)
def active(request):
    assert use_kernels(request.param) == request.param
    yield
    use_kernels("auto")


def numbers(shape, dtype, seed=0, scale=3.0):
    x = np.random.default_rng(seed).standard_normal(shape) * scale
    return x.astype(dtype)


def views(x):
    """The same numbers in memory of other layouts."""
    padded = np.zeros((*x.shape[:-1], 2 * x.shape[-1]), x.dtype) if x.ndim else x
    if x.ndim:
        padded[..., ::2] = x
    return [x, np.asfortranarray(x), padded[..., ::2] if x.ndim else x]


ROUNDING = {np.float32: dict(rtol=4e-6, atol=1e-6), np.float64: dict(rtol=1e-14, atol=1e-14)}
ELEMENTWISE = {
    "leaky_relu": lambda x: (x, 0.2),
    "leaky_gate": lambda x: (x, x[::-1] if x.ndim else -x, 0.3),
    "tanh": lambda x: (x,),
    "tanh_gate": lambda x: (x, np.tanh(x)),
    "sigmoid": lambda x: (x,),
    "sigmoid_gate": lambda x: (x, np.tanh(x)),
    "softplus": lambda x: (x,),
}
TRUTH = {  # in float64, written another way
    "leaky_relu": lambda x, slope: np.maximum(x, 0) + slope * np.minimum(x, 0),
    "leaky_gate": lambda g, y, slope: g * (slope + (1 - slope) * (y > 0)),
    "tanh": lambda x: 1 - 2 / (np.exp(2 * x) + 1),
    "tanh_gate": lambda g, y: g - g * y**2,
    "sigmoid": lambda x: 0.5 + 0.5 * np.tanh(x / 2),
    "sigmoid_gate": lambda g, y: g * y - g * y**2,
    "softplus": lambda x: np.logaddexp(0, x),
}


@pytest.mark.parametrize("name", ELEMENTWISE)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@given(shape=st.lists(st.integers(0, 7), max_size=3).map(tuple), seed=st.integers(0, 99))
def test_elementwise_kernels(name, dtype, shape, seed):
    for x in views(numbers(shape, dtype, seed)):
        args = ELEMENTWISE[name](x)
        kept = [np.copy(a) for a in args]
        y = getattr(kernels, name)(*args)
        assert y.shape == x.shape
        assert y.dtype == dtype
        wide = [a.astype(np.float64) if isinstance(a, np.ndarray) else a for a in args]
        np.testing.assert_allclose(y, TRUTH[name](*wide), **ROUNDING[dtype])
        for a, before in zip(args, kept, strict=True):
            np.testing.assert_array_equal(a, before)  # no kernel writes into its arguments


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_edges(dtype):
    x = np.array([-np.inf, -1e4, -0.0, 0.0, 1e4, np.inf, np.nan], dtype)
    with np.errstate(all="raise"):
        np.testing.assert_array_equal(kernels.tanh(x), [-1, -1, 0, 0, 1, 1, np.nan])
        np.testing.assert_array_equal(kernels.sigmoid(x), [0, 0, 0.5, 0.5, 1, 1, np.nan])
        np.testing.assert_allclose(
            kernels.softplus(x), [0, 0, np.log(2), np.log(2), 1e4, np.inf, np.nan], rtol=1e-7
        )
        np.testing.assert_allclose(
            kernels.leaky_relu(x, 0.5), [-np.inf, -5e3, 0, 0, 1e4, np.inf, np.nan]
        )
        # At a kink the slope of the negative side is used; a NaN does not count as positive.
        np.testing.assert_array_equal(
            kernels.leaky_gate(np.ones_like(x), x, 0.5), [0.5, 0.5, 0.5, 0.5, 1, 1, 0.5]
        )


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.filterwarnings("error")
def test_no_kernel_warns_or_raises_whatever_seterr_says(dtype):
    """At overflow, underflow, and invalid numbers."""
    limits = np.finfo(dtype)
    x = np.array(
        [limits.max, -limits.max, limits.tiny, limits.smallest_subnormal, 90, -800, 0, 1], dtype
    )
    x = np.array([*x, np.inf, -np.inf, np.nan, -limits.tiny], dtype).reshape(4, 3)
    T, gate = np.ascontiguousarray(x.T), np.ones((4, 4), dtype)
    calls = {
        "gemm": (x, T),
        "affine": (x, T, x[:, 0]),
        "affine_leaky": (x, T, x[:, 0], 0.2),
        "gemm_gate": (x, x, gate, 0.2),
        "weight_gradients": (x, x, np.empty((3, 3), dtype), np.empty(3, dtype)),
        "column_sum": (x,),
        "bce_with_logits": (x, x),
        "bce_with_gradient": (x, 1.0),
        "mean_sigmoid": (x,),
        "sgd": (x.ravel().copy(), x.ravel(), x.ravel().copy(), 0.1, 0.9),
        "adam": (x.copy(), x, x.copy(), abs(x), 0.1, 0.5, 0.9, 1e-8, 1),
        "ema_update": (x.copy(), x, 0.9),
        **{name: arguments(x) for name, arguments in ELEMENTWISE.items()},
    }
    assert set(calls) == set(kernels.NAMES)
    for mode in ("raise", "warn"):
        for name, arguments in calls.items():
            with np.errstate(all=mode):
                getattr(kernels, name)(*arguments)


SIZES = st.one_of(st.integers(0, 9), st.sampled_from([15, 16, 17, 31, 32, 33, 49, 64, 100]))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@given(m=SIZES, k=SIZES, n=SIZES, layout=st.integers(0, 2))
def test_products(dtype, m, k, n, layout):
    x, W, b, y = (
        numbers(shape, dtype, i) for i, shape in enumerate([(m, k), (k, n), (n,), (m, n)])
    )
    X, V = views(x)[layout], views(W)[layout]
    T = np.ascontiguousarray
    wide = x.astype(np.float64) @ W.astype(np.float64)
    leaky = np.where(wide + b > 0, wide + b, 0.2 * (wide + b))
    tolerance = {np.float32: 1e-4, np.float64: 1e-12}[dtype]
    dW, db = np.full((m, n), np.nan, dtype), np.full(n, np.nan, dtype)
    kernels.weight_gradients(T(x.T), V, dW, db)
    for got, expected in (
        (kernels.gemm(X, V), wide),
        (kernels.gemm(X, T(W.T), tb=True), wide),
        (kernels.gemm(T(x.T), V, ta=True), wide),
        (kernels.affine(X, V, b), wide + b),
        (kernels.affine_leaky(X, V, b, 0.2), leaky),
        (kernels.gemm_gate(X, T(W.T), y, 0.2), np.where(y > 0, wide, 0.2 * wide)),
        (dW, wide),
        (db, W.astype(np.float64).sum(axis=0)),
        (kernels.column_sum(V), W.astype(np.float64).sum(axis=0)),
    ):
        assert got.dtype == dtype
        np.testing.assert_allclose(got, expected, rtol=tolerance, atol=tolerance * max(k, 1))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_fused_kernels_have_the_bits_of_their_parts(dtype):
    """What lets a network take its shortcuts and still equal the tape bit for bit."""
    x, W, b, g = (
        numbers(shape, dtype, i) for i, shape in enumerate([(21, 37), (37, 53), (53,), (21, 53)])
    )
    np.testing.assert_array_equal(
        kernels.affine_leaky(x, W, b, 0.2), kernels.leaky_relu(kernels.affine(x, W, b), 0.2)
    )
    np.testing.assert_array_equal(
        kernels.gemm_gate(g, W, x, 0.2), kernels.leaky_gate(kernels.gemm(g, W, tb=True), x, 0.2)
    )
    dW, db = np.empty_like(W), np.empty_like(b)
    kernels.weight_gradients(x, g, dW, db)
    np.testing.assert_array_equal(dW, kernels.gemm(x, g, ta=True))
    np.testing.assert_array_equal(db, kernels.column_sum(g))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("layout", [0, 1, 2])
def test_out_is_filled_whatever_its_layout(dtype, layout):
    a, b = numbers((19, 7), dtype), numbers((7, 35), dtype, 1)
    out = views(np.full((19, 35), np.nan, dtype))[layout]
    assert kernels.gemm(a, b, out=out) is out
    if layout < 2:  # with gaps between its numbers BLAS may add in another order
        np.testing.assert_array_equal(out, kernels.gemm(a, b))
    rounding = 7 * np.finfo(dtype).eps * (abs(a) @ abs(b)).max()
    np.testing.assert_allclose(out, a.astype(float) @ b, rtol=0, atol=rounding)


def test_products_that_do_not_fit_are_refused():
    for ta, tb in ((False, False), (False, True), (True, False)):
        with pytest.raises(ValueError, match=r"multiply|mismatch"):
            kernels.gemm(np.ones((3, 4)), np.ones((5, 6)), ta, tb)


@pytest.mark.filterwarnings("ignore:invalid value")
def test_nan_and_infinity_go_through_a_product():
    a, b = np.ones((9, 5), np.float32), np.ones((5, 40), np.float32)
    a[2, 3], a[4, 1] = np.nan, np.inf
    y = kernels.gemm(a, b)
    assert np.isnan(y[2]).all()
    assert np.isposinf(y[4]).all()
    assert np.isfinite(np.delete(y, [2, 4], axis=0)).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@given(n=st.integers(1, 40), seed=st.integers(0, 99))
def test_bce_with_logits(dtype, n, seed):
    z, t = (
        numbers((n, 1), dtype, seed, 20.0),
        np.random.default_rng(seed).random((n, 1)).astype(dtype),
    )
    for target in (t, dtype(0.0), dtype(1.0)):
        value = kernels.bce_with_logits(z, target)
        wide = z.astype(np.float64)
        expected = np.mean(target * np.logaddexp(0, -wide) + (1 - target) * np.logaddexp(0, wide))
        assert value.dtype == dtype  # a Python float would turn all that follows into float64
        np.testing.assert_allclose(
            value, expected, rtol={np.float32: 1e-5, np.float64: 1e-12}[dtype]
        )


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@given(n=st.integers(1, 40), seed=st.integers(0, 99), scale=st.sampled_from([0.1, 20.0, 2000.0]))
def test_bce_with_gradient_has_the_bits_of_its_parts(dtype, n, seed, scale):
    z = numbers((n, 1), dtype, seed, scale)
    for layout in (z, np.repeat(z, 2, axis=1)[:, :1]):
        for target in (0.0, 1.0):
            value, dz = kernels.bce_with_gradient(layout, target)
            assert value.dtype == dz.dtype == dtype
            assert value == kernels.bce_with_logits(layout, target)
            expected = -kernels.sigmoid(-layout) if target else kernels.sigmoid(layout)
            np.testing.assert_array_equal(dz, expected / n)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@given(n=st.integers(0, 70), t=st.integers(1, 2000), seed=st.integers(0, 99))
def test_optimiser_kernels_agree_with_the_reference(dtype, n, t, seed):
    rng = np.random.default_rng(seed)
    start = [rng.standard_normal(n).astype(dtype) for _ in range(4)]
    start[3] = abs(start[3])
    for name, count, hyper in (
        ("adam", 4, (1e-3, 0.5, 0.999, 1e-8, t)),
        ("adam", 4, (1e-3, 0.0, 0.99, 1e-8, t)),
        ("sgd", 3, (1e-2, 0.9)),
        ("ema_update", 2, (0.99,)),
    ):
        ours, expected = [[a.copy() for a in start[:count]] for _ in range(2)]
        assert getattr(kernels, name)(*ours, *hyper) == getattr(reference, name)(*expected, *hyper)
        for a, b in zip(ours, expected, strict=True):
            np.testing.assert_allclose(a, b, **ROUNDING[dtype])


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("where", [0, 6, 32])
@pytest.mark.filterwarnings("ignore:invalid value")
def test_optimiser_kernels_notice_what_is_not_finite(bad, where):
    g = np.ones(33, np.float32)
    state = [np.ones(33, np.float32) for _ in range(3)]
    assert kernels.adam(state[0], g, state[1], state[2], 1e-3, 0.5, 0.9, 1e-8, 1) is True
    assert kernels.sgd(state[0], g, state[1], 1e-3, 0.5) is True
    g[where] = bad
    assert kernels.adam(state[0], g, state[1], state[2], 1e-3, 0.5, 0.9, 1e-8, 1) is False
    assert kernels.sgd(state[0], g, state[1], 1e-3, 0.5) is False


def test_strided_targets_of_in_place_kernels_are_updated():
    whole = np.zeros(20)
    kernels.ema_update(whole[::2], np.ones(10), 0.5)
    np.testing.assert_array_equal(whole[::2], np.full(10, 0.5))
    np.testing.assert_array_equal(whole[1::2], np.zeros(10))


def test_unknown_kernels_are_refused():
    with pytest.raises(ValueError, match='"auto", "compiled" or "reference", got \'fast\''):
        use_kernels("fast")
    with pytest.raises(AttributeError, match="convolve"):
        kernels.convolve  # noqa: B018


def test_both_sets_have_every_kernel():
    from npgan.kernels import compiled

    for name in kernels.NAMES:
        assert callable(getattr(reference, name))
        assert callable(getattr(compiled, name))
