"""`.. public:: npgan.losses` documents a module's public names, `.. public-table::` lists them.

Public are the names that npgan itself exports from that module (`npgan.HOMES`), then the module's
primitives, its `__all__`, and what `reference_names` in conf.py lists.
"""

import importlib
import inspect
import re

from docutils import nodes
from docutils.statemachine import StringList
from sphinx import addnodes
from sphinx.util.docutils import SphinxDirective
from sphinx.util.nodes import nested_parse_with_titles

import npgan
from npgan.autograd import Primitive


def public_names(module_name, listed=()):
    """The public names of a module, each as it is imported: "npgan.Adam", "npgan.ops.tanh"."""
    module = importlib.import_module(module_name)
    exported = npgan.HOMES.get(module_name.removeprefix("npgan."), ())
    names = [
        name
        for name, value in vars(module).items()
        if isinstance(value, Primitive) and value.function.__module__ == module_name
    ]
    names += [*(getattr(module, "__all__", None) or []), *listed]
    # A name that npgan exports is documented once, by its shortest name.
    rest = [name for name in names if getattr(npgan, name, None) is not getattr(module, name)]
    found = [f"npgan.{name}" for name in exported] + [f"{module_name}.{name}" for name in rest]
    return list(dict.fromkeys(found))


def value_of(name):
    module, _, attribute = name.rpartition(".")
    return getattr(importlib.import_module(module), attribute)


def documented_members(cls):
    """Methods and properties with a docstring, also those inherited from classes of npgan."""
    found = {}
    for base in reversed(cls.__mro__):
        if base.__module__.startswith("npgan"):
            fields = getattr(base, "_fields", ())  # of a NamedTuple: the class's docstring has them
            found.update(
                (name, value)
                for name, value in vars(base).items()
                if not name.startswith("_") and name not in fields
            )
    members = [
        name
        for name, value in found.items()
        if isinstance(value, property | classmethod | staticmethod) or inspect.isfunction(value)
    ]
    return [name for name in members if (inspect.getdoc(getattr(cls, name)) or "").strip()]


def directive_for(name):
    """The autodoc directive that documents the name, as lines."""
    value = value_of(name)
    if inspect.isclass(value):
        kind = "exception" if issubclass(value, BaseException) else "class"
        members = documented_members(value)
        return [f".. auto{kind}:: {name}"] + [f"   :members: {', '.join(members)}"] * bool(members)
    if callable(value):
        return [f".. autofunction:: {name}"]
    module, _, attribute = name.rpartition(".")
    text = [f"   {line}" for line in plain(comment_above(name))]
    shown = [f"   :value: {value!r}"] if isinstance(value, str | int | float) else []
    return [f".. py:data:: {attribute}", f"   :module: {module}", *shown, "", *text]


def comment_above(name):
    """The comment above a module's constant: what documents it."""
    module, _, attribute = name.rpartition(".")
    source = inspect.getsource(importlib.import_module(module)).splitlines()
    pattern = re.compile(rf"{attribute}(:.*)? = ")
    end = next((i for i, line in enumerate(source) if pattern.match(line)), 0)
    start = end
    while source[start - 1].startswith("# "):
        start -= 1
    return [line[2:] for line in source[start:end]]


class Public(SphinxDirective):
    required_arguments = 1

    def names(self):
        try:
            listed = self.config.reference_names.get(self.arguments[0], ())
            return public_names(self.arguments[0], listed)
        except (AttributeError, ImportError) as error:
            raise self.error(str(error)) from error

    def lines(self):
        for name in self.names():
            yield from (*directive_for(name), "")

    def run(self):
        node = nodes.section()
        node.document = self.state.document
        lines = StringList(list(self.lines()), source=self.get_source_info()[0])
        nested_parse_with_titles(self.state, lines, node)
        return node.children


def summary(name):
    """The first line of what documents the name."""
    value = value_of(name)
    if inspect.isclass(value) or callable(value):
        lines = (inspect.getdoc(value) or "").splitlines()
    else:
        lines = comment_above(name)
    return " ".join(plain(lines[:1]))


class PublicTable(Public):
    def lines(self):
        yield from (".. list-table::", "   :class: summaries", "")
        for name in self.names():
            yield from (f"   * - :py:obj:`{name}`", f"     - {summary(name)}")


EMPHASIS = r"(?<![\w*])\*{1,2}[^\s*](?:[^*]*[^\s*])?\*{1,2}(?![\w*])"
MARKUP = re.compile(rf"(``.*?``|`[^`]*`_?|\[\w+\]_|{EMPHASIS})")


def plain(lines):
    """Escape |x|, history_ and *args in a docstring, which are text, and link to docs/page.md."""
    literal, found = False, []
    for line in lines:
        if literal and line.strip() and not line.startswith(" "):
            literal = False
        if not literal and not line.lstrip().startswith((">>>", "...", "..")):
            parts = MARKUP.split(line)
            parts[::2] = [re.sub(r"[|*]|(?<=\w)_(?!\w)", r"\\\g<0>", part) for part in parts[::2]]
            line = re.sub(r"\bdocs/([\w-]+)\.md\b", r":doc:`\g<0> </\1>`", "".join(parts))
        found.append(line)
        literal = literal or line.rstrip().endswith("::")
    return found


def literal_blocks(app, what, name, obj, options, lines):
    """Make an indented block below a paragraph a literal block, as its author meant it."""
    found, paragraph = [], ""  # the paragraph's first line
    for i, line in enumerate(lines):
        starts = line.strip() and not (i and lines[i - 1].strip())
        above = next((text for text in reversed(found) if text.strip()), "")
        below = starts and line.startswith(" ") and above and not above.startswith(" ")
        known = above.endswith("::") or re.match(r"\.\.|[-*] |\d+\. |>>>", paragraph)
        if below and not known:
            found += ["::", ""]
        if starts and not line.startswith(" "):
            paragraph = line
        found.append(line)
    lines[:] = found


def plain_docstring(app, what, name, obj, options, lines):
    lines[:] = plain(lines)


def add_anchors(app, doctree):
    """Give npgan.Adam the anchor npgan.optim.Adam as well, and the other way round.

    The pages of the source link back with one of the two names.
    """
    for node in doctree.findall(addnodes.desc_signature):
        if node.get("module") and node["ids"]:
            name = node["fullname"]
            value = getattr(importlib.import_module(node["module"]), name.partition(".")[0])
            home = getattr(value, "__module__", node["module"])
            aliases = (f"npgan.{name}", f"{home}.{name}")
            node["ids"] += [alias for alias in aliases if alias not in node["ids"]]


def setup(app):
    app.add_config_value("reference_names", {}, "env")
    app.add_directive("public", Public)
    app.add_directive("public-table", PublicTable)
    app.connect("doctree-read", add_anchors)
    app.connect("autodoc-process-docstring", literal_blocks, priority=400)  # before numpydoc
    app.connect("autodoc-process-docstring", plain_docstring, priority=600)  # after numpydoc
    return {"parallel_read_safe": True, "parallel_write_safe": True}
