"""What an option may be, and one line for every other value."""

from __future__ import annotations

from typing import Any

import numpy as np


def check_choice(name: str, value: Any, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, choices))}; got {value!r}")


def check_whole(name: str, value: Any, low: int) -> None:
    if not isinstance(value, (int, np.integer)) or value < low:
        raise ValueError(f"{name} must be a whole number, {low} or more; got {value!r}")


def check_tolerance(name: str, value: Any) -> None:
    if value is not None and not value >= 0:
        raise ValueError(f"{name} must be None, or a number of 0 or more; got {value!r}")
