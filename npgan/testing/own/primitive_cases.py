"""The cases of every primitive: arguments that reach each branch of its rules.

This table serves `npgan gradcheck` and the tests. A new primitive needs a line here.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ... import ops
from ...autograd import Primitive
from ...convolution import ops as images
from ..problem.random_streams import Stream, generator


class PrimitiveCase(NamedTuple):
    """A primitive with float64 arguments, its keywords, and what is special about the case."""

    primitive: Primitive
    args: tuple[np.ndarray, ...]
    keywords: dict[str, Any] = {}  # noqa: RUF012
    note: str = ""

    @property
    def name(self) -> str:
        """The primitive's name with the note."""
        return self.primitive.__name__ + (f" ({self.note})" if self.note else "")


def draw(
    seed: int, *shapes: tuple[int, ...], low: float = -2.0, high: float = 2.0
) -> tuple[np.ndarray, ...]:
    """Arrays of these shapes, uniform between low and high, away from leaky_relu's kink at 0."""
    rng = generator(seed, Stream.PRIMITIVE_CASES)
    arrays = [rng.uniform(low, high, shape) for shape in shapes]
    return tuple(np.where(np.abs(a) < 0.05, a + 0.1, a) for a in arrays)


def primitive_cases(seed: int = 0) -> list[PrimitiveCase]:
    """One case or more of every primitive in npgan.ops and npgan.convolution.ops."""

    def at(*shapes: tuple[int, ...]) -> tuple[np.ndarray, ...]:
        return draw(seed, *shapes)

    def positive(*shapes: tuple[int, ...]) -> tuple[np.ndarray, ...]:
        return draw(seed, *shapes, low=0.3)

    def inside(*shapes: tuple[int, ...]) -> tuple[np.ndarray, ...]:
        return draw(seed, *shapes, low=0.1, high=0.9)

    def pooled(h: int, w: int) -> tuple[np.ndarray, np.ndarray]:
        (x,) = at((1, h, w, 2))
        return images.max_pool(x), x

    o, i, C = ops, images, PrimitiveCase
    return [
        C(o.add, at((3, 4), (3, 4))),
        C(o.add, at((2, 3, 4), (3, 1)), note="broadcast"),
        C(o.add, at((4,), (3, 4)), note="left broadcast"),
        C(o.subtract, at((3, 4), (4,)), note="broadcast"),
        C(o.subtract, at((1, 4), (3, 1)), note="both broadcast"),
        C(o.multiply, at((3, 4), (1, 4)), note="broadcast"),
        C(o.multiply, at((4,), (3, 4)), note="left broadcast"),
        C(o.multiply, at((), (3,)), note="scalar"),
        C(o.divide, positive((3, 4), (3, 1)), note="broadcast"),
        C(o.divide, positive((4,), (3, 4)), note="left broadcast"),
        C(o.divide, at((3,), (2, 3)), note="of either sign"),
        C(o.negative, at((3, 2))),
        *(C(o.power, positive((3, 2)), {"p": p}, f"p={p}") for p in (0, 1, 2, 3, -1, 0.5, -1.5)),
        C(o.exp, at((3, 2))),
        C(o.log, positive((3, 2))),
        C(o.reshape, at((4, 3)), {"shape": (2, -1)}),
        C(o.transpose, at((4, 3))),
        C(o.transpose, at((4, 3, 2)), {"axes": (1, 2, 0)}, "a cycle"),  # not its own inverse
        C(o.transpose, at((3, 3, 3)), {"axes": (-1, 0, 1)}, "negative axes"),
        C(o.broadcast_to, at((3, 1)), {"shape": (2, 3, 4)}),
        C(o.sum_to, at((2, 3, 4)), {"shape": (3, 1)}),
        C(o.sum, at((2, 3, 4))),
        C(o.sum, at((2, 3, 4)), {"keepdims": True}, "keepdims=True"),
        *(C(o.sum, at((2, 3, 4)), {"axis": a, "keepdims": k}, f"axis={a}, keepdims={k}")
          for a in (0, 1, -1, (0, 2)) for k in (False, True)),
        C(o.get, at((2, 4)), {"index": (slice(None), slice(0, 3, 2))}),
        C(o.get, at((2, 4)), {"index": 1}, "one row"),
        C(o.put, at((2, 2)), {"index": (slice(None), slice(1, 3)), "shape": (2, 5)}),
        C(o.concatenate, at((2, 1), (2, 3), (2, 2)), {"axis": 1}),
        C(o.concatenate, at((1, 2), (3, 2)), {"axis": -2}, "negative axis"),
        C(o.gemm, at((3, 4), (4, 2)), note="NN"),
        C(o.gemm, at((3, 4), (2, 4)), {"tb": True}, "NT"),
        C(o.gemm, at((4, 3), (4, 2)), {"ta": True}, "TN"),
        C(o.affine, at((3, 4), (4, 2), (2,))),
        C(o.column_sum, at((3, 4))),
        C(o.leaky_relu, at((4, 3))),
        C(o.leaky_relu, at((4, 3)), {"slope": 0.0}, "ReLU"),
        C(o.leaky_gate, at((4, 3), (4, 3))),
        C(o.leaky_gate, at((4, 3), (4, 3)), {"slope": 0.1}, "slope=0.1"),
        C(o.tanh, at((4, 3))),
        C(o.tanh_gate, at((4, 3), (4, 3))),
        C(o.sigmoid, at((4, 3))),
        C(o.sigmoid_gate, at((4, 3), (4, 3))),
        C(o.dropout, at((4, 3)), {"rate": 0.4, "key": 1}),
        C(o.dropout, at((4, 3)), {"rate": 0.4, "key": [3, 1]}, "a list as key"),
        C(o.softplus, at((4, 3))),
        C(o.log_softmax, at((3, 4)), note="a matrix"),
        C(o.log_softmax, at((2, 3, 4))),
        C(o.bce, inside((4, 2), (4, 2))),
        C(o.bce, inside((4, 2), (2,)), note="broadcast target"),
        C(o.bce_with_logits, (*at((4, 2)), *inside((4, 2)))),
        C(o.bce_with_logits, (*at((4, 2)), *inside((2,))), note="broadcast target"),
        C(o.bce_with_logits, at((4, 1), (4, 1)), note="one column"),
        C(o.bce_with_logits, at((4, 1), ()), note="one target for all"),
        C(i.patches, at((2, 3, 4, 2)), {"size": 2}),
        C(i.patches, at((2, 3, 2, 3)), {"size": 1}, "single pixels"),
        C(i.fold, at((4, 18)), {"size": 3, "shape": (2, 4, 3, 2)}),
        C(i.convolution, at((2, 4, 3, 2), (2, 2, 2, 3), (3,))),
        C(i.convolution, at((2, 3, 3, 1), (3, 3, 1, 2), (2,)), note="one window"),
        C(i.max_pool, at((2, 4, 2, 3))),
        C(i.give, (*at((1, 2, 1, 2)), *pooled(4, 2))),
        C(i.take, (*at((1, 4, 2, 2)), *pooled(4, 2))),
        C(i.details, at((2, 3, 4, 2))),
        C(i.details, at((1, 1, 2, 1)), note="one row"),
        C(i.block_sum, at((1, 4, 2, 2))),
        C(i.block_sum, at((2, 3, 5, 1)), note="odd"),
        C(i.spread, at((1, 2, 1, 2)), {"shape": (1, 4, 2, 2)}),
        C(i.spread, at((2, 2, 3, 1)), {"shape": (2, 3, 5, 1)}, note="odd"),
        C(i.with_texture, at((2, 24)), {"shape": (4, 3, 2)}),
        C(i.with_texture, at((2, 8)), {"shape": (2, 3, 1)}, note="with a label"),
    ]  # fmt: skip
