"""F6: signals at any moment: nothing is lost, the exit code tells, and there is no traceback."""

import os
import signal
import time
from pathlib import Path

import children
import numpy as np
import pytest
from children import finish, run_npgan, start_npgan
from suite import thinned

from npgan import GAN, use_kernels
from npgan.cli import main
from npgan.files import checkpoint

if os.name != "posix":
    pytest.skip("signals of Unix", allow_module_level=True)

IMAGES = np.random.default_rng(0).integers(0, 256, (43, 3, 4), dtype=np.uint8)
SMALL = ["--latent", "3", "--hidden", "5", "--hidden-D", "4", "--batch", "8", "--quiet"]
STEPS = 5  # of an epoch
SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP")


@pytest.fixture(autouse=True, scope="module")
def kernels_of_the_children():
    use_kernels("reference")
    yield
    use_kernels("auto")


@pytest.fixture(scope="module")
def zoo(tmp_path_factory):
    """Images, larger ones that a judge knows, and a run of two epochs that nothing disturbed."""
    zoo = tmp_path_factory.mktemp("signals")
    np.save(zoo / "x.npy", IMAGES)
    large = np.random.default_rng(1).integers(0, 256, (120, 28, 28), dtype=np.uint8)
    np.save(zoo / "large.npy", large)
    done = run_npgan("train", "--data", zoo / "x.npy", *SMALL, "--epochs", 2, "--out", zoo / "run")
    assert done.code == 0, done.err
    return zoo


def contents(folder):
    """Every file below, with its bytes."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def assert_quiet(done):
    """No traceback, and lines that a reader can understand."""
    for text in (done.out or "", done.err or ""):
        assert "Traceback" not in text, text
        assert "Exception ignored" not in text, text
        assert 'File "' not in text, text


def assert_resumes(out, zoo, after=None):
    """From the run as a signal has left it, --resume comes to the files of an undisturbed run."""
    if not (out / "checkpoint.npz").exists():  # before the first epoch was complete
        assert after is None, after
        return
    checkpoint.load(out)
    if GAN.load(out).epoch_ < 2 or contents(out) != contents(zoo / "run"):
        assert main(["train", "--resume", str(out), "--quiet"]) == 0
    assert contents(out) == contents(zoo / "run")


# ---- a signal at a named moment ----

HOOKS = """
import os, signal, sys
moment, numbers, arguments = sys.argv[1], [int(n) for n in sys.argv[2].split(",")], sys.argv[3:]
signal.signal(signal.SIGINT, signal.default_int_handler)
calls = 0

def fire(count=1):
    global calls
    calls += 1
    if calls == count:
        for number in numbers:
            signal.raise_signal(number)

def before(owner, name, count=1, after=False):
    real = getattr(owner, name)
    def wrapped(*args, **how):
        if not after:
            fire(count)
        result = real(*args, **how)
        if after:
            fire(count)
        return result
    setattr(owner, name, wrapped)

class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == moment.partition(" ")[2]:
            fire()

kind, _, rest = moment.partition(" ")
if kind == "import":
    sys.meta_path.insert(0, Finder())
elif kind == "step":
    from npgan import GAN
    before(GAN, "step", int(rest), after=True)
elif kind == "inside":  # in the middle of a step
    import npgan.training.step as step
    before(step, "update_generator", int(rest))
elif kind == "load":
    import npgan.datasets as datasets
    before(datasets, "load")
elif kind == "replace":  # the files of a run in turn: config.json, checkpoint.npz, ...
    before(os, "replace", int(rest))
elif kind == "replaced":
    before(os, "replace", int(rest), after=True)
elif kind == "fsync":
    before(os, "fsync", int(rest))
elif kind == "write":
    import npgan.files.checkpoint as checkpoint
    before(checkpoint.np, "savez", int(rest))
elif kind == "draw":
    import npgan.plot.figures as figures
    before(figures, "pixels", int(rest))
elif kind == "gif":
    import npgan.plot as plot
    before(plot, "animate")
elif kind == "print":
    import npgan.cli.run as run
    before(run, "print_result")
elif kind == "call":
    import importlib
    module, _, name = rest.partition(":")
    owner, _, name = name.rpartition(".")
    module = importlib.import_module(module)
    before(getattr(module, owner) if owner else module, name)
