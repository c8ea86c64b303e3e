"""Matrix products in several libraries: peer() -> bind(kind, arrays) -> a function to call.

The arrays are row-major float32. Calling the function computes `out`; it returns `out` where the
library cannot write into a given array. No array is copied. Each function imports its library
itself because it runs in its own process.

    NN  out = a b            NN+  out = leaky_relu(a b + bias)
    NT  out = a bᵀ           NT+  out = a bᵀ where y > 0, else slope a bᵀ
    TN  out = aᵀ b           TN+  out = aᵀ b, and sums = Σ b over its rows
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

SLOPE = 0.2
Bind = Callable[[str, dict[str, Any]], Callable[[], Any]]


def in_npgan() -> Bind:
    import npgan
    from npgan import kernels

    npgan.set_threads(int(os.environ["OMP_NUM_THREADS"]))
    npgan.use_kernels("compiled")

    def bind(kind: str, x: dict[str, Any]) -> Callable[[], Any]:
        a, b, out, bias, y, sums = (x[name] for name in ("a", "b", "out", "bias", "y", "sums"))
        return {
            "NN": lambda: kernels.gemm(a, b, out=out),
            "NT": lambda: kernels.gemm(a, b, tb=True, out=out),
            "TN": lambda: kernels.gemm(a, b, ta=True, out=out),
            "NN+": lambda: kernels.affine_leaky(a, b, bias, SLOPE),
            "NT+": lambda: kernels.gemm_gate(a, b, y, SLOPE),
            "TN+": lambda: kernels.weight_gradients(a, b, out, sums),
        }[kind]

    return bind


def in_numpy() -> Bind:
    import numpy as np

    def bind(kind: str, x: dict[str, Any]) -> Callable[[], Any]:
        a, b, out, bias, y, sums = (x[name] for name in ("a", "b", "out", "bias", "y", "sums"))
        slope, one = np.float32(SLOPE), np.float32(1)
        spare = np.empty_like(out)

        def affine_leaky() -> None:
            np.matmul(a, b, out=out)
            np.add(out, bias, out=out)
            np.multiply(out, slope, out=spare)
            np.maximum(out, spare, out=out)

        def gate() -> None:
            np.matmul(a, b.T, out=out)
            np.multiply(out, np.where(y > 0, one, slope), out=out)

        def weight_gradients() -> None:
            np.matmul(a.T, b, out=out)
            np.add.reduce(b, axis=0, out=sums)

        return {
            "NN": lambda: np.matmul(a, b, out=out),
            "NT": lambda: np.matmul(a, b.T, out=out),
            "TN": lambda: np.matmul(a.T, b, out=out),
            "NN+": affine_leaky,
            "NT+": gate,
            "TN+": weight_gradients,
        }[kind]

    return bind


def in_scipy() -> Bind:
    """BLAS is column-major, so it computes outᵀ = bᵀ aᵀ: a row-major array is its own transpose."""
    import numpy as np
    from scipy.linalg.blas import sgemm

    def bind(kind: str, x: dict[str, Any]) -> Callable[[], Any]:
        a, b, out = x["a"].T, x["b"].T, x["out"].T
        flags = {"NN": {}, "NT": {"trans_a": 1}, "TN": {"trans_b": 1}}[kind]
        call = lambda: sgemm(1.0, b, a, 0.0, out, overwrite_c=1, **flags)
        if not np.shares_memory(call(), out):
            raise RuntimeError("SciPy copied an array")
        return call

    return bind


def in_torch() -> Bind:
    import torch

    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))

    def bind(kind: str, x: dict[str, Any]) -> Callable[[], Any]:
        a, b, out, bias, y, sums = (
            torch.from_numpy(x[n]) for n in ("a", "b", "out", "bias", "y", "sums")
        )

        def affine_leaky() -> None:
            torch.addmm(bias, a, b, out=out)
            torch.nn.functional.leaky_relu(out, SLOPE, inplace=True)

        def gate() -> None:
            torch.mm(a, b.t(), out=out)
            torch.ops.aten.leaky_relu_backward.grad_input(out, y, SLOPE, True, grad_input=out)

        def weight_gradients() -> None:
            torch.mm(a.t(), b, out=out)
            torch.sum(b, 0, out=sums)

        return {
            "NN": lambda: torch.mm(a, b, out=out),
            "NT": lambda: torch.mm(a, b.t(), out=out),
            "TN": lambda: torch.mm(a.t(), b, out=out),
            "NN+": affine_leaky,
            "NT+": gate,
            "TN+": weight_gradients,
        }[kind]

    return bind


def in_jax() -> Bind:
    import jax
    import jax.numpy as jnp

    functions = {
        "NN": lambda a, b, bias, y: a @ b,
        "NT": lambda a, b, bias, y: a @ b.T,
        "TN": lambda a, b, bias, y: a.T @ b,
        "NN+": lambda a, b, bias, y: jax.nn.leaky_relu(a @ b + bias, SLOPE),
        "NT+": lambda a, b, bias, y: (a @ b.T) * jnp.where(y > 0, 1, SLOPE),
        "TN+": lambda a, b, bias, y: (a.T @ b, b.sum(0)),
    }
    jitted = {kind: jax.jit(function) for kind, function in functions.items()}

    def bind(kind: str, x: dict[str, Any]) -> Callable[[], Any]:
        function, arrays = (
            jitted[kind],
            [jax.device_put(x[name]) for name in ("a", "b", "bias", "y")],
        )
        return lambda: jax.block_until_ready(function(*arrays))

    return bind
