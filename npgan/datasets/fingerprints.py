"""Fingerprints of datasets, to check that a resumed run gets the data that it was trained on."""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np

from .base import Images


def image_crc32(data: Images) -> int:
    """The CRC-32 of the images."""
    return zlib.crc32(np.ascontiguousarray(data.images).data)


def label_crc32(data: Images) -> int:
    """The CRC-32 of the labels as int64; that of no bytes if there are no labels."""
    return zlib.crc32(np.asarray([] if data.labels is None else data.labels, np.int64).tobytes())


def fingerprint(data: Images, with_labels: bool) -> dict[str, Any]:
    """What a checkpoint holds of its data: name, source, count, CRC-32, and that of the labels."""
    found = dict(
        name=data.name, source=data.source, count=len(data.images), crc32=image_crc32(data)
    )
    return {**found, "crc32_labels": label_crc32(data)} if with_labels else found


def matches(known: dict[str, Any], data: Images) -> bool:
    """Whether a `fingerprint` is that of these images, and of these labels if it has theirs."""
    labels = known.get("crc32_labels")
    return known["crc32"] == image_crc32(data) and labels in (None, label_crc32(data))
