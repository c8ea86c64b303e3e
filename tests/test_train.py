"""The loop: what it shows, writes, survives and repeats, bit for bit."""

import csv
import errno
import io
import json
import os
import shutil
import signal
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

import npgan.gan
import npgan.training.step
from npgan import GAN, datasets, use_kernels
from npgan.datasets import Images
from npgan.files import checkpoint
from npgan.gan import check_finite
from npgan.optim import Adam
from npgan.training import loop, run_directory
from npgan.training.guidance import chosen
from npgan.training.run_directory import RunDirectory, result_files
from npgan.training.streams import Stream

IMAGES = np.random.default_rng(0).integers(0, 256, (43, 3, 4), dtype=np.uint8)
STEPS = 5  # of an epoch: 43 // 8
NAMES = ["loss_D", "D_real", "D_fake", "loss_G"]


def small(**changes):
    return GAN(**{**dict(latent=3, hidden=(5,), hidden_D=(4,), batch=8), **changes})


def fit(gan, epochs, out=None, images=IMAGES, **more):
    return gan.fit(images, epochs=epochs, out=out, **{"progress": False, **more})


@pytest.fixture
def no_pictures(monkeypatch):
    """They cost most of a tiny run's time."""
    monkeypatch.setattr(RunDirectory, "draw", lambda *_: None)
    monkeypatch.setattr(RunDirectory, "finish", lambda *_: None)


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """A GAN and its directory after 3 epochs without interruption."""
    out = tmp_path_factory.mktemp("done")
    return fit(small(), 3, out), out


def around_step(monkeypatch, function):
    """Call function(gan, number of the step) right after each step."""
    step = GAN.step

    def wrapped(self, real):
        values = step(self, real)
        function(self, self.adam_G.t)
        return values

    monkeypatch.setattr(GAN, "step", wrapped)


def ctrl_c():
    signal.raise_signal(signal.SIGINT)


def contents(out):
    """The files of a run by name, with their bytes."""
    return {
        str(path.relative_to(out)): path.read_bytes()
        for path in sorted(out.rglob("*"))
        if path.is_file()
    }


# ---- the loop itself, on a model that only counts ----


class Counter:
    """Trainable: step n (from 1) answers n, and takes `seconds` of a false clock."""

    def __init__(self, batch=8, seconds=2.0, after_step=lambda n: None):
        self.images_per_step, self.history_ = batch, {}
        self.epoch_, self.position_, self.sums_ = 0, 0, {}
        self.n, self.seconds, self.after_step, self.seen = 0, seconds, after_step, []

    def step(self, real):
        self.n += 1
        self.seen.append(real)
        Clock.now += self.seconds
        self.after_step(self.n)
        return {"loss_D": float(self.n), "D_real": 0.25}

    def shuffle_rng(self, epoch):
        return np.random.default_rng(epoch)


class Clock:
    now = 100.0


@pytest.fixture
def clock(monkeypatch):
    monkeypatch.setattr(loop.time, "perf_counter", lambda: Clock.now)


ROWS = np.arange(43, dtype=np.float32)[:, None]


def test_history_holds_the_means_of_each_epoch():
    model = Counter()
    loop.training_loop(model, ROWS, 3, progress=False)
    assert model.history_ == {"epoch": [1, 2, 3], "loss_D": [3.0, 8.0, 13.0], "D_real": [0.25] * 3}
    assert (model.n, model.epoch_, model.position_, model.sums_) == (15, 3, 0, {})


def test_every_epoch_meets_its_own_order_and_no_image_twice():
    model = Counter()
    loop.training_loop(model, ROWS, 2, progress=False)
    first, second = np.concatenate(model.seen[:5]).ravel(), np.concatenate(model.seen[5:]).ravel()
    assert len(set(first)) == len(set(second)) == 40
    assert not np.array_equal(first, second)


def test_one_line_an_epoch_says_all_there_is(clock, capsys):
    loop.training_loop(Counter(), ROWS, 10, progress=True)
    out, err = capsys.readouterr()
    lines = err.splitlines()
    assert out == ""
    assert len(lines) == 10
    assert lines[0] == "epoch  1/10  loss D 3.000  D(real) 0.250  4 images/s  1:30 left"
    assert lines[8] == "epoch  9/10  loss D 43.000  D(real) 0.250  4 images/s  0:10 left"
    assert lines[9] == "epoch 10/10  loss D 48.000  D(real) 0.250  4 images/s"


