"""Network.forward with fused kernels, in memory that is used again.

Skip this file, too, at a first reading. With the compiled kernels, the jobs of a pass through a
network such as Generator or Discriminator are kept as lists: each computes what a function of
fused.py computes, in one call of compiled code and without new memory.

A forward pass has its memory to itself as long as its pullback exists, so two forward passes never
disturb each other. Afterwards the next pass through that network with as many images gets it.
"""

from __future__ import annotations

import operator
import weakref
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numpy as np

from .. import kernels
from . import memory
from .fused import LayersInARow, gradients, layer_values
from .state import checked, own, state_of

KEPT = 8  # passes without a pullback that are kept for a network, the latest ones
LARGEST = 1 << 23  # bytes of a pass's values; a larger pass is not kept
passes_of: weakref.WeakKeyDictionary[Any, list[Pass]] = weakref.WeakKeyDictionary()
rules_only = False  # see use_rules
NONE = np.empty(0)


def use_rules(only: bool = True) -> None:
    """Choose how networks compute: by the rules in npgan/ops.py alone, or also by fused kernels.

    By default a network computes Dense with the LeakyReLU after or before it in one pass, and the
    losses of cross-entropies need no tape: the same bits, sooner. This skips the rules of `affine`,
    `leaky_relu` and `bce_with_logits` (penalties, on the tape, use them always). After use_rules()
    all of training follows an edit of these rules in ops.py.

    Parameters
    ----------
    only : bool, default True
        True: the rules alone. False: fused kernels where there are some.
    """
    global rules_only
    rules_only = bool(only)


def forward(net: LayersInARow, x: np.ndarray) -> tuple[np.ndarray, Callable[..., Any]]:
    """(y, pull), as Network.forward returns them."""
    before = state_of(net.layers, net.theta, net.updates[0])
    loan = lend(net, x)
    values = layer_values(net, memory.copy(x, x.dtype)) if loan is None else loan.lent.values
    y = values[len(net.layers)]

    def pull(g: np.ndarray, wrt: str = "both") -> Any:
        given = g = checked(net, g, y, wrt, before)
        dtheta = NONE if wrt == "input" else memory.empty(net.theta.shape, net.theta.dtype)
        dx = None if loan is None else loan.lent.pull(net, g, wrt, dtheta)
        if dx is None:
            dx = gradients(net, values, g, wrt, dtheta)
        if wrt != "params":
            dx = own(dx, given)
        return dx if wrt == "input" else dtheta if wrt == "params" else (dx, dtheta)

    return y.copy(), pull  # the caller may write to it


class Pass:
    """The arrays of a forward pass, the jobs that compute them, and those of its pullbacks.

    Raises NotAJobError where there is no list of jobs that computes the pass.
    """

    def __init__(self, net: LayersInARow, x: np.ndarray):
        if not alternates(net):
            raise kernels.NotAJobError("one of the layers")
        self.new_list, self.parts = kernels.job_list(), parts_of(net)
        self.x = memory.empty(x.shape, x.dtype)
        self.jobs = self.new_list(net.theta, self.x)
        with self.jobs.recorded():
            self.values = layer_values(net, self.x)
        self.jobs.require(self.values[len(net.layers)])
        self.jobs.finish()
        # Several of a kind only where two threads call one pullback.
        self.pullbacks: dict[str, list[Any]] = {"input": [], "params": [], "both": []}
        self.bytes = sum(value.nbytes for value in self.values.values())

    def compute(self, x: np.ndarray) -> None:
        """Compute the values from x."""
        np.copyto(self.x, x)
        self.jobs.compute()

    def pull(
        self, net: LayersInARow, g: np.ndarray, wrt: str, dtheta: np.ndarray
    ) -> np.ndarray | None:
        """As fused.gradients, into new memory; None where no list of jobs computes it."""
        free = self.pullbacks[wrt]
        try:
            jobs = free.pop() if free else self.pullback(net, wrt)
        except kernels.NotAJobError:
            return None
        dx = dtheta if wrt == "params" else memory.empty(self.x.shape, g.dtype)
        g = g if g.flags.carray else np.array(g, order="C")
        jobs.compute(*outside(wrt, g, dtheta, dx))
        free.append(jobs)
        return dx

    def pullback(self, net: LayersInARow, wrt: str) -> Any:
        """The jobs of a pullback; they are computed for other g, dtheta and dx."""
        y = self.values[len(net.layers)]
        g = memory.empty(y.shape, y.dtype)
        dtheta = NONE if wrt == "input" else memory.empty(net.theta.shape, y.dtype)
        jobs = self.new_list(net.theta, *self.values.values(), g, dtheta)
        with jobs.recorded():
            dx = gradients(net, self.values, g, wrt, dtheta)
        return jobs.finish(*outside(wrt, g, dtheta, dx))


def outside(wrt: str, g: Any, dtheta: Any, dx: Any) -> list[Any]:
    """What a pullback reads and writes besides the arrays of its pass."""
    return [g, *([dtheta] if wrt != "input" else []), *([dx] if wrt != "params" else [])]


class Loan:
    """A pass that nobody else gets before this object is deleted."""

    def __init__(self, lent: Pass, passes: list[Pass]):
        self.lent, self.passes = lent, passes

    def __del__(self) -> None:
        """Give the pass back to its network."""
        if self.lent.bytes <= LARGEST:
            self.passes.append(self.lent)
            del self.passes[:-KEPT]


def lend(net: LayersInARow, x: np.ndarray) -> Loan | None:
    """A pass of net with the values for x; None where it cannot be computed by a list of jobs."""
    if kernels.job_list() is None:
        return None
    kept, parts = passes_of.setdefault(net, []), parts_of(net)
    for one in kept[::-1]:
        if one.x.shape == x.shape and one.x.dtype == x.dtype and same(one.parts, parts):
            with suppress(ValueError):  # another thread has just taken it
                kept.remove(one)
                break
    else:
        try:
            one = Pass(net, x)
        except kernels.NotAJobError:
            return None
    loan = Loan(one, kept)
    one.compute(x)
    return loan


def alternates(net: LayersInARow) -> bool:
    """Whether the layers are Dense and LeakyReLU in turn and end with Dense, or Dense and Tanh.

    Then all that `layer_values` and `gradients` compute are jobs.
    """
    n = len(net.layers) - (net.layers[-1].op.__name__ == "tanh")
    return n % 2 == 1 and all(net.is_dense[:n:2]) and all(net.is_leaky[1:n:2])


def parts_of(net: LayersInARow) -> list[Any]:
    """All objects that the jobs of a pass depend on."""
    parts: list[Any] = [net.theta]
    for layer in net.layers:
        parts += [layer.op, layer.op.function, layer.op.rules]
        parts += [*layer.params.values(), *layer.options.values()]
    return parts


def same(some: list[Any], others: list[Any]) -> bool:
    """Whether these are the same objects."""
    return len(some) == len(others) and all(map(operator.is_, some, others))
