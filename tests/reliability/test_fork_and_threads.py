"""F9: a fork in every state, and numbers of threads that make no sense: right results, no hang."""

import json
import os

import children
import pytest
from kernel_caches import QUICK, child, files_of
from suite import thinned

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")

FORK = """
import os, signal, sys, threading, time
import numpy as np
import npgan
from npgan import kernels
x = np.random.default_rng(0).standard_normal((200, 300)).astype(np.float32)

def compute():
    return kernels.gemm(x, x, tb=True), kernels.column_sum(x), kernels.tanh_gate(x, x)

def total(array):
    return kernels.column_sum(array)

def ends_well(pid):
    "Whether the child ends with code 0, and does not hang."
    for _ in range(5000):
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return status == 0
        time.sleep(0.05)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return False

def forked(function=lambda: 0):
    "Fork; the child computes, calls the function, and computes again."
    pid = os.fork()
    if pid:
        return pid
    try:
        found = compute()
        function()
        again = compute()
        truth = x.astype(np.float64) @ x.T.astype(np.float64)
        good = all(np.array_equal(a, b) for a, b in zip(found, again))
        os._exit(0 if good and np.allclose(found[0], truth, rtol=1e-3, atol=1e-3) else 1)
    except BaseException:
        import traceback
        traceback.print_exc()
    finally:
        os._exit(2)

def in_thread(function):
    thread = threading.Thread(target=function)
    thread.start()
    return thread

pids = []
STATE
assert all([ends_well(pid) for pid in pids]), "a child hangs or computes something else"
assert pids
compute()
print(kernels.active)
"""
STATES = {
    "before the first call": "pids.append(forked())",
    "after the first call": "compute(); pids.append(forked())",
    "two at once": "compute(); pids += [forked(), forked()]",
    "with threads": "npgan.set_threads(3); compute(); pids.append(forked())",
    "with one thread": "npgan.set_threads(1); compute(); pids.append(forked())",
    "threads set in the child": "compute(); pids.append(forked(lambda: npgan.set_threads(4)))",
    "threads set, then a fork": "npgan.set_threads(2); compute(); npgan.set_threads(4); pids.append(forked())",
    "other kernels in the child": "compute(); pids.append(forked(lambda: (npgan.use_kernels('reference'), npgan.use_kernels('compiled'))))",
    "from a thread": "compute(); in_thread(lambda: pids.append(forked())).join()",
    "from a thread before the first call": "in_thread(lambda: pids.append(forked())).join()",
    "a fork of a fork": "compute(); pids.append(forked(lambda: ends_well(forked()) or os._exit(3)))",
    "a fork of a fork before the first call": "pids.append(forked(lambda: ends_well(forked()) or os._exit(3)))",
    "while another thread computes": (
        "npgan.set_threads(3); compute(); stop = []\n"
        "def work():\n    while not stop: compute()\n"
        "thread = in_thread(work)\n"
        "for _ in range(8): pids.append(forked()); time.sleep(0.01)\n"
        "stop.append(1); thread.join()"
    ),
    "while three threads compute": (
        "npgan.set_threads(2); compute(); stop = []\n"
        "def work():\n    while not stop: compute()\n"
        "threads = [in_thread(work) for _ in range(3)]\n"
        "for _ in range(5): pids.append(forked()); time.sleep(0.02)\n"
        "stop.append(1); [thread.join() for thread in threads]"
    ),
    "while another thread sets the threads": (
        "compute(); stop = []\n"
        "def work():\n    while not stop: npgan.set_threads(2); compute(); npgan.set_threads(3)\n"
        "thread = in_thread(work)\n"
        "for _ in range(5): pids.append(forked()); time.sleep(0.02)\n"
        "stop.append(1); thread.join()"
    ),
    "while other threads make the first call": (
        "threads = [in_thread(compute) for _ in range(4)]\n"
        "for _ in range(5): pids.append(forked()); time.sleep(0.2)\n"
        "[thread.join() for thread in threads]"
    ),
    "multiprocessing": (
        "import multiprocessing\ncompute()\n"
        "with multiprocessing.get_context('fork').Pool(2) as pool:\n"
        "    results = pool.map(total, [x] * 6)\n"
        "assert all(np.array_equal(one, compute()[1]) for one in results)\npids.append(forked())"
    ),
    "while it trains": (
        "def callback(state):\n    pids.append(forked())\n"
        "images = np.random.default_rng(0).integers(0, 256, (40, 8, 8), dtype=np.uint8)\n"
        "npgan.GAN(hidden=(64,), hidden_D=(64,), batch=8).fit(images, 3, [callback], progress=False)"
    ),
}  # fmt: skip
UNCOMPILED = (
    "before the first call",
    "while other threads make the first call",
    "from a thread before the first call",
)
FORKS = [(state, False) for state in STATES] + [(state, True) for state in UNCOMPILED]


