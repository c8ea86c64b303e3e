"""Two judges: the convolutional one, what evaluate says of both, and the kernel distance."""

import json

import numpy as np
import pytest

from npgan import CheckpointError, metrics
from npgan.cli import main
from npgan.datasets import mnist
from npgan.files import checkpoint
from npgan.metrics import Judge, kernel_distance, networks, report, scores
from npgan.metrics import judge as judge_module
from npgan.metrics.judge import JUDGES, SHIPPED, second_judge

RNG = np.random.default_rng(0)


@pytest.fixture(scope="module")
def digits():
    return mnist("test")


# ---- the convolutional judge ----


def test_the_convolutional_judge_is_as_good_as_it_says(digits):
    judge = Judge.load("mnist-conv")
    right = metrics.agreement(digits.images, digits.labels, judge)
    assert right == judge.accuracy >= 0.993
    assert judge.features(digits.images[:3]).shape == (3, 128)
    layers = ", ".join(map(repr, judge.body.layers))
    assert layers.startswith("Convolution(1 -> 24, 5 x 5), max_pool, leaky_relu, Convolution(24")


def test_the_convolutional_judge_of_fashion_mnist_knows_the_images_of_the_dense_one():
    dense, other = Judge.load("fashion-mnist"), Judge.load("fashion-mnist-conv")
    assert (other.name, other.crc32, other.classes) == (dense.name, dense.crc32, 10)
    assert other.accuracy > 0.915
    assert second_judge(dense).sha256 == other.sha256
    assert second_judge(other) is None


def test_a_judges_files_are_small():
    size = {name: (JUDGES / f"{name}.npz").stat().st_size for name in SHIPPED}
    assert size["mnist-conv"] < size["mnist"] / 4
    assert max(size.values()) < 1_150_000


@pytest.mark.parametrize("name", ["mnist-conv", "fashion-mnist-conv"])
def test_the_convolutional_judge_looks_at_each_image_alone(name, digits):
    judge, order = Judge.load(name), RNG.permutation(600)
    images = digits.images[:600]
    np.testing.assert_array_equal(judge.features(images)[order], judge.features(images[order]))


def test_a_convolutional_judge_that_has_changed_is_refused(tmp_path, monkeypatch):
    arrays, meta = checkpoint.load(JUDGES / "mnist-conv.npz")
    arrays["theta"][0] += np.float16(0.25)
    checkpoint.save(tmp_path / "mnist-conv.npz", arrays, meta)
    monkeypatch.setattr(judge_module, "JUDGES", tmp_path)
    with pytest.raises(CheckpointError, match="SHA-256"):
        Judge.load("mnist-conv")


@pytest.mark.parametrize(
    "channels",
    [
        [], [24], [24, 47], [24, 48, 64], [24] * 10**5, [10**12, 48], [-24, 48], [0, 48], 7, None,
        "ab", [[24], [48]], [float("nan"), 48], [float("inf"), 48], {"a": 1}, [10**400, 48],
    ],
)  # fmt: skip
def test_wrong_channels_are_refused_and_make_no_network(channels, tmp_path, monkeypatch):
    arrays, meta = checkpoint.load(JUDGES / "mnist-conv.npz")
    checkpoint.save(tmp_path / "own.npz", arrays, {**meta, "channels": channels})
    monkeypatch.setattr(judge_module, "judge_layers", lambda *_: pytest.fail("a network was made"))
    with pytest.raises(CheckpointError, match="no judge's file") as caught:
        Judge.load(tmp_path / "own.npz")
    assert len(str(caught.value)) < 1000
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("channels", [(), (3,), (3, 2)])
def test_weights_are_counted_as_they_are_made(channels):
    shape, sizes = (28, 20), [560, 5, 4, 3]
    layers = networks.judge_layers(shape, channels, sizes, 0)
    count = sum(layer.theta.size for layer in layers)
    assert count == networks.weight_count(shape, channels, sizes)


# ---- the kernel distance ----


def double_loop(x, y):
    """The unbiased estimate of MMD² for two sets of n vectors, term by term."""
    n, d = x.shape
    k = lambda a, b: (float(np.dot(a, b)) / d + 1) ** 3
    within = sum(k(x[i], x[j]) + k(y[i], y[j]) for i in range(n) for j in range(n) if i != j)
    between = sum(k(x[i], y[j]) for i in range(n) for j in range(n))
    return within / (n * (n - 1)) - 2 * between / n**2


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("n", "m", "subsets"), [(12, 12, 2), (23, 17, 3)])
def test_kernel_distance_is_that_of_a_double_loop(n, m, subsets, dtype):
    rng = np.random.default_rng(5)
    a, b = (
        rng.standard_normal((n, 4)).astype(dtype),
        0.5 + rng.standard_normal((m, 4)).astype(dtype),
    )
    rows, order = min(n, m) // subsets, np.random.default_rng(7)
    parts = [order.permutation(len(x))[: rows * subsets].reshape(subsets, rows) for x in (a, b)]
    each = [double_loop(a[i], b[j]) for i, j in zip(*parts, strict=True)]
    distance, error = kernel_distance(a, b, subsets, rng=7)
    assert distance == pytest.approx(np.mean(each), rel=1e-5)
    assert error == pytest.approx(np.std(each, ddof=1) / np.sqrt(subsets), rel=1e-4)


