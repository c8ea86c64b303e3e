"""A computation as the record holds it: every node, every term, and the checks of them."""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..autograd import Tensor, grad, nodes_between
from ..source import Source
from . import words
from .steps import Computation
from .tape import Node, Swap, influence, nodes, replay, update_of

STEP = 1e-6  # of the differences, for numbers near 1
TERMS, DIFFERENCES = 1e-12, 1e-8  # what the checks allow
Data = dict[str, Any]
Place = tuple[int, int] | None  # a node and its cell


class Edge(NamedTuple):
    """What flows back from a node to its argument: terms[i, j] = g_i dy_i/dx_j."""

    source: int
    to: int
    arg: int
    terms: np.ndarray


class Walk:
    """A computation with its nodes in order, and the gradients of them all."""

    def __init__(self, computation: Computation):
        self.computation = computation
        self.nodes = nodes(computation.loss, computation.names)
        self.ids = {node.tensor.number: i for i, node in enumerate(self.nodes)}
        self.tensors = [node.tensor for node in self.nodes]
        self.gradients = gradients_of(self.tensors)
        # The rounding error of a difference is in proportion to the largest numbers of the tape.
        largest = max(
            float(np.abs(a).max()) for a in [*self.gradients, *(t.data for t in self.tensors)]
        )
        self.scale = max(1.0, largest / 10) if math.isfinite(largest) else 1.0
        self.leaves = [i for i, node in enumerate(self.nodes) if node.op is None]
        # Slices of theta by the leaf. R1 does not depend on the last bias: it is on no tape.
        self.parts: dict[int, slice] = {}
        self.size = 0
        for tensor in computation.parameters:
            start, self.size = self.size, self.size + tensor.size
            if tensor.number in self.ids:
                self.parts[self.ids[tensor.number]] = slice(start, self.size)
        self.moving = set(self.parts) if computation.adam else set()
        # Training computes only the gradients on the way from the loss to the parameters.
        wanted = {tensor.number for tensor in computation.parameters}
        on_the_way = nodes_between(computation.loss, wanted) if wanted else set(self.ids)
        self.needed = {i for number, i in self.ids.items() if number in on_the_way}

    def flat_gradient(self, gradients: list[np.ndarray]) -> np.ndarray:
        """The gradients of the parameters in theta's layout."""
        flat = np.zeros(self.size)
        for i, part in self.parts.items():
            flat[part] = gradients[i].ravel()
        return flat

    def moves(self, gradients: list[np.ndarray]) -> np.ndarray:
        """What the optimiser adds to theta, given the gradients of all nodes."""
        if self.computation.adam is None:
            return np.zeros(0)
        return update_of(self.computation.adam, self.flat_gradient(gradients)).move

    def again(
        self, values: Mapping[Tensor, np.ndarray] | None = None, swap: Swap | None = None
    ) -> tuple[list[Tensor], list[np.ndarray]]:
        """The values and gradients of all nodes with other numbers in the leaves."""
        tensors = replay(self.nodes, values, swap)
        return tensors, gradients_of(tensors)

    def packed(self, tensors: list[Tensor], gradients: list[np.ndarray], dtype: str = "<f4") -> str:
        """All values, all gradients and all moves, as base64 of this dtype."""
        arrays = [t.data for t in tensors] + gradients + [self.moves(gradients)]
        return pack(np.concatenate([a.ravel() for a in arrays]), dtype)


def gradients_of(tensors: list[Tensor]) -> list[np.ndarray]:
    """d(the last)/d(each)."""
    return grad(tensors[-1], tensors, unused="zero")


def pack(array: np.ndarray, dtype: str) -> str:
    """An array as base64 of this dtype."""
    return base64.b64encode(np.asarray(array, dtype).tobytes()).decode("ascii")


