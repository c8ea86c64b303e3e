"""The judge and its scores: independent oracles, what each score must notice, and what is shipped."""

import json
import math
import os
import types
import zipfile
from pathlib import Path

import children
import numpy as np
import pytest
from PIL import Image

from npgan import GAN, CheckpointError, metrics, plot
from npgan.cli import main
from npgan.cli.evaluate import judge_trained_on, source_of_splits
from npgan.datasets import DataError, Images, load, mnist
from npgan.datasets.fingerprints import image_crc32
from npgan.files import checkpoint
from npgan.metrics import Judge, distances, frechet_distance, nearest, precision_recall, scores
from npgan.metrics.judge import JUDGES

RNG = np.random.default_rng(0)


def having(mean, covariance, n=300, seed=0):
    """n points whose mean and covariance are exactly these."""
    x = np.random.default_rng(seed).standard_normal((n, len(mean)))
    x -= x.mean(0)
    x = x @ np.linalg.inv(np.linalg.cholesky(np.cov(x, rowvar=False))).T
    return x @ np.linalg.cholesky(np.asarray(covariance, float)).T + mean


def covariance(d, seed):
    A = np.random.default_rng(seed).standard_normal((d, d))
    return A @ A.T + 0.1 * np.eye(d)


def test_judges_from_a_zip_file(tmp_path):
    with zipfile.ZipFile(tmp_path / "npgan.zip", "w") as file:
        package = JUDGES.parents[1]
        for path in sorted(package.rglob("*")):
            if path.suffix == ".py" or path.parent == JUDGES:
                file.write(path, path.relative_to(package.parent))
    code = (
        "import npgan\nfrom npgan.metrics.judge import SHIPPED, Judge\n"
        "print('npgan.zip' in npgan.__file__, *[Judge.load(name).name for name in SHIPPED])"
    )
    changes = {"PYTHONPATH": str(tmp_path / "npgan.zip"), "NPGAN_KERNELS": "reference"}
    done = children.run("-c", code, env=changes, cwd=tmp_path)
    assert done == (0, "True mnist fashion-mnist mnist fashion-mnist\n", "")


# ---- the Fréchet distance ----


def test_frechet_distance_of_known_gaussians():
    a = having([0, 1, 2], np.diag([1.0, 4, 9]))
    b = having([3, 1, 6], np.diag([4.0, 4, 1]), seed=1)
    assert frechet_distance(a, b) == pytest.approx(3**2 + 4**2 + (2 - 1) ** 2 + (1 - 3) ** 2)
    assert frechet_distance(a[:, :1], b[:, :1]) == pytest.approx(3**2 + (2 - 1) ** 2)
    assert frechet_distance(a, a) == pytest.approx(0, abs=1e-9)


def test_frechet_distance_of_covariances_that_do_not_commute():
    for seed in range(5):
        C1, C2 = covariance(6, 2 * seed), covariance(6, 2 * seed + 1)
        a, b = having(np.zeros(6), C1), having(np.ones(6), C2, seed=1)
        root = np.sqrt(
            np.linalg.eigvals(C1 @ C2).real
        ).sum()  # the eigenvalues of a matrix that is not symmetric
        expected = 6 + np.trace(C1) + np.trace(C2) - 2 * root
        assert frechet_distance(a, b) == pytest.approx(expected, rel=1e-9)
        assert frechet_distance(b, a) == pytest.approx(expected, rel=1e-9)


def test_frechet_distance_agrees_with_scipy():
    linalg = pytest.importorskip("scipy.linalg")
    C1, C2 = covariance(20, 1), covariance(20, 2)
    a, b = having(np.zeros(20), C1), having(np.full(20, 0.3), C2, seed=1)
    expected = 20 * 0.09 + np.trace(C1 + C2 - 2 * linalg.sqrtm(C1 @ C2).real)
    assert frechet_distance(a, b) == pytest.approx(expected, rel=1e-8)


def test_frechet_distance_of_fewer_points_than_dimensions():
    a, b = RNG.standard_normal((5, 20)), RNG.standard_normal((6, 20)) + 10
    gap = a.mean(0) - b.mean(0)
    trace = np.trace(np.cov(a, rowvar=False)) + np.trace(np.cov(b, rowvar=False))
    assert gap @ gap < frechet_distance(a, b) < gap @ gap + trace


# ---- precision and recall, neighbours ----


