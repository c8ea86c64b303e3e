"""`npgan examples`: copy the example programs into a folder."""

from __future__ import annotations

import argparse
import ast
from pathlib import Path
from typing import Any

from ..files.atomic import write_text
from .output import CommandError

PACKAGE = Path(__file__).parents[1]
# setup.py copies the examples into an installed package; in a copy of the repository they are
# beside it.
PLACES = (PACKAGE / "examples", PACKAGE.parent / "examples")


def examples(args: argparse.Namespace) -> dict[str, Any] | str:
    """Write all examples into a folder; a file that is there stays as it is."""
    sources = find()
    args.out.mkdir(parents=True, exist_ok=True)
    written = []
    for source in sources:
        if not (args.out / source.name).exists():
            write_text(args.out / source.name, source.read_text(encoding="utf-8"))
            written.append(source.name)
    if args.json:
        return {"folder": str(args.out), "written": written}
    kept = len(sources) - len(written)
    note = f" ({kept} were there and stay as they are)" if kept else ""
    width = max(len(source.name) for source in sources)
    rows = [f"{source.name:{width}}  {title(source)}" for source in sources]
    return "\n".join([f"{len(written)} examples are written to {args.out}{note}", *rows])


def find() -> list[Path]:
    """The files of the examples."""
    place = next((place for place in PLACES if (place / "one_screen.py").is_file()), None)
    if place is None:
        raise CommandError("the examples are not part of this installation; install npgan again")
    return sorted(place.glob("*.py"))


def title(source: Path) -> str:
    """The first sentence of an example's docstring."""
    doc = ast.get_docstring(ast.parse(source.read_text(encoding="utf-8"))) or ""
    return doc.split("\n")[0].split(": python ")[0].rstrip(".")
