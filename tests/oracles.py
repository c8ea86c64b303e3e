"""What a derivative is checked against: central differences, and the cases that name every primitive."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import autograd.numpy as anp
import numpy as np
from autograd import grad as hips_grad

from npgan import ops
from npgan.autograd import Tensor, grad


def numerical(f: Callable[[], float], x: np.ndarray, h: float = 1e-6) -> np.ndarray:
    """df/dx by central differences, f reading x in place."""
    out = np.zeros_like(x)
    for i in np.ndindex(x.shape):
        kept = x[i]
        x[i] = kept + h
        up = f()
        x[i] = kept - h
        out[i] = (up - f()) / (2 * h)
        x[i] = kept
    return out


class Case(NamedTuple):
    """A use of one primitive: on float64 arrays, and the same in HIPS autograd's NumPy."""

    primitive: str
    ours: Callable[..., Any]
    theirs: Callable[..., Any]
    args: tuple[np.ndarray, ...]
    note: str = ""


def draw(*shapes: tuple[int, ...], low: float = -2.0, high: float = 2.0) -> tuple[np.ndarray, ...]:
    """Arrays away from 0, where LeakyReLU has its kink, and from each other."""
    rng = np.random.default_rng(abs(hash((shapes, low, high))) % 2**32)
    arrays = [rng.uniform(low, high, shape) for shape in shapes]
    return tuple(np.where(np.abs(a) < 0.05, a + 0.1, a) for a in arrays)


def gate(g, y, slope=0.2):
    return anp.where(y > 0, g, slope * g)


def softplus(x):
    return anp.logaddexp(0.0, x)


def sigmoid(x):
    return 0.5 * (anp.tanh(x / 2) + 1)


def log_softmax(z):
    return z - anp.log(anp.sum(anp.exp(z), axis=-1, keepdims=True))


def cross_entropy(p, t):
    return -anp.mean(t * anp.log(p) + (1 - t) * anp.log(1 - p))


def put_theirs(x, width):
    return anp.concatenate([anp.zeros((2, 1)), x, anp.zeros((2, width - 1 - x.shape[1]))], axis=1)


