"""Network.forward with fused kernels, in memory that is used again.

Skip this file, too, at a first reading. A *pass* is a forward pass with its arrays, its jobs and
those of its pullbacks (docs/kernels.md says what a job is). For a network such as Generator or
Discriminator and the compiled kernels, the jobs are kept as lists: each computes what a function of
fused.py computes, in one call of compiled code and without new memory.

A pass is lent to one pullback and has its arrays to itself until that pullback is deleted, so two
forward passes never disturb each other. Then the next forward pass of as many images gets it.
"""

from __future__ import annotations

import math
import operator
import weakref
from collections.abc import Callable, Sequence
from itertools import cycle
from typing import Any, TypeVar

import numpy as np

from .. import kernels
from . import memory
from .fused import LayersInARow, Values, gradients, layer_values
from .state import State, checked, identical, own, some_of

KEPT = 8  # passes that are kept for a network, the latest ones
LARGEST = 1 << 25  # bytes of all their arrays
LARGEST_PASS = 1 << 23  # bytes of a pass's values; large products have no need of lists
KEPT_IN = ("passes", "kept_updates")  # attributes of a network that hold addresses
NO_GRADIENT = np.empty(0)

T = TypeVar("T")
rules_only = False  # see use_rules
shipped: dict[int, tuple[Any, Any, Any]] = {}  # see `ship`
METHODS = ("apply", "tensors", "named_parameters", "forward", "cast")
methods_of = operator.attrgetter(*METHODS)
methods: list[Any] = []  # the class Network and its methods; see `keep_methods`


def use_rules(only: bool = True) -> None:
    """Choose how networks compute: by the rules in npgan/ops.py alone, or also by fused kernels.

    By default a network computes Dense with the LeakyReLU after or before it in one pass: the same
    bits, sooner. These kernels skip the rules of `affine` and `leaky_relu`; the penalties and some
    losses (`direct` in losses.py) compute their gradients without the tape, and a whole update may
    be computed in one call (updates.py). After use_rules() all of training follows an edit of these
    rules in ops.py, of these losses and of the penalties, also if it is made during training.

    Parameters
    ----------
    only : bool, default True
        True: the rules alone. False: fused kernels where there are some.
    """
    global rules_only
    rules_only = bool(only)


def ship(*primitives: Any) -> None:
    """Remember the functions and rules of these: a fast path is for them alone, not for an edit."""
    shipped.update({id(op): (op, op.function, op.rules) for op in primitives})


def as_shipped(op: Any) -> bool:
    """Whether a primitive has its own function and rules."""
    known = shipped.get(id(op))
    return known is not None and op.function is known[1] and op.rules is known[2]


def keep_methods(network: T) -> T:
    """Remember the methods of Network, of which a user's class may have others."""
    methods[:] = [network, methods_of(network)]
    return network


def has_own_methods(net: Any) -> bool:
    """Whether this network computes by the methods of Network, also on the tape."""
    return (
        isinstance(net, methods[0])
        and methods_of(type(net)) == methods[1]
        and vars(net).keys().isdisjoint(METHODS)
    )


def forward(net: LayersInARow, x: np.ndarray) -> tuple[np.ndarray, Callable[..., Any]]:
    """(y, pull), as Network.forward returns them."""
    pull = Pullback(net, x)
    return pull.y.copy(), pull  # the caller may write to it


