"""F6: terminals: keys, windows that are closed or narrow, and what is shown in them.

Each program is a real one in a pseudo terminal: Ctrl-C is the key, which the terminal makes a signal.
"""

import os
import re
import shutil
import signal
import sys
import time

import pytest
from suite import thinned

if os.name != "posix":
    pytest.skip("terminals of Unix", allow_module_level=True)

import children
from terminals import (
    CTRL_BACKSLASH,
    CTRL_C,
    CTRL_D,
    CTRL_Q,
    CTRL_S,
    Terminal,
    screen,
)
from test_signals import HOOKS, SMALL, STEPS, assert_quiet, assert_resumes, contents
from test_signals import kernels_of_the_children as kernels_of_the_children
from test_signals import zoo as zoo
from test_streams import COMMANDS, assert_nothing_lost
from test_streams import half as half
from test_streams import room as room

HOLD = """
def hold():  # tells that the moment has come, and waits for a file "go"
    import time
    with open("held.part", "w") as file:
        file.write(str(os.getpid()))
    os.rename("held.part", "held")
    while not os.path.exists("go"):
        time.sleep(0.01)
"""
HELD = HOLD + HOOKS.replace("signal.raise_signal(number)", "hold()")
NPGAN = (sys.executable, "-m", "npgan")


def training(zoo, *more):
    """The arguments of a run of two epochs whose files are those of zoo/run."""
    return [
        "train",
        "--data",
        str(zoo / "x.npy"),
        *SMALL[:-1],
        "--epochs",
        "2",
        "--out",
        "out",
        *more,
    ]


def held(room, moment, *argv, **how):
    """Start npgan in a terminal, and wait until it is at this moment; `go` lets it go on."""
    (room / "held.py").write_text(HELD)
    terminal = Terminal([sys.executable, "held.py", moment, "0", *argv], room, **how)
    wait_for_file(room / "held", terminal)
    return terminal


def wait_until(condition, terminal):
    """Wait until this is so."""
    end = time.monotonic() + children.LIMIT
    while not condition():
        assert time.monotonic() < end, terminal.shown
        time.sleep(0.01)


def wait_for_file(file, terminal):
    """Wait until the file is there."""
    wait_until(lambda: file.exists() or terminal.process.poll() is not None, terminal)
    assert file.exists(), terminal.shown


def assert_clear(text):
    """No traceback, and nothing that a terminal would obey."""
    assert_quiet(children.Done(0, text, ""))
    assert "\x1b" not in text


# ---- keys, and a window that is closed, at named moments ----

KEYS = {"Ctrl-C": (CTRL_C, r"\^C"), "Ctrl-backslash": (CTRL_BACKSLASH, r"\^\\")}
PLACES = ["in out err", "in out", "in err", "in", "out err"]
MOMENTS = ["load", "step 1", "step 3", "inside 7", f"step {STEPS + 2}", "write 2", "draw 2", "gif", "print"]  # fmt: skip
WHILE_TRAINING = [
    *(("Ctrl-C", moment, "in out err") for moment in MOMENTS),
    *(("Ctrl-C", "step 3", streams) for streams in PLACES[1:]),
    *(("Ctrl-C twice", moment, "in out err") for moment in ("step 3", "write 2", "draw 2")),
    *(("Ctrl-backslash", moment, "in out err") for moment in ("step 3", "step 7", "gif")),
    *(("window closed", moment, "in out err") for moment in MOMENTS),
    *(("window closed", "step 7", streams) for streams in PLACES[1:]),
]


