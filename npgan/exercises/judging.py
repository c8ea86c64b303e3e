"""Judge one exercise: run the student's file, compare, and say in one sentence what is wrong.

Right or wrong is decided by the results for fixed numbers alone, so any right way is accepted. A
wrong result is compared with the results of the known mistakes; only if none of them fits, the
sentence is about the numbers.
"""

from __future__ import annotations

import inspect
import re
import traceback
import types
import warnings
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..testing import check_gradients
from .catalogue.exercise import Exercise, Mistake
from .outcomes import SHAPE_OF, Results, arguments, given

NOT_WRITTEN = "not written yet"
SHAPES = re.compile("shape|dimension|broadcast|axis|axes")


class Answer(NamedTuple):
    """Whether the exercise is solved; if not, what is wrong, in one sentence."""

    solved: bool
    sentence: str = ""
    written: bool = True


def judge(exercise: Exercise, path: Path) -> Answer:
    """Run the file and judge it. Whatever it raises becomes the sentence of the answer."""
    try:
        source = path.read_text(encoding="utf-8")
    except ValueError:
        return Answer(False, "the file is not text in UTF-8")
    if exercise.symptom and source == exercise.file.read_text(encoding="utf-8"):
        return Answer(False, exercise.symptom, written=False)
    try:
        found, warned = run(exercise, load(source, str(path)))
    except NotImplementedError:
        return Answer(False, NOT_WRITTEN, written=False)
    except SyntaxError as error:
        return Answer(False, f"line {error.lineno}: Python cannot read this: {error.msg}")
    except (Exception, SystemExit) as error:
        return Answer(False, describe(error, path) + shapes(exercise, error))
    expected, _ = run(exercise, load_solution(exercise))
    if wrong := differing(exercise, found, expected):
        explained = [(m, explains(m, exercise, found, expected)) for m in exercise.mistakes]
        # First a mistake that explains all that is wrong, then one that explains a part of it.
        for mistake, changed in explained:
            if changed == wrong:
                return Answer(False, mistake.sentence)
        for mistake, changed in explained:
            if changed:
                return Answer(False, mistake.sentence)
        return Answer(False, difference(exercise, found, expected, path))
    if warned:
        return Answer(False, f"the results are right, but NumPy warns: {warned}")
    return Answer(True)


def run(exercise: Exercise, module: types.ModuleType) -> tuple[Results, str]:
    """The results of what a file defines, and the first warning of NumPy meanwhile."""
    with warnings.catch_warnings(record=True) as warned, np.errstate(all="warn", under="ignore"):
        warnings.simplefilter("always", RuntimeWarning)
        results = exercise.outcome(module)
    said = [str(w.message) for w in warned if issubclass(w.category, RuntimeWarning)]
    return results, said[0] if said else ""


def load(source: str, name: str) -> types.ModuleType:
    """Run the source of a file, and return what it defines."""
    module = types.ModuleType("exercise")
    module.__file__ = name
    exec(compile(source, name, "exec"), module.__dict__)
    return module


def load_solution(exercise: Exercise, mistake: Mistake | None = None) -> types.ModuleType:
    """What the solution defines, or the wrong version of it."""
    return load(source_of(exercise, mistake), exercise.name)


def source_of(exercise: Exercise, mistake: Mistake | None = None) -> str:
    """The source of the solution, or of the wrong version of it."""
    if mistake is None:
        return exercise.solution.read_text(encoding="utf-8")
    if not mistake.right:
        return exercise.file.read_text(encoding="utf-8")
    doc, code = split_docstring(exercise.solution.read_text(encoding="utf-8"))
    if code.count(mistake.right) != 1:
        raise ValueError(f"{exercise.name}: {mistake.right!r} must occur once in the solution")
    return doc + code.replace(mistake.right, mistake.wrong)


def split_docstring(source: str) -> tuple[str, str]:
    """The docstring of a file with its quotes, and what comes after it."""
    end = source.index('"""', 3) + 3
    return source[:end], source[end:]


