"""Updates as one list of jobs: the bits, values and errors of their definitions in npgan/gan.py."""

import copy
import functools
import gc
import importlib
import pickle
import threading
import weakref

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kernel_caches import compiled_kernels

import npgan
from npgan import (
    GAN,
    Adam,
    Discriminator,
    Generator,
    discriminator_step,
    generator_step,
    kernels,
    ops,
)
from npgan.kernels import definitions, updates
from npgan.kernels.update_jobs import Update
from npgan.losses import LOSSES
from npgan.training.penalty import LazyPenalty

compiled = pytest.fixture(autouse=True)(compiled_kernels)
DIRECT = ("nonsaturating", "minimax", "relativistic")


def images(*shape, seed=0, dtype=np.float32):
    return np.random.default_rng(seed).uniform(-1, 1, shape).astype(dtype)


class Players:
    """G and D with their optimisers, and the loop of a user."""

    def __init__(self, latent=3, hidden=(9, 17), inputs=12, dtype=np.float32, lr=2e-3, beta1=0.5):
        self.G = Generator(latent, hidden, inputs, rng=0).astype(dtype)
        self.D = Discriminator(inputs, hidden[::-1], rng=1).astype(dtype)
        self.adam_G, self.adam_D = Adam(self.G, lr, beta1), Adam(self.D, lr, beta1)
        self.latent, self.inputs, self.dtype, self.at = latent, inputs, dtype, 0

    def step(self, n=6, loss="nonsaturating", penalty=None):
        self.at += 1
        z = images(n, self.latent, seed=self.at, dtype=self.dtype)
        real = images(n, self.inputs, seed=-self.at % 1000, dtype=self.dtype)
        fake, pull = self.G.forward(z)
        values = discriminator_step(self.D, self.adam_D, real, fake, LOSSES[loss], penalty)
        return {**values, **generator_step(self.D, self.adam_G, fake, pull, LOSSES[loss], real)}

    def state(self):
        adams = self.adam_D, self.adam_G
        arrays = [a for one in adams for a in (one.theta, *one.slots.values())]
        return [a.copy() for a in arrays], [(one.t, one.net.updates[0]) for one in adams]


def kept(*holders):
    """All lists of jobs that are kept with these networks and their passes."""
    found = []
    for net in holders:
        for one in (net, *net.__dict__.get("passes", [])):
            found += one.__dict__.get("kept_updates", ([], []))[0]
    return found


def by_definition(monkeypatch):
    monkeypatch.setattr(updates, "update", lambda definition, *_: definition())


def assert_same_state(found, expected):
    for a, b in zip(found[0], expected[0], strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a, b)
    assert found[1] == expected[1]


def compare(monkeypatch, make, step, steps):
    """Whether both ways give the same values and states; the players of the fast one."""
    fast, plain = make(), make()
    values = [step(fast) for _ in range(steps)]
    with monkeypatch.context() as patch:
        by_definition(patch)
        expected = [step(plain) for _ in range(steps)]
    assert [[*row.items()] for row in values] == [[*row.items()] for row in expected]
    assert_same_state(fast.state(), plain.state())
    return fast


@given(
    loss=st.sampled_from([*LOSSES]),
    hidden=st.lists(st.integers(1, 40), max_size=3),
    sizes=st.tuples(st.integers(1, 20), st.integers(1, 50), st.integers(1, 70)),
    dtype=st.sampled_from([np.float32, np.float64]),
    beta1=st.sampled_from([0.0, 0.5]),
    threads=st.integers(1, 3),
)
def test_the_bits_are_those_of_the_definition(loss, hidden, sizes, dtype, beta1, threads):
    npgan.set_threads(threads)
    latent, inputs, n = sizes
    with pytest.MonkeyPatch.context() as patch:
        players = compare(
            patch,
            lambda: Players(latent, tuple(hidden), inputs, dtype, beta1=beta1),
            lambda one: one.step(n, loss),
            4,
        )
    assert len(kept(players.D, players.G)) == {"minimax": 1}.get(loss, 2) * (loss in DIRECT)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("loss", DIRECT)
