"""A warm process: everything is imported, and each command runs in a fork of it.

So a command costs a tenth of a second instead of a start of Python, and a test can inject hundreds
of faults. This file is the program of that process, and the tests' side of it.
"""

import ctypes
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import Any, NamedTuple

PATIENCE = 90  # seconds after which a command hangs


class Moment(NamedTuple):
    """When something happens to a command, and what.

    At the step number `step`, or at the system call number `call` below the directory `below`:
    a signal, or the error `error` ("ENOSPC"), once or `for_good`, or a write of `half` its bytes.
    """

    step: int = 0
    call: int = 0
    below: str = ""
    signal: int = 0
    error: str = ""
    for_good: bool = False
    half: bool = False


class Done(NamedTuple):
    """How a command ended: exit code (negative: of a signal), and what it printed."""

    code: int
    out: str
    err: str
    calls: list[str]  # the system calls, where they were counted


class Child:
    """A command that has begun."""

    def __init__(self, warm: "Warm", pid: int, folder: Path):
        self.warm, self.pid, self.folder, self.code = warm, pid, folder, None

    def send(self, number: int) -> None:
        """Send a signal."""
        os.kill(self.pid, number)

    def wait_until_stopped(self) -> bool:
        """Wait until SIGSTOP has stopped it; False if it has ended."""
        return self.warm.wait(self) is None

    def go_on(self) -> None:
        """After a stop."""
        self.send(signal.SIGCONT)

    def wait(self) -> Done:
        """Wait for the end, past any stop."""
        while self.code is None:
            if self.warm.wait(self) is None:
                self.go_on()
        texts = [(self.folder / name).read_text(errors="replace") for name in ("out", "err")]
        calls = self.folder / "calls"
        return Done(self.code, *texts, calls.read_text().split() if calls.exists() else [])


class Warm:
    """The tests' side: starts the process, and commands in it."""

    def __init__(self, environment: dict[str, str], folder: Path, counts_calls: bool):
        self.folder, self.number, self.counts_calls = folder, 0, counts_calls
        self.process = subprocess.Popen(
            [sys.executable, __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
            text=True,
            cwd=folder,
        )

    def ask(self, pid: int = 0, **request: Any) -> Any:
        """One request and its answer; a command that hangs is killed."""
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        ready, _, _ = select.select([self.process.stdout], [], [], PATIENCE)
        if not ready and pid:
            os.kill(pid, signal.SIGKILL)
        answer = self.process.stdout.readline()
        assert answer, "the warm process has ended"
        assert ready, f"a command did not end within {PATIENCE} s"
        return json.loads(answer)

    def start(self, *argv: object, cwd: Path, moment: Moment | None = None) -> Child:
        """Begin `npgan ARGV`."""
        self.number += 1
        folder = self.folder / f"command-{self.number}"
        folder.mkdir()
        pid = self.ask(
            argv=[str(one) for one in argv],
            cwd=str(cwd),
            folder=str(folder),
            moment=None if moment is None else moment._asdict(),
        )
        return Child(self, pid, folder)

    def run(self, *argv: object, cwd: Path, moment: Moment | None = None) -> Done:
        """`npgan ARGV`, from its start to its end."""
        return self.start(*argv, cwd=cwd, moment=moment).wait()

    def wait(self, child: Child) -> int | None:
        """The exit code, or None if the child is stopped."""
        if child.code is None:
            child.code = self.ask(pid=child.pid, wait=child.pid)
        return child.code

    def close(self) -> None:
        """End the process."""
        self.process.stdin.close()
        self.process.wait(PATIENCE)
        self.process.stdout.close()


# ---- the program ----


def serve() -> None:
    """Answer requests until stdin ends."""
    warm_up()
    for line in sys.stdin:
        request = json.loads(line)
        if "wait" in request:
            answer = wait_for(request["wait"])
        else:
            answer = os.fork()
            if answer == 0:
                run_child(**request)
        print(json.dumps(answer), flush=True)


def warm_up() -> None:
    """Import and call everything once, with the output of commands thrown away."""
    import numpy as np

    import npgan
    from npgan.cli import main

    npgan.set_threads(1)  # a fork inherits no threads
    here, stdout = os.getcwd(), os.dup(1)
    with tempfile.TemporaryDirectory() as folder, open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 1)
        os.chdir(folder)
        images = np.random.default_rng(0).integers(0, 256, (16, 3, 4), dtype=np.uint8)
        np.save("images.npy", images)
        for command in (
            "train --data images.npy --out run --epochs 1 --batch 8 --hidden 4 --hidden-D 4 --quiet",
            "train --resume run --epochs 2 --quiet",
            "sample run --out grid.png -n 4",
        ):
            assert main(command.split()) == 0
        os.chdir(here)
        sys.stdout.flush()
    os.dup2(stdout, 1)
    os.close(stdout)


def wait_for(pid: int) -> int | None:
    """The exit code, or None if the process is stopped."""
    _, status = os.waitpid(pid, os.WUNTRACED)
    return None if os.WIFSTOPPED(status) else os.waitstatus_to_exitcode(status)


def run_child(argv: list[str], cwd: str, folder: str, moment: dict[str, Any] | None) -> None:
    """One command, in a process of its own; never returns."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for stream, (name, flags) in enumerate(
        [(os.devnull, os.O_RDONLY), ("out", os.O_WRONLY), ("err", os.O_WRONLY)]
    ):
        path = os.path.join(folder, name)  # an absolute name stays
        os.dup2(os.open(path, flags | os.O_CREAT), stream)
    os.chdir(cwd)
    code = 70
    try:
        counted = arm(Moment(**moment)) if moment is not None else None
        from npgan.cli import main

        code = main(argv)
    except SystemExit as error:
        code = error.code
    except BaseException:
        traceback.print_exc()
    finally:
        if moment is not None and counted is not None:
            names = counted.failing_calls_names()
            counted.failing_calls_arm(b"", 0, 0, 0)
            Path(folder, "calls").write_bytes(names)
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os._exit(code)


def arm(moment: Moment) -> ctypes.CDLL | None:
    """Let the moment come in this process. Returns failing_calls.so if it counts."""
    import errno

    from npgan import GAN

    if moment.step:
        step, left = GAN.step, [moment.step]

        def stepped(gan: GAN, *batch: Any) -> dict[str, float]:
            left[0] -= 1
            if left[0] == 0:
                os.kill(os.getpid(), moment.signal)
                time.sleep(0)  # Python runs the handler of a signal between two instructions
            return step(gan, *batch)

        GAN.step = stepped
    if not moment.below:
        return None
    library = ctypes.CDLL(None)
    library.failing_calls_names.restype = ctypes.c_char_p
    action, code = 0, 0  # as in failing_calls.c
    if moment.error:
        action, code = 2 if moment.for_good else 1, getattr(errno, moment.error)
    elif moment.half:
        action = 3
    elif moment.signal and not moment.step:
        action, code = 4, moment.signal
    library.failing_calls_arm(
        os.fsencode(moment.below), ctypes.c_long(moment.call), action, ctypes.c_int(code)
    )
    return library


if __name__ == "__main__":
    serve()
