"""F9: Numba absent, broken or switched off, and its cache damaged: right results, one warning."""

import os
import random
import shutil
import signal
import time

import children
import pytest
from kernel_caches import QUICK, RESULTS, child, files_of, start_child
from suite import thinned

posix = pytest.mark.skipif(os.name != "posix", reason="signals and pipes of Unix")


@pytest.fixture(scope="module")
def expected(complete_cache):
    """What RESULTS prints with each set of kernels."""
    found = {}
    for name in ("reference", "compiled"):
        done = children.run("-c", RESULTS, env={"NPGAN_KERNELS": name})
        assert (done.code, done.err) == (0, "")
        found[name] = done.out.strip()
    return found


def assert_right(found, expected, kernels=None, notices=1):
    """The right numbers, at most one warning, and nothing else but that it is compiling."""
    out, err = found
    name = out.partition(" ")[0]
    assert out == expected[name]
    assert kernels in (None, name)
    warnings = [line for line in err if line.startswith("npgan: warning: ")]
    compiling = [line for line in err if line.startswith("npgan: compiling the kernels")]
    assert len(warnings) <= 1
    assert len(compiling) <= notices
    assert len(warnings) + len(compiling) == len(err), err
    return warnings


# ---- Numba absent, too old, broken, or switched off ----

ABSENT = "import sys; sys.modules['numba'] = None"
PACKAGE = """
import os, sys, tempfile
folder = tempfile.mkdtemp()
os.makedirs(os.path.join(folder, "numba"))
open(os.path.join(folder, "numba", "__init__.py"), "w").write(SOURCE)
sys.path.insert(0, folder)
"""
SOURCES = {
    "import error": "raise ImportError('Numba needs NumPy 1.26 or less. Got NumPy 2.4.')",
    "syntax error": "def (",
    "no shared library": "raise OSError('libllvmlite.so: cannot open shared object file')",
    "attribute error": "import numpy; numpy.no_such_thing",
    "recursion": "def f(): f()\nf()",
    "no memory": "raise MemoryError",
    "no message": "raise RuntimeError",
    "message of many lines": "raise RuntimeError('first\\nsecond\\n\\x1b[31mthird')",
    "bytes": "raise UnicodeDecodeError('utf-8', b'\\xff', 0, 1, 'invalid start byte')",
    "empty": "",
    "only a version": "__version__ = '0.1'",
    "a config and nothing else": "class config: DISABLE_JIT = 0",
    "config without the switch": "class config: pass\n__version__ = '0.60.0'",
}
PRELUDES = {
    "absent": ABSENT,
    "llvmlite absent": "import sys; sys.modules['llvmlite'] = None",
    "llvmlite without a target": "import sys, types; sys.modules['llvmlite'] = types.ModuleType('llvmlite')",
    "too old: no caching module": "import sys, numba; sys.modules['numba.core.caching'] = None",
    "too old: no events": "import sys, numba; sys.modules['numba.core.event'] = None; del numba.core.event",
    "too old: no intrinsic": "import numba.extending; del numba.extending.intrinsic",
    "too old: no FunctionCache": "import numba.core.caching as c; del c.FunctionCache",
    "no njit": "import numba; numba.njit = None",
    "compiler fails": "import numba.core.dispatcher as d; d.Dispatcher.compile = lambda *a: 1 / 0",
    "compiler out of memory": (
        "import numba.core.dispatcher as d\n"
        "def fail(*a): raise MemoryError('LLVM')\nd.Dispatcher.compile = fail"
    ),
    "LLVM fails": (
        "import llvmlite.binding as b\n"
        "def fail(*a): raise RuntimeError('LLVM ERROR: out of memory\\nstack')\n"
        "b.parse_assembly = fail; b.parse_bitcode = fail"
    ),
    **{name: f"SOURCE = {source!r}\n{PACKAGE}" for name, source in SOURCES.items()},
}


@pytest.mark.parametrize("fault", thinned(list(PRELUDES), 2, list(PRELUDES)))
def test_a_numba_that_does_not_work_costs_one_warning(fault, tmp_path, expected, injected):
    injected("F9")
    (warning,) = assert_right(
        child(tmp_path, PRELUDES[fault] + "\n" + RESULTS), expected, "reference"
    )
    assert warning.startswith("npgan: warning: the compiled kernels do not work here (")
    assert warning.endswith("); using NumPy's, which are slower")
    assert "\x1b" not in warning


