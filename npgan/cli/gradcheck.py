"""What `npgan gradcheck` runs: npgan's own checks, or those that a function of the user's returns."""

from __future__ import annotations

import importlib
import os
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tqdm import tqdm

from ..layers import Layer, Network
from ..testing.check import check_gradients
from ..testing.own import check_layer, check_own
from ..testing.report import FAIL, PASS, Report
from ..testing.styles import accepts
from ..testing.tree import kind

WANTED = "(func, grad, args), (func, grad, args, options), (layer, x), a report, a list of these, or None"


def reports_of(target: str | None, seed: int = 0) -> Iterator[Report]:
    """The reports of every check behind "module:function", or of npgan's own where there is no target.

    The function takes no arguments. It returns what to check, or asserts by itself and returns None.
    Raises ValueError where the target cannot be found or returns something else.
    """
    if target is None:
        yield from tqdm(check_own(seed), unit=" checks", leave=False, delay=2, disable=None)
        return
    here = os.getcwd()
    sys.path.insert(0, here)
    try:
        function = named(target)
        try:
            for one, place in listed(function()):
                report = read(one, target, seed)
                if place:
                    report.title = f"{report.title or target}{place}"
                yield report
        except AssertionError as error:
            yield Report(FAIL, [], str(error).splitlines() or ["an assertion failed"], title=target)
        except Exception as error:  # a mistake in the user's own functions
            raise ValueError(f"{target}: {told(error)}") from error
    finally:
        sys.path.remove(here)


def named(target: str) -> Any:
    """The function behind "module:function"."""
    module, _, name = target.partition(":")
    if not all(part.isidentifier() for part in [*module.split("."), *name.split(".")]):
        raise ValueError(f"expected module:function, as in tests.my_layers:cases, got {target!r}")
    try:
        function: Any = importlib.import_module(module)
        for part in name.split("."):
            function = getattr(function, part)
    except Exception as error:  # whatever the module raises while it is imported
        raise ValueError(f"{target} cannot be loaded: {told(error)}") from error
    if not callable(function):
        raise ValueError(f"{target} is {kind(function)}; it must be a function without arguments")
    if not accepts(function, 0):
        raise ValueError(f"{target} needs arguments; it must be a function without any")
    return function


def told(error: BaseException) -> str:
    """An error in one line: what, and the last line of the user's own files that led there."""
    here, ours = os.getcwd() + os.sep, str(Path(__file__).parents[1])
    frames = reversed(traceback.extract_tb(error.__traceback__))
    for frame in frames:
        if frame.filename.startswith(ours):
            break
        if frame.filename.startswith(here):
            return f"{type(error).__name__}: {error} ({frame.filename.removeprefix(here)}, line {frame.lineno})"
    return str(error)


def listed(found: Any, place: str = "") -> Iterator[tuple[Any, str]]:
    """What the function returned, one by one; in a list (of lists) with its place there, as in " [0] [2]"."""
    if isinstance(found, list) and found:
        for i, one in enumerate(found):
            yield from listed(one, f"{place} [{i}]")
    else:
        yield found, place


def read(found: Any, target: str, seed: int) -> Report:
    if found is None:
        note = "no report: the function ran its own assertions, and none failed"
        return Report(PASS, [], notes=[note], title=target)
    if isinstance(found, Report):
        return found
    if isinstance(found, tuple) and len(found) == 2 and isinstance(found[0], (Layer, Network)):
        return check_layer(*found, seed=seed)
    if (
        isinstance(found, tuple)
        and len(found) in (3, 4)
        and callable(found[0])
        and callable(found[1])
        and isinstance(found[-1], dict if len(found) == 4 else object)
    ):
        func, grad, args, *options = found
        return check_gradients(
            func, grad, args, **{"seed": seed, **(options[0] if options else {})}
        )
    raise ValueError(f"the function must return {WANTED}; got {kind(found)}")
