"""Pictures: exact pixels, honest layouts, whole files, clear refusals."""

import errno
import math
import os
import subprocess
import sys
import weakref

import matplotlib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure
from PIL import Image

from npgan import plot
from npgan.plot.charts import HISTORY
from npgan.plot.grids import CAPTION, GUTTER
from npgan.plot.limits import MAX_PIXELS, MAX_SIDE, fit_picture

RNG = np.random.default_rng(0)
DIGITS = RNG.integers(0, 256, (10, 28, 28), dtype=np.uint8)
COLOURS = RNG.integers(0, 256, (7, 5, 4, 3), dtype=np.uint8)
RING = RNG.standard_normal((50, 2)).astype(np.float32)

small = st.integers(1, 6)


def enlarge(picture, scale):
    return picture.repeat(scale, axis=0).repeat(scale, axis=1)


def as_rgb(picture):
    return picture if picture.ndim == 3 else np.stack([picture] * 3, axis=-1)


def history(epochs):
    t = np.arange(epochs) / epochs
    return {
        "epoch": list(range(1, epochs + 1)),
        "seconds": [1.0] * epochs,
        "loss_D": list(0.5 + t),
        "loss_G": list(3 - 2 * t),
        "D_real": list(0.9 - 0.4 * t),
        "D_fake": list(0.1 + 0.4 * t),
    }


def half(xy):
    return np.full(len(xy), 0.5)


def half_plane(xy):
    assert xy.dtype == np.float32
    assert xy.shape[1] == 2
    return 1 / (1 + np.exp(-4 * xy[:, 0]))


# --- tile


@settings(deadline=None)
@given(
    st.integers(1, 20),
    st.none() | small,
    small,
    small,
    st.integers(0, 3),
    st.sampled_from([(), (1,), (3,)]),
)
def test_tile_puts_every_image_in_its_cell_and_grey_everywhere_else(n, columns, h, w, pad, colour):
    images = np.random.default_rng(n).integers(0, 256, (n, h, w, *colour), dtype=np.uint8)
    picture = plot.tile(images, columns, pad)
    columns = columns or math.ceil(math.sqrt(n))
    rows = math.ceil(n / columns)
    size = (rows * (h + pad) + pad, columns * (w + pad) + pad)
    assert picture.dtype == np.uint8
    assert picture.shape == size + ((3,) if colour == (3,) else ())

    expected = np.full((*size, *colour), GUTTER, np.uint8)
    for i, image in enumerate(images):
        top, left = pad + i // columns * (h + pad), pad + i % columns * (w + pad)
        expected[top : top + h, left : left + w] = image
    np.testing.assert_array_equal(picture, expected.reshape(picture.shape))


def test_tile_leaves_its_input_alone():
    before = DIGITS.copy()
    plot.tile(DIGITS)[:] = 0
    np.testing.assert_array_equal(DIGITS, before)


# --- grid and interpolation


@settings(max_examples=40, deadline=None)
@given(
    st.integers(1, 12),
    st.none() | small,
    st.integers(1, 31),
    st.integers(1, 31),
    st.integers(1, 4),
    st.booleans(),
)
def test_grid_is_pixel_exact(n, columns, h, w, scale, colour):
    shape = (n, h, w, 3) if colour else (n, h, w)
    images = np.random.default_rng(h).integers(0, 256, shape, dtype=np.uint8)
    rendered = plot.pixels(plot.grid(images, columns, scale=scale))
    np.testing.assert_array_equal(rendered, as_rgb(enlarge(plot.tile(images, columns), scale)))


def test_grid_keeps_every_grey_level():
    ramp = np.arange(256, dtype=np.uint8).reshape(1, 16, 16)
    np.testing.assert_array_equal(plot.pixels(plot.grid(ramp, scale=1))[2:-2, 2:-2, 0], ramp[0])


@pytest.mark.parametrize("title", ["epoch 3", "a title that is much too long for one digit alone"])
def test_a_title_adds_one_line_above_and_moves_no_pixel(title):
    bare = plot.pixels(plot.grid(DIGITS[:1]))
    titled = plot.pixels(plot.grid(DIGITS[:1], title=title))
    caption = titled[:CAPTION]
    np.testing.assert_array_equal(titled[CAPTION:], bare)
    assert caption.min() < 200, "the caption shows"
    assert (caption[:, [0, -1]] == 255).all(), "the caption fits"


