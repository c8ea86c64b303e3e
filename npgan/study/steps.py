"""One training step of a GAN on the tape: D's, G's, and a penalty on D's gradient.

Each is computed twice: on the tape, where every number can be seen, and by the functions that
training calls. The record says whether both agree to the bit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from .. import ops
from ..autograd import Tensor, grad
from ..gan import discriminator_step, generator_step
from ..layers import Network
from ..losses import Loss
from ..optim import Adam, Optimiser
from ..penalties import r1
from .tape import Node

R1 = (
    "R1 is half the mean square of D's slope at the real points. The slope is a gradient, computed "
    "by a first walk backwards; R1's own gradient needs a second walk, back through the first. "
)
R1_LEAKY = (
    f"{R1}LeakyReLU is made of straight lines: the second walk finds nothing to do where the first "
    "one used the sign of its output, and every gradient on that path is zero."
)
R1_TANH = (
    f"{R1}tanh is curved: its slope depends on where it is, so the second walk reaches the forward "
    "pass, too, and the biases and the points get a gradient."
)

EMPTY = np.zeros(0)


class Computation(NamedTuple):
    """A scalar on the tape, and what is known about it besides."""

    key: str
    title: str
    about: str
    kind: str  # "step", "penalty" or "loss"
    loss: Tensor
    names: dict[str, Tensor]
    part: Callable[[Node], str]
    group: Callable[[Node], str]
    parameters: Sequence[Tensor] = ()  # in the order of theta
    adam: Adam | None = None  # as it was before the step
    gradient: np.ndarray = EMPTY  # the flat gradient by the pullbacks of training
    after: np.ndarray | None = None  # theta after the real step
    # Of G's step: D's parameters, their values before D's step, and the optimiser of D.
    others: Sequence[Tensor] = ()
    before: Sequence[np.ndarray] = ()
    adam_of_d: Adam | None = None


class GradientKept(Optimiser):
    """An optimiser that changes nothing and keeps the gradient that a training step gives it."""

    def _update(self, gradient: np.ndarray) -> bool:
        self.slots["gradient"] = gradient.copy()
        return True


def copy_of(adam: Adam, net: Network) -> Adam:
    """An Adam of another network, with the same constants and averages."""
    other = Adam(net, **adam.hyper)
    other.restore(adam.state())
    return other


def after_step(adam: Adam, net: Network, gradient: np.ndarray) -> np.ndarray:
    """theta after adam.step(gradient), made on copies."""
    net = net.copy()
    copy_of(adam, net).step(gradient)
    return net.theta


def leaves_of(net: Network, letter: str, names: dict[str, Tensor]) -> list[Tensor]:
    """The parameters as leaves; enters their names, "D.0.W"."""
    leaves = [Tensor(p.copy()) for _, p in net.named_parameters()]
    for (name, _), leaf in zip(net.named_parameters(), leaves, strict=True):
        names[f"{letter}.{name}"] = leaf
    return leaves


def apply_named(
    net: Network, x: Tensor, leaves: Sequence[Tensor], letter: str, names: dict[str, Tensor]
) -> Tensor:
    """Network.apply, which enters the names of the layers' results: "D.0", "D.1"."""
    rest = list(leaves)
    for i, layer in enumerate(net.layers):
        layer.check(x)
        own, rest = rest[: len(layer.params)], rest[len(layer.params) :]
        x = layer.op(x, *own, **layer.options)
        names[f"{letter}.{i}"] = x
    return x


def by_number(*ends: tuple[int, str]) -> Callable[[Node], str]:
    """A function of a node: the first of these texts whose number is not smaller than its own."""
    return lambda node: next(text for number, text in ends if node.tensor.number <= number)


def groups(names: dict[str, Tensor], inner: Callable[[Node], str]) -> Callable[[Node], str]:
    """The group of a node: a leaf's by its name, another node's by `inner`."""
    of_leaf = {
        tensor.number: "z" if name == "z" else "data" if name in ("real", "fake") else name[0]
        for name, tensor in names.items()
        if tensor.made_by is None and (name in ("z", "real", "fake") or name[:2] in ("G.", "D."))
    }
    return lambda node: inner(node) if node.op else of_leaf.get(node.tensor.number, "loss")


def parts(inner: Callable[[Node], str]) -> Callable[[Node], str]:
    """The part of a node: "leaf", or that of `inner`."""
    return lambda node: inner(node) if node.op else "leaf"


