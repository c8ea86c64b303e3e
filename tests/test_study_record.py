"""The record of one training step: every number in it is npgan's own, and a wrong one is noticed."""

import base64
import json
from itertools import pairwise

import numpy as np
import pytest

import npgan
from npgan import Adam, Discriminator, Generator, Tensor, grad, ops, study
from npgan.autograd import PRIMITIVES, Primitive
from npgan.cli import main
from npgan.gan import discriminator_step
from npgan.losses import LOSSES
from npgan.study.assemble import record_data
from npgan.study.example import tiny_computations, tiny_gan
from npgan.study.game import Camera
from npgan.study.page import default_record
from npgan.study.ring import train
from npgan.study.scenarios import RIGHT
from npgan.study.write_tape import Walk

TAPES = ("D", "G", "R1 LeakyReLU", "R1 tanh")


@pytest.fixture(autouse=True)
def in_numpy():
    npgan.use_kernels("reference")
    yield
    npgan.use_kernels("auto")


@pytest.fixture(scope="module")
def data():
    npgan.use_kernels("reference")
    return default_record().data


@pytest.fixture(params=TAPES)
def tape(request, data):
    return next(t for t in data["tapes"] if t["key"] == request.param)


def unpack(text, dtype):
    return np.frombuffer(base64.b64decode(text), dtype)


def node(tape, name):
    return next(n for n in tape["nodes"] if n["name"] == name)


# ---- the groundwork: what a tape holds ----


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


# ---- the record ----


def test_the_default_record_has_these_tapes(data):
    assert [t["key"] for t in data["tapes"]] == list(TAPES)
    assert [len(t["nodes"]) for t in data["tapes"]] == [15, 17, 16, 16]
    json.dumps(data, allow_nan=False)


def test_terms_add_up(tape):
    for n in tape["nodes"]:
        edges = [e for e in tape["edges"] if e["from"] == n["id"]]
        if edges:
            terms = [unpack(e["terms"], "<f8").reshape(e["shape"]) for e in edges]
            size = sum(np.abs(t).sum(0) for t in terms)
            error = np.abs(sum(t.sum(0) for t in terms) - n["grad"])
            assert (error <= 1e-12 * size).all(), n["name"]


def test_differences_agree_at_every_leaf(tape):
    leaves = [n for n in tape["nodes"] if n["op"] is None]
    assert {str(n["id"]) for n in leaves} == set(tape["differences"])
    for n in leaves:
        found = np.array(tape["differences"][str(n["id"])])
        assert np.abs(found - n["grad"]).max() < 1e-8


def test_all_checks_hold_and_say_what_they_found(data):
    record = study.Record(data)
    assert record.passed
    assert record.failed() == []
    keys = {t["key"]: [c["key"] for c in t["checks"]] for t in data["tapes"]}
    assert keys["D"] == keys["G"] == ["terms", "differences", "explicit", "moved"]
    assert keys["R1 tanh"] == ["terms", "differences", "explicit"]


def test_moved_by_is_theta_after_the_real_step(data):
    G, D, adam_G, adam_D, real, z = tiny_gan()
    discriminator_step(D, adam_D, real, G(z))
    fake, pull = G.forward(z)
    npgan.generator_step(D, adam_G, fake, pull)
    for key, net in (("D", D), ("G", G)):
        tape = next(t for t in data["tapes"] if t["key"] == key)
        leaves = tape["optimiser"]["leaves"]
        moving = [n for n in tape["nodes"] if n["moves"]]
        assert [str(n["id"]) for n in moving] == list(leaves)
        after = np.concatenate([leaves[str(n["id"])]["after"] for n in moving])
        assert after.tobytes() == net.theta.tobytes()
        for n in moving:
            cell = leaves[str(n["id"])]
            assert (np.array(cell["move"]) == np.array(cell["after"]) - n["data"]).all()


