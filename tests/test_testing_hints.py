"""Hints of the gradient checker: each cause is named where it is the cause, and not where a bug only looks like it."""

from typing import NamedTuple

import numpy as np
import pytest
from checked_functions import d_layer, layer, softmax

from npgan.testing import FAIL, check_gradients
from npgan.testing.explain import (
    evidence,
    factors,
    hints,
    intermediates,
    order,
    paths,
    places,
    repair,
    symmetry,
    terms,
)

rng = np.random.default_rng(0)


def draw(*shape):
    return rng.standard_normal(shape)


def spoilt(change, k=0):
    """The layer's gradient with a bug at one argument: change(gradient, argument)."""

    def backward(dout, *args):
        gradients = list(d_layer(dout, *args))
        gradients[k] = change(gradients[k], args[k])
        return tuple(gradients)

    return backward


def without(a, index):
    a = a.copy()
    a[index] = 0
    return a


def times(a, index, by):
    a = a.copy()
    a[index] *= by
    return a


def normalise(x):
    return (x - x.mean(axis=1, keepdims=True)) / np.sqrt(x.var(axis=1, keepdims=True) + 1e-5)


def d_normalise(dout, x, mean=1.0, variance=1.0, scale=1.0):
    s = np.sqrt(x.var(axis=1, keepdims=True) + 1e-5)
    n = normalise(x)
    path = mean * dout.mean(axis=1, keepdims=True)
    return (dout - path - variance * n * (dout * n).mean(axis=1, keepdims=True)) / s**scale


def length(x):
    return np.sqrt((x**2).sum(axis=1, keepdims=True))


def recurrent(x, w):
    h, all_h = np.zeros(x.shape[1]), []
    for step in x:
        h = np.tanh(step + w * h)
        all_h.append(h)
    return np.array(all_h)


def d_recurrent(dout, x, w, steps=99, used=None, over=1.0):
    h = recurrent(x, w)
    dx, dw = np.zeros_like(x), np.zeros_like(w)
    for t in range(len(x)) if used is None else used:
        g = dout[t]
        for s in range(t, max(-1, t - steps - 1), -1):
            a = g * (1 - h[s] ** 2)
            dx[s] += a
            dw += a * h[s - 1] if s else 0
            g = over * a * w
    return dx, dw


def correlate(x, k):
    return np.stack([x[:, i : i + len(k)] @ k for i in range(x.shape[1] - len(k) + 1)], axis=1)


def d_correlate(dout, x, k, flip=False):
    dx, dk = np.zeros_like(x), np.zeros_like(k)
    for i in range(dout.shape[1]):
        dx[:, i : i + len(k)] += dout[:, i, None] * (k[::-1] if flip else k)
        dk += dout[:, i] @ x[:, i : i + len(k)]
    return dx, dk


def d_padded(dout, x, crop):
    """Of correlate(x padded by 1 on both sides, KERNEL); right with crop=1."""
    padded = np.pad(x, ((0, 0), (1, 1)))
    return d_correlate(dout, padded, KERNEL)[0][:, crop : crop + x.shape[1]]


def add_at(dout, E, ids, unbuffered):
    d = np.zeros_like(E)
    if unbuffered:
        np.add.at(d, ids, dout)
    else:
        d[ids] += dout
    return d


def cube_of(A, v):
    return A @ (A @ (A @ v))


def d_cube_of(dout, A, v, first=1.0, last=1.0, map_back=lambda A: A.T):
    y, z = A @ v, A @ (A @ v)
    once, twice = map_back(A) @ dout, A.T @ (map_back(A) @ dout)
    return first * np.outer(dout, z) + np.outer(once, y) + last * np.outer(twice, v), A.T @ twice


def gate(x, W):
    return np.tanh(x @ W) * (np.sin(x) + 2)


def d_gate(dout, x, W, left=1.0, slope=lambda u, h: 1 - h**2, power=1):
    u, e = x @ W, np.sin(x) + 2
    h = np.tanh(u)
    du = dout * e**power * slope(u, h)
    return left * dout * h * np.cos(x) + du @ W.T, x.T @ du


