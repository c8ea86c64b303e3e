"""npgan: GANs on a CPU, from scratch in NumPy and Numba.

The public names below are loaded when they are first used, so that `import npgan` and
`npgan --help` cost nothing: no NumPy, no Numba, no matplotlib.
"""

from typing import TYPE_CHECKING

__version__ = "0.2.0"

# Module -> the public names in it. The names alone are the promise; their modules may move.
HOMES = {
    "autograd": ("Tensor", "grad", "primitive", "value_and_grad"),
    "layers": ("Dense", "Layer", "LeakyReLU", "Network", "Sigmoid", "Tanh", "flatten"),
    "losses": ("bce_with_logits",),
    "penalties": ("r1", "r2", "wgan_gp"),
    "optim": ("SGD", "Adam"),
    "gan": ("Discriminator", "Generator", "discriminator_step", "generator_step"),
    "training.model": ("GAN",),
    "training.sweep": ("sweep",),
    "files.checkpoint": ("CheckpointError",),
    "kernels": ("set_threads", "use_kernels"),
    "kernels.passes": ("use_rules",),
}
MODULES = (
    "convolution",
    "datasets",
    "kernels",
    "layers",
    "losses",
    "metrics",
    "ops",
    "optim",
    "penalties",
    "plot",
    "study",
    "testing",
    "training",
)
HOME = {name: module for module, names in HOMES.items() for name in names}
__all__ = sorted([*HOME, *MODULES])

if TYPE_CHECKING:  # "as" tells a strict type checker that the name is public
    from . import convolution as convolution
    from . import datasets as datasets
    from . import kernels as kernels
    from . import layers as layers
    from . import losses as losses
    from . import metrics as metrics
    from . import ops as ops
    from . import optim as optim
    from . import penalties as penalties
    from . import plot as plot
    from . import study as study
    from . import testing as testing
    from . import training as training
    from .autograd import Tensor as Tensor
    from .autograd import grad as grad
    from .autograd import primitive as primitive
    from .autograd import value_and_grad as value_and_grad
    from .files.checkpoint import CheckpointError as CheckpointError
    from .gan import Discriminator as Discriminator
    from .gan import Generator as Generator
    from .gan import discriminator_step as discriminator_step
    from .gan import generator_step as generator_step
    from .kernels import set_threads as set_threads
    from .kernels import use_kernels as use_kernels
    from .kernels.passes import use_rules as use_rules
    from .layers import Dense as Dense
    from .layers import Layer as Layer
    from .layers import LeakyReLU as LeakyReLU
    from .layers import Network as Network
    from .layers import Sigmoid as Sigmoid
    from .layers import Tanh as Tanh
    from .layers import flatten as flatten
    from .losses import bce_with_logits as bce_with_logits
    from .optim import SGD as SGD
    from .optim import Adam as Adam
    from .penalties import r1 as r1
    from .penalties import r2 as r2
    from .penalties import wgan_gp as wgan_gp
    from .training.model import GAN as GAN
    from .training.sweep import sweep as sweep


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