def test_products_that_threads_share(loss, threads, monkeypatch):
    npgan.set_threads(threads)
    big = compare(
        monkeypatch, lambda: Players(100, (256, 512), 784), lambda one: one.step(40, loss), 4
    )
    assert len(kept(big.D, big.G)) == {"minimax": 1}.get(loss, 2)


class Trained:
    """A GAN, whose `step` is that of training."""

    def __init__(self, **settings):
        self.gan = GAN(rng=0, batch=6, latent=5, hidden=(20, 30), **settings)
        self.gan.start((3, 4))
        self.gan.schedule_for(None)
        self.at = 0

    def step(self):
        self.at += 1
        return self.gan.step(images(6 * self.gan.config["d_steps"], 12, seed=self.at))

    def state(self):
        adams = self.gan.adam_D, self.gan.adam_G
        arrays = [a for one in adams for a in (one.theta, *one.slots.values())]
        return [a.copy() for a in arrays], [(one.t, one.net.updates[0]) for one in adams]


@pytest.mark.parametrize("loss", ["nonsaturating", "minimax", "relativistic", "hinge"])
@pytest.mark.parametrize("penalty", [None, "r1", "r2", "r1+r2", "wgan_gp"])
def test_a_plain_step_of_training(loss, penalty, monkeypatch):
    every = {} if penalty is None else {"penalty_every": 3, "penalty_weight": 0.7}
    found = compare(
        monkeypatch,
        lambda: Trained(loss=loss, penalty=penalty, **every),
        Trained.step,
        12,
    )
    mine = kept(found.gan.discriminator_)
    is_whole = loss in ("nonsaturating", "relativistic")
    with_penalty = is_whole and penalty not in (None, "wgan_gp")
    assert {one.key.penalty is None for one in mine} == set(
        [True, False][: is_whole + with_penalty]
    )
    assert len(mine) == is_whole + with_penalty


@pytest.mark.parametrize(
    "settings",
    [
        {"instance_noise": 0.1}, {"dropout": 0.2}, {"d_steps": 2}, {"shards": 2},
        {"smoothing": 0.1, "loss": "nonsaturating"}, {"texture": True},
    ],
)  # fmt: skip
def test_a_step_with_more_in_it(settings, monkeypatch):
    compare(monkeypatch, lambda: Trained(**settings), Trained.step, 6)


def test_another_batch_size_in_each_step(monkeypatch):
    def step(one):
        return one.step(5 + one.at % 30)

    players = compare(monkeypatch, Players, step, 60)
    assert len(kept(players.D)) == 0  # no size was among the latest when it came again
    for n in range(1, 12):
        for _ in range(2):
            players.step(n)
    assert len(kept(players.D)) == updates.KEPT


def test_little_memory_is_kept():
    players = Players(inputs=784)
    for n in range(800, 1200, 40):
        for _ in range(2):
            players.step(n)
    mine = kept(players.D)
    assert 1 <= len(mine) < updates.KEPT
    assert sum(one.bytes for one in mine) <= updates.LARGEST
    assert min(one.bytes for one in mine) > 2 * 800 * 784 * 4


def test_networks_are_freed_at_once():
    players = warm()
    trained = Trained()
    for _ in range(4):
        trained.step()
    gc.collect()
    gc.disable()
    try:
        networks = [players.D, players.G, trained.gan.discriminator_, trained.gan.generator_]
        left = [weakref.ref(net) for net in networks]
        del networks, players, trained
        assert [ref() for ref in left[:2]] == [None, None]
    finally:
        gc.enable()


def test_images_of_any_layout_and_dtype(monkeypatch):
    layouts = [
        np.asfortranarray, lambda a: np.repeat(a, 2, 1)[:, ::2], lambda a: a.astype(np.float64),
        np.ndarray.tolist, lambda a: a.astype(">f4"),
    ]  # fmt: skip

    def step(one):
        one.at += 1
        fake, pull = one.G.forward(images(6, 3, seed=one.at))
        real = layouts[one.at % len(layouts)](images(6, 12, seed=one.at))
        if isinstance(real, list):
            real = np.array(real)
        real.flags.writeable = False
        mine = fake + 0.25
        values = discriminator_step(one.D, one.adam_D, real, mine)
        return {**values, **generator_step(one.D, one.adam_G, mine, pull)}

    compare(monkeypatch, Players, step, 24)


