"""How people call the checker: styles are recognised, misuse gets a sentence that says what to write."""

import collections
import functools
import io
import json
import sys

import numpy as np
import pytest
from checked_functions import d_product, product

from npgan.cli import main
from npgan.testing import (
    FAIL,
    INCONCLUSIVE,
    PASS,
    ArgumentReport,
    Report,
    assert_gradients,
    check_gradients,
    check_power,
    numerical_gradient,
    taylor_test,
)

rng = np.random.default_rng(0)
X, W = rng.standard_normal((5, 4)), rng.standard_normal((4, 3))


def mse(x, y):
    return np.mean((x - y) ** 2)


def d_mse(x, y):
    return 2 * (x - y) / x.size, -2 * (x - y) / x.size


# ---- which style it is ----

NAMES = ["dout", "d_out", "dy", "dz", "delta", "upstream", "grad_output", "dL_dy", "dY", "dout_1"]
NAMES += ["grad_out", "gout", "upstream_grad", "d"]


@pytest.mark.parametrize("name", NAMES)
def test_the_first_parameters_name_says_that_it_is_a_dout(name):
    """Of a scalar function, whose gradient with *xs or a default could also take no dout."""
    space = {"np": np, "d_mse": d_mse}
    variadic = eval(f"lambda {name}, *xs: [{name} * g for g in d_mse(*xs)]", space)
    optional = eval(f"lambda {name}, x=None: {name} * 2 * x", space)
    for func, grad, args in ((mse, variadic, (X, X + 1)), (lambda x: np.sum(x**2), optional, (X,))):
        for dout in (None, 2.5):
            report = check_gradients(func, grad, args, dout=dout)
            assert report.verdict == PASS, str(report)
        wrong = functools.wraps(grad)(
            lambda *a, grad=grad: (
                [1.1 * g for g in np.atleast_3d(grad(*a))]
                if len(a) == 2
                else [1.1 * g for g in grad(*a)]
            )
        )
        assert check_gradients(func, wrong, args).verdict == FAIL


def test_the_name_of_an_argument_is_no_dout():
    for func, grad in (
        (lambda delta: np.sum(delta**2), lambda delta, scale=2: scale * delta),
        (lambda dy: np.sum(dy**2), lambda dy, *rest: 2 * dy),
        (lambda g, eps=1: np.sum(g**2) * eps, lambda g, eps=1: 2 * g * eps),
        (lambda gamma: np.sum(gamma**2), lambda gamma, eps=0: 2 * gamma),
    ):
        report = check_gradients(func, grad, (X,))
        assert report.verdict == PASS, str(report)
    both = lambda gamma, beta, eps=0: (2 * gamma, 2 * beta)
    assert check_gradients(lambda gamma, beta: np.sum(gamma**2 + beta**2), both, (X, X)).passed


def test_a_dout_that_is_given_decides():
    vague = lambda a, *rest: a * 2 * rest[0] if rest else 2 * a  # both styles, by its signature
    assert check_gradients(lambda x: np.sum(x**2), vague, (X,), dout=3.0).passed
    assert check_gradients(lambda x: np.sum(x**2), vague, (X,)).passed
    assert taylor_test(lambda x: np.sum(x**2), vague, (X,), dout=3.0).passed
    assert check_power(lambda x: np.sum(x**2), vague, (X,), dout=3.0, n_directions=2).missed == []
    with pytest.raises(ValueError, match=r"dout must be None where grad\(\*args\) takes none"):
        check_gradients(lambda x: np.sum(x**2), lambda x: 2 * x, (X,), dout=3.0)


