"""Conditional GANs: which label goes where, the gradient past it, and what users may ask for."""

import signal
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles import numerical
from PIL import Image

import npgan.training.step
from npgan import GAN, SGD, Discriminator, Generator, datasets, generator_step, ops, r1, r2, wgan_gp
from npgan.files import checkpoint
from npgan.losses import LOSSES, nonsaturating
from npgan.training.conditional import (
    classes_of,
    describe_classes,
    join_labels,
    labels_for,
    one_hot,
    pull_through_join,
    with_wrong_labels,
)
from npgan.training.pictures import interpolate
from npgan.training.run_directory import RunDirectory
from npgan.training.smoothing import loss_of
from npgan.training.step import penalty_of
from npgan.training.streams import Stream

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (43, 3, 4), dtype=np.uint8)
LABELS = np.array([3, 5, 8])[RNG.integers(0, 3, 43)]
STEPS = 5  # of an epoch: 43 // 8


def small(**changes):
    return GAN(
        **{**dict(latent=3, hidden=(5,), hidden_D=(4,), batch=8, conditional=True), **changes}
    )


def fit(gan, epochs, out=None, images=IMAGES, labels=LABELS, **more):
    return gan.fit(images, epochs=epochs, out=out, labels=labels, progress=False, **more)


@pytest.fixture
def trained():
    return fit(small(), 1)


# ---- the pieces ----


def test_one_hot_has_its_one_in_the_column_of_the_class():
    np.testing.assert_array_equal(
        one_hot(np.array([5, 3, 8]), [3, 5, 8]), [[0, 1, 0], [1, 0, 0], [0, 0, 1]]
    )
    assert one_hot(np.array([5]), [3, 5]).dtype == np.float32
    assert one_hot(None, []) is None


def test_without_labels_the_pieces_do_nothing():
    x = np.zeros((2, 3), np.float32)
    assert join_labels(x, None) is x
    assert pull_through_join(np.sum, x, None) is np.sum


def test_labels_are_one_for_all_one_for_each_or_every_class_in_turn():
    np.testing.assert_array_equal(labels_for(5, None, [3, 5, 8]), [3, 5, 8, 3, 5])
    np.testing.assert_array_equal(labels_for(2, 8, [3, 5, 8]), [8, 8])
    np.testing.assert_array_equal(labels_for(2, [8, 3], [3, 5, 8]), [8, 3])
    assert labels_for(5, None, []) is None


@pytest.mark.parametrize(
    ("classes", "text"),
    [(range(10), "0 to 9"), ([0, 2, 3], "0, 2, 3"), ([1, 2], "1, 2"), (range(0, 60, 2), "0, 2, 4, 6, 8, 10, 12, 14, 16, 18, ...")],
)  # fmt: skip
def test_classes_in_words(classes, text):
    assert describe_classes(list(classes)) == text


def test_a_label_is_as_long_as_what_it_is_joined_to():
    joined = join_labels(np.ones((2, 9), np.float32), np.eye(2, dtype=np.float32))
    np.testing.assert_array_equal(joined[:, 9:], [[3, 0], [0, 3]])
    assert joined.dtype == np.float32


# ---- gradients ----


def tiny():
    G, D = (
        Generator(3 + 2, (5, 4), 6, rng=0).astype(np.float64),
        Discriminator(6 + 2, (4, 5), rng=1).astype(np.float64),
    )
    rng = np.random.default_rng(2)
    for net in (G, D):
        net.theta[:] = rng.normal(0, 0.6, net.theta.size)
    y = np.eye(2)[[0, 1, 1, 0, 1, 0, 0]]
    return G, D, rng.uniform(-1, 1, (7, 6)), rng.standard_normal((7, 3)), y


class Recorder(SGD):
    def step(self, gradient):
        self.seen = gradient.copy()


def test_the_generators_gradient_past_the_label():
    G, D, _, z, y = tiny()
    expected = numerical(
        lambda: float(nonsaturating.generator(None, D(join_labels(G(join_labels(z, y)), y)))),
        G.theta,
    )
    fake, pull_G = G.forward(join_labels(z, y))
    optimiser = Recorder(G)
    generator_step(D, optimiser, join_labels(fake, y), pull_through_join(pull_G, fake, y))
    np.testing.assert_allclose(optimiser.seen, expected, rtol=1e-5, atol=1e-8)
    assert np.abs(expected).max() > 1e-3


