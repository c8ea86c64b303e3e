"""The record that `npgan study` shows: the tiny GAN's step, its story, and the ring's training."""

from __future__ import annotations

from collections.abc import Callable

from .assemble import record_data
from .example import tiny_computations
from .record import Record


def default_record(say: Callable[[str], None] = lambda line: None) -> Record:
    """Record everything; `say` gets a line at the start of each part."""
    data = record_data("One step of a GAN, every number", tiny_computations(), say)
    return Record(data)