def test_outputs_and_caches_are_told_apart():
    two = lambda x: (x**2, x**3)
    Out = collections.namedtuple("Out", "y z")
    Cached = collections.namedtuple("Cached", "out cache")
    back = lambda dout, x: dout[0] * 2 * x + dout[1] * 3 * x**2
    for func, grad in (
        (two, back),
        (two, lambda dout, *xs: back(dout, *xs)),
        (lambda x: Out(x**2, x**3), back),
        (lambda x: Out(x**2, x**3), lambda dout, v: dout.y * 2 * v + dout.z * 3 * v**2),
        (lambda x: Cached(x**2, x), lambda dout, saved: dout * 2 * saved),
        (lambda x: (x**2, x), lambda dout, cache: dout * 2 * cache),
        (lambda v: (v**2, 2 * v), lambda dout, slope: dout * slope),
        (lambda x: (np.sum(x**2), x), lambda dout, saved: dout * 2 * saved),
    ):
        report = check_gradients(func, grad, (X,))
        assert report.verdict == PASS, str(report)
    # Names do not decide here: the style in which the gradient is right is meant.
    slope = lambda x: (x**2, 2 * x)
    for func, right in (
        (two, lambda dout, v: dout[0] * 2 * v + dout[1] * 3 * v**2),
        (two, lambda d, v: np.add(d[0] * 2 * v, d[1] * 3 * v**2)),
        (slope, lambda dout, x: dout * x),
        (slope, lambda *given: given[0] * given[1]),
        (lambda x: (np.sum(x**2), 2 * x), lambda *given: given[0] * given[1]),
    ):
        report = check_gradients(func, right, (X,))
        assert report.verdict == PASS, str(report)
        wrong = functools.wraps(right)(lambda *a, right=right: 1.01 * right(*a))
        report = check_gradients(func, wrong, (X,))
        assert report.verdict == FAIL
    assert 'style="cache" if it is (out, cache)' in str(report)
    pair = lambda x, y: Out(x * y, x + y)
    d_pair = lambda *given: (given[0].y * given[2] + given[0].z, given[0].y * given[1] + given[0].z)
    assert check_gradients(pair, d_pair, (X, X + 1)).passed
    both = lambda x, y: (mse(x, y), (x, y))
    report = check_gradients(both, lambda a, b: [a * g for g in d_mse(*b)], (X, X + 1))
    assert report.verdict == PASS, str(report)  # the pair is the cache, under any name
    differs = lambda x, y: (mse(x, y), (x - y, y))
    saved = lambda dloss, saved: [dloss * s * 2 * saved[0] / X.size for s in (1, -1)]
    assert check_gradients(differs, saved, (X, X + 1)).passed


# ---- misuse ----


class Layer:
    def forward(self, x):
        self.x = x
        return x**2

    def backward(self, dout=1):
        return dout * 2 * self.x


class Loss:
    def forward(self, x, y):
        self.x, self.y = x, y
        return mse(x, y)

    def backward(self, dout=1):
        return dout * d_mse(self.x, self.y)[0]


def d_tanh_by_name(x, *, grad_output):
    return grad_output * (1 - np.tanh(x) ** 2)


