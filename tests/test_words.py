"""What the pages for learners say in numbers is what npgan computes."""

import dataclasses
import math
import re
import sys
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
from test_docs import blocks

from npgan import Tensor, grad
from npgan.losses import LOSSES
from npgan.training.loop import State

DOCS = Path(__file__).parents[1] / "docs"


def table(page, heading):
    """The rows of the first table below a heading, as {first cell: the other cells}."""
    text = (DOCS / page).read_text(encoding="utf-8").partition(f"# {heading}\n")[2]
    rows = re.search(r"(?:^\|.*\|\n)+", text, re.M)[0].splitlines()[2:]
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]
    return {first: rest for first, *rest in cells}


EQUILIBRIA = table("derivations.md", "The equilibria of all losses")


def test_the_table_has_every_loss():
    assert list(EQUILIBRIA) == list(LOSSES)


@pytest.mark.parametrize("name", LOSSES)
def test_the_equilibria_of_the_derivations(name):
    """q = p: the same logits are those of real and of generated images."""
    logits, of_D, of_G = EQUILIBRIA[name]
    best = {"0": [0.0], "½": [0.5], "any number c from -1 to 1": [-1.0, 0.3, 1.0]}
    for c in best.get(logits, [-7.0, 0.0, 2.5]):
        same = Tensor(np.full((5, 1), c))
        loss_D = LOSSES[name].discriminator(same, same)
        if abs(c) != 1:  # there hinge has a kink
            np.testing.assert_allclose(grad(loss_D, same, unused="zero"), 0, atol=1e-12)
        assert float(loss_D.data) == pytest.approx(number(of_D), abs=5e-4)
        loss_G = float(LOSSES[name].generator(same, same).data)
        assert loss_G == pytest.approx(-c if of_G == "-c" else number(of_G), abs=5e-4)
    for elsewhere in {"0": [-0.1, 0.1], "½": [0.4, 0.6]}.get(logits, [-1.1, 1.1]):
        other = Tensor(np.full((5, 1), elsewhere))
        slope = grad(LOSSES[name].discriminator(other, other), other, unused="zero")
        assert logits == "any number c" or np.abs(slope).min() > 0.005
    known = LOSSES[name].equilibrium
    assert (known is None) == (of_G == "-c")
    if known:
        assert [number(of_D), number(of_G)] == pytest.approx(known, abs=5e-4)


def number(cell):
    """`2 ln 2 = 1.386`: both sides must agree; the right one."""
    words, _, digits = cell.partition(" = ")
    sides = {"2 ln 2": 2, "ln 2": 1, "-ln 2": -1}
    value = sides[words] * math.log(2) if words in sides else {"¼": 0.25, "⅛": 0.125}.get(words)
    assert float(digits) == pytest.approx(float(words) if value is None else value, abs=5e-4)
    return float(digits)


# ---- callbacks.md ----


def callback_snippet(word):
    """The block of docs/callbacks.md that contains this word."""
    page = DOCS / "callbacks.md"
    (text,) = [b.text for b in blocks(page) if b.info == "python" and word in b.text]
    return text


@pytest.fixture
def stand_in(monkeypatch):
    """stand_in("wandb") puts an object that keeps all calls in the place of a library."""

    def put(name):
        for i, _ in enumerate(parts := name.split(".")):
            monkeypatch.setitem(sys.modules, ".".join(parts[: i + 1]), mock.MagicMock())
        return sys.modules[name]

    return put


@pytest.fixture
def small():
    """What the page's first block defines."""
    names = {}
    exec(callback_snippet("default_rng(0)"), names)
    return names


def test_the_callback_for_tensorboard(small, stand_in):
    writer = stand_in("torch.utils.tensorboard").SummaryWriter.return_value
    exec(callback_snippet("SummaryWriter"), small)
    rows = small["gan"].history_
    curve = [call.args[1:] for call in writer.add_scalar.mock_calls if call.args[0] == "loss_G"]
    assert curve == [(value, i) for i, value in enumerate(rows["loss_G"], 1)]
    assert {call.args[0] for call in writer.add_scalar.mock_calls} == set(rows)
    shapes = [call.args[1].shape for call in writer.add_images.mock_calls]
    assert shapes == [(64, 1, 8, 8)] * 8  # (N, C, H, W), which add_images expects


def test_the_callback_for_weights_and_biases(small, stand_in):
    wandb = stand_in("wandb")
    exec(callback_snippet("wandb"), small)
    assert wandb.init.call_args.kwargs["config"]["latent"] == 4
    calls = wandb.init.return_value.log.mock_calls
    assert [call.kwargs["step"] for call in calls] == list(range(1, 9))
    assert [call.args[0]["loss_D"] for call in calls] == list(small["gan"].history_["loss_D"])
    assert all(len(call.args[0]["samples"]) == 16 for call in calls)
    assert {call.args[0].shape for call in wandb.Image.mock_calls} == {(8, 8)}


def test_the_page_names_the_attributes_and_the_numbers_of_the_state(small):
    exec(callback_snippet("seen = []"), small)
    page = (DOCS / "callbacks.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`state\.(\w+)`", page))
    assert named == {field.name for field in dataclasses.fields(State)}
    row = re.search(r"`state\.row` \|[^|]*", page)[0]
    numbers = set(re.findall(r"`(\w+)`", row))
    assert numbers <= set(small["gan"].history_)
    assert set(small["gan"].history_) - numbers <= {"epoch"}
    assert [epoch for epoch, _, _ in small["seen"]] == [1, 2]
