"""Numba is missing or broken, or its cache does not work; each case in a process of its own."""

import configparser
import importlib.util
import os
import random
import re
import shutil
from pathlib import Path

import pytest
from kernel_caches import PROBE, QUICK, RESULTS, child, files_of

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize(
    ("prelude", "environment", "word"),
    [
        ("import sys; sys.modules['numba'] = None", {}, "numba"),
        ("import sys, types; sys.modules['numba'] = types.ModuleType('numba')", {}, "config"),
        ("import numba; numba.njit = None", {}, "NoneType"),
        (
            "import numba.core.dispatcher as d; d.Dispatcher.compile = lambda *a: 1 / 0",
            {},
            "ZeroDivisionError",
        ),
        ("", {"NUMBA_DISABLE_JIT": "1"}, "NUMBA_DISABLE_JIT"),
        ("import sys; sys.modules['numba'] = None", {"NPGAN_KERNELS": "compiled"}, "numba"),
    ],
)
def test_without_a_working_numba_all_works_with_one_line_of_warning(
    tmp_path, prelude, environment, word
):
    out, err = child(tmp_path, f"{prelude}\n{PROBE}", **environment)
    assert out == "reference"
    warnings = [line for line in err if "npgan: warning" in line]
    assert len(warnings) == 1
    assert word in warnings[0]
    assert "Traceback" not in "".join(err)


WITHOUT = """
import importlib.machinery, os, sys, threading

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("numba", "llvmlite", "tqdm", "fcntl", "resource"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())
import configparser
import importlib.util
find_spec = importlib.util.find_spec
importlib.util.find_spec = lambda name, *more: None if name == "fcntl" else find_spec(name, *more)
for name in ("fork", "register_at_fork", "sched_getaffinity"):
    if hasattr(os, name):
        delattr(os, name)

def no_thread(self):
    raise RuntimeError("can't start new thread")

threading.Thread.start = no_thread
import npgan.testing, numpy as np
assert "tqdm" not in sys.modules
assert npgan.testing.check_gradients(lambda x: np.sum(x**2), lambda x: 2 * x, (np.ones(3),)).passed
images = np.random.default_rng(0).integers(0, 256, (64, 8, 8)).astype(np.uint8)
gan = npgan.GAN(hidden=(8,), latent=4, batch=16, penalty="r1", rng=0)
gan.fit(images, epochs=1, out="run")
assert npgan.study.record(npgan.ops.sum(npgan.Tensor([1.0, 2.0]) ** 2)).passed
print(npgan.kernels.active, len(npgan.GAN.load("run").sample(2)))
"""


def test_where_numba_tqdm_threads_and_locks_do_not_exist(tmp_path, monkeypatch):
    """As in a browser: WebAssembly has neither a compiler nor threads."""
    monkeypatch.chdir(tmp_path)
    out, err = child(tmp_path, WITHOUT)
    assert out == "reference 2"
    assert len([line for line in err if "npgan: warning" in line]) == 1


def test_platforms_without_numba_do_not_ask_for_it():
    packaging = pytest.importorskip("packaging.requirements")
    setup_cfg = configparser.ConfigParser()
    setup_cfg.read(ROOT / "setup.cfg", encoding="utf-8")
    lines = setup_cfg["options"]["install_requires"].splitlines()
    asked = [packaging.Requirement(line) for line in lines if line and not line.startswith("#")]
    for platform, wanted in (
        ("linux", True),
        ("darwin", True),
        ("win32", True),
        ("emscripten", False),
    ):
        names = {
            r.name for r in asked if not r.marker or r.marker.evaluate({"sys_platform": platform})
        }
        assert names >= {"numpy", "tqdm", "matplotlib"}
        assert ({"numba", "llvmlite"} <= names) == wanted
        assert bool({"numba", "llvmlite"} & names) == wanted


def test_asked_for_by_name_compiled_kernels_that_do_not_work_are_an_error(tmp_path):
    code = "import sys; sys.modules['numba'] = None\nimport npgan\ntry:\n    npgan.use_kernels('compiled')\nexcept RuntimeError as e:\n    print(e)"
    assert "do not work here" in child(tmp_path, code)[0]


