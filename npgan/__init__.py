"""npgan: GANs on a CPU, from scratch in NumPy and Numba.

The public names below are loaded when they are first used, so that `import npgan` and
`npgan --help` cost nothing: no NumPy, no Numba, no matplotlib.
"""

from typing import TYPE_CHECKING

__version__ = "0.1.0"

HOMES = {  # module -> the public names in it; the names alone are the promise, their modules may move
    "autograd": ("Tensor", "grad", "primitive"),
    "layers": ("Dense", "Layer", "LeakyReLU", "Network", "Sigmoid", "Tanh", "flatten"),
    "losses": ("bce_with_logits", "evaluate", "r1", "r2", "wgan_gp"),
    "optim": ("SGD", "Adam"),
    "gan": ("GAN", "Discriminator", "Generator", "discriminator_step", "generator_step"),
    "checkpoint": ("CheckpointError",),
    "kernels": ("set_threads", "use_kernels"),
}
MODULES = (
    "checkpoint",
    "datasets",
    "kernels",
    "layers",
    "losses",
    "metrics",
    "ops",
    "optim",
    "plot",
    "testing",
    "train",
)
HOME = {name: module for module, names in HOMES.items() for name in names}
__all__ = sorted([*HOME, *MODULES])

if TYPE_CHECKING:
    from . import (
        checkpoint,
        datasets,
        kernels,
        layers,
        losses,
        metrics,
        ops,
        optim,
        plot,
        testing,
        train,
    )
    from .autograd import Tensor, grad, primitive
    from .checkpoint import CheckpointError
    from .gan import GAN, Discriminator, Generator, discriminator_step, generator_step
    from .kernels import set_threads, use_kernels
    from .layers import Dense, Layer, LeakyReLU, Network, Sigmoid, Tanh, flatten
    from .losses import bce_with_logits, evaluate, r1, r2, wgan_gp
    from .optim import SGD, Adam


def __getattr__(name: str) -> object:
    import importlib

    if name in MODULES:
        return importlib.import_module(f".{name}", __name__)
    if name in HOME:
        if name in ("Tensor", "grad"):
            importlib.import_module(".ops", __name__)  # gives Tensor its operators
        value = getattr(importlib.import_module(f".{HOME[name]}", __name__), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
