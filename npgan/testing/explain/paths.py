"""Causes that show in the Jacobian: parts of dout that are not used, paths that are dropped.

Backward called with unit vectors gives its Jacobian, row by row, and the slopes of all outputs
give the right one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from .evidence import Evidence, Hint
from .places import is_plural, plural, smallest_part

MANY = 6


def rows(e: Evidence) -> list[tuple[np.ndarray, np.ndarray, float]]:
    """(backward's Jacobian, the measured one, what it may be off) of trials at different points."""
    found: list[tuple[np.ndarray, np.ndarray, float]] = []
    for t in e.trials:
        if found and t.jacobian is e.first.jacobian:
            continue  # the same point with another dout
        own = t.analytic_jacobian
        right = t.jacobian
        good = np.isfinite(right).all() and np.isfinite(t.uncertainty).all()
        if own is None or not good or not np.isfinite(own).all():
            return []
        error = np.abs(own - right).max()
        size = np.abs(right).max()
        allowed = 4 * t.uncertainty.max() + min(t.precision * size, 0.02 * error)
        found.append((own, right, allowed))
    return found


def transposed_jacobian(e: Evidence) -> Iterator[Hint]:
    """J dout where J.T dout belongs."""
    pairs = rows(e)
    if pairs and all(
        own.shape[0] == own.shape[1] and np.all(np.abs(own.T - right) <= a)
        for own, right, a in pairs
    ):
        yield (
            2,
            "the forward map is applied to dout instead of its transpose: "
            "a matrix, a kernel, the order of indices or the direction of a sum must be reversed",
        )


def ignored_outputs(e: Evidence) -> Iterator[Hint]:
    """Wrong for a part of the outputs only, or right for a part only."""
    pairs, out = rows(e), e.first.where.out
    if not pairs or out is None:
        return
    wrong = np.zeros(out.size, bool)
    idle = np.ones(out.size, bool)
    for own, right, allowed in pairs:
        wrong |= np.any(np.abs(own - right) > allowed, axis=1)
        idle &= np.all(np.abs(right) <= allowed, axis=1)
    told = ~idle
    right_rows = told & ~wrong
    if not wrong.any() or not right_rows.any():
        return
    shape = out.shape
    lost = all(np.all(np.abs(own[wrong]) <= allowed) for own, _, allowed in pairs)
    right_part = smallest_part(shape, right_rows.reshape(shape), told.reshape(shape))
    wrong_part = smallest_part(shape, wrong.reshape(shape), told.reshape(shape))
    few_wrong = wrong.sum() <= right_rows.sum()
    if (
        wrong_part
        and (few_wrong or not right_part)
        and not (wrong_part[1].ravel() & right_rows).any()
    ):
        text = wrong_part[0]
        what = "is not used" if lost else "is used wrongly"
        what = plural(what) if is_plural(text) else what
        is_tail = not lost and any(
            f" to {n - 1}" in text or f" {n - 1} (the" in text for n in shape
        )
        why = ": could be a recursion that is cut off" if is_tail else ""
        yield (4 if lost else 6), f"{text} of dout {what}; the rest of it is right{why}"
    elif right_part and not (right_part[1].ravel() & wrong).any():
        text = right_part[0]
        are = "are" if is_plural(text) else "is"
        if lost:
            yield 4, f"only {text} of dout {are} used; the rest of it is ignored"
        else:
            yield (
                6,
                f"right for {text} of dout only: could be a recursion that is cut off, a wrong "
                "stride, or a path that is dropped",
            )


# What may be used in the place of every entry of dout along an axis.
ONE_FOR_ALL: tuple[tuple[str, Callable[[np.ndarray, int], np.ndarray]], ...] = (
    ("the mean", lambda d, axis: d.mean(axis, keepdims=True)),
    ("the sum", lambda d, axis: d.sum(axis, keepdims=True)),
    ("the first entry", lambda d, axis: np.take(d, [0], axis)),
    ("the last entry", lambda d, axis: np.take(d, [-1], axis)),
)


def one_for_all(e: Evidence) -> Iterator[Hint]:
    """Right for a dout that is the same along one axis: its mean, its sum, or one entry of it."""
    out = e.first.where.out
    for axis, n in enumerate(out.shape if out is not None else ()):
        for text, of in ONE_FOR_ALL if n > 1 else ():
            seen = 0
            for t in e.trials:
                assert t.dout is not None
                other = t.slopes_with_dout(of(t.dout, axis) + 0 * t.dout)
                if np.any((np.abs(other - t.analytic) > t.allowed)[t.known]):
                    break
                seen += int(t.wrong.sum())
            else:
                if seen >= MANY:
                    where = f"along axis {axis} " if out is not None and out.ndim > 1 else ""
                    yield 3, f"{text} {where}of dout is used in the place of every entry"
                    return


def dropped_paths(e: Evidence) -> Iterator[Hint]:
    """Where backward's Jacobian is wrong it is zero; or only its diagonal is wrong."""
    pairs, out = rows(e), e.first.where.out
    x = e.first.x
    if not pairs or out is None or not x.ndim:
        return
    entries = e.first.entries
    if any(own.shape != pairs[0][0].shape for own, _, _ in pairs):
        pairs = pairs[:1]
    wrong = np.zeros(pairs[0][0].shape, bool)
    lost, real = np.ones(wrong.shape, bool), np.zeros(wrong.shape, bool)
    for own, right, allowed in pairs:
        wrong |= np.abs(own - right) > allowed
        lost &= np.abs(own) <= allowed
        real |= np.abs(right) > allowed
    right = real & ~wrong
    if wrong.sum() < MANY:
        return
    at_out = np.array(np.unravel_index(np.arange(out.size), out.shape))
    at_in = np.array(np.unravel_index(entries, x.shape))
    all_lost = bool(np.all(lost[wrong]))
    for p, n in enumerate(out.shape):
        for q, m in enumerate(x.shape):
            if n != m or n < 3:
                continue
            lag = at_out[p][:, None] - at_in[q][None, :]
            wrong_lags, right_lags = set(np.unique(lag[wrong])), set(np.unique(lag[right]))
            if not right_lags or wrong_lags & right_lags:
                continue
            if right_lags == {0} and all_lost:
                yield (
                    3,
                    f"the effects across axis {q} are dropped: each index gets the gradient of its "
                    f"own output only, not that through a sum, mean, norm, maximum or recursion",
                )
                return
            if wrong_lags == {0} and 0 not in right_lags:
                how = "is dropped" if all_lost else "is wrong"
                yield (
                    4 if all_lost else 5,
                    f"the effect of each index of axis {q} on its own output {how} (the term with "
                    "the Kronecker delta); that on the others is right",
                )
                return
            steps = {abs(int(k)) for k in right_lags}
            if all_lost and min(steps) == 0 and max(steps) < min(abs(k) for k in wrong_lags):
                yield (
                    3,
                    f"the recursion along axis {q} is truncated: effects over more than "
                    f"{max(steps)} step{'s' * (max(steps) != 1)} are dropped",
                )
                return
            if min(abs(k) for k in wrong_lags) > max(steps):
                yield (
                    6,
                    f"right for effects over at most {max(steps)} steps along axis {q}, wrong for "
                    "longer ones: could be a recursion that is cut off, or a dropped path",
                )
                return
    if all_lost and right.sum() >= MANY and wrong.sum() >= MANY:
        yield (
            6,
            "could be a dropped path: for every output and entry, backward is either right or zero",
        )


def through_one_number(e: Evidence) -> Iterator[Hint]:
    """The error's Jacobian has rank 1 or 2 per slice: a path through a mean, norm or maximum."""
    pairs, out, x = rows(e), e.first.where.out, e.first.x
    if not pairs or out is None or e.first.entries.size != x.size or x.size < 4:
        return
    pairs = [pair for pair in pairs if pair[0].shape == pairs[0][0].shape]  # of all entries
    for axes in slices_of(out.shape, x.shape):
        ranks, full = [], []
        for own, right, allowed in pairs:
            for block_own, block_right in blocks(own, right, out.shape, x.shape, axes):
                error = block_own - block_right
                if np.abs(error).max() <= allowed:
                    continue
                s = np.linalg.svd(error, compute_uv=False)
                t = np.linalg.svd(block_right, compute_uv=False)
                limit = max(1e-3 * s[0], allowed)
                ranks.append(int((s > limit).sum()))
                full.append(int((t > 1e-3 * t[0]).sum()) if t[0] > allowed else 0)
        if not ranks:
            continue
        if max(ranks) <= 2 and min(full) >= max(ranks) + 2:
            per = " for each index of axis " + " and ".join(map(str, axes)) if axes else ""
            if max(ranks) == 1:
                yield 6, f"the error goes through one number{per}: could be a sum, mean or norm"
            else:
                yield 5, f"the error goes through two numbers{per}: could be a mean and variance"
            return


def slices_of(out: tuple[int, ...], x: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    """Sets of axes along which output and argument may be independent, the largest first."""
    same = [a for a in range(min(len(out), len(x))) if out[a] == x[a] and out[a] > 1]
    if len(out) == len(x):
        if len(same) > 1:
            yield from ((a, b) for a in same for b in same if a < b and len(x) > 2)
        if len(x) > 1:
            yield from ((a,) for a in same)
    yield ()


def blocks(
    own: np.ndarray,
    right: np.ndarray,
    out: tuple[int, ...],
    x: tuple[int, ...],
    axes: tuple[int, ...],
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The Jacobians between equal indices along these axes; nothing where others are not zero."""
    if not axes:
        yield own, right
        return
    at_out = np.ravel_multi_index(
        [np.indices(out)[a].ravel() for a in axes], [out[a] for a in axes]
    )
    at_in = np.ravel_multi_index([np.indices(x)[a].ravel() for a in axes], [x[a] for a in axes])
    for k in np.unique(at_in):
        picked = np.ix_(at_out == k, at_in == k)
        yield own[picked], right[picked]
