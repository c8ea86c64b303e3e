"""The page and the ONNX file of a generator compute what npgan computes."""

import base64
import itertools
import json
import re
from pathlib import Path

import numpy as np
import pytest
from test_docs import blocks

from npgan import GAN, export
from npgan.cli import main
from npgan.datasets import Images, ring
from npgan.layers import Dense, Sigmoid
from npgan.training.conditional import join_labels

SMALL = dict(latent=5, hidden=(7, 6), hidden_D=(4,), batch=8)


def images(shape, labels=None, n=24):
    pixels = np.random.default_rng(0).integers(0, 256, (n, *shape), dtype=np.uint8)
    return Images("random", pixels.reshape(n, -1), labels, shape)


@pytest.fixture(scope="module")
def gans():
    labels = np.arange(24) % 3 + 4
    return {
        "grey": GAN(**SMALL, rng=1).fit(images((6, 5)), epochs=2),
        "colour": GAN(**SMALL, rng=2).fit(images((4, 5, 3)), epochs=1),
        "conditional": GAN(**SMALL, rng=3, conditional=True).fit(images((6, 5), labels), epochs=1),
        "points": GAN(**SMALL, rng=4).fit(ring(64, rng=0), epochs=1),
    }


def in_float16(gan):
    """A copy of the averaged generator with the weights that a page holds, in float64."""
    net = gan.average_.astype(np.float64)
    net.theta[:] = gan.average_.theta.astype(np.float16)
    return net


def inputs_of(gan, n=64):
    z = np.random.default_rng(7).standard_normal((n, SMALL["latent"]))
    places = np.arange(n) % max(1, len(gan.classes_))
    one_hot = np.eye(len(gan.classes_))[places] if gan.classes_ else None
    return z, places, one_hot


# ---- the page ----


@pytest.fixture
def opened(browser, tmp_path):
    """opened(gan) is the page of a GAN; it may ask for nothing but itself, and log no error."""
    pages, problems = [], []

    def open_page(gan, name="A <name> & more", **context):
        path = tmp_path / "g.html"
        export.html(gan, path, name)
        page = browser.new_context(**context).new_page()
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("console", lambda m: problems.append(m.text) if m.type == "error" else None)
        page.on(
            "request",
            lambda r: (
                None
                if r.url == path.as_uri() or r.url.startswith("data:")
                else problems.append(r.url)
            ),
        )
        page.goto(path.as_uri())
        pages.append(page)
        return page

    yield open_page
    assert problems == []
    for page in pages:
        page.context.close()


@pytest.mark.parametrize("kind", ["grey", "colour", "conditional", "points"])
def test_the_page_computes_what_npgan_computes(kind, gans, opened):
    gan = gans[kind]
    page = opened(gan)
    z, places, one_hot = inputs_of(gan)
    found = page.evaluate(
        "([zs, labels]) => zs.map((z, i) => [...forward(z, labels[i])])",
        [z.tolist(), places.tolist()],
    )
    expected = in_float16(gan)(join_labels(z, one_hot))
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)
    if gan.pixels_:
        labels = [gan.classes_[i] for i in places] if gan.classes_ else None
        pixels = gan.generate(z.astype(np.float32), labels).reshape(64, -1)
        assert np.abs((np.array(found) + 1) * 127.5 - pixels).max() < 1.5
    as_trained = gan.average_.astype(np.float64)(join_labels(z, one_hot))
    assert 0 < np.abs(np.array(found) - as_trained).max() < 1e-2  # float16, not something else


def test_the_picture_has_the_pixels_of_sample(gans, opened):
    gan = gans["grey"]
    page = opened(gan)
    page.click("#zero")
    found = page.evaluate(
        "[...byId('image').getContext('2d').getImageData(0, 0, 5, 6).data].filter((_, i) => i % 4 < 3)"
    )
    expected = np.rint((in_float16(gan)(np.zeros((1, 5))) + 1) * 127.5)
    np.testing.assert_array_equal(np.reshape(found, (30, 3)), np.repeat(expected.T, 3, axis=1))


