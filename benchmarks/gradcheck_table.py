"""Write what benchmarks/gradcheck.py measured as the text and tables of docs/gradcheck.md.

One function per experiment. Each takes all pieces, {name: what was measured}, and returns "" if its
pieces are missing.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from typing import Any

import numpy as np

from npgan.testing import FAIL

Pieces = dict[str, Any]

INTRODUCTION = """\
## Measured

Written by `python benchmarks/gradcheck.py run && python benchmarks/gradcheck.py table`:
every checker gets NumPy functions with right gradients and with planted bugs. It has its default
tolerances and, if its documentation tells how, tolerances that are scaled to the gradient."""


def table(pieces: Pieces) -> str:
    """The section of the first set; "" if nothing was measured."""
    sections = (e1, e1_large, e1_one_entry, e2, e3, e4, e5, e6, e7)
    texts = [section(pieces) for section in sections]
    return in_lines([INTRODUCTION, *texts]) if any(texts) else ""


def in_lines(texts: Iterable[str]) -> str:
    """The texts that are not empty, with short lines."""
    paragraphs = "\n\n".join(text for text in texts if text).split("\n\n")
    return "\n\n".join(map(wrapped, paragraphs)) + "\n"


def wrapped(paragraph: str) -> str:
    """A paragraph in lines of at most 100 characters; headings and tables as they are."""
    if paragraph.startswith(("#", "|", "* ")):
        return paragraph
    return textwrap.fill(paragraph, 100, break_long_words=False, break_on_hyphens=False)


def e1(pieces: Pieces) -> str:
    """Bugs caught, on small arrays."""
    found = begun_with("e1-float", pieces)
    if not found:
        return ""
    kinds = max(p["kinds"] for p in found.values())
    checkers = next(iter(found.values()))["caught"]
    return f"""\
**E1, bugs found** ({kinds} kinds of bug, with a relative size of 1e-6 or more in float64, of 1 % or more
in float32)

{caught(found, "e1-", checkers)}

In float32 most other checkers reject every bug because they also reject every right gradient: see E2."""


def e1_large(pieces: Pieces) -> str:
    """Bugs caught, on a layer of MNIST size."""
    found = begun_with("e1-large", pieces)
    if not found:
        return ""
    checkers = max((p["caught"] for p in found.values()), key=len)  # some peers lack some pieces
    brackets = any("alarms" in p for p in found.values())
    return f"""\
**E1 on a layer of MNIST size** (64 x 784 times 784 x 128)\
{"; in brackets, how many right gradients of 20 such layers were rejected" if brackets else ""}.
torch's slow mode and scipy are not in the table: they check entry
by entry, which would take hours.

{caught(found, "e1-large-", checkers)}"""


def caught(found: Pieces, prefix: str, checkers: Iterable[str]) -> str:
    """A row for each checker, a column for each piece."""

    def cell(p: Any, checker: str) -> str:
        alarms = p.get("alarms", {}).get(checker)
        return f"{p['caught'].get(checker, '–')}{'' if alarms is None else f' ({alarms})'}"

    head = [
        f"{name.removeprefix(prefix).replace('-', ', loss x ', 1)} (of {p['bugs']})"
        for name, p in found.items()
    ]
    return grid(["", *head], ([c, *(cell(p, c) for p in found.values())] for c in checkers))


def e1_one_entry(pieces: Pieces) -> str:
    """One wrong entry of a large array."""
    return "\n\n".join(
        f"One wrong entry of 100,352, {name.removeprefix('e1-entry-')}: "
        f"found {p['found']} of {p['of']}, its index named {p['named']} of {p['of']}."
        for name, p in begun_with("e1-entry", pieces).items()
    )


def e2(pieces: Pieces) -> str:
    """False alarms."""
    found = begun_with("e2-", pieces)
    if not found:
        return ""
    wrong = sum(p["ours"].get(FAIL, 0) for p in found.values())
    checks = sum(p["checks"] for p in found.values())
    first = next(iter(found.values()))
    rows = (
        [
            regime(name),
            f"{p['ours'].get(FAIL, 0)} of {p['checks']}",
            p["ours"].get("INCONCLUSIVE", 0),
            *(p["peers"].get(peer, 0) for peer in first["peers"]),
        ]
        for name, p in found.items()
    )
    return f"""\