def test_an_epoch_taken_up_again_counts_only_what_is_left(clock, capsys):
    model = Counter()
    model.epoch_, model.position_, model.sums_ = 1, 3, {"loss_D": 100.0, "D_real": 2.0}
    loop.training_loop(model, ROWS, 2, progress=True)
    lines = capsys.readouterr().err.splitlines()
    assert lines == [
        "epoch 2/3  loss D 20.600  D(real) 0.500  4 images/s  0:10 left",
        "epoch 3/3  loss D 5.000  D(real) 0.250  4 images/s",
    ]


@pytest.mark.parametrize("progress", [False, None])
def test_without_a_terminal_it_is_silent_unless_asked(progress, capsys):
    loop.training_loop(Counter(), ROWS, 2, progress=progress)
    assert capsys.readouterr() == ("", "")


def test_a_text_for_progress_stands_above_it(capsys):
    loop.training_loop(Counter(), ROWS, 1, progress="the heading")
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "the heading"
    assert lines[1].startswith("epoch 1/1")


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize("progress", [None, True])
def test_on_a_terminal_there_is_a_bar_and_the_lines_stay(progress, monkeypatch):
    monkeypatch.setattr(sys, "stderr", Terminal())
    monkeypatch.setenv("TQDM_MININTERVAL", "0")
    loop.training_loop(Counter(batch=1), ROWS, 2, progress=progress)
    text = sys.stderr.getvalue()
    assert "/86 [" in text  # the steps of both epochs
    assert "epoch=1/2" in text
    assert "loss_D=" in text
    assert text.count(" images/s") == 2


def test_where_there_is_no_stderr_training_goes_on(monkeypatch):
    monkeypatch.setattr(sys, "stderr", None)
    model = Counter()
    loop.training_loop(model, ROWS, 2, progress=True)
    assert model.epoch_ == 2


def test_callbacks_get_the_state_after_every_epoch(clock):
    states, model = [], Counter()
    loop.training_loop(model, ROWS, 2, [states.append], progress=False)
    assert states[1] == loop.State(
        model,
        2,
        2,
        {"epoch": 2, "loss_D": 8.0, "D_real": 0.25},
        seconds=20.0,
        images_per_second=4.0,
    )
    assert [state.epoch for state in states] == [1, 2]


def test_the_state_can_be_imported_from_training():
    import npgan.training

    assert npgan.training.State is loop.State
    assert npgan.training.GAN is GAN
    assert {"GAN", "State"} <= set(dir(npgan.training))
    with pytest.raises(AttributeError, match="no attribute 'Stat'"):
        npgan.training.Stat  # noqa: B018


def test_history_is_complete_when_the_callbacks_run():
    seen = []
    loop.training_loop(
        Counter(),
        ROWS,
        2,
        [lambda s: seen.append(list(s.model.history_["loss_D"]))],
        progress=False,
    )
    assert seen == [[3.0], [3.0, 8.0]]


def test_a_callback_that_returns_true_ends_the_run_after_all_have_run():
    model, seen = Counter(), []
    loop.training_loop(
        model, ROWS, 5, [lambda s: s.epoch == 2, lambda s: seen.append(s.epoch)], progress=False
    )
    assert (model.epoch_, seen) == (2, [1, 2])


@pytest.mark.parametrize("answer", [1, 1.0, np.ones(3), "yes", [True]])
def test_only_true_ends_the_run(answer):
    model = Counter()
    loop.training_loop(model, ROWS, 2, [lambda s: answer], progress=False)
    assert model.epoch_ == 2


def test_an_error_in_a_callback_comes_through():
    with pytest.raises(ZeroDivisionError):
        loop.training_loop(Counter(), ROWS, 2, [lambda s: 1 / 0], progress=False)


# ---- Ctrl-C ----


def test_ctrl_c_completes_the_step():
    model = Counter(after_step=lambda n: n == 7 and ctrl_c())
    with pytest.raises(loop.Interrupted):
        loop.training_loop(model, ROWS, 3, progress=False)
    assert (model.n, model.epoch_, model.position_, model.sums_["loss_D"]) == (7, 1, 2, 13.0)


