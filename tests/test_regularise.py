"""What steadies the game: each option does what its paper says, moves both nets, and survives an interruption."""

import signal

import autograd.numpy as anp
import numpy as np
import pytest
from autograd import grad as hips_grad
from oracles import numerical

import npgan.training.penalty
import npgan.training.step
from npgan import (
    GAN,
    SGD,
    Adam,
    Discriminator,
    Generator,
    Tensor,
    datasets,
    discriminator_step,
    flatten,
    generator_step,
    grad,
    r1,
    r2,
    value_and_grad,
)
from npgan.files import checkpoint
from npgan.losses import LOSSES, nonsaturating
from npgan.training.noise import add_noise, with_dropout
from npgan.training.penalty import PENALTIES, lazy_penalty
from npgan.training.run_directory import RunDirectory
from npgan.training.schedules import linear_decay
from npgan.training.smoothing import with_smoothing
from npgan.training.step import penalty_of

IMAGES = np.random.default_rng(0).integers(0, 256, (43, 3, 4), dtype=np.uint8)
STEPS = 5  # of an epoch: 43 // 8
OPTIONS = {
    "r1": dict(penalty="r1", penalty_every=1),
    "r2": dict(penalty="r2", penalty_weight=0.1, penalty_every=1),
    "r1+r2": dict(penalty="r1+r2", penalty_every=1, loss="relativistic"),
    "wgan_gp": dict(penalty="wgan_gp", loss="wasserstein", beta1=0.0),
    "lazy": dict(penalty="r1", penalty_every=3),
    "smoothing": dict(smoothing=0.1),
    "noise": dict(instance_noise=0.2),
    "two rates": dict(lr=(1e-3, 2e-3)),
    "decay": dict(lr_decay=1.0),
    "late decay": dict(lr_decay=0.5),
    "two D steps": dict(d_steps=2, batch=4),
    "dropout": dict(dropout=0.3),
    "dropout and R1": dict(dropout=0.3, penalty="r1", penalty_every=1),
    "all": dict(
        dropout=0.2, penalty="wgan_gp", penalty_every=2, smoothing=0.1, instance_noise=0.2, lr=(1e-3, 2e-3), lr_decay=0.6,
        d_steps=2, batch=4,
    ),
}  # fmt: skip
every_option = pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)


# Without any option.
PLAIN = dict(loss="nonsaturating", lr=2e-4, lr_decay=0.0, beta1=0.5, beta2=0.999, penalty=None)


def small(**changes):
    return GAN(**{**dict(latent=3, hidden=(5,), hidden_D=(4,), batch=8), **PLAIN, **changes})


def fit(gan, epochs, out=None, images=IMAGES):
    return gan.fit(images, epochs=epochs, out=out, progress=False)


@pytest.fixture
def no_pictures(monkeypatch):
    monkeypatch.setattr(RunDirectory, "draw", lambda *_: None)
    monkeypatch.setattr(RunDirectory, "finish", lambda *_: None)


def after_each_step(monkeypatch, function):
    step = GAN.step

    def wrapped(self, *batch):
        values = step(self, *batch)
        function(self)
        return values

    monkeypatch.setattr(GAN, "step", wrapped)


class Recorder(SGD):
    """An optimiser that shows the gradient it was given."""

    def step(self, gradient):
        self.seen = gradient.copy()
        super().step(gradient)


def tiny():
    D = Discriminator(6, (4, 5), rng=1).astype(np.float64)
    rng = np.random.default_rng(2)
    D.theta[:] = rng.normal(0, 0.6, D.theta.size)
    return D, rng.uniform(-1, 1, (7, 6)), rng.uniform(-1, 1, (7, 6))


# ---- gradients ----


@pytest.mark.parametrize("name", PENALTIES)
def test_a_step_with_a_penalty_follows_the_gradient_of_the_sum(name):
    D, real, fake = tiny()
    penalty = lazy_penalty(name, 0.7, 1, 0, rng=5)

    def whole():
        return float(nonsaturating.discriminator(D(real), D(fake))) + penalty(D, real, fake)[0]

    expected, alone = numerical(whole, D.theta), Recorder(D, lr=1e-30)
    discriminator_step(D, alone, real, fake)
    optimiser = Recorder(D)
    values = discriminator_step(D, optimiser, real, fake, penalty=penalty)
    np.testing.assert_allclose(optimiser.seen, expected, rtol=1e-5, atol=1e-8)
    assert np.abs(optimiser.seen - alone.seen).max() > 1e-3
    np.testing.assert_allclose(
        values["loss_D"] + values["penalty"], whole_at_tiny(penalty), rtol=1e-12
    )