def test_kernel_distance_is_unbiased_and_its_error_is_honest():
    """Of sets from one distribution it is 0 on average, also of few; the error is its spread."""
    rng = np.random.default_rng(0)
    found = np.array(
        [kernel_distance(*rng.standard_normal((2, 40, 3)), rng=rng) for _ in range(300)]
    )
    spread = found[:, 0].std()
    assert abs(found[:, 0].mean()) < 3 * spread / np.sqrt(300)
    assert found[:, 1].mean() == pytest.approx(spread, rel=0.2)
    few, many = (
        np.mean([kernel_distance(rng.standard_normal((n, 3)), 1 + rng.standard_normal((n, 3)))[0]
                 for _ in range(50)])
        for n in (40, 400)
    )  # fmt: skip
    assert few == pytest.approx(many, rel=0.25)


def test_kernel_distance_refuses_what_it_cannot_score():
    x = np.zeros((30, 2))
    for a, b in ((x, np.zeros((30, 3))), (x[:19], x), (x, x[0])):
        with pytest.raises(ValueError, match="20 rows or more"):
            kernel_distance(a, b)
    for subsets in (1, 0, -3):
        with pytest.raises(ValueError, match="2 subsets or more"):
            kernel_distance(x, x, subsets)


# ---- evaluate, with both ----


@pytest.fixture(scope="module")
def scored(digits):
    return metrics.evaluate(digits.images[:300], labels=digits.labels[:300])


def test_evaluate_gives_the_scores_of_both_judges(scored, digits):
    second = scored["convolutional"]
    judge = Judge.load("mnist-conv")
    reference = scores.load_reference(judge, "mnist")
    prediction = judge.predict(digits.images[:300])
    for key, value in scores.judge_scores(judge, reference, prediction).items():
        assert second[key] == value, key
        assert key in scored
    assert second["judge"]["title"] == judge.title != scored["judge"]["title"]
    assert second["agreement"] == np.mean(prediction.labels == digits.labels[:300])
    assert second["real"]["agreement"] == judge.accuracy
    assert second["noise"]["agreement"] == pytest.approx(0.1, abs=0.06)
    assert set(second) == {*scored} - {"n", "nearest", "too_near", "notes", "convolutional"}
    assert set(second["real"]) == {*scored["real"]} - {"nearest", "too_near"}
    assert json.loads(json.dumps(scored)) == scored


def test_evaluate_with_the_convolutional_judge_alone(digits, scored):
    found = metrics.evaluate(digits.images[:300], Judge.load("mnist-conv"))
    assert "convolutional" not in found
    assert found["frechet_distance"] == scored["convolutional"]["frechet_distance"]
    assert found["nearest"] == scored["nearest"]


def test_both_judges_see_noise_in_single_pixels(digits, scored):
    images = digits.images[:300].copy()
    chosen = np.random.default_rng(0).random(images.shape) < 0.02
    images[chosen] = 255 - images[chosen]
    found = metrics.evaluate(images)
    growth = [
        new["frechet_distance"] / old["real"]["frechet_distance"]
        for new, old in ((found, scored), (found["convolutional"], scored["convolutional"]))
    ]
    assert min(growth) > 1.05


def test_the_table_shows_both_judges(scored, capsys, tmp_path, digits):
    lines = report.table(scored)
    second = scored["convolutional"]
    shown = lines[f"Fréchet distance ({second['judge']['title']})"]
    columns = (second, second["real"], second["noise"])
    assert shown.split() == [f"{column['frechet_distance']:.4g}" for column in columns]
    assert lines["convolutional judge"].startswith("99.")
    assert "kernel distance" in lines
    old = {**scored, "real": {**scored["real"]}}
    del old["real"]["kernel_distance"]  # of a judge's file from before there was this score
    assert report.table(old)["kernel distance"].split()[1] == "-"
    np.save(tmp_path / "x.npy", digits.images[:100])
    assert main(["evaluate", str(tmp_path / "x.npy"), "--judge", "mnist-conv"]) == 0
    out = capsys.readouterr().out
    assert "020518ad" in out
    assert "convolutional judge" not in out
