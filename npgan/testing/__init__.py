"""Numerical gradient checks for any NumPy function, and for npgan's own layers.

    from npgan.testing import assert_gradients
    assert_gradients(forward, backward, (x, W, b))

docs/gradcheck.md teaches it. What a user calls stands in this folder; the folders hold the parts,
each built on the ones before it:

    problem/    what is checked: a function with its gradient, in one form
    slopes/     measured slopes with error bars
    report.py   what a check found
    verdict/    comparisons of gradients and slopes: PASS, FAIL or INCONCLUSIVE
    explain/    hints: the usual mistake that explains a FAIL
    check.py    check_gradients and assert_gradients
    numerical.py, taylor.py, power.py
                numerical_gradient, taylor_test, check_power
    own/        npgan's own derivatives: primitives, layers, losses, penalties, training steps

That is also the reading order; each folder names the order of its files.
"""

from .check import assert_gradients, check_gradients
from .numerical import Numerical, numerical_gradient
from .own.everything import check_own
from .own.layers import assert_layer_gradients, check_layer
from .own.losses import check_loss
from .own.penalties import check_penalty
from .own.primitives import check_primitive
from .own.steps import check_step
from .power import PowerReport, check_power
from .report import FAIL, INCONCLUSIVE, PASS, ArgumentReport, Report
from .taylor import Taylor, taylor_test

__all__ = [
    "FAIL",
    "INCONCLUSIVE",
    "PASS",
    "ArgumentReport",
    "Numerical",
    "PowerReport",
    "Report",
    "Taylor",
    "assert_gradients",
    "assert_layer_gradients",
    "check_gradients",
    "check_layer",
    "check_loss",
    "check_own",
    "check_penalty",
    "check_power",
    "check_primitive",
    "check_step",
    "numerical_gradient",
    "taylor_test",
]
