"""The page of `npgan study`, in a browser: what it shows is what was recorded, for every number."""

import base64
import copy
import importlib.resources
import importlib.util
import itertools
import json
import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
import pytest
from browsers import browser, missing  # noqa: F401
from npgan.study.page import default_record

import npgan
from npgan import Tensor, ops, study
from npgan.study.write import SCRIPTS, page_text

ROOT = Path(__file__).parents[1]
WIDE, PHONE = {"width": 1440, "height": 900}, {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def data():
    return default_record().data


@pytest.fixture(scope="module")
def page_file(data, tmp_path_factory):
    path = tmp_path_factory.mktemp("study") / "study.html"
    path.write_text(page_text(data), encoding="utf-8")
    return path


@pytest.fixture
def opened(browser, page_file, tmp_path):  # noqa: F811
    """opened() is the page; it may ask for nothing but itself, and log no error."""
    pages, problems = [], []

    def open_page(record=None, viewport=WIDE, clock=False, **context):
        path = page_file
        if record is not None:
            path = tmp_path / "study.html"
            path.write_text(page_text(record), encoding="utf-8")
        page = browser.new_context(viewport=viewport, **context).new_page()
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("console", lambda m: problems.append(m.text) if m.type == "error" else None)
        allowed = ("data:", "blob:")
        page.on(
            "request",
            lambda r: (
                None
                if r.url == path.as_uri() or r.url.startswith(allowed)
                else problems.append(r.url)
            ),
        )
        if clock:
            page.clock.install()
        page.goto(path.as_uri())
        pages.append(page)
        return page

    yield open_page
    assert problems == []
    for page in pages:
        page.context.close()


def terms_of(edge):
    return np.frombuffer(base64.b64decode(edge["terms"]), "<f8").reshape(edge["shape"])


def number(text):
    """What a cell shows, as a number."""
    return float(text.replace("−", "-"))


def shown(page):
    """{(graph, node, cell): its text} of what is on the page."""
    found = page.evaluate(
        "graphs.flatMap(g => [...g.cells.values()].map(c => [g.tape.key, c.node.id, c.k, c.number.textContent]))"
    )
    return {(key, node, k): text for key, node, k, text in found}


def tabs(page):
    for i in range(page.locator("[role=tab]").count()):
        page.click(f"#tab-{i}")
        yield page.inner_text(f"#tab-{i}")


def choose(page, tape, node, cell):
    """Choose a cell as the mouse does it."""
    place = page.evaluate("k => tabs.findIndex(t => t.tapes.some(tape => tape.key === k))", tape)
    page.click(f"#tab-{place}")
    which = page.evaluate("k => graphs.findIndex(g => g.tape.key === k)", tape)
    page.click(f".one-graph >> nth={which} >> [data-cell='{node},{cell}']")


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


@pytest.mark.parametrize(
    "spoil", [spoil_term, spoil_gradient, spoil_difference, spoil_move, spoil_number, spoil_nan]
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


# ---- what is drawn ----


@pytest.mark.parametrize("viewport", [WIDE, PHONE], ids=["1440", "390"])
def test_the_whole_graph_can_be_read(viewport, data, opened):
    page = opened(viewport=viewport)
    for title in tabs(page):
        assert page.evaluate("document.documentElement.scrollWidth") <= viewport["width"], title
        boxes = page.evaluate(
            "[...document.querySelectorAll('.paper')].map(e => { const b = e.getBoundingClientRect(); return [b.left, b.top + scrollY, b.right, b.bottom + scrollY]; })"
        )
        for i, (left, top, right, bottom) in enumerate(boxes):
            assert left >= 0
            assert right <= viewport["width"]
            if viewport is WIDE:
                assert bottom <= 900, title
            for other in boxes[:i]:
                apart = (
                    right <= other[0] or other[2] <= left or bottom <= other[1] or other[3] <= top
                )
                assert apart, title
        sizes = page.evaluate(
            "[...document.querySelectorAll('body *')].filter(e => e.getClientRects().length && [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim())).map(e => parseFloat(getComputedStyle(e).fontSize) * (e.ownerSVGElement ? e.ownerSVGElement.getScreenCTM().a : 1))"
        )
        assert min(sizes) >= 11 or (viewport is PHONE and min(sizes) > 9.9), title
        spill = page.evaluate(
            "graphs.flatMap(g => [...g.cells.values()].map(c => c.number.getBBox().width - c.w))"
        )
        assert max(spill, default=0) <= 1, title
        heads = page.evaluate(
            "graphs.flatMap(g => [...g.cards].map(([n, e]) => Math.max(...[...e.querySelectorAll('.title, .subtitle')].map(t => t.getBBox().x + t.getBBox().width)) - g.plan.cards.get(n).x - g.plan.cards.get(n).width))"
        )
        assert max(heads, default=0) <= 0, title


def test_rows_and_columns_stand_where_they_belong(data, opened):
    """A weight above its product, column above column; a result right of what it is made from."""
    page = opened()
    page.click("#tab-1")
    tape = data["tapes"][1]
    place = page.evaluate("[...graphs[0].cells].map(([key, c]) => [key, c.x, c.y])")
    at = {key: (x, y) for key, x, y in place}
    for node in tape["nodes"]:
        for i, a in enumerate(node["args"]):
            if not isinstance(a, int):
                continue
            source = tape["nodes"][a]
            if node["op"] == "affine" and i > 0:
                for c in range(node["shape"][1]):
                    assert at[f"{a},{c}"][0] == pytest.approx(at[f"{node['id']},{c}"][0], abs=1)
                    assert at[f"{a},{c}"][1] < at[f"{node['id']},{c}"][1]
            elif source["op"]:
                assert at[f"{a},0"][0] < at[f"{node['id']},0"][0]


def test_what_a_number_influences_is_framed(data, opened):
    page = opened()
    for tape, id_, k in (
        (data["tapes"][1], 0, 0),
        (data["tapes"][0], 2, 3),
        (data["tapes"][2], 1, 1),
    ):
        choose(page, tape["key"], id_, k)
        down, todo = set(), [(id_, k)]
        while todo:
            n, j = todo.pop()
            for e in tape["edges"]:
                if e["from"] == n:
                    for i in np.flatnonzero(terms_of(e)[:, j]):
                        if (e["to"], int(i)) not in down:
                            down.add((e["to"], int(i)))
                            todo.append((e["to"], int(i)))
        found = page.evaluate(
            "[...graphs.find(g => g.tape === state.chosen.tape).cells.values()].filter(c => c.cell.classList.contains('down')).map(c => [c.node.id, c.k])"
        )
        assert {tuple(f) for f in found} == down
        assert (tape["loss"], 0) in down
    choose(page, "G", 16, 0)  # everything influences the loss
    up = page.evaluate(
        "[...graphs[0].cells.values()].filter(c => c.cell.classList.contains('up')).length"
    )
    tape = data["tapes"][1]
    assert up == sum(len(n["data"]) for n in tape["nodes"]) - 1


def test_the_live_value_stands_beside_the_pointer_and_the_focus(data, opened):
    page = opened()
    tape = data["tapes"][0]
    page.hover("[data-cell='2,1']")
    tip = page.inner_text("#tip")
    name = page.evaluate("cellName(tapes[0].nodes[2], 1)")
    assert tip.startswith(name)
    values = [number(t) for t in re.findall(r"(?:value|gradient) (\S+)", tip)]
    np.testing.assert_allclose(
        values, [tape["nodes"][2]["data"][1], tape["nodes"][2]["grad"][1]], rtol=1e-7
    )
    cell, box = (
        page.locator("[data-cell='2,1']").bounding_box(),
        page.locator("#tip").bounding_box(),
    )
    assert abs(box["y"] + box["height"] - cell["y"]) < 30
    page.mouse.move(5, 5)
    assert page.is_hidden("#tip")
    page.focus("[data-cell='2,0']")
    assert page.inner_text("#tip").startswith(page.evaluate("cellName(tapes[0].nodes[2], 0)"))


def test_zeros_of_the_second_path_are_named(data, opened):
    """R1: with LeakyReLU nothing arrives at the forward pass; with tanh something does."""
    page = opened()
    page.click("#tab-2")
    texts = page.evaluate(
        "graphs.map(g => [...g.cards].filter(([n, e]) => e.classList.contains('zero')).map(([n]) => n.label))"
    )
    for tape, zeros in zip(data["tapes"][2:], texts, strict=True):
        expected = [n["name"] for n in tape["nodes"] if not any(n["grad"])]
        assert zeros == expected
    assert len(texts[0]) >= 3
    assert texts[1] == []
    choose(page, "R1 LeakyReLU", 5, 0)
    assert "every term is exactly 0" in page.inner_text("#panel")
    assert "R1 tanh" in page.inner_text(".twin")
    stripes = page.evaluate(
        "new Set(graphs.flatMap(g => [...g.cards.values()].map(e => getComputedStyle(e.querySelector('.stripe')).strokeDasharray))).size"
    )
    assert stripes == 3  # the three parts differ in more than their colour


# ---- the walk and the tour ----


def test_the_walk_goes_node_by_node(data, opened):
    page = opened()
    for tab, tape in ((0, data["tapes"][0]), (1, data["tapes"][1]), (2, data["tapes"][2])):
        page.click(f"#tab-{tab}")
        computed = [n for n in tape["nodes"] if n["op"]]
        movers = [n for n in tape["nodes"] if n["moves"]]
        n = 1 + 2 * len(computed) + len(movers)
        assert page.evaluate("bar.items.length") == n
        seen, phases = [], []
        page.click("#next")
        while True:
            known = {key[1:] for key, text in shown(page).items() if text and key[0] == tape["key"]}
            seen.append(known)
            phases.append(page.inner_text("#phase"))
            assert len(page.inner_text("#sentence")) > 20
            if page.is_disabled("#next"):
                break
            page.click("#next")
        assert len(seen) == n
        forward = seen[: 1 + len(computed)]
        assert all(a < b for a, b in itertools.pairwise(forward))
        everything = {(x["id"], k) for x in tape["nodes"] for k in range(len(x["data"]))}
        assert forward[-1] == everything
        backward = seen[1 + len(computed) : 1 + 2 * len(computed)]
        assert all(a <= b for a, b in itertools.pairwise(backward))
        assert backward[-1] == everything
        moved = {(x["id"], k) for x in movers for k in range(len(x["data"]))}
        assert seen[-1] == (moved or everything)
        order = list(dict.fromkeys(phases))
        assert order == (
            ["forward", "loss", "backward", "update"][: 3 + bool(movers)]
            if tab < 2
            else ["forward", "first walk back", "penalty", "second walk back"]
        )
        page.click("#back")
        assert page.evaluate("bar.at") == n - 2
        page.click("#rewind")
        assert page.evaluate("bar.at") == 0
        page.fill("#slider", "3")
        assert page.evaluate("bar.at") == 3
        page.click("#whole")
        assert set(shown(page))
        assert all(shown(page).values())


def test_play_walks_to_the_end_and_stops(opened):
    page = opened(clock=True)
    page.click("#play")
    assert page.evaluate("bar.at") == 0
    page.clock.run_for(1700)
    assert page.evaluate("bar.at") == 1
    assert "Pause" in page.inner_text("#play")
    page.click("#play")
    page.clock.run_for(10_000)
    assert page.evaluate("bar.at") == 1
    page.click("#play")
    page.clock.run_for(100_000)
    assert page.evaluate("bar.at === bar.items.length - 1")
    assert "Play" in page.inner_text("#play")


def test_the_tour_follows_one_number(data, opened):
    page = opened()
    assert data["story"]
    page.click("#lead-tour")
    for i, item in enumerate(data["story"]):
        assert page.inner_text("#phase") == f"Tour, {i + 1} of {len(data['story'])}"
        assert page.inner_text("#sentence") == item["sentence"]
        chosen = page.evaluate("[state.chosen.tape.key, state.chosen.node.id, state.chosen.k]")
        assert chosen == [item["tape"], item["node"], item["cell"]]
        what = {"forward": "data", "backward": "grad", "update": "move"}[item["part"]]
        assert page.is_checked(f"[name=what][value={what}]")
        assert page.is_visible(f".cell.chosen[data-cell='{item['node']},{item['cell']}'] >> nth=0")
        if i + 1 < len(data["story"]):
            page.keyboard.press("Enter")  # the focus is on "Step"
    page.click("#tour")
    assert page.get_attribute("#tour", "aria-pressed") == "false"


# ---- what if, and the mistakes ----


def decoded(tape, text):
    """(data, gradients, moves) of a changed step."""
    all_ = np.frombuffer(base64.b64decode(text), "<f4")
    n = sum(len(x["data"]) for x in tape["nodes"])
    return all_[:n], all_[n : 2 * n], all_[2 * n :]


@pytest.mark.parametrize("place", [0, 1, 3])
def test_what_if_shows_the_recorded_step(place, data, opened):
    page = opened()
    tape = data["tapes"][place]
    key = next(k for k in tape["whatif"] if k.endswith(",0.5"))
    id_, k, _ = key.split(",")
    choose(page, tape["key"], id_, k)
    before = {c: t for c, t in shown(page).items() if c[0] == tape["key"]}
    page.check("[name=what][value=data]")
    page.click("[data-delta='0.5']")
    assert page.get_attribute("[data-delta='0.5']", "aria-pressed") == "true"
    data_, _gradients, moves = decoded(tape, tape["whatif"][key])
    was = np.array([x for n in tape["nodes"] for x in n["data"]])
    found = {c: t for c, t in shown(page).items() if c[0] == tape["key"]}
    np.testing.assert_allclose([number(t) for t in found.values()], data_, rtol=0.06, atol=6e-5)
    marked = page.evaluate(
        "key => [...graphs.find(g => g.tape.key === key).cells.values()].map(c => Boolean(c.mark.getAttribute('d')))",
        tape["key"],
    )
    size = np.maximum(np.maximum(abs(was), abs(data_)), 1e-4)
    assert marked == list(abs(was - data_) > 2e-6 * size)
    assert any(marked)
    line = page.inner_text(".loss-line >> nth=0")
    at = sum(len(n["data"]) for n in tape["nodes"][: tape["loss"]])
    told = [number(t) for t in re.findall(r"[−\d][\d.e−]+", line.split(":", 1)[1])]
    np.testing.assert_allclose(told[:2], [was[at], data_[at]], rtol=1e-6)
    if tape["optimiser"]:
        rows = page.locator("#panel table:has(caption) tbody tr").all_inner_texts()
        assert rows
        own = np.concatenate([leaf["move"] for leaf in tape["optimiser"]["leaves"].values()])
        largest = np.argmax(abs(moves - own))
        first = [number(t) for t in rows[0].split("\t")[1:]]
        np.testing.assert_allclose(first, [own[largest], moves[largest]], rtol=0.06, atol=6e-5)
    page.click("text=as it was")
    page.check(f"[name=what][value={'grad' if place > 1 else 'data'}]")
    assert {c: t for c, t in shown(page).items() if c[0] == tape["key"]} == before


def test_a_mark_has_another_shape_for_more_and_for_less(opened):
    page = opened()
    choose(page, "G", 0, 0)
    page.click("[data-delta='0.5']")
    shapes = page.evaluate(
        "[...graphs[0].cells.values()].map(c => [c.mark.getAttribute('d'), numberOf(graphs[0].tape, openChange(graphs[0].tape, state.change).record, 'data', c.node, c.k)]).filter(([d]) => d)"
    )
    more = {d for d, f in shapes if f["is"] > f["was"]}
    less = {d for d, f in shapes if f["is"] < f["was"]}
    assert more
    assert less
    assert not more & less


def test_each_mistake_tells_what_changes(data, opened):
    page = opened()
    for place in (0, 1):
        tape = data["tapes"][place]
        page.click(f"#tab-{place}")
        assert tape["mistakes"]
        for mistake in tape["mistakes"]:
            page.click(f"[data-mistake='{mistake['key']}']")
            panel = page.inner_text(".mistakes")
            assert " ".join(mistake["sentence"].split()) in " ".join(panel.split())
            _, gradients, _ = decoded(tape, mistake["values"])
            was = np.array([x for n in tape["nodes"] for x in n["grad"]])
            n = int(
                (
                    abs(was - gradients)
                    > 2e-6 * np.maximum(np.maximum(abs(was), abs(gradients)), 1e-4)
                ).sum()
            )
            assert f"{n} gradient" in panel
            for id_, moves in mistake["also_moves"].items():
                assert tape["nodes"][int(id_)]["name"] in panel
                assert any(moves)
            if mistake["training"]:
                label = page.get_attribute(".mistakes .chart", "aria-label")
                assert mistake["training"]["measure"] in label
                assert page.locator(".mistakes .chart .line").count() == 2
            page.click(f"[data-mistake='{mistake['key']}']")
            assert page.evaluate("state.change") is None


# ---- the game ----


def test_the_game_is_played_stepped_and_rewound(data, opened):
    page = opened(clock=True)
    page.click("#tab-3")
    game = data["game"]
    frames = game["scenarios"][0]["frames"]
    picture = "document.querySelector('.main-scene canvas').toDataURL()"
    page.click("#game-rewind")
    first = page.evaluate(picture)
    for _ in range(3):
        page.click("#game-next")
    assert page.evaluate("game.at") == 3
    assert page.evaluate(picture) != first
    assert f"step {frames[3]['step']:,}" in page.inner_text("#game-losses")
    told = [number(t) for t in page.locator("#game-losses b").all_inner_texts()]
    np.testing.assert_allclose(told, [frames[3]["loss_D"], frames[3]["loss_G"]], rtol=0.01)
    page.click("#game-back")
    assert page.evaluate("game.at") == 2
    page.click("#game-play")
    page.clock.run_for(1000)
    assert page.evaluate("game.at") > 3
    page.clock.run_for(60_000)
    assert page.evaluate("game.at") == len(frames) - 1
    page.click("#game-rewind")
    assert page.evaluate(picture) == first
    page.focus("#game-slider")
    page.keyboard.press("End")  # with the keyboard alone
    assert page.evaluate("game.at") == len(frames) - 1


def test_scenarios_stand_side_by_side(data, opened):
    page = opened()
    page.click("#tab-3")
    scenarios = data["game"]["scenarios"]
    assert page.locator(".thumb").count() == len(scenarios)
    pictures = page.evaluate(
        "[...document.querySelectorAll('.thumb canvas')].map(c => c.toDataURL())"
    )
    assert len(set(pictures)) == len(scenarios)
    for scenario in scenarios:
        page.click(f"[data-scenario='{scenario['key']}']")
        assert page.inner_text("#game-words") == scenario["sentence"]
        if scenario["equilibrium"]:
            assert f"{scenario['equilibrium']['loss_D']:.3f}" in page.inner_html("#game-chart")


def test_the_surface_is_sigma_of_d(data, opened):
    """The canvas is blue where D says real, and orange where it says fake; north is up."""
    page = opened()
    page.click("#tab-3")
    n = data["game"]["grid"]
    frame = data["game"]["scenarios"][0]["frames"][-1]
    heat = np.frombuffer(base64.b64decode(frame["heat"]), "u1").reshape(n, n).astype(float)
    found = page.evaluate(
        """heat => { const image = heatImage(numbersOf(heat, Uint8Array), Math.sqrt(atob(heat).length));
          return [...image.getContext('2d').getImageData(0, 0, image.width, image.height).data]; }""",
        frame["heat"],
    )
    pixels = np.reshape(found, (n, n, 4))[::-1]
    blue = pixels[..., 2] - pixels[..., 0].astype(float)
    assert (blue[heat > 160] > 0).all()
    assert (blue[heat < 90] < 0).all()
    assert np.ptp(heat) > 50


# ---- files to keep ----


def test_the_record_and_the_picture_can_be_kept(data, opened, tmp_path):
    page = opened(color_scheme="dark")
    with page.expect_download() as download:
        page.click("#save-record")
    download.value.save_as(tmp_path / "study.json")
    assert json.loads((tmp_path / "study.json").read_text("utf-8")) == json.loads(json.dumps(data))
    page.click("#tab-1")
    with page.expect_download() as download:
        page.click("#save-picture")
    download.value.save_as(tmp_path / "g.svg")
    text = (tmp_path / "g.svg").read_text("utf-8")
    root = ElementTree.fromstring(text)
    numbers = [
        e.text for e in root.iter("{http://www.w3.org/2000/svg}text") if e.get("class") == "number"
    ]
    assert numbers == list(shown(page).values())
    used = set(re.findall(r"var\((--[\w-]+)\)", text)) - {"--share"}
    assert used <= set(re.findall(r"(--[\w-]+):", text))  # it stands alone
    page.goto((tmp_path / "g.svg").as_uri())
    assert (
        page.evaluate("getComputedStyle(document.querySelector('.title')).fill") != "rgb(0, 0, 0)"
    )


# ---- for everyone ----


def test_by_keyboard_alone(data, opened):
    page = opened()
    page.click("#whole")
    for _ in range(12):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.dataset?.cell"):
            break
    here = "document.activeElement.dataset.cell"
    assert page.evaluate(here) == "0,0"
    page.keyboard.press("ArrowRight")
    assert page.evaluate(here) == "0,1"
    page.keyboard.press("ArrowDown")
    assert page.evaluate(here) == "0,3"
    seen = set()
    for _ in range(30):
        page.keyboard.press("ArrowRight")
        seen.add(page.evaluate(here).split(",")[0])
    assert str(data["tapes"][0]["loss"]) in seen  # from the data to the loss
    page.keyboard.press("Home")
    assert page.evaluate(here) == "0,0"
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    assert page.inner_text("#number-title") == page.evaluate("cellName(tapes[0].nodes[0], 1)")
    assert page.evaluate(here) == "0,1"  # the focus stays
    assert page.get_attribute("[data-cell='0,1']", "aria-pressed") == "true"
    assert "gradient" in page.inner_text("#spoken")
    page.set_viewport_size({"width": 900, "height": 700})
    page.wait_for_function("graphs[0].svg.getAttribute('width') < 900")
    assert page.evaluate(here) == "0,1"
    page.focus("[data-delta='0.2']")
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.dataset.delta") == "0.2"
    assert "becomes" in page.inner_text("#spoken")
    page.focus("#tab-0")
    page.keyboard.press("ArrowRight")
    assert page.get_attribute("#tab-1", "aria-selected") == "true"
    assert page.evaluate("document.activeElement.id") == "tab-1"
    page.keyboard.press("End")
    assert page.is_visible("#game-slider")


def test_every_cell_is_reached_by_arrow_keys(opened):
    page = opened()
    for title in tabs(page):
        reached = page.evaluate(
            """graphs.map(g => {
              const seen = new Set([g.home]), todo = [g.home], home = g.home;
              while (todo.length) {
                const from = todo.pop();
                for (const d of [[1, 0], [-1, 0], [0, 1], [0, -1]]) {
                  g.home = from;
                  const to = nearest(g, d);
                  if (to && !seen.has(to)) { seen.add(to); todo.push(to); }
                }
              }
              g.home = home;
              return [seen.size, g.cells.size];
            })"""
        )
        assert all(seen == size for seen, size in reached), (title, reached)


def test_each_cell_has_a_name_and_says_its_number(data, opened):
    page = opened()
    labels = page.evaluate(
        "[...document.querySelectorAll('.cell')].map(c => c.getAttribute('aria-label'))"
    )
    assert len({re.sub(":.*", "", label) for label in labels}) == len(labels)
    assert all(re.search(r": value [−\d]", label) for label in labels)
    assert any("influenced by the chosen number" in label for label in labels)


@pytest.mark.parametrize("viewport", [WIDE, PHONE], ids=["1440", "390"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(scheme, viewport, data, opened):
    if importlib.util.find_spec("axe_playwright_python") is None:
        missing("axe is not installed: pip install axe-playwright-python")
    axe = importlib.resources.files("axe_playwright_python") / "axe.min.js"
    page = opened(viewport=viewport, color_scheme=scheme)
    page.evaluate(axe.read_text("utf-8"))

    def check(state):
        found = page.evaluate("axe.run().then(r => r.violations.map(v => [v.id, v.nodes[0].html]))")
        assert found == [], state

    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (background == "rgb(255, 255, 255)") == (scheme == "light")
    page.click("#check-words")
    page.click("footer summary")
    for title in tabs(page):
        check(title)
    choose(page, "G", 0, 0)
    page.click("[data-delta='0.5']")
    check("what if")
    page.click("[data-mistake] >> nth=0")
    check("mistake")
    page.click("#tour")
    check("tour")
    page.click("#tour")
    page.click("#next")
    page.click("#next")
    check("walk")


def test_nothing_moves_by_itself_where_motion_is_reduced(opened):
    still, moving = opened(reduced_motion="reduce"), opened(reduced_motion="no-preference")
    duration = "getComputedStyle(document.querySelector('.ground')).transitionDuration"
    assert still.evaluate(duration) == "0s"
    assert moving.evaluate(duration) != "0s"
    for page in (still, moving):
        at = page.evaluate("bar.at")
        page.wait_for_timeout(300)
        assert page.evaluate("bar.at") == at == -1


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
    record = study.record(total)
    page = opened(record.data)
    assert page.get_attribute("#check", "class") == "ok", page.inner_text("#check-words")
    without = page.evaluate(
        """[...new Set(tapes[0].nodes.flatMap(node => node.uses.filter(edge =>
          termsInto(node, 0).some(t => t.edge === edge && !slopeOf(tapes[0], edge, t.i, 0))).map(e => e.target.op)))]"""
    )
    assert set(without) <= {"log_softmax", "bce", "dropout"}
