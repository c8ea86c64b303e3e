"""`main`: the command line, from its arguments to its exit code.

Exit codes: 0 done, 1 failed with one line on stderr, 2 wrong usage; after a signal 128 and its
number: 130 after Ctrl-C, 143 after SIGTERM, 129 after SIGHUP,
138 after SIGUSR1.
"""

from __future__ import annotations

from collections.abc import Sequence


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
    try:
        # The imports are here, so that Ctrl-C during them costs no traceback, and it only sets a
        # flag: Python would print what is raised in a callback of its import lock, and go on.
        from ..training.signals import interruptible

        with interruptible() as interrupted:
            from .run import run
        return 130 if interrupted() else run(argv)
    except KeyboardInterrupt:
        return 130