positive = {"low": 0.3, "high": 2.0}
inside = {"low": 0.1, "high": 0.9}
CASES = [
    Case("add", ops.add, lambda a, b: a + b, draw((3, 4), (3, 4))),
    Case("add", ops.add, lambda a, b: a + b, draw((2, 3, 4), (3, 1)), "broadcast"),
    Case("subtract", ops.subtract, lambda a, b: a - b, draw((3, 4), (4,)), "broadcast"),
    Case("subtract", ops.subtract, lambda a, b: a - b, draw((1, 4), (3, 1)), "both broadcast"),
    Case("multiply", ops.multiply, lambda a, b: a * b, draw((3, 4), (1, 4)), "broadcast"),
    Case("multiply", ops.multiply, lambda a, b: a * b, draw((), (3,)), "scalar"),
    Case("divide", ops.divide, lambda a, b: a / b, draw((3, 4), (3, 1), **positive), "broadcast"),
    Case("divide", ops.divide, lambda a, b: a / b, draw((3,), (2, 3)), "negative too"),
    Case("negative", ops.negative, lambda x: -x, draw((3, 2))),
    *(
        Case(
            "power",
            lambda x, p=p: ops.power(x, p),
            lambda x, p=p: x**p,
            draw((3, 2), **positive),
            f"p={p}",
        )
        for p in (0, 1, 2, 3, -1, 0.5, -1.5)
    ),
    Case("exp", ops.exp, anp.exp, draw((3, 2))),
    Case("log", ops.log, anp.log, draw((3, 2), **positive)),
    Case(
        "reshape",
        lambda x: ops.reshape(x, shape=(2, -1)),
        lambda x: anp.reshape(x, (2, -1)),
        draw((4, 3)),
    ),
    Case("transpose", ops.transpose, anp.transpose, draw((4, 3))),
    Case(
        "transpose",
        lambda x: ops.transpose(x, axes=(1, 2, 0)),
        lambda x: anp.transpose(x, (1, 2, 0)),
        draw((4, 3, 2)),
        "a cycle, which is not its own inverse",
    ),
    Case(
        "transpose",
        lambda x: ops.transpose(x, axes=(-1, 0, 1)),
        lambda x: anp.transpose(x, (2, 0, 1)),
        draw((3, 3, 3)),
        "negative axes",
    ),
    Case(
        "broadcast_to",
        lambda x: ops.broadcast_to(x, shape=(2, 3, 4)),
        lambda x: x * anp.ones((2, 3, 4)),
        draw((3, 1)),
    ),
    Case(
        "sum_to",
        lambda x: ops.sum_to(x, shape=(3, 1)),
        lambda x: anp.sum(anp.sum(x, axis=0), axis=1, keepdims=True),
        draw((2, 3, 4)),
    ),
    *(
        Case(
            "sum",
            lambda x, a=axis, k=keep: ops.sum(x, axis=a, keepdims=k),
            lambda x, a=axis, k=keep: anp.sum(x, axis=a, keepdims=k),
            draw((2, 3, 4)),
            f"axis={axis}, keepdims={keep}",
        )
        for axis in (None, 0, 1, -1, (0, 2))
        for keep in (False, True)
    ),
    Case(
        "get",
        lambda x: ops.get(x, index=(slice(None), slice(0, 3, 2))),
        lambda x: x[:, 0:3:2],
        draw((2, 4)),
    ),
    Case("get", lambda x: ops.get(x, index=1), lambda x: x[1], draw((2, 4)), "one row"),
    Case(
        "put",
        lambda x: ops.put(x, index=(slice(None), slice(1, 3)), shape=(2, 5)),
        lambda x: put_theirs(x, 5),
        draw((2, 2)),
    ),
    Case(
        "concatenate",
        lambda *parts: ops.concatenate(*parts, axis=1),
        lambda *parts: anp.concatenate(parts, axis=1),
        draw((2, 1), (2, 3), (2, 2)),
    ),
    Case(
        "concatenate",
        lambda *parts: ops.concatenate(*parts, axis=-2),
        lambda *parts: anp.concatenate(parts, axis=-2),
        draw((1, 2), (3, 2)),
        "negative axis",
    ),
    Case("gemm", ops.gemm, lambda a, b: a @ b, draw((3, 4), (4, 2)), "NN"),
    Case(
        "gemm",
        lambda a, b: ops.gemm(a, b, tb=True),
        lambda a, b: a @ b.T,
        draw((3, 4), (2, 4)),
        "NT",
    ),
    Case(
        "gemm",
        lambda a, b: ops.gemm(a, b, ta=True),
        lambda a, b: a.T @ b,
        draw((4, 3), (4, 2)),
        "TN",
    ),
    Case("affine", ops.affine, lambda x, W, b: x @ W + b, draw((3, 4), (4, 2), (2,))),
    Case("column_sum", ops.column_sum, lambda x: anp.sum(x, axis=0), draw((3, 4))),
    Case("leaky_relu", ops.leaky_relu, lambda x: gate(x, x), draw((4, 3))),
    Case(
        "leaky_relu",
        lambda x: ops.leaky_relu(x, slope=0.0),
        lambda x: gate(x, x, 0.0),
        draw((4, 3)),
        "ReLU",
    ),
    Case("leaky_gate", ops.leaky_gate, gate, draw((4, 3), (4, 3))),
    Case("tanh", ops.tanh, anp.tanh, draw((4, 3))),
    Case("tanh_gate", ops.tanh_gate, lambda g, y: g * (1 - y * y), draw((4, 3), (4, 3))),
    Case("sigmoid", ops.sigmoid, sigmoid, draw((4, 3))),
    Case("sigmoid_gate", ops.sigmoid_gate, lambda g, y: g * y * (1 - y), draw((4, 3), (4, 3))),
    Case(
        "dropout",
        lambda x: ops.dropout(x, rate=0.4, key=[3, 1]),
        lambda x: x * (np.random.default_rng([3, 1]).random((4, 3), np.float32) >= 0.4) / 0.6,
        draw((4, 3)),
    ),
    Case("softplus", ops.softplus, softplus, draw((4, 3))),
    Case("log_softmax", ops.log_softmax, log_softmax, draw((3, 4))),
    Case("bce", ops.bce, cross_entropy, draw((4, 2), (4, 2), **inside)),
    Case("bce", ops.bce, cross_entropy, draw((4, 2), (2,), **inside), "broadcast target"),
    Case(
        "bce_with_logits",
        ops.bce_with_logits,
        lambda z, t: anp.mean(t * softplus(-z) + (1 - t) * softplus(z)),
        draw((4, 1), (4, 1)),
    ),
    Case(
        "bce_with_logits",
        ops.bce_with_logits,
        lambda z, t: anp.mean(t * softplus(-z) + (1 - t) * softplus(z)),
        draw((4, 1), ()),
        "one target for all",
    ),
]


