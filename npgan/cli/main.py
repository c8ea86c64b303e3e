"""`main`: read the arguments, call the command, print its result, return the exit code.

Exit codes: 0 done, 1 failed with one line on stderr, 2 wrong usage, 130 after Ctrl-C. The module of
a command imports NumPy and is imported after the threads are set; `--help` imports none of them.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
from collections.abc import Callable, Sequence
from typing import Any

from .. import kernels
from .arguments import make_parser
from .output import CommandError, as_table, describe, print_message, print_result

MODULES = {  # command: the module with the function of this name
    "train": "train",
    "sample": "commands",
    "evaluate": "evaluate",
    "noise": "commands",
    "gradcheck": "commands",
    "bench": "commands",
    "info": "commands",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Parameters
    ----------
    argv : sequence of str, optional
        The arguments; by default those of the process.

    Returns
    -------
    int
        The exit code. Wrong arguments raise SystemExit with code 2, as argparse does.
    """
    args = make_parser().parse_args(argv)
    if args.threads:
        set_threads(args.threads)
    try:
        results = command_function(args.command)(args)
        if args.json:
            print_result(json.dumps(results))
        else:
            print_result(results if isinstance(results, str) else as_table(results))
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        return 1
    except (CommandError, ValueError, OSError, RuntimeError, MemoryError) as error:
        if os.environ.get("NPGAN_TRACEBACK"):
            raise
        print_message(f"npgan {args.command}: {describe(error)}")
        return error.code if isinstance(error, CommandError) else 1
    return 0


def command_function(command: str) -> Callable[[argparse.Namespace], dict[str, Any] | str]:
    """The function of a command, which takes the parsed arguments and returns results."""
    module = importlib.import_module(f"{__package__}.{MODULES[command]}")
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
