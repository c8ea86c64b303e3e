"""What kind of mistake it looks like: the error is matched against the usual ones, likeliest first.

A candidate is a corrected gradient ("if the sign were turned"); one that agrees with the numeric slopes
explains the error. The same test serves both kinds of evidence, entries and projections.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np


class Evidence(NamedTuple):
    """What is known of one wrong gradient; wrong is a mask in the array's shape, or None for projections."""

    name: str
    x: np.ndarray
    analytic: np.ndarray
    explains: Callable[[np.ndarray], bool]  # would this array have passed, to a per mille?
    ratio: float  # the factor that fits best, numeric = ratio x analytic
    numeric: np.ndarray | None
    wrong: np.ndarray | None
    out: np.ndarray | None  # the output and its dout, where there is one array of it
    dout: np.ndarray | None
    others: Sequence[tuple[str, np.ndarray]]  # the other arguments' analytic gradients
    sizes: dict[str, int]
    confined: Callable[[np.ndarray], bool]  # is everything outside this mask right?
    spot: tuple[int, ...] | None = None


def hints(e: Evidence) -> list[str]:
    """Sentences, the likeliest first; never empty."""
    found: list[str] = []
    with np.errstate(all="ignore"):
        for rule in (zero, factor, part, same_numbers, passed_through, forgotten, region, added):
            found += [text for text in rule(e) if text not in found]
        return found or [shapeless(e)]


def zero(e: Evidence) -> Iterator[str]:
    if not np.any(e.analytic):
        yield "backward returns zeros; the slope is not zero"


def factor(e: Evidence) -> Iterator[str]:
    c = e.ratio
    if not np.any(e.analytic) or not np.isfinite(c) or c == 0 or not e.explains(c * e.analytic):
        return
    if e.explains(e.analytic):  # so small an error that any factor near 1 would do
        return

    def near(value: float) -> bool:
        return abs(c / value - 1) < 2e-3

    if near(-1):
        yield "the sign is wrong: numeric = -analytic"
        return
    if near(2):
        yield "half of what it should be: a factor 2 is missing (of a square?)"
    elif near(0.5):
        yield "twice what it should be: a factor 1/2 is missing, or the gradient was added twice"
    sign = "-" if c < 0 else ""
    named = near(2) or near(0.5)
    for what, n in e.sizes.items():
        if n < 3:
            continue
        named = named or any(near(value) for value in (n, -n, 1 / n, n / 2, 2 / n))
        if near(n):
            yield f"{n} times too small, and {n} is {what}: a mean where a sum belongs, or divided twice"
        if near(-n):
            yield f"{n} times too small with the wrong sign, and {n} is {what}"
        if near(1 / n):
            yield f"{n} times too large, and {n} is {what}: a sum where a mean belongs (1/{n} is missing)"
        if near(n / 2):
            yield f"{n}/2 times too small, and {n} is {what}"
        if near(2 / n):
            yield f"{n}/2 times too large, and {n} is {what}"
    if not named:
        yield f"wrong by a constant factor: numeric = {sign}{abs(c):.6g} x analytic"


def same_numbers(e: Evidence) -> Iterator[str]:
    """The right numbers in the wrong places."""
    a = e.analytic
    if not np.any(a):
        return
    if a.ndim >= 2 and a.shape[-1] == a.shape[-2] and e.explains(np.swapaxes(a, -1, -2)):
        yield "transposed: numeric = analytic.T"
    elif (
        a.ndim == 2 and a.shape[0] != a.shape[1] and e.explains(a.ravel().reshape(a.shape[::-1]).T)
    ):
        yield "laid out as the transposed matrix, then reshaped: transpose instead of reshape"
    for axis in range(a.ndim):
        if a.shape[axis] > 1:
            if e.explains(np.flip(a, axis)):
                yield f"flipped along axis {axis}"
            for shift in (1, -1):
                if a.shape[axis] > 2 and e.explains(np.roll(a, shift, axis)):
                    yield f"shifted by one along axis {axis}: an index is off by one"
    if a.ndim > 1 and e.explains(np.flip(a)):
        yield "flipped along every axis (convolution for correlation?)"
    for name, other in e.others:
        if other.shape == a.shape and e.explains(other):
            yield f"this is where the gradient of {name} belongs: two gradients are swapped"
    n = e.numeric
    if n is not None and (a >= 0).all() and (n < 0).any() and np.allclose(a, np.abs(n), 1e-3):
        yield "the signs are lost: analytic = |numeric|"


def passed_through(e: Evidence) -> Iterator[str]:
    if e.dout is None or e.dout.size < 2 or not np.any(e.analytic):
        return
    if e.dout.shape == e.analytic.shape and np.allclose(e.analytic, e.dout, rtol=1e-6):
        yield "dout is passed through unchanged: the local derivative is forgotten"
    if e.dout.ndim > e.analytic.ndim and e.dout.shape[1:] == e.analytic.shape:
        for i, which in ((0, "first"), (-1, "last")):
            if np.allclose(e.analytic, e.dout[i], rtol=1e-6):
                yield f"only the {which} row of dout is used: sum over the batch"