ADD_LAYER = "def backward(dout, *args): layer.forward(*args); return layer.backward(dout)"
MISUSE = {
    "dout last": (np.tanh, lambda x, dout: dout * (1 - np.tanh(x) ** 2), (X,), "Write lambda dout, x: grad(x, dout)"),
    "dout last of three": (np.multiply, lambda x, y, d_out: (d_out * y, d_out * x), (X, X + 1), "Write lambda d_out, *args: grad(*args, d_out)"),
    "dout by name": (np.tanh, d_tanh_by_name, (X,), "Write lambda grad_output, *args: grad(*args, grad_output=grad_output)"),
    "cache first": (lambda x: (np.tanh(x), x), lambda cache, dout: dout * (1 - np.tanh(cache) ** 2), (X,), "Write lambda dout, cache: grad(cache, dout)"),
    "(loss, gradient) from func": (lambda x: (np.sum(x**2), 2 * x), lambda x: 2 * x, (X,), "func returned (loss, gradient). Pass each by itself"),
    "(loss, gradients) of two": (lambda x, y: (mse(x, y), d_mse(x, y)), lambda x, y: d_mse(x, y), (X, X + 1), "lambda *a: func(*a)[1], args"),
    "(loss, dx, dy)": (lambda x, y: (mse(x, y), *d_mse(x, y)), d_mse, (X, X + 1), "func returned (loss, gradient)"),
    "the same function twice": (lambda x: (np.sum(x**2), 2 * x), lambda x: (np.sum(x**2), 2 * x), (X,), "func returned (loss, gradient)"),
    "(loss, gradient) from grad": (lambda x: np.sum(x**2), lambda x: (np.sum(x**2), 2 * x), (X,), "If it is (loss, gradient), write lambda *args: grad(*args)[1]"),
    "a bare derivative, two ufuncs": (np.sin, np.cos, (X,), "write lambda dout, x: dout * grad(x)"),
    "a bare derivative": (np.tanh, lambda x: 1 - np.tanh(x) ** 2, (X,), "write lambda dout, x: dout * grad(x)"),
    "a bare derivative of lists": (np.exp, np.exp, ([1.0, 2.0],), "write lambda dout, x: dout * grad(x)"),
    "two outputs, two douts": (lambda x: (x**2, x**3), lambda dy, dz, x: dy * 2 * x + dz * 3 * x**2, (X,), "Write lambda dout, *args: grad(*dout, *args)"),
    "three outputs": (lambda x: (x, x, x), lambda a, b, c, x: a + b + c, (X,), "func returned 3 outputs, and grad takes 3 douts"),
    "two outputs of two arguments": (lambda x, y: (x, y), lambda dx, dy, x, y: (dx, dy), (X, X), "func returned 2 outputs"),
    "loss.backward(dout=1)": (Loss().forward, Loss().backward, (X, X + 1), ADD_LAYER),
    "layer.backward(dout=1)": (Layer().forward, Layer().backward, (X,), ADD_LAYER),
    "scalar layer.backward(dout)": (lambda x: np.sum(x**2), lambda dout: dout, (X,), ADD_LAYER),
    "backward()": (lambda x, y: mse(x, y), lambda: 0, (X, X), ADD_LAYER),
    "lists of lists returned": (lambda x: (2 * x).tolist(), lambda dout, x: 2 * (dout @ np.eye(4)) + dout.T, (X,), "func returned a list of numbers, and so dout is a list, too; return an array"),
    "a list returned": (lambda x: [float(np.sum(x)), 2.0], lambda dout, x: dout.sum() * x, (X,), "return an array"),
    "a pair that is no cache": (lambda x: (x**2, x**3), lambda dout, v: dout[0] * v["slope"], (X,), 'if it is two outputs, pass style="dout"'),
}  # fmt: skip


@pytest.mark.parametrize("kind", MISUSE)
def test_misuse_gets_a_sentence(kind):
    func, grad, args, words = MISUSE[kind]
    report = check_gradients(func, grad, args)
    assert report.verdict == FAIL, str(report)
    assert words in report.faults[0]
    assert "\n" not in report.faults[0]


def test_what_the_sentences_say_works():
    pair = lambda x: (np.sum(x**2), 2 * x)
    assert check_gradients(lambda *a: pair(*a)[0], lambda *a: pair(*a)[1], (X,)).passed
    assert check_gradients(np.sin, lambda dout, x: dout * np.cos(x), X).passed
    outs = lambda dy, dz, x: dy * 2 * x + dz * 3 * x**2
    assert check_gradients(lambda x: (x**2, x**3), lambda dout, *a: outs(*dout, *a), X).passed
    layer = Layer()

    def backward(dout, *args):
        layer.forward(*args)
        return layer.backward(dout)

    assert check_gradients(layer.forward, backward, X).passed
    assert check_gradients(np.sin, np.cos, 0.5).passed  # of one number, the derivative is meant


def test_args_that_func_does_not_take():
    for args in ([1.0, 2.0], [[1.0, 2.0], [3.0, 4.0]], (X, X, X)):
        with pytest.raises(
            TypeError, match=r"args has \d items.*\(x,\) for one.*np\.array\(args\)"
        ):
            check_gradients(lambda x: np.sum(np.square(x)), lambda x: 2 * x, args)
    with pytest.raises(TypeError, match="args has 1 item, and func does not take 1 argument"):
        check_gradients(product, d_product, (X,))


