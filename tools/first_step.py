"""Draw the pictures of docs/first-step.md from the record of `npgan study`.

    python tools/first_step.py

Run it after a change of the record; a test compares the pictures, and the numbers of the page, with
the record.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from npgan.study.assemble import record_data
from npgan.study.example import tiny_computations

IMAGES = Path(__file__).resolve().parents[1] / "docs" / "images"
UNIT = 3  # the hidden unit of G whose weight the page follows
BLUE, ORANGE, GREY, INK = "#005a8c", "#a34400", "#6b6b6b", "#1b1b1b"
STYLE = (
    "text{font:14px system-ui,sans-serif;fill:#1b1b1b}.n{font:13px ui-monospace,monospace}"
    f".b{{fill:{BLUE}}}.o{{fill:{ORANGE}}}.g{{fill:{GREY}}}.t{{font-weight:600}}.e{{text-anchor:end}}"
    ".m{text-anchor:middle}.i{font-style:italic}"
)
Tape = dict[str, Any]


def record() -> dict[str, Tape]:
    """The tapes of D's and G's step by their keys."""
    steps = tiny_computations()[:2]
    return {tape["key"]: tape for tape in record_data("The first step", steps)["tapes"]}


class Numbers:
    """The numbers of one tape by the names of its nodes: values, gradients, and Adam's."""

    def __init__(self, tape: Tape):
        self.adam = tape["optimiser"]
        self.nodes = {node["name"]: node for node in tape["nodes"]}

    def value(self, name: str, cell: int = 0) -> float:
        """The value of a cell."""
        return float(self.nodes[name]["data"][cell])

    def gradient(self, name: str, cell: int = 0) -> float:
        """The gradient of the loss by a cell."""
        return float(self.nodes[name]["grad"][cell])

    def needed(self, name: str) -> bool:
        """Whether training computes this gradient."""
        return bool(self.nodes[name]["needed"])

    def of_adam(self, what: str, name: str, cell: int) -> float:
        """m_hat, root, move or after of a weight."""
        return float(self.adam["leaves"][str(self.nodes[name]["id"])][what][cell])


def v(number: float) -> str:
    """A value as the page writes it, with four decimals."""
    return f"{number:.4f}".replace("-", "−")


def g(number: float) -> str:
    """A gradient as the page writes it, with five decimals."""
    return f"{number:.5f}".replace("-", "−")


def text(x: float, y: float, content: str, kind: str = "") -> str:
    """A line of text."""
    return f'<text x="{x:g}" y="{y:g}" class="{kind}">{content}</text>'


def box(x: float, y: float, w: float, h: float, stroke: str = "#c8c8c8", width: float = 1) -> str:
    """A rectangle."""
    return (
        f'<rect x="{x:g}" y="{y:g}" width="{w:g}" height="{h:g}" rx="3" fill="none" '
        f'stroke="{stroke}" stroke-width="{width:g}"/>'
    )


def arrow(x1: float, y1: float, x2: float, y2: float, colour: str, dashed: bool = False) -> str:
    """A line with a head at its second end."""
    dash = ' stroke-dasharray="4 4"' if dashed else ""
    return (
        f'<path d="M{x1:g} {y1:g} L{x2:g} {y2:g}" fill="none" stroke="{colour}" stroke-width="2"'
        f'{dash} marker-end="url(#{"b" if colour == BLUE else "o"})"/>'
    )


def svg(width: int, height: int, title: str, parts: list[str]) -> str:
    """A picture on a white ground."""
    heads = "".join(
        f'<marker id="{name}" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" '
        f'orient="auto"><path d="M0 0 L8 4 L0 8 Z" fill="{colour}"/></marker>'
        for name, colour in (("b", BLUE), ("o", ORANGE))
    )
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'width="{width}" height="{height}" role="img">',
        f"<title>{title}</title>",
        f"<style>{STYLE}</style><defs>{heads}</defs>",
        f'<rect width="{width}" height="{height}" fill="#fff"/>',
        *parts,
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


ROWS = (  # name of the node, what is written beside it, its width, the cells on the path
    ("z", "z", "", 2, {0}),
    ("G.0", "G.0", "z W + b", 4, {UNIT}),
    ("G.1", "G.1", "LeakyReLU", 4, {UNIT}),
    ("G.2", "G.2", "· W + b", 2, {0, 1}),
    ("fake", "fake", "tanh", 2, {0, 1}),
    ("D.0", "D.0", "· W + b", 4, {0, 1, 2, 3}),
    ("D.1", "D.1", "LeakyReLU", 4, {0, 1, 2, 3}),
    ("logits", "logit", "· W + b", 1, {0}),
)


def path(G: Numbers) -> str:
    """Row 0 of the batch, from z to the logit and back."""
    top, height, wide, left = 56, 62, 112, 118
    parts = [
        text(left, 24, "↓ value", "t b"),
        text(left + 90, 24, "↑ dL/d·, the gradient of loss G", "t o"),
    ]
    for i, (name, label, how, width, on_path) in enumerate(ROWS):
        y = top + i * height
        parts += [text(12, y + 17, label, "t"), text(12, y + 35, how, "g")]
        for cell in range(width):
            x, bold = left + cell * wide, cell in on_path
            parts.append(box(x, y, wide - 8, 44, INK if bold else "#c8c8c8", 2 if bold else 1))
            parts.append(text(x + wide - 16, y + 18, v(G.value(name, cell)), "n b e"))
            colour = "o" if G.needed(name) else "g i"
            parts.append(text(x + wide - 16, y + 36, g(G.gradient(name, cell)), f"n {colour} e"))
    y = top + len(ROWS) * height + 4
    parts.append(text(12, y + 14, "loss G", "t"))
    parts.append(text(left, y + 14, f"{v(G.value('loss G'))}, the mean over the four rows", "b"))
    studied = " and ".join(label for name, label, *_ in ROWS if not G.needed(name))
    note = f"Grey: the gradient by {studied} is shown for study; training does not compute it."
    parts.append(text(12, y + 38, note, "g i"))
    return svg(576, y + 54, "Row 0 of the batch, forwards from z to the logit and back", parts)


