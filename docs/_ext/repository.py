"""Links from a page into the repository, which a forge resolves by itself, also work on the site.

`[ops.py](../npgan/ops.py)` leads to the page of that module's source, and
`[ring.py](../examples/ring.py)` to the example's page. A link to README.md leads to the page that
includes it (`repository_pages` in conf.py), one to any other file or folder to the forge
(`repository_url`).
"""

import os
import re
from pathlib import Path

from docutils import nodes
from sphinx import addnodes

ROOT = Path(__file__).resolve().parents[2]


def address(url, path):
    """Where the forge shows a file or folder of the repository, on its main branch."""
    return f"{url}/{'tree' if (ROOT / path).is_dir() else 'blob'}/HEAD/{path}"


def path_in_repository(env, target):
    """The path in the repository that a link of the current page leads to, or None."""
    page = Path(env.doc2path(env.docname)).parent
    for base in (page, ROOT):  # a page that includes README.md has the links of README.md
        path = (base / target).resolve()
        if path.exists() and path.is_relative_to(ROOT):
            return path.relative_to(ROOT).as_posix()
    return None


def target_of(node, env):
    """(path, anchor) that a link of MyST's leads to; None: it is something else."""
    if isinstance(node, addnodes.download_reference):
        return node["reftarget"], None
    if isinstance(node, addnodes.pending_xref) and node.get("reftype") == "myst":
        if node["refdomain"] != "doc":
            path, _, anchor = node["reftarget"].partition("#")
            return (path, anchor) if path else None
        if node["reftarget"] not in env.found_docs:  # Markdown outside of docs/
            return f"{node['reftarget']}.md", node["reftargetid"]
    return None


def find_links(app, doctree):
    """Turn links to files and folders into plain references, before Sphinx copies the files."""
    for node in list(doctree.findall()):
        target = target_of(node, app.env)
        path = target and path_in_repository(app.env, target[0])
        if path in app.config.repository_pages:
            node["reftarget"], node["reftargetid"] = app.config.repository_pages[path], target[1]
            node["refdomain"] = "doc"
        elif path:
            new = nodes.reference("", "", *node.children, refuri=path, repository_path=path)
            node.replace_self(new)


def resolve_links(app, doctree, docname):
    """Lead each of them to a page of the site if there is one, else to the forge."""
    sources = {name for name, entry in getattr(app.env, "_viewcode_modules", {}).items() if entry}
    for node in doctree.findall(nodes.reference):
        if path := node.get("repository_path"):
            module = re.sub(r"(/__init__)?\.py$", "", path).replace("/", ".")
            example = path.removesuffix(".py") if path.endswith(".py") else f"{path}/index"
            if path.endswith(".py") and module in sources:
                page = f"_modules/{module.replace('.', '/')}"
            elif example in app.env.all_docs:
                page = example
            else:
                node["refuri"] = address(app.config.repository_url, path)
                continue
            here = os.path.dirname(app.builder.get_target_uri(docname))
            node["refuri"] = os.path.relpath(app.builder.get_target_uri(page), here or ".")


def caption_quotations(app, docname, source):
    """Give a quotation of the source, ```python npgan/ops.py, the file's name as its caption."""
    source[0] = re.sub(
        r"^```python (npgan/\S+)$", r"```{code-block} python\n:caption: \1\n", source[0], flags=re.M
    )


def setup(app):
    app.add_config_value("repository_url", "", "env")
    app.add_config_value("repository_pages", {}, "env")
    app.connect("source-read", caption_quotations)
    app.connect("doctree-read", find_links, priority=400)  # the files are collected at 500
    app.connect("doctree-resolved", resolve_links)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
