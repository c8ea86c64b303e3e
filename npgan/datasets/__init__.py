"""Data: MNIST inside the package, readers for files and folders, a toy ring, and batches of them.

>>> images = mnist().images                     # (60000, 784) uint8
>>> x = next(batches(images, 128, rng=0))       # (128, 784) float32 in [-1, 1]
"""

from .base import DataError, Images
from .batching import batches, to_uint8, to_unit
from .embedded import mnist
from .points import ring
from .readers import load

__all__ = ["DataError", "Images", "batches", "load", "mnist", "ring", "to_uint8", "to_unit"]