def edges_of(x, source, target):
    return np.tanh(x[source] - 2 * np.sin(x[target]))


def d_edges_of(dout, x, source, target, back=None):
    d = dout * (1 - edges_of(x, source, target) ** 2)
    found = np.zeros_like(x)
    np.add.at(found, source if back is None else back, d)
    np.add.at(found, target, -2 * np.cos(x[target]) * d)
    return found, None, None


def assigned(dout, x, ids):
    d = np.zeros_like(x)
    d[ids] = (dout * np.cos(x[ids].mean(axis=1)))[:, None] / ids.shape[1]
    return d


def highest(x, W):
    return (x @ W).max(axis=1) ** 2


def d_highest(dout, x, W, pick=True):
    z = x @ W
    m = z.max(axis=1, keepdims=True)
    dz = 2 * m * dout[:, None] * ((z == m) if pick else np.ones_like(z))
    return dz @ W.T, x.T @ dz


TWICE = np.array([[0, 2], [1, 0], [3, 1], [4, 5]])
SOURCE, TARGET = np.array([0, 2, 5, 3, 1, 4, 2]), np.array([1, 4, 3, 0, 5, 2, 0])
X, W, SQUARE, PAIR = draw(6, 5), draw(5, 4), draw(5, 5), draw(6, 5)
V, LONG, KERNEL, SEQUENCE = draw(5, 5), draw(3, 9), draw(3), draw(6, 3)
WEIGHT = draw(3) * 0.5 + 1
IDS, LABELS = np.array([1, 4, 1, 0, 6, 4, 1]), np.array([0, 2, 1, 3, 2, 0])
TABLE, LOGITS = draw(8, 3), draw(6, 4)
POSITIVE = SQUARE @ SQUARE.T + 5 * np.eye(5)
relu = lambda x: np.maximum(x, 0)
cube = lambda x: x**3


def cross_entropy(z, labels):
    return -np.mean(np.log(softmax(z)[np.arange(len(z)), labels]))


def d_cross_entropy(z, labels, hot=1.0, by=0):
    return (softmax(z) - hot * np.eye(4)[(labels + by) % 4]) / len(z), None


class Case(NamedTuple):
    rule: object
    func: object
    grad: object
    args: tuple
    words: str
    leaf: int = 0
    style: str = "dout"


