"""Whole steps: the generator's gradient through the discriminator, and who moves when."""

import numpy as np
import pytest
from oracles import numerical

from npgan import (
    GAN,
    SGD,
    Adam,
    Discriminator,
    Generator,
    Tensor,
    bce_with_logits,
    datasets,
    discriminator_step,
    flatten,
    generator_step,
    grad,
    ops,
    r1,
    r2,
    value_and_grad,
    wgan_gp,
)
from npgan.files import checkpoint
from npgan.gan import discriminator_gradient
from npgan.losses import LOSSES, nonsaturating

every_loss = pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)


def tiny(dtype=np.float64):
    """Small networks with weights large enough that every gradient is well above rounding."""
    G = Generator(3, (5, 4), 6, rng=0).astype(dtype)
    D = Discriminator(6, (4, 5), rng=1).astype(dtype)
    rng = np.random.default_rng(2)
    for net in (G, D):
        net.theta[:] = rng.normal(0, 0.6, net.theta.size)
    return G, D, rng.uniform(-1, 1, (7, 6)).astype(dtype), rng.standard_normal((7, 3)).astype(dtype)


class Recorder(SGD):
    """An optimiser that shows the gradient it was given."""

    def step(self, gradient):
        self.seen = gradient.copy()
        super().step(gradient)


# ---- correct gradients ----


@every_loss
def test_the_generators_gradient_through_the_discriminator(loss):
    G, D, real, z = tiny()

    def generators_loss():
        return float(loss.generator(D(real), D(G(z))))

    expected = numerical(generators_loss, G.theta)
    fake, pull_G = G.forward(z)
    optimiser = Recorder(G)
    values = generator_step(D, optimiser, fake, pull_G, loss, real)
    np.testing.assert_allclose(optimiser.seen, expected, rtol=1e-5, atol=1e-8)
    assert np.abs(expected).max() > 1e-3
    G2, *_ = tiny()
    np.testing.assert_allclose(
        values["loss_G"], float(loss.generator(D(real), D(G2(z)))), rtol=1e-12
    )


@every_loss
def test_the_discriminators_gradient(loss):
    G, D, real, z = tiny()
    fake = G(z)
    expected = numerical(lambda: float(loss.discriminator(D(real), D(fake))), D.theta)
    optimiser = Recorder(D)
    discriminator_step(D, optimiser, real, fake, loss)
    np.testing.assert_allclose(optimiser.seen, expected, rtol=1e-5, atol=1e-8)
    assert np.abs(expected).max() > 1e-3


def test_minimax_and_nonsaturating_pull_the_same_way_with_different_strength():
    """d/dlogit: -(1-D) / B against -D / B."""
    logits = np.array([[-3.0], [0.0], [2.0]])
    D = 1 / (1 + np.exp(-logits))
    _, (flat,) = value_and_grad(lambda f: LOSSES["minimax"].generator(None, f), logits)
    _, (steep,) = value_and_grad(lambda f: LOSSES["nonsaturating"].generator(None, f), logits)
    np.testing.assert_allclose(flat, -D / 3, rtol=1e-12)
    np.testing.assert_allclose(steep, -(1 - D) / 3, rtol=1e-12)


@pytest.mark.parametrize(
    ("name", "logit"),
    [("nonsaturating", 0), ("minimax", 0), ("relativistic", 0), ("least_squares", 0.5)],
)
def test_the_equilibrium_of_a_loss_is_its_value_where_d_cannot_tell(name, logit):
    loss, logits = LOSSES[name], np.full((4, 1), float(logit))
    found = float(loss.discriminator(logits, logits)), float(loss.generator(logits, logits))
    np.testing.assert_allclose(found, loss.equilibrium)


