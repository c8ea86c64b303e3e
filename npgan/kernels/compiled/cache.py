"""Numba's cache of compiled functions on disk, with three changes.

* *Errors.* In Numba an unwritable folder, a full disk or a damaged cache file raises an exception
  at the first call (numba issues 4908 and 10434). Here each of them costs one warning per process,
  and the function is compiled again.
* *Stale entries.* Numba compiles a function again when the file that contains it has changed. But
  the machine code of a function also contains the functions that it calls and the constants that
  it reads, and these may stand in other files. Here a change of any file of npgan.kernels makes
  every entry stale.
* *Folder.* Numba prefers a folder next to the source file. Here that folder is the last choice.
"""

import hashlib
import logging
from pathlib import Path

from numba.core.caching import CompileResultCacheImpl, FunctionCache, NullCache

log = logging.getLogger("npgan")
warned = False


def warn(error):
    """Log why the cache does not work, once per process."""
    global warned
    if not warned:
        warned = True
        log.warning(
            "npgan: warning: the cache of compiled kernels does not work (%s: %s); every start "
            "will compile anew. NUMBA_CACHE_DIR can name another folder.",
            type(error).__name__,
            str(error).partition("\n")[0],
        )


def hash_of_sources(folder):
    """A hash of the names and bytes of all Python files in a folder; None where there are none."""
    files = sorted(folder.rglob("*.py"))
    digest = hashlib.sha256()
    for file in files:
        content = file.read_bytes()
        digest.update(f"{file.relative_to(folder).as_posix()} {len(content)}\n".encode())
        digest.update(content)
    return digest.hexdigest() if files else None


# None in a zip archive or an installation without sources: then Numba's own stamp is used.
STAMP = hash_of_sources(Path(__file__).parents[1])


class KernelCacheImpl(CompileResultCacheImpl):
    """Where the cache of one function lies, and the stamp that tells whether its entries are stale.

    The folder next to the sources is the last choice because pip, when it uninstalls, leaves
    behind the files that it did not install. A folder `npgan` that is left among the installed
    packages then hides an editable install from every program that does not start in the clone.
    """

    _locator_classes = sorted(
        CompileResultCacheImpl._locator_classes, key=lambda locator: "InTree" in locator.__name__
    )

    def __init__(self, py_func):
        super().__init__(py_func)
        if STAMP is not None:
            self.locator.get_source_stamp = lambda: STAMP


class KernelCache(FunctionCache):
    """The cache of one function: an error in it costs one warning and a compilation."""

    _impl_class = KernelCacheImpl

    @classmethod
    def of(cls, function):
        """The cache of this function, or one that keeps nothing where no folder can be written."""
        try:
            return cls(function)
        except Exception as error:  # no folder can be written, or its name is a file, ...
            warn(error)
            return NullCache()

    def load_overload(self, sig, target_context):
        try:
            return super().load_overload(sig, target_context)
        except Exception as error:  # a damaged file: pickle may raise nearly anything
            warn(error)
            return None

    def save_overload(self, sig, data):
        try:
            super().save_overload(sig, data)
        except Exception as error:
            warn(error)
