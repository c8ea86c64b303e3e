"""The settings of a GAN: what each may be, and one line that answers every other value."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..losses import LOSSES, with_smoothing
from .penalty import PENALTIES

# What a checkpoint was trained with that is older than these settings and does not name them.
BEFORE: dict[str, Any] = dict(
    lr_decay=0.0, penalty=None, penalty_weight=None, penalty_every=1, smoothing=0.0, instance_noise=0.0,
    d_steps=1, dropout=0.0, conditional=False,
)  # fmt: skip


ORDER = (
    "latent",
    "hidden",
    "hidden_D",
    "loss",
    "lr",
    "beta1",
    "beta2",
    "batch",
    "average",
    "rng",
    *BEFORE,
)


def completed(config: dict[str, Any]) -> dict[str, Any]:
    """A checkpoint's settings, with those that it is too old to name."""
    return {**BEFORE, **config}


def checked(
    *, hidden: Any, hidden_D: Any, loss: Any, lr: Any, penalty: Any, penalty_weight: Any, penalty_every: Any,
    smoothing: Any, conditional: Any, rng: Any, **numbers: Any,
) -> dict[str, Any]:  # fmt: skip
    """The settings of GAN() as JSON can hold them.  Raises ValueError, in one line, where one is wrong."""
    counts = {name: count(name, numbers[name]) for name in ("latent", "batch", "d_steps")}
    for name, sizes in (("hidden", hidden), ("hidden_D", hidden_D)):
        if not isinstance(sizes, Sequence) or not all(map(is_count, sizes)):
            raise ValueError(
                f"{name} must be a sequence of layer widths of 1 or more, got {sizes!r}"
            )
    if loss not in LOSSES:
        raise ValueError(f"loss must be one of {', '.join(LOSSES)}; got {loss!r}")
    rates = list(lr) if isinstance(lr, (tuple, list)) else [lr, lr]
    if len(rates) != 2 or not all(is_number(rate) and 0 < rate < np.inf for rate in rates):
        raise ValueError(f"lr must be a positive number, or two of them (G's, D's); got {lr!r}")
    shares = {
        "average": share("average", numbers["average"], hint="0.999 averages over 1000 steps"),
        "beta1": share("beta1", numbers["beta1"]),
        "beta2": share("beta2", numbers["beta2"]),
        "lr_decay": share(
            "lr_decay", numbers["lr_decay"], closed=True, hint="0.5 decays over the last half"
        ),
        "dropout": share(
            "dropout", numbers["dropout"], hint="0.3 leaves out 3 of 10 hidden units of D"
        ),
        "smoothing": share("smoothing", smoothing, 0.5, hint="0.1 asks D for 0.9 at real images"),
    }
    with_smoothing(LOSSES[loss], shares["smoothing"])  # not every loss has a target to smooth
    if not isinstance(conditional, (bool, np.bool_)):
        raise ValueError(f"conditional is True or False, got {conditional!r}")
    noise = numbers["instance_noise"]
    if not is_number(noise) or not 0 <= noise < np.inf:
        raise ValueError(f"instance_noise is a standard deviation of 0 or more, got {noise!r}")
    found = {
        "hidden": [int(n) for n in hidden], "hidden_D": [int(n) for n in hidden_D], "loss": loss,
        "lr": [float(rate) for rate in rates], "instance_noise": float(noise), "rng": seed_of(rng),
        "conditional": bool(conditional),
        **counts, **shares, **penalty_settings(penalty, penalty_weight, penalty_every),
    }  # fmt: skip
    return {name: found[name] for name in ORDER}


def penalty_settings(name: Any, weight: Any, every: int) -> dict[str, Any]:
    if name is None:
        if weight is not None or every not in (None, 1):
            raise ValueError(
                f"penalty_weight and penalty_every need a penalty: {', '.join(PENALTIES)}"
            )
        return {"penalty": None, "penalty_weight": None, "penalty_every": 1}
    if name not in PENALTIES:
        raise ValueError(f"penalty must be None or one of {', '.join(PENALTIES)}; got {name!r}")
    weight = PENALTIES[name].weight if weight is None else weight
    if not is_number(weight) or not 0 < weight < np.inf:
        raise ValueError(f"penalty_weight must be a positive number, got {weight!r}")
    every = PENALTIES[name].every if every is None else count("penalty_every", every)
    return {"penalty": name, "penalty_weight": float(weight), "penalty_every": every}


def seed_of(rng: Any) -> int:
    """The seed that an int, a Generator or None stands for."""
    whole = isinstance(rng, (int, np.integer))
    seed = int(rng) if whole else int(np.random.default_rng(rng).integers(2**63))
    if seed < 0:
        raise ValueError(f"rng must not be negative, got {seed}")
    return seed


def count(name: str, n: Any) -> int:
    if not is_count(n):
        raise ValueError(f"{name} must be a whole number of 1 or more, got {n!r}")
    return int(n)


def share(name: str, x: Any, below: float = 1, closed: bool = False, hint: str = "") -> float:
    """A number in [0, below), or [0, below] if closed."""
    if not is_number(x) or not (0 <= x <= below if closed else 0 <= x < below):
        end, hint = "]" if closed else ")", hint and f"; {hint}"
        raise ValueError(f"{name} must lie in [0, {below}{end}, got {x!r}{hint}")
    return float(x)


def is_count(n: Any) -> bool:
    """Whether n is a whole number of 1 or more."""
    return isinstance(n, (int, np.integer)) and bool(n >= 1)


def is_number(x: Any) -> bool:
    return isinstance(x, (int, float, np.number)) and not isinstance(x, bool)