def test_more_real_images_than_fakes(monkeypatch):
    def step(one):
        one.at += 1
        fake, pull = one.G.forward(images(3, 3, seed=one.at))
        values = discriminator_step(one.D, one.adam_D, images(6, 12, seed=one.at), fake)
        return {**values, **generator_step(one.D, one.adam_G, fake, pull)}

    compare(monkeypatch, Players, step, 4)


# ---- numbers that are not finite ----


def spoil_D(one):
    one.adam_D.theta[-1] = np.nan


def spoil_G(one):
    one.adam_G.theta[3] = np.inf


def set_rate_of_D(one, rate):
    one.adam_D.hyper["lr"] = rate
    if isinstance(one, GAN):
        one.config["lr"] = one.config["lr"][0], rate


def spoil_rate_of_D(one):
    set_rate_of_D(one, 1e25)  # finite weights, with which logits overflow


def spoil_all_of_D(one):
    set_rate_of_D(one, 1e39)  # which is infinite in float32


def large_logits(one):
    one.adam_D.theta[-1] = 2e38  # a loss that is finite, and above half of the largest number


def spoil_moments_of_D(one):
    one.adam_D.slots["v"][5] = np.inf


def spoil_moments_of_G(one):
    one.adam_G.slots["v"][7] = np.nan


def steep_D(one):
    one.adam_D.theta[:] *= 1e9  # finite logits, and slopes whose squares are not


SPOILT = [
    spoil_D, spoil_G, spoil_rate_of_D, spoil_all_of_D, spoil_moments_of_D, spoil_moments_of_G,
    steep_D, large_logits,
]  # fmt: skip


@pytest.mark.parametrize("spoil", SPOILT)
@pytest.mark.parametrize("penalty", [None, "r1+r2"])
def test_errors_of_training_are_those_of_the_definition(spoil, penalty, monkeypatch):
    every = {} if penalty is None else {"penalty_every": 2}
    fails_alike(monkeypatch, lambda: Trained(penalty=penalty, **every), spoil)


@pytest.mark.parametrize("spoil", SPOILT)
def test_errors_of_the_steps_are_those_of_the_definition(spoil, monkeypatch):
    fails_alike(monkeypatch, Players, spoil)


def fails_alike(monkeypatch, make, spoil):
    message = ends_alike(monkeypatch, make, lambda one: spoil(getattr(one, "gan", one)))
    assert message or spoil in (steep_D, large_logits)


def ends_alike(monkeypatch, make, spoil):
    """The message with which both ways end in the steps after `spoil`; "" if they do not."""
    ends = []
    for is_plain in (False, True):
        one, message = make(), ""
        with monkeypatch.context() as patch:
            if is_plain:
                by_definition(patch)
            for _ in range(6):
                one.step()
            spoil(one)
            try:
                for _ in range(3):
                    one.step()
            except FloatingPointError as error:
                message = str(error)
        ends.append((message, one.state()))
    assert ends[0][0] == ends[1][0]
    assert_same_state(ends[0][1], ends[1][1])
    return ends[0][0]


def test_infinite_images_are_named(monkeypatch):
    players = Players()
    for _ in range(3):
        players.step()
    real = images(6, 12)
    real[2, 3] = np.inf
    before = players.state()
    with pytest.raises(FloatingPointError, match=r"^real images became inf"):
        discriminator_step(players.D, players.adam_D, real, images(6, 12))
    assert_same_state(players.state(), before)


def test_a_sum_of_two_finite_losses_that_is_infinite():
    D = Discriminator(12, (), rng=0)
    adam = Adam(D)
    real, fake = images(6, 12), images(6, 12, seed=1)
    for _ in range(3):
        discriminator_step(D, adam, real, fake)
    assert len(kept(D)) == 1
    D.theta[:] = 0
    D.theta[0], real[:, 0], fake[:, 0] = 2e38, -1, 1
    before = D.theta.copy()
    with pytest.raises(FloatingPointError, match=r"^loss D became inf"):
        discriminator_step(D, adam, real, fake)
    np.testing.assert_array_equal(D.theta, before)
    assert adam.t == 3


# ---- what was edited, replaced or chosen ----


