"""D that sees the texture of images: the layer, and a GAN whose D begins with it."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles import numerical, with_texture

import npgan
from npgan import GAN, Dense, LeakyReLU, Network
from npgan.convolution import Texture
from npgan.convolution.ops import block_sum, details
from npgan.files import checkpoint
from npgan.gan import discriminator_gradient
from npgan.losses import relativistic
from npgan.penalties import r1_and_r2
from npgan.training.fitting import rehearse

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (43, 5, 4), dtype=np.uint8)
COLOUR = RNG.integers(0, 256, (24, 4, 3, 3), dtype=np.uint8)
LABELS = np.arange(43) % 3


def small(**changes):
    return GAN(**{**dict(latent=3, hidden=(5,), hidden_D=(4,), batch=8, texture=True), **changes})


def fit(gan, epochs=1, images=IMAGES, out=None, **more):
    return gan.fit(images, epochs=epochs, out=out, progress=False, **more)


# ---- the layer ----


@given(
    st.integers(1, 3), st.integers(1, 6), st.integers(1, 6), st.integers(1, 3), st.integers(0, 3),
    st.sampled_from([np.float32, np.float64]), st.booleans(),
)  # fmt: skip
def test_the_texture_behind_the_pixels_and_a_label(
    rows, height, width, channels, label, dtype, fortran
):
    n = height * width * channels + label
    x = np.random.default_rng(n).standard_normal((rows, n)).astype(dtype)
    x = np.asfortranarray(x) if fortran else x
    before = x.copy()
    y = Texture(height, width, channels).forward(x)[0]
    assert y.dtype == dtype
    np.testing.assert_array_equal(x, before)
    np.testing.assert_array_equal(y[:, :n], x)
    expected = with_texture(x.astype(np.float64), (height, width, channels))
    np.testing.assert_allclose(y, expected, rtol=1e-5 if dtype == np.float32 else 1e-12, atol=1e-5)


def test_no_images_have_no_texture():
    assert Texture(3, 4).forward(np.zeros((0, 13)))[0].shape == (0, 13 + 4)


def test_what_details_are():
    """0 inside of an area of one value, 0.75 at a single pixel; each block counts its own pixels."""
    x = np.zeros((1, 6, 6, 1))
    x[0, 1:, 1:] = 1
    assert not details(x)[0, 2:5, 2:5].any()
    assert not details(np.full((2, 5, 4, 1), -0.7)).any()  # also at the edges
    x = np.zeros((1, 4, 4, 1))
    x[0, 1, 2] = 1
    d = details(x)[0, :, :, 0]
    assert d[1, 2] == 0.75
    assert d[1, 1] == d[0, 2] == -0.125
    assert d[0, 1] == -0.0625
    sums = block_sum(np.arange(15.0).reshape(1, 3, 5, 1))[0, :, :, 0]
    np.testing.assert_array_equal(sums, [[0 + 1 + 5 + 6, 2 + 3 + 7 + 8, 4 + 9], [21, 25, 14]])


# ---- D with it ----


def network(rng=0):
    r = np.random.default_rng(rng)
    D = Network([Texture(3, 4), Dense(12 + 2 + 4, 5, rng=r), LeakyReLU(), Dense(5, 1, rng=r)])
    D = D.astype(np.float64)
    D.theta[:] = r.normal(0, 0.5, D.theta.size)
    return D


def test_ds_gradient_with_a_penalty():
    D, (real, fake) = network(), RNG.uniform(-1, 1, (2, 6, 14))

    def penalty(D, real, fake):
        return r1_and_r2(D, real, fake, 0.7, 12)

    def loss():
        _, values = discriminator_gradient(D, real, fake, relativistic, penalty)
        return values["loss_D"] + values["penalty"]

    gradient, _ = discriminator_gradient(D, real, fake, relativistic, penalty)
    np.testing.assert_allclose(gradient, numerical(loss, D.theta), rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_fused_kernels_have_the_bits_of_the_rules(dtype):
    D, x, g = network().astype(dtype), RNG.uniform(-1, 1, (7, 14)), np.ones((7, 1), dtype)
    x, found = x.astype(dtype), []
    for only in (False, True):
        npgan.use_rules(only)
        try:
            y, pull = D.forward(x)
            found.append((y, *pull(g), pull(g, "params"), pull(g, "input")))
        finally:
            npgan.use_rules(False)
    for one, other in zip(*found, strict=True):
        np.testing.assert_array_equal(one, other)


def test_no_gradient_is_computed_below_the_first_parameters(monkeypatch):
    """That of the first Dense's input costs as much as that of its weights."""
    D, x = network(), RNG.uniform(-1, 1, (7, 14))
    _, pull = D.forward(x)
    asked = []
    for i, layer in enumerate(D.layers):
        monkeypatch.setattr(
            layer, "input_gradient",
            lambda g, x, y, i=i, f=layer.input_gradient: (asked.append(i), f(g, x, y))[1],
        )  # fmt: skip
    pull(np.ones((7, 1)), "params")
    assert not {0, 1} & set(asked)
    pull(np.ones((7, 1)), "input")
    assert {0, 1} <= set(asked)