def test_values_of_the_losses_at_known_logits():
    real, fake, zero = np.array([[2.0], [0.0]]), np.array([[-1.0], [3.0]]), np.zeros((4, 1))
    value = lambda name, side, *logits: float(getattr(LOSSES[name], side)(*logits))
    np.testing.assert_allclose(value("nonsaturating", "discriminator", zero, zero), 2 * np.log(2))
    np.testing.assert_allclose(value("nonsaturating", "generator", zero, zero), np.log(2))
    np.testing.assert_allclose(value("minimax", "generator", zero, zero), -np.log(2))
    np.testing.assert_allclose(value("relativistic", "discriminator", zero, zero), np.log(2))
    np.testing.assert_allclose(
        value("least_squares", "discriminator", real, fake), (1 + 1) / 4 + (1 + 9) / 4
    )
    np.testing.assert_allclose(value("least_squares", "generator", real, fake), (4 + 4) / 4)
    np.testing.assert_allclose(
        value("hinge", "discriminator", real, fake), (0 + 1) / 2 + (0 + 4) / 2
    )
    np.testing.assert_allclose(value("hinge", "generator", real, fake), -1)
    np.testing.assert_allclose(value("wasserstein", "discriminator", real, fake), 1 - 1)
    np.testing.assert_allclose(value("relativistic", "discriminator", real, fake), (np.log1p(np.exp(-3)) + np.log1p(np.exp(3))) / 2)  # fmt: skip
    np.testing.assert_allclose(value("relativistic", "generator", real, fake), (np.log1p(np.exp(3)) + np.log1p(np.exp(-3))) / 2)  # fmt: skip


@every_loss
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_every_loss_is_finite_for_huge_logits(loss, dtype):
    for a in (-1e4, 0.0, 1e4):
        for b in (-1e4, 0.0, 1e4):
            logits = np.array([[a]], dtype), np.array([[b]], dtype)
            for side in (loss.discriminator, loss.generator):
                value, gradients = value_and_grad(side, *logits)
                assert np.isfinite(value)
                assert all(np.isfinite(g).all() and g.dtype == dtype for g in gradients)


@pytest.mark.parametrize(
    ("name", "n_real"), [("hinge", 1), ("hinge", 8), ("relativistic", 8), ("relativistic", 1)]
)
def test_what_a_step_of_D_says_of_real_and_fake(name, n_real):
    D, rng = Discriminator(5, (7,), rng=0), np.random.default_rng(0)
    real, fake = (rng.standard_normal((n, 5), dtype=np.float32) for n in (n_real, 8))
    _, values = discriminator_gradient(D, real, fake, LOSSES[name])
    a, b = D(real), D(fake)
    if name == "relativistic":
        a, b = a - b, b - a
    assert values["D_real"] == pytest.approx(float(np.mean(1 / (1 + np.exp(-a)))), rel=1e-5)
    assert values["D_fake"] == pytest.approx(float(np.mean(1 / (1 + np.exp(-b)))), rel=1e-5)


def test_bce_with_logits_is_a_mean_over_images():
    z, t = np.array([[1.0], [-2.0]]), np.array([[1.0], [0.0]])
    value, dlogits = bce_with_logits(z, t)
    p = 1 / (1 + np.exp(-z))
    np.testing.assert_allclose(value, -np.mean(t * np.log(p) + (1 - t) * np.log(1 - p)))
    np.testing.assert_allclose(dlogits, (p - t) / 2)


# ---- penalties, whose gradient is a second derivative ----


def slopes(D, x):
    """|∇D(x)|² of each image, by the explicit road."""
    logits, pull = D.forward(x)
    return np.sum(pull(np.ones_like(logits), wrt="input") ** 2, axis=1)


def test_r1_and_its_gradient():
    _, D, real, _ = tiny()
    value, dtheta = r1(D, real, gamma=3.0)
    np.testing.assert_allclose(value, 1.5 * slopes(D, real).mean(), rtol=1e-12)
    expected = numerical(lambda: 1.5 * slopes(D, real).mean(), D.theta)
    np.testing.assert_allclose(dtheta, expected, rtol=1e-6, atol=1e-8)
    assert np.abs(expected).max() > 1e-2
    np.testing.assert_array_equal(r2(D, real, gamma=3.0)[1], dtheta)


def test_wgan_gp_and_its_gradient():
    _, D, real, _ = tiny()
    fake = -real[::-1]
    along = np.random.default_rng(5).random((7, 1))
    between = real + along * (fake - real)
    penalty = lambda: 10 * np.mean((np.sqrt(slopes(D, between)) - 1) ** 2)
    value, dtheta = wgan_gp(D, real, fake, rng=5)
    np.testing.assert_allclose(value, penalty(), rtol=1e-12)
    np.testing.assert_allclose(dtheta, numerical(penalty, D.theta), rtol=1e-5, atol=1e-7)
    assert np.isfinite(wgan_gp(D, real * 0, fake * 0, rng=5)[1]).all()
    with pytest.raises(ValueError, match="pairs real with fake"):
        wgan_gp(D, real, fake[:3])


