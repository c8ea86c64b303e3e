"""The story that the page tells: one number of z, forward to the loss and back to one weight."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

from .words import cell_name, short_number
from .write_tape import Data, Edge, Walk, edges_of


def story(walk: Walk, tape: Data) -> list[Data]:
    """From one number of z to one weight's update, a sentence for each cell on the way.

    Forward and back it takes the same way: to the cell with the largest term in the gradient.
    """
    names = {node.name: i for i, node in enumerate(walk.nodes) if node.name}
    z, weights = names["z"], names["G.0.W"]
    way = path(walk, edges_of(walk), z, 0)
    hidden = way[1][1] % walk.tensors[way[1][0]].shape[-1]
    weight = hidden  # of z's first number, to the cell that the way goes through
    text = f"One random number: {number(walk, z, 0)} is {value(walk, z, 0)}. Follow it."
    told = [item(walk, z, 0, "forward", text)]
    for (before, _), (i, cell) in pairwise(way):
        node = walk.nodes[i]
        assert node.op is not None
        text = (
            f"{called(walk, before)} goes into {node.op.__name__}, which gives {called(walk, i)}: "
            f"{number(walk, i, cell)} is {value(walk, i, cell)}."
        )
        told.append(item(walk, i, cell, "forward", text))
    told.append(
        item(walk, *way[-1], "backward", "Now back. The loss by itself has the derivative 1.")
    )
    for (i, cell), (after, _) in zip(way[-2:0:-1], way[:1:-1], strict=True):
        text = (
            f"Back through {walk.nodes[after].op.__name__}: "  # type: ignore[union-attr]
            f"if {number(walk, i, cell)} grew by a little, the loss would change by "
            f"{slope(walk, i, cell)} times as much."
        )
        told.append(item(walk, i, cell, "backward", text))
    text = (
        f"The weight {number(walk, weights, weight)} multiplied {number(walk, z, 0)}. Each row i "
        f"of the batch adds z[i, 0] times the gradient of {called(walk, way[1][0])}[i, {hidden}]; "
        f"together {slope(walk, weights, weight)}."
    )
    told.append(item(walk, weights, weight, "backward", text))
    adam = tape["optimiser"]
    leaf = adam["leaves"][str(weights)]
    text = (
        f"Adam turns the gradient into a move: m̂ is {short_number(leaf['m_hat'][weight])}, √v̂ is "
        f"{short_number(leaf['root'][weight])}, and the weight moves by "
        f"{short_number(leaf['move'][weight])} to {short_number(leaf['after'][weight])}."
    )
    told.append(item(walk, weights, weight, "update", text))
    return told


def path(walk: Walk, edges: list[Edge], i: int, cell: int) -> list[tuple[int, int]]:
    """The way from a cell to the loss, each time along the largest term."""
    way = [(i, cell)]
    while way[-1][0] != len(walk.nodes) - 1:
        here, k = way[-1]
        columns = [(e.to, np.abs(e.terms[:, k])) for e in edges if e.source == here]
        to, column = max(columns, key=lambda pair: float(pair[1].max()))
        way.append((to, int(np.argmax(column))))
    return way


def item(walk: Walk, i: int, cell: int, part: str, sentence: str) -> dict[str, Any]:
    """One part of the story."""
    return {
        "tape": walk.computation.key,
        "node": i,
        "cell": cell,
        "part": part,
        "sentence": sentence,
    }


def called(walk: Walk, i: int) -> str:
    """A node's name, or its primitive's."""
    node = walk.nodes[i]
    return node.name or (node.op.__name__ if node.op else "a leaf")


def number(walk: Walk, i: int, cell: int) -> str:
    """The name of a cell."""
    return cell_name(called(walk, i), walk.tensors[i].shape, cell)


def value(walk: Walk, i: int, cell: int) -> str:
    """A cell's value."""
    return short_number(float(walk.tensors[i].data.flat[cell]))


def slope(walk: Walk, i: int, cell: int) -> str:
    """A cell's gradient."""
    return short_number(float(walk.gradients[i].flat[cell]))
