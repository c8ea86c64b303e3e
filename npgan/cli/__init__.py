"""The command line: `npgan COMMAND`."""

from .commands import main

__all__ = ["main"]
