"""Layers and networks, differentiated without a tape: each forward pass returns a pullback.

    y, pull = net.forward(x)            # the values, from x to y
    dx, dtheta = pull(dy)               # the gradients, from dL/dy back to dL/dx and dL/dtheta

A *pullback* (vector-Jacobian product) maps the gradient by a function's output to the gradients by
its inputs. A layer is one primitive and its parameters: `forward` calls the primitive,
`pull` calls its rules. Nothing is stored on the layer, since a pullback keeps the values that it
needs: two forward passes never disturb each other. A pullback accumulates nothing.

Parameters of a network are views into one flat vector, `net.theta`, and so is their gradient.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Any, Literal, Protocol, overload

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from . import ops
from .autograd import Primitive, Tensor
from .kernels import memory, passes, state

Seed = int | Sequence[int] | np.random.Generator | None
Initialiser = Callable[[np.random.Generator, int, int], np.ndarray]


class Pull(Protocol):
    """pull(dy, wrt): dx for "input", the flat dtheta for "params", (dx, dtheta) for "both"."""

    @overload
    def __call__(self, g: np.ndarray, wrt: Literal["input", "params"]) -> np.ndarray: ...
    @overload
    def __call__(self, g: np.ndarray, wrt: str = "both") -> Any: ...


# ---- initialisers: (rng, inputs, outputs) -> W of shape (inputs, outputs) ----


def he(rng: np.random.Generator, inputs: int, outputs: int, slope: float = 0.2) -> np.ndarray:
    """Normal, of variance 2 / ((1 + slope²) inputs), for LeakyReLU. He et al. 2015, eq. 15."""
    return rng.normal(0.0, math.sqrt(2.0 / ((1.0 + slope**2) * inputs)), (inputs, outputs))


def glorot(rng: np.random.Generator, inputs: int, outputs: int) -> np.ndarray:
    """U(-a, a), a² = 6 / (inputs + outputs), for tanh. Glorot & Bengio 2010, eq. 16."""
    a = math.sqrt(6.0 / (inputs + outputs))
    return rng.uniform(-a, a, (inputs, outputs))


def normal(rng: np.random.Generator, inputs: int, outputs: int, std: float = 0.02) -> np.ndarray:
    """N(0, 0.02²), as in DCGAN. Radford et al. 2016, section 4."""
    return rng.normal(0.0, std, (inputs, outputs))


INITIALISERS: dict[str, Initialiser] = {"he": he, "glorot": glorot, "normal": normal}


# ---- one layer ----


class Layer:
    """One primitive with its options and parameters.

    Parameters
    ----------
    op : Primitive
        Called as op(x, *parameters, **options).
    params : dict of str to array_like, optional
        The parameters' first values by name, in the order of op's arguments. They are copied into
        one flat vector, `theta`.
    dtype : dtype
    **options
        Keyword arguments of op.
    """

    def __init__(
        self, op: Primitive, params: dict[str, ArrayLike] | None = None,
        dtype: DTypeLike = np.float32, **options: Any,
    ):  # fmt: skip
        self.op, self.options, self.in_network = op, copy.deepcopy(options), False
        arrays = {name: np.asarray(value, dtype) for name, value in (params or {}).items()}
        self.shapes = {name: a.shape for name, a in arrays.items()}
        self.bind(np.concatenate([np.zeros(0, dtype), *(a.ravel() for a in arrays.values())]))

    def bind(self, theta: np.ndarray) -> None:
        """Make the parameters views into theta, a flat vector."""
        self.theta, self.params, start = theta, {}, 0
        for name, shape in self.shapes.items():
            stop = start + math.prod(shape)
            self.params[name] = theta[start:stop].reshape(shape)
            start = stop

    def with_theta(self, theta: np.ndarray) -> Layer:
        """A copy of this layer whose parameters are views into theta."""
        other = copy.copy(self)
        other.bind(theta)
        return other

    def __setstate__(self, state: dict[str, Any]) -> None:
        """After unpickling, and in copy.deepcopy: make the parameters views again."""
        self.__dict__.update(state)
        self.bind(self.theta)

    def check(self, x: Any) -> None:
        """Raise ValueError where x cannot be the input: Dense does, other layers take all."""

    def forward(self, x: np.ndarray) -> tuple[np.ndarray, Pull]:
        """Return (y, pull): the layer's output, and its pullback (see `Pull`)."""
        self.check(x)
        x, before = np.array(x), state.state_of([self], self.theta)
        y = self.op(x, *self.params.values(), **self.options)

        def pull(g: np.ndarray, wrt: str = "both") -> Any:
            state.check_wrt(wrt)
            state.check_unchanged(before, state.state_of([self], self.theta))
            dx = state.own(self.input_gradient(g, x, y), g) if wrt != "params" else None
            dtheta = self.parameter_gradient(g, x, y) if wrt != "input" else None
            return dx if wrt == "input" else dtheta if wrt == "params" else (dx, dtheta)

        return y.copy(), pull  # the caller may write to it

    def input_gradient(self, g: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """dL/dx from g = dL/dy, by the primitive's rule."""
        dx = self.op.rule(0)(g, y, x, *self.params.values(), **self.options)
        return np.zeros_like(x) if dx is None else dx  # None: the derivative is zero

    def parameter_gradient(self, g: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """dL/dtheta, flat, by the primitive's rules."""
        dtheta, start = np.zeros_like(self.theta), 0
        for i, p in enumerate(self.params.values(), start=1):
            dp = self.op.rule(i)(g, y, x, *self.params.values(), **self.options)
            if dp is not None:
                dtheta[start : start + p.size] = dp.ravel()
            start += p.size
        return dtheta

    def __repr__(self) -> str:
        return self.op.__name__


class Dense(Layer):
    """A dense (fully connected) layer, y = x W + b.    x (B, inputs), y (B, outputs).

    Parameters
    ----------
    inputs, outputs : int
        W is (inputs, outputs), b is (outputs,) and starts at 0.
    init : {"he", "glorot", "normal"} or function (rng, inputs, outputs) -> W
        How W is drawn.
    rng : int, Generator or None
    dtype : dtype
    """

    def __init__(
        self, inputs: int, outputs: int, init: str | Initialiser = "he", rng: Seed = None,
        dtype: DTypeLike = np.float32,
    ):  # fmt: skip
        for name, n in (("inputs", inputs), ("outputs", outputs)):
            if isinstance(n, bool) or not isinstance(n, (int, np.integer)) or n < 1:
                raise ValueError(f"Dense() needs a whole number of {name}, 1 or more; got {n!r}")
        if not callable(init) and init not in INITIALISERS:
            raise ValueError(f"init is {', '.join(INITIALISERS)} or a function, got {init!r}")
        fill = init if callable(init) else INITIALISERS[init]
        W = fill(np.random.default_rng(rng), inputs, outputs)
        if np.shape(W) != (inputs, outputs):
            raise ValueError(f"init must return W of shape {(inputs, outputs)}, got {np.shape(W)}")
        super().__init__(ops.affine, {"W": W, "b": np.zeros(outputs)}, dtype)

    def check(self, x: Any) -> None:
        """Raise ValueError unless x is (batch, inputs)."""
        inputs = self.shapes["W"][0]
        if np.ndim(x) != 2 or np.shape(x)[1] != inputs:
            raise ValueError(
                f"{self!r} got x of shape {np.shape(x)}; it must be (batch, {inputs}). "
                "Is this z where an image belongs, or images that are not flattened?"
            )

    def __repr__(self) -> str:
        return "Dense({} -> {})".format(*self.shapes["W"])


def LeakyReLU(slope: float = 0.2) -> Layer:  # noqa: N802
    """A layer: x where x > 0, else slope x.  Maas et al. 2013.

    Parameters
    ----------
    slope : float
        0 or more; also the derivative at 0. With 0 this is a ReLU.
    """
    ops.leaky_relu(0.0, slope=slope)  # refuses a slope that is not 0 or more
    return Layer(ops.leaky_relu, slope=slope)


def Sigmoid() -> Layer:  # noqa: N802
    """A layer: 1 / (1 + e^-x). A discriminator that ends in logits trains better."""
    return Layer(ops.sigmoid)


def Tanh() -> Layer:  # noqa: N802
    """A layer: (e^x - e^-x) / (e^x + e^-x), into (-1, 1)."""
    return Layer(ops.tanh)


# ---- layers in a row ----


@passes.keep_methods
class Network:
    """Layers in a row, whose parameters are views into one flat vector `theta`.

    Change the parameters by net.theta[:] = ..., not by net.theta = .... Their names are "0.W",
    "0.b", "2.W", ... by the position of the layer.

    Parameters
    ----------
    layers : sequence of Layer
        From input to output. A layer with parameters can be in one network only.
    """

    def __init__(self, layers: Sequence[Layer]):
        self.layers = list(layers)
        if not self.layers:
            raise ValueError("Network() needs at least one layer")
        for layer in self.layers:
            if layer.in_network or (layer.theta.size and self.layers.count(layer) > 1):
                raise ValueError(
                    f"{layer!r} is in a network already; make a new layer, or net.copy()"
                )
        for layer in self.layers:
            layer.in_network = layer.theta.size > 0
        # Updates of theta so far; a list, so that networks on one theta share the count.
        self.updates = [0]
        theta = np.concatenate([layer.theta for layer in self.layers])
        self.bind(memory.copy(theta, theta.dtype))

    def bind(self, theta: np.ndarray) -> None:
        """Make the parameters views into theta; `slices` says where each layer's are."""
        stops = np.cumsum([0, *(layer.theta.size for layer in self.layers)]).tolist()
        self.theta, self.slices = theta, [slice(*ends) for ends in pairwise(stops)]
        for layer, part in zip(self.layers, self.slices, strict=True):
            layer.bind(theta[part])
        self.is_dense = [layer.op is ops.affine for layer in self.layers]
        self.is_leaky = [
            layer.op is ops.leaky_relu and "slope" in layer.options for layer in self.layers
        ]
        self.is_tanh = [layer.op is ops.tanh for layer in self.layers]

    def with_theta(self, theta: np.ndarray, layers: Sequence[Layer] | None = None) -> Network:
        """A copy of this network (or of these layers) whose parameters are views into theta.

        With theta = net.theta both have the same parameters: an update of one changes the other.
        """
        other = copy.copy(self)
        other.layers = [copy.copy(layer) for layer in layers or self.layers]
        other.updates = self.updates if theta is self.theta else [0]
        other.bind(theta)
        return other

    def __getstate__(self) -> dict[str, Any]:
        """All but passes and updates, which have the addresses of this network's weights."""
        return {name: value for name, value in self.__dict__.items() if name not in passes.KEPT_IN}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """After unpickling, and in copy.deepcopy: make the parameters views again."""
        self.__dict__.update(state)
        self.bind(self.theta)

    def forward(self, x: np.ndarray) -> tuple[np.ndarray, Pull]:
        """Compute the output, and the pullback through all layers.

        x is (B, inputs) floats, y is (B, outputs). pull(dy, wrt) returns dx for wrt="input", the
        flat dtheta for "params", (dx, dtheta) for "both", and computes no more than that. It raises
        RuntimeError if the weights have changed since: the gradient would mix two sets of weights.
        Then call forward again. It may be called after x or y were written to: it has copies.
        """
        x = self.cast(x)
        if not passes.rules_only:
            return passes.forward(self, x)
        y, pulls = memory.copy(x, x.dtype), []
        before = state.state_of(self.layers, self.theta, self.updates[0])
        for layer in self.layers:
            y, pull_layer = layer.forward(y)
            pulls.append(pull_layer)

        def pull(g: np.ndarray, wrt: str = "both") -> Any:
            g = state.checked(self, g, y, wrt, before)
            dtheta = memory.empty((self.theta.size if wrt != "input" else 0,), self.theta.dtype)
            for i in reversed(range(len(pulls))):
                if wrt != "input":
                    dtheta[self.slices[i]] = pulls[i](g, "params")
                if i > 0 or wrt != "params":
                    g = pulls[i](g, "input")
            return g if wrt == "input" else dtheta if wrt == "params" else (g, dtheta)

        return y, pull

    def cast(self, x: Any) -> np.ndarray:
        """x in the network's dtype. TypeError for integers: such images were not scaled."""
        x = np.asarray(x)
        if x.dtype.kind != "f":
            hint = "npgan.datasets.to_unit() scales images to [-1, 1]"
            raise TypeError(f"a network takes floats, got {x.dtype}; {hint}")
        return x.astype(self.theta.dtype, copy=False)

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Return the output alone: net(x) is net.forward(x)[0]."""
        return self.forward(x)[0]

    def named_parameters(self) -> Iterator[tuple[str, np.ndarray]]:
        """Yield ("0.W", view), ("0.b", view), ... in the order of theta."""
        for i, layer in enumerate(self.layers):
            for name, p in layer.params.items():
                yield f"{i}.{name}", p

    def tensors(self) -> list[Tensor]:
        """Return the parameters as leaves for the tape, in the order of theta; see `apply`."""
        return [Tensor(p) for _, p in self.named_parameters()]

    def apply(self, x: Any, params: Sequence[Any]) -> Any:
        """Compute the output from x and these parameters, arrays or, for the tape, Tensors."""
        rest = list(params)
        for layer in self.layers:
            layer.check(x)
            own, rest = rest[: len(layer.params)], rest[len(layer.params) :]
            x = layer.op(x, *own, **layer.options)
        return x

    def copy(self) -> Network:
        """Return the same layers and numbers in new memory."""
        return self.astype(self.theta.dtype)

    def astype(self, dtype: DTypeLike) -> Network:
        """Return a copy in float32 or float64."""
        if np.dtype(dtype) not in (np.float32, np.float64):
            raise ValueError(f"a network is float32 or float64, got {np.dtype(dtype)}")
        return self.with_theta(memory.copy(self.theta, dtype))

    def __repr__(self) -> str:
        layers = ", ".join(map(repr, self.layers))
        return f"{type(self).__name__}({layers}; {self.theta.size:,} parameters)"


def flatten(gradients: Sequence[np.ndarray]) -> np.ndarray:
    """Join the gradients that `grad` returns for net.tensors() into one vector of theta's layout.

    Parameters
    ----------
    gradients : sequence of array
        One for each parameter, in the order of theta.
    """
    return np.concatenate([np.ravel(g) for g in gradients])