**E2, false alarms**: npgan.testing calls {wrong} of {checks:,} correct gradients wrong. It is INCONCLUSIVE for
inputs that are saturated, or at a kink in every entry. The other checkers got the first {first["peer_checks"]} of each
regime:

{grid(["regime", "npgan.testing: FAIL", "INCONCLUSIVE", *first["peers"]], rows)}"""


def regime(name: str) -> str:
    """ "e2-inputs-x-1e-3" -> "inputs x 1e-3": the piece's name has a dash for every space."""
    words = name.removeprefix("e2-").replace("-", " ")
    return words.replace("1e 3", "1e-3").replace("1e 6", "1e-6")


def e3(pieces: Pieces) -> str:
    """The reported power against the measured one."""
    p = pieces.get("e3")
    if not p:
        return ""
    ratios = np.array([ratio for ratio, _, _ in p["ratios"]])
    near = np.mean((ratios < 10) & (ratios > 0.1))
    return f"""\
**E3, the reported power**: a backward that returns zeros passed {p["zero_passes"]} of {p["zero_tried"]} times. The ratio of the
reported power to the smallest error that was found is {np.median(ratios):.2g} in the median, \
and {ratios.min():.2g} to {ratios.max():.2g}; it is
within a factor of 10 in {near:.1%} of {len(ratios)} arguments."""


def e4(pieces: Pieces) -> str:
    """Whether hints are right."""
    p = pieces.get("e4")
    if not p:
        return ""
    return (
        f"**E4, hints** for {p['bugs']} large errors: "
        f"the right argument {p['argument right']} of {p['arguments']}, "
        f"the right index {p['index right']} of {p['indices']}, "
        f"the right first hint {p['hint'] / p['bugs']:.1%}."
    )


def e5(pieces: Pieces) -> str:
    """Cost."""
    p = pieces.get("e5")
    if not p:
        return ""
    return (
        f"**E5, cost** on one core: the MNIST-size layer {1e3 * p['layer']:.0f} ms "
        f"(one forward pass takes {1e3 * p['forward']:.2f} ms), "
        f"the default discriminator {p['discriminator']:.2f} s."
    )


def e6(pieces: Pieces) -> str:
    """Bugs from public threads."""
    found = pieces.get("e6")
    if not found:
        return ""
    count = sum(bug["verdict"] == FAIL for bug in found)
    rows = ([thread(bug["url"]), bug["what"], without_verdict(bug["hint"])] for bug in found)
    return f"""\
**E6, bugs from public threads**: {count} of {len(found)} found.

{grid(["thread", "what was wrong", "what npgan.testing reports"], rows)}"""


def thread(url: str) -> str:
    """A link to a thread, named by its repository."""
    owner, repository = url.split("/")[3:5]
    return f"[{owner}/{repository}]({url})"


def without_verdict(hint: str) -> str:
    """A summary line without its verdict."""
    return hint.removeprefix("FAIL: ").replace("|", "\\|")


def e7(pieces: Pieces) -> str:
    """Mutants of npgan's own rules."""
    p = pieces.get("e7")
    if not p:
        return ""
    killed, survivors = p["killed"], p["survivors"]
    text = (
        f"**E7, changed rules**: each mutant is `npgan/ops.py` with one small change in a rule. "
        f"`npgan.testing` alone finds {sum(killed.values())} mutants, "
        f"{killed['order 1']} at order 1 and {killed['order 2']} at order 2; "
        f"it does not find {len(survivors)}; "
        f"{len(p['equivalent'])} compute the same as before "
        f"(`benchmarks/gradcheck_mutants.py` says why)."
    )
    return "\n\n".join([text, "\n".join(f"* not found: {s}" for s in survivors)]).rstrip()


def begun_with(prefix: str, pieces: Pieces) -> Pieces:
    """The results whose names begin with the prefix."""
    return {name: p for name, p in pieces.items() if name.startswith(prefix)}


def grid(head: list[str], rows: Iterable[list[Any]]) -> str:
    """A table in Markdown."""
    lines = ["| " + " | ".join(map(str, cells)) + " |" for cells in (head, *rows)]
    return "\n".join([lines[0], "|" + "---|" * len(head), *lines[1:]])
