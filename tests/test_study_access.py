"""The page of `npgan study`: what is drawn, on which screen, and for everyone."""

import importlib.resources
import importlib.util
import re

import numpy as np
import pytest
import study_pages
from browsers import missing
from study_pages import PHONE, WIDE, choose, number, tabs, terms_of

page_file = study_pages.page_file
data, opened = study_pages.data, study_pages.opened


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
        assert min(sizes) >= 11, title
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


def test_gradients_that_training_does_not_compute_are_shown_for_study(data, opened):
    page = opened()
    note = "training does not compute it"
    for _ in tabs(page):
        for what in ("data", "grad"):
            if page.is_hidden("#step-view"):
                continue
            page.check(f"[name=what][value={what}]")
            told = page.evaluate(
                "graphs.flatMap(g => [...g.cards].map(([n, e]) => [g.tape.key, n.id, e.querySelector('.subtitle').textContent, e.getAttribute('aria-label')]))"
            )
            for key, id_, text, label in told:
                n = next(t for t in data["tapes"] if t["key"] == key)["nodes"][id_]
                marked = what == "grad" and not n["needed"] and any(n["grad"])
                assert (text == "for study") == marked, (key, id_)
                assert label.endswith(f", {text}")
            assert (note in page.inner_text("#stripes")) == (what == "grad")
    for key, id_, studied in (("G", 0, True), ("G", 1, False), ("D", 0, True)):
        choose(page, key, id_, 0)
        assert (note in page.inner_text(".number-part")) == studied


def test_the_legend_says_what_the_stripes_mean_in_this_view(opened):
    page = opened()
    page.click("#tab-2")
    assert page.inner_text("#stripes li >> nth=0") == "gradients by the numbers of:"
    page.check("[name=what][value=data]")
    assert page.inner_text("#stripes li >> nth=0") == "values of:"
    page.click("#tab-1")
    page.check("[name=what][value=move]")
    assert page.locator("#stripes li").all_inner_texts() == ["moves of:", "G"]


def test_a_matrix_product_is_written_with_its_shapes(data, opened):
    page = opened()
    seen = set()
    for tape in data["tapes"][1:]:
        for n in tape["nodes"]:
            choose(page, tape["key"], n["id"], 0)
            rules = page.locator(".rule").all_inner_texts()
            uses = [e for e in tape["edges"] if e["from"] == n["id"]]
            assert len(rules) == len(uses)
            texts = page.locator(".product").all_inner_texts()
            products = sum(tape["nodes"][e["to"]]["op"] in ("affine", "gemm") for e in uses)
            assert len(texts) == products + (n["op"] in ("affine", "gemm"))
            for text in texts:
                shapes = re.findall(r"\((\d+)×(\d+)\)", text)
                seen.add(re.sub(r"\[.*|, with.*|\(.*?\)", "", text))
                if "added up" in text:
                    continue
                (a, b), (c, d), (e, f) = shapes
                assert (b, a, d) == (c, e, f), text
            for rule in rules:
                assert ("transposes" in rule) == ("ta=True" in rule or "tb=True" in rule)
    assert any("gᵀ · " in text for text in seen)  # of y = a bᵀ by b
    for key in ("R1 LeakyReLU", "R1 tanh"):  # the product is the one that the rule computes
        tape = next(t for t in data["tapes"] if t["key"] == key)
        gemm = next(n for n in tape["nodes"] if n["op"] == "gemm" and not n["name"])
        a, b = (tape["nodes"][i] for i in gemm["args"])
        value = {n["id"]: np.reshape(n["data"], n["shape"]) for n in (a, b, gemm)}
        g = np.reshape(gemm["grad"], gemm["shape"])
        choose(page, key, gemm["id"], 0)
        assert f"gemm = {a['name'] or a['op']} · {b['name']}ᵀ" in page.inner_text(
            ".product >> nth=0"
        )
        np.testing.assert_allclose(value[a["id"]] @ value[b["id"]].T, value[gemm["id"]])
        choose(page, key, b["id"], 0)
        assert f"dR/d({b['name']}) = gᵀ · {a['name'] or a['op']}" in page.inner_text(
            ".product >> nth=0"
        )
        np.testing.assert_allclose(g.T @ value[a["id"]], np.reshape(b["grad"], b["shape"]))


