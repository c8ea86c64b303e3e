"""A pseudo terminal with a program in it: keys that are typed, its window, and what it shows."""

import codecs
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import threading
import time
from pathlib import Path
from typing import Any

import children
from suite import clean_environment

CTRL_C, CTRL_D, CTRL_Q, CTRL_S, CTRL_Z, CTRL_BACKSLASH = (
    bytes([n]) for n in (3, 4, 17, 19, 26, 28)
)


class Terminal:
    """A program with a terminal of its own, which is its controlling terminal.

    Parameters
    ----------
    argv : sequence
        The program and its arguments.
    cwd : Path
        Its working directory.
    streams : str
        Which of its streams are the terminal: "in", "out", "err"; the others are pipes, stdin is the
        null device.
    columns : int
        The width of the window.
    ignore : sequence of str
        Signals that the program ignores from its start, as under nohup.
    env : mapping, optional
        Changes of its environment; None removes a variable.
    """

    def __init__(
        self,
        argv: Any,
        cwd: Path,
        streams: str = "in out err",
        columns: int = 80,
        ignore: tuple[str, ...] = (),
        env: dict[str, str | None] | None = None,
    ):
        self.ours, theirs = pty.openpty()
        self.resize(columns)
        self.modes = termios.tcgetattr(self.ours)

        def prepare() -> None:
            os.setsid()
            fcntl.ioctl(theirs, termios.TIOCSCTTY, 0)
            for name in ("SIGHUP", "SIGTERM", "SIGQUIT", "SIGTSTP"):
                signal.signal(getattr(signal, name), signal.SIG_DFL)
            signal.signal(signal.SIGINT, signal.default_int_handler)
            for name in ignore:
                signal.signal(getattr(signal, name), signal.SIG_IGN)

        changes = {"NPGAN_KERNELS": "reference", "TERM": "xterm", "COLUMNS": None, "LINES": None}
        self.process = subprocess.Popen(
            [str(word) for word in argv],
            cwd=cwd,
            env=clean_environment(**{**changes, **(env or {})}),
            stdin=theirs if "in" in streams else subprocess.DEVNULL,
            stdout=theirs if "out" in streams else subprocess.PIPE,
            stderr=theirs if "err" in streams else subprocess.PIPE,
            preexec_fn=prepare,
            text=True,
        )
        os.close(theirs)
        self.shown = ""
        self.stop, self.wake = os.pipe()
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def __enter__(self) -> "Terminal":
        return self

    def __exit__(self, *error: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.communicate()
        self.close()

    def _read(self) -> None:
        """Collect what is shown, until the program has ended or the window is closed."""
        text = codecs.getincrementaldecoder("utf-8")("replace")
        while True:
            ready, _, _ = select.select([self.ours, self.stop], [], [])
            if self.stop in ready:
                return
            try:
                data = os.read(self.ours, 65536)
            except OSError:  # no program has the terminal open
                return
            self.shown += text.decode(data)

    def resize(self, columns: int) -> None:
        """Change the width of the window; the program gets SIGWINCH."""
        fcntl.ioctl(self.ours, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))

    def type(self, keys: bytes) -> None:
        """Press these keys."""
        os.write(self.ours, keys)

    def wait_for(self, pattern: str, start: int = 0) -> "re.Match[str]":
        """Wait until the terminal shows this."""
        end = time.monotonic() + children.LIMIT
        while (found := re.compile(pattern).search(self.shown, start)) is None:
            alive = self.reader.is_alive()
            if not alive and re.compile(pattern).search(self.shown, start) is None:
                raise AssertionError(f"it ended without {pattern!r}:\n{self.shown}")
            assert time.monotonic() < end, f"no {pattern!r}:\n{self.shown}"
            time.sleep(0.01)
        return found

    def close(self) -> None:
        """Close the window; the programs in it get SIGHUP."""
        if self.ours < 0:
            return
        os.write(self.wake, b"x")
        self.reader.join()
        for number in (self.ours, self.stop, self.wake):
            os.close(number)
        self.ours = -1

    def finish(self, torn: bool = False) -> children.Done:
        """Wait for the end; `out` and `err` are what was printed into pipes.

        torn: keys that were shown in the line of the bar have left a part of it there.
        """
        done = children.finish(self.process)
        if self.ours >= 0:
            self.reader.join()
            self.assert_as_before(torn)
        return done

    def assert_as_before(self, torn: bool) -> None:
        """Echo, line breaks and signals of the terminal are as they were; no bar stands there."""
        assert termios.tcgetattr(self.ours) == self.modes
        assert "\x1b" not in self.shown, self.shown  # no hidden cursor, colours, moves
        stays = [line for line in screen(self.shown) if "step/s" in line]
        assert torn or not stays, stays


def screen(shown: str) -> list[str]:
    """The lines that stand on a wide terminal at the end."""
    lines: list[list[str]] = [[]]
    column = 0
    for character in shown:
        if character == "\n":
            lines.append([])
        elif character == "\r":
            column = 0
        else:
            line = lines[-1]
            line += [" "] * (column + 1 - len(line))
            line[column] = character
            column += 1
    return ["".join(line).rstrip() for line in lines]


def bash(cwd: Path, **how: Any) -> Terminal:
    """An interactive shell, with job control, in which `npgan` is this package's."""
    (cwd / "bin").mkdir(exist_ok=True)
    for name, program in {"npgan": "-m npgan", "held": f"{cwd}/held.py"}.items():
        script = cwd / "bin" / name
        script.write_text(f'#!/bin/sh\nexec "{sys.executable}" {program} "$@"\n')
        script.chmod(0o755)
    path = f"{cwd}/bin:{os.environ['PATH']}"
    argv = ["/bin/bash", "--norc", "--noprofile", "--noediting", "-i"]
    env = {
        "PATH": path,
        "PS1": "ready> ",
        "HISTFILE": None,
        "BASH_SILENCE_DEPRECATION_WARNING": "1",
    }
    terminal = Terminal(argv, cwd, env=env, **how)
    terminal.wait_for("ready> ")
    return terminal
