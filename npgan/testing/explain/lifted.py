"""NumPy's functions that make arrays, told to a tape while a function runs on it.

`np.asarray(x)` and `x.astype(np.float32)` would take an array off its tape, and what starts as
`np.zeros(n)` would never be on it. While a function runs on a tape these functions keep arrays of
the tape as they are. Other arrays pass through them as always, also in other threads.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from .traced import Tape, Traced, Wide

CONVERSIONS = ("asarray", "array", "asanyarray", "ascontiguousarray", "copy")
MAKERS = ("zeros", "ones", "empty", "full", "eye", "identity")
LOCK = threading.RLock()
CHANGES = f"{__package__}.changes"


@contextmanager
def lifted(tape: Tape) -> Iterator[None]:
    """Within it, conversions keep arrays on their tape, and on a thorough one new arrays start."""
    names = (*CONVERSIONS, *MAKERS)
    thread = threading.get_ident()
    with LOCK:
        own = {name: getattr(np, name) for name in names}
        try:
            for name in CONVERSIONS:
                setattr(np, name, converting(own[name], thread))
            for name in names[len(CONVERSIONS) :]:
                setattr(np, name, making(own[name], tape, thread))
            yield
        finally:
            for name, function in own.items():
                setattr(np, name, function)


def is_inside_numpy() -> bool:
    """Whether NumPy itself, or a change of an operation, called the function that asks."""
    module: str = sys._getframe(2).f_globals.get("__name__", "")
    return module.partition(".")[0] == "numpy" or module == CHANGES


def converting(function: Callable[..., Any], thread: int) -> Callable[..., Any]:
    """A conversion that leaves an array of a tape on it, and in its precision."""

    def convert(a: Any, *args: Any, **kwargs: Any) -> Any:
        if threading.get_ident() == thread and not is_inside_numpy():
            dtype = kwargs.get("dtype", args[0] if args else None)
            if isinstance(a, list | tuple) and a and all(isinstance(v, Traced) for v in a):
                a = np.stack(a)
            if isinstance(a, Traced) and a.tape is not None:
                kept = a if dtype is None or isinstance(dtype, str) else a.astype(dtype)
                return kept.copy() if function.__name__ in ("array", "copy") else kept
            if isinstance(a, Wide):
                return a.copy() if dtype is None else a.astype(dtype)
        return function(a, *args, **kwargs)

    return convert


def making(function: Callable[..., Any], tape: Tape, thread: int) -> Callable[..., Any]:
    """A function that makes new arrays, which are then of the tape."""

    def make(*args: Any, **kwargs: Any) -> Any:
        made = function(*args, **kwargs)
        is_foreign = threading.get_ident() != thread or is_inside_numpy()
        if is_foreign or made.dtype.kind not in "fc":
            return made
        made = made.astype(np.float64) if tape.is_wide and made.dtype.kind == "f" else made
        return tape.wrap(made)

    return make
