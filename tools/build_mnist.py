"""Pack the four published MNIST files into the two files in the package.

    python tools/build_mnist.py DIRECTORY [--out npgan/datasets/data]

DIRECTORY holds train-images-idx3-ubyte.gz and the three other files, gzipped or not. Each is
checked with its published SHA-256. What was packed is unpacked again and checked. The same zlib
gives the same bytes; another zlib may give other bytes, which unpack to the same images.
"""

from __future__ import annotations

import argparse
import sys
import zlib
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from npgan.datasets import DataError, load  # noqa: E402
from npgan.datasets.mnist_data import (  # noqa: E402
    CHUNK,
    DATA,
    PARTS,
    Bytes,
    ink_order,
    is_as_published,
    unpack,
)


def pack(images: Bytes, labels: Bytes) -> bytes:
    """Pack images (n, 784) and labels (n,), both uint8, for `mnist_data.unpack`."""
    parts = [labels.tobytes(), np.packbits(images != 0).tobytes()]
    for start in range(0, len(images), CHUNK):
        chunk = images[start : start + CHUNK].reshape(-1)
        parts.append(chunk[ink_order((chunk != 0).astype(np.uint8))].tobytes())
    deflate = zlib.compressobj(9, memLevel=9)
    return deflate.compress(b"".join(parts)) + deflate.flush()


def build(directory: Path, out: Path) -> None:
    """Write out/mnist-train.z and out/mnist-test.z from the published files in a directory."""
    for name, part in PARTS.items():
        data = load(directory, split=name)
        if data.labels is None:
            raise DataError(
                f"{directory}: found no {part.stem}-labels-idx1-ubyte beside the images"
            )
        if not is_as_published(part, data.images, data.labels):
            raise DataError(f"{directory}: the {part.stem} files do not have the published SHA-256")
        packed = pack(data.images, data.labels)
        images, labels = np.empty_like(data.images), np.empty_like(data.labels)
        unpack(packed, images, labels)
        if not is_as_published(part, images, labels):
            raise RuntimeError(f"{name}: unpacking does not give back what was packed")
        path = out / f"mnist-{name}.z"
        path.write_bytes(packed)
        print(f"{path}: {len(data)} images, {len(packed):,} bytes")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("directory", type=Path, help="where the four published files are")
    parser.add_argument(
        "--out", type=Path, default=DATA, help="where to write (default: %(default)s)"
    )
    args = parser.parse_args()
    try:
        build(args.directory, args.out)
    except DataError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