def test_the_pullback_past_the_label_is_concatenates_own_rule(monkeypatch):
    """With the bits of a slice, contiguous; an edit of the rule changes it."""
    x, y = np.random.default_rng(0).standard_normal((2, 7, 6)).astype(np.float32)
    g = np.random.default_rng(1).standard_normal((7, 12)).astype(np.float32)
    pull = pull_through_join(lambda g, wrt: (g, wrt), x, y)
    dx, wrt = pull(g, wrt="params")
    np.testing.assert_array_equal(dx, g[:, :6])
    assert dx.flags.c_contiguous
    assert wrt == "params"
    monkeypatch.setattr(ops.concatenate, "rules", lambda i: lambda g, y, *xs, axis: 2 * g[:, :6])
    np.testing.assert_array_equal(pull_through_join(lambda g, wrt: g, x, y)(g), 2 * g[:, :6])


def test_penalties_leave_out_the_slope_by_the_label():
    _, D, real, _, y = tiny()
    fake, along = -real[::-1], np.random.default_rng(5).random((7, 1))

    def square(x):
        logits, pull = D.forward(join_labels(x, y))
        return np.sum(pull(np.ones_like(logits), wrt="input")[:, :6] ** 2, axis=1)

    between = real + along * (fake - real)
    for penalty, expected in (
        (lambda: r1(D, join_labels(real, y), 3.0, 6), lambda: 1.5 * square(real).mean()),
        (lambda: r2(D, join_labels(fake, y), 3.0, 6), lambda: 1.5 * square(fake).mean()),
        (
            lambda: wgan_gp(D, join_labels(real, y), join_labels(fake, y), 5, 10.0, 6),
            lambda: 10 * np.mean((np.sqrt(square(between)) - 1) ** 2),
        ),
    ):
        value, gradient = penalty()
        np.testing.assert_allclose(value, expected(), rtol=1e-12)
        np.testing.assert_allclose(gradient, numerical(expected, D.theta), rtol=1e-5, atol=1e-7)
    assert r1(D, join_labels(real, y))[0] > r1(D, join_labels(real, y), 1.0, 6)[0] * 1.01


@pytest.mark.parametrize("name", ["r1", "r2", "r1+r2", "wgan_gp"])
def test_a_gans_penalty_does_not_depend_on_the_labels_slope(name):
    """D's weights at the label change the logits here, but no slope by the image: a single linear layer."""
    gan = small(hidden_D=(), penalty=name)
    gan.start((3, 4), classes=[3, 5, 8])
    D, real = (
        gan.discriminator_,
        join_labels(np.zeros((2, 12), np.float32), np.eye(3, dtype=np.float32)[:2]),
    )
    before_value = penalty_of(gan)(D, real, real)[0]
    D.layers[0].params["W"][12:] += 5
    assert penalty_of(gan)(D, real, real)[0] == before_value


# ---- wrong labels ----


@given(st.integers(1, 40), st.integers(1, 5), st.integers(2, 6), st.floats(0, 1), st.integers(0, 9))
def test_a_wrong_label_is_another_label_of_the_real_image(rows, pixels, classes, share, seed):
    rng = np.random.default_rng(seed)
    x, other = rng.standard_normal((2, rows, pixels)).astype(np.float32)
    y = np.eye(classes, dtype=np.float32)[rng.integers(0, classes, rows)]
    real, fake = join_labels(x, y), join_labels(other, y)
    copies = real.copy(), fake.copy()
    found = with_wrong_labels(real, fake, classes, share, np.random.default_rng(seed))
    replaced = (found != fake).any(axis=1)
    np.testing.assert_array_equal(found[replaced, :pixels], real[replaced, :pixels])
    assert set(np.unique(found[:, pixels:])) == {0, np.float32(np.sqrt(pixels))}
    np.testing.assert_array_equal((found[:, pixels:] != 0).sum(axis=1), 1)
    same_label = (found[:, pixels:] == real[:, pixels:]).all(axis=1)
    np.testing.assert_array_equal(same_label, ~replaced)
    np.testing.assert_array_equal((real, fake), copies)
    assert found.dtype == np.float32
    if share in (0, 1):
        assert (replaced == share).all()


def test_every_other_label_is_as_likely_and_the_share_is_kept():
    y = np.eye(4, dtype=np.float32)[np.full(30_000, 2)]
    real, fake = join_labels(np.zeros((30_000, 1)), y), join_labels(np.ones((30_000, 1)), y)
    found = with_wrong_labels(real, fake, 4, 0.3, np.random.default_rng(0))
    counts = np.bincount(found[:, 1:].argmax(axis=1), minlength=4)
    np.testing.assert_allclose(counts / 30_000, [0.1, 0.1, 0.7, 0.1], atol=0.006)


