"""Schedules: functions of the share of the run that is done, in [0, 1]."""

from __future__ import annotations


def linear_decay(done: float, share: float) -> float:
    """1, and over the last `share` of the run linearly to 0; share 0: 1 throughout, share 1: from the start.

    For learning rates: Gulrajani et al. 2017 fall from the start, Zhu et al. 2017 over the last half.
    """
    return min(1.0, (1.0 - done) / share) if share else 1.0