def brute_force(real, fake, k):
    def inside(points, others):
        radii = []
        for i, y in enumerate(others):
            rest = sorted(math.dist(y, z) for j, z in enumerate(others) if j != i)
            radii.append(rest[k - 1])
        balls = list(zip(others, radii, strict=True))
        return np.mean([any(math.dist(x, y) <= radius for y, radius in balls) for x in points])

    return inside(fake, real), inside(real, fake)


@pytest.mark.parametrize("block", [1 << 20, 50])
def test_precision_and_recall_are_those_of_brute_force(block, monkeypatch):
    monkeypatch.setattr(distances, "MAX_DISTANCES", block)
    for seed in range(6):
        rng = np.random.default_rng(seed)
        real = rng.standard_normal((23, 3))
        fake = 0.5 * rng.standard_normal((17, 3)) + 0.3 * seed
        for k in (1, 3):
            assert precision_recall(real, fake, k) == pytest.approx(brute_force(real, fake, k))


def test_precision_and_recall_at_the_ends():
    x = RNG.standard_normal((40, 4))
    assert precision_recall(x, x) == (1, 1)
    assert precision_recall(x, x + 100) == (0, 0)
    real = np.concatenate([x, x + 100])  # two modes, of which the fakes have one
    assert precision_recall(real, x) == (1, 0.5)
    assert precision_recall(x, real) == (0.5, 1)


@pytest.mark.parametrize(("block", "strip"), [(1 << 20, 4000), (20, 7)])
@pytest.mark.parametrize("dtype", [np.float64, np.uint8])
def test_nearest_is_that_of_brute_force(block, strip, dtype, monkeypatch):
    monkeypatch.setattr(distances, "MAX_DISTANCES", block)
    monkeypatch.setattr(distances, "MAX_ROWS", strip)
    x, others = (RNG.integers(0, 256, (n, 12)).astype(dtype) for n in (19, 31))
    others[11] = x[4]
    index, distance = nearest(x, others)
    scale = 255 if dtype == np.uint8 else 1
    every = np.linalg.norm(x[:, None].astype(float) - others[None].astype(float), axis=2) / scale
    np.testing.assert_array_equal(index, every.argmin(1))
    np.testing.assert_allclose(distance, every.min(1), rtol=1e-5)
    assert distance[4] == 0


@pytest.mark.parametrize("function", [frechet_distance, precision_recall, nearest])
def test_matrices_that_do_not_fit_are_refused(function):
    for a, b in (((9, 3), (9, 4)), ((9,), (9,)), ((9, 3, 1), (9, 3, 1)), ((9, 3), (0, 3))):
        with pytest.raises(ValueError, match="two matrices"):
            function(np.zeros(a), np.zeros(b))
    if function is precision_recall:
        with pytest.raises(ValueError, match="4 rows or more"):
            function(np.zeros((3, 2)), np.zeros((9, 2)))


# ---- histograms ----


def test_divergence_of_histograms():
    even = np.full(10, 0.1)
    assert metrics.kl_divergence(even, even) == 0
    assert metrics.kl_divergence(np.eye(10)[3], even) == pytest.approx(math.log(10))
    assert metrics.kl_divergence([0.5, 0.5], [0.25, 0.75]) == pytest.approx(
        0.5 * math.log(2) + 0.5 * math.log(2 / 3)
    )
    assert metrics.kl_divergence(even, np.eye(10)[3]) == math.inf
    np.testing.assert_array_equal(metrics.histogram(np.array([0, 2, 2, 2]), 4), [0.25, 0, 0.75, 0])


# ---- the shipped judge ----


@pytest.fixture(scope="module")
def judge():
    return scores.standard_judge()


@pytest.fixture(scope="module")
def test_digits():
    return mnist("test")


@pytest.fixture(scope="module")
def train_digits():
    return mnist().images


def test_the_judge_is_as_good_as_it_says(judge, test_digits):
    right = np.mean(judge.predict(test_digits.images).labels == test_digits.labels)
    assert right == judge.accuracy >= 0.985
    assert metrics.agreement(test_digits.images, test_digits.labels) == right
    assert judge.features(test_digits.images[:3]).shape == (3, 128)


FASHION = Path(os.environ.get("NPGAN_FASHION_MNIST", "/usr/share/datasets/fashion-mnist"))


def test_the_judge_of_fashion_mnist():
    other = Judge.load("fashion-mnist")
    assert (other.name, other.classes, other.shape) == ("fashion-mnist", 10, (28, 28))
    assert other.accuracy > 0.9
    assert judge_trained_on(other.crc32["train"]).title == other.title
    assert judge_trained_on(other.crc32["test"]).name == judge_trained_on(None).name == "mnist"


