"""The page of `npgan study`: what it shows is what was recorded, for every number."""

import base64
import copy
import re
from pathlib import Path

import numpy as np
import pytest
import study_pages
from study_pages import PHONE, WIDE, choose, number, shown, tabs, terms_of

import npgan
from npgan import Tensor, ops, study
from npgan.study.write import SCRIPTS

ROOT = Path(__file__).parents[1]

page_file = study_pages.page_file
data, opened = study_pages.data, study_pages.opened


# ---- the record and the page ----


def test_the_page_is_below_2_5_mb_and_its_sources_are_short(page_file):
    assert page_file.stat().st_size < 2_500_000
    folder = ROOT / "npgan" / "study" / "browser"
    assert {p.stem for p in folder.glob("*.js")} == set(SCRIPTS)
    for path in folder.iterdir():
        assert len(path.read_text(encoding="utf-8").splitlines()) < 450, path.name


def test_every_cell_shows_its_number(data, opened):
    page = opened()
    for what in ("data", "grad"):
        for tape in data["tapes"]:
            place = page.evaluate(
                "k => tabs.findIndex(t => t.tapes.some(tape => tape.key === k))", tape["key"]
            )
            page.click(f"#tab-{place}")
            page.check(f"[name=what][value={what}]")
            found = shown(page)
            for node in tape["nodes"]:
                for k, value in enumerate(node[what]):
                    text = found[tape["key"], node["id"], k]
                    assert number(text) == pytest.approx(value, rel=0.06, abs=6e-5), (node, k)
                    assert text.startswith("−") == (value < -1e-14)


def test_the_numbers_of_each_panel(data, opened):
    """The sum of the terms, for every cell of every tape; formulas, differences and rules."""
    page = opened()
    total = 0
    for tape in data["tapes"]:
        found = page.evaluate(
            """key => {
              const tape = tapes.find(t => t.key === key);
              openTab(tabs.find(t => t.tapes.includes(tape)));
              return tape.nodes.flatMap(node => node.data.map((_, k) => {
                choose(tape, node, k);
                const panel = byId("panel");
                return [node.id, k, panel.querySelector("tfoot td")?.textContent ?? null,
                  panel.querySelectorAll(".backward-part .bad").length,
                  [...panel.querySelectorAll(".facts td")].map(td => td.textContent),
                  panel.querySelector(".plugged b")?.textContent ?? null,
                  [...panel.querySelectorAll(".rule")].map(r => [r.querySelector(".place").textContent, r.querySelector("code").textContent, r.querySelector("a")?.href])];
              }));
            }""",
            tape["key"],
        )
        for i, k, total_text, bad, facts, formula, rules in found:
            node = tape["nodes"][i]
            edges = [e for e in tape["edges"] if e["from"] == i]
            assert bad == 0
            expected = sum(terms_of(e)[:, k].sum() for e in edges)
            if total_text is not None:
                assert number(total_text) == pytest.approx(expected, rel=0.06, abs=6e-5)
            else:
                assert expected == 0 or not edges
            assert number(facts[0]) == pytest.approx(node["data"][k], rel=1e-7)
            assert number(facts[1]) == pytest.approx(node["grad"][k], rel=1e-7)
            if str(i) in tape["differences"]:
                assert number(facts[2]) == pytest.approx(tape["differences"][str(i)][k], rel=1e-7)
            if formula is not None:
                assert number(formula) == pytest.approx(node["data"][k], rel=0.06, abs=6e-5)
            elif node["op"]:
                assert node["grad"][k] == 0
            assert len(rules) == len(edges)
            for place, text, url in rules:
                file, line = place.rsplit(":", 1)
                source = (ROOT / "npgan" / Path(file).name).read_text(encoding="utf-8").splitlines()
                assert text.splitlines()[0].strip() in source[int(line) - 1]
                page_of, anchor = url.split("/")[-1].split("#")
                words = (ROOT / "docs" / Path(page_of).with_suffix(".md").name).read_text("utf-8")
                headings = re.findall(r"^#+ (.*)$", words, re.M)
                assert anchor in {
                    re.sub(r"[^\w -]", "", h.lower()).replace(" ", "-") for h in headings
                }
            total += 1
    assert total == sum(len(n["data"]) for t in data["tapes"] for n in t["nodes"])


