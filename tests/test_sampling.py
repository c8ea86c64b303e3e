"""Samples that D improves: calibration, Langevin steps in z, samples drawn again, and GAN.sample."""

import runpy
from pathlib import Path

import numpy as np
import pytest

from npgan import GAN, datasets, kernels, plot, testing
from npgan.cli import main
from npgan.files import checkpoint
from npgan.files.checkpoint import CheckpointError
from npgan.layers import Dense, LeakyReLU, Network, Tanh
from npgan.losses import LOSSES
from npgan.sampling import calibration
from npgan.sampling.langevin import energy_gradient, langevin
from npgan.sampling.rejection import ROUNDS, lowest_kept, redrawn
from npgan.training import guidance
from npgan.training.conditional import join_labels, one_hot
from npgan.training.guidance import chosen, critic_of, measure_critic

RNG = np.random.default_rng(0)
IMAGES = (datasets.mnist("test").images[:600], datasets.mnist("test").labels[:600])
SMALL = dict(latent=5, hidden=(24,), hidden_D=(24,), batch=32)


@pytest.fixture(scope="module")
def digits():
    return GAN(**SMALL).fit(IMAGES[0], epochs=4, progress=False)


@pytest.fixture(scope="module")
def conditional():
    gan = GAN(**SMALL, conditional=True)
    return gan.fit(*IMAGES[:1], epochs=4, progress=False, labels=IMAGES[1])


@pytest.fixture
def helpful(monkeypatch):
    """D counts as one that tells real images from generated ones, whatever it has learnt."""
    monkeypatch.setattr(calibration, "slope", lambda critic: 3.0 if critic else None)


def saved(tmp_path, gan):
    """The parts of the checkpoint of a GAN."""
    gan.save(tmp_path / "a.npz")
    return checkpoint.load(tmp_path / "a.npz")


# ---- calibration ----


def test_the_slope_is_that_of_the_log_ratio_of_two_normal_densities():
    # log N(d; 2, 3²) - log N(d; 1, 3²) = d/9 + const
    real, generated = 2 + 3 * RNG.standard_normal(10**6), 1 + 3 * RNG.standard_normal(10**6)
    a = calibration.slope(calibration.measure(real, generated))
    assert a == pytest.approx(1 / 9, rel=0.03)
    # With D = log p/q itself, there is nothing to scale: a = 1. Here log p/q = 0.5 x - 0.125.
    x, y = 0.5 + RNG.standard_normal(10**6), RNG.standard_normal(10**6)
    assert calibration.slope(calibration.measure(0.5 * x, 0.5 * y)) == pytest.approx(1, rel=0.03)


@pytest.mark.parametrize(
    ("real", "generated"),
    [([1, 2], [2, 3]), ([1, 1], [0, 0]), ([1, 2], [1, 2]), ([1, np.nan], [0, 1]),
     ([1, np.inf], [0, 1]), ([1e308, 1.5e308], [0, 1]), ([1, 1 + 1e-100], [0, 0])],
)  # fmt: skip
def test_logits_that_tell_nothing_give_no_slope(real, generated):
    assert calibration.slope(calibration.measure(np.array(real), np.array(generated))) is None
    assert calibration.slope({}) is None


# ---- the gradient of the energy ----


def nets(classes=0):
    """G and D in float64, as a GAN has them."""
    rng = np.random.default_rng(3)
    G = Network([Dense(4 + classes, 7, rng=rng), LeakyReLU(), Dense(7, 6, rng=rng), Tanh()])
    D = Network([Dense(6 + classes, 5, rng=rng), LeakyReLU(), Dense(5, 1, rng=rng)])
    gan = GAN(latent=4)
    gan.average_, gan.average_D_ = G.astype(np.float64), D.astype(np.float64)
    return gan


@pytest.mark.parametrize("classes", [0, 3])
def test_the_gradient_of_the_energy_is_that_of_the_energy(classes):
    gan, z = nets(classes), RNG.standard_normal((5, 4))
    y = one_hot(np.arange(5) % 3, range(3)).astype(np.float64) if classes else None

    def energy(z):
        x = gan.average_(join_labels(z, y))
        return np.sum(z * z) / 2 - 2.5 * np.sum(gan.average_D_(join_labels(x, y)))

    report = testing.check_gradients(
        energy, lambda z: energy_gradient(z, critic_of(gan, y), 2.5), (z,)
    )
    assert report.passed, report