def tape_data(walk: Walk) -> Data:
    """The record of a computation, without what-ifs and mistakes."""
    c = walk.computation
    edges = edges_of(walk)
    differences = {str(i): differences_of(walk, i) for i in walk.leaves}
    optimiser = optimiser_data(walk)
    return {
        "key": c.key,
        "title": c.title,
        "about": c.about,
        "kind": c.kind,
        "loss": len(walk.nodes) - 1,
        "scale": walk.scale,
        "nodes": [node_data(walk, i) for i in range(len(walk.nodes))],
        "edges": [edge_data(edge) for edge in edges],
        "differences": differences,
        "optimiser": optimiser,
        "checks": checks(walk, edges, differences),
        "whatif": {},
        "mistakes": [],
    }


def node_data(walk: Walk, i: int) -> Data:
    """One node."""
    node, c = walk.nodes[i], walk.computation
    tensor, op = node.tensor, node.op
    shapes = [a.shape for a in node.args if isinstance(a, Tensor)]
    return {
        "id": i,
        "name": node.name,
        "op": op.__name__ if op else None,
        "options": words.options_text(node.options),
        "about": words.about(op) if op else "",
        "formula": words.formula(op) if op else "",
        "args": [argument(walk, a) for a in node.args],
        "shape": list(tensor.shape),
        "data": tensor.data.ravel().tolist(),
        "grad": walk.gradients[i].ravel().tolist(),
        "part": c.part(node),
        "group": c.group(node),
        "moves": i in walk.moving,
        "needed": i in walk.needed,
        "sentence": words.node_sentence(op, node.name, shapes, tensor.shape)
        if op
        else words.leaf_sentence(node.name, tensor.shape, c.kind),
        "rules": [rule_data(node, k) for k in range(len(node.args))],
    }


def argument(walk: Walk, a: Any) -> Any:
    """An argument: the id of a node, numbers with their shape, or a text."""
    if isinstance(a, Tensor):
        return walk.ids[a.number]
    if isinstance(a, (int, float, np.generic, np.ndarray)) and np.asarray(a).dtype.kind in "fiub":
        return {"value": np.ravel(a).astype(float).tolist(), "shape": list(np.shape(a))}
    return words.shown(a)


def rule_data(node: Node, i: int) -> Data:
    """Where the rule of argument i is written, and where it is derived."""
    assert node.op is not None
    try:
        source = node.op.source(i)
    except NotImplementedError:
        source = Source("", 0, "no rule: this argument is a constant")
    return {
        "file": short(source.file),
        "line": source.line,
        "text": source.text,
        "url": words.url(node.op),
    }


def short(file: str) -> str:
    """A file's name below the package, or its last part: the page may be shown to anyone."""
    path, package = Path(file), Path(__file__).parents[1]
    if file and path.is_relative_to(package):
        return path.relative_to(package.parent).as_posix()
    return path.name


def edges_of(walk: Walk) -> list[Edge]:
    """The terms of all pairs of a node and an argument of it."""
    return [
        Edge(walk.ids[a.number], to, i, influence(node, i, walk.gradients[to]))
        for to, node in enumerate(walk.nodes)
        for i, a in enumerate(node.args)
        if isinstance(a, Tensor)
    ]


def edge_data(edge: Edge) -> Data:
    """One edge."""
    return {
        "from": edge.source,
        "to": edge.to,
        "arg": edge.arg,
        "terms": pack(edge.terms, "<f8"),
        "shape": list(edge.terms.shape),
    }


def differences_of(
    walk: Walk,
    leaf: int,
    values: Mapping[Tensor, np.ndarray] | None = None,
    swap: Swap | None = None,
) -> list[float]:
    """(L(+h) - L(-h)) / 2h of each cell of a leaf; `values` and `swap` are those of `replay`."""
    tensor, values = walk.tensors[leaf], values or {}
    start = values.get(tensor, tensor.data)
    found = []
    for cell in range(tensor.size):
        ends = []
        h = STEP * max(1.0, abs(float(start.flat[cell])))
        for sign in (1, -1):
            moved = start.copy()
            moved.flat[cell] += sign * h
            loss = replay(walk.nodes, {**values, tensor: moved}, swap)[-1].data
            ends.append((float(moved.flat[cell]), float(loss)))
        (x1, y1), (x0, y0) = ends
        found.append((y1 - y0) / (x1 - x0))
    return found


