"""Times the jobs of a training step where they stand in it, with the caches as they are there.

A job is a matrix product, or a loop that the threads share; docs/kernels.md explains jobs. What a
step does besides its jobs is Python, random numbers, copies, and the losses of a batch of logits.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np

import npgan

from .. import kernels
from ..kernels.compiled import job, job_list, team
from ..kernels.compiled.product import SHARED_FROM
from .problem import BATCHES, D_SIZES, G_SIZES, problem, weights_of

# In the order of the kernels' numbers.
KINDS = ("product", "adam", "average", "tanh", "tanh_gate", "loss", "mix")


class Job(NamedTuple):
    """What a job computes: a product (m, k) (k, n), or a loop over n numbers, in so many parts."""

    kind: str
    m: int
    n: int
    k: int
    parts: int
    shared: bool

    @property
    def flops(self) -> float:
        """The operations of a product; a multiply-add counts as two."""
        return 2.0 * self.m * self.n * self.k if self.kind == "product" else 0.0

    @property
    def group(self) -> str:
        """Where the time of this job is added up."""
        if self.kind != "product":
            return {"tanh_gate": "tanh"}.get(self.kind, self.kind)
        return "large products" if self.shared else "small products"


def described(words: np.ndarray) -> Job:
    """The job with these words. Whether threads share it follows from its size alone."""
    kind = KINDS[words[job.KIND]]
    m, n, k, parts = (int(words[at]) for at in (job.M, job.N, job.K, job.PARTS))
    if kind == "product":
        return Job(kind, m, n, k, parts, m * n * k >= SHARED_FROM)
    return Job(kind, 0, n, 0, parts, parts >= 4)


@contextmanager
def watched(found: list[tuple[Job, float]]) -> Iterator[None]:
    """While this lasts, jobs are computed one by one, and added to `found` with their seconds."""
    run_jobs: Callable[..., Any] = team.run_jobs

    def timed(
        rows: np.ndarray, settings: np.ndarray, words: np.ndarray, scalars: np.ndarray,
        own: np.ndarray, own_scalars: np.ndarray, workspace: int, helper: int, seen: int,
    ) -> int:  # fmt: skip
        rest = (words, scalars, own, own_scalars, workspace, helper, seen)
        if helper >= 0:
            return int(run_jobs(rows, settings, *rest))
        for i in range(max(len(rows), 1)):
            began = time.perf_counter()
            ended = run_jobs(rows[i : i + 1], settings[i : i + 1], *rest)
            seconds = time.perf_counter() - began
            found.append((described(rows[i] if len(rows) else words), seconds))
            if ended:
                return i + 1
        return 0

    team.run_jobs = job_list.run_jobs = timed
    try:
        yield
    finally:
        team.run_jobs = job_list.run_jobs = run_jobs


# ---- the two steps that are timed ----


def default_step(batch: int) -> Callable[[], Any]:
    """A step of GAN() on images of 28 x 28, with its penalty in every 16th step.

    It is a step after the first thousand, so the averages are updated in every 8th step.
    """
    gan = npgan.GAN(rng=0, batch=batch)
    gan.start((28, 28))
    gan.schedule_for(None)
    gan.adam_G.t = gan.adam_D.t = 64 * PERIOD
    images = problem(batch)["real"]
    return lambda: gan.step(images[gan.adam_G.t % BATCHES])


def classic_step(
    batch: int, G_sizes: Sequence[int] = G_SIZES, D_sizes: Sequence[int] = D_SIZES
) -> Callable[[], Any]:
    """The step that `npgan bench` compares with other libraries."""
    from . import in_npgan  # which sets the number of threads

    arrays = problem(batch, G_sizes, D_sizes)
    step = in_npgan.step(weights_of(arrays, "G"), weights_of(arrays, "D"))
    numbers = iter(range(10**12))

    def next_step() -> None:
        at = next(numbers) % BATCHES
        step(arrays["real"][at], arrays["z"][at])

    return next_step


STEPS = {"default": default_step, "classic": classic_step}
PERIOD = 16  # steps after which the default step repeats: one of them has the penalty


class Worker:
    """For `child`: times a step on as many threads as the process has."""

    def __init__(self, steps: dict[str, Callable[..., Callable[[], Any]]]):
        self.steps = steps
        kernels.use_kernels("compiled")
        kernels.set_threads(int(os.environ["OMP_NUM_THREADS"]))

    def start(self, step: str, **arguments: Any) -> dict[str, Any]:
        """Build the step and take it for the first times."""
        self.step = self.steps[step](**arguments)
        self.times(3 * PERIOD)  # the third step of a kind is the first of which all is prepared
        return {}

    def times(self, steps: int) -> list[float]:
        """The seconds of so many steps."""
        seconds = []
        for _ in range(steps):
            began = time.perf_counter()
            self.step()
            seconds.append(time.perf_counter() - began)
        return seconds

    def run(self) -> dict[str, Any]:
        """The seconds of the steps of one period, after one that is not timed."""
        self.times(PERIOD)
        return {"times": self.times(PERIOD)}

    def jobs(self, periods: int) -> dict[str, Any]:
        """The jobs of one period with their median seconds; where a kind repeats, in its order."""
        rounds: list[list[tuple[Job, float]]] = []
        for _ in range(periods):
            found: list[tuple[Job, float]] = []
            with watched(found):
                self.times(PERIOD)
            rounds.append(found)
        seconds = np.median([[s for _, s in found] for found in rounds], axis=0)
        return {"jobs": [[*one, s] for (one, _), s in zip(rounds[0], seconds, strict=True)]}

    def handout(self) -> dict[str, Any]:
        """The median seconds of a shared job without parts: to open and to close it."""
        x = np.zeros((1, 1), np.float32)
        jobs = job_list.JobList(x.dtype)
        jobs.product(x, x, False, False)
        jobs.rows[:, [job.PARTS, job.SHARED]] = 0, 1
        jobs.rows, jobs.settings = np.repeat(jobs.rows, 100, 0), np.repeat(jobs.settings, 100, 0)
        jobs.share, seconds = True, []
        for _ in range(50):
            began = time.perf_counter()
            jobs.compute()
            seconds.append((time.perf_counter() - began) / 100)
        return {"seconds": float(np.median(seconds))}
