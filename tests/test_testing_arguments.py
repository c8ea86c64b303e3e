"""Arguments that are no plain float arrays: each is checked, or the report says that it is not.

For every kind a right gradient must PASS and a wrong one must not.
"""

import collections
import dataclasses
import decimal
import functools
import types

import numpy as np
import pytest
from checked_functions import d_product, product

from npgan.testing import (
    FAIL,
    INCONCLUSIVE,
    PASS,
    assert_gradients,
    check_gradients,
    check_power,
    numerical_gradient,
    taylor_test,
)

rng = np.random.default_rng(0)
X, Y = rng.standard_normal((3, 4)), rng.standard_normal((3, 4))
W = rng.standard_normal((4, 2))
Z = X + 1j * Y


def squares(x):
    return np.sum(np.asarray(x) ** 2)


class Tagged(np.ndarray):
    """A subclass with an attribute that the function reads; numpy keeps it by __array_finalize__."""

    factor = 1.0

    def __array_finalize__(self, other):
        self.factor = getattr(other, "factor", 1.0)


class Labelled(np.ndarray):
    """A subclass whose attribute lives in its __dict__ alone."""


class Metres(float):
    """A float with a meaning."""


def tagged():
    x = X.view(Tagged).copy()
    x.factor = 3.0
    return x


def labelled():
    x = X.view(Labelled).copy()
    x.factor = 3.0
    return x


def masked(x=X):
    return np.ma.masked_array(x.copy(), mask=x < -0.5)


Pair = collections.namedtuple("Pair", "a b")


class Bag(dict):
    """A dict with a method."""

    def total(self):
        return sum(np.sum(v**2) for v in self.values())


class Row(list):
    """A list with a method."""

    def total(self):
        return sum(np.sum(v**2) for v in self)


def moved(p):
    p.move_to_end("a")  # an OrderedDict has it, a dict has not
    return np.sum(p["a"] ** 2 * p["b"])


def pair_gradient(p):
    return {"a": 2 * p["a"] * p["b"], "b": p["a"] ** 2}


