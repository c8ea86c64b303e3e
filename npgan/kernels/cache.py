"""Numba's compilation cache, made forgiving: a cache that fails costs one warning, never the run.

Numba lets an unwritable folder, a full disk or a damaged cache file surface as an exception of the
first call (numba issues 4908 and 10434). Here each of them means: compile again, keep nothing.
"""

import logging

from numba.core.caching import CompileResultCacheImpl, FunctionCache, NullCache

log = logging.getLogger("npgan")
warned = False


def warn(error):
    global warned
    if not warned:
        warned = True
        log.warning(
            "npgan: warning: the cache of compiled kernels does not work (%s: %s); every start will compile "
            "anew. NUMBA_CACHE_DIR can name another folder.",
            type(error).__name__,
            str(error).partition("\n")[0],
        )


class OutsideThePackage(CompileResultCacheImpl):
    """Beside the sources only where no other folder can be written.

    pip leaves behind what it did not install, and a folder npgan that is left among the installed packages
    hides an editable install from every program that does not start in the clone.
    """

    _locator_classes = sorted(
        CompileResultCacheImpl._locator_classes, key=lambda it: "InTree" in it.__name__
    )


class ForgivingCache(FunctionCache):
    _impl_class = OutsideThePackage

    @classmethod
    def of(cls, function):
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
