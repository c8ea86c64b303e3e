"""The data of a fit: whether a GAN can be trained on them, and which classes it learns."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar, cast

import numpy as np
import numpy.typing as npt

from ..datasets import Images
from ..datasets.arrays import as_dataset
from ..datasets.fingerprints import matches
from .conditional import classes_of
from .protocol import GANLike
from .settings import EPOCHS

P = ParamSpec("P")
R = TypeVar("R")


def told_of_labels(fit: Callable[P, R]) -> Callable[P, R]:
    """A fit that says how labels are given, for fit(images, labels, epochs=5), too."""

    @functools.wraps(fit)
    def checked(*args: P.args, **named: P.kwargs) -> R:
        if "epochs" in named and len(args) > 2:  # for Python, epochs given twice
            check_epochs(args[2])
        return fit(*args, **named)

    return checked


def check_data(
    gan: GANLike, images: Images | npt.ArrayLike, labels: npt.ArrayLike | None
) -> tuple[Images, list[int]]:
    """The data as a dataset, and the classes to learn. Raises ValueError if the GAN cannot."""
    if labels is not None and (isinstance(images, Images) or not gan.config["conditional"]):
        raise ValueError("labels=... is for GAN(conditional=True), and for images in a plain array")
    data = images if isinstance(images, Images) else as_dataset(images, labels)
    classes = classes_of(data, gan.classes_) if gan.config["conditional"] else []
    check_size(gan, len(data.images))
    pixels = data.images.dtype == np.uint8
    if gan.shape_ is not None and (gan.shape_ != data.shape or gan.pixels_ != pixels):
        raise ValueError(f"this GAN was started on images of shape {gan.shape_}, got {data.shape}")
    if gan.position_ and not matches(gan.data_, data):
        what = "images and labels" if classes else "images"
        raise ValueError(
            f"an epoch on {gan.data_['name']} was interrupted; it needs the same {what}"
        )
    return data, classes


def check_epochs(epochs: object) -> int:
    """The number of epochs. Raises ValueError if it is none, such as labels at its position."""
    if not isinstance(epochs, str) and np.ndim(cast(npt.ArrayLike, epochs)) > 0:
        raise ValueError(
            f"epochs must be a whole number of 1 or more; got a {type(epochs).__name__}; "
            "labels are given as fit(images, labels=labels)"
        )
    number: int = EPOCHS.check(epochs)
    return number


def check_size(gan: GANLike, n: int) -> None:
    """Raise ValueError if there are too few images for one step."""
    if gan.images_per_step > n:
        batch, d_steps = gan.config["batch"], gan.config["d_steps"]
        times = f" x {d_steps} d_steps" if d_steps > 1 else ""
        raise ValueError(f"batch is {batch}{times}, but there are only {n} images")