def whole_at_tiny(penalty):
    D, real, fake = tiny()
    return float(nonsaturating.discriminator(D(real), D(fake))) + penalty(D, real, fake)[0]


@pytest.mark.parametrize("name", PENALTIES)
def test_the_penalties_in_the_words_of_another_program(name):
    """D, its slope and the penalty written again in HIPS autograd, which differentiates twice on its own."""
    D, real, fake = tiny()
    along = np.random.default_rng(5).random((7, 1))
    shapes = [p.shape for _, p in D.named_parameters()]

    def score(x, theta):
        parts, start = [], 0
        for shape in shapes:
            parts.append(anp.reshape(theta[start : start + int(np.prod(shape))], shape))
            start += int(np.prod(shape))
        for i in range(0, 6, 2):
            x = anp.dot(x, parts[i]) + parts[i + 1]
            x = anp.where(x > 0, x, 0.2 * x) if i < 4 else x
        return anp.sum(x)

    def square(x, theta):
        return anp.sum(hips_grad(score)(x, theta) ** 2, axis=1)

    theirs = {
        "r1": lambda theta: 0.35 * anp.mean(square(real, theta)),
        "r2": lambda theta: 0.35 * anp.mean(square(fake, theta)),
        "r1+r2": lambda theta: 0.35 * anp.mean(square(real, theta)) + 0.35 * anp.mean(square(fake, theta)),
        "wgan_gp": lambda theta: 0.7 * anp.mean(
            (anp.sqrt(square(real + along * (fake - real), theta)) - 1) ** 2
        ),
    }[name]  # fmt: skip
    value, gradient = lazy_penalty(name, 0.7, 1, 0, rng=5)(D, real, fake)
    np.testing.assert_allclose(value, theirs(D.theta), rtol=1e-12)
    np.testing.assert_allclose(gradient, hips_grad(theirs)(D.theta), rtol=1e-10, atol=1e-13)


def in_torch(torch, name, D, real, fake, weight, along, pixels=None):
    """(penalty, its gradient by each parameter of D), in PyTorch's double precision."""

    def score(x):
        for i in range(0, len(parts), 2):
            x = x @ parts[i] + parts[i + 1]
            x = torch.nn.functional.leaky_relu(x, 0.2) if i < len(parts) - 2 else x
        return x

    def square(x):
        x = x.clone().requires_grad_()
        (slope,) = torch.autograd.grad(score(x).sum(), x, create_graph=True)
        return slope[:, :pixels].square().sum(1)

    parts = [
        torch.tensor(p.astype(np.float64), requires_grad=True) for _, p in D.named_parameters()
    ]
    real, fake, along = (torch.tensor(np.float64(x)) for x in (real, fake, along))
    value = (
        weight
        * {
            "r1": lambda: square(real).mean() / 2,
            "r2": lambda: square(fake).mean() / 2,
            "r1+r2": lambda: square(real).mean() / 2 + square(fake).mean() / 2,
            "wgan_gp": lambda: (
                (square(along * fake + (1 - along) * real).sqrt() - 1).square().mean()
            ),
        }[name]()
    )
    found = torch.autograd.grad(
        value, parts, allow_unused=True
    )  # the last bias has no part in any slope
    return value.item(), [
        np.zeros(p.shape) if g is None else g.numpy() for g, p in zip(found, parts, strict=True)
    ]


def each_parameter(D, gradient):
    """The flat gradient in pieces, with their names."""
    names, shapes = zip(*((name, p.shape) for name, p in D.named_parameters()), strict=True)
    pieces = np.split(gradient, np.cumsum([np.prod(shape) for shape in shapes])[:-1])
    return [(name, g.reshape(shape)) for name, g, shape in zip(names, pieces, shapes, strict=True)]


