"""The whole record: its tapes, with what-ifs and mistakes where they fit into a page."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

from .. import __version__
from ..autograd import Tensor
from . import mistakes
from .steps import Computation
from .whatif import size_of, what_ifs
from .write_tape import Data, Walk, tape_data

MOST_CELLS = 1_500  # numbers in the nodes of all tapes
MOST_TERMS = 150_000  # pairs of numbers of which one is computed from the other
MOST_WHAT_IF = 900_000  # characters


def record_data(
    title: str, computations: Iterable[Computation], say: Callable[[str], None] = lambda line: None
) -> Data:
    """The record of some computations; ValueError where it is too large for a page."""
    walks = [Walk(c) for c in computations]
    check_size(walks)
    small = sum(map(size_of, walks)) <= MOST_WHAT_IF
    tapes = []
    for walk in walks:
        say(walk.computation.title)
        tape = tape_data(walk)
        if small:
            tape["whatif"], tape["mistakes"] = what_ifs(walk), mistakes.of_step(walk)
        tapes.append(tape)
    data = {
        "format": 1,
        "npgan": __version__,
        "title": title,
        "tapes": tapes,
        "story": [],
        "game": None,
    }
    return finite(data)


def check_size(walks: list[Walk]) -> None:
    """Raise ValueError where the record would be too large for a page."""
    cells = sum(tensor.size for walk in walks for tensor in walk.tensors)
    terms = sum(map(terms_of, walks))
    for n, most, what in (
        (cells, MOST_CELLS, "numbers"),
        (terms, MOST_TERMS, "pairs of numbers that depend on each other"),
    ):
        if n > most:
            raise ValueError(
                f"the record has {n:,} {what}, and a page holds at most {most:,}; "
                "use fewer rows, or smaller layers"
            )


def finite(value: Any) -> Any:
    """The same with None for numbers that are not finite, which JSON does not have."""
    if isinstance(value, dict):
        return {name: finite(v) for name, v in value.items()}
    if isinstance(value, list):
        return [finite(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def terms_of(walk: Walk) -> int:
    """How many terms the edges of a tape have."""
    pairs = ((node.tensor.size, a) for node in walk.nodes for a in node.args)
    return sum(size * a.size for size, a in pairs if isinstance(a, Tensor))