@pytest.mark.parametrize("fault", thinned(WHILE_TRAINING, 1, ["-".join(f) for f in WHILE_TRAINING]))
def test_a_key_or_a_closed_window_while_it_trains(fault, zoo, room, injected):
    injected("F6")
    what, moment, streams = fault
    with held(room, moment, *training(zoo), streams=streams) as terminal:
        if what == "window closed":
            terminal.close()
            code = 128 + signal.SIGHUP
        else:
            key, shown = KEYS[what.split()[0]]
            code = -signal.SIGQUIT if key == CTRL_BACKSLASH else 130
            terminal.type(key)
            terminal.wait_for(shown)  # it is shown after the signal was sent
            if what == "Ctrl-C twice":
                terminal.type(key)
                terminal.wait_for(r"\^C[^^]*\^C")
        (room / "go").touch()
        done = terminal.finish(torn=what == "Ctrl-backslash")
        assert done.code == code, (terminal.shown, done)
        assert_quiet(done)
        assert_clear(terminal.shown)
        if "err" in streams and what == "Ctrl-C" and moment.split()[0] in ("step", "inside"):
            assert "npgan train --resume out continues from here" in terminal.shown
    if what in ("Ctrl-C", "window closed") and moment.split()[0] not in ("load", "write"):
        assert (room / "out" / "checkpoint.npz").exists(), "steps were lost"
    assert_resumes(room / "out", zoo)


TYPED = {
    "text": [b"hello\n", b"q", b"\n" * 50],
    "end of input": [CTRL_D, b"x", CTRL_D],
    "stopped output": [CTRL_S, b"abc", CTRL_Q],
    "escapes": [b"\x1b[A\x1b[B\x1b[6n", b"\x7f\x15\x17"],
    "a long line": [b"x" * 3000],
    "not a text": [bytes(range(128, 256)), b"\xff\xfe\n"],
}


@pytest.mark.parametrize("keys", thinned(list(TYPED), 0))
def test_what_is_typed_while_it_trains_changes_nothing(keys, zoo, room, injected):
    injected("F6")
    with held(room, "step 3", *training(zoo)) as terminal:
        for part in TYPED[keys]:
            terminal.type(part)
        (room / "go").touch()
        assert terminal.finish(torn=True).code == 0
        assert "training.gif" in terminal.shown
        assert_quiet(children.Done(0, terminal.shown, ""))
    assert contents(room / "out") == contents(zoo / "run")


@pytest.mark.parametrize("streams", thinned(["in out err", "in out", "in err"], 0))
def test_a_closed_window_under_nohup_ends_nothing(streams, zoo, room, injected):
    injected("F6")
    with held(room, "step 7", *training(zoo), streams=streams, ignore=("SIGHUP",)) as terminal:
        terminal.close()
        (room / "go").touch()
        done = terminal.finish()
        assert done.code == (1 if "out" in streams else 0)  # its result could not be printed
        assert_quiet(done)
    assert contents(room / "out") == contents(zoo / "run")


CLOSED_BEFORE = [
    "info",
    "sample",
    "mistake",
    "wrong use",
    "help",
    "gradcheck",
    "evaluate",
    "resume",
]


@pytest.mark.parametrize("command", thinned(CLOSED_BEFORE, 0))
def test_a_window_that_is_closed_before_a_command_prints(command, zoo, half, room, injected):
    injected("F6")
    if command == "resume":
        shutil.copytree(half, room / "half")
    argv = [str(zoo / "run") if word == "RUN" else word for word in COMMANDS[command]]
    with Terminal([*NPGAN, *argv], room, ignore=("SIGHUP",)) as terminal:
        terminal.close()
        done = terminal.finish()
    codes = {"wrong use": 2, "help": 0}  # argparse does not mind that its help is lost
    assert done.code == codes.get(command, 1)
    assert_nothing_lost(command, zoo, room)


# ---- the window: its width, its kind, what a file's name would do to it ----

WIDTHS = [1, 2, 5, 10, 20, 40, 79, 132, 500, 0]  # 0: it is not known


@pytest.mark.parametrize("columns", thinned(WIDTHS, 0))
def test_the_bar_fits_the_window(columns, zoo, room, injected):
    injected("F6")
    with held(room, "step 7", *training(zoo), columns=columns) as terminal:
        (room / "go").touch()
        assert terminal.finish().code == 0
        assert "epoch 2/2" in terminal.shown
        bars = [part for part in re.split(r"[\r\n]", terminal.shown) if "epoch" not in part]
        bars = [part for part in bars if re.search(r"step|\d%", part)]
        assert bars or columns < 10
        if columns > 1:
            assert max(map(len, bars), default=0) <= columns, bars
    assert contents(room / "out") == contents(zoo / "run")


