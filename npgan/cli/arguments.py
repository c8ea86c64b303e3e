"""The arguments of every command. Those of `npgan train` follow from the table of settings."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from .. import __version__
from ..bench import peers
from ..files.messages import printable
from ..training.settings import (
    COUNT,
    EPOCHS,
    KEEP,
    NETWORKS,
    OPTIMISER,
    REFINE,
    REGULARISATION,
    RUN,
    SETTINGS,
    Choice,
    Flag,
    Number,
    OneOrPair,
    OrNone,
    Seed,
    Setting,
    Several,
)
from .output import LONGEST_ERROR, UsageError, one_line, print_message, shorten

SEED = Number(int, 0)
NO_CHOICE = "none"  # the word for None on the command line


class Parser(argparse.ArgumentParser):
    """argparse whose error is one line."""

    def error(self, message: str) -> NoReturn:
        end = f" (see {self.prog} --help)"
        line = printable(one_line(f"{self.prog}: {message}"))
        print_message(shorten(line, LONGEST_ERROR - len(end)) + end)
        self.exit(2)


def make_parser() -> argparse.ArgumentParser:
    """The parser of the whole command line; `command` holds the command's name."""
    top = Parser(prog="npgan", description="Train GANs on a CPU, in NumPy and Numba.")
    top.add_argument("--version", action="version", version=f"npgan {__version__}")
    commands = top.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, (text, add_arguments) in COMMANDS.items():
        sub = commands.add_parser(name, help=text, description=text)
        sub.add_argument("--json", action="store_true", help="print the results as JSON")
        sub.add_argument(
            "--threads", type=number(COUNT), metavar="N", help="CPU threads (default: all cores)"
        )
        add_arguments(sub)
    return top


# ---- each command ----


def train(sub: argparse.ArgumentParser) -> None:
    part = sub.add_argument_group("data and files")
    part.add_argument(
        "--data",
        type=nonempty,
        metavar="PATH",
        help="an IDX, .npy or .npz file, or a folder of images (default: mnist, which is built in)",
    )
    part.add_argument(
        "--out",
        type=path,
        metavar="DIR",
        help="directory for the files of the run (default: runs/NAME-1, -2, ...)",
    )
    part.add_argument("--resume", type=path, metavar="DIR", help="continue the run in DIR")
    part.add_argument("--quiet", action="store_true", help="show no progress")
    for group in (RUN, NETWORKS, OPTIMISER, REGULARISATION):
        part = sub.add_argument_group(group)
        for setting in (EPOCHS, *SETTINGS):
            if setting.group == group:
                add_setting(part, setting)


def sample(sub: argparse.ArgumentParser) -> None:
    sub.add_argument(
        "run", type=path, metavar="RUN", help="directory of a run, or its checkpoint.npz"
    )
    sub.add_argument("-n", type=number(COUNT), help="number of images (default: 64)")
    sub.add_argument(
        "--out", type=path, metavar="FILE.png", help="the picture (default: samples.png)"
    )
    sub.add_argument(
        "--npy", type=path, metavar="FILE.npy", help="write the images as an array, uint8 (n, h, w)"
    )
    sub.add_argument(
        "--digit",
        "--label",
        type=int,
        metavar="N",
        help="images of this class alone, from a run with --conditional",
    )
    sub.add_argument(
        "--refine",
        type=number(REFINE),
        metavar="N",
        help="Langevin steps by which D improves each image (default: 3, for points 0)",
    )
    sub.add_argument(
        "--keep",
        type=number(KEEP),
        metavar="SHARE",
        help="share of the images that D keeps; others are drawn again (default: 0.97, for "
        "points 1)",
    )
    sub.add_argument(
        "--interpolate",
        action="store_true",
        help="draw images on paths in latent space instead",
    )
    add_seed(sub, "images", default=None)


def evaluate(sub: argparse.ArgumentParser) -> None:
    sub.add_argument(
        "target", type=path, metavar="RUN|FILE.npy", help="directory of a run, or a file of images"
    )
    sub.add_argument(
        "-n",
        type=number(COUNT),
        help="number of samples of a run (default: 10000)",
    )
    sub.add_argument(
        "--judge",
        type=nonempty,
        metavar="FILE.npz",
        help="classifier that scores the images: mnist, fashion-mnist, or a file that "
        "tools/train_judge.py wrote (default: the one for the run's data)",
    )
    sub.add_argument(
        "--data",
        type=nonempty,
        metavar="PATH",
        help="the images that the judge was trained on, if they moved",
    )
    sub.add_argument(
        "--out",
        type=path,
        metavar="FILE.png",
        help="picture of samples with their nearest training images (default: evaluation.png)",
    )
    add_seed(sub, "samples of a run", default=None, shown="0")


