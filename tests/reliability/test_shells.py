"""F6: programs on a terminal with others: pipes, jobs of an interactive shell, Python's own prompt."""

import os
import re
import shlex
import sys

import pytest
from suite import thinned

if os.name != "posix":
    pytest.skip("terminals of Unix", allow_module_level=True)

from terminals import CTRL_C, CTRL_Z, Terminal, bash
from test_signals import HOOKS, assert_resumes, contents
from test_signals import kernels_of_the_children as kernels_of_the_children
from test_signals import zoo as zoo
from test_streams import room as room
from test_terminals import HELD, HOLD, assert_clear, training, wait_for_file, wait_until

# ---- in a pipe with other programs ----

PIPES = {  # what stands around "$@"; the key; the exit codes
    "out to head": ('"$@" | head -1', "", {0, 1}),
    "both to head": ('"$@" 2>&1 | head -1', "", {0, 1}),
    "out to cat, Ctrl-C": ('"$@" | cat', "^C", {130}),
    "both to cat, Ctrl-C": ('"$@" 2>&1 | cat', "^C", {130}),
    "both to head, Ctrl-C": ('"$@" 2>&1 | head -1', "^C", {130}),
    "both to a deaf cat, Ctrl-C": ('"$@" 2>&1 | (trap "" INT; cat >both)', "^C", {130}),
    "out to cat, closed": ('"$@" | cat', "close", {0, 1}),
    "err to a file, Ctrl-C": ('"$@" 2>err', "^C", {130}),
    "out to a file, Ctrl-C": ('"$@" >both', "^C", {130}),
    "out to a file, closed": ('"$@" >both', "close", {0}),
    "err full, Ctrl-C": ('"$@" 2>/dev/full', "^C", {130}),
    "out full": ('"$@" >/dev/full', "", {1}),
    "out closed, Ctrl-C": ('"$@" >&-', "^C", {130}),
    "err closed, Ctrl-C": ('"$@" 2>&-', "^C", {130}),
    "in closed": ('"$@" <&-', "", {0}),
    "in closed, Ctrl-C": ('"$@" <&-', "^C", {130}),
    "in from yes": ('yes | "$@"', "", {0}),
    "in from a file, closed": ('"$@" <x.npy', "close", {1}),
    "all closed, closed": ('"$@" <&- >&- 2>&-', "close", {0}),
}


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
@pytest.mark.parametrize("pipe", thinned(list(PIPES), 0))
def test_a_terminal_and_a_pipe(pipe, zoo, room, injected):
    injected("F6")
    (room / "held.py").write_text(HELD)
    line, key, codes = PIPES[pipe]
    place = 1 if line.startswith("yes") else 0
    script = f"trap : INT HUP; {line}; echo ${{PIPESTATUS[{place}]}} >code"
    words = [sys.executable, "held.py", "step 3", "0", *training(zoo)]
    with Terminal(["/bin/bash", "-c", script, "bash", *words], room) as terminal:
        wait_for_file(room / "held", terminal)
        if key == "^C":
            terminal.type(CTRL_C)
            terminal.wait_for(r"\^C")
        elif key == "close":
            terminal.close()
        (room / "go").touch()
        terminal.finish()
        assert int((room / "code").read_text()) in codes, terminal.shown
        assert_clear(terminal.shown)
        if pipe in ("err to a file, Ctrl-C", "both to a deaf cat, Ctrl-C"):
            assert "continues from here" in (room / pipe.split()[0]).read_text()
    if key != "^C":  # the signal of a closed window goes to the shell, which ignores it
        assert contents(room / "out") == contents(zoo / "run")
    assert_resumes(room / "out", zoo)


# ---- jobs of an interactive shell ----

JOBS = {  # keys, lines that are typed, what is waited for (~); "go" lets the training go on
    "stopped, fg": ("", ["^Z", "fg", "go", "~training.gif", "code 0"]),
    "stopped, bg": ("", ["^Z", "bg", "go", "~training.gif", "wait", "code 0"]),
    "stopped, bg, fg": ("", ["^Z", "bg", "fg", "go", "~training.gif", "code 0"]),
    "stopped twice, Ctrl-C": ("", ["^Z", "fg", "^Z", "fg", "^C", "go", "~continues", "code 130"]),
    "stopped, bg, Ctrl-C goes to the shell": ("", ["^Z", "bg", "^C", "go", "~training.gif", "wait", "code 0"]),
    "stopped, kill": ("", ["^Z", "kill %1", "go", "~continues", "wait"]),
    "stopped, kill -9": ("", ["^Z", "kill -9 %1", "wait"]),
    "stopped, bg, kill -HUP": ("", ["^Z", "bg", "kill -HUP %1", "go", "~continues", "wait"]),
    "stopped, window closed": ("", ["^Z", "close", "go"]),
    "stopped, shell ends": ("", ["^Z", "exit", "exit", "go"]),
    "with &": (" &", ["go", "~training.gif", "wait", "code 0"]),
    "with &, fg, Ctrl-C": (" &", ["fg", "^C", "go", "~continues", "code 130"]),
    "with &, window closed": (" &", ["close", "go"]),
    "with &, shell ends": (" &", ["exit", "go"]),
    "nohup, window closed": (" &", ["close", "go"]),
    "tostop": (" &", ["stty tostop", "go", "stops", "fg", "~training.gif", "code 0"]),
    "tostop, Ctrl-C": (" &", ["stty tostop", "go", "stops", "fg", "^C", "code 130"]),
}  # fmt: skip
COMPLETE = ("shell ends", "nohup, window closed")


