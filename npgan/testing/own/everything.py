"""check_own: all derivatives of npgan."""

from __future__ import annotations

from collections.abc import Iterator

from ..report import Report
from .layers import layer_reports
from .losses import loss_reports
from .penalties import penalty_reports
from .primitives import primitive_reports
from .steps import step_reports

PARTS = {
    "primitives": primitive_reports,
    "layers": layer_reports,
    "losses": loss_reports,
    "penalties": penalty_reports,
    "steps": step_reports,
}


def check_own(seed: int = 0) -> Iterator[Report]:
    """Check all derivatives of npgan: primitives, layers, losses, penalties and training steps.

    Parameters
    ----------
    seed : int
        The seed of all arguments and of the checks.

    Yields
    ------
    Report
        One per primitive case at order 1 and 2, per layer, per side of each loss, per penalty, and
        per training step with each loss. Their titles differ.

    Examples
    --------
    >>> from npgan.testing import check_own
    >>> next(check_own()).title
    'add, order 1'
    """
    for reports in PARTS.values():
        yield from reports(seed)