def test_d_sees_wrong_labels_and_g_does_not(monkeypatch):
    """Each shard and step of D has other rows; G's update has the images that G made."""
    of_D, of_G = [], []
    gradient_of_D = npgan.training.step.discriminator_gradient
    gradient_of_G = npgan.training.step.generator_gradient

    def spy_D(D, real, fake, *rest):
        of_D.append((real, fake))
        return gradient_of_D(D, real, fake, *rest)

    def spy_G(D, fake, pull, loss, real):
        of_G.append((real, fake))
        return gradient_of_G(D, fake, pull, loss, real)

    monkeypatch.setattr(npgan.training.step, "discriminator_gradient", spy_D)
    monkeypatch.setattr(npgan.training.step, "generator_gradient", spy_G)
    gan = fit(small(wrong_labels=0.5, shards=2), 1)
    assert len(of_D) == len(of_G) == 2 * STEPS
    wrong = []
    for (real, seen), (same_real, made) in zip(of_D, of_G, strict=True):
        np.testing.assert_array_equal(real, same_real)
        np.testing.assert_array_equal(made[:, 12:], real[:, 12:])
        rows = (seen[:, 12:] != real[:, 12:]).any(axis=1)
        np.testing.assert_array_equal(seen[rows, :12], real[rows, :12])
        np.testing.assert_array_equal(seen[~rows], made[~rows])
        wrong.append(tuple(rows))
    assert len(set(wrong)) > 5
    assert gan.config["wrong_labels"] == 0.5


def test_the_share_of_wrong_labels_of_a_gan():
    assert GAN().config["wrong_labels"] == 0
    assert GAN(conditional=True).config["wrong_labels"] == 0.125
    assert GAN(conditional=True, wrong_labels=0).config["wrong_labels"] == 0
    assert GAN(wrong_labels=0).config["wrong_labels"] == 0
    with pytest.raises(ValueError, match=r"^wrong_labels 0.1 needs labels; add conditional=True"):
        GAN(wrong_labels=0.1)
    with pytest.raises(ValueError, match=r"^wrong_labels must be None or a number .*; got 0.6"):
        GAN(conditional=True, wrong_labels=0.6)


def test_with_wrong_labels_no_equilibrium_is_drawn():
    assert loss_of(small().config).equilibrium is None
    assert loss_of(small().config).equilibrium_labels is None
    assert loss_of(small(wrong_labels=0).config) == LOSSES["relativistic"]


def test_one_class_has_no_wrong_label():
    gan = small(wrong_labels=0.5)
    gan.start((3, 4), classes=[3])
    gan.step(np.zeros((8, 12), np.float32), np.full(8, 3))


def test_a_run_from_before_there_were_wrong_labels_goes_on_without(tmp_path):
    """With the bits that it would have had."""
    fit(small(wrong_labels=0, lr_decay=0), 2, tmp_path / "once")
    gan = fit(small(wrong_labels=0, lr_decay=0), 1, tmp_path / "old")
    arrays, meta = checkpoint.load(tmp_path / "old" / "checkpoint.npz")
    del meta["config"]["wrong_labels"]
    checkpoint.save(tmp_path / "old" / "checkpoint.npz", arrays, meta)
    gan = fit(GAN.load(tmp_path / "old"), 1)
    assert gan.config["wrong_labels"] == 0
    assert gan.config["conditional"]
    expected = GAN.load(tmp_path / "once")
    np.testing.assert_array_equal(gan.discriminator_.theta, expected.discriminator_.theta)
    np.testing.assert_array_equal(gan.generator_.theta, expected.generator_.theta)


# ---- training ----


def test_labels_stay_with_their_images(monkeypatch):
    """Image i is grey level i, and its label says so; in every batch, every split, and after an interruption."""
    seen, gradient_of_D = [], npgan.training.step.discriminator_gradient

    def spy(D, real, fake, *rest):
        seen.append((real, fake))
        return gradient_of_D(D, real, fake, *rest)

    monkeypatch.setattr(npgan.training.step, "discriminator_gradient", spy)
    images = np.arange(43, dtype=np.uint8)[:, None, None].repeat(4, 1) * 5
    gan = fit(
        small(d_steps=2, batch=4, wrong_labels=0), 2, images=images, labels=np.arange(43) + 100
    )
    assert gan.classes_ == list(range(100, 143))
    for real, fake in seen:
        np.testing.assert_array_equal(real[:, 4:], fake[:, 4:])
        level = np.rint((real[:, 0] + 1) * 127.5) / 5
        np.testing.assert_array_equal(real[:, 4:].argmax(1), level)
        np.testing.assert_array_equal(real[:, 4:].sum(1), 2)  # √4
    assert len(seen) == 2 * 5 * 2


