"""What users record, and the file and the command that make a page of a record."""

import numpy as np
import pytest
import study_pages
from study_pages import node

import npgan
from npgan import Adam, Discriminator, Generator, Tensor, grad, ops, study
from npgan.cli import main
from npgan.gan import discriminator_step
from npgan.losses import LOSSES

data, in_numpy = study_pages.data, study_pages.in_numpy


# ---- the user's own ----


def small(seed=0, dtype=np.float32):
    rng = np.random.default_rng(seed)
    G, D = Generator(3, (5,), 2, rng=rng), Discriminator(2, (4, 3), rng=rng)
    return G.astype(dtype), D.astype(dtype), rng.random((3, 2)), rng.standard_normal((3, 3))


@pytest.mark.parametrize("loss", LOSSES)
def test_a_gan_of_the_users(loss):
    G, D, real, z = small()
    before = G.theta.copy(), D.theta.copy(), real.copy()
    record = study.record(G, D, real, z, loss=LOSSES[loss], gamma=0.1)
    assert record.failed() == []
    assert [t["kind"] for t in record.data["tapes"]] == ["step", "step", "penalty"]
    for a, b in zip(before, (G.theta, D.theta, real), strict=True):
        assert a.tobytes() == b.tobytes()


def test_with_its_optimisers_the_step_is_theirs():
    G, D, real, z = small(dtype=np.float64)
    adam_G, adam_D = Adam(G, beta1=0.0), Adam(D, lr=1e-2)
    for _ in range(3):
        fake, pull = G.forward(z)
        discriminator_step(D, adam_D, real, fake)
        npgan.generator_step(D, adam_G, fake, pull)
    record = study.record(G, D, real, z, adam_G=adam_G, adam_D=adam_D)
    assert record.failed() == []
    assert record.data["tapes"][0]["optimiser"]["step"] == 4
    discriminator_step(D, adam_D, real, G(z))
    after = [
        x for leaf in record.data["tapes"][0]["optimiser"]["leaves"].values() for x in leaf["after"]
    ]
    assert np.array(after).tobytes() == D.theta.tobytes()


def test_a_loss_written_with_ops():
    x, W = Tensor(np.ones((2, 3), np.float32)), Tensor(np.full((3, 2), 0.5))
    scale = np.array([1.0, 2.0])
    y = ops.mean(ops.exp(ops.tanh(x @ W) * scale)[:, :1] ** 2)
    record = study.record(y, names={"x": x, "W <b>": W}, title="Mine")
    scale[:] = 0
    assert record.failed() == []
    tape = record.data["tapes"][0]
    assert [n["name"] for n in tape["nodes"] if n["name"]] == ["x", "W <b>", "loss"]
    assert tape["optimiser"] is None
    leaves = [Tensor(np.ones((2, 3))), Tensor(np.full((3, 2), 0.5))]
    again = ops.mean(ops.exp(ops.tanh(leaves[0] @ leaves[1]) * np.array([1.0, 2.0]))[:, :1] ** 2)
    for name, g in zip(("x", "W <b>"), grad(again, leaves), strict=True):
        assert node(tape, name)["grad"] == g.ravel().tolist()
    assert any(n["options"] == "index=[:, :1]" for n in tape["nodes"])


@pytest.mark.parametrize("factor", [1e-6, 1.0, 1e4, 1e9])
@pytest.mark.parametrize("wrong", [False, True])
def test_a_loss_of_any_size_is_checked_in_proportion(factor, wrong, monkeypatch):
    x = Tensor(np.linspace(-1, 2, 6).reshape(2, 3))
    y = ops.sum(ops.exp(x) * ops.tanh(x) * max(factor, 1.0)) * min(factor, 1.0)
    if wrong:
        monkeypatch.setattr(ops.exp, "rules", (lambda g, y, x: g * y * 1.01,))
    record = study.record(y)
    assert record.passed != wrong, record.failed()
    assert record.data["tapes"][0]["scale"] >= 1


