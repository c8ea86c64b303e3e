"""The record of one training step: every number in it is npgan's own, and a wrong one is noticed."""

import json
from itertools import pairwise

import numpy as np
import pytest
import study_pages
from study_pages import node, unpack

import npgan
from npgan import study
from npgan.autograd import PRIMITIVES
from npgan.gan import discriminator_step
from npgan.study.assemble import record_data
from npgan.study.example import tiny_computations, tiny_gan
from npgan.study.write_tape import Walk

TAPES = ("D", "G", "R1 LeakyReLU", "R1 tanh")
data, in_numpy = study_pages.data, study_pages.in_numpy


@pytest.fixture(params=TAPES)
def tape(request, data):
    return next(t for t in data["tapes"] if t["key"] == request.param)


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
        values = unpack(m["values"], "<f8")
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
    wrong = unpack(g["mean"]["values"], "<f8")[offset : offset + 8]
    np.testing.assert_allclose(wrong, np.array(W["grad"]) / 4)


def test_which_mistakes_a_gradient_check_finds(data):
    for tape in data["tapes"][:2]:
        n = sum(len(x["data"]) for x in tape["nodes"])
        for m in tape["mistakes"]:
            check, worst = m["check"], 0.0
            gradients = unpack(m["values"], "<f8")[n : 2 * n]
            at = np.cumsum([0, *(len(x["data"]) for x in tape["nodes"])])
            for x in tape["nodes"]:
                if x["op"] is None:
                    found = np.array(m["differences"][str(x["id"])])
                    assert found.shape == (len(x["data"]),)
                    error = np.abs(found - gradients[at[x["id"]] : at[x["id"] + 1]]).max()
                    worst = max(worst, error if x["moves"] else 0.0)
            assert check["worst"] == pytest.approx(worst, rel=1e-6)
            assert check["found"] == (m["key"] in ("tanh_gate", "leaky_gate", "mean")), m["key"]
            assert check["found"] == (worst > 1e-8)
            assert ("finds it: for " in check["sentence"]) == check["found"]
            assert ("cannot see it, since " in check["sentence"]) != check["found"]
            if m["key"] == "labels":
                assert "since the gradient of the wrong loss is right" in check["sentence"]


def test_the_differences_with_a_mistake_are_those_of_its_loss(data):
    """The mean's forward pass is the right one; the flipped labels give another loss."""
    for tape in data["tapes"][:2]:
        by_key = {m["key"]: m["differences"] for m in tape["mistakes"]}
        assert by_key["mean"] == by_key["leaky_gate"] == tape["differences"]
        assert by_key["labels"] != tape["differences"]


def test_gradients_that_training_does_not_compute_are_marked(data):
    of_D = {"D.0.W", "D.0.b", "D.2.W", "D.2.b"}
    expected = [{"real", "fake", "real and fake"}, {"z", *of_D}]
    expected += 2 * [{"real", "seed", "broadcast_to"}]
    for tape, names in zip(data["tapes"], expected, strict=True):
        found = {n["name"] or n["op"] or "seed" for n in tape["nodes"] if not n["needed"]}
        assert found == names, tape["key"]
    x = npgan.Tensor([1.0, 2.0])
    of_user = study.record(npgan.ops.sum(x * x)).data["tapes"][0]
    assert all(n["needed"] for n in of_user["nodes"])  # nothing is trained there


def test_the_default_tapes_are_checked_to_1e_8(data):
    assert {t["scale"] for t in data["tapes"]} == {1.0}


# ---- the story ----


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
            index = np.unravel_index(item["cell"], node["shape"])
            assert f"{node['name']}[{', '.join(map(str, index))}]" in item["sentence"]
    i, j = np.unravel_index(told[1]["cell"], tape["nodes"][told[1]["node"]]["shape"])
    assert i == 0
    assert f"z[i, 0] times the gradient of G.0[i, {j}]" in told[-2]["sentence"]
    back = next(n for n in tape["nodes"] if n["name"] == "G.0")
    z, g = np.reshape(tape["nodes"][0]["data"], (4, 2)), np.reshape(back["grad"], (4, 4))
    assert f"{z[:, 0] @ g[:, j]:.4g}" in told[-2]["sentence"]


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
