"""The settings of a GAN, in one table: default, constraint, meaning, and option of `npgan train`.

What follows from the table: the checks of `GAN(...)`, the options and help texts of `npgan train`,
the page docs/settings.md, and the values that complete a checkpoint which is older than a setting.
`Config` below and `GAN.__init__` name each setting once more, for types; tests compare them.
Importing this module does not import NumPy, so that `npgan --help` stays quick.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from numbers import Integral, Real
from typing import Any, NamedTuple, TypedDict, cast

LOSS_NAMES = (
    "nonsaturating",
    "minimax",
    "least_squares",
    "hinge",
    "wasserstein",
    "relativistic",
)


class PenaltyDefaults(NamedTuple):
    """The usual weight of a penalty, and the number of updates of D from one to the next."""

    weight: float
    every: int


# The weights of the papers; of r1+r2, whose weight depends on the data, the best for digits.
PENALTY_DEFAULTS = {
    "r1": PenaltyDefaults(1.0, 16),
    "r2": PenaltyDefaults(1.0, 16),
    "r1+r2": PenaltyDefaults(0.2, 16),
    "wgan_gp": PenaltyDefaults(10.0, 1),
}
WRONG_LABELS = 0.125  # of a conditional GAN; docs/recipes.md compares it with other shares


# ---- constraints: what a value may be ----


class Constraint:
    """What a value may be; str(constraint) says it in words."""

    def convert(self, value: Any) -> Any:
        """The value as config.json holds it; raises ValueError or TypeError if not allowed."""
        raise NotImplementedError

    def check(self, name: str, value: Any, hint: str = "") -> Any:
        """The converted value. Raises ValueError with one line: expected, found, and the hint."""
        try:
            return self.convert(value)
        except (ValueError, TypeError, OverflowError):
            advice = f"; {hint}" if hint else ""
            from ..datasets.base import printable

            got = printable(repr(value), 60)
            raise ValueError(f"{name} must be {self}; got {got}{advice}") from None


@dataclass(frozen=True)
class Number(Constraint):
    """A number of this kind in an interval. True and False are not numbers here."""

    kind: type[int] | type[float]
    low: float
    high: float = math.inf
    ends: str = "[)"  # of the interval: [ and ] include the end, ( and ) exclude it

    def convert(self, value: Any) -> int | float:
        if isinstance(value, bool) or not isinstance(value, Integral if self.kind is int else Real):
            raise TypeError(f"{value!r} is not {self}")
        return self.within(self.kind(cast(Any, value)))

    def parse(self, text: str) -> int | float:
        """Convert a text of the command line to a number; raises ValueError."""
        try:
            return self.within(self.kind(text))
        except ValueError:
            raise ValueError(f"expected {self}, got {text!r}") from None

    def within(self, number: float) -> int | float:
        above = self.low <= number if self.ends[0] == "[" else self.low < number
        below = number <= self.high if self.ends[1] == "]" else number < self.high
        if not (above and below):  # false for NaN, too
            raise ValueError(f"{number!r} is not {self}")
        return number

    def __str__(self) -> str:
        noun = "a whole number" if self.kind is int else "a number"
        lower = f"of {self.low} or more" if self.ends[0] == "[" else f"above {self.low}"
        if self.high == math.inf:
            return f"{noun} {lower}"
        return f"{noun} {lower} and {'at most' if self.ends[1] == ']' else 'below'} {self.high}"


COUNT = Number(int, 1)
POSITIVE = Number(float, 0, ends="()")
REFINE = Number(int, 0)  # of GAN.sample, which is no setting of a run
KEEP = Number(float, 0.1, 1, "[]")


@dataclass(frozen=True)
class Several(Constraint):
    """A sequence of numbers, such as the widths of layers."""

    item: Number

    def convert(self, value: Any) -> list[int | float]:
        if isinstance(value, (str, bytes)) or not isinstance(value, Sequence):
            raise TypeError(f"{value!r} is not {self}")
        return [self.item.convert(one) for one in value]

    def __str__(self) -> str:
        return f"a sequence, each item {self.item}"


@dataclass(frozen=True)
class OneOrPair(Constraint):
    """One number for both networks, or a pair: the generator's and the discriminator's."""

    item: Number

    def convert(self, value: Any) -> list[int | float]:
        if not isinstance(value, (list, tuple)):
            value = [value, value]
        if len(value) != 2:
            raise ValueError(f"{value!r} is not {self}")
        return [self.item.convert(one) for one in value]

    def __str__(self) -> str:
        return f"{self.item}, or a pair of them (G's, D's)"


@dataclass(frozen=True)
class Choice(Constraint):
    """One of these names."""

    names: tuple[str, ...]

    def convert(self, value: Any) -> str:
        if not isinstance(value, str) or value not in self.names:
            raise ValueError(f"{value!r} is not {self}")
        return value

    def __str__(self) -> str:
        return f"one of {', '.join(self.names)}"


@dataclass(frozen=True)
class OrNone(Constraint):
    """None, or what another constraint allows."""

    item: Number | Choice

    def convert(self, value: Any) -> Any:
        return None if value is None else self.item.convert(value)

    def __str__(self) -> str:
        return f"None or {self.item}"


class Flag(Constraint):
    """True or False."""

    def convert(self, value: Any) -> bool:
        if not is_bool(value):
            raise TypeError(f"{value!r} is not {self}")
        return bool(value)

    def __str__(self) -> str:
        return "True or False"


class Seed(Constraint):
    """A seed, or what a seed is drawn from: a NumPy generator, or None (the operating system)."""

    item = Number(int, 0)

    def convert(self, value: Any) -> int:
        if isinstance(value, Real) or is_bool(value):
            return int(self.item.convert(value))
        import numpy as np

        return int(np.random.default_rng(value).integers(2**63))

    def __str__(self) -> str:
        return f"{self.item}, a np.random.Generator or None"


def is_bool(value: Any) -> bool:
    """Whether the value is True or False, of Python or of NumPy."""
    import numpy as np

    return isinstance(value, (bool, np.bool_))


# ---- the table ----

REQUIRED = object()


@dataclass(frozen=True)
class Setting:
    """One row of the table."""

    name: str
    default: Any
    constraint: Constraint
    group: str  # the heading above its option in `npgan train --help`
    help: str
    metavar: str = ""
    default_text: str = ""  # where the default depends on another setting
    hint: str = ""  # added to the message about a value that is not allowed
    assumed: Any = REQUIRED  # for a checkpoint from before this setting; REQUIRED: all have it
    option: str = field(default="")

    def __post_init__(self) -> None:
        if not self.option:
            object.__setattr__(self, "option", "--" + self.name.replace("_", "-"))

    def check(self, value: Any) -> Any:
        """The value as config.json holds it; raises ValueError with one line if not allowed."""
        return self.constraint.check(self.name, value, self.hint)

    def shown_default(self) -> str:
        """The default as one writes it on the command line."""
        if self.default_text:
            return self.default_text
        if isinstance(self.constraint, Flag):
            return "on" if self.default else "off"
        values = self.default if isinstance(self.default, tuple) else [self.default]
        return " ".join(format(v, "g") if isinstance(v, float) else str(v) for v in values)


def by_penalty(column: int) -> str:
    """The defaults of the penalties in words, such as "1 for r1 and r2, 10 for wgan_gp"."""
    names: dict[float, list[str]] = {}
    for name, defaults in PENALTY_DEFAULTS.items():
        names.setdefault(defaults[column], []).append(name)
    groups = [(f"{value:g}", group) for value, group in names.items()]
    return ", ".join(
        f"{value} for {', '.join(group[:-1])}{' and ' if group[:-1] else ''}{group[-1]}"
        for value, group in groups
    )


RUN, NETWORKS, OPTIMISER, REGULARISATION = (
    "length and order of training",
    "networks",
    "loss and optimiser",
    "regularisation of the discriminator",
)

SETTINGS = (
    Setting(
        "latent", 32, COUNT, NETWORKS,
        "length of the latent vector z, the generator's input", "N",
    ),
    Setting(
        "hidden", (512, 512, 512), Several(COUNT), NETWORKS,
        "widths of the generator's hidden layers", "N",
        hint="(512, 256) makes two hidden layers",
    ),
    Setting(
        "hidden_D", (512, 256), Several(COUNT), NETWORKS,
        "widths of the discriminator's hidden layers", "N",
        hint="(512, 256) makes two hidden layers",
    ),
    Setting(
        "loss", "relativistic", Choice(LOSS_NAMES), OPTIMISER,
        "the GAN loss",
    ),
    Setting(
        "lr", 8e-4, OneOrPair(POSITIVE), OPTIMISER,
        "Adam's learning rate; two numbers are the generator's and the discriminator's", "X",
    ),
    Setting(
        "beta1", 0.0, Number(float, 0, 1), OPTIMISER,
        "Adam's decay rate for the mean of the gradients", "X",
    ),
    Setting(
        "beta2", 0.99, Number(float, 0, 1), OPTIMISER,
        "Adam's decay rate for the mean of their squares", "X",
    ),
    Setting(
        "batch", 64, COUNT, RUN,
        "real images per update of the discriminator", "N",
    ),
    Setting(
        "average", 0.999, Number(float, 0, 1), NETWORKS,
        "decay rate of the exponential moving average of the generator's weights, which draws "
        "every picture; 0: no average", "X",
        hint="0.999 averages over about 1000 steps",
    ),
    Setting(
        "rng", 0, Seed(), RUN,
        "seed of all random numbers; the same seed gives the same bits", "N", option="--seed",
    ),
    Setting(
        "lr_decay", 0.5, Number(float, 0, 1, "[]"), OPTIMISER,
        "share of the run, at its end, over which the learning rate falls linearly to 0", "X",
        hint="0.5 lowers the learning rate over the last half of the run", assumed=0.0,
    ),
    Setting(
        "penalty", "r1+r2", OrNone(Choice(tuple(PENALTY_DEFAULTS))), REGULARISATION,
        "penalty on the discriminator's gradient by its input: at real images (r1), at generated "
        "ones (r2), at both, or between them (wgan_gp)", assumed=None,
    ),
    Setting(
        "penalty_weight", None, OrNone(POSITIVE), REGULARISATION,
        "weight of the penalty: gamma of R1 and R2, lambda of WGAN-GP", "X",
        default_text=by_penalty(0), assumed=None,
    ),
    Setting(
        "penalty_every", None, OrNone(COUNT), REGULARISATION,
        "add the penalty in every N-th update of the discriminator, with N times the weight", "N",
        default_text=by_penalty(1), assumed=1,
    ),
    Setting(
        "smoothing", 0.0, Number(float, 0, 0.5), REGULARISATION,
        "one-sided label smoothing: the discriminator's target at real images is 1 - X", "X",
        hint="0.1 sets D's target at real images to 0.9", assumed=0.0,
    ),
    Setting(
        "instance_noise", 0.0, Number(float, 0), REGULARISATION,
        "standard deviation of Gaussian noise on all images that the discriminator sees; it falls "
        "to 0 over the run", "STD",
        hint="it is a standard deviation, and pixels lie in [-1, 1]", assumed=0.0,
    ),
    Setting(
        "d_steps", 1, COUNT, RUN,
        "updates of the discriminator for each update of the generator", "N", assumed=1,
    ),
    Setting(
        "dropout", 0.0, Number(float, 0, 1), REGULARISATION,
        "probability with which each hidden unit of the discriminator is left out of a step", "X",
        hint="0.3 leaves out 3 of 10 hidden units of D", assumed=0.0,
    ),
    Setting(
        "conditional", False, Flag(), NETWORKS,
        "learn the labels, too: each network gets the label as an input", assumed=False,
    ),
    Setting(
        "shards", 1, COUNT, RUN,
        "equal parts into which each batch is cut, for the processes that mpirun starts; their "
        "number is part of what fixes the bits", "N", assumed=1,
    ),
    Setting(
        "wrong_labels", None, OrNone(Number(float, 0, 0.5, "[]")), REGULARISATION,
        "in a conditional GAN: share of the generated images in place of which the discriminator "
        "sees a real one with a wrong label, so that it learns what a label means", "X",
        default_text=f"{WRONG_LABELS:g} for a conditional GAN, 0 for others", assumed=0.0,
        hint="0.125 shows D one real image with a wrong label for every seven generated ones",
    ),
    Setting(
        "texture", False, Flag(), NETWORKS,
        "the discriminator also sees how rough an image is in every block of 2 x 2 pixels: less "
        "grain in photos, slower", assumed=False,
    ),
)  # fmt: skip

# The argument of GAN.fit that `npgan train` has as an option, too.
EPOCHS = Setting(
    "epochs", 100, COUNT, RUN, "passes through the data, in total", "N"
)  # fmt: skip


class Config(TypedDict):
    """The settings of a GAN after `validate`, in the order of the table: what config.json holds."""

    latent: int
    hidden: list[int]
    hidden_D: list[int]
    loss: str
    lr: list[float]
    beta1: float
    beta2: float
    batch: int
    average: float
    rng: int
    lr_decay: float
    penalty: str | None
    penalty_weight: float | None
    penalty_every: int
    smoothing: float
    instance_noise: float
    d_steps: int
    dropout: float
    conditional: bool
    shards: int
    wrong_labels: float
    texture: bool


def validate(given: Mapping[str, Any]) -> Config:
    """The settings as JSON can hold them. Raises ValueError, in one line, where one is not allowed.

    given: a value for each setting of the table, by its name.
    """
    from ..losses import LOSSES
    from .smoothing import with_smoothing

    config = {setting.name: setting.check(given[setting.name]) for setting in SETTINGS}
    with_smoothing(LOSSES[config["loss"]], config["smoothing"])  # raises if the loss has no target
    if config["batch"] % config["shards"]:
        raise ValueError(
            "batch must be a multiple of shards; got batch {batch} and shards {shards}".format(
                **config
            )
        )
    return cast(Config, {**config, **penalty_settings(config), **label_settings(config)})


def label_settings(config: Mapping[str, Any]) -> dict[str, Any]:
    """The share of wrong labels, with its default for None."""
    share, conditional = config["wrong_labels"], config["conditional"]
    if share and not conditional:
        raise ValueError(
            f"wrong_labels {share:g} needs labels; add conditional=True, or leave it at 0"
        )
    default = WRONG_LABELS if conditional else 0.0
    return {"wrong_labels": default if share is None else share}


def penalty_settings(config: Mapping[str, Any]) -> dict[str, Any]:
    """The weight and the interval of the penalty, with the defaults of that penalty for None."""
    penalty, weight, every = (config[f"penalty{part}"] for part in ("", "_weight", "_every"))
    if penalty is None:
        if weight is not None or every not in (None, 1):
            names = ", ".join(PENALTY_DEFAULTS)
            raise ValueError(f"penalty_weight and penalty_every need a penalty: one of {names}")
        return {"penalty_every": 1}
    defaults = PENALTY_DEFAULTS[penalty]
    return {
        "penalty_weight": defaults.weight if weight is None else weight,
        "penalty_every": defaults.every if every is None else every,
    }


def complete(config: Mapping[str, Any]) -> dict[str, Any]:
    """A checkpoint's settings, with the assumed values of those that it is too old to hold."""
    assumed = {s.name: s.assumed for s in SETTINGS if s.assumed is not REQUIRED}
    return {**assumed, **config}


def markdown_rows() -> Iterator[str]:
    """The table in Markdown, line by line."""
    yield "| `GAN(...)` | `npgan train` | default | allowed | meaning | older checkpoints |"
    yield "|---|---|---|---|---|---|"
    for s in SETTINGS:
        allowed = str(s.constraint).replace("|", "\\|")
        assumed = "" if s.assumed is REQUIRED else f"`{s.assumed}`"
        default = s.default_text or f"`{s.default!r}`"
        yield f"| `{s.name}` | `{s.option}` | {default} | {allowed} | {s.help} | {assumed} |"