# ---- a GAN with it ----


@pytest.mark.parametrize(
    ("options", "images", "sizes"),
    [
        ({}, IMAGES, (20 + 6, 4)),
        (dict(penalty="wgan_gp", loss="wasserstein"), IMAGES, (20 + 6, 4)),
        (dict(dropout=0.3, penalty="r2"), IMAGES, (20 + 6, 4)),
        (dict(shards=2, d_steps=2, batch=4), COLOUR, (36 + 2 * 2 * 3, 4)),
        (dict(conditional=True), IMAGES, (20 + 3 + 6, 4)),
    ],
)
def test_it_trains_draws_and_goes_on_with_the_same_bits(options, images, sizes, tmp_path):
    labels = LABELS if "conditional" in options else None
    once = fit(small(lr_decay=0, **options), 3, images, labels=labels)
    D = once.discriminator_
    assert [layer.op.__name__ for layer in D.layers] == [
        "with_texture",
        "affine",
        "leaky_relu",
        "affine",
    ]
    assert D.layers[1].shapes["W"] == sizes
    first = fit(small(lr_decay=0, **options), 1, images, labels=labels)
    first.save(tmp_path / "gan.npz")
    gan = fit(GAN.load(tmp_path / "gan.npz"), 2, images, labels=labels)
    for a, b in ((gan.discriminator_, D), (gan.average_D_, once.average_D_)):
        np.testing.assert_array_equal(a.theta, b.theta)
        assert repr(a) == repr(b)
    np.testing.assert_array_equal(gan.sample(7, 0), once.sample(7, 0))
    assert once.sample(7, 0).shape == (7, *images.shape[1:])


def test_processes_that_train_together_rehearse_it():
    for gan in (fit(small()), fit(small(conditional=True), labels=LABELS)):
        before = gan.discriminator_.theta.copy()
        rehearse(gan)
        np.testing.assert_array_equal(gan.discriminator_.theta, before)


def test_samples_are_refined_through_it():
    gan = fit(small(), 2)
    gan.critic_ = {"real": 1.0, "generated": 0.0, "variance": 1.0}  # as if D had learnt
    plain, helped = gan.sample(9, 0, refine=0, keep=1), gan.sample(9, 0, refine=4, keep=0.8)
    assert helped.shape == plain.shape
    assert (helped != plain).any()


def test_without_it_nothing_changes():
    a, b = fit(small(texture=False)), fit(GAN(latent=3, hidden=(5,), hidden_D=(4,), batch=8))
    np.testing.assert_array_equal(a.discriminator_.theta, b.discriminator_.theta)
    assert a.config["texture"] is False


def test_points_and_odd_shapes_have_no_texture(tmp_path):
    with pytest.raises(ValueError, match=r"^texture needs images, .*; got points of shape \(2,\)"):
        fit(small(), 1, npgan.datasets.ring(64, rng=0))
    gan = small()
    with pytest.raises(ValueError, match=r"^texture needs images, .*; got images of shape \(9,\)"):
        gan.start((9,))
    assert not hasattr(gan, "generator_")


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Texture(0, 4), "Texture() needs height of 1 or more, got 0"),
        (lambda: Texture(3, 2.5), "Texture() needs width of 1 or more, got 2.5"),
        (lambda: Texture(3, 4, True), "Texture() needs channels of 1 or more, got True"),
        (lambda: Texture(3, 4).forward(np.zeros((2, 5))), "12 pixels of an image of 3 x 4 x 1, got (2, 5)"),
        (lambda: Texture(3, 4).forward(np.zeros(12)), "12 pixels of an image of 3 x 4 x 1, got (12,)"),
        (lambda: Texture(2, 2).forward(np.zeros((1, 2, 2, 1))), "4 pixels of an image of 2 x 2 x 1, got (1, 2, 2, 1)"),
    ],
)  # fmt: skip
def test_what_the_layer_refuses(make, words):
    with pytest.raises(ValueError, match=re.escape(words)):
        make()


def test_a_damaged_checkpoint_has_one_line(tmp_path):
    path = tmp_path / "gan.npz"
    fit(small(), 1).save(path)
    arrays, meta = checkpoint.load(path)
    for changes, words in (
        ({"shape_": [20]}, "height, width and perhaps channels"),
        ({"shape_": [20], "pixels_": False}, "height, width and perhaps channels"),
        ({"config": {**meta["config"], "texture": False}}, "theta_D"),
    ):
        checkpoint.save(path, arrays, {**meta, **changes})
        with pytest.raises(ValueError, match=rf"gan\.npz.*{words}") as found:
            GAN.load(path)
        assert "\n" not in str(found.value)
    del meta["config"]["texture"]  # of a version that did not have it
    plain = fit(small(texture=False), 1)
    plain.save(path)
    arrays, meta = checkpoint.load(path)
    del meta["config"]["texture"]
    checkpoint.save(path, arrays, meta)
    assert GAN.load(path).config["texture"] is False
