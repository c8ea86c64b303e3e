"""For every test: a fresh cache of compiled kernels, one BLAS thread, the same examples every time."""

import atexit
import os
import shutil
import signal
import tempfile

import pytest
from hypothesis import settings

# Before Numba and NumPy are imported, which read these once; child processes inherit them.
os.environ["NUMBA_CACHE_DIR"] = tempfile.mkdtemp(prefix="npgan-kernels-")
atexit.register(shutil.rmtree, os.environ["NUMBA_CACHE_DIR"], ignore_errors=True)
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

settings.register_profile("npgan", deadline=None, derandomize=True)
settings.load_profile("npgan")


@pytest.fixture(autouse=True)
def ctrl_c_raises():
    """As in a terminal, even where the tests were started in the background; and as it was, afterwards."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    left = signal.signal(signal.SIGINT, before)
    assert left is signal.default_int_handler
