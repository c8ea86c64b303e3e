"""Passes that are prepared once and computed again: the bits of the rules, and memory of their own."""

import copy
import gc
import pickle
import threading
import weakref

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kernel_caches import compiled_kernels

import npgan
from npgan import Dense, Discriminator, Generator, LeakyReLU, Network, Sigmoid, Tanh, kernels, ops
from npgan.kernels import logits, passes
from npgan.losses import LOSSES, value_and_gradients

compiled = pytest.fixture(autouse=True)(compiled_kernels)


def normal(*shape, seed=0, dtype=np.float32):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def network(hidden=(9, 17), out=5, tanh=True):
    return Generator(7, hidden, out, "tanh" if tanh else "linear", rng=0)


def by_rules(net, x, g, wrt="both"):
    """(y, pull(g)) by the rules alone."""
    npgan.use_rules()
    try:
        y, pull = net.forward(x)
        return y, pull(g, wrt)
    finally:
        npgan.use_rules(False)


def assert_same(results, expected):
    for result, wanted in zip(flat(results), flat(expected), strict=True):
        assert result.dtype == wanted.dtype
        np.testing.assert_array_equal(result, wanted)


def flat(results):
    for one in results:
        yield from one if isinstance(one, tuple) else [one]


def kept(net):
    return net.__dict__.get("passes", [])


@given(
    st.lists(st.integers(1, 40), max_size=3),
    st.integers(1, 40),
    st.integers(1, 40),
    st.booleans(),
    st.sampled_from([np.float32, np.float64]),
    st.sampled_from(["input", "params", "both"]),
    st.integers(1, 3),
)
def test_the_bits_are_those_of_the_rules(hidden, out, batch, tanh, dtype, wrt, threads):
    npgan.set_threads(threads)
    net = network(hidden, out, tanh).astype(dtype)
    for seed in range(3):  # the first pass is prepared, the others use its memory
        x, g = normal(batch, 7, seed=seed, dtype=dtype), normal(batch, out, seed=9, dtype=dtype)
        y, pull = net.forward(x)
        assert_same((y, pull(g, wrt)), by_rules(net, x, g, wrt))
        del pull
    assert len(kept(net)) == 1


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_products_that_threads_share_have_the_bits_of_the_rules(threads):
    npgan.set_threads(threads)
    for net, inputs in ((Generator(rng=0), 100), (Discriminator(rng=0), 784)):
        x, g = normal(48, inputs), normal(48, 784 if inputs == 100 else 1, seed=1)
        for _ in range(2):
            y, pull = net.forward(x)
            assert_same((y, pull(g)), by_rules(net, x, g))


def test_forward_passes_do_not_disturb_each_other():
    net, g = network(), normal(4, 5, seed=9)
    xs = [normal(4, 7, seed=seed) for seed in range(12)]
    first = [by_rules(net, x, g) for x in xs]
    for _ in range(2):
        found = [net.forward(x) for x in xs]
        assert_same([(y, *pull(g)) for y, pull in found], [(y, *d) for y, d in first])
        assert_same([(y, *pull(g)) for y, pull in found], [(y, *d) for y, d in first])
        del found
        assert len(kept(net)) == passes.KEPT


def test_the_caller_may_write_to_all_that_it_gives_and_gets():
    net, x, g = network(), normal(4, 7), normal(4, 5, seed=9)
    expected = by_rules(net, x, g)
    for _ in range(2):
        mine, my_g = x.copy(), g.copy()
        y, pull = net.forward(mine)
        assert_same([y], [expected[0]])
        mine[:], y[:] = np.nan, np.nan
        for _ in range(2):
            dx, dtheta = pull(my_g)
            assert_same([dx, dtheta], [*expected[1]])
            dx[:], dtheta[:] = np.nan, np.nan
        my_g[:] = np.nan
        del pull


def test_gradients_are_in_memory_of_their_own():
    net, g = network(), normal(4, 5)
    _, pull = net.forward(normal(4, 7))
    one, two = pull(g), pull(g)
    arrays = [*one, *two, pull(g, "input"), pull(g, "params")]
    for i, a in enumerate(arrays):
        assert not any(np.may_share_memory(a, b) for b in arrays[:i])
        assert not any(np.shares_memory(a, value) for p in kept(net) for value in p.values.values())


