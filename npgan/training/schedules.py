"""Schedules: factors that depend on the fraction of the run that is done, from 0 to 1."""

from __future__ import annotations


def linear_decay(done: float, share: float) -> float:
    """The factor 1, which over the last `share` of the run falls linearly to 0.

    done: the fraction of the run that is done. share: 0 keeps the factor at 1, 1 lets it fall from
    the start. For learning rates, Gulrajani et al. 2017 use share 1, Zhu et al. 2017 share 0.5.
    """
    return min(1.0, (1.0 - done) / share) if share else 1.0
