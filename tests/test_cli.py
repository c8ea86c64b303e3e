"""The command line: results on stdout, narration on stderr, one line and the right code for every mistake."""

import json
import os
import re
import shutil
import signal
import socket

import numpy as np
import pytest
from children import finish, run, run_npgan, start_npgan
from PIL import Image

from npgan import GAN, __version__, datasets
from npgan.cli import main
from npgan.cli.arguments import given_settings, make_parser
from npgan.datasets.idx import header
from npgan.files import checkpoint
from npgan.losses import LOSSES
from npgan.training.guidance import chosen
from npgan.training.penalty import PENALTIES
from npgan.training.pictures import interpolate

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (43, 3, 4), dtype=np.uint8)
SMALL = ["--latent", "3", "--hidden", "5", "--hidden-D", "4", "--batch", "8"]
STEPS = 5  # of an epoch: 43 // 8


@pytest.fixture(scope="module")
def zoo(tmp_path_factory):
    """Data, a run of two epochs in "run", and whatever people may confuse with them."""
    zoo = tmp_path_factory.mktemp("zoo")
    np.save(zoo / "images.npy", IMAGES)
    np.save(zoo / "others.npy", IMAGES[::-1])
    np.save(zoo / "shape.npy", np.zeros((4, 3, 3, 5, 2), np.uint8))
    np.save(zoo / "planes.npy", np.zeros((20, 3, 4, 4), np.uint8))
    np.save(zoo / "nan.npy", np.full((20, 3, 4), np.nan))
    np.save(zoo / "none.npy", np.zeros((0, 3, 4), np.uint8))
    np.save(zoo / "text.npy", np.array(["a", "b"]))
    np.save(zoo / "few.npy", np.zeros((99, 28, 28), np.uint8))
    (zoo / "cut.npy").write_bytes((zoo / "few.npy").read_bytes()[:5000])
    (zoo / "cut.idx").write_bytes(header((43, 3, 4)) + bytes(100))
    (zoo / "file.txt").write_text("I am a file.\n")
    (zoo / "empty").mkdir()
    assert (
        main(
            ["train", "--data", str(zoo / "images.npy"), "--out", str(zoo / "run"), *train_small(2)]
        )
        == 0
    )

    def variant(name, change):
        shutil.copytree(zoo / "run", zoo / name)
        arrays, meta = checkpoint.load(zoo / name)
        change(arrays, meta)
        checkpoint.save(zoo / name / "checkpoint.npz", arrays, meta)

    variant("theta", lambda arrays, meta: arrays.update(theta_G=np.zeros(3, np.float32)))

    def in_the_next_epoch(arrays, meta):
        names = [name for name in meta["history_"] if name != "epoch"]
        meta.update(position_=2, sums_=dict.fromkeys(names, 1.0))
        for name in ("adam_G_t", "adam_D_t"):
            arrays[name] += 2

    variant("mid", in_the_next_epoch)
    variant("memory", lambda arrays, meta: meta["data_"].update(source=""))
    variant("no-config", lambda arrays, meta: None)
    (zoo / "no-config" / "config.json").unlink()
    variant("bad-config", lambda arrays, meta: None)
    (zoo / "bad-config" / "config.json").write_text("[1, 2]")
    for name in ("corrupt", "foreign", "format", "nothing"):
        (zoo / name).mkdir()
    data = bytearray((zoo / "run" / "checkpoint.npz").read_bytes())
    data[len(data) // 2] ^= 255
    (zoo / "corrupt" / "checkpoint.npz").write_bytes(data)
    np.savez(zoo / "foreign" / "checkpoint.npz", weights=np.zeros(3))
    np.savez(zoo / "format" / "checkpoint.npz", meta=np.array('{"format": 99}'))
    (zoo / "nothing" / "checkpoint.npz").write_bytes(b"")

    np.savez(zoo / "labelled.npz", x=IMAGES, y=np.arange(43) % 3 + 4)
    GAN(latent=3, hidden=(5,), hidden_D=(4,), batch=8, conditional=True).fit(
        IMAGES, epochs=1, labels=np.arange(43) % 3 + 4, out=zoo / "digits", progress=False
    )
    points = RNG.standard_normal((40, 3)).astype(np.float32)
    GAN(latent=3, hidden=(5,), hidden_D=(4,), batch=8).fit(points, epochs=1, out=zoo / "space")
    return zoo


def train_small(epochs, *more):
    return [*SMALL, "--epochs", str(epochs), "--quiet", *more]


def contents(folder):
    """Every file below, with its bytes."""
    return {
        str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()
    }


def run_json(capsys, *argv):
    """What a command that must succeed prints with --json: one line, and nothing else on stdout."""
    capsys.readouterr()
    assert main([*map(str, argv), "--json"]) == 0
    out, _ = capsys.readouterr()
    assert out.count("\n") == 1
    return json.loads(out)


# ---- wrong uses: the arguments, the exit code, and what the one line on stderr must say ----

TRAIN = ["train", "--data", "images.npy", *SMALL]
NEW = [*TRAIN, "--epochs", "1", "--out", "new"]
HUGE = str(10**14)

WRONG = [
    # the arguments alone
    ([], 2, "COMMAND"),
    (["paint"], 2, "paint"),
    (["train", "--colour"], 2, "--colour"),
    (["train", "--two\nlines"], 2, "--two lines"),
    (["train", "surplus"], 2, "surplus"),
    ([*TRAIN, "--epochs", "-1"], 2, "'-1'"),
    ([*TRAIN, "--epochs", "0"], 2, "'0'"),
    ([*TRAIN, "--epochs", "ten"], 2, "'ten'"),
    ([*TRAIN, "--epochs", "1.5"], 2, "'1.5'"),
    ([*TRAIN, "--epochs", "\n"], 2, "--epochs"),
    ([*TRAIN, "--epochs"], 2, "--epochs"),
    ([*TRAIN, "--batch", "0"], 2, "--batch"),
    ([*TRAIN, "--threads", "0"], 2, "--threads"),
    ([*TRAIN, "--latent", "0"], 2, "--latent"),
    ([*TRAIN, "--hidden", "5", "-5"], 2, "-5"),
    ([*TRAIN, "--hidden"], 2, "--hidden"),
    ([*TRAIN, "--hidden-D", "0"], 2, "--hidden-D"),
    ([*TRAIN, "--loss", "magic"], 2, "magic"),
    ([*TRAIN, "--seed", "-1"], 2, "--seed"),
    ([*TRAIN, "--lr", "0"], 2, "--lr"),
    ([*TRAIN, "--lr", "-1"], 2, "--lr"),
    ([*TRAIN, "--lr", "nan"], 2, "'nan'"),
    ([*TRAIN, "--lr", "inf"], 2, "'inf'"),
    ([*TRAIN, "--lr", "0.1", "0.1", "0.1"], 2, "got 3"),
    ([*TRAIN, "--lr", "0.1", "0"], 2, "--lr"),
    ([*TRAIN, "--lr-decay", "1.1"], 2, "a number of 0 or more and at most 1, got '1.1'"),
    ([*TRAIN, "--beta1", "1"], 2, "a number of 0 or more and below 1, got '1'"),
    ([*TRAIN, "--beta2", "-1"], 2, "--beta2"),
    ([*TRAIN, "--d-steps", "0"], 2, "--d-steps"),
    ([*TRAIN, "--penalty", "r3"], 2, "r3"),
    ([*TRAIN, "--penalty", "r1", "--penalty-every", "0"], 2, "--penalty-every"),
    ([*TRAIN, "--penalty", "r1", "--penalty-weight", "0"], 2, "a number above 0, got '0'"),
    ([*TRAIN, "--smoothing", "1.5"], 2, "a number of 0 or more and below 0.5, got '1.5'"),
    ([*TRAIN, "--dropout", "1"], 2, "--dropout"),
    ([*TRAIN, "--instance-noise", "-0.1"], 2, "--instance-noise"),
    ([*TRAIN, "--average", "1.0"], 2, "'1.0'"),
    ([*TRAIN, "--average", "-0.1"], 2, "--average"),
    ([*TRAIN, "--average", "nan"], 2, "'nan'"),
    (["sample"], 2, "RUN"),
    (["sample", "run", "-n", "0"], 2, "-n"),
    (["sample", "run", "--seed", "-1"], 2, "--seed"),
    (["sample", "run", "--interpolate", "--npy", "a.npy"], 2, "--npy"),
    (["sample", "run", "--interpolate", "-n", "8"], 2, "-n"),
    (["sample", "digits", "--interpolate", "--digit", "4"], 2, "--digit"),
    (["sample", "digits", "--interpolate", "--refine", "4"], 2, "--refine"),
    (["sample", "digits", "--interpolate", "--keep", "0.5"], 2, "--keep"),
    (["sample", "digits", "--refine", "-1"], 2, "expected a whole number of 0 or more, got '-1'"),
    (["sample", "digits", "--keep", "0"], 2, "expected a number of 0.1 or more and at most 1"),
    (["sample", "digits", "--keep", "nan"], 2, "at most 1, got 'nan'"),
    (["sample", "digits", "--digit", "four"], 2, "four"),
    (["noise", "-n", "0"], 2, "-n"),
    (["noise", "-n", "many"], 2, "'many'"),
    (["info", "run"], 2, "run"),
    (["train", "--resume", "run", "--lr", "0.1"], 2, "--lr"),
    (["train", "--resume", "run", "--penalty-every", "2"], 2, "--penalty-every"),
    (["train", "--resume", "run", "--conditional"], 2, "--conditional"),
    (["train", "--resume", "run", "--hidden-D", "4", "--seed", "0"], 2, "--hidden-D, --seed"),
    (["train", "--resume", "run", "--out", "new"], 2, "--out"),
    # data
    (["train", "--data", "absent.npy", "--out", "new"], 1, "absent.npy"),
    ([*NEW, "--data", ""], 2, "expected a name, got an empty one"),
    (["train", "--data", "cut.idx", "--out", "new"], 1, "truncated"),
    (["train", "--data", "shape.npy", "--out", "new"], 1, "(4, 3, 3, 5, 2)"),
    (["train", "--data", "planes.npy", "--out", "new"], 1, "(20, 3, 4, 4)"),
    (["train", "--data", "nan.npy", "--out", "new"], 1, "NaN"),
    (["train", "--data", "none.npy", "--out", "new"], 1, "no images"),
    (["train", "--data", "text.npy", "--out", "new"], 1, "<U1"),
    (["train", "--data", "file.txt", "--out", "new"], 1, "file.txt"),
    (["train", "--data", "empty", "--out", "new"], 1, "empty"),
    (["train", "--data", "two\nlines", "--out", "new"], 1, "no such file"),
    ([*NEW, "--batch", "44"], 1, "only 43 images"),
    ([*NEW, "--d-steps", "6"], 1, "batch is 8 x 6 d_steps, but there are only 43 images"),
    ([*NEW, "--penalty", "none", "--penalty-every", "16"], 1, "need a penalty: one of r1, r2"),
    ([*NEW, "--loss", "hinge", "--smoothing", "0.1"], 1, "got hinge"),
    ([*NEW, "--conditional"], 1, "learns from labels, and images.npy has none"),
    # where it goes
    ([*TRAIN, "--out", "file.txt"], 1, "file.txt"),
    ([*TRAIN, "--out", "file.txt/run"], 1, "file.txt"),
    ([*TRAIN, "--out", "/proc/run"], 1, "/proc/run"),
    ([*TRAIN, "--out", "run"], 1, "already holds a run"),
    ([*TRAIN, "--out", "corrupt"], 1, "already holds a run"),
    # evaluate
    (["evaluate"], 2, "RUN"),
    (["evaluate", "run", "-n", "0"], 2, "-n"),
    (["evaluate", "run", "--seed", "x"], 2, "--seed"),
    (["evaluate", "absent"], 1, "absent does not exist"),
    (["evaluate", "absent/x.npy"], 1, "absent/x.npy does not exist"),
    (["evaluate", "absent.npy"], 1, "absent.npy does not exist; expected a .npy file"),
    (["evaluate", "empty"], 1, "no checkpoint.npz"),
    (["evaluate", "file.txt"], 1, "file.txt"),
    (["evaluate", "corrupt"], 1, "corrupt/checkpoint.npz"),
    (["evaluate", "few.npy", "-n", "100"], 2, "all of few.npy is scored"),
    (["evaluate", "few.npy", "--seed", "0"], 2, "--seed"),
    (["evaluate", "run"], 1, "(10000, 3, 4)"),
    (["evaluate", "space"], 1, "points"),
    (["evaluate", "images.npy"], 1, "(n, 28, 28)"),
    (["evaluate", "text.npy"], 1, "(2,)"),
    (["evaluate", "cut.npy"], 1, "cut.npy"),
    (["evaluate", "few.npy"], 1, "99 images are too few"),
    (["evaluate", "few.npy", "--out", "new.jpg"], 1, ".png"),
    (["evaluate", "few.npy", "--out", "absent/new.png"], 1, "absent/new.png"),
    (["evaluate", "few.npy", "--judge", "absent.npz"], 1, "absent.npz"),
    (["evaluate", "few.npy", "--judge", "few.npy"], 1, "few.npy"),
    (["evaluate", "few.npy", "--judge", "run/checkpoint.npz"], 1, "no judge's file"),
    (["evaluate", "few.npy", "--data", "images.npy"], 1, "images.npy"),
    # more than a machine holds
    ([*NEW, "--hidden", HUGE], 1, "not enough memory"),
    ([*NEW, "--hidden", "5", HUGE], 1, "not enough memory"),
    ([*NEW, "--hidden-D", HUGE], 1, "not enough memory"),
    ([*NEW, "--latent", HUGE], 1, "not enough memory"),
    (["noise", "-n", HUGE], 1, "not enough memory"),
    (["sample", "run", "-n", HUGE], 1, "not enough memory"),
    # an empty name, as of a variable that is not set, is not the current directory
    *(
        (argv, 2, "expected a name, got an empty one")
        for argv in (
            [*NEW, "--out", ""],
            [*NEW[:1], "--data", ""],
            ["train", "--resume", ""],
            ["sample", ""],
            ["sample", "run", "--out", ""],
            ["sample", "run", "--npy", ""],
            ["evaluate", ""],
            ["evaluate", "few.npy", "--judge", ""],
            ["evaluate", "few.npy", "--data", ""],
            ["export", "run", "--html", ""],
            ["noise", "--out", ""],
            ["sweep", ""],
            ["gradcheck", ""],
            ["exercises", "list", "--dir", ""],
            ["examples", ""],
        )
    ),
    # --resume
    (["train", "--resume", "absent"], 1, "absent"),
    (["train", "--resume", "empty"], 1, "no checkpoint.npz"),
    (["train", "--resume", "corrupt"], 1, "corrupt/checkpoint.npz"),
    (["train", "--resume", "foreign"], 1, "foreign/checkpoint.npz"),
    (["train", "--resume", "format"], 1, "format 99"),
    (["train", "--resume", "nothing"], 1, "nothing/checkpoint.npz"),
    (["train", "--resume", "theta"], 1, "theta_G"),
    (["train", "--resume", "file.txt"], 1, "file.txt"),
    (["train", "--resume", "run/checkpoint.npz", "--epochs", "3"], 1, "directory"),
    (["train", "--resume", "run"], 1, "--epochs 12"),
    (["train", "--resume", "run", "--epochs", "2"], 1, "has completed its 2 epochs"),
    (["train", "--resume", "run", "--epochs", "1"], 1, "has completed its 2 epochs"),
    (["train", "--resume", "run", "--epochs", "3", "--data", "absent.npy"], 1, "absent.npy"),
    (["train", "--resume", "run", "--epochs", "3", "--data", "mnist"], 1, "(3, 4)"),
    (["train", "--resume", "mid", "--epochs", "3", "--data", "others.npy"], 1, "same images"),
    (["train", "--resume", "memory", "--epochs", "3"], 1, "--data"),
    (["train", "--resume", "no-config"], 1, "--epochs"),
    (["train", "--resume", "bad-config"], 1, "--epochs"),
    # sample and noise
    (
        ["sample", "run", "--digit", "4"],
        1,
        "run was trained without labels; npgan train --conditional",
    ),
    (["sample", "digits", "--digit", "7"], 1, "label must be one of 4 to 6; got 7"),
    (["sample", "absent"], 1, "absent"),
    (["sample", "empty"], 1, "no checkpoint.npz"),
    (["sample", "images.npy"], 1, "images.npy"),
    (["sample", "corrupt"], 1, "corrupt/checkpoint.npz"),
    (["sample", "foreign"], 1, "foreign/checkpoint.npz"),
    (["sample", "run", "--out", "new.jpg"], 1, ".png"),
    (["sample", "run", "--out", "absent/new.png"], 1, "absent/new.png"),
    (["sample", "run", "--npy", "absent/new.npy"], 1, "absent/new.npy"),
    (["sample", "run", "--out", "empty"], 1, "empty"),
    (["sample", "run", "--npy", "run/checkpoint.npz"], 1, "is a file of a run and would be lost"),
    (["sample", "run", "--npy", "space/history.csv"], 1, "is a file of a run and would be lost"),
    (["export", "run", "--onnx", "new.onnx", "--name", "N"], 2, "--name"),
    (["exercises", "init", "new", "--dir", "other"], 2, "got new and --dir other"),
    (["exercises", "list", "new"], 2, "leave out new"),
    (["bench", "--scaling", "--peers", "numpy"], 2, "it does not go with --peers"),
    (["export", "run", "--html", "run/config.json"], 1, "is a file of a run and would be lost"),
    (["export", "run", "--onnx", "run/checkpoint.npz"], 1, "is a file of a run and would be lost"),
    (["sample", "space"], 1, "--npy"),
    (["sample", "space", "--interpolate"], 1, "points"),
    (["noise", "--out", "absent/noise.png"], 1, "absent/noise.png"),
    (["noise", "--out", "file.txt"], 1, "file.txt"),
]


@pytest.mark.parametrize(("argv", "code", "said"), WRONG, ids=lambda value: repr(value)[:60])
def test_a_mistake_costs_one_line_and_changes_no_file(argv, code, said, zoo, monkeypatch, capsys):
    monkeypatch.chdir(zoo)
    before = contents(zoo)
    try:
        found = main(argv)
    except SystemExit as exit:  # argparse's way
        found = exit.code
    out, err = capsys.readouterr()
    assert (out, found) == ("", code)
    assert err.count("\n") == 1
    assert err.endswith("\n")
    assert err.startswith("npgan")
    assert said in err
    assert contents(zoo) == before


def test_a_mistake_names_its_command(capsys):
    with pytest.raises(SystemExit):
        main(["train", "--epochs", "0"])
    assert main(["sample", "absent"]) == 1
    first, second = capsys.readouterr().err.splitlines()
    assert first.startswith(
        "npgan train: argument --epochs: expected a whole number of 1 or more, got '0'"
    )
    assert second == "npgan sample: absent does not exist"


def test_the_traceback_is_there_for_who_wants_it(monkeypatch):
    monkeypatch.setenv("NPGAN_TRACEBACK", "1")
    with pytest.raises(checkpoint.CheckpointError):
        main(["sample", "absent"])


def test_a_disk_that_is_full_costs_one_line(zoo, tmp_path, monkeypatch, capsys):
    def full(source, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    assert (
        main(["train", "--data", str(zoo / "images.npy"), *train_small(1), "--out", str(tmp_path)])
        == 1
    )
    assert (
        capsys.readouterr().err
        == f"npgan train: {tmp_path / 'config.json'}: No space left on device\n"
    )
    assert contents(tmp_path) == {}


@pytest.mark.skipif(os.name != "posix", reason="pipes and sockets of Unix")
@pytest.mark.parametrize("kind", ["pipe", "socket"])
@pytest.mark.parametrize(
    "argv",
    [
        ["sample", "RUN", "--npy", "special"],
        ["sample", "RUN", "--out", "special.png"],
        ["sample", "RUN", "--interpolate", "--out", "special.png"],
        ["noise", "--out", "special.png"],
        ["export", "RUN", "--html", "special"],
        ["study", "--out", "special"],
        ["train", "--resume", "COPY", "--epochs", "3", "--quiet"],
    ],
    ids=lambda argv: " ".join(argv[:1] + argv[2:3]),
)
def test_what_is_no_regular_file_is_not_replaced(kind, argv, zoo, tmp_path, monkeypatch, capsys):
    """By root, /dev/null would be replaced by a file, and the machine would have none."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(zoo / "run", tmp_path / "copy")
    (tmp_path / "copy" / "history.csv").unlink()
    for name in ("special", "special.png", "copy/history.csv"):
        if kind == "pipe":
            os.mkfifo(name)
        else:
            socket.socket(socket.AF_UNIX).bind(name)
    argv = [{"RUN": str(zoo / "run"), "COPY": "copy"}.get(word, word) for word in argv]
    before = sorted(tmp_path.rglob("*"))
    assert main(argv) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "no regular file but a device or a pipe, which is not replaced" in line
    assert sorted(tmp_path.rglob("*")) == before
    for name in ("special", "special.png", "copy/history.csv"):
        assert not os.path.isfile(name)


# ---- train ----


def test_train_prints_its_results_and_narrates_apart(zoo, tmp_path, capsys):
    argv = [
        "train",
        "--data",
        str(zoo / "images.npy"),
        *SMALL,
        "--epochs",
        "2",
        "--out",
        str(tmp_path / "a"),
    ]
    assert main(argv) == 0
    out, err = capsys.readouterr()
    rows = dict(line.split(maxsplit=1) for line in out.splitlines())
    assert rows["run"] == str(tmp_path / "a")
    assert rows["epoch"] == "2"
    lines = [line for line in err.splitlines() if "compiling" not in line]
    taken = "43 images of 3 x 4, pixels in [0, 255]"
    assert lines[0] == f"images.npy: {taken}; files go to {tmp_path / 'a'}"
    assert [line[:9] for line in lines[1:]] == ["epoch 1/2", "epoch 2/2"]
    for word in ("loss D", "loss G", "D(real)", "D(fake)", "images/s"):
        assert word in lines[1]
    assert contents(tmp_path / "a") == contents(zoo / "run")  # whether or not it is quiet


def test_train_says_as_json_where_everything_is(zoo, tmp_path, capsys):
    out = tmp_path / "a"
    found = run_json(capsys, "train", "--data", zoo / "images.npy", *train_small(1), "--out", out)
    gan = GAN.load(out)
    assert found["run"] == str(out)
    assert {name: found[name] for name in gan.history_} == {
        n: v[-1] for n, v in gan.history_.items()
    }
    for name in ("samples.png", "losses.png", "training.gif", "interpolation.png"):
        assert found[name] == str(out / name)
        with Image.open(found[name]) as picture:
            picture.load()


def test_quiet_is_quiet(zoo, tmp_path, capsys):
    main(
        ["train", "--data", str(zoo / "images.npy"), *train_small(1), "--out", str(tmp_path / "a")]
    )
    assert capsys.readouterr().err == ""


def test_settings_reach_the_gan(zoo, tmp_path, capsys):
    settings = "--latent 2 --hidden 6 7 --hidden-D 8 9 --loss hinge --lr 0.01 --batch 9 --average 0.5 --seed 7"
    out = tmp_path / "a"
    run_json(
        capsys,
        "train",
        "--data",
        zoo / "images.npy",
        *settings.split(),
        "--epochs",
        1,
        "--out",
        out,
    )
    gan = GAN.load(out)
    assert gan.config == GAN(2, (6, 7), (8, 9), "hinge", 0.01, batch=9, average=0.5, rng=7).config
    assert gan.epoch_ == 1


def test_settings_that_steady_the_game_reach_the_gan_and_survive_a_resume(zoo, tmp_path, capsys):
    settings = (
        "--lr 0.01 0.02 --lr-decay 0.5 --beta1 0 --beta2 0.9 --d-steps 2 --penalty wgan_gp --penalty-weight 3"
        " --penalty-every 2 --smoothing 0.1 --instance-noise 0.2 --dropout 0.3 --loss nonsaturating"
    )
    expected = GAN(
        3, (5,), (4,), lr=(0.01, 0.02), beta1=0, beta2=0.9, batch=8, lr_decay=0.5, d_steps=2, penalty="wgan_gp",
        penalty_weight=3, penalty_every=2, smoothing=0.1, instance_noise=0.2, dropout=0.3, loss="nonsaturating",
    )  # fmt: skip
    out = tmp_path / "a"
    argv = [
        "train",
        "--data",
        zoo / "images.npy",
        *SMALL,
        *settings.split(),
        "--epochs",
        1,
        "--out",
        out,
    ]
    run_json(capsys, *argv)
    assert GAN.load(out).config == expected.config
    found = run_json(capsys, "train", "--resume", out, "--epochs", 2)
    assert (found["epoch"], GAN.load(out).config) == (2, expected.config)
    assert found["penalty"] > 0


def test_the_default_penalty_can_be_left_out(zoo, tmp_path, capsys):
    argv = ["train", "--data", zoo / "images.npy", *SMALL, "--epochs", 1]
    run_json(capsys, *argv, "--penalty", "none", "--out", tmp_path / "a")
    run_json(capsys, *argv, "--out", tmp_path / "b")
    assert [GAN.load(tmp_path / name).config["penalty"] for name in "ab"] == [None, "r1+r2"]


@pytest.mark.parametrize("name", PENALTIES)
def test_every_penalty_can_be_chosen(name):
    args = make_parser().parse_args(["train", "--penalty", name])
    assert GAN(**given_settings(args)).config["penalty"] == name


@pytest.mark.parametrize("name", LOSSES)
def test_every_loss_can_be_chosen(name):
    args = make_parser().parse_args(["train", "--loss", name])
    assert GAN(**given_settings(args)).config["loss"] == name


def test_runs_without_a_place_are_numbered(zoo, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for n in (1, 2):
        found = run_json(capsys, "train", "--data", zoo / "images.npy", *train_small(1))
        assert found["run"] == os.path.join("runs", f"images-{n}")
    assert (tmp_path / "runs" / "images-2" / "checkpoint.npz").exists()


def test_divergence_names_step_and_tensor_and_what_is_kept(zoo, tmp_path, monkeypatch, capsys):
    data = ["--data", str(zoo / "images.npy"), "--out"]
    assert main(["train", *data, str(tmp_path / "a"), *train_small(3, "--lr", "1e30")]) == 1
    err = capsys.readouterr().err
    assert err.startswith("npgan train: training diverged at step ")
    assert "(epoch 1)" in err
    assert "no epoch was complete" in err
    assert err.count("\n") == 1

    after_step(monkeypatch, STEPS + 1, lambda gan: gan.generator_.theta.fill(np.nan))
    assert main(["train", *data, str(tmp_path / "b"), *train_small(3)]) == 1
    err = capsys.readouterr().err
    assert f"diverged at step {STEPS + 2} (epoch 2): fake images became nan" in err
    assert f"the last good state is {tmp_path / 'b' / 'checkpoint.npz'}" in err
    assert GAN.load(tmp_path / "b").epoch_ == 1


def test_divergence_in_the_first_epoch_keeps_what_ctrl_c_had_saved(
    zoo, tmp_path, monkeypatch, capsys
):
    with monkeypatch.context() as patch:
        after_step(patch, 2, lambda gan: signal.raise_signal(signal.SIGINT))
        main(["train", "--data", str(zoo / "images.npy"), *train_small(2), "--out", str(tmp_path)])
    before = (tmp_path / "checkpoint.npz").read_bytes()
    capsys.readouterr()
    after_step(monkeypatch, 3, lambda gan: gan.generator_.theta.fill(np.nan))
    assert main(["train", "--resume", str(tmp_path), "--quiet"]) == 1
    assert f"the last good state is {tmp_path / 'checkpoint.npz'}" in capsys.readouterr().err
    assert (tmp_path / "checkpoint.npz").read_bytes() == before


# ---- Ctrl-C and --resume ----


def after_step(monkeypatch, number, function):
    """Call function(gan) right after this step."""
    step = GAN.step

    def wrapped(self, real):
        values = step(self, real)
        if self.adam_G.t == number:
            function(self)
        return values

    monkeypatch.setattr(GAN, "step", wrapped)


@pytest.mark.parametrize("step", [1, STEPS, STEPS + 2])
def test_ctrl_c_saves_and_resume_ends_with_the_same_bits(step, zoo, tmp_path, monkeypatch, capsys):
    out = tmp_path / "a"
    with monkeypatch.context() as patch:
        after_step(patch, step, lambda gan: signal.raise_signal(signal.SIGINT))
        assert (
            main(["train", "--data", str(zoo / "images.npy"), *train_small(2), "--out", str(out)])
            == 130
        )
    stdout, err = capsys.readouterr()
    assert (stdout, err) == (
        "",
        f"stopped and saved; npgan train --resume {out} continues from here\n",
    )
    assert GAN.load(out).adam_G.t == step

    found = run_json(capsys, "train", "--resume", out, "--quiet")
    assert (found["run"], found["epoch"]) == (str(out), 2)
    assert contents(out) == contents(zoo / "run")


def test_ctrl_c_during_the_last_pictures_says_that_the_run_is_complete(
    zoo, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(
        "npgan.training.run_directory.RunDirectory.finish",
        lambda self: signal.raise_signal(signal.SIGINT),
    )
    assert (
        main(["train", "--data", str(zoo / "images.npy"), *train_small(2), "--out", str(tmp_path)])
        == 130
    )
    assert capsys.readouterr() == (
        "",
        f"stopped after the last epoch; the run in {tmp_path} is complete\n",
    )


def test_a_second_ctrl_c_says_which_state_was_saved(zoo, tmp_path, monkeypatch, capsys):
    def twice(gan):
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)

    after_step(monkeypatch, STEPS + 2, twice)
    assert (
        main(["train", "--data", str(zoo / "images.npy"), *train_small(2), "--out", str(tmp_path)])
        == 130
    )
    kept = tmp_path / "checkpoint.npz"
    assert capsys.readouterr() == ("", f"stopped at once; the last saved state is {kept}\n")
    assert GAN.load(tmp_path).adam_G.t == STEPS


def test_ctrl_c_before_training_began_saves_nothing(tmp_path, monkeypatch, capsys):
    def interrupted(source):
        raise KeyboardInterrupt

    monkeypatch.setattr("npgan.datasets.load", interrupted)
    assert main(["train", "--out", str(tmp_path / "a")]) == 130
    out, err = capsys.readouterr()
    assert out == ""
    assert "saved" not in err
    assert not list(tmp_path.iterdir())


def test_resume_can_add_epochs(zoo, tmp_path, capsys):
    data = ["--data", zoo / "images.npy", "--lr-decay", 0]
    longer, out = tmp_path / "longer", tmp_path / "at once"
    run_json(capsys, "train", *data, *train_small(2), "--out", longer)
    run_json(capsys, "train", "--resume", longer, "--epochs", 3, "--quiet")
    run_json(capsys, "train", *data, *train_small(3), "--out", out)
    assert contents(longer) == contents(out)


def test_more_epochs_for_a_finished_run_say_what_becomes_of_its_learning_rate(
    zoo, tmp_path, capsys
):
    shutil.copytree(zoo / "run", tmp_path / "a")  # two epochs; of three, two thirds are done
    assert main(["train", "--resume", str(tmp_path / "a"), "--epochs", "3"]) == 0
    heading = capsys.readouterr().err.splitlines()[0]
    said = (
        "; the run now ends later than planned, so the learning rate rises to 0.00053 and then "
        "falls to 0 again"
    )
    assert heading.endswith(said)
    gan = GAN.load(zoo / "run").fit(datasets.load(zoo / "images.npy"), epochs=1, progress=False)
    assert np.array_equal(gan.generator_.theta, GAN.load(tmp_path / "a").generator_.theta)


def test_resume_needs_no_config_where_the_epochs_are_given(zoo, tmp_path, capsys):
    shutil.copytree(zoo / "no-config", tmp_path / "a")
    assert (
        run_json(capsys, "train", "--resume", tmp_path / "a", "--epochs", 3, "--quiet")["epoch"]
        == 3
    )
    assert (tmp_path / "a" / "config.json").exists()


def test_data_in_memory_can_be_named_on_resume(zoo, tmp_path, capsys):
    shutil.copytree(zoo / "memory", tmp_path / "a")
    data = ["--data", zoo / "images.npy"]
    assert (
        run_json(capsys, "train", "--resume", tmp_path / "a", "--epochs", 3, *data, "--quiet")[
            "epoch"
        ]
        == 3
    )


def test_a_real_ctrl_c_in_a_real_process(zoo, tmp_path, capsys):
    out, data = tmp_path / "a", ["--data", zoo / "images.npy", "--lr-decay", 0]
    process = start_npgan("train", *data, *SMALL, "--epochs", 10_000, "--out", out)
    try:
        for line in process.stderr:
            if line.startswith("epoch     2/10000 "):
                process.send_signal(signal.SIGINT)
                break
        code, stdout, err = finish(process)
    finally:
        process.kill()
    assert (code, stdout) == (130, "")
    *epochs, last = err.splitlines()
    assert last == f"stopped and saved; npgan train --resume {out} continues from here"
    assert all(line.startswith("epoch ") for line in epochs)
    total = GAN.load(out).epoch_ + 1
    for argv in (
        ["--resume", out, "--epochs", total, "--quiet"],
        [*data, *train_small(total), "--out", tmp_path / "b"],
    ):
        code, _, err = run_npgan("train", *argv)
        assert (code, err) == (0, "")
    assert contents(out) == contents(tmp_path / "b")


# ---- sample, noise, info ----


def test_sample_draws_a_grid_and_keeps_the_array(zoo, tmp_path, capsys):
    picture, npy = tmp_path / "grid.png", tmp_path / "samples.data"
    found = run_json(
        capsys, "sample", zoo / "run", "-n", 9, "--seed", 3, "--out", picture, "--npy", npy
    )
    help_ = chosen(GAN.load(zoo / "run"))._asdict()
    files = {"npy": str(npy), "picture": str(picture)}
    assert found == {"run": str(zoo / "run"), "epoch": 2, **help_, **files}
    images = np.load(npy)
    assert (images.shape, images.dtype) == ((9, 3, 4), np.uint8)
    assert np.array_equal(images, GAN.load(zoo / "run").sample(9, 3))
    assert np.array_equal(cells(picture, 3, 3, 4), images)


def test_sample_takes_the_checkpoint_itself_and_the_same_seed_gives_the_same(zoo, tmp_path, capsys):
    a, b, c = tmp_path / "a.npy", tmp_path / "b.npy", tmp_path / "c.npy"
    run_json(capsys, "sample", zoo / "run", "--npy", a, "--seed", 1)
    run_json(capsys, "sample", zoo / "run" / "checkpoint.npz", "--npy", b, "--seed", 1)
    run_json(capsys, "sample", zoo / "run", "--npy", c, "--seed", 2)
    assert a.read_bytes() == b.read_bytes() != c.read_bytes()
    assert sorted(tmp_path.iterdir()) == [a, b, c]


def with_critic(zoo, path, real):
    """The checkpoint of a run in which D's mean logits are `real` and 0."""
    gan = GAN.load(zoo / "run")
    gan.critic_ = {"real": real, "generated": 0.0, "variance": 0.5}
    gan.save(path)
    return gan


def test_sample_says_whether_D_has_helped(zoo, tmp_path, capsys):
    run, npy = tmp_path / "good.npz", tmp_path / "a.npy"
    gan = with_critic(zoo, run, 1.0)
    for options, refine, keep in (
        ((), 3, 0.97),
        (("--refine", 3), 3, 0.97),
        (("--refine", 0, "--keep", 1), 0, 1.0),
        (("--refine", 2, "--keep", 0.5), 2, 0.5),
    ):
        found = run_json(capsys, "sample", run, "--npy", npy, "--seed", 1, "-n", 9, *options)
        assert (found["refine"], found["keep"]) == (refine, keep)
        assert np.array_equal(np.load(npy), gan.sample(9, 1, refine=refine, keep=keep))
    with_critic(zoo, run, -1.0)
    assert main(["sample", str(run), "--npy", str(npy), "--json"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["refine"] == 0
    assert err.count("\n") == 1
    assert "these are samples of G alone, as its mean logit is -1 for real images" in err
    assert main(["sample", str(run), "--npy", str(npy), "--refine", "0"]) == 0
    assert not capsys.readouterr().err
    assert main(["sample", str(run), "--npy", str(npy), "--keep", "0.5"]) == 1
    assert "use refine=0 and keep=1" in capsys.readouterr().err


def test_sample_has_a_place_of_its_own(zoo, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert run_json(capsys, "sample", zoo / "run")["picture"] == "samples.png"
    found = run_json(capsys, "sample", zoo / "run", "--interpolate")["picture"]
    assert sorted(os.listdir(tmp_path)) == sorted({"samples.png", found})


def test_interpolation_walks_from_one_image_to_another(zoo, tmp_path, capsys):
    a, b, c = tmp_path / "a.png", tmp_path / "b.png", tmp_path / "c.png"
    for path, seed in ((a, 1), (b, 1), (c, 2)):
        run_json(capsys, "sample", zoo / "run", "--interpolate", "--seed", seed, "--out", path)
    assert a.read_bytes() == b.read_bytes() != c.read_bytes()
    assert cells(a, 12, 3, 4).shape == (8 * 12, 3, 4)


def test_a_walk_in_one_dimension_goes_straight(monkeypatch):
    gan, seen = GAN(latent=1, hidden=(4,), hidden_D=(4,), batch=8), []
    gan.fit(IMAGES, epochs=1, progress=False)
    monkeypatch.setattr(
        GAN, "generate", lambda self, z, labels: seen.append(z) or np.zeros((len(z), 3, 4))
    )
    interpolate(gan)
    walks, (a, b) = (
        seen[0].reshape(8, 12),
        np.random.default_rng(0).standard_normal((2, 8), dtype=np.float32),
    )
    np.testing.assert_allclose(walks, np.linspace(a, b, 12, axis=1), atol=1e-5)


def test_a_conditional_run_draws_the_digit_that_is_asked_for(zoo, tmp_path, capsys):
    data, out, npy, picture = (
        zoo / "labelled.npz",
        tmp_path / "run",
        tmp_path / "a.npy",
        tmp_path / "a.png",
    )
    found = run_json(
        capsys, "train", "--data", data, *train_small(1), "--conditional", "--out", out
    )
    assert cells(found["samples.png"], 3, 3, 4).shape == (8 * 3, 3, 4)
    assert run_json(capsys, "train", "--resume", out, "--epochs", 2, "--quiet")["epoch"] == 2
    run_json(
        capsys, "sample", out, "--digit", 5, "-n", 9, "--seed", 1, "--npy", npy, "--out", picture
    )
    gan = GAN.load(out)
    assert np.array_equal(np.load(npy), gan.sample(9, 1, label=5))
    assert np.array_equal(cells(picture, 3, 3, 4), gan.sample(9, 1, label=5))
    run_json(capsys, "sample", out, "--label", 5, "-n", 9, "--seed", 1, "--npy", tmp_path / "b.npy")
    assert np.array_equal(np.load(tmp_path / "b.npy"), np.load(npy))
    run_json(capsys, "sample", out, "-n", 12, "--seed", 1, "--out", picture)
    assert np.array_equal(
        cells(picture, 3, 3, 4), gan.sample(12, 1)
    )  # a column for each of 4, 5, 6


def test_points_in_space_can_be_sampled_as_an_array(zoo, tmp_path, capsys):
    run_json(capsys, "sample", zoo / "space", "-n", 5, "--npy", tmp_path / "a.npy")
    points = np.load(tmp_path / "a.npy")
    assert (points.shape, points.dtype) == ((5, 3), np.float32)


def cells(path, columns, h, w):
    """The (n, h, w) images in a grid: three pixels for one, gutters of two."""
    with Image.open(path) as picture:
        grid = np.asarray(picture)[::3, ::3, 0][2:, 2:]
    rows = len(grid) // (h + 2)
    grid = grid.reshape(rows, h + 2, columns, w + 2).swapaxes(1, 2)
    return grid[:, :, :h, :w].reshape(rows * columns, h, w)


def test_noise_is_an_8_by_8_grid_of_random_28_by_28_images(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert run_json(capsys, "noise", "-n", 64, "--seed", 5) == {"picture": "noise.png"}
    images = cells(tmp_path / "noise.png", 8, 28, 28)
    expected = np.random.default_rng(5).integers(0, 256, (64, 28, 28), dtype=np.uint8)
    assert np.array_equal(images, expected)


def test_noise_without_a_seed_is_new_every_time(tmp_path, capsys):
    for name in ("a.png", "b.png"):
        run_json(capsys, "noise", "-n", 2, "--out", tmp_path / name)
    assert (tmp_path / "a.png").read_bytes() != (tmp_path / "b.png").read_bytes()


def test_info_names_versions_kernels_and_machine(capsys):
    found = run_json(capsys, "info")
    assert found["npgan"] == __version__
    assert found["numpy"] == np.__version__
    assert found["kernels"] in ("compiled", "reference")
    for name in (
        "python",
        "numba",
        "matplotlib",
        "tqdm",
        "machine",
        "cpu features",
        "threads",
        "blas",
    ):
        assert found[name]
    assert main(["info"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()][:2] == [
        "npgan",
        "python",
    ]


# ---- processes ----

LIGHT = """
import sys
import npgan, npgan.cli
for argv in (["--help"], ["train", "--help"], ["--version"], ["train", "--epochs", "0"]):
    try:
        npgan.cli.main(argv)
    except SystemExit:
        pass
print(sorted({name.partition(".")[0] for name in sys.modules} & set(sys.argv[1:])))
"""


def test_help_and_usage_errors_import_nothing_heavy():
    heavy = ["numpy", "numba", "matplotlib", "PIL", "tqdm"]
    code, out, _ = run("-c", LIGHT, *heavy)
    assert (code, out.splitlines()[-1]) == (0, "[]")


def test_python_m_npgan_is_the_command():
    assert run_npgan("--version") == (0, f"npgan {__version__}\n", "")
    code, out, err = run_npgan("paint")
    assert (code, out, err.count("\n")) == (2, "", 1)


def test_help_names_every_command(capsys):
    with pytest.raises(SystemExit) as exit:
        main(["--help"])
    out, err = capsys.readouterr()
    assert (exit.value.code, err) == (0, "")
    names = re.findall(r"^    (\w+)", out, re.M)
    assert sorted(names) == [
        "bench", "evaluate", "examples", "exercises", "export", "gradcheck", "info", "noise", "sample", "study",
        "sweep", "train",
    ]  # fmt: skip


@pytest.mark.skipif(os.name != "posix", reason="pipes of Unix")
def test_a_reader_that_has_gone_costs_no_traceback():
    reader, writer = os.pipe()
    os.close(reader)
    code, _, err = run_npgan("info", stdout=writer)
    os.close(writer)
    assert (code, err) == (1, "")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_result_that_cannot_be_printed_is_a_failure():
    with open("/dev/full", "w") as full:
        code, _, err = run_npgan("info", stdout=full)
    assert (code, err) == (1, "npgan info: stdout: No space left on device\n")


THREADS = """
import os, sys, types
from npgan.cli import main
def info(args):
    return {"threads": os.environ["OPENBLAS_NUM_THREADS"], "numpy": "numpy" in sys.modules}
sys.modules["npgan.cli.commands"] = types.SimpleNamespace(info=info)
sys.exit(main(["info", "--threads", "3", "--json"]))
"""


def test_threads_are_set_before_numpy_is_imported():
    assert json.loads(run("-c", THREADS).out) == {"threads": "3", "numpy": False}


# ---- signals, encodings, and what a terminal shows ----

posix = pytest.mark.skipif(os.name != "posix", reason="signals of Unix")


@posix
@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_a_signal_that_ends_a_command_saves_as_ctrl_c_does(
    name, zoo, tmp_path, monkeypatch, capsys
):
    number, out = getattr(signal, name), tmp_path / "a"
    before = signal.getsignal(number)
    argv = ["train", "--data", str(zoo / "images.npy"), *train_small(2), "--out", str(out)]
    with monkeypatch.context() as patch:
        after_step(patch, STEPS + 2, lambda gan: signal.raise_signal(number))
        assert main(argv) == 128 + number
    said = f"stopped and saved; npgan train --resume {out} continues from here\n"
    assert capsys.readouterr() == ("", said)
    assert GAN.load(out).adam_G.t == STEPS + 2
    assert signal.getsignal(number) is before
    run_json(capsys, "train", "--resume", out, "--quiet")
    assert contents(out) == contents(zoo / "run")


@posix
def test_a_second_signal_ends_a_command_at_once(zoo, tmp_path, monkeypatch, capsys):
    def twice(gan):
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGTERM)

    after_step(monkeypatch, STEPS + 2, twice)
    argv = ["train", "--data", str(zoo / "images.npy"), *train_small(2), "--out", str(tmp_path)]
    assert main(argv) == 143
    assert "stopped at once" in capsys.readouterr().err
    assert GAN.load(tmp_path).adam_G.t == STEPS


@posix
def test_a_signal_that_the_process_ignores_stays_ignored(zoo, tmp_path, monkeypatch, capsys):
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does
    try:
        after_step(monkeypatch, 2, lambda gan: signal.raise_signal(signal.SIGHUP))
        found = run_json(
            capsys, "train", "--data", zoo / "images.npy", *train_small(1), "--out", tmp_path
        )
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)
    assert found["epoch"] == 1


@posix
def test_a_program_that_trains_keeps_its_handler_of_sigterm(monkeypatch):
    seen = []
    before = signal.signal(signal.SIGTERM, lambda number, frame: seen.append(number))
    try:
        after_step(monkeypatch, 2, lambda gan: signal.raise_signal(signal.SIGTERM))
        gan = GAN(latent=3, hidden=(5,), hidden_D=(4,), batch=8).fit(IMAGES, 1, progress=False)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert (gan.epoch_, seen) == (1, [signal.SIGTERM])


@posix
def test_a_real_sigterm_in_a_process_that_ignores_ctrl_c(zoo, tmp_path):
    out = tmp_path / "a"
    process = start_npgan(
        "train", "--data", zoo / "images.npy", *SMALL, "--epochs", 10_000, "--out", out,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),
    )  # fmt: skip
    try:
        for line in process.stderr:
            if line.startswith("epoch     2/10000 "):
                process.send_signal(signal.SIGTERM)
                break
        code, stdout, err = finish(process)
    finally:
        process.kill()
    assert (code, stdout) == (143, "")
    assert err.splitlines()[-1].startswith("stopped and saved; ")
    assert GAN.load(out).epoch_ >= 2


IMPORTS = """
import signal, sys, weakref
def interrupt(_=None):
    signal.raise_signal(signal.SIGINT)
class Interrupt:
    def find_spec(self, name, path=None, target=None):
        if name == sys.argv[1]:
            WHERE
sys.meta_path.insert(0, Interrupt())
signal.signal(signal.SIGINT, signal.default_int_handler)
from npgan.cli import main
sys.exit(main(["noise", "--out", sys.argv[2]]))
"""


@pytest.mark.parametrize(
    "module",
    ["npgan.training.signals", "npgan.cli.run", "npgan.cli.arguments", "numpy", "PIL.Image"],
)
def test_ctrl_c_during_the_imports_costs_no_traceback(module, tmp_path):
    picture = tmp_path / "a.png"
    code = IMPORTS.replace("WHERE", "interrupt()")
    assert run("-c", code, module, picture) == (130, "", "")
    assert not picture.exists()


@pytest.mark.parametrize("module", ["npgan.cli.run", "argparse", "npgan.cli.arguments", "numpy"])
def test_ctrl_c_in_a_callback_of_an_import_is_not_lost(module, tmp_path):
    """Python prints an exception in such a callback, as its import lock has one, and goes on."""
    picture = tmp_path / "a.png"
    code = IMPORTS.replace("WHERE", "weakref.finalize(Interrupt(), interrupt)")
    assert run("-c", code, module, picture) == (130, "", "")
    assert not picture.exists()


@pytest.mark.parametrize("encoding", ["ascii", "cp932", "latin-1:strict"])
def test_what_stdout_cannot_encode_is_replaced(encoding, monkeypatch):
    code = (
        "import sys, types\n"
        "from npgan.cli import main\n"
        "table = {'Fréchet distance': '±1 ²', 'file': 'a\\x1b[2J\\udc80'}\n"
        "sys.modules['npgan.cli.commands'] = types.SimpleNamespace(info=lambda args: table)\n"
        "sys.exit(main(['info']))\n"
    )
    found, out, err = run("-c", code, env={"PYTHONIOENCODING": encoding}, text=False)
    assert (found, err) == (0, b"")
    assert b"chet distance  " in out
    assert b"file              a\\x1b[2J\\udc80\n" in out
    if encoding == "ascii":
        assert out.startswith(b"Fr\\xe9chet distance  \\xb11 \\xb2\n")


@pytest.mark.parametrize(
    "argv",
    [
        ["sample", "a\x1b[2Jb\x07"],
        ["sample", "x" * 5000],
        ["train", "--data", "\x1b]0;title\x07" + "é" * 700],
        ["train", "--epochs", "\x1b[31m" * 200],
        ["evaluate", "\x9b31m\u202e" * 100],
        ["\x1b[31m"],
    ],
    ids=range(6),
)
def test_an_error_is_one_short_printable_line(argv, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    try:
        code = main(argv)
    except SystemExit as exit:
        code = exit.code
    out, err = capsys.readouterr()
    assert (out, code in (1, 2)) == ("", True)
    assert err.count("\n") == 1
    assert err[:-1].isprintable()
    assert len(err) <= 301
    assert err.startswith("npgan")
    assert code == 1 or err.endswith("--help)\n")


def test_a_full_disk_leaves_the_old_array_and_is_named(zoo, tmp_path, monkeypatch, capsys):
    def full(descriptor):
        raise OSError(28, "No space left on device")

    npy = tmp_path / "a.npy"
    npy.write_bytes(b"old")
    monkeypatch.setattr(os, "fsync", full)
    assert main(["sample", str(zoo / "run"), "--npy", str(npy)]) == 1
    assert capsys.readouterr().err == f"npgan sample: {npy}: No space left on device\n"
    assert npy.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["a.npy"]


def test_a_picture_that_is_limited_says_so_in_one_line(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("npgan.plot.limits.MAX_PIXELS", 10_000)
    assert main(["noise", "-n", "100", "--out", str(tmp_path / "a.png")]) == 0
    err = capsys.readouterr().err
    assert err.startswith("npgan noise: a picture has at most ")
    assert "8 of 100 images" in err
    assert err.count("\n") == 1
