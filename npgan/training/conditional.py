"""Conditional GANs: the label stands beside z, and beside the image.    Mirza & Osindero 2014, section 3.2

G draws from (z | y) and D judges (x | y), where y is the label as a one-hot row. The networks are those of
every GAN, with a wider first layer. In a GAN without labels y is None, and these functions do nothing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..datasets import Images
from ..layers import Pull

MOST = 1000  # classes; more of them are no classes


def classes_of(data: Images, known: Sequence[int] = ()) -> list[int]:
    """The labels that occur, in order.

    Raises ValueError where there are none, too few or many for classes, or others than are known already.
    """
    if data.labels is None:
        raise ValueError(
            f"a conditional GAN learns from labels, and {data.name} has none; a labels file beside an IDX "
            'file, "y" beside "x" in an .npz, or fit(images, labels=...) gives them'
        )
    classes = [int(label) for label in np.unique(data.labels)]
    if not 2 <= len(classes) <= MOST:
        raise ValueError(
            f"a conditional GAN takes 2 to {MOST} different labels, {data.name} has {len(classes)}"
        )
    if known and (new := sorted(set(classes) - set(known))):
        raise ValueError(
            f"this GAN was started on the labels {shortly(known)}; {data.name} has {new[0]}, too"
        )
    return classes


def labels_for(n: int, labels: Any, classes: Sequence[int]) -> np.ndarray | None:
    """n labels, from one for all, one for each, or None: then every class in turn.

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
    if unknown := sorted(set(given.ravel().tolist()) - set(classes)):
        raise ValueError(f"label must be one of {shortly(classes)}; got {unknown[0]!r}")
    return np.broadcast_to(given, n)


def shortly(classes: Sequence[int]) -> str:
    """0 to 9, or 0, 2, 4, or the first of many."""
    if len(classes) > 2 and list(classes) == list(range(classes[0], classes[-1] + 1)):
        return f"{classes[0]} to {classes[-1]}"
    return ", ".join(map(str, classes[:10])) + (", ..." if len(classes) > 10 else "")


def one_hot(labels: np.ndarray | None, classes: Sequence[int]) -> np.ndarray | None:
    """(B,) labels -> (B, K) float32: 1 in the column of the label's class, 0 elsewhere."""
    return None if labels is None else np.equal.outer(labels, classes).astype(np.float32)


def join_labels(x: np.ndarray, y: np.ndarray | None) -> np.ndarray:
    """(x | √n y): x (B, n) with y (B, K) beside it, (B, n + K).

    √n makes the label as long as what it stands beside: |z|² is n on average, |image|² at most n. A label of
    length 1 is drowned by 784 pixels, and G learns to draw without looking at it.
    """
    return x if y is None else np.concatenate([x, math.sqrt(x.shape[1]) * y], axis=1)


def before(pull: Pull, n: int, y: np.ndarray | None) -> Pull:
    """The pullback through `join_labels`, and on through pull: of dL/d(x | y), the n columns of x go on."""
    if y is None:
        return pull
    return lambda g, wrt="both": pull(np.ascontiguousarray(g[:, :n]), wrt)