SWITCHES = {
    "1": {"NUMBA_DISABLE_JIT": "1"},
    "2": {"NUMBA_DISABLE_JIT": "2"},
    "by name": {"NUMBA_DISABLE_JIT": "1", "NPGAN_KERNELS": "compiled"},
    "by file": {},
}


@pytest.mark.parametrize("fault", thinned(list(SWITCHES), 1, list(SWITCHES)))
def test_jit_switched_off(fault, tmp_path, expected, injected):
    injected("F9")
    prelude = ""
    if fault == "by file":
        (tmp_path / ".numba_config.yaml").write_text("disable_jit: 1\n")
        pytest.importorskip("yaml")
        prelude = f"import os; os.chdir({str(tmp_path)!r})\n"
    found = child(tmp_path, prelude + RESULTS, **SWITCHES[fault])
    (warning,) = assert_right(found, expected, "reference")
    assert "NUMBA_DISABLE_JIT is set" in warning


@pytest.mark.parametrize(
    "name", thinned(["NUMBA_NUM_THREADS", "NUMBA_OPT", "NUMBA_DISABLE_JIT"], 1)
)
def test_a_variable_that_numba_cannot_read_costs_one_warning(name, cached, expected, injected):
    """Numba warns of it with a traceback."""
    injected("F9")
    (warning,) = assert_right(child(cached, RESULTS, **{name: "abc"}), expected, notices=1)
    assert warning.startswith(f"npgan: warning: Numba: Environment variable '{name}'")


# ---- the cache damaged ----


def flip(content, numbers):
    wrong = bytearray(content)
    wrong[numbers.randrange(len(content))] ^= 1 << numbers.randrange(8)
    return bytes(wrong)


def rewrite(change):
    return lambda file, numbers: file.write_bytes(change(file.read_bytes(), numbers))


def replace_by(make):
    def damage(file, numbers):
        file.unlink()
        make(file)

    return damage


def make_full_directory(file):
    (file / "inside").mkdir(parents=True)
    (file / "inside" / "file").write_text("text")


DAMAGE = {  # and whether a warning tells of it
    "emptied": (rewrite(lambda c, n: b""), True),
    "one byte": (rewrite(lambda c, n: c[:1]), True),
    "digest only": (rewrite(lambda c, n: c[:32]), True),
    "truncated": (rewrite(lambda c, n: c[: n.randrange(len(c))]), True),
    "without its last byte": (rewrite(lambda c, n: c[:-1]), True),
    "longer": (rewrite(lambda c, n: c + b"\0"), True),
    "twice": (rewrite(lambda c, n: c + c), True),
    "one bit": (rewrite(flip), True),
    "zeros": (rewrite(lambda c, n: bytes(len(c))), True),
    "random": (rewrite(lambda c, n: n.randbytes(len(c))), True),
    "a pickle": (rewrite(lambda c, n: b"\x80\x05cos\nsystem\n(S'exit 7'\ntR."), True),
    "directory": (replace_by(lambda f: f.mkdir()), False),
    "directory with files": (replace_by(make_full_directory), False),
    "link to nothing": (replace_by(lambda f: f.symlink_to("nowhere")), False),
    "link to itself": (replace_by(lambda f: f.symlink_to(f)), False),
    "link to a directory": (replace_by(lambda f: f.symlink_to("/")), False),
    "pipe": (replace_by(lambda f: os.mkfifo(f)), False),
    "missing": (replace_by(lambda f: None), False),
}


@posix
@pytest.mark.parametrize("fault", thinned(list(DAMAGE), 1, list(DAMAGE)))
def test_damage_costs_one_warning_and_heals(fault, cached, expected, injected):
    files = files_of(cached, QUICK)
    injected("F9", len(files))
    damage, told = DAMAGE[fault]
    for file in files:
        damage(file, random.Random(fault))
    warnings = assert_right(child(cached, RESULTS), expected, "compiled")
    assert len(warnings) == told
    assert child(cached, RESULTS) == (expected["compiled"], [])
    assert all(file.is_file() for file in files)


@pytest.mark.slow
@pytest.mark.parametrize("part", range(6))
def test_damage_of_every_file_heals(part, cached, expected, injected):
    """Each file of the cache has its turn, with the kinds of damage in turn."""
    files = sorted((cached / "cache").rglob("*.nbc"))[part::6]
    assert len(files) >= 5
    kinds = [name for name in DAMAGE if "a pickle" not in name]
    injected("F9", len(files))
    for i, file in enumerate(files):
        DAMAGE[kinds[(6 * i + part) % len(kinds)]][0](file, random.Random(i))
    assert_right(child(cached, RESULTS), expected, "compiled")
    assert child(cached, RESULTS) == (expected["compiled"], [])


