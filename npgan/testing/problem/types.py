"""Names for the types of what users pass to a check."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

FloatArray: TypeAlias = NDArray[np.floating]

# A float, an array, or any nesting of tuples, lists and dicts of these (a "tree"; its arrays are
# the leaves). Leaves that are no floats, such as labels, sizes or None, may be any object.
Tree: TypeAlias = object

Function: TypeAlias = Callable[..., Tree]  # func(*args) -> scalar, out, or (out, cache)
Gradient: TypeAlias = Callable[..., Tree]  # grad(*args), grad(dout, *args) or grad(dout, cache)
Argnames: TypeAlias = str | Sequence[str] | None
