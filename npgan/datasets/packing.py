"""How many bytes a compressed file can honestly hold."""

from __future__ import annotations

from .base import DataError

HARMLESS = 64 << 20  # bytes that may be unpacked from a file of any size; MNIST has 47 million
RATIO = 100  # images are at most this much longer than their compressed file; MNIST has 5


def is_implausible(size: int, packed: int) -> bool:
    """Whether a compressed file of `packed` bytes can hardly hold so many.

    Deflate shortens zeros by up to 1032 to 1, so a file of 4 MB can fill 4 GB of memory; images
    shorten by far less.
    """
    return size > max(HARMLESS, RATIO * packed)


def check_packed(size: int, packed: int, where: str) -> None:
    """Raise DataError if a compressed file of `packed` bytes promises implausibly many."""
    if is_implausible(size, packed):
        raise DataError(
            f"{where}: its header says {size:,} bytes, in a compressed file of {packed:,}; more "
            f"than {RATIO} to 1 is probably damage. If it is right, save it uncompressed"
        )