class Pullback:
    """The pullback of a forward pass, with the values that it computed.

    A class, and not a function in `forward`, so that updates.py can read them.
    """

    def __init__(self, net: LayersInARow, x: np.ndarray):
        self.net, self.parts = net, Parts(net)
        self.before = self.parts.state()
        self.loan = borrow(net, x, self.parts)
        self.values = (
            self.loan.lent.values if self.loan else layer_values(net, memory.copy(x, x.dtype))
        )
        self.y = self.values[len(net.layers)]

    def __call__(self, g: np.ndarray, wrt: str = "both") -> Any:
        net, given = self.net, (g := self.net.cast(g))
        now = Parts(net)  # after `cast`, as an object's __array__ may change the network
        g = checked(net, g, self.y, wrt, self.before, now.state())
        dtheta = NO_GRADIENT
        if wrt != "input":
            dtheta = memory.empty_again(net.theta.shape, net.theta.dtype)
        if (lent := self.usable(now)) is not None:
            dx = lent.pull(net, g, wrt, dtheta)
        else:
            dx = gradients(net, self.values, g, wrt, dtheta)
            dx = own(dx, given) if wrt != "params" else dx
        return dx if wrt == "input" else dtheta if wrt == "params" else (dx, dtheta)

    def __copy__(self, memo: Any = None) -> Pullback:
        """Itself, as of a function: its pass has addresses of arrays."""
        return self

    __deepcopy__ = __copy__

    def __reduce__(self) -> str:
        raise TypeError("a pullback cannot be pickled; call forward again")

    def usable(self, now: Parts) -> Pass | None:
        """The pass, if its jobs compute the gradients of the network as it is now."""
        if self.loan is None:
            return None
        self.loan.check()
        return self.loan.lent if now.same(self.parts) and kernels.job_list() is not None else None


class Parts:
    """All objects on which the values and gradients of a network depend, as they are now.

    Where one of `chosen` has changed since the forward pass, a pullback is refused; where one of
    the others has, the kernels and rules compute, one by one, and not the jobs.
    """

    def __init__(self, net: LayersInARow):
        self.theta, self.updates = net.theta, net.updates[0]
        self.chosen: list[Any] = []  # primitives and options, as in state.state_of
        self.rules: list[Any] = []  # each primitive, its function and its rules
        self.params: list[Any] = []
        for layer in net.layers:
            op = layer.op
            self.chosen += [op, *layer.options.values()]
            self.rules += [op, getattr(op, "function", None), getattr(op, "rules", None)]
            self.params += layer.params.values()

    def state(self) -> State:
        """As state.state_of, of the network's layers."""
        return State(self.chosen, some_of(self.theta), self.updates)

    def same(self, before: Parts) -> bool:
        """Whether all are the same objects as before."""
        return (
            self.theta is before.theta
            and identical(self.chosen, before.chosen)
            and identical(self.rules, before.rules)
            and identical(self.params, before.params)
        )

    def are_shipped(self) -> bool:
        """Whether all primitives have their own functions and rules."""
        known = (shipped.get(id(op), (None,)) for op in self.rules[::3])
        return identical(self.rules, [part for three in known for part in three])


def has_jobs(net: LayersInARow, lists: Any) -> bool:
    """Whether jobs in such lists compute all layers of this network, if nothing was edited.

    They must be Dense and LeakyReLU in turn, with a Dense, perhaps a Tanh, at the end, and what
    Network.bind noted of them must be true.
    """
    n = denses_and_leakies(net)
    return (
        len(net.layers) == len(net.is_tanh)
        and n % 2 == 1
        and all(is_dense(net, i, lists) for i in range(0, n, 2))
        and all(net.is_leaky[i] and is_leaky(net.layers[i]) for i in range(1, n, 2))
        and [one.op.__name__ for one in net.layers[n:]] in ([], ["tanh"])
    )


def is_dense(net: LayersInARow, i: int, lists: Any) -> bool:
    """Whether layer i is a Dense whose arrays a job can read, with its part of theta."""
    layer, part = net.layers[i], net.slices[i]
    if not net.is_dense[i] or layer.op.__name__ != "affine":
        return False
    if layer.options or len(layer.params) != 2:
        return False
    W, b = layer.params.values()
    return (
        W.ndim == 2
        and b.shape == W.shape[1:]
        and W.dtype == b.dtype == net.theta.dtype
        and part.stop - part.start == W.size + b.size
        and lists.fits(W)
        and lists.fits(b)
    )


