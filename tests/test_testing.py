"""The gradient checker's public functions: styles, nesting, reports, power, the Taylor test, npgan's own, the command."""

import json
import traceback

import numpy as np
import pytest

from npgan import Dense, LeakyReLU, Network, kernels, ops
from npgan.autograd import PRIMITIVES, Tensor
from npgan.cli import main
from npgan.testing import (
    FAIL,
    INCONCLUSIVE,
    PASS,
    assert_gradients,
    assert_layer_gradients,
    check_gradients,
    check_layer,
    check_own,
    check_power,
    check_primitive,
    check_step,
    numerical_gradient,
    taylor_test,
)

rng = np.random.default_rng(0)
X, W = rng.standard_normal((5, 4)), rng.standard_normal((4, 3))


def product(x, W):
    return x @ W


def d_product(dout, x, W):
    return dout @ W.T, x.T @ dout


def cached(x, W):
    return x @ W, (x, W)


def d_cached(dout, cache):
    x, W = cache
    return dout @ W.T, x.T @ dout


def loss(params):
    return float(np.sum(np.tanh(X @ params["W"] + params["b"])))


def d_loss(params):
    d = 1 - np.tanh(X @ params["W"] + params["b"]) ** 2
    return {"W": X.T @ d, "b": d.sum(axis=0)}


PARAMS = {"W": W, "b": np.ones(3)}


@pytest.mark.parametrize(
    ("func", "grad", "args", "names"),
    [
        (product, d_product, (X, W), ["x", "W"]),
        (cached, d_cached, (X, W), ["x", "W"]),
        (lambda x: (np.maximum(x, 0), x), lambda dout, x: dout * (x > 0), (X,), ["x"]),
        (loss, d_loss, (PARAMS,), ["params['W']", "params['b']"]),
        (lambda x: np.sum(x**3), lambda x: 3 * x**2, X, ["x"]),
        (lambda x: np.sum(x**3), lambda x: (3 * x**2,), (X,), ["x"]),
        (lambda pair, n: pair[0] ** n * pair[1], lambda d, pair, n: ((d * n * pair[0] ** (n - 1) * pair[1], d * pair[0] ** n), None), ((X, X + 3), 2), ["pair[0]", "pair[1]"]),
        (lambda x, y: (x * y, x + y), lambda d, x, y: {"x": d[0] * y + d[1], "dy": d[0] * x + d[1]}, (X, X + 3), ["x", "y"]),
        (lambda a: a * 2.5, lambda a: 2.5, (1.5,), ["a"]),
    ],
    ids=["dout", "cache", "array as cache", "dict", "bare array", "tuple of one", "nested, with an int", "two outputs, by name", "float"],
)  # fmt: skip
def test_styles(func, grad, args, names):
    report = check_gradients(func, grad, args)
    assert report.verdict == PASS, str(report)
    assert [a.name for a in report.arguments] == names
    assert json.loads(json.dumps(report.to_dict()))["verdict"] == "PASS"


def test_what_is_not_returned_is_named():
    report = check_gradients(product, lambda dout, x, W: (dout @ W.T, None), (X, W))
    assert report.verdict == PASS
    assert "W is not checked" in str(report)
    assert check_gradients(product, lambda dout, x, W: (None, None), (X, W)).verdict == INCONCLUSIVE


@pytest.mark.parametrize(
    ("grad", "words"),
    [
        (lambda dout, x, W: (dout @ W.T,) * 3, "backward returned 3 gradients for 2 float arguments"),
        (lambda dout, x, W: {"z": 0}, "backward returned a gradient 'z'"),
        (lambda a, b, c, d, e: 0, "grad fits no style"),
    ],
)
def test_a_misfit_is_said_in_one_line(grad, words):
    report = check_gradients(product, grad, (X, W))
    assert report.verdict == FAIL
    assert words in report.faults[0]


def test_bad_usage_is_refused():
    for options in (
        {"mode": "all"},
        {"method": "magic"},
        {"kinks": "hide"},
        {"style": "x"},
        {"n_directions": 0},
    ):
        with pytest.raises(ValueError, match=r"must be|style is"):
            check_gradients(product, d_product, (X, W), **options)
    with pytest.raises(ValueError, match="no float arrays"):
        check_gradients(lambda n: n, lambda n: n, (3,))


def test_the_assertion_is_the_report():
    assert_gradients(product, d_product, (X, W))
    with pytest.raises(AssertionError) as caught:
        assert_gradients(product, lambda dout, x, W: (dout @ W.T, 2 * x.T @ dout), (X, W))
    assert "gradient check of product: FAIL" in str(caught.value)
    assert caught.value.__cause__ is None
    last = traceback.extract_tb(caught.value.__traceback__)
    assert len(last) <= 3  # the test, assert_gradients, demand: and pytest hides the latter two
    with pytest.raises(AssertionError, match="INCONCLUSIVE"):
        assert_gradients(lambda x: x * 0.0, lambda dout, x: 0 * x, (X,), style="dout")
    assert_gradients(lambda x: x * 0.0, lambda dout, x: 0 * x, (X,), style="dout", inconclusive="allow")


def test_tolerances_of_the_user():
    grad = lambda dout, x, W: (dout @ W.T, (1 + 1e-4) * x.T @ dout)
    assert check_gradients(product, grad, (X, W)).verdict == FAIL
    assert check_gradients(product, grad, (X, W), rtol=1e-3).verdict == PASS
    assert check_gradients(product, grad, (X, W), atol=1e-2).verdict == PASS
    assert (
        check_gradients(product, d_product, (X, W), atol=1e3).verdict == INCONCLUSIVE
    )  # it would hide anything


