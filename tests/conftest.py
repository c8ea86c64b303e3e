"""For every test: a fresh cache of compiled kernels, one BLAS thread, the same examples every time."""

import atexit
import os
import shutil
import tempfile

from hypothesis import settings

# Before Numba and NumPy are imported, which read these once; child processes inherit them.
os.environ["NUMBA_CACHE_DIR"] = tempfile.mkdtemp(prefix="npgan-kernels-")
atexit.register(shutil.rmtree, os.environ["NUMBA_CACHE_DIR"], ignore_errors=True)
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

settings.register_profile("npgan", deadline=None, derandomize=True)
settings.load_profile("npgan")
