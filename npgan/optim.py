"""Optimisers of a flat vector: an update is one loop over one array.

An optimiser holds a network (or a bare vector) and updates it in place by `step(gradient)`. Its own
state is in arrays that can be read (`state`) and put back (`restore`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from . import kernels
from .kernels import finite, memory, updates
from .layers import Network


class Optimiser:
    """The base class of SGD and Adam: their vector, their state, and the check of a gradient."""

    # One update of theta and the slots; False if one of their numbers is not finite.
    _update: Callable[[np.ndarray], bool]

    def __init__(
        self, target: Any, slots: Sequence[str] = (), part: slice = slice(None), **hyper: Any
    ):
        self.net = target if isinstance(target, Network) else None
        theta = target.theta if isinstance(target, Network) else target
        kind = type(self).__name__
        if not isinstance(theta, np.ndarray) or theta.ndim != 1:
            raise TypeError(f"{kind}() updates a Network or a flat vector, got {target!r}")
        for name, value in hyper.items():
            low, high = (0, 1) if name in ("beta1", "beta2", "momentum") else (0, np.inf)
            if not low <= value < high or (name in ("lr", "eps") and value == 0):
                raise ValueError(f"{kind}() got {name}={value}; it must lie in [{low}, {high})")
        self.hyper, self.t, self.part = hyper, 0, part
        self.theta = theta if part == slice(None) else theta[part]  # copy.deepcopy parts a view
        self.slots = {name: memory.zeros(self.theta.shape, theta.dtype) for name in slots}

    def step(self, gradient: np.ndarray) -> None:
        """Update theta in place by a flat gradient of its layout.

        Raises ValueError for another shape, and FloatingPointError if the gradient, the state or
        the new theta is not finite. This is noticed after the update: theta is useless then.
        """
        if (gradient := np.asarray(gradient)).shape != self.theta.shape:
            raise ValueError(
                f"step() got a gradient of shape {gradient.shape}, theta has {self.theta.shape}; "
                'pull(g, wrt="params") returns the right one'
            )
        self.t += 1
        is_finite = self._update(gradient)
        if self.net is not None:
            self.net.updates[0] += 1
        if not is_finite:
            raise FloatingPointError(self.fault(gradient).words)

    def fault(self, gradient: np.ndarray) -> finite.Fault:
        """What the last update, by this gradient, made not finite."""
        slots = {f"{type(self).__name__}'s {name}": slot for name, slot in self.slots.items()}
        arrays = {"the gradient": gradient, **slots, "the new weight": self.theta}
        return finite.find_fault(arrays, self.net, self.part.start or 0)

    def state(self) -> dict[str, np.ndarray]:
        """Return copies of the whole state, t and the slots, from which `restore` continues."""
        return {"t": np.array(self.t), **{name: slot.copy() for name, slot in self.slots.items()}}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Put back what `state()` returned."""
        for name, slot in self.slots.items():
            if (shape := np.shape(state[name])) != slot.shape:
                raise ValueError(f"restore() got {name} of shape {shape}, expected {slot.shape}")
            slot[:] = state[name]
        self.t = int(state["t"])


class SGD(Optimiser):
    """velocity = momentum velocity + g;  theta -= lr velocity.  (Polyak 1964, as in PyTorch).

    Parameters
    ----------
    target : Network or flat array
        Updated in place.
    lr, momentum : float
        The learning rate, above 0, and the momentum, in [0, 1).
    """

    def __init__(self, target: Network | np.ndarray, lr: float = 0.01, momentum: float = 0.0):
        super().__init__(target, ["velocity"], lr=lr, momentum=momentum)

    def _update(self, gradient: np.ndarray) -> bool:
        return bool(kernels.sgd(self.theta, gradient, self.slots["velocity"], **self.hyper))


@updates.register_adam
class Adam(Optimiser):
    """Adam (Kingma & Ba 2015, algorithm 1); computed by the kernel `adam`, in npgan/kernels/.

    m = β1 m + (1-β1) g,  v = β2 v + (1-β2) g²,  theta -= lr m/(1-β1^t) / (√(v/(1-β2^t)) + eps)

    Parameters
    ----------
    target : Network or flat array
        Updated in place.
    lr, eps : float
        The learning rate, and a number that keeps the quotient finite; above 0.
    beta1, beta2 : float
        The decay of the averages of g and of g², in [0, 1).
    part : slice
        What it updates of the vector, by a gradient of this part alone; all by default.
    """

    def __init__(
        self, target: Network | np.ndarray, lr: float = 1e-3, beta1: float = 0.9,
        beta2: float = 0.999, eps: float = 1e-8, part: slice = slice(None),
    ):  # fmt: skip
        super().__init__(target, ["m", "v"], part, lr=lr, beta1=beta1, beta2=beta2, eps=eps)

    def _update(self, gradient: np.ndarray) -> bool:
        return bool(kernels.adam(self.theta, gradient, **self.slots, **self.hyper, t=self.t))
