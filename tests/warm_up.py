"""Compiles the kernels into the cache of the test session.

This is not in conftest.py, because the child processes import it.
"""

import multiprocessing


def compile_all():
    """Compile for float32 and for float64 at the same time, in two child processes."""
    spawn = multiprocessing.get_context("spawn")
    lock = spawn.Lock()
    children = [spawn.Process(target=compile_for, args=(t, lock)) for t in ("float32", "float64")]
    for child in children:
        child.start()
    for child in children:
        child.join()


def compile_for(dtype, lock):
    """Call the kernels; the matrix product takes by far the longest to compile.

    Numba's cache of a function is an index and one file for each signature, and these are not
    written together: of two processes that add a signature at the same time, one may get the
    machine code of the other.
    """
    import numpy as np
    from numba.core.caching import IndexDataCacheFile

    from npgan.kernels import compiled

    save = IndexDataCacheFile.save

    def save_alone(*args):
        with lock:
            save(*args)

    IndexDataCacheFile.save = save_alone
    x, v = np.ones((2, 2), dtype), np.ones(2, dtype)
    compiled.affine(x, x, v), compiled.column_sum(x), compiled.bce_with_logits(v, v)
    compiled.tanh(x), compiled.sigmoid(x), compiled.softplus(x), compiled.leaky_relu(x, 0.2)
    compiled.tanh_gate(x, x), compiled.sigmoid_gate(x, x), compiled.leaky_gate(x, x, 0.2)
    compiled.adam(v, v, v.copy(), v.copy(), 0.1, 0.5, 0.5, 1e-8, 1)
    compiled.sgd(v, v, v.copy(), 0.1, 0.5), compiled.ema_update(v, v.copy(), 0.5)
