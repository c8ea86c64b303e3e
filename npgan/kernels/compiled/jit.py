"""The decorator `jit`, with which every function of this package is compiled."""

import logging

import numba
from numba.core import event

from .cache import KernelCache

log = logging.getLogger("npgan")


class FirstCompilationNotice(event.Listener):
    """Logs one line when the first function of this package is compiled in this process.

    Compiling takes seconds; without the line the program would seem to hang. A function that is
    loaded from the cache is not compiled.
    """

    given = False

    def on_start(self, event):
        module = event.data["dispatcher"].py_func.__module__
        if not self.given and module.startswith(f"{__package__}."):
            self.given = True
            log.warning("npgan: compiling the kernels for this CPU (kept for the next start)")

    def on_end(self, event):
        pass


event.register("numba:compile", FirstCompilationNotice())


def jit(function):
    """Compile a function at its first call, once per dtype, and keep the result on disk.

    The compiled function holds no lock of Python's (nogil), and divides by zero as NumPy does.
    """
    dispatcher = numba.njit(error_model="numpy", nogil=True)(function)
    dispatcher._cache = KernelCache.of(function)
    return dispatcher
