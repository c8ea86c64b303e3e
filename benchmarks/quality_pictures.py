"""The pictures of quality.py and recipes.py: Fréchet distances over time, and samples."""

from __future__ import annotations

import textwrap
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from npgan import plot

# From the palette of Okabe and Ito (2008).
COLOURS = (
    "#d55e00", "#0072b2", "#009e73", "#8a8a8a", "#cc79a7", "#e69f00", "#56b4e9", "#000000",
    "#f0e442",
)  # fmt: skip
EDGE = 60  # the right end of a ranking's axis


def draw(out: Path, found: dict[str, Any], pictures: Path) -> None:
    """Write quality.png and quality_samples.png; `found` is what `quality.curves` returns."""
    pictures.mkdir(parents=True, exist_ok=True)
    plot.save(distances(found), pictures / "quality.png")
    plot.save(gallery(out, found), pictures / "quality_samples.png")


def distances(found: dict[str, Any]) -> Figure:
    """Fréchet distance over seconds, on log axes: the median, and a thin line per seed."""
    figure = Figure(figsize=(6.4, 4.0), dpi=160, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    for (program, by_second), colour in zip(found.items(), cycle(COLOURS), strict=False):
        seconds = sorted(by_second)
        for seed in range(min(len(by_second[s]) for s in seconds)):
            single = [by_second[s][seed]["frechet_distance"] for s in seconds]
            axes.plot(seconds, single, color=colour, lw=0.6, alpha=0.5)
        values = [np.median([row["frechet_distance"] for row in by_second[s]]) for s in seconds]
        axes.plot(seconds, values, "o-", color=colour, lw=2, ms=4, label=program)
    real = next(iter(next(iter(found.values())).values()))[0]["real"]["frechet_distance"]
    axes.axhline(real, color="#8a8a8a", lw=1, ls=":")
    axes.annotate("real images", (0, real), (4, 3), ("axes fraction", "data"), "offset points",
                  color="#8a8a8a", fontsize=8)  # fmt: skip
    axes.set(
        xscale="log",
        yscale="log",
        xlabel="seconds of training",
        ylabel="Fréchet distance in the judge's features",
    )
    marks = sorted({s for by_second in found.values() for s in by_second})
    axes.set_xticks(marks, [f"{s:g}" for s in marks], fontsize=7)
    axes.set_xticks([], minor=True)
    axes.grid(True, color="#e6e6e6", lw=0.8)
    axes.spines[:].set_visible(False)
    axes.legend(frameon=False, fontsize=9)
    return figure


def ranking(found: dict[str, Any]) -> Figure:
    """A row per program, the best one on top: a dot per seed, a bar at the median.

    Programs are sorted by the median at the longest time. A distance beyond EDGE is an arrow there.
    """
    marks = sorted({s for by_second in found.values() for s in by_second})
    distances_of = lambda program, s: [row["frechet_distance"] for row in found[program].get(s, [])]
    middle = lambda program, s: np.median(distances_of(program, s) or [np.inf])
    rows = sorted(
        found, key=lambda program: [middle(program, s) for s in reversed(marks)], reverse=True
    )
    figure = Figure(figsize=(6.4, 1.0 + 0.26 * len(rows)), dpi=160, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    for s, colour, lift in zip(marks, COLOURS, np.linspace(0.15, -0.15, len(marks)), strict=False):
        for height, program in enumerate(rows):
            for value in distances_of(program, s):
                x, mark, size = (value, "o", 3) if value < EDGE else (EDGE, ">", 6)
                axes.plot(
                    x, height + lift, mark, color=colour, ms=size, alpha=0.6, mew=0, clip_on=False
                )
            if middle(program, s) < EDGE:
                axes.plot(middle(program, s), height + lift, "|", color=colour, ms=8, mew=2)
        axes.plot([], [], "o", color=colour, ms=4, label=f"{s:g} s")
    real = next(iter(found[rows[0]].values()))[0]["real"]["frechet_distance"]
    axes.axvline(real, color="#8a8a8a", lw=1, ls=":")
    axes.annotate("real images", (real, 1), (0, 3), ("data", "axes fraction"), "offset points",
                  ha="center", color="#8a8a8a", fontsize=7)  # fmt: skip
    axes.set(xscale="log", xlim=(None, EDGE), ylim=(-0.7, len(rows) - 0.3))
    axes.set_xlabel("Fréchet distance in the judge's features", fontsize=8)
    ticks = (10, 15, 20, 30, 40, EDGE)
    axes.set_xticks(ticks, [f"{x}" for x in ticks], fontsize=7)
    axes.set_xticks([], minor=True)
    axes.set_yticks(range(len(rows)), rows, fontsize=7)
    axes.grid(True, color="#e6e6e6", lw=0.8)
    axes.set_axisbelow(True)
    axes.spines[:].set_visible(False)
    figure.legend(frameon=False, fontsize=8, loc="outside upper right", ncols=len(marks))
    return figure


def gallery(
    out: Path, found: dict[str, Any], digits: tuple[int, int] = (4, 4), pixels: int = 60
) -> Figure:
    """A row per program, a column per time, with the first samples of each.

    A cell has `digits` rows and columns of samples, each `pixels` wide.
    """
    marks = sorted({s for by_second in found.values() for s in by_second})
    high, wide = digits[0] * pixels, digits[1] * pixels
    name, head, gap, dpi = 150, 28, 6, 128
    width, height = name + (wide + gap) * len(marks), head + (high + gap) * len(found)
    figure = Figure(figsize=(width / dpi, height / dpi), dpi=dpi, facecolor="white")
    FigureCanvasAgg(figure)
    for column, seconds in enumerate(marks):
        x = (name + (wide + gap) * column + wide / 2) / width
        figure.text(
            x, 1 - head / 2 / height, f"{seconds:g} s", ha="center", va="center", fontsize=9
        )
    for row, program in enumerate(found):
        bottom = 1 - (head + (high + gap) * row + high) / height
        y = bottom + high / 2 / height
        figure.text(6 / width, y, textwrap.fill(program, 20), va="center", fontsize=8)
        for column, seconds in enumerate(marks):
            file = out / program / "seed0" / f"{seconds:g}.npy"
            if not file.exists():
                continue
            images = np.load(file)[: digits[0] * digits[1]]
            x = (name + (wide + gap) * column) / width
            axes = figure.add_axes((x, bottom, wide / width, high / height))
            axes.imshow(
                plot.tile(images, digits[1]), cmap="gray", vmin=0, vmax=255, interpolation="nearest"
            )
            axes.set_axis_off()
    return figure
