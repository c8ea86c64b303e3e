"""The documentation tells the truth: its Python runs, its quotations stand in the source, its links lead somewhere.

A block of README.md or docs/*.md that opens with ```python is run, all blocks of a file in one namespace and
in order; one that opens with ```python npgan/ops.py is a quotation of that file. HTML comments right above a
block, invisible on the page, steer the test:

    <!-- test: skip -->                      do not run this block
    <!-- test: epochs=20 -> epochs=1 -->     run it with this replacement
    <!-- test: printed -->                   what the page's Python prints, but for its numbers
"""

import ast
import re
from pathlib import Path
from typing import NamedTuple

import pytest

from npgan import autograd
from npgan.convolution import ops as convolution_ops

ROOT = Path(__file__).parents[1]
PAGES = sorted(path for path in [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])
DERIVATIONS = ROOT / "docs" / "derivations.md"

FENCE = re.compile(r"^ {0,3}(```+|~~~+)[ ]*(.*?)[ ]*$")
DIRECTIVE = re.compile(r"<!-- test: (.*?) -->\s*")


class Block(NamedTuple):
    """A fenced block: where its first line stands (from 1), what follows the fence, and the wishes above it."""

    line: int
    info: str
    text: str
    directives: list[str]


def blocks(page):
    lines, found, directives = page.read_text(encoding="utf-8").splitlines(keepends=True), [], []
    i = 0
    while i < len(lines):
        if fence := FENCE.match(lines[i].rstrip("\n")):
            start = i + 1
            end = next(j for j in range(start, len(lines)) if lines[j].strip() == fence[1])
            found.append(Block(start + 1, fence[2], "".join(lines[start:end]), directives))
            i, directives = end, []
        elif directive := DIRECTIVE.fullmatch(lines[i]):
            directives.append(directive[1])
        elif lines[i].strip():
            directives = []
        i += 1
    return found


def prose(page):
    """The page without its fenced blocks."""
    text = page.read_text(encoding="utf-8")
    for block in blocks(page):
        text = text.replace(block.text, "", 1)
    return text


def runnable(page):
    for block in blocks(page):
        if block.info == "python" and "skip" not in block.directives:
            code = block.text
            for directive in block.directives:
                old, arrow, new = directive.partition(" -> ")
                assert arrow, f"{page.name}: a directive is skip or old -> new, got {directive!r}"
                assert old in code, f"{page.name}, line {block.line}: no {old!r} to replace"
                code = code.replace(old, new)
            yield block.line, code


def quotations(page):
    return [(b.info.split()[1], b) for b in blocks(page) if b.info.startswith("python npgan/")]


def name(page):
    return page.relative_to(ROOT).as_posix()


@pytest.fixture
def registry():
    """A page may declare primitives; the tests that walk the registry are not to meet them."""
    before = dict(autograd.PRIMITIVES)
    yield
    autograd.PRIMITIVES.clear()
    autograd.PRIMITIVES.update(before)


def words(text):
    """The text without its numbers, whose last digits are the machine's, and with single spaces."""
    return " ".join(re.sub(r"-?\d[\d.]*(e[-+]\d+)?", "#", text).split())


@pytest.mark.parametrize("page", [page for page in PAGES if any(runnable(page))], ids=name)
def test_python_runs(page, registry, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)  # for the files that it writes
    namespace = {"__name__": "__main__"}
    for line, code in runnable(page):
        # The empty lines in front let a traceback name the page's own line.
        exec(compile("\n" * (line - 1) + code, str(page), "exec"), namespace)
    printed = words(capsys.readouterr().out)
    for block in blocks(page):
        if "printed" in block.directives:
            assert words(block.text) in printed, (
                f"{name(page)}, line {block.line}: printed was {printed}"
            )


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_blocks_are_of_a_known_kind(page):
    """So that a typing error after ```python does not quietly switch a block off."""
    for block in blocks(page):
        language, _, rest = block.info.partition(" ")
        if language in ("python", "py", "python3") and block.info != "python":
            assert language == "python", f"{name(page)}, line {block.line}: write ```python"
            assert (ROOT / rest).is_file(), (
                f"{name(page)}, line {block.line}: no file {rest!r} to quote"
            )


@pytest.mark.parametrize("page", [page for page in PAGES if quotations(page)], ids=name)
def test_quotations_stand_in_the_source(page):
    for path, block in quotations(page):
        source = "\n" + (ROOT / path).read_text(encoding="utf-8")
        stands = "\n" + block.text in source
        assert stands, f"{name(page)}, line {block.line}: {path} no longer says\n{block.text}"


RULES = {"npgan/ops.py": 30, "npgan/convolution/ops.py": 6}  # files with rules, how many at least


@pytest.mark.parametrize("file", RULES)
def test_every_rule_is_quoted_in_the_derivations(file):
    quoted = "".join(block.text for path, block in quotations(DERIVATIONS) if path == file)
    source = (ROOT / file).read_text(encoding="utf-8")
    assert source.count(".rules = ") >= RULES[file]
    missing = []
    for node in ast.parse(source).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Attribute):
            target = ast.unparse(node.targets[0])
            if target.endswith(".rules") and ast.get_source_segment(source, node) not in quoted:
                missing.append(target)
    assert not missing, f"docs/derivations.md does not quote {', '.join(missing)} as in {file}"


def test_every_primitive_is_explained():
    text = prose(DERIVATIONS)
    places = ("npgan.ops", "npgan.convolution.ops")
    assert convolution_ops.__name__ in places  # imported, so its primitives are in the registry
    declared = {n for n, op in autograd.PRIMITIVES.items() if op.function.__module__ in places}
    assert declared, "no primitives were found"
    missing = {
        n
        for n in declared
        if f"`{n}`" not in text and not re.search(rf"^### .*\b{n}\b", text, re.M)
    }
    assert not missing, f"docs/derivations.md explains nothing of {', '.join(sorted(missing))}"


def anchors(page):
    """What a forge makes of the page's headings: lower case, no punctuation, hyphens for spaces."""
    headings = re.findall(r"^#{1,6} (.*?)\s*$", prose(page), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_lead_somewhere(page):
    text = re.sub(r"`[^`\n]*`", "", prose(page))  # in code, [a](b) is no link
    for target in re.findall(
        r"\]\(<?([^)\s>]+)>?(?: \"[^\"]*\")?\)|(?:src|href)=\"([^\"]+)\"", text
    ):
        target = target[0] or target[1]
        if re.match(r"[a-z]+:", target):  # https:, mailto:
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path) if path else page
        assert file.exists(), f"{name(page)} links to {target}, which does not exist"
        assert ROOT in (file.resolve(), *file.resolve().parents), (
            f"{name(page)} links out of the repository"
        )
        if anchor and file.suffix == ".md":
            assert anchor in anchors(file), (
                f"{name(page)} links to {target}, but there is no such heading"
            )
