"""`GAN.fit`: the data, the directory, the training loop, and the processes that train together."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from typing import Any

import numpy as np
import numpy.typing as npt

from .. import __version__, kernels
from ..datasets import Images
from ..datasets.fingerprints import fingerprint
from ..parallel.processes import Processes
from ..parallel.shared import SharedGroup
from . import health, notebook
from .data import check_data, check_epochs
from .guidance import measure_critic
from .loop import Interrupted, State, interruptible, training_loop
from .protocol import GANLike
from .run_directory import RunDirectory
from .saving import checksum
from .streams import Stream

Callbacks = Sequence[Callable[[State[Any]], object]]


def fit(
    gan: GANLike,
    images: Images | npt.ArrayLike,
    labels: npt.ArrayLike | None,
    epochs: int,
    callbacks: Callbacks,
    out: str | os.PathLike[str] | None,
    progress: bool | str | None,
) -> None:
    """What `GAN.fit` describes, on every process of gan.group."""
    processes = gan.group.processes
    epochs = processes.together(lambda: check_epochs(epochs))
    data, classes = processes.together(lambda: check_data(gan, images, labels))
    last_epoch = gan.epoch_ + epochs
    directory = begin(gan, data, classes, last_epoch, out)
    if directory is None:
        train(gan, data, epochs, callbacks, progress)
        return
    with closing(directory):
        try:
            train(gan, data, epochs, [directory.after_epoch, *callbacks], progress)
        except Interrupted:
            processes.lead(lambda: save_interrupted(directory, gan.epoch_ == last_epoch))
            raise
        with interruptible() as pressed:
            interrupted = processes.listen(pressed)
            processes.lead(directory.finish)
        if interrupted():
            raise Interrupted


def save_interrupted(directory: RunDirectory, complete: bool) -> None:
    """Write what a run that is stopped can write; complete: after its last epoch."""
    directory.save()
    if complete:
        directory.finish()
    else:
        directory.draw_epochs()


def begin(
    gan: GANLike,
    data: Images,
    classes: Sequence[int],
    last_epoch: int,
    out: str | os.PathLike[str] | None,
) -> RunDirectory | None:
    """Make the networks if there are none, and the directory; undo it after an error.

    The first process alone has a directory that writes.
    """
    before, processes = (gan.shape_, gan.classes_, gan.data_), gan.group.processes

    def start() -> None:
        if gan.shape_ is None:
            gan.start(data.shape, data.images.dtype == np.uint8, classes)
        gan.data_ = fingerprint(data, with_labels=bool(classes))

    def open_directory() -> RunDirectory | None:
        if out is None:
            return None
        kind = RunDirectory if processes.first else SilentDirectory
        return kind(out, gan, data, last_epoch)

    try:
        processes.together(start)
        if isinstance(processes, Processes):
            processes.first_here_first(lambda: rehearse(gan))
            processes.compare(lambda: what_must_agree(gan, last_epoch))
        return processes.together(open_directory)
    except BaseException:
        gan.shape_, gan.classes_, gan.data_ = before
        raise


class SilentDirectory(RunDirectory):
    """The directory of a run, on a process that writes nothing there."""

    def __init__(self, *_: object) -> None:
        pass

    def close(self) -> None:
        pass


def what_must_agree(gan: GANLike, last_epoch: int) -> dict[str, object]:
    """What processes that train together must have in common, by its name in an error."""
    return {
        "version of npgan": __version__,
        "version of NumPy": np.__version__,
        "set of kernels": kernels.active,
        "last epoch": last_epoch,
        "set of settings": gan.config,
        "data set": {name: value for name, value in gan.data_.items() if name != "source"},
        "state of the GAN": (gan.epoch_, gan.position_, checksum(gan)),
    }


def rehearse(gan: GANLike) -> None:
    """Compile what a step needs: a step of a small GAN with the same settings."""
    sizes = dict(latent=2, hidden=(2,), hidden_D=(2,), batch=2, d_steps=1, shards=1, lr=1e-9)
    small = type(gan)(**{**gan.config, **sizes})
    small.start((1, 2) if gan.pixels_ else (2,), gan.pixels_, gan.classes_)
    labels = np.resize(gan.classes_, 2) if gan.classes_ else None
    with suppress(FloatingPointError):
        small.step(np.zeros((2, 2), np.float32), labels)


def train(
    gan: GANLike, data: Images, epochs: int, callbacks: Callbacks, progress: bool | str | None
) -> None:
    """The training loop, with the schedules of a run that ends after these epochs."""
    group, processes = gan.group, gan.group.processes
    labels = data.labels if gan.classes_ else None

    def measure() -> None:
        gan.critic_ = measure_critic(gan, data)

    remarks = health.monitor(data, lambda: gan.stream(Stream.HEALTH))
    if progress is True and data.note:  # which scale and shape were taken
        progress = data.note
    callbacks = [*callbacks, *notebook.shown_samples(progress)]
    if isinstance(processes, Processes):
        words = processes.describe(kernels.thread_count())
        words += f"; {group.shards} shards of {gan.config['batch'] // group.shards}"
        progress = f"{progress}\n{words}" if isinstance(progress, str) else progress and words
        progress = progress if processes.first else False
    part = group.rows(gan.config["batch"], gan.config["d_steps"])
    gan.schedule_for(gan.epoch_ + epochs, len(data.images) // gan.images_per_step)
    try:
        training_loop(
            gan, data.images, epochs, callbacks, progress, labels, remarks, measure, group, part
        )
    finally:
        gan.schedule_for(None)


@contextmanager
def shared(gan: GANLike, comm: Any) -> Iterator[None]:
    """In this block the GAN is trained by all processes of an MPI communicator, or by this one."""
    if comm is None or comm.size == 1:
        yield
        return
    alone, threads = gan.group, kernels.threads
    processes = comm if isinstance(comm, Processes) else Processes(comm)
    with processes.aborting(Interrupted, FloatingPointError):
        try:
            with interruptible() as pressed:
                processes.listen(pressed)
                gan.group = processes.together(
                    lambda: SharedGroup(alone.shards, processes, checksum)
                )
                if threads is None:
                    kernels.set_threads(processes.fair_threads())
                yield
        finally:
            gan.group = alone
            if threads is None:
                kernels.set_threads(None)
    if processes is not comm:
        processes.close()
