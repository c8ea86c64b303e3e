"""What `npgan gradcheck` runs: npgan's own checks, or those that a function of the user's returns."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterator
from typing import Any

from ..layers import Layer, Network
from .check import check_gradients
from .own import check_layer, check_own
from .report import PASS, Report

WANTED = "(func, grad, args), (func, grad, args, options), (layer, x), a report, a list of these, or None"


def reports_of(target: str | None, seed: int = 0) -> Iterator[Report]:
    """The reports of every check behind "module:function", or of npgan's own where there is no target.

    The function takes no arguments. It returns what to check, or asserts by itself and returns None.
    Raises ValueError where the target cannot be found or returns something else.
    """
    if target is None:
        yield from check_own(seed)
        return
    module, _, name = target.partition(":")
    if not module or not name:
        raise ValueError(f"expected module:function, got {target!r}")
    sys.path.insert(0, os.getcwd())
    try:
        function: Any = importlib.import_module(module)
        for part in name.split("."):
            function = getattr(function, part)
    except (ImportError, AttributeError) as error:
        raise ValueError(f"{target} cannot be loaded: {error}") from error
    finally:
        sys.path.remove(os.getcwd())
    if not callable(function):
        raise ValueError(f"{target} is a {type(function).__name__}; it must be a function without arguments")
    try:
        yield from read(function(), target, seed)
    except AssertionError as error:
        yield Report("FAIL", [], [str(error)], title=target)


def read(found: Any, target: str, seed: int) -> Iterator[Report]:
    if found is None:
        yield Report(
            PASS, [], notes=["no report: the function ran its own assertions, and none failed"], title=target
        )
    elif isinstance(found, Report):
        yield found
    elif isinstance(found, list):
        for i, one in enumerate(found):
            for report in read(one, target, seed):
                report.title = f"{report.title or target} [{i}]"
                yield report
    elif isinstance(found, tuple) and len(found) == 2 and isinstance(found[0], (Layer, Network)):
        yield check_layer(*found, seed=seed)
    elif isinstance(found, tuple) and len(found) in (3, 4) and callable(found[0]) and callable(found[1]):
        func, grad, args = found[:3]
        yield check_gradients(func, grad, args, **{"seed": seed, **(found[3] if len(found) == 4 else {})})
    else:
        raise ValueError(f"{target} must return {WANTED}; got {type(found).__name__}")
