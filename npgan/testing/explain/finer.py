"""The experiments in float64, for a function that casts its arguments to float32.

The verdict is that of the user's function. Which mistake explains it is asked of the same function
without its casts, whose slopes are a thousand times finer, where NumPy does the casts and both the
outputs and the gradients stay the same to what float32 can tell.
"""

from __future__ import annotations

import copy
from weakref import WeakKeyDictionary

import numpy as np

from ..problem.analytic import as_arrays
from ..problem.arrays import ignore_float_errors, max_abs
from ..problem.errors import BudgetError
from ..slopes.points import Points
from ..slopes.precision import in_float64
from .on_tape import Widened

SAME = 3e-3  # of the largest entry, by which outputs and gradients may differ without the casts
MADE: WeakKeyDictionary[Points, Points] = WeakKeyDictionary()


def finer(points: Points) -> Points:
    """The points at which explanations are sought: the same ones, in float64 if possible."""
    if not points.noise.is_coarse:
        return points
    if points not in MADE:
        MADE[points] = without_casts(points) or points
    return MADE[points]


def without_casts(points: Points) -> Points | None:
    """The same problem without its casts to float32; None where that is another problem."""
    native = points.native
    without = copy.copy(native)
    without.func = Widened(native.func)
    without.grad = None if native.grad is None else Widened(native.grad)
    without.max_evals = native.max_evals - points.problem.evals
    try:
        found = in_float64(without, points.seed)
        if found is None:
            return None
        problem, noise = found
        with ignore_float_errors():
            outputs = problem.outputs(problem.values)
            returned = problem.gradients(problem.values, points.dout)
    except BudgetError:
        raise
    except Exception:  # whatever a function raises for arrays of another class
        return None
    gradients = as_arrays(problem, returned)[0]
    pairs = [(outputs, points.at(0).outputs), *zip(gradients, points.analytic.values, strict=True)]
    if not all(is_same(ours, theirs) for ours, theirs in pairs):
        return None
    analytic = points.analytic._replace(values=gradients)
    return Points(problem, problem, points.dout, noise, analytic, points.settings, points.seed)


def is_same(ours: np.ndarray | None, theirs: np.ndarray | None) -> bool:
    """Whether two results differ by no more than float32 can tell."""
    if ours is None or theirs is None:
        return ours is theirs
    return bool(np.all(np.abs(ours - theirs) <= SAME * max_abs(theirs)))
