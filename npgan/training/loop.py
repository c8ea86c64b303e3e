"""The loop: epochs, history, progress, Ctrl-C, and a stop at the first number that is not finite.

It knows nothing of GANs: what it trains is anything with `step(batch) -> {name: float}` and the
counters below. It never draws a random number of its own, so a run that was interrupted anywhere
and taken up again meets the same batches in the same order.
"""

from __future__ import annotations

import math
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple, Protocol

import numpy as np

from ..datasets import batches


class Trainable(Protocol):
    """What the loop asks of a model."""

    batch: int
    epoch_: int  # epochs completed
    position_: int  # batches done of the epoch that has begun
    sums_: dict[str, float]  # of the values of those batches
    history_: dict[str, list[float]]

    def step(self, real: np.ndarray, labels: np.ndarray | None = None) -> dict[str, float]: ...
    def order(self, epoch: int) -> np.random.Generator: ...


class State(NamedTuple):
    """What a callback gets, after every epoch."""

    model: Any
    epoch: int  # epochs completed, from 1
    epochs: int  # where this run will end
    row: dict[str, float]  # this epoch's means: what history_ has just gained
    seconds: float  # since the loop began
    images_per_second: float  # of this epoch


Callback = Callable[[State], Any]


class Interrupted(KeyboardInterrupt):
    """Ctrl-C, noted and then obeyed between two steps: the model is whole, and can be saved."""


def run(
    model: Trainable,
    images: np.ndarray,
    epochs: int,
    callbacks: Sequence[Callback] = (),
    progress: bool | str | None = None,
    labels: np.ndarray | None = None,
    remarks: Callable[[State], Sequence[str]] | None = None,
) -> None:
    """Train for so many more epochs (one that was interrupted is finished first, and counts).

    After each epoch its means join model.history_ and every callback gets a State; one that returns
    True ends the run. progress: True shows it on stderr, a text does so under that text, False is
    silent, None means True just where stderr is a terminal. labels: given to each step with the images that
    they belong to. remarks: asked after each epoch that is shown, for lines to show below it. Raises
    FloatingPointError at a step whose numbers are not finite, Interrupted after a step that was completed,
    and KeyboardInterrupt at once at the second Ctrl-C.
    """
    first, last, steps = model.epoch_, model.epoch_ + epochs, len(images) // model.batch
    began, done, total = time.perf_counter(), 0, epochs * steps - model.position_
    with interruptible() as interrupted, Display(progress, total, last) as display:
        for epoch in range(first, last):
            epoch_began, epoch_done = time.perf_counter(), 0
            for real in batches(images, model.batch, model.order(epoch), model.position_, labels):
                try:
                    values = model.step(real) if labels is None else model.step(*real)
                except FloatingPointError as error:
                    step = epoch * steps + model.position_ + 1
                    raise FloatingPointError(f"step {step} (epoch {epoch + 1}): {error}") from None
                model.position_ += 1
                for name, value in values.items():
                    model.sums_[name] = model.sums_.get(name, 0.0) + value
                done, epoch_done = done + 1, epoch_done + 1
                display.step(epoch + 1, model.sums_, model.position_)
                if interrupted():
                    raise Interrupted
            row = {name: value / model.position_ for name, value in model.sums_.items()}
            model.epoch_, model.position_, model.sums_ = epoch + 1, 0, {}
            row = {"epoch": model.epoch_, **row}
            for name, value in row.items():
                model.history_.setdefault(name, []).append(value)
            now = time.perf_counter()
            rate = epoch_done * model.batch / (now - epoch_began)
            display.epoch(row, rate, (now - began) / done * (total - done) if done else 0.0)
            state = State(model, epoch + 1, last, row, now - began, rate)
            if remarks is not None and display.lines:
                display.write(*(f"health: {line}" for line in remarks(state)))
            wishes = [callback(state) for callback in callbacks]
            if any(isinstance(wish, (bool, np.bool_)) and wish for wish in wishes) or interrupted():
                break
        if interrupted():
            raise Interrupted


@contextmanager
def interruptible() -> Iterator[Callable[[], bool]]:
    """While it is open, the first Ctrl-C is only noted: the function it yields tells. A second one acts."""
    asked = threading.Event()

    def note(_signal: int, _frame: Any) -> None:
        if asked.is_set():
            raise KeyboardInterrupt
        asked.set()

    # Python delivers signals to the main thread alone; a command that a script starts with & ignores Ctrl-C.
    elsewhere = threading.current_thread() is not threading.main_thread()
    if elsewhere or signal.getsignal(signal.SIGINT) in (signal.SIG_IGN, None):
        yield asked.is_set
        return
    before = signal.signal(signal.SIGINT, note)
    try:
        yield asked.is_set
    finally:
        signal.signal(signal.SIGINT, before)


class Display:
    """Progress on stderr: a bar on a terminal, else one plain line per epoch."""

    def __init__(self, wanted: bool | str | None, total: int, epochs: int):
        terminal = sys.stderr is not None and sys.stderr.isatty()
        self.lines = terminal if wanted is None else bool(wanted) and sys.stderr is not None
        self.epochs, self.bar = epochs, None
        if self.lines and isinstance(wanted, str):
            print(wanted, file=sys.stderr, flush=True)
        if self.lines and terminal:
            from tqdm import tqdm

            self.bar = tqdm(
                total=total, unit="step", leave=False, dynamic_ncols=True, file=sys.stderr
            )

    def __enter__(self) -> Display:
        return self

    def __exit__(self, *_error: Any) -> None:
        if self.bar is not None:
            self.bar.close()

    def step(self, epoch: int, sums: dict[str, float], count: int) -> None:
        if self.bar is not None:
            self.bar.update()
            if count % 20 == 0:
                means = {name: f"{total / count:.3f}" for name, total in sums.items()}
                self.bar.set_postfix(epoch=f"{epoch}/{self.epochs}", **means, refresh=False)

    def epoch(self, row: dict[str, float], rate: float, left: float) -> None:
        if not self.lines:
            return
        width = int(math.log10(max(self.epochs, 1))) + 1
        values = "  ".join(f"{LABELS.get(n, n)} {v:.3f}" for n, v in row.items() if n != "epoch")
        minutes, seconds = divmod(round(left), 60)
        line = f"epoch {int(row['epoch']):{width}d}/{self.epochs}  {values}  {rate:,.0f} images/s"
        line += f"  {minutes}:{seconds:02d} left" if left else ""
        self.write(line)

    def write(self, *lines: str) -> None:
        for line in lines:
            if self.bar is not None:
                self.bar.write(line, file=sys.stderr)
            else:
                print(line, file=sys.stderr, flush=True)


LABELS = {"loss_D": "loss D", "loss_G": "loss G", "D_real": "D(real)", "D_fake": "D(fake)"}
