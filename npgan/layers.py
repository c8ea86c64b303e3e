"""Layers and networks: the explicit road.

    y, pull = net.forward(x)            # values forwards ...
    dx, dtheta = pull(dy)               # ... gradients backwards

A layer is one primitive and the parameters it owns. `forward` calls the primitive; `pull` calls its
rules. Nothing is cached on the layer: a pullback closes over what it needs, so two forward passes
never disturb each other. A pullback returns gradients and accumulates nothing.

A network's parameters are views into one flat vector, `net.theta`; a gradient is a flat vector of
the same layout, so an optimiser, a norm or an average is one loop over one array.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from . import kernels, ops
from .autograd import Primitive, Tensor
from .kernels import memory

Pull = Callable[..., Any]
NOT_KEPT = np.empty(
    0
)  # the output of a Dense whose LeakyReLU was computed with it; no rule needs it
WRT = ("input", "params", "both")


# ---- initialisers: (rng, inputs, outputs) -> W of shape (inputs, outputs) ----


def he(rng, inputs, outputs, slope=0.2):
    """N(0, σ²), σ² = 2 / ((1 + slope²) inputs): keeps the scale through LeakyReLU.  He et al. 2015, eq. 15"""
    return rng.normal(0.0, math.sqrt(2.0 / ((1.0 + slope**2) * inputs)), (inputs, outputs))


def glorot(rng, inputs, outputs):
    """U(-a, a), a = √(6 / (inputs + outputs)): keeps the scale through tanh.  Glorot & Bengio 2010, eq. 16"""
    a = math.sqrt(6.0 / (inputs + outputs))
    return rng.uniform(-a, a, (inputs, outputs))


def normal(rng, inputs, outputs, std=0.02):
    """N(0, 0.02²), the choice of DCGAN.  Radford et al. 2016, section 4"""
    return rng.normal(0.0, std, (inputs, outputs))


INITIALISERS = {"he": he, "glorot": glorot, "normal": normal}


# ---- one layer ----


class Layer:
    """One primitive with its options, and the parameters it owns (arrays by name, in its argument order).

    A layer of your own: Layer(my_primitive, {"scale": np.ones(3)}). Its parameters are copied into
    one flat vector `theta`, in float32 unless dtype says otherwise.
    """

    def __init__(
        self,
        op: Primitive,
        params: dict[str, Any] | None = None,
        dtype: Any = np.float32,
        **options,
    ):
        self.op, self.options, self.owned = op, options, False
        arrays = {name: np.asarray(value, dtype) for name, value in (params or {}).items()}
        self.shapes = {name: a.shape for name, a in arrays.items()}
        self.bind(np.concatenate([np.zeros(0, dtype), *(a.ravel() for a in arrays.values())]))

    def bind(self, theta: np.ndarray) -> None:
        """Let the parameters live in theta, a flat vector."""
        self.theta, self.params, start = theta, {}, 0
        for name, shape in self.shapes.items():
            stop = start + math.prod(shape)
            self.params[name] = theta[start:stop].reshape(shape)
            start = stop

    def __setstate__(self, state: dict[str, Any]) -> None:
        """After unpickling, and in copy.deepcopy: let the parameters be views again."""
        self.__dict__.update(state)
        self.bind(self.theta)

    def check(self, x: Any) -> None:
        """Raise ValueError where x cannot be this layer's input; Dense knows more."""

    def forward(self, x: np.ndarray) -> tuple[np.ndarray, Pull]:
        """(y, pull);  pull(dy, wrt) is dx ("input"), the flat dtheta ("params"), or (dx, dtheta) ("both")."""
        self.check(x)
        y = self.op(x, *self.params.values(), **self.options)

        def pull(g: np.ndarray, wrt: str = "both") -> Any:
            dx = self.by_input(g, x, y) if check_wrt(wrt) != "params" else None
            if wrt == "input":
                return dx
            dtheta = np.empty_like(self.theta)
            self.by_params(g, x, y, dtheta)
            return dtheta if wrt == "params" else (dx, dtheta)

        return y, pull

    def by_input(self, g: np.ndarray, x: np.ndarray, y: Any) -> np.ndarray:
        """dL/dx from g = dL/dy, by the primitive's rule."""
        dx = self.op.rule(0)(g, y, x, *self.params.values(), **self.options)
        return np.zeros_like(x) if dx is None else dx  # None: ops.zero_derivative

    def by_params(self, g: np.ndarray, x: np.ndarray, y: Any, out: np.ndarray) -> None:
        """dL/dtheta into `out`, by the primitive's rules."""
        start = 0
        for i, p in enumerate(self.params.values(), start=1):
            dp = self.op.rule(i)(g, y, x, *self.params.values(), **self.options)
            out[start : start + p.size] = 0 if dp is None else dp.ravel()
            start += p.size

    def __repr__(self) -> str:
        return self.op.__name__