@pytest.mark.parametrize("side", [29, 57, 58, 113, 116, 1001])
def test_no_row_of_pixels_is_lost_to_rounding(side):
    figure = plot.grid(np.zeros((1, side - 4, side - 4), np.uint8), scale=1)
    assert plot.pixels(figure).shape == (side, side, 3)


@pytest.mark.filterwarnings("error")
def test_the_callers_matplotlib_style_changes_no_pixel():
    plain = plot.pixels(plot.grid(DIGITS))
    style = {
        "figure.autolayout": True,
        "figure.dpi": 31,
        "figure.facecolor": "black",
        "image.origin": "lower",
        "image.cmap": "jet",
        "savefig.bbox": "tight",
    }
    with matplotlib.rc_context(style):
        np.testing.assert_array_equal(plot.pixels(plot.grid(DIGITS)), plain)


def test_grid_draws_one_image_on_one_axes():
    figure = plot.grid(DIGITS)
    assert len(figure.axes) == 1
    assert len(figure.axes[0].images) == 1


@pytest.mark.parametrize("colour", [(), (1,), (3,)])
def test_interpolation_is_a_grid_with_one_walk_per_row(colour):
    walks = RNG.integers(0, 256, (3, 5, 6, 4, *colour), dtype=np.uint8)
    picture = plot.tile(walks.reshape(15, 6, 4, *colour), columns=5)
    np.testing.assert_array_equal(
        plot.pixels(plot.interpolation(walks, scale=2)), as_rgb(enlarge(picture, 2))
    )


@pytest.mark.parametrize("shape", [(28, 28), (14, 56), (7, 112, 1)])
def test_as_images_gives_flat_pixels_their_shape(shape):
    images = plot.as_images(DIGITS.reshape(10, 784), shape)
    assert images.shape == (10, *shape)
    np.testing.assert_array_equal(images.ravel(), DIGITS.ravel())


# --- charts


@pytest.mark.parametrize("epochs", [1, 2, 300])
def test_losses_draws_every_value(epochs):
    h = history(epochs)
    figure = plot.losses(h, title="a run")
    upper, lower = figure.axes
    lines = {line.get_label(): line for axes in (upper, lower) for line in axes.lines}
    for label, key in zip(
        ("discriminator", "generator", "D(real)", "D(fake)"),
        ("loss_D", "loss_G", "D_real", "D_fake"),
        strict=True,
    ):
        np.testing.assert_allclose(lines[label].get_xdata(), h["epoch"])
        np.testing.assert_allclose(lines[label].get_ydata(), h[key])
        low, high = lines[label].axes.get_ylim()
        assert low <= min(h[key]) <= max(h[key]) <= high
    assert (lines["generator"].get_marker() == "o") == (epochs < 300), "one epoch alone must show"
    assert len(np.unique(plot.pixels(figure).reshape(-1, 3), axis=0)) > 10
    ticks = lower.get_xticks()
    np.testing.assert_array_equal(ticks, np.round(ticks))


def test_losses_marks_the_equilibrium():
    def dashed(**options):
        axes = plot.losses(history(5), **options).axes[0]
        levels = [line.get_ydata()[0] for line in axes.lines if line.get_linestyle() == "--"]
        return levels, [text.get_text() for text in axes.texts]

    assert dashed() == ([2 * math.log(2), math.log(2)], ["2 ln 2", "ln 2"])
    assert dashed(equilibrium=(0.5, 0.25)) == ([0.5, 0.25], ["0.5", "0.25"])
    assert dashed(equilibrium=(-2 * math.log(2), -math.log(2)))[1] == ["-2 ln 2", "-ln 2"]
    assert dashed(equilibrium=(2.0, 0.0)) == ([2.0, 0.0], ["2", "0"])
    assert dashed(equilibrium=(math.log(2), math.log(2))) == ([math.log(2)], ["ln 2"])
    assert dashed(equilibrium=(0.5, 0.25), labels=("½", "¼")) == ([0.5, 0.25], ["½", "¼"])
    assert dashed(equilibrium=(0.5, 0.5), labels=("one", "two")) == ([0.5], ["one"])
    assert dashed(equilibrium=None) == ([], [])