from npgan.cli import main
sys.exit(main(arguments))
"""


def start_disturbed(moment, signals, *arguments, **how):
    """Start npgan, and let it send itself these signals at this moment."""
    numbers = ",".join(str(int(getattr(signal, name))) for name in signals)
    environment = {"NPGAN_KERNELS": "reference"}
    return children.start("-c", HOOKS, moment, numbers, *arguments, env=environment, **how)


def disturbed(*arguments, **how):
    return finish(start_disturbed(*arguments, **how))


def states(group):
    """The states of the processes of a group, as Linux names them; none on another system."""
    found = set()
    for file in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _parent, its_group, *_ = file.read_text().rpartition(")")[2].split()
        except OSError:  # it has ended
            continue
        if its_group == str(group):
            found.add(state)
    return found - {"Z"}  # it has ended, and nobody has asked for its exit code


def assert_no_process_left(group):
    """No process of a group, which had a session of its own, has outlived its first one."""
    end = time.monotonic() + children.LIMIT
    while left := states(group):
        if "T" in left or time.monotonic() > end:  # one that is stopped would stay for good
            os.killpg(group, signal.SIGKILL)
            pytest.fail(f"processes were left behind: {left}")
        time.sleep(0.05)


MOMENTS = [
    *(f"import {name}" for name in (
        "npgan.cli.run", "npgan.cli.arguments", "npgan.cli.train", "numpy", "npgan.training.model",
        "npgan.layers", "npgan.plot.grids", "matplotlib", "PIL.Image", "tqdm",
    )),
    "load", "step 1", "step 3", "inside 1", "inside 7", f"step {STEPS}", f"step {STEPS + 2}",
    f"step {2 * STEPS}", "replace 1", "replace 2", "replaced 2", "replace 3", "replace 4", "fsync 3",
    "write 1", "write 2", "draw 1", "draw 2", "draw 3", "draw 4", "gif", "replace 8", "replaced 10",
    "print",
]  # fmt: skip
TRAINING = [
    (moment, name)
    for i, moment in enumerate(MOMENTS)
    for name in ("SIGINT", ("SIGTERM", "SIGHUP")[i % 2])
]


@pytest.mark.parametrize("fault", thinned(TRAINING, 4, [f"{m}-{n}" for m, n in TRAINING]))
def test_a_signal_while_it_trains(fault, zoo, tmp_path, injected):
    injected("F6")
    moment, name = fault
    number, out = int(getattr(signal, name)), tmp_path / "out"
    argv = ["train", "--data", zoo / "x.npy", *SMALL, "--epochs", 2, "--out", out]
    done = disturbed(moment, [name], *argv)
    assert_quiet(done)
    # Before the handlers are set, SIGTERM and SIGHUP end the process as the system does. tqdm is not
    # imported without a bar.
    allowed = {128 + number, -number} if moment.startswith("import") else {128 + number}
    if moment == "import tqdm":
        allowed = {0, *allowed}
    assert done.code in allowed, done.err
    assert done.code == 0 or done.out == ""
    assert len(done.err.splitlines()) <= 1
    assert_resumes(out, zoo)
    if "resume" in done.err:
        assert f"npgan train --resume {out} continues from here" in done.err
        assert (out / "checkpoint.npz").exists()
    if moment.split()[0] in ("step", "inside", "draw", "gif", "print"):
        assert (out / "checkpoint.npz").exists(), "steps were lost"


TWICE = [
    ("step 3", ("SIGINT", "SIGINT")),
    ("step 3", ("SIGINT", "SIGTERM")),
    ("step 7", ("SIGTERM", "SIGTERM")),
    ("step 7", ("SIGHUP", "SIGINT")),
    ("step 7", ("SIGTERM", "SIGHUP", "SIGINT")),
    ("replace 2", ("SIGINT", "SIGINT")),
    ("replaced 2", ("SIGINT", "SIGTERM")),
    ("replace 4", ("SIGTERM", "SIGTERM")),
    ("write 2", ("SIGINT", "SIGINT")),
    ("draw 2", ("SIGHUP", "SIGHUP")),
    ("gif", ("SIGINT", "SIGINT")),
    ("load", ("SIGINT", "SIGINT")),
]


@pytest.mark.parametrize("fault", thinned(TWICE, 1, [f"{m}-{'-'.join(n)}" for m, n in TWICE]))
def test_a_second_signal_ends_it_at_once(fault, zoo, tmp_path, injected):
    injected("F6")
    moment, names = fault
    out = tmp_path / "out"
    argv = ["train", "--data", zoo / "x.npy", *SMALL, "--epochs", 2, "--out", out]
    done = disturbed(moment, names, *argv)
    assert_quiet(done)
    assert done.code in {128 + int(getattr(signal, name)) for name in names}, done.err
    assert done.out == ""
    assert_resumes(out, zoo)


# ---- signals that the process ignores, or that stop and continue it ----

IGNORED = [("SIGHUP", "step 3"), ("SIGINT", "step 3"), ("SIGTERM", "draw 1"), ("SIGPIPE", "step 2"),
           ("SIGPIPE", "write 1"), ("SIGPIPE", "print"), ("SIGCONT", "step 2"), ("SIGWINCH", "draw 1"),
           ("SIGCHLD", "gif"), ("SIGURG", "step 6")]  # fmt: skip


@pytest.mark.parametrize("fault", thinned(IGNORED, 1, ["-".join(f) for f in IGNORED]))
def test_a_signal_that_is_ignored_changes_nothing(fault, zoo, tmp_path, injected):
    injected("F6")
    name, moment = fault
    number, out = int(getattr(signal, name)), tmp_path / "out"
    code = HOOKS.replace(
        "signal.signal(signal.SIGINT, signal.default_int_handler)",
        f"signal.signal({number}, signal.SIG_IGN)" if name in SIGNALS else "",
    )
    argv = ["train", "--data", zoo / "x.npy", *SMALL, "--epochs", 2, "--out", out]
    done = children.run("-c", code, moment, number, *argv, env={"NPGAN_KERNELS": "reference"})
    assert (done.code, done.err) == (0, "")
    assert contents(out) == contents(zoo / "run")


@pytest.mark.slow
def test_a_process_that_is_stopped_goes_on(zoo, tmp_path, injected):
    injected("F6")
    out = tmp_path / "out"
    process = start_npgan("train", "--data", zoo / "x.npy", *SMALL, "--epochs", 2, "--out", out)
    for _ in range(5):
        time.sleep(0.1)
        process.send_signal(signal.SIGSTOP)
        time.sleep(0.05)
        process.send_signal(signal.SIGCONT)
    done = finish(process)
    assert (done.code, done.err) == (0, "")
    assert contents(out) == contents(zoo / "run")


# ---- signals from outside, at times that nothing chooses ----

UP = """
import signal, sys
from npgan.cli import main
import npgan.training.signals
try:
    print("up", flush=True)  # before, Python itself is starting
    code = main(sys.argv[1:])
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # now it is ending
except KeyboardInterrupt:
    code = 130
