"""Penalties without the tape: its bits, and the tape wherever something was edited."""

import subprocess
import sys
import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kernel_caches import compiled_kernels

import npgan
from npgan import Dense, Discriminator, LeakyReLU, Network, Sigmoid, Tanh, kernels, ops, penalties
from npgan.autograd import Primitive
from npgan.kernels import passes, slopes

compiled = pytest.fixture(autouse=True)(compiled_kernels)


def images(*shape, seed=0, dtype=np.float32):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def discriminator(inputs=9, hidden=(7, 5), dtype=np.float32):
    D = Discriminator(inputs, hidden, rng=0).astype(dtype)
    D.theta[:] += 0.1 * images(D.theta.size, seed=1, dtype=dtype)  # the biases start at 0
    return D


def by_tape(penalty, *args, **more):
    npgan.use_rules()
    try:
        return penalty(*args, **more)
    finally:
        npgan.use_rules(False)


def assert_same(result, expected):
    assert result[0] == expected[0] or (np.isnan(result[0]) and np.isnan(expected[0]))
    assert result[1].dtype == expected[1].dtype
    np.testing.assert_array_equal(result[1], expected[1])


def uses_jobs(D, x):
    """Whether r1 of D at x is computed without the tape."""
    return slopes.penalty(D, x, lambda square: ops.mean(square), None) is not None


@given(
    st.lists(st.integers(1, 40), max_size=3),
    st.integers(1, 40),
    st.integers(1, 40),
    st.one_of(st.none(), st.integers(1, 45)),
    st.sampled_from([np.float32, np.float64]),
    st.integers(1, 3),
)
def test_the_bits_are_those_of_the_tape(hidden, inputs, batch, pixels, dtype, threads):
    npgan.set_threads(threads)
    D = discriminator(inputs, hidden, dtype)
    for seed in range(2):  # the jobs are written, then computed again
        real, fake = (images(batch, inputs, seed=seed + more, dtype=dtype) for more in (0, 9))
        assert uses_jobs(D, real)
        for penalty, args in (
            (penalties.r1, (real, 3.0, pixels)),
            (penalties.r1_and_r2, (real, fake, 0.3, pixels)),
            (penalties.wgan_gp, (real, fake, 5, 10.0, pixels)),
        ):
            assert_same(penalty(D, *args), by_tape(penalty, D, *args))


def test_after_an_update_of_the_weights_the_new_ones_are_used():
    D, x = discriminator(), images(6, 9)
    first = penalties.r1(D, x)
    D.theta[:] *= 2
    second = penalties.r1(D, x)
    assert second[0] > first[0]
    assert_same(second, by_tape(penalties.r1, D, x))


def test_the_result_is_the_callers():
    D, x = discriminator(), images(6, 9)
    _, gradient = penalties.r1(D, x)
    before = gradient.copy()
    penalties.r1(D, 3 * x + 1)
    np.testing.assert_array_equal(gradient, before)


def test_a_penalty_beside_a_pullback_does_not_disturb_it():
    D, x, g = discriminator(), images(6, 9), images(6, 1, seed=2)
    _, pull = D.forward(x)
    expected = pull(g, "both")
    penalties.r1(D, 2 * x)
    for result, wanted in zip(pull(g, "both"), expected, strict=True):
        np.testing.assert_array_equal(result, wanted)


def test_a_penalty_within_a_penalty_is_computed_in_other_memory():
    D, x, inner = discriminator(), images(6, 9), []

    def of_square(square):
        inner.append(penalties.r1(D, 2 * x))
        return ops.mean(square)

    outer = penalties.slope_penalty(D, x, of_square)
    assert_same(outer, by_tape(penalties.slope_penalty, D, x, lambda s: ops.mean(s)))
    assert_same(inner[0], by_tape(penalties.r1, D, 2 * x))


