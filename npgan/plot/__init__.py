"""Pictures: grids of images, clouds of points, learning curves, animations.

The only module that imports matplotlib. Every function builds its own Figure on the Agg canvas and leaves
pyplot alone: no display is needed, and a caller's own figures, backend and style stay as they are.
"""

from __future__ import annotations

import io
import math
import os
import secrets
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike, NDArray
from PIL import Image

Pixels = NDArray[np.uint8]

DPI = 128  # a power of two: pixels / DPI * DPI is exact, so rounding never costs a figure a row
GUTTER = 72  # the grey between tiled images: apart from black and from white, and quieter than both
CAPTION = 28  # pixels
INK, FAINT = "#2b2b2b", "#8a8a8a"
BLUE, RED = (
    "#0072b2",
    "#d55e00",
)  # Okabe and Ito (2008): D and real data are blue, G and its fakes red
VERDICT = LinearSegmentedColormap.from_list("verdict", ["#e08a4a", "#f7f5f2", "#5aa2cf"])
LEGEND: Any = {"ncols": 2, "frameon": False, "borderpad": 0, "fontsize": 9, "labelcolor": INK}
LN2 = math.log(2)
TO_UINT8 = "((x + 1) * 127.5).round().astype(np.uint8) brings pixels in [-1, 1] to uint8"
HISTORY = ("epoch", "loss_D", "loss_G", "D_real", "D_fake")


def as_images(x: ArrayLike, shape: Sequence[int]) -> Pixels:
    """Give flat images their shape: (n, pixels) uint8 -> (n, *shape), shape being (h, w) or (h, w, 3)."""
    x, shape = np.asarray(x), tuple(shape)
    if len(shape) not in (2, 3) or shape[2:] not in ((), (1,), (3,)) or min(shape) < 1:
        raise ValueError(f"as_images() needs an image shape (h, w) or (h, w, 3), got {shape}")
    if x.dtype != np.uint8 or x.ndim != 2 or x.shape[1] != math.prod(shape):
        hint = "is that the shape of one image?" if x.dtype == np.uint8 else TO_UINT8
        raise ValueError(
            f"as_images() needs uint8 of shape (n, {math.prod(shape)}) for images of shape {shape}, "
            f"got {x.dtype} {x.shape}; {hint}"
        )
    return x.reshape(-1, *shape)