INTS = np.array([[1, 2, 3, 4], [3, 4, 5, 6]])
RIGHT = {
    # integers and bools
    "int array": (product, d_product, (INTS, W)),
    "int32, the only argument": (squares, lambda x: 2 * x, np.array([1, 2, 3], np.int32)),
    "uint8": (lambda x, s: x * s, lambda d, x, s: (d * s, d * x), (np.array([200, 3], np.uint8), X[0, :2])),
    "list of ints": (squares, lambda x: 2 * np.array(x), ([1, 2, 3],)),
    "dict of ints": (lambda p: p["a"] ** 2 * p["b"], lambda p: {"a": 2 * p["a"] * p["b"], "b": p["a"] ** 2}, ({"a": 3, "b": np.array(2)},)),
    "int beside a float": (lambda x, n: np.sum(x**n), lambda x, n: (n * x ** (n - 1), np.sum(x**n * np.log(x))), (abs(X), 2)),
    "bools that are factors": (lambda x, m: x * m, lambda d, x, m: (d * m, d * x), (X, X > 0)),
    "ints in a masked array": (lambda x: (x**2).sum(), lambda x: 2 * x, (np.ma.masked_array([1, 2, 3], mask=[0, 1, 0]),)),
    # complex numbers: the gradient is dL/dx + i dL/dy
    "complex": (lambda z: np.sum(np.abs(z) ** 2), lambda z: 2 * z, Z),
    "complex64": (lambda z: np.sum(np.abs(z) ** 2), lambda z: 2 * z, Z.astype(np.complex64)),
    "complex, both ways": (lambda z, w: z * w, lambda d, z, w: (d * np.conj(w), d * np.conj(z)), (Z, Z[::-1])),
    "complex scalar": (lambda z: z.real * z.imag, lambda z: z.imag + 1j * z.real, (1.5 + 2j,)),
    "complex output": (np.fft.fft, lambda d, a: 4 * np.fft.ifft(d).real, (X,)),
    "complex, real and float": (lambda z, x: (z * x).real, lambda d, z, x: (d * x, d * z.real), (Z, X)),
    # subclasses
    "masked": (lambda x: (x**2).sum(), lambda x: 2 * x, (masked(),)),
    "masked output": (lambda x: x**2, lambda d, x: d * 2 * x, (masked(),)),
    "masked mean": (lambda x: x.mean(), lambda x: np.where(x.mask, 0, 1 / x.count()), (masked(),)),
    "masked output, gradient in plain arrays": (lambda x: x**2, lambda d, x: np.asarray(d) * 2 * x.data, (masked(),)),
    "masked NaN": (lambda x: np.tanh(x), lambda d, x: d * (1 - np.tanh(x) ** 2), (np.ma.masked_invalid([1.0, np.nan, 0.5, -np.inf, 2.0]),)),
    "log masks its domain": (lambda x: np.ma.log(x), lambda d, x: d / x, (X,)),
    "matrix times an array": (lambda x: x * W, lambda d, x: d * W.T, (X.view(np.matrix),)),
    "matrix": (lambda x, w: x * w, lambda d, x, w: (d * w.T, x.T * d), (X.view(np.matrix), W.view(np.matrix))),
    "tagged": (lambda x: x.factor * x**2, lambda d, x: d * 2 * x.factor * x, (tagged(),)),
    "labelled": (lambda x: x.factor * np.asarray(x) ** 2, lambda d, x: d * 2 * x.factor * np.asarray(x), (labelled(),)),
    "recarray of floats": (lambda x: x**3, lambda d, x: d * 3 * x**2, (X.view(np.recarray),)),
    "float with a meaning": (lambda m: Metres(m) * 2.5 if isinstance(m, Metres) else 0.0, lambda m: 2.5, (Metres(1.5),)),
    # nestings
    "OrderedDict": (moved, pair_gradient, (collections.OrderedDict(a=X, b=Y),)),
    "defaultdict": (lambda p: np.sum(p["a"] ** 2 * p["none"]), lambda p: {"a": 6 * p["a"]}, (collections.defaultdict(lambda: 3.0, a=X),)),
    "Counter": (lambda p: np.sum(p["a"] ** 2 * p["b"] + p["none"]), pair_gradient, (collections.Counter(a=X, b=Y),)),
    "dict with a method": (lambda p: p.total(), lambda p: {"a": 2 * p["a"]}, (Bag(a=X),)),
    "list with a method": (lambda p: p.total(), lambda p: [2 * v for v in p], (Row([X, Y]),)),
    "namedtuple as args": (lambda p: np.sum(p.a**2 * p.b), lambda p: Pair(2 * p.a * p.b, p.a**2), Pair(X, Y)),
    "namedtuple in args": (lambda p: np.sum(p.a**2 * p.b), lambda p: (2 * p.a * p.b, p.a**2), (Pair(X, Y),)),
    "gradients in a namedtuple": (product, lambda d, x, W: collections.namedtuple("G", "dW dx")(x.T @ d, d @ W.T), (X, W)),
    "list of floats, array of gradients": (lambda v: v[0] * v[1], lambda v: np.array([v[1], v[0]]), ([1.5, 2.5],)),
    "lists in lists": (squares, lambda v: 2 * np.array(v), ([[1.5, 2.5], [3.0, 4.0]],)),
    "nested lists of gradients": (lambda x: np.tanh(x), lambda d, x: (d * (1 - np.tanh(x) ** 2)).tolist(), (X,)),
    # arrays of other kinds
    "objects that are numbers": (lambda x: np.sum(x**2), lambda x: 2 * x, (np.array([1.5, 2, np.float32(3)], dtype=object),)),
    "0-d": (lambda x: x**2, lambda d, x: d * 2 * x, (np.array(1.5),)),
    "byte order": (lambda x: x**2, lambda d, x: d * 2 * x, (X.astype(">f8"),)),
    "overlapping views": (lambda a, b: a * b, lambda d, a, b: (d * b, d * a), (X[:, :3], X[:, 1:])),
    "strides": (lambda a: a**2, lambda d, a: d * 2 * a, (np.lib.stride_tricks.sliding_window_view(X[0], 2),)),
    "broadcast": (lambda a: a**2, lambda d, a: d * 2 * a, (np.broadcast_to(X[0], (3, 4)),)),
}  # fmt: skip


