"""The documentation site: it builds without a warning, its links work, and it works in a browser.

The site is built once for this file. Where Sphinx or a browser is missing the tests are skipped, but
with the environment variable CI set they fail: there, both must be installed.
"""

import functools
import html
import http.server
import importlib
import importlib.util
import json
import os
import re
import subprocess
import sys
import threading
import time
import zlib
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import pytest
from browsers import missing
from test_docs import blocks

import npgan
from npgan.autograd import PRIMITIVES

ROOT = Path(__file__).parents[1]
NOTEBOOKS = ("first-step", "derivations", "gradcheck")


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The folder of the built site. A warning of Sphinx is an error.

    Of several workers of pytest-xdist the first builds it, and the others wait.
    """
    if importlib.util.find_spec("sphinx") is None:
        missing('Sphinx is not installed: pip install -e ".[docs]"')
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "site"
    finished = folder / "finished"
    try:
        folder.mkdir()
    except FileExistsError:  # another worker builds it
        for _ in range(600):
            if finished.exists():
                break
            time.sleep(1)
    else:
        command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html"]
        command += ["-d", folder / "doctrees", ROOT / "docs", folder / "html"]
        done = subprocess.run(
            command, capture_output=True, text=True, encoding="utf-8", check=False
        )
        (folder / "written").write_text(f"{done.returncode}\n{done.stderr}", encoding="utf-8")
        (folder / "written").rename(finished)
    code, _, messages = finished.read_text(encoding="utf-8").partition("\n")
    assert code == "0", messages
    return folder / "html"


class Links(HTMLParser):
    """What a page links to and loads, and the anchors that it has."""

    def __init__(self, text):
        super().__init__()
        self.links, self.loads, self.anchors = [], [], {"", "top"}
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        if "id" in found:
            self.anchors.add(found["id"])
        if tag == "a" and "href" in found:
            self.links.append(found["href"])
        if tag in ("img", "script", "iframe", "source") and found.get("src"):
            self.loads.append(found["src"])
        if tag == "link" and {"stylesheet", "icon", "preload"} & set(found["rel"].split()):
            self.loads.append(found["href"])


@pytest.fixture(scope="module")
def pages(site):
    """path in the site -> its links."""
    return {
        path.relative_to(site).as_posix(): Links(path.read_text(encoding="utf-8"))
        for path in sorted(site.rglob("*.html"))
        if "_static" not in path.parts  # parts of the theme
    }


def text_of(page):
    """The text of an HTML page, without its tags."""
    return html.unescape(re.sub(r"<[^>]*>", "", page.read_text(encoding="utf-8")))


def test_internal_links_lead_somewhere(site, pages):
    broken, checked = [], 0
    for name, page in pages.items():
        for target in [*page.links, *page.loads]:
            if re.match(r"[a-z]+:|//", target):
                continue
            path, _, anchor = target.partition("#")
            path = path.partition("?")[0]
            file = (site / name).parent / unquote(path) if path else site / name
            file = file.resolve()
            checked += 1
            if not file.is_file() or not file.is_relative_to(site.resolve()):
                broken.append(f"{name}: {target}: there is no such file")
            elif file.suffix == ".html":
                there = pages[file.relative_to(site.resolve()).as_posix()]
                if unquote(anchor) not in there.anchors:
                    broken.append(f"{name}: {target}: there is no such anchor")
    assert checked > 1000
    assert not broken, "\n".join(broken)


def test_pages_load_nothing_from_elsewhere(pages):
    for name, page in pages.items():
        for target in page.loads:
            assert not re.match(r"https?:|//", target), f"{name} loads {target}"


def test_the_live_pages_are_linked_and_whole(site, pages):
    """live/ has the page of npgan study, without a failed check, and a generator's."""
    assert {path.name for path in (site / "live").iterdir()} == {"study.html", "generator.html"}
    for name in ("index.html", "gallery.html"):
        assert {"live/study.html", "live/generator.html"} <= set(pages[name].links)
    for page in (site / "live").iterdir():
        assert 100_000 < page.stat().st_size < 3_000_000


def test_links_into_the_repository(site, pages):
    """The source of a module and an example have a page; other files are shown by the forge."""
    assert "_modules/npgan/ops.html" in pages["derivations.html"].links
    assert "examples/ring.html" in pages["derivations.html"].links
    forge = [link for link in pages["benchmarks.html"].links if link.endswith("/benchmarks")]
    assert forge
    assert all(re.fullmatch(r"https://.+/tree/HEAD/benchmarks", link) for link in forge)
    assert not (site / "_downloads").exists()  # a source file is shown, not offered as a download


