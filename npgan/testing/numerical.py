"""numerical_gradient: a measured gradient with its error bounds."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from .problem.advice import sentence_for_stubs
from .problem.analytic import AnalyticGradients
from .problem.errors import BudgetError
from .problem.options import check_choice, check_whole
from .problem.problem import Problem
from .problem.random_streams import Stream, generator
from .problem.tree import named_leaves, replace_leaves
from .problem.types import Function, Tree
from .slopes.points import Points, Settings
from .slopes.precision import widen
from .verdict.entries import compare_entries

__tracebackhide__ = True  # pytest shows a failure at the user's line, not at ours


class Numerical(NamedTuple):
    """Measured gradients and the largest errors that they may have.

    Parameters
    ----------
    gradients : array or nested arrays
        Nested like the arguments; None where an argument is no float. An entry is NaN where no
        slope could be measured: max_evals ran out, or func returns NaN. By a complex number
        z = x + iy it is dF/dx + i dF/dy.
    bounds : array or nested arrays
        The error bounds, nested in the same way; infinite where the gradient is NaN.
    """

    gradients: Any
    bounds: Any


def numerical_gradient(
    func: Function,
    args: Tree,
    *,
    dout: Tree = None,
    style: str = "auto",
    method: str = "auto",
    seed: int = 0,
    max_evals: int = 20_000,
) -> Numerical:
    """Measure the gradient of ``Σ dout func(*args)`` by every float argument, entry by entry.

    Parameters
    ----------
    func : callable
        ``func(*args)`` returns a scalar or arrays; in the style "cache" ``(out, cache)``.
    args : tuple
        The arguments, as in `check_gradients`. For one array without a tuple the gradient comes
        without a tuple, too.
    dout : array_like, optional
        The weights of the outputs: like the output, or one number for all of it. By default ones.
    style, method, seed, max_evals
        As in `check_gradients`.

    Returns
    -------
    Numerical
        ``(gradients, bounds)``, both nested like the arguments.

    Raises
    ------
    ValueError
        An option is not allowed, there is nothing to differentiate by, func is not written yet, or
        max_evals does not suffice for one slope.
    TypeError
        func is not callable.

    Notes
    -----
    At a kink the value is the mean of the two one-sided slopes, and the bound reaches to both.
    Slopes are central differences, extrapolated [1]_, or complex steps [2]_.

    References
    ----------
    .. [1] C. Ridders, "Accurate computation of F'(x) and F'(x) F''(x)", Advances in Engineering
       Software, 1982.
    .. [2] W. Squire, G. Trapp, "Using complex variables to estimate derivatives of real
       functions", SIAM Review, 1998.

    Examples
    --------
    >>> import numpy as np
    >>> from npgan.testing import numerical_gradient
    >>> gradient, bound = numerical_gradient(lambda x: np.sum(np.sin(x)), np.array([0.0, 1.0]))
    >>> bool(np.all(np.abs(gradient - np.cos([0.0, 1.0])) <= bound))
    True
    """
    check_choice("method", method, ("auto", "complex", "differences"))
    check_whole("max_evals", max_evals, 1)
    check_whole("seed", seed, 0)
    with sentence_for_stubs():
        native = Problem(func, None, args, None, style, max_evals)
    # Compared with a gradient of zero, the gap is the slope itself.
    zeros: list[np.ndarray | None] = [np.zeros(v.shape) for v in native.values]
    analytic = AnalyticGradients(zeros, list(zeros), [], [])
    settings = Settings(0.0, 0.0, method, "stay")
    try:
        problem, noise, _ = widen(native, seed)
        weights = native.dout_vector(1.0 if dout is None else dout, generator(seed, Stream.DOUT))
        points = Points(native, problem, weights, noise, analytic, settings, seed)
        points.at(0)
    except BudgetError:
        raise ValueError(f"max_evals={max_evals} is used up before any slope; allow more") from None
    found = [compare_entries(points, leaf) for leaf in range(len(problem.values))]
    gradients = problem.nest_gradients([comparison.numeric for comparison in found])
    bounds = problem.nest_gradients([comparison.bound for comparison in found])
    absolute = [bound if bound is None else np.abs(bound) for _, bound in named_leaves(bounds, "")]
    bounds = replace_leaves(bounds, iter(absolute))  # of a complex number: sqrt(re² + im²)
    if isinstance(args, (tuple, list)):
        return Numerical(gradients, bounds)
    return Numerical(gradients[0], bounds[0])
