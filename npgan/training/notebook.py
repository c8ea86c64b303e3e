"""What a notebook shows of a GAN: its settings, its last row, and samples, also while it trains."""

from __future__ import annotations

import base64
import importlib
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from html import escape
from typing import Any

from .loop import State
from .pictures import with_height
from .progress import in_notebook
from .protocol import GANLike

PAUSE = 2.0  # seconds, at least, between two pictures of a fit
SHARE = 20  # and at least so many times the seconds that a picture took


def as_html(gan: GANLike) -> str:
    """The settings, and of a trained GAN the means of its last epoch and a few samples."""
    parts = [f"<b>GAN</b>, {gan.epoch_} epochs done", as_row(gan.config)]
    if gan.history_:
        last = {name: f"{values[-1]:.4g}" for name, values in gan.history_.items()}
        parts.append(as_row(last))
    if gan.shape_ is not None:
        parts.append(samples(gan))
    return "<div>" + "".join(parts) + "</div>"


def as_row(values: Mapping[str, object]) -> str:
    """A table of one row, with the names above."""
    names = "".join(f"<th>{escape(name)}</th>" for name in values)
    cells = "".join(f"<td>{escape(str(value))}</td>" for value in values.values())
    return f"<table><tr>{names}</tr><tr>{cells}</tr></table>"


def samples(gan: GANLike) -> str:
    """The picture of samples, for HTML; nothing if there is none."""
    data = picture(gan)
    if data is None:
        return ""
    return f'<img alt="samples" src="data:image/png;base64,{base64.b64encode(data).decode()}">'


def picture(gan: GANLike, title: str | None = None) -> bytes | None:
    """A PNG of 16 images of G alone, or of 500 points; the same of the same weights."""
    from .. import plot
    from ..plot.figures import png

    if gan.pixels_:
        return png(plot.grid(with_height(gan.sample(16, 0, refine=0, keep=1)), 8, title, scale=2))
    if gan.shape_ == (2,):
        return png(plot.points(gan.sample(500, 0, refine=0, keep=1), title=title))
    return None


def shown_samples(progress: bool | str | None) -> list[Callable[[State[Any]], None]]:
    """In a notebook, if progress is shown, a callback that shows samples; else none.

    There is one picture, which changes after an epoch: at most every PAUSE seconds, and after the
    last epoch. A failure to draw does not end the training.
    """
    if not in_notebook() or not (progress is None or progress):
        return []
    handle: Any = None
    due = 0.0

    def show(state: State[GANLike]) -> None:
        nonlocal handle, due
        began = time.monotonic()
        if began < due and state.epoch < state.epochs:
            return
        with suppress(Exception):  # of IPython, of matplotlib, of the memory
            data = picture(state.model, f"epoch {state.epoch}")
            ipython: Any = importlib.import_module("IPython.display")
            if data is not None and handle is None:
                handle = ipython.display(ipython.Image(data=data), display_id=True)
            elif data is not None:
                handle.update(ipython.Image(data=data))
        now = time.monotonic()
        due = now + max(PAUSE, SHARE * (now - began))

    return [show]
