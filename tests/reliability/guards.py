"""The guards of the package, each as one change that removes it.

`tests/reliability/test_guards.py` makes every change in turn in a copy of the project, and expects
that the named tests fail.
"""

from typing import NamedTuple

import guards_files
import guards_runs
import guards_system


class Guard(NamedTuple):
    """`text` occurs once in `file`; with `without` in its place a test of `tests` must fail."""

    file: str
    text: str
    without: str
    tests: str


GUARDS = [Guard(*row) for part in (guards_files, guards_runs, guards_system) for row in part.GUARDS]