def test_threads_that_share_a_discriminator_get_their_own_results():
    D = discriminator(40, (30, 20))
    batches = [images(16, 40, seed=seed) for seed in range(4)]
    expected = [penalties.r1(D, x) for x in batches]
    found = [None] * len(batches)

    def work(i):
        for _ in range(50):
            found[i] = penalties.r1(D, batches[i])

    threads = [threading.Thread(target=work, args=(i,)) for i in range(len(batches))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for result, wanted in zip(found, expected, strict=True):
        assert_same(result, wanted)


@pytest.mark.parametrize("name", slopes.USED)
def test_an_edited_primitive_is_followed(name, monkeypatch):
    D, x, op = discriminator(), images(6, 9), getattr(ops, name)
    assert uses_jobs(D, x)
    monkeypatch.setattr(op, "rules", tuple(op.rules) if isinstance(op.rules, tuple) else op.rules)
    assert uses_jobs(D, x)  # the same rules
    monkeypatch.setattr(op, "rules", (*op.rules, None) if isinstance(op.rules, tuple) else ())
    assert not uses_jobs(D, x)


def test_the_result_follows_an_edit_of_a_rule(monkeypatch):
    D, x = discriminator(), images(6, 9)
    value, gradient = penalties.r1(D, x)
    rule_a, rule_b = ops.gemm.rules
    monkeypatch.setattr(
        ops.gemm, "rules", (rule_a, lambda *args, **more: 2 * rule_b(*args, **more))
    )
    assert penalties.r1(D, x)[0] == value
    weights = D.layers[0].params["W"].size
    np.testing.assert_array_equal(penalties.r1(D, x)[1][:weights], 2 * gradient[:weights])


def test_a_function_in_the_place_of_a_primitive_is_called(monkeypatch):
    D, x, total = discriminator(), images(6, 9), ops.sum
    monkeypatch.setattr(ops, "sum", lambda *args, **more: 2 * total(*args, **more))
    assert not uses_jobs(D, x)


@pytest.mark.parametrize("name", ["leaky_gate", "leaky_relu", "gemm"])
def test_a_kernel_that_is_replaced_is_called(name, monkeypatch):
    D, x, calls, kernel = discriminator(), images(6, 9), [], getattr(kernels, name)
    penalties.r1(D, x)
    monkeypatch.setattr(kernels, name, lambda *args: calls.append(name) or kernel(*args))
    penalties.r1(D, x)
    assert calls


EDITS = {
    "a rule": "rules = ops.gemm.rules; ops.gemm.rules = (rules[0], lambda *a, **k: 2.0 * rules[1](*a, **k))",
    "a function": "f = ops.gemm.function; ops.gemm.function = lambda *a, **k: 2.0 * f(*a, **k)",
    "a primitive": "f = ops.sum; ops.sum = npgan.primitive(lambda x, **k: 2.0 * f.function(x, **k)); ops.sum.rules = f.rules",
    "a method": "f = npgan.Network.apply; npgan.Network.apply = lambda net, x, p: 2.0 * f(net, x, p)",
    "the rule of a layer": "rule = ops.leaky_gate.rules; ops.leaky_gate.rules = (lambda *a, **k: 2.0 * rule[0](*a, **k), rule[1])",
}  # fmt: skip


@pytest.mark.parametrize("edit", EDITS)
def test_an_edit_before_the_penalties_are_imported_is_followed(edit):
    program = f"""
import numpy as np
from npgan import ops
import npgan
{EDITS[edit]}
layers = [npgan.Dense(9, 7, rng=0), npgan.LeakyReLU(), npgan.Dense(7, 1, rng=1)]
D, x = npgan.Network(layers), np.random.default_rng(0).standard_normal((6, 9)).astype("f")
value, gradient = npgan.r1(D, x)
npgan.use_rules()
expected = npgan.r1(D, x)
assert value == expected[0] and (gradient == expected[1]).all(), (value, expected[0])
"""
    subprocess.run([sys.executable, "-c", program], check=True)


@pytest.mark.parametrize(
    "weight", [np.float64(0.3), np.float32(0.3), np.longdouble(0.3), np.float16(0.3), 1]
)
def test_a_weight_of_another_dtype(weight):
    D, x = discriminator(), images(6, 9)
    assert_same(penalties.r1(D, x, weight), by_tape(penalties.r1, D, x, weight))
    assert_same(
        penalties.wgan_gp(D, x, 2 * x, 1, weight),
        by_tape(penalties.wgan_gp, D, x, 2 * x, 1, weight),
    )


def test_methods_of_the_user_are_called():
    class Doubled(Discriminator):
        def tensors(self):
            return [npgan.Tensor(2 * p) for _, p in self.named_parameters()]

    class Other(Discriminator):
        def named_parameters(self):
            return ((name, 2 * p) for name, p in super().named_parameters())

    x, plain = images(6, 9), discriminator()
    for D in (Doubled(9, (7, 5), rng=0), Other(9, (7, 5), rng=0)):
        assert_same(penalties.r1(D, x), by_tape(penalties.r1, D, x))
    D = discriminator()
    plain.theta[:] *= 2
    D.apply = plain.apply
    assert_same(penalties.r1(D, x), by_tape(penalties.r1, D, x))


def test_a_parameter_may_have_any_name():
    W, b = Dense(9, 1, rng=0).params.values()
    D, x = Network([npgan.Layer(ops.affine, {"weight": W, "bias": b})]), images(6, 9)
    assert uses_jobs(D, x)
    assert_same(penalties.r1(D, x), by_tape(penalties.r1, D, x))


@pytest.mark.parametrize("shape", [(1, 1), (1,), ()])
def test_a_bias_of_another_shape_is_left_to_the_tape(shape):
    D = Network([npgan.Layer(ops.affine, {"W": np.ones((9, 3)), "b": np.zeros(shape)})])
    x = images(6, 9)
    assert not uses_jobs(D, x)
    assert_same(penalties.r1(D, x), by_tape(penalties.r1, D, x))


@pytest.mark.parametrize(
    "edit",
    [
        lambda D: D.layers.__setitem__(1, Tanh()),
        lambda D: setattr(D.layers[1], "op", ops.tanh) or D.layers[1].options.clear(),
        lambda D: D.layers[1].options.clear(),
        lambda D: D.layers.__delitem__(slice(3, None)),
        lambda D: D.layers.__setitem__(slice(0, 3), [Dense(9, 4, rng=0), LeakyReLU(), Dense(4, 5, rng=0)]),
        lambda D: D.layers.__setitem__(slice(0, 3), [Dense(9, 14, rng=0), LeakyReLU(), Dense(14, 5, rng=0)]),
        lambda D: D.layers.__setitem__(0, Dense(9, 7, rng=0, dtype=np.float64)),
        lambda D: D.layers[1].options.update(slope=np.float64(0.3)),
    ],
)  # fmt: skip
def test_layers_that_were_edited_after_the_network_was_made(edit):
    D, x = discriminator(), images(6, 9)
    penalties.r1(D, x)
    edit(D)
    result, expected = penalties.r1(D, x), by_tape(penalties.r1, D, x)
    assert_same(result, expected)


@pytest.mark.parametrize("slope", [-0.1, np.inf, np.nan])
def test_a_slope_that_the_primitive_refuses_is_refused(slope):
    D = discriminator()
    D.layers[1].options["slope"] = slope
    with pytest.raises(ValueError, match="slope"):
        penalties.r1(D, images(6, 9))


def test_an_op_without_a_hash_computes():
    class Unhashable(Primitive):
        def __eq__(self, other):
            return self is other

    op = Unhashable(lambda x: 2 * x)
    op.rules = (lambda g, y, x: 2 * g,)
    D = Network([Dense(9, 1, rng=0), npgan.Layer(op)])
    y, pull = D.forward(images(6, 9))
    assert pull(np.ones_like(y), "input").shape == (6, 9)
    assert_same(penalties.r1(D, images(6, 9)), by_tape(penalties.r1, D, images(6, 9)))


def test_weights_that_were_replaced_before_the_pullback_do_not_stay_in_the_pass():
    D, x, g = discriminator(), images(6, 9), images(6, 1, seed=2)
    _, pull = D.forward(x)
    W = D.layers[0].params["W"]
    D.layers[0].params["W"] = np.asfortranarray(W)
    pull(g)
    D.layers[0].params["W"] = W
    del pull
    D.theta[:] *= 2
    _, pull = D.forward(x)
    result = pull(g)
    npgan.use_rules()
    expected = D.forward(x)[1](g)
    npgan.use_rules(False)
    for one, wanted in zip(result, expected, strict=True):
        np.testing.assert_array_equal(one, wanted)


def test_an_apply_of_the_user_is_called():
    class Doubled(Discriminator):
        def apply(self, x, params):
            return 2.0 * super().apply(x, params)

    D, x = Doubled(9, (7, 5), rng=0), images(6, 9)
    plain = Discriminator(9, (7, 5), rng=0)
    assert penalties.r1(D, x)[0] == 4 * penalties.r1(plain, x)[0]


@pytest.mark.parametrize(
    "layers",
    [
        lambda: [Dense(9, 1, rng=0), Tanh()],
        lambda: [Dense(9, 4, rng=0), Sigmoid(), Dense(4, 1, rng=1)],
        lambda: [Dense(9, 4, rng=0), Dense(4, 1, rng=1)],
        lambda: [LeakyReLU(), Dense(9, 1, rng=0)],
        lambda: [Dense(9, 4, rng=0), LeakyReLU(np.array(0.3)), Dense(4, 1, rng=1)],
    ],
)
def test_other_networks_are_left_to_the_tape(layers):
    D, x = Network(layers()), images(6, 9)
    assert not uses_jobs(D, x)
    assert_same(penalties.r1(D, x), by_tape(penalties.r1, D, x))


def test_a_batch_that_is_too_large_is_left_to_the_tape(monkeypatch):
    D, x = discriminator(), images(6, 9)
    monkeypatch.setattr(passes, "LARGEST_PASS", 100)
    assert not uses_jobs(D, x)


def test_with_the_reference_kernels_the_tape_computes():
    npgan.use_kernels("reference")
    assert not uses_jobs(discriminator(), images(6, 9))


@pytest.mark.parametrize("x", [np.float32(1), np.zeros(9, "f"), np.zeros((2, 8), "f")])
def test_a_wrong_shape_is_one_clear_line(x):
    D = discriminator()
    for call in (D, lambda x: penalties.r1(D, x)):
        with pytest.raises(ValueError, match=r"got x of shape .*it must be \(batch, 9\)"):
            call(x)