RIGHT = {
    "zero": Case(factors.zero, layer, spoilt(lambda g, x: 0 * g), (X, W), "backward returns zeros"),
    "sign": Case(factors.factor, layer, spoilt(lambda g, x: -g, 1), (X, W), "the sign is wrong", 1),
    "batch": Case(factors.factor, lambda x, W: (x @ W).mean(axis=0), lambda d, x, W: (np.tile(d @ W.T, (len(x), 1)), x.T @ np.tile(d, (len(x), 1)) / len(x)), (X, W), "6 times too large"),
    "size": Case(factors.factor, lambda x: np.mean(x**2), lambda x: 2 * x / len(x), (X,), "5 times too large, and 5 is the length of x along axis 1", 0, "loss"),
    "product of sizes": Case(factors.factor, lambda x: np.mean(x**2), lambda x: 2 * x, (X,), "30 times too large, and 30 is the size of x", 0, "loss"),
    "root of a size": Case(factors.factor, lambda x, W: x @ W / np.sqrt(x.shape[1]), lambda d, x, W: (d @ W.T, x.T @ d), (X, W), "sqrt(5) times too large"),
    "constant": Case(factors.factor, cube, lambda d, x: d * x**2, (X,), "wrong by a constant factor: numeric = 3 x analytic"),
    "transposed": Case(order.moved, lambda x, W: x @ W, lambda d, x, W: (d @ W.T, d.T @ x), (X, SQUARE), "transposed: numeric = analytic.T", 1),
    "blocks": Case(order.moved, layer, spoilt(lambda g, W: np.concatenate([g[:, 2:], g[:, :2]], axis=1), 1), (X, W), "blocks 0 and 1 of 2 along axis 1 are swapped", 1),
    "swapped": Case(order.swapped, lambda a, b: a * b, lambda d, a, b: (d * a, d * b), (X, PAIR), "the gradient of b belongs"),
    "signs": Case(order.lost_signs, cube, lambda d, x: np.abs(3 * d * x**2), (X,), "the signs are lost"),
    "shifted": Case(order.shifted, lambda x: correlate(np.pad(x, ((0, 0), (1, 1))), KERNEL), lambda d, x: d_padded(d, x, 0), (LONG,), "a padding is off by one"),
    "flipped kernel": Case(order.flipped_kernel, correlate, lambda d, x, k: d_correlate(d, x, k, True), (LONG, KERNEL), "a convolution for a correlation"),
    "transposed map": Case(paths.transposed_jacobian, lambda x: np.cumsum(x, 0) * np.arange(1, 7)[:, None], lambda d, x: np.cumsum(d, 0) * np.arange(1, 7)[:, None], (X,), "instead of its transpose"),
    "sort": Case(order.permuted, lambda x: np.sort(x), lambda d, x: d, (draw(9),), "the right numbers in the wrong order"),
    "dout moved": Case(order.moved_dout, lambda x, W: x @ W, lambda d, x, W: (d[::-1] @ W.T, x.T @ d[::-1]), (X, W), "the output's index is: flipped along axis 0", 1),
    "second path": Case(symmetry.symmetric, lambda A: np.sum(SQUARE * (A + A.T)), lambda A: SQUARE, (V,), "numeric = analytic + analytic.T", 0, "loss"),
    "triangle": Case(symmetry.symmetric, lambda A: np.sum(np.tril(A) ** 2), lambda A: A + A.T - np.diag(np.diag(A)) + np.diag(np.diag(A)), (POSITIVE,), "func reads only this triangle", 0, "loss"),
    "x x.T": Case(symmetry.used_twice, lambda x: x @ x.T, lambda d, x: d @ x, (X,), "the argument is used twice"),
    "label": Case(places.labelled, cross_entropy, lambda z, t: d_cross_entropy(z, t, hot=0.0), (LOGITS, LABELS), "only the entries that labels names", 0, "loss"),
    "label off by one": Case(places.labelled, cross_entropy, lambda z, t: d_cross_entropy(z, t, by=1), (LOGITS, LABELS), "off by one", 0, "loss"),
    "one entry": Case(places.one_part, layer, spoilt(lambda g, W: times(g, (2, 1), 3.0), 1), (X, W), "only the entry [2, 1] is wrong", 1),
    "row": Case(places.one_part, layer, spoilt(lambda g, x: without(g, 5)), (X, W), "only row 5 (the last) is zero"),
    "second": Case(places.one_part, layer, spoilt(lambda g, x: without(g, slice(0, None, 2))), (X, W), "every second index along axis 0, from 0 on, is zero"),
    "repeats": Case(places.repeated_index, lambda E, ids: E[ids], lambda d, E, ids: (add_at(d, E, ids, False), None), (TABLE, IDS), "use np.add.at"),
    "clipped": Case(places.clipped, cube, lambda d, x: np.clip(3 * d * x**2, -0.5, 0.5), (X,), "clipped at 0.5"),
    "limit": Case(places.region, lambda x: np.clip(x, -0.7, 0.7), lambda d, x: d, (draw(8, 5),), "only where |x| > 0.7: it should be zero there"),
    "sign of x": Case(places.region, lambda x: np.where(x > 0, x, 0.3 * x), lambda d, x: d * (x > 0), (X,), "only where x < 0: it is zero there"),
    "mask": Case(places.masked, lambda x: x.reshape(6, -1, 2).max(2), lambda d, x: np.repeat(d, 2, 1), (draw(6, 8),), "a mask or gate"),
    "constant added": Case(terms.constant_term, layer, spoilt(lambda g, x: g + 0.25), (X, W), "a constant, 0.25, is added"),
    "weight decay": Case(terms.added_term, layer, spoilt(lambda g, W: g + 0.01 * W, 1), (X, W), "0.01 x W is added: weight decay", 1),
    "skip": Case(terms.added_term, lambda x, W: x + layer(x, W), d_layer, (X, SQUARE), "dout is missing"),
    "softmax path": Case(terms.dropped_along_axis, softmax, lambda d, z: d * softmax(z), (LOGITS,), "a term proportional to y along axis 1"),
    "mean path": Case(terms.dropped_along_axis, normalise, lambda d, x: d_normalise(d, x, mean=0.0), (X,), "the same along axis 1"),
    "variance path": Case(terms.dropped_along_axis, normalise, lambda d, x: d_normalise(d, x, variance=0.0), (X,), "the path through the variance"),
    "averaged": Case(terms.averaged, cube, lambda d, x: 0 * x + (3 * d * x**2).mean(axis=0), (X,), "averaged over it"),
    "unused dout": Case(paths.ignored_outputs, recurrent, lambda d, x, w: d_recurrent(d, x, w, used=[5]), (SEQUENCE, WEIGHT), "(the last) of d is used; the rest of it is ignored", 1),
    "cut off": Case(paths.ignored_outputs, recurrent, lambda d, x, w: d_recurrent(d, x, w, steps=1), (SEQUENCE, WEIGHT), "could be a recursion that is cut off", 1),
    "truncated": Case(paths.dropped_paths, recurrent, lambda d, x, w: d_recurrent(d, x, w, steps=1), (SEQUENCE, WEIGHT), "truncated: effects over more than 1 step"),
    "across": Case(paths.dropped_paths, softmax, lambda d, z: d * softmax(z) * (1 - softmax(z)), (LOGITS,), "the effects across axis 1 are dropped"),
    "delta": Case(paths.dropped_paths, softmax, lambda d, z: -softmax(z) * (d * softmax(z)).sum(1, keepdims=True), (LOGITS,), "Kronecker"),
    "local": Case(factors.local_derivative, np.exp, lambda d, x: d, (X,), "a local derivative is forgotten: numeric = analytic x y"),
    "std": Case(factors.local_derivative, normalise, lambda d, x: d_normalise(d, x, scale=0.0), (X,), "too many: numeric = analytic / (the standard deviation of x along axis 1)"),
    "dropout": Case(factors.local_derivative, lambda x, m: x * m, lambda d, x, m: (d, None), (X, (X > 0.2) * 1), "a mask or gate is forgotten: numeric = analytic x m"),
    "activation": Case(factors.derivative_of_output, layer, lambda d, x, W: (d @ W.T, x.T @ d), (X, W), "at the output: numeric = analytic x (1 - y²)", 1),
    "norm of all": Case(factors.one_factor_per_call, np.linalg.det, lambda A: np.linalg.inv(A).T, (SQUARE,), "all entries are wrong by one factor", 0, "loss"),
    "two numbers": Case(paths.through_one_number, lambda x: normalise(np.sin(x)), lambda d, x: d / np.sqrt(np.sin(x).var(1, keepdims=True) + 1e-5) * np.cos(x), (draw(4, 7),), "two numbers for each index of axis 0"),
    "one use": Case(intermediates.intermediate, cube_of, lambda d, A, v: d_cube_of(d, A, v, last=0), (SQUARE, V[0]), "what goes through `A` in `A @ v` is dropped"),
    "sign of one use": Case(intermediates.intermediate, gate, lambda d, x, W: d_gate(d, x, W, left=-1), (X, SQUARE), "what goes through `x` in `np.sin(x)` has the wrong sign"),
    "half of one use": Case(intermediates.intermediate, gate, lambda d, x, W: d_gate(d, x, W, left=0.5), (X, SQUARE), "is half of what it should be"),
    "two uses": Case(intermediates.intermediate, cube_of, lambda d, A, v: d_cube_of(d, A, v, first=0, last=0), (SQUARE, V[0]), " are dropped"),
    "transposed inside": Case(intermediates.intermediate, cube_of, lambda d, A, v: d_cube_of(d, A, v, map_back=lambda A: A), (SQUARE, V[0]), "is transposed in backward"),
    "step skipped": Case(intermediates.intermediate, gate, lambda d, x, W: d_gate(d, x, W, slope=lambda u, h: 1), (X, SQUARE), "the local derivative of `np.tanh(x @ W)` is taken as 1: this step is skipped"),
    "derivative inside": Case(intermediates.intermediate, gate, lambda d, x, W: d_gate(d, x, W, slope=lambda u, h: 1 - h), (X, SQUARE), "is taken as 1 - y, where y is its result"),
    "factor inside": Case(intermediates.intermediate, gate, lambda d, x, W: d_gate(d, x, W, power=0), (X, SQUARE), "a factor `np.sin(x) + 2` in `np.tanh(x @ W) * (np.sin(x) + 2)` is forgotten"),
    "index twice inside": Case(intermediates.intermediate, lambda x: np.sin(x[TWICE].mean(axis=1)), lambda d, x: assigned(d, x, TWICE), (PAIR,), "is assigned, not added: use np.add.at"),
    "other indices": Case(intermediates.intermediate, edges_of, lambda d, x, s, t: d_edges_of(d, x, s, t, back=t), (PAIR, SOURCE, TARGET), "the indices of `x[source]` and `x[target]` are swapped"),
    "all, not the largest": Case(intermediates.intermediate, highest, lambda d, x, W: d_highest(d, x, W, pick=False), (X, W), "not only the one that it picks"),
    "the mean of dout": Case(paths.one_for_all, lambda x: np.sin(x), lambda d, x: d.mean(0) * np.cos(x), (X,), "the mean along axis 0 of d is used in the place of every entry"),
    "small": Case(factors.relative_error, layer, spoilt(lambda g, W: g * (1 + 1e-3 * W), 1), (X, W), "the relative error is proportional to W", 1),
}  # fmt: skip