def larger(gradient):
    """The gradient times 1.5 in every entry, in whatever it is nested."""
    if gradient is None:
        return None
    if isinstance(gradient, dict):
        return {key: larger(g) for key, g in gradient.items()}
    if isinstance(gradient, tuple) and hasattr(gradient, "_fields"):
        return type(gradient)(*map(larger, gradient))
    if isinstance(gradient, (tuple, list)):
        return type(gradient)(map(larger, gradient))
    return gradient * 1.5


@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")  # of np.matrix
@pytest.mark.parametrize("kind", RIGHT)
def test_right_passes_and_wrong_fails(kind):
    func, grad, args = RIGHT[kind]
    report = check_gradients(func, grad, args)
    assert report.verdict == PASS, str(report)
    spoilt = functools.wraps(grad)(lambda *given: larger(grad(*given)))
    wrong = check_gradients(func, spoilt, args)
    assert wrong.verdict == FAIL, str(wrong)
    assert all(row.verdict == FAIL or not row.size for row in wrong.arguments), str(wrong)


def test_func_is_given_the_numbers_of_the_user():
    """In a copy of the container, which is neither empty nor added to."""
    given = [
        collections.Counter(a=X),
        collections.OrderedDict(a=X),
        collections.defaultdict(int, a=X),
    ]
    for p in [*given, Bag(a=X), {"a": X}]:
        seen = []

        def func(p, seen=seen):
            seen.append((type(p), p["a"]))
            return np.sum(p["a"] ** 2)

        assert check_gradients(func, lambda p: {"a": 2 * p["a"]}, (p,)).passed
        assert {kind for kind, _ in seen} == {type(p)}
        assert np.array_equal(seen[0][1], X)
        assert p["a"] is X


def test_each_gradient_that_is_wrong_by_itself_is_found():
    """In particular that of the argument which is no float array."""
    for args, wrong in (((INTS, W), 0), ((INTS, W), 1), ((Z, Z[::-1]), 0), ((X > 0, W[:, :2]), 0)):
        conj = np.conj if np.iscomplexobj(args[0]) else lambda a: a
        x, w = args if args[0].shape[-1] == args[1].shape[0] else (args[0], args[1].T)

        def grad(d, x, w, conj=conj, wrong=wrong):
            both = [d @ conj(w.T), conj(x.T) @ d]
            both[wrong] = both[wrong] * 1.01
            return both

        report = check_gradients(lambda x, w: x @ w, grad, (x, w))
        failed = {row.name.partition(".")[0] for row in report.arguments if row.verdict == FAIL}
        assert failed == {"xw"[wrong]}, str(report)


def test_a_cast_is_noted_and_labels_need_none():
    def cross_entropy(x, y):
        p = np.exp(x) / np.exp(x).sum(axis=1, keepdims=True)
        return -np.mean(np.log(p[np.arange(len(y)), y]))

    def d_cross_entropy(x, y):
        p = np.exp(x) / np.exp(x).sum(axis=1, keepdims=True)
        p[np.arange(len(y)), y] -= 1
        return p / len(y)

    labels = np.array([0, 2, 1])
    note = "checked as float64, for backward returns a gradient of it: x"
    assert note in str(check_gradients(product, d_product, (INTS, W)))
    for of_labels in (None, np.zeros(3), np.zeros(3, [("float0", np.void, 0)])):
        grad = lambda x, y, of_labels=of_labels: (d_cross_entropy(x, y), of_labels)
        report = check_gradients(cross_entropy, grad, (X, labels))
        assert report.verdict == PASS, str(report)
        assert "y (int64) is not checked" in str(report)
    # An index by floats is refused, so a gradient of the labels cannot be checked; nor can it pass.
    report = check_gradients(
        cross_entropy, lambda x, y: (d_cross_entropy(x, y), np.ones(3)), (X, labels)
    )
    assert report.verdict == INCONCLUSIVE
    assert "UNSUPPORTED, func or grad refuses floats for y (IndexError)" in str(report)
    # Labels that are only compared are differentiable, with the slope zero.
    hot = lambda y: y[:, None] == np.arange(4)
    chosen = lambda x, y: np.sum(x * hot(y))
    for of_labels, verdict in ((np.zeros(3), PASS), (np.ones(3), FAIL)):
        grad = lambda x, y, of_labels=of_labels: (1.0 * hot(y), of_labels)
        report = check_gradients(chosen, grad, (X, labels))
        assert report.verdict == verdict, str(report)