def test_a_penalty_with_smooth_activations():
    """tanh in D: here the second derivative of the activation counts, not only its gates."""
    from npgan import Dense, Network, Tanh

    rng = np.random.default_rng(0)
    D = Network([Dense(4, 5, rng=rng), Tanh(), Dense(5, 3, rng=rng), Tanh(), Dense(3, 1, rng=rng)])
    D = D.astype(np.float64)
    x = rng.standard_normal((6, 4))
    expected = numerical(lambda: 0.5 * slopes(D, x).mean(), D.theta)
    np.testing.assert_allclose(r1(D, x)[1], expected, rtol=1e-6, atol=1e-8)


# ---- who moves ----


def test_a_discriminator_step_leaves_the_generators_bits_alone_and_the_reverse():
    G, D, real, z = tiny(np.float32)
    adam_G, adam_D = Adam(G, 1e-2), Adam(D, 1e-2)
    before_G, before_D = G.theta.copy(), D.theta.copy()
    fake, pull_G = G.forward(z)
    discriminator_step(D, adam_D, real, fake)
    np.testing.assert_array_equal(G.theta, before_G)
    assert np.all(D.theta != before_D)
    before_D = D.theta.copy()
    generator_step(D, adam_G, fake, pull_G)
    np.testing.assert_array_equal(D.theta, before_D)
    assert np.all(G.theta != before_G)


def test_a_step_lowers_the_loss_that_it_minimises():
    G, D, real, z = tiny()
    lossD = lambda: float(nonsaturating.discriminator(D(real), D(G(z))))
    lossG = lambda: float(nonsaturating.generator(None, D(G(z))))
    before = lossD()
    discriminator_step(D, SGD(D, 1e-2), real, G(z))
    assert lossD() < before
    before = lossG()
    generator_step(D, SGD(G, 1e-2), *G.forward(z))
    assert lossG() < before


def test_a_pullback_from_before_the_step_is_refused():
    G, D, real, z = tiny()
    fake = G(z)
    logits, pull_D = D.forward(fake)
    discriminator_step(D, SGD(D), real, fake)
    with pytest.raises(RuntimeError, match="weights have changed"):
        pull_D(np.ones_like(logits), wrt="input")


def test_the_explicit_step_equals_the_tape():
    G, D, _, z = tiny()
    params = G.tensors()
    loss = nonsaturating.generator(None, D.apply(G.apply(z, params), D.tensors()))
    expected = flatten(grad(loss, params))
    optimiser = Recorder(G)
    generator_step(D, optimiser, *G.forward(z))
    np.testing.assert_array_equal(optimiser.seen, expected)


# ---- against PyTorch, at full size ----


def torch_twin(torch, net, tanh):
    layers = []
    params = dict(net.named_parameters())
    for name in [n[:-2] for n in params if n.endswith(".W")]:
        W, b = params[f"{name}.W"], params[f"{name}.b"]
        dense = torch.nn.Linear(*W.shape)
        dense.weight.data, dense.bias.data = torch.tensor(W.T.copy()), torch.tensor(b.copy())
        layers += [dense, torch.nn.LeakyReLU(0.2)]
    layers.pop()
    return torch.nn.Sequential(*layers, *([torch.nn.Tanh()] if tanh else []))


def torch_flat(net):
    return np.concatenate([p.grad.numpy().T.ravel() for p in net.parameters()])


def close_to_rounding(ours, theirs):
    """Within float32 rounding of sums over some hundred products: relative to the gradient's own size."""
    assert np.abs(ours - theirs).max() < 2e-5 * np.abs(theirs).max()


