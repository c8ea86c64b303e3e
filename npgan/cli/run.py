"""`run`: read the arguments, call the command, print its result, return the exit code.

The module of a command imports NumPy and is imported after the threads are set; `--help` imports
none of them.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
from collections.abc import Callable, Sequence
from typing import Any

from .. import kernels
from ..parallel.launcher import Launched, connect, launched
from ..parallel.processes import Alone, OtherRankError, Processes, mute
from ..training.signals import ending_signals, interruptible
from .arguments import make_parser
from .output import (
    CommandError,
    UsageError,
    as_table,
    describe,
    discard_unwritten,
    open_closed_streams,
    print_error,
    print_result,
    warnings_as_messages,
)

MODULES = {  # command: the module with the function of this name
    "train": "train",
    "sweep": "sweep",
    "sample": "commands",
    "evaluate": "evaluate",
    "export": "export",
    "noise": "commands",
    "gradcheck": "commands",
    "bench": "commands",
    "exercises": "exercises",
    "examples": "examples",
    "study": "study",
    "info": "commands",
}


def run(argv: Sequence[str] | None = None) -> int:
    """Run one command, as `main` describes."""
    open_closed_streams()
    try:
        return run_alone_or_with_others(argv)
    finally:
        discard_unwritten()


def run_alone_or_with_others(argv: Sequence[str] | None) -> int:
    """`run`, as one process or as one of several that a launcher has started."""
    started = launched()
    if started is not None and started.rank:
        mute()  # the first process alone talks
    args = make_parser().parse_args(argv)
    args.processes = Alone()
    if started is not None:
        try:
            args.processes = join_processes(args.command, started)
        except (CommandError, RuntimeError) as error:
            print_error(f"npgan {args.command}: {describe(error)}")
            return error.code if isinstance(error, CommandError) else 1
    threads = args.threads or args.processes.fair_threads()
    if threads:
        set_threads(threads)
    with ending_signals() as ending, warnings_as_messages(args.command):
        try:
            code = run_command(args)
        except KeyboardInterrupt:
            code = 128 + ending.number
    args.processes.close()
    return code


def join_processes(command: str, started: Launched) -> Processes:
    """The processes that a launcher such as mpirun has started to train one GAN.

    Raises UsageError for a command that several processes cannot share, and RuntimeError if MPI
    does not work here.
    """
    if command != "train":
        raise UsageError(
            f"the launcher has started {started.size} processes, which can share npgan train "
            f"alone; start npgan {command} without mpirun"
        )
    return Processes(connect(started.size))


def run_command(args: argparse.Namespace) -> int:
    """Call the command, print its result or its error, and return the exit code."""
    try:
        with args.processes.aborting():
            results = command_function(args.command)(args)
        if args.json:
            print_result(json.dumps(results))
        else:
            print_result(results if isinstance(results, str) else as_table(results))
    except BrokenPipeError:
        return 1
    except (CommandError, ValueError, OSError, RuntimeError, MemoryError) as error:
        if os.environ.get("NPGAN_TRACEBACK"):
            raise
        print_error(f"npgan {args.command}: {describe(error)}")
        return error.code if isinstance(error, (CommandError, OtherRankError)) else 1
    return 0


def command_function(command: str) -> Callable[[argparse.Namespace], dict[str, Any] | str]:
    """The function of a command, which takes the parsed arguments and returns results."""
    with interruptible() as interrupted:  # an import that is left half done may hide Ctrl-C
        module = importlib.import_module(f"{__package__}.{MODULES[command]}")
    if interrupted():
        raise KeyboardInterrupt
    function: Callable[[argparse.Namespace], dict[str, Any] | str] = getattr(module, command)
    return function


def set_threads(n: int) -> None:
    """Set the threads of the kernels, and of NumPy's BLAS, which reads them at NumPy's import."""
    for variable in (
        "OMP_NUM_THREADS",
        "OPENBLAS_NUM_THREADS",
        "MKL_NUM_THREADS",
        "VECLIB_MAXIMUM_THREADS",
    ):
        os.environ[variable] = str(n)
    kernels.set_threads(n)
