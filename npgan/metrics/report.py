"""Scores for people: a table with the scores of both judges, and a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from .. import plot
from .scores import CONFIDENT, COVERED, Neighbours

NUMBER, SHARE = "{:.4g}", "{:.1%}"
ROWS = (  # key of the score, its name in the table, format of its number
    ("agreement", "seen as the class that was asked for", SHARE),  # only of a conditional run
    ("kernel_distance", "kernel distance", NUMBER),
    ("kernel_distance_error", "its standard error", NUMBER),
    ("confident", f"classified with over {CONFIDENT} confidence", SHARE),
    ("covered", f"classes covered ({COVERED:.0%} of the images or more)", "{}"),
    ("smallest_share", "smallest share of a class", SHARE),
    ("kl", "KL divergence from the real shares, nats", "{:.4f}"),
    ("precision", "precision (generated that look real)", "{:.3f}"),
    ("recall", "recall (real that could be generated)", "{:.3f}"),
    ("nearest", "nearest training image, median distance", "{:.2f}"),
    ("too_near", "nearer than 99 in 100 unseen real images", SHARE),
)
SECOND_ROWS = (  # of the convolutional judge
    ("agreement", "convolutional judge: agreement", SHARE),
    ("kernel_distance", "convolutional judge: kernel distance", NUMBER),
    ("kernel_distance_error", "convolutional judge: standard error", NUMBER),
    ("confident", f"convolutional judge: over {CONFIDENT} confidence", SHARE),
    ("smallest_share", "convolutional judge: smallest share", SHARE),
    ("precision", "convolutional judge: precision", "{:.3f}"),
    ("recall", "convolutional judge: recall", "{:.3f}"),
)


def table(scores: Mapping[str, Any]) -> dict[str, str]:
    """The rows of the table by their names; the columns are those of `columns_of`."""
    columns = columns_of(scores)
    lines = {"": " ".join(f"{name:>9}" for name in columns), **rows_of(scores, ROWS)}
    histograms = (column["histogram"] for column in columns.values())
    for label, shares in enumerate(zip(*histograms, strict=True)):
        lines[f"class {label}"] = " ".join(f"{SHARE.format(share):>9}" for share in shares)
    lines["judge"] = accuracy_of(scores)
    if second := scores.get("convolutional"):
        if "generator_alone" in scores:
            second = {**second, "generator_alone": scores["generator_alone"]["convolutional"]}
        lines |= {**rows_of(second, SECOND_ROWS), "convolutional judge": accuracy_of(second)}
    return lines


def columns_of(scores: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """The scores of the samples, of those without D's help if there are any, of real and noise."""
    alone = {"G alone": scores["generator_alone"]} if "generator_alone" in scores else {}
    return {"samples": scores, **alone, "real": scores["real"], "noise": scores["noise"]}


def rows_of(scores: Mapping[str, Any], rows: Sequence[tuple[str, str, str]]) -> dict[str, str]:
    """The Fréchet distance and these rows, as far as the scores have them."""
    lines = {}
    first = ("frechet_distance", f"Fréchet distance ({scores['judge']['title']})", NUMBER)
    for name, text, form in (first, *rows):
        if name in scores:
            values = (column.get(name) for column in columns_of(scores).values())
            cells = ["-" if value is None else form.format(value) for value in values]
            lines[text] = " ".join(f"{cell:>9}" for cell in cells)
    return lines


def accuracy_of(scores: Mapping[str, Any]) -> str:
    """How good the judge of these scores is."""
    judge = scores["judge"]
    return f"{judge['accuracy']:.2%} right about {judge['knows']}"


def picture_columns(scores: Mapping[str, Any]) -> int:
    """8, or one per class if the classes were asked for in turn and are at most 12."""
    classes = len(scores["histogram"])
    return classes if "agreement" in scores and classes <= 12 else 8


def picture(
    images: NDArray[np.uint8],
    neighbours: Neighbours,
    columns: int = 8,
    rows: int = 5,
    nearest_rows: int = 2,
) -> Figure:
    """Samples (n, h, w), each with its nearest training image: the first ones, then the nearest.

    The nearest are chosen relative to their class, because two images of a 1 are always similar.
    """
    first, few = columns * rows, columns * nearest_rows
    order = np.concatenate(
        [np.arange(len(images))[:first], np.argsort(neighbours.nearness, kind="stable")[:few]]
    )
    title = (
        f"samples and their nearest training images: the first {first}, "
        f"then the {few} nearest of all"
    )
    others = neighbours.images.reshape(-1, *images.shape[1:])
    return plot.pairs(images[order], others[order], columns, gap=rows, title=title)