@pytest.mark.skipif(not FASHION.is_dir(), reason="Debian's dataset-fashion-mnist is not installed")
def test_a_run_on_fashion_mnist_is_shown_to_its_judge(tmp_path, capsys):
    gan = GAN(latent=3, hidden=(5,), hidden_D=(4,), batch=2000)
    gan.fit(load(FASHION / "train-images-idx3-ubyte.gz"), 1, out=tmp_path)
    found, _ = evaluate_json(capsys, tmp_path, "-n", 100)
    assert found["judge"]["knows"] == "fashion-mnist"
    assert len(found["notes"]) == 1
    named = (
        "--data",
        FASHION / "train-images-idx3-ubyte.gz",
    )  # the test images are found beside it
    assert (
        evaluate_json(capsys, tmp_path, "-n", 100, *named)[0]["frechet_distance"]
        == found["frechet_distance"]
    )
    test = load(FASHION, "test")
    right = metrics.agreement(test.images, test.labels, Judge.load("fashion-mnist"))
    assert right == found["judge"]["accuracy"]


def test_what_the_judge_sees_are_probabilities(judge, test_digits):
    seen = judge.predict(test_digits.images[:50])
    np.testing.assert_allclose(seen.probabilities.sum(1), 1, rtol=1e-5)
    np.testing.assert_array_equal(seen.probabilities, judge.probabilities(test_digits.images[:50]))
    np.testing.assert_array_equal(seen.features, judge.features(test_digits.images[:50]))
    np.testing.assert_array_equal(seen.confidence, seen.probabilities[np.arange(50), seen.labels])


def test_the_judge_looks_at_each_image_alone(judge, test_digits):
    images, order = test_digits.images[:1500], RNG.permutation(1500)
    np.testing.assert_array_equal(judge.features(images)[order], judge.features(images[order]))


def rewritten(path, change):
    arrays, meta = checkpoint.load(JUDGES / "mnist.npz")
    change(arrays, meta)
    checkpoint.save(path, arrays, meta)


def test_a_shipped_judge_that_has_changed_is_refused(tmp_path, monkeypatch):
    def nudge(arrays, meta):
        arrays["theta"][1000] += np.float16(0.25)

    rewritten(tmp_path / "mnist.npz", nudge)
    other = Judge.load(tmp_path / "mnist.npz")  # a judge of one's own may be what it likes
    assert other.title != Judge.load().title
    monkeypatch.setattr("npgan.metrics.judge.JUDGES", tmp_path)
    with pytest.raises(CheckpointError, match="SHA-256"):
        Judge.load()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda arrays, meta: meta.pop("bounds"), "bounds is missing"),
        (lambda arrays, meta: arrays.pop("theta"), "theta is missing"),
        (lambda arrays, meta: arrays.update(theta=arrays["theta"][1:]), "finite numbers"),
        (lambda arrays, meta: arrays["theta"].fill(np.nan), "finite numbers"),
        (lambda arrays, meta: meta.update(shape=[28]), "784 pixels"),
        (lambda arrays, meta: meta.update(shape=[28, 28, 1, 1]), "784 pixels"),
        (lambda arrays, meta: meta.update(shape=[27, 28]), "784 pixels"),
        (lambda arrays, meta: meta["bounds"].pop("near"), "near is missing"),
        (lambda arrays, meta: meta["bounds"].update(near=1.0), "10 finite distances"),
        (lambda arrays, meta: meta["bounds"].update(near=["x"] * 10), "10 finite distances"),
        (lambda arrays, meta: meta["bounds"].update(near=[np.nan] * 10), "10 finite distances"),
        (lambda arrays, meta: meta["bounds"].update(real=[1]), "scores of real"),
        (lambda arrays, meta: meta["bounds"].update(noise="x"), "scores of noise"),
        (lambda arrays, meta: meta["bounds"]["real"].pop("kl"), "kl is missing"),
        (lambda arrays, meta: meta["bounds"]["real"].update(kl="x"), "not all numbers"),
        (lambda arrays, meta: meta["bounds"]["noise"].update(histogram=3), "iterable"),
        (lambda arrays, meta: meta["bounds"]["real"].update(kernel_distance="x"), "all numbers"),
        (lambda arrays, meta: meta.update(sizes=[]), "out of range"),
    ],
)
def test_a_file_that_is_no_judge_is_refused(change, said, tmp_path):
    rewritten(tmp_path / "own.npz", change)
    with pytest.raises(CheckpointError, match=said) as caught:
        Judge.load(tmp_path / "own.npz")
    assert "train_judge" in str(caught.value)
    assert "\n" not in str(caught.value)


