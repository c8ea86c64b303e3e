"""What the functions of an exercise return for fixed numbers: the same for all who solve it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

import numpy as np

from .. import ops
from ..autograd import Tensor, grad
from ..gan import Discriminator, Generator
from ..layers import Network
from ..optim import SGD

Results = Mapping[str, np.ndarray]
Outcome = Callable[..., Results]  # of a module; of one with a dy also times=, a factor of dy

BATCH, RATE = 6, 0.1


def numbers(*shape: int, seed: int = 0) -> np.ndarray:
    """Normal numbers of this shape."""
    return np.random.default_rng([seed, *shape]).standard_normal(shape)


def arguments(name: str) -> tuple[np.ndarray, ...]:
    """The arguments of `forward` in a gradient exercise."""
    x = numbers(BATCH, 4)
    around_zero = np.where(numbers(BATCH, 4, seed=1) > 1, 0.0, x)  # with some zeros
    return {
        "01_multiply": (x, numbers(BATCH, 4, seed=1)),
        "02_bias": (x, numbers(4)),
        "03_affine": (x, numbers(4, 3), numbers(3)),
        "04_leaky_relu": (around_zero,),
        "05_tanh": (x,),
        "07_batch_norm": (x,),
        "08_two_layers": (x, numbers(4, 5), numbers(5, 3)),
        "10_convolution": (numbers(2, 5, 6), numbers(3, 3)),
        "16_missing_gate": (x, numbers(4, 5), numbers(5, 3)),
    }[name]


def gradients(name: str, *wanted: str) -> Outcome:
    """backward(dy, *arguments), for `forward` and `backward` in a file."""

    def outcome(module: ModuleType, times: float = 1.0) -> Results:
        dy, *args = given(name)
        return named(called(module.backward, times * dy, *args), wanted)

    return outcome


def given(name: str) -> tuple[np.ndarray, ...]:
    """What `backward` is called with, dy first; nothing in an exercise of another kind."""
    if name == "05_tanh":  # here the output is given, not the input
        y = np.tanh(arguments(name)[0])
        return numbers(*y.shape, seed=2), y
    if name not in SHAPE_OF:
        return ()
    args = arguments(name)
    return numbers(*np.shape(SHAPE_OF[name](*args)), seed=2), *args


def pullback(name: str, *wanted: str) -> Outcome:
    """pull(dy), for a file with forward(*arguments) -> (y, pull)."""

    def outcome(module: ModuleType, times: float = 1.0) -> Results:
        y, pull = called(module.forward, *arguments(name))
        return named(called(pull, times * numbers(*y.shape, seed=2)), wanted)

    return outcome


def two_passes(module: ModuleType) -> Results:
    """Two forward passes of one layer, then their pullbacks."""
    layer = module.Layer(numbers(4, 3))
    y1, pull1 = called(layer.forward, numbers(BATCH, 4))
    y2, pull2 = called(layer.forward, numbers(BATCH, 4, seed=1))
    found: dict[str, np.ndarray] = {}
    for y, pull, which, seed in ((y1, pull1, "first", 2), (y2, pull2, "second", 3)):
        names = [f"dL/dx of the {which} pass", f"dL/dW of the {which} pass"]
        found |= named(called(pull, numbers(*y.shape, seed=seed)), names)
    return found


def cross_entropy(module: ModuleType) -> Results:
    """The loss and its gradient, for ordinary logits and for very large ones."""
    ordinary, t = 2 * numbers(BATCH, 1), np.array([[1.0], [0], [1], [0], [0], [1]])
    large = np.array([[1000.0], [-1000], [1000], [-1000], [30], [-30]])
    found: dict[str, np.ndarray] = {}
    for z, where in ((ordinary, ""), (large, " for logits of 1000")):
        found |= named(called(module.loss, z, t), ["the loss" + where])
        found |= named(called(module.backward, z, t), ["dL/dz" + where])
    return found


def penalty_gradient(module: ModuleType) -> Results:
    """The gradient of the R1 penalty by both weights."""
    x, W, v = numbers(BATCH, 4), numbers(4, 5), numbers(5)
    return named(called(module.backward, x, W, v), ["dpenalty/dW", "dpenalty/dv"])


def second_derivative(module: ModuleType) -> Results:
    """The first derivative by the rule of `my_tanh`, and the derivative of that."""
    x = Tensor(numbers(BATCH))
    y = ops.sum(module.my_tanh(x) * numbers(BATCH, seed=1))
    first = grad(y, x, create_graph=True)
    second = grad(ops.sum(first * numbers(BATCH, seed=2)), x, unused="zero")
    return named((first.data, second), ["the first derivative", "the second derivative"])


def networks() -> tuple[Network, Network, np.ndarray, np.ndarray, np.ndarray]:
    """A small generator and discriminator in float64, real points, other points, and z."""
    rng = np.random.default_rng(0)
    G = Generator(2, (8,), 2, rng=rng).astype(np.float64)
    D = Discriminator(2, (8,), rng=rng).astype(np.float64)
    real, z = rng.uniform(-1, 1, (BATCH, 2)), rng.standard_normal((BATCH, 2))
    return G, D, real, np.tanh(rng.standard_normal((BATCH, 2))), z


def step_of_d(module: ModuleType) -> Results:
    """How discriminator_step moves the weights of D."""
    _, D, real, fake, _ = networks()
    before = D.theta.copy()
    called(module.discriminator_step, D, SGD(D, lr=RATE), real, fake)
    return {"the update of D": D.theta - before}


def step_of_g(module: ModuleType) -> Results:
    """How generator_step moves the weights of both networks."""
    G, D, _, _, z = networks()
    before = G.theta.copy(), D.theta.copy()
    fake, pull = G.forward(z)
    optimisers = [SGD(G, lr=RATE)]
    if "optimiser_D" in module.generator_step.__code__.co_varnames:
        optimisers.append(SGD(D, lr=RATE))
    called(module.generator_step, D, *optimisers, fake, pull)
    return {"the update of G": G.theta - before[0], "the update of D": D.theta - before[1]}


def whole_step(module: ModuleType) -> Results:
    """How training_step moves the weights of both networks."""
    G, D, real, _, z = networks()
    before = G.theta.copy(), D.theta.copy()
    called(module.training_step, G, D, SGD(G, lr=RATE), SGD(D, lr=RATE), real, z)
    return {"the update of G": G.theta - before[0], "the update of D": D.theta - before[1]}


def answers(*wanted: str) -> Outcome:
    """The numbers that were written into the file."""

    def outcome(module: ModuleType) -> Results:
        found = {name: getattr(module, name) for name in wanted}
        if all(value is None for value in found.values()):
            raise NotImplementedError
        return {name: as_array(value, name) for name, value in found.items() if value is not None}

    return outcome


def called(function: Callable[..., Any], *args: Any) -> Any:
    """What a function returns; ValueError where it returns nothing or writes into an argument."""
    kept = [np.array(a) if isinstance(a, np.ndarray) else None for a in args]
    returned = function(*args)
    for name, a, before in zip(inspect.signature(function).parameters, args, kept, strict=False):
        if before is not None and not np.array_equal(a, before, equal_nan=True):
            raise ValueError(
                f"{function.__name__} changes its argument {name}, which belongs to the caller: "
                f"write a new array, or work on {name}.copy()"
            )
    return returned


def named(values: Any, names: list[str] | tuple[str, ...]) -> dict[str, np.ndarray]:
    """The values that a function returned, by name; ValueError for another number of them."""
    wanted = " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))
    if values is None:
        raise ValueError(f"nothing is returned: the last line must return {wanted}")
    if isinstance(values, dict):
        raise ValueError(f"return {wanted} one after the other, with commas, and not as a dict")
    values = values if isinstance(values, (tuple, list)) else (values,)
    if len(values) != len(names):
        raise ValueError(f"expected {wanted}, got {count(len(values))}")
    return {name: as_array(value, name) for name, value in zip(names, values, strict=True)}


def count(n: int) -> str:
    """The number of values in words."""
    return "1 value" if n == 1 else f"{n} values"


def as_array(value: Any, name: str) -> np.ndarray:
    """The value as an array of float64; ValueError for what is no number."""
    if value is None:
        raise ValueError(f"{name} must be numbers, got None: it is not computed yet")
    try:
        return np.array(value, np.float64)
    except (TypeError, ValueError):
        raise ValueError(f"{name} must be numbers, got a {type(value).__name__}") from None


SHAPE_OF: dict[str, Callable[..., Any]] = {  # forward, of the exercises that have one
    "01_multiply": lambda a, b: a * b,
    "02_bias": lambda x, b: x + b,
    "03_affine": lambda x, W, b: x @ W + b,
    "04_leaky_relu": lambda x: x,
    "07_batch_norm": lambda x: x,
    "10_convolution": lambda x, k: x[:, 2:, 2:],
}
