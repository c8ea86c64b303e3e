"""The judge: a classifier made of npgan's layers, whose features give the scores of images.

tools/train_judge.py trains a judge and writes its file: weights in float16, a description of the
data that it was trained on, and the scores of real images and of noise.
"""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..datasets import DataError, to_unit
from ..datasets.arrays import check_numbers, plain_array
from ..datasets.scales import to_pixels
from ..files import checkpoint
from ..files.checkpoint import CheckpointError
from ..layers import Network
from ..ops import log_softmax
from .networks import input_shape, judge_layers, weight_count

JUDGES = Path(__file__).parent / "judges"
SHIPPED = {  # name -> SHA-256 of the weights
    "mnist": "b2bcafbd1b893789654901a9cffeb7b75ba5285d9edda1ff2bff43a5e2bf2144",
    "fashion-mnist": "7a73650e5d75f13317f7d3ccf006c98480036b9f62a99e9566e976e419a2fab5",
    "mnist-conv": "020518ad432b8307702887a4c06e48885532704e7053a792b94de5df14589acf",
    "fashion-mnist-conv": "6cf2d534ecb210f283d3a1b95377e2d5a1fe50e7cf06c7cc01a80eeb71575258",
}
NUMBERS = (
    "frechet_distance",
    "confident",
    "covered",
    "smallest_share",
    "kl",
    "precision",
    "recall",
)
BATCH = 250  # images that pass through the network at a time


class Prediction(NamedTuple):
    """What a judge computes from n images.

    Parameters
    ----------
    features : (n, d) float32 array
        The inputs of the judge's last layer; distances between images are measured in them.
    probabilities : (n, classes) float32 array
        How likely each image is each class; each row sums to 1.
    """

    features: NDArray[np.float32]
    probabilities: NDArray[np.float32]

    @property
    def labels(self) -> NDArray[np.intp]:
        """The most likely class of each image, (n,)."""
        labels: NDArray[np.intp] = self.probabilities.argmax(1)
        return labels

    @property
    def confidence(self) -> NDArray[np.float32]:
        """The probability of that class, (n,)."""
        confidence: NDArray[np.float32] = self.probabilities.max(1)
        return confidence


