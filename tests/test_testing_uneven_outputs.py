"""In float32: the noise of an output of slope 1e8 hides no error in what it does not depend on."""

import functools

import numpy as np
import pytest

from npgan.testing import FAIL, PASS, check_gradients, leaves
from npgan.testing.slopes import points
from npgan.testing.verdict import preconditions

rng = np.random.default_rng(0)
f4 = np.float32


def rows(big, n):
    """Rows of outputs, the first times a large number."""
    c = np.ones((n, 1), f4)
    c[0] = big
    func = lambda x: c * np.tanh(f4(x))
    return func, lambda d, x: f4(d) * c * (1 - np.tanh(f4(x)) ** 2), rng.standard_normal((n, 4))


def softmax_rows(big, n):
    c = np.ones((n, 1), f4)
    c[0] = big

    def softmax(x):
        e = np.exp(f4(x))
        return e / e.sum(1, keepdims=True)

    def backward(d, x):
        p, g = softmax(x), f4(d) * c
        return p * (g - (p * g).sum(1, keepdims=True))

    return lambda x: c * softmax(x), backward, rng.standard_normal((n, 4))


def two_outputs(big, n):
    """The first row is an output of its own."""

    func = lambda x: (f4(big) * f4(x[0]), np.sin(f4(x[1:])))
    whole = lambda d, x: np.concatenate([[f4(big) * f4(d[0])], f4(d[1]) * np.cos(f4(x[1:]))])
    return func, whole, rng.standard_normal((n, 4))


def dropped(g):
    g = g.copy()
    g[1:] = 0
    return g


def halved(g):
    g = g.copy()
    g[2] *= f4(0.5)
    return g


def of_other_sign(g):
    g = g.copy()
    g[1:] *= -1
    return g


@pytest.mark.parametrize("make", [rows, softmax_rows, two_outputs])
@pytest.mark.parametrize("big", [1e4, 1e8, 1e12])
@pytest.mark.parametrize(("n", "mode"), [(5, "elements"), (5, "projections"), (300, "auto")])
def test_a_large_output_hides_no_error_of_the_others(make, big, n, mode):
    func, right, x = make(big, n)
    assert check_gradients(func, right, x, style="dout", mode=mode).verdict == PASS
    for change in (halved, of_other_sign, dropped):
        wrong = lambda d, x, change=change: change(right(d, x))
        assert check_gradients(func, wrong, x, style="dout", mode=mode).verdict == FAIL


def test_a_large_output_that_shares_the_entry_does_hide_it():
    """x[0] has the slope 1e8; an error of 1e-3 of this output is not to be seen."""
    func = lambda x: np.array([f4(1e8) * f4(x[0]) + f4(x[1]), f4(x[1])])
    right = lambda d, x: np.array([1e8 * d[0], d[0] + d[1]])
    assert check_gradients(func, right, rng.standard_normal(2), style="dout").verdict == PASS


def dependence_of_leaves(patch):
    old = points.Point.dependent_outputs
    patch.setattr(points.Point, "dependent_outputs", lambda self, leaf, direction: old(self, leaf, np.ones(self.values[leaf].shape)))  # fmt: skip


def pooled_over_all(patch):
    patch.setattr(preconditions, "SIMILAR_BITS", 10_000)


def no_small_entries(patch):
    patch.setattr(leaves, "wrong_small_entries", lambda *a: None)


@pytest.mark.parametrize(
    ("removal", "mode"),
    [
        (dependence_of_leaves, "elements"),
        (pooled_over_all, "elements"),
        (no_small_entries, "projections"),
        (dependence_of_leaves, "projections"),
    ],
)
def test_a_part_taken_out_is_missed(removal, mode, monkeypatch):
    removal(monkeypatch)
    with pytest.raises(AssertionError):
        test_a_large_output_hides_no_error_of_the_others(rows, 1e8, 5, mode)


# ---- float64: a row of zeros has slopes of 1e3 to 1e8, and those of the others are small ----


def cosines(a, b):
    return (a * b).sum(1) / (clamped(a) * clamped(b))


def clamped(v):
    return np.maximum(np.sqrt((v * v).sum(1)), 1e-8)


def d_cosines(d, a, b, projected=True):
    na, nb, c = clamped(a)[:, None], clamped(b)[:, None], (d * cosines(a, b))[:, None]
    da, db = d[:, None] * b / (na * nb), d[:, None] * a / (na * nb)
    da -= np.where(na > 1e-8, c * a / na**2, 0) if projected else 0.0
    return da, db - c * b / nb**2


def rms_norm(x):
    return x / np.sqrt((x * x).mean(1, keepdims=True) + 1e-6)


def d_rms_norm(d, x, projected=True):
    s = np.sqrt((x * x).mean(1, keepdims=True) + 1e-6)
    n = x / s
    return ((d - n * (d * n).mean(1, keepdims=True) if projected else d) / s,)


def padded(scale, seed):
    x = scale * np.random.default_rng(seed).standard_normal((5, 4))
    x[2] = 0
    return x


UNEVEN_ROWS = {
    "cosine": (cosines, d_cosines, (padded(1, 0), 1 + padded(0.3, 1))),
    "RMS norm": (rms_norm, d_rms_norm, (padded(1e3, 2),)),
}


@pytest.mark.parametrize("mode", ["elements", "projections"])
@pytest.mark.parametrize("name", UNEVEN_ROWS)
def test_a_row_of_zeros_hides_no_error_of_the_others(name, mode):
    func, grad, args = UNEVEN_ROWS[name]
    assert check_gradients(func, grad, args, style="dout", mode=mode).verdict == PASS
    wrong = functools.partial(grad, projected=False)
    report = check_gradients(func, wrong, args, style="dout", mode=mode)
    assert report.arguments[0].verdict == FAIL, str(report)
