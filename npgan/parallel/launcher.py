"""The launcher of several processes, such as mpirun: recognised by the variables that it sets."""

from __future__ import annotations

import os
from typing import Any, NamedTuple

# Rank and number of processes, as Open MPI's, MPICH's and Intel MPI's, and Slurm's launchers say.
VARIABLES = (
    ("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"),
    ("PMI_RANK", "PMI_SIZE"),
    ("SLURM_PROCID", "SLURM_STEP_NUM_TASKS"),
)


class Launched(NamedTuple):
    """What a launcher says of this process."""

    rank: int
    size: int


def launched() -> Launched | None:
    """This process as one of several, or None if no launcher has started more than one."""
    for names in VARIABLES:
        texts = [os.environ.get(name, "") for name in names]
        if all(map(str.isdecimal, texts)):
            rank, size = map(int, texts)
            return Launched(rank, size) if size > 1 else None
    return None


def connect(size: int) -> Any:
    """MPI's communicator of the processes that the launcher has started.

    Raises RuntimeError, in one line, if there is no mpi4py, or if its MPI is not the launcher's.
    """
    try:
        from mpi4py import MPI
    except (ImportError, RuntimeError) as error:  # RuntimeError: it finds no MPI
        reason = str(error).partition("\n")[0]
        raise RuntimeError(
            f"{size} processes were started to train one GAN, which needs mpi4py and its MPI "
            f'({reason}); pip install "npgan[mpi]"'
        ) from None
    found = MPI.COMM_WORLD.size
    if found != size:
        library = MPI.Get_library_version().splitlines()[0].strip()[:60]
        raise RuntimeError(
            f"the launcher has started {size} processes, but mpi4py finds {found}: it was built "
            f"for another MPI ({library}); start them with the mpirun of that MPI"
        )
    return MPI.COMM_WORLD
