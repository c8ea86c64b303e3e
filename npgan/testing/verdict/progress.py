"""A progress bar for checks that take long."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import TypeVar

Item = TypeVar("Item")
DELAY = 2.0  # seconds without a bar


def with_progress(items: Sequence[Item], label: str) -> Iterator[Item]:
    """The items one by one; after DELAY seconds with a bar on a terminal, if tqdm is installed."""
    start = time.monotonic()
    for done, item in enumerate(items):
        if time.monotonic() - start > DELAY:
            yield from with_bar(items, done, label)
            return
        yield item


def with_bar(items: Sequence[Item], done: int, label: str) -> Iterator[Item]:
    """The items from index `done` on, with a bar."""
    try:
        from tqdm import tqdm  # imported late: a quick check does not need it
    except ImportError:
        return iter(items[done:])
    bar = tqdm(items[done:], desc=label, initial=done, total=len(items), leave=False, disable=None)
    return iter(bar)