class Dense(Layer):
    """y = x W + b.    x (B, inputs), W (inputs, outputs), b (outputs,), y (B, outputs).

    init is "he", "glorot", "normal" or a function (rng, inputs, outputs) -> W;  b starts at 0.
    """

    def __init__(
        self, inputs: int, outputs: int, init: Any = "he", rng: Any = None, dtype: Any = np.float32
    ):
        for name, n in (("inputs", inputs), ("outputs", outputs)):
            if not isinstance(n, (int, np.integer)) or n < 1:
                raise ValueError(f"Dense() needs a whole number of {name}, 1 or more; got {n!r}")
        if not callable(init) and init not in INITIALISERS:
            raise ValueError(f"init is {', '.join(INITIALISERS)} or a function, got {init!r}")
        fill = init if callable(init) else INITIALISERS[init]
        W = fill(np.random.default_rng(rng), inputs, outputs)
        if np.shape(W) != (inputs, outputs):
            raise ValueError(f"init must return W of shape {(inputs, outputs)}, got {np.shape(W)}")
        super().__init__(ops.affine, {"W": W, "b": np.zeros(outputs)}, dtype)

    def check(self, x: Any) -> None:
        inputs = self.shapes["W"][0]
        if np.ndim(x) != 2 or np.shape(x)[1] != inputs:
            raise ValueError(
                f"{self!r} got x of shape {np.shape(x)}; it must be (batch, {inputs}). "
                "Is this z where an image belongs, or images that are not flattened?"
            )

    def by_params(self, g: np.ndarray, x: np.ndarray, y: Any, out: np.ndarray) -> None:
        """What affine's rules say, xᵀ g and Σ g, in one pass over g and straight into `out`."""
        split = self.params["W"].size
        kernels.weight_gradients(x, g, out[:split].reshape(self.shapes["W"]), out[split:])

    def __repr__(self) -> str:
        return "Dense({} -> {})".format(*self.shapes["W"])


def LeakyReLU(slope: float = 0.2) -> Layer:  # noqa: N802
    """x where x > 0, else slope x; at 0 the slope is `slope`.  Maas et al. 2013"""
    ops.leaky_relu(0.0, slope=slope)  # refuses a slope that is not 0 or more
    return Layer(ops.leaky_relu, slope=slope)


def Sigmoid() -> Layer:  # noqa: N802
    """1 / (1 + e^-x).  For reading: a discriminator that ends in logits trains better."""
    return Layer(ops.sigmoid)


def Tanh() -> Layer:  # noqa: N802
    """(e^x - e^-x) / (e^x + e^-x), into (-1, 1)"""
    return Layer(ops.tanh)


# ---- layers in a row ----