def discriminator_tape(
    D: Network, adam: Adam, real: np.ndarray, fake: np.ndarray, loss: Loss
) -> Computation:
    """D's step."""
    names: dict[str, Tensor] = {}
    names["real"], names["fake"] = Tensor(real), Tensor(fake)
    leaves = leaves_of(D, "D", names)
    names["real and fake"] = x = ops.concatenate(names["real"], names["fake"])
    logits = apply_named(D, x, leaves, "D", names)
    names["logits of real"], names["logits of fake"] = logits[: len(real)], logits[len(real) :]
    value = loss.discriminator(names["logits of real"], names["logits of fake"])
    names = {**names, "logits": logits, "loss D": value}
    net = D.copy()
    kept = GradientKept(net)
    discriminator_step(net, kept, real, fake, loss)
    end = value.number
    return Computation(
        "D",
        "D's step",
        "The discriminator D gives every point a logit: above 0 means real. Its loss asks for "
        "large logits of real points and small ones of the generator's. The points of G are plain "
        "numbers here, so the gradient ends at D's own weights.",
        "step",
        value,
        names,
        parts(by_number((logits.number, "forward"), (end, "loss"))),
        groups(names, by_number((x.number, "data"), (logits.number, "D"), (end, "loss"))),
        leaves,
        copy_of(adam, D.copy()),
        kept.slots["gradient"],
        after_step(adam, D, kept.slots["gradient"]),
    )


def generator_tape(
    G: Network, D: Network, adam: Adam, z: np.ndarray, real: np.ndarray, loss: Loss,
    D_before: Network, adam_D: Adam,
) -> Computation:  # fmt: skip
    """G's step, with D as it is after its own step."""
    names: dict[str, Tensor] = {"z": Tensor(z)}
    of_G, of_D = leaves_of(G, "G", names), leaves_of(D, "D", names)
    fake = apply_named(G, names["z"], of_G, "G", names)
    logits = apply_named(D, fake, of_D, "D", names)
    value = loss.generator(D(real) if loss.needs_real else None, logits)
    names = {**names, "fake": fake, "logits": logits, "loss G": value}
    net = G.copy()
    kept = GradientKept(net)
    generator_step(D.copy(), kept, *net.forward(z), loss, real)
    end = value.number
    return Computation(
        "G",
        "G's step",
        "The generator G makes points of random numbers z, and D gives each a logit. G's loss asks "
        "for large logits. The gradient goes back through D to the points, and on to G's weights; "
        "D's weights, as D's step has left them, have a gradient too, but this step does not move "
        "them.",
        "step",
        value,
        names,
        parts(by_number((logits.number, "forward"), (end, "loss"))),
        groups(names, by_number((fake.number, "G"), (logits.number, "D"), (end, "loss"))),
        of_G,
        copy_of(adam, G.copy()),
        kept.slots["gradient"],
        after_step(adam, G, kept.slots["gradient"]),
        of_D,
        [p.copy() for _, p in D_before.named_parameters()],
        adam_D,
    )


def penalty_tape(D: Network, real: np.ndarray, gamma: float, key: str, about: str) -> Computation:
    """R1: the gradient of D by the real points is itself differentiated."""
    names: dict[str, Tensor] = {"real": Tensor(real)}
    leaves = leaves_of(D, "D", names)
    total = ops.sum(apply_named(D, names["real"], leaves, "D", names))
    slope = grad(total, names["real"], create_graph=True)
    square = ops.sum(slope * slope, axis=1)
    value = 0.5 * gamma * ops.mean(square)
    names = {**names, "slope ∇D": slope, "|∇D|²": square, "penalty R1": value}
    end = value.number
    return Computation(
        key,
        f"{key}, twice backwards",
        about,
        "penalty",
        value,
        names,
        parts(by_number((total.number, "forward"), (slope.number, "first walk"), (end, "penalty"))),
        groups(names, by_number((slope.number, "D"), (end, "loss"))),
        leaves,
        None,
        r1(D, real, gamma)[1],
    )


def gan_computations(
    G: Network, D: Network, adam_G: Adam, adam_D: Adam, real: np.ndarray, z: np.ndarray,
    loss: Loss, gamma: float,
) -> list[Computation]:  # fmt: skip
    """D's step, G's step with the D after it, and R1 of this D if gamma is above 0."""
    step_of_D = discriminator_tape(D, adam_D, real, G(z), loss)
    later = D.copy()
    later_adam = copy_of(adam_D, later)
    later_adam.step(step_of_D.gradient)
    found = [step_of_D, generator_tape(G, later, adam_G, z, real, loss, D, later_adam)]
    if gamma > 0:
        found.append(penalty_tape(later, real, gamma, "R1", R1))
    return found
