"""A binary tree over the shards, which says in which order their gradients are added.

A sum of floats depends on the order of the additions. Here the order depends on the number of
shards alone, and not on who adds: the shards lo, ..., hi - 1 are divided at the largest power of
two below their number, both halves are summed in the same way, and the two sums are added.

    8 shards:  ((0+1)+(2+3)) + ((4+5)+(6+7))        5 shards:  ((0+1)+(2+3)) + 4
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy.typing as npt

Array = npt.NDArray[Any]
Node = tuple[int, int]  # the shards lo, ..., hi - 1


def middle(lo: int, hi: int) -> int:
    """Where a node of two shards or more is divided."""
    half: int = 1 << ((hi - lo - 1).bit_length() - 1)
    return lo + half


def largest_nodes(lo: int, hi: int, shards: range) -> list[Node]:
    """The largest nodes below (lo, hi) that hold none but these consecutive shards, in order."""
    if shards.start <= lo and hi <= shards.stop:
        return [(lo, hi)]
    if hi <= shards.start or shards.stop <= lo:
        return []
    m = middle(lo, hi)
    return largest_nodes(lo, m, shards) + largest_nodes(m, hi, shards)


def tree_sum(lo: int, hi: int, find: Callable[[int, int], Array | None]) -> Array:
    """The sum over the node (lo, hi).

    Parameters
    ----------
    lo, hi : int
        The node.
    find : function (lo, hi) -> array or None
        The sum of a node where it is known, in memory that may be overwritten; it must know that of
        every single shard. It is called from left to right.
    """
    found = find(lo, hi)
    if found is not None:
        return found
    m = middle(lo, hi)
    left = tree_sum(lo, m, find)
    left += tree_sum(m, hi, find)
    return left
