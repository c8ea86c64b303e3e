"""npgan's own derivatives: every primitive at order 1 and 2, every layer, loss and penalty, both steps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from .. import losses, ops
from ..autograd import PRIMITIVES, Primitive, Tensor, value_and_grad
from ..autograd import grad as tape_grad
from ..gan import Discriminator, Generator, discriminator_step, generator_step
from ..layers import Dense, Layer, LeakyReLU, Network, Sigmoid, Tanh
from ..training.penalty import PENALTIES
from .check import check_gradients, demand
from .options import check_choice
from .report import FAIL, INCONCLUSIVE, PASS, Report
from .tree import kind

__tracebackhide__ = True  # pytest shows a failure at the user's line, not at ours

# ---- layers and networks ----


def with_parameters(model: Layer | Network, params: Sequence[np.ndarray]) -> Any:
    """A copy of a layer or network that owns these parameters, in their dtype."""
    empty = np.zeros(0, model.theta.dtype)
    return model.with_theta(np.concatenate([empty, *(np.ravel(p) for p in params)]))


def check_layer(layer: Layer | Network, x: np.ndarray, **options: Any) -> Report:
    """Check a layer's or a network's pullback: the gradient by its input x and by every parameter, by name.

    options are those of check_gradients. The layer is copied, and judged in float64 at its own numbers.
    """
    if isinstance(layer, Network):
        named = list(layer.named_parameters())
    elif isinstance(layer, Layer):
        named = list(layer.params.items())
    else:
        raise TypeError(
            f"expected an npgan layer or network, got {kind(layer)}; see check_gradients"
        )
    x = np.asarray(x)
    if x.dtype.kind != "f":
        x = x.astype(np.float32)

    def forward(x: np.ndarray, *params: np.ndarray) -> Any:
        model = with_parameters(layer, params) if params else layer
        return model.forward(x)

    def backward(dout: np.ndarray, cache: Any) -> Any:
        dx, dtheta = cache(dout, wrt="both")
        return (dx, *(g.copy() for g in split(dtheta, [p.shape for _, p in named])))

    options = {"argnames": ("x", *(name for name, _ in named)), "method": "differences", **options}
    report = check_gradients(
        forward, backward, (x, *(p.copy() for _, p in named)), style="cache", **options
    )
    report.title = repr(layer)
    return report


def split(theta: np.ndarray, shapes: Sequence[tuple[int, ...]]) -> Iterator[np.ndarray]:
    start = 0
    for shape in shapes:
        stop = start + int(np.prod(shape))
        yield theta[start:stop].reshape(shape)
        start = stop


def assert_layer_gradients(
    layer: Layer | Network, x: np.ndarray, *, inconclusive: str = "raise", **options: Any
) -> None:
    """Raise AssertionError with the report unless check_layer(layer, x) says PASS."""
    demand(check_layer(layer, x, **options), inconclusive)


# ---- primitives ----


def check_primitive(
    op: Primitive,
    *args: Any,
    order: int = 1,
    keywords: dict[str, Any] | None = None,
    **options: Any,
) -> Report:
    """Check the rules of a primitive at these arguments: its first derivatives, or those of its rules.

    Order 1 calls the rules on arrays. Order 2 puts them on the tape and differentiates dL/dargs by dL/dy and
    the arguments: it finds the rule that reads a bare array, which every first-order test passes. keywords
    are the primitive's own (axis=0). An argument whose derivative is zero by its rule is compared with zero.
    """
    if not isinstance(op, Primitive):
        raise TypeError(f"expected a primitive of npgan.ops, got {kind(op)}; see check_gradients")
    if order not in (1, 2):
        raise ValueError(f"order is 1 or 2, got {order}")
    names = [f"args[{i}]" for i in range(len(args))]
    signature = op.function.__code__.co_varnames[: op.function.__code__.co_argcount]
    names[: len(signature)] = signature[: len(args)]
    keywords = keywords or {}
    args = tuple(np.asarray(a, np.float64) if np.ndim(a) else a for a in args)
    ruled = [i for i in range(len(args)) if has_rule(op, i) and not isinstance(args[i], int)]
    options = {"method": "differences", "style": "cache", **options}
    given = tuple(args[i] for i in ruled)
    argnames = [names[i] for i in ruled]
    if order == 1:
        func, grad = first_order(op, args, ruled, keywords)
    else:
        func, grad = second_order(op, args, ruled, keywords)
        y = np.asarray(op(*args, **keywords))
        g = np.cos(np.arange(y.size, dtype=np.float64)).reshape(y.shape) + 1.5
        given, argnames = (g, *given), ["g", *argnames]
    report = check_gradients(func, grad, given, **{"argnames": argnames, **options})
    report.title = f"{op.__name__}, order {order}"
    return accept_zeros(report)


def has_rule(op: Primitive, i: int) -> bool:
    try:
        op.rule(i)
    except NotImplementedError:
        return False
    return True


def first_order(
    op: Primitive, args: Sequence[Any], ruled: Sequence[int], keywords: dict[str, Any]
) -> Any:
    def whole(given: Sequence[Any]) -> list[Any]:
        full = list(args)
        for i, a in zip(ruled, given, strict=True):
            full[i] = a
        return full

    def forward(*given: Any) -> Any:
        full = whole(given)
        y = op(*full, **keywords)
        return y, (y, full)

    def backward(dout: np.ndarray, cache: Any) -> Any:
        y, full = cache
        found = []
        for i in ruled:
            piece = op.rule(i)(dout, y, *full, **keywords)
            found.append(np.zeros(np.shape(full[i])) if piece is None else np.array(piece))
        return tuple(found)

    return forward, backward


def second_order(
    op: Primitive, args: Sequence[Any], ruled: Sequence[int], keywords: dict[str, Any]
) -> Any:
    def on_tape(g: Any, *given: Any) -> tuple[list[Tensor], list[Tensor]]:
        leaves = [Tensor(g), *(Tensor(a) for a in given)]
        full = list(args)
        for i, leaf in zip(ruled, leaves[1:], strict=True):
            full[i] = leaf
        L = ops.sum(op(*full, **keywords) * leaves[0])
        return leaves, tape_grad(L, leaves[1:], create_graph=True, unused="zero")

    def forward(g: Any, *given: Any) -> Any:
        leaves, gradients = on_tape(g, *given)
        return tuple(t.data for t in gradients), (leaves, gradients)

    def backward(douts: Any, cache: Any) -> Any:
        leaves, gradients = cache
        total: Any = None
        for dout, t in zip(douts, gradients, strict=True):
            term = ops.sum(np.asarray(dout) * t)
            total = term if total is None else total + term
        return tuple(tape_grad(total, leaves, unused="zero"))

    return forward, backward


def accept_zeros(report: Report) -> Report:
    """A derivative that is zero by construction, on both sides, is what a primitive may have."""
    for row in report.arguments:
        if (
            row.verdict == INCONCLUSIVE
            and row.analytic == 0
            and abs(row.numeric) <= row.error_bound
        ):
            row.verdict, row.reason, row.power, row.unjudged = PASS, "is zero on both sides", 0.0, 0
    verdicts = {row.verdict for row in report.arguments}
    if not report.faults and verdicts:
        report.verdict = FAIL if FAIL in verdicts else PASS if verdicts == {PASS} else INCONCLUSIVE
    return report


class Use(NamedTuple):
    """A primitive at arguments that reach every branch of its rules."""

    op: Primitive
    args: tuple[Any, ...]
    keywords: dict[str, Any] | None = None
    note: str = ""

    @property
    def name(self) -> str:
        return self.op.__name__ + (f" ({self.note})" if self.note else "")


def draw(
    seed: int, *shapes: tuple[int, ...], low: float = -2.0, high: float = 2.0
) -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng([seed, 9])
    arrays = [rng.uniform(low, high, shape) for shape in shapes]
    return tuple(np.where(np.abs(a) < 0.05, a + 0.1, a) for a in arrays)


def uses(seed: int = 0) -> list[Use]:
    """One use or more of every primitive in npgan.ops."""

    def at(*shapes: tuple[int, ...]) -> tuple[np.ndarray, ...]:
        return draw(seed, *shapes)

    def positive(*shapes: tuple[int, ...]) -> tuple[np.ndarray, ...]:
        return draw(seed, *shapes, low=0.3)

    def inside(*shapes: tuple[int, ...]) -> tuple[np.ndarray, ...]:
        return draw(seed, *shapes, low=0.1, high=0.9)

    o = ops
    return [
        Use(o.add, at((3, 4), (3, 4))),
        Use(o.add, at((2, 3, 4), (3, 1)), note="broadcast"),
        Use(o.add, at((4,), (3, 4)), note="left broadcast"),
        Use(o.subtract, at((3, 4), (4,)), note="broadcast"),
        Use(o.subtract, at((1, 4), (3, 1)), note="both broadcast"),
        Use(o.multiply, at((3, 4), (1, 4)), note="broadcast"),
        Use(o.multiply, at((4,), (3, 4)), note="left broadcast"),
        Use(o.divide, positive((3, 4), (3, 1)), note="broadcast"),
        Use(o.divide, positive((4,), (3, 4)), note="left broadcast"),
        Use(o.negative, at((3, 2))),
        *(Use(o.power, (*positive((3, 2)), p), note=f"p={p}") for p in (0, 1, 2, 3, -1, 0.5)),
        Use(o.exp, at((3, 2))),
        Use(o.log, positive((3, 2))),
        Use(o.reshape, at((4, 3)), {"shape": (2, -1)}),
        Use(o.transpose, at((4, 3))),
        Use(o.transpose, at((4, 3, 2)), {"axes": (1, 2, 0)}, "a cycle"),
        Use(o.transpose, at((3, 3, 3)), {"axes": (-1, 0, 1)}, "negative axes"),
        Use(o.broadcast_to, at((3, 1)), {"shape": (2, 3, 4)}),
        Use(o.sum_to, at((2, 3, 4)), {"shape": (3, 1)}),
        Use(o.sum, at((2, 3, 4))),
        *(Use(o.sum, at((2, 3, 4)), {"axis": a, "keepdims": k}, f"axis={a}, keepdims={k}")
          for a in (0, 1, -1, (0, 2)) for k in (False, True)),
        Use(o.get, at((2, 4)), {"index": (slice(None), slice(0, 3, 2))}),
        Use(o.get, at((2, 4)), {"index": 1}, "one row"),
        Use(o.put, at((2, 2)), {"index": (slice(None), slice(1, 3)), "shape": (2, 5)}),
        Use(o.concatenate, at((2, 1), (2, 3), (2, 2)), {"axis": 1}),
        Use(o.concatenate, at((1, 2), (3, 2)), {"axis": -2}, "negative axis"),
        Use(o.gemm, at((3, 4), (4, 2)), note="NN"),
        Use(o.gemm, at((3, 4), (2, 4)), {"tb": True}, "NT"),
        Use(o.gemm, at((4, 3), (4, 2)), {"ta": True}, "TN"),
        Use(o.affine, at((3, 4), (4, 2), (2,))),
        Use(o.column_sum, at((3, 4))),
        Use(o.leaky_relu, at((4, 3))),
        Use(o.leaky_relu, at((4, 3)), {"slope": 0.0}, "ReLU"),
        Use(o.leaky_gate, at((4, 3), (4, 3))),
        Use(o.leaky_gate, at((4, 3), (4, 3)), {"slope": 0.1}, "slope=0.1"),
        Use(o.tanh, at((4, 3))),
        Use(o.tanh_gate, at((4, 3), (4, 3))),
        Use(o.sigmoid, at((4, 3))),
        Use(o.sigmoid_gate, at((4, 3), (4, 3))),
        Use(o.dropout, at((4, 3)), {"rate": 0.4, "key": 1}),
        Use(o.softplus, at((4, 3))),
        Use(o.log_softmax, at((2, 3, 4))),
        Use(o.bce, inside((4, 2), (4, 2))),
        Use(o.bce, inside((4, 2), (2,)), note="broadcast target"),
        Use(o.bce_with_logits, (*at((4, 2)), *inside((4, 2)))),
        Use(o.bce_with_logits, (*at((4, 2)), *inside((2,))), note="broadcast target"),
    ]  # fmt: skip


# ---- losses and steps ----


def check_loss(
    loss: losses.Loss, side: str = "discriminator", batch: int = 6, seed: int = 0, **options: Any
) -> Report:
    """Check the gradients by the logits, at real and at fake images, of one side of a GAN loss."""
    check_choice("side", side, ("discriminator", "generator"))
    rng = np.random.default_rng([seed, 11])
    real, fake = 1.5 * rng.standard_normal((batch, 1)), 1.5 * rng.standard_normal((batch, 1))
    function = getattr(loss, side)
    both = side == "discriminator" or loss.needs_real
    args = (real, fake) if both else (fake,)
    whole = function if both else lambda logits: function(None, logits)
    names = ("logits_real", "logits_fake") if both else ("logits_fake",)
    options = {"method": "differences", "seed": seed, **options}
    report = check_gradients(
        lambda *a: value_and_grad(whole, *a)[0],
        lambda *a: tuple(value_and_grad(whole, *a)[1]),
        args,
        argnames=names,
        style="loss",
        **options,
    )
    report.title = f"{loss.name}, {side}'s loss"
    return report


class Recorder:
    """An optimiser that keeps the gradient and moves nothing."""

    def __init__(self) -> None:
        self.gradient: Any = None

    def step(self, gradient: np.ndarray) -> None:
        self.gradient = gradient.copy()


def check_step(which: str, loss: losses.Loss, seed: int = 0, **options: Any) -> Report:
    """Check the whole gradient that a training step hands to its optimiser, at a small GAN in float64."""
    check_choice("which", which, ("discriminator", "generator"))
    rng = np.random.default_rng([seed, 12])
    D = Discriminator(5, (4, 3), rng).astype(np.float64)
    G = Generator(3, (4,), 5, rng=rng).astype(np.float64)
    for net in (D, G):
        net.theta += 0.3 * rng.standard_normal(net.theta.size)
    real, z = rng.standard_normal((6, 5)), rng.standard_normal((6, 3))
    fake, net = G(z), (D if which == "discriminator" else G)

    def step(theta: np.ndarray) -> tuple[float, np.ndarray]:
        keep: Any = Recorder()
        model = with_parameters(net, [theta])
        if which == "discriminator":
            value = discriminator_step(model, keep, real, fake, loss)["loss_D"]
        else:
            images, pull = model.forward(z)
            value = generator_step(D, keep, images, pull, loss, real)["loss_G"]
        return value, keep.gradient

    options = {"method": "differences", "seed": seed, **options}
    report = check_gradients(
        lambda theta: step(theta)[0],
        lambda theta: step(theta)[1],
        (net.theta.copy(),),
        argnames=(f"theta_{which[0].upper()}",),
        style="loss",
        **options,
    )
    report.title = f"the {which}'s step, {loss.name}"
    return report


def check_penalty(name: str, seed: int = 0, **options: Any) -> Report:
    """Check the gradient of "r1", "r2", "r1+r2" or "wgan_gp" by the discriminator's parameters."""
    check_choice("name", name, tuple(PENALTIES))
    rng = np.random.default_rng([seed, 13])
    D = Network(
        [
            Dense(4, 5, rng=rng),
            Tanh(),
            Dense(5, 4, rng=rng),
            LeakyReLU(),
            Dense(4, 1, "glorot", rng),
        ]
    ).astype(np.float64)
    real, fake = rng.standard_normal((3, 4)), rng.standard_normal((3, 4))
    function, weight, _ = PENALTIES[name]

    def penalty(net: Any) -> tuple[float, np.ndarray]:
        return function(net, real, fake, weight, 0, None)

    named = list(D.named_parameters())

    def value(*params: np.ndarray) -> float:
        return penalty(with_parameters(D, params))[0]

    def gradient(*params: np.ndarray) -> tuple[np.ndarray, ...]:
        return tuple(split(penalty(with_parameters(D, params))[1], [p.shape for _, p in named]))

    options = {"method": "differences", "seed": seed, **options}
    report = check_gradients(
        value,
        gradient,
        tuple(p.copy() for _, p in named),
        argnames=[n for n, _ in named],
        style="loss",
        **options,
    )
    report.title = f"the penalty {name}"
    return accept_zeros(report)  # the last bias does not move D's slope


