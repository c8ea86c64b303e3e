"""Whether the functions that define an update are those for which its jobs were written.

Skip this file at a first reading. A whole update is computed in one call of compiled code
(updates.py), which would not follow an edit of `discriminator_step`. So whoever has a function that
an update stands for tells it here (`watch`). An update is left to its definition as soon as one of
these functions is replaced, or if a file that has them was edited: FINGERPRINT is that of the files
that were shipped.
"""

from __future__ import annotations

import functools
import hashlib
import operator
from collections.abc import Mapping
from pathlib import Path
from typing import Any

FILES = (
    "gan.py", "layers.py", "losses.py", "optim.py", "penalties.py", "training/penalty.py",
    "training/step.py",
)  # fmt: skip
# After an edit of these files that changes no number, `python tools/fingerprint.py` writes this.
FINGERPRINT = "0b606f94b0b27079f4a8e723ec0d3bd4"

namespaces: list[Mapping[str, Any]] = []
names: list[str] = []
shipped: list[Any] = []


def watch(namespace: Mapping[str, Any], *functions: str) -> None:
    """Remember the functions with these names in a namespace, such as globals()."""
    for name in functions:
        namespaces.append(namespace)
        names.append(name)
        shipped.append(namespace[name])


def are_shipped() -> bool:
    """Whether no function was replaced and no file edited."""
    now = map(operator.getitem, namespaces, names)
    return all(map(operator.is_, now, shipped)) and files_are_shipped()


@functools.cache
def files_are_shipped() -> bool:
    """Whether the files have the fingerprint; True where they cannot be read."""
    try:
        return fingerprint() == FINGERPRINT
    except (OSError, UnicodeError):
        return True


def fingerprint() -> str:
    """The fingerprint of the files as they are now."""
    package = Path(__file__).resolve().parents[1]
    texts = [(package / name).read_text(encoding="utf-8") for name in FILES]
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:32]
