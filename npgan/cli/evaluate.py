"""What `npgan evaluate` does: from a run or a file to scores."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ..datasets import DataError
from ..datasets.readers import read_npy
from ..metrics.judge import SHIPPED, Judge, as_pixels
from ..metrics.scores import Neighbours, evaluate_pixels
from ..training.conditional import labels_for, shortly
from ..training.model import GAN


def score(
    target: Path, judge: str | None, data: str | None, n: int, seed: int
) -> tuple[dict[str, Any], np.ndarray, Neighbours]:
    """(scores, the images, their neighbours) of a run's samples, or of the images in a .npy file.

    The samples of a conditional run are of every class in turn, and scored for being of that class.
    Without `judge` it is the shipped one that knows the run's training images, else the one for MNIST.
    """
    notes, labels = [], None
    if target.suffix == ".npy" and not target.is_dir():
        chosen, source = Judge.load(judge or "mnist"), home(data or "")
        images = as_pixels(read_npy(target), chosen.shape, target.name)
    else:
        gan = GAN.load(target)
        if not gan.pixels_:
            raise DataError(f"{target} makes points; a judge looks at images")
        chosen = Judge.load(judge) if judge else knowing(gan.data_.get("crc32"))
        source = home(data or gan.data_.get("source", ""))
        if gan.data_.get("crc32") != chosen.crc32["train"]:
            notes.append(
                f"{target} was trained on {gan.data_.get('name')}, but this judge knows {chosen.name}, "
                f"and tells how much the samples resemble that; --judge FILE.npz takes another judge"
            )
            source = home(data or "")
        labels = labels_for(n, None, gan.classes_)
        if unknown := sorted(set(gan.classes_) - set(range(chosen.classes))):
            notes.append(
                f"{target} draws the labels {shortly(gan.classes_)}, and this judge knows no {unknown[0]}: "
                "nothing is said of whether samples are what was asked for"
            )
        images = as_pixels(gan.sample(n, seed, labels), chosen.shape, str(target))
        labels = None if unknown else labels
    found, neighbours = evaluate_pixels(images, chosen, source, labels)
    found["notes"] = notes + found["notes"]
    return found, images[: found["n"]].reshape(-1, *chosen.shape), neighbours


def knowing(crc32: int | None) -> Judge:
    """The shipped judge that was trained on these images, else the one for MNIST."""
    judges = [Judge.load(name) for name in SHIPPED]
    return next((judge for judge in judges if judge.crc32["train"] == crc32), judges[0])


def home(source: str) -> str | None:
    """Where both splits are, if the training images are an IDX file: in its folder."""
    path = Path(source)
    return (
        str(path.parent)
        if source and path.is_file() and path.suffix not in (".npz", ".npy")
        else source or None
    )
