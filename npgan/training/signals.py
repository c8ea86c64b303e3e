"""Ctrl-C, and for a command SIGTERM, SIGHUP and SIGUSR1: noted first, and obeyed when it is safe.

SIGUSR1 is what Slurm can send before the time of a job ends, and what mpirun passes on.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import FrameType
from typing import Any

ENDING = tuple(
    getattr(signal, name) for name in ("SIGTERM", "SIGHUP", "SIGUSR1") if hasattr(signal, name)
)


class Ending:
    """A handler of the signals in ENDING that does as Ctrl-C does; `number` is the last signal."""

    def __init__(self) -> None:
        self.number = int(signal.SIGINT)

    def __call__(self, number: int, _frame: FrameType | None) -> None:
        self.number = number
        raise KeyboardInterrupt


@contextmanager
def ending_signals() -> Iterator[Ending]:
    """Inside this block the signals in ENDING do as Ctrl-C does, unless they are ignored."""
    ending = Ending()
    previous = {
        number: signal.signal(number, ending)
        for number in ENDING
        if in_main_thread() and signal.getsignal(number) is signal.SIG_DFL
    }
    try:
        yield ending
    finally:
        restore(previous)


@contextmanager
def interruptible() -> Iterator[Callable[[], bool]]:
    """Inside this block the first Ctrl-C sets a flag, which the yielded function returns.

    A second Ctrl-C raises KeyboardInterrupt. The same holds for those in ENDING inside
    `ending_signals`. Outside the main thread, to which Python delivers no signals, nothing changes,
    nor for Ctrl-C in a process that ignores it (a command that a script starts with &).
    """
    pressed = threading.Event()

    def note(number: int, _frame: FrameType | None) -> None:
        handler = previous[number]
        if isinstance(handler, Ending):
            handler.number = number
        if pressed.is_set():
            raise KeyboardInterrupt
        pressed.set()

    numbers = [n for n in ENDING if isinstance(signal.getsignal(n), Ending)]
    if signal.getsignal(signal.SIGINT) not in (signal.SIG_IGN, None):
        numbers.append(signal.SIGINT)
    previous: dict[int, object] = {n: signal.getsignal(n) for n in numbers if in_main_thread()}
    for number in previous:
        signal.signal(number, note)
    try:
        yield pressed.is_set
    finally:
        restore(previous)


def in_main_thread() -> bool:
    """Whether this is the thread to which Python delivers signals."""
    return threading.current_thread() is threading.main_thread()


def restore(handlers: Mapping[Any, object]) -> None:
    """Put back these handlers of signals."""
    for number, handler in handlers.items():
        signal.signal(number, handler)  # type: ignore[arg-type]