CHANGES = [(80, 20), (20, 200), (80, 1, 0, 40), (10, 9, 8, 7), (0, 80), (200, 3, 200)]


@pytest.mark.parametrize("widths", thinned(CHANGES, 0, ["-".join(map(str, c)) for c in CHANGES]))
def test_a_window_that_changes_its_width(widths, zoo, room, injected):
    injected("F6")
    with held(room, "step 7", *training(zoo), columns=widths[0]) as terminal:
        for columns in widths[1:]:
            terminal.resize(columns)
        (room / "go").touch()
        assert terminal.finish().code == 0
        assert_clear(terminal.shown)
    assert contents(room / "out") == contents(zoo / "run")


KINDS = {
    "dumb": {"TERM": "dumb"},
    "none": {"TERM": None},
    "empty": {"TERM": ""},
    "unknown": {"TERM": "no-such-terminal"},
    "colours": {"TERM": "xterm-256color", "FORCE_COLOR": "1", "CLICOLOR_FORCE": "1"},
    "no colours": {"NO_COLOR": "1"},
    "wrong size": {"COLUMNS": "wide", "LINES": "-1"},
    "narrow": {"COLUMNS": "3", "LINES": "0"},
    "ascii": {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    "cp932": {"PYTHONIOENCODING": "cp932"},
    "no home": {"HOME": None, "LANG": None, "LC_ALL": None},
    "unbuffered": {"PYTHONUNBUFFERED": "1"},
}


@pytest.mark.parametrize("kind", thinned(list(KINDS), 0))
def test_kinds_of_terminals(kind, zoo, room, injected):
    injected("F6")
    with Terminal([*NPGAN, *training(zoo)], room, env=KINDS[kind]) as terminal:
        assert terminal.finish().code == 0
        assert_clear(terminal.shown)
        assert "training.gif" in terminal.shown
        assert "epoch 2/2" in "\n".join(screen(terminal.shown))
    assert contents(room / "out") == contents(zoo / "run")


EVIL = "a\x1b[2J\x1b]0;t\x07\rb\x9bc\u202e"
ECHOES = {
    "--data": ["train", "--data", f"{EVIL}.npy", "--out", "out"],
    "--out": ["train", "--data", "x.npy", *SMALL[:-1], "--epochs", "1", "--out", f"runs {EVIL}"],
    "--resume": ["train", "--resume", f"{EVIL}"],
    "sample": ["sample", f"{EVIL}"],
    "sample --out": ["sample", "RUN", "--out", f"{EVIL}.png"],
    "evaluate": ["evaluate", f"{EVIL}.npy"],
    "export": ["export", f"{EVIL}", "x.onnx"],
    "exercises": ["exercises", f"{EVIL}"],
    "gradcheck": ["gradcheck", f"{EVIL}.py:{EVIL}"],
    "a command": [EVIL],
    "an option": ["train", f"--{EVIL}"],
    "a number": ["train", "--epochs", EVIL],
    "a choice": ["train", "--data", "x.npy", "--loss", EVIL],
    "--judge": ["evaluate", "large.npy", "--judge", EVIL],
    "noise --out": ["noise", "--out", f"no/{EVIL}"],
}


@pytest.mark.parametrize("where", thinned(list(ECHOES), 1))
def test_a_terminal_is_not_told_what_to_do_by_a_name(where, zoo, room, injected):
    injected("F6")
    argv = [str(zoo / "run") if word == "RUN" else word for word in ECHOES[where]]
    with Terminal([*NPGAN, *argv], room) as terminal:
        done = terminal.finish()
        shown = terminal.shown
    assert done.code == {"--out": 0, "sample --out": 0}.get(where, done.code or 1), shown
    assert_clear(shown)
    # The bar and the terminal's line breaks use \r; nothing else does.
    written = re.sub(r"\r\n", "\n", shown)
    if where != "--out":
        assert all(c.isprintable() or c == "\n" for c in written), ascii(written)
    assert not set(shown) & {"\x07", "\x9b", "\u202e"}
