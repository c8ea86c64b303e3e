"""What a tape holds, the same computation with other numbers, and what one update would do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from .. import kernels
from ..autograd import Primitive, Tensor
from ..optim import Adam

Swap = Mapping[Primitive, Primitive]


class Node(NamedTuple):
    """One Tensor of a tape: its name ("" if none was given), and how it was made.

    `op` is None for a leaf; `args` are the primitive's arguments in its order, Tensors and others.
    """

    tensor: Tensor
    name: str
    op: Primitive | None
    args: tuple[Any, ...]
    options: dict[str, Any]


def nodes(y: Tensor, names: Mapping[str, Tensor] | None = None) -> list[Node]:
    """Return the nodes that y was computed from, and y, oldest first.

    Parameters
    ----------
    y : Tensor
        Where the tape ends.
    names : mapping of str to Tensor, optional
        The names of some of the nodes, as in {"x": x, "loss": y}.

    Returns
    -------
    list of Node
    """
    if not isinstance(y, Tensor):
        raise TypeError(f"nodes() needs a Tensor, got {type(y).__name__}")
    called = {tensor.number: name for name, tensor in (names or {}).items()}
    seen, stack = {y.number: y}, [y]
    while stack:
        tensor = stack.pop()
        for a in tensor.made_by[1] if tensor.made_by else ():
            if isinstance(a, Tensor) and a.number not in seen:
                seen[a.number] = a
                stack.append(a)
    return [
        Node(tensor, called.get(number, ""), *(tensor.made_by or (None, (), {})))
        for number, tensor in sorted(seen.items())
    ]


def replay(
    tape: Iterable[Node], values: Mapping[Tensor, ArrayLike] | None = None,
    swap: Swap | None = None, dtype: DTypeLike | None = None,
) -> list[Tensor]:  # fmt: skip
    """Compute a tape again, in new Tensors, with other numbers in some of its leaves.

    Parameters
    ----------
    tape : iterable of Node
        What `nodes` returned.
    values : mapping of Tensor to array_like, optional
        The numbers of these leaves; the other leaves keep theirs.
    swap : mapping of Primitive to Primitive, optional
        What to call in the place of a primitive.
    dtype : dtype, optional
        Of the leaves, and of arrays among the arguments; by default they keep theirs.

    Returns
    -------
    list of Tensor
        One for each node, in the same order.
    """
    values, swap, new = values or {}, swap or {}, {}
    for node in tape:
        old = node.tensor
        if node.op is None:
            value = np.array(values.get(old, old.data), dtype or old.dtype)
            if value.shape != old.shape:
                raise ValueError(f"replay() got {value.shape} for a leaf of shape {old.shape}")
            new[old.number] = Tensor(value)
        else:
            args = [new[a.number] if isinstance(a, Tensor) else cast(a, dtype) for a in node.args]
            new[old.number] = swap.get(node.op, node.op)(*args, **node.options)
    return list(new.values())


def cast(a: Any, dtype: DTypeLike | None) -> Any:
    """An array of floats in this dtype, if one is asked for; other arguments as they are."""
    is_floats = dtype and isinstance(a, np.ndarray) and a.dtype.kind == "f"
    return a.astype(dtype) if is_floats else a


class Update(NamedTuple):
    """What one step of Adam makes of a gradient; all are flat vectors like theta.

    `m` and `v` are the new averages of g and g², `m_hat` and `v_hat` the same without their bias,
    `root` is √v̂, `move` what is added to theta, `after` the new theta.
    """

    m: np.ndarray
    v: np.ndarray
    m_hat: np.ndarray
    v_hat: np.ndarray
    root: np.ndarray
    move: np.ndarray
    after: np.ndarray


def update_of(adam: Adam, gradient: ArrayLike) -> Update:
    """Return what adam.step(gradient) would do, without doing it.

    `after` has the bits that adam.theta would have.

    Parameters
    ----------
    adam : Adam
        Stays as it is.
    gradient : array_like
        A flat gradient of theta's layout.

    Returns
    -------
    Update
    """
    g = np.array(gradient)
    if g.shape != adam.theta.shape:
        raise ValueError(f"update_of() got a gradient of {g.shape}, theta has {adam.theta.shape}")
    after, m, v = adam.theta.copy(), adam.slots["m"].copy(), adam.slots["v"].copy()
    t, hyper = adam.t + 1, adam.hyper
    kernels.adam(after, g, m, v, **hyper, t=t)
    mean = m if hyper["beta1"] > 0 else g  # the kernel does not use m then
    m_hat, v_hat = mean / (1 - hyper["beta1"] ** t), v / (1 - hyper["beta2"] ** t)
    return Update(m, v, m_hat, v_hat, np.sqrt(v_hat), after - adam.theta, after)


def influence(node: Node, i: int, g: np.ndarray) -> np.ndarray:
    """g_j dy_j/dx_k for every cell j of a node and k of its argument i, by the primitive's rule.

    The rule is called once for each cell j, with a gradient that is zero elsewhere.
    """
    if node.op is None or not isinstance(node.args[i], Tensor):
        raise TypeError("only an argument that is a Tensor has an influence")
    arrays: Sequence[Any] = [a.data if isinstance(a, Tensor) else a for a in node.args]
    y, x = node.tensor.data, node.args[i]
    rule, terms = node.op.rule(i), np.zeros((y.size, x.size))
    for j in range(y.size):
        one = np.zeros(y.size)
        one[j] = g.reshape(-1)[j]
        piece = rule(one.reshape(y.shape), y, *arrays, **node.options)
        if piece is not None:  # ops.zero_derivative
            terms[j] = np.broadcast_to(piece, x.shape).reshape(-1)
    return terms
