"""What all tests share.

They run on all cores, with a new cache of compiled kernels for each session, one BLAS thread, and
the same examples of Hypothesis every time.
"""

import atexit
import os
import shutil
import signal
import tempfile
from pathlib import Path

import pytest
import warm_up
from hypothesis import settings

from npgan import kernels

# `fault_counts` counts the faults that tests/reliability injects, in the controller of pytest-xdist,
# too; the others have fixtures.
pytest_plugins = ["browsers", "fault_counts", "kernel_caches"]

# Numba and NumPy read these once, when they are imported. Child processes inherit them, and so do
# the workers of pytest-xdist, each of which imports this file again.
if "PYTEST_XDIST_WORKER" not in os.environ:
    os.environ["NUMBA_CACHE_DIR"] = tempfile.mkdtemp(prefix="npgan-kernels-")
    atexit.register(shutil.rmtree, os.environ["NUMBA_CACHE_DIR"], ignore_errors=True)
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

# Tests send SIGHUP; where they were started with nohup, it is ignored, and so in child processes.
if hasattr(signal, "SIGHUP"):
    signal.signal(signal.SIGHUP, signal.SIG_DFL)

# A worker uses its share of the cores: threads that wait for work take time from other workers.
WORKERS = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
THREADS = max(1, (os.cpu_count() or 1) // WORKERS) if WORKERS > 1 else None
kernels.set_threads(THREADS)

settings.register_profile("npgan", deadline=None, derandomize=True)
settings.load_profile("npgan")


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config):
    """Run folders of tests as with `-n auto --dist worksteal`; files and single tests without."""
    in_worker = hasattr(config, "workerinput")
    if in_worker or not config.pluginmanager.hasplugin("xdist"):
        return
    if config.option.numprocesses is None and all(Path(arg).is_dir() for arg in config.args):
        config.option.numprocesses = "auto"
        if config.option.dist == "no":
            config.option.dist = "worksteal"


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_setupnodes(specs):
    """Compile the kernels before the workers start, which else would each compile them."""
    if len(specs) > 1:
        warm_up.compile_all()


@pytest.fixture(autouse=True)
def ctrl_c_raises():
    """Ctrl-C raises KeyboardInterrupt, also where the tests were started in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    left = signal.signal(signal.SIGINT, before)
    assert left is signal.default_int_handler


@pytest.fixture(autouse=True)
def threads_as_before():
    """Undo set_threads() after a test that called it."""
    yield
    if kernels.threads != THREADS:
        kernels.set_threads(THREADS)
