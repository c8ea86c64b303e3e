"""Pages of the site that compute something themselves: live/study.html and live/generator.html.

The build makes them: the first with the recorder of `npgan study`, the second of the weights in
docs/_data/generator.json.z, which tools/site_generator.py wrote. The role {live}`words <study>`
links to one of them.
"""

import json
import os
import zlib
from pathlib import Path

from docutils import nodes
from sphinx.errors import ExtensionError
from sphinx.util.docutils import ReferenceRole

from npgan.export.html import page_of
from npgan.study.page import default_record

GENERATOR = Path(__file__).resolve().parents[1] / "_data" / "generator.json.z"


def write_study(path):
    record = default_record()
    if record.failed():
        raise ExtensionError("npgan study: " + "; ".join(record.failed()))
    record.write(path)


def write_generator(path):
    data = json.loads(zlib.decompress(GENERATOR.read_bytes()))
    path.write_text(page_of(data), encoding="utf-8")


PAGES = {"study": write_study, "generator": write_generator}


class Live(ReferenceRole):
    """A link to a page of live/."""

    def run(self):
        if self.target not in PAGES:
            message = self.inliner.reporter.error(f"no live page {self.target!r}", line=self.lineno)
            return [self.inliner.problematic(self.rawtext, self.rawtext, message)], [message]
        here = os.path.dirname(self.env.docname)
        address = os.path.relpath(f"live/{self.target}.html", here or ".")
        return [nodes.reference(self.rawtext, self.title, refuri=address)], []


def write(app, error):
    if error is None and app.builder.format == "html":
        folder = Path(app.outdir) / "live"
        folder.mkdir(exist_ok=True)
        for name, write_page in PAGES.items():
            write_page(folder / f"{name}.html")


def setup(app):
    app.add_role("live", Live())
    app.connect("build-finished", write)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