def test_every_public_name_is_in_the_reference(site):
    """objects.inv lists what the site documents."""
    _, _, _, _, packed = (site / "objects.inv").read_bytes().split(b"\n", 4)
    documented = {line.split()[0] for line in zlib.decompress(packed).decode().splitlines()}
    modules = set(npgan.MODULES)
    lacking = {
        f"npgan.{name}" for name in npgan.__all__ if name not in modules
    } - documented  # the names that npgan exports
    for module in modules:
        # A name of a module may be documented as npgan's.
        for name in getattr(importlib.import_module(f"npgan.{module}"), "__all__", ()):
            if not {f"npgan.{name}", f"npgan.{module}.{name}"} & documented:
                lacking.add(f"npgan.{module}.{name}")
    for name, primitive in PRIMITIVES.items():
        if primitive.function.__module__ == "npgan.ops" and f"npgan.ops.{name}" not in documented:
            lacking.add(f"npgan.ops.{name}")
    assert not lacking, f"docs/api/ lacks {', '.join(sorted(lacking))}"


def test_every_example_has_a_page(site):
    for example in sorted((ROOT / "examples").glob("*.py")):
        page = site / "examples" / f"{example.stem}.html"
        assert page.is_file(), f"docs/examples/ has no page for {example.name}"
        assert example.read_text(encoding="utf-8").strip() in text_of(page)
    printed = text_of(site / "examples" / "check_your_own_backward.html")
    assert "a mean where a sum belongs" in printed  # the program ran


def test_quotations_are_python(site):
    page = (site / "derivations.html").read_text(encoding="utf-8")
    quoted = re.findall(
        r'class="caption-text">npgan/ops.py<.*?<div class="highlight-(\w+)', page, re.S
    )
    assert len(quoted) > 20
    assert set(quoted) == {"python"}
    assert "<!-- test:" not in re.sub(r"<!--.*?-->", "", page, flags=re.S)


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_notebook_has_the_cells_of_its_page(site, pages, name, tmp_path):
    page = ROOT / "docs" / f"{name}.md"
    assert f"{name}.ipynb" in pages[f"{name}.html"].links
    book = json.loads((site / f"{name}.ipynb").read_text(encoding="utf-8"))
    assert book["nbformat"] == 4
    code = ["".join(c["source"]) for c in book["cells"] if c["cell_type"] == "code"]
    expected = [b.text for b in blocks(page) if b.info == "python" and "skip" not in b.directives]
    assert code == [text.rstrip("\n") for text in expected]

    prose = "\n".join("".join(c["source"]) for c in book["cells"] if c["cell_type"] == "markdown")
    for block in blocks(page):
        if block.info.startswith("python npgan/"):
            assert f"```python\n{block.text}```" in prose  # quoted, not executed
    assert "<!-- test" not in prose
    targets = re.findall(r"\]\(([^)\s]+)\)", re.sub(r"```.*?```|`[^`\n]*`", "", prose, flags=re.S))
    assert targets
    assert all(re.match(r"https:|#", target) for target in targets)

    # In one session, in order, as a reader would run it.
    program = tmp_path / "cells.py"
    program.write_text("\n".join(code), encoding="utf-8")
    environment = os.environ | {
        "PYTHONPATH": str(ROOT), "PYTHONUTF8": "1", "NPGAN_KERNELS": "reference"
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, program], cwd=tmp_path, env=environment, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


# ---- in a browser ----


@pytest.fixture(scope="module")
def address(site):
    """The site, served."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args):
            pass

    handler = functools.partial(Quiet, directory=str(site))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1440])
def test_in_a_browser(address, browser, pages, width, scheme):
    """No page is wider than the window, reports an error, or asks another server for anything."""
    context = browser.new_context(
        viewport={"width": width, "height": 900}, color_scheme=scheme, locale="en"
    )
    context.set_default_timeout(60_000)
    page, trouble = context.new_page(), []
    page.on("console", lambda m: m.type == "error" and trouble.append(f"{page.url}: {m.text}"))
    page.on("pageerror", lambda error: trouble.append(f"{page.url}: {error}"))
    page.on("response", lambda r: r.status >= 400 and trouble.append(f"{r.url}: {r.status}"))
    page.on(
        "request",
        lambda request: (
            request.url.startswith((address, "data:"))
            or trouble.append(f"{page.url} asks for {request.url}")
        ),
    )
    names = [name for name in pages if not name.startswith(("_modules/npgan/", "live/"))]
    if (width, scheme) != (390, "light"):  # a phone's width is the hardest
        names = ["index.html", "derivations.html", "api/ops.html", "examples/index.html"]
    for name in names:
        page.goto(f"{address}/{name}")
        assert page.evaluate("document.documentElement.dataset.theme") == scheme
        # The theme lets the article scroll by itself, so its own width counts, too.
        too_wide = page.evaluate(
            "[document.documentElement, ...document.querySelectorAll('.bd-article-container')]"
            ".map(e => e.scrollWidth - e.clientWidth)"
        )
        assert max(too_wide) <= 0, f"{name} needs {max(too_wide)} pixels more than {width}"

    for name in ("live/study.html", "live/generator.html"):
        page.goto(f"{address}/{name}")
        assert page.locator("h1").inner_text()

    page.goto(f"{address}/index.html")
    page.locator("button.search-button__button:visible").first.click()
    page.locator("dialog input[type=search]").fill("pullback")
    page.keyboard.press("Enter")
    results = page.locator("#search-results ul.search a")
    results.nth(2).wait_for()  # they appear one by one
    assert not trouble, "\n".join(trouble)
    context.close()
