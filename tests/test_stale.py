"""A gradient is that of the forward pass, whatever was written to since; or it is refused in one line."""

import copy

import numpy as np
import pytest

import npgan
from npgan import (
    Adam,
    Dense,
    Discriminator,
    Generator,
    Layer,
    LeakyReLU,
    Network,
    Tanh,
    Tensor,
    grad,
    ops,
)
from npgan.autograd import Primitive
from npgan.losses import nonsaturating
from npgan.training.conditional import join_labels, one_hot, pull_through_join
from npgan.training.noise import with_dropout


@pytest.fixture(params=["reference", "compiled"])
def kernels(request):
    npgan.use_kernels(request.param)
    yield
    npgan.use_kernels("auto")


@pytest.fixture(params=[False, True], ids=["fused", "rules"])
def rules(request):
    npgan.use_rules(request.param)
    yield
    npgan.use_rules(False)


def networks(seed=0):
    rng = np.random.default_rng(seed)
    G, D = Generator(3, (5,), 2, rng=rng), Discriminator(2, (4,), rng=rng)
    return G, D, rng.standard_normal((6, 3), dtype=np.float32)


# ---- the tape ----


def test_weights_that_moved_after_the_loss():
    G, D, z = networks()
    x = G(z)
    ts = D.tensors()
    loss = ops.mean(ops.softplus(D.apply(x, ts)))
    right = grad(loss, ts)
    Adam(D, lr=0.1).step(np.ones_like(D.theta))
    D.theta[:] = 7
    for a, b in zip(grad(loss, ts), right, strict=True):
        assert a.tobytes() == b.tobytes()


@pytest.mark.parametrize(
    "leaf",
    [lambda b: b, lambda b: b.T, lambda b: b[::2], lambda b: b[:, 1:], lambda b: b.reshape(-1)],
)
def test_a_buffer_that_is_written_to(leaf):
    buffer = np.arange(1.0, 13.0).reshape(4, 3)
    x = Tensor(leaf(buffer))
    y = ops.sum(x * x)
    right, value = grad(y, x), x.data.copy()
    buffer[:] = 0
    assert grad(y, x).tobytes() == right.tobytes()
    assert x.data.tobytes() == value.tobytes()


@pytest.mark.parametrize(
    "compute",
    [
        lambda x, a: x * a,
        lambda x, a: a * x,
        lambda x, a: x @ a.T,
        lambda x, a: x / a,
        lambda x, a: ops.bce_with_logits(x, a / 10),
        lambda x, a: ops.concatenate(x, a) ** 2 * 2,
        lambda x, a: ops.affine(x, a.T.copy(), a[:, 0].copy()) ** 2,
        lambda x, a: ops.softmax_cross_entropy(x, a),
        lambda x, a: ops.tanh_gate(x, a),
        lambda x, a: ops.leaky_gate(x, a - 5),
    ],
)
def test_an_array_among_the_arguments_that_is_written_to(compute):
    x, a = Tensor(np.full((3, 3), 0.5)), np.arange(1.0, 10.0).reshape(3, 3)
    y = ops.sum(compute(x, a))
    right = grad(y, x)
    a[:] = -3
    assert grad(y, x).tobytes() == right.tobytes()


def test_options_and_lists_that_are_changed():
    x = Tensor(np.arange(1.0, 7.0).reshape(2, 3))
    axes, key, mask = [1, 0], [3, 1], np.array([1.0, 0.0, 1.0])

    def masked(x, mask):
        return x * mask

    op = Primitive(masked)
    op.rules = (lambda g, y, x, mask: g * mask,)
    y = ops.sum(ops.transpose(x, axes=axes) ** 2) + ops.sum(ops.dropout(x, rate=0.5, key=key))
    y = y + ops.sum(op(x, mask=mask)) + ops.sum(ops.multiply(x, [1.0, 2.0, 3.0]))
    numbers = [1.0, 2.0, 3.0]
    y = y + ops.sum(ops.multiply(x, numbers))
    right = grad(y, x)
    axes[:], key[:], mask[:], numbers[:] = [0, 1], [9, 9], 5, [0.0] * 3
    assert grad(y, x).tobytes() == right.tobytes()


def test_a_generator_among_the_options_draws_the_same_twice():
    def noisy(x, rng):
        return x * rng.standard_normal(np.shape(x))

    op = Primitive(noisy)
    op.rules = (lambda g, y, x, rng: g * rng.standard_normal(np.shape(x)),)
    rng, x = np.random.default_rng(0), Tensor(np.ones(4))
    first, second = op(x, rng=rng), op(x, rng=rng)
    assert np.any(first.data != second.data)  # the caller's own generator goes on
    np.testing.assert_array_equal(grad(ops.sum(first), x), first.data)