class Judge:
    """A trained classifier of images, in whose features generated images are scored.

    Use `Judge.load` to get one: `Judge.load()` is npgan's judge for MNIST, and
    `Judge.load("my.npz")` reads one that tools/train_judge.py has written.

    Parameters
    ----------
    theta : (weights,) array
        All weights, those of the last layer at the end.
    meta : dict
        The description in the judge's file, with the keys "judge" (the name of the data),
        "accuracy", "shape", "sizes", "crc32" and "bounds"; of a convolutional judge also
        "channels".

    Attributes
    ----------
    name : str
        The name of the data that it was trained on, such as "mnist".
    shape : (int, int)
        Height and width of its images, in pixels.
    classes : int
        The number of classes.
    accuracy : float
        The share of the test images that it classifies correctly.
    reference_scores : dict
        What real images and noise score, under "real" and "noise", and the threshold of "too near".
    convolutional : bool
        Whether convolutions are below its dense layers.
    sha256 : str
        The SHA-256 of its weights.
    title : str
        A title with the start of `sha256`. Scores of two judges are not comparable.

    Raises
    ------
    ValueError
        If `theta` is not as many finite numbers as the sizes need.
    """

    def __init__(self, theta: NDArray[Any], meta: dict[str, Any]):
        self.name, self.accuracy = str(meta["judge"]), float(meta["accuracy"])
        self.shape, sizes = tuple(map(int, meta["shape"])), [int(n) for n in meta["sizes"]]
        self.crc32 = dict(meta["crc32"])  # of the training and of the test images
        self.reference_scores = dict(meta["bounds"])
        self.classes = sizes[-1]
        channels = [int(n) for n in meta.get("channels", [])]
        # Checked before the layers are made: sizes that are damaged could need all memory.
        if len(self.shape) != 2 or math.prod(self.shape) != sizes[0]:
            raise ValueError(f"shape {self.shape} is not that of {sizes[0]} pixels")
        if len(sizes) < 2 or min(*sizes, *channels) < 1 or theta.dtype.kind != "f":
            raise ValueError(
                f"sizes {sizes}, channels {channels} and weights of type {theta.dtype} "
                "make no classifier"
            )
        size = weight_count(self.shape, channels, sizes)
        if theta.shape != (size,) or not np.isfinite(theta).all():
            raise ValueError(f"theta is not {size:,} finite numbers")
        self.convolutional = bool(channels)
        self.input_shape = input_shape(self.shape, channels)
        *body, last = judge_layers(self.shape, channels, sizes)
        # The body computes the features, the head the logits.
        self.body, self.head = Network(body), Network([last])
        split = self.body.theta.size
        self.body.theta[:], self.head.theta[:] = theta[:split], theta[split:]
        self.sha256 = hashlib.sha256(theta.astype("<f2").tobytes()).hexdigest()
        self.title = f"npgan judge {self.sha256[:8]}"

    @classmethod
    def load(cls, source: str | os.PathLike[str] = "mnist") -> Judge:
        """Load a judge that npgan carries, or one from a file.

        Parameters
        ----------
        source : path-like
            "mnist", "fashion-mnist", "mnist-conv" or "fashion-mnist-conv" for the judges in the
            package (of dense layers, and with convolutions), else the name of a file.

        Returns
        -------
        Judge
            The judge.

        Raises
        ------
        CheckpointError
            If the file is missing or no judge's file, or if a judge in the package has changed.
        """
        sha256 = SHIPPED.get(os.fspath(source))
        path = JUDGES / f"{os.fspath(source)}.npz" if sha256 else Path(source)
        with unpacked(path) if sha256 else nullcontext(path) as file:
            arrays, meta = checkpoint.load(file)
        try:
            judge = cls(arrays["theta"], meta)
            check_bounds(judge.reference_scores, judge.classes)
        except (LookupError, TypeError, ValueError, OverflowError) as error:
            reason = checkpoint.reason(error)
            raise CheckpointError(
                f"{path} is no judge's file ({reason}); tools/train_judge.py writes one"
            ) from error
        if sha256 and judge.sha256 != sha256:
            raise CheckpointError(f"{path} is damaged (wrong SHA-256); install npgan again")
        return judge

    def predict(self, images: ArrayLike) -> Prediction:
        """Compute features and class probabilities of images.

        Parameters
        ----------
        images : (n, h, w) array
            Images in one of the forms that `as_pixels` takes.

        Returns
        -------
        Prediction
            The features (n, d) and the probabilities (n, classes).

        Raises
        ------
        DataError
            If the array does not hold images of this judge's shape.
        """
        # Rows of uint8 come from as_pixels, which has warned already.
        rows = isinstance(images, np.ndarray) and images.ndim == 2 and images.dtype == np.uint8
        x = _rows_of_pixels(images, self.shape, "the images", quiet=rows)
        parts = (to_unit(x[i : i + BATCH]) for i in range(0, len(x), BATCH))
        features = np.concatenate(
            [self.body(part.reshape(-1, *self.input_shape)) for part in parts]
        )
        return Prediction(features, np.exp(log_softmax(self.head(features))))

    def features(self, images: ArrayLike) -> NDArray[np.float32]:
        """Compute the features of images.

        Parameters
        ----------
        images : (n, h, w) array
            Images in one of the forms that `as_pixels` takes.

        Returns
        -------
        (n, d) float32 array
            The inputs of the judge's last layer.
        """
        return self.predict(images).features

    def probabilities(self, images: ArrayLike) -> NDArray[np.float32]:
        """Compute the class probabilities of images.

        Parameters
        ----------
        images : (n, h, w) array
            Images in one of the forms that `as_pixels` takes.

        Returns
        -------
        (n, classes) float32 array
            How likely each image is each class; each row sums to 1.
        """
        return self.predict(images).probabilities

    def __repr__(self) -> str:
        size = " x ".join(map(str, self.shape))
        known = f"{self.classes} classes of {self.name}, {size}"
        return f"Judge({self.title}: {known}, {self.accuracy:.2%} right)"