# ---- which arrays are images ----

PIXELS = np.arange(3 * 784, dtype=np.uint8).reshape(3, 28, 28)  # holds 0 and 255

FORMS = {
    "flat": PIXELS.reshape(3, 784),
    "channel last": PIXELS[..., None],
    "channel first": PIXELS[:, None],
    "int64": PIXELS.astype(np.int64),
    "[0, 1]": PIXELS / 255,
    "[0, 1] flat": (PIXELS / 255).reshape(3, 784),
    "[-1, 1]": PIXELS / 127.5 - 1,
    "[-1, 1] float32": (PIXELS / 127.5 - 1).astype(np.float32)[..., None],
    "[0, 255]": PIXELS.astype(np.float64),
    "[0, 1], rounded": PIXELS / 255 * 1.0001,
    "[-1, 1], rounded": PIXELS / 127.5 - 1.00001,
}


@pytest.mark.parametrize("form", FORMS)
def test_images_of_every_form_are_the_same_pixels(form):
    np.testing.assert_array_equal(metrics.as_pixels(FORMS[form], (28, 28)), PIXELS.reshape(3, 784))


NO_IMAGES = {
    "another size": (np.zeros((3, 32, 32), np.uint8), "(n, 28, 28)"),
    "one image": (np.zeros((28, 28), np.uint8), "(28, 28)"),
    "colours": (np.zeros((3, 28, 28, 3), np.uint8), "(3, 28, 28, 3)"),
    "transposed": (np.zeros((784, 3), np.uint8), "(784, 3)"),
    "standardised": (PIXELS / 255 * 3.2 - 0.42, "-0.42 to 2.78"),
    "tanh that overshoots": (PIXELS / 127.5 - 1.01, "-1.01 to 0.99"),
    "NaN": (np.full((3, 784), np.nan), "NaN"),
    "int8": (PIXELS.astype(np.int8), "-128"),
    "booleans": (PIXELS > 127, "bool"),
    "text": (np.full((3, 784), "0"), "<U1"),
    "none": (np.zeros((0, 784), np.uint8), "no images"),
    "floats that were cast": ((PIXELS / 255).astype(np.uint8), "floats"),
    "not an array": ({"images": PIXELS}, "dict"),
}