def is_leaky(layer: Any) -> bool:
    """Whether a layer is a LeakyReLU with a slope that the primitive accepts.

    An array could be written to, and a list would keep the old slope; a number of NumPy may have
    another dtype than the network.
    """
    if layer.op.__name__ != "leaky_relu" or [*layer.options] != ["slope"]:
        return False
    slope = layer.options["slope"]
    return type(slope) in (int, float) and 0 <= slope < np.inf


def size(net: LayersInARow, rows: int) -> int:
    """The bytes of an input of so many rows and of what the Dense layers compute from it."""
    shapes = [p.shape for layer in net.layers for p in layer.params.values()]  # of W, b, W, b, ...
    return rows * (shapes[0][0] + sum(shape[-1] for shape in shapes[1::2])) * net.theta.itemsize


def widest(net: LayersInARow) -> int:
    """The largest number of outputs of a layer."""
    return max(p.shape[-1] for layer in net.layers for p in layer.params.values())


def denses_and_leakies(net: LayersInARow) -> int:
    """How many layers there are without a Tanh at the end."""
    return len(net.layers) - net.is_tanh[-1]


class Pass:
    """The arrays of a forward pass, the jobs that compute them, and those of its pullbacks."""

    def __init__(self, net: LayersInARow, x: np.ndarray, parts: Parts, lists: Any):
        self.parts, self.lists = parts, lists
        self.borrower: weakref.ref[Loan] | None = None
        self.slopes: Any = None  # the jobs of a penalty, once there was one; see slopes.py
        self.x, self.jobs = memory.empty(x.shape, x.dtype), lists(x.dtype)
        self.values = add_values(self.jobs, net, self.x)
        self.jobs.finish()
        # Several of a kind only where two threads call one pullback.
        self.pullbacks: dict[str, list[Any]] = {"input": [], "params": [], "both": []}
        self.bytes = sum(value.nbytes for value in self.values.values())

    def fits(self, x: np.ndarray, parts: Parts) -> bool:
        """Whether this pass computes the network with these parts from x."""
        return self.x.shape == x.shape and self.x.dtype == x.dtype and parts.same(self.parts)

    def is_free(self) -> bool:
        """Whether no pullback has this pass."""
        return self.borrower is None or self.borrower() is None

    def compute(self, x: np.ndarray) -> None:
        """Compute the values from x."""
        np.copyto(self.x, x)
        self.jobs.compute()

    def pull(self, net: LayersInARow, g: np.ndarray, wrt: str, dtheta: np.ndarray) -> np.ndarray:
        """As fused.gradients, with dx in new memory."""
        try:
            jobs = self.pullbacks[wrt].pop()
        except IndexError:
            jobs = self.new_pullback(net, wrt)
        dx = NO_GRADIENT if wrt == "params" else memory.empty(self.x.shape, self.x.dtype)
        g = g if g.flags.carray else np.array(g, order="C")
        jobs.compute(g, dtheta, dx)
        self.pullbacks[wrt].append(jobs)
        return dx

    def new_pullback(self, net: LayersInARow, wrt: str) -> Any:
        """The jobs of a pullback; they are computed for (g, dtheta, dx)."""
        y = self.values[len(net.layers)]
        g = memory.empty(y.shape, y.dtype)
        dtheta = NO_GRADIENT if wrt == "input" else memory.empty(net.theta.shape, y.dtype)
        dx = NO_GRADIENT if wrt == "params" else memory.empty(self.x.shape, y.dtype)
        jobs = self.lists(y.dtype)
        self.bytes += add_gradients(jobs, net, self.values, g, wrt, dtheta, dx)
        return jobs.finish(g, dtheta, dx)


def add_values(jobs: Any, net: LayersInARow, x: np.ndarray, places: Values | None = None) -> Values:
    """Add the jobs that compute a network's values from x, and return where they will be.

    places: where some of them shall be.
    """
    places = places or {}
    h, values, n, last = x, {0: x}, denses_and_leakies(net), len(net.layers)
    for i in range(0, n, 2):
        net.layers[i].check(h)
        W, b = net.layers[i].params.values()
        slope = net.layers[i + 1].options["slope"] if i + 1 < n else 1.0
        place = places.get(min(i + 2, n))
        h = values[min(i + 2, n)] = jobs.product(h, W, False, False, out=place, bias=b, slope=slope)
    if n < last:
        place = places.get(last)
        values[last] = memory.empty(h.shape, h.dtype) if place is None else place
        jobs.tanh(h, values[last])
    return values


