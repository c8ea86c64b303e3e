"""What `npgan gradcheck` runs: npgan's own checks, or those that a function of the user returns."""

from __future__ import annotations

import importlib
import os
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tqdm import tqdm

from ..files.messages import is_terminal
from ..layers import Layer, Network
from ..testing import FAIL, PASS, Report, check_gradients, check_layer, check_own
from ..testing.problem.advice import not_written
from ..testing.problem.styles import accepts
from ..testing.problem.tree import describe

WANTED = (
    "(func, grad, args), (func, grad, args, options), (layer, x), a report, a list of these, "
    "or None"
)


def reports_of(target: str | None, seed: int = 0) -> Iterator[Report]:
    """The reports of all checks of "module:function"; without a target, of npgan's own.

    The function takes no arguments. It returns what to check, or makes assertions and returns None.
    Raises ValueError if the target cannot be found or returns something else.
    """
    if target is None:
        hidden = not is_terminal(sys.stderr)
        yield from tqdm(check_own(seed), unit=" checks", leave=False, delay=2, disable=hidden)
        return
    here = os.getcwd()
    sys.path.insert(0, here)
    try:
        function = load_function(target)
        try:
            for check, position in flatten(function()):
                report = report_of(check, target, seed)
                if position:
                    report.title = f"{report.title or target}{position}"
                yield report
        except AssertionError as error:
            yield Report(FAIL, [], str(error).splitlines() or ["an assertion failed"], title=target)
        except NotImplementedError as error:
            yield Report(FAIL, [], [not_written(error)], title=target)
        except Exception as error:  # a mistake in the user's own functions
            raise ValueError(f"{target}: {one_line(error)}") from error
    finally:
        sys.path.remove(here)


def load_function(target: str) -> Any:
    """The function that "module:function" names."""
    module, _, name = target.partition(":")
    if not all(part.isidentifier() for part in [*module.split("."), *name.split(".")]):
        raise ValueError(f"expected module:function, as in tests.my_layers:cases, got {target!r}")
    try:
        function: Any = importlib.import_module(module)
        for part in name.split("."):
            function = getattr(function, part)
    except Exception as error:  # whatever the module raises while it is imported
        raise ValueError(f"{target} cannot be loaded: {one_line(error)}") from error
    if not callable(function):
        raise ValueError(
            f"{target} is {describe(function)}; it must be a function without arguments"
        )
    if not accepts(function, 0):
        raise ValueError(f"{target} needs arguments; it must be a function without any")
    return function


def one_line(error: BaseException) -> str:
    """An error in one line, with the last line of the user's own files that led to it."""
    here, ours = os.getcwd() + os.sep, str(Path(__file__).parents[1])
    frames = reversed(traceback.extract_tb(error.__traceback__))
    for frame in frames:
        if frame.filename.startswith(ours):
            break
        if frame.filename.startswith(here):
            file = frame.filename.removeprefix(here)
            return f"{type(error).__name__}: {error} ({file}, line {frame.lineno})"
    return str(error)


def flatten(found: Any, position: str = "") -> Iterator[tuple[Any, str]]:
    """The checks in a list (of lists), each with its position there, as in " [0] [2]"."""
    if isinstance(found, list) and found:
        for i, one in enumerate(found):
            yield from flatten(one, f"{position} [{i}]")
    else:
        yield found, position


def report_of(found: Any, target: str, seed: int) -> Report:
    """The report of what the user's function returned; ValueError if it is not a check."""
    if found is None:
        note = "no report: the function ran its own assertions, and none failed"
        return Report(PASS, [], notes=[note], title=target)
    if isinstance(found, Report):
        return found
    if isinstance(found, tuple) and len(found) == 2 and isinstance(found[0], (Layer, Network)):
        return check_layer(*found, seed=seed)
    if is_check(found):
        func, grad, args, *options = found
        given = {"seed": seed, **(options[0] if options else {})}
        return check_gradients(func, grad, args, **given)
    raise ValueError(f"the function must return {WANTED}; got {describe(found)}")


def is_check(found: Any) -> bool:
    """Whether this is (func, grad, args) or (func, grad, args, options)."""
    if not isinstance(found, tuple) or len(found) not in (3, 4):
        return False
    return (
        callable(found[0])
        and callable(found[1])
        and (len(found) == 3 or isinstance(found[3], dict))
    )
