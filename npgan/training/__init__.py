"""Training: the class GAN, its settings, the loop, the run directory, and health.

`GAN` and `State` are loaded when they are first used, so that the command line can read the
settings without importing NumPy.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .loop import State as State
    from .model import GAN as GAN

HOMES = {"GAN": "model", "State": "loop"}  # the public names, and the modules that define them
__all__ = sorted(HOMES)


def __getattr__(name: str) -> object:
    import importlib

    if name not in HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f".{HOMES[name]}", __name__), name)


def __dir__() -> list[str]:
    return __all__
