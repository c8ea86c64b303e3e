"""Convolution and max-pooling: against loops and other libraries, in any shape, dtype and layout."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import numerical

from npgan import Dense, LeakyReLU, Network, Tensor, flatten, grad
from npgan.convolution import Convolution, MaxPool, Reshape, ops
from npgan.ops import sum as total

sizes = st.tuples(st.integers(1, 3), st.integers(1, 6), st.integers(1, 6), st.integers(1, 3))
dtypes = st.sampled_from([np.float32, np.float64])
layouts = st.sampled_from(["C", "F", "reversed", "strided"])


def drawn(shape, dtype, layout, seed):
    """Random numbers in an array of this shape, whose memory has this layout."""
    x = np.random.default_rng(seed).standard_normal(shape).astype(dtype)
    if layout == "F":
        return np.asfortranarray(x)
    if layout == "reversed":
        return np.ascontiguousarray(x[::-1, ::-1])[::-1, ::-1]
    if layout == "strided":
        wide = np.zeros((*shape[:-1], 2 * shape[-1]), dtype)
        wide[..., ::2] = x
        return wide[..., ::2]
    return x


def places(shape, size):
    B, H, W, _ = shape
    return [(n, i, j) for n in range(B) for i in range(H - size + 1) for j in range(W - size + 1)]


@settings(deadline=None, max_examples=60)
@given(shape=sizes, size=st.integers(1, 4), dtype=dtypes, layout=layouts, seed=st.integers(0, 99))
def test_patches_are_the_windows_and_fold_is_their_transpose(shape, size, dtype, layout, seed):
    x = drawn(shape, dtype, layout, seed)
    if size > min(shape[1:3]):
        with pytest.raises(ValueError, match=f"{size} x {size} pixels or more"):
            ops.patches(x, size=size)
        return
    p = ops.patches(x, size=size)
    windows = [x[n, i : i + size, j : j + size].ravel() for n, i, j in places(shape, size)]
    np.testing.assert_array_equal(p, np.array(windows))
    q = drawn(p.shape, dtype, "C", seed + 1)
    y = ops.fold(q, size=size, shape=shape)
    expected = np.zeros(shape)
    for row, (n, i, j) in zip(q, places(shape, size), strict=True):
        expected[n, i : i + size, j : j + size] += row.reshape(size, size, -1)
    assert p.dtype == y.dtype == dtype
    np.testing.assert_allclose(y, expected, rtol=1e-4, atol=1e-5)
    # <patches(x), q> = <x, fold(q)>
    np.testing.assert_allclose(np.vdot(p, q), np.vdot(x, y), rtol=1e-4, atol=1e-4)


@settings(deadline=None, max_examples=40)
@given(
    shape=sizes, size=st.integers(1, 3), outputs=st.integers(1, 3), dtype=dtypes, layout=layouts,
    seed=st.integers(0, 99),
)  # fmt: skip
def test_convolution_is_a_sum_over_each_window(shape, size, outputs, dtype, layout, seed):
    if size > min(shape[1:3]):
        return
    x = drawn(shape, dtype, layout, seed)
    W = drawn((size, size, shape[3], outputs), dtype, layout, seed + 1)
    b = drawn((outputs,), dtype, "C", seed + 2)
    y = ops.convolution(x, W, b)
    assert y.dtype == dtype
    for n, i, j in places(shape, size):
        window = x[n, i : i + size, j : j + size]
        for o in range(outputs):
            expected = np.sum(window.astype(np.float64) * W[..., o]) + b[o]
            np.testing.assert_allclose(y[n, i, j, o], expected, rtol=2e-4, atol=2e-5)


@settings(deadline=None, max_examples=40)
@given(
    batch=st.integers(1, 3), h=st.integers(1, 3), w=st.integers(1, 3), channels=st.integers(1, 3),
    dtype=dtypes, layout=layouts, ties=st.booleans(), seed=st.integers(0, 99),
)  # fmt: skip
def test_the_gradient_of_max_pool_goes_to_the_first_of_the_largest(
    batch, h, w, channels, dtype, layout, ties, seed
):
    shape = batch, 2 * h, 2 * w, channels
    x = drawn(shape, dtype, layout, seed)
    if ties:
        x = np.sign(x)
    y = ops.max_pool(x)
    g, other = drawn(y.shape, dtype, layout, seed + 1), drawn(shape, dtype, layout, seed + 2)
    dx, taken = ops.give(g, y, x), ops.take(other, y, x)
    assert y.dtype == dx.dtype == taken.dtype == dtype
    for n, i, j, c in np.ndindex(y.shape):
        block = np.s_[n, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2, c]
        first = np.argmax(x[block])  # NumPy's is the first, too
        assert y[n, i, j, c] == x[block].ravel()[first]
        np.testing.assert_array_equal(dx[block].ravel(), np.eye(4)[first] * g[n, i, j, c])
        assert taken[n, i, j, c] == other[block].ravel()[first]
    np.testing.assert_allclose(np.vdot(taken, g), np.vdot(other, dx), rtol=1e-4, atol=1e-4)


def test_convolution_and_max_pool_agree_with_torch():
    torch = pytest.importorskip("torch")
    F = torch.nn.functional
    rng = np.random.default_rng(0)
    x, W, b = (rng.standard_normal(s) for s in ((3, 8, 10, 2), (3, 3, 2, 4), (4,)))
    theirs = [torch.tensor(a, requires_grad=True) for a in (x, W, b)]
    X, V, c = theirs
    y = F.max_pool2d(F.conv2d(X.permute(0, 3, 1, 2), V.permute(3, 2, 0, 1), c), 2)
    y = y.permute(0, 2, 3, 1)
    ours = [Tensor(a) for a in (x, W, b)]
    found = ops.max_pool(ops.convolution(*ours))
    np.testing.assert_allclose(found.data, y.detach().numpy(), rtol=1e-12, atol=1e-13)
    first = torch.autograd.grad((y**3).sum(), theirs, create_graph=True)
    our_first = grad(total(found**3), ours, create_graph=True)
    second = torch.autograd.grad(sum((t**2).sum() for t in first), theirs)
    our_second = grad(sum(total(t**2) for t in our_first), ours)
    for a, expected in zip(
        [*(t.data for t in our_first), *our_second], [*first, *second], strict=True
    ):
        np.testing.assert_allclose(a, expected.detach().numpy(), rtol=1e-9, atol=1e-9)


def test_convolution_agrees_with_scipy():
    signal = pytest.importorskip("scipy.signal")
    rng = np.random.default_rng(0)
    x, W = rng.standard_normal((2, 9, 7, 3)), rng.standard_normal((4, 4, 3, 2))
    y = ops.convolution(x, W, np.zeros(2))
    for n, o in np.ndindex(2, 2):
        planes = [signal.correlate(x[n, ..., c], W[..., c, o], "valid") for c in range(3)]
        np.testing.assert_allclose(y[n, ..., o], sum(planes), rtol=1e-11, atol=1e-12)


def network(dtype=np.float64, seed=0):
    rng = np.random.default_rng(seed)
    layers = [
        Reshape(8, 6, 1), Convolution(1, 3, 3, rng), MaxPool(), LeakyReLU(),
        Convolution(3, 2, 2, rng), LeakyReLU(), Reshape(4), Dense(4, 2, rng=rng),
    ]  # fmt: skip
    return Network(layers).astype(dtype)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_network_with_convolutions_has_the_gradients_of_the_tape(dtype):
    net, rng = network(dtype), np.random.default_rng(1)
    x, g = (rng.standard_normal(shape).astype(dtype) for shape in ((5, 48), (5, 2)))
    y, pull = net.forward(x)
    dx, dtheta = pull(g)
    leaf, params = Tensor(x), net.tensors()
    on_tape = net.apply(leaf, params)
    np.testing.assert_array_equal(on_tape.data, y)
    tape_dx, *tape_params = grad(total(on_tape * g), [leaf, *params])
    np.testing.assert_array_equal(tape_dx, dx)
    np.testing.assert_array_equal(flatten(tape_params), dtheta)
    np.testing.assert_array_equal(pull(g, "input"), dx)
    np.testing.assert_array_equal(pull(g, "params"), dtheta)
    if dtype == np.float64:
        loss = lambda: np.sum(g * net(x))
        np.testing.assert_allclose(dtheta, numerical(loss, net.theta), rtol=1e-6, atol=1e-7)
        np.testing.assert_allclose(dx, numerical(loss, x), rtol=1e-6, atol=1e-7)


def test_layers_refuse_what_does_not_fit():
    layer = Convolution(2, 3, 3, rng=0)
    assert repr(layer) == "Convolution(2 -> 3, 3 x 3)"
    for shape in ((4, 2), (4, 5, 5, 1), (4, 2, 5, 2), (4, 5, 5)):
        with pytest.raises(ValueError, match=r"must be \(batch, height, width, 2\)"):
            layer.forward(np.zeros(shape, np.float32))
    for bad in (0, -1, 1.5, True, "3"):
        with pytest.raises(ValueError, match="of 1 or more"):
            Convolution(2, 3, bad)
    for shape in ((1, 3, 4, 1), (1, 4, 3, 1), (4, 4)):
        with pytest.raises(ValueError, match="even H and W"):
            MaxPool().forward(np.zeros(shape, np.float32))


def test_weights_start_with_the_variance_of_he():
    W = Convolution(8, 64, 5, rng=0).params["W"]
    assert W.shape == (5, 5, 8, 64)
    assert W.std() == pytest.approx(np.sqrt(2 / (1.04 * 200)), rel=0.02)
