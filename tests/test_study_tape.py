"""What a tape holds: its nodes, the text of its rules, and what an update would do."""

import numpy as np
import pytest

import npgan
from npgan import Adam, Tensor, ops, study
from npgan.autograd import PRIMITIVES, Primitive


@pytest.fixture(autouse=True)
def in_numpy():
    npgan.use_kernels("reference")
    yield
    npgan.use_kernels("auto")


def test_nodes_are_oldest_first_with_the_names_of_the_caller():
    x, W = Tensor([[1.0, 2.0]]), Tensor([[0.5], [0.25]])
    y = ops.sum((x @ W) ** 2)
    nodes = study.nodes(y, {"x": x, "loss": y})
    assert [n.tensor.number for n in nodes] == sorted(n.tensor.number for n in nodes)
    assert nodes[-1].tensor is y
    assert [n.name for n in nodes if n.name] == ["x", "loss"]
    assert [n.op for n in nodes[:2]] == [None, None]
    assert nodes[-1].op is ops.sum
    assert [t.data.tolist() for t in study.replay(nodes)] == [n.tensor.data.tolist() for n in nodes]
    again = study.replay(nodes, {x: [[2.0, 0.0]]})
    assert float(again[-1].data) == 1.0
    with pytest.raises(ValueError, match="shape"):
        study.replay(nodes, {x: [1.0, 2.0]})


def test_every_rule_has_its_text():
    lines = {}
    for name, op in PRIMITIVES.items():
        if op.function.__module__ != "npgan.ops":
            continue
        count = 2 if callable(op.rules) else len(op.rules)
        for i in range(count):
            if callable(op.rules) or op.rules[i] is not None:
                file, line, text = op.source(i)
                assert file.endswith("ops.py")
                with open(file, encoding="utf-8") as f:
                    assert text in f.read()
                lines[name, i] = line, text
    assert len(lines) == 43
    assert lines["affine", 0][1] == "lambda g, y, x, W, b: gemm(g, W, tb=True)"
    # Two on one line.
    assert lines["tanh_gate", 0][0] == lines["tanh_gate", 1][0]
    assert lines["tanh_gate", 1][1] == "lambda h, z, g, y: -2.0 * (h * g * y)"
    assert lines["leaky_gate", 1][1] == "lambda g, y, *args, **options: None"
    with pytest.raises(NotImplementedError):
        ops.power.source(1)


def test_a_rule_of_the_user_has_its_text_too():
    double = Primitive(lambda x: 2 * x)
    factor = 2
    # fmt: off
    one, two = (lambda g, y, x: factor * g), (lambda g, y, x: g * factor)
    # fmt: on
    for rule, text in ((one, "lambda g, y, x: factor * g"), (two, "lambda g, y, x: g * factor")):
        double.rules = (rule,)
        found = double.source(0)
        assert found.file == __file__
        if hasattr(rule.__code__, "co_positions"):
            assert found.text == text
    double.rules = (eval("lambda g, y, x: g"),)
    assert double.source(0).text  # typed at a prompt: no file, and no error


@pytest.mark.parametrize("beta1", [0.0, 0.5, 0.9])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_an_update_is_known_before_it_is_made(beta1, dtype):
    rng = np.random.default_rng(0)
    theta = rng.standard_normal(7).astype(dtype)
    adam = Adam(theta, lr=1e-2, beta1=beta1)
    for _ in range(3):
        g = rng.standard_normal(7).astype(dtype)
        before, state = theta.copy(), adam.state()
        update = study.update_of(adam, g)
        assert theta.tobytes() == before.tobytes()
        assert all((adam.state()[k] == v).all() for k, v in state.items())
        adam.step(g)
        assert update.after.tobytes() == theta.tobytes()
        for name in ("m", "v"):
            assert getattr(update, name).tobytes() == adam.state()[name].tobytes()
        np.testing.assert_allclose(update.root, np.sqrt(update.v_hat))
        expected = -adam.hyper["lr"] * update.m_hat / (update.root + adam.hyper["eps"])
        np.testing.assert_allclose(
            update.move, expected, rtol=1e-3 if dtype == np.float32 else 1e-9
        )
        assert (update.move == update.after - before).all()
