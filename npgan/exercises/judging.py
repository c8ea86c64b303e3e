"""Judge one exercise: run the student's file, compare, and say in one sentence what is wrong.

Right or wrong is decided by the results for fixed numbers alone, so any right way is accepted. A
wrong result is compared with the results of the known mistakes; only if none of them fits, the
sentence is about the numbers.
"""

from __future__ import annotations

import inspect
import types
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..testing import check_gradients
from .catalogue.exercise import Exercise, Mistake
from .errors import NOT_WRITTEN, sentence_of, stub
from .outcomes import Results, arguments, given, numbers
from .quantities import Inputs
from .relations import relation


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
    module = None
    try:
        module = load(source, str(path))
        found, warned = run(exercise, module)
    except NotImplementedError as error:
        sentence, is_begun = stub(error, path, source)
        return Answer(False, sentence, written=is_begun)
    except (Exception, SystemExit) as error:
        return Answer(False, sentence_of(error, path, inputs(exercise, module)))
    expected, _ = run(exercise, load_solution(exercise))
    if wrong := differing(exercise, found, expected):
        return Answer(False, what_is_wrong(exercise, module, found, expected, wrong))
    if warned:
        return Answer(False, f"the results are right, but NumPy warns: {warned}")
    return Answer(True)


def what_is_wrong(
    exercise: Exercise,
    module: types.ModuleType,
    found: Results,
    expected: Results,
    wrong: list[str],
) -> str:
    """The sentence that explains most of what is wrong: of a known mistake, or of the numbers."""
    explained = [(m, explains(m, exercise, found, expected)) for m in exercise.mistakes]
    for mistake, changed in explained:
        if changed == wrong:
            return mistake.sentence
    related, names = relation(
        found, expected, wrong, inputs(exercise, module), lambda k: with_dy(exercise, module, k)
    )
    partial = next(((m.sentence, changed) for m, changed in explained if changed), ("", []))
    if related and len(names) >= len(partial[1]):
        return related
    return partial[0] or difference(exercise, found, expected, module)


def with_dy(exercise: Exercise, module: types.ModuleType, times: float) -> Results | None:
    """The results where dy is so many times as large; None where that is no question."""
    if not inputs(exercise, module):
        return None
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            return exercise.outcome(module, times)
    except Exception:  # whatever the student's code raises for another dy
        return None


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


def difference(
    exercise: Exercise, found: Results, expected: Results, module: types.ModuleType
) -> str:
    """What is wrong where no known mistake fits: a missing result, its shape, or one number."""
    for name, right in expected.items():
        if name not in found:
            return f"{name} is {NOT_WRITTEN}"
        if found[name].shape != right.shape:
            return f"{name} has the shape {found[name].shape}; it must be {right.shape}"
        if not same(found, expected, name, exercise.tolerance):
            said = where(found[name], right) + hint(exercise, name, module)
            return f"{name} is wrong{said}{there(exercise, module, found[name], right)}"
    raise ValueError("nothing is wrong")


def where(found: np.ndarray, right: np.ndarray) -> str:
    """The entry with the largest difference, and both numbers; for one number, nothing."""
    if not found.ndim:
        return ""
    at = worst(found, right)
    place = ", ".join(map(str, at))
    return f": {found[at]:.4g} at [{place}], where {right[at]:.4g} is right"


def worst(found: np.ndarray, right: np.ndarray) -> tuple[int, ...]:
    """The index of the entry with the largest difference."""
    error = np.where(np.isfinite(found), np.abs(found - right), np.inf)
    return tuple(int(i) for i in np.unravel_index(int(np.argmax(error)), found.shape))


def there(
    exercise: Exercise, module: types.ModuleType, found: np.ndarray, right: np.ndarray
) -> str:
    """What backward was given at that entry, if it works entry by entry."""
    named = inputs(exercise, module)
    if not named or any(value.shape != right.shape for value in named.values()):
        return ""
    at = worst(found, right)
    return "; there " + ", ".join(f"{name} is {value[at]:.4g}" for name, value in named.items())


def inputs(exercise: Exercise, module: types.ModuleType | None) -> Inputs:
    """What a gradient is made from, by the names in the file, dy first; of other exercises {}."""
    solution = load_solution(exercise)
    if values := given(exercise.name):
        own = getattr(module, "backward", None)
        names = parameters(solution.backward)
        if callable(own) and len(parameters(own)) == len(names):
            names = parameters(own)  # the student's own words
        return dict(zip(names, values, strict=True))
    if not hasattr(solution, "forward"):
        return {}
    args = arguments(exercise.name)
    y, pull = solution.forward(*args)
    dy = dict(zip(parameters(pull), [numbers(*y.shape, seed=2)], strict=True))
    return {**dy, **dict(zip(parameters(solution.forward), args, strict=True))}


def parameters(function: Callable[..., object]) -> list[str]:
    """The names of a function's parameters."""
    return list(inspect.signature(function).parameters)


def hint(exercise: Exercise, name: str, module: types.ModuleType) -> str:
    """What npgan.testing says of this gradient, if it names a cause."""
    if not given(exercise.name):
        return ""
    args, backward = arguments(exercise.name), module.backward
    solution = load_solution(exercise)
    if exercise.name == "05_tanh":  # whose backward is given y

        def backward(dy: np.ndarray, x: np.ndarray) -> np.ndarray:
            return np.asarray(module.backward(dy, np.tanh(x)))

    report = check_gradients(solution.forward, backward, args, style="dout")
    place = list(exercise.outcome(solution)).index(name)
    said = report.arguments[place].hint if place < len(report.arguments) else ""
    said = said.split(": numeric = ")[0]
    return f" ({said})" if said and "no simple pattern" not in said else ""