POISON = """
import sys
from pathlib import Path
from npgan.kernels.compiled.cache import DIGEST_SIZE, sha256
for name in sys.argv[1:]:
    content = Path(name).read_bytes()[DIGEST_SIZE : 2 * DIGEST_SIZE] + b"not a pickle"
    Path(name).write_bytes(sha256(content) + content)
"""
VERSIONS = {
    "Numba": "import numba; numba.__version__ = '0.60.0'",
    "sources": (
        "from pathlib import Path\nread = Path.read_bytes\n"
        "Path.read_bytes = lambda path: read(path) + b' ' * (path.name == 'tile.py')"
    ),
}


@pytest.mark.parametrize("fault", thinned(list(VERSIONS), 0, list(VERSIONS)))
def test_a_cache_of_another_version_is_not_loaded(fault, cached, injected):
    """The entries of that version cannot be unpickled, so loading one would be noticed."""
    injected("F9", len(files_of(cached, QUICK)))
    files = files_of(cached, QUICK)
    quick = """
import numpy as np
from npgan.kernels import compiled
x = np.ones((2, 3), np.float32)
assert (compiled.column_sum(x) == 2).all() and (compiled.sigmoid_gate(x, x) == 0).all()
assert (compiled.leaky_gate(x, x, 0.2) == 1).all()
"""
    environment = {"NUMBA_CACHE_DIR": str(cached / "cache")}
    assert children.run("-c", POISON, *files, env=environment).code == 0
    out, err = child(cached, f"{VERSIONS[fault]}\n{quick}")
    assert (out, len(err)) == ("", 1), err
    assert "compiling" in err[0]
    assert child(cached, f"{VERSIONS[fault]}\n{quick}") == ("", [])


@pytest.mark.slow
def test_a_file_that_cannot_be_loaded_is_replaced(cached, expected, injected):
    """Its hash is right: the program that wrote it had other modules."""
    files = files_of(cached, QUICK)
    injected("F9", len(files))
    assert children.run("-c", POISON, *files, env={"NUMBA_CACHE_DIR": str(cached)}).code == 0
    (warning,) = assert_right(child(cached, RESULTS), expected, "compiled")
    assert "cannot be loaded" in warning
    assert warning.endswith("compiling again and replacing it")
    assert child(cached, RESULTS) == (expected["compiled"], [])


@pytest.mark.slow
def test_a_file_that_cannot_be_read_is_replaced(cached, expected, injected):
    injected("F9", 3)
    prelude = """
import os
from pathlib import Path
real, names = Path.read_bytes, os.environ["UNREADABLE"].split(os.pathsep)
def read_bytes(self):
    if str(self) in names:
        raise PermissionError(13, "Permission denied", str(self))
    return real(self)
Path.read_bytes = read_bytes
"""
    files = files_of(cached, QUICK)
    before = [file.stat().st_mtime_ns for file in files]
    names = os.pathsep.join(map(str, files))
    found = child(cached, prelude + RESULTS, UNREADABLE=names)
    (warning,) = assert_right(found, expected, "compiled")
    assert "cannot be read" in warning
    assert "Permission denied" in warning
    assert all(f.stat().st_mtime_ns > t for f, t in zip(files, before, strict=True))
    assert child(cached, RESULTS) == (expected["compiled"], [])


# ---- a cache that cannot be written ----

# Only two quick kernels are tried out: as nothing is kept, all would be compiled. And only the
# folder that the variable names is allowed.
SHORT = """
from numba.core.caching import CacheImpl
CacheImpl._locator_classes = CacheImpl._locator_classes[:1]
import numpy as np
from npgan.kernels import compiled
x = np.ones((2, 3), np.float32)
compiled.try_out = lambda: (compiled.sigmoid_gate(x, x), compiled.column_sum(x))
"""


def no_folder(folder):
    (folder / "cache").write_text("a file")


def link_to_itself(folder):
    (folder / "cache").symlink_to(folder / "cache")


def nothing(folder):
    return