def test_the_environment_chooses(cached):
    assert child(cached, NPGAN_KERNELS="reference") == ("reference", [])
    out, err = child(cached, NPGAN_KERNELS="fast")
    assert out == "compiled"
    assert any("NPGAN_KERNELS=fast ignored" in line for line in err)


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({"NPGAN_KERNELS": "fast"}, "NPGAN_KERNELS=fast ignored"),
        ({"NPGAN_KERNELS": "compiled", "NUMBA_DISABLE_JIT": "1"}, "NUMBA_DISABLE_JIT is set"),
    ],
)
def test_info_tells_even_where_something_is_wrong(cached, environment, words):
    out, err = child(
        cached, "from npgan.cli import main\nassert main(['info']) == 0", **environment
    )
    assert re.search(r"^kernels +\w+$", out, re.M)
    assert any(words in line for line in err)


def test_the_first_compile_says_so_and_the_next_start_is_silent(cached):
    for file in files_of(cached, QUICK):
        file.unlink()
    out, err = child(cached)
    assert out == "compiled"
    assert len(err) == 1
    assert "compiling" in err[0]
    assert child(cached) == ("compiled", [])


def flipped(content, numbers):
    """The content with one wrong bit."""
    content = bytearray(content)
    content[numbers.randrange(len(content))] ^= 1 << numbers.randrange(8)
    return bytes(content)


