"""Compiles the kernels into the cache of the test session.

This is not in conftest.py, because the child processes import it.
"""

import multiprocessing


def compile_all():
    """Compile for float32 and for float64 at the same time, in two child processes."""
    spawn = multiprocessing.get_context("spawn")
    children = [spawn.Process(target=compile_for, args=(t,)) for t in ("float32", "float64")]
    for child in children:
        child.start()
    for child in children:
        child.join()


def compile_for(dtype):
    """Call the kernels; the matrix product takes by far the longest to compile."""
    import numpy as np

    from npgan.kernels import compiled

    x, v = np.ones((2, 2), dtype), np.ones(2, dtype)
    compiled.affine(x, x, v), compiled.column_sum(x), compiled.bce_with_logits(v, v)
    jobs = compiled.JobList(x.dtype)
    jobs.product(x, x, False, False)
    jobs.finish().compute()
    compiled.tanh(x), compiled.sigmoid(x), compiled.softplus(x), compiled.leaky_relu(x, 0.2)
    compiled.tanh_gate(x, x), compiled.sigmoid_gate(x, x), compiled.leaky_gate(x, x, 0.2)
    compiled.adam(v, v, v.copy(), v.copy(), 0.1, 0.5, 0.5, 1e-8, 1)
    compiled.sgd(v, v, v.copy(), 0.1, 0.5), compiled.ema_update(v, v.copy(), 0.5)
