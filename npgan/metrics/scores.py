"""The scores of generated images, together with those of real images and of noise."""

from __future__ import annotations

import os
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..datasets import DataError, Images, load
from ..datasets.fingerprints import image_crc32
from .distances import (
    frechet_distance,
    kernel_distance,
    nearest,
    shares_inside_balls,
    squared_radii,
)
from .judge import Judge, Prediction, as_pixels, second_judge

STANDARD_SAMPLES = 10_000  # scores are compared at this number; MNIST has as many test images
MIN_SAMPLES = 100
CONFIDENT = 0.9  # the probability above which a classification counts as confident
COVERED = 0.01  # the share of the samples from which on a class counts as covered
K = 3  # which nearest neighbour precision and recall use, as in their paper

Pixels = NDArray[np.uint8]


def histogram(labels: ArrayLike, classes: int) -> NDArray[np.float64]:
    """Compute the share of each class among labels.

    Parameters
    ----------
    labels : (n,) array of int
        Labels from 0 to classes - 1.
    classes : int
        The number of classes.

    Returns
    -------
    (classes,) float64 array
        The shares, which sum to 1.
    """
    labels = np.asarray(labels)
    return np.bincount(labels, minlength=classes) / len(labels)


def kl_divergence(q: ArrayLike, p: ArrayLike) -> float:
    """Compute the Kullback-Leibler divergence of two histograms.

    Parameters
    ----------
    q, p : (classes,) array
        Shares of classes, each summing to 1.

    Returns
    -------
    float
        Σ q log(q / p) in nats: 0 if the two are equal, infinite if q > 0 where p = 0.

    References
    ----------
    .. [1] S. Kullback and R. Leibler, "On information and sufficiency", 1951, section 2.
    """
    q, p = np.asarray(q, np.float64), np.asarray(p, np.float64)
    positive = q > 0
    with np.errstate(divide="ignore"):
        return float(np.sum(q[positive] * np.log(q[positive] / p[positive])))


def agreement(images: ArrayLike, labels: ArrayLike, judge: Judge | None = None) -> float:
    """Compute the share of images that the judge classifies as the class that was asked for.

    Parameters
    ----------
    images : (n, h, w) array
        Images in one of the forms that `as_pixels` takes.
    labels : (n,) array of int
        The class that was asked for, for each image.
    judge : Judge, optional
        npgan's judge for MNIST by default.

    Returns
    -------
    float
        The share, from 0 to 1.

    Raises
    ------
    ValueError
        If there is not one label for each image.
    DataError
        If the array does not hold images of the judge's shape.
    """
    predicted = (judge or standard_judge()).predict(images).labels
    return float(np.mean(predicted == _check_labels(labels, len(predicted))))


def _check_labels(labels: ArrayLike, n: int) -> NDArray[Any]:
    """The labels as an array, if there is one for each of n images."""
    asked = np.asarray(labels)
    if asked.shape != (n,):
        raise ValueError(f"agreement needs a label for each of {n} images, got {asked.shape}")
    return asked


# ---- what samples are compared with ----


class Reference(NamedTuple):
    """Real images, and what the judge computes from those of the test split."""

    train: Pixels  # (n, pixels)
    test: Pixels
    prediction: Prediction  # of the test images
    squared_radii: NDArray[np.float32]  # of their features, for precision and recall
    histogram: NDArray[np.float64]  # of their labels


@lru_cache(maxsize=1)
def standard_judge() -> Judge:
    """npgan's judge for MNIST."""
    return Judge.load()


@lru_cache(maxsize=1)
def load_splits(source: str) -> tuple[Images, Images]:
    """The training and the test images of `source`; both judges share them."""
    return load(source, "train"), load(source, "test")


@lru_cache(maxsize=2)
def load_reference(judge: Judge, source: str) -> Reference:
    """Both splits of the data that the judge was trained on, loaded from `source`.

    Raises
    ------
    DataError
        If these are other images: scores relative to them would mean nothing.
    """
    train, test = load_splits(source)
    if {"train": image_crc32(train), "test": image_crc32(test)} != judge.crc32:
        raise DataError(
            f"{source} is not the {judge.name} that {judge.title} knows; --data says where that is"
        )
    return make_reference(judge, train, test)


