"""The functions given to the gradient checkers, regimes of their arguments, and bugs to plant.

A case is forward(*args) -> out and backward(dout, *args) -> gradients, in plain NumPy, right by construction.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np


class Case(NamedTuple):
    name: str
    forward: Callable[..., Any]
    backward: Callable[..., tuple]
    args: tuple[np.ndarray, ...]


# ---- the functions ----


def linear(x, W, b):
    return x @ W + b


def d_linear(g, x, W, b):
    return g @ W.T, x.T @ g, g.sum(axis=0)


def leaky(x):
    return np.where(x > 0, x, x.dtype.type(0.2) * x)


def d_leaky(g, x):
    return (np.where(x > 0, g, x.dtype.type(0.2) * g),)


def relu(x):
    return np.maximum(x, 0)


def d_relu(g, x):
    return (g * (x > 0),)


def tanh(x):
    return np.tanh(x)


def d_tanh(g, x):
    return (g * (1 - np.tanh(x) ** 2),)


def sigmoid(x):
    e = np.exp(-np.abs(x))
    return np.where(x > 0, 1 / (1 + e), e / (1 + e))


def d_sigmoid(g, x):
    return (g * sigmoid(x) * sigmoid(-x),)


def absolute(x):
    return np.abs(x)


def d_absolute(g, x):
    return (g * np.sign(x),)


def clip(x):
    return np.clip(x, -1, 1)


def d_clip(g, x):
    return (g * ((x > -1) & (x < 1)),)


def batch_norm(x, gamma, beta):
    return gamma * (x - x.mean(axis=0)) / np.sqrt(x.var(axis=0) + x.dtype.type(1e-5)) + beta


def d_batch_norm(g, x, gamma, beta):
    s = np.sqrt(x.var(axis=0) + x.dtype.type(1e-5))
    n = (x - x.mean(axis=0)) / s
    dn = g * gamma
    dx = (dn - dn.mean(axis=0) - n * (dn * n).mean(axis=0)) / s
    return dx, (g * n).sum(axis=0), g.sum(axis=0)


def layer_norm(x):
    centred = x - x.mean(axis=1, keepdims=True)
    return centred / np.sqrt((centred**2).mean(axis=1, keepdims=True) + x.dtype.type(1e-5))


def d_layer_norm(g, x):
    centred = x - x.mean(axis=1, keepdims=True)
    s = np.sqrt((centred**2).mean(axis=1, keepdims=True) + x.dtype.type(1e-5))
    n = centred / s
    return ((g - g.mean(axis=1, keepdims=True) - n * (g * n).mean(axis=1, keepdims=True)) / s,)


def bce(z, t):
    return np.mean(np.maximum(z, 0) - z * t + np.log1p(np.exp(-np.abs(z))))


def d_bce(g, z, t):
    return g * (sigmoid(z) - t) / z.dtype.type(z.size), g * -z / z.dtype.type(z.size)


def mse(y, t):
    return np.mean((y - t) ** 2)


def d_mse(g, y, t):
    d = g * 2 * (y - t) / y.dtype.type(y.size)
    return d, -d


def softmax_loss(z):
    shifted = z - z.max(axis=1, keepdims=True)
    p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return -np.mean(p[np.arange(len(z)), np.arange(len(z)) % z.shape[1]])


def d_softmax_loss(g, z):
    shifted = np.exp(z - z.max(axis=1, keepdims=True))
    p = shifted / shifted.sum(axis=1, keepdims=True)
    p[np.arange(len(z)), np.arange(len(z)) % z.shape[1]] -= 1
    return (g * p / z.dtype.type(len(z)),)


def conv(x, w):
    """x (B, H, W), w (K, K) -> valid correlation"""
    k = w.shape[0]
    h, v = x.shape[1] - k + 1, x.shape[2] - k + 1
    return sum(w[i, j] * x[:, i : i + h, j : j + v] for i in range(k) for j in range(k))


def d_conv(g, x, w):
    k = w.shape[0]
    h, v = g.shape[1:]
    dx, dw = np.zeros_like(x), np.zeros_like(w)
    for i in range(k):
        for j in range(k):
            dx[:, i : i + h, j : j + v] += w[i, j] * g
            dw[i, j] = np.sum(g * x[:, i : i + h, j : j + v])
    return dx, dw


def pool(x):
    """x (B, F): the larger of each pair of neighbours"""
    return np.maximum(x[:, 0::2], x[:, 1::2])


def d_pool(g, x):
    dx = np.zeros_like(x)
    first = x[:, 0::2] >= x[:, 1::2]
    dx[:, 0::2], dx[:, 1::2] = g * first, g * ~first
    return (dx,)


def mlp(x, W1, b1, W2, b2):
    return leaky(x @ W1 + b1) @ W2 + b2


def d_mlp(g, x, W1, b1, W2, b2):
    z = x @ W1 + b1
    dz = d_leaky(g @ W2.T, z)[0]
    return dz @ W1.T, x.T @ dz, dz.sum(axis=0), leaky(z).T @ g, g.sum(axis=0)


def cases(seed: int = 0, dtype: Any = np.float64) -> list[Case]:
    """The functions with small arguments, standard normal where possible."""
    rng = np.random.default_rng([seed, 1])

    def draw(*shape):
        return rng.standard_normal(shape).astype(dtype)

    return [
        Case("linear", linear, d_linear, (draw(6, 5), draw(5, 4), draw(4))),
        Case("leaky ReLU", leaky, d_leaky, (draw(6, 5),)),
        Case("ReLU", relu, d_relu, (draw(5, 5),)),
        Case("tanh", tanh, d_tanh, (draw(6, 5),)),
        Case("sigmoid", sigmoid, d_sigmoid, (draw(6, 5),)),
        Case("abs", absolute, d_absolute, (draw(6, 5),)),
        Case("clip", clip, d_clip, (draw(6, 5),)),
        Case("batch norm", batch_norm, d_batch_norm, (draw(8, 4), draw(4), draw(4))),
        Case("layer norm", layer_norm, d_layer_norm, (draw(5, 6),)),
        Case("BCE", bce, d_bce, (draw(8, 2), rng.uniform(0.1, 0.9, (8, 2)).astype(dtype))),
        Case("MSE", mse, d_mse, (draw(6, 4), draw(6, 4))),
        Case("softmax loss", softmax_loss, d_softmax_loss, (draw(6, 4),)),
        Case("convolution", conv, d_conv, (draw(2, 6, 6), draw(3, 3))),
        Case("max pool", pool, d_pool, (draw(5, 6),)),
        Case("MLP", mlp, d_mlp, (draw(6, 5), draw(5, 7), draw(7), draw(7, 3), draw(3))),
    ]  # fmt: skip


def mnist_layer(seed: int = 0, dtype: Any = np.float64, batch: int = 64) -> Case:
    rng = np.random.default_rng([seed, 2])
    x, W = rng.standard_normal((batch, 784)), rng.standard_normal((784, 128)) * np.sqrt(2 / 784)
    return Case(
        "MNIST layer",
        linear,
        d_linear,
        (x.astype(dtype), W.astype(dtype), rng.standard_normal(128).astype(dtype)),
    )


# ---- regimes ----


def scaled(case: Case, s: float) -> Case:
    """The output (and with it every gradient) times s."""

    def forward(*args):
        return case.forward(*args) * args[0].dtype.type(s)

    def backward(g, *args):
        return case.backward(g * args[0].dtype.type(s), *args)

    return Case(case.name, forward, backward, case.args)


def shifted(case: Case, by: float) -> Case:
    """The output plus a large number."""
    return Case(
        case.name, lambda *a: case.forward(*a) + a[0].dtype.type(by), case.backward, case.args
    )


def locked(case: Case) -> Case:
    """A function that computes in float32 whatever it is given."""

    def narrow(args):
        return [np.asarray(a).astype(np.float32) for a in args]

    return Case(
        case.name,
        lambda *a: case.forward(*narrow(a)),
        lambda g, *a: case.backward(np.asarray(g).astype(np.float32)[()], *narrow(a)),
        tuple(a.astype(np.float32) for a in case.args),
    )


def at_kinks(case: Case, seed: int, distance: float = 0.0) -> Case:
    """Some entries moved onto a kink of the activation functions (0, ±1, ties), or this close to one."""
    rng = np.random.default_rng([seed, 3])
    x = case.args[0].copy()
    some = rng.random(x.shape) < 0.3
    kink = rng.choice([-1.0, 1.0], x.shape) if case.name == "clip" else np.zeros(x.shape)
    x = np.where(some, kink + distance * rng.choice([-1.0, 1.0], x.shape), x).astype(x.dtype)
    if case.name == "max pool":
        x = case.args[0].copy()
        x[:, 0] = x[:, 1] + distance
    if case.name == "MLP":
        x = case.args[0].copy()
        x[0] = distance  # with a zero bias the hidden units of this row lie on their kink
        return case._replace(args=(x, case.args[1], np.zeros_like(case.args[2]), *case.args[3:]))
    return case._replace(args=(x, *case.args[1:]))


REGIMES: dict[str, Callable[[int], list[Case]]] = {
    "normal": lambda s: cases(s),
    "float32": lambda s: (
        [locked(c) for c in cases(s, np.float32)] if s % 2 else cases(s, np.float32)
    ),
    "inputs x 1e3": lambda s: [c._replace(args=tuple(1e3 * a for a in c.args)) for c in cases(s)],
    "inputs x 1e-3": lambda s: [c._replace(args=tuple(1e-3 * a for a in c.args)) for c in cases(s)],
    "output + 1e6": lambda s: [shifted(c, 1e6) for c in cases(s)],
    "loss x 1e6": lambda s: [scaled(c, 1e6) for c in cases(s)],
    "loss x 1e-6": lambda s: [scaled(c, 1e-6) for c in cases(s)],
    "at kinks": lambda s: [at_kinks(c, s) for c in cases(s)],
    "near kinks": lambda s: [at_kinks(c, s, [1e-4, 1e-6, 1e-8, 1e-10][s % 4]) for c in cases(s)],
}


# ---- bugs: gradients -> wrong gradients, at one argument ----


class Bug(NamedTuple):
    name: str
    gross: bool  # is there one right explanation for it?
    hint: str  # words of which one must stand in the first hint; "" where none is right
    plant: Callable[[Case, int], Callable | None]  # -> backward, or None where it does not apply


def on_gradient(change: Callable) -> Callable[[Case, int], Callable | None]:
    """A bug that changes the gradient of argument k: change(g, x, out, batch)."""

    def plant(case: Case, k: int) -> Callable | None:
        out = np.asarray(case.forward(*case.args))
        batch = out.shape[0] if out.ndim else case.args[0].shape[0]

        def backward(g, *args):
            gradients = list(case.backward(g, *args))
            gradients[k] = change(np.array(gradients[k]), args[k], batch)
            return tuple(gradients)

        return None if change(np.array(case.args[k]), case.args[k], batch) is None else backward

    return plant


def put(g, index, value):
    g[index] = value
    return g


def one(g, factor):
    g.flat[(7 * g.size) // 11] *= g.dtype.type(factor)
    return g


def axis_zero(axis, i):
    def change(g, x, batch):
        if g.ndim <= abs(axis) - (axis < 0) or g.shape[axis] < 2 or (axis == -1 and g.ndim < 2):
            return None
        return put(g, (Ellipsis, i) if axis == -1 else i, 0)

    return change


def on_dout(change: Callable) -> Callable[[Case, int], Callable | None]:
    """A bug of dout: every argument's gradient is computed from a changed dout."""
    return lambda case, k: lambda g, *args: case.backward(change(g), *args)


