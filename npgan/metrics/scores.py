"""The scores of generated images, always beside those of real images and of noise."""

from __future__ import annotations

import os
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from ..datasets import DataError, Images, load
from ..datasets.fingerprints import image_crc32
from .distances import frechet_distance, nearest, overlap, radii
from .judge import Judge, View, as_pixels

SAMPLES = 10_000  # as many as MNIST has test images: the number at which scores are compared
FEWEST = 100
CONFIDENT = 0.9
COVERED = 0.01  # the least share of the samples that makes a class count as covered
K = 3  # neighbours in precision and recall, as in the paper


def histogram(labels: np.ndarray, classes: int) -> np.ndarray:
    """(classes,): the share of each class among labels (n,)."""
    return np.bincount(labels, minlength=classes) / len(labels)


def kl_divergence(q: np.ndarray, p: np.ndarray) -> float:
    """Σ q log(q / p) in nats, of two histograms: 0 where they agree, infinite where some q > 0 = p.

    Kullback & Leibler 1951, section 2
    """
    q, p = np.asarray(q, np.float64), np.asarray(p, np.float64)
    there = q > 0
    with np.errstate(divide="ignore"):
        return float(np.sum(q[there] * np.log(q[there] / p[there])))


def agreement(images: Any, labels: Any, judge: Judge | None = None) -> float:
    """The share of images (n, h, w) in which the judge sees the class that was asked for.    labels (n,)"""
    seen = (judge or standard_judge()).view(images).labels
    return float(np.mean(seen == one_for_each(labels, len(seen))))


def one_for_each(labels: Any, n: int) -> np.ndarray:
    asked = np.asarray(labels)
    if asked.shape != (n,):
        raise ValueError(f"agreement needs a label for each of {n} images, got {asked.shape}")
    return asked


# ---- what samples are held against ----


class Reference(NamedTuple):
    """The real images, and what the judge sees in those of the test split."""

    train: np.ndarray  # (n, pixels) uint8
    test: np.ndarray
    view: View  # of test
    radii: np.ndarray  # of its features, for precision and recall
    histogram: np.ndarray  # of the test images' labels


@lru_cache(maxsize=1)
def standard_judge() -> Judge:
    return Judge.load()


@lru_cache(maxsize=1)
def reference(judge: Judge, source: str) -> Reference:
    """Both splits of the data that the judge was trained on, from where npgan.datasets.load finds them.

    Raises DataError where it finds other images: scores against these would mean nothing.
    """
    train, test = (load(source, split) for split in ("train", "test"))
    if {"train": image_crc32(train), "test": image_crc32(test)} != judge.crc32:
        raise DataError(
            f"{source} is not the {judge.name} that {judge.title} knows; --data says where that is"
        )
    return refer(judge, train, test)


def refer(judge: Judge, train: Images, test: Images) -> Reference:
    assert test.labels is not None  # no judge is trained without
    view = judge.view(test.images[:SAMPLES])
    shares = histogram(test.labels[:SAMPLES], judge.classes)
    return Reference(train.images, test.images[:SAMPLES], view, radii(view.features, K), shares)


def real_and_noise(real: Reference, n: int) -> tuple[np.ndarray, np.ndarray]:
    """n training images, and n of uniform noise: the best and the worst that n samples could be."""
    rng = np.random.default_rng(0)
    chosen = rng.choice(len(real.train), min(n, len(real.train)), replace=False)
    return real.train[chosen], rng.integers(0, 256, (n, real.train.shape[1]), dtype=np.uint8)


def bounds(judge: Judge, real: Reference) -> dict[str, Any]:
    """What a judge's file keeps: the scores of SAMPLES real images and of noise, and what "too near" means.

    near: for each class the distance to the nearest training image that one in a hundred unseen images
    falls below. Unseen are the test images, and their nearness is the one of "real".
    """
    unseen = nearest(real.test, real.train)[1]
    of_class = [unseen[real.view.labels == label] for label in range(judge.classes)]
    near = np.array([np.percentile(x, 1) if len(x) else 0.0 for x in of_class])
    floor, noise = real_and_noise(real, SAMPLES)
    best, worst, far = judge.view(floor), judge.view(noise), nearest(noise, real.train)[1]
    return {
        "real": {**score(judge, real, best), **nearness(unseen, near[real.view.labels])},
        "noise": {**score(judge, real, worst), **nearness(far, near[worst.labels])},
        "near": near.tolist(),
    }


# ---- the scores ----