def noise(sub: argparse.ArgumentParser) -> None:
    sub.add_argument(
        "-n", type=number(COUNT), default=64, help="number of images (default: %(default)s)"
    )
    sub.add_argument(
        "--out",
        type=path,
        default=Path("noise.png"),
        metavar="FILE.png",
        help="the picture (default: %(default)s)",
    )
    add_seed(sub, "noise", default=None)


def gradcheck(sub: argparse.ArgumentParser) -> None:
    sub.add_argument(
        "target",
        nargs="?",
        type=nonempty,
        metavar="MODULE:FUNCTION",
        help="a function that returns (func, grad, args) (default: npgan's own gradients)",
    )
    add_seed(sub, "verdict", default=0)


def bench(sub: argparse.ArgumentParser) -> None:
    sub.add_argument(
        "--batch",
        type=number(COUNT),
        nargs="+",
        default=[32, 64, 128],
        metavar="N",
        help="batch sizes (default: 32 64 128)",
    )
    sub.add_argument(
        "--rounds",
        type=number(COUNT),
        default=20,
        metavar="N",
        help="measurements of each library (default: %(default)s)",
    )
    sub.add_argument(
        "--scaling",
        action="store_true",
        help="npgan alone, on 1, 2, 4, ... threads, beside what a model of the threads predicts",
    )
    sub.add_argument(
        "--peers",
        nargs="+",
        choices=tuple(peers.PEERS),
        metavar="NAME",
        help=f"libraries to compare with, of {', '.join(peers.PEERS)} (default: those installed)",
    )


def export(sub: argparse.ArgumentParser) -> None:
    sub.add_argument(
        "run", type=path, metavar="RUN", help="directory of a run, or its checkpoint.npz"
    )
    sub.add_argument(
        "--html",
        type=path,
        metavar="FILE.html",
        help="a page with sliders that computes the generator in a browser, without a network",
    )
    sub.add_argument(
        "--onnx",
        type=path,
        metavar="FILE.onnx",
        help='the generator for other programs (needs pip install "npgan[onnx]")',
    )
    sub.add_argument("--name", metavar="TEXT", help="heading of the page")


def exercises(sub: argparse.ArgumentParser) -> None:
    sub.add_argument(
        "action",
        choices=("init", "run", "watch", "hint", "list", "reset", "solution"),
        help="init: write the exercises into a folder; run: judge the next one, or NAME; watch: "
        "judge each time the file is saved; hint: a hint; list: all of them; reset: write the file "
        "again as it was; solution: the explanation and a solution of a solved one",
    )
    sub.add_argument(
        "name",
        nargs="?",
        type=nonempty,
        metavar="NAME",
        help="number or name of an exercise; for init, the folder (default: npgan-exercises)",
    )
    sub.add_argument(
        "--dir",
        type=path,
        metavar="DIR",
        help="folder of the exercises (default: this one, or npgan-exercises in it)",
    )


def examples(sub: argparse.ArgumentParser) -> None:
    sub.add_argument(
        "out",
        nargs="?",
        type=path,
        default=Path("npgan-examples"),
        metavar="DIR",
        help="folder to write them to (default: %(default)s)",
    )


def study(sub: argparse.ArgumentParser) -> None:
    sub.add_argument(
        "--out",
        type=path,
        default=Path("study.html"),
        metavar="FILE.html",
        help="the page; only an earlier such page is replaced (default: %(default)s)",
    )


def info(sub: argparse.ArgumentParser) -> None:
    pass


def sweep(sub: argparse.ArgumentParser) -> None:
    sub.add_argument(
        "file",
        type=path,
        metavar="FILE.json",
        help='settings by name, such as {"default": {}, "large": {"batch": 256}}',
    )
    sub.add_argument(
        "--seeds",
        nargs="+",
        default=["0:3"],
        metavar="N",
        help="seeds, or ranges such as 0:16, whose end is not included (default: 0:3)",
    )
    sub.add_argument(
        "--jobs",
        type=number(COUNT),
        default=1,
        metavar="N",
        help="runs that are trained at a time; the cores are divided among them (default: 1)",
    )
    sub.add_argument(
        "--data", type=nonempty, metavar="PATH", help="as of npgan train (default: MNIST)"
    )
    sub.add_argument(
        "--epochs", type=number(COUNT), metavar="N", help="passes through the data (default: 24)"
    )
    sub.add_argument(
        "--out", type=path, metavar="DIR", help="directory of the sweep (default: runs/FILE)"
    )


