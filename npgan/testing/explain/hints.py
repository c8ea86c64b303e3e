"""Hints: which usual mistake explains a wrong gradient, the likeliest first.

A candidate is a corrected gradient ("if the sign were changed"). If it agrees with the measured
slopes, it explains the error. Each rule below yields a sentence for every candidate of its kind
that does.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from .evidence import Evidence

MEAN_FOR_SUM = "a mean where a sum belongs, or divided twice"
SUM_FOR_MEAN = "a sum where a mean belongs"


def hints(e: Evidence) -> list[str]:
    """Sentences, the likeliest first; never empty."""
    found: list[str] = []
    with np.errstate(all="ignore"):
        for rule in (
            zero,
            factor,
            one_part,
            permuted,
            dout_unchanged,
            local_derivative,
            region,
            added_term,
        ):
            found += [text for text in rule(e) if text not in found]
        return found or [no_pattern(e)]


def zero(e: Evidence) -> Iterator[str]:
    """Zeros where the slope is not zero."""
    if not np.any(e.analytic):
        yield "backward returns zeros; the slope is not zero"


def factor(e: Evidence) -> Iterator[str]:
    """A constant factor, which may be a size of the problem."""
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
    named = near(2) or near(0.5)
    for what, n in e.context.sizes.items():
        if n < 3:
            continue
        for value, text in (
            (n, f"{n} times too small, and {n} is {what}: {MEAN_FOR_SUM}"),
            (-n, f"{n} times too small with the wrong sign, and {n} is {what}"),
            (1 / n, f"{n} times too large, and {n} is {what}: {SUM_FOR_MEAN} (1/{n} is missing)"),
            (n / 2, f"{n}/2 times too small, and {n} is {what}"),
            (2 / n, f"{n}/2 times too large, and {n} is {what}"),
        ):
            if near(value):
                named = True
                yield text
    if not named:
        yield f"wrong by a constant factor: numeric = {c:.6g} x analytic"


def permuted(e: Evidence) -> Iterator[str]:
    """The right numbers at the wrong indices."""
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
    for name, other in e.context.others:
        if other.shape == a.shape and e.explains(other):
            yield f"this is where the gradient of {name} belongs: two gradients are swapped"
    n = e.numeric
    if n is not None and (a >= 0).all() and (n < 0).any() and np.allclose(a, np.abs(n), 1e-3):
        yield "the signs are lost: analytic = |numeric|"


def dout_unchanged(e: Evidence) -> Iterator[str]:
    """The gradient is dout itself, or one row of it."""
    a, dout = e.analytic, e.context.dout
    if dout is None or dout.size < 2 or not np.any(a):
        return
    if dout.shape == a.shape and np.allclose(a, dout, rtol=1e-6):
        yield "dout is passed through unchanged: the local derivative is forgotten"
    if dout.ndim > a.ndim and dout.shape[1:] == a.shape:
        for i, which in ((0, "first"), (-1, "last")):
            if np.allclose(a, dout[i], rtol=1e-6):
                yield f"only the {which} row of dout is used: sum over the batch"


def local_derivative(e: Evidence) -> Iterator[str]:
    """A local derivative, a function of the argument or the output, is missing or one too many."""
    if e.explains(e.analytic):
        return
    name, x, y = e.context.name, e.context.x, e.context.out
    local: list[tuple[str, np.ndarray]] = []
    if x.size > 1:
        local += [(name, x), (f"2 {name}", 2 * x), (f"({name} > 0)", (x > 0) * 1.0)]
        local += [(f"{name}²", x**2)]
    if y is not None and y.size > 1 and y.shape == e.analytic.shape:
        local += [("y", y), ("(1 - y)", 1 - y), ("y (1 - y)", y * (1 - y))]
        local += [("(1 - y²)", 1 - y * y), ("(1 + y)", 1 + y)]
    for text, f in local:
        if np.ptp(f) == 0:
            continue
        if e.explains(e.analytic * f):
            yield f"a local derivative is forgotten: numeric = analytic x {text}"
        elif np.all(f != 0) and e.explains(e.analytic / f):
            yield f"a factor {text} too many: numeric = analytic / {text}"


def one_part(e: Evidence) -> Iterator[str]:
    """Wrong at one entry, row or column only."""
    shape = e.analytic.shape
    if e.analytic.size < 2:
        return
    if e.wrong is not None:
        if e.wrong.all():
            return
        indices = np.argwhere(e.wrong)
        low, high = indices.min(axis=0), indices.max(axis=0)
        fixed = [axis for axis in range(len(shape)) if low[axis] == high[axis] and shape[axis] > 1]
        one: Sequence[int] = [int(i) for i in low]
    elif e.wrong_index is not None:
        fixed = [
            axis
            for axis in range(len(shape))
            if shape[axis] > 1 and e.confined(slab(shape, axis, e.wrong_index[axis]))
        ]
        one = e.wrong_index
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
    x = e.context.x
    for mask, where in ((x < 0, "< 0"), (x > 0, "> 0")):
        if mask.any() and not mask.all() and e.confined(mask):
            how = "it is zero there" if not np.any(e.analytic[mask]) else "it is wrong there"
            yield f"only where {e.context.name} {where}: {how}, and right elsewhere"
    if e.wrong is not None:
        border = np.ones(e.analytic.shape, bool)
        border[tuple(slice(1, -1) if n > 2 else slice(None) for n in e.analytic.shape)] = False
        if not border.all() and e.confined(border):
            yield "only at the edges; the inner entries are right"


def slab(shape: tuple[int, ...], axis: int, i: int) -> np.ndarray:
    """The mask of index i along an axis."""
    mask = np.zeros(shape, bool)
    mask[(slice(None),) * axis + (i,)] = True
    return mask


def added_term(e: Evidence) -> Iterator[str]:
    """A term is added or dropped: the error itself has a simple form."""
    if e.numeric is None or e.analytic.size < 2:
        return
    x, name = e.context.x, e.context.name
    error = e.analytic - e.numeric
    small = 1e-3 * float(np.max(np.abs(error)))
    if np.ptp(error) < small:
        yield f"a constant, {error.flat[0]:.6g}, is added to every entry"
        return
    if np.any(x) and x.size > 2:
        c = float(np.vdot(error, x) / np.vdot(x, x))
        if np.max(np.abs(error - c * x)) < small:
            how = "added" if c > 0 else "missing"
            yield f"{abs(c):.6g} x {name} is {how}: weight decay, or a product rule"
            return
    for axis in range(error.ndim):
        if error.shape[axis] <= 2:
            continue
        if np.max(np.ptp(error, axis=axis)) < small:
            yield (
                f"a term is dropped, the same along axis {axis}: "
                "the path through a mean or sum over it"
            )
            return
        centred = x - x.mean(axis=axis, keepdims=True)
        squares = (centred**2).sum(axis=axis, keepdims=True)
        slope = (error * centred).sum(axis=axis, keepdims=True) / squares
        rest = error - error.mean(axis=axis, keepdims=True) - slope * centred
        if error.shape[axis] > 3 and np.all(squares > 0) and np.max(np.abs(rest)) < small:
            yield (
                f"terms linear in {name} along axis {axis} are dropped: "
                "the path through its mean or variance"
            )
            return


def no_pattern(e: Evidence) -> str:
    """Where no rule fits: how large the error is, and whether it may be a factor that varies."""
    if e.numeric is not None and e.wrong is not None:
        numeric, analytic = e.numeric[e.wrong], e.analytic[e.wrong]
        if numeric.size and np.max(np.abs(analytic - numeric)) < 1e-2 * np.max(np.abs(numeric)):
            worst = float(np.max(np.abs(analytic - numeric)) / np.max(np.abs(numeric)))
            return (
                f"nearly right, to {worst:.1e} of the largest entry: "
                "a constant, an epsilon or lost digits"
            )
        ratio = numeric / analytic
        if np.isfinite(ratio).all() and (ratio > 0).all():
            return (
                f"a factor that varies from {ratio.min():.3g} to {ratio.max():.3g} over the "
                "entries: a local derivative is forgotten or wrong"
            )
    return "no simple pattern: a term of the sum is wrong or dropped"