def test_the_second_path_is_zero_with_leaky_relu_and_lives_with_tanh(data):
    by_key = {t["key"]: t for t in data["tapes"]}
    path = ("real", "D.0.b", "D.0", "D.1")
    for name in path:
        assert not np.any(node(by_key["R1 LeakyReLU"], name)["grad"]), name
        assert np.all(np.array(node(by_key["R1 tanh"], name)["grad"]) != 0), name
    for t in (by_key["R1 LeakyReLU"], by_key["R1 tanh"]):
        assert {n["part"] for n in t["nodes"]} == {"leaf", "forward", "first walk", "penalty"}


def test_what_if_is_a_whole_step_with_another_number(data):
    tape = data["tapes"][1]
    z, W = node(tape, "z"), node(tape, "G.0.W")
    assert len(tape["whatif"]) == 4 * sum(len(n["data"]) for n in tape["nodes"] if n["op"] is None)
    G, D, adam_G, adam_D, real, zs = tiny_gan()
    discriminator_step(D, adam_D, real, G(zs))
    changed = zs.copy()
    changed.flat[3] += 0.5
    before = G.theta.copy()
    fake, pull = G.forward(changed)
    loss = npgan.generator_step(D, adam_G, fake, pull)["loss_G"]
    values = unpack(tape["whatif"][f"{z['id']},3,0.5"], "<f4")
    cells = sum(len(n["data"]) for n in tape["nodes"])
    assert len(values) == 2 * cells + G.theta.size
    np.testing.assert_allclose(values[cells - 1], loss, rtol=1e-6)
    np.testing.assert_allclose(values[2 * cells :], G.theta - before, rtol=1e-4, atol=1e-9)
    assert W["moves"]
    assert not z["moves"]


def test_mistakes_change_what_they_say(data):
    d, g = ({m["key"]: m for m in t["mistakes"]} for t in data["tapes"][:2])
    assert set(d) == {"leaky_gate", "labels", "mean"}
    assert set(g) == {"tanh_gate", "leaky_gate", "labels", "mean", "d_moved", "stale"}
    tape = data["tapes"][1]
    right_data = np.concatenate([n["data"] for n in tape["nodes"]])
    right_grad = np.concatenate([n["grad"] for n in tape["nodes"]])
    n = len(right_data)
    for key, m in g.items():
        values = unpack(m["values"], "<f4")
        same_data = np.allclose(values[:n], right_data, rtol=1e-6, atol=1e-7)
        same_grad = np.allclose(values[n : 2 * n], right_grad, rtol=1e-5, atol=1e-7)
        assert same_data == (key not in ("labels", "stale")), key
        assert same_grad == (key == "d_moved"), key
        assert m["sentence"].endswith(".")
    moved = g["d_moved"]["also_moves"]
    assert {tape["nodes"][int(i)]["name"] for i in moved} == {"D.0.W", "D.0.b", "D.2.W", "D.2.b"}
    assert all(np.any(moves) for moves in moved.values())
    W = node(tape, "G.0.W")
    offset = n + sum(len(m["data"]) for m in tape["nodes"][: W["id"]])
    wrong = unpack(g["mean"]["values"], "<f4")[offset : offset + 8]
    assert not np.allclose(wrong, W["grad"])


# ---- the story and the game ----


def test_the_story_goes_from_a_number_of_z_to_a_weight(data):
    tape = data["tapes"][1]
    told = data["story"]
    assert {item["tape"] for item in told} == {"G"}
    parts = [item["part"] for item in told]
    assert parts == sorted(parts, key=["forward", "backward", "update"].index)
    names = [tape["nodes"][item["node"]]["name"] for item in told]
    assert names[0] == "z"
    assert names[-1] == "G.0.W"
    assert parts[-1] == "update"
    assert "loss G" in names
    for before, after in pairwise(told):  # it never jumps: the next node is next to this one
        pair = {before["node"], after["node"]}
        edges = [{e["from"], e["to"]} for e in tape["edges"]]
        assert pair in edges or len(pair) == 1
    for item in told:
        node = tape["nodes"][item["node"]]
        assert 0 <= item["cell"] < len(node["data"])
        number = {"forward": node["data"], "backward": node["grad"]}.get(item["part"])
        if number and item["node"] != tape["loss"]:
            text = f"{number[item['cell']]:.4g}".replace("-", "\N{MINUS SIGN}")
            assert text in item["sentence"]