def test_a_second_ctrl_c_acts_at_once():
    def twice(n):
        ctrl_c()
        ctrl_c()
        pytest.fail("the second one was kept waiting")

    with pytest.raises(KeyboardInterrupt) as caught:
        loop.training_loop(Counter(after_step=twice), ROWS, 3, progress=False)
    assert not isinstance(caught.value, loop.Interrupted)


def test_ctrl_c_in_a_callback_lets_the_others_run():
    model, seen = Counter(), []
    with pytest.raises(loop.Interrupted):
        loop.training_loop(
            model, ROWS, 3, [lambda s: ctrl_c(), lambda s: seen.append(s.epoch)], progress=False
        )
    assert (seen, model.epoch_, model.position_) == ([1], 1, 0)


def test_ctrl_c_stays_ignored_where_it_was():
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    model = Counter(after_step=lambda n: ctrl_c())
    loop.training_loop(model, ROWS, 1, progress=False)
    assert signal.signal(signal.SIGINT, signal.default_int_handler) is signal.SIG_IGN
    assert model.epoch_ == 1


def test_it_trains_in_a_thread_that_no_signal_reaches():
    model = Counter()
    thread = threading.Thread(
        target=loop.training_loop, args=(model, ROWS, 2), kwargs={"progress": False}
    )
    thread.start()
    thread.join()
    assert model.epoch_ == 2


# ---- the same bits ----


def test_the_same_seed_gives_the_same_files(tmp_path, done):
    fit(small(), 3, tmp_path)
    assert contents(tmp_path) == contents(done[1])


def test_the_numbers_of_the_streams_never_change():
    """They are part of the bits of every run."""
    names = ["WEIGHTS", "ORDER_OF_IMAGES", "LATENT", "FIXED_LATENT", "INSTANCE_NOISE", "PENALTY"]
    names += ["DROPOUT_IN_STEP_OF_D", "DROPOUT_IN_STEP_OF_G", "HEALTH", "CRITIC", "WRONG_LABELS"]
    assert {stream.name: stream.value for stream in Stream} == dict(
        zip(names, range(11), strict=True)
    )


def test_another_seed_gives_others():
    a, b = fit(small(rng=0), 1), fit(small(rng=1), 1)
    assert not np.array_equal(a.generator_.theta, b.generator_.theta)
    assert a.history_ != b.history_


def test_callbacks_pictures_and_samples_change_no_bit(done, tmp_path):
    gan = fit(small(), 3, callbacks=[lambda s: s.model.sample(4)])
    gan.save(tmp_path / "a.npz")
    assert (tmp_path / "a.npz").read_bytes() == (done[1] / "checkpoint.npz").read_bytes()


def test_fit_in_two_goes_is_fit_in_one_if_nothing_falls_towards_the_end(tmp_path):
    fit(fit(small(lr_decay=0), 1), 2).save(tmp_path / "a.npz")
    fit(small(lr_decay=0), 3).save(tmp_path / "b.npz")
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


@pytest.mark.parametrize("step", range(1, 3 * STEPS + 1))
def test_a_run_interrupted_anywhere_ends_with_the_same_bits(
    step, tmp_path, done, no_pictures, monkeypatch
):
    with monkeypatch.context() as patch:
        around_step(patch, lambda gan, t: t == step and ctrl_c())
        with pytest.raises(KeyboardInterrupt):
            fit(small(), 3, tmp_path)
    gan = GAN.load(tmp_path)
    assert gan.adam_G.t == gan.epoch_ * STEPS + gan.position_ == step
    fit(gan, 3 - gan.epoch_, tmp_path)
    for name in ("checkpoint.npz", "history.csv", "config.json"):
        assert (tmp_path / name).read_bytes() == (done[1] / name).read_bytes()


def test_a_run_interrupted_at_every_step_ends_with_the_same_bits(
    tmp_path, done, no_pictures, monkeypatch
):
    gan, stops = small(), 0
    around_step(monkeypatch, lambda gan, t: ctrl_c())
    while gan.epoch_ < 3:
        try:
            fit(gan, 3 - gan.epoch_, tmp_path)
        except KeyboardInterrupt:
            stops += 1
            gan = GAN.load(tmp_path)
    assert stops >= 3 * STEPS
    assert (tmp_path / "checkpoint.npz").read_bytes() == (done[1] / "checkpoint.npz").read_bytes()
    assert (tmp_path / "history.csv").read_bytes() == (done[1] / "history.csv").read_bytes()


