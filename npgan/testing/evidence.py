"""What judged numbers tell the hints: would a corrected gradient explain the slopes that were measured?"""

from __future__ import annotations

from typing import Any

import numpy as np

from .hints import Evidence
from .judge import Judged
from .places import Places
from .projections import Found, Projections
from .styles import Problem


def of_elements(places: Places, leaf: int, judged: Judged, index: tuple[int, ...]) -> Evidence:
    """Entry by entry: a candidate explains the error if it agrees with the slope of every known entry."""
    analytic, numeric, known, wrong = judged.analytic, judged.numeric, judged.known, judged.wrong
    size = float(np.max(np.abs(numeric[known]), initial=0))
    allowed = leeway(places, judged.bound, size)

    def explains(candidate: np.ndarray) -> bool:
        return bool(np.all(np.abs(candidate - numeric)[known] <= allowed[known]))

    return Evidence(
        analytic=analytic,
        numeric=numeric if known.all() else None,
        wrong=wrong,
        spot=index,
        explains=explains,
        ratio=ratio(analytic[known], numeric[known]),
        confined=lambda mask: not np.any(wrong & ~mask),
        **context(places, leaf),
    )


def of_projections(places: Places, leaf: int, p: Projections, found: Found | None) -> Evidence:
    """Along directions: a candidate explains the error if it predicts the slope along each of them."""
    measured = list(p.estimates.items())
    directions = [p.directions[d] for d, _ in measured]
    slopes = np.array([estimate.slope for _, (_, estimate, _) in measured])
    gaps = np.array([estimate.gap for _, (_, estimate, _) in measured])
    limits = np.array([limit for _, (_, _, limit) in measured])
    place = places.place(measured[0][1][0])
    gradient = place.gradients[leaf]
    assert gradient is not None
    allowed = leeway(places, limits, float(np.sqrt(np.mean(slopes**2))))

    def explains(candidate: np.ndarray) -> bool:
        predicted = np.array([np.vdot(v, candidate) for v in directions])
        return bool(np.all(np.abs(predicted - slopes) <= allowed))

    def confined(mask: np.ndarray) -> bool:
        rest = np.where(mask, 0.0, p.directions[p.wrong()[0]])
        estimate, limit = p.measure(place, rest, p.ladder, p.rungs)
        return abs(estimate.gap) <= limit

    return Evidence(
        analytic=gradient,
        numeric=None,
        wrong=None,
        spot=found.spot if found else None,
        explains=explains,
        ratio=ratio(slopes - gaps, slopes),
        confined=confined,
        **context(places, leaf),
    )


def leeway(places: Places, bound: np.ndarray, size: float) -> np.ndarray:
    """How far a candidate may be off: generous, for it explains a mistake and accuses nobody."""
    return 4 * bound + (5e-3 if places.noise.coarse else 1e-4) * size


def ratio(analytic: np.ndarray, numeric: np.ndarray) -> float:
    """The factor that fits best: numeric = ratio x analytic, by least squares."""
    square = float(np.vdot(analytic, analytic))
    return float(np.vdot(analytic, numeric)) / square if square else np.nan


def context(places: Places, leaf: int) -> dict[str, Any]:
    """What both kinds of evidence have in common."""
    problem, shapes = places.problem, places.problem.out_shapes
    single = len(shapes) == 1 and shapes[0] != () and problem.style != "loss"
    others = [
        (name, g)
        for i, (name, g) in enumerate(zip(problem.names, places.ground.gradients, strict=True))
        if i != leaf and g is not None
    ]
    return dict(
        name=problem.names[leaf],
        x=problem.values[leaf].astype(np.float64),
        others=others,
        sizes=sizes(problem),
        out=places.place(0).point.outputs.reshape(shapes[0]) if single else None,
        dout=places.dout.reshape(shapes[0]) if single else None,
    )


def sizes(problem: Problem) -> dict[str, int]:
    """The numbers by which a gradient may be off, and what they are called."""
    out, first = problem.out_shapes[:1], problem.values[0].shape
    batch = out[0][0] if out and out[0] else first[0] if first else 1
    named = {"the batch size": int(batch), "the number of outputs": problem.out_size}
    for name, v in zip(problem.names, problem.values, strict=True):
        named.setdefault(f"the size of {name}", v.size)
        for n in v.shape:
            named.setdefault(f"a side of {name}", n)
    return named