FOLDERS = {
    "a file in its place": (no_folder, {}, ""),
    "a link to itself": (link_to_itself, {}, ""),
    "in a device": (nothing, {"NUMBA_CACHE_DIR": "/dev/null/cache"}, ""),
    "in proc": (nothing, {"NUMBA_CACHE_DIR": "/proc/cache"}, ""),
    "a very long name": (nothing, {"NUMBA_CACHE_DIR": "/tmp/" + "x" * 300}, ""),
    "no space": (nothing, {}, "import os\ndef replace(*a): raise OSError(28, 'No space left on device')\nos.replace = replace\n"),
    "read only": (nothing, {}, "from pathlib import Path\ndef write(*a): raise OSError(30, 'Read-only file system')\nPath.write_bytes = write\n"),
    "over quota": (nothing, {}, "from pathlib import Path\ndef write(*a): raise OSError(122, 'Disk quota exceeded')\nPath.write_bytes = write\n"),
    "cannot be pickled": (nothing, {}, "import npgan.kernels.compiled.cache as c\ndef dumps(*a): raise TypeError('cannot pickle')\nc.dumps = dumps\n"),
    "removed meanwhile": (nothing, {}, "import shutil, os\nimport npgan.kernels.compiled\nshutil.rmtree(os.environ['NUMBA_CACHE_DIR'])\n"),
}  # fmt: skip


@posix
@pytest.mark.parametrize("fault", thinned(list(FOLDERS), 1, list(FOLDERS)))
def test_a_cache_that_cannot_be_written_costs_one_warning(fault, tmp_path, expected, injected):
    injected("F9")
    prepare, environment, break_it = FOLDERS[fault]
    prepare(tmp_path)
    found = child(tmp_path, SHORT + break_it + RESULTS, **environment)
    warnings = assert_right(found, expected, "compiled")
    if fault == "removed meanwhile":  # it is made again
        assert warnings == []
        assert child(tmp_path, SHORT + RESULTS) == (expected["compiled"], [])
        return
    assert len(warnings) == 1
    assert "the cache of compiled kernels does not work" in warnings[0]
    assert "NUMBA_CACHE_DIR" in warnings[0]


NAMES = ["with spaces and ünïcödé", "a/b/c/d", "%s{}$HOME", "back\\slash"]


@posix
@pytest.mark.parametrize("name", thinned(NAMES, 0))
def test_a_folder_with_an_unusual_name_is_used(name, tmp_path, expected, injected):
    injected("F9")
    folder = str(tmp_path / name)
    assert assert_right(child(tmp_path, SHORT + RESULTS, NUMBA_CACHE_DIR=folder), expected) == []
    assert len(list((tmp_path / name).rglob("*.nbc"))) >= 3


# ---- processes that compile at the same time, and kills ----


@pytest.mark.slow
@pytest.mark.parametrize("n", [2, 3, 5])
@pytest.mark.parametrize("state", ["missing", "one bit"])
def test_processes_that_compile_at_once(n, state, cached, expected, injected):
    injected("F9")
    for file in files_of(cached, QUICK):
        DAMAGE[state][0](file, random.Random(n))
    started = [start_child(cached, RESULTS) for _ in range(n)]
    for process in started:
        done = children.finish(process)
        assert done.code == 0
        assert_right((done.out.strip(), done.err.splitlines()), expected, "compiled")
    assert child(cached, RESULTS) == (expected["compiled"], [])
    assert not list((cached / "cache").rglob("*.tmp.*"))


@posix
@pytest.mark.slow
@pytest.mark.parametrize("delay", [0.3, 0.6, 0.8, 0.9, 1.0, 1.1, 1.2, 1.3, 1.4, 1.6])
def test_a_kill_while_it_compiles_costs_nothing_later(delay, cached, expected, injected):
    injected("F9")
    for file in files_of(cached, QUICK):
        file.unlink()
    process = start_child(cached, RESULTS)
    time.sleep(delay)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert assert_right(child(cached, RESULTS), expected, "compiled") == []
    assert child(cached, RESULTS) == (expected["compiled"], [])


KILLED = """
import os, signal
replace = os.replace
def killed(source, target):
    os.kill(os.getpid(), signal.SIGKILL)
os.replace = killed
"""


@posix
@pytest.mark.slow
def test_what_a_killed_process_left_half_written_is_removed(cached, expected, injected):
    injected("F9")
    for file in files_of(cached, QUICK):
        file.unlink()
    process = start_child(cached, KILLED + RESULTS)
    assert children.finish(process).code == -signal.SIGKILL
    (litter,) = (cached / "cache").rglob("*.tmp.*")
    assert_right(child(cached, RESULTS), expected, "compiled")
    assert litter.exists(), "another process may be writing it"
    os.utime(litter, (time.time() - 3600,) * 2)
    young = litter.with_name(f"{litter.name}0")
    shutil.copy(litter, young)
    os.utime(young)
    assert child(cached, RESULTS) == (expected["compiled"], [])
    assert not litter.exists()
    assert young.exists()
