"""Projections: errors that cancel in pairs, wrong special cases among kinks, the stated power."""

import numpy as np
import pytest
from checked_functions import without_special_entries

from npgan.testing import FAIL, PASS, check_gradients
from npgan.testing.slopes import directions
from npgan.testing.slopes.directions import random_weights, smallest_effect
from npgan.testing.verdict import projections

rng = np.random.default_rng(0)


def weights_of(n, count, leaf=0, seed=0):
    return np.stack([random_weights((n,), [seed, leaf, d]) for d in range(count)])


@pytest.mark.parametrize(("n", "count"), [(60, 3), (500, 8), (500, 12), (120, 5)])
def test_no_pair_of_errors_cancels_in_all_directions(n, count):
    """Errors of any two sizes, over all pairs of n entries."""
    v = weights_of(n, count)
    assert np.abs(v).min() >= directions.SMALLEST_WEIGHT
    assert np.abs(v).max() <= directions.LARGEST_WEIGHT
    smallest = np.inf
    for i in range(n):
        others = np.delete(v, i, axis=1)
        for t in (-1.0, 1.0, *np.linspace(-0.95, 0.95, 9)):
            smallest = min(smallest, np.abs(v[:, [i]] + t * others).max(axis=0).min())
    assert smallest >= smallest_effect(n, count)
    assert smallest_effect(n, 1) == 0 < smallest_effect(n, 2) < smallest_effect(2, 2)


def softmax_loss(n, off_by_one):
    label = n // 3

    def loss(z):
        return np.log(np.sum(np.exp(z))) - z[label]

    def grad(z):
        p = np.exp(z) / np.sum(np.exp(z))
        p[label + off_by_one] -= 1
        return p

    return loss, grad


def picked(index):
    """A number of the array, with the gradient at the index next to it."""

    def pair(off_by_one):
        def grad(d, x):
            g = np.zeros(x.shape)
            g.flat[(index(x) + off_by_one) % x.size] = d
            return g

        return (lambda x: x.flat[index(x)]), grad

    return pair


def copied(off_by_one):
    ids = np.arange(0, 500, 7)

    def grad(d, x):
        g = np.zeros(x.shape)
        shifted = ids.copy()
        shifted[3] += off_by_one
        g[shifted] = d
        return g

    return (lambda x: x[ids]), grad


X = rng.standard_normal(600)


@pytest.mark.parametrize(
    "pair",
    [
        lambda off: softmax_loss(600, off),
        picked(lambda x: int(np.argsort(x.ravel())[x.size // 2])),
        picked(lambda x: int(np.argmax(x))),
        picked(lambda x: 77),
        copied,
    ],
    ids=["cross entropy", "median", "max", "one entry", "gather"],
)
def test_errors_of_equal_size_that_cancel(pair):
    for off_by_one, expected in ((0, PASS), (1, FAIL)):
        for seed in range(6):
            report = check_gradients(*pair(off_by_one), (X,), seed=seed, mode="projections")
            assert report.verdict == expected, str(report)


def test_a_pair_that_signs_do_not_see():
    signs = np.stack([directions.random_signs((500,), [0, 0, d]) for d in range(8)])
    i, j = next(
        (i, j) for i in range(500) for j in range(i) if np.array_equal(signs[:, i], signs[:, j])
    )

    def grad(x):
        g = np.cos(x)
        g[i] += 1.0
        g[j] -= 1.0
        return g

    report = check_gradients(lambda x: np.sum(np.sin(x)), grad, (X[:500],))
    assert report.verdict == FAIL, str(report)


def test_the_stated_power_is_true_of_pairs():
    """A pair of errors of twice the power is found, whatever the pair and the ratio of the two."""
    func, right = (lambda x: np.sum(np.sin(x))), np.cos
    report = check_gradients(func, right, (X,))
    size = report["x"].power * np.abs(np.cos(X)).max()
    for trial in range(30):
        i, j = rng.choice(X.size, 2, replace=False)
        ratio = 1.0 if trial < 15 else rng.uniform(0, 1)

        def wrong(x, i=i, j=j, ratio=ratio):
            g = np.cos(x)
            g[i] += 2 * size
            g[j] -= 2 * size * ratio
            return g

        assert check_gradients(func, wrong, (X,)).verdict == FAIL
    assert report.verdict == PASS
    assert report["x"].power < 1e-6


# ---- a wrong special case among kinks ----


def halves(special, n, at_0):
    """relu of the first half, a smooth function of the second whose gradient at 0 is at_0."""
    func, slope = special
    half = n // 2

    def forward(x):
        return np.concatenate([np.maximum(x[:half], 0), func(x[half:])])

    def backward(d, x):
        g = np.where(x[half:] == 0, at_0, slope(x[half:]))
        return d * np.concatenate([x[:half] > 0, g])

    return forward, backward


SPECIAL = {
    "softplus": (lambda x: np.logaddexp(0, x), lambda x: 1 / (1 + np.exp(-x)), 0.5, 0.0),
    "expm1": (np.expm1, np.exp, 1.0, 0.9),
    "gelu": (
        lambda x: x / (1 + np.exp(-1.7 * x)),
        lambda x: 1 / (1 + np.exp(-1.7 * x)) * (1 + 1.7 * x / (1 + np.exp(1.7 * x))),
        0.5,
        1.0,
    ),
    "x cos x": (lambda x: x * np.cos(x), lambda x: np.cos(x) - x * np.sin(x), 1.0, 0.0),
}


@pytest.mark.parametrize("name", SPECIAL)
@pytest.mark.parametrize("n", [20, 900])
@pytest.mark.parametrize("as_loss", [False, True], ids=["outputs", "loss"])
def test_a_wrong_special_case_among_kinks(name, n, as_loss):
    func, slope, right, wrong = SPECIAL[name]
    x = np.where(rng.random(n) < 0.4, 0.0, rng.standard_normal(n))
    w = rng.standard_normal(n)
    for at_0, expected in ((right, PASS), (wrong, FAIL)):
        forward, backward = halves((func, slope), n, at_0)
        given = (forward, backward)
        if as_loss:
            given = (lambda x, f=forward: np.sum(w * f(x))), lambda x, b=backward: b(w, x)
        for mode in ("auto", "projections"):
            report = check_gradients(*given, (x,), mode=mode)
            assert report.verdict == expected, str(report)


# ---- each part taken out ----


def signs_only(patch):
    patch.setattr(
        projections, "random_weights", lambda shape, seed: directions.random_signs(shape, seed)
    )


@pytest.mark.parametrize(
    ("removal", "test", "given"),
    [
        (signs_only, test_a_pair_that_signs_do_not_see, ()),
        (without_special_entries, test_a_wrong_special_case_among_kinks, ("softplus", 900, False)),
        (without_special_entries, test_a_wrong_special_case_among_kinks, ("gelu", 900, True)),
    ],
)
def test_a_part_taken_out_is_missed(removal, test, given, monkeypatch):
    removal(monkeypatch)
    with pytest.raises(AssertionError):
        test(*given)
