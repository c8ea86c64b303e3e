"""The checker with other libraries: functions written for PyTorch, for JAX, and with Hypothesis.

What needs PyTorch or JAX is skipped where it is not installed.
"""

import importlib.util
import re
from pathlib import Path

import numpy as np
import pytest

from npgan.testing import FAIL, INCONCLUSIVE, PASS, check_gradients

ROOT = Path(__file__).parents[1]
rng = np.random.default_rng(0)
X, W = rng.standard_normal((5, 4)), rng.standard_normal((4, 3))
Z = X + 1j * X[::-1]


def example(name):
    spec = importlib.util.spec_from_file_location(
        f"example_{name}", ROOT / "examples" / f"{name}.py"
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def words(text):
    """The text without its numbers, and with single spaces."""
    return " ".join(re.sub(r"-?\d[\d.]*(e[-+]\d+)?", "#", text).split())


def printed_on_page(name):
    page = (ROOT / "docs" / "examples" / f"{name}.md").read_text(encoding="utf-8")
    return re.search(r"^```text\n(.*?)^```$", page, re.M | re.S)[1]


def test_a_function_of_torch(capsys):
    pytest.importorskip("torch")
    right, wrong = example("check_torch_function").main()
    assert right.verdict == PASS
    assert [wrong["x"].verdict, wrong["b"].verdict] == [PASS, FAIL]
    assert "6 is the batch size" in wrong.summary()
    assert words(capsys.readouterr().out) == words(printed_on_page("check_torch_function"))


def test_other_functions_of_torch():
    """Built-in ones, a scalar, float32, a complex one: PyTorch's gradients are right."""
    torch = pytest.importorskip("torch")
    in_numpy = example("check_torch_function").in_numpy
    narrow = [a.astype(np.float32) for a in (X, W)]
    for function, args in (
        (torch.tanh, (X,)),
        (torch.matmul, (X, W)),
        (torch.matmul, narrow),
        (torch.linalg.norm, (X,)),
        (torch.logsumexp, None),
        (lambda z: (z.abs() ** 2).sum(), (Z,)),
        (torch.matmul, (Z, W + 0j)),
        (torch.fft.fft, (Z,)),
    ):
        if args is None:
            args, function = (X,), lambda x: torch.logsumexp(x, 1)
        forward, backward = in_numpy(function)
        report = check_gradients(forward, backward, tuple(args))
        assert report.verdict == PASS, str(report)
        spoilt = lambda dout, *a, b=backward: [1.01 * g for g in b(dout, *a)]
        assert check_gradients(forward, spoilt, tuple(args)).verdict == FAIL


def test_tensors_of_torch_are_refused_in_one_sentence():
    torch = pytest.importorskip("torch")
    t = torch.tensor(X)
    with pytest.raises(ValueError, match=r"t is a torch Tensor: pass t.detach\(\).numpy\(\)"):
        check_gradients(lambda t: t**2, lambda d, t: d * 2 * t, t)
    beside = check_gradients(
        lambda x, t: x * t.numpy(), lambda d, x, t: (d * t.numpy(), d * x), (X, t)
    )
    assert beside.verdict == INCONCLUSIVE
    assert "UNSUPPORTED, t is a torch Tensor" in str(beside)


def test_a_custom_vjp_of_jax(capsys):
    pytest.importorskip("jax")
    right, wrong = example("check_jax_vjp").main()
    assert right.verdict == PASS
    assert [wrong["x"].verdict, wrong["g"].verdict] == [FAIL, PASS]
    assert words(capsys.readouterr().out) == words(printed_on_page("check_jax_vjp"))


def test_other_functions_of_jax():
    jax = pytest.importorskip("jax")
    module = example("check_jax_vjp")
    jnp, in_numpy = jax.numpy, module.in_numpy
    for function, args in (
        (jnp.tanh, (X,)),
        (jnp.matmul, (X, W)),
        (jnp.matmul, (X.astype(np.float32), W.astype(np.float32))),
        (jax.nn.logsumexp, (X,)),
        (lambda x, i: x[i], (X, np.array([0, 2, 2]))),  # whose gradient by i is of float0
    ):
        forward, backward = in_numpy(function)
        report = check_gradients(forward, backward, args)
        assert report.verdict == PASS, str(report)
        spoilt = lambda dout, x, *a, b=backward: [1.01 * b(dout, x, *a)[0], *b(dout, x, *a)[1:]]
        assert check_gradients(forward, spoilt, args).verdict == FAIL
    # The loss style, and the convention of complex gradients.
    loss = lambda x: jnp.sum(jnp.tanh(x) ** 2)
    assert check_gradients(loss, jax.grad(loss), X).verdict == PASS
    size = lambda z: jnp.sum(jnp.abs(z) ** 2)
    conjugate = check_gradients(size, jax.grad(size), Z)
    assert conjugate.verdict == FAIL
    assert "as JAX returns it: write np.conj(gradient)" in conjugate.summary()
    assert check_gradients(size, lambda z: np.conj(jax.grad(size)(z)), Z).verdict == PASS
    with pytest.raises(ValueError, match=r"pass np.asarray\(x\)"):
        check_gradients(loss, jax.grad(loss), jnp.asarray(X))


def test_hypothesis_chooses_shapes():
    pytest.importorskip("hypothesis")
    module = example("check_with_hypothesis")
    module.test_softmax()
    for batch, inputs, outputs in ((1, 1, 1), (1, 2, 3), (3, 2, 1), (4, 5, 2)):
        module.check(module.wrong_if_square, batch, inputs, outputs, 0)
    with pytest.raises(AssertionError, match="the gradient of x is wrong"):
        module.check(module.wrong_if_square, 2, 3, 3, 0)


def test_hypothesis_finds_the_shape_at_which_a_gradient_is_wrong():
    hypothesis = pytest.importorskip("hypothesis")
    module = example("check_with_hypothesis")

    @hypothesis.settings(
        deadline=None,
        max_examples=20,
        derandomize=True,
        database=None,
        phases=[hypothesis.Phase.generate],
    )
    @hypothesis.given(batch=module.sizes, inputs=module.sizes, outputs=module.sizes)
    def search(batch, inputs, outputs):
        module.check(module.wrong_if_square, batch, inputs, outputs, 0)

    with pytest.raises(AssertionError, match="the gradient of x is wrong"):
        search()
