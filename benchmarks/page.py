"""Writes measured results into a page of docs/, between two marks for each part."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import statistics
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

PAGE = Path(__file__).resolve().parents[1] / "docs" / "benchmarks.md"


def put(part: str, text: str, page: Path = PAGE) -> None:
    """Replace the text between <!-- PART: begin --> and <!-- PART: end -->."""
    whole = page.read_text(encoding="utf-8")
    pattern = rf"(<!-- {part}: begin -->\n).*?(<!-- {part}: end -->)"
    new, found = re.subn(pattern, lambda m: f"{m[1]}{text}\n{m[2]}", whole, flags=re.S)
    if found != 1:
        raise SystemExit(
            f"{page} has {found} parts {part}; it needs one <!-- {part}: begin --> ... end"
        )
    page.write_text(new, encoding="utf-8")


def median_cells(scores: Sequence[Mapping[str, float]], forms: Mapping[str, str]) -> list[str]:
    """The median of each score in its format; of several also the smallest and the largest."""
    cells = []
    for key, form in forms.items():
        values = sorted(score[key] for score in scores)
        spread = f" ({values[0]:{form}} to {values[-1]:{form}})" if len(values) > 1 else ""
        cells.append(f"{statistics.median(values):{form}}{spread}")
    return cells


def machine(*packages: str) -> str:
    """The command, the processor and the versions, as a paragraph."""
    try:
        cpuinfo = Path("/proc/cpuinfo").read_text()
    except OSError:
        cpuinfo = ""
    name = re.search(r"model name\s*: (.*)", cpuinfo)
    model = name[1] if name else platform.processor() or platform.machine()
    vectors = "AVX-512" if " avx512f" in cpuinfo else "AVX2" if " avx2" in cpuinfo else ""
    versions = [f"Python {platform.python_version()}"]
    for package in ("numpy", "numba", *packages):
        try:
            versions.append(f"{package} {importlib.metadata.version(package)}")
        except importlib.metadata.PackageNotFoundError:
            continue
    # The names of directories are private.
    arguments = ["OUT" if os.sep in word else word for word in sys.argv[1:]]
    command = " ".join(["python", f"benchmarks/{Path(sys.argv[0]).name}", *arguments])
    return f"`{command}`, {model}{', ' + vectors if vectors else ''}; {', '.join(versions)}."