def tile(images: ArrayLike, columns: int | None = None, pad: int = 2) -> Pixels:
    """Lay n images out, row by row, as one picture with a grey gutter of `pad` pixels around each.

    images (n, h, w), (n, h, w, 1) or (n, h, w, 3) uint8  ->  (H, W) or (H, W, 3) uint8
    columns: ceil(sqrt(n)) unless given; what the last row lacks stays grey.
    """
    images = _images("tile", images)
    if images.shape[3:] == (1,):
        images = images[..., 0]
    n, h, w, *colour = images.shape
    columns = math.isqrt(n - 1) + 1 if columns is None else _whole("columns", columns, 1)
    rows, pad = -(-n // columns), _whole("pad", pad, 0)

    cells = np.full((rows * columns, h + pad, w + pad, *colour), GUTTER, np.uint8)
    cells[:n, pad:, pad:] = images
    cells = cells.reshape(rows, columns, h + pad, w + pad, *colour).swapaxes(1, 2)
    picture = np.full(
        (rows * (h + pad) + pad, columns * (w + pad) + pad, *colour), GUTTER, np.uint8
    )
    picture[: rows * (h + pad), : columns * (w + pad)] = cells.reshape(
        rows * (h + pad), -1, *colour
    )
    return picture


def grid(
    images: ArrayLike, columns: int | None = None, title: str | None = None, scale: int = 3
) -> Figure:
    """Show n images, tiled; each image pixel is exactly scale x scale pixels of the figure.

    images (n, h, w) or (n, h, w, 3) uint8. A title adds one slim line above the picture.
    """
    return _show(tile(_images("grid", images), columns), scale, title)


def interpolation(rows: ArrayLike, scale: int = 3, title: str | None = None) -> Figure:
    """Show walks through the latent space, one a row: rows (r, steps, h, w) or (r, steps, h, w, 3) uint8."""
    rows = _images("interpolation", rows, lead="r, steps")
    return _show(tile(rows.reshape(-1, *rows.shape[2:]), columns=rows.shape[1]), scale, title)


def pairs(
    left: ArrayLike,
    right: ArrayLike,
    columns: int = 8,
    gap: int = 0,
    scale: int = 2,
    title: str | None = None,
) -> Figure:
    """Show n images, each with its partner beside it; after `gap` rows there is a space, if gap > 0.

    left, right (n, h, w) or (n, h, w, 3) uint8, of one shape.
    """
    left, right = _images("pairs", left), _images("pairs", right)
    if left.shape != right.shape:
        raise ValueError(f"pairs() needs two sets of one shape, got {left.shape} and {right.shape}")
    both = np.concatenate([left, right], axis=2)
    first = _whole("gap", gap, 0) * _whole("columns", columns, 1)
    parts = [tile(part, columns, pad=6) for part in (both[:first], both[first:]) if len(part)]
    return _show(np.concatenate(parts), scale, title)


def points(samples: ArrayLike, real: ArrayLike | None = None, title: str | None = None) -> Figure:
    """Scatter generated points (n, 2) over real ones (m, 2), both axes to one scale."""
    figure = _chart(640, 640)
    axes = _style(figure.add_subplot())
    if real is not None:
        axes.plot(
            *_plane("points", "real", real), "o", color=BLUE, ms=5, mew=0, alpha=0.3, label="real"
        )
    fake = _plane("points", "generated", samples)
    axes.plot(*fake, "o", color=RED, ms=3, mew=0, alpha=0.7, label="generated")
    axes.set_aspect("equal", adjustable="datalim")
    return _finish(figure, title)


def surface(
    score: Callable[[NDArray[np.float32]], ArrayLike],
    real: ArrayLike,
    fake: ArrayLike,
    extent: float = 1.5,
    title: str | None = None,
) -> Figure:
    """Show what D believes over the square [-extent, extent]², with real and fake points on it.

    score: (n, 2) float32 -> (n,) probabilities that a point is real, in [0, 1]. It is called once.
    real (m, 2), fake (k, 2). The thin line is D(x) = 1/2, where D cannot tell.
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

    figure = _chart(740, 640)
    axes = _style(figure.add_subplot())
    filled = axes.contourf(x, y, p, levels=np.linspace(0, 1, 22), cmap=VERDICT)
    if p.min() < 0.5 < p.max():
        axes.contour(x, y, p, levels=[0.5], colors=INK, linewidths=0.8)
    for name, cloud, colour in (("real", real, BLUE), ("generated", fake, RED)):
        axes.plot(
            *_plane("surface", name, cloud),
            "o",
            color=colour,
            ms=4,
            mec="white",
            mew=0.5,
            label=name,
        )
    axes.set(xlim=(-extent, extent), ylim=(-extent, extent), aspect="equal")
    bar = figure.colorbar(filled, ax=axes, ticks=[0, 0.25, 0.5, 0.75, 1], shrink=0.8, aspect=28)
    bar.ax.spines[:].set_visible(False)
    bar.ax.tick_params(colors=INK, labelsize=8, length=0)
    bar.set_label("D(x), the probability of being real", color=INK, fontsize=9)
    return _finish(figure, title)


def losses(
    history: Mapping[str, Sequence[float]],
    title: str | None = None,
    equilibrium: tuple[float, float] | None = (2 * LN2, LN2),
) -> Figure:
    """Draw the losses (nats) and D's mean verdicts (probabilities) over the epochs.

    history: equal-length lists "epoch", "loss_D", "loss_G", "D_real", "D_fake"; other keys are ignored.
    equilibrium: the losses of D and of G where D can no longer tell, D(x) = 1/2 (Goodfellow et al. 2014,
    section 4.1); None leaves the two lines out. A NaN leaves a gap.
    """
    epoch, loss_D, loss_G, D_real, D_fake = table = _table(history)
    figure = _chart(900, 680)
    upper, lower = (
        _style(axes) for axes in figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
    )

    if equilibrium is not None:
        if equilibrium[0] == equilibrium[1]:  # one line for both
            marks = [(equilibrium[0], math.inf, FAINT)]
        else:
            marks = list(zip(equilibrium, equilibrium[::-1], (BLUE, RED), strict=True))
        for value, other, colour in marks:
            text = {2 * LN2: "2 ln 2", LN2: "ln 2", -LN2: "-ln 2"}.get(value, f"{value:.3g}")
            _reference(upper, value, text, colour, va="bottom" if value > other else "top")
    _reference(lower, 0.5, "½", FAINT, va="center")
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


def pixels(figure: Figure) -> Pixels:
    """Render a figure: (H, W, 3) uint8, fit to be a frame for `animate`."""
    agg = isinstance(figure.canvas, FigureCanvasAgg)
    canvas: Any = figure.canvas if agg else FigureCanvasAgg(figure)
    canvas.draw()
    return np.array(canvas.buffer_rgba())[..., :3]


def save(figure: Figure, path: str | os.PathLike[str]) -> None:
    """Write a figure as PNG, whole or not at all; the same figure gives the same bytes.

    Creates no directory. Raises OSError when the file cannot be written; an older one then stays as it was.
    """
    if not isinstance(figure, Figure):
        raise ValueError(
            f"save() needs a Figure, such as grid() returns, got {type(figure).__name__}"
        )
    _write("save", ".png", path, Image.fromarray(pixels(figure)), dpi=(figure.dpi, figure.dpi))


def animate(
    frames: Sequence[Pixels] | Pixels,
    path: str | os.PathLike[str],
    seconds_per_frame: float = 0.25,
    hold: float = 2.0,
    scale: int = 2,
) -> None:
    """Write pictures of one shape, such as `tile` or `pixels` return, as a GIF that loops for ever.

    frames (H, W) or (H, W, 3) uint8; seconds to a hundredth; `hold` is how long the last frame stays.
    Grey frames keep 32 shades, for a file a third smaller; a frame equal to the one before prolongs that.
    Written whole or not at all, as by `save`.
    """
    scale, pictures = _whole("scale", scale, 1), [np.asarray(frame) for frame in frames]
    shapes = sorted({picture.shape for picture in pictures})
    if len(shapes) != 1:
        raise ValueError(f"animate() needs frames of one shape, got {shapes or 'no frame'}")
    _images("animate", pictures)
    seconds = [seconds_per_frame] * (len(pictures) - 1) + [hold]
    if not 0.01 <= min(seconds) <= max(seconds) <= 655:
        raise ValueError(
            f"a GIF frame lasts 0.01 to 655 s, got {seconds_per_frame!r} and hold={hold!r}"
        )
    first, *others = (_gif_frame(picture, scale) for picture in pictures)
    duration = [10 * round(100 * s) for s in seconds]
    _write(
        "animate",
        ".gif",
        path,
        first,
        save_all=True,
        append_images=others,
        duration=duration,
        loop=0,
    )


def read(path: str | os.PathLike[str]) -> Pixels:
    """A picture that `save` wrote, as (H, W, 3) uint8."""
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def _gif_frame(picture: Pixels, scale: int) -> Image.Image:
    picture = picture.repeat(scale, axis=0).repeat(scale, axis=1)
    grey = picture.reshape(*picture.shape[:2], -1)[..., 0]
    if picture.ndim == 3 and np.any(picture != grey[..., None]):
        return Image.fromarray(picture)
    shades = (grey.astype(np.uint16) * 31 + 127) // 255
    image = Image.fromarray(shades.astype(np.uint8))
    image.putpalette(np.linspace(0, 255, 32).round().astype(np.uint8).repeat(3).tobytes())
    return image


def _images(caller: str, images: ArrayLike, lead: str = "n") -> Pixels:
    images, axes = np.asarray(images), lead.count(",") + 3
    wrong = images.ndim < axes or images.shape[axes:] not in ((), (1,), (3,))
    if wrong or images.dtype != np.uint8 or not images.size:
        raise ValueError(
            f"{caller}() needs uint8 images of shape ({lead}, h, w) or ({lead}, h, w, 3), "
            f"got {images.dtype} {images.shape}; {_cure(images)}"
        )
    return images


def _cure(x: NDArray[np.generic]) -> str:
    if not x.size:
        return "there is nothing to draw"
    if x.dtype != np.uint8 and x.ndim != 2:
        return TO_UINT8
    return "as_images(x, (28, 28)) gives flat images their shape"


def _whole(name: str, value: int, least: int) -> int:
    if not isinstance(value, (int, np.integer)) or value < least:
        raise ValueError(f"{name} must be a whole number of at least {least}, got {value!r}")
    return int(value)


def _plane(caller: str, name: str, cloud: ArrayLike) -> NDArray[Any]:
    xy = np.asarray(cloud)
    if xy.shape[1:] != (2,) or xy.dtype.kind not in "fiu":
        hint = "grid() shows images, points are pairs of numbers"
        raise ValueError(
            f"{caller}() needs {name} points of shape (n, 2), got {xy.dtype} {xy.shape}; {hint}"
        )
    return np.transpose(xy)


def _table(history: Mapping[str, Sequence[float]]) -> NDArray[np.float64]:
    if not isinstance(history, Mapping) or not set(HISTORY) <= set(history):
        found = (
            f"the keys {', '.join(history)}"
            if isinstance(history, Mapping)
            else type(history).__name__
        )
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


def _figure(width: int, height: int) -> Figure:
    figure = Figure(figsize=(width / DPI, height / DPI), dpi=DPI, facecolor="white")
    figure.set_layout_engine("none")  # even where the caller's style asks for one
    FigureCanvasAgg(figure)
    return figure


def _chart(width: int, height: int) -> Figure:
    figure = _figure(width, height)
    figure.set_layout_engine("constrained", w_pad=0.08, h_pad=0.06)
    return figure


def _show(picture: Pixels, scale: int, title: str | None) -> Figure:
    height, width = (_whole("scale", scale, 1) * side for side in picture.shape[:2])
    total = height + (CAPTION if title else 0)
    figure = _figure(width, total)
    axes = figure.add_axes((0, 0, 1, height / total))
    if picture.ndim == 2:  # as RGB: through a grey colour map some levels would come out one lower
        picture = np.stack([picture] * 3, axis=-1)
    axes.imshow(picture, interpolation="nearest", origin="upper", aspect="auto")
    axes.set_axis_off()
    if title:
        middle = 1 - CAPTION / 2 / total
        caption = figure.text(0.5, middle, title, ha="center", va="center", color=INK, fontsize=9)
        caption.set_fontsize(9 * min(1, 0.96 * width / caption.get_window_extent().width))
    return figure


def _style(axes: Axes) -> Axes:
    axes.set_facecolor("white")
    axes.spines[:].set_visible(False)
    axes.grid(True, color="#e6e6e6", lw=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(colors=INK, labelsize=8, length=0, pad=6)
    for label in (axes.xaxis.label, axes.yaxis.label):
        label.set(color=INK, size=9)
    return axes


def _reference(axes: Axes, value: float, text: str, colour: str, va: str) -> None:
    axes.axhline(value, color=colour, lw=0.8, ls=(0, (5, 4)), zorder=1)
    axes.text(1.01, value, text, color=colour, size=8, va=va, transform=axes.get_yaxis_transform())


def _finish(figure: Figure, title: str | None) -> Figure:
    for axes in figure.axes:
        if axes.get_legend_handles_labels()[0]:
            axes.legend(loc="lower left", bbox_to_anchor=(0, 1), **LEGEND)
    if title:
        figure.suptitle(title, color=INK, fontsize=10)
    return figure


def _write(
    caller: str, suffix: str, path: str | os.PathLike[str], image: Image.Image, **how: Any
) -> None:
    path = os.fspath(path)
    if not path.lower().endswith(suffix):
        raise ValueError(
            f"{caller}() writes {suffix} files, got {path!r}; give a name that ends in {suffix}"
        )
    buffer = io.BytesIO()
    image.save(buffer, suffix[1:], **how)
    temp = os.path.join(os.path.dirname(path), f".npgan-{secrets.token_hex(8)}.tmp")
    try:
        with open(temp, "xb") as file:
            file.write(buffer.getvalue())
        os.replace(temp, path)
    except BaseException as error:
        with suppress(OSError):
            os.remove(temp)
        if isinstance(error, OSError) and error.errno:  # name the file that was asked for
            raise OSError(error.errno, error.strerror, path) from None
        raise
