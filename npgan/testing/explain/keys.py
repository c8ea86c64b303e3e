"""Other indices and slices that may be meant by x[key]: one further, another stride, exchanged."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from .traced import Step

NewKeyOf = Callable[[Step], Any]
RATIOS = (2.0, 3.0, 0.5, 1 / 3, 2 / 3, 1.5)


def shown(key: Any) -> str:
    """A key as it is written, where it is short."""
    parts = key if isinstance(key, tuple) else (key,)
    return f"[{', '.join(map(part_shown, parts))}]"


def part_shown(part: Any) -> str:
    """One part of a key."""
    if isinstance(part, slice):
        ends = ["" if v is None else str(v) for v in (part.start, part.stop)]
        return ":".join(ends) + (f":{part.step}" if part.step not in (None, 1) else "")
    if part is None or part is Ellipsis:
        return "..." if part is Ellipsis else "None"
    return str(int(part)) if np.ndim(part) == 0 and np.asarray(part).dtype.kind in "iu" else "array"


def keys_of(step: Step) -> Iterator[tuple[str, NewKeyOf]]:
    """(what is wrong, the key that would be right, of any step of the same place)."""
    key = step.key if isinstance(step.key, tuple) else (step.key,)
    if any(k is Ellipsis for k in key):
        return
    slices = [i for i, k in enumerate(key) if isinstance(k, slice)]
    cut = [i for i in slices if key[i] != slice(None)]
    ints = [i for i, k in enumerate(key) if isinstance(k, int | np.integer)]
    for some in dict.fromkeys([tuple(cut), *((i,) for i in cut)]):
        for by in (1, -1, 2, -2) if some else ():
            count = {1: "one", 2: "two"}[abs(by)]
            text = f"the slice is off by {count} along axis {some[0]}"
            yield text, changed(some, further(by))
        if some:
            text = "the slice is in the wrong order: it belongs to the other end"
            yield text, changed(some, lambda r, n: range(n - r.stop, n - r.start, r.step))
        for ratio in RATIOS if some else ():
            yield "the stride of its start is wrong", changed(some, restarted(ratio))
        for stride in (1, 2, 3) if some else ():
            yield "the stride of the slice is wrong", changed(some, restrided(stride))
    for some in dict.fromkeys([tuple(ints), *((i,) for i in ints)]):
        for by in (1, -1) if some else ():
            yield "the index is off by one", changed(some, further(by))
        if some:
            text = "the index runs in the wrong order"
            yield text, changed(some, lambda r, n: range(n - 1 - r.start, n - r.start))
    for i in ints:
        for j in ints:
            if i < j:
                yield "two indices are swapped, as if transposed", exchanged(i, j)
    for i in slices:
        for j in slices:
            if i < j and key[i] != key[j]:
                yield "two slices are swapped, as if transposed", exchanged(i, j)


def further(by: int) -> Callable[[range, int], range]:
    """The same range some indices further."""
    return lambda r, n: range(r.start + by, r.stop + by, r.step)


def restarted(ratio: float) -> Callable[[range, int], range]:
    """The same length from another start."""

    def move(r: range, n: int) -> range:
        start = round(r.start * ratio)
        if abs(start - r.start * ratio) > 1e-9:
            raise IndexError
        return range(start, start + len(r) * r.step, r.step)

    return move


def restrided(stride: int) -> Callable[[range, int], range]:
    """As many from the same start, further apart."""
    return lambda r, n: range(r.start, r.start + len(r) * stride, stride)


def changed(some: tuple[int, ...], move: Callable[[range, int], range]) -> NewKeyOf:
    """A key with some of its parts moved."""

    def key(step: Step) -> Any:
        old = step.key if isinstance(step.key, tuple) else (step.key,)
        shape = np.shape(step.operands[0])
        new = list(old)
        for i in some:
            n = shape[i - sum(k is None for k in old[:i])]
            if isinstance(old[i], slice):
                r = move(range(*old[i].indices(n)), n)
                if len(r) and not (0 <= r[0] < n and 0 <= r[-1] < n):
                    raise IndexError
                new[i] = slice(r.start, r[-1] + 1 if len(r) else r.start, r.step)
            else:
                k = int(old[i]) % n
                r = move(range(k, k + 1), n)
                if not 0 <= r[0] < n:
                    raise IndexError
                new[i] = r[0]
        return tuple(new)

    return key


def exchanged(i: int, j: int) -> NewKeyOf:
    """A key with two of its parts exchanged."""

    def key(step: Step) -> Any:
        new = list(step.key)
        new[i], new[j] = new[j], new[i]
        return tuple(new)

    return key
