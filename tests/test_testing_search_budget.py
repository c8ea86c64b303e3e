"""The search for the cause of a FAIL ends after so many operations, and the report says so."""

import numpy as np
import pytest

from npgan.testing import FAIL, check_gradients
from npgan.testing.explain import repair

rng = np.random.default_rng(0)


def forward(xs, W, U):
    hs = [np.zeros(len(U))]
    for x in xs:
        hs.append(np.tanh(x @ W + hs[-1] @ U))
    return hs[-1], (xs, W, U, hs)


def backward(d, cache):
    """No single operation is wrong: three are."""
    xs, W, U, hs = cache
    dx, dW, dU = np.zeros_like(xs), np.zeros_like(W), np.zeros_like(U)
    for t in range(len(xs))[::-1]:
        z = d * (1 - hs[t + 1] ** 2) * (1 + 0.1 * np.cos(5 * hs[t]))
        dW += np.outer(xs[t], z) * (1 + 0.1 * np.sin(3 * W))
        dU += np.outer(hs[t], z) * (1 + 0.3 * np.sin(3 * U))
        dx[t] = W @ z
        d = U @ z * (1 + 0.1 * np.sin(hs[t]))
    return dx, dW, dU


def arguments(n):
    return rng.standard_normal((n, 2)), rng.standard_normal((2, 2)), 0.8 * np.eye(2)


def operations(monkeypatch, n):
    """(the report, how many operations of backward have run on a tape)"""
    ran = [0]
    real = repair.Bench.__init__, repair.Bench.with_changes

    def record(self, trial):
        real[0](self, trial)
        ran[0] += len(self.steps)

    def run(self, changes):
        ran[0] += len(self.steps)
        return real[1](self, changes)

    monkeypatch.setattr(repair.Bench, "__init__", record)
    monkeypatch.setattr(repair.Bench, "with_changes", run)
    return check_gradients(forward, backward, arguments(n)), ran[0]


def test_a_long_recursion_takes_no_more_than_its_share(monkeypatch):
    monkeypatch.setattr(repair, "MOST_STEPS", 3000)
    monkeypatch.setattr(repair, "MOST_STEPS_OF_ALL", 5000)
    monkeypatch.setattr(repair, "LEAST_STEPS", 1000)
    report, ran = operations(monkeypatch, 40)
    assert report.verdict == FAIL
    # One run of backward, of about 600 operations, may end beyond the limit, and be once recorded
    # for each argument.
    assert ran < 5000 + 4 * 800
    assert any("cut short" in note for note in report.notes)


def test_a_short_one_is_searched_to_the_end():
    wrong = lambda d, x: d * (1 + np.sin(5 * x))
    report = check_gradients(np.tanh, wrong, rng.standard_normal(5), style="dout")
    assert report.verdict == FAIL
    assert not any("cut short" in note for note in report.notes)


def test_recordings_count(monkeypatch):
    monkeypatch.setattr(repair.Bench, "is_too_long", lambda *a: False)
    with pytest.raises(AssertionError):
        test_a_long_recursion_takes_no_more_than_its_share(monkeypatch)