def make_reference(judge: Judge, train: Images, test: Images) -> Reference:
    """The reference made of these two splits."""
    assert test.labels is not None  # a judge is trained with labels
    prediction = judge.predict(test.images[:STANDARD_SAMPLES])
    shares = histogram(test.labels[:STANDARD_SAMPLES], judge.classes)
    radii = squared_radii(prediction.features, K)
    return Reference(train.images, test.images[:STANDARD_SAMPLES], prediction, radii, shares)


def real_and_noise_images(reference: Reference, n: int) -> tuple[Pixels, Pixels]:
    """n training images and n images of uniform noise: the best and the worst possible samples."""
    rng = np.random.default_rng(0)
    train = reference.train
    chosen = rng.choice(len(train), min(n, len(train)), replace=False)
    return train[chosen], rng.integers(0, 256, (n, train.shape[1]), dtype=np.uint8)


def reference_scores(judge: Judge, reference: Reference) -> dict[str, Any]:
    """The scores of STANDARD_SAMPLES real images and of noise, and the threshold of "too near".

    "near" holds for each class the distance to the nearest training image below which 1 in 100
    unseen images lies. The unseen images are the test images; their distances also give "nearest"
    and "too_near" of "real". A judge's file keeps all this.
    """
    test_labels = reference.prediction.labels
    unseen = nearest(reference.test, reference.train)[1]
    of_class = [unseen[test_labels == label] for label in range(judge.classes)]
    near = np.array([np.percentile(x, 1) if len(x) else 0.0 for x in of_class])
    real, noise = real_and_noise_images(reference, STANDARD_SAMPLES)
    of_real, of_noise = judge.predict(real), judge.predict(noise)
    noise_distances = nearest(noise, reference.train)[1]
    return {
        "real": {
            **judge_scores(judge, reference, of_real),
            **nearness_scores(unseen, near[test_labels]),
        },
        "noise": {
            **judge_scores(judge, reference, of_noise),
            **nearness_scores(noise_distances, near[of_noise.labels]),
        },
        "near": near.tolist(),
    }


# ---- the scores ----


def judge_scores(judge: Judge, reference: Reference, prediction: Prediction) -> dict[str, Any]:
    """The scores that follow from a prediction: all but those of the nearest training images."""
    shares = histogram(prediction.labels, judge.classes)
    real, features = reference.prediction.features, prediction.features
    precision, recall = shares_inside_balls(
        real, reference.squared_radii, features, squared_radii(features, K)
    )
    distance, error = kernel_distance(features, real)
    return {
        "frechet_distance": frechet_distance(features, real),
        "kernel_distance": distance,
        "kernel_distance_error": error,
        "confident": float(np.mean(prediction.confidence > CONFIDENT)),
        "covered": int(np.sum(shares >= COVERED)),
        "smallest_share": float(shares.min()),
        "kl": kl_divergence(shares, reference.histogram),
        "precision": precision,
        "recall": recall,
        "histogram": shares.tolist(),
    }


def nearness_scores(distances: NDArray[np.float32], near: NDArray[np.float64]) -> dict[str, float]:
    """The median of distances to the nearest training image, and the share of them below `near`."""
    return {"nearest": float(np.median(distances)), "too_near": float(np.mean(distances < near))}


def evaluate(
    images: ArrayLike,
    judge: Judge | None = None,
    data: str | os.PathLike[str] | None = None,
    labels: ArrayLike | None = None,
) -> dict[str, Any]:
    """Compute the scores of generated images, and those of real images and of noise.

    Parameters
    ----------
    images : (n, h, w) array
        100 to 10,000 images in one of the forms that `as_pixels` takes. Images after the first
        10,000 are not scored.
    judge : Judge, optional
        npgan's judge for MNIST by default.
    data : path-like, optional
        Where the images are that the judge was trained on, as `npgan.datasets.load` takes it;
        "mnist" by default for a judge of MNIST.
    labels : (n,) array of int, optional
        The class that was asked for, for each image.

    Returns
    -------
    dict
        "n"
            The number of images that were scored.
        "frechet_distance"
            `frechet_distance` between the judge's features of the images and of the test images.
        "kernel_distance", "kernel_distance_error"
            `kernel_distance` between the same features, and its standard error.
        "confident"
            The share of the images for which the judge gives a class a probability over 0.9.
        "histogram"
            The share of each class, as the judge classifies the images.
        "covered"
            The number of classes with a share of at least 0.01.
        "smallest_share"
            The smallest of these shares.
        "kl"
            `kl_divergence` of the histogram from that of the test images' labels, in nats.
        "precision", "recall"
            `precision_recall` of the judge's features, with k = 3.
        "nearest"
            The median distance to the nearest training image, with pixels from 0 to 1.
        "too_near"
            The share of the images that are nearer to a training image than 99 of 100 unseen real
            images of the same class.
        "agreement"
            Only with `labels`: the share of the images that the judge classifies as their labels.
        "real", "noise"
            Dicts of the same scores, of real images and of uniform noise.
        "convolutional"
            Only if the package has a convolutional judge of the same data as `judge`: a dict with
            its scores under the same names, but without those of the nearest training images.
        "judge", "notes"
            What the judge is, and remarks on how far the scores can be compared with others.

    Raises
    ------
    DataError
        If the images do not fit the judge or are fewer than 100, or if `data` is missing or holds
        other images than the judge was trained on.
    ValueError
        If there is not one label for each image.

    Examples
    --------
    >>> scores = evaluate(gan.sample(10_000))
    >>> scores["frechet_distance"], scores["real"]["frechet_distance"]
    """
    judge = judge or standard_judge()
    pixels = as_pixels(images, judge.shape)
    return evaluate_pixels(pixels, judge, data, labels)[0]