def stale(case: Case, k: int) -> Callable:
    kept = [a.copy() for a in case.args]
    kept[k] = kept[k] * kept[k].dtype.type(1.01)
    return lambda g, *args: case.backward(g, *kept)


def swapped(case: Case, k: int) -> Callable | None:
    same = [i for i, a in enumerate(case.args) if a.shape == case.args[k].shape and i > k]
    if not same:
        return None

    def backward(g, *args):
        gradients = list(case.backward(g, *args))
        gradients[k], gradients[same[0]] = gradients[same[0]], gradients[k]
        return tuple(gradients)

    return backward


def half_batch(g):
    if np.ndim(g) == 0:
        return g
    g = np.array(g)
    g[len(g) // 2 :] = 0
    return g


max_abs = lambda g: np.max(np.abs(g))
wide = lambda g: g.ndim == 2 and g.shape[0] == g.shape[1]
BUGS = [
    Bug("sign", True, "sign", on_gradient(lambda g, x, n: -g)),
    Bug("zero", True, "zeros", on_gradient(lambda g, x, n: 0 * g)),
    Bug("x 2", True, "twice", on_gradient(lambda g, x, n: 2 * g)),
    Bug("x 1/2", True, "half", on_gradient(lambda g, x, n: g / 2)),
    Bug("x batch size", True, "batch size", on_gradient(lambda g, x, n: g * n if n > 2 else None)),
    Bug("/ batch size", True, "batch size", on_gradient(lambda g, x, n: g / n if n > 2 else None)),
    Bug("x 1.01", True, "constant factor", on_gradient(lambda g, x, n: g * g.dtype.type(1.01))),
    Bug("x (1 + 1e-4)", False, "", on_gradient(lambda g, x, n: g * g.dtype.type(1 + 1e-4))),
    Bug("x (1 + 1e-6)", False, "", on_gradient(lambda g, x, n: g * g.dtype.type(1 + 1e-6))),
    Bug("a constant added", True, "constant, | added to every", on_gradient(lambda g, x, n: g + g.dtype.type(0.1) * max_abs(g))),
    Bug("a small constant added", False, "", on_gradient(lambda g, x, n: g + g.dtype.type(2e-6) * max_abs(g))),
    Bug("one entry x 1.5", True, "only the entry", on_gradient(lambda g, x, n: one(g, 1.5) if g.size > 1 else None)),
    Bug("one entry zero", True, "only the entry", on_gradient(lambda g, x, n: one(g, 0) if g.size > 1 else None)),
    Bug("one entry x (1 + 2e-6)", False, "", on_gradient(lambda g, x, n: one(g, 1 + 2e-6))),
    Bug("first row zero", True, "row 0|index 0|entry", on_gradient(axis_zero(0, 0))),
    Bug("last row zero", True, "row |index |entry", on_gradient(axis_zero(0, -1))),
    Bug("first column zero", True, "column 0|index 0|entry|row", on_gradient(axis_zero(-1, 0))),
    Bug("last column zero", True, "column |index |entry|row", on_gradient(axis_zero(-1, -1))),
    Bug("flipped, axis 0", True, "flipped", on_gradient(lambda g, x, n: g[::-1].copy() if len(g) > 2 else None)),
    Bug("flipped, last axis", True, "flipped", on_gradient(lambda g, x, n: g[..., ::-1].copy() if g.ndim > 1 else None)),
    Bug("shifted, axis 0", True, "shifted", on_gradient(lambda g, x, n: np.roll(g, 1, 0) if len(g) > 2 else None)),
    Bug("shifted, last axis", True, "shifted", on_gradient(lambda g, x, n: np.roll(g, 1, -1) if g.ndim > 1 and g.shape[-1] > 2 else None)),
    Bug("transposed", True, "transposed", on_gradient(lambda g, x, n: g.T.copy() if wide(g) else None)),
    Bug("reshaped for transposed", True, "reshape|transposed", on_gradient(lambda g, x, n: g.T.reshape(g.shape).copy() if g.ndim == 2 and not wide(g) else None)),
    Bug("nothing where x < 0", True, "< 0", on_gradient(lambda g, x, n: g * (x >= 0) if g.size > 4 and np.any(x < 0) and np.any(x > 0) else None)),
    Bug("signs lost", False, "", on_gradient(lambda g, x, n: np.abs(g))),
    Bug("clipped", False, "", on_gradient(lambda g, x, n: np.clip(g, -max_abs(g) / 2, max_abs(g) / 2))),
    Bug("averaged over axis 0", False, "", on_gradient(lambda g, x, n: 0 * g + g.mean(axis=0, keepdims=True) if len(g) > 1 else None)),
    Bug("rounded to float16", False, "", on_gradient(lambda g, x, n: (g / (max_abs(g) + 1e-30)).astype(np.float16).astype(g.dtype) * max_abs(g))),
    Bug("weight decay", True, "weight decay|x ", on_gradient(lambda g, x, n: g + g.dtype.type(0.1) * max_abs(g) / max_abs(x) * x)),
    Bug("x (1 + 0.01 x)", False, "", on_gradient(lambda g, x, n: g * (1 + g.dtype.type(0.01) * x / max_abs(x)))),
    Bug("x argument", True, "too many|forgotten", on_gradient(lambda g, x, n: g * x if g.size > 4 else None)),
    Bug("two gradients swapped", True, "swapped|sign", swapped),
    Bug("dout ignored", True, "is ignored", on_dout(lambda g: np.ones_like(g))),
    Bug("|dout|", False, "", on_dout(lambda g: np.abs(g))),
    Bug("dout squared", False, "", on_dout(lambda g: g * g)),
    Bug("half the batch", False, "", on_dout(half_batch)),
    Bug("a stale argument", False, "", stale),
]  # fmt: skip


class Planted(NamedTuple):
    """A wrong backward pass, and its error at the case's arguments, in units of the largest entry."""

    case: Case
    bug: Bug
    argument: int | None  # None: a bug of the whole backward pass
    backward: Callable
    size: float
    index: tuple[int, ...] | None  # of the only wrong entry


def planted(case: Case, seed: int = 0, arguments: bool = True) -> Iterator[Planted]:
    """Every bug that changes anything at this case: on every argument in turn, or on one."""
    rng = np.random.default_rng([seed, 4])
    out = np.asarray(case.forward(*case.args))
    dout = rng.standard_normal(out.shape).astype(out.dtype)[()]
    right = case.backward(dout, *case.args)
    for n, bug in enumerate(BUGS):
        whole = bug.plant.__qualname__.startswith("on_dout")
        for k in [0] if whole else range(len(case.args)) if arguments else [n % len(case.args)]:
            backward = bug.plant(case, k)
            if backward is None:
                continue
            wrong = backward(dout, *case.args)
            size, index = 0.0, None
            for i, (a, b) in enumerate(zip(right, wrong, strict=True)):
                gap = np.abs(np.asarray(a, np.float64) - b)
                size = max(size, float(np.max(gap) / max(np.max(np.abs(a)), 1e-300)))
                if i == k and np.count_nonzero(gap) == 1:
                    index = tuple(int(j) for j in np.argwhere(gap)[0])
            if size > 1e-9:
                yield Planted(
                    case,
                    bug,
                    None if whole or bug.name == "a stale argument" else k,
                    backward,
                    size,
                    index,
                )
