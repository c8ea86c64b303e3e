"""What the pages for learners say in numbers is what npgan computes."""

import base64
import dataclasses
import importlib.util
import itertools
import math
import re
import sys
from pathlib import Path
from unittest import mock
from xml.etree import ElementTree

import numpy as np
import pytest
from test_docs import blocks

from npgan import Tensor, grad
from npgan.exercises.catalogue import EXERCISES
from npgan.exercises.judging import judge
from npgan.losses import LOSSES
from npgan.study.example import tiny_computations
from npgan.study.story import story
from npgan.study.write_tape import Walk, tape_data
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


# ---- first-step.md ----

FIRST_STEP = DOCS / "first-step.md"


@pytest.fixture(scope="module")
def drawing():
    """tools/first_step.py, as a module."""
    path = DOCS.parent / "tools" / "first_step.py"
    if not path.exists():
        pytest.skip("tools/ is not here")
    spec = importlib.util.spec_from_file_location("first_step", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_pictures_of_the_first_step_are_up_to_date(drawing):
    """python tools/first_step.py writes them."""
    for name, content in drawing.pictures().items():
        assert (DOCS / "images" / name).read_text(encoding="utf-8") == content, name
        ElementTree.fromstring(content)
        assert f"images/{name}" in FIRST_STEP.read_text(encoding="utf-8")


def test_the_tour_of_the_study_page_ends_at_the_same_weight(drawing):
    walk = Walk(tiny_computations()[1])
    tape = tape_data(walk)
    last = story(walk, tape)[-1]
    assert (tape["nodes"][last["node"]]["name"], last["cell"]) == ("G.0.W", drawing.UNIT)
    assert "W1[0, 3]" in FIRST_STEP.read_text(encoding="utf-8")


def recorded(tapes):
    """Every number of D's and G's step: values, gradients, terms, Adam's."""
    for tape in tapes.values():
        for node in tape["nodes"]:
            yield from (*node["data"], *node["grad"])
        for edge in tape["edges"]:
            yield from np.frombuffer(base64.b64decode(edge["terms"]), "<f8")
        for leaf in tape["optimiser"]["leaves"].values():
            for numbers in leaf.values():
                yield from numbers


def without_code(page):
    """(the page without its Python, its Python)."""
    text, code = page.read_text(encoding="utf-8"), ""
    for block in blocks(page):
        if block.info == "python":
            text, code = text.replace(block.text, ""), code + block.text
    return text, code


@pytest.mark.parametrize("page", [FIRST_STEP, DOCS / "lab.md"], ids=lambda page: page.name)
def test_the_numbers_of_the_step_are_those_of_the_record(page, drawing):
    """Of those that the page's own code does not check: every number with four decimals or more."""
    prose, code = without_code(page)
    shown = set(re.findall(r"-?\d+\.\d{4,}", prose))
    assert len(shown) > 20
    known = np.array(list(recorded(drawing.record())))
    for number in shown - APPROXIMATE.get(page.name, set()):
        places = len(number.partition(".")[2])
        # A formula may show 1 - 0.2613², where the record has -0.2613.
        found = np.abs(np.round(np.abs(known), places) - abs(float(number))) < 1e-9
        assert found.any() or number in code, f"{page.name}: {number} is not in the record"


# What follows from rounded numbers.
APPROXIMATE = {"lab.md": {"-0.00176"}}


def equations(page):
    """The lines with = of the page's text blocks, and of its code in the text."""
    for block in blocks(page):
        yield from block.text.splitlines() if block.info == "text" else ()
    yield from re.findall(r"`([^`\n]+=[^`\n]+)`", without_code(page)[0])


@pytest.mark.parametrize("page", [FIRST_STEP, DOCS / "lab.md"], ids=lambda page: page.name)
def test_the_formulas_of_the_step_are_right(page):
    """Every side of an equation that consists of numbers."""
    names = {"σ": lambda x: 1 / (1 + math.exp(-x)), "tanh": math.tanh}
    checked = 0
    for line in equations(page):
        sides = [side.strip() for side in line.split(" = ")]
        numeric = [s for s in sides if re.fullmatch(r"[-+·²/(), .\dσ]+", s.replace("tanh", ""))]
        values = []
        for side in numeric:
            side = re.sub(r"tanh (-?[\d.]+)", r"tanh(\1)", side)
            values.append(np.array(eval(side.replace("·", "*").replace("²", "**2"), names), float))
        for value in values[:-1]:
            places = len(re.search(r"\.(\d+)", numeric[-1])[1])
            np.testing.assert_allclose(value, values[-1], rtol=0, atol=1.6 * 10**-places)
            checked += 1
    assert checked >= (6 if page == FIRST_STEP else 3)


# ---- lab.md ----


def test_the_minutes_of_the_lab():
    plan = table("lab.md", "The plan")
    times = [tuple(map(int, row.split(" to "))) for row in plan]
    assert times[0][0] == 0
    assert times[-1][1] == 90
    assert all(end == start for (_, end), (start, _) in itertools.pairwise(times))
    text = (DOCS / "lab.md").read_text(encoding="utf-8")
    minutes = re.findall(r"^## Part \d: .* \((\d+) minutes\)$", text, re.M)
    assert [end - start for start, end in times] == [int(n) for n in minutes]


@pytest.mark.parametrize("row", table("lab.md", "Part 3: five backward passes (30 minutes)"))
def test_the_answers_of_the_lab_are_right(row, tmp_path):
    exercise = EXERCISES[int(row.split()[0]) - 1]
    answer = table("lab.md", "Part 3: five backward passes (30 minutes)")[row][0].strip("`")
    path = tmp_path / "answer.py"
    source = exercise.file.read_text(encoding="utf-8")
    assert source.count("raise NotImplementedError") == 1
    path.write_text(source.replace("raise NotImplementedError", answer), encoding="utf-8")
    assert judge(exercise, path).solved


REPAIRS = table("lab.md", "Part 4: repair a GAN (15 minutes)")


@pytest.mark.parametrize("row", REPAIRS)
def test_the_repairs_of_the_lab_are_right(row, tmp_path):
    exercise = EXERCISES[int(row.split()[0]) - 1]
    source = exercise.file.read_text(encoding="utf-8")
    new, old = re.findall(r"`([^`]+)`", REPAIRS[row][0])[:2]
    if exercise.name.startswith("16"):  # a new line, and its name below
        source = source.replace("dW2 = h.T @ dimage", f"{new}\n        dW2 = h.T @ {old}")
        source = source.replace("dh = dimage @", f"dh = {old} @")
    else:
        assert source.count(old) == 1
        source = source.replace(old, new)
    path = tmp_path / "repaired.py"
    path.write_text(source, encoding="utf-8")
    assert judge(exercise, path).solved