@pytest.mark.parametrize("layout", [np.asfortranarray, lambda a: np.repeat(a, 2, 1)[:, ::2]])
def test_any_layout_of_x_and_g(layout):
    net, x, g = network(), normal(6, 7), normal(6, 5, seed=9)
    for _ in range(2):
        y, pull = net.forward(layout(x))
        assert_same((y, pull(layout(g))), by_rules(net, x, g))


def test_a_read_only_gradient():
    net, x, g = network(), normal(6, 7), normal(6, 5, seed=9)
    g.flags.writeable = False
    y, pull = net.forward(x)
    assert_same((y, pull(g)), by_rules(net, x, g))


def test_memory_is_used_again_and_little_is_kept():
    net = network()
    _, pull = net.forward(normal(4, 7))
    (first,) = kept(net)
    assert not first.is_free()
    del pull
    assert first.is_free()
    for seed in range(3):
        net.forward(normal(4, 7, seed=seed))
        assert kept(net) == [first]
    for batch in range(1, 3 * passes.KEPT):
        net.forward(normal(batch, 7))
    assert len(kept(net)) == passes.KEPT
    before = list(kept(net))
    large = passes.LARGEST_PASS // (4 * (7 + 9 + 17 + 5)) + 1
    net.forward(np.zeros((large, 7), np.float32))
    assert kept(net) == before
    net.forward(np.zeros((large - 1, 7), np.float32))
    assert kept(net)[-1].x.shape[0] == large - 1
    for _ in range(passes.KEPT):
        net.forward(np.zeros((large - 1, 7), np.float32))
        assert sum(one.bytes for one in kept(net)) <= passes.LARGEST
    pulls = [net.forward(np.zeros((large - 1, 7), np.float32))[1] for _ in range(passes.KEPT)]
    assert sum(one.bytes for one in kept(net)) <= passes.LARGEST
    del pulls
    net.bind(net.theta.copy())
    for batch in range(passes.KEPT + 1):
        net.forward(normal(1 + batch, 7))
    assert all(one.parts.theta is net.theta for one in kept(net))
    assert sum(one.bytes for one in kept(net)) <= passes.LARGEST


def test_the_memory_is_freed_with_the_network():
    net = network()
    _, pull = net.forward(normal(4, 7))
    (one,) = map(weakref.ref, kept(net))
    del net, pull
    gc.collect()
    assert one() is None


def test_a_pullback_that_a_finaliser_has_kept_is_refused():
    class Cycle:
        def __del__(self):
            found.append(self.pull)

    found, net, g = [], network(), normal(4, 5, seed=9)
    cycle = Cycle()
    cycle.itself, cycle.pull = cycle, net.forward(normal(4, 7))[1]
    del cycle
    gc.collect()
    y, pull = net.forward(normal(4, 7, seed=1))
    with pytest.raises(RuntimeError, match="call forward again"):
        found[0](g)
    assert_same((y, pull(g)), by_rules(net, normal(4, 7, seed=1), g))


def changed_rule(monkeypatch, net):
    monkeypatch.setattr(ops.tanh, "rules", (lambda g, y, x: 3.0 * ops.tanh_gate(g, y),))


def changed_rule_in_numpy(monkeypatch, net):
    monkeypatch.setattr(ops.tanh, "rules", (lambda g, y, x: g * (1 - y * y) * 3,))


def changed_rule_in_float64(monkeypatch, net):
    rule = lambda g, y, x: g * (1 - y * y) * np.sqrt(2.0)
    monkeypatch.setattr(ops.tanh, "rules", (rule,))


def changed_function(monkeypatch, net):
    monkeypatch.setattr(ops.tanh, "function", lambda x: kernels.tanh(x) * np.float32(0.5))


def changed_weights(monkeypatch, net):
    net.theta *= 2


def another_array_of_weights(monkeypatch, net):
    net.layers[0].params["W"] = 2 * net.layers[0].params["W"]


def another_slope(monkeypatch, net):
    net.layers[1].options["slope"] = 0.7


def another_activation(monkeypatch, net):
    net.layers[-1] = Sigmoid()
    net.bind(net.theta)


