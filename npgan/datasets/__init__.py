"""Data: MNIST in the package, readers of files and folders, a ring of points, and random batches.

>>> images = mnist().images                     # (60000, 784) uint8
>>> x = next(batches(images, 128, rng=0))       # (128, 784) float32 in [-1, 1]
"""

from .base import DataError, Images
from .batching import batches, to_uint8, to_unit
from .mnist_data import mnist
from .readers import load
from .ring_data import ring

__all__ = ["DataError", "Images", "batches", "load", "mnist", "ring", "to_uint8", "to_unit"]