@pytest.mark.parametrize("pixels", [None, 40], ids=["all", "beside a label"])
@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-12), (np.float32, 2e-6)])
@pytest.mark.parametrize("name", PENALTIES)
def test_the_penalties_and_every_parameters_gradient_equal_pytorchs(name, dtype, tolerance, pixels):
    """In float32 seven times what was seen, 3e-7; in float64 that was 5e-16."""
    torch = pytest.importorskip("torch")
    D = Discriminator(50, (64, 32), rng=1).astype(dtype)
    rng = np.random.default_rng(2)
    D.theta[:] += rng.normal(0, 0.05, D.theta.size)  # biases that are not 0
    real, fake = rng.uniform(-1, 1, (2, 33, 50)).astype(dtype)
    if pixels:
        fake[:, pixels:] = real[:, pixels:]
    along = np.random.default_rng([3, 4]).random((33, 1)).astype(dtype)
    value, gradient = PENALTIES[name].function(D, real, fake, 2.5, [3, 4], pixels)
    expected, by_parameter = in_torch(torch, name, D, real, fake, 2.5, along, pixels)
    assert gradient.dtype == dtype
    assert value == pytest.approx(expected, rel=tolerance)
    for (parameter, ours), theirs in zip(each_parameter(D, gradient), by_parameter, strict=True):
        assert np.abs(ours - theirs).max() <= tolerance * max(np.abs(theirs).max(), 1e-3), parameter


@pytest.mark.parametrize("every", [1, 5])
@pytest.mark.parametrize("name", PENALTIES)
def test_a_gans_lazy_penalty_is_pytorchs_times_the_steps_between(name, every, monkeypatch):
    """What D's optimiser gets more than it would without, at every step from the same D: sums to every x penalty."""
    torch = pytest.importorskip("torch")
    gan = small(penalty=name, penalty_weight=0.7, penalty_every=every)
    gan.start((3, 4))
    gan.discriminator_ = D = gan.discriminator_.astype(np.float64)
    real, fake = np.random.default_rng(2).uniform(-1, 1, (2, 7, 12))
    alone, given, expected = Recorder(D, lr=1e-30), Recorder(D, lr=1e-30), []
    discriminator_step(D, alone, real, fake)
    pulls = []
    for t in range(10):
        gan.adam_D.t = t
        along = np.random.default_rng([0, 5, t]).random((7, 1))
        discriminator_step(D, given, real, fake, penalty=penalty_of(gan))
        pulls.append(given.seen - alone.seen)
        expected.append(
            np.concatenate([g.ravel() for g in in_torch(torch, name, D, real, fake, 0.7, along)[1]])
        )
    assert [bool(np.any(pull)) for pull in pulls] == [t % every == 0 for t in range(10)]
    due = sum(expected[::every]) * every  # of WGAN-GP, each step has lines of its own
    np.testing.assert_allclose(sum(pulls), due, rtol=1e-9, atol=1e-12)
    assert np.abs(due).max() > 1e-3


def test_r1_and_r2_are_their_sum():
    D, real, fake = tiny()
    value, gradient = lazy_penalty("r1+r2", 3.0, 1, 0, None)(D, real, fake)
    np.testing.assert_allclose(value, r1(D, real, 3.0)[0] + r2(D, fake, 3.0)[0], rtol=1e-12)
    np.testing.assert_allclose(
        gradient, r1(D, real, 3.0)[1] + r2(D, fake, 3.0)[1], rtol=1e-9, atol=1e-12
    )


def test_a_lazy_penalty_pulls_as_much_in_all():
    D, real, fake = tiny()
    once = lazy_penalty("r1", 0.5, 1, 0, None)(D, real, fake)
    due = [lazy_penalty("r1", 0.5, 4, step, None) for step in range(8)]
    assert [p is None for p in due] == [False, True, True, True] * 2
    pulls = [p(D, real, fake) for p in due if p]
    np.testing.assert_allclose(sum(value for value, _ in pulls), 8 * once[0])
    np.testing.assert_allclose(sum(gradient for _, gradient in pulls), 8 * once[1])


@pytest.mark.parametrize("name", ["nonsaturating", "minimax", "least_squares"])
def test_smoothing_moves_ds_target_at_real_images_alone(name):
    loss, real, fake = LOSSES[name], np.array([[2.0], [-0.5]]), np.array([[-1.0], [3.0]])
    smooth = with_smoothing(loss, 0.1)
    _, (by_real, by_fake) = value_and_grad(smooth.discriminator, real, fake)
    _, (_, kept) = value_and_grad(loss.discriminator, real, fake)
    np.testing.assert_array_equal(by_fake, kept)
    answer = real if name == "least_squares" else 1 / (1 + np.exp(-real))
    np.testing.assert_allclose(by_real, (answer - 0.9) / 2, rtol=1e-12)
    np.testing.assert_allclose(
        by_real, numerical(lambda: float(smooth.discriminator(real, fake)), real), rtol=1e-6
    )
    assert smooth.generator is loss.generator
    assert with_smoothing(loss, 0.0) is loss


