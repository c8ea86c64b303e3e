"""A notebook: what its cells show, executed by a real kernel."""

import base64
import io
import sys
import types

import numpy as np
import pytest
from PIL import Image

from npgan import GAN, testing
from npgan.testing.report import PASS, ArgumentReport, Report
from npgan.training import notebook

CELLS = {
    "figure": """
import numpy as np
from npgan import GAN, plot, testing
images = np.random.default_rng(0).integers(0, 256, (20, 8, 8), dtype=np.uint8)
plot.grid(images)
""",
    "chart": "plot.points(np.zeros((3, 2)))",
    "report": "testing.check_gradients(lambda x: x**2, lambda x, g: 2 * x * g, [np.ones(3)])",
    "fit": """
gan = GAN(latent=3, hidden=(5,), hidden_D=(4,), batch=8)
_ = gan.fit(images, epochs=2)
""",
    "last picture": """
from IPython.display import Image
from npgan.training.notebook import picture
Image(data=picture(gan, "epoch 2"))
""",
    "points of space": """
_ = GAN(latent=3, hidden=(5,), hidden_D=(4,), batch=8).fit(np.zeros((20, 3)), epochs=1)
""",
    "interrupted": """
import os, signal  # the button that interrupts a kernel sends it SIGINT
other = GAN(latent=3, hidden=(5,), hidden_D=(4,), batch=8)
stop = lambda state: os.kill(os.getpid(), signal.SIGINT)
try:
    other.fit(images, epochs=5, callbacks=[stop], progress=False)
except KeyboardInterrupt:
    print("interrupted")
_ = other.fit(images, epochs=1, progress=False)
print(other.epoch_, len(other.history_["epoch"]))
""",
    "quiet": "_ = gan.fit(images, epochs=1, progress=False)",
    "gan": "gan",
    "command": """
import os, subprocess, sys
done = subprocess.run([sys.executable, "-m", "npgan", "noise", "--out", os.devnull + "/x.png"],
                      capture_output=True, text=True)
print(done.returncode, os.environ["MPLBACKEND"], done.stderr)
""",
}


@pytest.fixture(scope="module")
def outputs(tmp_path_factory):
    nbformat, nbclient = pytest.importorskip("nbformat"), pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NPGAN_KERNELS", "reference")
        patch.setenv("IPYTHONDIR", str(tmp_path_factory.mktemp("ipython")))
        cells = nbformat.v4.new_notebook(
            cells=[nbformat.v4.new_code_cell(text.strip()) for text in CELLS.values()]
        )
        nbclient.NotebookClient(cells, timeout=120, kernel_name="python3").execute()
    return {name: cell["outputs"] for name, cell in zip(CELLS, cells["cells"], strict=True)}


def only_data(outputs):
    (output,) = outputs
    return output["data"]


@pytest.mark.parametrize("name", ["figure", "chart"])
def test_a_figure_is_shown_as_png(name, outputs):
    data = only_data(outputs[name])
    with Image.open(io.BytesIO(base64.b64decode(data["image/png"]))) as picture:
        assert picture.size == ((150 + 6, 120 + 6) if name == "figure" else (640, 640))


def test_a_report_is_shown_as_its_table(outputs):
    text = only_data(outputs["report"])["text/plain"]
    assert text.splitlines()[0].startswith("gradient check: PASS: ")
    assert "argument  shape  verdict" in text
    assert "Report(" not in text


def test_fit_shows_progress_unless_told_not_to(outputs):
    text = "".join(o["text"] for o in outputs["fit"] if o.get("name") == "stderr")
    assert "epoch 1/2" in text
    assert "epoch 2/2" in text
    assert "Warning" not in text
    assert outputs["quiet"] == []


def test_an_interrupted_fit_leaves_a_model_that_goes_on(outputs):
    (output,) = outputs["interrupted"]
    assert output["text"].splitlines() == ["interrupted", "2 2"]


