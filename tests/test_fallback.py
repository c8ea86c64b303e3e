"""What happens where Numba is missing, broken, or cannot keep what it compiled; each in a process of its own."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

PROBE = """
import numpy as np
from npgan import kernels, ops, Tensor, grad
x = Tensor(np.linspace(-1, 1, 6, dtype=np.float32))
g = grad(ops.sigmoid(ops.leaky_relu(x)).sum(), x)
assert g.dtype == np.float32 and np.isfinite(g).all()
print(kernels.active)
"""


def child(tmp_path, code=PROBE, **environment):
    env = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path / "cache"), **environment}
    for name in ("NUMBA_DISABLE_JIT", "NPGAN_KERNELS"):
        if name not in environment:
            env.pop(name, None)
    done = subprocess.run(
        [sys.executable, "-c", code], env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip(), [line for line in done.stderr.splitlines() if line]


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


def test_asked_for_by_name_compiled_kernels_that_do_not_work_are_an_error(tmp_path):
    code = "import sys; sys.modules['numba'] = None\nimport npgan\ntry:\n    npgan.use_kernels('compiled')\nexcept RuntimeError as e:\n    print(e)"
    assert "do not work here" in child(tmp_path, code)[0]


def test_the_environment_chooses(tmp_path):
    assert child(tmp_path, NPGAN_KERNELS="reference") == ("reference", [])
    out, err = child(tmp_path, NPGAN_KERNELS="fast")
    assert out == "compiled"
    assert any("NPGAN_KERNELS=fast ignored" in line for line in err)


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({"NPGAN_KERNELS": "fast"}, "NPGAN_KERNELS=fast ignored"),
        ({"NPGAN_KERNELS": "compiled", "NUMBA_DISABLE_JIT": "1"}, "NUMBA_DISABLE_JIT is set"),
    ],
)
def test_info_tells_even_where_something_is_wrong(tmp_path, environment, words):
    out, err = child(
        tmp_path, "from npgan.cli import main\nassert main(['info']) == 0", **environment
    )
    assert re.search(r"^kernels +\w+$", out, re.M)
    assert any(words in line for line in err)


def test_the_first_compile_says_so_and_the_next_start_is_silent(tmp_path):
    out, err = child(tmp_path)
    assert out == "compiled"
    assert len(err) == 1
    assert "compiling" in err[0]
    assert child(tmp_path) == ("compiled", [])


def test_a_damaged_cache_costs_one_warning(tmp_path):
    child(tmp_path)
    files = sorted((tmp_path / "cache").rglob("*.nb[ic]"))
    assert len(files) > 10
    for suffix, content in (
        (".nbi", b"damaged"),
        (".nbc", b""),
        (".nbc", b"\x80\x05junk"),
        (".nbi", b""),
    ):
        for file in files:
            if file.suffix == suffix:
                file.write_bytes(content)
        out, err = child(tmp_path)
        assert out == "compiled"
        assert len([line for line in err if "npgan: warning" in line]) == 1, err
        assert "cache of compiled kernels" in err[0] + err[-1]
        assert "Traceback" not in "".join(err)
        for file in (tmp_path / "cache").rglob("*.nb[ic]"):
            file.unlink()
        child(tmp_path)


def test_what_was_compiled_is_kept_outside_the_package_where_it_can_be(tmp_path):
    """pip leaves behind what it did not install: a folder npgan without a package hid the editable install."""
    code = "from npgan.kernels import compiled\nprint(compiled.__file__)\nprint(compiled.product._cache.cache_path)"
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
    # Numba then looks for another folder; take those away, too.
    code = "from numba.core.caching import CacheImpl as C\nC._locator_classes = C._locator_classes[:1]\n"  # the user's
    out, err = child(tmp_path, code + PROBE)
    assert out == "compiled"
    assert len([line for line in err if "npgan: warning" in line]) == 1
    assert Path(tmp_path / "cache").is_file()
