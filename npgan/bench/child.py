"""Runs a peer in a process of its own, so that peers do not share threads, memory or settings.

    python -m npgan.bench.child WORKER PEER

WORKER is a class and PEER the argument of its constructor; both are named MODULE:NAME. The parent
writes one JSON object per line, {"do": method, ...arguments}, and reads one JSON object back. What
a library prints goes to stderr.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import weakref
from pathlib import Path
from typing import IO, Any

# Environment variables that make a library faster or slower. They are removed.
SETTINGS = (
    "BLIS_", "GOMP_", "GOTO_", "JAX_", "KERAS_", "KMP_", "MKL_", "NPGAN_", "NUMBA_", "OMP_",
    "OPENBLAS_", "TF_", "TORCH", "VECLIB_", "XLA_",
)  # fmt: skip
ROOT = Path(__file__).parents[2]


class ChildError(RuntimeError):
    """An error in the child process; the message is one line."""


def environment(threads: int, caches: Path, more: dict[str, str]) -> dict[str, str]:
    """The user's environment without SETTINGS, for so many threads."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(SETTINGS)}
    for library in ("OMP", "OPENBLAS", "MKL", "VECLIB"):
        clean[f"{library}_NUM_THREADS"] = str(threads)
    for name in ("NUMBA_CACHE_DIR", "TORCHINDUCTOR_CACHE_DIR", "XDG_CACHE_HOME"):
        clean[name] = str(caches)
    paths = [str(ROOT), clean.get("PYTHONPATH", "")]
    return {**clean, "PYTHONPATH": os.pathsep.join(filter(None, paths)), **more}


class Child:
    """A child process, as the parent uses it. Raises ChildError if the process fails or ends.

    Between two requests the process is stopped: otherwise threads that wait in a loop would slow
    the other processes down.
    """

    def __init__(
        self, worker: str, peer: str, threads: int, caches: Path, more: dict[str, str] | None = None
    ):
        self.errors: IO[str] = tempfile.TemporaryFile("w+", errors="replace")  # noqa: SIM115
        self.process = subprocess.Popen(
            [sys.executable, "-m", "npgan.bench.child", worker, peer],
            env=environment(threads, caches, more or {}),
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
        )
        # Whatever happens to this object, also Ctrl-C at any moment, no stopped process stays.
        weakref.finalize(self, kill, self.process)
        # XLA has no other setting for one thread.
        if threads == 1 and hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(self.process.pid, {max(os.sched_getaffinity(0))})
        try:
            self.started = self.read()
        except BaseException:
            self.close()
            raise

    def ask(self, do: str, **arguments: Any) -> dict[str, Any]:
        """Call a method of the worker and return its answer."""
        self.send_signal("SIGCONT")
        try:
            self.process.stdin.write(json.dumps({"do": do, **arguments}) + "\n")  # type: ignore[union-attr]
            self.process.stdin.flush()  # type: ignore[union-attr]
        except BrokenPipeError:
            pass  # the process has ended, and read() raises the reason
        return self.read()

    def read(self) -> dict[str, Any]:
        """Read the worker's answer, and stop the process."""
        line = self.process.stdout.readline()  # type: ignore[union-attr]
        if not line:
            code = self.process.wait()
            self.errors.seek(0)
            lines = [text.strip() for text in self.errors if text.strip()]
            raise ChildError(lines[-1] if lines else f"its process ended with code {code}")
        self.send_signal("SIGSTOP")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise ChildError(answer["error"])
        return answer

    def send_signal(self, name: str) -> None:
        """Send a signal, on systems that have it; Windows does not."""
        if hasattr(signal, name):
            self.process.send_signal(getattr(signal, name))

    def close(self) -> None:
        """Let the process end, and kill it if it does not within 5 s."""
        self.send_signal("SIGCONT")
        try:
            self.process.communicate(timeout=5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.communicate()
        self.errors.close()


def kill(process: subprocess.Popen[str]) -> None:
    """End a process at once, if it has not ended."""
    if process.poll() is None:
        process.kill()
        process.wait()


def peak_memory() -> float | None:
    """The largest memory of this process in MB so far, or None where the system does not say."""
    try:  # not getrusage: its number for a child starts at the parent's peak
        status = Path("/proc/self/status").read_text()
        return int(status.partition("VmHWM:")[2].split()[0]) / 1024
    except (OSError, IndexError):
        pass
    if sys.platform != "darwin":
        return None
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def load_object(name: str) -> Any:
    """The object with this name, MODULE:NAME."""
    module, _, attribute = name.partition(":")
    return getattr(importlib.import_module(module), attribute)


def main() -> None:
    """Answer the parent's requests until there are no more."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    def answer(found: dict[str, Any]) -> None:
        print(json.dumps(found), file=answers, flush=True)

    try:
        began = time.perf_counter()
        peer = load_object(sys.argv[2])  # first, so that all its imports are timed
        imported = time.perf_counter() - began
        worker = load_object(sys.argv[1])(peer)
        answer({"import_s": imported})
        for line in sys.stdin:
            message = json.loads(line)
            answer(getattr(worker, message.pop("do"))(**message))
    except Exception as error:  # of any type: the parent reports it to the user
        answer({"error": " ".join(f"{type(error).__name__}: {error}".split())[:300]})


if __name__ == "__main__":
    main()