# ---- Langevin's equation ----


def test_langevin_reaches_a_normal_density_that_is_known():
    """G(z) = W z + b and d(x) = c x: p(z) is N(a W c, I), whose mean is exact for every step size.

    The variance after many steps of size h is 1 / (1 - h/4).
    """
    W, c, a, h = np.array([[2.0, 0.5], [-1.0, 1.0]]), np.array([[0.3], [-0.4]]), 1.7, 0.2
    gan = GAN(latent=2)
    gan.average_ = Network([Dense(2, 2, lambda *_: W, dtype=np.float64)])
    gan.average_D_ = Network([Dense(2, 1, lambda *_: c, dtype=np.float64)])
    rng, n = np.random.default_rng(1), 20_000
    z = langevin(
        rng.standard_normal((n, 2)),
        lambda z: energy_gradient(z, critic_of(gan, None), a),
        (rng.standard_normal((n, 2)) for _ in range(100)),
        h,
    )
    np.testing.assert_allclose(z.mean(0), a * (W @ c)[:, 0], atol=4 / np.sqrt(n))
    np.testing.assert_allclose(np.cov(z.T), np.eye(2) / (1 - h / 4), atol=0.05)


def test_langevin_in_a_quadratic_energy_has_its_variance():
    """E = z²/2 + 3 z²/2: a variance of 1/4, and a mean that the first z does not change."""
    rng, n, h = np.random.default_rng(2), 20_000, 0.05
    noises = (rng.standard_normal((n, 1)) for _ in range(300))
    z = langevin(np.full((n, 1), 2.0), lambda z: 4 * z, noises, h)
    assert z.mean() == pytest.approx(0, abs=0.02)
    assert z.var() == pytest.approx(1 / (4 - 4 * h), rel=0.05)  # 1 / (4 (1 - 4h/4))


def test_langevin_of_a_finished_energy_gives_the_density_of_the_data():
    """With G the identity and D = log p/q, p = N(1, 1) and q = N(0, 1), samples have the density p."""
    rng, n = np.random.default_rng(3), 20_000
    z = rng.standard_normal((n, 1))
    noises = (rng.standard_normal((n, 1)) for _ in range(150))
    z = langevin(
        z, lambda z: energy_gradient(z, lambda z: (z - 0.5, lambda g: g), 1.0), noises, 0.1
    )
    assert (z.mean(), z.var()) == pytest.approx((1, 1), abs=0.05)


# ---- samples drawn again ----


def test_samples_below_the_quantile_are_drawn_again():
    """Of N(0, 1) with the score x the result is N(0, 1) above its 30 % quantile."""
    rng, n = np.random.default_rng(4), 50_000
    draw = lambda places: (x := rng.standard_normal(len(places)), x)
    lowest = lowest_kept(rng.standard_normal(10**6), 0.7)
    assert lowest == pytest.approx(-0.5244, abs=0.01)
    x = redrawn(draw(np.arange(n)), draw, lowest)
    assert x.min() >= lowest
    density = np.exp(-(lowest**2) / 2) / np.sqrt(2 * np.pi) / 0.7
    assert x.mean() == pytest.approx(density, abs=0.02)
    counts, edges = np.histogram(x, 8, (lowest, 1.5))
    cdf = np.array([(rng.standard_normal(10**6) < e).mean() for e in edges])
    np.testing.assert_allclose(counts / n, np.diff(cdf) / 0.7, atol=0.01)


def test_each_place_has_its_own_lowest_score_and_its_own_samples():
    rng, lowest, drawn = np.random.default_rng(5), np.repeat([0.0, 1.5], 500), np.zeros(1000, int)

    def draw(places):
        drawn[places] += 1
        scores = rng.standard_normal(len(places))
        return np.stack([places, scores], axis=1), scores

    first = draw(np.arange(1000))
    before = first[0].copy()
    found = redrawn(first, draw, lowest)
    assert found[:, 0].tolist() == list(range(1000))
    assert (found[:, 1] >= lowest).all()
    assert drawn[:500].mean() == pytest.approx(2, abs=0.3)
    assert drawn[500:].mean() == pytest.approx(1 / 0.0668, abs=2)
    assert np.array_equal(found[drawn == 1], before[drawn == 1])
    assert np.array_equal(first[0], before)


