"""matplotlib with its default settings, whatever the user's are."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress


def import_matplotlib() -> None:
    """Import matplotlib, whatever its variables, its settings file and its directory are.

    MPLBACKEND may name a backend that is not installed: a notebook's kernel hands its own on to the
    programs that it starts. The settings file may be damaged, and there may be no directory to
    write to; what matplotlib says of these is not shown, since no picture depends on them.
    """
    if "matplotlib" in sys.modules:
        return
    backend = os.environ.get("MPLBACKEND")
    with quiet(), environment(MPLBACKEND=None):
        try:
            import matplotlib
        except (ValueError, OSError):  # settings that are no UTF-8, or that cannot be read
            import_without_settings()
        import matplotlib.font_manager  # which reads or writes its cache
    if backend:
        with suppress(ValueError):
            matplotlib.rcParams["backend"] = backend


def import_without_settings() -> None:
    """Import matplotlib again without the user's settings, which it could not read.

    RuntimeError if that is not possible: a file in the current directory is always read.
    """
    for name in [name for name in sys.modules if name.startswith("matplotlib.")]:
        del sys.modules[name]  # made for the module that could not be imported
    with environment(MATPLOTLIBRC=os.devnull):
        try:
            import matplotlib  # noqa: F401
        except (ValueError, OSError) as error:
            raise RuntimeError(
                f"matplotlib could not be imported ({error}); expected settings in UTF-8 in the "
                "file matplotlibrc of this directory: mend it, or start npgan in another directory"
            ) from None


@contextmanager
def quiet() -> Iterator[None]:
    """Inside this block matplotlib logs errors only."""
    logger = logging.getLogger("matplotlib")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


@contextmanager
def environment(**variables: str | None) -> Iterator[None]:
    """Inside this block these environment variables have these values; None: they are absent."""
    before = {name: os.environ.get(name) for name in variables}
    try:
        _set(variables)
        yield
    finally:
        _set(before)


def _set(variables: dict[str, str | None]) -> None:
    for name, value in variables.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


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