def forgotten(e: Evidence) -> Iterator[str]:
    """A local derivative, made of the argument or the output, that is missing or one too many."""
    local: list[tuple[str, np.ndarray]] = []
    if e.explains(e.analytic):
        return
    if e.x.size > 1:
        local += [
            (e.name, e.x),
            (f"2 {e.name}", 2 * e.x),
            (f"({e.name} > 0)", (e.x > 0) * 1.0),
            (f"{e.name}²", e.x**2),
        ]
    if e.out is not None and e.out.size > 1 and e.out.shape == e.analytic.shape:
        y = e.out
        local += [
            ("y", y),
            ("(1 - y)", 1 - y),
            ("y (1 - y)", y * (1 - y)),
            ("(1 - y²)", 1 - y * y),
            ("(1 + y)", 1 + y),
        ]
    for text, f in local:
        if np.ptp(f) == 0:
            continue
        if e.explains(e.analytic * f):
            yield f"a local derivative is forgotten: numeric = analytic x {text}"
        elif np.all(f != 0) and e.explains(e.analytic / f):
            yield f"a factor {text} too many: numeric = analytic / {text}"


def part(e: Evidence) -> Iterator[str]:
    """Wrong in one place only, right everywhere else."""
    shape = e.analytic.shape
    if e.analytic.size < 2:
        return
    if e.wrong is not None:
        if e.wrong.all():
            return
        spots = np.argwhere(e.wrong)
        low, high = spots.min(axis=0), spots.max(axis=0)
        fixed = [axis for axis in range(len(shape)) if low[axis] == high[axis] and shape[axis] > 1]
        one: Sequence[int] = [int(i) for i in low]
    elif e.spot is not None:
        fixed = [
            axis
            for axis in range(len(shape))
            if shape[axis] > 1 and e.confined(slab(shape, axis, e.spot[axis]))
        ]
        one = e.spot
    else:
        return
    count = sum(1 for n in shape if n > 1)
    inside = np.ones(shape, bool)
    for axis in fixed:
        inside &= slab(shape, axis, one[axis])
    how = "is zero" if not np.any(e.analytic[inside]) else "is wrong"
    if len(fixed) == count:
        yield f"only the entry {list(one)} {how}; the others are right"
    elif fixed:
        names = {0: "row", 1: "column"} if len(shape) == 2 else {}
        for axis in fixed[:1]:
            which = f"{names.get(axis, f'axis {axis}, index')} {one[axis]}"
            edge = " (an edge)" if one[axis] in (0, shape[axis] - 1) else ""
            yield f"only {which}{edge} {how}; the others are right"


def region(e: Evidence) -> Iterator[str]:
    """Wrong where the argument has one sign, or along the border only."""
    if e.analytic.size < 2 or (e.wrong is not None and e.wrong.all()):
        return
    for mask, where in ((e.x < 0, "< 0"), (e.x > 0, "> 0")):
        if mask.any() and not mask.all() and e.confined(mask):
            how = "it is zero there" if not np.any(e.analytic[mask]) else "it is wrong there"
            yield f"only where {e.name} {where}: {how}, and right elsewhere"
    if e.wrong is not None:
        border = np.ones(e.analytic.shape, bool)
        border[tuple(slice(1, -1) if n > 2 else slice(None) for n in e.analytic.shape)] = False
        if not border.all() and e.confined(border):
            yield "only at the edges; the inner entries are right"


def slab(shape: tuple[int, ...], axis: int, i: int) -> np.ndarray:
    mask = np.zeros(shape, bool)
    mask[(slice(None),) * axis + (i,)] = True
    return mask


def added(e: Evidence) -> Iterator[str]:
    """Something added or dropped: the error itself has a simple form."""
    if e.numeric is None or e.analytic.size < 2:
        return
    error = e.analytic - e.numeric
    size = float(np.max(np.abs(error)))
    if np.ptp(error) < 1e-3 * size:
        yield f"a constant, {error.flat[0]:.6g}, is added to every entry"
        return
    if np.any(e.x) and e.x.size > 2:
        c = float(np.vdot(error, e.x) / np.vdot(e.x, e.x))
        if np.max(np.abs(error - c * e.x)) < 1e-3 * size:
            how = "added" if c > 0 else "missing"
            yield f"{abs(c):.6g} x {e.name} is {how}: weight decay, or a product rule"
            return
    for axis in range(error.ndim):
        if error.shape[axis] > 2:
            if np.max(np.ptp(error, axis=axis)) < 1e-3 * size:
                yield f"a term is dropped, the same along axis {axis}: the path through a mean or sum over it"
                return
            centred = e.x - e.x.mean(axis=axis, keepdims=True)
            squares = (centred**2).sum(axis=axis, keepdims=True)
            slope = (error * centred).sum(axis=axis, keepdims=True) / squares
            rest = error - error.mean(axis=axis, keepdims=True) - slope * centred
            if error.shape[axis] > 3 and np.all(squares > 0) and np.max(np.abs(rest)) < 1e-3 * size:
                yield (
                    f"terms linear in {e.name} along axis {axis} are dropped: "
                    f"the path through its mean or variance"
                )
                return


def shapeless(e: Evidence) -> str:
    """Nothing fits: say how large the error is, and whether a factor that varies could be it."""
    if e.numeric is not None and e.wrong is not None:
        numeric, analytic = e.numeric[e.wrong], e.analytic[e.wrong]
        if numeric.size and np.max(np.abs(analytic - numeric)) < 1e-2 * np.max(np.abs(numeric)):
            worst = float(np.max(np.abs(analytic - numeric)) / np.max(np.abs(numeric)))
            return f"nearly right, to {worst:.1e} of the largest entry: a constant, an epsilon or lost digits"
        ratio = numeric / analytic
        if np.isfinite(ratio).all() and (ratio > 0).all():
            return (
                f"a factor that varies from {ratio.min():.3g} to {ratio.max():.3g} over the entries: "
                f"a local derivative is forgotten or wrong"
            )
    return "no simple pattern: a term of the sum is wrong or dropped"
