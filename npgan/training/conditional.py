"""Conditional GANs: the label is an input of both networks.    Mirza & Osindero 2014, section 3.2

G computes an image from (z | y), D a logit from (x | y); y is the label as a one-hot row, which is
1 in the column of its class and 0 elsewhere. The networks are those of every GAN, with a wider
first layer. In a GAN without labels y is None, and these functions return their input.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from .. import ops
from ..datasets import Images
from ..layers import Pull

MAX_CLASSES = 1000  # more different labels are probably not classes


def classes_of(data: Images, known: Sequence[int] = ()) -> list[int]:
    """The different labels of the data, in ascending order.

    Raises ValueError if there are none, fewer than 2 or more than MAX_CLASSES, or others than the
    known ones.
    """
    if data.labels is None:
        raise ValueError(
            f"a conditional GAN learns from labels, and {data.name} has none; give them in a "
            'labels file next to an IDX file, as "y" in an .npz, or by fit(images, labels=...)'
        )
    classes = [int(label) for label in np.unique(data.labels)]
    if not 2 <= len(classes) <= MAX_CLASSES:
        raise ValueError(
            f"a conditional GAN takes 2 to {MAX_CLASSES} different labels, "
            f"{data.name} has {len(classes)}"
        )
    if known and (new := sorted(set(classes) - set(known))):
        raise ValueError(
            f"this GAN was started on the labels {describe_classes(known)}; "
            f"{data.name} also has {new[0]}"
        )
    return classes


def labels_for(
    n: int, labels: npt.ArrayLike | None, classes: Sequence[int]
) -> npt.NDArray[Any] | None:
    """n labels, from one label for all, one for each, or None: then every class in turn.

    Raises ValueError for a label that is no class, and for any label where there are no classes.
    """
    if not classes:
        if labels is not None:
            raise ValueError("this GAN was trained without labels; train one with conditional=True")
        return None
    if labels is None:
        return np.resize(classes, n)
    given = np.asarray(labels)
    if given.shape not in ((), (n,)):
        raise ValueError(
            f"label is one for all {n} images, or one for each; got an array of shape {given.shape}"
        )
    values = set(given.ravel().tolist())
    unknown = sorted(values) if given.dtype == np.bool_ else sorted(values - set(classes))
    if unknown:
        raise ValueError(f"label must be one of {describe_classes(classes)}; got {unknown[0]!r}")
    return np.broadcast_to(given, n)


def describe_classes(classes: Sequence[int]) -> str:
    """The classes in words: "0 to 9", or "0, 2, 4", or the first ten of many."""
    if len(classes) > 2 and list(classes) == list(range(classes[0], classes[-1] + 1)):
        return f"{classes[0]} to {classes[-1]}"
    return ", ".join(map(str, classes[:10])) + (", ..." if len(classes) > 10 else "")


def one_hot(
    labels: npt.NDArray[Any] | None, classes: Sequence[int]
) -> npt.NDArray[np.float32] | None:
    """(B,) labels -> (B, K) float32: 1 in the column of the label's class, 0 elsewhere."""
    return None if labels is None else np.equal.outer(labels, classes).astype(np.float32)


def join_labels(x: npt.NDArray[Any], y: npt.NDArray[Any] | None) -> npt.NDArray[Any]:
    """(x | √n y) of shape (B, n + K), from x (B, n) and one-hot rows y (B, K).

    The factor √n gives the label the length that x has: |z|² is n on average, |image|² at most n. A
    label of length 1 has little effect compared with 784 pixels, and G learns to ignore it.
    """
    return x if y is None else ops.concatenate(x, math.sqrt(x.shape[1]) * y, axis=1)


def with_wrong_labels(
    real: npt.NDArray[Any], fake: npt.NDArray[Any], classes: int, share: float,
    rng: np.random.Generator,
) -> npt.NDArray[Any]:  # fmt: skip
    """The rows fake of (x | y), some of them replaced by the real image with another label.

    A row is replaced with the probability `share`. D learns from these rows that an image and a
    label do not belong together, whereas a generated image may be wrong for many reasons. Reed et
    al. 2016, section 4.2, where half of all rows that D rejects are of this kind.
    """
    rows = np.flatnonzero(rng.random(len(fake)) < share)
    shifts = rng.integers(1, classes, (len(rows), 1))  # from the row's class to another one
    fake = fake.copy()
    fake[rows, :-classes] = real[rows, :-classes]
    columns = (np.arange(classes) - shifts) % classes
    fake[rows, -classes:] = np.take_along_axis(real[rows, -classes:], columns, axis=1)
    return fake


def pull_through_join(pull: Pull, x: npt.NDArray[Any], y: npt.NDArray[Any] | None) -> Pull:
    """The pullback through `join_labels(x, y)`, by concatenate's rule, followed by `pull`."""
    if y is None:
        return pull

    def through(g: npt.NDArray[Any], wrt: str = "both") -> Any:
        return pull(without_labels(g, x, y), wrt)

    return through


def without_labels(
    g: npt.NDArray[Any], x: npt.NDArray[Any], y: npt.NDArray[Any] | None
) -> npt.NDArray[Any]:
    """The gradient by x, from that by `join_labels(x, y)`: y is a constant."""
    if y is None:
        return g
    # concatenate's rule looks at shapes alone.
    return np.ascontiguousarray(ops.concatenate.rule(0)(g, g, x, y, axis=1))