def test_an_error_of_grad_itself_is_raised():
    with pytest.raises(ZeroDivisionError):
        check_gradients(product, lambda dout, x, W: 1 / 0, (X, W))
    with pytest.raises(AttributeError, match="slope"):
        check_gradients(np.tanh, lambda dout, x: x.slope, (X,))


# ---- what is not written yet ----


def stub(*args):
    raise NotImplementedError


def todo(dout, x, W):
    raise NotImplementedError("your code here")


class Half:
    def forward(self, x):
        return x * self.factor(x)

    def factor(self, x):
        raise NotImplementedError


def test_a_stub_is_not_written_yet():
    for func, grad, name, more in (
        (stub, d_product, "stub", ""),
        (product, stub, "stub", ""),
        (product, todo, "todo", "your code here"),
        (lambda x, W: Half().forward(x @ W), d_product, "factor", ""),
    ):
        report = check_gradients(func, grad, (X, W))
        assert report.verdict == FAIL
        assert f"{name} is not written yet: it raises NotImplementedError" in report.faults[0]
        assert more in report.faults[0]
        assert "test_testing_use.py, line " in report.faults[0]
        for inconclusive in ("raise", "allow"):
            with pytest.raises(AssertionError, match="is not written yet"):
                assert_gradients(func, grad, (X, W), inconclusive=inconclusive)
    for empty in (None, ..., NotImplemented):
        for func, grad in ((lambda x, W, e=empty: e, d_product), (product, lambda *a, e=empty: e)):
            report = check_gradients(func, grad, (X, W))
            assert report.verdict != PASS
            assert "written yet" in report.summary(), str(report)


def test_a_stub_on_the_command_line(tmp_path, monkeypatch, capsys):
    (tmp_path / "stubs_of_gradcheck.py").write_text(
        "import numpy as np\n"
        "X = np.linspace(0.5, 2, 6)\n"
        "def later(x):\n    raise NotImplementedError\n"
        "def square(x): return np.sum(x**2)\n"
        "def cases(): return [(square, later, X), (square, lambda x: 2 * x, X)]\n"
        "def whole(): raise NotImplementedError('cases come later')\n"
    )
    monkeypatch.chdir(tmp_path)
    assert main(["gradcheck", "stubs_of_gradcheck:cases", "--json"]) == 1
    said = capsys.readouterr()
    assert [r["verdict"] for r in json.loads(said.out).values()] == ["FAIL", "PASS"]
    assert "later is not written yet" in said.err
    assert main(["gradcheck", "stubs_of_gradcheck:whole"]) == 1
    assert "whole is not written yet: it raises NotImplementedError: cases come later" in (
        capsys.readouterr().err
    )


# ---- the first line ----


def first_line(*args, **options):
    return str(check_gradients(*args, **options)).splitlines()[0]


def test_the_first_line_says_what_where_by_how_much_and_why():
    wrong = lambda dout, x, W: (dout @ W.T, x.T @ dout / len(x))
    line = first_line(product, wrong, (X, W))
    assert line.startswith("gradient check of product: FAIL: the gradient of W is wrong: at W[")
    assert "backward returns " in line
    assert " is right (off by 80 %). Likely cause: " in line
    assert "5 is the batch size" in line
    both = lambda dout, x, W: (2 * dout @ W.T, 3 * x.T @ dout)
    assert first_line(product, both, (X, W)).endswith("(wrong, too: W)")
    slight = lambda dout, x, W: (dout @ W.T, 1.002 * x.T @ dout)
    assert "(off by 0.2 %)" in first_line(product, slight, (X, W))
    where_zero = lambda dout, x, W: (dout @ W.T + 1.0, x.T @ dout)
    assert "off by" not in first_line(lambda x, W: 0 * x[:, :3] + W[0], lambda dout, x, W: (0 * x + 1, np.vstack([dout.sum(axis=0), np.zeros((3, 3))])), (X, W))  # fmt: skip
    assert "the gradient of x is wrong" in first_line(product, where_zero, (X, W))
    shape = first_line(product, lambda dout, x, W: (dout @ W.T, dout.T @ x), (X, W))
    assert "W must have its shape (4, 3), got (3, 4) (transposed?)" in shape
    large = rng.standard_normal((40, 30))
    line = first_line(lambda x: x**2, lambda d, x: d * 2.5 * x, (large,), style="dout")
    assert "FAIL: the gradient of x is wrong: " in line
    assert "gradient check of stub: FAIL: stub is not written yet" in first_line(stub, stub, (X,))
    assert first_line(product, d_product, (X, W)).startswith(
        "gradient check of product: PASS: would have noticed a relative error of "
    )
    line = first_line(lambda x: 0 * x, lambda d, x: 0 * x, (X,), style="dout")
    assert line.startswith("gradient check: INCONCLUSIVE: x could not be checked: the gradient is")


