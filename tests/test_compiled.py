"""Promises of the compiled kernels alone: no access outside the arrays, the same bits, threads."""

import ctypes
import functools
import mmap
import os
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from npgan import kernels, set_threads, use_kernels
from npgan.kernels import memory


@pytest.fixture(autouse=True)
def compiled():
    use_kernels("compiled")
    from npgan.kernels import compiled

    yield compiled
    set_threads(None)
    use_kernels("auto")


# ---- nothing outside the arrays is read or written ----

PAGE = mmap.PAGESIZE


class Guarded:
    """Memory that ends, or begins, at a protected page: an access outside kills the process."""

    def __init__(self, size):
        self.pages = -(-max(size, 1) // PAGE)
        self.map = mmap.mmap(-1, (self.pages + 2) * PAGE)
        self.base = ctypes.addressof(ctypes.c_char.from_buffer(self.map))
        libc = ctypes.CDLL(None, use_errno=True)
        for page in (0, self.pages + 1):
            assert libc.mprotect(ctypes.c_void_p(self.base + page * PAGE), PAGE, 0) == 0

    def array(self, x, at_end):
        start = PAGE * (1 + self.pages) - x.nbytes if at_end else PAGE
        a = np.frombuffer(self.map, x.dtype, x.size, start).reshape(x.shape)
        a[...] = x
        return a


def guard_run():
    """For a process of its own: every kernel that computes addresses, on arrays at a guard page."""
    from npgan.kernels import compiled

    rng = np.random.default_rng(0)
    for trial in range(120):
        dtype = (np.float32, np.float64)[trial % 2]
        m, k, n = (
            int(rng.choice([1, 2, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 50])) for _ in range(3)
        )
        at_end, kept = bool(trial // 2 % 2), []

        def guarded(*shape):
            x = rng.standard_normal(shape).astype(dtype)  # noqa: B023
            kept.append(Guarded(x.nbytes))  # noqa: B023
            return kept[-1].array(x, at_end)  # noqa: B023

        a, b, y, bias, out = guarded(m, k), guarded(k, n), guarded(m, n), guarded(n), guarded(m, n)
        at, bt = guarded(k, m), guarded(n, k)
        compiled.gemm(a, b, out=out)
        compiled.gemm(a, bt, tb=True, out=out)
        compiled.gemm(at, b, ta=True, out=out)
        compiled.product.multiply(a, b, False, False, out, bias=bias, slope=0.2)
        compiled.product.multiply(a, bt, False, True, out, gate=y, slope=0.2)
        column, row_sums, left = guarded(k, 1), guarded(m, 1), guarded(1)
        assert compiled.column.multiply_nn(a, column, row_sums)
        assert compiled.column.multiply_nn_add(a, column, row_sums, left)
        assert compiled.column.multiply_tn(at, column, row_sums)
        assert compiled.column.multiply_nt(row_sums, guarded(n, 1), out)
        compiled.weight_gradients(at, b, out, bias)
        compiled.column_sum(y)
        if trial % 10 < 4:  # rows of 4096 bytes, of which a block is copied
            wide = 4096 // a.itemsize
            compiled.gemm(guarded(m, wide), guarded(m, 300), ta=True, out=guarded(wide, 300))
        if trial % 10 < 4:  # few rows, which are stored transposed
            few, long, width = (16, 32, 32, 63)[trial % 4], 300 + m, 300 + n
            gate, product = guarded(few, width), guarded(few, width)
            x, W = guarded(few, long), guarded(width, long)
            compiled.product.multiply(x, W, False, True, product, gate=gate, slope=0.2)
        compiled.adam(guarded(n), bias, guarded(n), abs(guarded(n)), 0.1, 0.5, 0.5, 1e-8, 1)
        for name in ("tanh", "sigmoid", "softplus"):
            getattr(compiled, name)(y)
    print("clean")


@pytest.mark.skipif(
    not hasattr(mmap, "PROT_NONE") and sys.platform != "linux", reason="needs mprotect"
)
@pytest.mark.skipif(sys.platform == "win32", reason="needs mprotect")
def test_no_kernel_reads_or_writes_outside_its_arrays():
    code = "import test_compiled; test_compiled.guard_run()"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=os.path.dirname(__file__),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout.strip()) == (0, "clean"), done.stderr[-500:]


@given(
    st.integers(1, 70),
    st.integers(0, 70),
    st.integers(1, 70),
    st.sampled_from([np.float32, np.float64]),
)
def test_only_the_product_is_written(m, k, n, dtype):
    field = np.full((m + 2, n), 7.0, dtype)  # C lies in the middle of it
    compiled_out = field[1:-1]
    kernels.gemm(np.ones((m, k), dtype), np.ones((k, n), dtype), out=compiled_out)
    np.testing.assert_array_equal(compiled_out, np.full((m, n), k, dtype))
    np.testing.assert_array_equal(field[[0, -1]], np.full((2, n), 7.0, dtype))


# ---- products of few rows, which are stored transposed ----


@given(
    m=st.sampled_from([1, 14, 15, 16, 29, 30, 32, 33, 58, 63, 64]),
    n=st.integers(180, 420),
    k=st.integers(200, 420),
    dtype=st.sampled_from([np.float32, np.float64]),
    threads=st.integers(1, 3),
)
def test_few_rows_have_the_bits_of_the_other_way(m, n, k, dtype, threads):
    set_threads(threads)
    rng = np.random.default_rng(0)
    g, W, y = (rng.standard_normal(shape).astype(dtype) for shape in [(m, k), (n, k), (m, n)])
    y[rng.random(y.shape) < 0.2] = np.nan
    y[rng.random(y.shape) < 0.2] = -0.0
    expected = kernels.gemm(g, np.ascontiguousarray(W.T))
    np.testing.assert_array_equal(kernels.gemm(g, W, tb=True), expected)
    gated = kernels.gemm_gate(g, W, y, 0.2)
    np.testing.assert_array_equal(gated, kernels.leaky_gate(expected, y, 0.2))
    field = np.full((m + 2, n), 7.0, dtype)
    kernels.gemm(g, W, tb=True, out=field[1:-1])
    np.testing.assert_array_equal(field[1:-1], expected)
    np.testing.assert_array_equal(field[[0, -1]], np.full((2, n), 7.0, dtype))


def test_both_ways_are_taken(compiled):
    def few(m, n, k):
        return compiled.product.few_rows(m, n, k, 4, threads=2)

    assert few(32, 512, 512)
    assert few(64, 512, 1024)
    assert not few(128, 256, 512)
    assert not few(1, 512, 512)
    assert not few(0, 512, 512)
    assert not few(32, 1, 512)
    assert not few(128, 4096, 4096)  # its panels would not stay in the L2 cache
    assert not compiled.product.few_rows(64, 512, 1024, 4, threads=16)


def test_few_rows_are_a_job_of_strips(compiled):
    jobs = compiled.JobList(np.dtype(np.float32))
    g, W = np.ones((32, 512), np.float32), np.ones((512, 512), np.float32)
    jobs.product(g, W, False, True)
    jobs.product(g, W, False, False)
    assert jobs.rows[:, compiled.job.C_TRANSPOSED].tolist() == [1, 0]
    assert jobs.rows[0, compiled.job.PARTS] == -(-512 // compiled.panel.STRIP_ROWS)


def test_a_slope_without_a_gate_is_no_job_of_strips(compiled):
    """What follows such a product is that of a bias, for which strips have no place."""
    jobs = compiled.JobList(np.dtype(np.float32))
    g, W = np.full((32, 512), -1, np.float32), np.ones((512, 512), np.float32)
    y = jobs.product(g, W, False, True, slope=0.5)
    jobs.finish().compute()
    np.testing.assert_array_equal(y, np.full((32, 512), -256, np.float32))


# ---- the same bits on any number of threads, and for any width of the vectors ----

BITS = """
import hashlib, sys, numpy as np
from npgan import GAN, kernels, set_threads, use_kernels
from npgan.kernels import compiled
set_threads(int(sys.argv[1]))
use_kernels("compiled")
print(compiled.TILE_SHAPE)
digest = hashlib.sha256()
rng = np.random.default_rng(0)
for m, k, n in ((1, 1, 1), (5, 7, 3), (64, 100, 256), (130, 784, 512), (128, 256, 1), (784, 128, 512), (33, 1025, 65),
                (1024, 64, 784), (64, 1, 256)):
    for dtype in (np.float32, np.float64):
        a, b, c = (rng.standard_normal(s).astype(dtype) for s in ((m, k), (k, n), (n,)))
        T = np.ascontiguousarray
        for y in (compiled.gemm(a, b), compiled.gemm(a, T(b.T), tb=True), compiled.gemm(T(a.T), b, ta=True),
                  compiled.affine(a, b, c), compiled.affine_leaky(a, b, c, 0.2), compiled.tanh(a), compiled.sigmoid(a), compiled.softplus(a)):
            digest.update(y.tobytes())
gan = GAN(rng=1, batch=32)
gan.start((28, 28))
for step in range(int(sys.argv[2])):
    gan.step(rng.uniform(-1, 1, (32, 784)).astype(np.float32))
    if step + 1 in (12, 200):
        for net in (gan.generator_, gan.discriminator_, gan.average_, gan.average_D_):
            digest.update(net.theta.tobytes())
        print(digest.hexdigest())
"""


AVX2 = (("NUMBA_CPU_NAME", "haswell"), ("NUMBA_CPU_FEATURES", ""))


@functools.cache
def bits(threads, environment=(), steps=200):
    """The shape of a tile, and the hashes after 12 and 200 steps, from a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", BITS, str(threads), str(steps)],
        env={**os.environ, **dict(environment)},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.splitlines()


def test_the_same_bits_on_one_two_and_five_threads():
    (_, one, _), (_, two, _), (_, five) = bits(1), bits(2), bits(5, steps=12)
    assert one == two == five


@pytest.fixture
def x86(compiled):
    if os.uname().machine != "x86_64" or compiled.TILE_SHAPE is None:
        pytest.skip("needs an x86 CPU with AVX2")


@pytest.mark.usefixtures("x86")
def test_the_same_bits_on_avx2_and_whatever_this_cpu_has():
    (shape, avx2, _), (_, here, _) = bits(2, AVX2), bits(2)
    assert shape == "(6, 1)"
    assert avx2 == here


@pytest.mark.usefixtures("x86")
def test_the_same_bits_after_200_steps():
    assert len({bits(1)[2], bits(2)[2], bits(2, AVX2)[2]}) == 1
    assert bits(2)[1] != bits(2)[2]


@pytest.mark.parametrize(
    ("assembly", "shape"),
    [
        ("vfmadd213ps (%rdi), %zmm1, %zmm0", (8, 2)),
        ("vfmadd213ps (%rdi), %ymm1, %ymm0", (6, 1)),
        ("fmla v0.4s, v1.4s, v2.4s", (6, 1)),
        ("callq fmaf", None),
    ],
)
def test_the_tile_is_chosen_by_the_registers(compiled, assembly, shape):
    assert compiled.tile.choose_tile_shape(assembly) == shape


def test_a_cpu_without_fused_multiply_add_uses_numpys_products(compiled, monkeypatch):
    monkeypatch.setattr(compiled.product, "TILE_SHAPE", None)
    a, b, c = np.ones((3, 4)), np.ones((4, 5)), np.ones(5)
    np.testing.assert_array_equal(compiled.gemm(a, b), a @ b)
    np.testing.assert_array_equal(compiled.affine_leaky(a, b, c, 0.2), a @ b + 1)
    dW, db = np.empty((4, 5)), np.empty(5)
    compiled.weight_gradients(a, np.ones((3, 5)), dW, db)
    np.testing.assert_array_equal(dW, np.full((4, 5), 3.0))
    np.testing.assert_array_equal(db, np.full(5, 3.0))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_rows_of_4096_bytes_are_copied_again_for_every_product(dtype):
    """Aᵀ B with rows of A 4096 bytes apart: the bits of a narrower A, which is not copied."""
    rng, wide = np.random.default_rng(0), 4096 // np.dtype(dtype).itemsize
    for _ in range(3):
        a, b = (
            rng.standard_normal((20, wide)).astype(dtype),
            rng.standard_normal((20, 300)).astype(dtype),
        )
        narrow = kernels.gemm(np.ascontiguousarray(a[:, :-5]), b, ta=True)
        np.testing.assert_array_equal(kernels.gemm(a, b, ta=True)[:-5], narrow)


# ---- threads ----


def big(seed=0):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((200, 300), dtype=np.float32), rng.standard_normal(
        (300, 400), dtype=np.float32
    )


def test_callers_from_several_python_threads_get_right_results():
    set_threads(3)
    a, b = big()
    expected, wrong = kernels.gemm(a, b), []

    def caller():
        for _ in range(60):
            if not np.array_equal(kernels.gemm(a, b), expected):
                wrong.append(1)

    callers = [threading.Thread(target=caller) for _ in range(4)]
    for thread in callers:
        thread.start()
    for thread in callers:
        thread.join()
    assert not wrong


def test_jobs_of_many_shapes_in_quick_succession():
    """A helper that comes late must never work on the next job with the arguments of the last."""
    set_threads(4)
    rng = np.random.default_rng(0)
    cases = []
    for _ in range(12):
        m, k, n = (int(x) for x in rng.integers(100, 300, 3))
        a, b = (
            rng.standard_normal((m, k), dtype=np.float32),
            rng.standard_normal((k, n), dtype=np.float32),
        )
        cases.append((a, b, None))
    set_threads(1)
    cases = [(a, b, kernels.gemm(a, b)) for a, b, _ in cases]
    set_threads(4)
    theta = [np.ones(200_000, np.float32) for _ in range(4)]
    for i in range(240):
        a, b, expected = cases[i % len(cases)]
        np.testing.assert_array_equal(kernels.gemm(a, b), expected)
        kernels.adam(*theta, 1e-3, 0.5, 0.9, 1e-8, i + 1)
    assert len({x.tobytes() for x in np.split(theta[0], 100)}) == 1


def test_helpers_that_fell_asleep_wake_up(compiled):
    set_threads(2)
    a, b = big()
    expected = kernels.gemm(a, b)
    for _ in range(5):
        threading.Event().wait(0.05)  # longer than a helper's patience
        np.testing.assert_array_equal(kernels.gemm(a, b), expected)


@pytest.fixture
def one_core(compiled, monkeypatch):
    """This thread and its helper run on one core and are told of a second; what they ask for."""
    if not hasattr(os, "sched_setaffinity"):
        pytest.skip("needs Linux")
    usable, set_affinity, asked = os.sched_getaffinity(0), os.sched_setaffinity, []
    here = min(usable)
    set_affinity(0, {here})
    set_threads(2)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {here, here + 1})
    monkeypatch.setattr(os, "sched_setaffinity", lambda _, cores: asked.append(cores))
    yield here, asked
    monkeypatch.undo()
    set_affinity(0, usable)


def test_a_helper_on_its_callers_core_leaves_it_and_sleeps_all_the_same(compiled, one_core):
    (here, asked), (a, b) = one_core, big()
    expected = a @ b
    for _ in range(200):
        np.testing.assert_allclose(kernels.gemm(a, b), expected, rtol=1e-3, atol=1e-3)
        if len(asked) >= 4:
            break
    assert asked[:2] == [{here + 1}, {here, here + 1}]
    clock = time.pthread_getcpuclockid(compiled.team.current_team.helpers[0].ident)
    threading.Event().wait(0.05)
    before = time.clock_gettime(clock)
    threading.Event().wait(0.3)
    # Of processor time: it has not asked again and again.
    assert time.clock_gettime(clock) - before < 0.1


def test_a_helper_that_may_not_leave_helps_where_it_is(compiled, one_core, monkeypatch):
    def refuse(_, cores):
        asked.append(cores)
        raise PermissionError

    asked, (a, b) = [], big()
    monkeypatch.setattr(os, "sched_setaffinity", refuse)
    for _ in range(200):
        kernels.gemm(a, b)
        if asked:
            break
    assert asked
    helper = compiled.team.current_team.helpers[0]
    helper.join(0.2)
    assert helper.is_alive()


def test_a_helper_does_not_move_before_there_is_a_job(compiled):
    set_threads(2)
    job = compiled.team.current_team.job
    assert job[compiled.job.CALLER_CORE] == -1
    assert not compiled.worker.on_callers_core(job)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_forked_child_computes_with_helpers_of_its_own():
    set_threads(2)
    a, b = big()
    expected = kernels.gemm(a, b)
    child = os.fork()
    if child == 0:
        os._exit(0 if all(np.array_equal(kernels.gemm(a, b), expected) for _ in range(20)) else 1)
    assert os.waitpid(child, 0)[1] == 0
    np.testing.assert_array_equal(kernels.gemm(a, b), expected)


def test_a_shared_adam_notices_what_is_not_finite():
    set_threads(2)
    for where in (0, 70_000, 199_999):
        for value, finite in ((np.nan, False), (-np.inf, False), (1e30, False), (1.0, True)):
            theta, grad, m, v = (np.ones(200_000, np.float32) for _ in range(4))
            grad[where] = value  # the square of 1e30 is too large for v
            assert kernels.adam(theta, grad, m, v, 1e-3, 0.5, 0.9, 1e-8, 1) is finite


@pytest.mark.parametrize("size", [32_767, 32_768, 50_176, 100_001])
def test_a_shared_tanh_has_the_bits_of_one_alone(size):
    set_threads(2)
    x = np.random.default_rng(0).standard_normal(size).astype(np.float32)
    pieces = np.concatenate([kernels.tanh(piece) for piece in np.array_split(x, 17)])
    np.testing.assert_array_equal(kernels.tanh(x), pieces)
    np.testing.assert_allclose(pieces, np.tanh(x), rtol=1e-6)


@pytest.mark.parametrize("n", [0, -1, 1.5, "2", True, False])
def test_wrong_numbers_of_threads_are_refused(n):
    with pytest.raises(ValueError, match="whole number of 1 or more"):
        set_threads(n)


def test_more_threads_than_are_sensible_are_lowered_with_one_warning(compiled, caplog):
    most = max(64, 4 * os.cpu_count())
    set_threads(30_000)
    assert compiled.thread_count() == kernels.threads == most
    assert [record.message for record in caplog.records] == [
        f"npgan: warning: 30000 threads are too many here; using {most}"
    ]
    caplog.clear()
    set_threads(most)
    assert compiled.thread_count() == most
    assert not caplog.records


# ---- e^x and its relatives ----


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("name", "truth"),
    [
        ("tanh", np.tanh),
        (
            "sigmoid",
            lambda x: np.where(
                x > 0, 1 / (1 + np.exp(-abs(x))), np.exp(-abs(x)) / (1 + np.exp(-abs(x)))
            ),
        ),
        ("softplus", lambda x: np.maximum(x, 0) + np.log1p(np.exp(-abs(x)))),
    ],
)
def test_errors_in_units_of_the_last_place(name, truth, dtype):
    rng = np.random.default_rng(0)
    x = np.concatenate(
        [
            rng.uniform(-40, 40, 40_000),
            rng.choice([-1, 1], 40_000) * 10.0 ** rng.uniform(-12, 2, 40_000),
        ]
    )
    x = x.astype(dtype)
    exact = truth(x.astype(np.longdouble))
    ulps = np.abs(getattr(kernels, name)(x) - exact) / np.spacing(np.abs(exact).astype(dtype))
    assert ulps.max() < {np.float32: 0.51, np.float64: 4.0}[dtype]


def test_another_order_of_summation_gives_other_bits():
    """The tests of bits above can fail."""
    a, b = big()
    backwards = kernels.gemm(np.ascontiguousarray(a[:, ::-1]), np.ascontiguousarray(b[::-1]))
    np.testing.assert_allclose(backwards, kernels.gemm(a, b), rtol=1e-3, atol=1e-3)
    assert np.mean(backwards != kernels.gemm(a, b)) > 0.5


class Marked(np.ndarray):
    """A subclass with a method that behaves differently, as np.matrix has."""

    def ravel(self):
        return self


def test_arrays_that_do_not_fit_are_left_to_the_reference():
    """Found by review: a bias, gate or out of another shape was read beyond its end."""
    one = lambda *shape: np.ones(shape, np.float32)
    np.testing.assert_array_equal(
        kernels.affine(one(2, 3), one(3, 4), np.full(1, 7, np.float32)), np.full((2, 4), 10)
    )
    with pytest.raises(ValueError, match="broadcast"):
        kernels.affine(one(2, 3), one(3, 4), one(2))
    with pytest.raises(ValueError, match="mismatch"):
        kernels.gemm(one(2, 3), one(3, 4), out=one(6, 9))
    np.testing.assert_array_equal(
        kernels.gemm_gate(one(4, 3), one(5, 3), one(1, 5), 0.2), np.full((4, 5), 3)
    )
    out = one(2, 4)
    out.flags.writeable = False
    with pytest.raises(ValueError, match=r"read-only|writ"):
        kernels.gemm(one(2, 3), one(3, 4), out=out)
    a = np.random.default_rng(0).standard_normal((64, 64))
    expected = a @ a
    np.testing.assert_allclose(kernels.gemm(a, a, out=a), expected, rtol=1e-12, atol=1e-12)
    for strange in (
        np.ones((3, 3), ">f4"),
        np.broadcast_to(np.float32(1), (3, 3)),
        np.ones((3, 3)).view(Marked),
    ):
        np.testing.assert_allclose(kernels.tanh(strange), np.tanh(strange), rtol=1e-6)
        np.testing.assert_allclose(kernels.column_sum(strange), [3, 3, 3])
        np.testing.assert_allclose(kernels.gemm(strange, strange), np.full((3, 3), 3))


def test_a_failure_while_the_team_prepares_leaves_it_usable(compiled, monkeypatch):
    set_threads(3)
    a, b = big()
    expected, calls, right = kernels.gemm(a, b), [], memory.empty

    def failing(shape, dtype, *how):
        calls.append(shape)
        if len(calls) == 2:
            raise MemoryError
        return right(shape, dtype, *how)

    set_threads(3)
    assert not compiled.team.current_team.memory
    compiled.team.workspaces.free[0].reserve(300)
    monkeypatch.setattr(memory, "empty", failing)
    with pytest.raises(MemoryError):
        kernels.gemm(a, b)
    monkeypatch.setattr(memory, "empty", right)
    assert not compiled.team.current_team.claim
    for _ in range(5):
        np.testing.assert_array_equal(kernels.gemm(a, b), expected)


@pytest.mark.parametrize("threads", [1, 2])
def test_a_kernel_called_in_the_middle_of_another_disturbs_nothing(compiled, monkeypatch, threads):
    """As a signal handler may: between the writing of a job and its start."""
    set_threads(threads)
    (a, b), (c, d) = big(0), big(1)
    expected, other, inner = kernels.gemm(a, b), kernels.gemm(c, d), []
    write_product = compiled.product.write_product

    def interrupted(*args):
        able = write_product(*args)
        if not inner:
            inner.append(None)
            inner[0] = kernels.gemm(c, d)
        return able

    monkeypatch.setattr(compiled.product, "write_product", interrupted)
    np.testing.assert_array_equal(kernels.gemm(a, b), expected)
    np.testing.assert_array_equal(inner[0], other)


def test_helpers_that_cannot_start_cost_one_warning(compiled, monkeypatch, caplog):
    set_threads(1)
    a, b = big()
    expected = kernels.gemm(a, b)
    set_threads(3)
    monkeypatch.setattr(
        threading.Thread, "start", lambda thread: (_ for _ in ()).throw(RuntimeError("can't start"))
    )
    for _ in range(2):
        np.testing.assert_array_equal(kernels.gemm(a, b), expected)
    assert [record.message for record in caplog.records] == [
        "npgan: warning: can't start; going on with 1 threads"
    ]
    set_threads(1)