def check_own(seed: int = 0) -> Iterator[Report]:
    """Every primitive at order 1 and 2, every layer, loss and penalty, both steps with every loss."""
    for use in uses(seed):
        for order in (1, 2):
            report = check_primitive(
                use.op, *use.args, order=order, keywords=use.keywords, seed=seed
            )
            report.title = f"{use.name}, order {order}"
            yield report
    missing = sorted(
        {n for n, op in PRIMITIVES.items() if op.function.__module__ == "npgan.ops"}
        - {u.op.__name__ for u in uses()}
    )
    if missing:
        yield Report(
            FAIL,
            [],
            [f"no case in npgan.testing.own.uses() for {', '.join(missing)}"],
            title="completeness",
        )
    rng = np.random.default_rng([seed, 10])
    x = rng.standard_normal((5, 4)).astype(np.float32)
    for layer in (Dense(4, 3, rng=rng), LeakyReLU(), Sigmoid(), Tanh()):
        yield check_layer(layer, x, seed=seed)
    for net in (Generator(4, (6, 5), 7, rng=rng), Discriminator(4, (6, 5), rng=rng)):
        yield check_layer(net, x, seed=seed)
    for loss in losses.LOSSES.values():
        for side in ("discriminator", "generator"):
            report = check_loss(loss, side, seed=seed)
            yield report
    for loss in (losses.nonsaturating, losses.least_squares):
        report = check_loss(losses.with_smoothing(loss, 0.1), seed=seed)
        report.title += ", smoothed"
        yield report
    for name in PENALTIES:
        yield check_penalty(name, seed)
    for loss in losses.LOSSES.values():
        for side in ("discriminator", "generator"):
            yield check_step(side, loss, seed)
