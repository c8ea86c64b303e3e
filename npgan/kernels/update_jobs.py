"""The jobs of an update of D, of one of G, or of both, with their arrays; see updates.py.

Skip this file at a first reading.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from .. import kernels
from . import memory, passes, slopes
from .finite import check_finite
from .fused import LayersInARow, Values
from .memory import address_of
from .state import identical


class Key(NamedTuple):
    """What an update depends on, besides networks and optimisers."""

    shape: tuple[int, ...]  # of the real images, and of the fakes
    D_pairs: bool | None  # whether D's loss is of_pairs, or of_each; None: D is not updated
    G_pairs: bool | None  # whether G's loss has the real images, too; None: G is not updated
    penalty: tuple[str, float] | None  # on which images, and γ, as of penalties.r1
    latent: int = 0  # the length of a z, if the update begins with the forward pass of G
    has_penalty: bool = False  # whether an update without a penalty has one of value 0


class Update:
    """A list of jobs that updates D, or G, or D and then G.

    Parameters
    ----------
    key : Key
    parts : sequence of Parts
        Of D, and of G if the update begins with its forward pass.
    optimisers : sequence of Adam
        Of the networks that are updated, in this order.
    D, G : Network
        G may be None if it is not updated.
    values_of_G : dict
        Those of its forward pass, if the update does not begin with it.
    """

    def __init__(
        self, key: Key, parts: Sequence[passes.Parts], optimisers: Sequence[Any],
        D: LayersInARow, G: LayersInARow | None = None, values_of_G: Values | None = None,
    ):  # fmt: skip
        self.key, self.parts, self.n = key, parts, key.shape[0]
        self.arrays = arrays_of(optimisers)
        self.jobs, self.dtype = kernels.job_list()(D.theta.dtype), D.theta.dtype
        self.losses: list[np.ndarray] = []  # of each network that is updated, what `bce` writes
        self.rows_of_adam: list[int] = []
        self.values_of_D: Values = {}  # after its update used again for that of G
        # D sees real images and fakes in one array; G's loss alone may need no real ones.
        sees_real = key.D_pairs is not None or key.G_pairs
        self.x = memory.empty((self.n * (2 if sees_real else 1), key.shape[1]), self.dtype)
        self.fakes = self.x[-self.n :]
        # What `compute` copies its arguments to.
        self.inputs = [self.x[: self.n], self.fakes] if sees_real else [self.fakes]
        # Gradients by values lie in the same memory, one after the other: so more of the caches is
        # left for the weights.
        widest = max(passes.widest(net) for net in (D, G) if net is not None)
        self.scratch = [memory.empty((len(self.x) * widest,), self.dtype) for _ in range(2)]
        self.dtheta = memory.empty((max(len(one.theta) for one in optimisers),), self.dtype)
        if key.latent and G is not None:
            z = memory.empty((self.n, key.latent), self.dtype)
            self.inputs[-1] = z
            values_of_G = passes.add_values(self.jobs, G, z, {len(G.layers): self.fakes})
        if key.D_pairs is not None:
            self.add_update_of_discriminator(optimisers[0], D)
        if key.G_pairs is not None and G is not None and values_of_G is not None:
            self.add_update_of_generator(optimisers[-1], D, G, values_of_G)
        self.jobs.finish(self.dtheta)
        del self.dtheta
        own = {address_of(a): a.nbytes for a in self.jobs.arrays if not shared(a, self.arrays)}
        self.bytes = sum(own.values())

    def add_update_of_discriminator(self, adam: Any, D: LayersInARow) -> None:
        """Add the jobs of gan.discriminator_step."""
        n, jobs, dtheta = self.n, self.jobs, self.dtheta[: len(adam.theta)]
        values = self.values_of_D = passes.add_values(jobs, D, self.x)
        z = values[len(D.layers)]
        dz = memory.empty(z.shape, self.dtype)
        if self.key.D_pairs:
            found = np.zeros((1, 3), self.dtype)
            jobs.bce(z[:n], z[n:], 1.0, dz, found[0])
        else:
            found, half = np.zeros((2, 3), self.dtype), float(np.finfo(self.dtype).max) / 2
            jobs.bce(z[:n], z[:0], 1.0, dz[:n], found[0], half)  # so that their sum is finite
            jobs.bce(z[n:], z[:0], 0.0, dz[n:], found[1], half)
        self.losses.append(found)
        passes.add_gradients(
            jobs, D, values, dz, "params", dtheta, passes.NO_GRADIENT, self.scratch
        )
        if self.key.penalty is not None:
            self.add_penalty(D, values, dtheta)
        self.rows_of_adam.append(jobs.adam(adam.theta, dtheta, adam.slots["m"], adam.slots["v"]))

    def add_penalty(self, D: LayersInARow, values: Values, dtheta: np.ndarray) -> None:
        """Add the jobs that add the gradient of a penalty to dtheta; see slopes.py."""
        assert self.key.penalty is not None
        (where, gamma), n = self.key.penalty, self.n
        rows = {"real": slice(n), "fake": slice(n, None), "both": slice(None)}[where]
        some = {i: value[rows] for i, value in values.items()}
        self.s, above = slopes.add_slopes(self.jobs, D, some)
        u = memory.empty(self.s.shape, self.dtype)
        self.of_square = slopes.half_mean(gamma)
        # With a larger slope the value may be infinite, which the definition is left to say.
        largest = math.sqrt(float(np.finfo(self.dtype).max) / 4 / max(1.0, abs(gamma)) / u.size)
        factor = slopes.gradient_of(self.of_square, np.zeros(len(u), self.dtype))[0]
        self.jobs.mix(self.s, self.s, factor + factor, 0.0, u, largest)
        gradients = memory.empty(D.theta.shape, self.dtype)
        slopes.add_penalty_gradients(self.jobs, D, some, above, u, gradients)
        for i in range(0, len(D.layers), 2):
            W, _ = D.layers[i].params.values()
            part = slice(D.slices[i].start, D.slices[i].start + W.size)
            self.jobs.mix(dtheta[part], gradients[part], 1.0, 1.0, dtheta[part])

    def add_update_of_generator(
        self, adam: Any, D: LayersInARow, G: LayersInARow, values_of_G: Values
    ) -> None:
        """Add the jobs of gan.generator_step."""
        n, jobs, dtheta = self.n, self.jobs, self.dtheta[: len(adam.theta)]
        seen, places = (self.x if self.key.G_pairs else self.fakes), None
        if self.values_of_D:
            places = {i: value[-len(seen) :] for i, value in self.values_of_D.items()}
        values = passes.add_values(jobs, D, seen, places)
        of_fakes = {i: value[-n:] for i, value in values.items()}
        z = values[len(D.layers)]
        dz, dfake = memory.empty((2 * n, 1), self.dtype), memory.empty(self.key.shape, self.dtype)
        found = np.zeros((1, 3), self.dtype)
        jobs.bce(z[-n:], z[: len(z) - n], 1.0, dz[: len(z)], found[0])
        self.losses.append(found)
        none = passes.NO_GRADIENT
        passes.add_gradients(jobs, D, of_fakes, dz[:n], "input", none, dfake, self.scratch)
        passes.add_gradients(jobs, G, values_of_G, dfake, "params", dtheta, none, self.scratch)
        self.rows_of_adam.append(jobs.adam(adam.theta, dtheta, adam.slots["m"], adam.slots["v"]))
        self.logits = of_fakes[len(D.layers)]

    def fits(self, key: Key, parts: Sequence[passes.Parts], optimisers: Sequence[Any]) -> bool:
        """Whether this is the update with this key, of the same networks and arrays."""
        return (
            self.key == key
            and identical(self.arrays, arrays := arrays_of(optimisers))
            and all(array.flags.carray for array in arrays)  # as they may have become read-only
            and all(now.same(before) for now, before in zip(parts, self.parts, strict=True))
        )

    def compute(
        self, optimisers: Sequence[Any], inputs: Sequence[np.ndarray]
    ) -> dict[str, float] | None:
        """Update the networks; returns their values, or None where the definition must do it.

        Then nothing has changed: Adam's settings are no numbers, or the loss or the penalty of the
        first network is not finite, or may not be. Raises as an optimiser's step does, and
        FloatingPointError for a loss of G after D was updated.
        """
        for mine, given in zip(self.inputs, inputs, strict=True):
            mine[...] = given
        dtheta = memory.empty_again((max(len(one.theta) for one in optimisers),), self.dtype)
        try:
            self.jobs.set_adams(self.rows_of_adam, optimisers)
        except (TypeError, ValueError, ArithmeticError):
            return None
        ended = self.jobs.compute(dtheta)  # the number of a job, from 1 on, or 0
        if 0 < ended <= self.rows_of_adam[0]:
            return None
        for row, one in zip(self.rows_of_adam, optimisers, strict=True):
            if 0 < ended <= row:
                check_finite(logits_of_D=self.logits, loss_G=self.losses[-1])
            one.t += 1
            one.net.updates[0] += 1
            if ended == row + 1:
                raise FloatingPointError(one.fault(dtheta[: len(one.theta)]).words)
        return self.values()

    def values(self) -> dict[str, float]:
        """The values of the last `compute`, as the definition returns them."""
        values: dict[str, float] = {}
        if self.key.D_pairs:
            values["loss_D"], values["D_real"], values["D_fake"] = self.losses[0][0].tolist()
        elif self.key.D_pairs is not None:
            of_real, of_fake = self.losses[0]
            values["loss_D"] = float(of_real[0] + of_fake[0])
            values["D_real"], values["D_fake"] = float(of_real[1]), float(of_fake[1])
        if self.key.penalty is not None:
            values["penalty"] = float(self.of_square(np.sum(self.s * self.s, axis=1)))
        elif self.key.has_penalty:
            values["penalty"] = 0.0
        if self.key.G_pairs is not None:
            values["loss_G"] = float(self.losses[-1][0, 0])
        return values


def shared(array: np.ndarray, others: Sequence[np.ndarray]) -> bool:
    """Whether an array has memory in common with one of the others."""
    return any(np.may_share_memory(array, other) for other in others)


def arrays_of(optimisers: Sequence[Any]) -> list[np.ndarray]:
    """The arrays that these optimisers update."""
    return [a for one in optimisers for a in (one.theta, one.slots.get("m"), one.slots.get("v"))]