def test_the_table_is_behind_it():
    report = check_gradients(product, lambda *a: d_product(*a)[::-1], (X[:4, :3], W[:3]))
    lines = str(report).splitlines()
    assert lines[0] == f"gradient check of product: {report.summary()}"
    assert lines[1] == ""
    assert lines[2].split()[:3] == ["argument", "shape", "verdict"]


class Stdout(io.StringIO):
    def __init__(self, encoding):
        super().__init__()
        self.given = encoding

    @property
    def encoding(self):
        return self.given


@pytest.mark.parametrize(
    "encoding", ["ascii", "US-ASCII", "cp1252", "latin-1", "cp437", "UTF-8", "utf8", "utf_8", None]
)
def test_a_report_is_ascii_where_stdout_is_not_utf_8(encoding, monkeypatch):
    row = ArgumentReport(
        "γ", (2,), "float64", FAIL, "elements", index=(1,), analytic=1.0, numeric=2.0
    )
    row.set_hints("numeric = analytic x (1 - y²), or Σ y · 2 ≤ 3 × √x … a long dash — and 你")
    monkeypatch.setattr(sys, "stdout", Stdout(encoding))
    text = str(Report(FAIL, [row], ["one", "ε"][:0]))
    if encoding is None or encoding.lower().startswith("utf"):
        assert "± bound" in text
        assert "(1 - y²)" in text
        assert "γ[1]" in text
    else:
        assert text.isascii()
        assert "+- bound" in text
        assert "(1 - y^2), or sum  y * 2 <= 3 x sqrtx ... a long dash" in text
        assert "\\u03b3[1]" in text
    monkeypatch.setattr(sys, "stdout", None)
    assert "± bound" in str(Report(FAIL, [row]))


def test_nothing_returned_is_inconclusive():
    report = check_gradients(product, lambda *a: None, (X, W))
    assert report.verdict == INCONCLUSIVE
    assert "Is it written yet, or is its return missing?" in report.summary()


def test_a_stub_is_a_sentence_wherever_it_is_passed():
    def stub(*args):
        raise NotImplementedError("later")

    for call in (
        lambda: numerical_gradient(stub, X),
        lambda: taylor_test(stub, d_product, (X, W)),
        lambda: taylor_test(product, stub, (X, W), style="dout"),
        lambda: check_power(stub, d_product, (X, W)),
        lambda: check_power(product, stub, (X, W), style="dout"),
    ):
        with pytest.raises(ValueError, match=r"^stub is not written yet: .*later"):
            call()


def test_gradients_may_come_one_by_one():
    """From a generator, a map or a zip; an output may not, for it would be used up."""
    back = lambda dout, x, W: (g for g in d_product(dout, x, W))
    assert check_gradients(product, back, (X, W)).passed
    assert check_gradients(product, lambda *a: map(np.asarray, d_product(*a)), (X, W)).passed
    assert check_gradients(lambda x: np.sum(x**2), lambda x: iter([2 * x]), (X,)).passed
    wrong = lambda dout, x, W: (2 * g for g in d_product(dout, x, W))
    assert check_gradients(product, wrong, (X, W)).verdict == FAIL
    for func in (lambda x: (row**2 for row in x), lambda x: map(np.square, x)):
        report = check_gradients(func, lambda dout, x: dout * 2 * x, (X,))
        assert "return a list or tuple of its items" in report.faults[0], str(report)