def add_gradients(
    jobs: Any, net: LayersInARow, values: Values, g: np.ndarray, wrt: str,
    dtheta: np.ndarray, dx: np.ndarray, scratch: Sequence[np.ndarray] = (),
) -> int:  # fmt: skip
    """Add the jobs that compute what fused.gradients does; returns the bytes of new arrays.

    scratch: two vectors in which gradients by values may lie, in turns, instead of in new arrays.
    """
    n, y, h, size = denses_and_leakies(net), values[len(net.layers)], g, 0
    places = cycle(scratch)

    def place(shape: tuple[int, ...]) -> np.ndarray:
        """Memory for a gradient."""
        if not scratch:
            return memory.empty(shape, y.dtype)
        return next(places)[: math.prod(shape)].reshape(shape)

    if n < len(net.layers):
        h = place(y.shape)
        jobs.tanh_gate(g, y, h)
    for i in reversed(range(0, n, 2)):
        x, (W, _) = values[i], net.layers[i].params.values()
        if wrt != "input":
            part = dtheta[net.slices[i]]
            dW, db = part[: W.size].reshape(W.shape), part[W.size :]
            jobs.product(x, h, True, False, out=dW, sums=db)
        if i > 0:
            slope = net.layers[i - 1].options["slope"]
            h = jobs.product(h, W, False, True, out=place(x.shape), gate=x, slope=slope)
            size += h.nbytes
        elif wrt != "params":
            jobs.product(h, W, False, True, out=dx)
    return size


class Loan:
    """What a pullback holds as long as it has a pass. It has no finaliser: see `is_free`."""

    def __init__(self, lent: Pass):
        self.lent = lent

    def check(self) -> None:
        """Raise RuntimeError if the pass is lent to another pullback.

        So it is after a finaliser has kept the pullback of an object that was being deleted.
        """
        if self.lent.borrower is None or self.lent.borrower() is not self:
            raise RuntimeError("this pullback was being deleted; call forward again")


def borrow(net: LayersInARow, x: np.ndarray, parts: Parts) -> Loan | None:
    """A pass of net with the values for x; None where jobs do not compute this network."""
    lists = kernels.job_list()
    if lists is None:
        return None
    kept = net.__dict__.setdefault("passes", [])
    # A pass is of unedited primitives, so one with the same parts is, too.
    lent = take(kept, x, parts)
    if lent is None:
        if not parts.are_shipped():
            return None
        net.layers[0].check(x)
        if not has_jobs(net, lists) or size(net, len(x)) > LARGEST_PASS:
            return None
        lent = Pass(net, x, parts, lists)
    loan = Loan(lent)
    lent.borrower = weakref.ref(loan)
    kept.append(lent)
    if len(kept) > KEPT or sum(one.bytes for one in kept) > LARGEST:
        forget(kept, net.theta)
    lent.compute(x)
    return loan


def take(kept: list[Pass], x: np.ndarray, parts: Parts) -> Pass | None:
    """Remove a free pass that fits from the list; None where there is none."""
    for one in kept[::-1]:
        if one.is_free() and one.fits(x, parts):
            try:
                kept.remove(one)
            except ValueError:  # another thread has it
                continue
            if one.is_free():
                return one
            kept.append(one)  # another thread had it, and has put it back
    return None


def forget(kept: list[Pass], theta: np.ndarray) -> None:
    """Keep the latest passes alone, and none of another theta."""
    total = 0
    latest: list[Pass] = []
    for one in kept[::-1]:
        total += one.bytes
        if one.parts.theta is theta and len(latest) < KEPT and total <= LARGEST:
            latest.append(one)
    kept[:] = latest[::-1]