DAMAGE = {
    "empty": lambda content, numbers: b"",
    "other content": lambda content, numbers: b"\x80\x05junk",
    "cut": lambda content, numbers: content[: numbers.randrange(len(content))],
    "zeros": lambda content, numbers: bytes(len(content)),
    "longer": lambda content, numbers: content + b"\0",
    "one bit": flipped,
    "another bit": flipped,
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_cache_costs_one_warning_and_is_repaired(cached, damage):
    numbers, intact = random.Random(damage), child(cached, RESULTS)
    assert intact[1] == []
    files = files_of(cached, QUICK)
    for file in files:
        file.write_bytes(DAMAGE[damage](file.read_bytes(), numbers))
    out, err = child(cached, RESULTS)
    assert out == intact[0]
    assert len([line for line in err if "npgan: warning" in line]) == 1, err
    assert "the cache of compiled kernels has a damaged file" in err[0]
    assert len(err) == 2  # that it is compiling
    assert child(cached, RESULTS) == intact
    assert set(files_of(cached, QUICK)) == set(files)


@pytest.fixture
def entries(tmp_path):
    from npgan.kernels.compiled.cache import EntryFiles

    return EntryFiles(tmp_path, "room.function-1.py3", "sources")


def test_every_wrong_bit_and_every_length_of_a_cache_file_is_noticed(entries):
    from npgan.kernels.compiled.cache import DamagedFileError

    entries.save("key", b"machine code")
    content = entries.path("key").read_bytes()
    damaged = [content[:n] for n in range(len(content))]
    for i in range(8 * len(content)):
        wrong = bytearray(content)
        wrong[i // 8] ^= 1 << i % 8
        damaged.append(bytes(wrong))
    for wrong in damaged:
        entries.path("key").write_bytes(wrong)
        with pytest.raises(DamagedFileError):
            entries.load("key")
    entries.save("key", b"machine code")
    assert entries.load("key") == b"machine code"


def test_two_processes_that_write_at_once_load_what_is_theirs(entries, tmp_path):
    """With an index, which Numba has, both would choose the same number for their file."""
    from npgan.kernels.compiled.cache import EntryFiles

    other = EntryFiles(tmp_path, entries.name, entries.stamp)
    assert entries.load("float32") is None
    assert other.load("float64") is None
    entries.save("float32", 32)
    other.save("float64", 64)
    for files in (entries, other):
        assert (files.load("float32"), files.load("float64")) == (32, 64)
    other.save("float32", "newer")
    assert entries.load("float32") == "newer"
    assert len(list(tmp_path.iterdir())) == 2
    entries.flush()
    assert list(tmp_path.iterdir()) == []


def test_a_cache_file_of_other_sources_is_stale_and_replaced(entries, tmp_path):
    from npgan.kernels.compiled.cache import EntryFiles

    entries.save("key", "old")
    changed = EntryFiles(tmp_path, entries.name, "changed sources")
    assert changed.load("key") is None
    changed.save("key", "new")
    assert changed.load("key") == "new"
    assert len(list(tmp_path.iterdir())) == 1


def test_a_cache_file_that_cannot_be_written_leaves_nothing(entries, tmp_path, monkeypatch):
    def full(*paths):
        raise OSError(28, "No space left on device")

    entries.save("key", "old")
    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="No space"):
        entries.save("key", "new")
    assert entries.load("key") == "old"
    assert len(list(tmp_path.iterdir())) == 1


FORK = """
import os, sys, threading, time
from npgan import kernels
inside, real = threading.Event(), getattr(kernels, NAME)

def slow(*args):
    inside.set()
    return real(*args)

setattr(kernels, NAME, slow)
import numpy as np
x = np.eye(3, dtype=np.float32)
thread = threading.Thread(target=lambda: kernels.gemm(x, x))
thread.start()
inside.wait()
time.sleep(DELAY)
pid = os.fork()
if pid == 0:
    os._exit(0 if (kernels.gemm(x, x) == x).all() else 1)
for _ in range(1200):
    done, status = os.waitpid(pid, os.WNOHANG)
    if done:
        break
    time.sleep(0.05)
else:
    os.kill(pid, 9)
    sys.exit("the child hangs")
thread.join()
print(status, kernels.active)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("delay", [0, 0.1, 0.6])
def test_a_child_forked_during_the_first_call_of_another_thread_does_not_hang(cached, delay):
    code = FORK.replace("NAME", "'compiled_kernels'").replace("DELAY", str(delay))
    out, _ = child(cached, code, PYTHONWARNINGS="ignore")
    assert out == "0 compiled"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_child_forked_while_another_thread_compiles_does_not_hang(cached):
    for file in files_of(cached, QUICK):
        file.unlink()
    code = """
import os, sys, threading, time
import numpy as np
from numba.core import dispatcher
from npgan.kernels import compiled
x, inside, real = np.ones((2, 2), np.float32), threading.Event(), dispatcher._FunctionCompiler.compile

def compile(*args):
    inside.set()
    time.sleep(0.2)
    return real(*args)

dispatcher._FunctionCompiler.compile = compile
thread = threading.Thread(target=lambda: compiled.column_sum(x))
thread.start()
inside.wait()
pid = os.fork()
if pid == 0:
    os._exit(0 if (compiled.column_sum(x) == 2).all() else 1)
for _ in range(1200):
    done, status = os.waitpid(pid, os.WNOHANG)
    if done:
        break
    time.sleep(0.05)
else:
    os.kill(pid, 9)
    sys.exit("the child hangs")
thread.join()
print(status)
"""
    assert child(cached, code, PYTHONWARNINGS="ignore")[0] == "0"


def test_threads_that_meet_at_the_first_call_cost_one_warning(tmp_path):
    code = """
import sys, threading
sys.modules["numba"] = None
import numpy as np
from npgan import kernels
barrier, x = threading.Barrier(8), np.eye(3)

def call():
    barrier.wait()
    assert (kernels.gemm(x, x) == x).all()

callers = [threading.Thread(target=call) for _ in range(8)]
[thread.start() for thread in callers]
[thread.join() for thread in callers]
print(kernels.active)
"""
    out, err = child(tmp_path, code)
    assert out == "reference"
    assert len(err) == 1


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="needs Linux")
def test_before_the_first_call_the_threads_are_those_of_the_cores_that_may_be_used(tmp_path):
    code = """
import os
os.sched_getaffinity = lambda _: {0, 3, 5}
from npgan import kernels
print(kernels.thread_count())
"""
    for wanted in ("", "0"):
        assert child(tmp_path, code, OPENBLAS_NUM_THREADS=wanted)[0] == "3"
    assert child(tmp_path, code, OPENBLAS_NUM_THREADS="7")[0] == "7"


def test_a_change_in_another_kernel_file_makes_the_cache_stale(tmp_path):
    """A jitted function keeps the helpers and the constants that it takes from other files."""
    kernels = Path(importlib.util.find_spec("npgan.kernels").origin).parent
    copy = tmp_path / "npgan" / "kernels"
    shutil.copytree(kernels, copy, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(kernels.parent / "__init__.py", copy.parent)
    code = """
import numpy as np
import npgan.kernels.compiled as compiled
assert compiled.__file__.startswith(FOLDER), compiled.__file__
x = np.zeros(20_000, np.float32)
print(compiled.softplus(x)[0])
job, scalars = compiled.job.new_job(1)
compiled.kernels.write_loop(job, scalars[x.dtype], compiled.job.EMA, x, x, x, x, x[:1])
print(job[compiled.job.PARTS])
"""
    code = f"import sys\nFOLDER = {str(tmp_path)!r}\nsys.path.insert(0, FOLDER)\n{code}"
    out, err = child(tmp_path, code)
    assert out.split() == ["0.6931472", "2"]
    assert "compiling" in "".join(err)
    assert child(tmp_path, code) == (out, [])  # nothing changed: loaded from the cache

    for room, old, new in (
        # a helper of the loop in kernels.py
        ("elementary", "(x if x > 0.0 else 0.0) + scalar_log1p", "2.0 * scalar_log1p"),
        ("worker", "CHUNK = 16384", "CHUNK = 1000"),  # a constant in write_loop in kernels.py
    ):
        file = copy / "compiled" / f"{room}.py"
        source = file.read_text()
        assert source.count(old) == 1
        file.write_text(source.replace(old, new))
    assert child(tmp_path, code)[0].split() == ["1.3862944", "20"]


def test_what_was_compiled_is_kept_outside_the_package_where_it_can_be(tmp_path):
    """A folder npgan that pip left behind with a cache in it would hide an editable install."""
    code = "from npgan.kernels import compiled\nprint(compiled.__file__)\nprint(compiled.product.write_product._cache.cache_path)"
    file = tmp_path / "file"
    file.write_text("")
    for home, inside in ((tmp_path, False), (file, True)):
        source, cache = child(
            tmp_path,
            code,
            NUMBA_CACHE_DIR="",
            HOME=str(home),
            XDG_CACHE_HOME=str(home),
            LOCALAPPDATA=str(home),
        )[0].splitlines()
        assert (Path(source).parent in Path(cache).parents) == inside
        assert (tmp_path in Path(cache).parents) != inside


def test_an_unwritable_cache_costs_one_warning(tmp_path):
    (tmp_path / "cache").write_text("a file where the folder should be")
    # Numba would then use another folder: only the user's is allowed. As nothing is kept, every kernel
    # that is tried out is compiled: two quick ones, and those that PROBE calls.
    prelude = """
from numba.core.caching import CacheImpl
CacheImpl._locator_classes = CacheImpl._locator_classes[:1]  # the user's
import numpy as np
from npgan.kernels import compiled
ones = np.ones((2, 2), np.float32)
compiled.try_out = lambda: (compiled.sigmoid_gate(ones, ones), compiled.column_sum(ones))
"""
    out, err = child(tmp_path, prelude + PROBE)
    assert out == "compiled"
    assert len([line for line in err if "npgan: warning" in line]) == 1
    assert Path(tmp_path / "cache").is_file()


# ---- what stands in the place of a cache file, and what a killed process has left ----


def make_directory(path, elsewhere):
    path.mkdir()
    (path / "file").write_text("text")


KINDS = {
    "empty directory": lambda path, elsewhere: path.mkdir(),
    "directory": make_directory,
    "link to nothing": lambda path, elsewhere: path.symlink_to(elsewhere / "absent"),
    "link to a directory": lambda path, elsewhere: path.symlink_to(elsewhere),
}


@pytest.mark.skipif(os.name != "posix", reason="symbolic links")
@pytest.mark.parametrize("kind", KINDS)
def test_what_stands_in_the_place_of_a_cache_file_is_replaced(kind, entries, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (elsewhere / "precious").write_text("text")
    KINDS[kind](entries.path("key"), elsewhere)
    assert entries.load("key") is None
    entries.save("key", "entry")
    assert entries.load("key") == "entry"
    assert (elsewhere / "precious").exists()
    assert os.listdir(entries.folder) == [entries.path("key").name]


def test_a_cache_file_that_cannot_be_read_or_loaded_is_damaged(entries, monkeypatch):
    from npgan.kernels.compiled import cache

    entries.save("key", "entry")
    monkeypatch.setattr(cache, "dumps", lambda entry: b"not a pickle")
    entries.save("other", "entry")
    with pytest.raises(cache.DamagedFileError, match=r"cannot be loaded.*UnpicklingError"):
        entries.load("other")

    def refuse(path):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(cache.DamagedFileError, match=r"cannot be read.*Permission denied"):
        entries.load("key")


def test_litter_is_removed_when_nobody_can_be_writing_it(entries, tmp_path):
    from npgan.kernels.compiled import cache

    entries.save("key", "entry")
    old, young = (entries.path("key").with_suffix(f".nbc.tmp.{n}") for n in "01")
    for file in (old, young):
        file.write_bytes(b"half")
    os.utime(old, (1e9, 1e9))
    os.utime(entries.path("key"), (1e9, 1e9))
    cache.remove_litter(str(tmp_path))
    assert sorted(tmp_path.iterdir()) == sorted([entries.path("key"), young])
    os.utime(young, (1e9, 1e9))
    cache.remove_litter(str(tmp_path))  # once per process
    assert young.exists()


def test_an_error_of_the_cache_is_said_once(monkeypatch, caplog):
    from npgan.kernels.compiled import cache

    monkeypatch.setattr(cache, "warned", False)
    for error in (OSError(28, "No space left"), cache.DamagedFileError("x"), ValueError("y\nz")):
        cache.warn(error)
    assert len(caplog.records) == 1
