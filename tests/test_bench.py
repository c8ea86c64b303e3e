"""The step benchmark: what it compares, that it refuses a peer that computes something else, and its command."""

import json
import os
import subprocess
import sys
import textwrap
import time
from inspect import signature
from pathlib import Path

import numpy as np
import pytest

from npgan import Discriminator, Generator
from npgan.bench import child, in_numpy, peers, step
from npgan.bench.child import Child, ChildError, environment, peak_memory
from npgan.bench.problem import BATCHES, flops, problem, sizes_of, weights_of
from npgan.cli import main

SMALL = {"G_sizes": (5, 8, 12), "D_sizes": (12, 7, 1)}
PLANTED = """
from npgan import Discriminator, Generator
from npgan.bench import in_numpy
from npgan.bench.problem import *

def no_second_forward(G0, D0):
    # G's half uses D's answers from before D moved: a mistake that people make
    right, frozen = in_numpy.step(G0, D0), in_numpy.step(G0, D0)
    adam = in_numpy.Adam.step
    def step(real, z):
        in_numpy.Adam.step = lambda self, grads: None
        loss_G = frozen(real, z)[1]
        in_numpy.Adam.step = adam
        return right(real, z)[0], loss_G
    return step

def breaks(G0, D0):
    raise OSError("no such\\nthing")

def dies(G0, D0):
    import os
    os.write(2, b"first words\\nlast words\\n")
    os._exit(3)

def prints(G0, D0):
    print("hello")
    return in_numpy.step(G0, D0)
"""


@pytest.fixture
def plant(tmp_path, monkeypatch):
    """plant(name): a peer of PLANTED takes part under its name."""
    (tmp_path / "planted.py").write_text(textwrap.dedent(PLANTED))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))

    def plant(name):
        monkeypatch.setitem(peers.PEERS, name, peers.Peer("numpy", f"planted:{name}"))

    return plant


@pytest.fixture
def said():
    return []


class Machine:
    """In place of step.Machine, which compiles for seconds."""

    def __init__(self, threads, caches, say):
        self.threads, self.peak = threads, 100.0

    def measure(self):
        pass

    def close(self):
        pass


def compare(names, said=None, machine=Machine):
    say = (lambda line: None) if said is None else said.append
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(step, "Machine", machine)
        return step.compare(names, [3], threads=1, rounds=2, say=say, **SMALL)


# ---- the problem ----


def test_the_problem_is_the_same_every_time_and_has_the_classic_networks():
    one, two = problem(3), problem(3)
    assert all(np.array_equal(one[name], two[name]) for name in one)
    G, D = (
        {n: p.default for n, p in signature(net).parameters.items()}
        for net in (Generator, Discriminator)
    )
    assert sizes_of(weights_of(one, "G")) == [G["latent"], *G["hidden"], G["out"]]
    assert sizes_of(weights_of(one, "D")) == [D["inputs"], *D["hidden"], 1]
    assert one["real"].shape == (BATCHES, 3, 784)
    assert not np.array_equal(one["z"][0], one["z"][1])
    assert {array.dtype for array in one.values()} == {np.dtype(np.float32)}


def test_flops_counts_every_product_once():
    # G 2-3, D 3-1, per image: G forward 6, to weights 6; D on two: forward 2*3, to weights 2*3; on the
    # fakes again: forward 3, to the pixels 3.
    assert flops(1, (2, 3), (3, 1)) == 2 * (6 + 6 + 6 + 6 + 3 + 3)
    assert flops(64) == 64 * flops(1)


EXPECTED_LOSSES = """
import numpy as np
from npgan import Adam, Dense, LeakyReLU, Network, Tanh, discriminator_step, flatten, generator_step
from npgan.bench.problem import problem, weights_of
from npgan.bench.step import expected_losses

arrays = {name: array.astype(np.float64) for name, array in problem(3, (5, 8, 12), (12, 7, 1)).items()}

def network(net, *last):
    weights = weights_of(arrays, net)
    layers = [part for W in weights[::2] for part in (Dense(*W.shape, dtype=np.float64), LeakyReLU())]
    built = Network([*layers[:-1], *last])
    built.theta[:] = flatten(weights)
    return built

G, D = network("G", Tanh()), network("D")
adam_G, adam_D = Adam(G, lr=2e-4, beta1=0.5), Adam(D, lr=2e-4, beta1=0.5)
for i, expected in enumerate(expected_losses(arrays)):
    fake, pull_G = G.forward(arrays["z"][i])
    loss_D = discriminator_step(D, adam_D, arrays["real"][i], fake)["loss_D"]
    loss_G = generator_step(D, adam_G, fake, pull_G)["loss_G"]
    np.testing.assert_allclose((loss_D, loss_G), expected, rtol=1e-9)
"""