def test_a_loss_without_targets_cannot_be_smoothed():
    for name in ("hinge", "wasserstein", "relativistic"):
        with pytest.raises(ValueError, match=f"nonsaturating, minimax, least_squares.*got {name}"):
            small(loss=name, smoothing=0.1)


# ---- dropout ----


def test_a_thinned_network_has_the_weights_of_the_whole_one():
    D, real, _ = tiny()
    thin = with_dropout(D, 0.4, [1])
    assert with_dropout(D, 0.0, [1]) is D
    assert thin.theta is D.theta
    assert len(D.layers) == 5
    assert np.any(thin(real) != D(real))
    np.testing.assert_array_equal(thin(real), with_dropout(D, 0.4, [1])(real))
    assert np.any(thin(real) != with_dropout(D, 0.4, [2])(real))
    D.theta *= 2
    np.testing.assert_array_equal(thin(real), with_dropout(D, 0.4, [1])(real))


@pytest.mark.parametrize("wrt", ["input", "params", "both"])
def test_a_pullback_through_dropout_is_refused_after_the_optimiser_has_moved_d(wrt):
    """Both networks are on one vector, so an update of one is an update of the other."""
    D, real, _ = tiny()
    logits, pull = with_dropout(D, 0.4, [1]).forward(real)
    pull(np.ones_like(logits), wrt)
    Adam(D).step(np.ones_like(D.theta))
    with pytest.raises(RuntimeError, match="weights have changed"):
        pull(np.ones_like(logits), wrt)
    _, pull = D.forward(real)
    Adam(with_dropout(D, 0.4, [1])).step(np.ones_like(D.theta))
    with pytest.raises(RuntimeError, match="weights have changed"):
        pull(np.ones_like(logits), wrt)


