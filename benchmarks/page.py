"""docs/benchmarks.md: its measured parts stand between two marks each, and a script replaces what is between."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import sys
from pathlib import Path

PAGE = Path(__file__).resolve().parents[1] / "docs" / "benchmarks.md"


def put(part: str, text: str, page: Path = PAGE) -> None:
    """Replace what stands between <!-- PART: begin --> and <!-- PART: end -->."""
    whole = page.read_text(encoding="utf-8")
    pattern = rf"(<!-- {part}: begin -->\n).*?(<!-- {part}: end -->)"
    new, found = re.subn(pattern, lambda m: f"{m[1]}{text}\n{m[2]}", whole, flags=re.S)
    if found != 1:
        raise SystemExit(
            f"{page} has {found} places for {part}; it needs one <!-- {part}: begin --> ... end"
        )
    page.write_text(new, encoding="utf-8")


def machine(*packages: str) -> str:
    """The command, the processor and the versions, as a paragraph."""
    try:
        said = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
        cpuinfo = Path("/proc/cpuinfo").read_text()
    except OSError:
        said, cpuinfo = None, ""
    model = said[1] if said else platform.processor() or platform.machine()
    vectors = "AVX-512" if " avx512f" in cpuinfo else "AVX2" if " avx2" in cpuinfo else ""
    versions = [f"Python {platform.python_version()}"]
    for package in ("numpy", "numba", *packages):
        try:
            versions.append(f"{package} {importlib.metadata.version(package)}")
        except importlib.metadata.PackageNotFoundError:
            continue
    given = [
        "OUT" if os.sep in word else word for word in sys.argv[1:]
    ]  # whose directories these are is private
    command = " ".join(["python", f"benchmarks/{Path(sys.argv[0]).name}", *given])
    return f"`{command}`, {model}{', ' + vectors if vectors else ''}; {', '.join(versions)}."
