"""A student's folder: the files of the exercises, and which of them are solved."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any, NamedTuple

from ..files.atomic import write_text
from .catalogue import EXERCISES
from .catalogue.exercise import Exercise

DEFAULT = "npgan-exercises"
PROGRESS = "progress.json"
README = """# Exercises of npgan

Each file here is an exercise; its first lines say what to do. In this folder,

    npgan exercises run       judges the next exercise that is not solved
    npgan exercises watch     does so each time you save the file, until you press Ctrl-C
    npgan exercises hint      gives a hint, and each time a clearer one
    npgan exercises list      shows all of them
    npgan exercises reset 3   writes the file of exercise 3 again as it was
    npgan exercises solution 3   shows the explanation and a solution, once it is solved

`run`, `watch` and `hint` also take the number or the name of an exercise.
"""


class Progress(NamedTuple):
    """The names of the solved exercises, and how many hints were given for each."""

    solved: set[str]
    hints: dict[str, int]


def init(folder: Path) -> list[str]:
    """Write the files of all exercises that are not there; return their names."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for exercise in EXERCISES:
        path = file_of(folder, exercise)
        if not path.exists():
            write_text(path, exercise.file.read_text(encoding="utf-8"))
            written.append(path.name)
    if not (folder / "README.md").exists():
        write_text(folder / "README.md", README)
    if not (folder / PROGRESS).exists():
        write_progress(folder, Progress(set(), {}))
    return written


def has_exercises(folder: Path) -> bool:
    """Whether a file of an exercise is in this folder."""
    return any(file_of(folder, exercise).exists() for exercise in EXERCISES)


def free_copy(path: Path) -> Path:
    """The first of NAME.py.old, NAME.py.old2, NAME.py.old3 and so on that is not there."""
    numbers = itertools.chain([""], itertools.count(2))
    copies = (path.with_suffix(f".py.old{number}") for number in numbers)
    return next(copy for copy in copies if not copy.exists())


def find(folder: Path | None) -> Path:
    """The folder that was given, the current one, or npgan-exercises in it; else ValueError."""
    for place in [folder] if folder else [Path("."), Path(DEFAULT)]:
        if (place / PROGRESS).is_file() and file_of(place, EXERCISES[0]).exists():
            return place
    where = folder or "this folder"
    raise ValueError(f"there are no exercises in {where}; npgan exercises init writes them")


def file_of(folder: Path, exercise: Exercise) -> Path:
    """The student's file of an exercise."""
    return folder / f"{exercise.name}.py"


def read_progress(folder: Path) -> Progress:
    """What is solved, and which hints were given."""
    path = folder / PROGRESS
    try:
        known: Any = json.loads(path.read_text(encoding="utf-8"))
        solved, hints = known["solved"], known["hints"]
        names = {exercise.name for exercise in EXERCISES}
        return Progress(
            {name for name in solved if name in names},
            {name: int(n) for name, n in hints.items() if name in names},
        )
    except (ValueError, TypeError, KeyError, AttributeError):
        raise ValueError(
            f"{path} is damaged; delete it, and npgan exercises init {folder} writes a new one"
        ) from None


def write_progress(folder: Path, progress: Progress) -> None:
    """Replace the file of the progress."""
    solved = sorted(progress.solved)
    text = json.dumps({"solved": solved, "hints": progress.hints}, indent=1)
    write_text(folder / PROGRESS, text + "\n")


def choose(progress: Progress, name: str | None) -> Exercise | None:
    """The exercise of this number or name, or the next one that is not solved; None if all are."""
    if name is None:
        return next((e for e in EXERCISES if e.name not in progress.solved), None)
    wanted = name.removesuffix(".py").lower()
    for exercise in EXERCISES:
        number = exercise.name.split("_")[0]
        if wanted in (exercise.name, number, number.lstrip("0"), exercise.name[len(number) + 1 :]):
            return exercise
    raise ValueError(
        f"no exercise is called {name}; use a number from 1 to {len(EXERCISES)}, or a name of "
        "npgan exercises list"
    )