def gradient_of(players):
    """By how much a step of D with a gradient of rate 0 would move: its moments."""
    discriminator_step(players.D, players.adam_D, images(6, 12, seed=1), images(6, 12, seed=2))
    return players.adam_D.slots["v"].copy()


def warm(steps=4):
    players = Players()
    for _ in range(steps):
        players.step()
    assert len(kept(players.D, players.G)) == 2
    return players


def edited_rule(patch):
    patch.setattr(ops.bce_with_logits, "rules", (lambda g, y, z, t: g * z, None))


def edited_loss(patch):
    patch.setattr("npgan.losses.cross_entropy", lambda z, t: ops.mean(z * z))


def replaced_kernel(patch):
    patch.setattr(kernels, "adam", lambda *a, **k: True)


def replaced_step(patch):
    patch.setattr(Adam, "step", lambda self, gradient: None)


def replaced_forward(patch):
    forward = npgan.Network.forward
    patch.setattr(npgan.Network, "forward", lambda self, x: forward(self, 2 * x))


@pytest.mark.parametrize(
    "edit", [edited_rule, edited_loss, replaced_kernel, replaced_step, replaced_forward]
)
def test_an_edit_counts_at_once(edit, monkeypatch):
    expected = gradient_of(warm())
    players = warm()
    edit(monkeypatch)
    found = gradient_of(players)
    assert not np.array_equal(found, expected)
    by_definition(monkeypatch)
    monkeypatch.undo()
    players = warm()
    edit(monkeypatch)
    by_definition(monkeypatch)
    np.testing.assert_array_equal(gradient_of(players), found)


REPLACED = [
    "npgan.gan.discriminator_gradient", "npgan.gan.generator_gradient",
    "npgan.gan.value_and_gradients", "npgan.training.step.update_discriminator",
    "npgan.training.step.generator_gradient", "npgan.training.step.mean_values",
    "npgan.training.penalty.r1_and_r2", "npgan.ops.mean",
]  # fmt: skip


@pytest.mark.parametrize("path", REPLACED)
def test_a_function_that_was_replaced_during_training_is_called(path, monkeypatch):
    players, trained, called = warm(), Trained(penalty_every=1), []
    for _ in range(4):
        trained.step()
    module, name = path.rsplit(".", 1)
    original = getattr(importlib.import_module(module), name)

    def counted(*args, **more):
        called.append(name)
        return original(*args, **more)

    monkeypatch.setattr(path, counted)
    monkeypatch.setattr(Update, "compute", None)
    players.step()
    trained.step()
    assert called


def test_after_use_rules_the_definition_is_computed(monkeypatch):
    players = warm()
    computed, compute = [], Update.compute
    monkeypatch.setattr(Update, "compute", lambda *a: (computed.append(1), compute(*a))[1])
    players.step()
    assert len(computed) == 2
    npgan.use_rules()
    try:
        players.step()
    finally:
        npgan.use_rules(False)
    npgan.use_kernels("reference")
    players.step()
    npgan.use_kernels("compiled")
    assert len(computed) == 2
    players.step()
    assert len(computed) == 4


def test_the_fingerprint_is_that_of_the_files():
    hint = "if the jobs still compute the same numbers, run python tools/fingerprint.py"
    assert definitions.fingerprint() == definitions.FINGERPRINT, hint


def test_an_edited_file_is_followed(monkeypatch):
    players = warm()
    definitions.files_are_shipped.cache_clear()
    monkeypatch.setattr(definitions, "FINGERPRINT", "another")
    computed, compute = [], Update.compute
    monkeypatch.setattr(Update, "compute", lambda *a: (computed.append(1), compute(*a))[1])
    try:
        players.step()
    finally:
        definitions.files_are_shipped.cache_clear()
    assert not computed


def test_files_that_cannot_be_read_are_taken_for_those_that_were_shipped(monkeypatch):
    """So it is where only compiled files, or a zip file, were installed."""
    monkeypatch.setattr(definitions, "FILES", ("no file.py",))
    assert definitions.files_are_shipped.__wrapped__()
    monkeypatch.setattr(definitions, "FILES", ("gan.py",))
    assert not definitions.files_are_shipped.__wrapped__()


