"""The tape: reverse-mode differentiation of any order, in about two hundred lines.

A *primitive* is a NumPy function with one derivative rule per argument (they are in ops.py).
Called with arrays it just computes. Called with a `Tensor` among its arguments it also stores which
primitive made the result, and from what: these records are the tape.

`grad` walks the tape backwards. Every Tensor has a serial number, and a Tensor is made from older
ones only, so going from high numbers to low ones is a valid order: no recursion, no sorting of the
graph, no `.grad` attribute that must be zeroed.

A rule calls primitives and nothing else. Given arrays, it computes a gradient; given Tensors
(`create_graph=True`), it extends the tape, and the gradient can be differentiated again.
"""

from __future__ import annotations

import functools
import heapq
import itertools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal, overload

import numpy as np
from numpy.typing import ArrayLike

from .kernels.state import snapshot

if TYPE_CHECKING:
    from .source import Source

serial_numbers = itertools.count()
PRIMITIVES: dict[str, Primitive] = {}  # by name; the tests go through all of them
Rule = Callable[..., Any]
Many = Sequence["Tensor"]
No = Literal[False]


class Tensor:
    """An array that stores how it was made. Tensor(array) is a leaf; primitives make the others.

    Attributes: `data`, a read-only array; `made_by`, None for a leaf, else (primitive, arguments,
    options); `number`, the serial number. The operators + - * / ** @ and [] are attached by ops.py.

    Parameters
    ----------
    data : array_like
        Of a leaf it is copied. Floats keep their dtype; anything else becomes float64.
    made_by : tuple, optional
        Given by primitives.
    """

    __slots__ = ("array", "made_by", "number")
    __array_ufunc__ = None  # array * Tensor calls Tensor.__rmul__, not a loop over the array

    def __init__(
        self,
        data: ArrayLike,
        made_by: tuple[Primitive, tuple[Any, ...], dict[str, Any]] | None = None,
    ):
        if isinstance(data, Tensor):
            raise TypeError("Tensor() got a Tensor; use it as it is, or its .data for a new leaf")
        data = np.asarray(data)
        self.array = data.astype(data.dtype if data.dtype.kind == "f" else float, copy=not made_by)
        self.made_by = made_by
        self.number = next(serial_numbers)

    @property
    def data(self) -> np.ndarray:
        """The numbers; read-only, as the tape depends on them."""
        view = self.array.view()
        view.flags.writeable = False
        return view

    shape = property(lambda self: self.array.shape)
    ndim = property(lambda self: self.array.ndim)
    size = property(lambda self: self.array.size)
    dtype = property(lambda self: self.array.dtype)

    if TYPE_CHECKING:  # ops.py attaches these
        T: Tensor

        def __add__(self, other: Any) -> Tensor: ...
        def __neg__(self) -> Tensor: ...
        def sum(self, axis: Any = None, keepdims: bool = False) -> Tensor: ...  # noqa: D102
        def reshape(self, *shape: Any) -> Tensor: ...  # noqa: D102

        __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = __add__
        __matmul__ = __rmatmul__ = __pow__ = __rpow__ = __getitem__ = __add__
        mean = sum

    def __len__(self) -> int:
        return len(self.data)

    def __repr__(self) -> str:
        origin = f", made by {self.made_by[0].__name__}" if self.made_by else ""
        text = np.array2string(self.data, precision=6, threshold=20, separator=", ", prefix=" " * 7)
        return f"Tensor({text}, shape {self.shape}, {self.dtype}{origin})"

    def __array__(self, *_args: Any, **_kwargs: Any) -> np.ndarray:
        raise TypeError("NumPy functions take no Tensors; use npgan.ops, or .data for the array")

    def __bool__(self) -> bool:
        raise TypeError("a Tensor has no truth value; compare its .data")


class Primitive:
    """A function of arrays, with `rules`: one derivative per positional argument.

    rules[i](g, y, *arguments, **options) returns dL/d(argument i), where g = dL/dy. A rule may be
    None (the argument has no derivative) or `ops.zero_derivative` (it is zero wherever it exists).
    For a variable number of arguments, rules is one function: i -> the rule of argument i.
    """

    def __init__(self, function: Callable[..., np.ndarray]):
        functools.update_wrapper(self, function)
        self.__name__: str = function.__name__
        self.function = function
        self.rules: tuple[Rule | None, ...] | Callable[[int], Rule] = ()
        PRIMITIVES.setdefault(self.__name__, self)

    def __call__(self, *args: Any, **options: Any) -> Any:  # noqa: D102
        for a in args:
            if isinstance(a, Tensor):
                # The tape's arguments are copies: the caller may write to his.
                kept = tuple(a if isinstance(a, Tensor) else snapshot(a) for a in args)
                made_by = (self, kept, {name: snapshot(o) for name, o in options.items()})
                arrays = [a.array if isinstance(a, Tensor) else a for a in kept]
                return Tensor(self.function(*arrays, **options), made_by)
        return self.function(*args, **options)

    def __repr__(self) -> str:
        return f"<primitive {self.__name__}>"

    def __reduce__(self) -> str:
        """Pickle by name, like a function; copying returns the same object."""
        return self.__name__

    def rule(self, i: int) -> Rule:
        """Return the derivative by argument i; raise NotImplementedError where there is none."""
        if callable(self.rules):
            return self.rules(i)
        rule = self.rules[i] if i < len(self.rules) else None
        if rule is None:
            raise NotImplementedError(
                f"{self.__name__}() has no rule for its argument {i}; "
                f"give it one in {self.__name__}.rules, or pass that argument as a plain array"
            )
        return rule

    def source(self, i: int) -> Source:
        """Return where the rule of argument i is written: (file, line, text)."""
        from .source import source_of

        return source_of(self.rule(i))