@pytest.mark.parametrize("key", [None, np.random.default_rng(0), np.random.PCG64(0)])
def test_a_mask_that_could_not_be_drawn_again_is_refused(key):
    with pytest.raises(TypeError, match="seed as key") as caught:
        ops.dropout(np.ones(3), rate=0.5, key=key)
    assert "\n" not in str(caught.value)


def test_results_are_read_only():
    x = Tensor(np.ones((2, 2)))
    y = ops.exp(x)
    shapes = (x.T, x.reshape(4), x[:1], ops.broadcast_to(x, shape=(3, 2, 2)))
    created = grad(ops.sum(y), x, create_graph=True)
    for t in (x, y, created, *shapes):
        with pytest.raises(ValueError, match="read-only"):
            t.data[...] = 0
        with pytest.raises(AttributeError):
            t.data = np.zeros(t.shape)
        view = t.data[..., :1]
        with pytest.raises(ValueError, match="read-only"):
            view[...] = 1
    assert y.array.flags.writeable  # what rules read is no second kind of array for a compiler


def test_what_grad_returns_is_the_callers():
    x, w = Tensor(np.ones(3)), Tensor(np.arange(3.0))
    y = ops.sum(x * w)
    gx, gw = grad(y, [x, w])
    gx[:], gw[:] = 9, 9
    assert grad(y, x).tolist() == [0, 1, 2]
    assert w.data.tolist() == [0, 1, 2]
    both = [Tensor(np.ones(3)), Tensor(np.ones(3))]
    total = ops.sum(both[0] + both[1])
    one, other = grad(total, both)
    one[:] = 9
    assert other.tolist() == [1, 1, 1]


def test_twice_with_a_graph():
    x = Tensor(np.array([1.0, 2.0]))
    y = ops.sum(x**3)
    once = grad(y, x, create_graph=True)
    twice = grad(ops.sum(once), x, create_graph=True)
    thrice = grad(ops.sum(twice), x)
    thrice[:] = 0
    assert once.data.tolist() == [3, 12]
    assert twice.data.tolist() == [6, 12]
    assert grad(ops.sum(twice), x).tolist() == [6, 6]


def test_a_loss_with_plain_arrays():
    real, fake = np.linspace(-1, 1, 4).reshape(4, 1), Tensor(np.ones((4, 1)))
    y = npgan.losses.relativistic.generator(real, fake)
    right = grad(y, fake)
    real[:] = 100
    assert grad(y, fake).tobytes() == right.tobytes()


# ---- pullbacks ----

ENDS = {
    "Dense": lambda: Network([Dense(3, 4, rng=0)]),
    "LeakyReLU": lambda: Network(
        [Dense(3, 4, rng=0), LeakyReLU(), Dense(4, 3, rng=1), LeakyReLU()]
    ),
    "tanh": lambda: Generator(3, (5,), 2, rng=0),
    "sigmoid": lambda: Network([Dense(3, 4, rng=0), npgan.Sigmoid()]),
    "tanh first": lambda: Network([Tanh(), Dense(3, 2, rng=0)]),
    "tanh alone": lambda: Network([Tanh()]),
    "dropout": lambda: with_dropout(Discriminator(3, (5,), rng=0), 0.5, [1]),
    "softplus": lambda: Network([Layer(ops.softplus), Dense(3, 2, rng=0), Layer(ops.exp)]),
    "views": lambda: Network([Layer(ops.transpose), Layer(ops.transpose)]),
}


@pytest.mark.parametrize("name", ENDS)
@pytest.mark.usefixtures("rules", "kernels")
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_input_output_and_gradient_that_are_written_to(name, dtype):
    net = ENDS[name]()
    net = net.astype(dtype) if net.theta.size else net
    x = np.random.default_rng(1).standard_normal((4, 3)).astype(net.theta.dtype)
    y, pull = net.forward(x)
    g = np.random.default_rng(2).standard_normal(y.shape).astype(net.theta.dtype)
    dx, dtheta = (a.copy() for a in pull(g))
    x[:] = 0
    y *= 2
    given = g.copy()
    got = pull(given)
    given[:] = 0
    for a, b in zip(got, (dx, dtheta), strict=True):
        assert a.tobytes() == b.tobytes()
    got[0][:] = 5
    assert pull(g, "input").tobytes() == dx.tobytes()
    assert pull(g, "params").tobytes() == dtheta.tobytes()


