"""npgan: GANs on a CPU, from scratch in NumPy and Numba.

The public names below are loaded when they are first used, so that `import npgan` and
`npgan --help` cost nothing: no NumPy, no Numba, no matplotlib.
"""

from typing import TYPE_CHECKING

__version__ = "0.1.0"

# Module -> the public names in it. The names alone are the promise; their modules may move.
HOMES = {
    "autograd": ("Tensor", "grad", "primitive", "value_and_grad"),
    "layers": ("Dense", "Layer", "LeakyReLU", "Network", "Sigmoid", "Tanh", "flatten", "use_rules"),
    "losses": ("bce_with_logits",),
    "penalties": ("r1", "r2", "wgan_gp"),
    "optim": ("SGD", "Adam"),
    "gan": ("Discriminator", "Generator", "discriminator_step", "generator_step"),
    "training.model": ("GAN",),
    "files.checkpoint": ("CheckpointError",),
    "kernels": ("set_threads", "use_kernels"),
}
MODULES = (
    "datasets",
    "kernels",
    "layers",
    "losses",
    "metrics",
    "ops",
    "optim",
    "penalties",
    "plot",
    "testing",
    "training",
)
HOME = {name: module for module, names in HOMES.items() for name in names}
__all__ = sorted([*HOME, *MODULES])

if TYPE_CHECKING:
    from . import (
        datasets,
        kernels,
        layers,
        losses,
        metrics,
        ops,
        optim,
        penalties,
        plot,
        testing,
        training,
    )
    from .autograd import Tensor, grad, primitive, value_and_grad
    from .files.checkpoint import CheckpointError
    from .gan import Discriminator, Generator, discriminator_step, generator_step
    from .kernels import set_threads, use_kernels
    from .layers import Dense, Layer, LeakyReLU, Network, Sigmoid, Tanh, flatten, use_rules
    from .losses import bce_with_logits
    from .optim import SGD, Adam
    from .penalties import r1, r2, wgan_gp
    from .training.model import GAN


def __getattr__(name: str) -> object:
    import importlib

    if name in MODULES:
        return importlib.import_module(f".{name}", __name__)
    if name in HOME:
        if name in ("Tensor", "grad", "value_and_grad"):
            importlib.import_module(".ops", __name__)  # gives Tensor its operators
        value = getattr(importlib.import_module(f".{HOME[name]}", __name__), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