def test_the_generator_is_told_the_label(monkeypatch):
    told = []
    forward = Generator.forward
    monkeypatch.setattr(Generator, "forward", lambda self, z: (told.append(z), forward(self, z))[1])
    gan = small()
    gan.start((3, 4), classes=[3, 5, 8])
    gan.step(np.zeros((6, 12), np.float32), np.array([8, 3, 3, 5, 8, 8]))
    np.testing.assert_array_equal(told[0][:, 3:].argmax(1), [2, 0, 0, 1, 2, 2])


def test_noise_is_not_laid_on_labels(monkeypatch):
    seen, gradient_of_D = [], npgan.training.step.discriminator_gradient
    monkeypatch.setattr(
        npgan.training.step,
        "discriminator_gradient",
        lambda D, real, *rest: (seen.append(real), gradient_of_D(D, real, *rest))[1],
    )
    fit(small(instance_noise=0.5), 1)
    assert set(np.unique(seen[0][:, 12:])) == {0.0, np.sqrt(np.float32(12))}
    assert seen[0][:, :12].max() > 1


@pytest.mark.parametrize(
    "options",
    [
        {},
        dict(loss="relativistic", penalty="r1+r2"),
        dict(penalty="wgan_gp", instance_noise=0.1, d_steps=2, batch=4),
    ],
)
def test_it_is_interrupted_at_every_step_and_ends_with_the_same_bits(
    options, tmp_path, monkeypatch
):
    monkeypatch.setattr(RunDirectory, "draw", lambda *_: None)
    monkeypatch.setattr(RunDirectory, "finish", lambda *_: None)
    fit(small(**options), 3, tmp_path / "once")
    step = GAN.step

    def stepped(self, *batch):
        values = step(self, *batch)
        signal.raise_signal(signal.SIGINT)
        return values

    monkeypatch.setattr(GAN, "step", stepped)
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


def test_it_learns_what_a_label_means():
    """Eight modes on a ring: after training, a sample lies nearest to the mode that was asked for."""
    data = datasets.ring(4000, rng=0)
    gan = GAN(
        latent=4,
        hidden=(32, 32),
        hidden_D=(32, 32),
        lr=1e-3,
        batch=64,
        average=0.99,
        conditional=True,
    )
    gan.fit(data, epochs=25, progress=False)
    asked = np.arange(800) % 8
    points = gan.sample(800, rng=0, label=asked)
    angle = 2 * np.pi / 8 * np.arange(8)
    centres = 0.8 * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    nearest = np.linalg.norm(points[:, None] - centres, axis=2).argmin(1)
    assert np.mean(nearest == asked) > 0.9


# ---- samples and pictures ----


def test_samples_of_a_label(trained):
    z = np.random.default_rng(1).standard_normal((6, 3), dtype=np.float32)
    mixed = trained.generate(z, [3, 3, 5, 5, 8, 8])
    np.testing.assert_array_equal(mixed[2:4], trained.generate(z[2:4], 5))
    np.testing.assert_array_equal(trained.sample(6, 1, label=[3, 3, 5, 5, 8, 8]), mixed)
    np.testing.assert_array_equal(trained.sample(6, 1), trained.generate(z, [3, 5, 8, 3, 5, 8]))
    np.testing.assert_array_equal(trained.sample(600, 1)[:300], trained.sample(300, 1))
    assert np.any(trained.sample(6, 1, label=3) != trained.sample(6, 1, label=8))


def test_it_comes_back_from_its_checkpoint(trained, tmp_path):
    trained.save(tmp_path / "a.npz")
    again = GAN.load(tmp_path / "a.npz")
    assert again.classes_ == [3, 5, 8]
    np.testing.assert_array_equal(again.sample(6, 1, label=5), trained.sample(6, 1, label=5))
    arrays, meta = checkpoint.load(tmp_path / "a.npz")
    del meta["classes_"]
    checkpoint.save(tmp_path / "a.npz", arrays, meta)
    with pytest.raises(checkpoint.CheckpointError, match="theta_"):
        GAN.load(tmp_path / "a.npz")


