"""Write a record into the page that shows it: one file, which needs no network."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

FILES = Path(__file__).with_name("browser")
SCRIPTS = (
    "numbers",
    "dom",
    "tape",
    "formulas",
    "products",
    "checks",
    "layout",
    "graph",
    "chart",
    "panel",
    "change",
    "walk",
    "game",
    "main",
)


def page_text(record: Mapping[str, Any]) -> str:
    """Return the page that shows a record: its style, its scripts and the record in one text.

    Parameters
    ----------
    record : mapping
        What the recorder made, ready for JSON.
    """
    data = json.dumps(record, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")
    script = "\n".join(source(f"{name}.js") for name in SCRIPTS)
    page = source("page.html")
    for mark, text in (("/*STYLE*/", source("page.css")), ("/*SCRIPT*/", script)):
        page = page.replace(mark, text, 1)
    return page.replace("/*RECORD*/", data, 1)


def source(name: str) -> str:
    """Return the text of one of the page's files."""
    return (FILES / name).read_text(encoding="utf-8")