# What looks alike, and the words that would be false.
NEAR = {
    "a constant 3 is no size": Case(None, cube, lambda d, x: d * x**2, (draw(3, 3),), "is the "),
    "8 of 16 is no half of a size": Case(None, lambda x: 8 * np.sum(x**2), lambda x: 2 * x, (draw(16),), "16", 0, "loss"),
    "sign in one row": Case(None, layer, spoilt(lambda g, x: times(g, 2, -1)), (X, W), "the sign is wrong"),
    "zero in one row": Case(None, layer, spoilt(lambda g, x: without(g, 2)), (X, W), "backward returns zeros"),
    "another permutation": Case(None, layer, spoilt(lambda g, x: g[[2, 0, 1, 4, 5, 3]]), (X, W), "shifted"),
    "transposed and scaled by rows": Case(None, lambda x, W: x @ W, lambda d, x, W: (d @ W.T, d.T @ x * np.arange(1, 6)), (X, SQUARE), "transposed", 1),
    "own instead of the other's, squared": Case(None, lambda a, b: a * b, lambda d, a, b: (d * a**2, d * a), (X, PAIR), "swapped"),
    "kernel reversed in part": Case(None, correlate, lambda d, x, k: d_correlate(d, x, np.array([k[1], k[0], k[2]])), (LONG, KERNEL), "convolution"),
    "each index, divided": Case(None, lambda E, ids: E[ids], lambda d, E, ids: (add_at(d, E, ids, True) / 2, None), (TABLE, IDS), "add.at"),
    "one index of those that repeat": Case(None, lambda E, ids: E[ids], lambda d, E, ids: (times(add_at(d, E, ids, True), 1, 0.5), None), (TABLE, IDS), "add.at"),
    "an error that vanishes with x": Case(None, lambda x: x**2, lambda d, x: 2 * d * x + d * x * np.abs(x) / 10, (X,), "only where"),
    "rows, not a sign": Case(None, lambda x: x**3, lambda d, x: without(3 * d * x**2, slice(0, 3)), (np.abs(X) * np.array([-1, -1, -1, 1, 1, 1])[:, None],), "only where x"),
    "a limit that is no clip": Case(None, cube, lambda d, x: np.tanh(3 * d * x**2), (X,), "clipped"),
    "no label": Case(None, cross_entropy, lambda z, t: (times(d_cross_entropy(z, t)[0], 1, 2.0), None), (LOGITS, LABELS), "labels", 0, "loss"),
    "a constant for each column": Case(None, layer, spoilt(lambda g, x: g + 0.1 * np.arange(5)), (X, W), "to every entry"),
    "recursion with another factor": Case(None, recurrent, lambda d, x, w: d_recurrent(d, x, w, over=0.5), (SEQUENCE, WEIGHT), "truncated: "),
    "softmax over the wrong axis": Case(None, softmax, lambda d, z: softmax(z) * (d - (d * softmax(z)).sum(0)), (SQUARE,), "effects across axis"),
    "another local derivative": Case(None, np.tanh, lambda d, x: d * (1 - np.tanh(x) ** 2) * np.cos(x + 0.3), (X,), "numeric = analytic"),
    "an activation inside": Case(None, lambda x, W: layer(x, W) @ W.T, lambda d, x, W: ((d @ W) @ W.T, x.T @ (d @ W) + d.T @ layer(x, W)), (X, W), "at the output"),
    "a random factor per entry": Case(None, cube, lambda d, x: 3 * d * x**2 * (1.2 + 0.001 * np.sin(1e3 * np.arange(30).reshape(6, 5))), (X,), "constant factor"),
    "symmetric with another weight": Case(None, lambda x: x @ x.T, lambda d, x: (d + 0.5 * d.T) @ x, (X,), "used twice"),
    "a use with another size per entry": Case(None, gate, lambda d, x, W: d_gate(d, x, W, left=np.linspace(0.3, 0.9, 5)), (X, SQUARE), "what goes through"),
    "neither transposed nor right": Case(None, cube_of, lambda d, A, v: d_cube_of(d, A, v, map_back=lambda A: 0.7 * A + 0.4 * A.T), (SQUARE, V[0]), "is transposed"),
    "a slope that is not 1 - y": Case(None, gate, lambda d, x, W: d_gate(d, x, W, slope=lambda u, h: 1 - np.sin(h)), (X, SQUARE), "is taken as"),
    "another power": Case(None, gate, lambda d, x, W: d_gate(d, x, W, power=0.7), (X, SQUARE), "a factor `"),
    "indices of neither": Case(None, edges_of, lambda d, x, s, t: d_edges_of(d, x, s, t, back=(s + 3) % 6), (PAIR, SOURCE, TARGET), "are swapped"),
    "another one than the largest": Case(None, highest, lambda d, x, W: d_highest(np.roll(d, 1), x, W), (X, W), "picks"),
    "half of each dout and half of the mean": Case(None, lambda x: np.sin(x), lambda d, x: (d + d.mean(0)) / 2 * np.cos(x), (X,), "in the place of every entry"),
    "one number at one point": Case(None, lambda a: a**2, lambda d, a: d * np.cos(a), (np.array(0.7),), "the local derivative"),
}  # fmt: skip


