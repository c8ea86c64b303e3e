"""Charts: points of the plane, D's probabilities over it, and the losses of a run."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike, NDArray

from .figures import BLUE, GREY, INK, RED, empty_figure
from .limits import points_shown
from .style import default_style

# From "generated" (0) over "cannot tell" (1/2) to "real" (1).
PROBABILITY_COLOURS = LinearSegmentedColormap.from_list(
    "probability", ["#e08a4a", "#f7f5f2", "#5aa2cf"]
)
LN2 = math.log(2)
HISTORY = ("epoch", "loss_D", "loss_G", "D_real", "D_fake")  # the lists that `losses` draws


@default_style()
def points(samples: ArrayLike, real: ArrayLike | None = None, title: str | None = None) -> Figure:
    """Draw generated points of the plane, over real ones.

    Parameters
    ----------
    samples : (n, 2) array
        The generated points.
    real : (m, 2) array, optional
        The real points.
    title : str, optional
        A line of text above the chart.

    Returns
    -------
    matplotlib.figure.Figure
        Both axes have one scale.

    Raises
    ------
    ValueError
        If one of the arrays is no array of numbers of shape (n, 2).
    """
    figure = _chart_figure(640, 640)
    axes = _style(figure.add_subplot())
    if real is not None:
        x, y = _plane_points("points", "real", real)
        axes.plot(x, y, "o", color=BLUE, ms=5, mew=0, alpha=0.3, label="real")
    x, y = _plane_points("points", "generated", samples)
    axes.plot(x, y, "o", color=RED, ms=3, mew=0, alpha=0.7, label="generated")
    axes.set_aspect("equal", adjustable="datalim")
    return _finish(figure, title)


@default_style()
def surface(
    score: Callable[[NDArray[np.float32]], ArrayLike],
    real: ArrayLike,
    fake: ArrayLike,
    extent: float = 1.5,
    title: str | None = None,
) -> Figure:
    """Draw D(x) over the square [-extent, extent]², with real and generated points.

    Parameters
    ----------
    score : callable, (n, 2) float32 array -> (n,) array
        The probabilities in [0, 1] that the points are real. It is called once.
    real : (m, 2) array
        Real points.
    fake : (k, 2) array
        Generated points.
    extent : float
        Half the side of the square.
    title : str, optional
        A line of text above the chart.

    Returns
    -------
    matplotlib.figure.Figure
        The thin line in it is D(x) = 1/2, where D cannot tell real from generated.

    Raises
    ------
    ValueError
        If `extent` is not positive, `score` does not return one probability per point, or `real` or
        `fake` is no array of numbers of shape (n, 2).
    """
    if not 0 < extent < math.inf:
        raise ValueError(f"surface() needs a positive extent, got {extent!r}")
    side = np.linspace(-extent, extent, 121, dtype=np.float32)
    x, y = np.meshgrid(side, side)
    p = np.asarray(score(np.stack([x.ravel(), y.ravel()], axis=1)))
    if p.size != x.size or not np.all((p >= 0) & (p <= 1)):
        found = f"from {p.min():.3g} to {p.max():.3g}" if p.size else "nothing"
        raise ValueError(
            f"surface() needs one probability in [0, 1] per point, shape ({x.size},), "
            f"got shape {p.shape}, {found}; if score() returns logits, apply the sigmoid"
        )
    p = p.reshape(x.shape)

    figure = _chart_figure(740, 640)
    axes = _style(figure.add_subplot())
    filled = axes.contourf(x, y, p, levels=np.linspace(0, 1, 22), cmap=PROBABILITY_COLOURS)
    if p.min() < 0.5 < p.max():
        axes.contour(x, y, p, levels=[0.5], colors=INK, linewidths=0.8)
    for name, cloud, colour in (("real", real, BLUE), ("generated", fake, RED)):
        px, py = _plane_points("surface", name, cloud)
        axes.plot(px, py, "o", color=colour, ms=4, mec="white", mew=0.5, label=name)
    axes.set(xlim=(-extent, extent), ylim=(-extent, extent), aspect="equal")
    bar = figure.colorbar(filled, ax=axes, ticks=[0, 0.25, 0.5, 0.75, 1], shrink=0.8, aspect=28)
    bar.ax.spines[:].set_visible(False)
    bar.ax.tick_params(colors=INK, labelsize=8, length=0)
    bar.set_label("D(x), the probability of being real", color=INK, fontsize=9)
    return _finish(figure, title)


@default_style()
def losses(
    history: Mapping[str, Sequence[float]],
    title: str | None = None,
    equilibrium: tuple[float, float] | None = (2 * LN2, LN2),
    labels: tuple[str, str] | None = None,
) -> Figure:
    """Draw the losses of D and G and D's mean outputs over the epochs.

    Parameters
    ----------
    history : mapping of lists
        Lists of one length under "epoch", "loss_D" and "loss_G" (in nats), "D_real" and "D_fake"
        (mean probabilities), such as `GAN.history_`. Other keys are ignored. A NaN leaves a gap.
    title : str, optional
        A line of text above the chart.
    equilibrium : (float, float), optional
        The losses of D and of G at D(x) = 1/2, drawn as dashed lines. The default is that of the
        non-saturating loss, (2 ln 2, ln 2) [1]_; None draws no lines.
    labels : (str, str), optional
        The text at the two lines; by default their values.

    Returns
    -------
    matplotlib.figure.Figure
        The losses above, D's mean outputs below.

    Raises
    ------
    ValueError
        If a list is missing, the lists differ in length or are empty, or "D_real" or "D_fake" is
        not in [0, 1].

    References
    ----------
    .. [1] I. Goodfellow et al., "Generative adversarial nets", 2014, section 4.1.
    """
    epoch, loss_D, loss_G, D_real, D_fake = table = _history_table(history)
    figure = _chart_figure(900, 680)
    upper, lower = (
        _style(axes) for axes in figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
    )

    if equilibrium is not None:
        _draw_equilibrium(upper, equilibrium, labels)
    _draw_level(lower, 0.5, "½", GREY, va="center")
    marker = "o" if len(epoch) <= 30 else ""
    for axes, y, colour, name in (
        (upper, loss_D, BLUE, "discriminator"),
        (upper, loss_G, RED, "generator"),
        (lower, D_real, BLUE, "D(real)"),
        (lower, D_fake, RED, "D(fake)"),
    ):
        axes.plot(epoch, y, color=colour, lw=1.6, marker=marker, ms=3.5, label=name)

    if np.all((table[1:3] >= 0) | np.isnan(table[1:3])):
        upper.set_ylim(bottom=0)
    lower.set(ylim=(-0.03, 1.03), yticks=[0, 0.25, 0.5, 0.75, 1], xlabel="epoch")
    lower.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10], min_n_ticks=1))
    if len(epoch) == 1:
        lower.set_xlim(epoch[0] - 0.5, epoch[0] + 0.5)
    upper.set_ylabel("loss (nats)")
    lower.set_ylabel("mean of D(x)")
    return _finish(figure, title)


def _history_table(history: Mapping[str, Sequence[float]]) -> NDArray[np.float64]:
    """The lists that `losses` draws as the rows of one array, checked."""
    if not isinstance(history, Mapping) or not set(HISTORY) <= set(history):
        is_mapping = isinstance(history, Mapping)
        found = f"the keys {', '.join(history)}" if is_mapping else type(history).__name__
        raise ValueError(f"losses() needs a dict of lists {', '.join(HISTORY)}, got {found}")
    lengths = {key: len(history[key]) for key in HISTORY}
    if len(set(lengths.values())) > 1 or not lengths["epoch"]:
        raise ValueError(
            f"losses() needs lists of one length, one value per epoch, got lengths {lengths}"
        )
    table = np.array([history[key] for key in HISTORY], dtype=np.float64)
    if np.any(np.abs(table[3:] - 0.5) > 0.501):
        raise ValueError(
            "losses() needs D_real and D_fake in [0, 1]; if they are logits, apply the sigmoid"
        )
    return table


def _plane_points(caller: str, name: str, cloud: ArrayLike) -> NDArray[np.number]:
    """Points (n, 2) as an array (2, n), checked."""
    xy = np.asarray(cloud)
    if xy.shape[1:] != (2,) or xy.dtype.kind not in "fiu":
        hint = "grid() shows images, points are pairs of numbers"
        raise ValueError(
            f"{caller}() needs {name} points of shape (n, 2), got {xy.dtype} {xy.shape}; {hint}"
        )
    return np.transpose(xy[: points_shown(len(xy), name)])


def _chart_figure(width: int, height: int) -> Figure:
    """An empty figure whose parts are arranged so that all text fits in."""
    figure = empty_figure(width, height)
    figure.set_layout_engine("constrained", w_pad=0.08, h_pad=0.06)
    return figure


def _style(axes: Axes) -> Axes:
    """The look that all charts share: a light grid, no frame, small dark text."""
    axes.set_facecolor("white")
    axes.spines[:].set_visible(False)
    axes.grid(True, color="#e6e6e6", lw=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(colors=INK, labelsize=8, length=0, pad=6)
    for label in (axes.xaxis.label, axes.yaxis.label):
        label.set(color=INK, size=9)
    return axes


def _draw_equilibrium(
    axes: Axes, equilibrium: tuple[float, float], labels: tuple[str, str] | None
) -> None:
    """A dashed line at each loss; one for both if they are equal."""
    of_D, of_G = equilibrium
    label_D, label_G = labels or (_level_text(of_D), _level_text(of_G))
    if of_D == of_G:
        _draw_level(axes, of_D, label_D, GREY, va="top")
        return
    _draw_level(axes, of_D, label_D, BLUE, va="bottom" if of_D > of_G else "top")
    _draw_level(axes, of_G, label_G, RED, va="bottom" if of_G > of_D else "top")


def _draw_level(
    axes: Axes, value: float, text: str, colour: str, va: Literal["bottom", "center", "top"]
) -> None:
    """A dashed horizontal line with a text at its right end."""
    axes.axhline(value, color=colour, lw=0.8, ls=(0, (5, 4)), zorder=1)
    axes.text(1.01, value, text, color=colour, size=8, va=va, transform=axes.get_yaxis_transform())


def _level_text(value: float) -> str:
    """A multiple of ln 2 as such, any other number with three digits."""
    multiple = value / LN2
    if value == 0 or not multiple.is_integer():
        return f"{value:.3g}"
    return {1: "ln 2", -1: "-ln 2"}.get(int(multiple), f"{multiple:.0f} ln 2")


def _finish(figure: Figure, title: str | None) -> Figure:
    """Add the legends and the title."""
    for axes in figure.axes:
        if axes.get_legend_handles_labels()[0]:
            axes.legend(
                loc="lower left",
                bbox_to_anchor=(0, 1),
                ncols=2,
                frameon=False,
                borderpad=0,
                fontsize=9,
                labelcolor=INK,
            )
    if title:
        figure.suptitle(title, color=INK, fontsize=10)
    return figure
