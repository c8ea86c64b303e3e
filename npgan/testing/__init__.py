"""Numerical gradient checks for any NumPy function, and for npgan's own layers.

    from npgan.testing import assert_gradients
    assert_gradients(forward, backward, (x, W, b))

docs/gradcheck.md teaches it.
"""

from .check import assert_gradients, check_gradients
from .report import ArgumentReport, Report

__all__ = ["ArgumentReport", "Report", "assert_gradients", "check_gradients"]