def test_numerical_gradient_and_its_bounds():
    gradients, bounds = numerical_gradient(lambda a, n, b: np.sum(np.sin(a) * b**n), (X, 2, X + 3))
    for g, bound, true in zip(
        gradients, bounds, (np.cos(X) * (X + 3) ** 2, None, 2 * np.sin(X) * (X + 3)), strict=True
    ):
        if true is not None:
            assert np.all(np.abs(g - true) <= bound)
            assert bound.max() < 1e-8
    assert gradients[1] is None
    value, bound = numerical_gradient(lambda x: np.abs(x), np.array([0.0, 2.0]))
    assert value.tolist() == pytest.approx([0, 1])
    assert bound[0] >= 1  # both one-sided slopes are within it
    assert bound[1] < 1e-9


def test_the_taylor_test():
    args = (X, W)
    f, g = (
        lambda x, W: np.exp(0.3 * x @ W),
        lambda d, x, W: (lambda e: (e @ W.T, x.T @ e))(0.3 * d * np.exp(0.3 * x @ W)),
    )
    assert taylor_test(f, g, args).order == pytest.approx(2, abs=0.1)
    wrong = taylor_test(f, lambda *a: (g(*a)[0], 1.01 * g(*a)[1]), args)
    assert wrong.order == pytest.approx(1, abs=0.1)
    assert not wrong.passed
    assert taylor_test(lambda x: 2 * x, lambda d, x: 2 * d, (X,), style="dout").passed  # nothing remains


def test_power_lists_what_a_test_would_miss():
    assert check_power(product, d_product, (X, W), n_directions=2).missed == []

    def blind(grad):
        assert np.allclose(grad(np.ones((5, 3)), X, W)[1], X.T @ np.ones((5, 3)), atol=0.5)

    report = check_power(product, d_product, (X, W), test=blind)
    assert "x: sign" in report.missed
    assert "all: dout is ignored" in report.missed
    assert "W: sign" in report.caught
    assert "missed: x: zero" in str(report)
    with pytest.raises(ValueError, match="must pass on grad as it is"):
        check_power(product, lambda *a: (0, 0), (X, W))


def test_npgan_itself():
    reports = list(check_own())
    assert [str(r) for r in reports if r.verdict != PASS] == []
    titles = " ".join(r.title for r in reports)
    for op in PRIMITIVES.values():
        if op.function.__module__ == "npgan.ops":
            assert op.__name__ in titles


def test_a_layer_by_parameter_name(monkeypatch):
    net = Network([Dense(4, 3, rng=0), LeakyReLU(), Dense(3, 2, rng=1)])
    x = X.astype(np.float32)
    kept = net.theta.copy()
    assert_layer_gradients(net, x)
    assert np.array_equal(net.theta, kept)
    right = kernels.weight_gradients

    def mean_for_sum(x, g, dW, db):
        right(x, g, dW, db)
        db /= len(g)

    monkeypatch.setattr(kernels, "weight_gradients", mean_for_sum)
    report = check_layer(net, x)
    assert {a.name: a.verdict for a in report.arguments} == {
        "x": PASS,
        "0.W": PASS,
        "0.b": FAIL,
        "2.W": PASS,
        "2.b": FAIL,
    }
    assert "5 is the batch size" in report["2.b"].hint
    with pytest.raises(AssertionError, match="5 is the batch size"):
        assert_layer_gradients(net, x)
    assert check_step("discriminator", __import__("npgan").losses.nonsaturating).verdict == FAIL


def test_order_2_finds_the_rule_that_reads_a_bare_array(monkeypatch):
    bare = lambda a: a.data if isinstance(a, Tensor) else a
    monkeypatch.setattr(ops.tanh, "rules", (lambda g, y, x: g * (1 - bare(y) ** 2),))
    assert check_primitive(ops.tanh, X).verdict == PASS
    assert check_primitive(ops.tanh, X, order=2).verdict == FAIL


TARGETS = """
import numpy as np
X = np.linspace(0.5, 2, 6)
def right(): return (lambda x: np.sum(x**2)), (lambda x: 2 * x), (X,)
def wrong(): return (lambda x: np.sum(x**2)), (lambda x: x), (X,)
def both(): return [right(), wrong()]
def asserts(): assert False, "my own words"
def silent(): return None
def nonsense(): return 3
"""


def test_the_command(tmp_path, monkeypatch, capsys):
    (tmp_path / "targets_of_gradcheck.py").write_text(TARGETS)
    monkeypatch.chdir(tmp_path)

    def run(name, *more):
        code = main(["gradcheck", f"targets_of_gradcheck:{name}", *more])
        return code, capsys.readouterr()

    code, said = run("right", "--json")
    assert (code, json.loads(said.out)["targets_of_gradcheck:right"]["verdict"]) == (0, "PASS")
    code, said = run("wrong")
    assert code == 1
    assert "a factor 2 is missing" in said.out + said.err
    assert "1 of 1 gradient checks did not pass" in said.err.splitlines()[-1]
    code, said = run("both", "--json")
    assert (code, [r["verdict"] for r in json.loads(said.out).values()]) == (1, ["PASS", "FAIL"])
    assert run("silent")[0] == 0
    code, said = run("asserts")
    assert (code, "my own words" in said.err) == (1, True)
    for target in ("nonsense", "missing"):
        assert run(target)[0] == 1
    assert main(["gradcheck", "no_colon"]) == 1