@pytest.mark.parametrize("prepared", [False, True])
@pytest.mark.parametrize(
    "change",
    [
        changed_rule, changed_rule_in_numpy, changed_rule_in_float64,
        changed_function, changed_weights,
        another_array_of_weights, another_slope, another_activation,
    ],
)  # fmt: skip
def test_a_changed_network_is_computed_as_it_is(change, prepared, monkeypatch):
    net, x, g = network(), normal(4, 7), normal(4, 5, seed=9)
    before = by_rules(net, x, g)
    if prepared:
        net.forward(x)[1](g)
    change(monkeypatch, net)
    expected = by_rules(net, x, g)
    assert not np.array_equal(before[1][0], expected[1][0])
    for _ in range(2):
        y, pull = net.forward(x)
        assert_same((y, pull(g)), expected)
        del pull


class EqualToAll:
    """A kernel in another, such as one that counts calls; wrappers may compare as what they hold."""

    def __init__(self, kernel):
        self.kernel, self.calls = kernel, 0

    def __call__(self, *args, **kwargs):
        self.calls += 1
        return self.kernel(*args, **kwargs)

    def __eq__(self, other):
        return True

    __hash__ = None


def test_a_kernel_in_a_wrapper_that_equals_it_is_called(monkeypatch):
    kernels.job_list()
    wrapped = EqualToAll(kernels.affine_leaky)
    monkeypatch.setattr(kernels, "affine_leaky", wrapped)
    network()(normal(3, 7))
    assert wrapped.calls > 0


@pytest.mark.parametrize("name", kernels.IN_JOBS)
def test_a_replaced_kernel_is_called(name, monkeypatch):
    calls, kernel, net = [], getattr(kernels, name), network()
    x, g = normal(4, 7), normal(4, 5, seed=9)
    net.forward(x)[1](g)
    monkeypatch.setattr(kernels, name, lambda *a, **o: calls.append(name) or kernel(*a, **o))
    net.forward(x)[1](g)
    assert calls


def test_a_slope_in_an_array_that_is_written_to():
    net = Network([Dense(7, 6, rng=0), LeakyReLU(np.array(0.2)), Dense(6, 5, rng=1)])
    x, g = normal(4, 7), normal(4, 5, seed=9)
    net.forward(x)[1](g)
    net.layers[1].options["slope"][...] = 0.9
    y, pull = net.forward(x)
    other = Network([Dense(7, 6, rng=0), LeakyReLU(0.9), Dense(6, 5, rng=1)])
    expected, pull_other = other.forward(x)
    for found, wanted in zip([y, *pull(g)], [expected, *pull_other(g)], strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)


def test_a_rule_that_returns_another_layout(monkeypatch):
    rule = lambda g, y, x, W, b: kernels.gemm(W, g, tb=True).T
    monkeypatch.setattr(ops.affine, "rules", (rule, *ops.affine.rules[1:]))
    net, x, g = network(), normal(4, 7), normal(4, 5, seed=9)
    for wrt in ("input", "both"):
        assert_same([net.forward(x)[1](g, wrt)], [by_rules(net, x, g, wrt)[1]])


def test_a_rule_that_changes_between_two_pullbacks(monkeypatch):
    net, x, g = network(), normal(4, 7), normal(4, 5, seed=9)
    _, pull = net.forward(x)
    before = pull(g)
    changed_rule(monkeypatch, net)
    expected = by_rules(net, x, g)[1]
    assert not np.array_equal(before[0], expected[0])
    assert_same(pull(g), expected)


def test_networks_that_no_job_computes():
    half = Network([Dense(7, 5, rng=0, dtype=np.float16)])
    assert half(normal(4, 7).astype(np.float16)).dtype == np.float16
    frozen = network()
    frozen.theta.flags.writeable = False
    frozen.bind(frozen.theta)
    x, g = normal(4, 7), normal(4, 5, seed=9)
    y, pull = frozen.forward(x)
    assert_same((y, pull(g)), by_rules(frozen, x, g))
    assert not kept(half)
    assert not kept(frozen)


