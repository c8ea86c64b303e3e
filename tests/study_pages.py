"""The page of `npgan study` in a browser, for its tests; names of functions and cells in it."""

import base64
import functools

import numpy as np
import pytest

import npgan
from npgan.study.page import default_record
from npgan.study.write import page_text

WIDE, PHONE = {"width": 1440, "height": 900}, {"width": 390, "height": 844}


@functools.cache
def recorded():
    npgan.use_kernels("reference")
    found = default_record().data
    npgan.use_kernels("auto")
    return found


@pytest.fixture(scope="module")
def data():
    return recorded()


@pytest.fixture(scope="module")
def page_file(data, tmp_path_factory):
    path = tmp_path_factory.mktemp("study") / "study.html"
    path.write_text(page_text(data), encoding="utf-8")
    return path


@pytest.fixture
def opened(browser, page_file, tmp_path):
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
    assert not problems, problems
    for page in pages:
        page.context.close()


def unpack(text, dtype):
    return np.frombuffer(base64.b64decode(text), dtype)


def node(tape, name):
    return next(n for n in tape["nodes"] if n["name"] == name)


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


def decoded(tape, text, dtype="<f4"):
    """(data, gradients, moves) of a changed step; of a mistake the numbers are "<f8"."""
    all_ = unpack(text, dtype)
    n = sum(len(x["data"]) for x in tape["nodes"])
    return all_[:n], all_[n : 2 * n], all_[2 * n :]


@pytest.fixture(autouse=True)
def in_numpy():
    """NumPy's kernels, for the modules that take this fixture."""
    npgan.use_kernels("reference")
    yield
    npgan.use_kernels("auto")