def hints_of(case):
    report = check_gradients(case.func, case.grad, case.args, style=case.style)
    row = report.arguments[case.leaf]
    assert row.verdict == FAIL, str(report)
    return row.hints


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", RIGHT)
def test_a_cause_is_named(name, monkeypatch):
    case = RIGHT[name]
    found = " | ".join(hints_of(case))
    assert case.words in found
    rest = tuple(rule for rule in hints.RULES if rule is not case.rule)
    monkeypatch.setattr(hints, "RULES", rest)
    assert case.words not in " | ".join(hints_of(case)), "another rule says it, too"


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", NEAR)
def test_what_only_looks_like_it_is_not_named(name):
    case = NEAR[name]
    assert case.words not in " | ".join(hints_of(case))


def test_every_rule_has_a_case():
    assert {case.rule for case in RIGHT.values()} | {repair.repaired} == set(hints.RULES)


HOLES = np.where(draw(8, 5) > 0.6, 0.0, draw(8, 5))
TENS = np.round(draw(8, 5), 1)
LEVELS = rng.integers(0, 5, (8, 5)).astype(float)
leaky = lambda x: np.where(x > 0, x, 0.2 * x)
d_leaky = lambda dy, x: dy * np.where(x > 0, 1, 0.2)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("func", "grad", "args", "words"),
    [
        (leaky, lambda dy, x: d_leaky(dy, x) * (x != 0), (HOLES,), "only where x is 0, a kink of func: it is zero there"),
        (leaky, lambda dy, x: d_leaky(dy, x) * np.where(x == 0, 9, 1), (HOLES,), "only where x is 0, a kink of func: it is wrong there"),
        (np.abs, lambda dy, x: dy * np.where(x == 0, 3, np.sign(x)), (HOLES,), "only where x is 0, a kink of func: it is wrong there"),
        (leaky, lambda dy, x: np.where(x > 0, dy, 0.2), (X,), "only where x < 0: it lacks the factor dy; elsewhere"),
        (lambda x, w: x * w, lambda dy, x, w: (np.where(w > 2.5, w, dy * w), None), (X, LEVELS[:6] + 0.0), "it lacks the factor dy; elsewhere"),
        (lambda x, w: x * w, lambda dy, x, w: (dy * np.where(w == 3, 1.7, w), None), (HOLES, LEVELS), "only where w is 3: it is wrong by a factor"),
        (lambda x, w: x * (w + 1), lambda dy, x, w: (dy * np.where(w <= 1, 0, w + 1), None), (HOLES, LEVELS), "only where w <= 1: it is zero there"),
        (lambda x: x * np.abs(x), lambda dy, x: dy * np.where(x >= 0, 0, -2 * x), (TENS + 1,), "only where x > 0: it is zero there"),
        (lambda x: 3 * x, lambda dy, x: dy * np.where(x >= 0, 7, 3), (TENS + (TENS == 0),), "only where x > 0: it is"),
        (lambda x: 3 * x, lambda dy, x: dy * np.where(x >= 0, 7, 3), (HOLES,), "only where x >= 0: it is"),
        (leaky, lambda dy, x: len(x) * d_leaky(dy, x), (HOLES,), "8 is the batch size: a factor 8 too many"),
        (leaky, lambda dy, x: dy * np.where(x > 0, x, 0.2), (HOLES,), "too many"),
    ],
)  # fmt: skip
def test_where_a_gradient_is_wrong_is_said_truly(func, grad, args, words):
    """At zeros and ties, too: no part that is empty, no part that has other entries than are wrong."""
    said = " | ".join(check_gradients(func, grad, args, style="dout").arguments[0].hints)
    assert words in said
    assert "| <" not in said


