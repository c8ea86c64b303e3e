"""check_primitive: the rules of a primitive against measured slopes, at order 1 and 2."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from ... import ops
from ...autograd import PRIMITIVES, Primitive, Tensor
from ...autograd import grad as tape_grad
from ...convolution import ops as image_ops
from ..check import check_gradients
from ..problem.tree import describe
from ..report import FAIL, INCONCLUSIVE, PASS, Report, overall_verdict
from .primitive_cases import PrimitiveCase, primitive_cases

__tracebackhide__ = True  # pytest shows a failure at the user's line, not at ours


def check_primitive(
    op: Primitive,
    *args: Any,
    order: int = 1,
    keywords: dict[str, Any] | None = None,
    **options: Any,
) -> Report:
    """Check the rules of a primitive at these arguments: its derivatives, or those of its rules.

    Parameters
    ----------
    op : Primitive
        The primitive, such as ``npgan.ops.tanh``.
    *args : array_like
        Its arguments. All that have a rule are differentiated by, except integers.
    order : {1, 2}
        1: the rules, called with arrays, against slopes of the primitive. 2: the derivatives of the
        rules by dL/dy and the arguments, computed on the tape, against slopes of the rules. Order 2
        finds a rule that reads a bare array instead of its argument, which order 1 cannot find.
    keywords : dict, optional
        The primitive's own keywords, such as ``{"axis": 0}``.
    **options
        The options of `check_gradients`.

    Returns
    -------
    Report
        A row per argument. A derivative that is zero on both sides is a PASS.

    Raises
    ------
    TypeError
        op is no primitive.
    ValueError
        order is not 1 or 2, or an option is not allowed.

    Examples
    --------
    >>> import numpy as np
    >>> from npgan import ops
    >>> from npgan.testing import check_primitive
    >>> check_primitive(ops.tanh, np.ones((2, 3)), order=2).verdict
    'PASS'
    """
    if not isinstance(op, Primitive):
        raise TypeError(
            f"expected a primitive of npgan.ops, got {describe(op)}; see check_gradients"
        )
    if order not in (1, 2):
        raise ValueError(f"order is 1 or 2, got {order}")
    rules = Rules(op, args, keywords or {})
    given, names = rules.given(), rules.names()
    func, grad = rules.first_order() if order == 1 else rules.second_order()
    if order == 2:
        given, names = (rules.some_g(), *given), ["g", *names]
    options = {"method": "differences", "style": "cache", "argnames": names, **options}
    report = check_gradients(func, grad, given, **options)
    report.title = f"{op.__name__}, order {order}"
    return accept_zeros(report)


def accept_zeros(report: Report) -> Report:
    """Turn INCONCLUSIVE into PASS where a derivative is zero by its rule and by measurement."""
    for row in report.arguments:
        is_zero = row.analytic == 0 and abs(row.numeric) <= row.error_bound
        if row.verdict == INCONCLUSIVE and is_zero:
            row.verdict, row.reason, row.power, row.unjudged = PASS, "is zero on both sides", 0.0, 0
    if not report.faults and report.arguments:
        report.verdict = overall_verdict(report.arguments)
    return report


class Rules:
    """A primitive at its arguments, as functions for check_gradients in the style "cache"."""

    def __init__(self, op: Primitive, args: Sequence[Any], keywords: dict[str, Any]):
        self.op, self.keywords = op, keywords
        self.args = [np.asarray(a, np.float64) if np.ndim(a) else a for a in args]
        self.differentiable = [
            i for i, a in enumerate(self.args) if has_rule(op, i) and not isinstance(a, int)
        ]

    def names(self) -> list[str]:
        """The names of the arguments that are differentiated by."""
        code = self.op.function.__code__
        names = [f"args[{i}]" for i in range(len(self.args))]
        signature = code.co_varnames[: code.co_argcount][: len(self.args)]
        names[: len(signature)] = signature
        return [names[i] for i in self.differentiable]

    def given(self) -> tuple[Any, ...]:
        """The arguments that are differentiated by."""
        return tuple(self.args[i] for i in self.differentiable)

    def all_args(self, given: Sequence[Any]) -> list[Any]:
        """All arguments, with these in the place of those that are differentiated by."""
        args = list(self.args)
        for i, a in zip(self.differentiable, given, strict=True):
            args[i] = a
        return args

    def some_g(self) -> np.ndarray:
        """A gradient dL/dy by the primitive's result whose entries differ."""
        y = np.asarray(self.op(*self.args, **self.keywords))
        return np.cos(np.arange(y.size, dtype=np.float64)).reshape(y.shape) + 1.5

    def apply(self, g: np.ndarray, y: Any, args: Sequence[Any]) -> tuple[np.ndarray, ...]:
        """The rules on arrays: the gradient by each argument that is differentiated by."""
        pieces = [self.op.rule(i)(g, y, *args, **self.keywords) for i in self.differentiable]
        return tuple(
            np.zeros(np.shape(args[i])) if piece is None else np.array(piece)
            for i, piece in zip(self.differentiable, pieces, strict=True)
        )

    def first_order(self) -> tuple[Callable[..., Any], Callable[..., Any]]:
        """(the primitive, its rules)."""

        def forward(*given: Any) -> tuple[Any, Any]:
            args = self.all_args(given)
            y = self.op(*args, **self.keywords)
            return y, (y, args)

        def backward(dout: np.ndarray, cache: Any) -> tuple[np.ndarray, ...]:
            return self.apply(dout, *cache)

        return forward, backward

    def second_order(self) -> tuple[Callable[..., Any], Callable[..., Any]]:
        """(the rules as a function of g and the arguments, their derivatives on the tape)."""

        def forward(g: np.ndarray, *given: Any) -> tuple[Any, Any]:
            args = self.all_args(given)
            return self.apply(g, self.op(*args, **self.keywords), args), (g, given)

        def backward(douts: Sequence[np.ndarray], cache: Any) -> tuple[np.ndarray, ...]:
            g, given = cache
            leaves = [Tensor(g), *(Tensor(a) for a in given)]
            y = self.op(*self.all_args(leaves[1:]), **self.keywords)
            L = ops.sum(y * leaves[0])
            gradients = tape_grad(L, leaves[1:], create_graph=True, unused="zero")
            total = ops.sum(np.asarray(douts[0]) * gradients[0])
            for dout, gradient in zip(douts[1:], gradients[1:], strict=True):
                total = total + ops.sum(np.asarray(dout) * gradient)
            return tuple(tape_grad(total, leaves, unused="zero"))

        return forward, backward


def has_rule(op: Primitive, i: int) -> bool:
    """Whether a primitive can be differentiated by its argument i."""
    try:
        op.rule(i)
    except NotImplementedError:
        return False
    return True


def case_reports(case: PrimitiveCase, seed: int = 0) -> Iterator[Report]:
    """One case at order 1 and 2."""
    for order in (1, 2):
        report = check_primitive(
            case.primitive, *case.args, order=order, keywords=case.keywords, seed=seed
        )
        report.title = f"{case.name}, order {order}"
        yield report


def primitive_reports(seed: int = 0) -> Iterator[Report]:
    """Every case; and a FAIL if a primitive of npgan has no case."""
    cases = primitive_cases(seed)
    for case in cases:
        yield from case_reports(case, seed)
    modules = (ops.__name__, image_ops.__name__)
    here = {name for name, op in PRIMITIVES.items() if op.function.__module__ in modules}
    if missing := sorted(here - {case.primitive.__name__ for case in cases}):
        fault = f"no case in npgan.testing.own.primitive_cases for {', '.join(missing)}"
        yield Report(FAIL, [], [fault], title="completeness")
