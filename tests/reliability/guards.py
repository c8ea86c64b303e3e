"""The guards of the package, each as one change that removes it.

`tests/reliability/test_guards.py` makes every change in turn in a copy of the project, and expects
that the named tests fail.
"""

from typing import NamedTuple

import guards_runs
import guards_system
from guards_files import GUARDS_FILES


class Guard(NamedTuple):
    """`text` occurs once in `file`; with `without` in its place a test of `tests` must fail."""

    file: str
    text: str
    without: str
    tests: str


ROWS = [*GUARDS_FILES, *guards_runs.GUARDS, *guards_system.GUARDS]
GUARDS = [Guard(*row) for row in ROWS]