def test_the_picture_has_a_column_for_each_class_and_a_row_for_each_z(trained, tmp_path):
    run = RunDirectory(
        tmp_path, trained, datasets.Images("x", IMAGES.reshape(43, 12), LABELS, (3, 4)), 1
    )
    run.draw(tmp_path / "a.png", None)
    with Image.open(tmp_path / "a.png") as picture:
        grid = np.asarray(picture)[::3, ::3, 0][2:, 2:]
    assert grid.shape == (8 * 5, 3 * 6)
    z = trained.stream(Stream.FIXED_LATENT).standard_normal((8, 3), dtype=np.float32)
    for row in range(8):
        for column, label in enumerate([3, 5, 8]):
            cell = grid[row * 5 : row * 5 + 3, column * 6 : column * 6 + 4]
            np.testing.assert_array_equal(cell, trained.generate(z[row : row + 1], label)[0])


def test_a_walk_keeps_its_class(trained, monkeypatch):
    asked, generate = [], GAN.generate
    monkeypatch.setattr(
        GAN,
        "generate",
        lambda self, z, labels=None: (asked.append(labels), generate(self, z, labels))[1],
    )
    assert interpolate(trained).shape == (3, 12, 3, 4)
    np.testing.assert_array_equal(asked[0].reshape(3, 12), np.repeat([[3], [5], [8]], 12, axis=1))


def test_points_in_a_plane_have_their_pictures(tmp_path):
    data = datasets.ring(64, rng=0)
    fit(small(), 1, tmp_path, images=data, labels=None)
    assert (tmp_path / "samples.png").exists()


# ---- mistakes ----


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (lambda: small(conditional=1), "conditional must be True or False; got 1"),
        (lambda: fit(small(), 1, labels=None), "an array in memory has none; give them in a labels file"),
        (lambda: fit(small(), 1, labels=LABELS[:40]), "the labels: expected one whole number for each of 43"),
        (lambda: fit(small(), 1, labels=np.zeros(43, int)), "takes 2 to 1000 different labels.* has 1"),
        (lambda: fit(small(conditional=False), 1), r"labels=\.\.\. is for GAN\(conditional=True\)"),
        (lambda: fit(small(), 1, images=datasets.ring(64)), r"labels=\.\.\. is for .* a plain array"),
        (lambda: fit(fit(small(), 1), 1, labels=LABELS + 1), "started on the labels 3, 5, 8;.* also has 4"),
        (lambda: fit(small(), 1).sample(2, label=7), "label must be one of 3, 5, 8; got 7"),
        (lambda: fit(small(), 1).sample(2, label=[3, 5, 8]), r"one for all 2 images.*shape \(3,\)"),
        (lambda: fit(small(conditional=False), 1, labels=None).sample(2, label=7), "trained without labels"),
    ],
)  # fmt: skip
def test_mistakes_cost_one_line(wrong, words):
    with pytest.raises(ValueError, match=words) as caught:
        wrong()
    assert "\n" not in str(caught.value)


def test_more_labels_than_classes_are_refused():
    images = np.zeros((1001, 2, 2), np.uint8)
    with pytest.raises(ValueError, match="has 1001"):
        fit(small(), 1, images=images, labels=np.arange(1001))


def test_an_interrupted_epoch_goes_on_only_with_the_same_labels(monkeypatch):
    step, gan = GAN.step, small()
    with monkeypatch.context() as patch:
        patch.setattr(
            GAN,
            "step",
            lambda self, *batch: signal.raise_signal(signal.SIGINT) or step(self, *batch),
        )
        with pytest.raises(KeyboardInterrupt):
            fit(gan, 2)
    with pytest.raises(ValueError, match="needs the same images and labels"):
        fit(gan, 2, labels=np.roll(LABELS, 1))
    fit(gan, 2, labels=LABELS.astype(np.int16))
    assert gan.epoch_ == 2


def test_refused_labels_leave_the_gan_as_it_was(trained):
    kept = dict(trained.data_)
    with pytest.raises(ValueError, match="also has 4"):
        fit(trained, 1, images=IMAGES[::-1], labels=LABELS + 1)
    assert trained.data_ == kept
    assert classes_of(replace(datasets.ring(64, rng=0), name="a")) == list(range(8))


def test_batches_pair_images_with_labels():
    rows = np.arange(20, dtype=np.float32)[:, None]
    pairs = list(datasets.batches(rows, 6, rng=3, labels=np.arange(20) * 2))
    assert len(pairs) == 3
    for (x, labels), alone in zip(pairs, datasets.batches(rows, 6, rng=3), strict=True):
        np.testing.assert_array_equal(labels, 2 * x[:, 0])
        np.testing.assert_array_equal(x, alone)
    with pytest.raises(datasets.DataError, match="one for each of the 20 images"):
        datasets.batches(rows, 6, labels=np.arange(19))