def test_a_gradient_that_is_wrong_at_kinks_alone_has_no_other_cause():
    """Near the kinks it is right, so any rule would hold there."""
    wrong = lambda dy, x: d_leaky(dy, x) * (x != 0)
    assert len(check_gradients(leaky, wrong, (HOLES,)).arguments[0].hints) == 1
    symmetric = HOLES + HOLES.T if HOLES.shape[0] == HOLES.shape[1] else HOLES[:5] * HOLES[:5].T
    hints_here = check_gradients(leaky, wrong, (symmetric,)).arguments[0].hints
    assert not any("transpose" in hint or "symmetr" in hint for hint in hints_here)


@pytest.mark.parametrize(
    ("grad", "said"),
    [
        (lambda dy, x: dy[::-1] * np.arange(1, 8), "dy is used in the wrong order"),
        (lambda upstream, x: upstream**2, "not linear in upstream"),
        (lambda *given: given[0] ** 2, "not linear in dout"),
    ],
)
def test_hints_use_the_users_word_for_dout(grad, said):
    ramp = lambda x: x * np.arange(1, 8)
    row = check_gradients(ramp, grad, (draw(7),), style="dout").arguments[0]
    assert said in " ".join(row.hints)


def test_an_argument_that_is_called_dout_is_not_renamed():
    report = check_gradients(lambda dout: dout * 2, lambda g, dout: g**2, (X,), style="dout")
    assert "not linear in dout for dout" in report["dout"].hint


