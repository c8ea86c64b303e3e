"""Which set of kernels the primitives call, and how to switch.

`reference` is NumPy, `compiled` is Numba. The set is chosen at the first call of any kernel: by
`use_kernels(name)`, else by the environment variable NPGAN_KERNELS, else compiled where it works.
"""

import logging
import os
from types import ModuleType

log = logging.getLogger("npgan")  # without a handler of the user's, a warning is one line on stderr

NAMES = (
    "gemm", "affine", "affine_leaky", "gemm_gate", "weight_gradients", "column_sum",
    "leaky_relu", "leaky_gate", "tanh", "tanh_gate", "sigmoid", "sigmoid_gate", "softplus",
    "bce_with_logits", "sgd", "adam", "ema_update",
)  # fmt: skip
active: str | None = None
threads: int | None = None  # what set_threads asked for; None: one per core


def use_kernels(name: str = "auto") -> str:
    """Switch to the kernels "reference", "compiled", or "auto": compiled where it works.

    Returns the name of the set now in use. "auto" falls back to reference with one line of warning;
    "compiled" raises RuntimeError where Numba is missing, switched off, or cannot compile.
    """
    global active
    if name not in ("auto", "compiled", "reference"):
        raise ValueError(f'kernels are "auto", "compiled" or "reference", got {name!r}')
    chosen = "reference"
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
    globals().update({kernel: getattr(chosen_set, kernel) for kernel in NAMES})
    active = chosen
    return chosen


def set_threads(n: int | None) -> None:
    """Let the compiled kernels use n threads; None, the default: one per physical core.

    The results have the same bits for any n. NumPy's BLAS, which the reference kernels call, has its own
    setting: the environment variable OPENBLAS_NUM_THREADS, read when NumPy is imported.
    """
    global threads
    if n is not None and (not isinstance(n, int) or n < 1):
        raise ValueError(f"set_threads() needs a whole number of 1 or more, or None; got {n!r}")
    threads = n
    if active == "compiled":
        from . import compiled

        compiled.set_threads(n)


def thread_count() -> int:
    """How many threads the kernels in use run on."""
    if active == "compiled":
        from . import compiled

        return compiled.team.threads
    wanted = os.environ.get("OPENBLAS_NUM_THREADS", "")
    return int(wanted) if wanted.isdecimal() else os.cpu_count() or 1


def compiled_kernels() -> ModuleType:
    """The compiled set, tried out once so that a failure shows here and not in the tenth epoch."""
    import numba

    if numba.config.DISABLE_JIT:  # type: ignore[attr-defined]
        raise RuntimeError("NUMBA_DISABLE_JIT is set")
    from . import compiled

    compiled.try_out()
    return compiled


def first_line(error: BaseException) -> str:
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
        wanted = "auto"
    use_kernels("auto" if wanted == "compiled" else wanted)


def __getattr__(name: str):
    """Runs only while no set is chosen (afterwards the kernels are plain attributes of this module)."""
    if name not in NAMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    choose()
    return globals()[name]