def score(judge: Judge, real: Reference, view: View) -> dict[str, Any]:
    """Every score but nearness."""
    shares = histogram(view.labels, judge.classes)
    features = view.features
    precision, recall = overlap(real.view.features, real.radii, features, radii(features, K))
    return {
        "frechet_distance": frechet_distance(features, real.view.features),
        "confident": float(np.mean(view.confidence > CONFIDENT)),
        "covered": int(np.sum(shares >= COVERED)),
        "smallest_share": float(shares.min()),
        "kl": kl_divergence(shares, real.histogram),
        "precision": precision,
        "recall": recall,
        "histogram": shares.tolist(),
    }


def nearness(distances: np.ndarray, near: np.ndarray) -> dict[str, float]:
    """Of distances to the nearest training image: the median, and the share that is below what is near."""
    return {"nearest": float(np.median(distances)), "too_near": float(np.mean(distances < near))}


def evaluate(
    images: Any,
    judge: Judge | None = None,
    data: str | os.PathLike[str] | None = None,
    labels: Any = None,
) -> dict[str, Any]:
    """The scores of generated images, with those of real images and of noise under "real" and "noise".

    images: as `as_pixels` takes them, FEWEST to SAMPLES of them (what goes beyond is left out). judge: the
    shipped one for MNIST unless given; data: where the images are that it was trained on, "mnist" for that.
    The scores::

      frechet_distance       in this judge's features, against the test images; see frechet_distance()
      confident              share of the images that the judge gives a class more than 0.9
      histogram, covered,    share of each class, how many have 0.01 or more, the smallest share,
      smallest_share, kl     and the divergence from the test images' labels, in nats
      precision, recall      see precision_recall(); k = 3
      nearest, too_near      median distance to the nearest training image in pixels of 0 to 1, and the
                             share that is nearer than 99 in 100 unseen real images of its class are
      agreement              with labels (n,), the classes that were asked for: the share of the images
                             in which the judge sees them

    Raises DataError for images or data that do not fit.
    """
    judge = judge or standard_judge()
    pixels = as_pixels(images, judge.shape)
    return examine(pixels, judge, data, labels)[0]


class Neighbours(NamedTuple):
    """Each scored image's nearest training image, and how far it is: 1 is `near` for the class."""

    images: np.ndarray
    nearness: np.ndarray


def examine(
    pixels: np.ndarray, judge: Judge, data: str | os.PathLike[str] | None, labels: Any = None
) -> tuple[dict[str, Any], Neighbours]:
    """evaluate(), and the neighbours that it found."""
    if data is None and judge.name != "mnist":
        raise DataError(
            f"{judge.title} knows {judge.name}; say with data (--data) where these images are"
        )
    real, notes, n = reference(judge, os.fspath(data or "mnist")), [], len(pixels)
    asked = None if labels is None else one_for_each(labels, n)[:SAMPLES]
    if n < FEWEST:
        raise DataError(
            f"{n} images are too few to score; {FEWEST} are the least, {SAMPLES:,} the standard"
        )
    if n > SAMPLES:
        pixels = pixels[:SAMPLES]
        notes.append(f"of {n:,} images the first {SAMPLES:,} were scored")
    sides = {name: judge.bounds[name] for name in ("real", "noise")}
    if n < SAMPLES:
        notes.append(
            f"{n:,} images instead of {SAMPLES:,}: the Fréchet distance comes out too high, precision "
            f"and recall differ; compare with the real images alone, {n:,} here, too"
        )
        sides["real"] = {
            **sides["real"],
            **score(judge, real, judge.view(real_and_noise(real, n)[0])),
        }
    index, distances = nearest(pixels, real.train)
    view, near = judge.view(pixels), np.asarray(judge.bounds["near"])
    found = {
        "n": len(pixels),
        **score(judge, real, view),
        **nearness(distances, near[view.labels]),
        **sides,
        "judge": {
            "title": judge.title,
            "knows": judge.name,
            "accuracy": judge.accuracy,
            "sha256": judge.sha256,
        },
        "notes": notes,
    }
    if asked is not None:
        found["agreement"] = float(np.mean(view.labels == asked))
        by_chance = sum(p * np.mean(asked == i) for i, p in enumerate(sides["noise"]["histogram"]))
        found["real"] = {**sides["real"], "agreement": judge.accuracy}
        found["noise"] = {**sides["noise"], "agreement": float(by_chance)}
    return found, Neighbours(real.train[index], distances / np.maximum(near[view.labels], 1e-6))
