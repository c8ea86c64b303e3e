"""What a notebook shows of a GAN: its settings, the last row of its history, and samples."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from html import escape

from .pictures import with_height
from .protocol import GANLike


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
    """A picture of 16 images, or of 500 points of the plane; the same of the same weights."""
    from .. import plot
    from ..plot.figures import png

    if gan.pixels_:
        figure = plot.grid(with_height(gan.sample(16, 0)), columns=8, scale=2)
    elif gan.shape_ == (2,):
        figure = plot.points(gan.sample(500, 0))
    else:
        return ""
    data = base64.b64encode(png(figure)).decode()
    return f'<img alt="samples" src="data:image/png;base64,{data}">'