def test_whole_gradients_of_the_classic_networks_equal_pytorchs():
    torch = pytest.importorskip("torch")
    G, D = Generator(rng=0), Discriminator(rng=1)
    rng = np.random.default_rng(2)
    real, z = (
        rng.uniform(-1, 1, (32, 784)).astype(np.float32),
        rng.standard_normal((32, 100), dtype=np.float32),
    )
    their_G, their_D = torch_twin(torch, G, True), torch_twin(torch, D, False)
    bce = torch.nn.functional.binary_cross_entropy_with_logits
    ones, zeros = torch.ones(32, 1), torch.zeros(32, 1)

    fake = their_G(torch.tensor(z))
    loss = bce(their_D(torch.tensor(real)), ones) + bce(their_D(fake.detach()), zeros)
    loss.backward()
    ours, pull_G = G.forward(z)
    optimiser = Recorder(D, lr=1e-30)
    values = discriminator_step(D, optimiser, real, ours)
    np.testing.assert_allclose(values["loss_D"], loss.item(), rtol=1e-5)
    close_to_rounding(optimiser.seen, torch_flat(their_D))

    loss = bce(their_D(fake), ones)
    loss.backward()
    optimiser = Recorder(G, lr=1e-30)
    values = generator_step(D, optimiser, ours, pull_G)
    np.testing.assert_allclose(values["loss_G"], loss.item(), rtol=1e-5)
    close_to_rounding(optimiser.seen, torch_flat(their_G))


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-7), (np.float32, 0.05)])
def test_fifty_steps_follow_pytorchs_losses(dtype, tolerance):
    """In float64 to seven digits. In float32 rounding grows: Adam's first steps divide noise by its own size."""
    torch = pytest.importorskip("torch")
    G, D = Generator(rng=0).astype(dtype), Discriminator(rng=1).astype(dtype)
    their_G, their_D = torch_twin(torch, G, True), torch_twin(torch, D, False)
    adam_G, adam_D = Adam(G, 2e-4, 0.5), Adam(D, 2e-4, 0.5)
    their_adams = [
        torch.optim.Adam(net.parameters(), 2e-4, (0.5, 0.999)) for net in (their_G, their_D)
    ]
    bce = torch.nn.functional.binary_cross_entropy_with_logits
    rng = np.random.default_rng(3)
    batches = datasets.batches(datasets.mnist("test").images, 32, rng)
    ours, theirs = [], []
    for _ in range(50):
        real, z = next(batches).astype(dtype), rng.standard_normal((32, 100)).astype(dtype)
        fake, pull_G = G.forward(z)
        loss_D = discriminator_step(D, adam_D, real, fake)["loss_D"]
        ours.append((loss_D, generator_step(D, adam_G, fake, pull_G)["loss_G"]))

        fake, score = their_G(torch.tensor(z)), their_D(torch.tensor(real))
        ones, zeros = torch.ones_like(score), torch.zeros_like(score)
        their_D.zero_grad()
        their_loss_D = bce(score, ones) + bce(their_D(fake.detach()), zeros)
        their_loss_D.backward()
        their_adams[1].step()
        their_G.zero_grad()
        their_loss_G = bce(their_D(fake), ones)
        their_loss_G.backward()
        their_adams[0].step()
        theirs.append((their_loss_D.item(), their_loss_G.item()))
    np.testing.assert_allclose(ours, theirs, rtol=tolerance, atol=tolerance)
    assert abs(ours[-1][0] - ours[0][0]) > 0.1  # it did learn something meanwhile


# ---- the model ----


@pytest.fixture
def points():
    return datasets.ring(512, rng=0)


def small_gan(**settings):
    return GAN(**{"latent": 4, "hidden": (16,), "hidden_D": (16,), "batch": 32, **settings})


@every_loss
def test_every_loss_trains_both_nets(loss, points):
    gan = small_gan(loss=loss.name)
    gan.start(points.shape, pixels=False)
    before = [net.theta.copy() for net in (gan.generator_, gan.discriminator_, gan.average_)]
    gan.fit(points, epochs=1, progress=False)
    for net, theta in zip((gan.generator_, gan.discriminator_, gan.average_), before, strict=True):
        assert np.mean(net.theta != theta) > 0.9
        assert np.isfinite(net.theta).all()


def test_the_averages_are_what_they_say(points):
    """Of the weights of every step, and of every 8th from step 890 on, where the decay is 0.99."""
    gan = small_gan(average=0.995)
    gan.start(points.shape, pixels=False)
    pairs = (gan.average_, gan.generator_), (gan.average_D_, gan.discriminator_)
    averages, changed = [net.theta.astype(np.float64) for _, net in pairs], []
    for t in range(1, 921):
        before = gan.average_.theta.copy()
        gan.step(points.images[:32])
        if (gan.average_.theta != before).any():
            changed.append(t)
        decay, every = min(0.995, (1 + t) / (10 + t)), 8 if t >= 890 else 1
        if t % every == 0:
            for average, (_, net) in zip(averages, pairs, strict=True):
                average += (1 - decay**every) * (net.theta - average)
    for average, (found, _) in zip(averages, pairs, strict=True):
        np.testing.assert_allclose(found.theta, average, rtol=1e-4, atol=1e-5)
    assert changed == [*range(1, 890), 896, 904, 912, 920]


def test_a_short_average_is_of_every_step(points):
    gan = small_gan(average=0.5)
    gan.start(points.shape, pixels=False)
    gan.adam_G.t = 2000
    average = gan.generator_.theta.copy()
    for _ in range(5):
        gan.step(points.images[:32])
        average = 0.5 * average + 0.5 * gan.generator_.theta
    np.testing.assert_allclose(gan.average_.theta, average, rtol=1e-4, atol=1e-6)