def test_the_game_is_what_training_does(data):
    game = data["game"]
    keys = [s["key"] for s in game["scenarios"]]
    assert keys == ["right", "none", "fast", "leaky_gate", "labels", "stale"]
    for scenario in game["scenarios"]:
        frames = scenario["frames"]
        assert [f["step"] for f in frames] == list(range(0, 801, 20))
        for f in frames:
            assert len(unpack(f["heat"], "u1")) == game["grid"] ** 2
            assert len(unpack(f["mesh"], "<i2")) == 2 * game["mesh_side"] ** 2
            assert len(unpack(f["fake"], "<i2")) == len(unpack(f["arrow"], "<i2"))
            assert len(unpack(f["fake"], "<i2")) == len(unpack(game["real"], "<i2"))
        assert scenario["sentence"].endswith(".")
    right = game["scenarios"][0]["frames"][-1]
    *_, last = train(RIGHT, 800)
    camera = Camera()
    fake = last.G(camera.z)
    np.testing.assert_allclose(unpack(right["fake"], "<i2").reshape(-1, 2) / 8192, fake, atol=1e-4)
    np.testing.assert_allclose(
        unpack(right["heat"], "u1") / 255, ops.sigmoid(last.D(camera.places))[:, 0], atol=0.002
    )
    logits, pull = last.D.forward(fake)
    arrows = -pull((ops.sigmoid(logits) - 1).astype(np.float32), "input")
    np.testing.assert_allclose(
        unpack(right["arrow"], "<i2").reshape(-1, 2) / 2048, arrows, atol=1e-3
    )
    assert game["scenarios"][0]["equilibrium"]["loss_D"] == 2 * np.log(2)


def test_the_trainings_of_mistakes_are_beside_the_right_one(data):
    ends = {}
    for tape in data["tapes"][:2]:
        for m in tape["mistakes"]:
            training = m["training"]
            assert len(training["steps"]) == len(training["right"]) == len(training["wrong"])
            assert training["right"][0] == training["wrong"][0]
            ends[tape["key"], m["key"]] = training["wrong"][-1] / training["right"][-1]
    assert ends["D", "labels"] > 5
    assert ends["G", "labels"] > 5
    assert ends["G", "leaky_gate"] > 2
    assert ends["G", "stale"] > 2
    assert ends["G", "tanh_gate"] < 2  # it still trains


# ---- a wrong rule is noticed ----


@pytest.mark.parametrize(
    ("name", "i", "factor", "tapes"),
    [
        ("affine", 1, 1.01, {"D", "G", "R1"}),
        ("leaky_relu", 0, 1.01, {"D", "G"}),
        ("tanh", 0, 1.01, {"G"}),
        ("bce_with_logits", 0, 1 + 1e-5, {"D", "G"}),
        ("concatenate", 0, 1.1, {"D"}),
        ("tanh_gate", 1, 1.01, {"R1"}),
        ("gemm", 1, 1.01, {"R1"}),
    ],
)
def test_a_wrong_rule_makes_the_checks_red(name, i, factor, tapes, monkeypatch):
    op = PRIMITIVES[name]
    rules = op.rules

    def wrong(k):
        rule = rules(k) if callable(rules) else rules[k]
        return (lambda *args, **options: factor * rule(*args, **options)) if k == i else rule

    monkeypatch.setattr(
        op, "rules", wrong if callable(rules) else tuple(wrong(k) for k in range(len(rules)))
    )
    failed = study.Record(record_data("t", tiny_computations())).failed()
    assert {line.split("'s")[0].split()[0] for line in failed} >= tapes
    assert any("finite difference" in line for line in failed)


