"""Causes that multiply: a sign, a constant, a size, a forgotten local derivative."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from functools import partial

import numpy as np

from .evidence import Candidate, Evidence, Hint, least_squares
from .quantities import quantities
from .trial import Trial

# The number is certain; what it comes from is a guess.
MISSING = "a factor {} is missing (a mean where a sum belongs, or divided twice?)"
TOO_MANY = "a factor {} too many (a sum where a mean belongs?)"
NICE = (1.0, 2.0, 0.5, -1.0, -2.0, -0.5, 3.0, 4.0, 0.25)
MANY = 8  # slopes that must agree where the constant in front is any number


def zero(e: Evidence) -> Iterator[Hint]:
    """Zeros where the slope is not zero."""
    if not any(np.any(t.analytic) for t in e.trials):
        yield 0, "backward returns zeros; the slope is not zero"


def factor(e: Evidence) -> Iterator[Hint]:
    """The same constant factor in every trial, which may be a size of the problem."""
    c = e.best_factor(lambda t: t.analytic)
    # Few numbers fit any factor; but there may be few.
    enough = max(1, min(6, sum(int(t.known.sum()) for t in e.trials) // 2))
    if not np.isfinite(c) or not e.holds(lambda t: c * t.analytic, enough):
        return
    if len(e.trials) == 1 and np.count_nonzero(e.first.known) == 1:
        if e.first.x.size == 1:  # of one entry of many any factor says nothing
            yield 1, f"numeric = {c:.6g} x analytic, at this one number"
        return
    yield 1, name_of_factor(c, e)


def name_of_factor(c: float, e: Evidence) -> str:
    """What a constant factor may be called."""

    def near(value: float) -> bool:
        return abs(c / value - 1) < 2e-3

    if near(-1):
        return "the sign is wrong: numeric = -analytic"
    powers = e.powers(c)
    product = math.prod(n**p for n, p in powers.items())
    is_size = any(powers.values())
    constant = f"wrong by a constant factor: numeric = {c:.6g} x analytic"
    if is_size and product != 1:
        return sized(c, product, powers, e)
    if near(2):
        return "half of what it should be: a factor 2 is missing (of a square?)"
    if near(0.5):
        return "twice what it should be: a factor 1/2 is missing, or the gradient was added twice"
    for n, names in e.sizes.items():
        what, is_same = names[0], n in powers
        also = f"; {n} is {names[1]}, too" if len(names) > 1 else ""
        if is_same and n < 5:
            continue  # a small factor that does not depend on this size
        rest = f"; or a constant {n}: with other sizes it stays {n}" if is_same else also
        for value, text in (
            (n, f"{n} times too small, and {n} is {what}: {MISSING.format(n)}{rest}"),
            (-n, f"{n} times too small with the wrong sign, and {n} is {what}{rest}"),
            (1 / n, f"{n} times too large, and {n} is {what}: {TOO_MANY.format(n)}{rest}"),
            (-1 / n, f"{n} times too large with the wrong sign, and {n} is {what}{rest}"),
        ):  # fmt: skip
            if near(value):
                return text
    for n, names in e.sizes.items() if not powers else ():
        for value, text in ((n**0.5, f"sqrt({n})"), (n**-0.5, f"1/sqrt({n})")):
            if near(value):
                return f"{constant}, which could be {text}; {n} is {names[0]}"
    return constant


def sized(c: float, product: float, powers: dict[int, float], e: Evidence) -> str:
    """A factor that was seen to change with the lengths of axes."""
    rest = c / product
    written = " x ".join(
        f"{n}" if abs(p) == 1 else f"sqrt({n})" if abs(p) == 0.5 else f"{n}^{abs(p):g}"
        for n, p in powers.items()
        if p
    )
    n = round(product if product > 1 else 1 / product)
    names = e.sizes.get(n) if all(abs(p) == 1 for p in powers.values() if p) else None
    if names is None:
        names = [e.sizes[n][0] for n, p in powers.items() if p and n in e.sizes]
    else:
        written = str(n)
    what = names[0] if names else "a length"
    times = "" if abs(abs(rest) - 1) < 2e-3 else f" and a factor {abs(rest):.4g}"
    sign = " with the wrong sign" if rest < 0 else ""
    if not written.isdigit():
        size = "small" if product > 1 else "large"
        missing = written if product > 1 else f"1/({written})"
        lengths = ", ".join(
            f"{n} is {e.sizes[n][0]}" for n, p in powers.items() if p and n in e.sizes
        )
        return f"{written} times too {size}{sign}: {missing} is missing{times}; {lengths}"
    if product > 1:
        why = MISSING.format(written)
        return f"{written} times too small{sign}, and {written} is {what}: {why}{times}"
    why = TOO_MANY.format(written)
    return f"{written} times too large{sign}, and {written} is {what}: {why}{times}"


def local_derivative(e: Evidence) -> Iterator[Hint]:
    """A factor that varies: a function of the argument, the output or another argument."""

    def scaled(trial: Trial, f: np.ndarray) -> np.ndarray:
        return trial.analytic * f

    for rank, text in matching_quantity(e, lambda t: t.x.shape, scaled, ""):
        yield rank, text
        if all(t.dout is not None and returns_dout(t, t.dout) for t in e.trials):
            yield rank, "dout is passed through unchanged: the local derivative is forgotten"


def returns_dout(t: Trial, dout: np.ndarray) -> bool:
    """Whether backward returned its dout."""
    return t.analytic.shape == dout.shape and np.allclose(t.analytic, dout, rtol=1e-6)


def derivative_of_output(e: Evidence) -> Iterator[Hint]:
    """A factor at the output: backward would be right if its dout were multiplied first."""
    out = e.first.where.out
    if out is None or not e.first.wrong.any():
        return

    def scaled(trial: Trial, f: np.ndarray) -> np.ndarray:
        return trial.with_dout(trial.flat_dout * f.ravel())

    yield from matching_quantity(e, lambda t: t.flat_out_shape, scaled, " at the output")


def matching_quantity(
    e: Evidence,
    shape: Callable[[Trial], tuple[int, ...]],
    scaled: Callable[[Trial, np.ndarray], np.ndarray],
    where: str,
) -> Iterator[Hint]:
    """Quantities by which what backward computes must be multiplied or divided."""
    first, found = e.first, quantities(e.first, shape(e.first))
    usable = [i for i, (_, f) in enumerate(found) if np.isfinite(f).all() and f.any()]
    tried = [(i, p) for i in usable for p in (1, -1) if p > 0 or np.all(found[i][1])]
    corrected = (scaled(first, found[i][1] if p > 0 else 1 / found[i][1]) for i, p in tried)
    fits = factors_that_fit(first, corrected, first.numeric)
    for (i, power), k in zip(tried, fits, strict=True):
        if np.isnan(k):
            continue
        text, f = found[i]

        def candidate(trial: Trial, i: int = i, power: int = power) -> np.ndarray:
            f = quantities(trial, shape(trial))[i][1]
            return scaled(trial, f if power > 0 else 1 / f)

        nice = [n for n in NICE if abs(k / n - 1) < 2e-3]
        k = nice[0] if nice else k
        enough = 4 if nice else MANY
        if not e.holds(times(k, candidate), enough) or not varies(e, candidate):
            continue
        if power > 0 and np.isin(f, (0, 1)).all():
            yield 4, f"a mask or gate is forgotten{where}: numeric = analytic x {text}"
            return
        front = "" if k == 1 else "-" if k == -1 else f"{k:.4g} "
        if power > 0:
            yield (
                4 if k == 1 else 5,
                f"a local derivative is forgotten{where}: numeric = analytic x {front}{text}",
            )
        else:
            back = "" if k == 1 else f", times {k:.4g}"
            yield (
                4 if k == 1 else 5,
                f"a factor {text} too many{where}: numeric = analytic / {text}{back}",
            )
        return


def times(k: float, candidate: Candidate) -> Candidate:
    """A multiple of a candidate."""

    def corrected(t: Trial) -> np.ndarray | None:
        found = candidate(t)
        return None if found is None else k * found

    return corrected


def plus(k: float, term: Callable[[Trial], np.ndarray]) -> Candidate:
    """What backward returned, with a multiple of a term."""
    return lambda t: t.analytic + k * term(t)


def varies(e: Evidence, candidate: Callable[[Trial], np.ndarray | None]) -> bool:
    """Whether a candidate is more than a constant times what backward returned."""
    ratios = []
    for trial in e.trials:
        corrected = candidate(trial)
        if corrected is None:
            return False
        some = trial.known & (np.abs(trial.analytic) > 1e-6 * np.max(np.abs(trial.analytic)))
        ratios += list((corrected / trial.analytic)[some])
    return len(ratios) > 1 and np.ptp(ratios) > 1e-3 * np.max(np.abs(ratios))


def one_factor_per_call(e: Evidence) -> Iterator[Hint]:
    """The direction is right and the length wrong, by another factor in every trial."""
    factors = []
    for trial in e.trials:
        known = trial.known
        c = least_squares(trial.analytic[known], trial.numeric[known])
        if not np.isfinite(c) or not trial.explains(c * trial.analytic):
            return
        if np.count_nonzero(trial.known & (np.abs(trial.numeric) > 1e-2 * trial.size)) < 3:
            return
        factors.append(c)
    at_point = {id(t.jacobian): c for t, c in zip(e.trials, factors, strict=True)}
    if any(
        abs(c / at_point[id(t.jacobian)] - 1) > 1e-2 for t, c in zip(e.trials, factors, strict=True)
    ):
        return  # another factor for another dout: no function of the arguments
    if len(factors) > 1 and np.ptp(factors) > 1e-3 * np.max(np.abs(factors)):
        yield (
            5,
            f"all entries are wrong by one factor ({factors[0]:.4g} here), which depends on the "
            "arguments: a norm, a standard deviation or a factor like it is forgotten, or one too "
            "many",
        )


def relative_error(e: Evidence) -> Iterator[Hint]:
    """The relative error is proportional to a quantity: an approximate local derivative."""
    first, found = e.first, quantities(e.first, e.first.x.shape)
    usable = [i for i, (_, f) in enumerate(found) if np.isfinite(f).all() and np.ptp(f)]
    tried = [(i, p) for i in usable for p in (1, -1) if p > 0 or np.all(found[i][1])]

    def term(trial: Trial, i: int, power: int) -> np.ndarray:
        f = quantities(trial, trial.x.shape)[i][1]
        return trial.analytic * (f if power > 0 else 1 / f)

    fits = factors_that_fit(first, (term(first, *which) for which in tried), -first.error)
    for (i, power), k in zip(tried, fits, strict=True):
        if np.isnan(k) or not e.holds(plus(k, partial(term, i=i, power=power)), enough=MANY):
            continue
        name = found[i][0] if power > 0 else f"1/{found[i][0]}"
        yield (
            7,
            f"the relative error is proportional to {name}: numeric = analytic x "
            f"(1 {'+' if k > 0 else '-'} {abs(k):.3g} {name})",
        )
        return


def factors_that_fit(t: Trial, candidates: Iterable[np.ndarray], target: np.ndarray) -> np.ndarray:
    """For each candidate the k of target = k x candidate; NaN where no k fits the known slopes.

    For all candidates at once, since most of them do not fit.
    """
    found = [candidate[t.known] for candidate in candidates]
    rows = np.array(found).reshape(len(found), np.count_nonzero(t.known))
    sizes = np.max(np.abs(rows), axis=1, initial=0)[:, None]
    units = rows / sizes  # whose squares do not overflow
    wanted = target[t.known]
    k: np.ndarray = np.sum(units * (wanted / sizes), axis=1) / np.sum(units**2, axis=1)
    fits = np.all(np.abs(k[:, None] * rows - wanted) <= t.allowed[t.known], axis=1)
    return np.where(fits & (k != 0) & (sizes[:, 0] > 0), k, np.nan)
