"""Scores as a person reads them: a table of three columns, and a picture."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from .. import plot
from .scores import CONFIDENT, COVERED, Neighbours

NUMBER, SHARE = "{:.4g}", "{:.1%}"
ROWS = (  # the score, what the table calls it, how its number is written
    ("agreement", "seen as the class that was asked for", SHARE),  # of a conditional run alone
    ("confident", f"classified with over {CONFIDENT} confidence", SHARE),
    ("covered", f"classes covered ({COVERED:.0%} of the images or more)", "{}"),
    ("smallest_share", "smallest share of a class", SHARE),
    ("kl", "KL divergence from the real shares, nats", "{:.4f}"),
    ("precision", "precision (generated that look real)", "{:.3f}"),
    ("recall", "recall (real that could be generated)", "{:.3f}"),
    ("nearest", "nearest training image, median distance", "{:.2f}"),
    ("too_near", "nearer than 99 in 100 unseen real images", SHARE),
)


def table(found: dict[str, Any]) -> dict[str, str]:
    """The lines of the table by their names: samples, real images, noise."""
    judge = found["judge"]
    columns = (found, found["real"], found["noise"])
    lines = {"": f"{'samples':>9} {'real':>9} {'noise':>9}"}
    rows = (("frechet_distance", f"Fréchet distance ({judge['title']})", NUMBER), *ROWS)
    for name, text, form in rows:
        if name in found:
            lines[text] = " ".join(f"{form.format(column[name]):>9}" for column in columns)
    for label, shares in enumerate(zip(*(column["histogram"] for column in columns), strict=True)):
        lines[f"class {label}"] = " ".join(f"{SHARE.format(share):>9}" for share in shares)
    lines["judge"] = f"{judge['accuracy']:.2%} right about {judge['knows']}"
    return lines


def columns_of(found: dict[str, Any]) -> int:
    """For each class one where every class was asked for in turn, if they are few; else 8."""
    classes = len(found["histogram"])
    return classes if "agreement" in found and classes <= 12 else 8


def picture(
    images: np.ndarray, found: Neighbours, columns: int = 8, rows: int = 5, closest: int = 2
) -> Figure:
    """Samples (n, h, w), each beside its nearest training image: the first ones, and the nearest of all.

    Nearest as their class goes: two images of a 1 are always alike.
    """
    many, few = columns * rows, columns * closest
    order = np.concatenate(
        [np.arange(len(images))[:many], np.argsort(found.nearness, kind="stable")[:few]]
    )
    title = f"samples and their nearest training images: the first {many}, then the {few} nearest of all"
    others = found.images.reshape(-1, *images.shape[1:])
    return plot.pairs(images[order], others[order], columns, gap=rows, title=title)
