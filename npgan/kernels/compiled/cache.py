"""Numba's cache of compiled functions on disk, with four changes.

* *Errors.* In Numba an unwritable folder, a full disk or a damaged cache file raises an exception
  at the first call (numba issues 4908 and 10434). Here each of them costs one warning per process,
  and the function is compiled again.
* *Files.* Numba loads whatever machine code a file contains, and one wrong bit in it may end the
  process. It writes an index and the machine code one after the other, so two processes that
  compile a function for different dtypes at the same time may load each other's code. Here each
  signature has one file, without an index. The file begins with a hash of its content and is
  replaced as a whole. A file that is damaged or cannot be read is compiled again and replaced, and
  what a killed process has left half written is removed by a later one.
* *Stale entries.* Numba compiles a function again when the file that contains it has changed. But
  the machine code of a function also contains the functions that it calls and the constants that
  it reads, and these may stand in other files. Here a change of any file of npgan.kernels makes
  every entry stale.
* *Folder.* Numba prefers a folder next to the source file. Here that folder is the last choice.

The hash detects damage, not intent: whoever can write into the folder can run code.
"""

import glob
import hashlib
import logging
import os
import pickle
import shutil
import time
import uuid
from contextlib import suppress
from pathlib import Path

import numba
from numba.core.caching import CompileResultCacheImpl, FunctionCache, NullCache
from numba.core.serialize import dumps

log = logging.getLogger("npgan")
warned = False
UNFINISHED = ".tmp."  # in the name of a file that is being written
LITTER_AGE = 60.0  # seconds after which a file that is still unfinished is no longer being written
swept: set[str] = set()  # folders from which this process has removed such files


class DamagedFileError(Exception):
    """A file of the cache is not as it was written, or cannot be read or loaded."""


def warn(error):
    """Log why the cache does not work, once per process."""
    global warned
    if warned:
        return
    warned = True
    if isinstance(error, DamagedFileError):
        log.warning("npgan: warning: %s; compiling again and replacing it", error)
    else:
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


def sha256(content):
    """The SHA-256 of these bytes."""
    return hashlib.sha256(content).digest()


DIGEST_SIZE = len(sha256(b""))

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


class EntryFiles:
    """The files of one function, one for each key: a signature, a CPU, and the function's code.

    A file contains the SHA-256 of all that follows, a hash of the key and of what makes an entry
    stale, and the pickled entry.
    """

    def __init__(self, folder, name, stamp):
        self.folder, self.name, self.stamp = Path(folder), name, stamp

    def path(self, key):
        """The file of this key; two keys never have the same file."""
        return self.folder / f"{self.name}.{sha256(repr(key).encode()).hex()[:32]}.nbc"

    def identity(self, key):
        """A hash that differs where the sources or Numba have changed."""
        return sha256(repr((numba.__version__, self.stamp, key)).encode())

    def load(self, key):
        """The entry of this key; None where there is none, or a stale one."""
        path, size = self.path(key), DIGEST_SIZE
        if not path.is_file():
            return None
        try:
            content = path.read_bytes()
        except OSError as error:
            reason = f"a file that cannot be read, {path.name} ({error.strerror})"
            raise DamagedFileError(f"the cache of compiled kernels has {reason}") from error
        if content[:size] != sha256(content[size:]):
            raise DamagedFileError(f"the cache of compiled kernels has a damaged file, {path.name}")
        if content[size : 2 * size] != self.identity(key):
            return None
        try:
            return pickle.loads(content[2 * size :])
        except Exception as error:  # pickle may raise nearly anything
            reason = f"a file that cannot be loaded, {path.name} ({type(error).__name__})"
            raise DamagedFileError(f"the cache of compiled kernels has {reason}") from error

    def save(self, key, entry):
        """Write the file of this key; another process sees the old file or the new one."""
        path, content = self.path(key), self.identity(key) + dumps(entry)
        unfinished = path.with_name(f"{path.name}{UNFINISHED}{uuid.uuid4().hex}")
        try:
            unfinished.write_bytes(sha256(content) + content)
            if path.is_dir() and not path.is_symlink():  # which no file can replace
                shutil.rmtree(path)
            os.replace(unfinished, path)
        finally:
            unfinished.unlink(missing_ok=True)

    def flush(self):
        """Delete all entries, as Dispatcher.recompile() asks for."""
        for path in self.folder.glob(f"{glob.escape(self.name)}.*.nbc"):
            path.unlink(missing_ok=True)


def remove_litter(folder):
    """Remove files that a killed process has left unfinished; once per process and folder."""
    if folder in swept:
        return
    swept.add(folder)
    for file in Path(folder).glob(f"*{UNFINISHED}*"):
        with suppress(OSError):
            if time.time() - file.stat().st_mtime > LITTER_AGE:
                file.unlink()


class KernelCache(FunctionCache):
    """The cache of one function: an error in it costs one warning and a compilation."""

    _impl_class = KernelCacheImpl

    def __init__(self, function):
        super().__init__(function)
        stamp = self._impl.locator.get_source_stamp()
        files = EntryFiles(self._cache_path, self._impl.filename_base, stamp)
        self._cache_file = files  # type: ignore[assignment]
        remove_litter(self._cache_path)

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
        except Exception as error:  # a damaged file
            warn(error)
            return None

    def save_overload(self, sig, data):
        try:
            super().save_overload(sig, data)
        except Exception as error:
            warn(error)