@pytest.mark.parametrize(
    "layer",
    [
        lambda: Dense(3, 2, rng=0),
        LeakyReLU,
        Tanh,
        lambda: Layer(ops.transpose),
        lambda: Layer(ops.exp),
    ],
)
def test_one_layer(layer):
    layer = layer()
    x = np.random.default_rng(1).standard_normal((4, 3)).astype(np.float32)
    y, pull = layer.forward(x)
    g = np.ones_like(y)
    right = [a.copy() for a in pull(g)]
    x[:], y[:] = 0, 0
    got = pull(g)
    g[:] = 7
    for a, b in zip(got, right, strict=True):
        assert a.tobytes() == b.tobytes()


CHANGES = {
    "an optimiser": lambda net: Adam(net).step(np.ones_like(net.theta)),
    "an optimiser of the vector": lambda net: Adam(net.theta).step(np.ones_like(net.theta)),
    "theta set": lambda net: net.theta.__setitem__(slice(None), 0.5),
    "theta scaled": lambda net: net.theta.__imul__(np.float32(0.5)),
    "one weight": lambda net: net.theta.__setitem__(4, 0.5),
    "a parameter": lambda net: net.layers[0].params["W"].__setitem__((0, 0), 9),
    "loaded": lambda net: net.bind(net.theta + 1),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.usefixtures("rules")
def test_weights_that_changed_are_refused(change):
    G, _, z = networks()
    y, pull = G.forward(z)
    CHANGES[change](G)
    with pytest.raises(RuntimeError, match="weights have changed") as caught:
        pull(np.ones_like(y))
    assert "\n" not in str(caught.value)
    y, pull = G.forward(z)
    pull(np.ones_like(y))


def test_a_large_theta_that_is_set_is_noticed_in_each_layer():
    G = Generator(rng=0)
    z = np.zeros((2, 100), np.float32)
    for layer in G.layers:
        if layer.params:
            y, pull = G.forward(z)
            layer.params["W"][:] *= 2
            with pytest.raises(RuntimeError, match="weights have changed"):
                pull(np.ones_like(y))


def test_weights_of_a_layer_that_changed_are_refused():
    layer = Dense(3, 2, rng=0)
    y, pull = layer.forward(np.ones((2, 3), np.float32))
    layer.theta += 1
    with pytest.raises(RuntimeError, match="weights have changed"):
        pull(np.ones_like(y))


@pytest.mark.usefixtures("rules")
def test_a_layer_with_other_options_is_refused():
    D = Discriminator(2, (4,), rng=0)
    y, pull = D.forward(np.ones((3, 2), np.float32))
    D.layers[1].options["slope"] = 0.5
    with pytest.raises(RuntimeError, match="a layer has changed"):
        pull(np.ones_like(y))
    key = [1, 2]
    net = Network([Dense(2, 4, rng=0), Layer(ops.dropout, rate=0.5, key=key), Dense(4, 1, rng=0)])
    x = np.ones((3, 2), np.float32)
    y, pull = net.forward(x)
    right = pull(np.ones_like(y), "params")
    key[0] = 7  # the layer has its own
    assert pull(np.ones_like(y), "params").tobytes() == right.tobytes()
    net.layers[1].options["key"] = [2, 2]
    with pytest.raises(RuntimeError, match="a layer has changed"):
        pull(np.ones_like(y))


def test_labels_that_are_written_to():
    G = Generator(3 + 2, (5,), 4, rng=0)
    labels, z = np.array([0, 1, 1]), np.ones((3, 3), np.float32)
    y = one_hot(labels, (0, 1))
    fake, pull = G.forward(join_labels(z, y))
    pull = pull_through_join(pull, fake, y)
    g = np.random.default_rng(0).standard_normal((3, 6)).astype(np.float32)
    right = pull(g, "params").copy()
    labels[:], y[:], z[:], fake[:] = 0, 9, 9, 9
    assert pull(g, "params").tobytes() == right.tobytes()


def test_explicit_losses():
    logits, targets = np.ones((3, 1)), np.array([[0.0], [1.0], [0.5]])
    value, g = npgan.bce_with_logits(logits, targets)
    right = g.copy()
    logits[:], targets[:] = 0, 0
    assert g.tobytes() == right.tobytes()
    real, fake = np.ones((2, 1)), np.zeros((2, 1))
    _, (dreal, dfake) = npgan.value_and_grad(nonsaturating.discriminator, real, fake)
    dreal[:] = 3
    assert real.tolist() == [[1.0], [1.0]]
    assert np.isfinite(dfake).all()
    assert value > 0


def test_a_copy_of_a_tape_works():
    x = Tensor(np.ones(3))
    again = copy.deepcopy(ops.sum(x * x))
    assert float(again.data) == 3.0