def primitive(function: Callable[..., np.ndarray]) -> Primitive:
    """Make a function of arrays differentiable. Its rules are set on the result: f.rules = (...).

    Parameters
    ----------
    function : function of arrays
        The arguments that have a derivative are positional, the options keyword arguments.
    """
    return Primitive(function)


@overload
def grad(y: Tensor, xs: Tensor, create_graph: No = ..., unused: str = ...) -> np.ndarray: ...
@overload
def grad(y: Tensor, xs: Many, create_graph: No = ..., unused: str = ...) -> list[np.ndarray]: ...
@overload
def grad(y: Tensor, xs: Tensor, create_graph: Literal[True], unused: str = ...) -> Tensor: ...
@overload
def grad(y: Tensor, xs: Many, create_graph: Literal[True], unused: str = ...) -> list[Tensor]: ...
def grad(y: Tensor, xs: Tensor | Many, create_graph: bool = False, unused: str = "raise") -> Any:
    """dy/dx for each x in xs.

    Parameters
    ----------
    y : Tensor
        A scalar.
    xs : Tensor or sequence of Tensor
        What to differentiate by; for a sequence the result is a list.
    create_graph : bool, default False
        False: the results are arrays. True: Tensors, which can be differentiated again.
    unused : {"raise", "zero"}
        For an x on which y does not depend: ValueError, as it usually is a mistake, or zeros.
    """
    single = isinstance(xs, Tensor)
    wanted: list[Tensor] = [xs] if isinstance(xs, Tensor) else list(xs)
    if not all(isinstance(t, Tensor) for t in (y, *wanted)):
        raise TypeError("grad(y, xs) needs Tensors; wrap what you differentiate by: x = Tensor(x)")
    if unused not in ("raise", "zero"):
        raise ValueError(f'unused is "raise" or "zero", got {unused!r}')
    if y.size != 1:
        raise ValueError(f"grad() needs a scalar y, got shape {y.shape}; reduce it first: y.sum()")

    between = nodes_between(y, {x.number for x in wanted})
    gradients: dict[int, Any] = {y.number: np.ones_like(y.data)}
    if create_graph:
        gradients[y.number] = Tensor(gradients[y.number])
    queue = [(-y.number, y)]  # newest first; a node is added once, with its first gradient
    while queue:
        node = heapq.heappop(queue)[1]
        if node.made_by is None:
            continue
        op, args, options = node.made_by
        g = gradients[node.number]
        seen = [a.array if isinstance(a, Tensor) and not create_graph else a for a in args]
        for i, a in enumerate(args):
            if not isinstance(a, Tensor) or a.number not in between:
                continue
            piece = op.rule(i)(g, node if create_graph else node.array, *seen, **options)
            if piece is None:  # ops.zero_derivative
                continue
            if a.number in gradients:
                gradients[a.number] = gradients[a.number] + piece
            else:
                gradients[a.number] = piece
                heapq.heappush(queue, (-a.number, a))

    for i, x in enumerate(wanted):
        if x.number not in between and unused != "zero":
            raise ValueError(f"y does not depend on xs[{i}] ({x!r}); was it used as an array?")
        if x.number not in gradients:
            zero = np.zeros_like(x.data)
            gradients[x.number] = Tensor(zero) if create_graph else zero
    found = [gradients[x.number] for x in wanted]
    if not create_graph:
        # A rule may return a read-only view, g itself, or float64 for a float32 x.
        found = [np.array(g, x.dtype) for g, x in zip(found, wanted, strict=True)]
    return found[0] if single else found


def nodes_between(y: Tensor, targets: set[int]) -> set[int]:
    """The numbers of the nodes on a path from y to a target; only these need a gradient."""
    seen, stack = {y.number: y}, [y]
    while stack:
        node = stack.pop()
        for a in node.made_by[1] if node.made_by else ():
            if isinstance(a, Tensor) and a.number not in seen:
                seen[a.number] = a
                stack.append(a)
    found: set[int] = set()
    for number in sorted(seen):  # oldest first: a node comes after the nodes it was made from
        made_by = seen[number].made_by
        sources = made_by[1] if made_by else ()
        if number in targets or any(isinstance(a, Tensor) and a.number in found for a in sources):
            found.add(number)
    return found


def value_and_grad(function: Rule, *arrays: np.ndarray) -> tuple[float, list[np.ndarray]]:
    """(value, [gradient by each array]) of function(*arrays).

    Parameters
    ----------
    function : function of Tensors
        Written with npgan.ops; returns a scalar.
    *arrays : array
    """
    leaves = [Tensor(a) for a in arrays]
    value = function(*leaves)
    return float(value.data), grad(value, leaves, unused="zero")
