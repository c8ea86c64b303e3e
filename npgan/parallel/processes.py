"""What the processes of one training run tell each other, but for the gradients.

`Alone` is one process, `Processes` is one of several that mpirun has started, a *rank*. Whatever
may fail on one rank is done by `together` or `lead`: if it fails, all ranks end. Any other error
would leave the others waiting for ever, so `aborting` ends them. Importing this module does not
import NumPy, nor mpi4py.
"""

from __future__ import annotations

import os
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

from ..kernels.cores import available_cores, usable_cpus

T = TypeVar("T")
PAUSE = 0.002  # seconds between two looks whether the others have come


class OtherRankError(RuntimeError):
    """Raised where another rank has failed: the message names it and its error.

    `code` is the exit code of a command.
    """

    code = 1


class Alone:
    """A single process: it has nobody to talk to."""

    rank, size = 0, 1
    first = True  # whether it writes files and shows progress

    def together(self, action: Callable[[], T]) -> T:
        """What the action returns here. If it fails on any rank, all ranks raise."""
        return action()

    def lead(self, action: Callable[[], T]) -> T:
        """What the action returns on the first rank, which alone calls it."""
        return action()

    def compare(self, what: Callable[[], Mapping[str, object]]) -> None:
        """Raise ValueError on all ranks if one has other values than the first."""

    def listen(self, pressed: Callable[[], bool]) -> Callable[[], bool]:
        """A function that says, the same on every rank, whether to stop; pressed: for this one."""
        return pressed

    @contextmanager
    def aborting(self, *expected: type[BaseException]) -> Iterator[None]:
        """End all ranks after an error here, but for `expected` ones, which all ranks raise."""
        yield

    def fair_threads(self) -> int | None:
        """How many threads this rank may use; None: as many as a single process uses."""
        return None

    def close(self) -> None:
        """Wait until all ranks are here."""


class Processes(Alone):
    """One of the processes of an MPI communicator (of mpi4py)."""

    def __init__(self, comm: Any) -> None:
        from mpi4py import MPI

        self.comm = comm.Dup()  # so that no message of its owner is mistaken for one of ours
        self.rank, self.size = self.comm.rank, self.comm.size
        self.first = self.rank == 0
        # Whether all ranks know of the error that this one raises, and errors that all raise.
        self.agreed = False
        self.expected: tuple[type[BaseException], ...] = (OtherRankError,)
        # Whether this rank wants to stop, and whether one did when they last told each other.
        self.pressed: Callable[[], bool] = lambda: False
        self.stop = False
        self.in_place = MPI.IN_PLACE
        self.machine = self.comm.Split_type(MPI.COMM_TYPE_SHARED)
        self.hosts: list[str] = self.comm.allgather(MPI.Get_processor_name())
        self.machines = len(set(self.comm.allgather(self.machine.bcast(self.rank))))

    def together(self, action: Callable[[], T]) -> T:
        error: BaseException | None = None
        try:
            answer = action()
        except BaseException as raised:  # told to the others, and raised again
            error = raised
        self.wait()
        words = None if error is None else f"{type(error).__name__}: {error}"
        code = getattr(error, "code", 1)
        found = self.comm.allgather((words, code, self.pressed()))
        self.stop = self.stop or any(pressed for _, _, pressed in found)
        failed = [rank for rank, (text, _, _) in enumerate(found) if text is not None]
        if not failed:
            return answer
        self.agreed = True
        if error is not None and self.rank == failed[0]:
            raise error
        text, code, _ = found[failed[0]]
        other = OtherRankError(f"rank {failed[0]} on {self.hosts[failed[0]]}: {text}")
        other.code = code if isinstance(code, int) else 1
        raise other from None

    def lead(self, action: Callable[[], T]) -> T:
        answer = self.together(action if self.first else lambda: None)
        shared: T = self.comm.bcast(answer)
        return shared

    def compare(self, what: Callable[[], Mapping[str, object]]) -> None:
        mine = self.together(what)
        first = self.comm.bcast(mine)
        others = self.comm.allgather([name for name in first if mine[name] != first[name]])

        def check() -> None:
            for rank, names in enumerate(others):
                if names:
                    raise ValueError(
                        f"rank {rank} on {self.hosts[rank]} has another {names[0]} than rank 0 on "
                        f"{self.hosts[0]} ({first[names[0]]}); all ranks need the same"
                    )

        self.together(check)

    def listen(self, pressed: Callable[[], bool]) -> Callable[[], bool]:
        before = self.pressed
        self.pressed = lambda: before() or pressed()
        return lambda: self.stop

    def wait(self) -> None:
        """Wait for all ranks, without using a core meanwhile."""
        wait(self.comm)

    @contextmanager
    def aborting(self, *expected: type[BaseException]) -> Iterator[None]:
        self.expected = (OtherRankError, *expected)
        try:
            yield
        except BaseException as error:
            if not self.known(error):
                self.abort(error)
            self.agreed = True
            raise

    def known(self, error: BaseException) -> bool:
        """Whether all ranks raise an error, each its own."""
        return self.agreed or isinstance(error, self.expected)

    def abort(self, error: BaseException) -> None:
        """Print the error with this rank and its host, and end all ranks at once."""
        where = f"rank {self.rank} of {self.size} on {self.hosts[self.rank]}"
        if isinstance(error, KeyboardInterrupt):
            text, code = f"npgan: {where} was interrupted; all ranks end\n", 130
        else:
            text, code = f"npgan: {where} failed; all ranks end\n", 1
            text += "".join(traceback.format_exception(error))
        stream = sys.__stderr__
        if stream is not None:
            stream.write(text)
            stream.flush()
        self.comm.Abort(code)

    def close(self) -> None:
        self.wait()
        self.machine.Free()
        self.comm.Free()

    # ---- the machines ----

    def fair_threads(self) -> int:
        """Its cores, divided by the ranks that share them."""
        mine = usable_cpus()
        sharing = sum(bool(mine & cpus) for cpus in self.machine.allgather(mine))
        return max(1, available_cores() // sharing)

    def first_here_first(self, action: Callable[[], object]) -> None:
        """Do something on every rank, on the first one of each machine before the others."""

        def act() -> None:
            try:
                if self.machine.rank == 0:
                    action()
            finally:
                wait(self.machine)
            if self.machine.rank:
                action()

        self.together(act)

    def describe(self, threads: int) -> str:
        """The ranks in words, such as "4 ranks on 2 machines, 2 threads each"."""
        counts = sorted(set(self.comm.allgather(threads)))
        where = "1 machine" if self.machines == 1 else f"{self.machines} machines"
        number = " to ".join(str(n) for n in dict.fromkeys((counts[0], counts[-1])))
        plural = "" if counts == [1] else "s"
        return f"{self.size} ranks on {where}, {number} thread{plural} each"


def wait(comm: Any) -> None:
    """Wait until all ranks of a communicator are here, without using a core meanwhile."""
    request = comm.Ibarrier()
    while not request.Test():
        time.sleep(PAUSE)


def mute() -> None:
    """Show nothing of this process from now on, except by `Processes.abort`."""
    sys.stdout = sys.stderr = open(os.devnull, "w")  # noqa: SIM115