def test_losses_survives_a_run_that_diverged():
    h = history(10)
    h["loss_D"][4:] = [math.nan] * 6
    h["loss_G"][8] = math.inf
    h["D_fake"][9] = math.nan
    assert plot.pixels(plot.losses(h)).shape[2] == 3
    h["loss_D"] = h["loss_G"] = [math.nan] * 10
    assert plot.pixels(plot.losses(h, equilibrium=None)).shape[2] == 3


def test_losses_shows_negative_losses():
    h = history(4)
    h["loss_D"] = [-5.0, -4.0, -3.0, -2.0]
    assert plot.losses(h, equilibrium=None).axes[0].get_ylim()[0] < -5


@pytest.mark.parametrize("real", [None, RING])
def test_points_draws_every_point_to_one_scale(real):
    figure = plot.points(RING + 1, real, title="ring")
    (axes,) = figure.axes
    np.testing.assert_array_equal(axes.lines[-1].get_xydata(), RING + 1)
    assert axes.get_aspect() == 1
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["real"] * (
        real is not None
    ) + ["generated"]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    "score", [half_plane, lambda xy: half_plane(xy)[:, None], lambda xy: xy[:, 0] > 0]
)
def test_surface_draws_the_boundary_and_the_points(score):
    figure = plot.surface(score, RING, RING[:5], extent=2, title="D")
    axes = figure.axes[0]
    assert axes.get_xlim() == axes.get_ylim() == (-2, 2)
    assert [len(line.get_xdata()) for line in axes.lines] == [50, 5]
    picture = plot.pixels(figure).astype(int)
    assert picture[320, 150, 0] > picture[320, 150, 2] + 50, "the left is red: called fake"
    assert (picture[80:560, 150:500].max(axis=-1).min(axis=1) < 120).mean() > 0.95, (
        "a dark line between"
    )
    assert picture[320, 500, 2] > picture[320, 500, 0] + 50, "the right is blue: called real"


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(("p", "low", "high"), [(0, -255, -50), (0.5, -6, 6), (1, 50, 255)])
def test_surface_of_a_constant_verdict(p, low, high):
    outside = [[9.0, 9.0]]
    picture = plot.pixels(plot.surface(lambda xy: np.full(len(xy), p), outside, outside)).astype(
        int
    )
    red, _, blue = picture[320, 320]
    assert low <= blue - red <= high


# --- files


def test_save_writes_what_is_rendered_and_the_same_bytes_each_time(tmp_path):
    figure = plot.grid(DIGITS, title="t")
    plot.save(figure, tmp_path / "a.png")
    plot.save(figure, str(tmp_path / "b.png"))
    plot.save(plot.grid(DIGITS, title="t"), tmp_path / "c.PNG")
    a, b, c = ((tmp_path / name).read_bytes() for name in ("a.png", "b.png", "c.PNG"))
    assert a == b == c
    with Image.open(tmp_path / "a.png") as image:
        np.testing.assert_array_equal(np.asarray(image), plot.pixels(figure))
        assert set(image.info) == {"dpi"}
    assert sorted(os.listdir(tmp_path)) == ["a.png", "b.png", "c.PNG"]


def test_save_in_the_working_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    plot.save(plot.grid(DIGITS), "grid.png")
    assert os.listdir(tmp_path) == ["grid.png"]


def test_save_leaves_the_figure_its_canvas():
    figure = plot.grid(DIGITS)
    canvas = figure.canvas
    plot.pixels(figure)
    assert figure.canvas is canvas


def write_png(path):
    plot.save(plot.grid(DIGITS), path)


def write_gif(path):
    plot.animate([plot.tile(DIGITS)], path)


@pytest.mark.parametrize(("write", "name"), [(write_png, "x.png"), (write_gif, "x.gif")])
def test_a_failing_write_raises_oserror_and_leaves_the_old_file_alone(
    write, name, tmp_path, monkeypatch
):
    def full(source, target):
        raise OSError(errno.ENOSPC, "No space left on device", source)

    path = tmp_path / name
    path.write_bytes(b"old")
    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", full)
        with pytest.raises(OSError, match="No space left") as caught:
            write(path)
    assert caught.value.filename == str(path)
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == [name]

    write(path)
    assert path.read_bytes() != b"old"


@pytest.mark.parametrize(("write", "name"), [(write_png, "x.png"), (write_gif, "x.gif")])
def test_no_directory_is_created_and_none_replaced(write, name, tmp_path):
    with pytest.raises(FileNotFoundError) as caught:
        write(tmp_path / "absent" / name)
    assert caught.value.filename == str(tmp_path / "absent" / name)
    (tmp_path / name).mkdir()
    with pytest.raises(OSError, match=name):
        write(tmp_path / name)
    assert os.listdir(tmp_path) == [name]


