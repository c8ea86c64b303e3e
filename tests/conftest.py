"""For every test: one BLAS thread, the same examples every time; for every session: a fresh cache of kernels."""

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

# These are set before Numba and NumPy are imported, which read them once. Child processes inherit them, and so
# do pytest-xdist's workers, each of which imports this file again.
if "PYTEST_XDIST_WORKER" not in os.environ:
    os.environ["NUMBA_CACHE_DIR"] = tempfile.mkdtemp(prefix="npgan-kernels-")
    atexit.register(shutil.rmtree, os.environ["NUMBA_CACHE_DIR"], ignore_errors=True)
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

settings.register_profile("npgan", deadline=None, derandomize=True)
settings.load_profile("npgan")


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config):
    """Folders of tests run on all cores, as with `-n auto --dist worksteal`; files and single tests run here."""
    in_worker = hasattr(config, "workerinput")
    if in_worker or not config.pluginmanager.hasplugin("xdist"):
        return
    if config.option.numprocesses is None and all(Path(arg).is_dir() for arg in config.args):
        config.option.numprocesses = "auto"
        if config.option.dist == "no":
            config.option.dist = "worksteal"


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_setupnodes(specs):
    """Compile the kernels before the workers start: each would compile them for itself, at the same time."""
    if len(specs) > 1:
        warm_up.compile_all()


@pytest.fixture(autouse=True)
def ctrl_c_raises():
    """As in a terminal, even where the tests were started in the background; and as it was, afterwards."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    left = signal.signal(signal.SIGINT, before)
    assert left is signal.default_int_handler


@pytest.fixture(autouse=True)
def fair_threads():
    """Each worker of pytest-xdist uses its share of the cores, also after a test that set another number."""
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    threads = max(1, (os.cpu_count() or 1) // workers) if workers > 1 else None
    if kernels.threads != threads:
        kernels.set_threads(threads)
