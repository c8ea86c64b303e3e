"""What cannot be checked as it is written gets one sentence that says what to write."""

import re

import numpy as np
import pytest
from checked_functions import d_product, product

from npgan.testing import FAIL, PASS, check_gradients

rng = np.random.default_rng(0)
X, W = rng.standard_normal((5, 4)), rng.standard_normal((4, 3))


def d_kw(d, x, *, scale):
    return d * scale


class Square:
    def forward(self, x):
        return x**2


class Tracer:
    """An array of a library that refuses to become one of NumPy."""

    shape, ndim = (5, 4), 2

    def __array__(self, *args, **kwargs):
        raise RuntimeError("Can't call numpy() on Tensor that requires grad. Use detach()")


LOOSE = [
    (product, d_product, {"x": X, "W": W}, "args is a dict.*order of func's parameters: .*args.'x'"),
    (product, d_product, {"x": X, "W": W}.values(), "args is a dict_values; pass a tuple"),
    (product, d_product, iter((X, W)), "args is a tuple_iterator; pass a tuple"),
    (lambda x, *, scale: x * scale, d_kw, (X,), r"scale by name.*functools.partial\(func, scale=..."),
    (Square, lambda d, x: d * 2 * x, (X,), r"func is the class Square; pass .* Square\(\).forward"),
    (lambda x: x**2, Square, (X,), r"grad is the class Square; pass .* Square\(\).backward"),
]  # fmt: skip


@pytest.mark.parametrize(("func", "grad", "args", "sentence"), LOOSE)
def test_what_cannot_be_called_is_said(func, grad, args, sentence):
    with pytest.raises(TypeError, match=sentence):
        check_gradients(func, grad, args)


FAULTS = [
    (np.sin, np.vectorize(np.cos), (X,), "derivative of each entry, write lambda dout, x"),
    (lambda x: x**3, np.vectorize(lambda x: 3 * x * x), (X,), "derivative of each entry"),
    (lambda x: x * 2, d_kw, (X,), r"functools.partial\(grad, scale=...\)"),
    (
        lambda x, W: [x @ W, (x, W)],
        lambda dout, cache: (dout @ cache[1].T, cache[0].T @ dout),
        (X, W),
        "a list .out, cache.; return a tuple: return out, cache",
    ),
    (
        lambda x: [x**2, x],
        lambda dout, cache: dout * 2 * cache,
        (X,),
        "a list .out, cache.; return a tuple",
    ),
    (
        lambda x, W: (x @ W, (x, W)),
        lambda cache, dout: (dout @ cache[1].T, cache[0].T @ dout),
        (X, W),
        "takes the cache first.*write lambda dout, cache: grad.cache, dout",
    ),
    (
        lambda x, W: (x @ W, x, W),
        d_product,
        (X, W),
        "returned 3 outputs, and so dout is a tuple of 3 .*return .out, cache. with the others",
    ),
    (
        lambda x, W: (np.sum(x @ W), {"x": 1.0, "W": 1.0}),
        lambda x, W: (np.ones((5, 3)) @ W.T, x.T @ np.ones((5, 3))),
        (X, W),
        r"func returned \(loss, gradient\)",
    ),
    (lambda x: Tracer(), lambda d, x: d, (X,), "func returned a Tracer that is no array .Runtime"),
    (lambda x: x**2, lambda d, x: Tracer(), (X,), "gradient of x is a Tracer that is no array"),
    (lambda x: np.sum(x), lambda a, *rest: rest[1], (X,), 'as grad.dout, .args., pass style="dout"'),
]  # fmt: skip


@pytest.mark.parametrize(("func", "grad", "args", "sentence"), FAULTS)
def test_a_sentence_instead_of_an_exception(func, grad, args, sentence):
    report = check_gradients(func, grad, args)
    assert report.verdict == FAIL
    said = str(report)
    assert re.search(sentence, " ".join(said.split()), re.IGNORECASE), said


@pytest.mark.parametrize("name", ["grad", "ybar", "adjoint", "seed", "incoming", "dvalues", "err"])
def test_an_uncommon_name_of_dout_is_tried(name):
    """grad(*args) raises, and grad(dout, *args) does not."""
    grad = eval(f"lambda {name}, *a: ({name} * 2 * a[0],)")
    assert check_gradients(lambda x: np.sum(x**2), grad, (X,)).verdict == PASS
    wrong = eval(f"lambda {name}, *a: ({name} * 3 * a[0],)")
    assert check_gradients(lambda x: np.sum(x**2), wrong, (X,)).verdict == FAIL


JACOBIANS = [
    (lambda x: W.T @ x, lambda d, x: W.T, X[0], "Jacobian J of the output: return dout @ J"),
    (lambda x: np.tanh(x), lambda d, x: np.diag(1 - np.tanh(x) ** 2), X[0], "return dout @ J"),
    (lambda x: W.T @ x, lambda d, x: 1.0 * W, X[0], "transposed.?"),
    (lambda x: x @ W, lambda d, x: np.ones((5, 3, 5, 4)), X, r"return np.tensordot\(dout, J, 2\)"),
    (lambda x: x[:2] @ W, lambda d, x: np.ones((5, 4, 2, 3)), X, r"np.tensordot\(J, dout, 2\)"),
    (lambda x: np.sum(x), lambda d, x: np.ones((7, 5, 4)), X, "not summed over the batch?"),
    (lambda x: x @ x[0], lambda d, x: np.ones((5, 5, 4)), X, "multiplied by dout already, return"),
]  # fmt: skip


@pytest.mark.parametrize(("func", "grad", "x", "sentence"), JACOBIANS)
def test_a_jacobian_is_called_one(func, grad, x, sentence):
    report = check_gradients(func, grad, x, style="dout")
    assert report.verdict == FAIL
    assert re.search(sentence, report.arguments[0].hint), report.arguments[0].hint
    assert "Jacobian" in report.arguments[0].hint or "Jacobian" not in sentence
    if np.ndim(func(x)) and "batch" in report.arguments[0].hint:
        raise AssertionError(report.arguments[0].hint)


def test_tensors_of_torch_with_a_tape():
    torch = pytest.importorskip("torch")
    kept = lambda a: torch.tensor(a, requires_grad=True)
    for func, grad in (
        (lambda x: kept(x) ** 2, lambda d, x: 2 * d * x),
        (lambda x: x**2, lambda d, x: kept(2 * d * x)),
    ):
        report = check_gradients(func, grad, X)
        assert report.verdict == FAIL
        assert ".detach().cpu().numpy()" in str(report)
    report = check_gradients(
        lambda t, x: x * t.detach().numpy(), lambda d, t, x: (kept(d * x), d * 1), (kept(X), X)
    )
    assert report.verdict == FAIL
    assert ".detach().cpu().numpy()" in str(report)