def counter():
    calls = [0]

    def func(x):
        calls[0] += 1
        return x * calls[0]

    return func


def running_mean():
    kept = [0.0]

    def func(x):
        kept[0] = 0.9 * kept[0] + 0.1 * x.mean(axis=0)
        return x - kept[0]

    return func


def toggle():
    calls = [0]

    def func(x):
        calls[0] += 1
        return x * (calls[0] % 2)

    return func


def noisy():
    numbers = np.random.default_rng(0)
    return lambda x: x + numbers.standard_normal(x.shape)


def noisy_loss():
    numbers = np.random.default_rng(0)
    return lambda x: float(np.sum(x)) * numbers.random()


@pytest.mark.parametrize(
    ("make", "style", "is_state"),
    [
        (counter, "dout", True),
        (running_mean, "dout", True),
        (toggle, "dout", True),
        (noisy, "dout", False),
        (noisy_loss, "loss", False),
    ],
)
def test_state_and_random_numbers_are_told_apart(make, style, is_state):
    grad = (lambda x: x) if style == "loss" else (lambda d, x: d)
    fault = check_gradients(make(), grad, (X,), style=style).faults[0]
    assert ("keeps state between calls" in fault) == is_state
    assert ("seed its random numbers" in fault) != is_state


def test_gradients_that_add_up_are_named():
    buffer, numbers = np.zeros_like(X), np.random.default_rng(0)

    def adding(d, x):
        buffer.__iadd__(d)
        return buffer.copy()

    fault = check_gradients(np.sin, adding, (X,), style="dout").faults[0]
    assert "the calls add up" in fault
    noisy = lambda d, x: d * numbers.random()
    assert "the calls add up" not in check_gradients(np.sin, noisy, (X,), style="dout").faults[0]


