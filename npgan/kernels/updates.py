"""An update of D or of G as one list of jobs: forward pass, loss, pullbacks and Adam in one call.

Skip this file, too, at a first reading: npgan/gan.py defines the updates, and a test compares the
two bit for bit. Between two kernels a step needs little of Python, but that little is cold: the
products before it have left none of it in the caches. So what is computed the same way in every
step is kept as one list of jobs, as passes.py keeps those of a pass (docs/kernels.md).

Where jobs do not compute an update, its definition does: with other networks than those of
passes.py, other losses than cross-entropies, other optimisers than Adam, replaced or edited
functions and primitives (definitions.py), after use_rules(), and where a loss is not finite: the
definition names the number.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, TypeVar

import numpy as np

from .. import kernels
from . import definitions, logits, passes, slopes
from .update_jobs import Key, Update, arrays_of

T = TypeVar("T")

KEPT = 6  # updates that are kept with a network D or with a pass of G, the latest ones
LARGEST = 1 << 25  # bytes of all their arrays
METHODS = ("step", "_update", "fault")  # of Adam, for which an update stands
methods_of = operator.attrgetter(*METHODS)
KERNELS = (*kernels.IN_JOBS, *logits.KERNELS, "bce_with_gradient", "mean_sigmoid", "adam")
Results = dict[str, float]
Definition = Callable[[], Results]
adam_class: Any = None
adam_methods: Any = None
penalty_class: Any = None


def register_adam(optimiser: type) -> type:
    """Take the class Adam, which this module cannot import, as it stands below it."""
    global adam_class, adam_methods
    adam_class, adam_methods = optimiser, methods_of(optimiser)
    return optimiser


def register_penalty(penalty: T) -> T:
    """Take the class of penalties that say in `on_slopes` what they are."""
    global penalty_class
    penalty_class = penalty
    return penalty


def of_discriminator(
    definition: Definition, D: Any, optimiser: Any, real: np.ndarray, fake: np.ndarray,
    loss: Any, penalty: Any = None,
) -> Results:  # fmt: skip
    """What `definition` computes, the rest of discriminator_step; its arguments."""
    key = None
    if stands_for(optimiser, D) and alike(D, real, fake):
        key = key_of(real, loss, penalty, of_D=True)
    if key is None:
        return definition()
    return update(definition, D, key, [passes.Parts(D)], [optimiser], (real, fake), D)


def of_generator(
    definition: Definition, D: Any, optimiser: Any, fake: np.ndarray, pull: Any, loss: Any,
    real: np.ndarray | None,
) -> Results:  # fmt: skip
    """What `definition` computes, the rest of generator_step; its arguments."""
    images = [fake] if real is None or not loss.needs_real else [real, fake]
    if type(pull) is not passes.Pullback or not stands_for(optimiser, pull.net):
        return definition()
    if not (passes.has_own_methods(D) and alike(D, *images)):
        return definition()
    key, now = key_of(fake, loss, None, of_G=True), passes.Parts(pull.net)
    lent = pull.usable(now) if pull.y.shape == fake.shape else None
    if key is None or lent is None or now.state()[1:] != pull.before[1:]:
        return definition()
    if len(images) == 1 and loss.needs_real:  # which the definition refuses
        return definition()
    parts, networks = [passes.Parts(D)], (D, pull.net, pull.values)
    return update(definition, lent, key, parts, [optimiser], images, *networks)


def of_both(
    definition: Definition, G: Any, D: Any, optimisers: Sequence[Any], z: np.ndarray,
    real: np.ndarray, loss: Any, penalty: Any, has_penalty: bool,
) -> Results:  # fmt: skip
    """What `definition` computes: G.forward(z), discriminator_step and generator_step.

    optimisers: of D and of G. has_penalty: whether the results have a penalty; where `penalty` is
    None, it is 0.
    """
    key = None
    if all(map(stands_for, optimisers, (D, G))) and alike(D, real) and alike(G, z):
        key = key_of(real, loss, penalty, of_D=True, of_G=True)
    if key is None or z.shape != (len(real), z.shape[-1]):
        return definition()
    key = key._replace(latent=z.shape[1], has_penalty=has_penalty)
    parts = [passes.Parts(D), passes.Parts(G)]
    return update(definition, D, key, parts, optimisers, (real, z), D, G)


def key_of(
    images: np.ndarray, loss: Any, penalty: Any, of_D: bool = False, of_G: bool = False
) -> Key | None:
    """What an update of D, of G or of both depends on; None where jobs do not compute it."""
    D_pairs = G_pairs = on_slopes = None
    if kernels.job_list(KERNELS) is None or not logits.may_be_direct():
        return None
    if not definitions.are_shipped():
        return None
    if of_D:
        D_pairs = D_LOSSES.get(logits.registered_for(loss.discriminator))
        if D_pairs is None or D_pairs != loss.needs_real:
            return None
    if of_G:
        G_pairs = bool(loss.needs_real)
        if logits.registered_for(loss.generator) is not logits.of_difference:
            return None
    if penalty is not None:
        if type(penalty) is not penalty_class or not slopes.are_direct():
            return None
        on_slopes = penalty.on_slopes
        if on_slopes is None:
            return None
    return Key(images.shape, D_pairs, G_pairs, on_slopes)


# Those of D that jobs compute, and whether they pair the images.
D_LOSSES: dict[Any, bool] = {logits.of_pairs: True, logits.of_each: False}


def update(
    definition: Definition, holder: Any, key: Key, parts: Sequence[passes.Parts],
    optimisers: Sequence[Any], inputs: Sequence[np.ndarray], *networks: Any,
) -> Results:  # fmt: skip
    """Update by a list of jobs that is kept with `holder`, D or a pass of G, or by a new one."""
    kept, keys = holder.__dict__.setdefault("kept_updates", ([], []))
    one = take(kept, key, parts, optimisers)
    if one is None:
        if key not in keys:  # perhaps the only step with so many images
            keys[:] = [*keys[1 - KEPT :], key]
            return definition()
        if not (all(part.are_shipped() for part in parts) and has_jobs(key, optimisers, networks)):
            return definition()
        one = Update(key, parts, optimisers, *networks)
    values = one.compute(optimisers, inputs)
    kept.append(one)
    if len(kept) > KEPT or sum(other.bytes for other in kept) > LARGEST:
        forget(kept, networks[0].theta)
    return definition() if values is None else values


def forget(kept: list[Update], theta: np.ndarray) -> None:
    """Keep the latest updates alone, and none of another theta of D."""
    total = 0
    latest: list[Update] = []
    for one in kept[::-1]:
        total += one.bytes
        if one.parts[0].theta is theta and len(latest) < KEPT and total <= LARGEST:
            latest.append(one)
    kept[:] = latest[::-1]


def alike(net: Any, *inputs: Any) -> bool:
    """Whether these are arrays of one shape in the network's dtype."""
    return all(
        type(x) is np.ndarray and x.dtype == net.theta.dtype and x.shape == inputs[0].shape
        for x in inputs
    )