def test_adams_numbers(data, opened):
    page = opened()
    tape = next(t for t in data["tapes"] if t["optimiser"])
    for id_, leaf in tape["optimiser"]["leaves"].items():
        choose(page, tape["key"], id_, 0)
        found = [number(t) for t in page.locator(".adam dd > b").all_inner_texts()]
        expected = [leaf[name][0] for name in ("m", "v", "m_hat", "root", "move", "after")]
        np.testing.assert_allclose(found, expected, rtol=0.06, atol=6e-5)
        assert found[5] == pytest.approx(tape["nodes"][int(id_)]["data"][0] + found[4], rel=1e-6)


# ---- the page checks itself ----


def test_the_page_says_that_all_its_checks_hold(data, opened):
    page = opened()
    assert page.get_attribute("#check", "class") == "ok"
    assert page.inner_text("#check-words").startswith("✓ This page checked itself")
    kinds = {k["words"]: k for k in page.evaluate("checked.kinds")}
    assert len(kinds) == 5
    cells = {words: kind["cells"] for words, kind in kinds.items()}
    tapes = data["tapes"]
    differences = sum(len(d) for t in tapes for d in t["differences"].values())
    moves = sum(
        len(leaf["move"])
        for t in tapes
        for leaf in (t["optimiser"] or {"leaves": {}})["leaves"].values()
    )
    used = sum(
        len(n["data"])
        for t in tapes
        for n in t["nodes"]
        if any(e["from"] == n["id"] for e in t["edges"])
    )
    assert cells["the rule's gradient and the finite difference agree"] == differences
    assert cells["moved by = after − before"] == moves
    assert cells["the terms add up to the gradient"] == used
    nonzero = sum(int((terms_of(e) != 0).sum()) for t in tapes for e in t["edges"])
    assert cells["g times the slope written beside it is the term"] == nonzero
    computed = sum(1 for t in tapes for n in t["nodes"] for g in n["grad"] if n["op"] and g != 0)
    assert cells["the formula, computed in this browser, gives the recorded number"] >= computed


def spoil_term(tape):
    edge = next(e for e in tape["edges"] if e["to"] == tape["loss"])
    terms = terms_of(edge).copy()
    terms.flat[0] *= 1 + 1e-9
    edge["terms"] = base64.b64encode(terms.tobytes()).decode()
    return edge["from"]


def spoil_gradient(tape):
    tape["nodes"][1]["grad"][0] += 2e-8
    return 1


def spoil_difference(tape):
    tape["differences"]["2"][0] += 2e-8
    return 2


def spoil_move(tape):
    id_ = next(iter(tape["optimiser"]["leaves"]))
    tape["optimiser"]["leaves"][id_]["after"][0] += 1e-13
    return int(id_)


def spoil_number(tape):
    node = next(n for n in tape["nodes"] if n["op"] == "affine")
    node["data"][0] += 1e-10
    return node["id"]


def spoil_nan(tape):
    tape["differences"]["2"][0] = None
    return 2


def spoil_move_nan(tape):
    id_ = next(iter(tape["optimiser"]["leaves"]))
    tape["optimiser"]["leaves"][id_]["move"][0] = None
    return int(id_)


@pytest.mark.parametrize(
    "spoil",
    [
        spoil_term,
        spoil_gradient,
        spoil_difference,
        spoil_move,
        spoil_number,
        spoil_nan,
        spoil_move_nan,
    ],
)
def test_a_wrong_number_turns_the_check_red_and_is_named(spoil, data, opened):
    record = copy.deepcopy(data)
    tape = record["tapes"][1]
    node = tape["nodes"][spoil(tape)]
    page = opened(record)
    assert page.get_attribute("#check", "class") == "bad"
    assert page.inner_text("#check-words").startswith("✗ ")
    page.click("#check-words")
    page.click("#check-list button >> nth=0")
    assert (
        page.inner_text("#check-words").split("At ")[1].startswith(page.inner_text("#number-title"))
    )
    assert page.evaluate("checked.failed.map(f => f.at)")[0]["tape"] == tape["key"]
    named = page.evaluate("checked.failed.map(f => f.at.id)")
    below = {node["id"]} | {e["to"] for e in tape["edges"] if e["from"] == node["id"]}
    assert set(named) & (below | {e["from"] for e in tape["edges"] if e["to"] == node["id"]})


def test_a_wrong_rule_in_the_library_turns_the_check_red(monkeypatch, opened):
    wrong = (lambda g, y, x: ops.tanh_gate(g, y) * 1.0001,)
    monkeypatch.setattr(ops.tanh, "rules", wrong)
    x = Tensor([[0.3, -0.7]])
    W = Tensor([[0.5, 0.1], [-0.2, 0.4]])
    record = study.record(ops.sum(ops.tanh(x @ W)), names={"x": x, "W": W})
    page = opened(record.data)
    assert page.get_attribute("#check", "class") == "bad"
    assert re.match(r"✗ \d+ checks? failed\. At (x|W)\[", page.inner_text("#check-words"))


