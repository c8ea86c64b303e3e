"""matplotlib with its default settings, whatever the user's are."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress


def import_matplotlib() -> None:
    """Import matplotlib, also where the variable MPLBACKEND names a backend that is not installed.

    A notebook's kernel hands its backend on to the programs that it starts.
    """
    if "matplotlib" in sys.modules:
        return
    backend = os.environ.pop("MPLBACKEND", None)
    try:
        import matplotlib
    finally:
        if backend is not None:
            os.environ["MPLBACKEND"] = backend
    if backend:
        with suppress(ValueError):
            matplotlib.rcParams["backend"] = backend


import_matplotlib()


@contextmanager
def default_style() -> Iterator[None]:
    """Inside this block matplotlib has its default settings, and afterwards those from before.

    The backend is left alone: pictures do not depend on it.
    """
    import matplotlib

    default = matplotlib.rcParamsDefault
    with matplotlib.rc_context({key: default[key] for key in default if key != "backend"}):
        yield
