"""A page that draws what a trained generator makes: one file, which needs no network."""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path
from typing import Any

import numpy as np

from .. import __version__
from ..files.atomic import write_text
from ..training.model import GAN
from .layers import Dense, LeakyReLU, layers_of

TEMPLATE = Path(__file__).with_name("page.html")
MARK = "/*GENERATOR*/null"
LARGEST = 60_000_000  # bytes of weights in float16, above which browsers are too slow


def html(gan: GAN, path: str | os.PathLike[str], name: str = "generator") -> None:
    """Write a page that computes the averaged generator in the browser.

    The page has a slider for each number of z, a grid of random images, a path between two of them
    and, for a conditional run, a button for each class. The weights are stored in float16; the page
    computes in float64.

    Parameters
    ----------
    gan : GAN
        Trained; it makes images of one or three colours, or points in a plane.
    path : path
        The file; an existing one is replaced.
    name : str
        The heading of the page.

    Raises
    ------
    ValueError
        If what the generator makes cannot be drawn, or a weight is too large for float16.
    """
    write_text(Path(path), page_of(generator_data(gan, name)))


def page_of(data: dict[str, Any]) -> str:
    """The text of the page of what `generator_data` returned."""
    text = json.dumps(data, separators=(",", ":")).replace("</", "<\\/")
    return TEMPLATE.read_text(encoding="utf-8").replace(MARK, text, 1)


def generator_data(gan: GAN, name: str) -> dict[str, Any]:
    """What the page needs, ready for JSON."""
    layers = layers_of(gan)
    shape = list(gan.shape_ or ())
    if gan.pixels_ and not (len(shape) == 2 or (len(shape) == 3 and shape[2] in (1, 3))):
        raise ValueError(f"images of shape {tuple(shape)} cannot be drawn on a page")
    if not gan.pixels_ and shape != [2]:
        raise ValueError(f"points of shape {tuple(shape)} cannot be drawn on a page; only (2,)")
    size = sum(2 * (x.W.size + x.b.size) for x in layers if isinstance(x, Dense))
    if size > LARGEST:
        raise ValueError(
            f"the weights take {size / 1e6:.0f} MB; a page holds at most {LARGEST / 1e6:.0f} MB"
        )
    return {
        "name": name,
        "version": __version__,
        "latent": int(gan.config["latent"]),
        "classes": [int(c) for c in gan.classes_],
        "shape": shape,
        "pixels": bool(gan.pixels_),
        "epoch": int(gan.epoch_),
        "layers": [layer_data(layer) for layer in layers],
    }


def layer_data(layer: Any) -> dict[str, Any]:
    """One layer, ready for JSON."""
    if isinstance(layer, Dense):
        inputs, outputs = layer.W.shape
        return {
            "inputs": inputs,
            "outputs": outputs,
            "W": half_precision(layer.W),
            "b": half_precision(layer.b),
        }
    return {"slope": layer.slope} if isinstance(layer, LeakyReLU) else {"tanh": True}


def half_precision(array: np.ndarray) -> str:
    """The numbers as little-endian float16, in base64."""
    with np.errstate(over="ignore"):
        half = array.astype("<f2")
    if not np.isfinite(half).all():
        raise ValueError("a weight is too large for the float16 numbers of a page (above 65,504)")
    return base64.b64encode(half.tobytes()).decode("ascii")