def test_a_place_that_nothing_can_fill_gets_the_best_of_its_samples():
    scores = iter(RNG.permutation(ROUNDS + 1).astype(float))
    draw = lambda places: (np.array([s := next(scores)]), np.array([s]))
    assert redrawn(draw(np.array([0])), draw, 1e9).tolist() == [ROUNDS]


# ---- GAN.sample ----


def test_without_help_samples_are_those_of_before(digits):
    z = np.random.default_rng(7).standard_normal((20, 5), dtype=np.float32)
    plain = digits.sample(20, 7, refine=0, keep=1)
    np.testing.assert_array_equal(plain, digits.generate(z))
    np.testing.assert_array_equal(plain, digits.sample(20, np.random.default_rng(7), None, 0, 1.0))


@pytest.mark.usefixtures("helpful")
@pytest.mark.parametrize("how", [(3, 1), (0, 0.5), (3, 0.5), (None, None)])
@pytest.mark.parametrize("kind", ["digits", "conditional"])
def test_help_changes_samples_and_neither_their_number_nor_their_seed(kind, how, request):
    gan = request.getfixturevalue(kind)
    refine, keep = how
    x = gan.sample(600, 1, None, refine, keep)
    assert (x.shape, x.dtype) == ((600, 28, 28), np.uint8)
    np.testing.assert_array_equal(x, gan.sample(600, np.random.default_rng(1), None, refine, keep))
    assert np.any(x != gan.sample(600, 1, refine=0, keep=1))
    assert np.any(x != gan.sample(600, 2, None, refine, keep))
    if kernels.active == "compiled":
        np.testing.assert_array_equal(x[:37], gan.sample(37, 1, None, refine, keep))
    # A generator that is used again gives other images.
    rng = np.random.default_rng(1)
    assert np.any(gan.sample(9, rng, None, refine, keep) != gan.sample(9, rng, None, refine, keep))


@pytest.mark.usefixtures("helpful")
def test_the_same_z_twice_gives_two_images_in_one_block_and_in_two(digits):
    z = np.ones((guidance.CHUNK + 1, 5), np.float32)
    x = guidance.guided(digits, z, None, 3, guidance.Guidance(2, 1.0))
    assert np.any(x[0] != x[1])
    assert np.any(x[0] != x[guidance.CHUNK])


@pytest.mark.usefixtures("helpful")
def test_the_bits_do_not_depend_on_threads_and_the_kernels_agree(digits, conditional):
    before = kernels.active
    for gan in (digits, conditional):
        found = []
        for threads, name in ((1, before), (2, before), (1, "reference")):
            kernels.set_threads(threads)
            kernels.use_kernels(name)
            found.append(gan.sample(70, 3, None, 4, 0.7).astype(float))
        kernels.use_kernels(before)
        np.testing.assert_array_equal(found[0], found[1])
        assert np.mean(np.abs(found[0] - found[2]) > 1) < 0.02


def test_the_default_is_help_for_images_and_none_for_points(digits, monkeypatch):
    monkeypatch.setattr(calibration, "slope", lambda _: 1.0)
    assert chosen(digits) == (3, 0.97)
    assert chosen(digits, refine=0) == (0, 0.97)
    assert chosen(digits, keep=1) == (3, 1)
    np.testing.assert_array_equal(digits.sample(5, 1), digits.sample(5, 1, refine=3, keep=0.97))
    points = GAN(**SMALL)
    points.start((2,), pixels=False)
    assert chosen(points) == (0, 1)


@pytest.mark.usefixtures("helpful")
def test_the_share_that_is_kept_is_kept(digits):
    """Of samples at keep=0.5, hardly any has a logit below the median of all."""
    plain = digits.sample(2000, 5, refine=0, keep=1)
    best = digits.sample(2000, 5, refine=0, keep=0.5)
    logits = [digits.average_D_(datasets.to_unit(x.reshape(2000, -1)))[:, 0] for x in (plain, best)]
    assert np.mean(logits[1] < np.median(logits[0])) < 0.06
    same = (plain == best).reshape(2000, -1).all(1)
    assert same.mean() == pytest.approx(0.5, abs=0.08)
    assert np.array_equal(same, logits[0] >= logits[0][same].min())


