"""Pictures: grids of images, charts of points and losses, animations.

This is the only package of npgan that imports matplotlib. Every function builds its own Figure on
the Agg canvas and does not use pyplot: no display is needed, and the caller's figures, backend and
style stay unchanged. The pictures do not depend on them either.

>>> plot.save(plot.grid(images), "images.png")              # images (n, h, w) uint8
>>> plot.save(plot.losses(gan.history_), "losses.png")
"""

from . import style as style  # first: it imports matplotlib safely
from .animation import animate
from .charts import losses, points, surface
from .figures import pixels, read, save
from .grids import as_images, grid, interpolation, pairs, tile

__all__ = [
    "animate",
    "as_images",
    "grid",
    "interpolation",
    "losses",
    "pairs",
    "pixels",
    "points",
    "read",
    "save",
    "surface",
    "tile",
]