def first_order(
    f: Callable[..., Any], args: tuple[np.ndarray, ...], numpy: Any = np
) -> Callable[..., Any]:
    """L = Σ c f(args), c fixed: so that dL/dy is no array of ones."""
    c = np.cos(np.arange(np.size(f(*args)), dtype=np.float64)).reshape(np.shape(f(*args))) + 1.5
    return lambda *a: numpy.sum(c * f(*a))


def second_order(
    gradient: Callable[..., Any], args: tuple[np.ndarray, ...], numpy: Any = np
) -> Any:
    """H = Σ v · (dL/darg)², nonlinear in the gradient, so that linear primitives are seen at work, too."""
    weights = [np.sin(np.arange(a.size, dtype=np.float64) + 1).reshape(a.shape) + 1.5 for a in args]

    def H(*a):
        total = 0.0
        for v, g in zip(weights, gradient(*a), strict=True):
            total = total + numpy.sum(v * g * g)
        return total

    return H


def our_gradient(L: Callable[..., Any]) -> Callable[..., list[Any]]:
    """(arrays) -> gradients by all of them; (Tensors) -> the same on the tape."""

    def gradient(*args):
        on_tape = any(isinstance(a, Tensor) for a in args)
        leaves = args if on_tape else [Tensor(a) for a in args]
        return grad(L(*leaves), leaves, create_graph=on_tape, unused="zero")

    return gradient


def their_gradient(L: Callable[..., Any], n: int) -> Callable[..., list[Any]]:
    return lambda *args: [hips_grad(L, i)(*args) for i in range(n)]


def check_order_1(case: Case) -> None:
    """Raise AssertionError, naming primitive and argument, unless each gradient is the numerical one."""
    L = first_order(case.ours, case.args, ops)
    for i, (x, g) in enumerate(zip(case.args, our_gradient(L)(*case.args), strict=True)):
        name = f"{case.primitive}, argument {i}, order 1"
        assert np.shape(g) == x.shape, name
        expected = numerical(lambda: L(*case.args), x)
        np.testing.assert_allclose(g, expected, rtol=1e-7, atol=1e-8, err_msg=name)


def check_order_2(case: Case) -> None:
    """The same for the gradient of a function of the gradient."""
    gradient = our_gradient(first_order(case.ours, case.args, ops))
    numbers, on_tape = second_order(gradient, case.args), second_order(gradient, case.args, ops)
    for i, (x, g) in enumerate(zip(case.args, our_gradient(on_tape)(*case.args), strict=True)):
        expected = numerical(lambda: numbers(*case.args), x)
        name = f"{case.primitive}, argument {i}, order 2"
        np.testing.assert_allclose(g, expected, rtol=2e-6, atol=2e-7, err_msg=name)
