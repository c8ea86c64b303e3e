"""The two sets of kernels, and the choice between them.

A kernel is a bare computation on arrays, without a derivative. `reference` has them in NumPy, and
`compiled` has the same ones compiled by Numba. The set is chosen at the first call of any kernel:
by `use_kernels(name)`, else by the environment variable NPGAN_KERNELS, else compiled where that
works.
"""

import functools
import logging
import operator
import os
import sys
import threading
import warnings
from types import FunctionType, ModuleType
from typing import Any, Literal

log = logging.getLogger("npgan")  # if the user added no handler, a warning is one line on stderr

NAMES = (
    "gemm", "affine", "affine_leaky", "gemm_gate", "weight_gradients", "column_sum",
    "leaky_relu", "leaky_gate", "tanh", "tanh_gate", "sigmoid", "sigmoid_gate", "softplus",
    "bce_with_logits", "bce_with_gradient", "mean_sigmoid", "sgd", "adam", "ema_update",
)  # fmt: skip
active: Literal["compiled", "reference"] | None = None
lists_of_jobs: Any = None  # the class JobList of these kernels; None where they have no jobs
# For these kernels a job stands, as long as nobody replaces them.
IN_JOBS = ("gemm", "affine", "affine_leaky", "gemm_gate", "weight_gradients", "tanh", "tanh_gate")
of_the_set: dict[str, Any] = {}  # the kernels of the set in use, also where one was replaced
threads: int | None = None  # the argument of set_threads; None: one per core
choosing = threading.RLock()  # held by the thread that chooses a set


def use_kernels(
    name: Literal["auto", "compiled", "reference"] = "auto",
) -> Literal["compiled", "reference"]:
    """Choose the kernels that all computations of npgan call from now on.

    Parameters
    ----------
    name : {"auto", "compiled", "reference"}, default "auto"
        "compiled" are the kernels that Numba compiles, "reference" are the slower ones in NumPy.
        "auto" takes the compiled kernels where they work, and otherwise logs one line of warning
        and takes the reference kernels.

    Returns
    -------
    str
        The kernels that are now in use, "compiled" or "reference".

    Raises
    ------
    ValueError
        If there are no kernels with this name.
    RuntimeError
        If `name` is "compiled", and Numba is missing, switched off, or cannot compile.

    Notes
    -----
    Where this function is not called, the environment variable NPGAN_KERNELS chooses, by one of the
    same names. The first call of the compiled kernels on a computer compiles them, which takes
    several seconds; the result is kept on disk. Kernels that the default training does not use,
    such as `sgd`, are compiled when they are first called.

    The results of the two sets differ by rounding errors.

    Examples
    --------
    >>> import npgan
    >>> npgan.use_kernels("reference")
    'reference'
    """
    if name not in ("auto", "compiled", "reference"):
        raise ValueError(f'kernels are "auto", "compiled" or "reference", got {name!r}')
    with choosing:
        return take_kernels(name)


def set_threads(n: int | None) -> None:
    """Set how many threads the compiled kernels use.

    Parameters
    ----------
    n : int or None
        The number of threads, 1 or more, the calling thread among them. None, which is the setting
        at the start, stands for one thread per physical core that this process may use. A number
        above four per core of the computer, and above 64, is lowered to that with a warning.

    Raises
    ------
    ValueError
        If `n` is not a whole number of 1 or more, and not None.

    Notes
    -----
    The results have the same bits for every number of threads.

    The reference kernels call NumPy's BLAS, which has its own setting: the environment variable
    OPENBLAS_NUM_THREADS, read when NumPy is imported.

    Examples
    --------
    >>> import npgan
    >>> npgan.set_threads(2)
    >>> npgan.set_threads(None)
    """
    global threads
    if n is not None and (isinstance(n, bool) or not isinstance(n, int) or n < 1):
        raise ValueError(f"set_threads() needs a whole number of 1 or more, or None; got {n!r}")
    most = max(64, 4 * (os.cpu_count() or 1))
    if n is not None and n > most:
        number = n if n < 10**9 else "billions of"  # which could have any number of digits
        log.warning("npgan: warning: %s threads are too many here; using %d", number, most)
        n = most
    threads = n
    if active == "compiled":
        from . import compiled

        compiled.set_threads(n)