def test_a_zero_gradient_of_an_integer_that_matters_is_wrong():
    zeros = lambda d, x, W: (np.zeros(x.shape), x.T @ d)
    assert check_gradients(product, zeros, (INTS, W)).verdict == FAIL
    alone = check_gradients(squares, lambda x: 0 * x, np.array([1, 2, 3]))
    assert alone.verdict == FAIL


def test_an_integer_that_computes_otherwise_than_its_float_is_not_checked():
    wraps = lambda x, s: (x * x) * s  # uint8: 200 * 200 overflows
    report = check_gradients(
        wraps,
        lambda d, x, s: (2 * d * x * s, d * (x * x)),
        (np.array([200, 3], np.uint8), np.ones(2)),
    )
    assert report.verdict == INCONCLUSIVE
    assert "func gives other results where x is floats" in str(report)


def test_the_convention_of_complex_gradients_is_said():
    square = lambda z: np.sum(np.abs(z) ** 2)
    right, other = (
        check_gradients(square, g, Z) for g in (lambda z: 2 * z, lambda z: 2 * z.conj())
    )
    for report in (right, other):
        assert "the gradient dL/dx + i dL/dy is checked, as PyTorch returns it" in str(report)
    assert (other["z.real"].verdict, other["z.imag"].verdict) == (PASS, FAIL)
    assert "as JAX returns it: write np.conj(gradient)" in other.summary()
    real_alone = check_gradients(square, lambda z: 2 * z.real, Z)
    assert (real_alone["z.real"].verdict, real_alone["z.imag"].verdict) == (PASS, FAIL)
    assert "PyTorch" not in str(check_gradients(product, d_product, (X, W)))
    value, bound = numerical_gradient(square, Z)
    assert np.all(np.abs(value - 2 * Z) <= bound)
    assert bound.dtype == float
    assert taylor_test(square, lambda z: 2 * z, Z).order == pytest.approx(2, abs=0.1)
    assert check_power(lambda z: z * z, lambda d, z: 2 * d * np.conj(z), Z).missed == []


def test_a_complex_constant_without_a_gradient_is_noted():
    h = Z[0]
    func = lambda x, h: np.fft.ifft(np.fft.fft(x) * h).real
    grad = lambda d, x, h: np.fft.ifft(np.fft.fft(d) * np.conj(h)).real
    for given in (grad, lambda d, x, h: (grad(d, x, h), None)):
        report = check_gradients(func, given, (X[0], h))
        assert report.verdict == PASS, str(report)
        assert "h (complex128) is not checked: backward returned no gradient for it" in str(report)


def test_the_mask_is_part_of_the_function():
    x = masked()
    ignoring = check_gradients(lambda x: (x**2).sum(), lambda x: 2 * x.data, (x,))
    assert ignoring.verdict == FAIL
    assert x.mask[ignoring["x"].index]
    ignored_mean = check_gradients(lambda x: x.mean(), lambda x: np.ones(x.shape) / x.size, (x,))
    assert ignored_mean.verdict == FAIL
    hidden = check_gradients(
        lambda x: np.sum(x**2), lambda x: np.ma.masked_array(2 * x, mask=x < 0), (X,)
    )
    assert hidden.verdict == FAIL  # a masked entry of the gradient is 0, and not "not checked"
    before = x.copy()
    check_gradients(lambda x: (x**2).sum(), lambda x: 2 * x, (x,))
    assert np.array_equal(before.data, x.data)
    assert np.array_equal(before.mask, x.mask)


def test_subclasses_are_kept_among_the_arguments_without_a_gradient():
    mask = np.ma.masked_array([1, 2, 3, 4], mask=[0, 0, 1, 0])
    report = check_gradients(
        lambda x, n: x * n.filled(0), lambda d, x, n: d * n.filled(0), (X, mask)
    )
    assert report.verdict == PASS, str(report)


