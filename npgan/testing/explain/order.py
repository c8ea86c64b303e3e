"""Causes that move entries: transposed, flipped, shifted, swapped, permuted."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from itertools import combinations, permutations

import numpy as np

from .evidence import Candidate, Evidence, Hint
from .trial import Trial

Move = Callable[[np.ndarray], np.ndarray]
SWAPPED_BLOCKS = (2, 3, 4)  # gates of recurrent layers lie side by side


def moved(e: Evidence) -> Iterator[Hint]:
    """The right numbers at the wrong indices."""
    shape = e.first.x.shape
    for text, move in moves(shape):
        if e.holds(on_gradient(move)):
            yield 2, text
            return


def shifted(e: Evidence) -> Iterator[Hint]:
    """Shifted by one, two or three, with unknown numbers at the edge."""
    for axis, n in enumerate(e.first.x.shape):
        for by in (1, -1, 2, -2, 3, -3):
            if n < 2 * abs(by) + 1:
                continue
            edge = slice(0, by) if by > 0 else slice(n + by, n)
            at_edge = (slice(None),) * axis + (edge,)

            def candidate(
                t: Trial, axis: int = axis, by: int = by, at_edge: tuple[slice, ...] = at_edge
            ) -> np.ndarray:
                moved = np.roll(t.analytic, by, axis)
                numeric = np.where(t.known, t.numeric, 0.0)
                moved[at_edge] = numeric[at_edge]  # what left the array is not known
                return moved

            if e.holds(candidate, enough=6):
                count = {1: "one", 2: "two", 3: "three"}[abs(by)]
                yield (
                    2,
                    f"shifted by {count} along axis {axis}: an index, a slice or a padding is off "
                    f"by {count}",
                )
                return


def flipped_kernel(e: Evidence) -> Iterator[Hint]:
    """Right where both dout and the gradient are flipped: the kernel between them is."""
    out = e.first.where.out
    if out is None:
        return
    for p in range(out.ndim):
        for q in range(e.first.x.ndim):
            if out.shape[p] < 2 or e.first.x.shape[q] < 2:
                continue

            def candidate(t: Trial, p: int = p, q: int = q) -> np.ndarray | None:
                return None if t.dout is None else np.flip(t.with_dout(np.flip(t.dout, p)), q)

            if e.holds(candidate):
                yield (
                    2,
                    f"what multiplies dout is flipped along axis {q}: a convolution for a "
                    "correlation, or the reverse",
                )
                return


def permuted(e: Evidence) -> Iterator[Hint]:
    """The right numbers in another order, another one at other arguments."""
    if not all(t.is_full for t in e.trials) or e.first.x.size < 4:
        return
    for t in e.trials:
        a, b = np.sort(t.analytic, axis=None), np.sort(t.numeric, axis=None)
        if np.any(np.abs(a - b) > t.allowed.max()):
            return
        if np.count_nonzero(np.diff(b) > 10 * t.allowed.max()) < 3:
            return
    yield 3, "the right numbers in the wrong order: the indices of a sort or gather are not undone"


def moved_dout(e: Evidence) -> Iterator[Hint]:
    """The gradient would be right if dout were moved first."""
    out = e.first.where.out
    if out is None or out.size < 2:
        return
    for text, move in moves(out.shape):
        if e.holds(on_dout(move)):
            yield 3, f"dout is used in the wrong order, or the output's index is: {text}"
            return


def moves(shape: tuple[int, ...]) -> Iterator[tuple[str, Move]]:
    """Rearrangements of an array of this shape that keep its shape."""
    axes = range(len(shape))
    if len(shape) == 2 and shape[0] == shape[1] > 1:
        yield "transposed: numeric = analytic.T", lambda a: a.T
    elif len(shape) > 2:
        for order in permutations(axes):
            if tuple(shape[i] for i in order) == shape and order != tuple(axes):
                moving = " and ".join(str(i) for i in axes if order[i] != i)
                yield f"transposed: axes {moving} are exchanged", turn(order)
    for axis in axes:
        if shape[axis] > 1:
            yield f"flipped along axis {axis}", flip((axis,))
    for n in range(2, len(shape) + 1):
        for some in combinations(axes, n):
            if all(shape[i] > 1 for i in some):
                which = "every axis" if n == len(shape) else "axes " + " and ".join(map(str, some))
                yield f"flipped along {which} (convolution for correlation?)", flip(some)
    for axis in axes:
        for by in (1, -1):
            if shape[axis] > 2:
                text = f"shifted by one along axis {axis}: an index is off by one"
                yield text, roll(by, axis)
                yield text, shift(by, axis)
    if len(shape) > 1:
        for order in permutations(axes):
            turned = tuple(shape[i] for i in order)
            if turned != shape:
                yield (
                    "laid out as the transposed matrix, then reshaped: "
                    "transpose instead of reshape",
                    relay(order, shape),
                )
    for axis in axes:
        for count in SWAPPED_BLOCKS:
            length = shape[axis] // count
            if shape[axis] % count or length < 1 or count == shape[axis] == 2:
                continue
            for order in permutations(range(count)):
                if order != tuple(range(count)):
                    which = " and ".join(str(i) for i in range(count) if order[i] != i)
                    yield (
                        f"blocks {which} of {count} along axis {axis} are swapped",
                        reorder(order, length, axis),
                    )


def on_gradient(move: Move) -> Candidate:
    """The moved gradient."""
    return lambda t: move(t.analytic)


def on_dout(move: Move) -> Candidate:
    """The gradient for a moved dout."""
    return lambda t: None if t.dout is None else t.with_dout(move(t.dout))


def turn(order: tuple[int, ...]) -> Move:
    """A transpose."""
    return lambda a: a.transpose(order)


def flip(axes: tuple[int, ...]) -> Move:
    """The reverse order."""
    return lambda a: np.flip(a, axes)


def roll(by: int, axis: int) -> Move:
    """A shift in which what leaves at one end enters at the other."""
    return lambda a: np.roll(a, by, axis)


def shift(by: int, axis: int) -> Move:
    """A shift in which zeros enter."""

    def move(a: np.ndarray) -> np.ndarray:
        moved = np.roll(a, by, axis)
        moved[(slice(None),) * axis + (0 if by > 0 else -1,)] = 0.0
        return moved

    return move


def relay(order: tuple[int, ...], shape: tuple[int, ...]) -> Move:
    """Numbers laid out for the transposed shape."""
    turned = tuple(shape[i] for i in order)
    back = tuple(int(i) for i in np.argsort(order))
    return lambda a: a.reshape(turned).transpose(back)


def reorder(order: tuple[int, ...], length: int, axis: int) -> Move:
    """Blocks of an axis in another order."""
    index = np.concatenate([np.arange(i * length, (i + 1) * length) for i in order])
    return lambda a: np.take(a, index, axis)


def swapped(e: Evidence) -> Iterator[Hint]:
    """The gradient of another argument."""
    for i, (name, other) in enumerate(e.first.others):
        if math.prod(other.shape) != e.first.x.size or e.first.x.size < 1:
            continue
        for how, put in (
            ("", lambda g, shape: g if g.shape == shape else None),
            (" (transposed)", lambda g, shape: g.T if g.ndim > 1 and g.T.shape == shape else None),
        ):

            def candidate(
                t: Trial, i: int = i, put: Callable[..., np.ndarray | None] = put
            ) -> np.ndarray | None:
                return put(t.others[i][1], t.x.shape)

            if e.holds(candidate):
                yield (
                    2,
                    f"this is where the gradient of {name}{how} belongs: two gradients are swapped",
                )
                return


def lost_signs(e: Evidence) -> Iterator[Hint]:
    """The absolute value of the right gradient."""

    def absolute(t: np.ndarray) -> bool:
        return bool(t.min(initial=0.0) < 0)

    negative = [t for t in e.trials if absolute(t.numeric[t.known])]
    if not negative or any((t.analytic < 0).any() for t in e.trials):
        return
    if e.holds(lambda t: np.copysign(t.analytic, np.where(t.known, t.numeric, 1.0))):
        yield 2, "the signs are lost: analytic = |numeric|"