def test_without_an_average_samples_are_those_of_the_weights(points):
    gan = small_gan(average=0).fit(points, epochs=1, progress=False)
    np.testing.assert_array_equal(gan.average_.theta, gan.generator_.theta)
    np.testing.assert_array_equal(gan.average_D_.theta, gan.discriminator_.theta)


def test_numpy_numbers_are_settings_too(points, tmp_path):
    gan = small_gan(
        average=np.float32(0.5), beta1=np.float32(0.5), lr=np.float32(1e-3), latent=np.int64(4)
    )
    gan.fit(points, epochs=1, progress=False).save(tmp_path / "gan.npz")
    assert GAN.load(tmp_path / "gan.npz").config == gan.config


def test_two_learning_rates(points):
    gan = small_gan(lr=(1e-3, 2e-3), lr_decay=0).fit(points, epochs=1, progress=False)
    assert (gan.adam_G.hyper["lr"], gan.adam_D.hyper["lr"]) == (1e-3, 2e-3)


def test_samples(points):
    images = datasets.mnist("test").images[:256]
    gan = GAN(latent=5, hidden=(8,), hidden_D=(8,), batch=64).fit(images, epochs=1, progress=False)
    assert gan.sample(10, rng=0).shape == (10, 28, 28)
    assert gan.sample(10).dtype == np.uint8
    np.testing.assert_array_equal(gan.sample(600, rng=0)[:300], gan.sample(300, rng=0))
    assert gan.sample(3, rng=1).tolist() != gan.sample(3, rng=2).tolist()
    cloud = small_gan().fit(points, epochs=1, progress=False).sample(7, rng=0)
    assert (cloud.shape, cloud.dtype) == ((7, 2), np.float32)
    rgb = np.random.default_rng(0).integers(0, 256, (40, 4, 4, 3), dtype=np.uint8)
    assert small_gan().fit(rgb, epochs=1, progress=False).sample(2).shape == (2, 4, 4, 3)


def test_the_same_seed_gives_the_same_bits(points):
    a, b, c = (small_gan(rng=seed).fit(points, epochs=2, progress=False) for seed in (3, 3, 4))
    for net in ("generator_", "discriminator_", "average_"):
        np.testing.assert_array_equal(getattr(a, net).theta, getattr(b, net).theta)
    assert a.history_ == b.history_
    assert np.any(a.generator_.theta != c.generator_.theta)
    generator = small_gan(rng=np.random.default_rng(7)), small_gan(rng=np.random.default_rng(7))
    assert generator[0].config == generator[1].config


def test_two_fits_continue_like_one_if_nothing_falls_towards_the_end(points):
    once = small_gan(lr_decay=0).fit(points, epochs=3, progress=False)
    twice = (
        small_gan(lr_decay=0)
        .fit(points, epochs=1, progress=False)
        .fit(points, epochs=2, progress=False)
    )
    np.testing.assert_array_equal(once.generator_.theta, twice.generator_.theta)
    assert once.history_ == twice.history_
    assert once.history_["epoch"] == [1, 2, 3]


