"""Products with a matrix of one column: the bits of all other products, in one compiled call."""

import subprocess
import sys

import numba
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from npgan import kernels, set_threads, use_kernels

SIZES = st.one_of(
    st.integers(0, 9), st.sampled_from([15, 16, 17, 31, 32, 33, 47, 48, 49, 64, 65, 100, 256])
)
DTYPES = st.sampled_from([np.float32, np.float64])


@pytest.fixture(autouse=True)
def compiled():
    use_kernels("compiled")
    from npgan.kernels import compiled

    if compiled.TILE_SHAPE is None:
        pytest.skip("needs a CPU with vector FMAs")
    yield compiled
    set_threads(None)
    use_kernels("auto")


def numbers(shape, dtype, seed, special=False):
    """Random numbers; `special`: among them -0, infinities, NaN, and what underflows as a square."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal(shape).astype(dtype)
    if special:
        few = np.array([-0.0, 0.0, np.inf, -np.inf, np.nan, 0, 0], dtype)
        few[-2:] = np.sqrt(np.finfo(dtype).smallest_subnormal) * np.array([0.3, -0.3], dtype)
        np.copyto(x, rng.choice(few, shape), where=rng.random(shape) < 0.2)
        np.copyto(x, rng.choice(few[[0, 1, 5, 6]], shape), where=rng.random((*shape[:1], 1)) < 0.3)
    return x


def assert_same(x, y):
    """Of the same bits, where a NaN has any."""
    np.testing.assert_array_equal(x, y)
    assert x.dtype == y.dtype
    assert x.shape == y.shape
    np.testing.assert_array_equal(np.signbit(x[x == x]), np.signbit(y[y == y]))


def in_order(a, b):
    """a b, each element one sum of FMAs in the order of its terms: the definition."""
    from npgan.kernels.compiled.elementary import fma

    def loops(a, b, c):
        for i in range(c.shape[0]):
            for j in range(c.shape[1]):
                for p in range(a.shape[1]):
                    c[i, j] = fma(a[i, p], b[p, j], c[i, j])

    global in_order_loops
    if in_order_loops is None:
        in_order_loops = numba.njit(loops)
    c = np.zeros((a.shape[0], b.shape[1]), a.dtype)
    in_order_loops(np.ascontiguousarray(a), np.ascontiguousarray(b), c)
    return c


in_order_loops = None


@given(m=SIZES, k=SIZES, dtype=DTYPES, seed=st.integers(0, 999), special=st.booleans())
def test_each_element_is_one_sum_in_order(m, k, dtype, seed, special):
    a, w = numbers((m, k), dtype, seed, special), numbers((k, 1), dtype, seed + 1, special)
    at, g, bias = np.ascontiguousarray(a.T), numbers((m, 1), dtype, seed + 2, special), w[:1, 0]
    expected = in_order(a, w)
    assert_same(kernels.gemm(a, w), expected)
    assert_same(kernels.gemm(at, w, ta=True), expected)
    if k:
        with np.errstate(all="ignore"):
            assert_same(kernels.affine(a, w, bias), expected + bias)
    assert_same(kernels.gemm(g, w, tb=True), in_order(g, w.T))


@given(m=SIZES, k=SIZES, dtype=DTYPES, threads=st.integers(1, 3))
def test_the_bits_are_those_of_a_job(m, k, dtype, threads):
    from npgan.kernels.compiled.product import multiply

    set_threads(threads)
    a, w, g = numbers((m, k), dtype, 0), numbers((k, 1), dtype, 1), numbers((m, 1), dtype, 2)
    bias = numbers((1,), dtype, 3)
    assert_same(kernels.gemm(a, w), multiply(a, w, False, False))
    assert_same(kernels.gemm(a, g, ta=True), multiply(a, g, True, False))
    assert_same(kernels.gemm(g, w, tb=True), multiply(g, w, False, True))
    assert_same(kernels.affine(a, w, bias), multiply(a, w, False, False, bias=bias))


@given(m=st.integers(1, 70), k=st.integers(0, 70), dtype=DTYPES)
def test_only_the_product_is_written(m, k, dtype):
    ones = lambda *shape: np.ones(shape, dtype)
    for a, b, ta, tb, shape in (
        (ones(m, k), ones(k, 1), False, False, (m, 1)),
        (ones(k, m), ones(k, 1), True, False, (m, 1)),
        (ones(m, 1), ones(k, 1), False, True, (m, k)),
    ):
        field = np.full((shape[0] + 2, shape[1]), 7, dtype)  # the result lies in the middle of it
        out = field[1:-1]
        assert kernels.gemm(a, b, ta, tb, out=out) is out
        np.testing.assert_array_equal(out, np.full(shape, 1 if tb else k, dtype))
        np.testing.assert_array_equal(field[[0, -1]], np.full((2, shape[1]), 7, dtype))


def test_such_products_need_no_job(compiled, monkeypatch):
    def refuse(*args, **more):
        raise AssertionError("a job")

    monkeypatch.setattr(compiled.kernels, "multiply", refuse)
    one = lambda *shape: np.ones(shape, np.float32)
    kernels.gemm(one(40, 50), one(50, 1))
    kernels.gemm(one(50, 40), one(50, 1), ta=True)
    kernels.gemm(one(40, 1), one(50, 1), tb=True)
    kernels.affine(one(40, 50), one(50, 1), one(1))
    with pytest.raises(AssertionError, match="a job"):  # which several threads can share
        kernels.gemm(one(1000, 1000), one(1000, 1))
    with pytest.raises(AssertionError, match="a job"):
        kernels.gemm(one(4, 5), one(5, 2))


def odd_arrays(x):
    """The same numbers in other memory, of other types."""
    wide = np.repeat(x, 2, axis=1)
    unaligned = np.zeros(x.nbytes + 1, np.uint8)[1:].view(x.dtype).reshape(x.shape)
    unaligned[...] = x
    read_only = x.copy()
    read_only.flags.writeable = False
    swapped = x.astype(x.dtype.newbyteorder())
    masked = np.ma.MaskedArray(x)
    return [wide[:, ::2], np.asfortranarray(x), unaligned, read_only, swapped, masked, x.view(Mine)]


class Mine(np.ndarray):
    """A subclass."""


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_other_arrays_are_left_to_the_other_kernels(compiled, dtype):
    column = compiled.column
    functions = column.multiply_nn, column.multiply_tn, column.multiply_nt, column.multiply_nn_add
    a, w, g = numbers((33, 17), dtype, 0), numbers((17, 1), dtype, 1), numbers((33, 1), dtype, 2)
    nn, tn, nt = kernels.gemm(a, w), kernels.gemm(a, g, ta=True), kernels.gemm(g, w, tb=True)
    bias = np.ones(1, dtype)
    sums = kernels.affine(a, w, bias)
    before = [list(function.signatures) for function in functions]
    close = {np.float32: 1e-4, np.float64: 1e-12}[dtype]  # another order, where it is NumPy's
    for odd in odd_arrays(a):
        np.testing.assert_allclose(kernels.gemm(odd, w), nn, rtol=close, atol=close)
        np.testing.assert_allclose(kernels.gemm(odd, g, ta=True), tn, rtol=close, atol=close)
        np.testing.assert_allclose(kernels.affine(odd, w, bias), sums, rtol=close, atol=close)
    for odd in odd_arrays(w):
        np.testing.assert_allclose(kernels.gemm(a, odd), nn, rtol=close, atol=close)
        np.testing.assert_allclose(kernels.gemm(g, odd, tb=True), nt, rtol=close, atol=close)
        np.testing.assert_allclose(kernels.affine(a, odd, bias), sums, rtol=close, atol=close)
    for odd in odd_arrays(np.full((33, 1), np.nan, dtype)):
        if odd.flags.writeable:
            assert kernels.gemm(a, w, out=odd) is odd
            np.testing.assert_allclose(odd, nn, rtol=close, atol=close)
    other = np.float64 if dtype is np.float32 else np.float32
    np.testing.assert_allclose(kernels.gemm(a.astype(other), w), nn, rtol=1e-4, atol=1e-4)
    np.testing.assert_array_equal(
        kernels.gemm(np.ones((3, 4), int), np.ones((4, 1), int)), [[4]] * 3
    )
    assert before == [list(function.signatures) for function in functions]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_an_out_that_overlaps_a_factor(dtype):
    a, w = numbers((20, 20), dtype, 0), numbers((20, 1), dtype, 1)
    nn, tn, nt = kernels.gemm(a, w), kernels.gemm(a, w, ta=True), kernels.gemm(w, w, tb=True)
    close = {np.float32: 1e-4, np.float64: 1e-12}[dtype]
    for ta, expected in ((False, nn), (True, tn)):
        memory = w.copy()
        np.testing.assert_allclose(
            kernels.gemm(a, memory, ta, out=memory), expected, rtol=close, atol=close
        )
        memory = a.copy()
        inside = memory.reshape(-1)[30:50].reshape(20, 1)
        np.testing.assert_allclose(
            kernels.gemm(memory, w, ta, out=inside), expected, rtol=close, atol=close
        )
    memory = np.zeros((20, 20), dtype)
    inside = memory.reshape(-1)[30:50].reshape(20, 1)
    inside[...] = w
    np.testing.assert_allclose(
        kernels.gemm(inside, w, tb=True, out=memory), nt, rtol=close, atol=close
    )


def test_shapes_that_do_not_fit_are_refused():
    one = lambda *shape: np.ones(shape, np.float32)
    for a, b, ta, tb, out in (
        (one(3, 4), one(5, 1), False, False, None),
        (one(3, 4), one(4, 1), True, False, None),
        (one(3, 4), one(4, 1), False, True, None),
        (one(4, 4), one(4, 1), True, True, one(4, 1)),
        (one(3, 4), one(4, 1), False, False, one(4, 1)),
        (one(3, 4), one(4, 1), False, False, one(3, 2)),
        (one(3, 1), one(4, 1), False, True, one(4, 3)),
    ):
        with pytest.raises(ValueError, match=r"multiply|mismatch"):
            kernels.gemm(a, b, ta, tb, out)
    with pytest.raises(ValueError, match="broadcast"):
        kernels.affine(one(3, 4), one(4, 1), one(0))
    assert kernels.gemm(one(3, 0), one(0, 5)).tolist() == [[0] * 5] * 3  # not of one column
    with pytest.raises(ValueError, match="broadcast"):
        kernels.affine(one(3, 4), one(4, 1), one(2))
    assert kernels.affine(one(3, 4), one(4, 1), one(1, 1)).tolist() == [[5]] * 3  # as in NumPy


FIRST_STEPS = """
import numpy as np
from npgan import GAN
from npgan.kernels.compiled import column
gan = GAN(batch=32)
gan.start((28, 28))
for step in range(18):
    gan.step(np.zeros((32, 784), np.float32))
found = column.multiply_nn, column.multiply_tn, column.multiply_nt, column.multiply_nn_add
print([len(function.signatures) for function in found])
"""


def test_training_does_not_compile_them():
    """They would make the first step of a training longer, which has no use for them."""
    done = subprocess.run(
        [sys.executable, "-c", FIRST_STEPS], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[0, 0, 0, 0]"