class Neighbours(NamedTuple):
    """The nearest training image of each scored image, and how near it is."""

    images: Pixels  # (n, pixels)
    nearness: NDArray[np.float64]  # (n,): the distance, divided by the class's threshold "near"


def evaluate_pixels(
    pixels: Pixels,
    judge: Judge,
    data: str | os.PathLike[str] | None,
    labels: ArrayLike | None = None,
) -> tuple[dict[str, Any], Neighbours]:
    """What `evaluate` returns for rows of pixels, and the nearest training images."""
    if data is None and judge.name != "mnist":
        raise DataError(
            f"{judge.title} knows {judge.name}; say with data (--data) where these images are"
        )
    reference, notes, n = load_reference(judge, os.fspath(data or "mnist")), [], len(pixels)
    asked = None if labels is None else _check_labels(labels, n)[:STANDARD_SAMPLES]
    if n < MIN_SAMPLES:
        raise DataError(
            f"{n} images are too few to score; {MIN_SAMPLES} are the least, "
            f"{STANDARD_SAMPLES:,} the standard"
        )
    if n > STANDARD_SAMPLES:
        pixels = pixels[:STANDARD_SAMPLES]
        notes.append(f"of {n:,} images the first {STANDARD_SAMPLES:,} were scored")
    if n < STANDARD_SAMPLES:
        notes.append(
            f"{n:,} images instead of {STANDARD_SAMPLES:,}: the Fréchet distance comes out too "
            "high, precision and recall differ; compare with the real images alone, "
            f"{n:,} here, too"
        )
    index, distances = nearest(pixels, reference.train)
    found, prediction = scores_beside_limits(judge, reference, pixels, asked)
    near = np.asarray(judge.reference_scores["near"])[prediction.labels]
    scores = {"n": len(pixels), **found, **nearness_scores(distances, near), "notes": notes}
    if second := second_judge(judge):
        seen = load_reference(second, os.fspath(data or "mnist"))
        scores["convolutional"], _ = scores_beside_limits(second, seen, pixels, asked)
        for side in (scores["convolutional"][name] for name in ("real", "noise")):
            del side["nearest"], side["too_near"]  # which do not depend on the judge's features
    return scores, Neighbours(reference.train[index], distances / np.maximum(near, 1e-6))


def scores_beside_limits(
    judge: Judge, reference: Reference, pixels: Pixels, asked: NDArray[Any] | None
) -> tuple[dict[str, Any], Prediction]:
    """One judge's scores of images, of real images and of noise, and its prediction."""
    prediction = judge.predict(pixels)
    real, noise = (dict(judge.reference_scores[name]) for name in ("real", "noise"))
    if len(pixels) < STANDARD_SAMPLES:
        images, _ = real_and_noise_images(reference, len(pixels))
        real.update(judge_scores(judge, reference, judge.predict(images)))
    found = {
        **judge_scores(judge, reference, prediction),
        "real": real,
        "noise": noise,
        "judge": {
            "title": judge.title,
            "knows": judge.name,
            "accuracy": judge.accuracy,
            "sha256": judge.sha256,
        },
    }
    if asked is not None:
        found["agreement"] = float(np.mean(prediction.labels == asked))
        by_chance = sum(p * np.mean(asked == label) for label, p in enumerate(noise["histogram"]))
        real["agreement"], noise["agreement"] = judge.accuracy, float(by_chance)
    return found, prediction