def test_save_and_load_keep_every_bit(points, tmp_path):
    gan = small_gan().fit(points, epochs=1, progress=False)
    gan.save(tmp_path / "gan.npz")
    again = GAN.load(tmp_path / "gan.npz")
    gan.fit(points, epochs=1, progress=False)
    again.fit(points, epochs=1, progress=False)
    gan.save(tmp_path / "a.npz")
    again.save(tmp_path / "b.npz")
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (lambda p: GAN(latent=0), "latent must be a whole number of 1 or more; got 0"),
        (lambda p: GAN(batch=2.5), "batch must be a whole number"),
        (
            lambda p: GAN(hidden=5),
            "hidden must be a sequence, each item a whole number of 1 or more; got 5; ",
        ),
        (lambda p: GAN(hidden_D=(2.5,)), "hidden_D must be a sequence"),
        (lambda p: GAN(lr=None), "lr must be a number above 0, or a pair"),
        (
            lambda p: small_gan().fit(p, epochs=2.5),
            "epochs must be a whole number of 1 or more; got 2.5",
        ),
        (lambda p: small_gan().fit(p, epochs="3"), "epochs must be a whole number"),
        (lambda p: GAN(loss="bce"), "loss must be one of nonsaturating, minimax"),
        (lambda p: GAN(average=1.0), "average must be a number of 0 or more and below 1; got 1.0"),
        (lambda p: GAN(lr=0), "lr must be a number above 0, or a pair"),
        (lambda p: GAN(lr=(1, 2, 3)), "lr must be"),
        (
            lambda p: GAN(rng=-1),
            "rng must be a whole number of 0 or more, a np.random.Generator or None; got -1",
        ),
        (
            lambda p: small_gan().fit(p, epochs=0),
            "epochs must be a whole number of 1 or more; got 0",
        ),
        (lambda p: small_gan(batch=1000).fit(p), "batch is 1000, but there are only 512"),
        (lambda p: small_gan().fit(np.full((64, 4), np.nan)), "NaN"),
        (lambda p: small_gan().fit(np.zeros((64, 2, 2, 2, 2))), "shape"),
        (
            lambda p: small_gan().fit(p, 1, progress=False).fit(np.zeros((64, 3)), 1),
            r"images of shape \(2,\), got \(3,\)",
        ),
        (
            lambda p: small_gan().fit(p, 1, progress=False).sample(0),
            "n must be a whole number of 1 or more; got 0",
        ),
        (lambda p: Generator(output="relu"), '"tanh" or "linear"'),
    ],
)
def test_errors_say_what_to_do(wrong, words, points):
    with pytest.raises(ValueError, match=words):
        wrong(points)
    with pytest.raises(RuntimeError, match=r"fit it, or GAN\.load"):
        small_gan().sample(1)
    with pytest.raises(RuntimeError, match="nothing to save"):
        small_gan().save("x.npz")


def test_the_tape_and_the_explicit_road_share_their_rules():
    x = np.linspace(-2, 2, 9).reshape(3, 3)
    leaf = Tensor(x)
    np.testing.assert_array_equal(
        grad(ops.tanh(leaf).sum(), leaf), ops.tanh.rule(0)(np.ones((3, 3)), ops.tanh(x), x)
    )


def test_a_copied_gan_trains_on_its_own(points):
    import copy

    gan = small_gan().fit(points, epochs=1, progress=False)
    twin = copy.deepcopy(gan)
    kept = gan.generator_.theta.copy()
    twin.fit(points, epochs=1, progress=False)
    np.testing.assert_array_equal(gan.generator_.theta, kept)
    assert np.all(twin.generator_.layers[0].params["W"] != gan.generator_.layers[0].params["W"])
    gan.fit(points, epochs=1, progress=False)
    np.testing.assert_array_equal(gan.generator_.theta, twin.generator_.theta)


def test_a_fit_that_fails_at_the_start_leaves_the_gan_as_it_was(points, tmp_path):
    with pytest.raises(ValueError, match="beta1 must be a number of 0 or more and below 1; got 2"):
        GAN(beta1=2)
    (tmp_path / "a_file").write_text("")
    gan = small_gan()
    with pytest.raises(OSError, match="a_file"):
        gan.fit(points, epochs=1, out=tmp_path / "a_file" / "run", progress=False)
    assert gan.shape_ is None
    gan.fit(np.zeros((64, 3)), epochs=1, progress=False)
    kept = dict(gan.data_)
    (tmp_path / "cut").mkdir()
    (tmp_path / "cut" / "checkpoint.npz").write_bytes(b"no zip")
    (tmp_path / "other").mkdir()
    checkpoint.save(tmp_path / "other" / "checkpoint.npz", {}, {"judge": "digits"})
    for place, error in (("cut", checkpoint.CheckpointError), ("other", FileExistsError)):
        fresh = small_gan()
        with pytest.raises(error):
            fresh.fit(points, epochs=1, out=tmp_path / place, progress=False)
        assert (fresh.shape_, fresh.data_) == (None, {})
        with pytest.raises(error):
            gan.fit(np.ones((64, 3)), epochs=1, out=tmp_path / place, progress=False)
        assert gan.data_ == kept


def test_a_penalty_takes_what_a_network_takes():
    D = Discriminator(6, (4,), rng=0)
    with pytest.raises(TypeError, match="takes floats, got uint8"):
        r1(D, np.zeros((2, 6), np.uint8))
    assert r1(D, np.zeros((2, 6)))[1].dtype == np.float32  # float64 in


def test_a_relativistic_step_needs_real_images():
    G, D, _, z = tiny()
    with pytest.raises(ValueError, match="relativistic loss compares with real images"):
        generator_step(D, SGD(G), *G.forward(z), LOSSES["relativistic"])
