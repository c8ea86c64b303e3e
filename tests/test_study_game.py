"""The ring's training in the record: the game, and how far each mistake ends from the ring."""

import numpy as np
import study_pages
from study_pages import unpack

from npgan import ops
from npgan.layers import Network
from npgan.study.game import Camera
from npgan.study.ring import ROWS, distance, in_parts, train
from npgan.study.scenarios import RIGHT

data, in_numpy = study_pages.data, study_pages.in_numpy


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


def lengths(frame):
    return np.linalg.norm(unpack(frame["arrow"], "<i2").reshape(-1, 2) / 2048, axis=1)


def test_what_is_said_of_arrows_and_distances_is_so(data):
    game = data["game"]
    by_key = {s["key"]: s for s in game["scenarios"]}
    for s in by_key.values():
        assert len(s["distances"]) == len(s["frames"])
    *_, last = train(RIGHT, 0)
    assert by_key["stale"]["distances"][0] == round(distance(last.G), 4)
    right, none = by_key["right"], by_key["none"]
    assert "at the end they are shorter than without R1" in right["sentence"]
    assert "At the end the arrows are longer than with R1" in none["sentence"]
    first, end = lengths(right["frames"][0]).mean(), lengths(right["frames"][-1]).mean()
    assert 1.5 * first < end < 0.7 * lengths(none["frames"][-1]).mean()
    assert "G comes near the ring later; at the end it is as near" in none["sentence"]
    assert abs(right["distances"][-1] - none["distances"][-1]) < 0.05
    near = {
        s["key"]: next(i for i, d in enumerate(s["distances"]) if d < 0.3) for s in (right, none)
    }
    assert near["right"] < near["none"]
    assert "nearest of the eight centres" in game["measure"]
    for tape in data["tapes"][:2]:
        for m in tape["mistakes"]:
            assert m["training"]["about"] == game["measure"]
            if m["key"] in by_key and (tape["key"], m["key"]) != ("G", "labels"):
                assert m["training"]["wrong"] == by_key[m["key"]]["distances"]


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


def test_no_product_is_so_large_that_threads_share_it(monkeypatch):
    """Threads of BLAS wait at full speed: twice the CPU time, and other bits on other computers."""
    *_, last = train(RIGHT, 0)
    rows, forward = [], Network.forward
    monkeypatch.setattr(Network, "forward", lambda net, x: rows.append(len(x)) or forward(net, x))
    frame = Camera().frame(0, last.G, last.D, RIGHT)
    distance(last.G)
    assert max(rows) == ROWS
    assert len(unpack(frame["heat"], "u1")) == 32**2
    x = np.random.default_rng(0).standard_normal((2 * ROWS + 5, 2)).astype(np.float32)
    np.testing.assert_allclose(in_parts(last.G, x), last.G(x), rtol=1e-5, atol=1e-6)
