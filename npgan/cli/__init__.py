"""The command line: `npgan COMMAND`."""

from .main import main

__all__ = ["main"]
