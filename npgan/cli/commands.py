"""The command line: arguments in, one call into the library, paths out.

stdout carries results, stderr narration. Exit codes: 0 done, 1 failed with one clear line, 2 bad
usage, 130 on Ctrl-C. The commands import NumPy and the rest themselves, so --help stays quick.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .. import __version__, kernels
from ..bench import peers

LOSSES = ("nonsaturating", "minimax", "least_squares", "hinge", "wasserstein", "relativistic")
PENALTIES = ("r1", "r2", "r1+r2", "wgan_gp")
SETTINGS = (  # of GAN(), by their names there
    "latent", "hidden", "hidden_D", "loss", "lr", "lr_decay", "beta1", "beta2", "batch", "average", "d_steps",
    "penalty", "penalty_weight", "penalty_every", "smoothing", "instance_noise", "dropout", "conditional",
)  # fmt: skip
FIXED = (*SETTINGS, "seed", "out")  # not on --resume


class CommandError(Exception):
    """Ends the command with this one line and exit code 1."""

    code = 1


class UsageError(CommandError):
    """The same with exit code 2: the arguments alone show that it cannot be meant."""

    code = 2


# ---- the commands: each returns its results, a dict that --json prints ----


def train(args: argparse.Namespace) -> dict[str, Any]:
    from .. import datasets
    from ..datasets.fingerprints import matches
    from ..training.loop import Interrupted
    from ..training.model import GAN

    if args.resume is not None:
        gan, source, epochs, again = resumed(args)
        out = args.resume
    else:
        given = {name: getattr(args, name) for name in SETTINGS if getattr(args, name) is not None}
        if args.lr is not None:
            if len(args.lr) > 2:
                raise UsageError(
                    f"--lr takes one learning rate, or the generator's and D's; got {len(args.lr)}"
                )
            given["lr"] = (args.lr[0], args.lr[-1])
        if args.penalty == "none":
            given["penalty"] = None
        gan = GAN(rng=args.seed or 0, **given)
        source, epochs, out = "mnist" if args.data is None else args.data, args.epochs, args.out
        again = ""
        if out is not None and (out / "checkpoint.npz").exists():
            raise CommandError(
                f"{out} already holds a run; --resume {out} continues it, or give another --out"
            )
    data = datasets.load(source)
    if args.resume is not None and args.data is None and not matches(gan.data_, data):
        raise CommandError(
            f"{source} has changed since {args.resume} began; --data {source} trains on with it"
        )
    if out is None:
        out = free_place(data.name)
    more = {} if epochs is None else {"epochs": epochs - gan.epoch_}
    size = " x ".join(map(str, data.shape))
    heading: Any = f"{len(data):,} images of {data.name}, {size}; the run is kept in {out}{again}"
    kept = out / "checkpoint.npz"
    try:
        gan.fit(data, **more, out=out, progress=not args.quiet and heading)
    except FloatingPointError as error:
        last_good = f"the last good state is {kept}" if kept.exists() else "no epoch was complete"
        raise CommandError(
            f"training diverged at {error}; {last_good}. A smaller --lr helps most often."
        ) from None
    except Interrupted:
        if gan.epoch_ == end_of(out):
            narrate(f"stopped, but all epochs were done: they are in {out}")
        else:
            narrate(f"stopped and saved; npgan train --resume {out} goes on from here")
        raise
    except KeyboardInterrupt:  # a second one, or one before the first step
        if kept.exists():
            narrate(f"stopped at once; the last saved state is {kept}")
        raise
    from ..training.run_directory import results

    last = {name: values[-1] for name, values in gan.history_.items()}
    return {"run": str(out), **last, **{path.name: str(path) for path in results(out)}}


def resumed(args: argparse.Namespace) -> tuple[Any, str, int, str]:
    """The GAN of --resume, the source of its data, the epoch at which it ends, and a word on its rate."""
    from ..training.model import GAN

    changed = ["--" + name.replace("_", "-") for name in FIXED if getattr(args, name) is not None]
    if changed:
        raise UsageError(
            f"a resumed run keeps its settings; leave out {', '.join(changed)}, or start a new run"
        )
    if args.resume.is_file():
        raise CommandError(f"{args.resume} is a file; --resume takes the directory of a run")
    gan = GAN.load(args.resume)
    end = end_of(args.resume)
    epochs = args.epochs or end
    if epochs is None:
        raise CommandError(
            f"{args.resume / 'config.json'} does not say how many epochs; give --epochs N"
        )
    if epochs <= gan.epoch_:
        raise CommandError(
            f"{args.resume} has done its {gan.epoch_} epochs; --epochs {gan.epoch_ + 10} adds ten"
        )
    source = gan.data_.get("source") if args.data is None else args.data
    if source is None or (source == "" and args.data is None):
        raise CommandError(
            f"{args.resume} was trained on images in memory; give them with --data PATH"
        )
    return gan, source, epochs, risen(gan, end or epochs, epochs)


def end_of(run: Path) -> int | None:
    """The epoch at which a run's directory says that it ends, if it does."""
    try:
        return int(json.loads((run / "config.json").read_text())["epochs"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def risen(gan: Any, before: int, now: int) -> str:
    """What is to be said of the learning rate of a run that ends at epoch `now`, not `before`; or nothing."""
    from ..training.schedules import linear_decay

    was, becomes = (
        linear_decay(gan.epoch_ / epochs, gan.config["lr_decay"]) for epochs in (before, now)
    )
    if becomes <= was:
        return ""
    rates = " and ".join(f"{becomes * lr:.2g}" for lr in dict.fromkeys(gan.config["lr"]))
    return (
        f"; its end is later now, so the learning rate is {rates} again, and falls to 0 once more"
    )


def free_place(name: str) -> Path:
    """runs/mnist-1, or the next number that is free."""
    n = 1
    while (place := Path("runs", f"{Path(name).stem}-{n}")).exists():
        n += 1
    return place


def sample(args: argparse.Namespace) -> dict[str, Any]:
    import numpy as np

    from ..training.model import GAN
    from ..training.pictures import interpolate, picture

    gan = GAN.load(args.run)
    if args.interpolate and args.npy:
        raise UsageError("--interpolate draws a picture; it goes without --npy")
    if args.interpolate and args.digit is not None:
        raise UsageError("--interpolate walks through every class; it goes without --digit")
    if args.digit is not None and not gan.classes_:
        raise CommandError(
            f"{args.run} was trained without labels; npgan train --conditional learns them"
        )
    out = args.out or (None if args.npy else Path("samples.png"))
    results: dict[str, Any] = {"run": str(args.run), "epoch": gan.epoch_}
    if args.interpolate:
        from .. import plot

        if not gan.pixels_:
            raise CommandError(f"--interpolate draws a picture of images; {args.run} makes points")
        picture_of = args.out or Path("interpolation.png")
        plot.save(plot.interpolation(interpolate(gan, rng=args.seed)), picture_of)
        return {**results, "picture": str(picture_of)}
    if out and not gan.pixels_ and gan.shape_ != (2,):
        raise CommandError(
            "only images and points in a plane have a picture; --npy FILE.npy keeps others"
        )
    images = gan.sample(args.n, args.seed, args.digit)
    if args.npy:
        with open(args.npy, "wb") as file:  # np.save alone would add .npy to another name
            np.save(file, images)
        results["npy"] = str(args.npy)
    if out:
        ordered = len(gan.classes_) if args.digit is None and len(gan.classes_) <= 32 else 0
        picture(gan, images, out, columns=ordered or None)
        results["picture"] = str(out)
    return results


def evaluate(args: argparse.Namespace) -> dict[str, Any]:
    from .. import plot
    from ..metrics import report
    from .evaluate import score

    if not args.target.exists():
        raise CommandError(
            f"{args.target} does not exist; expected a .npy file of images, or the directory of a run"
        )
    out = (
        args.out or (args.target if args.target.is_dir() else args.target.parent) / "evaluation.png"
    )
    if out.suffix.lower() != ".png" or not out.parent.is_dir():
        raise CommandError(f"--out is a name that ends in .png, in a folder that exists; got {out}")
    found, images, neighbours = score(args.target, args.judge, args.data, args.n, args.seed)
    plot.save(report.picture(images, neighbours, report.picture_columns(found)), out)
    for note in found["notes"]:
        narrate(f"note: {note}")
    return {**(found if args.json else report.table(found)), "picture": str(out)}


def noise(args: argparse.Namespace) -> dict[str, Any]:
    import numpy as np

    from .. import plot

    images = np.random.default_rng(args.seed).integers(0, 256, (args.n, 28, 28), dtype=np.uint8)
    plot.save(plot.grid(images), args.out)
    return {"picture": str(args.out)}


def info(args: argparse.Namespace) -> dict[str, Any]:
    import importlib.metadata
    import platform

    import numpy as np

    kernels.choose()
    found: dict[str, Any] = {"npgan": __version__, "python": platform.python_version()}
    for package in ("numpy", "numba", "matplotlib", "tqdm"):
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found[package] = "not installed"
    config: dict[str, Any] = np.show_config(mode="dicts") or {}  # type: ignore[assignment, func-returns-value]
    blas = config.get("Build Dependencies", {}).get("blas", {})
    simd = config.get("SIMD Extensions", {})
    return {
        **found,
        "machine": f"{platform.system()} {platform.machine()}",
        "cpu features": " ".join([*simd.get("baseline", []), *simd.get("found", [])]),
        "cores": os.cpu_count(),
        "threads": kernels.thread_count(),
        "kernels": kernels.active,
        "blas": f"{blas.get('name', 'unknown')} {blas.get('version', '')}".strip(),
    }


def bench(args: argparse.Namespace) -> dict[str, Any] | str:
    from ..bench.step import compare, table

    names = ["npgan", *(name for name in peers.installed(args.peers, narrate) if name != "npgan")]
    narrate(f"{', '.join(names)} at batch {', '.join(map(str, args.batch))}")
    results = compare(names, args.batch, args.threads, args.rounds, narrate)
    return results if args.json else table(results)


def gradcheck(args: argparse.Namespace) -> dict[str, Any]:
    from .gradcheck import reports_of

    found, failed = {}, 0
    for report in reports_of(args.target, args.seed):
        failed += not report.passed
        found[report.title or args.target or "check"] = (
            report.to_dict() if args.json else report.summary()
        )
        if not report.passed or (args.target and not args.json):
            narrate(str(report))
    if failed:
        put_out(json.dumps(found) if args.json else table(found))
        raise CommandError(
            f"{failed} of {len(found)} gradient checks did not pass; the reports are above"
        )
    return found


# ---- the arguments ----


class Parser(argparse.ArgumentParser):
    """argparse with its error in one line."""

    def error(self, message: str) -> Any:
        self.exit(2, f"{self.prog}: {one_line(message)} ({self.prog} --help shows what there is)\n")


def number(kind: type, low: float, high: float = float("inf"), ends: str = "[)") -> Any:
    """A type for argparse: a number of this kind between low and high, with or without its ends."""

    def parse(text: str) -> Any:
        try:
            value = kind(text)
        except ValueError:
            value = None
        above = value is not None and (low < value or (ends[0] == "[" and value == low))
        if not above or not (value < high or (ends[1] == "]" and value == high)):
            what = "a whole number" if kind is int else "a number"
            bound = f"of {low} or more" if ends[0] == "[" else f"above {low}"
            upper = (
                f" and {'at most' if ends[1] == ']' else 'below'} {high}"
                if high < float("inf")
                else ""
            )
            raise argparse.ArgumentTypeError(f"expected {what} {bound}{upper}, got {text!r}")
        return value

    return parse


def parser() -> argparse.ArgumentParser:
    count, seed, rate = number(int, 1), number(int, 0), number(float, 0, ends="()")
    share, closed_share = number(float, 0, 1), number(float, 0, 1, ends="[]")
    top = Parser(prog="npgan", description="Train GANs on a CPU, in NumPy and Numba.")
    top.add_argument("--version", action="version", version=f"npgan {__version__}")
    commands = top.add_subparsers(dest="command", metavar="COMMAND", required=True)

    def command(function: Any, text: str) -> argparse.ArgumentParser:
        sub = commands.add_parser(function.__name__, help=text, description=text)
        sub.set_defaults(function=function)
        sub.add_argument("--json", action="store_true", help="print the results as JSON")
        sub.add_argument("--threads", type=count, metavar="N", help="CPU threads (default: all)")
        return sub

    sub = command(train, "train a GAN and keep its pictures, history and checkpoint in a directory")
    part = sub.add_argument_group("data and files")
    part.add_argument(
        "--data",
        metavar="PATH",
        help="mnist (built in), an IDX, .npy or .npz file, or a folder of images",
    )
    part.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="the run's directory (default: runs/NAME-1, -2, ...)",
    )
    part.add_argument("--resume", type=Path, metavar="DIR", help="go on with the run in DIR")
    part.add_argument("--quiet", action="store_true", help="no progress")
    part = sub.add_argument_group("the run")
    part.add_argument(
        "--epochs", type=count, metavar="N", help="how many times through the data, in all (24)"
    )
    part.add_argument("--batch", type=count, metavar="N", help="real images per update (64)")
    part.add_argument("--d-steps", type=count, metavar="N", help="updates of D for each of G")
    part.add_argument("--seed", type=seed, metavar="N", help="the same seed gives the same bits")
    part = sub.add_argument_group("networks")
    part.add_argument("--latent", type=count, metavar="N", help="numbers in z (32)")
    part.add_argument(
        "--hidden",
        type=count,
        nargs="+",
        metavar="N",
        help="widths of the generator's hidden layers (512 512 512)",
    )
    part.add_argument(
        "--hidden-D",
        type=count,
        nargs="+",
        metavar="N",
        help="widths of the discriminator's (512 256)",
    )
    part.add_argument(
        "--conditional",
        action="store_const",
        const=True,
        help="learn the labels, too: sample --digit 7",
    )
    part.add_argument(
        "--average", type=share, metavar="X", help="decay of the average of G's weights"
    )
    part = sub.add_argument_group("loss and optimiser")
    part.add_argument("--loss", choices=LOSSES, help="which GAN loss (default: relativistic)")
    part.add_argument(
        "--lr",
        type=rate,
        nargs="+",
        metavar="X",
        help="Adam's learning rate (8e-4); two numbers: G's and D's",
    )
    part.add_argument(
        "--lr-decay",
        type=closed_share,
        metavar="X",
        help="share of the run, at its end, over which lr falls to 0 (0.5)",
    )
    part.add_argument("--beta1", type=share, metavar="X", help="Adam's memory of gradients (0)")
    part.add_argument("--beta2", type=share, metavar="X", help="and of their squares (0.99)")
    part = sub.add_argument_group("what steadies the discriminator")
    part.add_argument(
        "--penalty",
        choices=[*PENALTIES, "none"],
        help="on its slope at real images, at fakes, at both, or between (default: r1+r2)",
    )
    part.add_argument(
        "--penalty-weight", type=rate, metavar="X", help="gamma of R1, R2; lambda of WGAN-GP"
    )
    part.add_argument(
        "--penalty-every", type=count, metavar="N", help="only every N updates, N times as strong"
    )
    part.add_argument(
        "--smoothing",
        type=number(float, 0, 0.5),
        metavar="X",
        help="ask it for 1 - X at real images, not 1",
    )
    part.add_argument(
        "--instance-noise",
        type=number(float, 0),
        metavar="STD",
        help="noise on all it sees, falling to 0",
    )

    part.add_argument(
        "--dropout", type=share, metavar="X", help="share of its hidden units left out"
    )

    sub = command(sample, "draw new images from a trained run")
    sub.add_argument(
        "run", type=Path, metavar="RUN", help="a run's directory, or its checkpoint.npz"
    )
    sub.add_argument("-n", type=count, default=64, help="how many (default: 64)")
    sub.add_argument(
        "--out", type=Path, metavar="FILE.png", help="the picture (default: samples.png)"
    )
    sub.add_argument(
        "--npy", type=Path, metavar="FILE.npy", help="the images as an array, uint8 (n, h, w)"
    )
    sub.add_argument(
        "--digit",
        "--label",
        type=int,
        metavar="N",
        help="of this class alone (of a run with --conditional)",
    )
    sub.add_argument(
        "--interpolate", action="store_true", help="draw walks from one z to another instead"
    )
    sub.add_argument("--seed", type=seed, metavar="N", help="the same seed gives the same images")

    sub = command(
        evaluate, "score a run's samples, or images in a .npy file, beside real images and noise"
    )
    sub.add_argument(
        "target", type=Path, metavar="RUN|FILE.npy", help="a run's directory, or images"
    )
    sub.add_argument(
        "-n", type=count, default=10_000, help="samples of the run to score (default: 10000)"
    )
    sub.add_argument(
        "--judge",
        metavar="FILE.npz",
        help="mnist, fashion-mnist, or a file of tools/train_judge.py",
    )
    sub.add_argument(
        "--data", metavar="PATH", help="where the images are that the judge was trained on"
    )
    sub.add_argument(
        "--out",
        type=Path,
        metavar="FILE.png",
        help="samples with the training images nearest to them",
    )
    sub.add_argument(
        "--seed", type=seed, default=0, metavar="N", help="the same seed gives the same samples"
    )

    sub = command(noise, "draw random images: where every GAN starts")
    sub.add_argument("-n", type=count, default=64, help="how many (default: 64)")
    sub.add_argument(
        "--out", type=Path, default=Path("noise.png"), metavar="FILE.png", help="the picture"
    )
    sub.add_argument("--seed", type=seed, metavar="N", help="the same seed gives the same noise")

    sub = command(
        gradcheck, "compare gradients with measured slopes: npgan's own, or a function of yours"
    )
    sub.add_argument(
        "target",
        nargs="?",
        metavar="MODULE:FUNCTION",
        help="a function that returns (func, grad, args)",
    )
    sub.add_argument(
        "--seed", type=seed, default=0, metavar="N", help="the same seed gives the same verdict"
    )

    sub = command(
        bench,
        "time the training step of classic networks, beside the libraries that are installed here",
    )
    sub.add_argument(
        "--batch", type=count, nargs="+", default=[32, 64, 128], metavar="N", help="batch sizes"
    )
    sub.add_argument(
        "--rounds", type=count, default=20, metavar="N", help="turns of each (default: 20)"
    )
    sub.add_argument(
        "--peers", nargs="+", choices=tuple(peers.PEERS), default=tuple(peers.PEERS), metavar="NAME",
        help=f"whom to compare with (default: all that are installed of {', '.join(peers.PEERS)})",
    )  # fmt: skip

    command(info, "versions, CPU features, kernels, threads and BLAS in use")
    return top


def narrate(line: str) -> None:
    if sys.stderr is not None:
        print(line, file=sys.stderr, flush=True)


def put_out(text: str) -> None:
    """Print a result, now: what fails when Python flushes at its exit comes too late for an exit code."""
    if sys.stdout is None:
        return
    try:
        print(text, flush=True)
    except OSError as error:  # the disk is full, or the reader has gone: npgan info | head -1
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise OSError(error.errno, error.strerror, "stdout") from None


def set_threads(n: int) -> None:
    """For our kernels; and for NumPy's BLAS, which reads its variables once, when NumPy is imported."""
    for variable in (
        "OMP_NUM_THREADS",
        "OPENBLAS_NUM_THREADS",
        "MKL_NUM_THREADS",
        "VECLIB_MAXIMUM_THREADS",
    ):
        os.environ[variable] = str(n)
    kernels.set_threads(n)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code."""
    args = parser().parse_args(argv)
    if args.threads:
        set_threads(args.threads)
    try:
        results = args.function(args)
        if args.json:
            put_out(json.dumps(results))
        else:
            put_out(results if isinstance(results, str) else table(results))
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        return 1
    except (CommandError, ValueError, OSError, RuntimeError, MemoryError) as error:
        if os.environ.get("NPGAN_TRACEBACK"):
            raise
        narrate(f"npgan {args.command}: {describe(error)}")
        return getattr(error, "code", 1)
    return 0


def table(results: dict[str, Any]) -> str:
    width = max(map(len, results))
    return "\n".join(f"{name:{width}}  {value}" for name, value in results.items())


def describe(error: BaseException) -> str:
    """One line for a person."""
    if isinstance(error, OSError) and error.strerror:
        return one_line(f"{error.filename or 'file'}: {error.strerror}")
    if isinstance(error, MemoryError):
        return f"not enough memory ({one_line(str(error))})"
    return one_line(str(error)) or type(error).__name__


def one_line(text: str) -> str:
    return " ".join(text.split())
