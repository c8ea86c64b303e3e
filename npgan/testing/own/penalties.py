"""check_penalty: the gradient of a penalty by the discriminator's parameters."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ...layers import Dense, LeakyReLU, Network, Tanh
from ...penalties import Penalised, Penalty, r1, r1_and_r2, r2, wgan_gp
from ..check import check_gradients
from ..problem.options import check_choice
from ..problem.random_streams import Stream, generator
from ..report import Report
from .layers import join, split
from .primitives import accept_zeros

__tracebackhide__ = True  # pytest shows a failure at the user's line, not at ours

PENALTIES: dict[str, Penalty] = {
    "r1": lambda D, real, fake: r1(D, real),
    "r2": lambda D, real, fake: r2(D, fake),
    "r1+r2": lambda D, real, fake: r1_and_r2(D, real, fake, 0.2),
    "wgan_gp": lambda D, real, fake: wgan_gp(D, real, fake, rng=0),
}


def check_penalty(name: str, seed: int = 0, **options: Any) -> Report:
    """Check the gradient of a penalty by the parameters of a small discriminator in float64.

    Parameters
    ----------
    name : {"r1", "r2", "r1+r2", "wgan_gp"}
        The penalty; see `npgan.penalties`.
    seed : int
        The seed of the discriminator, of the images and of the check.
    **options
        The options of `check_gradients`.

    Returns
    -------
    Report
        A row for every parameter by its name, such as ``0.W``. The last bias does not change the
        slope of D, so its gradient is zero, and a PASS.

    Raises
    ------
    ValueError
        name or an option is not allowed.

    Examples
    --------
    >>> from npgan.testing import check_penalty
    >>> check_penalty("r1", mode="projections")["0.W"].verdict
    'PASS'
    """
    check_choice("name", name, tuple(PENALTIES))
    rng = generator(seed, Stream.PENALTIES)
    layers = [
        Dense(4, 5, rng=rng),
        Tanh(),
        Dense(5, 4, rng=rng),
        LeakyReLU(),
        Dense(4, 1, "glorot", rng),
    ]
    D = Network(layers).astype(np.float64)
    real, fake = rng.standard_normal((3, 4)), rng.standard_normal((3, 4))
    named = list(D.named_parameters())

    def value_and_gradient(params: tuple[np.ndarray, ...]) -> Penalised:
        return PENALTIES[name](D.with_theta(join(D, params)), real, fake)

    def value(*params: np.ndarray) -> float:
        return value_and_gradient(params)[0]

    def gradient(*params: np.ndarray) -> tuple[np.ndarray, ...]:
        return tuple(split(value_and_gradient(params)[1], [p.shape for _, p in named]))

    options = {
        "argnames": [n for n, _ in named],
        "method": "differences",
        "seed": seed,
        **options,
    }
    args = tuple(p.copy() for _, p in named)
    report = check_gradients(value, gradient, args, style="loss", **options)
    report.title = f"the penalty {name}"
    return accept_zeros(report)


def penalty_reports(seed: int = 0) -> Iterator[Report]:
    """Every penalty."""
    for name in PENALTIES:
        yield check_penalty(name, seed)
