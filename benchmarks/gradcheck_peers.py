"""The checkers side by side, as functions (case, backward, dout) -> True where a bug is reported.

Each peer runs at its defaults and at the best settings that its documentation gives: torch in double precision
with nondet_tol left alone and tolerances scaled to the gradient, jax and autograd with tolerances likewise.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from npgan.testing import FAIL, PASS, check_gradients

Checker = Callable[[Any, Callable, np.ndarray], bool]


def ours(case: Any, backward: Callable, dout: Any) -> bool:
    """Whether a bug is reported, or the test does not pass."""
    return check_gradients(case.forward, backward, case.args, style="dout").verdict != PASS


def ours_fail(case: Any, backward: Callable, dout: Any) -> bool:
    return check_gradients(case.forward, backward, case.args, style="dout").verdict == FAIL


def size_of(case: Any, dout: Any) -> float:
    """The largest gradient entry, for peers whose tolerances are absolute."""
    return max(float(np.max(np.abs(g))) for g in case.backward(dout, *case.args)) or 1.0


def torch_gradcheck(fast: bool, scaled: bool) -> Checker:
    import torch

    # Fast mode has decided when it calls this. For its message it would compute the whole Jacobian,
    # which for a layer of MNIST size is 10 GB.
    sys.modules["torch.autograd.gradcheck"]._run_slow_mode_and_get_error = lambda *_: ""  # type: ignore[attr-defined]

    def check(case: Any, backward: Callable, dout: Any) -> bool:
        class Function(torch.autograd.Function):
            @staticmethod
            def forward(ctx: Any, *tensors: Any) -> Any:
                ctx.save_for_backward(*tensors)
                return torch.from_numpy(
                    np.array(case.forward(*[t.detach().numpy() for t in tensors]))
                )

            @staticmethod
            def backward(ctx: Any, g: Any) -> Any:
                args = [t.detach().numpy() for t in ctx.saved_tensors]
                g = g.detach().numpy()
                return tuple(
                    torch.from_numpy(np.array(d)) for d in backward(g if g.ndim else g[()], *args)
                )

        tensors = [torch.tensor(a, requires_grad=True) for a in case.args]
        options: dict[str, Any] = {"fast_mode": fast}
        if scaled:
            options["atol"] = 1e-5 * size_of(case, dout)
            options["rtol"] = 1e-5
        return not torch.autograd.gradcheck(
            Function.apply, tensors, raise_exception=False, **options
        )

    return check


def jax_check_vjp(scaled: bool) -> Checker:
    import jax
    from jax.test_util import check_vjp

    jax.config.update("jax_enable_x64", True)

    def check(case: Any, backward: Callable, dout: Any) -> bool:
        def f(*args: Any) -> Any:
            return case.forward(*[np.asarray(a) for a in args])

        def f_vjp(*args: Any) -> Any:
            args = tuple(np.asarray(a) for a in args)
            return f(*args), lambda g: backward(np.asarray(g)[()], *args)

        options: dict[str, Any] = {}
        if scaled:
            options = {"atol": 1e-5 * size_of(case, dout), "rtol": 1e-5, "eps": 1e-5}
        try:
            check_vjp(f, f_vjp, case.args, **options)
        except AssertionError:
            return True
        return False

    return check


def autograd_check_grads(scaled: bool) -> Checker:
    import autograd.test_util as util
    from autograd.extend import defvjp, primitive

    def check(case: Any, backward: Callable, dout: Any) -> bool:
        f = primitive(case.forward)
        rules = [
            lambda y, *args, k=k: lambda g: np.asarray(backward(g, *args)[k])
            for k in range(len(case.args))
        ]
        defvjp(f, *rules)
        kept = util.TOL, util.RTOL
        if scaled:
            util.TOL, util.RTOL = 1e-5 * size_of(case, dout), 1e-5
        try:
            util.check_grads(f, modes=["rev"], order=1)(*case.args)
        except AssertionError:
            return True
        finally:
            util.TOL, util.RTOL = kept
        return False

    return check


def scipy_check_grad(scaled: bool) -> Checker:
    from scipy.optimize import check_grad

    def check(case: Any, backward: Callable, dout: Any) -> bool:
        shapes = [a.shape for a in case.args]
        dtype = case.args[0].dtype

        def split(theta: np.ndarray) -> list[np.ndarray]:
            parts, start = [], 0
            for shape in shapes:
                stop = start + int(np.prod(shape))
                parts.append(theta[start:stop].reshape(shape).astype(dtype))
                start = stop
            return parts

        def func(theta: np.ndarray) -> float:
            return float(np.sum(np.asarray(dout, np.float64) * case.forward(*split(theta))))

        def grad(theta: np.ndarray) -> np.ndarray:
            return np.concatenate([np.ravel(g) for g in backward(dout, *split(theta))]).astype(
                np.float64
            )

        theta = np.concatenate([a.ravel() for a in case.args]).astype(np.float64)
        limit = 1e-5 * (np.linalg.norm(grad(theta)) if scaled else 1.0)
        return not check_grad(func, grad, theta) <= limit

    return check


def checkers() -> dict[str, Checker]:
    return {
        "npgan.testing": ours,
        "torch gradcheck": torch_gradcheck(False, False),
        "torch, fast_mode": torch_gradcheck(True, False),
        "torch, scaled tolerances": torch_gradcheck(False, True),
        "jax check_vjp": jax_check_vjp(False),
        "jax, scaled tolerances": jax_check_vjp(True),
        "autograd check_grads": autograd_check_grads(False),
        "autograd, scaled tolerances": autograd_check_grads(True),
        "scipy check_grad": scipy_check_grad(False),
        "scipy, scaled tolerance": scipy_check_grad(True),
    }
