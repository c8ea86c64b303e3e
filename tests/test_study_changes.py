"""The page of `npgan study` while a mistake or a what-if is on: what it shows is of that step."""

import re

import numpy as np
import pytest
import study_pages
from study_pages import choose, decoded, node, number, shown

page_file = study_pages.page_file
data, opened = study_pages.data, study_pages.opened


def cells(tape, name):
    """The places of a node's numbers among all of the tape."""
    wanted = node(tape, name)
    start = sum(len(n["data"]) for n in tape["nodes"][: wanted["id"]])
    return slice(start, start + len(wanted["data"]))


def subtitles(page):
    return dict(
        page.evaluate(
            "[...graphs[0].cards].map(([n, e]) => [n.label, e.querySelector('.subtitle').textContent])"
        )
    )


# ---- mistakes ----


@pytest.mark.parametrize("place", [0, 1])
def test_each_matrix_says_how_far_its_gradient_is_off(place, data, opened):
    page = opened()
    page.click(f"#tab-{place}")
    tape = data["tapes"][place]
    was = np.array([x for n in tape["nodes"] for x in n["grad"]])
    for mistake in tape["mistakes"]:
        page.click(f"[data-mistake='{mistake['key']}']")
        _, wrong, _ = decoded(tape, mistake["values"], "<f8")
        page.check("[name=what][value=grad]")
        told = subtitles(page)
        for n in tape["nodes"]:
            at = cells(tape, n["name"] or n["op"]) if n["name"] else None
            if at is None:
                continue
            share = np.linalg.norm(wrong[at] - was[at]) / np.linalg.norm(was[at])
            if share > 1e-5:
                percent = float(re.fullmatch(r"off by <?(\d+) %", told[n["name"]])[1])
                assert percent == pytest.approx(100 * share, abs=0.51), (mistake["key"], n["name"])
            else:
                assert not told[n["name"]].startswith("off"), (mistake["key"], n["name"])
        panel = page.inner_text(".mistakes")
        assert mistake["check"]["sentence"] in panel
        moving = np.concatenate(
            [np.arange(was.size)[cells(tape, n["name"])] for n in tape["nodes"] if n["moves"]]
        )
        a, b = was[moving], wrong[moving]
        if np.allclose(a, b, rtol=1e-6):
            assert "is the right one" in panel
        else:
            cosine = a @ b / np.sqrt((a @ a) * (b @ b))
            assert f"{cosine:.3f}".replace("-", "−") in panel.replace("-", "−")
        assert ("off by" in page.inner_text("#stripes")) == bool(panel)
        page.click(f"[data-mistake='{mistake['key']}']")
    assert not any(text.startswith("off") for text in subtitles(page).values())
    assert "off by" not in page.inner_text("#stripes")


def test_the_panels_are_of_the_step_that_is_shown(data, opened):
    """What was not recorded with the mistake is grey, and says so."""
    page = opened()
    tape = data["tapes"][1]
    for name in ("G.0.W", "G.1", "D.2.W", "logits"):
        n = node(tape, name)
        choose(page, "G", n["id"], 0)
        assert page.locator(".before").count() == 0
        for mistake in tape["mistakes"]:
            page.click(f"[data-mistake='{mistake['key']}']")
            values, gradients, _ = decoded(tape, mistake["values"], "<f8")
            at = cells(tape, name).start
            facts = page.locator(".facts tr").all_inner_texts()
            last = [number(row.split()[-1]) for row in facts]
            np.testing.assert_allclose(last[:2], [values[at], gradients[at]], rtol=1e-6, atol=1e-9)
            spoken = page.inner_text(".slope-words")
            if n["op"] is None:
                measured = mistake["differences"][str(n["id"])][0]
                assert last[2] == pytest.approx(measured, rel=1e-6)
                wrong = abs(measured - gradients[at]) > 1e-8
                assert page.locator(".facts .bad").count() == wrong
                said = re.search(r"(?:grows|falls) by (\S+) · h", spoken)[1]
                assert said == page.evaluate("x => short(Math.abs(x))", measured)
                assert ("the backward pass with the mistake says" in spoken) == wrong
            assert "without the mistake" in page.inner_text(".backward-part")
            grey, text = page.evaluate(
                "[getComputedStyle(document.querySelector('.backward-part tbody td')).color, getComputedStyle(document.querySelector('.number-part h2')).color]"
            )
            assert grey != text
            page.click(f"[data-mistake='{mistake['key']}']")


