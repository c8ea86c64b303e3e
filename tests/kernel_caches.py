"""Child processes that load compiled kernels, and copies of a complete cache of kernels."""

import os
import shutil

import children
import pytest

from npgan import set_threads, use_kernels

PROBE = """
import numpy as np
from npgan import kernels, ops, Tensor, grad
x = Tensor(np.linspace(-1, 1, 6, dtype=np.float32))
g = grad(ops.sigmoid(ops.leaky_relu(x)).sum(), x)
assert g.dtype == np.float32 and np.isfinite(g).all()
print(kernels.active)
"""
RESULTS = """
import hashlib
import numpy as np
from npgan import kernels
x, y = np.random.default_rng(0).standard_normal((2, 9, 17)).astype(np.float32)
arrays = kernels.column_sum(x), kernels.leaky_gate(x, y, 0.2), kernels.sigmoid_gate(x, y)
print(kernels.active, hashlib.sha256(b"".join(a.tobytes() for a in arrays)).hexdigest())
"""

# Every start loads these, and they compile quickly. A test that needs a process to compile something
# removes or damages their files in a copy of a complete cache.
QUICK = ("column_sum_loop", "leaky_gate", "sigmoid_gate")


def child(folder, code=PROBE, **environment):
    """Run the code with folder/cache as Numba's cache; the output, and the lines on stderr."""
    done = children.finish(start_child(folder, code, **environment))
    assert done.code == 0, done.err
    return done.out.strip(), [line for line in done.err.splitlines() if line]


def start_child(folder, code=PROBE, **environment):
    """Start a process that runs the code with folder/cache as Numba's cache."""
    changes = {"NUMBA_CACHE_DIR": str(folder / "cache"), "NUMBA_DISABLE_JIT": None}
    changes |= {"NPGAN_KERNELS": None, **environment}
    return children.start("-c", code, env=changes)


def compiled_kernels():
    """With the compiled kernels; what a test sets is put back. To be made a fixture."""
    use_kernels("compiled")
    yield
    use_kernels("auto")
    set_threads(None)


@pytest.fixture(scope="session")
def complete_cache(tmp_path_factory):
    """A cache with everything that PROBE and RESULTS load, and of QUICK nothing else.

    It starts as a copy of the session's cache, where other tests may have left QUICK for other
    dtypes: no child loads these files, so nothing would heal them.
    """
    folder = tmp_path_factory.mktemp("complete")
    done = children.run("-c", PROBE)
    assert done.code == 0, done.err
    copy_cache(os.environ["NUMBA_CACHE_DIR"], folder)
    for file in files_of(folder, QUICK):
        file.unlink()
    child(folder)
    child(folder, RESULTS)
    return folder / "cache"


def copy_cache(source, folder):
    """Copy a cache to folder/cache, without what another process is writing to it."""
    shutil.copytree(source, folder / "cache", ignore=shutil.ignore_patterns("*.tmp.*"))


@pytest.fixture
def cached(tmp_path, complete_cache):
    """A folder whose cache is a copy of the complete one."""
    copy_cache(complete_cache, tmp_path)
    return tmp_path


def files_of(folder, kernels):
    """Files like loops.column_sum_loop-31.py311.(hash).nbc of these kernels in a cache."""
    found = [
        file
        for file in (folder / "cache").rglob("*.nbc")
        if file.name.partition("-")[0].rpartition(".")[2] in kernels
    ]
    assert len(found) >= len(kernels)
    return found