def test_a_nan_is_no_pass():
    walk = Walk(tiny_computations()[0])
    walk.gradients[2] = walk.gradients[2] * np.nan
    checks = npgan.study.write_tape.tape_data(walk)["checks"]
    assert not any(c["ok"] for c in checks)


# ---- the user's own ----


def small(seed=0, dtype=np.float32):
    rng = np.random.default_rng(seed)
    G, D = Generator(3, (5,), 2, rng=rng), Discriminator(2, (4, 3), rng=rng)
    return G.astype(dtype), D.astype(dtype), rng.random((3, 2)), rng.standard_normal((3, 3))


@pytest.mark.parametrize("loss", LOSSES)
def test_a_gan_of_the_users(loss):
    G, D, real, z = small()
    before = G.theta.copy(), D.theta.copy(), real.copy()
    record = study.record(G, D, real, z, loss=LOSSES[loss], gamma=0.1)
    assert record.failed() == []
    assert [t["kind"] for t in record.data["tapes"]] == ["step", "step", "penalty"]
    for a, b in zip(before, (G.theta, D.theta, real), strict=True):
        assert a.tobytes() == b.tobytes()


def test_with_its_optimisers_the_step_is_theirs():
    G, D, real, z = small(dtype=np.float64)
    adam_G, adam_D = Adam(G, beta1=0.0), Adam(D, lr=1e-2)
    for _ in range(3):
        fake, pull = G.forward(z)
        discriminator_step(D, adam_D, real, fake)
        npgan.generator_step(D, adam_G, fake, pull)
    record = study.record(G, D, real, z, adam_G=adam_G, adam_D=adam_D)
    assert record.failed() == []
    assert record.data["tapes"][0]["optimiser"]["step"] == 4
    discriminator_step(D, adam_D, real, G(z))
    after = [
        x for leaf in record.data["tapes"][0]["optimiser"]["leaves"].values() for x in leaf["after"]
    ]
    assert np.array(after).tobytes() == D.theta.tobytes()


def test_a_loss_written_with_ops():
    x, W = Tensor(np.ones((2, 3), np.float32)), Tensor(np.full((3, 2), 0.5))
    scale = np.array([1.0, 2.0])
    y = ops.mean(ops.exp(ops.tanh(x @ W) * scale)[:, :1] ** 2)
    record = study.record(y, names={"x": x, "W <b>": W}, title="Mine")
    scale[:] = 0
    assert record.failed() == []
    tape = record.data["tapes"][0]
    assert [n["name"] for n in tape["nodes"] if n["name"]] == ["x", "W <b>", "loss"]
    assert tape["optimiser"] is None
    leaves = [Tensor(np.ones((2, 3))), Tensor(np.full((3, 2), 0.5))]
    again = ops.mean(ops.exp(ops.tanh(leaves[0] @ leaves[1]) * np.array([1.0, 2.0]))[:, :1] ** 2)
    for name, g in zip(("x", "W <b>"), grad(again, leaves), strict=True):
        assert node(tape, name)["grad"] == g.ravel().tolist()
    assert any(n["options"] == "index=[:, :1]" for n in tape["nodes"])


@pytest.mark.parametrize("factor", [1e-6, 1.0, 1e4, 1e9])
@pytest.mark.parametrize("wrong", [False, True])
def test_a_loss_of_any_size_is_checked_in_proportion(factor, wrong, monkeypatch):
    x = Tensor(np.linspace(-1, 2, 6).reshape(2, 3))
    y = ops.sum(ops.exp(x) * ops.tanh(x) * max(factor, 1.0)) * min(factor, 1.0)
    if wrong:
        monkeypatch.setattr(ops.exp, "rules", (lambda g, y, x: g * y * 1.01,))
    record = study.record(y)
    assert record.passed != wrong, record.failed()
    assert record.data["tapes"][0]["scale"] >= 1


def test_the_default_tapes_are_checked_to_1e_8(data):
    assert {t["scale"] for t in data["tapes"]} == {1.0}