def weight(G: Numbers) -> str:
    """The four terms of the gradient of one weight, their sum, and what Adam makes of it."""
    x = (20, 150, 300, 440)
    parts = [
        text(x[0], 34, "row", "t"),
        text(x[1], 34, "z[i, 0]", "t e"),
        text(x[2], 34, f"dL/dG.0[i, {UNIT}]", "t e"),
        text(x[3], 34, "product", "t e"),
    ]
    for i in range(4):
        y, z, back = 64 + 24 * i, G.value("z", 2 * i), G.gradient("G.0", 4 * i + UNIT)
        parts += [
            text(x[0], y, f"i = {i}"),
            text(x[1], y, v(z), "n b e"),
            text(x[2] - 138, y, "×", "m"),
            text(x[2], y, g(back), "n o e"),
            text(x[2] + 36, y, "=", "m"),
            text(x[3], y, g(z * back), "n o e"),
        ]
    parts.append(f'<path d="M20 150 H440" stroke="{INK}"/>')
    total = G.gradient("G.0.W", UNIT)
    parts += [
        text(x[0], 174, f"the sum: dL/dG.0.W[0, {UNIT}]", "t"),
        text(x[3], 174, g(total), "n o e"),
    ]
    adam = {k: G.of_adam(k, "G.0.W", UNIT) for k in ("m_hat", "root", "move", "after")}
    rate = G.adam["lr"]
    rows = (
        ("mean of the gradients so far, m̂", g(adam["m_hat"]), "o"),
        ("root of the mean of their squares, √v̂", g(adam["root"]), "o"),
        (f"the move: −{rate:g} · m̂ / √v̂", g(adam["move"]), ""),
        ("the weight before", v(G.value("G.0.W", UNIT)), "b"),
        ("the weight after", v(adam["after"]), "b"),
    )
    for i, (label, number, colour) in enumerate(rows):
        y = 206 + 24 * i
        parts += [text(x[0], y, label), text(x[3], y, number, f"n e {colour}")]
    return svg(460, 318, f"The gradient of G.0.W[0, {UNIT}], and its update by Adam", parts)


def stops(D: Numbers, G: Numbers) -> str:
    """How far the gradient goes in D's step, and in G's."""
    parts = [*network(0, "D", D.value("loss D")), *network(190, "G", G.value("loss G"))]
    y = 122
    parts += [
        arrow(544, y, 476, y, ORANGE),
        arrow(396, y, 312, y, ORANGE, dashed=True),
        text(432, y + 5, "moves D", "o m"),
        text(252, y + 5, "✕ stops here", "t o m"),
    ]
    known = f"({g(D.gradient('fake', 0))}, {g(D.gradient('fake', 1))})"
    assert not any([D.needed("fake"), G.needed("z"), G.needed("D.0.W")])
    parts.append(
        text(14, y + 36, f"dL/dfake[0] would be {known}; training does not compute it.", "o")
    )
    y = 312
    parts += [
        arrow(544, y, 476, y, ORANGE),
        arrow(388, y, 268, y, ORANGE),
        arrow(222, y, 178, y, ORANGE),
        text(432, y + 5, "D stays", "o m"),
        text(244, y + 5, "fake", "o m"),
        text(138, y + 5, "moves G", "o m"),
        text(14, y + 36, "The gradients by z and by D's weights are not computed, either.", "o"),
    ]
    return svg(620, 362, "Where the gradient stops in D's step and in G's step", parts)


def network(top: float, name: str, loss: float) -> list[str]:
    """z, G, fake, D, the loss and their arrows; the network that moves has a thick frame."""
    y = top + 46
    parts = [
        text(14, top + 24, f"{name}'s step", "t"),
        text(30, y + 27, "z", "m"),
        text(244, y + 27, "fake", "m"),
        text(584, y + 20, f"loss {name}", "m"),
        text(584, y + 38, v(loss), "n b m"),
    ]
    for x, letter in ((106, "G"), (400, "D")):
        moves = letter == name
        parts += [
            box(x, y, 64, 44, INK if moves else "#c8c8c8", 3 if moves else 1),
            text(x + 32, y + 27, letter, "t m"),
        ]
    ends = ((46, 102), (174, 220), (268, 396), (468, 546))
    return parts + [arrow(a, y + 22, b, y + 22, BLUE) for a, b in ends]


def pictures() -> dict[str, str]:
    """The text of each file."""
    tapes = record()
    D, G = Numbers(tapes["D"]), Numbers(tapes["G"])
    return {
        "first-step-path.svg": path(G),
        "first-step-weight.svg": weight(G),
        "first-step-stops.svg": stops(D, G),
    }


if __name__ == "__main__":
    for name, content in pictures().items():
        (IMAGES / name).write_text(content, encoding="utf-8")
