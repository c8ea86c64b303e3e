"""F10: whatever the command line is given, it costs no traceback, and at most one clear line.

The arguments are drawn at random from the parser's own options, with a hostile value for at least
one of them. Every command runs in this process, in a directory of its own, with bounded memory.
"""

import argparse
import json
import os
import random
import shutil

import numpy as np
import pytest
from hostile import (
    address_space,
    limits,
    reference_kernels,  # noqa: F401
    run_main,
)
from suite import thinned

from npgan import GAN
from npgan.cli.arguments import make_parser

pytestmark = pytest.mark.usefixtures("reference_kernels")

NUMBERS = [
    "0", "-1", "1", "2", "1.5", "nan", "-nan", "inf", "-inf", "1e400", "1e-400", str(10**14), str(2**63),
    str(10**30), "9" * 5000, "0x10", "1_0", "\u0661\u0662", " 1 ", "+1", "1e3", "True", "None", "1,2", "1 2",
    "½", "--1", "1e", ".", "-0", "0.5", "-0.5", "1" + "0" * 400,
]  # fmt: skip
TEXTS = [
    "", " ", "\n", "a\nb", "\x1b[2J", "\x1b]0;t\a", "\0", "a\0b", "é", "😀", "\u202eabc", "a" * 5000, "é" * 200,
    "\udcff", "-", "--", "---", "%s%n", "%", "%(prog)s", "{}", "../..", "/", "/dev/null", "/dev/zero", "~",
    "~nobody_here/x", "*", "file.txt", "run", "empty", "images.npy", "corrupt", "absent", "a\tb", "\x85", "\u2028",
    "run/checkpoint.npz", "points.npy", "digits", "new.png", "new.jpg", "absent/new.png", "\x9b31m", "\r", "@file.txt",
    "labelled.npz", ".", "mnist\n", "none", "None", "r1", "hinge", "=", "a=b", "'", '"', "\\", "$(x)", "con",
]  # fmt: skip
TARGETS = [
    "os:getcwd", "json:dumps", "absent:x", "a", "a:", ":", "::", ":a", "os.path:join", "numpy:zeros", "a b:c",
    "os:absent", "os:name", "file.txt:x", "é:é", "os:getcwd:x", "sys:path", "builtins:list", "..:x", "json:",
]  # fmt: skip
COMMANDS = {
    "train": 260,
    "sample": 120,
    "evaluate": 120,
    "noise": 60,
    "gradcheck": 60,
    "bench": 50,
    "info": 40,
}
ROWS = np.random.default_rng(0).integers(0, 256, (20, 3, 4), dtype=np.uint8)
SMALL = dict(latent=2, hidden=(3,), hidden_D=(3,), batch=4)


def options_of(command):
    """The options and positions of a command, as argparse holds them."""
    top = make_parser()
    subparsers = next(a for a in top._actions if isinstance(a, argparse._SubParsersAction))
    return [a for a in subparsers.choices[command]._actions if a.dest not in ("help", "json")]


def values_for(action, rng, hostile):
    """The texts for an option: hostile, or as they should be."""
    if action.nargs == 0:
        return [rng.choice(TEXTS)] if hostile and rng.random() < 0.2 else []
    pool = (
        NUMBERS + TEXTS if hostile else ["1", "2", "0.5", "run", "images.npy", "digits", "new.png"]
    )
    if action.dest == "target" and rng.random() < 0.5:
        pool = TARGETS
    elif not hostile and action.choices:
        pool = [str(choice) for choice in action.choices]
    count = rng.choice((0, 1, 2, 3)) if hostile and action.nargs == "+" else 1
    return [rng.choice(pool) for _ in range(count)]


def drawn(command, seed):
    """A command line drawn at random."""
    rng = random.Random(f"{command} {seed}")
    options = options_of(command)
    positions = [a for a in options if not a.option_strings]
    named = [a for a in options if a.option_strings]
    argv = []
    for action in rng.sample(named, min(len(named), rng.choice((0, 1, 1, 2, 3, 4)))):
        name, values = (
            rng.choice(action.option_strings),
            values_for(action, rng, rng.random() < 0.7),
        )
        argv += [f"{name}={values[0]}"] if values and rng.random() < 0.2 else [name, *values]
    for action in positions:
        if rng.random() < 0.9:
            argv[0:0] = values_for(action, rng, rng.random() < 0.7)
    if rng.random() < 0.15:
        argv.insert(
            rng.randrange(len(argv) + 1), rng.choice((*TEXTS, "--absent", "-x", "--jso", "--"))
        )
    if rng.random() < 0.3:
        argv.append("--json")
    if command == "train":  # a run of one short epoch, if nothing is wrong
        argv = [
            "--data",
            "images.npy",
            "--hidden",
            "3",
            "--hidden-D",
            "3",
            *argv,
            "--epochs",
            "1",
            "--quiet",
        ]
    if command == "bench":
        argv += ["--rounds", rng.choice(("0", "-1", "x", ""))]
    if command == "gradcheck" and not argv:
        argv = [rng.choice(TARGETS)]
    return [command, *argv]