COMMANDS: dict[str, tuple[str, Callable[[argparse.ArgumentParser], None]]] = {
    "train": (
        "train a GAN and keep its pictures, history and checkpoint in a directory",
        train,
    ),
    "sweep": (
        "train many GANs, with several settings and seeds, and compare them in a table",
        sweep,
    ),
    "sample": ("draw new images from a trained run", sample),
    "evaluate": (
        "score a run's samples, or images in a .npy file, in comparison with real images and noise",
        evaluate,
    ),
    "export": (
        "write a run's generator as a page with sliders, or as an ONNX file",
        export,
    ),
    "noise": ("draw random images, which is what an untrained GAN draws", noise),
    "gradcheck": (
        "compare gradients with numerical ones: npgan's own, or those of a function of yours",
        gradcheck,
    ),
    "bench": (
        "time the training step of classic networks, in comparison with other installed libraries",
        bench,
    ),
    "exercises": (
        "write backward passes and repair GANs, with a judge that names the mistake",
        exercises,
    ),
    "examples": ("write the example programs into a folder, to run and change", examples),
    "study": (
        "write a page that shows every number of one training step, and the mistakes one can make",
        study,
    ),
    "info": ("show versions, CPU features, kernels, threads and BLAS in use", info),
}


# ---- options from the table of settings ----


def add_setting(part: argparse._ArgumentGroup, setting: Setting) -> None:
    """The option of a setting. Its value is None if not given: then GAN's default holds."""
    constraint, metavar = setting.constraint, setting.metavar or None
    optional = isinstance(constraint, OrNone)
    if isinstance(constraint, OrNone):
        constraint = constraint.item
    text = f"{setting.help} (default: {setting.shown_default()})".replace("%", "%%")
    how: dict[str, Any]
    if isinstance(constraint, Flag):
        how = {"action": "store_const", "const": True}
    elif isinstance(constraint, Choice):
        how = {"choices": [*constraint.names, *([NO_CHOICE] if optional else [])]}
    elif isinstance(constraint, (Several, OneOrPair)):
        how = {"type": number(constraint.item), "nargs": "+", "metavar": metavar}
    elif isinstance(constraint, (Number, Seed)):
        item = constraint.item if isinstance(constraint, Seed) else constraint
        how = {"type": number(item), "metavar": metavar}
    else:
        raise TypeError(f"{setting.name} has a constraint that no option can have")
    part.add_argument(setting.option, dest=setting.name, help=text, **how)


def given_settings(args: argparse.Namespace) -> dict[str, Any]:
    """The settings that were given as options, as GAN(...) takes them."""
    given = {}
    for setting in SETTINGS:
        value = getattr(args, setting.name)
        if value is None:
            continue
        if isinstance(setting.constraint, OneOrPair):
            if len(value) > 2:
                raise UsageError(
                    f"{setting.option} takes one number, or two (G's and D's); got {len(value)}"
                )
            value = value[0] if len(value) == 1 else tuple(value)
        given[setting.name] = None if value == NO_CHOICE else value
    return given


def given_options(args: argparse.Namespace) -> list[str]:
    """The options that were given among those that belong to a run from its start."""
    options = {setting.name: setting.option for setting in SETTINGS} | {"out": "--out"}
    return [option for name, option in options.items() if getattr(args, name) is not None]


def add_seed(
    sub: argparse.ArgumentParser, what: str, default: int | None, shown: str | None = None
) -> None:
    """The option --seed, which fixes `what`; with default None it is different every time.

    shown: what the help says instead, where the command chooses the seed.
    """
    if shown is None:
        shown = "different every time" if default is None else str(default)
    sub.add_argument(
        "--seed",
        type=number(SEED),
        default=default,
        metavar="N",
        help=f"the same seed gives the same {what} (default: {shown})",
    )


def number(constraint: Number) -> Callable[[str], float]:
    """The type of an option for argparse: it converts a text to such a number."""

    def parse(text: str) -> float:
        try:
            return constraint.parse(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return parse


def path(given: str) -> Path:
    """The type of an option for argparse: a path, which is not empty."""
    return Path(nonempty(given))


def nonempty(given: str) -> str:
    """The type of an option for argparse: a text, which is not empty."""
    if not given:
        raise argparse.ArgumentTypeError("expected a name, got an empty one; is a variable unset?")
    return given
