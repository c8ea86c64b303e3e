"""Real MPI for the tests: mpiexec of the package mpich. Where it is missing they are skipped, but in CI they fail."""

import importlib.util
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from browsers import missing
from children import Done
from suite import clean_environment

LIMIT = 240  # seconds; a run that takes longer hangs
WORKER = Path(__file__).with_name("rank_worker.py")
LAUNCHERS = ("OMPI_", "PMI_", "PMIX_", "MPI_", "HYDRA_", "SLURM_")  # their variables begin so


def environment(**changes):
    """That of a child which no launcher has started; one thread, NumPy's kernels."""
    changes = {"NPGAN_KERNELS": "reference", "OMP_NUM_THREADS": "1", **changes}
    found = clean_environment(OPENBLAS_NUM_THREADS="1", **changes)
    return {name: value for name, value in found.items() if not name.startswith(LAUNCHERS)}


def find_mpiexec():
    """The launcher next to this Python, or on the path."""
    if importlib.util.find_spec("mpi4py") is None:
        missing("mpi4py is not installed: pip install mpi4py mpich")
    beside = shutil.which("mpiexec", path=Path(sys.executable).parent)
    found = beside or shutil.which("mpiexec")
    if found is None:
        missing("there is no mpiexec: pip install mpich")
    return found


class Launch:
    """Starts of `python rank_worker.py ARGV`, by mpiexec or alone; no process may be left."""

    def __init__(self, folder):
        self.mpiexec, self.folder = find_mpiexec(), folder

    def start(self, ranks, *argv, **env):
        """ranks: how many processes; 0: one without mpiexec."""
        launcher = [self.mpiexec, "-launcher", "fork", "-n", str(ranks)] if ranks else []
        return subprocess.Popen(
            [*launcher, sys.executable, str(WORKER), *map(str, argv)],
            env=environment(RANKS_OF_TEST=str(self.folder), **env),
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def finish(self, process, limit=LIMIT):
        """Wait for the end; a run that hangs or leaves a process fails the test."""
        try:
            out, err = process.communicate(timeout=limit)
        except subprocess.TimeoutExpired:
            self.kill()
            process.kill()
            out, err = process.communicate()
            pytest.fail(f"{process.args} did not end in {limit} s; it printed:\n{out}\n{err}")
        deadline = time.monotonic() + 10
        while left := self.processes():
            if time.monotonic() > deadline:
                self.kill()
                pytest.fail(f"processes are left: {left}; {process.args} printed:\n{err}")
            time.sleep(0.05)
        return Done(process.returncode, out, err)

    def run(self, ranks, *argv, **env):
        """`start` and `finish`."""
        return self.finish(self.start(ranks, *argv, **env))

    def processes(self):
        """The processes of this test, by the variable that they inherit."""
        mark = f"RANKS_OF_TEST={self.folder}".encode()
        found = []
        for file in Path("/proc").glob("[0-9]*/environ"):
            try:
                if mark in file.read_bytes().split(b"\0"):
                    found.append(int(file.parent.name))
            except OSError:  # it has ended, or is another user's
                continue
        return found

    def kill(self):
        """End what is left."""
        for number in self.processes():
            try:
                os.kill(number, 9)
            except OSError:
                continue


@pytest.fixture
def launch(tmp_path):
    return Launch(tmp_path)
