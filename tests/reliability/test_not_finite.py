"""F8: numbers that are not finite stop training at their step; nothing of them is saved."""

import math
import re

import numpy as np
import pytest
from suite import thinned

from npgan import GAN, use_kernels
from npgan.cli import main
from npgan.files import checkpoint
from npgan.losses import LOSSES
from npgan.training.run_directory import RunDirectory

SMALL = dict(latent=3, hidden=(5,), hidden_D=(4,), batch=8, penalty_every=1)
IMAGES = np.random.default_rng(0).integers(0, 256, (43, 3, 4), dtype=np.uint8)
POINTS = np.random.default_rng(0).standard_normal((43, 2)).astype(np.float32)
STEPS = 5  # of an epoch: 43 // 8
NAN, INF = np.float32(np.nan), np.float32(np.inf)
KERNELS = ("compiled", "reference")

pytestmark = pytest.mark.filterwarnings("error")


@pytest.fixture(autouse=True)
def kernels_as_before():
    yield
    use_kernels("auto")


@pytest.fixture
def no_pictures(monkeypatch):
    monkeypatch.setattr(RunDirectory, "attempt", lambda self, draw, path, *args: None)


def assert_finite_file(path):
    """The checkpoint loads, and holds finite numbers only."""
    arrays, meta = checkpoint.load(path)
    for name, array in arrays.items():
        assert np.isfinite(array).all(), name
    for values in (meta["sums_"].values(), *meta["history_"].values()):
        assert all(map(math.isfinite, values))
    return GAN.load(path)


# ---- a number planted at a step, in both kernel sets ----


