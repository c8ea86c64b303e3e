"""Write the table of docs/reliability.md: python tools/reliability_table.py faults.json.

The counts come from `python -m pytest tests/reliability -m "" --faults faults.json`; several files
(of parts that were run one after the other) are added up.
"""

import json
import sys
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "reliability"))

from fault_counts import SUITES  # noqa: E402

BEGIN = "<!-- measured: begin (tools/reliability_table.py writes what follows) -->\n"
END = "<!-- measured: end -->\n"


def table(faults: Counter[str], failed: Counter[str]) -> str:
    """One row for each suite: how many faults were injected, and how many were withstood."""
    lines = ["| suite | what | faults | withstood |", "|---|---|---|---|"]
    for suite, meaning in SUITES.items():
        if suite in faults:
            held = "all" if not failed[suite] else f"{failed[suite]} tests failed"
            lines.append(f"| {suite} | {meaning} | {faults[suite]:,} | {held} |")
    return "\n".join(lines) + "\n"


def main(paths: list[str]) -> None:
    """Add up the counts of all files, and replace the table of the page."""
    faults: Counter[str] = Counter()
    failed: Counter[str] = Counter()
    for path in paths:
        for suite, row in json.loads(Path(path).read_text(encoding="utf-8")).items():
            faults[suite] += row["faults"]
            failed[suite] += row["failed"]
    page = ROOT / "docs" / "reliability.md"
    text = page.read_text(encoding="utf-8")
    head, rest = text.split(BEGIN)
    tail = rest.split(END)[1]
    page.write_text(f"{head}{BEGIN}\n{table(faults, failed)}\n{END}{tail}", encoding="utf-8")


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    main(sys.argv[1:])