@pytest.mark.usefixtures("helpful")
def test_every_class_keeps_its_share_and_every_place_its_label(conditional, monkeypatch):
    gan = conditional
    asked = []
    refined = guidance.refined

    def watched(gan, z, y, noises):
        found = refined(gan, z, y, noises)
        asked.append(y)
        return found

    labels = np.repeat([1, 7, 4], 40)
    alone = gan.sample(40, 2, 1, refine=0, keep=0.3)
    monkeypatch.setattr(guidance, "refined", watched)
    x = gan.sample(120, 2, labels, refine=0, keep=0.3)
    # Each class has a pilot of its own; then each proposal has the label of its place.
    assert len(asked) > 4
    assert np.array_equal(asked[3], one_hot(labels, gan.classes_))
    assert all(set(np.flatnonzero(y.any(0))) <= {1, 4, 7} for y in asked)
    d = gan.average_D_(
        join_labels(datasets.to_unit(x.reshape(120, -1)), one_hot(labels, gan.classes_))
    )[:, 0]
    for i, label in enumerate((1, 7, 4)):
        low = guidance.lowest_of_class(
            gan, label, guidance.seed_of(np.random.default_rng(2)), guidance.Guidance(0, 0.3)
        )
        assert np.mean(d[40 * i : 40 * i + 40] < low - 0.02) < 0.1
    if kernels.active == "compiled":
        np.testing.assert_array_equal(x[:40], alone)


@pytest.mark.usefixtures("helpful")
def test_labels_do_not_move_when_z_is_refined(conditional, monkeypatch):
    seen = []
    forward = conditional.average_.forward
    monkeypatch.setattr(
        conditional.average_, "forward", lambda x: (seen.append(x[:, 5:].copy()), forward(x))[1]
    )
    conditional.sample(12, 0, 3, refine=4, keep=1)
    y = np.sqrt(5).astype(np.float32) * one_hot(np.full(12, 3), conditional.classes_)
    assert len(seen) == 5
    for labels in seen:
        np.testing.assert_allclose(labels, y, rtol=1e-6)


@pytest.mark.parametrize("loss", LOSSES)
def test_points_come_nearer_to_the_ring_with_every_loss(loss):
    points = datasets.ring(2000, rng=0)
    gan = GAN(latent=2, hidden=(32, 32), hidden_D=(32, 32), loss=loss, lr=2e-3)
    gan.fit(points, epochs=12, progress=False)
    assert calibration.slope(gan.critic_) is not None
    near = []
    for refine, keep in ((0, 1), (20, 1), (0, 0.5)):
        x = gan.sample(2000, 0, refine=refine, keep=keep)
        assert (x.shape, x.dtype) == ((2000, 2), np.float32)
        d = gan.average_D_(x)[:, 0]
        near.append((d.mean() - gan.critic_["generated"]) / np.sqrt(gan.critic_["variance"]))
    assert near[1] > near[0] + 0.02
    assert near[2] > near[0] + 0.3


