"""Layers and networks: pullbacks and tape give the same bits, and the bits are right."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles import numerical

import npgan
from npgan import (
    Dense,
    Layer,
    LeakyReLU,
    Network,
    Sigmoid,
    Tanh,
    Tensor,
    flatten,
    grad,
    kernels,
    ops,
    primitive,
)
from npgan.autograd import PRIMITIVES
from npgan.kernels.finite import name_at
from npgan.layers import glorot, he, normal


def small(dtype=np.float64, rng=0):
    rng = np.random.default_rng(rng)
    layers = [
        Dense(5, 4, rng=rng),
        LeakyReLU(),
        Dense(4, 3, "glorot", rng),
        Tanh(),
        Dense(3, 2, "normal", rng),
        Sigmoid(),
    ]
    net = Network(layers).astype(dtype)
    net.theta[:] = rng.normal(0, 0.7, net.theta.size)
    return net


def test_pull_agrees_with_central_differences():
    net, rng = small(), np.random.default_rng(1)
    x, g = rng.standard_normal((6, 5)), rng.standard_normal((6, 2))
    _, pull = net.forward(x)
    dx, dtheta = pull(g)
    np.testing.assert_allclose(dx, numerical(lambda: np.sum(g * net(x)), x), rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(
        dtheta, numerical(lambda: np.sum(g * net(x)), net.theta), rtol=1e-6, atol=1e-8
    )


@pytest.mark.parametrize("slope", [0.0, 0.05, 1.5])
def test_pull_follows_the_slope_of_each_layer(slope):
    rng = np.random.default_rng(1)
    layers = [Dense(5, 4, rng=0), LeakyReLU(slope), Dense(4, 3, rng=1), LeakyReLU(0.3)]
    net = Network([*layers, Dense(3, 1, rng=2), LeakyReLU(0.7)]).astype(np.float64)
    net.theta[:] = rng.normal(0, 0.7, net.theta.size)
    x, g = rng.standard_normal((6, 5)), rng.standard_normal((6, 1))
    dx, dtheta = net.forward(x)[1](g)
    loss = lambda: np.sum(g * net(x))
    np.testing.assert_allclose(dx, numerical(loss, x), rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(dtheta, numerical(loss, net.theta), rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@given(batch=st.integers(1, 9), seed=st.integers(0, 99))
def test_pullbacks_and_tape_have_the_same_bits(dtype, batch, seed):
    net, rng = small(dtype, seed), np.random.default_rng(seed)
    x, g = (
        rng.standard_normal((batch, 5)).astype(dtype),
        rng.standard_normal((batch, 2)).astype(dtype),
    )
    y, pull = net.forward(x)
    dx, dtheta = pull(g)
    leaf, params = Tensor(x), net.tensors()
    on_tape = net.apply(leaf, params)
    np.testing.assert_array_equal(on_tape.data, y)
    tape_dx, *tape_params = grad((on_tape * g).sum(), [leaf, *params])
    np.testing.assert_array_equal(tape_dx, dx)
    np.testing.assert_array_equal(flatten(tape_params), dtheta)


def test_each_wrt_returns_its_part_of_both():
    net, x, g = small(), np.ones((3, 5)), np.ones((3, 2))
    dx, dtheta = net.forward(x)[1](g, wrt="both")
    np.testing.assert_array_equal(net.forward(x)[1](g, wrt="input"), dx)
    np.testing.assert_array_equal(net.forward(x)[1](g, wrt="params"), dtheta)


def test_work_that_wrt_does_not_ask_for_is_not_done(monkeypatch):
    calls = []
    for name in ("gemm", "gemm_gate", "weight_gradients"):
        kernel = getattr(kernels, name)
        monkeypatch.setattr(
            kernels, name, lambda *a, k=kernel, n=name, **o: calls.append(n) or k(*a, **o)
        )
    net = Network([Dense(5, 4, rng=0), LeakyReLU(), Dense(4, 2, rng=0)])
    _, pull = net.forward(np.ones((3, 5), np.float32))
    pull(np.ones((3, 2)), wrt="input")
    assert calls == ["gemm_gate", "gemm"]  # g Wᵀ twice, no xᵀ g
    calls.clear()
    pull(np.ones((3, 2)), wrt="params")
    assert calls == ["weight_gradients", "gemm_gate", "weight_gradients"]  # no g Wᵀ into x


def test_two_forward_passes_do_not_disturb_each_other():
    """Three widely copied NumPy GANs have this bug.

    There the forward pass on fakes overwrites what the one on real images stored in the layers.
    """
    net, rng = small(), np.random.default_rng(2)
    real, fake, g = (
        rng.standard_normal((4, 5)),
        rng.standard_normal((4, 5)),
        rng.standard_normal((4, 2)),
    )
    alone = net.forward(real)[1](g)[1]
    _, pull_real = net.forward(real)
    _, pull_fake = net.forward(fake)
    pull_fake(g)
    np.testing.assert_array_equal(pull_real(g)[1], alone)


def test_pulling_twice_gives_the_same_and_accumulates_nothing():
    net, x, g = small(), np.ones((3, 5)), np.ones((3, 2))
    _, pull = net.forward(x)
    first, second = pull(g), pull(g)
    np.testing.assert_array_equal(first[1], second[1])
    assert not np.shares_memory(first[1], second[1])


def test_pull_is_linear_in_its_gradient():
    net, x, rng = small(), np.ones((3, 5)), np.random.default_rng(3)
    g, h = rng.standard_normal((2, 3, 2))
    _, pull = net.forward(x)
    np.testing.assert_allclose(
        pull(2 * g - 3 * h)[1], 2 * pull(g)[1] - 3 * pull(h)[1], rtol=1e-12, atol=1e-14
    )


def test_parameters_are_views_into_theta_in_order():
    net = small()
    names = [name for name, _ in net.named_parameters()]
    assert names == ["0.W", "0.b", "2.W", "2.b", "4.W", "4.b"]
    np.testing.assert_array_equal(flatten([p for _, p in net.named_parameters()]), net.theta)
    net.theta[:] = 7
    assert all(np.all(p == 7) for _, p in net.named_parameters())
    dict(net.named_parameters())["2.b"][1] = 3
    assert net.theta[5 * 4 + 4 + 4 * 3 + 1] == 3
    assert name_at(net, 5 * 4 + 4 + 4 * 3 + 1) == "2.b[1]"
    assert name_at(net, 7) == "0.W[1, 3]"


def test_astype_and_copy_share_nothing():
    net = small(np.float32)
    wide, twin = net.astype(np.float64), net.copy()
    assert (wide.theta.dtype, twin.theta.dtype) == (np.float64, np.float32)
    assert next(wide.named_parameters())[1].dtype == np.float64
    before = twin(np.ones((1, 5), np.float32))
    net.theta[:] = 0
    np.testing.assert_array_equal(twin(np.ones((1, 5), np.float32)), before)
    assert np.all(net(np.ones((1, 5), np.float32)) == 0.5)


def test_the_dtype_of_theta_decides():
    net = small(np.float32)
    y, pull = net.forward(np.ones((2, 5)))  # float64 in
    dx, dtheta = pull(np.ones((2, 2)))
    assert {y.dtype, dx.dtype, dtheta.dtype} == {np.dtype(np.float32)}


def test_initialisers_have_the_documented_scale():
    rng = np.random.default_rng(0)
    W = he(rng, 400, 600)
    np.testing.assert_allclose(W.std(), np.sqrt(2 / (1.04 * 400)), rtol=0.01)
    x = rng.standard_normal((1000, 400)) @ W
    np.testing.assert_allclose(
        np.mean(np.where(x > 0, x, 0.2 * x) ** 2), 1.0, rtol=0.02
    )  # the gain's purpose
    G = glorot(rng, 400, 600)
    assert np.abs(G).max() <= np.sqrt(6 / 1000)
    np.testing.assert_allclose(G.std(), np.sqrt(2 / 1000), rtol=0.01)
    np.testing.assert_allclose(normal(rng, 400, 600).std(), 0.02, rtol=0.01)
    for array in (W, G):
        assert array.shape == (400, 600)
        assert abs(array.mean()) < 0.001
    own = Dense(2, 3, init=lambda rng, i, o: np.full((i, o), 5.0))
    assert np.all(own.params["W"] == 5)
    assert np.all(own.params["b"] == 0)


def test_init_names_an_initialiser():
    for name, draw in (("he", he), ("glorot", glorot), ("normal", normal)):
        expected = draw(np.random.default_rng(3), 4, 5).astype(np.float32)
        np.testing.assert_array_equal(Dense(4, 5, name, rng=3).params["W"], expected)
    np.testing.assert_array_equal(
        Dense(4, 5, rng=3).params["W"], Dense(4, 5, "he", rng=3).params["W"]
    )


def test_defaults_of_layers():
    dense = Dense(np.int64(4), np.int32(5))
    assert dense.theta.dtype == np.float32
    assert dense.params["W"].shape == (4, 5)
    x = np.array([[-1.0, 2.0]], np.float32)
    np.testing.assert_array_equal(LeakyReLU().forward(x)[0], np.float32([[-0.2, 2.0]]))


def test_the_same_seed_gives_the_same_weights():
    a, b, c = Dense(3, 4, rng=1), Dense(3, 4, rng=1), Dense(3, 4, rng=2)
    np.testing.assert_array_equal(a.theta, b.theta)
    assert np.any(a.theta != c.theta)


def test_a_user_defined_layer():
    @primitive
    def scale(x, s):
        return x * s

    scale.rules = (lambda g, y, x, s: g * s, lambda g, y, x, s: ops.sum(g * x, axis=0))
    del PRIMITIVES["scale"]
    net = Network([Dense(3, 2, rng=0), Layer(scale, {"s": [2.0, 3.0]})]).astype(np.float64)
    x, g = np.random.default_rng(0).standard_normal((4, 3)), np.ones((4, 2))
    dtheta = net.forward(x)[1](g, wrt="params")
    np.testing.assert_allclose(
        dtheta, numerical(lambda: np.sum(net(x)), net.theta), rtol=1e-6, atol=1e-9
    )
    assert [name for name, _ in net.named_parameters()] == ["0.W", "0.b", "1.s"]


def test_a_parameter_with_zero_derivative_gets_zeros():
    @primitive
    def gated(x, y):
        return np.where(y > 0, x, 0.0)

    gated.rules = (ops.zero_derivative, ops.zero_derivative)
    PRIMITIVES.pop("gated")
    dx, dtheta = Layer(gated, {"y": np.ones(2)}).forward(np.ones((3, 2)))[1](np.ones((3, 2)))
    np.testing.assert_array_equal(dx, np.zeros((3, 2)))
    np.testing.assert_array_equal(dtheta, np.zeros(2))


def test_a_layer_has_one_network():
    layer, activation = Dense(3, 3), LeakyReLU()
    with pytest.raises(ValueError, match="is in a network already"):
        Network([layer, layer])
    net = Network([Dense(3, 3), activation, Dense(3, 3), activation])  # it has no parameters
    with pytest.raises(ValueError, match=r"make a new layer, or net\.copy\(\)"):
        Network(net.layers)
    assert Network([activation])(np.ones((1, 3), np.float32)).shape == (1, 3)


def test_repr_shows_the_architecture():
    layers = "Dense(5 -> 4), leaky_relu, Dense(4 -> 3), tanh, Dense(3 -> 2), sigmoid"
    assert repr(small()) == f"Network({layers}; 47 parameters)"
    assert repr(Network([Dense(99, 100)])) == "Network(Dense(99 -> 100); 10,000 parameters)"


@pytest.mark.parametrize(
    ("wrong", "error", "words"),
    [
        (lambda net: net(np.ones((64, 100))), ValueError, r"Dense\(5 -> 4\) got x of shape \(64, 100\); it must be \(batch, 5\)"),
        (lambda net: net(np.ones(5)), ValueError, r"must be \(batch, 5\)"),
        (lambda net: net(np.ones((2, 5), np.uint8)), TypeError, "takes floats, got uint8.*to_unit"),
        (lambda net: net.forward(np.ones((2, 5)))[1](np.ones((2, 2)), wrt="weights"), ValueError, '"input", "params" or "both"'),
        (lambda net: net.astype(int), ValueError, "float32 or float64"),
        (lambda net: net.astype(np.float16), ValueError, "float32 or float64, got float16"),
        (lambda net: name_at(net, 47), IndexError, "beyond"),
        (lambda net: Network([]), ValueError, "at least one layer"),
        (lambda net: Dense(0, 3), ValueError, "inputs, 1 or more; got 0"),
        (lambda net: Dense(3, 2.5), ValueError, "outputs, 1 or more; got 2.5"),
        (lambda net: Dense(True, 3), ValueError, "inputs, 1 or more; got True"),
        (lambda net: Dense(3, 2, init="xavier"), ValueError, "he, glorot, normal or a function, got 'xavier'"),
        (lambda net: Dense(3, 2, init=lambda r, i, o: np.ones((o, i))), ValueError, r"\(3, 2\)"),
        (lambda net: net.forward(np.ones((2, 5)))[1](np.ones((2, 3))), ValueError, r"shape \(2, 3\), the output has \(2, 2\)"),
    ],
)  # fmt: skip
def test_errors_say_what_to_do(wrong, error, words):
    with pytest.raises(error, match=words):
        wrong(small())


def test_copies_and_pickles_share_no_parameters():
    import copy
    import pickle

    net, x = small(np.float32), np.ones((2, 5), np.float32)
    for other in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        np.testing.assert_array_equal(other(x), net(x))
        before = net(x)
        other.theta[:] = 0
        assert np.all(other(x) == 0.5)  # its layers see its own theta ...
        np.testing.assert_array_equal(net(x), before)  # ... and only that
    assert copy.deepcopy(ops.affine) is ops.affine


def test_a_layer_calls_only_the_rules_that_wrt_needs():
    calls = []

    @primitive
    def scale(x, s):
        return x * s

    scale.rules = (
        lambda g, y, x, s: calls.append("x") or g * s,
        lambda g, y, x, s: calls.append("s") or ops.sum(g * x, axis=0),
    )
    del PRIMITIVES["scale"]
    _, pull = Layer(scale, {"s": [2.0, 3.0]}).forward(np.ones((4, 2)))
    for wrt, expected in (("input", ["x"]), ("params", ["s"]), ("both", ["x", "s"])):
        calls.clear()
        pull(np.ones((4, 2)), wrt)
        assert calls == expected


def test_a_copied_layer_sees_its_own_theta():
    import copy
    import pickle

    layer, x = Dense(3, 2, rng=0), np.ones((1, 3), np.float32)
    for other in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        other.theta[:] = 0
        assert np.all(other.forward(x)[0] == 0)
    assert np.all(layer.forward(x)[0] != 0)


def test_a_layer_alone_refuses_what_does_not_fit():
    with pytest.raises(ValueError, match=r"Dense\(3 -> 2\) got x of shape \(2, 4\)"):
        Dense(3, 2).forward(np.ones((2, 4), np.float32))
    _, pull = LeakyReLU().forward(np.ones((2, 4)))
    with pytest.raises(ValueError, match='"input", "params" or "both"'):
        pull(np.ones((2, 4)), wrt="weights")


def test_apply_refuses_what_does_not_fit():
    net = small()
    with pytest.raises(ValueError, match=r"must be \(batch, 5\)"):
        net.apply(Tensor(np.ones((2, 4))), net.tensors())


def test_apply_passes_the_options_of_a_layer():
    net, x = Network([LeakyReLU(0.5)]), np.array([[-1.0, 2.0]], np.float32)
    np.testing.assert_array_equal(net.apply(Tensor(x), []).data, net(x))


def test_a_batch_of_the_networks_dtype_is_not_copied():
    x = np.ones((2, 5), np.float32)
    assert small(np.float32).cast(x) is x


@pytest.mark.parametrize("width", [3, 100, 600])
def test_theta_begins_at_a_cache_line(width):
    net = Network([Dense(width, width, rng=0)])
    for other in (net, net.copy(), net.astype(np.float64)):
        assert other.theta.ctypes.data % 64 == 0


def test_a_slope_below_zero_is_refused_where_the_layer_is_made():
    with pytest.raises(ValueError, match="slope of 0 or more"):
        LeakyReLU(-1.0)


def test_an_affine_layer_with_other_parameter_names():
    layer = Layer(ops.affine, {"weight": np.ones((3, 2)), "bias": np.zeros(2)})
    net = Network([Dense(2, 3, rng=0), LeakyReLU(), layer]).astype(np.float64)
    x, g = np.random.default_rng(0).standard_normal((4, 2)), np.ones((4, 2))
    dtheta = net.forward(x)[1](g, wrt="params")
    np.testing.assert_allclose(
        dtheta, numerical(lambda: np.sum(net(x)), net.theta), rtol=1e-6, atol=1e-9
    )


# ---- by rules alone ----


@pytest.fixture
def by_rules():
    npgan.use_rules()
    yield
    npgan.use_rules(False)


@pytest.mark.parametrize("kernels", ["reference", "compiled"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_rules_and_fused_kernels_have_the_same_bits(kernels, dtype):
    before = npgan.kernels.active or "auto"
    npgan.use_kernels(kernels)
    rng = np.random.default_rng(1)
    nets = [
        npgan.Generator(5, (7, 33, 6), 9, rng=1),
        npgan.Discriminator(5, (40, 3), rng=2),
        npgan.Discriminator(5, (), rng=2),
        Network(
            [
                LeakyReLU(),
                Dense(5, 4, rng=3),
                LeakyReLU(0.1),
                LeakyReLU(),
                Dense(4, 4, rng=3),
                Tanh(),
            ]
        ),
        Network([Dense(5, 4, rng=3), Layer(npgan.ops.leaky_relu), Dense(4, 2, rng=3)]),
    ]
    try:
        for net in (net.astype(dtype) for net in nets):
            x = rng.standard_normal((17, 5)).astype(dtype)
            found = []
            for only in (False, True):
                npgan.use_rules(only)
                y, pull = net.forward(x)
                g = np.cos(np.arange(y.size, dtype=dtype)).reshape(y.shape)
                found.append([y, pull(g, "input"), pull(g, "params"), *pull(g)])
            for fused, by_rules in zip(*found, strict=True):
                np.testing.assert_array_equal(fused, by_rules)
    finally:
        npgan.use_rules(False)
        npgan.use_kernels(before)


@pytest.mark.parametrize("name", ["affine", "leaky_relu"])
def test_an_edited_rule_changes_training_by_rules(name, by_rules, monkeypatch):
    """What a student tries first; with the fused kernels the edit would do nothing."""
    net, x = npgan.Discriminator(4, (6, 5), rng=0), np.ones((3, 4), np.float32)

    def gradient():
        y, pull = net.forward(x)
        return pull(np.ones_like(y), "params")

    right = gradient()
    op = getattr(npgan.ops, name)
    monkeypatch.setattr(op, "rules", tuple(lambda *a, r=r, **k: 2.0 * r(*a, **k) for r in op.rules))
    assert np.mean(gradient() != right) > 0.5
    npgan.use_rules(False)
    np.testing.assert_array_equal(gradient(), right)


def test_networks_on_one_vector_move_together():
    net = npgan.Discriminator(4, (6,), rng=0)
    same, copied = net.with_theta(net.theta), net.copy()
    y, pull = same.forward(np.ones((2, 4), np.float32))
    _, pull_copied = copied.forward(np.ones((2, 4), np.float32))
    npgan.SGD(net, lr=0.1).step(np.ones_like(net.theta))
    np.testing.assert_array_equal(same.layers[0].params["W"], net.layers[0].params["W"])
    with pytest.raises(RuntimeError, match="have changed"):
        pull(np.ones_like(y))
    pull_copied(np.ones_like(y))  # its weights are its own


def test_by_rules_no_work_is_done_that_wrt_does_not_ask_for(by_rules, monkeypatch):
    calls = []
    for name in ("input_gradient", "parameter_gradient"):
        right = getattr(Layer, name)
        monkeypatch.setattr(
            Layer, name, lambda layer, *a, n=name, f=right: calls.append(n) or f(layer, *a)
        )
    _, pull = Network([Dense(5, 4, rng=0), Dense(4, 2, rng=0)]).forward(np.ones((3, 5)))
    pull(np.ones((3, 2)), "input")
    assert calls == ["input_gradient"] * 2
    calls.clear()
    pull(np.ones((3, 2)), "params")
    assert calls == ["parameter_gradient", "input_gradient", "parameter_gradient"]


def test_with_theta_changes_only_the_copy():
    layer, net = Dense(3, 2, rng=0), npgan.Discriminator(4, (6,), rng=0)
    weights, theta = layer.params["W"].copy(), net.theta
    np.testing.assert_array_equal(layer.with_theta(np.zeros(8)).params["W"], np.zeros((3, 2)))
    np.testing.assert_array_equal(layer.params["W"], weights)
    first = net.with_theta(np.zeros(30), net.layers[:1])
    assert repr(first) == "Discriminator(Dense(4 -> 6); 30 parameters)"
    np.testing.assert_array_equal(first(np.ones((1, 4))), np.zeros((1, 6)))
    assert net.theta is theta
    assert np.any(net.layers[0].params["W"] != 0)