def test_every_control_does_something(gans, opened):
    page = opened(gans["conditional"])
    picture = "byId('image').toDataURL()"
    seen = [page.evaluate(picture)]
    assert page.inner_text("#name") == "A <name> & more"
    assert page.locator("#classes button").all_inner_texts() == ["4", "5", "6"]

    def changed(by):
        seen.append(page.evaluate(picture))
        assert seen[-1] not in seen[:-1], by

    page.click("#random")
    changed("random")
    page.click("#classes button:nth-child(2)")
    changed("a class")
    assert page.get_attribute("#classes button:nth-child(2)", "aria-pressed") == "true"
    page.focus("#sliders input >> nth=3")
    page.keyboard.press("Home")  # with the keyboard alone
    assert page.evaluate("z[3]") == -3
    changed("a slider")
    page.click("#grid button >> nth=5")
    assert page.evaluate("z.every((v, i) => v === seeds[5][i])")
    changed("the grid")
    page.click("#walk")
    page.wait_for_function("JSON.stringify(z) !== JSON.stringify(seeds[5])")
    page.click("#walk")
    assert page.evaluate("walking === null")
    changed("the walk")
    page.click("#zero")
    assert page.evaluate("z.every(v => v === 0)")


@pytest.mark.parametrize("width", [390, 1440])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_is_cut_off(width, scheme, gans, opened):
    page = opened(gans["grey"], viewport={"width": width, "height": 844}, color_scheme=scheme)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (background == "rgb(255, 255, 255)") == (scheme == "light")


def test_random_z_are_normal(gans, opened):
    page = opened(gans["grey"])
    z = np.array(page.evaluate("Array.from({length: 4000}, normals)"))
    assert abs(z.mean()) < 0.03
    assert abs(z.std() - 1) < 0.03
    assert abs(np.mean(z**4) - 3) < 0.2


def test_a_page_of_the_default_generator_is_below_3_mb(tmp_path):
    gan = GAN()
    gan.start((28, 28))
    export.html(gan, tmp_path / "g.html")
    assert (tmp_path / "g.html").stat().st_size < 3_000_000


def test_the_weights_are_rounded_to_float16(gans, tmp_path):
    export.html(gans["grey"], tmp_path / "g.html")
    text = (tmp_path / "g.html").read_text(encoding="utf-8")
    data = json.loads(re.search(r"const G = (\{.*?\});\n", text)[1])
    W = np.frombuffer(base64.b64decode(data["layers"][0]["W"]), "<f2").reshape(5, 7)
    np.testing.assert_array_equal(W, gans["grey"].average_.layers[0].params["W"].astype(np.float16))


def test_a_name_cannot_end_the_script(gans, tmp_path):
    export.html(gans["grey"], tmp_path / "g.html", "</script><script>alert(1)</script>")
    assert "</script><script>alert" not in (tmp_path / "g.html").read_text(encoding="utf-8")


# ---- what cannot be exported ----


def test_one_sentence_for_what_cannot_be_exported(gans, tmp_path):
    path = tmp_path / "g.html"
    with pytest.raises(RuntimeError, match="no generator yet"):
        export.html(GAN(**SMALL), path)
    gan = GAN(**SMALL).fit(np.random.default_rng(0).normal(size=(24, 3)), epochs=1)
    with pytest.raises(ValueError, match=r"points of shape \(3,\) cannot be drawn"):
        export.html(gan, path)
    gan = GAN(**SMALL, rng=1).fit(images((6, 5)), epochs=1)
    gan.average_.theta[3] = 1e6
    with pytest.raises(ValueError, match="too large for the float16"):
        export.html(gan, path)
    gan.average_.layers[-1] = Sigmoid()
    with pytest.raises(ValueError, match="only Dense, LeakyReLU and Tanh"):
        export.html(gan, path)
    gan.average_.layers[-1] = Dense(30, 30, rng=0)
    assert not path.exists()


# ---- ONNX ----