def test_an_interrupted_run_ends_with_the_same_pictures(tmp_path, done, monkeypatch):
    with monkeypatch.context() as patch:
        around_step(patch, lambda gan, t: t == STEPS + 2 and ctrl_c())
        with pytest.raises(KeyboardInterrupt):
            fit(small(), 3, tmp_path)
    fit(GAN.load(tmp_path), 2, tmp_path)
    assert contents(tmp_path) == contents(done[1])


@pytest.mark.parametrize("moment", ["after_epoch", "finish"])
def test_ctrl_c_at_the_end_of_a_run_leaves_it_whole(moment, tmp_path, done, monkeypatch):
    """In the last epoch's callbacks, or while the pictures of the whole run are drawn."""
    method = getattr(RunDirectory, moment)

    def wrapped(self, *args):
        if self.gan.epoch_ == 3:
            ctrl_c()
        method(self, *args)

    monkeypatch.setattr(RunDirectory, moment, wrapped)
    with pytest.raises(KeyboardInterrupt):
        fit(small(), 3, tmp_path)
    assert contents(tmp_path) == contents(done[1])


def test_a_second_ctrl_c_does_not_wait_for_the_pictures(tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(
        RunDirectory, "finish", lambda *_: (ctrl_c(), drawn.append(1), ctrl_c(), drawn.append(2))
    )
    with pytest.raises(KeyboardInterrupt):
        fit(small(), 1, tmp_path)
    assert drawn == [1]
    assert GAN.load(tmp_path).epoch_ == 1


def test_a_second_ctrl_c_does_not_save_a_torn_step(tmp_path, no_pictures, monkeypatch):
    fit(small(), 1, tmp_path)
    before = contents(tmp_path)
    around_step(monkeypatch, lambda gan, t: (ctrl_c(), ctrl_c()))
    with pytest.raises(KeyboardInterrupt):
        fit(GAN.load(tmp_path), 1, tmp_path)
    assert contents(tmp_path)["checkpoint.npz"] == before["checkpoint.npz"]


def test_an_interrupted_epoch_goes_on_only_with_the_same_images(no_pictures, monkeypatch):
    gan = small()
    with monkeypatch.context() as patch:
        around_step(patch, lambda gan, t: t == 2 and ctrl_c())
        with pytest.raises(KeyboardInterrupt):
            fit(gan, 1)
    with pytest.raises(ValueError, match="same images"):
        fit(gan, 1, images=IMAGES[::-1])
    assert (
        fit(fit(gan, 1), 1, images=IMAGES[::-1]).epoch_ == 2
    )  # between two epochs they may change


# ---- numbers that are not finite ----


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize(
    ("part", "named"), [("generator_", "fake images"), ("discriminator_", "logits of D")]
)
def test_nan_stops_within_a_step_and_keeps_the_last_good_checkpoint(
    part, named, bad, tmp_path, no_pictures, monkeypatch
):
    kept, ended = {}, []

    def plant(gan, t):
        if t == STEPS + 2:
            kept.update(contents(tmp_path))
            getattr(gan, part).theta[:] = bad
        ended.append(t)

    around_step(monkeypatch, plant)
    with pytest.raises(FloatingPointError, match=rf"^step {STEPS + 3} \(epoch 2\): {named} became"):
        fit(small(), 3, tmp_path)
    assert ended[-1] == STEPS + 2
    assert contents(tmp_path) == kept
    assert GAN.load(tmp_path).epoch_ == 1


def test_nan_that_arises_within_a_step_ends_that_step(monkeypatch):
    update_of_D = npgan.training.step.update_discriminator

    def spoilt(gan, *args):
        values = update_of_D(gan, *args)
        gan.discriminator_.theta[0] = np.nan
        return values

    monkeypatch.setattr(npgan.training.step, "update_discriminator", spoilt)
    with pytest.raises(FloatingPointError, match=r"^step 1 \(epoch 1\): logits of D became nan"):
        fit(small(), 1)


def test_a_gradient_that_is_not_finite_is_named_with_its_step(monkeypatch):
    evaluate = npgan.gan.value_and_gradients

    def spoilt(*args):
        value, gradients = evaluate(*args)
        return value, [np.full_like(g, np.inf) for g in gradients]

    monkeypatch.setattr(npgan.gan, "value_and_gradients", spoilt)
    with pytest.raises(FloatingPointError, match=r"^step 1 \(epoch 1\): the gradient of .*0\.W"):
        fit(small(), 1)


@pytest.mark.parametrize("part", ["generator_", "discriminator_"])
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_weights_spoilt_by_the_last_step_of_an_epoch_are_not_saved(
    part, bad, tmp_path, no_pictures, monkeypatch
):
    fit(small(), 1, tmp_path)
    before = (tmp_path / "checkpoint.npz").read_bytes()
    around_step(monkeypatch, lambda gan, t: t == 2 * STEPS and getattr(gan, part).theta.put(1, bad))
    with pytest.raises(
        FloatingPointError, match=rf"^step {2 * STEPS}: weights of {part[0].upper()}"
    ):
        fit(GAN.load(tmp_path), 2, tmp_path)
    assert (tmp_path / "checkpoint.npz").read_bytes() == before


def test_weights_spoilt_before_ctrl_c_are_not_saved(tmp_path, no_pictures, monkeypatch):
    fit(small(), 1, tmp_path)
    before = (tmp_path / "checkpoint.npz").read_bytes()
    around_step(monkeypatch, lambda gan, t: (gan.generator_.theta.put(1, np.nan), ctrl_c()))
    with pytest.raises(FloatingPointError, match="weights of G became nan"):
        fit(GAN.load(tmp_path), 2, tmp_path)
    assert (tmp_path / "checkpoint.npz").read_bytes() == before


SPOILT = {
    "Adam's v of D": lambda gan: gan.adam_D.slots["v"].put(1, np.inf),
    "Adam's m of G": lambda gan: gan.adam_G.slots["m"].put(1, np.nan),
    "averaged weights": lambda gan: gan.average_.theta.put(1, np.nan),
    "averaged weights of D": lambda gan: gan.average_D_.theta.put(1, np.nan),
    "the sum of loss D": lambda gan: gan.sums_.update(loss_D=np.inf),
}


@pytest.mark.parametrize("name", SPOILT)
def test_nothing_that_is_not_finite_is_saved(name, tmp_path, no_pictures, monkeypatch):
    fit(small(), 1, tmp_path)
    before = (tmp_path / "checkpoint.npz").read_bytes()
    around_step(monkeypatch, lambda gan, t: (SPOILT[name](gan), ctrl_c()))
    with pytest.raises(FloatingPointError, match=rf"^step {STEPS + 1}: {name} became"):
        fit(GAN.load(tmp_path), 2, tmp_path)
    assert (tmp_path / "checkpoint.npz").read_bytes() == before


@pytest.mark.parametrize("kernels", ["compiled", "reference"])
def test_an_average_of_squares_that_overflows_ends_the_step(kernels):
    """The gradient is finite, but its square is not: that weight would never change again."""
    use_kernels(kernels)
    try:
        theta = np.zeros(5, np.float32)
        adam, gradient = Adam(theta), np.zeros(5, np.float32)
        gradient[2] = 1e25
        with (
            np.errstate(over="ignore"),
            pytest.raises(FloatingPointError, match=r"^Adam's v of \[2\] is inf"),
        ):
            adam.step(gradient)
    finally:
        use_kernels("auto")


def test_a_penalty_that_is_not_finite_ends_the_step(monkeypatch):
    def spoilt(*_):
        return lambda D, real, fake: (np.inf, np.zeros_like(D.theta))

    monkeypatch.setattr(npgan.training.step, "lazy_penalty", spoilt)
    with pytest.raises(FloatingPointError, match=r"^step 1 \(epoch 1\): penalty became inf"):
        fit(small(), 1)


def test_a_learning_rate_far_too_high_is_noticed():
    with pytest.raises(FloatingPointError, match=r"^step \d+ \(epoch 1\): "):
        fit(small(lr=1e30), 3)


def test_check_finite_names_the_first_that_is_not():
    check_finite(a=np.ones(3), b=0.5)
    with pytest.raises(FloatingPointError, match=r"^the second became -inf$"):
        check_finite(first=1.0, the_second=np.array([1, -np.inf]), third=np.nan)


# ---- the run directory ----

FILES = {"config.json", "history.csv", "checkpoint.npz", "samples.png", "losses.png"}
FILES |= {"training.gif", "interpolation.png", *(f"samples/epoch_{n:04d}.png" for n in (1, 2, 3))}


def test_a_run_leaves_exactly_these_files(done):
    assert contents(done[1]).keys() == FILES


def test_the_pictures_open(done):
    for name in FILES:
        if name.endswith((".png", ".gif")):
            with Image.open(done[1] / name) as picture:
                picture.load()
                assert min(picture.size) > 50
    with Image.open(done[1] / "training.gif") as film:
        assert film.n_frames == 3


def test_the_film_runs_forwards_whatever_the_order_of_the_folder(done, tmp_path, monkeypatch):
    glob = Path.glob
    monkeypatch.setattr(
        Path, "glob", lambda path, pattern: sorted(glob(path, pattern), reverse=True)
    )
    fit(small(), 3, tmp_path)
    assert (tmp_path / "training.gif").read_bytes() == (done[1] / "training.gif").read_bytes()


def pixels(path):
    with Image.open(path) as picture:
        return np.asarray(picture)


def test_every_epoch_is_drawn_from_the_same_z(done):
    gan, out = done
    last, summary = pixels(out / "samples" / "epoch_0003.png"), pixels(out / "samples.png")
    z = gan.stream(Stream.FIXED_LATENT).standard_normal((64, 3), dtype=np.float32)
    # With D's help if it can give some; `sample` draws the same z.
    helped = gan.sample(64, gan.stream(Stream.FIXED_LATENT))
    for picture, images in ((last, gan.generate(z)), (summary, helped)):
        cells = picture[-8 * 5 * 3 - 6 :: 3, ::3, 0][2:, 2:]  # 3 x 4 images, gutters of 2, 3 times
        cells = cells.reshape(8, 5, 8, 6).swapaxes(1, 2)
        assert np.array_equal(cells[:, :, :3, :4].reshape(64, 3, 4), images)
    assert np.any(helped != gan.generate(z)) == (chosen(gan) != (0, 1))


def test_the_last_picture_has_D_s_help_and_says_so(done, tmp_path, monkeypatch):
    gan, _ = done
    monkeypatch.setattr(gan, "critic_", {"real": 2.0, "generated": 0.0, "variance": 1.0})
    drawn = []
    monkeypatch.setattr(
        run_directory, "save_samples", lambda gan, x, path, title, *_: drawn.append((x, title))
    )
    files = RunDirectory(tmp_path / "run", gan, None, None)
    files.draw_samples(tmp_path / "a.png")
    files.draw_epoch(tmp_path / "b.png", 3)
    files.close()
    (helped, title), (plain, epoch) = drawn
    assert np.array_equal(helped, gan.sample(64, gan.stream(Stream.FIXED_LATENT)))
    assert np.any(helped != plain)
    assert (title, epoch) == ("refined in 3 steps, the best 97% kept", "epoch 3")


def test_config_says_how_to_do_it_again(done):
    gan, out = done
    config = json.loads((out / "config.json").read_text())
    assert (config["epochs"], config["shape"], config["gan"]) == (3, [3, 4], gan.config)
    assert config["samples"] == {"refine": 3, "keep": 0.97}
    assert GAN(**config["gan"]).config == gan.config


def test_history_csv_is_history_to_the_last_bit(done):
    gan, out = done
    with (out / "history.csv").open(newline="") as file:
        header, *rows = csv.reader(file)
    assert header == list(gan.history_)
    assert {"epoch", *NAMES} <= set(header)
    columns = dict(zip(header, zip(*rows, strict=True), strict=True))
    assert {
        name: [float(text) for text in column] for name, column in columns.items()
    } == gan.history_


def test_results_are_listed_as_far_as_they_exist(done, tmp_path):
    assert all(path.exists() for path in result_files(done[1]))
    assert len(result_files(done[1])) == 6
    assert result_files(tmp_path) == []


def test_without_out_no_file_is_written(tmp_path, monkeypatch):
    def forbidden(*_args, **_kwargs):
        pytest.fail("a file was opened for writing")

    fit(small(), 1)  # whatever is imported or compiled at first use
    monkeypatch.chdir(tmp_path)
    for call in ("os.replace", "os.rename", "os.mkdir", "tempfile.mkstemp"):
        monkeypatch.setattr(call, forbidden)
    fit(small(), 2)
    assert not list(tmp_path.iterdir())


def test_points_in_a_plane_get_their_pictures(tmp_path):
    fit(small(), 1, tmp_path, images=datasets.ring(64, rng=0))
    assert contents(tmp_path).keys() == FILES - {"interpolation.png"} - {
        f"samples/epoch_000{n}.png" for n in (2, 3)
    }


def test_points_in_space_train_without_pictures(tmp_path):
    points = np.random.default_rng(0).standard_normal((40, 3)).astype(np.float32)
    fit(small(), 1, tmp_path, images=points)
    assert contents(tmp_path).keys() == {
        "config.json",
        "history.csv",
        "checkpoint.npz",
        "losses.png",
    }


def test_colours_and_strips_get_their_pictures(tmp_path):
    for shape in ((20, 4, 5, 3), (20, 7)):
        images = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
        fit(small(), 1, tmp_path / str(len(shape)), images=images)
        assert (tmp_path / str(len(shape)) / "interpolation.png").exists()


def test_another_run_is_not_overwritten(done, tmp_path, no_pictures):
    shutil.copytree(done[1], tmp_path / "run")
    before = contents(tmp_path / "run")
    for other in (small(), small(rng=1), fit(small(), 1), fit(small(lr=1e-3), 3)):
        with pytest.raises(FileExistsError, match="already holds another run"):
            fit(other, 1, tmp_path / "run")
    assert contents(tmp_path / "run") == before


@pytest.mark.parametrize("victim", ["checkpoint.npz", "history.csv"])
def test_a_write_that_fails_leaves_whole_files_and_no_others(victim, tmp_path, monkeypatch):
    replace, kept = os.replace, {}

    def full(source, target):
        if os.fspath(target).endswith(victim) and kept:
            raise OSError(errno.ENOSPC, "No space left on device")
        replace(source, target)

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="No space left") as caught:
        fit(small(), 3, tmp_path, callbacks=[lambda s: kept.update(contents(tmp_path))])
    assert caught.value.filename.endswith(victim)
    now = contents(tmp_path)
    assert now.keys() == kept.keys()
    assert now.get(victim) == kept.get(victim)
    assert GAN.load(tmp_path).epoch_ == (1 if victim == "checkpoint.npz" else 2)


