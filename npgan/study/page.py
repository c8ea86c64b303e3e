"""The record that `npgan study` shows: the tiny GAN's step, its story, and the ring's training."""

from __future__ import annotations

from collections.abc import Callable

from .assemble import record_data
from .example import tiny_computations
from .game import game
from .record import Record
from .scenarios import LABELS_OF_G
from .story import story
from .write_tape import Walk


def default_record(say: Callable[[str], None] = lambda line: None) -> Record:
    """Record everything; `say` gets a line at the start of each part."""
    computations = tiny_computations()
    data = record_data("One step of a GAN, every number", computations, say)
    tape_of_G = next(tape for tape in data["tapes"] if tape["key"] == "G")
    data["story"] = story(Walk(computations[1]), tape_of_G)
    data["game"], trainings = game(say)
    for tape in data["tapes"]:
        for mistake in tape["mistakes"]:
            is_of_G = tape is tape_of_G and mistake["key"] == "labels"
            mistake["training"] = trainings[LABELS_OF_G.key if is_of_G else mistake["key"]]
    return Record(data)