@pytest.mark.parametrize(
    "layers",
    [
        lambda: [LeakyReLU(), Dense(7, 5, rng=0)],
        lambda: [Dense(7, 6, rng=0), Dense(6, 5, rng=1)],
        lambda: [Dense(7, 5, rng=0), LeakyReLU()],
        lambda: [Dense(7, 6, rng=0), Tanh(), Dense(6, 5, rng=1)],
        lambda: [Dense(7, 5, rng=0), Sigmoid()],
        lambda: [Tanh()],
    ],
)
def test_other_networks_are_computed_kernel_by_kernel(layers):
    net, x = Network(layers()), normal(4, 7)
    g = normal(*net(x).shape, seed=9)
    for _ in range(2):
        y, pull = net.forward(x)
        assert_same((y, pull(g)), by_rules(net, x, g))
    assert not kept(net)


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, Network.copy, None])
def test_copies_have_passes_of_their_own(copied):
    net, x, g = network(), normal(4, 7), normal(4, 5, seed=9)
    net.forward(x)[1](g)
    other = pickle.loads(pickle.dumps(net)) if copied is None else copied(net)
    assert not kept(other)
    if copied is not copy.copy:
        other.theta *= 2
    y, pull = other.forward(x)
    assert_same((y, pull(g)), by_rules(other, x, g))
    assert_same([net.forward(x)[0]], [by_rules(net, x, g)[0]])


def test_networks_on_one_theta():
    net, x, g = network(), normal(4, 7), normal(4, 5, seed=9)
    other = net.with_theta(net.theta)
    for factor in (1, 2):
        net.theta *= factor
        for one in (net, other):
            y, pull = one.forward(x)
            assert_same((y, pull(g)), by_rules(net, x, g))
            del pull


def test_the_kernels_may_be_changed_between_passes():
    net, x, g = network(), normal(4, 7), normal(4, 5, seed=9)
    for name in ("compiled", "reference", "compiled"):
        npgan.use_kernels(name)
        y, pull = net.forward(x)
        assert_same((y, pull(g)), by_rules(net, x, g))