@needs_fork
@pytest.mark.parametrize("fault", thinned(FORKS, 1, [f"{s}{', to compile' * c}" for s, c in FORKS]))
def test_a_fork(fault, cached, injected):
    injected("F9")
    state, to_compile = fault
    if to_compile:
        for file in files_of(cached, QUICK):
            file.unlink()
    out, err = child(cached, FORK.replace("STATE", STATES[state]), PYTHONWARNINGS="ignore")
    assert out == "compiled"
    assert [line for line in err if "compiling" not in line] == []


@needs_fork
@pytest.mark.slow
@pytest.mark.parametrize("delay", [0.0, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.7, 0.9, 1.2])
def test_a_fork_while_another_thread_compiles(delay, cached, injected):
    injected("F9")
    for file in files_of(cached, QUICK):
        file.unlink()
    state = (
        f"thread = in_thread(compute); time.sleep({delay}); pids.append(forked()); thread.join()"
    )
    out, err = child(cached, FORK.replace("STATE", state), PYTHONWARNINGS="ignore")
    assert out == "compiled"
    assert [line for line in err if "compiling" not in line] == []


# ---- numbers of threads ----

THREADS = """
import numpy as np, sys
from npgan import kernels
import npgan
x = np.random.default_rng(0).standard_normal((300, 300)).astype(np.float32)
SET
print(np.abs(kernels.gemm(x, x) - x @ x).max() < 1e-3, kernels.thread_count())
"""
COUNTS = {  # what is set: how many threads there may be
    "npgan.set_threads(10**6)": range(64, 10**4),
    "npgan.set_threads(2**63)": range(64, 10**4),
    "npgan.set_threads(10**40)": range(64, 10**4),
    "kernels.gemm(x, x); npgan.set_threads(10**6)": range(64, 10**4),
    "npgan.set_threads(64); kernels.gemm(x, x); npgan.set_threads(1)": [1],
    "[npgan.set_threads(n) for n in (1, 64, 2, 64, 3)]; kernels.gemm(x, x)": [3],
    "npgan.set_threads(None)": range(1, 10**4),
    "import threading; threading.stack_size(2**20); npgan.set_threads(64)": [64],
    "import threading\nthreading.Thread.start = lambda t: (_ for _ in ()).throw(RuntimeError('no'))\nnpgan.set_threads(5)": [5],
}  # fmt: skip
VARIABLES = [
    {"NUMBA_NUM_THREADS": value} for value in ("0", "-1", "100000", "abc", "", "1.5")
] + [
    {"OMP_NUM_THREADS": value, "OPENBLAS_NUM_THREADS": value} for value in ("0", "-3", "100000", "x", "")
] + [{"NUMBA_THREADING_LAYER": "absent"}, {"NUMBA_CPU_NAME": ""}]  # fmt: skip


@pytest.mark.parametrize("fault", thinned(list(COUNTS), 1, list(COUNTS)))
def test_absurd_numbers_of_threads(fault, cached, injected):
    injected("F9")
    out, err = child(cached, THREADS.replace("SET", fault))
    right, count = out.split()
    assert right == "True"
    assert int(count) in COUNTS[fault]
    assert len(err) <= 1, err
    assert all(line.startswith("npgan: warning: ") and len(line) < 300 for line in err)


@pytest.mark.parametrize("fault", thinned(VARIABLES, 1, [str(v) for v in VARIABLES]))
def test_absurd_numbers_in_the_environment(fault, cached, injected):
    injected("F9")
    out, err = child(cached, THREADS.replace("SET", ""), PYTHONWARNINGS="ignore", **fault)
    assert out.split()[0] == "True"
    assert len([line for line in err if line.startswith("npgan: warning")]) <= 1
    assert "Traceback" not in "".join(err)


TEXTS = ["9" * 5000, "-1", "1.5", "two", "", "1e3", "100000", "9" * 30, "0"]


@pytest.mark.parametrize("n", thinned(TEXTS, 1, [text[:30] for text in TEXTS]))
def test_absurd_threads_on_the_command_line(n, injected):
    injected("F9")
    done = children.run_npgan("info", "--json", "--threads", n)
    assert "Traceback" not in done.err
    if n.isdecimal() and n != "0" and len(n) < 4000:
        assert done.code == 0
        assert json.loads(done.out)["kernels"] == "reference"
        assert done.err.count("\n") <= 1
    else:
        assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)
        assert len(done.err) <= 301
