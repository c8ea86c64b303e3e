"""The guards of the package, each as one change that removes it.

`tests/reliability/test_guards.py` makes every change in turn in a copy of the project, and expects
that the named tests fail.
"""

from typing import NamedTuple


class Guard(NamedTuple):
    """`text` occurs once in `file`; with `without` in its place a test of `tests` must fail."""

    file: str
    text: str
    without: str
    tests: str


GUARDS: list[Guard] = []