@pytest.mark.parametrize(
    ("arguments", "options", "error", "text"),
    [
        ((Tensor([1.0, 2.0]) * 2,), {}, ValueError, "scalar"),
        ((Tensor(1.0),), {}, ValueError, "leaf"),
        ((Tensor(1.0) * 2,), {"names": {"x": Tensor(1.0)}}, ValueError, "'x'"),
        ((ops.log(Tensor(0.0)) * 1,), {}, ValueError, "finite"),
        ((3.0,), {}, TypeError, "scalar Tensor"),
        ((Tensor(1.0) * 2, Discriminator(2, (2,))), {}, TypeError, "either"),
        ((*small()[:2], np.ones((2, 2), int), np.ones((2, 3))), {}, ValueError, "floats"),
        ((*small()[:2], np.ones(2), np.ones((2, 3))), {}, ValueError, "real"),
        ((*small()[:2], np.ones((2, 2)), np.ones((3, 3))), {}, ValueError, "rows"),
        ((*small()[:2], np.ones((2, 2)), np.ones((2, 9))), {}, ValueError, "9"),
        ((*small()[:2], np.ones((0, 2)), np.ones((0, 3))), {}, ValueError, "real"),
        (small(), {"gamma": -1}, ValueError, "gamma"),
        (small(), {"adam_G": npgan.SGD(np.zeros(3))}, TypeError, "adam_G"),
        (small(), {"adam_D": Adam(np.zeros(3))}, TypeError, "adam_D"),
        (small(), {"names": {}}, TypeError, "names"),
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_what_cannot_be_recorded_is_refused_in_one_line(arguments, options, error, text):
    with pytest.raises(error, match=text) as caught:
        study.record(*arguments, **options)
    assert "\n" not in str(caught.value)


def test_what_is_too_large_is_refused_with_the_numbers():
    G, D = Generator(3, (50,), 40), Discriminator(40, (30,))
    with pytest.raises(ValueError, match=r"[\d,]{5,} numbers, and a page holds at most 1,500"):
        study.record(G, D, np.zeros((8, 40)), np.zeros((8, 3)))
    x = Tensor(np.ones(400))
    with pytest.raises(ValueError, match=r"160,400 pairs .* at most 150,000"):
        study.record(ops.sum(ops.exp(x)))


# ---- the file and the command ----


def test_only_such_a_page_is_replaced(tmp_path):
    record = study.record(*small())
    path = tmp_path / "study.html"
    path.write_text("my notes")
    with pytest.raises(FileExistsError, match="nothing was written"):
        record.write(path)
    assert path.read_text() == "my notes"
    path.unlink()
    record.write(path)
    first = path.read_bytes()
    record.write(path)
    assert path.read_bytes() == first
    assert len(first) < 2_500_000


def test_the_command_says_one_line_and_refuses_another_file(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NPGAN_KERNELS", "reference")
    monkeypatch.setattr(npgan.study.game, "STEPS", 40)
    monkeypatch.setattr(npgan.study.game, "FRAMES", 2)
    (tmp_path / "notes.html").write_text("mine")
    assert main(["study", "--out", "notes.html"]) == 1
    out, err = capsys.readouterr()
    assert not out
    assert "nothing was written" in err
    assert err.count("\n") == 1
    assert (tmp_path / "notes.html").read_text() == "mine"
    assert main(["study"]) == 0
    out, err = capsys.readouterr()
    assert out.count("\n") == 1
    assert "study.html" in out
    assert "D's step" in err
    monkeypatch.setattr(
        ops.tanh, "rules", (lambda g, y, x: 1.01 * ops.tanh_gate(g, y),)
    )  # a rule that the library has wrong
    assert main(["study"]) == 1
    out, err = capsys.readouterr()
    assert not out
    assert "G's step: not so: Rule and finite difference agree" in err
    assert err.splitlines()[-1].endswith("study.html shows where")


def test_the_default_page_is_small_enough(data, tmp_path):
    study.Record(data).write(tmp_path / "study.html")
    assert 1_000_000 < (tmp_path / "study.html").stat().st_size < 2_500_000