def same(found: Results, expected: Results, name: str, tolerance: float) -> bool:
    """Whether a result has the right shape and, to the tolerance, the right numbers."""
    if name not in found or found[name].shape != expected[name].shape:
        return False
    right = expected[name]
    size = float(np.max(np.abs(right), initial=0.0, where=np.isfinite(right))) or 1.0
    return np.allclose(found[name], right, rtol=0, atol=tolerance * size, equal_nan=True)


def differing(exercise: Exercise, found: Results, expected: Results) -> list[str]:
    """The names of the results that are not as expected."""
    return [name for name in expected if not same(found, expected, name, exercise.tolerance)]


def explains(mistake: Mistake, exercise: Exercise, found: Results, expected: Results) -> list[str]:
    """The results that this mistake changes, if all of them were found just so; else none."""
    wrong, _ = run(exercise, load_solution(exercise, mistake))
    changed = differing(exercise, wrong, expected)
    if all(same(found, wrong, name, exercise.tolerance) for name in changed):
        return changed
    return []


def difference(exercise: Exercise, found: Results, expected: Results, path: Path) -> str:
    """What is wrong where no known mistake fits: a missing result, its shape, or one number."""
    for name, right in expected.items():
        if name not in found:
            return f"{name} is {NOT_WRITTEN}"
        if found[name].shape != right.shape:
            return f"{name} has the shape {found[name].shape}; it must be {right.shape}"
        if not same(found, expected, name, exercise.tolerance):
            said = where(found[name], right) + hint(exercise, name, path)
            return f"{name} is wrong{said}{there(exercise, found[name], right)}"
    raise ValueError("nothing is wrong")


def where(found: np.ndarray, right: np.ndarray) -> str:
    """The entry with the largest difference, and both numbers; for one number, nothing."""
    if not found.ndim:
        return ""
    at = worst(found, right)
    place = ", ".join(map(str, at))
    return f": {found[at]:.4g} at [{place}], where {right[at]:.4g} is right"


def worst(found: np.ndarray, right: np.ndarray) -> tuple[Any, ...]:
    """The index of the entry with the largest difference."""
    error = np.where(np.isfinite(found), np.abs(found - right), np.inf)
    return np.unravel_index(int(np.argmax(error)), found.shape)


def there(exercise: Exercise, found: np.ndarray, right: np.ndarray) -> str:
    """What backward was given at that entry, if it works entry by entry."""
    named = inputs(exercise)
    if not named or any(value.shape != right.shape for value in named.values()):
        return ""
    at = worst(found, right)
    return "; there " + ", ".join(f"{name} is {value[at]:.4g}" for name, value in named.items())


def shapes(exercise: Exercise, error: BaseException) -> str:
    """The shapes of what backward was given, behind an error of NumPy about shapes."""
    if not isinstance(error, ValueError) or not SHAPES.search(str(error)):
        return ""
    listed = ", ".join(f"{name} {value.shape}" for name, value in inputs(exercise).items())
    return f"; the shapes are {listed}" if listed else ""


def inputs(exercise: Exercise) -> dict[str, np.ndarray]:
    """The arguments of backward by their names in the file; nothing in another kind of exercise."""
    values = given(exercise.name)
    names = inspect.signature(load_solution(exercise).backward).parameters if values else ()
    return dict(zip(names, values, strict=True))


def hint(exercise: Exercise, name: str, path: Path) -> str:
    """What npgan.testing says of this gradient, if it names a cause."""
    if exercise.name not in SHAPE_OF:
        return ""
    args = arguments(exercise.name)
    solution = load_solution(exercise)
    module = load(path.read_text(encoding="utf-8"), str(path))
    report = check_gradients(solution.forward, module.backward, args, style="dout")
    place = list(exercise.outcome(solution)).index(name)
    said = report.arguments[place].hint if place < len(report.arguments) else ""
    said = said.split(": numeric = ")[0]
    return f" ({said})" if said and "no simple pattern" not in said else ""


def describe(error: BaseException, path: Path) -> str:
    """An error of the student's file in one line, with the line in which it happened."""
    lines = [f.lineno for f in traceback.extract_tb(error.__traceback__) if f.filename == str(path)]
    text = re.sub(r"\s+", " ", str(error)).strip()
    if not isinstance(error, ValueError) or lines:
        text = f"{type(error).__name__}: {text}"
    return f"line {lines[-1]}: {text}" if lines else text