def test_memmaps_and_read_only_arrays_are_not_written(tmp_path):
    X.tofile(tmp_path / "x.bin")
    for mode in ("r", "r+", "c"):
        x = np.memmap(tmp_path / "x.bin", mode=mode, shape=X.shape, dtype=float)
        kinds = []

        def func(x, kinds=kinds):
            kinds.append(type(x))
            return x**2

        assert check_gradients(func, lambda d, x: d * 2 * x, (x,)).verdict == PASS
        assert check_gradients(func, lambda d, x: d * 3 * x, (x,)).verdict == FAIL
        assert set(kinds) == {np.memmap}
        assert np.array_equal(x, X)


@dataclasses.dataclass
class Params:
    w: np.ndarray


UNSUPPORTED = {
    "dataclass": (Params(X), lambda p: p.w, "p is a dataclass: pass a dict of its fields, vars(p)"),
    "structured": (np.array([(1.0,), (2.0,)], [("w", float)]), lambda p: p["w"], "pass a dict of its fields"),
    "ragged objects": (np.array([X[0, :2], X[0, :3]], dtype=object), lambda p: p[0], "or a list of arrays"),
    "mapping": (types.MappingProxyType({"w": X}), lambda p: p["w"], "or lists or dicts of these"),
    "namespace": (types.SimpleNamespace(w=X), lambda p: p.w, "p is of type SimpleNamespace"),
    "decimal": (decimal.Decimal("1.5"), float, "p is of type Decimal"),
    "array-like": (type("Box", (), {"__array__": lambda self, dtype=None, copy=None: X})(), np.asarray, "pass np.asarray(p)"),
}  # fmt: skip


@pytest.mark.parametrize("kind", UNSUPPORTED)
def test_what_cannot_be_checked_does_not_pass(kind):
    p, read, words = UNSUPPORTED[kind]
    a = rng.standard_normal(np.shape(read(p)))
    func = lambda x, p: x * read(p)
    both = lambda d, x, p: (d * read(p), d * x + 1)
    report = check_gradients(func, both, (a, p), style="dout")
    assert report.verdict == INCONCLUSIVE, str(report)
    assert report["x"].verdict == PASS
    assert report["p"].unsupported
    assert words in report["p"].reason
    for inconclusive in ("raise", "allow"):
        with pytest.raises(AssertionError, match="UNSUPPORTED"):
            assert_gradients(func, both, (a, p), style="dout", inconclusive=inconclusive)
    with pytest.raises(ValueError, match=r"pass|UNSUPPORTED"):
        taylor_test(func, both, (a, p), style="dout")
    alone = lambda d, x, p: (d * read(p), None)
    report = check_gradients(func, alone, (a, p), style="dout")
    assert report.verdict == PASS, str(report)
    assert any(note.startswith("p (") and "is not checked" in note for note in report.notes)
    with pytest.raises(ValueError, match="args must have a float or an array of floats"):
        check_gradients(lambda p: read(p), lambda d, p: d, (p,))


def test_pandas_is_refused_in_one_sentence():
    pandas = pytest.importorskip("pandas")
    column = pandas.Series(X[0])
    report = check_gradients(lambda x, c: x * c, lambda d, x, c: (d * c, d * x), (X[0], column))
    assert report.verdict == INCONCLUSIVE
    assert "c is a pandas Series: pass c.to_numpy()" in str(report)
    with pytest.raises(ValueError, match=r"pass c.to_numpy\(\)"):
        check_gradients(lambda c: c**2, lambda d, c: d * 2 * c, (column,))
    # What func and grad return may be pandas'.
    assert (
        check_gradients(
            lambda x: pandas.Series(x) ** 2, lambda d, x: pandas.Series(d * 2 * x), (X[0],)
        ).verdict
        == PASS
    )


def test_bad_gradients_of_other_types_are_said():
    class Sparse:
        def toarray(self):
            return X

    report = check_gradients(lambda x: np.sum(x**2), lambda x: Sparse(), (X,))
    assert "a Sparse (pass its .toarray())" in str(report)
