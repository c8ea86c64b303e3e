"""`npgan evaluate`: scores of a run's samples, or of images in a file."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from .. import plot
from ..datasets import DataError
from ..datasets.numpy_files import read_npy
from ..metrics import report
from ..metrics.judge import SHIPPED, Judge, as_pixels
from ..metrics.scores import Neighbours, evaluate_pixels
from ..training import guidance
from ..training.conditional import describe_classes, labels_for
from ..training.model import GAN
from .output import CommandError, UsageError, print_message

SAMPLES, SEED = 10_000, 0  # of a run, where none are given
Scores = tuple[dict[str, Any], npt.NDArray[Any], Neighbours]


def evaluate(args: argparse.Namespace) -> dict[str, Any]:
    """Score the images, draw them next to their nearest training images, and return the scores."""
    target: Path = args.target
    if not target.exists():
        raise CommandError(
            f"{target} does not exist; expected a .npy file of images, or the directory of a run"
        )
    out = args.out or (target if target.is_dir() else target.parent) / "evaluation.png"
    if out.suffix.lower() != ".png" or not out.parent.is_dir():
        raise CommandError(f"--out must end in .png and be in a folder that exists; got {out}")
    if is_image_file(target):
        if args.n is not None or args.seed is not None:
            raise UsageError(f"-n and --seed draw samples of a run; all of {target} is scored")
        found, images, neighbours = score_file(target, args.judge, args.data)
    else:
        n, seed = args.n or SAMPLES, SEED if args.seed is None else args.seed
        found, images, neighbours = score_run(target, args.judge, args.data, n, seed)
    plot.save(report.picture(images, neighbours, report.picture_columns(found)), out)
    for note in found["notes"]:
        print_message(f"note: {note}")
    return {**(found if args.json else report.table(found)), "picture": str(out)}


def is_image_file(target: Path) -> bool:
    """Whether the target is a .npy file of images, and not a run."""
    return target.suffix == ".npy" and not target.is_dir()


def score_file(target: Path, judge: str | None, data: str | None) -> Scores:
    """(scores, the images, their neighbours) of the images in a .npy file."""
    chosen = Judge.load(judge or "mnist")
    images = as_pixels(read_npy(target), chosen.shape, target.name)
    found, neighbours = evaluate_pixels(images, chosen, source_of_splits(data or ""), None)
    return found, scored_images(images, found, chosen), neighbours


def score_run(target: Path, judge: str | None, data: str | None, n: int, seed: int) -> Scores:
    """`score_file` of a run's samples; those of a conditional run are of every class in turn.

    Without `judge`, the judge is the one in the package that was trained on the run's images, else
    the one for MNIST. The scores of a conditional run include the share that the judge
    classifies as the requested class, and those of samples that D has not improved.
    """
    gan = GAN.load(target)
    if not gan.pixels_:
        raise DataError(f"{target} draws points; a judge scores only images")
    trained_on = gan.data_.get("crc32")
    chosen = Judge.load(judge) if judge else judge_trained_on(trained_on)
    notes, source = [], source_of_splits(data or gan.data_.get("source", ""))
    if trained_on != chosen.crc32["train"]:
        notes.append(
            f"{target} was trained on {gan.data_.get('name')}, but this judge knows {chosen.name}, "
            f"and tells how much the samples resemble that; --judge FILE.npz takes another judge"
        )
        source = source_of_splits(data or "")
    labels = labels_for(n, None, gan.classes_)
    unknown = sorted(set(gan.classes_) - set(range(chosen.classes)))
    if unknown:
        notes.append(
            f"{target} draws the labels {describe_classes(gan.classes_)}, and this judge knows no "
            f"{unknown[0]}: nothing is said of whether samples are what was asked for"
        )
    asked = None if unknown else labels
    images = as_pixels(gan.sample(n, seed, labels), chosen.shape, str(target))
    found, neighbours = evaluate_pixels(images, chosen, source, asked)
    if guidance.chosen(gan) != guidance.NONE:
        alone = as_pixels(gan.sample(n, seed, labels, 0, 1), chosen.shape, str(target))
        found["generator_alone"] = own_scores(evaluate_pixels(alone, chosen, source, asked)[0])
    elif guidance.default(gan) != guidance.NONE:
        notes.append(f"the samples are G's alone, without the help of D: {guidance.why_not(gan)}")
    found["notes"] = notes + found["notes"]
    return found, scored_images(images, found, chosen), neighbours


def own_scores(scores: dict[str, Any]) -> dict[str, Any]:
    """The scores of the samples, without what is the same for all samples."""
    shared = ("n", "real", "noise", "judge", "notes")
    own = {name: value for name, value in scores.items() if name not in shared}
    if "convolutional" in own:
        own["convolutional"] = own_scores(own["convolutional"])
    return own


def scored_images(
    images: npt.NDArray[Any], found: dict[str, Any], judge: Judge
) -> npt.NDArray[np.uint8]:
    """The images that were scored, with height and width."""
    return images[: found["n"]].reshape(-1, *judge.shape)


def judge_trained_on(crc32: int | None) -> Judge:
    """The dense judge in the package for training images with this checksum, else for MNIST."""
    judges = [judge for judge in map(Judge.load, SHIPPED) if not judge.convolutional]
    return next((judge for judge in judges if judge.crc32["train"] == crc32), judges[0])


def source_of_splits(source: str) -> str | None:
    """Where both the training and the test images are: the folder, if the source is an IDX file."""
    path = Path(source)
    if source and path.is_file() and path.suffix not in (".npz", ".npy"):
        return str(path.parent)
    return source or None
