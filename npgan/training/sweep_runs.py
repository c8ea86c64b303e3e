"""One run of a sweep, in the process that trains it."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from functools import lru_cache
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any, NamedTuple

from .. import datasets, kernels
from ..datasets import Images
from ..files.atomic import exists
from .model import GAN
from .run_directory import missing_results, read_config, redraw
from .signals import Ending

PAUSE = 0.2  # seconds between two looks whether the sweep has been stopped


class Job(NamedTuple):
    """One run: what the process that trains it must know."""

    name: str
    settings: Mapping[str, Any]
    seed: int
    data: str
    epochs: int
    out: Path
    threads: int | None


class Result(NamedTuple):
    """How a run of a sweep has ended.

    Attributes
    ----------
    name : str
        The name of its settings.
    seed : int
        Its seed.
    out : Path
        Its directory.
    state : str
        "trained", "resumed" where it had stopped, "done" before, "stopped" before its end, or
        "failed".
    row : dict of str to float
        The means of its last epoch; empty if there is none.
    error : str
        Why it failed, in one line.
    """

    name: str
    seed: int
    out: Path
    state: str
    row: dict[str, float]
    error: str = ""


def train_one(job: Job) -> Result:
    """Train a run to its end, from where it stands, and say how it ended. It raises nothing."""
    worker.busy = True
    row: dict[str, float] = {}
    state, error = "stopped", ""
    try:
        if not worker.stopping:
            state, row = finish_run(job)
    except KeyboardInterrupt:
        if worker.is_one:
            worker.stopping = True
        else:
            raise
    except Exception as failure:  # of the data, the disk, the numbers: the other runs go on
        state, error = "failed", f"{type(failure).__name__}: {' '.join(str(failure).split())}"
    finally:
        worker.busy = False
    return Result(job.name, job.seed, job.out, state, row, error)


def finish_run(job: Job) -> tuple[str, dict[str, float]]:
    """Train a run to its end; its state and its last row."""
    if job.threads is not None and kernels.threads != job.threads:
        kernels.set_threads(job.threads)
    gan, state = GAN(**{**job.settings, "rng": job.seed}), "trained"
    if exists(job.out / "checkpoint.npz"):
        loaded, state = GAN.load(job.out), "resumed"
        if loaded.config != gan.config:
            found, wanted = dict(loaded.config), dict(gan.config)
            name = next(name for name in wanted if found[name] != wanted[name])
            raise ValueError(
                f"{job.out} holds a run with other settings ({name} {found[name]}, not "
                f"{wanted[name]}); give another out"
            )
        if (planned := read_config(job.out).get("epochs")) != job.epochs:
            raise ValueError(
                f"{job.out} holds a run that was started with epochs {planned}, not {job.epochs}; "
                "give another out"
            )
        gan = loaded
    data = load(job.data)
    if gan.epoch_ < job.epochs or gan.position_:
        gan.fit(data, job.epochs - gan.epoch_, out=job.out, progress=False)
    elif missing_results(job.out, gan):
        redraw(job.out, gan, data)
    else:
        state = "done"
    return state, {name: values[-1] for name, values in gan.history_.items()}


@lru_cache(maxsize=1)
def load(source: str) -> Images:
    """The data, which the next run of this process uses again."""
    return datasets.load(source)


# ---- the worker processes of `npgan sweep` ----


class Worker:
    """The state of this process, if it is a worker of a `pool`."""

    is_one = False
    busy = False
    stopping = False  # train no more


worker = Worker()


def pool(jobs: int, stop: Event) -> ProcessPoolExecutor:
    """Processes that train at most `jobs` runs at a time.

    When `stop` is set, or their parent has ended, each saves its run after the current step.
    """
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(jobs, context, become_worker, (stop, os.getpid()))


def stop_event() -> Event:
    """The event that stops a pool."""
    return multiprocessing.get_context("spawn").Event()


def become_worker(stop: Event, parent: int) -> None:
    """Let this process leave Ctrl-C to its parent, and watch whether to stop."""
    worker.is_one = True
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, Ending())

    def watch() -> None:
        while not stop.is_set() and os.getppid() == parent:
            time.sleep(PAUSE)
        worker.stopping = True
        if worker.busy:
            os.kill(os.getpid(), signal.SIGTERM)
        while worker.busy:
            time.sleep(PAUSE)
        if os.getppid() != parent:
            os._exit(1)  # nobody is left to end it

    threading.Thread(target=watch, daemon=True).start()