def test_d_moved_in_gs_step_shows_moves(data, opened):
    page = opened()
    tape = data["tapes"][1]
    mistake = next(m for m in tape["mistakes"] if m["key"] == "d_moved")
    choose(page, "G", node(tape, "D.0.W")["id"], 3)
    assert "does not move" in page.inner_text("#panel")
    assert "moves them all the same" not in page.inner_text("#about")
    page.click("[data-mistake='d_moved']")
    assert page.is_checked("[name=what][value=move]")
    found = shown(page)
    for id_, moves in mistake["also_moves"].items():
        told = [number(found["G", int(id_), k]) for k in range(len(moves))]
        np.testing.assert_allclose(told, moves, rtol=0.06, atol=6e-5)
    own = node(tape, "G.0.W")
    assert number(found["G", own["id"], 0]) == pytest.approx(
        tape["optimiser"]["leaves"][str(own["id"])]["move"][0], rel=0.06, abs=6e-5
    )
    rows = [row.split("\t") for row in page.locator(".moves tbody tr").all_inner_texts()]
    sizes = sorted((abs(x) for m in mistake["also_moves"].values() for x in m), reverse=True)
    np.testing.assert_allclose([abs(number(r[2])) for r in rows], sizes[:6], rtol=0.06, atol=6e-5)
    assert all(r[0].startswith("D.") and r[1] == "0" for r in rows)
    panel = page.inner_text("#panel")
    assert "does not move D" not in panel.replace("the right step does not move it", "")
    assert "This step does not move them" not in panel
    move = mistake["also_moves"][str(node(tape, "D.0.W")["id"])][3]
    assert number(page.inner_text(".update-part .twin b")) == pytest.approx(move, rel=1e-6)
    assert "moves them all the same" in page.inner_text("#about")
    page.check("[name=what][value=grad]")
    assert "for study" not in {subtitles(page)[f"D.{x}"] for x in ("0.W", "0.b", "2.W", "2.b")}
    for _ in range(page.evaluate("bar.items.length")):
        page.evaluate("byId('next').click()")  # at the end of the walk D's moves are shown, too
    assert shown(page)["G", node(tape, "D.0.W")["id"], 3]


def test_what_is_said_of_a_training_is_what_its_numbers_say(data, opened):
    page = opened()
    verdicts = {}
    for place in (0, 1):
        page.click(f"#tab-{place}")
        for mistake in data["tapes"][place]["mistakes"]:
            page.click(f"[data-mistake='{mistake['key']}']")
            words, t = page.inner_text(".trained"), mistake["training"]
            told = [float(x) for x in re.findall(r"\d+\.\d\d", words)]
            np.testing.assert_allclose(
                told, [t["wrong"][-1], t["right"][-1], t["wrong"][0]], atol=0.0051
            )
            verdicts[place, mistake["key"]] = words.rsplit(". ", 1)[1]
            assert t["about"] in page.inner_text(".mistakes")
            assert "Most still train" not in page.inner_text(".mistakes")
    assert verdicts[1, "tanh_gate"] == "G is as near as without the mistake."
    assert verdicts[0, "mean"] == verdicts[1, "mean"] == "G trains, only worse."
    assert verdicts[1, "d_moved"] == "G trains, only worse."
    assert "hardly come nearer" in verdicts[1, "leaky_gate"]
    for key in ((0, "labels"), (1, "labels"), (1, "stale")):
        assert "does not train" in verdicts[key]


