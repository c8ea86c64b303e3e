"""The judge: a classifier of npgan's own layers, in whose eyes generated images are scored.

tools/train_judge.py trains one and writes its file: weights in float16, what they were trained on, and the
scores of real images and of noise.
"""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..datasets import DataError, to_unit
from ..datasets.arrays import as_rows
from ..files import checkpoint
from ..files.checkpoint import CheckpointError
from ..gan import hidden_layers
from ..layers import Dense, Layer, Network
from ..ops import log_softmax

HERE = Path(__file__).parent / "judges"
SHIPPED = {  # by name, the SHA-256 of the weights
    "mnist": "b2bcafbd1b893789654901a9cffeb7b75ba5285d9edda1ff2bff43a5e2bf2144",
    "fashion-mnist": "7a73650e5d75f13317f7d3ccf006c98480036b9f62a99e9566e976e419a2fab5",
}


class View(NamedTuple):
    """What a judge sees in n images."""

    features: np.ndarray  # (n, d) float32: what its last layer works with
    probabilities: np.ndarray  # (n, classes) float32, each row sums to 1

    @property
    def labels(self) -> np.ndarray:
        """(n,): the likeliest class of each image."""
        return self.probabilities.argmax(1)

    @property
    def confidence(self) -> np.ndarray:
        """(n,): the probability of that class."""
        return self.probabilities.max(1)


class Judge:
    """A trained classifier: Judge.load() is npgan's for MNIST, Judge.load("my.npz") one of your own.

    view(images) is what it sees in images of any form that `as_pixels` takes; features(images) and
    probabilities(images) are its halves. name, shape, classes and accuracy (on the test images) say what
    it knows, `bounds` what real images and noise score. sha256 is that of its weights, and `title` names
    it in a table: scores by two judges do not compare.
    """

    def __init__(self, theta: np.ndarray, meta: dict[str, Any]):
        self.name, self.accuracy = str(meta["judge"]), float(meta["accuracy"])
        self.shape, sizes = tuple(map(int, meta["shape"])), [int(n) for n in meta["sizes"]]
        self.crc32 = dict(meta["crc32"])  # of the training and of the test images
        self.bounds = dict(meta["bounds"])
        self.classes = sizes[-1]
        *body, last = layers(sizes)
        self.body, self.head = (
            Network(body),
            Network([last]),
        )  # up to the features, and from them on
        split, size = self.body.theta.size, self.body.theta.size + self.head.theta.size
        if theta.shape != (size,) or not np.isfinite(theta).all():
            raise ValueError(f"theta is not {size:,} finite numbers")
        self.body.theta[:], self.head.theta[:] = theta[:split], theta[split:]
        self.sha256 = hashlib.sha256(theta.astype("<f2").tobytes()).hexdigest()
        self.title = f"npgan judge {self.sha256[:8]}"

    @classmethod
    def load(cls, source: str | os.PathLike[str] = "mnist") -> Judge:
        """The judge of this name that npgan carries, else the one in this file.

        Raises CheckpointError for what is no judge's file, and for a shipped one that has changed.
        """
        sha256 = SHIPPED.get(os.fspath(source))
        path = HERE / f"{os.fspath(source)}.npz" if sha256 else Path(source)
        arrays, meta = checkpoint.load(path)
        try:
            judge = cls(arrays["theta"], meta)
        except (KeyError, TypeError, ValueError) as error:
            reason = f"{error.args[0]} is missing" if isinstance(error, KeyError) else error
            raise CheckpointError(
                f"{path} is no judge's file ({reason}); tools/train_judge.py writes one"
            ) from error
        if sha256 and judge.sha256 != sha256:
            raise CheckpointError(f"{path} is damaged (wrong SHA-256); install npgan again")
        return judge

    def view(self, images: Any) -> View:
        """Features and probabilities of images (n, h, w), or as `as_pixels` takes them."""
        x = as_pixels(images, self.shape)
        features = np.concatenate(
            [self.body(to_unit(x[i : i + 1000])) for i in range(0, len(x), 1000)]
        )
        return View(features, np.exp(log_softmax(self.head(features))))

    def features(self, images: Any) -> np.ndarray:
        """(n, d): the numbers in which distances between images are measured."""
        return self.view(images).features

    def probabilities(self, images: Any) -> np.ndarray:
        """(n, classes): how likely each image is each class."""
        return self.view(images).probabilities

    def __repr__(self) -> str:
        size = " x ".join(map(str, self.shape))
        return f"Judge({self.title}: {self.classes} classes of {self.name}, {size}, {self.accuracy:.2%} right)"


def layers(sizes: Sequence[int], rng: Any = None) -> list[Layer]:
    """Dense and LeakyReLU in turn, Dense at the end.    sizes: pixels, hidden widths, classes"""
    rng = np.random.default_rng(rng)
    return [*hidden_layers(sizes[0], sizes[1:-1], rng), Dense(sizes[-2], sizes[-1], "glorot", rng)]


def as_pixels(images: Any, shape: tuple[int, ...], where: str = "the images") -> np.ndarray:
    """Images of one known shape (h, w) as rows of uint8 pixels (n, h w).

    images: (n, h, w), (n, h, w, 1), (n, 1, h, w) or (n, h w). uint8 is taken as it is; other whole numbers
    must lie in 0..255; floats lie in [0, 1], else in [-1, 1], else in [0, 255], the first of these that
    holds all of them. Raises DataError, in one line, for everything else, and for whole numbers 0 and 1
    alone: those are floats that lost their fractions.
    """
    x = np.asarray(images)
    size = math.prod(shape)
    if x.shape[1:] not in (shape, (*shape, 1), (1, *shape), (size,)):
        h, w = shape
        raise DataError(
            f"{where}: their shape is {x.shape}; this judge looks at (n, {h}, {w}), (n, {h}, {w}, 1), "
            f"(n, 1, {h}, {w}) or (n, {size})"
        )
    pixels, _ = as_rows(x.reshape(-1, *shape), where)
    if x.dtype.kind in "iu" and pixels.max() == 1:
        raise DataError(
            f"{where}: only the whole numbers 0 and 1, expected 0 to 255. Were they floats? Keep the floats"
        )
    return pixels