CHARTS = {
    "losses": lambda: plot.losses(
        dict(epoch=[1, 2, 3], loss_D=[1.4, 1.2, 1e3], loss_G=[0.7, 0.9, 1], D_real=[0.5] * 3, D_fake=[0.4] * 3)
    ),
    "points": lambda: plot.points(np.random.default_rng(0).standard_normal((50, 2)) * [1, 1e4], title="t"),
    "surface": lambda: plot.surface(lambda x: np.full(len(x), 0.3), np.zeros((3, 2)), np.ones((3, 2))),
    "grid": lambda: plot.grid(np.zeros((4, 5, 5), np.uint8), title="t"),
}  # fmt: skip


@pytest.mark.parametrize("name", CHARTS)
def test_a_figure_that_is_drawn_again_has_the_same_pixels(name, tmp_path):
    figure = CHARTS[name]()
    first = plot.pixels(figure)
    plot.save(figure, tmp_path / "a.png")
    plot.save(figure, tmp_path / "b.png")
    np.testing.assert_array_equal(plot.read(tmp_path / "a.png"), first)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    assert figure._repr_png_() == (tmp_path / "a.png").read_bytes()
    assert np.array_equal(plot.pixels(CHARTS[name]()), first)
    figure.suptitle("a change is drawn")
    assert not np.array_equal(plot.pixels(figure), first)


@pytest.mark.skipif(os.name != "posix", reason="devices of Unix")
def test_a_device_is_no_picture(tmp_path):
    (tmp_path / "a.png").symlink_to("/dev/zero")
    with pytest.raises(OSError, match="no regular file"):
        plot.figures.read(tmp_path / "a.png")


def test_an_interrupted_write_leaves_nothing(tmp_path, monkeypatch):
    def interrupt(source, target):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_png(tmp_path / "x.png")
    assert os.listdir(tmp_path) == []


# --- animations


def read_gif(path):
    with Image.open(path) as gif:
        frames, durations = [], []
        for i in range(gif.n_frames):
            gif.seek(i)
            durations.append(gif.info["duration"])
            frames.append(np.asarray(gif.convert("RGB")).astype(int))
        return frames, durations, gif.info["loop"]


def test_animate_keeps_frames_times_and_loops_for_ever(tmp_path):
    pictures = [plot.tile(DIGITS[i : i + 4]) for i in range(5)]
    plot.animate(pictures, tmp_path / "a.gif", seconds_per_frame=0.1, hold=1.5, scale=3)
    frames, durations, loop = read_gif(tmp_path / "a.gif")
    assert durations == [100] * 4 + [1500]
    assert loop == 0
    for frame, picture in zip(frames, pictures, strict=True):
        assert np.abs(frame - as_rgb(enlarge(picture, 3))).max() <= 5, (
            "32 shades lie 8 levels apart"
        )

    plot.animate(np.stack(pictures), tmp_path / "b.gif", seconds_per_frame=0.1, hold=1.5, scale=3)
    assert (tmp_path / "a.gif").read_bytes() == (tmp_path / "b.gif").read_bytes()


def test_animate_keeps_black_and_white_pure(tmp_path):
    black = np.zeros((4, 4), np.uint8)
    plot.animate([black, ~black], tmp_path / "a.gif", scale=1)
    frames, _, _ = read_gif(tmp_path / "a.gif")
    assert (frames[0] == 0).all()
    assert (frames[1] == 255).all()


@pytest.mark.parametrize("shape", [(8, 6), (8, 6, 1), (8, 6, 3)])
def test_animate_takes_one_frame_and_colours(shape, tmp_path):
    picture = RNG.integers(0, 256, shape, dtype=np.uint8)
    plot.animate([picture], tmp_path / "a.gif", hold=3)
    (frame,), durations, loop = read_gif(tmp_path / "a.gif")
    assert frame.shape == (16, 12, 3)
    assert (durations, loop) == ([3000], 0)
    np.testing.assert_allclose(
        frame[::2, ::2],
        np.broadcast_to(picture, (8, 6, 3)) if shape[2:] else as_rgb(picture),
        atol=5,
    )


