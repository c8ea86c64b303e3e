"""A peer in a process of its own: no peer sees another's threads, memory or settings.

    python -m npgan.bench.child WORKER PEER

A worker is a class, a peer whatever it works with; both are named MODULE:NAME. The parent writes one JSON
object per line, {"do": method, ...arguments}, and reads one back. What a library prints goes to stderr.
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
from pathlib import Path
from typing import IO, Any

# What hurries or slows a library from outside. It is removed, so that each runs as it does by itself.
SETTINGS = (
    "BLIS_", "GOMP_", "GOTO_", "JAX_", "KERAS_", "KMP_", "MKL_", "NPGAN_", "NUMBA_", "OMP_", "OPENBLAS_",
    "TF_", "TORCH", "VECLIB_", "XLA_",
)  # fmt: skip
ROOT = Path(__file__).parents[2]


class ChildError(RuntimeError):
    """What went wrong in the other process, in one line."""


def environment(threads: int, caches: Path, more: dict[str, str]) -> dict[str, str]:
    """The user's, without SETTINGS: `threads` threads, caches of compiled code in a folder of our own."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(SETTINGS)}
    for library in ("OMP", "OPENBLAS", "MKL", "VECLIB"):
        clean[f"{library}_NUM_THREADS"] = str(threads)
    for name in ("NUMBA_CACHE_DIR", "TORCHINDUCTOR_CACHE_DIR", "XDG_CACHE_HOME"):
        clean[name] = str(caches)
    paths = [str(ROOT), clean.get("PYTHONPATH", "")]
    return {**clean, "PYTHONPATH": os.pathsep.join(filter(None, paths)), **more}


class Child:
    """The parent's end. Raises ChildError where the other process fails, or dies.

    Between two questions the process is stopped: threads that wait in a loop would slow the others down.
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
        if threads == 1 and hasattr(
            os, "sched_setaffinity"
        ):  # XLA has no other way to be held to one thread
            os.sched_setaffinity(self.process.pid, {max(os.sched_getaffinity(0))})
        try:
            self.started = self.read()
        except BaseException:
            self.close()
            raise

    def ask(self, do: str, **arguments: Any) -> dict[str, Any]:
        self.let("SIGCONT")
        try:
            self.process.stdin.write(json.dumps({"do": do, **arguments}) + "\n")  # type: ignore[union-attr]
            self.process.stdin.flush()  # type: ignore[union-attr]
        except BrokenPipeError:
            pass  # it has died, and read() says why
        return self.read()

    def read(self) -> dict[str, Any]:
        line = self.process.stdout.readline()  # type: ignore[union-attr]
        if not line:
            code = self.process.wait()
            self.errors.seek(0)
            said = [text.strip() for text in self.errors if text.strip()]
            raise ChildError(said[-1] if said else f"its process ended with code {code}")
        self.let("SIGSTOP")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise ChildError(answer["error"])
        return answer

    def let(self, what: str) -> None:
        if hasattr(signal, what):  # not on Windows
            self.process.send_signal(getattr(signal, what))

    def close(self) -> None:
        """End the process; for good, where it does not end by itself."""
        self.let("SIGCONT")
        try:
            self.process.communicate(timeout=5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.communicate()
        self.errors.close()


def peak_memory() -> float | None:
    """MB that this process has held at most, or None where the system does not tell."""
    try:  # not getrusage: there a child begins with its parent's peak
        status = Path("/proc/self/status").read_text()
        return int(status.partition("VmHWM:")[2].split()[0]) / 1024
    except (OSError, IndexError):
        pass
    if sys.platform != "darwin":
        return None
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def named(name: str) -> Any:
    module, _, attribute = name.partition(":")
    return getattr(importlib.import_module(module), attribute)


def main() -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    def answer(found: dict[str, Any]) -> None:
        print(json.dumps(found), file=answers, flush=True)

    try:
        began = time.perf_counter()
        peer = named(sys.argv[2])  # before the worker, so that a peer pays for all that it needs
        imported = time.perf_counter() - began
        worker = named(sys.argv[1])(peer)
        answer({"import_s": imported})
        for line in sys.stdin:
            message = json.loads(line)
            answer(getattr(worker, message.pop("do"))(**message))
    except Exception as error:  # whatever it is, the parent tells the user
        answer({"error": " ".join(f"{type(error).__name__}: {error}".split())[:300]})


if __name__ == "__main__":
    main()
