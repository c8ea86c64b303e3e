"""The training loop: epochs, history, callbacks, Ctrl-C. It adds the step to a "not finite".

The loop depends on nothing of a GAN but `Trainable`. It draws no random numbers itself, so a run
that is interrupted anywhere and continued sees the same batches in the same order.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from ..datasets import batches
from ..parallel.group import Group
from .progress import Progress
from .signals import interruptible as interruptible


class Trainable(Protocol):
    """What the loop needs of a model."""

    images_per_step: int
    epoch_: int  # epochs completed
    position_: int  # steps done of the epoch that has begun
    sums_: dict[str, float]  # of the values of those steps
    history_: dict[str, list[float]]

    def step(
        self, real: npt.NDArray[Any], labels: npt.NDArray[Any] | None = None
    ) -> dict[str, float]: ...

    def shuffle_rng(self, epoch: int) -> np.random.Generator: ...


Model = TypeVar("Model", covariant=True)
TrainableModel = TypeVar("TrainableModel", bound=Trainable)


@dataclass(frozen=True)
class State(Generic[Model]):
    """What a callback of `GAN.fit` receives after every epoch.

    Attributes
    ----------
    model : GAN
        The model as it is after this epoch.
    epoch : int
        Epochs completed, 1 after the first.
    epochs : int
        The number of the last epoch of this fit.
    row : dict of str to float
        The means of this epoch; `model.history_` holds them already.
    seconds : float
        Seconds since the loop began.
    images_per_second : float
        Real images per second in this epoch.

    Examples
    --------
    A callback that returns True ends the run:

    >>> def stop_early(state):
    ...     return state.row["loss_D"] < 0.05
    >>> gan.fit(images, callbacks=[stop_early])  # doctest: +SKIP
    """

    model: Model
    epoch: int
    epochs: int
    row: dict[str, float]
    seconds: float
    images_per_second: float


class Interrupted(KeyboardInterrupt):
    """Ctrl-C, raised after the step is complete: the model is consistent and can be saved."""


def training_loop(
    model: TrainableModel,
    images: npt.NDArray[Any],
    epochs: int,
    callbacks: Sequence[Callable[[State[TrainableModel]], object]] = (),
    progress: bool | str | None = None,
    labels: npt.NDArray[Any] | None = None,
    remarks: Callable[[State[TrainableModel]], Sequence[str]] | None = None,
    measure: Callable[[], object] | None = None,
    group: Group | None = None,
    part: slice | Sequence[int] = slice(None),
) -> None:
    """Train for so many more epochs; one that was interrupted is finished first, and counts.

    Parameters
    ----------
    model : Trainable
        Its `step` is called for every batch; `history_` gains a row after each epoch.
    images : array (n, pixels)
        The training images.
    epochs : int
        How many epochs.
    callbacks : sequence of functions
        Each receives a `State` after every epoch. One that returns True ends the run, after the
        others have been called.
    progress : bool, str or None
        See `npgan.training.progress.Progress`.
    labels : array (n,) or None
        Given to each step, together with the images that they belong to.
    remarks : function or None
        Called after each epoch if progress is shown; returns lines to print below the epoch's line.
    measure : function or None
        Called at the end of each epoch, in every process, before all that is reported of it.
    group : Group or None
        The processes that train the model together. The first one alone shows progress and calls
        `callbacks` and `remarks`. None: this process alone.
    part : slice or sequence of int
        See `npgan.datasets.batches`: the rows of each batch that this process computes.

    Raises
    ------
    FloatingPointError
        At a step whose numbers are not finite.
    Interrupted
        After the step during which Ctrl-C was pressed.
    KeyboardInterrupt
        At once, at the second Ctrl-C.
    """
    group = group or Group()
    last, steps = model.epoch_ + epochs, len(images) // model.images_per_step
    started, steps_done = time.perf_counter(), 0
    steps_planned = epochs * steps - model.position_
    with interruptible() as pressed, Progress(progress, steps_planned, last) as display:
        interrupted = group.processes.listen(pressed)
        for epoch in range(model.epoch_, last):
            epoch_started, position = time.perf_counter(), model.position_
            rng = model.shuffle_rng(epoch)
            with group.epoch(model):
                for batch in batches(images, model.images_per_step, rng, position, labels, part):
                    counted_step(model, batch if labels is not None else (batch,), steps)
                    steps_done += 1
                    display.step(epoch + 1, model.sums_, model.position_)
                    if interrupted():
                        raise Interrupted
            images_seen = (model.position_ - position) * model.images_per_step
            row = close_epoch(model)
            if measure is not None:
                measure()
            now = time.perf_counter()
            rate = images_seen / (now - epoch_started)
            seconds_per_step = (now - started) / steps_done if steps_done else 0.0
            seconds_left = seconds_per_step * (steps_planned - steps_done)
            state = State(model, epoch + 1, last, row, now - started, rate)

            def report(state: State[TrainableModel] = state, left: float = seconds_left) -> bool:
                display.epoch(state.row, state.images_per_second, left)
                if remarks is not None and display.enabled:
                    display.write(*(f"health: {line}" for line in remarks(state)))
                answers = [callback(state) for callback in callbacks]
                return any(isinstance(one, (bool, np.bool_)) and one for one in answers)

            if group.processes.lead(report) or interrupted():
                break
        if interrupted():
            raise Interrupted


def counted_step(model: Trainable, batch: tuple[npt.NDArray[Any], ...], steps: int) -> None:
    """One step, added to position_ and sums_. An error names the step; steps: of one epoch."""
    try:
        values = model.step(*batch)
    except FloatingPointError as error:
        number = model.epoch_ * steps + model.position_ + 1
        raise FloatingPointError(f"step {number} (epoch {model.epoch_ + 1}): {error}") from None
    model.position_ += 1
    for name, value in values.items():
        model.sums_[name] = model.sums_.get(name, 0.0) + value


def close_epoch(model: Trainable) -> dict[str, float]:
    """Turn the sums of the epoch into a row of means, append it to history_, and return it."""
    row = {name: value / model.position_ for name, value in model.sums_.items()}
    model.epoch_, model.position_, model.sums_ = model.epoch_ + 1, 0, {}
    row = {"epoch": model.epoch_, **row}
    for name, value in row.items():
        model.history_.setdefault(name, []).append(value)
    return row
