"""benchmarks/quality.py and recipes.py: when samples are taken, which runs there are, and what the tables say."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
import quality
import quality_pictures
import quality_programs
import recipes
from quality_programs import Entry, npgan_with

from npgan.training import model as gan_module
from npgan.training import step as step_module

DOCS = Path(__file__).resolve().parents[1] / "docs"


def drawn(n):
    return np.zeros((n, 784), np.uint8)


def ticks(clock, n):
    for _ in range(n):
        clock.tick(drawn)


def kept(folder):
    return {row["mark"]: row["steps"] for row in json.loads((folder / "clock.json").read_text())}


# ---- the clock ----


def test_by_rate_a_sample_is_taken_after_seconds_times_rate_steps(tmp_path):
    clock = quality.Clock(tmp_path, [1.0, 0.5], rate=8)
    asked = []

    def sample(n):
        asked.append((clock.steps, n))
        return drawn(n)

    clock.tick(sample)  # the first may compile, and is not counted
    for step in range(1, 8):
        clock.tick(sample)
        assert clock.done() == step / 8
    with pytest.raises(quality.Done):
        clock.tick(sample)
    assert asked == [(4, 10_000), (8, 10_000)]
    assert kept(tmp_path) == {0.5: 4, 1.0: 8}
    assert (
        np.load(tmp_path / "0.5.npy").shape == np.load(tmp_path / "1.npy").shape == (10_000, 28, 28)
    )


def test_the_clock_stands_still_before_the_second_step_and_while_a_sample_is_drawn(
    tmp_path, monkeypatch
):
    now = [100.0]
    monkeypatch.setattr(quality.time, "perf_counter", lambda: now[0])
    clock = quality.Clock(tmp_path, [2.0, 4.0])

    def slow(n):
        now[0] += 50
        return drawn(n)

    def tick():
        now[0] += 1
        clock.tick(slow)

    now[0] += 30  # the first step compiles
    for _ in range(4):
        tick()
    with pytest.raises(quality.Done):
        tick()
    rows = json.loads((tmp_path / "clock.json").read_text())
    assert rows == [
        {"mark": 2.0, "seconds": 2.0, "steps": 2},
        {"mark": 4.0, "seconds": 4.0, "steps": 4},
    ]


def test_samples_with_help_are_those_of_another_program(tmp_path):
    clock = quality.Clock(tmp_path / "one" / "seed3", [1.0], rate=1)
    clock.tick(drawn, drawn)  # the first, which is not counted
    with pytest.raises(quality.Done):
        clock.tick(drawn, lambda n: drawn(n) + 7)
    alone, helped = (tmp_path / name / "seed3" for name in ("one", "one, D helps"))
    assert kept(alone) == kept(helped) == {1.0: 1}
    assert not np.load(alone / "1.npy").any()
    assert (np.load(helped / "1.npy") == 7).all()


def test_a_later_run_keeps_the_marks_that_it_does_not_come_by(tmp_path):
    for seconds, steps in (([1.0, 3.0], 30), ([2.0], 20), ([1.0], 10)):
        clock = quality.Clock(tmp_path, seconds, rate=10)
        with pytest.raises(quality.Done):
            ticks(clock, steps + 1)
    assert kept(tmp_path) == {1.0: 10, 2.0: 20, 3.0: 30}


# ---- the runs ----


def test_what_depends_on_its_end_is_run_once_for_each_time():
    assert quality.runs(npgan_with(), [60, 180]) == [[60], [180]]
    assert quality.runs(npgan_with(lr_decay=0.0, instance_noise=0.1), [60, 180]) == [[60], [180]]
    assert quality.runs(npgan_with(lr_decay=0.0), [60, 180]) == [[60, 180]]
    with pytest.raises(SystemExit, match="give one time"):
        quality.run_one(npgan_with(), Path(), 0, [60, 180])


def test_npgans_schedule_ends_with_the_seconds(tmp_path, monkeypatch):
    shares = []
    linear_decay = step_module.linear_decay
    monkeypatch.setattr(
        step_module,
        "linear_decay",
        lambda done, over: shares.append(done) or linear_decay(done, over),
    )
    entry = npgan_with(with_help=True, latent=2, hidden=(3,), hidden_D=(3,), batch=4)
    images = np.random.default_rng(0).integers(0, 256, (40, 784), dtype=np.uint8)
    monkeypatch.setenv("OMP_NUM_THREADS", "")
    # Such a D tells nothing yet, and then the samples would be the same.
    measured = lambda gan, data: (
        {"real": 1.0, "generated": -1.0, "variance": 1.0} if len(data) == 40 else {}
    )
    monkeypatch.setattr(quality_programs, "measure_critic", measured)
    with pytest.raises(quality.Done):
        entry.program(images, 0, quality.Clock(tmp_path / "npgan" / "seed0", [2.0], rate=10))
    by_step = sorted(set(shares))  # of the first step, which is not counted, and of the 20 that are
    np.testing.assert_allclose(by_step, np.arange(20) / 20)
    assert kept(tmp_path / "npgan" / "seed0") == {2.0: 20}
    alone, helped = (
        np.load(tmp_path / name / "seed0/2.npy") for name in ("npgan", "npgan, D helps")
    )
    assert (alone != helped).any()
    assert alone.shape == helped.shape == (10_000, 28, 28)


# ---- scores and tables ----

REAL = {"frechet_distance": 10.0}
NOISE = {"frechet_distance": 2000.0}


def scored(distance, sha256="0"):
    return {
        "frechet_distance": distance, "confident": 0.85, "covered": 10, "smallest_share": 0.08,
        "precision": 0.7, "recall": 0.8, "notes": [], "histogram": [],
        "real": REAL, "noise": NOISE, "judge": {"title": "judge", "sha256": sha256},
    }  # fmt: skip


@pytest.fixture
def out(tmp_path, monkeypatch):
    """Scores 2, 3, 6 of program a after 60 s, 4 after 180 s; 1 of b after 60 s. A sample's score is its pixels'."""
    for name, value in (
        ("a/seed0/60", 6),
        ("a/seed1/60", 2),
        ("a/seed2/60", 3),
        ("a/seed0/180", 4),
        ("b/seed0/60", 1),
    ):
        file = tmp_path / f"{name}.npy"
        file.parent.mkdir(parents=True, exist_ok=True)
        np.save(file, np.full((1, 28, 28), value, np.uint8))
        rows = [{"mark": 60, "steps": 600}, {"mark": 180, "steps": 1800}]
        (file.parent / "clock.json").write_text(json.dumps(rows))
    monkeypatch.setattr("npgan.metrics.evaluate", lambda images: scored(float(images[0, 0, 0])))
    return tmp_path


PROGRAMS = {"a": Entry("npgan", None), "b": Entry("npgan", None), "c": Entry("npgan", None)}


def test_the_table_has_medians_ranges_and_what_is_missing(out):
    quality.score(out, PROGRAMS)
    head, _, titles, _, *rows = quality.table(out / "scores.json", PROGRAMS).splitlines()
    assert head.startswith(
        "Fréchet distance in the features of judge (real images 10.0, noise 2000), median"
    )
    assert head.endswith("the columns behind it after 60 s:")  # the last that all have
    assert titles.startswith("| program | seeds | steps/s | 60 s | 180 s | confident |")
    assert rows == [
        "| a | 3 | 10 | 3.0 (2.0 to 6.0) | 4.0, 1 seed | 85% | 10 | 8.0% | 0.70 | 0.80 |",
        "| b | 1 | 10 | 1.0 | – | 85% | 10 | 8.0% | 0.70 | 0.80 |",
    ]


def test_a_file_is_scored_again_only_if_it_was_written_again(out, monkeypatch):
    quality.score(out, PROGRAMS)
    monkeypatch.setattr("npgan.metrics.evaluate", lambda images: scored(9.0))
    os.utime(out / "b/seed0/60.npy", (1, 1))
    quality.score(out, PROGRAMS)
    found = quality.curves(out / "scores.json", PROGRAMS)
    assert [row["frechet_distance"] for row in found["a"][60]] == [6, 2, 3]
    assert [row["frechet_distance"] for row in found["b"][60]] == [9]
    assert found["b"][60][0]["real"] == REAL


def test_the_page_keeps_the_scores_of_its_judge_that_an_out_has_not(out, monkeypatch):
    scores, page = out / "scores.json", out / "page.json"
    quality.score(out, PROGRAMS)
    scores.rename(page)
    for judge, kept in (("0", ["a", "b"]), ("1", ["b"])):
        monkeypatch.setattr(
            "npgan.metrics.evaluate", lambda images, judge=judge: scored(9.0, judge)
        )
        scores.unlink(missing_ok=True)
        quality.score(out, {"b": PROGRAMS["b"]})
        found = quality.curves(recipes.added(scores, page), PROGRAMS)
        assert list(found) == kept
        assert [row["frechet_distance"] for row in found["b"][60]] == [
            9
        ]  # and OUT's, where both have it


def test_a_file_of_scores_that_cannot_be_read_costs_one_line(out):
    (out / "scores.json").write_text('{"b/seed0/60": {}}')
    for action in (
        quality.score,
        lambda out, programs: quality.curves(out / "scores.json", programs),
    ):
        with pytest.raises(SystemExit, match="older form"):
            action(out, PROGRAMS)
    with pytest.raises(SystemExit, match="is not there; the action `score` makes it"):
        quality.curves(out / "none.json", PROGRAMS)


def test_scores_of_two_judges_are_not_mixed(out, monkeypatch):
    quality.score(out, {"a": PROGRAMS["a"]})
    monkeypatch.setattr("npgan.metrics.evaluate", lambda images: scored(9.0, sha256="1"))
    with pytest.raises(SystemExit, match="scores of another judge"):
        quality.score(out, PROGRAMS)


def test_the_ranking_has_the_best_on_top_and_the_gallery_a_row_for_each(out, monkeypatch):
    quality.score(out, PROGRAMS)
    found = quality.curves(out / "scores.json", PROGRAMS)
    monkeypatch.setattr(quality_pictures, "EDGE", 5.5)
    (axes,) = quality_pictures.ranking(found).axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["b", "a"]  # b has no 180 s
    shown = {
        (line.get_marker(), *line.get_xdata()) for line in axes.lines if len(line.get_xdata()) == 1
    }
    a = {("o", 2), ("o", 3), (">", 5.5), ("|", 3), ("o", 4), ("|", 4)}  # 6 is beyond the edge
    assert shown == a | {("o", 1), ("|", 1)}
    figure = quality_pictures.gallery(out, found, digits=(1, 1), pixels=10)
    assert len(figure.axes) == 3


# ---- the recipes ----


def test_each_recipe_has_one_name_and_the_default_is_the_default():
    assert not set(recipes.RECIPES) & set(recipes.SCREENED)
    assert recipes.RECIPES["default"] == {}
    settings = [json.dumps(gan_module.GAN(**given).config) for given in recipes.ALL.values()]
    assert len(set(settings)) == len(settings)


@pytest.mark.parametrize(
    ("part", "names"), [("recipes", recipes.RECIPES), ("screened", recipes.SCREENED)]
)
def test_the_page_on_recipes_says_what_its_scores_say(part, names):
    page = (DOCS / "recipes.md").read_text(encoding="utf-8")
    shown = page.partition(f"<!-- {part}: begin -->\n")[2].partition(f"<!-- {part}: end -->")[0]
    programs = {name: recipes.PROGRAMS[name] for name in names}
    assert shown.startswith(quality.table(DOCS / "recipes.json", programs) + "\n")