@pytest.mark.parametrize(
    ("how", "text"),
    [
        (dict(refine=-1), "refine must be a whole number of 0 or more; got -1"),
        (dict(refine=1.5), "refine must be a whole number"),
        (dict(refine=True), "refine must be a whole number"),
        (dict(refine="ten"), "refine must be a whole number"),
        (dict(keep=0), "keep must be a number of 0.1 or more and at most 1; got 0"),
        (dict(keep=1.01), "at most 1"),
        (dict(keep=float("nan")), "keep must be"),
        (dict(keep="0.5"), "keep must be"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_one_line(digits, how, text):
    with pytest.raises(ValueError, match=text) as caught:
        digits.sample(3, 0, **how)
    assert "\n" not in str(caught.value)


def test_a_gan_without_a_measurement_helps_itself_and_says_what_to_do():
    gan = GAN(**SMALL)
    gan.start((28, 28))
    np.testing.assert_array_equal(gan.sample(5, 1), gan.sample(5, 1, refine=0, keep=1))
    for how in (dict(refine=1), dict(keep=0.9)):
        with pytest.raises(ValueError, match="train one more, or use refine=0 and keep=1"):
            gan.sample(5, 1, **how)
    gan.critic_ = {"real": 0.25, "generated": 0.5, "variance": 1.0}
    np.testing.assert_array_equal(gan.sample(5, 1), gan.sample(5, 1, refine=0, keep=1))
    with pytest.raises(ValueError, match=r"0.25 for real images and 0.5 for generated"):
        gan.sample(5, 1, refine=1)


# ---- in training, and in a checkpoint ----


def test_what_is_measured_is_of_the_data_and_of_samples_with_the_same_labels(conditional):
    data = datasets.Images("digits", *IMAGES, (28, 28))
    found = measure_critic(conditional, data)
    assert found == measure_critic(conditional, data) == conditional.critic_
    y = one_hot(IMAGES[1], conditional.classes_)
    real = conditional.average_D_(join_labels(datasets.to_unit(IMAGES[0]), y))
    fake = conditional.sample(600, 0, IMAGES[1], refine=0, keep=1).reshape(600, -1)
    fake = conditional.average_D_(join_labels(datasets.to_unit(fake), y))
    assert found["real"] == pytest.approx(real.mean(), abs=1e-5)
    assert found["generated"] == pytest.approx(fake.mean(), abs=0.2 * float(real.std()))
    assert found["variance"] == pytest.approx((real.var() + fake.var()) / 2, rel=0.2)


def test_an_interrupted_run_has_the_same_critic(tmp_path):
    whole = GAN(**SMALL).fit(IMAGES[0], epochs=2, progress=False)
    gan = GAN(**SMALL)
    gan.fit(IMAGES[0], epochs=2, progress=False, callbacks=[lambda _: True])
    gan.save(tmp_path / "a.npz")
    gan = GAN.load(tmp_path / "a.npz")
    gan.fit(IMAGES[0], epochs=1, progress=False)
    np.testing.assert_array_equal(gan.average_D_.theta, whole.average_D_.theta)
    assert gan.critic_ == whole.critic_


def test_a_checkpoint_of_before_has_the_weights_of_D_itself(tmp_path, digits):
    arrays, meta = saved(tmp_path, digits)
    assert np.array_equal(arrays.pop("theta_average_D"), digits.average_D_.theta)
    assert meta.pop("critic_") == digits.critic_
    checkpoint.save(tmp_path / "a.npz", arrays, meta)
    gan = GAN.load(tmp_path / "a.npz")
    np.testing.assert_array_equal(gan.average_D_.theta, digits.discriminator_.theta)
    assert gan.average_D_.theta is not gan.discriminator_.theta
    assert chosen(gan) == (0, 1)
    np.testing.assert_array_equal(gan.sample(4, 1), digits.sample(4, 1, refine=0, keep=1))
    gan.fit(IMAGES[0], epochs=1, progress=False)
    assert gan.critic_


@pytest.mark.parametrize(
    "critic",
    [
        [], None, 3, {"real": 1.0}, {"real": 1.0, "generated": 0.0, "variance": -1.0},
        {"real": 1, "generated": 0.0, "variance": 1.0},
        {"real": 1.0, "generated": float("nan"), "variance": 1.0},
        {"real": True, "generated": 0.0, "variance": 1.0},
        {"real": 1.0, "generated": 0.0, "variance": 1.0, "more": 1.0},
        {"real": "1", "generated": 0.0, "variance": 1.0},
    ],
)  # fmt: skip
def test_a_critic_that_cannot_be_meant_is_refused(tmp_path, digits, critic):
    arrays, meta = saved(tmp_path, digits)
    checkpoint.save(tmp_path / "a.npz", arrays, {**meta, "critic_": critic})
    with pytest.raises(CheckpointError, match="critic_ is not two finite means"):
        GAN.load(tmp_path / "a.npz")


def test_help_and_docstring_say_the_defaults(capsys):
    refine, keep = guidance.OF_IMAGES
    with pytest.raises(SystemExit):
        main(["sample", "--help"])
    words = " ".join(capsys.readouterr().out.split())
    assert f"(default: {refine}, for points {guidance.NONE.refine})" in words
    assert f"(default: {keep}, for points {guidance.NONE.keep:g})" in words
    words = " ".join(GAN.sample.__doc__.split())
    assert f"Default: {refine}, for points {guidance.NONE.refine}." in words
    assert f"Default: {keep}, for points {guidance.NONE.keep:g}." in words


def test_the_picture_of_what_d_sees(tmp_path, digits):
    """python tools/what_d_sees.py RUN PICTURE.png, on few images."""
    file = Path(__file__).parents[1] / "tools" / "what_d_sees.py"
    if not file.exists():
        pytest.skip("tools/ is not part of an installed npgan")
    tool = runpy.run_path(str(file))
    tool["draw"](digits, IMAGES[0], tmp_path / "seen.png")
    assert plot.read(tmp_path / "seen.png").std() > 20