@cache
def convolutional_judges() -> list[Judge]:
    """The judges in the package that have convolutions."""
    judges = [Judge.load(name) for name in SHIPPED if name.endswith("-conv")]
    assert all(judge.convolutional for judge in judges)
    return judges


def second_judge(judge: Judge) -> Judge | None:
    """The convolutional judge in the package of the same data as a dense one, if there is one."""
    if judge.convolutional:
        return None
    return next((other for other in convolutional_judges() if other.crc32 == judge.crc32), None)


def check_bounds(bounds: dict[str, Any], classes: int) -> None:
    """Raise KeyError or ValueError if these are not the scores that every evaluation needs.

    Parameters
    ----------
    bounds : dict
        Under "real" and "noise" their scores, and under "near" a distance for each class.
    classes : int
        The number of classes.
    """
    near = np.asarray(bounds["near"])
    if near.dtype.kind not in "iuf" or near.shape != (classes,) or not np.isfinite(near).all():
        raise ValueError(f"near is not {classes} finite distances")
    for name in ("real", "noise"):
        scores = bounds[name]
        if not isinstance(scores, dict):
            raise ValueError(f"the scores of {name} are none")
        optional = [scores.get(key, 0.0) for key in ("kernel_distance", "kernel_distance_error")]
        values = np.asarray(
            [*(scores[key] for key in NUMBERS), *optional, *list(scores["histogram"])]
        )
        if values.dtype.kind not in "iuf":
            raise ValueError(f"the scores of {name} are not all numbers")


@contextmanager
def unpacked(path: Path) -> Iterator[Path]:
    """A judge's file in the package; a copy of it where npgan is imported from a zip file."""
    if path.parent.is_dir():
        yield path
        return
    from importlib import resources

    with resources.as_file(resources.files(__package__) / "judges" / path.name) as file:
        yield file


def as_pixels(
    images: ArrayLike, shape: tuple[int, ...], where: str = "the images"
) -> NDArray[np.uint8]:
    """Convert images of a known shape to rows of uint8 pixels.

    Parameters
    ----------
    images : (n, h, w), (n, h, w, 1), (n, 1, h, w) or (n, h w) array
        uint8 pixels are taken as they are. Other whole numbers must lie in 0..255. Floats are taken
        as pixels in [0, 1], else in [-1, 1], else in [0, 255]: the first range that holds them all,
        up to half a pixel. A range that is implausible is taken with a warning.
    shape : (h, w)
        Height and width of an image, in pixels.
    where : str
        How an error message calls the images.

    Returns
    -------
    (n, h w) uint8 array
        One flattened image per row.

    Raises
    ------
    DataError
        If the array has another shape or type, values out of range, NaN, or no images. Also if all
        values are whole numbers 0 and 1: these are probably floats that lost their fractions.
    """
    return _rows_of_pixels(images, shape, where, quiet=False)


def _rows_of_pixels(
    images: ArrayLike, shape: tuple[int, ...], where: str, quiet: bool
) -> NDArray[np.uint8]:
    """What `as_pixels` returns; `quiet` leaves out the warnings of an implausible scale."""
    x = plain_array(images, where)
    size = math.prod(shape)
    if x.shape[1:] not in (shape, (*shape, 1), (1, *shape), (size,)):
        h, w = shape
        raise DataError(
            f"{where}: their shape is {x.shape}; this judge takes (n, {h}, {w}), "
            f"(n, {h}, {w}, 1), (n, 1, {h}, {w}) or (n, {size})"
        )
    check_numbers(x, where)
    if not len(x):
        raise DataError(f"{where}: holds no images (its shape is {x.shape})")
    if x.dtype.kind in "iu" and x.max() == 1 and x.min() >= 0:
        raise DataError(
            f"{where}: only the whole numbers 0 and 1, expected 0 to 255. Were they floats? "
            "Keep the floats"
        )
    pixels, _ = to_pixels(x, where, quiet)
    return pixels.reshape(-1, size)