sys.exit(code)
"""
DELAYS = [0.02, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.5, 0.6, 0.8]
OUTSIDE = [(name, delay) for delay in DELAYS for name in ("SIGINT", "SIGTERM")]
OUTSIDE += [("SIGQUIT", 0.3), ("SIGQUIT", 0.5)]


@pytest.mark.slow
@pytest.mark.parametrize("fault", OUTSIDE, ids=lambda f: f"{f[0]}-{f[1]}")
def test_a_signal_from_outside(fault, zoo, tmp_path, injected):
    injected("F6")
    name, delay = fault
    number, out = int(getattr(signal, name)), tmp_path / "out"
    process = children.start(
        "-c", UP, "train", "--data", zoo / "x.npy", *SMALL, "--epochs", 2, "--out", out,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        env={"NPGAN_KERNELS": "reference"},
    )  # fmt: skip
    assert process.stdout.readline() == "up\n"
    time.sleep(delay)
    process.send_signal(number)
    done = finish(process)
    assert done.code in (0, 128 + number, -number), done.err
    assert_quiet(done)
    assert_resumes(out, zoo)


# ---- the other commands ----

CALLS = {
    "sample": (["import npgan.training.model", "call npgan.training.model:GAN.load", "fsync 1", "replace 1", "draw 1", "print"],
               ["sample", "RUN", "--out", "new.png", "--npy", "new.npy"]),
    "evaluate": (["import npgan.metrics.scores", "call npgan.metrics.judge:Judge.load", "replace 1"],
                 ["evaluate", "large.npy", "--out", "new.png"]),
    "info": (["import npgan.bench", "call npgan.kernels:choose", "print"], ["info"]),
    "gradcheck": (["import npgan.cli.gradcheck", "call npgan.testing:check_own", "print"], ["gradcheck", "checks:good"]),
    "bench": (["import npgan.bench.step", "call npgan.bench.child:Child.read", "call npgan.bench.child:Child.ask"],
              ["bench", "--peers", "numpy", "--rounds", "1", "--batch", "8"]),
    "noise": (["import npgan.plot.grids", "draw 1", "fsync 1", "replace 1", "print"], ["noise", "--out", "new.png"]),
}  # fmt: skip
OTHERS = [
    (command, moment, name)
    for command, (moments, _) in CALLS.items()
    for moment in moments
    if (command, moment) != ("gradcheck", "call npgan.testing:check_own")
    for name in SIGNALS
    if name != "SIGHUP" or moment.startswith("import")
]
CHECKS = """
import numpy as np
def good():
    return (lambda x: x**2), (lambda x, g: 2 * x * g), [np.ones(3)]
"""


@pytest.mark.parametrize("fault", thinned(OTHERS, 2, ["-".join(f) for f in OTHERS]))
def test_a_signal_to_another_command(fault, zoo, tmp_path, injected):
    injected("F6")
    command, moment, name = fault
    number = int(getattr(signal, name))
    (tmp_path / "checks.py").write_text(CHECKS)
    (tmp_path / "large.npy").symlink_to(zoo / "large.npy")
    old = {"new.png": b"old picture", "new.npy": b"old array"}
    for file, data in old.items():
        (tmp_path / file).write_bytes(data)
    argv = [str(zoo / "run") if text == "RUN" else text for text in CALLS[command][1]]
    before = contents(zoo / "run")
    process = start_disturbed(moment, [name], *argv, cwd=tmp_path, start_new_session=True)
    done = finish(process)
    assert_quiet(done)
    assert_no_process_left(process.pid)
    allowed = {128 + number, -number} if moment.startswith("import") else {128 + number}
    assert done.code in allowed, (done.code, done.err)
    assert done.out == ""
    for file, data in old.items():  # complete, or as it was
        assert (tmp_path / file).read_bytes() == data or moment in ("replace 1", "draw 1", "print")
        start = (tmp_path / file).read_bytes()[:4]
        assert start in (b"old ", b"\x89PNG", b"\x93NUM")
    assert not list(tmp_path.glob(".npgan-*"))
    assert contents(zoo / "run") == before