@pytest.mark.parametrize("kind", ["grey", "colour", "conditional", "points"])
def test_onnxruntime_computes_what_npgan_computes(kind, gans, tmp_path):
    pytest.importorskip("onnx")
    runtime = pytest.importorskip("onnxruntime")
    gan, path = gans[kind], tmp_path / "g.onnx"
    export.onnx(gan, path)
    session = runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    z, places, one_hot = inputs_of(gan)
    feed = {"z": z.astype(np.float32)}
    if gan.classes_:
        feed["label"] = one_hot.astype(np.float32)
    assert {i.name for i in session.get_inputs()} == set(feed)
    (found,) = session.run(["images"], feed)
    expected = gan.average_(join_labels(z, one_hot).astype(np.float32))
    assert found.shape == (64, *gan.shape_)
    np.testing.assert_allclose(found.reshape(64, -1), expected, rtol=0, atol=1e-5)
    if gan.pixels_:
        labels = [gan.classes_[i] for i in places] if gan.classes_ else None
        pixels = gan.generate(z.astype(np.float32), labels)
        assert np.abs(np.rint((found + 1) * 127.5) - pixels).max() <= 1


def test_without_the_library_onnx_it_is_said_what_to_install(gans, tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "onnx", None)
    with pytest.raises(ImportError, match=r'pip install "npgan\[onnx\]"'):
        export.onnx(gans["grey"], tmp_path / "g.onnx")


# ---- the command ----


def test_the_command_writes_both(gans, tmp_path, capsys):
    pytest.importorskip("onnx")
    gans["grey"].save(tmp_path / "checkpoint.npz")
    argv = ["export", str(tmp_path / "checkpoint.npz"), "--json"]
    argv += ["--html", str(tmp_path / "g.html"), "--onnx", str(tmp_path / "g.onnx")]
    assert main(argv) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["html"] == str(tmp_path / "g.html")
    assert (tmp_path / "g.onnx").stat().st_size > 500


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        ([], 2, "give --html FILE.html, --onnx FILE.onnx or both"),
        (["--html", "absent/g.html"], 1, "absent"),
    ],
)
def test_the_commands_errors(options, code, said, gans, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    gans["grey"].save("checkpoint.npz")
    assert main(["export", "checkpoint.npz", *options]) == code
    err = capsys.readouterr().err
    assert said in err
    assert err.count("\n") == 1


def test_the_command_says_what_to_install(gans, tmp_path, capsys, monkeypatch):
    gans["grey"].save(tmp_path / "checkpoint.npz")
    monkeypatch.setitem(__import__("sys").modules, "onnx", None)
    argv = ["export", str(tmp_path / "checkpoint.npz"), "--onnx", str(tmp_path / "g.onnx")]
    assert main(argv) == 1
    assert 'pip install "npgan[onnx]"' in capsys.readouterr().err


# ---- what docs/export.md shows ----


def snippet(word):
    """The source of the block of docs/export.md that contains this word."""
    page = Path(__file__).parents[1] / "docs" / "export.md"
    (text,) = [b.text for b in blocks(page) if b.info == "python" and word in b.text]
    return text


@pytest.mark.parametrize("kind", ["grey", "colour"])
def test_the_checkpoint_loads_into_pytorch_as_the_page_says(kind, gans, tmp_path, monkeypatch):
    torch = pytest.importorskip("torch")
    monkeypatch.chdir(tmp_path)
    gan = gans[kind]
    gan.save("checkpoint.npz")
    names = {}
    exec(snippet("from torch import nn"), names)
    z = inputs_of(gan)[0].astype(np.float32)
    found = names["generator"](torch.tensor(z)).detach().numpy()
    np.testing.assert_allclose(found, gan.average_(z), rtol=0, atol=1e-5)


def test_the_checkpoint_is_laid_out_as_the_page_says(gans, tmp_path):
    """The snippet's loop without PyTorch."""
    gan = gans["grey"]
    gan.save(tmp_path / "checkpoint.npz")
    with np.load(tmp_path / "checkpoint.npz") as file:
        meta, theta = json.loads(str(file["meta"])), file["theta_average"]
    widths = [meta["config"]["latent"], *meta["config"]["hidden"], int(np.prod(meta["shape_"]))]
    x, start = inputs_of(gan)[0].astype(np.float32), 0
    z = x
    for i, (inputs, outputs) in enumerate(itertools.pairwise(widths)):
        W = theta[start : start + inputs * outputs].reshape(inputs, outputs)
        b = theta[start + W.size : start + W.size + outputs]
        start += W.size + b.size
        x = x @ W + b
        x = np.tanh(x) if i == len(widths) - 2 else np.where(x > 0, x, 0.2 * x)
    assert start == theta.size
    np.testing.assert_allclose(x, gan.average_(z), rtol=0, atol=1e-5)
