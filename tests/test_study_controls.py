"""The page of `npgan study`: the walk, the tour, what if, mistakes, the game, files to keep."""

import base64
import itertools
import json
import re
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
import study_pages
from study_pages import PHONE, choose, decoded, number, shown

page_file = study_pages.page_file
data, opened = study_pages.data, study_pages.opened


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
            page.evaluate("byId('next').click()")
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


def test_the_tour_says_that_it_opens_another_tab(data, opened):
    page = opened()
    for place, says in ((2, True), (1, False), (0, True), (3, True)):
        page.click(f"#tab-{place}")
        page.click("#lead-tour")
        assert page.get_attribute("#tab-1", "aria-selected") == "true"
        expected = "The tour goes through “G's step”, so this tab is open now." if says else ""
        assert page.inner_text("#notice") == expected
        assert page.locator("[aria-live] #notice").count() == 1
        page.click("#next")
        assert page.inner_text("#notice") == ""
        page.click("#tour")


# ---- what if, and the mistakes ----


@pytest.mark.parametrize("place", [0, 1, 3])
def test_what_if_shows_the_recorded_step(place, data, opened):
    page = opened()
    tape = data["tapes"][place]
    key = next(k for k in tape["whatif"] if k.endswith(",0.5"))
    id_, k, _ = key.split(",")
    choose(page, tape["key"], id_, k)
    before = {c: t for c, t in shown(page).items() if c[0] == tape["key"]}
    page.check("[name=what][value=data]")
    assert page.get_attribute("[data-delta='0.5']", "aria-pressed") == "false"
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
            _, gradients, _ = decoded(tape, mistake["values"], "<f8")
            was = np.array([x for n in tape["nodes"] for x in n["grad"]])
            n = int(
                (
                    abs(was - gradients)
                    > 2e-6 * np.maximum(np.maximum(abs(was), abs(gradients)), 1e-4)
                ).sum()
            )
            assert f"{n} gradient" in panel
            also = {i: max(map(abs, moves)) for i, moves in mistake["also_moves"].items()}
            if also:
                assert tape["nodes"][int(max(also, key=also.get))]["name"] in panel
                assert all(also.values())
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
    arrow = np.reshape(np.frombuffer(base64.b64decode(frames[3]["arrow"]), "<i2"), (-1, 2)) / 2048
    expected = [frames[3]["loss_D"], frames[3]["loss_G"], np.linalg.norm(arrow, axis=1).mean()]
    expected.append(game["scenarios"][0]["distances"][3])
    np.testing.assert_allclose(told, expected, rtol=0.01, atol=0.006)
    every = frames[1]["step"] - frames[0]["step"]
    assert page.inner_text("#game-next") == f"{every} steps ▶"  # a click is not one step
    assert page.inner_text("#game-back") == f"◀ {every} steps"
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


def test_an_arrow_is_as_long_as_its_gradient_in_every_frame(data, opened):
    page = opened()
    page.click("#tab-3")
    game, sides = data["game"], []
    for scenario, at in ((0, 0), (0, 40), (1, 40), (4, 20)):
        page.click(f".thumb >> nth={scenario}")
        found = page.evaluate(
            """at => { const all = [], draw = arrow; arrow = (c, x, y, dx, dy) => all.push([dx, dy]);
              byId("game-slider").value = at; byId("game-slider").dispatchEvent(new Event("input"));
              arrow = draw; return [all, document.querySelector(".main-scene canvas").width]; }""",
            at,
        )
        gradient = np.frombuffer(
            base64.b64decode(game["scenarios"][scenario]["frames"][at]["arrow"]), "<i2"
        ).reshape(-1, 2)
        drawn, size = np.array(found[0]), found[1]
        expected = gradient / 2048 * [1, -1] * game["arrow"] * size / (2 * game["extent"])
        np.testing.assert_allclose(drawn, expected, rtol=1e-6)
        sides.append(np.linalg.norm(drawn, axis=1).mean())
    assert sides[2] > 1.5 * sides[1] > 2 * sides[0]  # without R1, with R1, at the start
    assert f"p − {game['arrow']:g} · dL/dp" in page.inner_text("#game-view .about")


def test_what_the_legend_calls_dashed_is_drawn_dashed(data, opened):
    page = opened()
    page.click("#tab-1")
    found = """name => { const s = getComputedStyle(document.querySelector(`.key.${name}`), "::before");
      return [s.borderTopStyle, parseFloat(s.width) / parseFloat(s.borderTopWidth), s.borderTopLeftRadius]; }"""
    for tab, name, style in (
        (1, "net-g", "dashed"),
        (2, "walk", "dashed"),
        (2, "penalty", "dotted"),
        (3, "even", "dashed"),
    ):
        page.click(f"#tab-{tab}")
        drawn, widths, radius = page.evaluate(found, name)
        assert (drawn, radius) == (style, "0px"), name
        assert widths >= 6  # room for two dashes and what is between them


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
        assert scenario["sentence"] in page.inner_text("#spoken")
        if scenario["equilibrium"]:
            assert f"{scenario['equilibrium']['loss_D']:.3f}" in page.inner_html("#game-chart")


def test_the_surface_is_sigma_of_d(data, opened):
    """The canvas is blue where D says real, and orange where it says fake; north is up."""
    page = opened()
    page.click("#tab-3")
    n, lopsided = data["game"]["grid"], 0
    for scenario in data["game"]["scenarios"]:
        text = scenario["frames"][-1]["heat"]
        heat = np.frombuffer(base64.b64decode(text), "u1").reshape(n, n).astype(float)
        found = page.evaluate(
            """heat => { const image = heatImage(numbersOf(heat, Uint8Array), Math.sqrt(atob(heat).length));
              return [...image.getContext('2d').getImageData(0, 0, image.width, image.height).data]; }""",
            text,
        )
        pixels = np.reshape(found, (n, n, 4))[::-1]
        blue = pixels[..., 2] - pixels[..., 0].astype(float)
        assert (blue[heat > 160] > 0).all()
        assert (blue[heat < 90] < 0).all()
        lopsided += int(((heat > 160) & (heat[::-1] < 90)).sum())
    assert lopsided > 20  # upside down would be noticed


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
    alone = page.context.new_page()
    alone.goto((tmp_path / "g.svg").as_uri())
    assert (
        alone.evaluate("getComputedStyle(document.querySelector('.title')).fill") != "rgb(0, 0, 0)"
    )


def test_on_a_phone_the_walk_is_followed(data, opened):
    page = opened(viewport=PHONE, reduced_motion="reduce")
    page.click("#lead-tour")
    for _ in data["story"][1:]:
        page.evaluate("byId('next').click()")
        seen = page.evaluate(
            """() => { const c = document.querySelector('.chosen.cell').getBoundingClientRect(), b = document.querySelector('.bar').getBoundingClientRect();
              return [b.top, c.top - b.bottom, innerHeight - c.bottom]; }"""
        )
        assert min(seen) >= 0, seen
    assert page.is_visible("#jump")
    page.click("#jump")
    assert page.evaluate("byId('panel').getBoundingClientRect().top") < 400
