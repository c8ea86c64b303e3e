"""Numerical gradient checks for any NumPy function, and for npgan's own layers.

    from npgan.testing import assert_gradients
    assert_gradients(forward, backward, (x, W, b))

docs/gradcheck.md teaches it.
"""

from .check import assert_gradients, check_gradients
from .gradient import Numerical, numerical_gradient
from .own import (
    assert_layer_gradients,
    check_layer,
    check_loss,
    check_own,
    check_penalty,
    check_primitive,
    check_step,
)
from .power import PowerReport, check_power
from .report import FAIL, INCONCLUSIVE, PASS, ArgumentReport, Report
from .taylor import Taylor, taylor_test

__all__ = [
    "FAIL", "INCONCLUSIVE", "PASS", "ArgumentReport", "Numerical", "PowerReport", "Report", "Taylor",
    "assert_gradients", "assert_layer_gradients", "check_gradients", "check_layer", "check_loss", "check_own",
    "check_penalty", "check_power", "check_primitive", "check_step", "numerical_gradient", "taylor_test",
]  # fmt: skip