def stands_for(optimiser: Any, net: Any) -> bool:
    """Whether jobs compute as this optimiser of this network does, and as the network does."""
    return (
        type(optimiser) is adam_class
        and optimiser.net is net
        and optimiser.theta is net.theta
        and methods_of(adam_class) == adam_methods
        and vars(optimiser).keys().isdisjoint(METHODS)
        and passes.has_own_methods(net)
    )


def take(kept: list[Update], *like: Any) -> Update | None:
    """Remove an update that fits from the list; None where there is none."""
    for one in kept[::-1]:
        if one.fits(*like):
            with suppress(ValueError):  # another thread has it
                kept.remove(one)
                return one
    return None


def has_jobs(key: Key, optimisers: Sequence[Any], networks: Sequence[Any]) -> bool:
    """Whether jobs can read and write all arrays of an update, and D's values are not too large."""
    lists, (D, *rest) = kernels.job_list(), networks
    if lists is None or not all(passes.has_jobs(net, lists) for net in (D, *rest[:1])):
        return False
    ends: list[Any] = [(D, (key.shape[1:], (1,)))]
    if key.latent:
        ends.append((rest[0], ((key.latent,), key.shape[1:])))
    arrays = arrays_of(optimisers)
    return (
        len(key.shape) == 2
        and all(inputs_and_outputs(net) == wanted for net, wanted in ends)
        and all(isinstance(array, np.ndarray) and lists.fits(array) for array in arrays)
        and all(array.dtype == D.theta.dtype for array in arrays)
        and all(slot.shape == one.theta.shape for one in optimisers for slot in one.slots.values())
        and 0 < max(passes.size(net, 2 * key.shape[0]) for net, _ in ends) <= passes.LARGEST_PASS
        and not (key.penalty and D.is_tanh[-1])
    )


def inputs_and_outputs(net: Any) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The shapes of a row of the input and of one of the output, of a network that has jobs."""
    last = [layer for layer in net.layers if layer.params][-1]
    return net.layers[0].shapes["W"][:1], last.shapes["b"]