def test_images_that_are_weights_or_moments(monkeypatch):
    def step(one):
        one.at += 1
        fake, pull = one.G.forward(images(6, 3, seed=one.at))
        weights, moments = (
            one.D.theta[:72].reshape(6, 12),
            one.adam_D.slots["v"][:72].reshape(6, 12),
        )
        discriminator_step(one.D, one.adam_D, fake, fake)
        values = discriminator_step(one.D, one.adam_D, weights, moments)
        return {**values, **generator_step(one.D, one.adam_G, fake, pull)}

    compare(monkeypatch, Players, step, 6)


def test_networks_and_optimisers_in_turns(monkeypatch):
    def step(one):
        if one.at == 0:
            one.others = Discriminator(12, (17, 9), rng=5), Adam(one.D, 5e-3)
        D, adam = one.D, one.adam_D
        if one.at % 3 == 1:
            one.adam_D = one.others[1]
        if one.at % 3 == 2:
            one.D = one.others[0]
        npgan.set_threads(1 + one.at % 3)
        values = one.step()
        one.D, one.adam_D = D, adam
        return values

    compare(monkeypatch, Players, step, 15)


def test_losses_that_say_other_things_of_the_same_logits(monkeypatch):
    """What D says is that of pairs or of single images by `needs_real`, not by the loss."""

    def step(one):
        name = ("relativistic", "nonsaturating")[one.at % 2]
        loss = LOSSES[name]._replace(needs_real=one.at % 4 < 2)
        one.at += 1
        fake, pull = one.G.forward(images(6, 3, seed=one.at))
        real = images(6, 12, seed=one.at)
        values = discriminator_step(one.D, one.adam_D, real, fake, loss)
        return {**values, **generator_step(one.D, one.adam_G, fake, pull, loss, real)}

    compare(monkeypatch, Players, step, 16)


def test_a_penalty_of_ones_own(monkeypatch):
    class Trebled(LazyPenalty):
        def __call__(self, D, real, fake):
            value, gradient = super().__call__(D, real, fake)
            return 3 * value, 3 * gradient

    def step(one):
        kind = (LazyPenalty, Trebled)[one.at % 3 == 2]
        return one.step(penalty=kind("r1", 0.5, 0, None))

    players = compare(monkeypatch, Players, step, 9)
    assert any(one.key.penalty for one in kept(players.D))


def test_moments_under_other_names(monkeypatch):
    def step(one):
        if one.at == 4:
            slots = one.adam_D.slots
            one.adam_D.slots = {"v": abs(slots["m"]), "m": slots["v"]}
        if one.at == 8:
            slots = one.adam_D.slots
            one.adam_D.slots = {"v": slots["m"], "m": slots["v"]}
            slots["m"][:] = abs(slots["m"])
        return one.step()

    compare(monkeypatch, Players, step, 12)


@pytest.mark.parametrize("name", ["theta", "m", "v"])
def test_arrays_that_became_read_only_are_not_written_to(name):
    players = warm()
    array = players.D.theta if name == "theta" else players.adam_D.slots[name]
    array.flags.writeable = False
    before = array.copy()
    with pytest.raises(ValueError, match="read-only"):
        players.step()
    np.testing.assert_array_equal(array, before)


@pytest.mark.parametrize("hyper", [{"lr": "x"}, {"beta3": 1.0}, {"eps": None}])
def test_settings_of_adam_that_are_no_numbers(hyper):
    found = []
    for steps in (4, 0):
        players = Players()
        for _ in range(steps):
            players.step()
        players.adam_D.hyper.update(hyper)
        with pytest.raises((TypeError, ValueError, FloatingPointError)) as caught:
            players.step()
        found.append(str(caught.value))
    assert found[0] == found[1]


class OnlyStep:
    """An optimiser that is nothing but a function."""

    def __init__(self, net):
        self.theta = net.theta

    def step(self, gradient):
        self.theta -= 0.1 * gradient


class OnlyForward:
    """Two discriminators as one."""

    def __init__(self, *networks):
        self.networks = networks

    def forward(self, x):
        ys, pulls = zip(*(net.forward(x) for net in self.networks), strict=True)
        return sum(ys), lambda g, wrt: sum(pull(g, wrt) for pull in pulls)