def test_dropout_throws_out_its_share_and_makes_up_for_it():
    D = Discriminator(3, (400, 300), rng=0)
    seen = [D.layers[1].op(np.ones((50, 400), np.float32))]
    for rate in (0.2, 0.5):
        drop = with_dropout(D, rate, [1]).layers[2]
        y, _ = drop.forward(seen[0])
        assert abs(np.mean(y == 0) - rate) < 0.01
        assert abs(y.mean() - 1) < 0.02
        assert y.dtype == np.float32
    masks = [with_dropout(D, 0.5, [1]).layers[i].forward(np.ones((50, 300)))[0] for i in (2, 5)]
    assert 0.4 < np.mean(masks[0] == masks[1]) < 0.6


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_thinned_networks_pullback_is_the_tapes(dtype):
    D, real, _ = tiny()
    thin, real = with_dropout(D.astype(dtype), 0.4, [1]), real.astype(dtype)
    logits, pull = thin.forward(real)
    dx, dtheta = pull(np.cos(logits))
    leaf, params = Tensor(real), thin.tensors()
    by = grad((thin.apply(leaf, params) * np.cos(logits)).sum(), [leaf, *params])
    np.testing.assert_allclose(dx, by[0], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(dtheta, flatten(by[1:]), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", [None, *PENALTIES])
def test_a_step_with_dropout_follows_the_gradient_through_its_masks(name):
    D, real, fake = tiny()
    penalty, thin = lazy_penalty(name, 0.7, 1, 0, rng=5), with_dropout(D, 0.4, [1])

    def whole():
        logits = thin(np.concatenate([real, fake]))
        value = float(nonsaturating.discriminator(logits[:7], logits[7:]))
        return value + (penalty(thin, real, fake)[0] if penalty else 0.0)

    expected, optimiser = numerical(whole, D.theta), Recorder(D)
    discriminator_step(thin, optimiser, real, fake, penalty=penalty)
    np.testing.assert_allclose(optimiser.seen, expected, rtol=1e-5, atol=1e-8)
    assert np.abs(expected).max() > 1e-3


def test_the_generators_gradient_through_ds_masks():
    D, _, _ = tiny()
    G = Generator(3, (5,), 6, rng=0).astype(np.float64)
    z, thin = np.random.default_rng(3).standard_normal((7, 3)), with_dropout(D, 0.4, [1])
    expected = numerical(lambda: float(nonsaturating.generator(None, thin(G(z)))), G.theta)
    optimiser = Recorder(G)
    generator_step(thin, optimiser, *G.forward(z))
    np.testing.assert_allclose(optimiser.seen, expected, rtol=1e-5, atol=1e-9)


def test_both_steps_see_the_thinned_discriminator(monkeypatch):
    seen = []
    for name in ("discriminator_gradient", "generator_gradient"):
        step = getattr(npgan.training.step, name)

        def spy(D, *rest, step=step):
            seen.append([layer.op.__name__ for layer in D.layers])
            return step(D, *rest)

        monkeypatch.setattr(npgan.training.step, name, spy)
    fit(small(dropout=0.5), 1)
    assert seen == [["affine", "leaky_relu", "dropout", "affine"]] * 2 * STEPS


def test_every_step_has_masks_of_its_own_and_the_gan_answers_without(monkeypatch):
    keys = []
    monkeypatch.setattr(
        npgan.training.step,
        "with_dropout",
        lambda D, rate, key: (keys.append(tuple(key)), with_dropout(D, rate, key))[1],
    )
    gan = fit(small(dropout=0.5, d_steps=2, batch=4), 2)
    assert len(set(keys)) == len(keys) == 2 * STEPS * 3
    x = np.zeros((3, 12), np.float32)
    assert [layer.op.__name__ for layer in gan.discriminator_.layers] == [
        "affine",
        "leaky_relu",
        "affine",
    ]
    np.testing.assert_array_equal(gan.discriminator_(x), gan.discriminator_(x))


# ---- noise and schedules ----


def test_instance_noise_has_its_std_and_leaves_the_images_alone():
    images = np.zeros((400, 50), np.float32)
    seen = add_noise(images, 0.3, np.random.default_rng(0))
    assert seen.dtype == np.float32
    assert abs(seen.std() - 0.3) < 0.005
    assert abs(seen.mean()) < 0.01
    assert not images.any()


@pytest.mark.parametrize(
    ("share", "expected"),
    [
        (0, [1, 1, 1, 1, 1]),
        (1, [1, 0.75, 0.5, 0.25, 0]),
        (0.5, [1, 1, 1, 0.5, 0]),
        (0.25, [1, 1, 1, 1, 0]),
    ],
)
def test_what_falls_does_so_over_the_last_share_of_the_run(share, expected):
    assert [linear_decay(done, share) for done in (0, 0.25, 0.5, 0.75, 1)] == expected


def rates(monkeypatch, gan, *epochs):
    seen = []
    with monkeypatch.context() as patch:
        after_each_step(patch, lambda g: seen.append((g.adam_G.hyper["lr"], g.adam_D.hyper["lr"])))
        for n in epochs:
            fit(gan, n)
    return np.array(seen)


def test_learning_rates_fall_with_the_share_of_the_run(monkeypatch):
    done = np.arange(20) / 20
    got = rates(monkeypatch, small(lr=(1e-3, 2e-3), lr_decay=1), 4)
    np.testing.assert_allclose(got, np.outer(1 - done, [1e-3, 2e-3]), rtol=1e-12)
    got = rates(monkeypatch, small(lr=1e-3, lr_decay=0.5), 4)
    np.testing.assert_allclose(got[:, 0], 1e-3 * np.minimum(1, 2 * (1 - done)), rtol=1e-12)
    assert (rates(monkeypatch, small(lr=1e-3), 2) == 1e-3).all()


@pytest.mark.parametrize("share", [1, 0.5])
def test_a_second_fit_stretches_the_schedule(monkeypatch, share):
    """The first run of two epochs falls to its end; of the four that it becomes, the second half is left."""
    got = rates(monkeypatch, small(lr=1.0e-3, lr_decay=share), 2, 2)
    done = np.concatenate([np.arange(10) / 10, (10 + np.arange(10)) / 20])
    np.testing.assert_allclose(got[:, 0], 1e-3 * np.minimum(1, (1 - done) / share), rtol=1e-12)


@pytest.mark.parametrize("epochs", [0, 1])
def test_a_gan_stepped_by_hand_stands_at_the_start_of_its_schedules(epochs):
    """Also after a fit, at whose end the rate is 0."""
    gan = small(lr=1e-3, lr_decay=1, instance_noise=0.1)
    fit(gan, epochs) if epochs else gan.start((3, 4))
    before = gan.generator_.theta.copy()
    for _ in range(3):
        gan.step(np.zeros((8, 12), np.float32))
    assert gan.adam_D.hyper["lr"] == 1e-3
    assert np.mean(gan.generator_.theta != before) > 0.9


def test_both_steps_see_the_same_noisy_images_and_the_noise_falls(monkeypatch):
    """Of constant images: what D is shown varies by the noise alone."""
    seen = []
    of_D, of_G = npgan.training.step.discriminator_gradient, npgan.gan.generator_gradient

    def spy_D(D, real, fake, *rest):
        seen.append((real.std(), np.abs(fake).max() > 1, real, fake))
        return of_D(D, real, fake, *rest)

    def spy_G(D, fake, pull_G, loss, real):
        assert seen[-1][2] is real
        assert seen[-1][3] is fake
        return of_G(D, fake, pull_G, loss, real)

    monkeypatch.setattr(npgan.training.step, "discriminator_gradient", spy_D)
    monkeypatch.setattr(npgan.training.step, "generator_gradient", spy_G)
    fit(small(instance_noise=0.8, batch=16), 5, images=np.full((32, 10, 10), 128, np.uint8))
    std = np.array([row[0] for row in seen])
    np.testing.assert_allclose(std, 0.8 * (1 - np.arange(10) / 10), rtol=0.1)
    assert any(row[1] for row in seen)


# ---- D's steps ----


def test_d_steps_use_images_of_their_own(monkeypatch):
    shown, of_D = [], npgan.training.step.discriminator_gradient

    def spy(D, real, *rest):
        shown.append(real)
        return of_D(D, real, *rest)

    monkeypatch.setattr(npgan.training.step, "discriminator_gradient", spy)
    images = np.arange(43, dtype=np.uint8)[:, None, None].repeat(3, 1)
    gan = fit(small(d_steps=3, batch=4), 1, images=images)
    assert (gan.adam_D.t, gan.adam_G.t) == (9, 3)
    assert len(np.unique(np.concatenate(shown), axis=0)) == 9 * 4


def test_history_holds_the_mean_over_the_d_steps(monkeypatch):
    values, of_D = [], npgan.training.step.discriminator_gradient

    def spy(*args):
        gradient, row = of_D(*args)
        values.append(row)
        return gradient, row

    monkeypatch.setattr(npgan.training.step, "discriminator_gradient", spy)
    gan = fit(small(d_steps=2, batch=4, penalty="r1", penalty_every=3), 1)
    for name in ("loss_D", "D_real", "D_fake", "penalty"):
        np.testing.assert_allclose(
            gan.history_[name], np.mean([v.get(name, 0) for v in values]), rtol=1e-12
        )
    assert sum("penalty" in v for v in values) == 4


def test_an_epoch_without_a_lazy_penalty_has_its_row(no_pictures, tmp_path):
    gan = fit(small(penalty="r1", penalty_every=7), 4, tmp_path)
    assert [value > 0 for value in gan.history_["penalty"]] == [True, True, True, False]
    assert (
        (tmp_path / "history.csv")
        .read_text()
        .startswith("epoch,loss_D,D_real,D_fake,penalty,loss_G\n")
    )


# ---- every option in a whole run ----


@every_option
def test_every_option_moves_both_nets_and_stays_finite(options):
    gan = small(**options)
    gan.start((3, 4))
    nets = (gan.generator_, gan.discriminator_, gan.average_, gan.average_D_)
    before = [net.theta.copy() for net in nets]
    fit(gan, 2)
    for net, theta in zip(nets, before, strict=True):
        assert np.mean(net.theta != theta) > 0.9
        assert np.isfinite(net.theta).all()
    assert np.any(gan.generator_.theta != fit(small(), 2).generator_.theta)


@every_option
def test_every_option_is_interrupted_at_every_step_and_ends_with_the_same_bits(
    options, tmp_path, no_pictures, monkeypatch
):
    fit(small(**options), 3, tmp_path / "once")
    after_each_step(monkeypatch, lambda gan: signal.raise_signal(signal.SIGINT))
    gan, stops = small(**options), 0
    while gan.epoch_ < 3:
        try:
            fit(gan, 3 - gan.epoch_, tmp_path / "often")
        except KeyboardInterrupt:
            stops += 1
            gan = GAN.load(tmp_path / "often")
    assert stops >= 3 * STEPS
    for name in ("checkpoint.npz", "history.csv", "config.json"):
        assert (tmp_path / "often" / name).read_bytes() == (tmp_path / "once" / name).read_bytes()


@pytest.mark.parametrize(
    "options", [dict(penalty="wgan_gp", penalty_weight=1e-30), dict(instance_noise=1e-30)]
)
def test_an_option_draws_from_a_stream_of_its_own(options):
    """So weak that it changes no bit: then z and the order of the images are those of the plain run."""
    np.testing.assert_array_equal(
        fit(small(**options), 2).generator_.theta, fit(small(), 2).generator_.theta
    )


def test_wgan_gp_draws_new_lines_in_every_step(monkeypatch):
    seeds, function = [], npgan.training.penalty.wgan_gp

    def spy(D, real, fake, rng, *rest):
        seeds.append(tuple(rng))
        return function(D, real, fake, rng, *rest)

    monkeypatch.setattr(npgan.training.penalty, "wgan_gp", spy)
    fit(small(penalty="wgan_gp"), 2)
    assert len(set(seeds)) == 2 * STEPS


def test_a_checkpoint_from_before_these_options_goes_on(tmp_path, no_pictures, monkeypatch):
    """As it was trained, even if one of them is on by default one day."""
    fit(small(), 2, tmp_path / "old")
    arrays, meta = checkpoint.load(tmp_path / "old")
    before = [
        "latent",
        "hidden",
        "hidden_D",
        "loss",
        "lr",
        "beta1",
        "beta2",
        "batch",
        "average",
        "rng",
    ]
    meta["config"] = {name: meta["config"][name] for name in before}
    checkpoint.save(tmp_path / "old" / "checkpoint.npz", arrays, meta)
    with monkeypatch.context() as patch:
        patch.setitem(GAN.__init__.__kwdefaults__, "smoothing", 0.1)
        gan = fit(GAN.load(tmp_path / "old"), 1, tmp_path / "old")
    np.testing.assert_array_equal(gan.generator_.theta, fit(small(), 3).generator_.theta)


# ---- mistakes ----


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (dict(penalty="r3"), "penalty must be None or one of r1, r2, r1\\+r2, wgan_gp; got 'r3'"),
        (dict(penalty="r1", penalty_weight=0), "penalty_weight must be None or a number above 0; got 0"),
        (dict(penalty="r1", penalty_weight=np.inf), "penalty_weight must be None or a number above 0; got inf"),
        (dict(penalty="r1", penalty_every=0), "penalty_every must be None or a whole number of 1 or more; got 0"),
        (dict(penalty_weight=2), "penalty_weight and penalty_every need a penalty"),
        (dict(penalty_every=16), "penalty_weight and penalty_every need a penalty"),
        (dict(smoothing=1.5), "smoothing must be a number of 0 or more and below 0.5; got 1.5; 0.1 sets D's target"),
        (dict(smoothing=0.5), "smoothing must be a number of 0 or more and below 0.5; got 0.5"),
        (dict(smoothing="much"), "smoothing must be a number"),
        (dict(instance_noise=-1), "instance_noise must be a number of 0 or more; got -1; it is a standard deviation"),
        (dict(instance_noise=np.nan), "instance_noise must be"),
        (dict(lr_decay=1.1), "lr_decay must be a number of 0 or more and at most 1; got 1.1; 0.5 lowers"),
        (dict(lr_decay=None), "lr_decay must be a number"),
        (dict(dropout=1), "dropout must be a number of 0 or more and below 1; got 1; 0.3 leaves out 3 of 10"),
        (dict(d_steps=0), "d_steps must be a whole number of 1 or more; got 0"),
    ],
)  # fmt: skip
def test_a_setting_that_cannot_be_meant_costs_one_line(wrong, words):
    with pytest.raises(ValueError, match=words):
        small(**wrong)


def test_too_few_images_for_the_d_steps():
    with pytest.raises(ValueError, match="batch is 8 x 6 d_steps, but there are only 43 images"):
        fit(small(d_steps=6), 1)


def test_points_train_with_every_option_too():
    gan = small(**OPTIONS["all"])
    fit(gan, 1, images=datasets.ring(64, rng=0))
    assert np.isfinite(gan.sample(5, 0)).all()
