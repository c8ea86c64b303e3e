"""The jobs of a training step, the model of how it scales with the threads, and `bench --scaling`."""

import json
import math

import numpy as np
import pytest

import npgan
from npgan.bench import jobs, scaling
from npgan.bench.jobs import PERIOD, Job, watched
from npgan.bench.problem import flops
from npgan.cli.main import main


@pytest.fixture(autouse=True)
def kernels(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    npgan.use_kernels("compiled")
    yield
    npgan.use_kernels("auto")
    npgan.set_threads(None)


@pytest.mark.parametrize("batch", [4, 40])
def test_the_jobs_of_a_step_are_all_its_products_and_updates(batch):
    step, found = jobs.classic_step(batch), []
    for _ in range(2):  # then its jobs are prepared
        step()
    with watched(found):
        step()
    assert sum(one.flops for one, _ in found) == flops(batch)
    assert [one.kind for one, _ in found].count("adam") == 2
    groups = {"large products", "small products", "adam", "tanh", "loss"}
    assert {one.group for one, _ in found} == groups
    for one, seconds in found:
        assert seconds > 0
        assert one.parts >= 1
        if one.kind == "product":
            assert one.shared == (one.m * one.n * one.k >= 1_000_000)
    step()
    assert len(found) == len({id(pair) for pair in found})  # nothing was added afterwards


def test_a_watched_training_has_the_same_bits():
    def trained(watch):
        gan, found = npgan.GAN(rng=0, batch=8), []
        gan.start((4, 4))
        gan.schedule_for(None)
        images = np.random.default_rng(0).uniform(-1, 1, (17, 8, 16)).astype(np.float32)
        for x in images:
            if watch:
                with watched(found):
                    gan.step(x)
            else:
                gan.step(x)
        assert bool(found) == watch
        return np.concatenate([gan.generator_.theta, gan.discriminator_.theta])

    np.testing.assert_array_equal(trained(True), trained(False))


def test_the_model_counts_the_parts_of_the_busiest_thread():
    shared = Job("product", 64, 512, 784, 32, True), 8.0
    small = Job("product", 64, 1, 256, 4, False), 1.0
    assert scaling.model([shared, small], 1, 0.5) == 9.0
    assert scaling.model([shared, small], 2, 0.5) == 4.0 + 0.5 + 1.0
    assert scaling.model([shared, small], 5, 0.5) == 8.0 * 7 / 32 + 0.5 + 1.0
    assert scaling.model([shared, small], 64, 0.0) == 8.0 / 32 + 1.0


def test_the_row_adds_what_is_not_a_job():
    found = scaling.row(
        [(Job("product", 64, 512, 784, 32, True), 8e-3)] * PERIOD, {1: 0.0}, {1: 10e-3}
    )
    assert found["rest_ms"] == pytest.approx(2.0)
    assert found["threads"]["1"]["model_ms"] == pytest.approx(10.0)
    assert found["threads"]["1"]["speedup"] == 1.0
    assert found["threads"]["4"]["model_speedup"] == pytest.approx(10 / 4)
    assert "median_ms" not in found["threads"]["4"]
    assert found["parts"] == [32]


def test_the_command_measures_and_predicts(capsys):
    arguments = ["bench", "--scaling", "--batch", "4", "--rounds", "2", "--threads", "2"]
    assert main([*arguments, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["batch"]["4"]["threads"]
    assert list(found) == [str(n) for n in scaling.THREADS]
    assert {n for n, row in found.items() if "median_ms" in row} == {"1", "2"}
    assert all(math.isfinite(number) for row in found.values() for number in row.values())


def test_the_table_has_a_line_for_each_number_of_threads(capsys):
    assert main(["bench", "--scaling", "--batch", "4", "--rounds", "1", "--threads", "1"]) == 0
    lines = capsys.readouterr().out.splitlines()
    rows = [line.split("|")[1:-1] for line in lines if line.startswith("|")]
    assert {len(row) for row in rows} == {6}
    assert [row[0].strip() for row in rows[2:]] == [str(n) for n in scaling.THREADS]
    assert rows[3][3].strip() == "–"