def test_what_the_recorder_found_wrong_is_shown(data, opened):
    record = copy.deepcopy(data)
    check = record["tapes"][0]["checks"][-1]
    check.update(ok=False, at={"node": 2, "cell": 0})
    page = opened(record)
    assert page.get_attribute("#check", "class") == "bad"
    assert check["text"] in page.inner_text("#check-words")


# ---- what users record ----


def test_a_loss_of_the_user_gives_the_same_page(opened):
    x, W = Tensor(np.array([[0.5, -1.0], [2.0, 0.25]])), Tensor(np.array([[0.3, 0.1], [-0.7, 0.9]]))
    y = ops.log_softmax(ops.leaky_relu(x @ W) - ops.exp(x) / (ops.sigmoid(W) + 2.0)) ** 2.0
    hostile = "</script><script>document.title = 'no'</script><b>x"
    loss = ops.sum(ops.softplus(y).T.reshape(4)) - ops.log(ops.sum(W * W))
    record = study.record(loss, names={hostile: x, "W": W}, title="A <b>title</b> & more")
    page = opened(record.data)
    assert page.inner_text("#title") == "A <b>title</b> & more"
    assert page.title() == "A <b>title</b> & more"
    assert page.get_attribute("#check", "class") == "ok"
    assert page.locator("[role=tab]").count() == 1
    assert page.is_hidden("#tour")
    assert hostile in page.evaluate("tapes[0].nodes.map(n => n.label)")
    for _ in range(page.evaluate("bar.items.length")):
        page.click("#next")


def test_a_gan_of_the_user_gives_the_same_page(opened):
    rng = np.random.default_rng(0)
    G, D = npgan.Generator(3, (5,), 2, rng=rng), npgan.Discriminator(2, (6, 4), rng=rng)
    record = study.record(G, D, rng.normal(size=(3, 2)), rng.normal(size=(3, 3)), gamma=0.5)
    for viewport in (WIDE, PHONE):
        page = opened(record.data, viewport=viewport)
        assert page.get_attribute("#check", "class") == "ok"
        for _ in tabs(page):
            assert page.evaluate("document.documentElement.scrollWidth") <= viewport["width"]
            assert page.locator(".cell.chosen").count() >= 1


def test_every_primitive_has_its_formula_and_its_slope(opened):
    """What the page writes beside a term is what the rule computes, for each primitive it knows."""
    rng = np.random.default_rng(1)
    a, b = Tensor(rng.uniform(0.5, 1.5, (3, 2))), Tensor(rng.uniform(0.5, 1.5, (3, 2)))
    row = Tensor(rng.uniform(0.5, 1.5, 2))
    square = Tensor(rng.normal(size=(2, 3)))
    t = np.array([[1.0, 0.0], [0.25, 1.0], [0.0, 0.5]])
    parts = [
        a + row, row - a, a * row, a / row, -a, a**3.0, ops.exp(a), ops.log(a), ops.tanh(a),
        ops.sigmoid(a), ops.softplus(a), ops.leaky_relu(a - 1.0, slope=0.1), ops.leaky_gate(a, b - 1.0),
        ops.tanh_gate(a, b), ops.sigmoid_gate(a, b), ops.affine(a, square, Tensor(rng.normal(size=3))),
        ops.gemm(a, square), ops.gemm(a, b, tb=True), ops.gemm(a, b, ta=True), a.T, a.reshape(6),
        a[1:], ops.concatenate(a, b, axis=1), ops.column_sum(a), ops.sum(a, axis=0),
        ops.broadcast_to(row, shape=(3, 2)), ops.log_softmax(a), ops.bce_with_logits(a, t),
        ops.bce_with_logits(b, 1.0), ops.bce(ops.sigmoid(a), t), ops.dropout(a, rate=0.5, key=3),
    ]  # fmt: skip
    total = parts[0].sum()
    for part in parts[1:]:
        total = total + (part * part).sum()
    record = study.record(total * 0.01)  # small, so that differences are exact to 1e-8
    page = opened(record.data)
    assert page.get_attribute("#check", "class") == "ok", page.inner_text("#check-words")
    without = page.evaluate(
        """[...new Set(tapes[0].nodes.flatMap(node => node.uses.filter(edge =>
          termsInto(node, 0).some(t => t.edge === edge && !slopeOf(tapes[0], edge, t.i, 0))).map(e => e.target.op)))]"""
    )
    assert set(without) <= {"log_softmax", "bce", "dropout"}
