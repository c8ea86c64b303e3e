"""The kernels compiled by Numba, with the same names, signatures and results as `reference`.

`reference` says what is computed; this package says how. The files import only from files above
them in this list, and can be read in this order. docs/kernels.md explains `tile` to `worker` with
drawings.

1.  `cache`       Numba's cache on disk, so that an error in it costs one warning
2.  `jit`         the decorator with which everything here is compiled
3.  `vectors`     LLVM code for vectors that stay in registers
4.  `tile`        a small part of a matrix product, whose sums stay in registers
5.  `job`         the arrays from which all threads read what to compute
6.  `panel`       all tiles below each other, and the copy of the columns of B that they share
7.  `elementary`  e^x, tanh and log of one number
8.  `loops`       Adam, losses and the like: loops over arrays
9.  `worker`      what one thread does in a job
10. `team`        the threads, and how a job is given to them
11. `product`     a matrix product as a job
12. `column`      products with a matrix of one column, without a job
13. `job_list`    jobs that are written once and computed many times
14. `kernels`     the kernels themselves
"""

from ..cores import available_cores
from .job_list import JobList
from .kernels import (
    adam,
    affine,
    affine_leaky,
    bce_with_gradient,
    bce_with_logits,
    column_sum,
    ema_update,
    gemm,
    gemm_gate,
    leaky_gate,
    leaky_relu,
    mean_sigmoid,
    sgd,
    sigmoid,
    sigmoid_gate,
    softplus,
    tanh,
    tanh_gate,
    try_out,
    weight_gradients,
)
from .team import set_threads, thread_count
from .tile import TILE_SHAPE
from .vectors import I64, Vectors, int64

__all__ = [
    "I64",
    "TILE_SHAPE",
    "JobList",
    "Vectors",
    "adam",
    "affine",
    "affine_leaky",
    "available_cores",
    "bce_with_gradient",
    "bce_with_logits",
    "column_sum",
    "ema_update",
    "gemm",
    "gemm_gate",
    "int64",
    "leaky_gate",
    "leaky_relu",
    "mean_sigmoid",
    "set_threads",
    "sgd",
    "sigmoid",
    "sigmoid_gate",
    "softplus",
    "tanh",
    "tanh_gate",
    "thread_count",
    "try_out",
    "weight_gradients",
]