def thread_count() -> int:
    """How many threads the kernels in use run on."""
    if active == "compiled":
        from . import compiled

        return compiled.thread_count()
    wanted = os.environ.get("OPENBLAS_NUM_THREADS", "")
    if wanted.isdecimal() and int(wanted) > 0:
        return int(wanted)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def job_list(names: tuple[str, ...] = IN_JOBS) -> Any:
    """The class JobList; None where the kernels in use have no jobs, or one of these was replaced.

    names: kernels that jobs stand for.
    """
    return lists_of_jobs if as_chosen(names) else None


def as_chosen(names: tuple[str, ...]) -> bool:
    """Whether nobody has replaced one of these kernels by another function."""
    if active is None:
        choose()
    values = values_of(names)
    return all(map(operator.is_, values(globals()), values(of_the_set)))


values_of = functools.cache(lambda names: operator.itemgetter(*names))  # {name: value} -> values


def take_kernels(
    name: Literal["auto", "compiled", "reference"],
) -> Literal["compiled", "reference"]:
    """Make the kernels of a set attributes of this module; for "auto", of the one that works."""
    global active, lists_of_jobs
    chosen: Literal["compiled", "reference"] = "reference"
    if name != "reference":
        try:
            chosen_set = compiled_kernels()
            chosen = "compiled"
        except Exception as error:  # a broken Numba fails in many ways; the reason is passed on
            reason = f"the compiled kernels do not work here ({first_line(error)})"
            if name == "compiled":
                raise RuntimeError(reason) from error
            log.warning("npgan: warning: %s; using NumPy's, which are slower", reason)
    if chosen == "reference":
        from . import reference as chosen_set
    elif threads is not None:
        chosen_set.set_threads(threads)
    of_the_set.update({kernel: getattr(chosen_set, kernel) for kernel in NAMES})
    globals().update(of_the_set)
    active, lists_of_jobs = chosen, getattr(chosen_set, "JobList", None)
    return chosen


def compiled_kernels() -> ModuleType:
    """The compiled set, tried out once so that a failure shows here and not during a run."""
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        import numba
    for one in found:
        if one.category is RuntimeWarning:  # of an environment variable, with a traceback below it
            log.warning("npgan: warning: Numba: %s", str(one.message).partition("\n")[0])
    if numba.config.DISABLE_JIT:  # type: ignore[attr-defined]
        raise RuntimeError("NUMBA_DISABLE_JIT is set")
    from . import compiled

    compiled.try_out()
    return compiled


def first_line(error: BaseException) -> str:
    """The type of an error and the first line of its message."""
    text = str(error).strip()
    return f"{type(error).__name__}: {text.splitlines()[0]}" if text else type(error).__name__


def choose() -> None:
    """Take the kernels that NPGAN_KERNELS names; where they do not work, a warning and NumPy's."""
    wanted = os.environ.get("NPGAN_KERNELS", "auto") or "auto"
    if wanted not in ("auto", "compiled", "reference"):
        log.warning(
            "npgan: warning: NPGAN_KERNELS=%s ignored; it may be auto, compiled or reference",
            wanted,
        )
    use_kernels("reference" if wanted == "reference" else "auto")


def __getattr__(name: str) -> FunctionType:
    """A kernel, before a set is chosen; afterwards the kernels are attributes of this module."""
    if name not in NAMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    with choosing:
        if active is None:  # no other thread has chosen meanwhile
            choose()
    return globals()[name]


held: list[Any] = []  # the locks that a fork holds


def before_fork() -> None:
    """Wait until no other thread chooses or compiles kernels.

    A forked child has only the thread that forked, so a lock that another thread held would never
    be released in it. This concerns the lock of Numba's compiler, and the one that Python holds
    for each module that is being imported.
    """
    choosing.acquire()
    held.append(choosing)
    lock = getattr(sys.modules.get("numba.core.compiler_lock"), "global_compiler_lock", None)
    if lock is not None:
        lock.acquire()
        held.append(lock)


def after_fork() -> None:
    """In the parent and in the child: release what before_fork() acquired."""
    while held:
        held.pop().release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=before_fork, after_in_parent=after_fork, after_in_child=after_fork)