def test_a_change_is_announced_when_it_is_on_and_when_it_is_off(data, opened):
    page = opened()
    page.click("#tab-1")
    for mistake in data["tapes"][1]["mistakes"]:
        for words in ("is on", "is off"):
            page.click(f"[data-mistake='{mistake['key']}']")
            spoken = page.inner_text("#spoken")
            assert f"“{mistake['title']}” {words}: " in spoken
    choose(page, "G", 0, 0)
    page.focus("[data-delta='0.5']")
    page.keyboard.press("Enter")
    assert "The change of z[0, 0] is on: loss G" in page.inner_text("#spoken")
    page.keyboard.press("Enter")
    assert "The change of z[0, 0] is off" in page.inner_text("#spoken")
    page.keyboard.press("Enter")
    page.focus("[data-delta='reset']")
    page.keyboard.press("Enter")
    assert "is off" in page.inner_text("#spoken")
    assert page.evaluate("document.activeElement.dataset.delta") is not None  # the focus stays


# ---- what if ----


def test_a_what_if_stays_until_it_is_reset_or_replaced(data, opened):
    page = opened()
    tape = data["tapes"][1]
    choose(page, "G", 0, 1)
    page.click("[data-delta='0.5']")
    result = page.inner_text(".result")
    assert "z[0, 1]" in result
    changed = shown(page)
    for name, cell in (("G.0.W", 3), ("G.1", 3), ("loss G", 0)):  # given, computed, the loss
        choose(page, "G", node(tape, name)["id"], cell)
        assert page.inner_text(".result") == result
        assert shown(page) == changed
    at = sum(len(n["data"]) for n in tape["nodes"][: tape["loss"]])
    loss = decoded(tape, tape["whatif"]["0,1,0.5"])[0][at]
    assert number(page.locator(".facts td >> nth=0").inner_text().split()[-1]) == pytest.approx(
        loss, rel=1e-6
    )
    assert f"{loss:.3f}" in page.inner_text("#spoken")  # not the loss before the change
    page.click("#tab-0")
    assert page.locator(".result").count() == 0
    page.click("#tab-3")
    page.click("#tab-1")
    assert page.inner_text(".result") == result
    page.click("#tour")
    assert page.locator(".result").count() == 0  # the tour speaks of the right step
    assert "comes back after the tour" in page.inner_text(".what-if")
    page.click("#next")
    page.click("#tour")
    assert page.inner_text(".result") == result
    page.click("[data-delta='reset']")
    assert page.locator(".result").count() == 0
    assert page.evaluate("state.change") is None
    choose(page, "G", 0, 1)
    page.click("[data-delta='0.5']")
    choose(page, "G", node(tape, "G.0.W")["id"], 3)
    page.click("[data-delta='−0.2'], [data-delta='-0.2']")
    assert "G.0.W[0, 3]" in page.inner_text(".result")
    assert page.locator(".result").count() == 1
    page.click("[data-mistake] >> nth=0")
    assert page.locator(".result").count() == 0


def test_a_what_if_of_one_r1_can_be_read_beside_the_other(data, opened):
    page = opened()
    choose(page, "R1 tanh", 0, 0)
    page.click("[data-delta='0.5']")
    choose(page, "R1 LeakyReLU", 1, 0)
    assert "real[0, 0]" in page.inner_text(".result")
    assert "R1 tanh" in page.inner_text(".result h4")
    assert page.locator("[data-delta][aria-pressed=true]").count() == 0


def test_the_walk_speaks_of_the_changed_step(data, opened):
    page = opened()
    tape = data["tapes"][1]
    choose(page, "G", 0, 1)
    page.click("[data-delta='0.5']")
    for _ in range(page.evaluate("bar.items.length")):
        page.evaluate("byId('next').click()")
    *_, moves = decoded(tape, tape["whatif"]["0,1,0.5"])
    last = [n for n in tape["nodes"] if n["moves"]][-1]
    largest = np.abs(moves[-len(last["data"]) :]).max()
    assert number(re.search(r"at most (\S+)\. ", page.inner_text("#sentence"))[1]) == pytest.approx(
        largest, rel=0.06
    )
