"""Health says what is off, and only that: runs that go wrong on purpose, and what must not be said of good ones."""

import importlib.util
import math
import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from npgan import GAN, datasets
from npgan.datasets import Images
from npgan.training import health
from npgan.training.health import diagnose
from npgan.training.sample_statistics import SampleStatistics, draw_reference, measure

ROOT = Path(__file__).parents[1]
IMAGES = np.random.default_rng(0).integers(0, 256, (60, 4, 5), dtype=np.uint8)


# ---- runs that were made to go wrong: tools/health_runs.py has the recipes ----


@pytest.fixture(scope="module")
def runs():
    path = ROOT / "tools" / "health_runs.py"
    if not path.exists():
        pytest.skip("tools/ is not part of an installed npgan")
    spec = importlib.util.spec_from_file_location("health_runs", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def recipes():
    """The names of the runs; of an installed npgan, whose tools are not there, none."""
    path = ROOT / "tools" / "health_runs.py"
    return (
        re.findall(r'^    "([a-z-]+)": Recipe\(', path.read_text(), re.M) if path.exists() else []
    )


@pytest.mark.parametrize("name", [name for name in recipes() if name != "memory"])
def test_a_run_is_reported_as_expected(name, runs, monkeypatch):
    """A run with `short` ends sooner: reports begin after 600 steps, not after 1500.

    Its epochs have the bits of the whole run, for its rates are constant; all thresholds but that one are the
    library's.
    """
    recipe = runs.RECIPES[name]
    if recipe.short is not None:
        monkeypatch.setattr(health, "FIRST_STEPS", 600)
        assert recipe.settings["lr_decay"] == 0
        assert not recipe.settings.get("instance_noise")
    _, reports = runs.run(name, recipe.short)
    assert runs.explained(reports) == recipe.expected


def test_every_finding_has_a_run(runs):
    assert list(runs.RECIPES) == recipes()
    expected = {name for recipe in runs.RECIPES.values() for name in recipe.expected}
    source = Path(health.__file__).read_text()
    assert expected == set(re.findall(r'Finding\("([^"]+)"', source))


def test_a_few_images_learnt_by_heart_are_reported(runs):
    gan, reports = runs.run("memory")
    assert runs.explained(reports) == runs.RECIPES["memory"].expected == ["memorisation"]
    data = runs.data_of(20)
    seen = measure(gan.sample(500, 1), draw_reference(data, np.random.default_rng(0)))
    others = Images("others", datasets.mnist().images[20:40], None, (28, 28))
    unseen = measure(gan.sample(500, 1), draw_reference(others, np.random.default_rng(0)))
    assert seen.copies > 0.25
    assert unseen.copies == 0.0


# ---- what is measured ----


def digits(n, start=0, labels=True):
    mnist = datasets.mnist()
    part = slice(start, start + n)
    return Images("mnist", mnist.images[part], mnist.labels[part] if labels else None, mnist.shape)


REAL = draw_reference(digits(5000), np.random.default_rng(0))


def test_unseen_real_digits_measure_as_real():
    seen = measure(digits(500, 20_000).images, REAL)
    assert 0.95 < seen.spread < 1.05
    assert 0.8 < seen.variety < 1.2
    assert 0.9 < seen.distance < 1.1
    assert (seen.missing, seen.missing_share, seen.copies) == ((), 0.0, 0.0)


def test_some_digits_alone_leave_the_others_lost():
    data = digits(5000, 20_000)
    seen = measure(data.images[np.isin(data.labels, [0, 6])][:500], REAL)
    assert set(seen.missing) >= {1, 2, 3, 4, 7, 8, 9}
    assert 0.6 < seen.missing_share < 0.9


def test_one_digit_again_and_again_has_neither_spread_nor_variety():
    seen = measure(np.repeat(digits(1, 20_000).images, 500, axis=0), REAL)
    assert seen.spread < 1e-3
    assert seen.variety < 0.01


def test_noise_is_far_away():
    noise = np.random.default_rng(0).integers(0, 256, (500, 784), dtype=np.uint8)
    assert measure(noise, REAL).distance > 1.8


def test_copies_are_counted_as_a_share_of_all_training_images():
    data = digits(5000)  # of which 2000 are looked at
    copies = data.images[np.random.default_rng(1).choice(5000, 500)]
    assert measure(copies, REAL).copies == pytest.approx(1.0, abs=0.2)
    half = np.concatenate([copies[:250], digits(250, 20_000).images])
    assert measure(half, REAL).copies == pytest.approx(0.5, abs=0.2)


def test_points_of_some_modes_leave_the_others_lost():
    ring = datasets.ring(2000, rng=0)
    real = draw_reference(ring, np.random.default_rng(0))
    seen = measure(ring.images[ring.labels < 4][:500], real)
    assert seen.missing == (4, 5, 6, 7)
    assert math.isnan(seen.distance)
    assert seen.copies == 0.0


def test_a_rare_class_may_be_missing_by_chance():
    ring = datasets.ring(2000, rng=0)
    labels = np.where(np.arange(2000) == 7, 8, ring.labels)
    real = draw_reference(Images("ring", ring.images, labels, (2,)), np.random.default_rng(0))
    assert measure(ring.images[1000:1500], real).missing == ()


@pytest.mark.parametrize("n", [1, 2, 3])
def test_next_to_no_data_are_measured_without_a_warning(n, recwarn):
    for data in (
        digits(n),
        digits(n, labels=False),
        Images("flat", np.zeros((n, 4), np.uint8), None, (2, 2)),
    ):
        measure(
            np.zeros((5, data.images.shape[1]), np.uint8),
            draw_reference(data, np.random.default_rng(0)),
        )
    assert not recwarn.list


# ---- what is said of it ----

GOOD = SampleStatistics(
    spread=0.95, variety=0.8, distance=1.05, missing=(), missing_share=0.0, copies=0.0
)
CONFIG = GAN().config | {"loss": "nonsaturating", "smoothing": 0.0, "penalty": None}
LN2 = math.log(2)


def history(n=10, **values):
    row = {**dict(loss_D=1.25, D_real=0.56, D_fake=0.44, loss_G=1.0), **values}
    return {"epoch": list(range(1, n + 1)), **{k: list(np.resize(v, n)) for k, v in row.items()}}


def names(record, samples=GOOD, steps=9370, **config):
    return [finding.name for finding in diagnose(record, CONFIG | config, steps, samples)]


def test_what_was_recorded_of_good_runs_gets_no_line():
    for real, fake, loss in (
        (0.61, 0.52, 1.34),
        (0.56, 0.44, 1.25),
        (0.72, 0.28, 0.79),
        (0.86, 0.19, 0.62),
    ):
        assert names(history(loss_D=loss, D_real=real, D_fake=fake)) == []
    young = GOOD._replace(
        spread=0.5, variety=0.14, distance=1.22, missing=(2, 3, 5), missing_share=0.3
    )
    assert names(history(), young) == []


@pytest.mark.parametrize(
    ("record", "samples", "expected"),
    [
        (history(D_real=0.98, D_fake=0.03, loss_D=0.05), GOOD, ["D too strong"]),
        (history(D_real=0.5, D_fake=0.9), GOOD._replace(distance=3.0), ["D too weak"]),
        (history(D_real=0.52, D_fake=0.5), GOOD._replace(spread=0.2), ["D too weak", "collapse"]),
        (history(), GOOD._replace(missing=(1, 2, 3, 4), missing_share=0.4), ["collapse"]),
        (history(), GOOD._replace(variety=0.05), ["collapse"]),
        (history(), GOOD._replace(copies=0.4), ["memorisation"]),
        (history(loss_D=[0.8, 1.7]), GOOD, ["oscillation"]),
        (history(loss_D=1.38, D_real=0.505, D_fake=0.495, loss_G=0.7), GOOD, ["equilibrium"]),
    ],
)
def test_each_state_has_its_line(record, samples, expected):
    assert names(record, samples) == expected


def test_a_trend_is_no_oscillation():
    trend = np.linspace(0.5, 2.5, 10)
    assert names(history(loss_D=trend)) == []
    assert names(history(loss_D=trend + np.resize([0.15, -0.15], 10))) == []
    assert (
        names(history(8, loss_D=[0.5] * 4 + [1.5] * 4), steps=3200) == []
    )  # up, and not down again


def test_small_or_few_swings_are_no_oscillation():
    assert names(history(loss_D=[1.18, 1.32])) == []
    assert names(history(7, loss_D=[0.8, 1.7]), steps=6559) == []
    assert names(history(8, loss_D=[0.8, 1.7]), steps=7496) == ["oscillation"]


PAIRED = dict(loss="relativistic", penalty="r1+r2", penalty_weight=0.2)


def pairs(real, loss_D=0.6, loss_G=1.1, n=10):
    """A history under the relativistic loss, where D(fake) is 1 - D(real)."""
    return history(n, D_real=real, D_fake=1 - np.asarray(real), loss_D=loss_D, loss_G=loss_G)


def test_what_was_recorded_of_good_relativistic_runs_gets_no_line():
    """Small networks at several rates, with and without a penalty; the ring; 5e-4 constant, 2nd and 16th epoch;
    the rate that falls, 2nd, 12th and last epoch, all with the classic generator."""
    for real, loss_D, loss_G in (
        (0.667, 0.446, 1.525),
        (0.698, 0.449, 2.078),
        (0.594, 0.562, 1.270),
        (0.893, 0.124, 2.912),
        (0.572, 0.567, 0.891),
        (0.582, 0.591, 1.391),
        (0.524, 0.659, 0.927),
        (0.580, 0.593, 1.388),
        (0.522, 0.666, 0.947),
        (0.521, 0.656, 0.751),
        (0.5197, 0.658, 0.747),
    ):
        assert names(pairs(real, loss_D, loss_G), **PAIRED) == []


@pytest.mark.parametrize(
    ("record", "samples", "expected"),
    [
        (pairs(0.994, 0.019, 28.5), GOOD, ["D too strong"]),
        (pairs(0.429, 0.863, 0.600), GOOD._replace(spread=0.34), ["D too weak"]),
        (pairs(0.429, 0.863, 0.600), GOOD, []),
        (pairs(0.496, 0.703, 0.718), GOOD._replace(spread=0.5, variety=0.15), ["D too weak"]),
        (pairs(0.495, 0.704, 0.708), GOOD._replace(spread=0.42, variety=0.12), ["D too weak"]),
        (pairs(0.496, 0.703, 0.718), GOOD, ["equilibrium"]),
        (pairs(0.429, 0.863, 0.600), None, []),
        (pairs(0.532, 0.665, 1.1), GOOD._replace(spread=0.5), []),
        (pairs(0.532, 0.665, 1.1), GOOD._replace(distance=2.0), ["D too weak"]),
        (pairs(0.57), GOOD._replace(spread=0.2, distance=2.0), ["collapse"]),  # D has its lead
        (pairs(0.6, [0.4, 0.8]), GOOD, ["oscillation"]),
        (pairs(0.503, 0.688, 0.702), GOOD, ["equilibrium"]),
        (pairs(0.518, 0.662, 0.742), GOOD, ["equilibrium"]),  # the last epoch of some good runs
        (pairs(0.523, 0.670, 0.742), GOOD, []),  # D's answers alone are too far apart
        (pairs(0.503, 0.688, 0.702), GOOD._replace(spread=0.8), []),
        (pairs(0.503, 0.688, 0.702), GOOD._replace(spread=1.3), []),
        (pairs(0.503, 0.688, 0.702), GOOD._replace(distance=1.3), []),
        (pairs(0.503, 0.688, 0.702), GOOD._replace(variety=0.4), []),
        (pairs(0.503, 0.688, 0.702), GOOD._replace(missing=(3,), missing_share=0.1), []),
        (pairs(0.53, LN2, LN2), GOOD, []),
    ],
)
def test_each_state_of_a_d_that_compares_has_its_line(record, samples, expected):
    assert names(record, samples, **PAIRED) == expected


def test_with_wrong_labels_d_has_a_lead_that_says_nothing_of_generated_images():
    """The last epoch of conditional runs; and D's that can tell the labels, and nothing else."""
    wrong = {**PAIRED, "wrong_labels": 0.125}
    assert names(pairs(0.5475, 0.625, 0.699), **wrong) == []
    assert names(pairs(0.503, 0.688, 0.702), **wrong) == []
    assert names(pairs(0.62, 0.55, 1.1), GOOD._replace(distance=2.0), **wrong) == []


@pytest.mark.parametrize("loss", ["relativistic", "nonsaturating"])
@pytest.mark.parametrize("samples", [GOOD._replace(distance=2.0), GOOD._replace(spread=0.2), GOOD])
@pytest.mark.parametrize("of_generated", [(0.40, 0.6), (0.5, 0.5), (0.52, 0.48), (0.6, 0.4)])
def test_the_advice_is_that_for_the_generated_images_alone(loss, samples, of_generated):
    """D that recognises the wrong labels, 1/8, and answers generated images as a D without labels does."""
    real, fake = of_generated
    share = 0.125
    seen = (real * (1 - share) + share if loss == "relativistic" else real, fake * (1 - share))
    settings = dict(PAIRED, loss=loss)
    texts = []
    for (D_real, D_fake), wrong in ((of_generated, 0.0), (seen, share)):
        record = history(10, D_real=D_real, D_fake=D_fake, loss_D=0.6, loss_G=1.1)
        config = CONFIG | settings | {"wrong_labels": wrong}
        texts.append([f.text for f in diagnose(record, config, 9370, samples)])
    without_numbers = [
        [re.sub(r"\(D\(real.*?\d\d( with the wrong labels)?\)", "", t) for t in ts] for ts in texts
    ]
    assert without_numbers[0] == without_numbers[1]
    assert all("with the wrong labels" in t for t in texts[1] if t.startswith("D too weak"))


def test_the_numbers_of_equilibrium_are_the_losses_own():
    """At 2 ln 2 and ln 2, at 2 ln 2 and -ln 2, and twice at ln 2; a loss at another's is none."""
    rest = {"nonsaturating": (2 * LN2, LN2), "minimax": (2 * LN2, -LN2), "relativistic": (LN2, LN2)}
    for loss, (loss_D, loss_G) in rest.items():
        (found,) = diagnose(pairs(0.505, loss_D, loss_G), CONFIG | {"loss": loss}, 9370, GOOD)
        assert (
            f"(loss D {loss_D:.2f}, {'' if loss == 'relativistic' else '2 '}ln 2 is {loss_D:.2f})"
            in found.text
        )
        for far in ((1.06 * loss_D, loss_G), (0.94 * loss_D, loss_G), (loss_D, 1.2 * loss_G)):
            assert names(pairs(0.505, *far), loss=loss) == []
        if loss != "relativistic":  # whose D has no target
            assert names(pairs(0.505, loss_D, loss_G), loss=loss, smoothing=0.1) == []


def test_the_advice_is_one_that_is_left_to_take():
    """A penalty where there is none, else more of it; and less of it for a D that answers nothing."""
    for record, samples in (
        (pairs(0.99), GOOD),
        (pairs(0.6), GOOD._replace(variety=0.05)),
        (pairs(0.6, [0.4, 0.8]), GOOD),
    ):
        for penalty, advice in ((None, "--penalty r1"), ("r1+r2", "a larger --penalty-weight")):
            (found,) = diagnose(record, CONFIG | PAIRED | {"penalty": penalty}, 9370, samples)
            assert found.text.endswith(advice)
    thin = GOOD._replace(spread=0.5)
    for penalty, advice in (
        (None, "a smaller learning rate for D"),
        ("r1+r2", "a smaller --penalty-weight"),
    ):
        (found,) = diagnose(pairs(0.49), CONFIG | PAIRED | {"penalty": penalty}, 9370, thin)
        assert "the same for every image" in found.text
        assert found.text.endswith(advice)
    (found,) = diagnose(pairs(0.47), CONFIG | PAIRED, 9370, thin)
    assert "wrong more often than right" in found.text
    assert "a larger learning rate for D" in found.text


@pytest.mark.parametrize("loss", ["hinge", "wasserstein", "least_squares"])
def test_where_d_gives_no_probabilities_only_samples_are_judged(loss):
    record = history(D_real=1.0, D_fake=0.0, loss_D=[-3.0, 5.0])
    assert names(record, loss=loss) == []
    assert names(record, GOOD._replace(variety=0.01), loss=loss) == ["collapse"]


def test_smoothed_labels_lower_what_counts_as_strong():
    record = history(D_real=0.89, D_fake=0.01, loss_D=0.4)
    assert names(record) == []
    assert names(record, smoothing=0.1) == ["D too strong"]


def test_nothing_is_said_of_the_first_steps():
    assert names(history(1, D_real=1.0, D_fake=0.0), GOOD._replace(spread=0.0), steps=937) == []


def test_short_epochs_are_judged_together():
    """Of 5 steps each: one epoch in which D was right is an accident, 80 of them are a state."""
    once = history(400, D_real=[0.6] * 399 + [1.0], D_fake=[0.4] * 399 + [0.0])
    assert names(once, steps=2000) == []
    state = history(400, D_real=[0.6] * 320 + [1.0] * 80, D_fake=[0.4] * 320 + [0.0] * 80)
    assert names(state, steps=2000) == ["D too strong"]
    odd = history(401, D_real=[0.6] * 320 + [1.0] * 81, D_fake=[0.4] * 320 + [0.0] * 81)
    assert names(odd, steps=2005) == ["D too strong"]
    assert names({**odd, "penalty": [0.1]}, steps=2005) == [
        "D too strong"
    ]  # a column that began later


def test_the_minimax_loss_is_told_that_its_gradient_vanishes():
    record = history(D_real=0.99, D_fake=0.01)
    assert "vanishes" in diagnose(record, CONFIG | {"loss": "minimax"}, 9370)[0].text


# ---- in a run ----


def small(**changes):
    return GAN(**{**dict(latent=3, hidden=(5,), hidden_D=(4,), batch=8), **changes})


def watched(monkeypatch, steps, found=()):
    """What is said after epochs that end at these steps, and at which of them samples were measured."""
    gan, measured = small(), []
    gan.start((4, 5))
    monkeypatch.setattr(health, "draw_reference", lambda data, rng: None)
    monkeypatch.setattr(health, "measure", lambda samples, real: measured.append(int(gan.adam_G.t)))
    monkeypatch.setattr(health, "diagnose", lambda *_: list(found))
    remarks, said = health.monitor(None, lambda: gan.stream(8)), []
    for n in steps:
        gan.adam_G.t = n
        said.append(remarks(SimpleNamespace(model=gan)))
    return said, measured


def test_samples_are_looked_at_every_400_steps(monkeypatch):
    assert watched(monkeypatch, (100, 300, 499, 500, 700, 1000))[1] == [100, 500, 1000]


def test_what_lasts_is_named_again_but_not_equilibrium(monkeypatch):
    found = (
        health.Finding("equilibrium", "e: all is well"),
        health.Finding("collapse", "c: all alike"),
    )
    said, _ = watched(monkeypatch, (100, 200, 300), found)
    assert said == [["e: all is well", "c: all alike"], ["still collapse"], ["still collapse"]]


@pytest.fixture
def at_once(monkeypatch):
    """So that a run of a few steps is judged, and always found wanting."""
    monkeypatch.setattr(health, "FIRST_STEPS", 1)
    monkeypatch.setattr(health, "STEPS_BETWEEN", 1)
    monkeypatch.setattr(health, "VARIETY_COLLAPSED", math.inf)


def test_it_stands_below_the_line_of_its_epoch_in_full_only_once(at_once, capsys):
    small().fit(IMAGES, epochs=3, progress=True)
    heading, *lines = capsys.readouterr().err.splitlines()
    assert heading == "60 images of 4 x 5, pixels in [0, 255]"
    assert [line.split(" ")[0] for line in lines] == ["epoch", "health:"] * 3
    assert lines[1].startswith("health: collapse: ")
    assert lines[3] == lines[5] == "health: still collapse"


@pytest.mark.parametrize("settings", [{}, {"conditional": True}, {"loss": "hinge", "d_steps": 2}])
def test_the_same_bits_with_it_and_without(settings, at_once, tmp_path, capsys):
    labels = np.arange(60) % 3 if "conditional" in settings else None
    for name, progress in (("with", True), ("without", False)):
        gan = small(**settings).fit(IMAGES, epochs=3, progress=progress, labels=labels)
        gan.save(tmp_path / f"{name}.npz")
    assert "health: " in capsys.readouterr().err
    assert (tmp_path / "with.npz").read_bytes() == (tmp_path / "without.npz").read_bytes()


def test_a_silent_run_measures_nothing(monkeypatch):
    monkeypatch.setattr(health, "measure", lambda *_: pytest.fail("it was measured"))
    small().fit(IMAGES, epochs=2, progress=False)


def test_points_and_colours_are_watched_too(at_once, capsys):
    for images in (
        datasets.ring(100, rng=0),
        np.random.default_rng(0).integers(0, 256, (20, 4, 5, 3), dtype=np.uint8),
    ):
        small().fit(images, epochs=1, progress=True)
    assert capsys.readouterr().err.count("health: collapse") == 2
