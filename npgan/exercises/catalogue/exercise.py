"""What an exercise is, and what a known mistake is."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from ..outcomes import Outcome

HERE = Path(__file__).parents[1]


class Mistake(NamedTuple):
    """A wrong version: the solution with `right` replaced by `wrong`, and a sentence that names it.

    Where `right` is empty, the wrong version is the file as the student gets it.
    """

    right: str
    wrong: str
    sentence: str


class Exercise(NamedTuple):
    """One exercise. `hints` are given one after the other, from a question to a formula.

    `symptom` is what is said of a file that is wrong as the student gets it, and is unchanged.
    """

    name: str
    title: str
    outcome: Outcome
    hints: tuple[str, ...]
    mistakes: tuple[Mistake, ...]
    tolerance: float = 1e-7  # relative to the largest number of each result
    symptom: str = ""

    @property
    def file(self) -> Path:
        """The file as the student gets it."""
        return HERE / "files" / f"{self.name}.py"

    @property
    def solution(self) -> Path:
        """The file with the solution; its docstring explains it."""
        return HERE / "solutions" / f"{self.name}.py"


def unchanged(sentence: str) -> Mistake:
    """The mistake that the file has as the student gets it."""
    return Mistake("", "", sentence)
