"""Pages whose Python is executed, as notebooks, with a link on the page to download each."""

import re

import nbformat
from docutils import nodes
from markdown_it import MarkdownIt
from repository import address

DIRECTIVE = re.compile(r"^<!-- test: (.*?) -->\n", re.M)
LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)\s]+)\)")


def cells(text):
    """("code" or "markdown", text) of each cell: a block of ```python, or what is between two.

    A quotation, ```python npgan/ops.py, and a block that the page's test skips are no cells.
    """
    lines, start = text.splitlines(keepends=True), 0
    for token in MarkdownIt("commonmark").parse(text):
        if token.type == "fence" and token.level == 0 and token.info.strip() == "python":
            first, end = token.map
            above = "".join(lines[start:first])
            if above.rstrip().endswith("<!-- test: skip -->"):
                continue
            yield "markdown", above
            yield "code", token.content
            start = end
    yield "markdown", "".join(lines[start:])


def prose(text, ids, url):
    """Markdown for a notebook, in which nothing leads to a file beside it."""

    def link(match):
        picture, label, target = match.groups()
        if target.startswith("#"):
            target = f"#{ids.get(target[1:], target[1:])}"
        elif not re.match(r"[a-z]+:", target):
            path, mark, anchor = target.partition("#")
            path = path[3:] if path.startswith("../") else f"docs/{path}"
            target = f"{url}/raw/HEAD/{path}" if picture else address(url, path) + mark + anchor
        return f"{picture}[{label}]({target})"

    text = re.sub(r"^```python npgan/\S+$", "```python", DIRECTIVE.sub("", text), flags=re.M)
    return LINK.sub(link, text).strip()


def notebook(text, url, version):
    """The notebook of a page: its prose and its Python, in order."""
    headings = re.findall(r"^#+ (.*?)\s*$", text, re.M)
    # A forge's name of each heading -> a notebook's.
    ids = {
        re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-"): heading.replace(" ", "-")
        for heading in headings
    }
    note = f"*This notebook is a page of npgan {version}. It needs [npgan]({url}), installed.*"
    book = nbformat.v4.new_notebook()
    book.metadata["kernelspec"] = {
        "name": "python3",
        "display_name": "Python 3",
        "language": "python",
    }
    book.metadata["language_info"] = {"name": "python"}
    found = [("markdown", note), *cells(text)]
    for kind, content in found:
        if kind == "code":
            book.cells.append(nbformat.v4.new_code_cell(content.rstrip("\n")))
        elif content := prose(content, ids, url):
            book.cells.append(nbformat.v4.new_markdown_cell(content))
    for i, cell in enumerate(book.cells):
        cell["id"] = f"cell-{i}"  # not random: the same page gives the same file
    nbformat.validate(book)
    return book


def offer(app, doctree):
    """Below the title of a page: the link to its notebook."""
    if app.env.docname in app.config.notebook_pages:
        link = nodes.reference("", "Download as a notebook", refuri=f"{app.env.docname}.ipynb")
        text = ": every Python block of this page is a cell that you can run and change."
        title = next(iter(doctree.findall(nodes.title)))
        paragraph = nodes.paragraph("", "", link, nodes.Text(text), classes=["notebook"])
        title.parent.insert(title.parent.index(title) + 1, paragraph)


def write(app, error):
    if error is None and app.builder.format == "html":
        for page in app.config.notebook_pages:
            text = app.env.doc2path(page)
            with open(text, encoding="utf-8") as file:
                book = notebook(file.read(), app.config.repository_url, app.config.version)
            nbformat.write(book, app.outdir / f"{page}.ipynb")


def setup(app):
    app.add_config_value("notebook_pages", [], "env")
    app.connect("doctree-read", offer)
    app.connect("build-finished", write)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