class Network:
    """Layers in a row, whose parameters are views into one flat vector `theta`.

    Assign into it (net.theta[:] = ...), never to it. Parameters are named "0.W", "0.b", "2.W", ... by
    the layer's place.
    """

    def __init__(self, layers: Sequence[Layer]):
        self.layers = list(layers)
        if not self.layers:
            raise ValueError("Network() needs at least one layer")
        for layer in self.layers:
            if layer.owned or (layer.theta.size and self.layers.count(layer) > 1):
                raise ValueError(
                    f"{layer!r} belongs to a network already; make a new layer, or net.copy()"
                )
        for layer in self.layers:
            layer.owned = layer.theta.size > 0
        self.moves = 0  # how often an optimiser has moved theta; see forward
        theta = np.concatenate([layer.theta for layer in self.layers])
        self.bind(memory.copy(theta, theta.dtype))

    def bind(self, theta: np.ndarray) -> None:
        self.pairs = [
            isinstance(one, Dense) and two.op is ops.leaky_relu and "slope" in two.options
            for one, two in pairwise([*self.layers, Layer(ops.negative)])
        ]  # pairs[i]: layer i is a Dense, and the next one a LeakyReLU
        self.theta, self.stretches, start = theta, [], 0
        for layer in self.layers:
            stretch = slice(start, start + layer.theta.size)
            layer.bind(theta[stretch])
            self.stretches.append(stretch)
            start = stretch.stop

    def __setstate__(self, state: dict[str, Any]) -> None:
        """After unpickling, and in copy.deepcopy: let the parameters be views again."""
        self.__dict__.update(state)
        self.bind(self.theta)

    def forward(self, x: np.ndarray) -> tuple[np.ndarray, Pull]:
        """(y, pull) as of a layer.  Only the arrows that `wrt` asks for are followed.

        Dense and LeakyReLU side by side are computed in one pass, forwards and backwards: the same numbers
        as their rules give, with less traffic. Raises RuntimeError from pull where an optimiser has moved
        the weights since: the gradient would mix two sets of weights. Call forward again.
        """
        layers, moves, values = (
            self.layers,
            self.moves,
            [self.cast(x)],
        )  # values[i] goes into layer i
        for i, layer in enumerate(layers):
            layer.check(values[i])
            if self.pairs[i]:
                values.append(NOT_KEPT)
            elif i > 0 and self.pairs[i - 1]:
                values.append(
                    kernels.affine_leaky(
                        values[i - 1], *layers[i - 1].params.values(), **layer.options
                    )
                )
            else:
                values.append(layer.op(values[i], *layer.params.values(), **layer.options))
        y = values[-1]

        def pull(g: np.ndarray, wrt: str = "both") -> Any:
            g = self.cast(g)  # a float64 gradient would turn every product behind it into float64
            if g.shape != y.shape:
                raise ValueError(
                    f"pull() got a gradient of shape {g.shape}, the output has {y.shape}"
                )
            if moves != self.moves:
                raise RuntimeError(
                    "the weights have moved since this forward pass; call forward again"
                )
            size = self.theta.size if check_wrt(wrt) != "input" else 0
            dtheta = memory.empty((size,), self.theta.dtype)
            i = len(layers)
            while i > 0:
                i -= 1
                layer, x = layers[i], values[i]
                if wrt != "input":
                    layer.by_params(g, x, values[i + 1], dtheta[self.stretches[i]])
                if i == 0 and wrt == "params":
                    break
                if i > 1 and self.pairs[i - 2] and isinstance(layer, Dense):
                    i -= 1  # on through the LeakyReLU below, too
                    g = kernels.gemm_gate(g, layer.params["W"], x, **layers[i].options)
                else:
                    g = layer.by_input(g, x, values[i + 1])
            return g if wrt == "input" else dtheta if wrt == "params" else (g, dtheta)

        return y, pull

    def cast(self, x: Any) -> np.ndarray:
        """x in the network's dtype; integers are refused, for they are images that were not scaled."""
        x = np.asarray(x)
        if x.dtype.kind != "f":
            raise TypeError(
                f"a network takes floats, got {x.dtype}; npgan.datasets.to_unit() scales images to [-1, 1]"
            )
        return x.astype(self.theta.dtype, copy=False)

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """The values alone: net(x) is net.forward(x)[0]."""
        return self.forward(x)[0]

    def named_parameters(self) -> Iterator[tuple[str, np.ndarray]]:
        """("0.W", view), ("0.b", view), ... in the order of theta."""
        for i, layer in enumerate(self.layers):
            for name, p in layer.params.items():
                yield f"{i}.{name}", p

    def name_at(self, index: int) -> str:
        """Which parameter theta[index] belongs to, with its position: "2.W[17, 4]"."""
        for name, p in self.named_parameters():
            if index < p.size:
                return f"{name}{[int(n) for n in np.unravel_index(index, p.shape)]}"
            index -= p.size
        raise IndexError("beyond the end of theta")

    def tensors(self) -> list[Tensor]:
        """The parameters as leaves for the tape road, in the order of theta; see `apply`."""
        return [Tensor(p) for _, p in self.named_parameters()]

    def apply(self, x: Any, params: Sequence[Any]) -> Any:
        """The tape road: the same function of x and of given parameters, each an array or a Tensor."""
        rest = list(params)
        for layer in self.layers:
            layer.check(x)
            own, rest = rest[: len(layer.params)], rest[len(layer.params) :]
            x = layer.op(x, *own, **layer.options)
        return x

    def copy(self) -> Network:
        """The same layers and numbers in memory of its own."""
        return self.astype(self.theta.dtype)

    def astype(self, dtype: Any) -> Network:
        """A copy in float32 or float64."""
        if np.dtype(dtype) not in (np.float32, np.float64):
            raise ValueError(f"a network is float32 or float64, got {np.dtype(dtype)}")
        other = copy.copy(self)
        other.layers = [copy.copy(layer) for layer in self.layers]
        other.bind(memory.copy(self.theta, dtype))
        return other

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(map(repr, self.layers))}; {self.theta.size:,} parameters)"


def check_wrt(wrt: str) -> str:
    if wrt not in WRT:
        raise ValueError(f'wrt is "input", "params" or "both", got {wrt!r}')
    return wrt


def flatten(gradients: Sequence[np.ndarray]) -> np.ndarray:
    """The tape's gradients by `net.tensors()` as one flat vector of theta's layout."""
    return np.concatenate([np.ravel(g) for g in gradients])
