"""One table of settings: GAN's signature, its docstring, the options, the page and old checkpoints follow it."""

import importlib.util
import inspect
import re
from pathlib import Path

import numpy as np
import pytest

from npgan import GAN, datasets
from npgan.cli.arguments import make_parser
from npgan.losses import LOSSES
from npgan.training.penalty import FUNCTIONS
from npgan.training.pictures import interpolate
from npgan.training.settings import (
    EPOCHS,
    LOSS_NAMES,
    PENALTY_DEFAULTS,
    REQUIRED,
    SETTINGS,
    Config,
    complete,
    validate,
)

ROOT = Path(__file__).parents[1]
PARAMETERS = {n: p for n, p in inspect.signature(GAN).parameters.items() if n != "self"}
DEFAULTS = {setting.name: setting.default for setting in SETTINGS}
FLAGS = ("conditional", "texture")


# ---- the table and what must agree with it ----


def test_the_names_of_losses_and_penalties():
    assert tuple(LOSSES) == LOSS_NAMES
    assert list(FUNCTIONS) == list(PENALTY_DEFAULTS)


def test_the_signature_of_gan():
    assert {name: p.default for name, p in PARAMETERS.items()} == DEFAULTS
    assert list(PARAMETERS) == list(DEFAULTS)
    assert inspect.signature(GAN.fit).parameters["epochs"].default == EPOCHS.default


def test_the_docstring_of_gan_has_an_entry_with_the_default_of_each_parameter():
    text = inspect.getdoc(GAN)
    entries = re.findall(r"^(\w+(?:, \w+)*) : (.*)$", text[: text.index("Attributes\n")], re.M)
    found = {}
    for names, kind in entries:
        values = kind.partition("default ")[2].split(" and ")
        for name, value in zip(names.split(", "), values, strict=True):
            found[name] = value
            assert (value == "") == (DEFAULTS[name] is None), name
            assert value == "" or eval(value) == DEFAULTS[name], name
    assert list(found) == list(DEFAULTS)


def test_the_penalties_own_defaults_in_the_docstring():
    text = " ".join(inspect.getdoc(GAN).split())
    by_name = {setting.name: setting for setting in SETTINGS}
    assert f"Default: {by_name['penalty_weight'].default_text}." in text
    assert f"Default: {by_name['penalty_every'].default_text}." in text


def test_the_type_of_the_config():
    assert list(Config.__annotations__) == list(DEFAULTS) == list(GAN().config)


def test_the_defaults_are_allowed_and_complete():
    config = validate(DEFAULTS)
    assert validate(config) == config
    assert GAN().config == config


@pytest.fixture
def settings_page():
    path = ROOT / "tools" / "settings_page.py"
    if not path.exists():
        pytest.skip("tools/ is not part of an installed npgan")
    spec = importlib.util.spec_from_file_location("settings_page", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_is_up_to_date(settings_page):
    """python tools/settings_page.py writes it."""
    assert settings_page.PAGE.read_text(encoding="utf-8") == settings_page.page()
    for setting in SETTINGS:
        assert f"| `{setting.name}` | `{setting.option}` |" in settings_page.page()


def test_the_help_has_every_option_with_its_default():
    train = make_parser()._subparsers._group_actions[0].choices["train"]
    text = " ".join(train.format_help().split())
    for setting in (EPOCHS, *SETTINGS):
        after = text[text.rindex(f" {setting.option} ") :]
        shown = re.search(r"\(default: ([^)]*)\)", after)[1]
        assert shown == setting.shown_default(), setting.name
    assert train.get_default("latent") is None  # so that GAN's own default holds


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda s: s.name)
def test_the_shown_default_is_the_default(setting):
    """What the help shows, given as an option, changes nothing."""
    if setting.default_text or setting.name in FLAGS:
        return
    from npgan.cli.arguments import given_settings

    args = make_parser().parse_args(["train", setting.option, *setting.shown_default().split()])
    assert GAN(**given_settings(args)).config == GAN().config


def test_a_checkpoint_without_the_later_settings_is_completed():
    old = {n: v for n, v in GAN().config.items() if n in ("latent", "lr")}
    assumed = {s.name: s.assumed for s in SETTINGS if s.assumed is not REQUIRED}
    assert complete(old) == {**assumed, **old}
    assert assumed == dict(
        lr_decay=0.0, penalty=None, penalty_weight=None, penalty_every=1, smoothing=0.0,
        instance_noise=0.0, d_steps=1, dropout=0.0, conditional=False, shards=1,
        wrong_labels=0.0, texture=False,
    )  # fmt: skip
    assert complete(GAN(dropout=0.5).config)["dropout"] == 0.5


