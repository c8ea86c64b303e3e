"""The decorators with which the functions of this package are compiled."""

import logging
from typing import Any

import numba
from numba.core import event, types
from numba.core.errors import NumbaTypeError

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


# No entry points for programs in C, which nothing here uses.
OPTIONS: dict[str, Any] = {"error_model": "numpy", "nogil": True, "no_cfunc_wrapper": True}


def jit(function, **more):
    """Compile a function at its first call, once per dtype, and keep the result on disk.

    The compiled function holds no lock of Python's (nogil), and divides by zero as NumPy does.
    `more` are options of numba.njit.
    """
    dispatcher = numba.njit(**OPTIONS, **more)(function)
    if dispatcher is function:  # NUMBA_DISABLE_JIT is set
        return function
    dispatcher._cache = KernelCache.of(function)
    # By itself Numba compiles a version for each constant that compiled code gives as an argument.
    template = dispatcher.get_call_template
    dispatcher.get_call_template = lambda args, kws: template(
        [types.unliteral(arg) for arg in args], kws
    )
    return dispatcher


def inner(function):
    """As `jit`, for what only compiled code calls: a call from Python would end the process.

    To compile no entry point for Python saves time.
    """
    return jit(function, no_cpython_wrapper=True)


def inlined(function):
    """As `inner`, for a large function with one caller: it is compiled as a part of it, once.

    What `jit` decorates is compiled alone, and again in each function that calls it.
    """
    return numba.njit(**OPTIONS, inline="always")(function)


def jit_where(fits):
    """As `jit`, for arguments for which `fits(*arguments)` is true.

    For others the function raises NumbaTypeError, as Numba does for objects that it does not know.

    At each call Numba looks at the types of the arguments, which say of an array its dtype, its
    dimensions, whether it is contiguous, and whether it is writable. Where it has a version for
    them, they fit: so `fits` is asked only where it has none, and a call of a small function need
    not check them.
    """

    def decorate(function):
        dispatcher = jit(function)
        if dispatcher is function:  # NUMBA_DISABLE_JIT is set
            return function
        compile_for = dispatcher._compile_for_args

        def compile_where_fit(*args):
            if not fits(*args):
                raise NumbaTypeError("these arguments do not fit")
            return compile_for(*args)

        dispatcher._compile_for_args = compile_where_fit
        return dispatcher

    return decorate