def test_the_words_of_the_page_are_explained(data, opened):
    page = opened()
    page.click("footer summary")
    terms = {t for line in page.locator(".words dt").all_inner_texts() for t in line.split(", ")}
    assert {n["op"] for t in data["tapes"] for n in t["nodes"] if n["op"]} <= terms
    assert {"affine", "gate", "get", "gemm", "seed", "leaf", "tape", "detach"} <= terms
    assert page.locator(".words dt").count() == page.locator(".words dd").count()
    assert all(len(t) > 25 for t in page.locator(".words dd").all_inner_texts())


@pytest.mark.parametrize("viewport", [WIDE, PHONE], ids=["1440", "390"])
def test_numbers_do_not_touch_and_no_mark_covers_them(viewport, opened):
    page = opened(viewport=viewport)
    for place, mistake in ((0, "labels"), (1, "labels"), (1, "tanh_gate"), (2, None)):
        page.click(f"#tab-{place}")
        if mistake:
            page.click(f"[data-mistake='{mistake}']")
        for what in ("data", "grad"):
            page.check(f"[name=what][value={what}]")
            found = page.evaluate(
                """graphs.flatMap(g => [...g.cells.values()].filter(c => c.number.textContent).map(c => {
                  const t = c.number.getBBox(), m = c.mark.getAttribute('d') ? c.mark.getBBox() : null;
                  return [c.number.textContent, t.x, c.w - t.x - t.width, m ? m.width : 0, m ? m.height : 0, c.h]; }))"""
            )
            for text, left, right, width, height, h in found:
                assert left >= 3.5, text  # so there are 6 px between two numbers
                assert right >= 2.5, text
                # A mark is a triangle in a corner: at the first sign it is as good as over.
                assert max(width, height) <= left + 2.5, text
                assert height <= 0.45 * h
    heads = page.evaluate(
        "graphs.flatMap(g => [...g.cards].map(([n, e]) => Math.max(...[...e.querySelectorAll('.title, .subtitle')].map(t => t.getBBox().x + t.getBBox().width)) - g.plan.cards.get(n).x - g.plan.cards.get(n).width))"
    )
    assert max(heads) <= 0


@pytest.mark.parametrize("viewport", [WIDE, PHONE], ids=["1440", "390"])
def test_code_is_not_cut_off_and_rounded_sums_say_so(viewport, data, opened):
    page = opened(viewport=viewport)
    for tape in data["tapes"]:
        for n in tape["nodes"]:
            place = "k => tabs.findIndex(t => t.tapes.some(tape => tape.key === k))"
            page.click(f"#tab-{page.evaluate(place, tape['key'])}")
            page.evaluate(
                "([k, i]) => { const t = tapes.find(t => t.key === k); choose(t, t.node.get(i), 0); }",
                [tape["key"], n["id"]],
            )
            wide = page.evaluate(
                "[...document.querySelectorAll('pre, .formula')].map(e => e.scrollWidth - e.clientWidth)"
            )
            assert max(wide, default=0) <= 1, (tape["key"], n["id"])
            for part in page.locator(
                ".part:has(tfoot), .part:has(.plugged), .part:has(.adam)"
            ).all():
                assert "shown rounded" in part.inner_text()


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

    # In dark mode the colours alone are others.
    only = {"runOnly": {"type": "rule", "values": ["color-contrast"]}} if scheme == "dark" else {}

    def check(state):
        found = page.evaluate(
            "o => axe.run(o).then(r => r.violations.map(v => [v.id, v.nodes[0].html]))", only
        )
        assert found == [], state

    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (background == "rgb(255, 255, 255)") == (scheme == "light")
    page.click("#check-words")
    page.click("footer summary")
    for title in tabs(page):
        check(title)
    if viewport is PHONE or scheme == "dark":
        return
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