@pytest.mark.parametrize("case", NO_IMAGES)
def test_what_are_no_images_is_refused_in_one_line(case):
    x, said = NO_IMAGES[case]
    with pytest.raises(DataError) as caught:
        metrics.as_pixels(x, (28, 28), "x.npy")
    assert said in str(caught.value)
    assert str(caught.value).startswith("x.npy: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("x", [PIXELS // 16, PIXELS.reshape(3, 784) // 16, PIXELS / 16.0])
def test_a_scale_that_is_implausible_is_said_once(x, caplog):
    rows = metrics.as_pixels(x, (28, 28), "x.npy")
    Judge.load().predict(rows)
    lines = [r.getMessage() for r in caplog.records if "values run" in r.getMessage()]
    assert len(lines) == 1
    assert lines[0].startswith("npgan: warning: x.npy: values run from 0 to ")


@pytest.mark.parametrize("x", [np.ma.masked_equal(PIXELS, 0), "x.npy", None])
def test_what_is_no_plain_array_is_refused(x):
    with pytest.raises(DataError, match="the images"):
        metrics.as_pixels(x, (28, 28))


def test_black_images_are_images():
    assert not metrics.as_pixels(np.zeros((3, 28, 28), np.uint8), (28, 28)).any()


# ---- what each score must notice ----

N = 400


@pytest.fixture(scope="module")
def real(train_digits, test_digits):
    """Real digits that are no training images."""
    return test_digits.images[RNG.choice(10_000, N, replace=False)]


@pytest.fixture(scope="module")
def scored(real):
    return metrics.evaluate(real)


def test_real_images_score_like_real_images(scored):
    side = scored["real"]
    assert scored["frechet_distance"] < 1.5 * side["frechet_distance"]
    assert scored["confident"] == pytest.approx(side["confident"], abs=0.04)
    assert scored["covered"] == 10
    assert scored["kl"] < 0.05
    assert scored["precision"] > 0.75
    assert scored["nearest"] == pytest.approx(side["nearest"], rel=0.06)
    assert scored["too_near"] < 0.04
    assert sum(scored["histogram"]) == pytest.approx(1)
    assert min(scored["histogram"]) == scored["smallest_share"] > 0.05


def test_noise_scores_like_noise(scored):
    noise = RNG.integers(0, 256, (N, 28, 28), dtype=np.uint8)
    found, side = metrics.evaluate(noise), scored["noise"]
    assert found["frechet_distance"] == pytest.approx(side["frechet_distance"], rel=0.05)
    assert found["frechet_distance"] > 20 * scored["frechet_distance"]
    assert found["confident"] == pytest.approx(side["confident"], abs=0.1)
    assert found["precision"] < 0.2 * scored["precision"]
    assert found["recall"] < 0.05
    assert found["nearest"] > 2 * scored["nearest"]


def test_the_order_of_the_samples_does_not_matter(real, scored):
    found = metrics.evaluate(real[::-1])
    for name in (
        "confident",
        "covered",
        "kl",
        "precision",
        "recall",
        "nearest",
        "too_near",
        "histogram",
    ):
        assert found[name] == scored[name], name
    assert found["frechet_distance"] == pytest.approx(scored["frechet_distance"], rel=1e-6)


def test_a_collapse_shows_in_histogram_and_recall(real, scored, judge):
    labels = judge.predict(real).labels
    seven = real[labels == 7]
    found = metrics.evaluate(np.resize(seven, (N, 784)))
    assert found["covered"] == 1
    assert found["smallest_share"] == 0
    assert found["histogram"][7] == 1
    assert found["kl"] == pytest.approx(math.log(10), abs=0.3)
    assert found["recall"] < 0.5 * scored["recall"]
    assert found["frechet_distance"] > 10 * scored["frechet_distance"]
    one = metrics.evaluate(np.resize(seven[:1], (N, 784)))
    assert one["recall"] < 0.02
    assert one["frechet_distance"] > found["frechet_distance"]


def test_images_learnt_by_heart_are_seen(train_digits, real, scored):
    copies = train_digits[RNG.choice(60_000, N, replace=False)]
    found = metrics.evaluate(copies)
    assert found["nearest"] == 0
    assert found["too_near"] == 1
    half = metrics.evaluate(np.concatenate([copies[: N // 4], real[: 3 * N // 4]]))
    assert half["too_near"] == pytest.approx(0.25 + 0.75 * scored["too_near"], abs=0.02)


@pytest.mark.parametrize("fault", ["speckle", "blur", "halves"])
def test_worse_images_are_further_away(fault, real, scored):
    images = real.reshape(-1, 28, 28).astype(float)

    def spoilt(much):
        if fault == "speckle":
            noisy = images + 255 * much * RNG.standard_normal(images.shape)
            return np.clip(noisy, 0, 255).astype(np.uint8)
        if fault == "blur":
            soft = images
            for _ in range(round(10 * much)):
                soft = sum(np.roll(soft, s, axis) for s in (-1, 0, 1) for axis in (1, 2)) / 6
            return soft.astype(np.uint8)
        rows = round(14 * (1 - much))
        mixed = images.copy()
        mixed[:, rows:14], mixed[:, 14:] = images[:, rows:14], images[::-1, 14:]
        return (
            mixed.astype(np.uint8)
            if much == 1
            else np.where(np.arange(N)[:, None, None] < much * N, mixed, images).astype(np.uint8)
        )

    series = [scored, *(metrics.evaluate(spoilt(much)) for much in (0.2, 0.5))]
    far = [found["frechet_distance"] for found in series]
    assert far == sorted(far)
    assert far[-1] > 2 * far[0]
    precise = [found["precision"] for found in series]
    assert precise[-1] < precise[0]


def test_agreement_needs_a_label_for_each_image(real):
    with pytest.raises(ValueError, match="label for each of 400"):
        metrics.agreement(real, np.zeros(3))


# ---- how many, against what ----


def test_fewer_images_than_the_standard_are_said_to_be(scored):
    assert scored["n"] == N
    (note,) = scored["notes"]
    assert "400 images instead of 10,000" in note
    assert "too high" in note
    assert (
        scored["real"]["frechet_distance"]
        > 3 * Judge.load().reference_scores["real"]["frechet_distance"]
    )


def test_too_few_images_are_refused(real):
    with pytest.raises(DataError, match="99 images are too few"):
        metrics.evaluate(real[:99])


@pytest.mark.parametrize("name", ["mnist", "mnist-conv"])
def test_the_kept_scores_of_real_images_and_noise_are_right(name):
    """All but nearness are computed again; of that, what 500 images show."""
    judge = Judge.load(name)
    reference = scores.load_reference(judge, "mnist")
    images = scores.real_and_noise_images(reference, scores.STANDARD_SAMPLES)
    for name, x in zip(("real", "noise"), images, strict=True):
        for key, value in scores.judge_scores(judge, reference, judge.predict(x)).items():
            assert judge.reference_scores[name][key] == pytest.approx(value, rel=1e-3, abs=3e-4), (
                name,
                key,
            )
    unseen = nearest(reference.test[:500], reference.train)[1]
    near = np.asarray(judge.reference_scores["near"])[reference.prediction.labels[:500]]
    assert np.median(unseen) == pytest.approx(judge.reference_scores["real"]["nearest"], rel=0.05)
    assert np.mean(unseen < near) < 0.03
    assert judge.reference_scores["real"]["too_near"] == pytest.approx(0.01, abs=0.002)


def test_other_data_than_the_judges_are_refused(judge, tmp_path):
    np.savez(
        tmp_path / "other.npz",
        x_train=PIXELS,
        y_train=np.arange(3),
        x_test=PIXELS,
        y_test=np.arange(3),
    )
    with pytest.raises(DataError, match="not the mnist"):
        scores.load_reference(judge, str(tmp_path / "other.npz"))


# ---- npgan evaluate ----


@pytest.fixture(scope="module")
def run(tmp_path_factory, test_digits):
    """A run of a small GAN on the first digits, which has learnt nothing yet."""
    place = tmp_path_factory.mktemp("evaluate")
    np.save(place / "digits.npy", test_digits.images[:64].reshape(-1, 28, 28))
    GAN(latent=3, hidden=(5,), hidden_D=(4,), batch=8).fit(
        load(place / "digits.npy"), 1, out=place / "run"
    )
    return place / "run"


@pytest.fixture(autouse=True)
def judges_are_loaded_once(monkeypatch):
    """The command loads a judge, and the reference images with it, at every call; here only once."""

    def load(source="mnist"):
        if source not in judges:
            judges[source] = scores.standard_judge() if source == "mnist" else Judge.load(source)
        return judges[source]

    monkeypatch.setattr("npgan.cli.evaluate.Judge", types.SimpleNamespace(load=load))


judges = {}


def evaluate_json(capsys, *argv):
    assert main(["evaluate", *map(str, argv), "--json"]) == 0
    out, err = capsys.readouterr()
    return json.loads(out), err


def test_evaluate_scores_a_run(run, capsys):
    found, err = evaluate_json(capsys, run, "-n", 150)
    expected = metrics.evaluate(GAN.load(run).sample(150, 0))
    assert {**found, **expected} == {**expected, **found, "notes": expected["notes"]}
    assert found["picture"] == str(run / "evaluation.png")
    with Image.open(found["picture"]) as picture:
        picture.load()
    assert "trained on digits.npy, but this judge knows mnist" in found["notes"][0]
    assert err.count("note: ") == len(found["notes"]) == 2
    other, _ = evaluate_json(
        capsys, run / "checkpoint.npz", "-n", 150, "--seed", 1, "--out", run / "a.png"
    )
    assert other["frechet_distance"] != found["frechet_distance"]
    assert other["picture"] == str(run / "a.png")


def test_evaluate_scores_a_file(tmp_path, real, scored, capsys):
    np.save(tmp_path / "x.npy", (real / 127.5 - 1).astype(np.float32))
    found, err = evaluate_json(capsys, tmp_path / "x.npy")
    assert found.pop("picture") == str(tmp_path / "evaluation.png")
    assert found == scored
    assert err.startswith("note: 400 images instead of 10,000")


def test_evaluate_prints_a_table(tmp_path, real, scored, capsys):
    np.save(tmp_path / "x.npy", real)
    assert main(["evaluate", str(tmp_path / "x.npy")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["samples", "real", "noise"]
    title = scored["judge"]["title"]
    assert lines[1].startswith(f"Fréchet distance ({title})")
    numbers = [
        scored["frechet_distance"],
        scored["real"]["frechet_distance"],
        scored["noise"]["frechet_distance"],
    ]
    assert lines[1].split()[-3:] == [f"{x:.4g}" for x in numbers]
    assert max(map(len, lines[:-1])) < 80
    assert not any("FID" in line for line in lines)
    assert "99." in lines[-2]


def test_evaluate_asks_a_conditional_run_for_every_class_in_turn(
    tmp_path, real, judge, test_digits, capsys, monkeypatch
):
    """The run draws real test digits of the class it is asked for, but sevens where it is asked for a 1."""
    images, labels = test_digits.images, test_digits.labels
    of_class = [images[labels == label] for label in range(10)]
    data = Images("digits", images[:200], labels[:200], (28, 28))
    gan = GAN(latent=3, hidden=(5,), hidden_D=(4,), batch=8, conditional=True)
    gan.fit(data, 1, out=tmp_path / "run", progress=False)
    assert gan.classes_ == list(range(10))
    plain, _ = evaluate_json(capsys, tmp_path / "run", "-n", 150)
    asked = np.arange(150) % 10
    assert plain["agreement"] == metrics.agreement(gan.sample(150, 0, asked), asked) < 0.5

    def drawn(self, z, labels=None):
        assert np.bincount(labels, minlength=10).tolist() == [15] * 10
        classes = np.where(np.asarray(labels) == 1, 7, labels)
        return np.stack([of_class[label][i] for i, label in enumerate(classes)]).reshape(-1, 28, 28)

    monkeypatch.setattr(GAN, "generate", drawn)
    gan.critic_ = {}  # D does not help
    gan.save(tmp_path / "run" / "checkpoint.npz")
    found, _ = evaluate_json(capsys, tmp_path / "run", "-n", 150)
    assert found["agreement"] == pytest.approx(0.9, abs=0.02)
    assert found["real"]["agreement"] == judge.accuracy
    assert found["noise"]["agreement"] == pytest.approx(0.1)
    assert main(["evaluate", str(tmp_path / "run"), "-n", "150"]) == 0
    (line,) = [line for line in capsys.readouterr().out.splitlines() if "asked for" in line]
    assert line.split()[-3:] == [f"{found['agreement']:.1%}", f"{judge.accuracy:.1%}", "10.0%"]
    with Image.open(tmp_path / "run" / "evaluation.png") as picture:
        assert picture.width > 10 * 2 * 2 * 28  # a column for each class: pairs, at twice the size


def test_labels_that_the_judge_does_not_know_get_a_note_and_no_number(
    tmp_path, test_digits, capsys
):
    data = Images("odd", test_digits.images[:64], 8 + np.arange(64) % 3, (28, 28))
    gan = GAN(latent=3, hidden=(5,), hidden_D=(4,), batch=8, conditional=True)
    gan.fit(data, 1, out=tmp_path / "run", progress=False)
    found, err = evaluate_json(capsys, tmp_path / "run", "-n", 100)
    assert "agreement" not in found
    assert "draws the labels 8 to 10, and this judge knows no 10" in found["notes"][1]
    assert err.count("note: ") == len(found["notes"]) == 3


def test_labels_of_images_that_are_too_many_are_left_out_with_them(real, monkeypatch, judge):
    monkeypatch.setattr(scores, "STANDARD_SAMPLES", 300)
    labels = judge.predict(real).labels
    labels[300:] = 99  # of images that are not scored
    labels[:30] = 99
    found = metrics.evaluate(real, labels=labels)
    assert found["agreement"] == pytest.approx(0.9)
    assert "agreement" not in metrics.evaluate(real)
    with pytest.raises(ValueError, match="label for each of 400 images"):
        metrics.evaluate(real, labels=labels[:300])


def test_a_run_on_the_judges_own_images_has_no_such_note(run, monkeypatch, capsys):
    """And its data's place is where the reference images are looked for."""
    gan = GAN.load(run)
    gan.data_.update(crc32=scores.standard_judge().crc32["train"], source="mnist")
    gan.save(run / "known.npz")
    found, _ = evaluate_json(capsys, run / "known.npz", "-n", 100)
    assert len(found["notes"]) == 1


def test_a_judge_of_other_images(run, judge, test_digits, tmp_path, capsys):
    """A file of one's own brings its own images, found where the run has them, or with --data."""
    images, labels = test_digits.images, test_digits.labels
    np.savez(tmp_path / "own.npz", x_train=images[:3000], y_train=labels[:3000], x_test=images[3000:6000], y_test=labels[3000:6000])  # fmt: skip
    train, test = (load(tmp_path / "own.npz", split) for split in ("train", "test"))

    def change(arrays, meta):
        meta.update(judge="own", crc32={"train": image_crc32(train), "test": image_crc32(test)})

    rewritten(tmp_path / "judge.npz", change)
    np.save(tmp_path / "x.npy", images[6000:6200])
    argv = ["evaluate", str(tmp_path / "x.npy"), "--judge", str(tmp_path / "judge.npz")]
    assert main(argv) == 1
    assert "knows own; say with data (--data)" in capsys.readouterr().err
    assert main([*argv, "--data", "mnist"]) == 1
    assert "mnist is not the own" in capsys.readouterr().err
    found, _ = evaluate_json(capsys, *argv[1:], "--data", tmp_path / "own.npz")
    assert found["judge"]["knows"] == "own"
    assert found["too_near"] < 0.1

    GAN(latent=3, hidden=(5,), hidden_D=(4,), batch=8).fit(train, 1, out=tmp_path / "run")
    found, _ = evaluate_json(capsys, tmp_path / "run", *argv[2:], "-n", 100)
    assert len(found["notes"]) == 1


def test_the_folder_of_an_idx_file_has_both_splits(tmp_path):
    file = tmp_path / "train-images-idx3-ubyte.gz"
    file.touch()
    assert source_of_splits(str(file)) == str(tmp_path)
    assert source_of_splits(str(tmp_path)) == str(tmp_path)
    own = tmp_path / "own.npy"  # one set of images
    own.touch()
    assert source_of_splits(str(own)) == str(own)
    assert source_of_splits("mnist") == "mnist"
    assert source_of_splits("") is None


def test_pairs_stand_side_by_side():
    left = RNG.integers(0, 256, (5, 4, 3), dtype=np.uint8)
    right = RNG.integers(0, 256, (5, 4, 3), dtype=np.uint8)
    picture = plot.pixels(plot.pairs(left, right, columns=2, gap=1, scale=1))[..., 0]
    assert picture.shape == (16 + 26, 30)  # one row of pairs, a space, two rows
    np.testing.assert_array_equal(picture[6:10, 6:12], np.concatenate([left[0], right[0]], axis=1))
    np.testing.assert_array_equal(
        picture[22:26, 18:24], np.concatenate([left[3], right[3]], axis=1)
    )
    with pytest.raises(ValueError, match="one shape"):
        plot.pairs(left, right[:4])


def test_evaluate_scores_samples_with_and_without_the_help_of_d(tmp_path, test_digits, capsys):
    gan = GAN(latent=3, hidden=(5,), hidden_D=(4,), batch=8)
    gan.fit(test_digits.images[:200], 1, progress=False)
    gan.critic_ = {"real": 1.0, "generated": 0.0, "variance": 1.0}
    gan.save(tmp_path / "run.npz")
    gan.critic_ = {"real": 0.0, "generated": 1.0, "variance": 1.0}
    gan.save(tmp_path / "useless.npz")
    found, _ = evaluate_json(capsys, tmp_path / "run.npz", "-n", 120, "--seed", 3)
    gan.critic_ = {"real": 1.0, "generated": 0.0, "variance": 1.0}
    with_help, without = gan.sample(120, 3), gan.sample(120, 3, refine=0, keep=1)
    for images, row in ((with_help, found), (without, found["generator_alone"])):
        expected = metrics.evaluate(images)
        for name in ("frechet_distance", "confident", "histogram", "nearest", "recall"):
            assert row[name] == expected[name]
    second = metrics.evaluate(without)["convolutional"]
    alone = found["generator_alone"]["convolutional"]
    assert alone["frechet_distance"] == second["frechet_distance"]
    assert main(["evaluate", str(tmp_path / "run.npz"), "-n", "120", "--seed", "3"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["samples", "G", "alone", "real", "noise"]
    numbers = [row["frechet_distance"] for row in (found, found["generator_alone"])]
    assert lines[1].split()[-4:-2] == [f"{x:.4g}" for x in numbers]
    plain, err = evaluate_json(capsys, tmp_path / "useless.npz", "-n", 120, "--seed", 3)
    assert "generator_alone" not in plain
    assert plain["frechet_distance"] == found["generator_alone"]["frechet_distance"]
    assert "note: the samples are G's alone, without the help of D: its mean logit is 0" in err