def test_fit_shows_samples_in_one_picture_that_changes(outputs):
    (shown,) = [o for o in outputs["fit"] if "image/png" in o.get("data", {})]
    assert shown["output_type"] == "display_data"
    assert base64.b64decode(shown["data"]["image/png"]) == base64.b64decode(
        only_data(outputs["last picture"])["image/png"]
    )
    assert not any("image/png" in o.get("data", {}) for o in outputs["points of space"])


@pytest.fixture
def shown(monkeypatch):
    """The pictures that a fit shows in what it takes for a notebook."""
    shown = []

    class Handle:
        def update(self, image):
            shown.append(image)

    display = types.SimpleNamespace(
        Image=lambda data: data, display=lambda image, display_id: shown.append(image) or Handle()
    )
    monkeypatch.setitem(sys.modules, "IPython.display", display)
    monkeypatch.setattr(notebook, "in_notebook", lambda: True)
    return shown


IMAGES = np.random.default_rng(0).integers(0, 256, (20, 3, 4), dtype=np.uint8)
SMALL = dict(latent=3, hidden=(5,), hidden_D=(4,), batch=8)


def test_samples_are_shown_after_the_first_and_the_last_epoch_and_at_times(shown, monkeypatch):
    gan = GAN(**SMALL).fit(IMAGES, epochs=30)
    assert 2 <= len(shown) < 30
    assert shown[-1] == notebook.picture(gan, "epoch 30")
    shown.clear()
    monkeypatch.setattr(notebook, "PAUSE", 0)
    monkeypatch.setattr(notebook, "SHARE", 0)
    again = GAN(**SMALL).fit(IMAGES, epochs=30)
    assert len(shown) == 30
    np.testing.assert_array_equal(again.generator_.theta, gan.generator_.theta)


@pytest.mark.parametrize(("progress", "pictures"), [(False, 0), ("", 0), (True, 2), ("text", 2)])
def test_samples_are_shown_with_the_progress(progress, pictures, shown):
    GAN(**SMALL).fit(IMAGES, epochs=2, progress=progress)
    assert len(shown) == pictures


def test_samples_are_shown_in_a_notebook_only(shown, monkeypatch):
    monkeypatch.setattr(notebook, "in_notebook", lambda: False)
    GAN(**SMALL).fit(IMAGES, epochs=2, progress=True)
    assert shown == []


@pytest.mark.parametrize("broken", ["png", "IPython"])
def test_a_failure_to_show_samples_does_not_end_the_training(broken, shown, monkeypatch):
    if broken == "png":
        monkeypatch.setattr("npgan.plot.figures.png", lambda figure: 1 / 0)
    else:
        monkeypatch.setitem(sys.modules, "IPython.display", None)
    assert GAN(**SMALL).fit(IMAGES, epochs=2, progress=True).epoch_ == 2
    assert shown == []


def test_a_gan_shows_settings_last_row_and_samples(outputs):
    data = only_data(outputs["gan"])
    assert data["text/plain"].startswith("GAN(latent=3")
    for text in ("3 epochs done", "<th>latent</th>", "<th>D_real</th>", "data:image/png;base64,"):
        assert text in data["text/html"]


def test_a_command_that_a_notebook_starts_is_not_bound_to_its_backend(outputs):
    (output,) = outputs["command"]
    assert "matplotlib_inline" in output["text"]
    assert "Not a directory" in output["text"]
    assert "Traceback" not in output["text"]


def test_the_html_of_every_kind_of_gan():
    assert "img" not in GAN(**SMALL)._repr_html_()
    rng = np.random.default_rng(0)
    for data, picture in (
        (rng.standard_normal((20, 2)), True),
        (rng.standard_normal((20, 3)), False),
        (rng.integers(0, 256, (20, 12), dtype=np.uint8), True),
    ):
        gan = GAN(**SMALL).fit(data, epochs=1, progress=False)
        before = gan.z_rng.bit_generator.state
        assert ("img" in gan._repr_html_()) == picture
        assert gan.z_rng.bit_generator.state == before


def test_a_report_shows_itself_as_it_is_printed():
    report = Report(PASS, [ArgumentReport("x", (3,), "float64", PASS, power=1e-9)])
    assert repr(report) == str(report)
    assert "verdict" in repr(report)
    assert testing.Report is Report