LINES = [drawn(command, seed) for command, count in COMMANDS.items() for seed in range(count)]
LINES += [[text, *more] for text in TEXTS for more in ([], ["--json"]) if text != "--"]
LINES += [
    ["train", "--data", "images.npy", "--batch", "99", "--epochs", str(10**30)],
    ["train", "--resume", "run", "--epochs", str(10**30), "--data", "file.txt"],
    ["noise", "-n", str(10**30)], ["noise", "-n", str(2**62)], ["sample", "run", "-n", str(2**62)],
    ["sample", "run", "-n", str(10**30)], ["evaluate", "run", "-n", str(10**30)],
    ["sample", "digits", "--digit", str(10**30)], ["sample", "digits", "--digit", str(-(10**30))],
    ["sample", "run", "--seed", str(10**4000)], ["noise", "--seed", str(10**4000)],
    ["train", "--data", "images.npy", "--latent", str(10**30), "--epochs", "1"],
    ["train", "--data", "images.npy", "--hidden", *["9"] * 900, "--batch", "99"],
    ["train", "--data", "images.npy", "--batch", str(10**4000)], ["gradcheck", "os:getcwd", "--seed", "9" * 4000],
    ["info", "--threads", str(10**30)], ["--version", "x"], ["-h", "x"], ["--version=x"], [], ["--"], [""],
]  # fmt: skip


@pytest.fixture(scope="module")
def zoo(tmp_path_factory):
    """Small runs and files."""
    zoo = tmp_path_factory.mktemp("zoo")
    np.save(zoo / "images.npy", ROWS)
    np.save(zoo / "points.npy", np.zeros((20, 3), np.float32))
    labels = np.arange(20) % 3 + 4
    np.savez(zoo / "labelled.npz", x=ROWS, y=labels)
    (zoo / "file.txt").write_text("not an image\n")
    for name in ("empty", "corrupt"):
        (zoo / name).mkdir()
    (zoo / "corrupt" / "checkpoint.npz").write_bytes(b"PK\5\6 not a zip file")
    for name, how in (("run", {}), ("digits", {"labels": labels})):
        gan = GAN(**SMALL, conditional=bool(how))
        gan.fit(ROWS, epochs=1, out=zoo / name, progress=False, **how)
    return zoo


@pytest.mark.parametrize("argv", thinned(LINES, fast=130, ids=[str(i) for i in range(len(LINES))]))
def test_no_command_line_costs_more_than_a_line(
    argv, zoo, tmp_path, monkeypatch, capsys, caplog, injected
):
    injected("F10")
    place = tmp_path / "place"
    shutil.copytree(zoo, place)
    monkeypatch.chdir(place)
    monkeypatch.setenv("NPGAN_KERNELS", "reference")
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in (
        "OMP_NUM_THREADS",
        "OPENBLAS_NUM_THREADS",
        "MKL_NUM_THREADS",
        "VECLIB_MAXIMUM_THREADS",
    ):
        monkeypatch.setenv(name, "1")  # --threads changes them
    before = {path: path.read_bytes() for path in place.rglob("*") if path.is_file()}
    with limits(2 << 30), address_space(3 << 30):
        code, out, lines = run_main(argv, capsys, caplog)
    if code == 0:
        assert all(line.isprintable() for line in out.splitlines())
        assert out
        if "--json" in argv and "-h" not in argv:
            assert json.loads(out)
    else:
        assert lines[-1].startswith("npgan")
        said = [line for line in lines if not line.startswith("npgan: warning")]
        assert len(said) == 1
    if code == 2:  # wrong usage changes nothing
        assert {p: p.read_bytes() for p in place.rglob("*") if p.is_file()} == before
    assert os.listdir(tmp_path) == ["place"]