def test_grey_pictures_read_back_from_png_make_the_small_grey_gif(tmp_path):
    figure = plot.grid(DIGITS, scale=2)
    plot.save(figure, tmp_path / "a.png")
    picture = plot.read(tmp_path / "a.png")
    np.testing.assert_array_equal(picture, plot.pixels(figure))
    plot.animate([picture], tmp_path / "rgb.gif", scale=1)
    plot.animate([plot.tile(DIGITS)], tmp_path / "grey.gif", scale=2)
    assert (tmp_path / "rgb.gif").read_bytes() == (tmp_path / "grey.gif").read_bytes()


def test_equal_frames_only_prolong_the_first(tmp_path):
    still, other = plot.tile(DIGITS[:1]), plot.tile(DIGITS[1:2])
    plot.animate([still, still, still, other], tmp_path / "a.gif", seconds_per_frame=0.2, hold=1)
    assert read_gif(tmp_path / "a.gif")[1] == [600, 1000]


def test_figures_can_be_animated(tmp_path):
    plot.animate([plot.pixels(plot.points(RING * k)) for k in (1, 2)], tmp_path / "a.gif", scale=1)
    assert len(read_gif(tmp_path / "a.gif")[0]) == 2


# --- refusals

floats = RNG.standard_normal((64, 784)).astype(np.float32)
ragged = {**history(3), "loss_G": [1.0]}
logits = {**history(1), "D_real": [4.0]}
REFUSALS = {
    "grid of flat floats": (
        lambda: plot.grid(floats),
        "grid() needs uint8 images of shape (n, h, w) or (n, h, w, 3), got float32 (64, 784); "
        "as_images(x, (28, 28)) gives flat images their shape",
    ),
    "grid of floats": (
        lambda: plot.grid(DIGITS / 255),
        "got float64 (10, 28, 28); ((x + 1) * 127.5)",
    ),
    "grid of nothing": (lambda: plot.grid(DIGITS[:0]), "there is nothing to draw"),
    "grid of four channels": (
        lambda: plot.grid(np.zeros((2, 5, 5, 4), np.uint8)),
        "got uint8 (2, 5, 5, 4)",
    ),
    "grid columns": (
        lambda: plot.grid(DIGITS, columns=0),
        "columns must be a whole number of at least 1, got 0",
    ),
    "grid scale": (
        lambda: plot.grid(DIGITS, scale=1.5),
        "scale must be a whole number of at least 1, got 1.5",
    ),
    "tile": (lambda: plot.tile(DIGITS[0]), "tile() needs uint8 images"),
    "tile pad": (
        lambda: plot.tile(DIGITS, pad=-1),
        "pad must be a whole number of at least 0, got -1",
    ),
    "interpolation": (
        lambda: plot.interpolation(DIGITS),
        "shape (r, steps, h, w) or (r, steps, h, w, 3), got",
    ),
    "as_images pixels": (
        lambda: plot.as_images(DIGITS.reshape(10, 784), (32, 32)),
        "as_images() needs uint8 of shape (n, 1024) for images of shape (32, 32), got uint8 (10, 784)",
    ),
    "as_images floats": (
        lambda: plot.as_images(floats, (28, 28)),
        "got float32 (64, 784); ((x + 1) * 127.5)",
    ),
    "as_images shape": (
        lambda: plot.as_images(floats, (784,)),
        "needs an image shape (h, w) or (h, w, 3), got (784,)",
    ),
    "points of images": (
        lambda: plot.points(floats),
        "points() needs generated points of shape (n, 2), got float32",
    ),
    "points real": (lambda: plot.points(RING, RING.T), "needs real points of shape (n, 2)"),
    "points of text": (lambda: plot.points([["a", "b"]]), "needs generated points"),
    "surface logits": (
        lambda: plot.surface(lambda xy: 9 * xy[:, 0], RING, RING),
        "apply the sigmoid",
    ),
    "surface nan": (
        lambda: plot.surface(lambda xy: xy[:, 0] * np.nan, RING, RING),
        "from nan to nan",
    ),
    "surface size": (lambda: plot.surface(lambda xy: [], RING, RING), "got shape (0,)"),
    "surface extent": (lambda: plot.surface(half, RING, RING, extent=0), "positive extent, got 0"),
    "surface fake": (lambda: plot.surface(half, RING, floats), "surface() needs generated points"),
    "losses key": (
        lambda: plot.losses({"epoch": [1]}),
        "needs a dict of lists epoch, loss_D, loss_G, D_real, D_fake",
    ),
    "losses list": (lambda: plot.losses([1.0]), "got list"),
    "losses ragged": (lambda: plot.losses(ragged), "'loss_G': 1"),
    "losses empty": (lambda: plot.losses({key: [] for key in HISTORY}), "one value per epoch"),
    "losses logits": (lambda: plot.losses(logits), "D_real and D_fake in [0, 1]"),
    "save array": (
        lambda: plot.save(DIGITS, "x.png"),
        "save() needs a Figure, such as grid() returns, got ndarray",
    ),
    "save pdf": (lambda: plot.save(Figure(), "x.pdf"), "save() writes .png files, got 'x.pdf'"),
    "animate png": (
        lambda: plot.animate(DIGITS, "x.png"),
        "animate() writes .gif files, got 'x.png'",
    ),
    "animate none": (lambda: plot.animate([], "x.gif"), "got no frame"),
    "animate shapes": (
        lambda: plot.animate([DIGITS[0], DIGITS[0, :5]], "x.gif"),
        "got [(5, 28), (28, 28)]",
    ),
    "animate floats": (lambda: plot.animate(DIGITS / 2, "x.gif"), "animate() needs uint8"),
    "animate time": (lambda: plot.animate(DIGITS, "x.gif", hold=0), "lasts 0.01 to 655 s"),
    "animate nan": (
        lambda: plot.animate(DIGITS, "x.gif", seconds_per_frame=math.nan),
        "lasts 0.01 to 655 s",
    ),
    "animate scale": (
        lambda: plot.animate(DIGITS, "x.gif", scale=0),
        "scale must be a whole number",
    ),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_bad_input_gets_one_clear_line(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    call, message = REFUSALS[name]
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        call()
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert os.listdir(tmp_path) == []


def test_pyplot_is_never_imported(tmp_path):
    code = f"""
import sys
import numpy as np
from npgan import plot
p = np.zeros((5, 2), np.float32)
h = dict.fromkeys({HISTORY}, [0.5])
for figure in (plot.grid(np.zeros((4, 8, 8), np.uint8), title="t"), plot.points(p, p), plot.losses(h, "t"),
               plot.surface(lambda xy: xy[:, 0] > 0, p, p)):
    plot.save(figure, {str(tmp_path / "a.png")!r})
assert "matplotlib.pyplot" not in sys.modules
"""
    environment = {**os.environ, "MPLBACKEND": "tkagg", "PYTHONPATH": os.pathsep.join(sys.path)}
    environment.pop("DISPLAY", None)
    subprocess.run([sys.executable, "-c", code], check=True, env=environment)


ALL_PICTURES = """
import hashlib, sys
import numpy as np
from npgan import plot
x = np.random.default_rng(0)
images = x.integers(0, 256, (4, 8, 8), dtype=np.uint8)
p = x.standard_normal((9, 2)).astype(np.float32)
keys = ("epoch", "loss_D", "loss_G", "D_real", "D_fake")
for figure in (plot.grid(images, title="a $title$"), plot.points(p, p, title="t_1"),
               plot.losses(dict.fromkeys(keys, [0.5, 0.25]), "t"),
               plot.surface(lambda xy: 1 / (1 + np.exp(xy[:, 0])), p, p),
               plot.pairs(images, images, title="t"), plot.interpolation(images[None])):
    print(hashlib.sha256(plot.pixels(figure).tobytes()).hexdigest())
"""
RC = """
text.usetex: True
font.family: cursive
font.size: 31
figure.facecolor: black
savefig.facecolor: red
axes.grid: True
axes.prop_cycle: cycler(color=["yellow"])
axes.unicode_minus: False
lines.markeredgewidth: 9
lines.antialiased: False
legend.loc: center
image.interpolation: bicubic
xtick.labelcolor: green
xtick.minor.visible: True
figure.constrained_layout.use: True
contour.linewidth: 7
text.color: yellow
path.sketch: 5, 100, 2
"""


def pictures(folder, rc=b"", name="matplotlibrc", **variables):
    """What all pictures are, and stderr, in a folder with this settings file."""
    (folder / name).write_bytes(rc)
    done = run_python(folder, ALL_PICTURES, **variables)
    assert done.returncode == 0, done.stderr[-500:]
    return done.stdout.splitlines(), done.stderr


def run_python(folder, code, **variables):
    """Run code in a folder, with these environment variables."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **variables}
    command = [sys.executable, "-c", code]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """All pictures without any settings."""
    drawn, said = pictures(tmp_path_factory.mktemp("plain"))
    assert (len(drawn), said) == (6, "")
    return drawn


def test_the_users_settings_and_backend_change_no_picture(tmp_path, plain):
    drawn, _ = pictures(tmp_path, RC.encode(), MPLBACKEND="module://not_installed.backend_inline")
    assert drawn == plain
    assert pictures(tmp_path, MPLBACKEND="not installed")[0] == plain


BROKEN = {
    "settings that are not UTF-8": (b"axes.grid: T\xfcrue", {"MATPLOTLIBRC": "my.rc"}),
    "unknown settings and wrong values": (b"nonsense: 1\nfont.size: abc\n", {}),
    "no directory to write to": (b"", {"MPLCONFIGDIR": "my.rc"}),
    "neither": (b"\xff", {"MATPLOTLIBRC": "my.rc", "MPLCONFIGDIR": "my.rc/below"}),
    "a cache of fonts that cannot be written": (b"", {"MPLCONFIGDIR": "config"}),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_broken_around_matplotlib_changes_no_picture_and_is_not_said(name, tmp_path, plain):
    rc, variables = BROKEN[name]
    cache = f"fontlist-v{matplotlib.font_manager.FontManager.__version__}.json"
    (tmp_path / "config" / cache).mkdir(parents=True)
    file = variables.get("MATPLOTLIBRC", "matplotlibrc")
    (tmp_path / "my.rc").touch()
    assert pictures(tmp_path, rc, file, **variables) == (plain, "")


def test_importing_matplotlib_leaves_its_log_and_the_environment_alone(tmp_path):
    code = """
import logging, os
before = dict(os.environ)
import npgan.plot
assert {**os.environ, "MPLCONFIGDIR": before["MPLCONFIGDIR"]} == before
assert logging.getLogger("matplotlib").level == logging.NOTSET
"""
    (tmp_path / "my.rc").write_bytes(b"\xff")
    variables = {"MATPLOTLIBRC": "my.rc", "MPLCONFIGDIR": os.devnull, "MPLBACKEND": "agg"}
    done = run_python(tmp_path, code, **variables)
    assert (done.returncode, done.stderr) == (0, "")


def test_settings_of_the_directory_that_cannot_be_read_are_named(tmp_path):
    (tmp_path / "matplotlibrc").write_bytes(b"\xff")
    code = "import sys; from npgan.cli import main; sys.exit(main(['noise', '--out', 'a.png']))"
    done = run_python(tmp_path, code)
    (line,) = done.stderr.splitlines()
    assert done.returncode == 1
    assert "in the file matplotlibrc of this directory" in line


def test_a_picture_leaves_the_users_settings_alone():
    with matplotlib.rc_context({"font.size": 31}):
        plot.pixels(plot.points(RING, title="t"))
        assert matplotlib.rcParams["font.size"] == 31


def test_a_figure_shows_itself_as_the_png_that_save_writes(tmp_path):
    for draw, data in ((plot.grid, DIGITS), (plot.points, RING), (plot.losses, history(2))):
        plot.save(draw(data), tmp_path / "a.png")
        assert draw(data)._repr_png_() == (tmp_path / "a.png").read_bytes()


# --- limits of size


LARGE = {
    "colour 256": ((64, 256, 256, 3), None, "pixels enlarged 1 instead of 3 times"),
    "colour 512": ((64, 512, 512, 3), None, "15 of 64 images, pixels enlarged 1"),
    "colour 512 in columns": ((64, 512, 512, 3), 32, "of 64 images"),
    "one large": ((1, 5000, 5000), None, "one pixel of each 3 x 3"),
    "long strips": ((64, 1, 100_000), None, "one pixel of each 1 x 7"),
    "strips": ((64, 1, 9000), None, "pixels enlarged 1 instead of 3 times"),
    "tall": ((8, 100_000, 1), 8, "one pixel of each 7 x 1"),
    "many": ((100_000, 28, 28), None, "of 100,000 images"),
    "many in columns": ((100_000, 28, 28), 10, "of 100,000 images"),
    "tiny and many": ((10_000_000, 1, 1), None, "of 10,000,000 images"),
}


@pytest.mark.parametrize("name", LARGE)
def test_a_large_picture_is_limited_and_a_warning_says_how(name, monkeypatch):
    drawn = []
    monkeypatch.setattr("npgan.plot.grids._picture_figure", lambda *args: drawn.append(args))
    shape, columns, said = LARGE[name]
    images = np.broadcast_to(np.uint8(7), shape)
    with pytest.warns(UserWarning) as caught:  # noqa: PT030
        plot.grid(images, columns)
    (warning,) = caught
    assert said in str(warning.message)
    assert warning.filename == __file__
    picture, scale, _ = drawn[0]
    height, width = (scale * side for side in picture.shape[:2])
    assert height * width <= MAX_PIXELS
    assert max(height, width) <= MAX_SIDE
    assert (picture == 7).any()
    small = min(MAX_PIXELS, math.prod(shape[:3]), 16_000)
    assert height * width > small / 3, "more would fit"


def test_what_a_limited_picture_shows_stays_in_its_column(monkeypatch):
    monkeypatch.setattr("npgan.plot.limits.MAX_SIDE", 40)
    images = np.repeat(np.arange(60, dtype=np.uint8), 64).reshape(60, 8, 8)  # in 10 columns
    with pytest.warns(UserWarning, match="9 of 60 images"):
        kept = fit_picture(images, 10, 1)
    assert kept[0][:, 0, 0].tolist() == [0, 1, 2, 10, 11, 12, 20, 21, 22]
    assert kept[1:] == (3, 1)


def test_pairs_and_walks_are_limited_too(monkeypatch):
    monkeypatch.setattr("npgan.plot.limits.MAX_PIXELS", 10_000)
    with pytest.warns(UserWarning, match="enlarged"):
        figure = plot.pairs(DIGITS, DIGITS, columns=2)
    assert math.prod(plot.pixels(figure).shape[:2]) <= 10_000 * 1.1
    with pytest.warns(UserWarning, match="enlarged"):
        figure = plot.interpolation(DIGITS[None])
    assert math.prod(plot.pixels(figure).shape[:2]) <= 10_000


@pytest.mark.filterwarnings("error")
def test_the_pictures_of_a_run_are_not_limited():
    assert plot.pixels(plot.grid(np.zeros((64, 28, 28), np.uint8))).shape == (726, 726, 3)
    assert fit_picture(np.zeros((256, 28, 28), np.uint8), 32, 3)[2] == 3
    assert fit_picture(np.zeros((64, 64, 64, 3), np.uint8), None, 3)[2] == 3


def test_points_are_limited(monkeypatch):
    monkeypatch.setattr("npgan.plot.limits.MAX_POINTS", 20)
    with pytest.warns(UserWarning, match="at most 20 generated points, here of 50"):
        figure = plot.points(RING)
    np.testing.assert_array_equal(figure.axes[0].lines[-1].get_xydata(), RING[:20])


def test_frames_are_read_from_their_files_one_at_a_time(tmp_path, monkeypatch):
    paths = [tmp_path / f"{i}.png" for i in range(5)]
    for i, path in enumerate(paths):
        plot.save(plot.grid(DIGITS[i : i + 4]), path)
    frames = [plot.read(path) for path in paths]
    plot.animate(frames, tmp_path / "a.gif", scale=1)

    frames_read, most = [], []

    def read(path):
        frame = plot.read(path)
        frames_read.append(weakref.ref(frame))
        most.append(sum(one() is not None for one in frames_read))
        return frame

    monkeypatch.setattr("npgan.plot.animation.read", read)
    plot.animate(paths, tmp_path / "b.gif", scale=1)
    assert len(most) > 4
    assert max(most) <= 3
    assert (tmp_path / "a.gif").read_bytes() == (tmp_path / "b.gif").read_bytes()


def test_a_long_animation_keeps_its_last_frame(tmp_path, monkeypatch):
    monkeypatch.setattr("npgan.plot.limits.MAX_ANIMATION", 3 * 8 * 8)
    pictures = np.repeat(np.arange(10, dtype=np.uint8) * 25, 64).reshape(10, 8, 8)
    with pytest.warns(UserWarning, match="the last of each 4 frames"):
        plot.animate(pictures, tmp_path / "a.gif", scale=1, hold=1)
    frames, durations, _ = read_gif(tmp_path / "a.gif")
    levels = [frame[0, 0, 0] for frame in frames]
    np.testing.assert_allclose(levels, [25, 125, 225], atol=5)
    assert durations == [250, 250, 1000]