def fill_one(name):
    """Plant the value in the middle of an array that an attribute of the GAN names."""

    def plant(gan, value):
        owner = gan
        for part in name.split("."):
            owner = owner[part] if isinstance(owner, dict) else getattr(owner, part)
        owner[len(owner) // 2] = value

    return plant


PLACES = {  # where: (how to plant it, what the error says)
    "theta of G": (fill_one("generator_.theta"), r"fake images became|gradient of Generator"),
    "theta of D": (fill_one("discriminator_.theta"), r"logits of D became|Discriminator"),
    "average": (fill_one("average_.theta"), r"averaged weights became"),
    "m of G": (fill_one("adam_G.slots.m"), r"Adam's m of Generator \d\.[Wb]\["),
    "v of G": (fill_one("adam_G.slots.v"), r"Adam's v of Generator \d\.[Wb]\["),
    "m of D": (fill_one("adam_D.slots.m"), r"Adam's m of Discriminator \d\.[Wb]\["),
    "v of D": (fill_one("adam_D.slots.v"), r"Adam's v of Discriminator \d\.[Wb]\["),
}
WHEN = {"first step": 1, "in an epoch": STEPS + 3, "between epochs": STEPS, "last": 2 * STEPS}
PLANTED = [
    (kernels, place, value, when)
    for kernels in KERNELS
    for place in PLACES
    for value in (NAN, INF, -INF)
    for when in WHEN
]


class Watched:
    """Counts steps, plants after one of them, and remembers each checkpoint that was written."""

    def __init__(self, monkeypatch, plant, after):
        step, self.kept = GAN.step, None

        def stepped(gan, real, labels=None):
            values = step(gan, real, labels)
            if gan.adam_G.t == after:
                plant(gan)
            return values

        monkeypatch.setattr(GAN, "step", stepped)

    def remember(self, out):
        def callback(state):
            self.kept = (out / "checkpoint.npz").read_bytes()

        return callback


def expected_step(place, when):
    """The step at which a number planted after step `when` is noticed.

    After the last step of an epoch there is a checkpoint, whose numbers are looked at.
    """
    return when if when % STEPS == 0 else when + 1


@pytest.mark.parametrize(
    "fault", thinned(PLANTED, 10, [f"{k}-{p}-{v}-{w}" for k, p, v, w in PLANTED])
)
def test_a_planted_number_stops_the_run_at_once(
    fault, tmp_path, monkeypatch, no_pictures, injected
):
    injected("F8")
    kernels, place, value, when = fault
    use_kernels(kernels)
    plant, words = PLACES[place]
    after = WHEN[when]
    watched = Watched(monkeypatch, lambda gan: plant(gan, value), after)
    gan = GAN(**SMALL, beta1=0.5)
    if after % STEPS == 0:
        words = r"(weights of [GD]|averaged weights|Adam's [mv] of [GD]) became"
    step = expected_step(place, after)
    with pytest.raises(FloatingPointError, match=rf"^step {step}\b.*({words})"):
        gan.fit(IMAGES, 2, [watched.remember(tmp_path)], tmp_path, progress=False)
    if after < STEPS or when == "between epochs":
        assert not (tmp_path / "checkpoint.npz").exists()
        return
    assert (tmp_path / "checkpoint.npz").read_bytes() == watched.kept
    monkeypatch.undo()
    monkeypatch.setattr(RunDirectory, "attempt", lambda self, draw, path, *args: None)
    again = assert_finite_file(tmp_path)
    assert again.epoch_ == 1
    again.fit(IMAGES, 1, out=tmp_path, progress=False)  # the last good state goes on
    assert assert_finite_file(tmp_path).epoch_ == 2


# ---- values that are not finite out of functions: losses, penalties, their gradients ----


def bad_loss(which, value):
    def plant(monkeypatch):
        loss = LOSSES["nonsaturating"]
        right = getattr(loss, which)

        def wrong(*logits):
            return right(*logits) * value

        monkeypatch.setitem(LOSSES, "nonsaturating", loss._replace(**{which: wrong}))

    return plant


def bad_penalty(number, gradient):
    def plant(monkeypatch):
        def penalty(D, real, fake):
            return number, np.full_like(D.theta, gradient)

        monkeypatch.setattr("npgan.training.step.penalty_of", lambda *_: penalty)

    return plant


FUNCTIONS = {
    "loss of D is nan": (bad_loss("discriminator", np.nan), "loss D became nan"),
    "loss of D is inf": (bad_loss("discriminator", np.inf), "loss D became inf"),
    "loss of G is nan": (bad_loss("generator", np.nan), "loss G became nan"),
    "loss of G is -inf": (bad_loss("generator", -np.inf), "loss G became -inf"),
    "loss of D overflows": (bad_loss("discriminator", 3e38), "loss D became inf|gradient|Adam"),
    "penalty is nan": (bad_penalty(np.nan, 0), "penalty became nan"),
    "penalty is inf": (bad_penalty(np.inf, 0), "penalty became inf"),
    "gradient of the penalty is nan": (bad_penalty(0.0, np.nan), "gradient of Discriminator"),
    "gradient of the penalty is inf": (bad_penalty(0.0, np.inf), "gradient of Discriminator"),
    "gradient of the penalty overflows": (bad_penalty(0.0, 1e30), "Adam's v of Discriminator"),
}
BAD_FUNCTIONS = [(kernels, name) for kernels in KERNELS for name in FUNCTIONS]


@pytest.mark.parametrize(
    "fault", thinned(BAD_FUNCTIONS, 4, [f"{k}-{name}" for k, name in BAD_FUNCTIONS])
)
def test_a_loss_or_penalty_that_is_not_finite_stops_the_first_step(
    fault, tmp_path, monkeypatch, no_pictures, injected
):
    injected("F8")
    kernels, name = fault
    use_kernels(kernels)
    plant, words = FUNCTIONS[name]
    plant(monkeypatch)
    gan = GAN(**SMALL, loss="nonsaturating")
    with pytest.raises(FloatingPointError, match=rf"^step 1 \(epoch 1\): .*({words})"):
        gan.fit(IMAGES, 2, out=tmp_path, progress=False)
    assert not (tmp_path / "checkpoint.npz").exists()


# ---- settings and data that diverge, or not: never a silent third ----

SETTINGS = {
    **{f"lr {lr:g}": dict(lr=lr) for lr in (1.0, 1e3, 1e8, 1e20, 1e37, 3.4e38, 1e39, 1e300)},
    "lr of G 1e30": dict(lr=(1e30, 1e-3)),
    "lr of D 1e30": dict(lr=(1e-3, 1e30)),
    "lr 1e-320": dict(lr=1e-320),
    "beta1 near 1": dict(beta1=1 - 2**-53),
    "beta2 near 1": dict(beta2=1 - 2**-53),
    "both betas near 1": dict(beta1=1 - 2**-53, beta2=1 - 2**-53),
    "betas near 1 and a rate": dict(beta1=1 - 2**-53, beta2=0.0, lr=1e30),
    "betas of 0": dict(beta1=0.0, beta2=0.0),
    "beta2 tiny": dict(beta2=1e-320),
    **{
        f"{penalty} {weight:g}": dict(penalty=penalty, penalty_weight=weight)
        for penalty in ("r1", "r2", "r1+r2", "wgan_gp")
        for weight in (1e10, 1e25, 1e38, 1e300)
    },
    "lazy penalty": dict(penalty="r1", penalty_weight=1e300, penalty_every=10**9),
    "instance noise 1e30": dict(instance_noise=1e30),
    "instance noise 1e300": dict(instance_noise=1e300),
    "instance noise 1e-320": dict(instance_noise=1e-320),
    "dropout near 1": dict(dropout=1 - 2**-53),
    "average near 1": dict(average=1 - 2**-53),
    "wasserstein 1e10": dict(loss="wasserstein", lr=1e10),
    "least squares 1e15": dict(loss="least_squares", lr=1e15),
    "hinge 1e15": dict(loss="hinge", lr=1e15),
    "minimax 1e15": dict(loss="minimax", lr=1e15),
    "relativistic 1e15": dict(loss="relativistic", lr=1e15),
}
MUST_STOP = {"lr 1e+37", "lr 3.4e+38", "lr 1e+39", "lr 1e+300", "instance noise 1e300",
             "instance noise 1e+300", "r1 1e+300", "r2 1e+300", "wgan_gp 1e+300", "lazy penalty"}  # fmt: skip
EXTREME = [(kernels, name, data) for kernels in KERNELS for name in SETTINGS for data in ("images", "points")]  # fmt: skip


@pytest.mark.parametrize("fault", thinned(EXTREME, 8, ["-".join(f) for f in EXTREME]))
def test_an_extreme_setting_stops_or_stays_finite(fault, tmp_path, no_pictures, injected):
    injected("F8")
    kernels, name, data = fault
    use_kernels(kernels)
    gan = GAN(**{**SMALL, **SETTINGS[name]}) if "penalty" in "".join(SETTINGS[name]) else GAN(
        **{**SMALL, "penalty_every": None, **SETTINGS[name]}
    )  # fmt: skip
    images = IMAGES if data == "images" else POINTS
    try:
        gan.fit(images, 3, out=tmp_path, progress=False)
        stopped = None
    except FloatingPointError as error:
        stopped = str(error)
        assert re.match(
            r"step \d+( \(epoch \d\))?: \w.* (became|is) (nan|-?inf|-?[\d.]+e\+\d+)$", stopped
        )
    if name in MUST_STOP:
        assert stopped
    if (tmp_path / "checkpoint.npz").exists():
        assert_finite_file(tmp_path)
        assert not re.search(r"nan|inf", (tmp_path / "history.csv").read_text())
    else:
        assert stopped
    if not stopped:
        assert gan.epoch_ == 3
        assert np.isfinite(gan.sample(8, 0)).all()


DATA = {
    "points of 1e18": POINTS * np.float32(1e18),
    "points of 1e30": POINTS * np.float32(1e30),
    "points of 1e38": np.clip(POINTS * np.float32(1e38), -3e38, 3e38),
    "points of 1e-40": POINTS * np.float32(1e-40),
    "one point of 3e38": np.concatenate([POINTS, np.full((5, 2), 3e38, np.float32)]),
    "float64 points of 1e300": POINTS.astype(np.float64) * 1e300,
    "points with a nan": np.where(np.arange(86).reshape(43, 2) == 50, np.nan, POINTS),
    "points with an inf": np.where(np.arange(86).reshape(43, 2) == 50, np.inf, POINTS),
    "images with a nan": np.where(IMAGES == 7, np.nan, IMAGES / 255.0),
    "images with a -inf": np.where(IMAGES == 7, -np.inf, IMAGES / 255.0),
    "float16 points of 6e4": (POINTS * 2e4).astype(np.float16),
    "longdouble points of 1e4000": POINTS.astype(np.longdouble) * np.longdouble("1e4000"),
}
BAD_DATA = [(kernels, name) for kernels in KERNELS for name in DATA]


@pytest.mark.parametrize("fault", thinned(BAD_DATA, 4, ["-".join(f) for f in BAD_DATA]))
def test_extreme_data_are_refused_or_stop_or_stay_finite(fault, tmp_path, no_pictures, injected):
    injected("F8")
    kernels, name = fault
    use_kernels(kernels)
    gan, ended = GAN(**SMALL), None
    try:
        gan.fit(DATA[name], 2, out=tmp_path / "run", progress=False)
    except (ValueError, FloatingPointError) as error:
        ended = error
    if isinstance(ended, ValueError):
        assert "\n" not in str(ended)
        assert gan.shape_ is None
        assert not (tmp_path / "run").exists()
    elif ended:
        assert re.match(r"step \d+", str(ended))
    if (tmp_path / "run" / "checkpoint.npz").exists():
        assert_finite_file(tmp_path / "run")
    if re.search(r"a nan|an? -?inf|1e300|1e4000", name):
        assert gan.shape_ is None, "it was trained on"


@pytest.mark.parametrize("kernels", KERNELS)
@pytest.mark.parametrize("value", [np.nan, np.inf, 3e38])
def test_data_that_a_caller_changes_during_the_training_do_not_reach_it(
    kernels, value, tmp_path, no_pictures, injected
):
    injected("F8")
    use_kernels(kernels)
    points = POINTS.copy()
    gan = GAN(**SMALL).fit(points, 2, [lambda state: points.fill(value)], tmp_path, progress=False)
    undisturbed = GAN(**SMALL).fit(POINTS, 2, progress=False)
    np.testing.assert_array_equal(gan.generator_.theta, undisturbed.generator_.theta)
    assert assert_finite_file(tmp_path).epoch_ == 2


# ---- callbacks that put such numbers where they do not belong ----


def into_history(value, index):
    def callback(state):
        state.model.history_["loss_D"][index] = value

    return callback


def into_sums(value):
    def callback(state):
        state.model.sums_["loss_D"] = value

    return callback


def into_setting(name, value):
    def callback(state):
        state.model.config[name] = value

    return callback


CALLBACKS = {
    "history, last": (into_history(np.nan, -1), "history of loss D became nan"),
    "history, first": (into_history(np.inf, 0), "history of loss D became inf"),
    "history, a Python float": (into_history(float("-inf"), 0), "history of loss D became -inf"),
    "sums": (into_sums(np.nan), "sum of loss D became nan|loss D became nan"),
    "lr": (into_setting("lr", [np.nan, np.nan]), "new weight of Discriminator .* is nan"),
    "lr of G": (into_setting("lr", [np.inf, 1e-3]), "new weight of Generator"),
    "average": (into_setting("average", np.nan), "averaged weights became nan|setting average"),
    "instance noise": (into_setting("instance_noise", np.nan), "setting instance noise became nan"),
    "penalty weight": (into_setting("penalty_weight", np.inf), "penalty became|gradient"),
    "smoothing": (into_setting("smoothing", np.nan), "loss|setting smoothing|gradient"),
    "weights": (lambda state: state.model.generator_.theta.fill(np.nan), "fake images became nan"),
    "average itself": (lambda state: state.model.average_.theta.fill(np.inf), "averaged weights"),
    "v": (lambda state: state.model.adam_D.slots["v"].fill(np.nan), "Adam's v of Discriminator"),
    "m, unused with beta1 = 0": (lambda state: state.model.adam_D.slots["m"].fill(np.nan), "Adam's m of D"),
    "eps": (lambda state: state.model.adam_G.hyper.update(eps=np.nan), "new weight of Generator"),
}  # fmt: skip
FROM_CALLBACKS = [(kernels, name) for kernels in KERNELS for name in CALLBACKS]


@pytest.mark.parametrize("fault", thinned(FROM_CALLBACKS, 5, ["-".join(f) for f in FROM_CALLBACKS]))
def test_what_a_callback_plants_is_not_saved(fault, tmp_path, no_pictures, injected):
    injected("F8")
    kernels, name = fault
    use_kernels(kernels)
    plant, words = CALLBACKS[name]
    watched = []
    gan = GAN(**{**SMALL, "loss": "nonsaturating"})

    def callback(state):
        if state.epoch == 1:
            watched.append((tmp_path / "checkpoint.npz").read_bytes())
            plant(state)

    with pytest.raises(FloatingPointError, match=rf"^step \d+\b.*({words})"):
        gan.fit(IMAGES, 3, [callback], tmp_path, progress=False)
    assert (tmp_path / "checkpoint.npz").read_bytes() == watched[0]
    assert assert_finite_file(tmp_path).epoch_ == 1


# ---- the command line, and NumPy's error state ----


@pytest.mark.parametrize("kernels", KERNELS)
@pytest.mark.parametrize(
    "options",
    ["--lr 1e30", "--lr 1e300", "--lr 1e39 1e-3", "--lr 1e-3 1e30", "--penalty-weight 1e300 --penalty-every 1", "--instance-noise 1e300"],
)  # fmt: skip
def test_the_command_says_it_in_one_line(
    kernels, options, tmp_path, monkeypatch, capsys, injected, no_pictures
):
    injected("F8")
    use_kernels(kernels)
    monkeypatch.chdir(tmp_path)
    np.save("x.npy", IMAGES)
    small = "--latent 3 --hidden 5 --hidden-D 4 --batch 8 --epochs 3 --out run --quiet"
    assert main(["train", "--data", "x.npy", *small.split(), *options.split()]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert re.match(
        r"npgan train: training diverged at step \d+.*Usually a smaller --lr helps\.$", err
    )
    if (tmp_path / "run" / "checkpoint.npz").exists():
        assert_finite_file(tmp_path / "run")


@pytest.mark.parametrize("state", ["raise", "warn", "ignore"])
@pytest.mark.parametrize("kernels", KERNELS)
def test_numpys_error_state_changes_nothing(kernels, state, monkeypatch, injected):
    injected("F8")
    use_kernels(kernels)
    with np.errstate(all=state):
        gan = GAN(**SMALL).fit(IMAGES, 1, progress=False)
        with pytest.raises(FloatingPointError, match=r"^step \d+ \(epoch \d\): .* (became|is) "):
            GAN(**SMALL, lr=1e37).fit(IMAGES, 2, progress=False)
    again = GAN(**SMALL).fit(IMAGES, 1, progress=False)
    np.testing.assert_array_equal(gan.generator_.theta, again.generator_.theta)
