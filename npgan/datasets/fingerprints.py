"""A dataset's fingerprint: to see that a run goes on with the data it began with."""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np

from .base import Images


def image_crc32(data: Images) -> int:
    """The CRC-32 of the images."""
    return zlib.crc32(np.ascontiguousarray(data.images).data)


def label_crc32(data: Images) -> int:
    """The CRC-32 of the labels as int64; that of nothing where there are none."""
    return zlib.crc32(np.asarray([] if data.labels is None else data.labels, np.int64).tobytes())


def fingerprint(data: Images, with_labels: bool) -> dict[str, Any]:
    """What a GAN remembers of its data; of the labels only if it learns them."""
    found = dict(
        name=data.name, source=data.source, count=len(data.images), crc32=image_crc32(data)
    )
    return {**found, "crc32_labels": label_crc32(data)} if with_labels else found


def matches(known: dict[str, Any], data: Images) -> bool:
    """Whether a `fingerprint` is that of this data: of the images, and of the labels if it has them."""
    labels = known.get("crc32_labels")
    return known["crc32"] == image_crc32(data) and labels in (None, label_crc32(data))