def optimiser_data(walk: Walk) -> Data | None:
    """What Adam does with the gradient, for each leaf that it moves."""
    adam = walk.computation.adam
    if adam is None:
        return None
    update = update_of(adam, walk.flat_gradient(walk.gradients))
    fields = ("m", "v", "m_hat", "root", "move", "after")
    leaves = {
        str(i): {name: getattr(update, name)[part].tolist() for name in fields}
        for i, part in walk.parts.items()
    }
    hyper = {name: float(adam.hyper[name]) for name in ("lr", "beta1", "beta2", "eps")}
    return {"name": "Adam", "step": adam.t + 1, **hyper, "leaves": leaves}


def checks(walk: Walk, edges: list[Edge], differences: Mapping[str, list[float]]) -> list[Data]:
    """The record's checks of itself: their worst value, what is allowed, and where it is."""
    c, found = walk.computation, []

    def check(key: str, text: str, worst: float, limit: float, at: tuple[int, int] | None) -> None:
        where = None if at is None else {"node": at[0], "cell": at[1]}
        ok = bool(worst <= limit)  # False for NaN
        found.append(
            {"key": key, "text": text, "worst": worst, "limit": limit, "ok": ok, "at": where}
        )

    worst: tuple[float, Place] = (0.0, None)
    for i, g in enumerate(walk.gradients):
        pieces = [edge.terms for edge in edges if edge.source == i]
        if pieces:
            total = np.sum([t.sum(axis=0) for t in pieces], axis=0)
            size = np.sum([np.abs(t).sum(axis=0) for t in pieces], axis=0)
            error = np.abs(total - g.ravel()) / np.maximum(size, np.finfo(float).tiny)
            worst = max(worst, worst_of(error, i), key=lambda pair: order(pair[0]))
    check("terms", "The terms of each cell add up to its gradient", worst[0], TERMS, worst[1])

    worst = (0.0, None)
    for name, numbers in differences.items():
        error = np.abs(np.array(numbers) - walk.gradients[int(name)].ravel()) / walk.scale
        worst = max(worst, worst_of(error, int(name)), key=lambda pair: order(pair[0]))
    text = "Rule and finite difference agree at every cell of every leaf"
    check("differences", text, worst[0], DIFFERENCES, worst[1])

    flat = walk.flat_gradient(walk.gradients)
    if c.parameters:
        text = "The gradient has the bits of the one that training computes without a tape"
        check("explicit", text, *unequal(walk, flat, c.gradient))
    if c.adam is not None and c.after is not None:
        text = "Each weight moves to where the real training step puts it, to the bit"
        check("moved", text, *unequal(walk, update_of(c.adam, flat).after, c.after))
    return found


def worst_of(errors: np.ndarray, node: int) -> tuple[float, Place]:
    """The largest error, or NaN if there is one, and its place."""
    if not errors.size:
        return 0.0, None
    cell = int(np.argmax(np.where(np.isnan(errors), np.inf, errors)))
    return float(errors[cell]), (node, cell)


def order(error: float) -> float:
    """NaN is the worst error."""
    return np.inf if np.isnan(error) else error


def unequal(walk: Walk, ours: np.ndarray, theirs: np.ndarray) -> tuple[float, float, Place]:
    """(the number of different elements, 0, the first one's place) of two vectors like theta."""
    different = np.flatnonzero(~((ours == theirs) & (np.signbit(ours) == np.signbit(theirs))))
    if not different.size:
        return 0.0, 0.0, None
    index = int(different[0])
    places = (
        (i, index - part.start) for i, part in walk.parts.items() if part.start <= index < part.stop
    )
    return float(different.size), 0.0, next(places, None)
