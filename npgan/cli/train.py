"""`npgan train`: a new run, or the continuation of one."""

from __future__ import annotations

import argparse
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from .. import datasets
from ..datasets import Images
from ..datasets.fingerprints import matches
from ..files.atomic import exists
from ..parallel.processes import Alone
from ..training.loop import Interrupted
from ..training.model import GAN
from ..training.run_directory import (
    missing_results,
    read_config,
    redraw,
    remove_litter,
    result_files,
)
from ..training.schedules import linear_decay
from ..training.settings import EPOCHS
from .arguments import given_options, given_settings
from .output import CommandError, UsageError, print_message


class Plan(NamedTuple):
    """What is to be trained, on which data, to which epoch, and where its files go."""

    gan: GAN
    source: str  # of the data
    last_epoch: int
    out: Path | None  # None: a new directory with the name of the data
    note: str = ""  # added to the heading


def train(args: argparse.Namespace) -> dict[str, Any]:
    """Train, and return the last row of the history and the paths of the files.

    Of several processes, the first one plans the run and writes its files.
    """
    processes: Alone = args.processes
    plan = processes.lead(lambda: make_plan(args, processes.size))
    if plan.last_epoch == plan.gan.epoch_ and plan.out is not None:
        out = plan.out
        return processes.lead(lambda: complete_files(plan, out))
    data = processes.together(lambda: load_data(args, plan))
    out = processes.lead(lambda: plan.out or next_free_directory(data.name))
    try:
        fit(plan, data, out, args.quiet, processes if processes.size > 1 else None)
    finally:
        if plan.out is None and processes.first:
            with suppress(OSError):  # it is not empty: the usual case
                out.rmdir()
    return results(plan.gan, out)


def make_plan(args: argparse.Namespace, ranks: int) -> Plan:
    """A new run, or the continuation of one, that so many processes train."""
    plan = plan_new_run(args) if args.resume is None else plan_resumed_run(args)
    shards = plan.gan.config["shards"]
    if ranks > shards:
        raise UsageError(
            f"{ranks} processes cannot share {shards} shard{'s' * (shards > 1)} of a batch; give "
            f"a new run --shards {ranks} or a multiple of it, or start fewer processes"
        )
    return plan


def load_data(args: argparse.Namespace, plan: Plan) -> Images:
    """The data of the run. Raises CommandError if they have changed since it began."""
    data = datasets.load(plan.source)
    if args.resume is not None and args.data is None and not matches(plan.gan.data_, data):
        raise CommandError(
            f"{plan.source} has changed since {args.resume} began; "
            f"--data {plan.source} continues with it as it is"
        )
    return data


def results(gan: GAN, out: Path) -> dict[str, Any]:
    """The last row of the history and the paths of the files."""
    last = {name: values[-1] for name, values in gan.history_.items()}
    return {"run": str(out), **last, **{path.name: str(path) for path in result_files(out)}}


def complete_files(plan: Plan, out: Path) -> dict[str, Any]:
    """Write the files that a complete run has lost, and return what `train` returns."""
    missing = missing_results(out, plan.gan)
    # Only the pictures of points need the data.
    redraw(out, plan.gan, None if plan.gan.pixels_ else datasets.load(plan.source))
    print_message(f"the run in {out} is complete; written again: {', '.join(missing)}")
    return results(plan.gan, out)


def plan_new_run(args: argparse.Namespace) -> Plan:
    """A new GAN with the settings that were given."""
    gan = GAN(**given_settings(args))
    out: Path | None = args.out
    if out is not None and exists(out / "checkpoint.npz"):
        raise CommandError(
            f"{out} already holds a run; --resume {out} continues it, or give another --out"
        )
    source = "mnist" if args.data is None else args.data
    return Plan(gan, source, args.epochs or EPOCHS.default, out)


def plan_resumed_run(args: argparse.Namespace) -> Plan:
    """The GAN of the run in --resume, up to the epoch of --epochs or of its config.json."""
    run: Path = args.resume
    if options := given_options(args):
        raise UsageError(
            f"a resumed run keeps its settings; leave out {', '.join(options)}, or start a new run"
        )
    if run.is_file():
        raise CommandError(f"{run} is a file; --resume takes the directory of a run")
    gan = GAN.load(run)
    planned = planned_epochs(run)
    last_epoch = args.epochs or planned
    if last_epoch is None:
        raise CommandError(
            f"{run / 'config.json'} does not say how many epochs; give them with --epochs N"
        )
    incomplete = last_epoch == gan.epoch_ and not gan.position_ and missing_results(run, gan)
    if last_epoch <= gan.epoch_ and not incomplete:
        remove_litter(run)
        raise CommandError(
            f"{run} has completed its {gan.epoch_} epochs; --epochs {gan.epoch_ + 10} adds ten"
        )
    source = gan.data_.get("source") if args.data is None else args.data
    if source is None or (source == "" and args.data is None):
        if incomplete and gan.pixels_:
            return Plan(gan, "", last_epoch, run)
        raise CommandError(f"{run} was trained on images in memory; give them with --data PATH")
    note = learning_rate_note(gan, planned or last_epoch, last_epoch)
    return Plan(gan, source, last_epoch, run, note)


def planned_epochs(run: Path) -> int | None:
    """The last epoch of a run as its config.json holds it; None where it does not."""
    epochs = read_config(run).get("epochs")
    return epochs if type(epochs) is int and epochs > 0 else None


def learning_rate_note(gan: GAN, planned: int, last_epoch: int) -> str:
    """A note for the heading if a later last epoch lets the learning rate rise; else nothing."""
    before, after = (
        linear_decay(gan.epoch_ / epochs, gan.config["lr_decay"])
        for epochs in (planned, last_epoch)
    )
    if after <= before:
        return ""
    rates = " and ".join(f"{after * lr:.2g}" for lr in dict.fromkeys(gan.config["lr"]))
    return (
        f"; the run now ends later than planned, so the learning rate rises to {rates} and then "
        "falls to 0 again"
    )


def next_free_directory(name: str) -> Path:
    """Make runs/NAME-1, or the first number for which there is no directory yet."""
    n = 1
    while True:
        path = Path("runs", f"{Path(name).stem}-{n}")
        try:
            path.mkdir(parents=True)  # in one step: another process cannot take the same number
        except FileExistsError:
            n += 1
        else:
            return path


def fit(plan: Plan, data: Images, out: Path, quiet: bool, comm: Any = None) -> None:
    """Train the GAN; if it ends early, print what was saved."""
    gan, saved = plan.gan, out / "checkpoint.npz"
    size = " x ".join(map(str, data.shape))
    # A file of no fixed format: which shape and scale were taken.
    taken = data.note or f"{len(data):,} images of {size}"
    heading = f"{data.name}: {taken}; files go to {out}{plan.note}"
    epochs = plan.last_epoch - gan.epoch_
    try:
        gan.fit(data, epochs, out=out, progress=False if quiet else heading, comm=comm)
    except FloatingPointError as error:
        last = f"the last good state is {saved}" if saved.exists() else "no epoch was complete"
        raise CommandError(
            f"training diverged at {error}; {last}. Usually a smaller --lr helps."
        ) from None
    except Interrupted:
        if gan.epoch_ == plan.last_epoch:
            print_message(f"stopped after the last epoch; the run in {out} is complete")
        else:
            print_message(f"stopped and saved; npgan train --resume {out} continues from here")
        raise
    except KeyboardInterrupt:  # a second one, or one before the first step
        if saved.exists():
            print_message(f"stopped at once; the last saved state is {saved}")
        raise