@pytest.mark.parametrize(
    ("arguments", "options", "error", "text"),
    [
        ((Tensor([1.0, 2.0]) * 2,), {}, ValueError, "scalar"),
        ((Tensor(1.0),), {}, ValueError, "leaf"),
        ((Tensor(1.0) * 2,), {"names": {"x": Tensor(1.0)}}, ValueError, "'x'"),
        ((ops.log(Tensor(0.0)) * 1,), {}, ValueError, "finite"),
        ((3.0,), {}, TypeError, "scalar Tensor"),
        ((Tensor(1.0) * 2, Discriminator(2, (2,))), {}, TypeError, "either"),
        ((*small()[:2], np.ones((2, 2), int), np.ones((2, 3))), {}, ValueError, "floats"),
        ((*small()[:2], np.ones(2), np.ones((2, 3))), {}, ValueError, "real"),
        ((*small()[:2], np.ones((2, 2)), np.ones((3, 3))), {}, ValueError, "rows"),
        ((*small()[:2], np.ones((2, 2)), np.ones((2, 9))), {}, ValueError, "9"),
        ((*small()[:2], np.ones((0, 2)), np.ones((0, 3))), {}, ValueError, "real"),
        (small(), {"gamma": -1}, ValueError, "gamma"),
        (small(), {"adam_G": npgan.SGD(np.zeros(3))}, TypeError, "adam_G"),
        (small(), {"adam_D": Adam(np.zeros(3))}, TypeError, "adam_D"),
        (small(), {"names": {}}, TypeError, "names"),
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_what_cannot_be_recorded_is_refused_in_one_line(arguments, options, error, text):
    with pytest.raises(error, match=text) as caught:
        study.record(*arguments, **options)
    assert "\n" not in str(caught.value)


def test_what_is_too_large_is_refused_with_the_numbers():
    G, D = Generator(3, (50,), 40), Discriminator(40, (30,))
    with pytest.raises(ValueError, match=r"[\d,]{5,} numbers, and a page holds at most 1,500"):
        study.record(G, D, np.zeros((8, 40)), np.zeros((8, 3)))
    x = Tensor(np.ones(400))
    with pytest.raises(ValueError, match=r"160,400 pairs .* at most 150,000"):
        study.record(ops.sum(ops.exp(x)))


# ---- the file and the command ----


def test_only_such_a_page_is_replaced(tmp_path):
    record = study.record(*small())
    path = tmp_path / "study.html"
    path.write_text("my notes")
    with pytest.raises(FileExistsError, match="nothing was written"):
        record.write(path)
    assert path.read_text() == "my notes"
    path.unlink()
    record.write(path)
    first = path.read_bytes()
    record.write(path)
    assert path.read_bytes() == first
    assert len(first) < 2_500_000


def test_the_command_says_one_line_and_refuses_another_file(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NPGAN_KERNELS", "reference")
    monkeypatch.setattr(npgan.study.game, "STEPS", 40)
    monkeypatch.setattr(npgan.study.game, "FRAMES", 2)
    (tmp_path / "notes.html").write_text("mine")
    assert main(["study", "--out", "notes.html"]) == 1
    out, err = capsys.readouterr()
    assert not out
    assert "nothing was written" in err
    assert err.count("\n") == 1
    assert (tmp_path / "notes.html").read_text() == "mine"
    assert main(["study"]) == 0
    out, err = capsys.readouterr()
    assert out.count("\n") == 1
    assert "study.html" in out
    assert "D's step" in err
    monkeypatch.setattr(
        ops.tanh, "rules", (lambda g, y, x: 1.01 * ops.tanh_gate(g, y),)
    )  # a rule that the library has wrong
    assert main(["study"]) == 1
    out, err = capsys.readouterr()
    assert not out
    assert "G's step: not so: Rule and finite difference agree" in err
    assert err.splitlines()[-1].endswith("study.html shows where")


def test_the_default_page_is_small_enough(data, tmp_path):
    study.Record(data).write(tmp_path / "study.html")
    assert 1_000_000 < (tmp_path / "study.html").stat().st_size < 2_500_000