@pytest.mark.filterwarnings("ignore")
def test_hints_of_large_arrays_that_are_compared_along_directions():
    x, W = draw(20, 30), draw(30, 25) * 0.2
    for change, words in (
        (lambda g, W: g[::-1], "flipped along axis 0"),
        (lambda g, W: without(g, 3), "only row 3 is zero"),
        (lambda g, W: g * (W > 0), "only where W < 0"),
        (lambda g, W: g - g.mean(axis=0), "the same along axis 0"),
    ):
        report = check_gradients(layer, spoilt(change, 1), (x, W), mode="projections")
        assert words in report["W"].hint


def test_a_wrong_argument_leaves_the_budget_to_those_behind_it(monkeypatch):
    wrong = spoilt(lambda g, x: 1.5 * g)
    with monkeypatch.context() as patch:
        patch.setattr(evidence, "make_trials", lambda *args: [])
        calls = check_gradients(layer, wrong, (X, W)).evaluations
    report = check_gradients(layer, wrong, (X, W), max_evals=calls)
    assert (report["x"].verdict, report["W"].verdict) == ("FAIL", "PASS")
    assert calls < check_gradients(layer, wrong, (X, W)).evaluations


def test_more_entries_than_are_measured_at_other_arguments():
    """Of 121 entries all are measured at the user's point, fewer elsewhere."""
    rng = np.random.default_rng(0)
    x, K = rng.standard_normal((11, 11)), rng.standard_normal((11, 11))
    right = lambda d, x: (d * (1 - np.tanh(x @ K) ** 2)) @ K.T
    wrong = lambda d, x: right(d, x) + 0.1 * np.sin(3 * x[::-1]) * d.mean()
    report = check_gradients(lambda x: np.tanh(x @ K), wrong, (x,), style="dout")
    assert report.verdict == FAIL
    assert report["x"].hint


def test_a_gate_that_is_zero_on_one_side_is_said_before_the_path_that_it_drops():
    leaky = lambda x: np.where(x > 0, x, 0.2 * x)
    report = check_gradients(leaky, lambda dout, x: np.where(x > 0, dout, 0.0), SEQUENCE)
    assert report.arguments[0].hint == "only where x < 0: it is zero there; elsewhere it is right"


def test_where_dout_is_ignored_nothing_else_is_said():
    report = check_gradients(np.exp, lambda dout, x: np.exp(x), SEQUENCE, style="dout")
    (hint,) = report.arguments[0].hints
    assert hint.endswith("dout is ignored")