def test_other_optimisers_and_discriminators():
    players = warm()
    fake, pull = players.G.forward(images(6, 3))
    before = players.D.theta.copy(), players.G.theta.copy()
    discriminator_step(players.D, OnlyStep(players.D), images(6, 12), fake)
    D = OnlyForward(players.D, players.D.copy())
    generator_step(D, players.adam_G, fake, pull)
    assert np.any(players.D.theta != before[0])
    assert np.any(players.G.theta != before[1])


def test_a_copy_of_a_pullback():
    net = Discriminator(12, (5,), rng=0)
    _, pull = net.forward(images(6, 12))
    expected = pull(images(6, 1), "params")
    np.testing.assert_array_equal(copy.deepcopy([pull])[0](images(6, 1), "params"), expected)
    np.testing.assert_array_equal(copy.copy(pull)(images(6, 1), "params"), expected)
    with pytest.raises(TypeError, match=r"^a pullback cannot be pickled"):
        pickle.dumps(pull)


@pytest.mark.parametrize("scale", [1e17, 1e18, 1.5e18, 3e18, 1e19, 3e19])
def test_a_penalty_that_overflows_leaves_d_as_it_was(scale, monkeypatch):
    def make():
        one = Players(hidden=())
        penalty = LazyPenalty("r1", 1e-3, 0, None)
        one.step = functools.partial(one.step, penalty=penalty)
        return one

    def spoil(one):
        one.D.theta[:12] = scale

    message = ends_alike(monkeypatch, make, spoil)
    assert message == ("penalty became inf" if scale > 2e18 else "")


def test_with_the_reference_kernels_there_are_no_jobs():
    npgan.use_kernels("reference")
    players = Players()
    for _ in range(4):
        players.step()
    assert kept(players.D, players.G) == []


def test_an_optimiser_of_ones_own_is_called():
    class Mine(Adam):
        def step(self, gradient):
            self.seen = gradient.copy()

    players = Players()
    players.adam_D = Mine(players.D)
    before = players.D.theta.copy()
    for _ in range(4):
        players.step()
        assert players.adam_D.seen.any()
    np.testing.assert_array_equal(players.D.theta, before)


@pytest.mark.parametrize("name", ["step", "_update"])
def test_a_method_that_one_optimiser_has_of_its_own_is_called(name, monkeypatch):
    def make():
        players = warm()
        original = getattr(players.adam_D, name)
        setattr(players.adam_D, name, lambda gradient: original(2 * gradient))
        return players

    compare(monkeypatch, make, Players.step, 3)


def test_replaced_moments_are_used():
    one, other = warm(), warm()
    for players in (one, other):
        for name, slot in players.adam_D.slots.items():
            players.adam_D.slots[name] = slot.copy() if players is one else slot
        players.step()
    assert_same_state(one.state(), other.state())


def test_weights_that_were_loaded_are_used(monkeypatch):
    def step(one):
        if one.at == 4:
            one.D.theta[:], one.adam_D.hyper["lr"] = 0.5 * one.D.theta, 1e-2
            one.adam_G.restore(one.adam_G.state())
        return one.step()

    compare(monkeypatch, Players, step, 8)


@pytest.mark.parametrize("name", ["D", "G"])
def test_layers_that_were_changed_are_used(name, monkeypatch):
    def step(one):
        net = getattr(one, name)
        if one.at == 4:
            net.layers[1].options["slope"] = 0.5
        if one.at == 8:
            net.layers[0].bind(0.5 * net.layers[0].theta)  # parameters that are no part of theta
        return one.step()

    compare(monkeypatch, Players, step, 12)


def test_a_pullback_knows_of_an_update():
    players = warm()
    _, pull = players.D.forward(images(6, 12))
    players.step()
    with pytest.raises(RuntimeError, match="weights have changed"):
        pull(images(6, 1))
    fake, pull = players.G.forward(images(6, 3))
    generator_step(players.D, players.adam_G, fake, pull)
    with pytest.raises(RuntimeError, match="weights have changed"):
        generator_step(players.D, players.adam_G, fake, pull)