# ---- values that are not allowed ----


@pytest.mark.parametrize("truth", [True, False, np.True_, np.False_], ids=repr)
@pytest.mark.parametrize("name", [s.name for s in SETTINGS if s.name not in FLAGS])
def test_a_truth_value_is_no_number(name, truth):
    more = {"penalty": "r1"} if name.startswith("penalty_") else {}
    with pytest.raises(ValueError, match=f"^{name} must be .*; got .*{bool(truth)}") as caught:
        GAN(**{**more, name: truth})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (dict(hidden=[True]), "hidden must be a sequence"),
        (dict(hidden_D=(32, np.True_)), "hidden_D must be a sequence"),
        (dict(hidden="55"), "hidden must be a sequence"),
        (dict(hidden=b"55"), "hidden must be a sequence"),
        (dict(lr=(True, 1e-3)), "lr must be a number above 0, or a pair"),
        (dict(lr=[1e-3, np.True_]), "lr must be"),
        (dict(lr="12"), "lr must be"),
        (dict(lr=10**400), "lr must be"),
        (dict(lr=1j), "lr must be"),
        (dict(batch=2.0), "batch must be a whole number of 1 or more; got 2.0"),
        (dict(rng=1.5), "rng must be a whole number of 0 or more, a np.random.Generator or None; got 1.5"),
        (dict(rng="seed"), "rng must be .*; got 'seed'"),
        (dict(loss=["hinge"]), r"loss must be one of .*; got \['hinge'\]"),
        (dict(loss=np.array(["hinge", "minimax"])), "loss must be one of"),
        (dict(penalty=1), "penalty must be None or one of r1"),
        (dict(conditional=1), "conditional must be True or False; got 1"),
        (dict(conditional=None), "conditional must be True or False; got None"),
    ],
)  # fmt: skip
def test_a_value_of_another_kind_costs_one_line(wrong, words):
    with pytest.raises(ValueError, match=words) as caught:
        GAN(**wrong)
    assert "\n" not in str(caught.value)


def test_numpy_numbers_and_truth_values_are_allowed():
    given = dict(latent=np.int64(4), lr=np.float32(0.5), beta1=np.float64(0.5), rng=np.uint8(3))
    config = GAN(**given, conditional=np.True_, hidden=[np.int32(5)]).config
    assert (config["latent"], config["lr"], config["rng"]) == (4, [0.5, 0.5], 3)
    assert (config["conditional"], config["hidden"]) == (True, [5])
    for name in ("latent", "rng", "conditional", "beta1"):
        assert type(config[name]) in (int, bool, float), name


@pytest.fixture(scope="module")
def gan():
    images = np.random.default_rng(0).integers(0, 256, (20, 3, 4), dtype=np.uint8)
    small = dict(latent=3, hidden=(5,), hidden_D=(4,), batch=8)
    return GAN(**small, conditional=True).fit(
        images, epochs=1, labels=np.arange(20) % 3, progress=False
    )


@pytest.mark.parametrize("truth", [True, np.True_], ids=repr)
@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda gan, t: gan.fit(datasets.ring(40), epochs=t), "epochs must be a whole number of 1 or more"),
        (lambda gan, t: gan.sample(t), "n must be a whole number of 1 or more"),
        (lambda gan, t: gan.sample(2, rng=t), "rng must be a whole number of 0 or more"),
        (lambda gan, t: gan.sample(2, label=t), "label must be one of 0 to 2; got True"),
        (lambda gan, t: gan.sample(2, label=[t, t]), "label must be one of 0 to 2; got True"),
        (lambda gan, t: gan.start((t, 3)), "shape must be a sequence"),
        (lambda gan, t: interpolate(gan, rows=t), "rows must be a whole number"),
        (lambda gan, t: interpolate(gan, steps=t), "steps must be a whole number"),
        (lambda gan, t: interpolate(gan, rng=t), "rng must be a whole number"),
    ],
)  # fmt: skip
def test_a_truth_value_is_no_count_in_the_methods_either(gan, call, words, truth):
    with pytest.raises(ValueError, match=words):
        call(gan, truth)