def state(pid):
    """The state of a process, as Linux names it: T is stopped."""
    with open(f"/proc/{pid}/stat") as file:
        return file.read().rpartition(")")[2].split()[0]


def do(terminal, step, pid, room):
    """One step of a job."""
    start = len(terminal.shown)
    if step in ("^Z", "^C"):
        terminal.type(CTRL_Z if step == "^Z" else CTRL_C)
        terminal.wait_for(re.escape(step), start)
        if step == "^Z":
            wait_until(lambda: state(pid) == "T", terminal)
            terminal.wait_for("ready> ", start)
    elif step == "go":
        (room / "go").touch()
    elif step == "stops":
        wait_until(lambda: state(pid) == "T", terminal)
        # A shell that has not noticed yet would take a later `fg` for stopped again.
        while "Stopped" not in terminal.shown[start:]:
            asked = len(terminal.shown)
            terminal.type(b"jobs\n")
            terminal.wait_for("ready> ", asked)
    elif step == "close":
        terminal.close()
    elif step.startswith("~"):
        terminal.wait_for(step[1:])
    elif step.startswith("code"):
        terminal.type(b'echo "code:"$?\n')
        found = terminal.wait_for(r"code:(\d+)", start)
        assert found.group(1) == step.split()[1], terminal.shown
    else:
        terminal.type(step.encode() + b"\n")
        if step == "fg":
            wait_until(lambda: os.tcgetpgrp(terminal.ours) == pid and state(pid) != "T", terminal)
        elif step == "bg":
            wait_until(lambda: state(pid) != "T", terminal)
        elif step != "exit":
            terminal.wait_for("ready> ", start)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/proc")
@pytest.mark.skipif(not os.path.exists("/bin/bash"), reason="needs bash")
@pytest.mark.parametrize("job", thinned(list(JOBS), 1))
def test_a_job_of_a_shell(job, zoo, room, injected):
    injected("F6")
    (room / "held.py").write_text(HELD)
    after, steps = JOBS[job]
    with bash(room) as terminal:
        if job.startswith("nohup"):
            do(terminal, "trap '' HUP", None, room)
        line = shlex.join(["held", "step 3", "0", *training(zoo)]) + after
        terminal.type(line.encode() + b"\n")
        wait_for_file(room / "held", terminal)
        pid = int((room / "held").read_text())
        for step in steps:
            do(terminal, step, pid, room)
        if "close" not in steps and "exit" not in steps:
            do(terminal, "stty -tostop", None, room)
            do(terminal, "exit", None, room)
            terminal.finish(torn=True)
        wait_until(lambda: not os.path.exists(f"/proc/{pid}") or state(pid) == "Z", terminal)
        assert_clear(terminal.shown)
    if "~training.gif" in steps or job in ("with &, shell ends", "nohup, window closed"):
        assert contents(room / "out") == contents(zoo / "run")
    assert_resumes(room / "out", zoo)


# ---- Python's own prompt ----

PROMPT = """
import numpy as np, npgan
x = np.load("x.npy")
gan = npgan.GAN(latent=3, hidden=(5,), hidden_D=(4,), batch=8)
"""


@pytest.mark.parametrize("progress", thinned([None, True, False], 0))
def test_ctrl_c_at_the_prompt_of_python_leaves_a_model_that_goes_on(progress, zoo, room, injected):
    injected("F6")
    (room / "start.py").write_text(HOLD + HOOKS.split("kind, _")[0].split("moment,")[0] + PROMPT)
    env = {"PYTHONSTARTUP": None, "PYTHON_BASIC_REPL": "1", "TERM": "dumb"}
    with Terminal([sys.executable, "-q", "-i", "start.py"], room, env=env) as terminal:
        terminal.wait_for(">>> ")
        terminal.type(b"step = npgan.GAN.step\n")
        terminal.type(
            b"npgan.GAN.step = lambda gan, *a: (gan.adam_G.t == 2 and hold(), step(gan, *a))[1]\n"
        )
        terminal.type(f"gan.fit(x, 2, progress={progress})\n".encode())
        wait_for_file(room / "held", terminal)
        terminal.type(CTRL_C)
        terminal.wait_for(r"\^C")
        (room / "go").touch()
        terminal.wait_for(r"Interrupted\r\n")
        terminal.type(b"print('steps', gan.adam_G.t, gan.fit(x, 2).epoch_)\n")
        terminal.wait_for(r"steps 3 2\r\n")
        terminal.type(b"exit()\n")
        assert terminal.finish().code == 0