def test_the_expected_losses_are_those_of_npgans_step_in_float64():
    reference = {**os.environ, "NPGAN_KERNELS": "reference"}  # these need no compilation
    done = subprocess.run(
        [sys.executable, "-c", EXPECTED_LOSSES], env=reference, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


# ---- the comparison ----


def test_npgan_and_numpy_are_compared(said, monkeypatch):
    session = {"NUMBA_CACHE_DIR": os.environ["NUMBA_CACHE_DIR"]}  # compiled by other tests
    monkeypatch.setattr(child, "environment", lambda *args: {**environment(*args), **session})
    results = compare(["npgan", "numpy"], said, step.Machine)
    json.dumps(results)
    assert results["threads"] == 1
    assert results["peak_gflops"] > 0
    rows = results["batch"]["3"]
    assert list(rows) == list(results["start"]) == ["npgan", "numpy"]
    assert rows["npgan"]["median"] == rows["npgan"]["min"] == 1
    for name, row in rows.items():
        assert 0 < row["min_ms"] <= row["median_ms"]
        assert row["gflops"] == pytest.approx(flops(3, **SMALL) / row["median_ms"] / 1e6)
        assert row["loss_error"] <= step.TOLERANCE
        assert row["median"] == pytest.approx(row["median_ms"] / rows["npgan"]["median_ms"])
        assert {"import_s", "first_s", "warm_s", "memory_mb"} == set(results["start"][name])
    text = step.table(results).splitlines()
    assert text[0].startswith("1 thread(s), a measured peak of ")
    assert sum(line.startswith("| 3 | ") for line in text) == 2
    assert {line.count("|") for line in text if line.startswith("|")} == {8, 6}
    assert "batch 3: losses agree, 2 rounds of 10 steps" in said


def test_a_peer_that_computes_something_else_is_refused(plant):
    plant("no_second_forward")
    with pytest.raises(
        step.DisagreementError, match=r"^no_second_forward computes G's loss .* at step "
    ):
        compare(["numpy", "no_second_forward"])


def test_check_looks_at_every_number():
    expected = np.ones((step.CHECKED, 2))
    assert step.check("a", expected * (1 + 0.9 * step.TOLERANCE), expected) < step.TOLERANCE
    for wrong in (1 + 2 * step.TOLERANCE, np.nan, np.inf):
        losses = expected.copy()
        losses[4, 0] = wrong
        with pytest.raises(step.DisagreementError, match=r"a computes D's loss .* at step 5"):
            step.check("a", losses, expected)


def test_a_step_that_forgets_something_is_seen_within_the_steps_that_are_checked():
    """A learning rate 5 % off, or no momentum: as small a mistake as anybody would look for."""
    arrays = problem(16)
    expected = step.expected_losses(arrays)
    for name, value in (("LR", 1.05 * in_numpy.LR), ("BETA1", 0.0), ("SLOPE", 0.19)):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(in_numpy, name, value)
            losses = step.expected_losses(arrays)
        with pytest.raises(step.DisagreementError):
            step.check(name, losses, expected)


@pytest.mark.parametrize(
    ("name", "reason"),
    [("breaks", "OSError: no such thing"), ("dies", "last words"), ("nowhere", "planted")],
)
def test_a_peer_that_fails_is_left_out_in_one_line(name, reason, plant, said):
    plant(name)
    results = compare(["numpy", name], said)
    assert list(results["batch"]["3"]) == ["numpy"]
    (line,) = [line for line in said if line.startswith(f"{name} is left out: ")]
    assert reason in line
    assert "\n" not in line


def test_without_the_first_there_is_no_comparison(plant):
    plant("breaks")
    with pytest.raises(
        ChildError, match="breaks, with which the others are compared, did not start"
    ):
        compare(["breaks", "numpy"])


def test_what_a_library_prints_is_no_answer(plant):
    plant("prints")
    assert list(compare(["numpy", "prints"])["batch"]["3"]) == ["numpy", "prints"]


def test_a_package_that_is_missing_is_named(monkeypatch, said):
    monkeypatch.setitem(peers.PEERS, "other", peers.Peer("no_such_package", "nowhere:step"))
    assert peers.installed(["numpy", "other"], said.append) == ["numpy"]
    assert said == ["other is left out: no_such_package is not installed"]


# ---- the other process ----


def test_settings_from_outside_do_not_reach_a_peer(monkeypatch, tmp_path):
    for name in (
        "OPENBLAS_CORETYPE",
        "OPENBLAS_L2_SIZE",
        "NUMBA_CPU_NAME",
        "XLA_FLAGS",
        "NPGAN_KERNELS",
    ):
        monkeypatch.setenv(name, "1")
    monkeypatch.setenv("PYTHONPATH", "mine")
    clean = environment(3, tmp_path, {"XLA_FLAGS": "ours"})
    assert not {"OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE", "NUMBA_CPU_NAME", "NPGAN_KERNELS"} & set(
        clean
    )
    assert clean["OPENBLAS_NUM_THREADS"] == clean["OMP_NUM_THREADS"] == "3"
    assert clean["NUMBA_CACHE_DIR"] == str(tmp_path)
    assert clean["XLA_FLAGS"] == "ours"
    assert clean["PYTHONPATH"].endswith("mine")
    assert "PATH" in clean


def test_a_child_that_died_says_why_when_it_is_asked(plant, tmp_path):
    plant("dies")
    np.savez(tmp_path / "problem.npz", **problem(3, **SMALL))
    dying = Child("npgan.bench.step:Worker", "planted:dies", 1, tmp_path)
    try:
        for _ in range(2):
            with pytest.raises(ChildError, match=r"^last words$"):
                dying.ask("start", file=str(tmp_path / "problem.npz"))
    finally:
        dying.close()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_a_child_that_is_not_asked_stands_still(tmp_path):
    """Waiting threads of the others once made PyTorch look twice as slow as it is."""
    np.savez(tmp_path / "problem.npz", **problem(3, **SMALL))
    other = Child("npgan.bench.step:Worker", "npgan.bench.in_numpy:step", 1, tmp_path)
    try:
        for _ in range(2):
            other.ask("start", file=str(tmp_path / "problem.npz"))
            status = Path(f"/proc/{other.process.pid}/stat")
            for _ in range(1000):  # a signal takes its time
                if stopped := status.read_text().rpartition(")")[2].split()[0] == "T":
                    break
                time.sleep(0.01)
            assert stopped
    finally:
        other.close()
    assert other.process.returncode == 0


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_memory_is_the_childs_own():
    ballast = np.ones(40_000_000)  # 320 MB, which the child must not be charged with
    code = "from npgan.bench.child import peak_memory; print(peak_memory())"
    alone = float(
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout
    )
    assert alone < 100 < ballast.nbytes / 1e6 < peak_memory()


# ---- the command ----


def test_the_command_prints_the_table(monkeypatch, capsys):
    asked = []

    def compare(names, batches, threads, rounds, say):
        asked.append((names, batches, threads, rounds))
        rows = {
            name: dict(median_ms=2.0, min_ms=1.0, median=1.0, min=1.0, gflops=50.0)
            for name in names
        }
        start = {name: dict(import_s=0.1, first_s=1.0) for name in names}
        return {"threads": 1, "peak_gflops": 200.0, "start": start, "batch": {"4": rows}}

    monkeypatch.setattr(step, "compare", compare)
    command = ["bench", "--batch", "4", "--rounds", "2", "--peers", "numpy"]
    assert main(command) == 0
    out, err = capsys.readouterr()
    assert "| 4 | numpy | 2.00 | 1.00 | 1.00 | 1.00 | 25% |" in out
    assert err == "npgan, numpy at batch 4\n"
    assert main([*command, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["batch"]["4"]["npgan"]["gflops"] == 50
    assert asked == [(["npgan", "numpy"], [4], None, 2)] * 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--batch", "0"], "expected a whole number of 1 or more, got '0'"),
        (["--rounds", "x"], "expected a whole number of 1 or more, got 'x'"),
        (["--peers", "caffe"], "invalid choice: 'caffe'"),
    ],
)
def test_a_mistake_costs_one_line(arguments, said, capsys):
    with pytest.raises(SystemExit) as stop:
        main(["bench", *arguments])
    assert stop.value.code == 2
    err = capsys.readouterr().err
    assert said in err
    assert err.count("\n") == 1


def test_a_peer_that_computes_something_else_ends_the_command_in_one_line(monkeypatch, capsys):
    def compare(*_args):
        raise step.DisagreementError("numpy computes something else")

    monkeypatch.setattr(step, "compare", compare)
    assert main(["bench", "--peers", "numpy"]) == 1
    assert capsys.readouterr().err.splitlines()[1:] == [
        "npgan bench: numpy computes something else"
    ]
