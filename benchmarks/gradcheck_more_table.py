"""Second set: what was measured, as the text and tables of docs/gradcheck.md."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

Grid = Callable[[list[str], Iterable[list[Any]]], str]


def second_set(pieces: dict[str, Any], grid: Grid) -> str:
    """The section "Second set"; "" if its pieces are missing."""
    found = [section(pieces, grid) for section in (bugs, right, bounds, hints)]
    if not any(found):
        return ""
    head = """\
### Second set

Written by `python benchmarks/gradcheck.py run more && python benchmarks/gradcheck.py table`.

A second, independent set: attention, recurrences, dynamic programs, convolutions and pooling with
overlap, linear algebra, likelihoods, contrastive losses, graphs, simulations. Every right gradient
agrees with an oracle that is not npgan (`benchmarks/gradcheck_more_oracles.py`); every bug is an
edit of a right gradient's source (`benchmarks/gradcheck_more_*.py` hold them)."""
    return "\n\n".join([head, *(text for text in found if text)])


def begun_with(prefix: str, pieces: dict[str, Any]) -> dict[str, Any]:
    return {
        n.removeprefix(prefix): p
        for n, p in pieces.items()
        if n.startswith(prefix) and "count" in p
    }


def bugs(pieces: dict[str, Any], grid: Grid) -> str:
    """Bugs caught."""
    found = begun_with("more-bugs-", pieces)
    if not found:
        return ""
    kinds = max(p["kinds"] for p in found.values())
    rows = [
        [
            name.replace("-", ", loss x ", 1),
            p["count"]["bugs"],
            p["count"].get("FAIL", 0),
            p["count"].get("INCONCLUSIVE", 0),
            p["count"].get("PASS", 0) + p["count"].get("raised", 0),
        ]
        for name, p in found.items()
    ]
    head = ["", "bugs", "caught", "INCONCLUSIVE", "missed"]
    lists = [f"* INCONCLUSIVE: {text}" for p in found.values() for text in p["silent"]]
    lists += [f"* missed: {text}" for p in found.values() for text in p["missed"]]
    text = f"**Bugs of {kinds} kinds of functions**, by the limits of E1 (float32: cast inside):"
    return "\n\n".join([text, grid(head, rows), *bullets(lists)])


def right(pieces: dict[str, Any], grid: Grid) -> str:
    """False alarms."""
    found = begun_with("more-right-", pieces)
    if not found:
        return ""
    rows = [
        [
            regime(name),
            p["count"]["checks"],
            p["count"].get("FAIL", 0) + p["count"].get("raised", 0),
            p["count"].get("below resolution", 0),
            p["count"].get("avoidable", 0),
        ]
        for name, p in found.items()
    ]
    checks = sum(row[1] for row in rows)
    alarms = sum(row[2] for row in rows)
    head = ["regime", "checks", "FAIL", "INCONCLUSIVE, below resolution", "INCONCLUSIVE, avoidable"]
    lists = [f"* FAIL: {text}" for p in found.values() for text in p["alarms"]]
    lists += [f"* avoidable: {text}" for p in found.values() for text in p["avoidable"]]
    reasons = [
        f"* INCONCLUSIVE in {regime(name)}: {', '.join(map(reason, p['below resolution']))}"
        for name, p in found.items()
        if p["below resolution"]
    ]
    text = f"""\
**Right gradients**: {alarms} of {checks:,} are called wrong. *Below resolution*: the largest effect of the
inconclusive argument is within 1,000 times the rounding of the output, or the output is not finite."""
    return "\n\n".join([text, grid(head, rows), *bullets(lists), *bullets(reasons)])


def regime(name: str) -> str:
    """ "inputs-x-1e-3" -> "inputs x 1e-3": the piece's name has a dash for every space."""
    return name.replace("-", " ").replace("1e 3", "1e-3").replace("1e 6", "1e-6")


def reason(text: str) -> str:
    """ "kind: what the report says [why]" -> "kind (why)", in few words."""
    name, why = text.split(": ", 1)[0], text.rsplit("[", 1)[1].rstrip("]")
    if "finite" in why:
        return f"{name} ({why})"
    arguments = ", ".join(part.split(":")[0] for part in why.split("; "))
    return f"{name} (no slope by {arguments})"


def bounds(pieces: dict[str, Any], grid: Grid) -> str:
    """The bounds of numerical_gradient."""
    found = [p for n, p in pieces.items() if n.startswith("more-bounds-")]
    if not found:
        return ""
    entries, wrong = sum(p["entries"] for p in found), sum(p["wrong"] for p in found)
    unmeasured = sum(p["unmeasured"] for p in found)
    text = f"""\
**The bound of `numerical_gradient`** holds at {entries - unmeasured - wrong:,} of {entries:,} entries of these
right gradients, in all regimes; {unmeasured:,} could not be measured (the bound is infinite), {wrong:,} are outside."""
    return "\n\n".join([text, *bullets([f"* {v}" for p in found for v in p["violated"]])])


def hints(pieces: dict[str, Any], grid: Grid) -> str:
    """Whether hints name the cause."""
    found = begun_with("more-bugs-", pieces)
    if not found:
        return ""
    rows = []
    for name, p in found.items():
        total = max(sum(p["hints"].values()), 1)
        named, false = p["hints"].get("named", 0), p["hints"].get("false", 0)
        rows.append(
            [
                name.replace("-", ", loss x ", 1),
                total,
                f"{named} ({named / total:.1%})",
                total - named - false,
                f"{false} ({false / max(named + false, 1):.1%})",
            ]
        )
    head = ["", "gross bugs caught", "named", "not named", "named falsely (of the named)"]
    text = """\
**Hints**: whether the first hint of an argument names the cause of a bug of 1 % or more. A hint that
names another cause in any argument counts as false."""
    return "\n\n".join([text, grid(head, rows)])


def bullets(lines: list[str]) -> list[str]:
    """At most twenty lines as one paragraph, or none."""
    more = [f"* and {len(lines) - 20} more"] if len(lines) > 20 else []
    return ["\n".join([*lines[:20], *more])] if lines else []