def test_files_keep_their_old_content_until_the_new_one_is_whole(
    tmp_path, monkeypatch, no_pictures
):
    fit(small(), 1, tmp_path)
    seen, replace = [], os.replace

    def look(source, target):
        path = tmp_path / os.path.basename(target)
        seen.append(
            (
                path.name,
                path.read_bytes() == before[path.name],
                checkpoint.load(tmp_path)[1]["epoch_"],
            )
        )
        replace(source, target)

    before = contents(tmp_path)
    monkeypatch.setattr(os, "replace", look)
    fit(GAN.load(tmp_path), 1, tmp_path)
    assert seen == [("config.json", True, 1), ("checkpoint.npz", True, 1), ("history.csv", True, 2)]


def test_a_directory_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        fit(small(), 1, tmp_path / "file")
    with pytest.raises(OSError, match="file"):
        fit(small(), 1, tmp_path / "file" / "run")


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_directory_is_named(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(PermissionError, match=tmp_path.name):
        fit(small(), 1, tmp_path)


# ---- fit ----


def test_fit_returns_the_gan_and_says_nothing(capsys):
    gan = small()
    assert gan.fit(IMAGES, epochs=1) is gan
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("epochs", [0, -3])
def test_epochs_must_be_one_or_more(epochs):
    with pytest.raises(ValueError, match="epochs must be"):
        fit(small(), epochs)


def test_a_batch_larger_than_the_data_is_refused():
    with pytest.raises(ValueError, match="batch is 44, but there are only 43 images"):
        fit(small(batch=44), 1)
    assert fit(small(batch=43), 1).adam_G.t == 1


def test_images_of_another_shape_are_refused():
    with pytest.raises(ValueError, match="shape"):
        fit(fit(small(), 1), 1, images=IMAGES[:, :, :3])


def test_a_dataset_and_its_array_are_the_same():
    data = Images("named", IMAGES.reshape(43, 12), None, (3, 4))
    assert np.array_equal(
        fit(small(), 1, images=data).generator_.theta, fit(small(), 1).generator_.theta
    )


def test_refused_data_write_no_directory(tmp_path):
    for gan, images in (
        (small(batch=44), IMAGES),
        (small(), SimpleNamespace()),
        (small(), IMAGES[:, None]),
    ):
        with pytest.raises((ValueError, TypeError)):
            fit(gan, 1, tmp_path / "run", images=images)
    assert not (tmp_path / "run").exists()