def test_a_pullback_after_a_change_of_kernels():
    net, x, g = network(), normal(4, 7), normal(4, 5, seed=9)
    _, pull = net.forward(x)
    npgan.use_kernels("reference")
    dx, dtheta = pull(g)
    expected = by_rules(net, x, g)[1]
    np.testing.assert_allclose(dx, expected[0], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(dtheta, expected[1], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", kernels.IN_JOBS)
def test_a_kernel_that_is_replaced_before_the_pullback_is_called(name, monkeypatch):
    net, called = network(), []
    _, pull = net.forward(normal(4, 7))
    original = getattr(kernels, name)

    def counted(*args, **options):
        called.append(name)
        return original(*args, **options)

    monkeypatch.setattr(kernels, name, counted)
    pull(normal(4, 5, seed=9))
    assert called or name not in ("gemm_gate", "weight_gradients", "tanh_gate", "gemm")


def test_an_edit_that_is_undone_by_another_thread_meanwhile(monkeypatch):
    """A pass must not be kept as one of the edited rules."""
    net, x, g = network(hidden=(), tanh=False), normal(4, 7), normal(4, 5, seed=9)
    right, rules = ops.affine.rules, (lambda g, y, x, W, b: 10 * g @ W.T, *ops.affine.rules[1:])
    parts = passes.Parts

    def slow(net):
        found = parts(net)
        ops.affine.rules = right
        return found

    monkeypatch.setattr(ops.affine, "rules", rules)
    monkeypatch.setattr(passes, "Parts", slow)
    net.forward(x)
    monkeypatch.setattr(passes, "Parts", parts)
    monkeypatch.setattr(ops.affine, "rules", rules)
    y, pull = net.forward(x)
    assert_same((y, pull(g)), by_rules(net, x, g))


def test_a_gradient_whose_conversion_changes_the_weights_is_refused():
    net = network()
    _, pull = net.forward(normal(4, 7))

    class Foreign:
        def __array__(self, dtype=None, copy=None):
            net.theta *= 2
            return normal(4, 5, seed=9)

    with pytest.raises(RuntimeError, match="the weights have changed"):
        pull(Foreign())


def test_an_op_that_is_no_primitive():
    class Halve:
        __name__ = "halve"

        def __call__(self, x):
            return x / 2

        def rule(self, i):
            return lambda g, y, x: g / 2

    net, x = Network([npgan.Layer(Halve())]), normal(3, 4)
    for _ in range(2):
        y, pull = net.forward(x)
        assert_same((y, pull(x, "input")), (x / 2, x / 2))


def test_threads_that_use_one_network_and_one_pullback():
    net = Generator(20, (64, 64), 300, rng=0)
    x, g = normal(64, 20), normal(64, 300, seed=9)
    expected, wrong = by_rules(net, x, g), []
    _, shared = net.forward(x)

    def work():
        for _ in range(60):
            y, pull = net.forward(x)
            for result in (shared(g), pull(g)):
                try:
                    assert_same((y, result), expected)
                except AssertionError as error:
                    wrong.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_an_error_while_a_pass_is_prepared_leaves_the_kernels_as_they_were():
    net = network()
    with pytest.raises(ValueError, match="must be"):
        net.forward(normal(4, 8))
    a = normal(3, 3)
    np.testing.assert_allclose(kernels.gemm(a, a), a @ a, rtol=1e-5)
    assert kernels.job_list() is not None


# ---- lists of jobs ----


def test_a_list_computes_with_other_arrays():
    a, b = normal(4, 6), normal(6, 5, seed=1)
    d = np.empty((4, 6), np.float32)
    jobs = kernels.job_list()(a.dtype)
    c = jobs.product(a, b, False, False)
    jobs.product(c, b, False, True, out=d)
    jobs.finish(a, d)
    for seed in range(3):
        x, out = normal(4, 6, seed=seed), np.empty((4, 6), np.float32)
        jobs.compute(x, out)
        expected = kernels.gemm(kernels.gemm(x, b), b, tb=True)
        np.testing.assert_array_equal(out, expected)


def test_a_list_whose_addresses_were_written_in_part_writes_them_again(monkeypatch):
    a, b, d = normal(4, 6), normal(6, 5, seed=1), np.empty((4, 5), np.float32)
    jobs = kernels.job_list()(a.dtype)
    jobs.product(a, b, False, False, out=d)
    jobs.finish(a, d)
    second = list(jobs.places)

    class Stopped:
        def __iter__(self):
            raise KeyboardInterrupt  # as a signal handler may

    jobs.places[1] = Stopped()
    with pytest.raises(KeyboardInterrupt):
        jobs.compute(normal(4, 6, seed=2), d)
    jobs.places[:] = second
    jobs.compute(a, d)
    np.testing.assert_allclose(d, a @ b, rtol=1e-5)


def test_nothing_is_computed_while_a_list_is_written():
    a = normal(4, 4)
    out = np.zeros((4, 4), np.float32)
    jobs = kernels.job_list()(a.dtype)
    jobs.product(a, a, False, False, out=out)
    assert not out.any()
    jobs.finish()
    jobs.compute()
    np.testing.assert_array_equal(out, kernels.gemm(a, a))


def test_a_list_without_jobs_computes_nothing():
    a = np.ones((3, 3), np.float32)
    out = np.zeros((3, 3), np.float32)
    kernels.gemm(a, a, out=out)  # whose job the workspace still has
    out[:] = -7
    kernels.job_list()(a.dtype).finish().compute()
    assert (out == -7).all()


def test_a_list_refuses_arrays_of_another_dtype_and_those_that_overlap():
    a, wide = normal(4, 4), np.ones((4, 4))
    jobs = kernels.job_list()(a.dtype)
    with pytest.raises(ValueError, match="one computation"):
        jobs.product(wide, wide, False, False)
    with pytest.raises(ValueError, match="one computation"):
        jobs.product(a, a, False, False, out=a)


@pytest.mark.parametrize(
    "array", [np.ones((4, 4))[:, ::2], np.ones(4, np.float16), np.ones(4, ">f4"), np.ones(4, int)]
)
def test_which_arrays_fit(array):
    assert not kernels.job_list().fits(array)
    assert kernels.job_list().fits(np.ones((4, 4), np.float32))


# ---- losses without the tape ----


def test_which_losses_need_no_tape():
    one = normal(4, 1)
    found = {
        name: [
            logits.direct_of(f, one, one) is not None for f in (loss.discriminator, loss.generator)
        ]
        for name, loss in LOSSES.items()
    }
    assert {name: both for name, both in found.items() if any(both)} == {
        "nonsaturating": [True, True], "minimax": [True, False], "relativistic": [True, True],
    }  # fmt: skip


@given(
    st.sampled_from(["nonsaturating", "minimax", "relativistic", "hinge"]),
    st.integers(1, 70),
    st.sampled_from([1e-3, 1.0, 30.0, 1e5]),
    st.sampled_from([np.float32, np.float64]),
    st.sampled_from(["compiled", "reference"]),
)
def test_losses_have_the_bits_of_the_tape(name, n, scale, dtype, set_of_kernels):
    npgan.use_kernels(set_of_kernels)
    loss = LOSSES[name]
    real, fake = (dtype(scale) * normal(n, 1, seed=seed, dtype=dtype) for seed in (0, 1))
    for function, first in (
        (loss.discriminator, real),
        (loss.generator, real if loss.needs_real else None),
    ):
        value, gradients = value_and_gradients(function, first, fake)
        npgan.use_rules()
        try:
            expected = value_and_gradients(function, first, fake)
        finally:
            npgan.use_rules(False)
        assert (value, type(value)) == (expected[0], float)
        for found, wanted in zip(gradients, expected[1], strict=True):
            assert (found is None) == (wanted is None)
            if found is not None:
                assert found.dtype == wanted.dtype
                np.testing.assert_array_equal(found, wanted)


def edited_rule(monkeypatch):
    monkeypatch.setattr(ops.bce_with_logits, "rules", (lambda g, y, z, t: g * 0.0 * z, None))


def edited_difference(monkeypatch):
    rules = (lambda g, y, a, b: 0.0 * g, lambda g, y, a, b: 0.0 * g)
    monkeypatch.setattr(ops.subtract, "rules", rules)


def edited_loss(monkeypatch):
    monkeypatch.setattr("npgan.losses.cross_entropy", lambda z, t: 0.0 * ops.sum(z))


@pytest.mark.parametrize("edit", [edited_rule, edited_difference, edited_loss])
def test_an_edit_of_what_a_loss_is_made_of_counts(edit, monkeypatch):
    real, fake = normal(4, 1), normal(4, 1, seed=1)
    function = LOSSES["relativistic"].discriminator
    assert all(map(np.any, value_and_gradients(function, real, fake)[1]))
    edit(monkeypatch)
    assert not any(map(np.any, value_and_gradients(function, real, fake)[1]))


def test_after_use_rules_losses_are_on_the_tape(monkeypatch):
    monkeypatch.setattr(kernels, "bce_with_gradient", None)
    npgan.use_rules()
    try:
        value_and_gradients(LOSSES["relativistic"].discriminator, normal(4, 1), normal(4, 1))
    finally:
        npgan.use_rules(False)


@pytest.mark.parametrize("name", ["sigmoid", "bce_with_logits"])
def test_a_replaced_kernel_of_a_loss_is_called(name, monkeypatch):
    called, original = [], getattr(kernels, name)

    def counted(*args):
        called.append(name)
        return original(*args)

    monkeypatch.setattr(kernels, name, counted)
    value_and_gradients(LOSSES["relativistic"].discriminator, normal(4, 1), normal(4, 1))
    assert called


def test_logits_of_another_number_of_real_images():
    function = LOSSES["relativistic"].discriminator
    _, (dreal, dfake) = value_and_gradients(function, normal(4, 1), normal(1, 1, seed=1))
    assert (dreal.shape, dfake.shape) == ((4, 1), (1, 1))


def test_another_function_of_a_loss_is_on_the_tape():
    loss = LOSSES["relativistic"]._replace(discriminator=lambda real, fake: ops.mean(real * fake))
    real, fake = normal(4, 1), normal(4, 1, seed=1)
    value, (dreal, _) = value_and_gradients(loss.discriminator, real, fake)
    assert value == pytest.approx(float((real * fake).mean()))
    np.testing.assert_allclose(dreal, fake / 4, rtol=1e-6)