def test_another_number_of_images_than_the_pullback_has():
    players = warm()
    _, pull = players.G.forward(images(6, 3))
    for _ in range(3):
        with pytest.raises(ValueError, match=r"^pull\(\) got a gradient of shape \(4, 12\)"):
            generator_step(players.D, players.adam_G, images(4, 12), pull)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_a_copy_has_lists_of_its_own(copied):
    players = warm()
    other = copied(players)
    assert kept(other.D, other.G) == []
    for _ in range(4):
        players.step()
    before = players.state()
    for _ in range(4):
        other.step()
    assert_same_state(other.state(), before)
    assert_same_state(players.state(), before)


def test_threads_that_train_at_the_same_time():
    found = {}

    def train(i):
        one = Trained()
        for _ in range(40):
            one.step()
        found[i] = one.state()

    train(0)
    threads = [threading.Thread(target=train, args=(i,)) for i in (1, 2, 3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for i in (1, 2, 3):
        assert_same_state(found[i], found[0])


def test_a_copy_of_d_with_the_same_weights(monkeypatch):
    """Dropout in D makes such copies: the optimiser's network is another object."""

    def step(one):
        one.at += 1
        D = one.D.with_theta(one.D.theta)
        fake, pull = one.G.forward(images(6, 3, seed=one.at))
        values = discriminator_step(D, one.adam_D, images(6, 12, seed=one.at), fake)
        return {**values, **generator_step(D, one.adam_G, fake, pull)}

    compare(monkeypatch, Players, step, 5)


# ---- the jobs ----


@given(
    n=st.integers(1, 40),
    paired=st.booleans(),
    target=st.sampled_from([0.0, 1.0]),
    scale=st.sampled_from([1e-3, 1.0, 100.0]),
    dtype=st.sampled_from([np.float32, np.float64]),
)
def test_the_job_of_a_cross_entropy(n, paired, target, scale, dtype):
    first, second = (dtype(scale) * images(n, 1, seed=i, dtype=dtype) for i in (0, 1))
    dz, values = np.full((2 * n + 1, 1), 7, dtype), np.zeros(3, dtype)
    jobs = kernels.job_list()(np.dtype(dtype))
    jobs.bce(first, second if paired else second[:0], target, dz[: (1 + paired) * n], values)
    assert jobs.finish().compute() == 0
    z = first - second if paired else first
    value, gradient = kernels.bce_with_gradient(z, target)
    np.testing.assert_array_equal(dz[:n], gradient)
    np.testing.assert_array_equal(dz[n : 2 * n], -gradient if paired else 7 + 0 * gradient)
    assert dz[-1] == 7
    expected = [value, kernels.mean_sigmoid(z), kernels.mean_sigmoid(-z)]
    np.testing.assert_array_equal(values, np.array(expected, dtype))


def test_a_list_ends_at_the_first_number_that_is_not_finite():
    x, out = np.ones((4, 4), np.float32), np.zeros((3, 4, 4), np.float32)
    jobs = kernels.job_list()(x.dtype)
    jobs.mix(x, x, 2.0, 1.0, out[0])
    jobs.mix(x, x, np.inf, 1.0, out[1])
    jobs.mix(out[1], x, 1.0, 1.0, out[2])
    jobs.mix(x, x, 3.0, 1.0, out[1])
    assert jobs.finish().compute() == 3
    np.testing.assert_array_equal(out[:, 0, 0], [3.0, np.inf, np.inf])


@given(
    n=st.integers(1, 60_000),
    at=st.integers(0, 59_999),
    dtype=st.sampled_from([np.float32, np.float64]),
)
def test_the_job_of_a_mixture(n, at, dtype):
    x, y = images(n, dtype=dtype), images(n, seed=1, dtype=dtype)
    out = np.empty_like(x)
    for largest, bad in ((1.0, 1.5), (None, np.inf), (None, np.nan)):
        jobs = kernels.job_list()(np.dtype(dtype))
        jobs.mix(x, y, 0.5, -3.0, out, largest)
        jobs.finish()
        assert jobs.compute() == 0
        np.testing.assert_array_equal(out, dtype(0.5) * x + dtype(-3.0) * y)
        good, x[at % n] = x[at % n], -bad
        assert jobs.compute() == 1
        x[at % n] = good
