"""Validation of the options of a check; the error names what is allowed."""

from __future__ import annotations

import numpy as np


def check_choice(name: str, value: object, choices: tuple[str, ...]) -> None:
    """Raise ValueError unless value is one of the choices."""
    if value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, choices))}; got {value!r}")


def check_whole(name: str, value: object, low: int) -> None:
    """Raise ValueError unless value is an integer of low or more."""
    if not isinstance(value, (int, np.integer)) or value < low:
        raise ValueError(f"{name} must be a whole number, {low} or more; got {value!r}")


def check_tolerance(name: str, value: float | None) -> None:
    """Raise ValueError unless value is None or a number of 0 or more."""
    if value is not None and not value >= 0:
        raise ValueError(f"{name} must be None, or a number of 0 or more; got {value!r}")
