"""Many runs: each of several settings with each of several seeds, on any executor.

A run has a directory of its own, so a sweep that was stopped anywhere goes on: complete runs are
left out, begun ones resumed. The results do not depend on who trained which run.
"""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, as_completed
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from .. import plot
from ..files.atomic import write_text
from .model import GAN
from .pictures import with_height
from .settings import EPOCHS, SETTINGS, Seed
from .sweep_runs import Job, Result, train_one

SHOWN = 16  # samples of each run in the picture
MAX_ROWS = 100  # runs in the picture


def sweep(
    configs: Mapping[str, Mapping[str, Any]],
    seeds: Iterable[int],
    executor: Executor | None = None,
    *,
    data: str = "mnist",
    epochs: int = 24,
    out: str | os.PathLike[str] = "sweep",
    threads: int | None = None,
    report: Callable[[Result], object] | None = None,
) -> list[Result]:
    """Train a GAN with each of several settings and each of several seeds.

    Parameters
    ----------
    configs : dict of str to dict
        The arguments of `GAN`, but for rng, by the names of the directories of the runs.
    seeds : sequence of int
        The seeds of the runs.
    executor : Executor, optional
        Trains the runs, with the interface of concurrent.futures: of processes, of loky, of Dask
        (``client.get_executor()``), of mpi4py.futures. Its workers must see the same files. By
        default this process trains one after the other.
    data : str, default "mnist"
        What `npgan.datasets.load` reads in each worker.
    epochs : int, default 24
        Passes through the data.
    out : path, default "sweep"
        The directory of the sweep: a directory for each run, such as NAME-3 for seed 3, the table
        sweep.csv and, of images, the picture sweep.png with a row of samples for each run.
    threads : int, optional
        Threads of each run; by default as many as the worker uses anyway.
    report : function, optional
        Called with each `Result` when its run ends.

    Returns
    -------
    list of Result
        In the order of `configs` and `seeds`. A run that failed does not stop the others.

    Raises
    ------
    ValueError
        Settings, seeds or epochs that are not allowed.

    Notes
    -----
    Called again with the same arguments, it leaves out complete runs and continues begun ones. The
    files of the runs have the same bits whatever executor trained them.

    Examples
    --------
    >>> from concurrent.futures import ProcessPoolExecutor
    >>> configs = {"default": {}, "hinge": {"loss": "hinge"}}
    >>> with ProcessPoolExecutor(4) as pool:  # doctest: +SKIP
    ...     results = npgan.sweep(configs, range(16), pool, threads=1)
    """
    jobs = plan(configs, seeds, data, EPOCHS.check(epochs), Path(out), threads)
    Path(out).mkdir(parents=True, exist_ok=True)
    results = dict(run_all(jobs, executor, report or (lambda result: None)))
    ordered = [results[i] for i in range(len(jobs))]
    write_text(Path(out, "sweep.csv"), table(ordered))
    draw(ordered, Path(out, "sweep.png"))
    return ordered


def plan(
    configs: Mapping[str, Mapping[str, Any]],
    seeds: Iterable[int],
    data: str,
    epochs: int,
    out: Path,
    threads: int | None,
) -> list[Job]:
    """The runs. Raises ValueError for settings, names or seeds that are not allowed."""
    numbers = [Seed.item.check("a seed", seed) for seed in seeds]
    if not numbers or not configs:
        raise ValueError("a sweep needs one set of settings and one seed at least")
    if len(set(numbers)) < len(numbers):
        raise ValueError("a seed is given twice")
    for name, settings in configs.items():
        if not name or Path(name).name != name or name in (".", ".."):
            raise ValueError(f"a directory of runs cannot be called {name!r}; choose another name")
        if unknown := sorted(set(settings) - {s.name for s in SETTINGS if s.name != "rng"}):
            raise ValueError(f"{name} has {unknown[0]!r}, which is no setting of GAN in a sweep")
        try:
            GAN(**settings)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None
    return [
        Job(name, dict(settings), int(seed), data, epochs, out / f"{name}-{seed}", threads)
        for name, settings in configs.items()
        for seed in numbers
    ]


def run_all(
    jobs: Sequence[Job], executor: Executor | None, report: Callable[[Result], object]
) -> Iterator[tuple[int, Result]]:
    """Train all runs; yields the number of each and its result when it ends."""
    if executor is None:
        for i, job in enumerate(jobs):
            result = train_one(job)
            report(result)
            yield i, result
        return
    futures = {executor.submit(train_one, job): i for i, job in enumerate(jobs)}
    try:
        for future in as_completed(futures):
            report(future.result())
            yield futures[future], future.result()
    finally:
        for future in futures:
            future.cancel()


def table(results: Sequence[Result]) -> str:
    """The last rows of all runs as the text of a CSV file."""
    columns = dict.fromkeys(name for result in results for name in result.row)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["name", "seed", *columns, "error"])
    for r in results:
        writer.writerow([r.name, r.seed, *(r.row.get(c, "") for c in columns), r.error])
    return text.getvalue()


def summary(results: Sequence[Result]) -> str:
    """A line for each set of settings: its complete runs, and mean ± deviation of the last rows."""
    columns = [c for c in dict.fromkeys(n for r in results for n in r.row) if c != "epoch"]
    lines = [["settings", "runs", *columns]]
    for name in dict.fromkeys(r.name for r in results):
        mine = [r for r in results if r.name == name]
        rows = [r.row for r in mine if r.state in ("trained", "resumed", "done")]
        cells = []
        for column in columns:
            values = np.array([row[column] for row in rows if column in row])
            cells.append(f"{values.mean():.3f} ± {values.std():.3f}" if values.size else "-")
        lines.append([name, f"{len(rows)}/{len(mine)}", *cells])
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def draw(results: Sequence[Result], path: Path) -> None:
    """Write a row of samples of each complete run of images, from the same latent vectors."""
    rows: list[npt.NDArray[Any]] = []
    for result in results:
        if result.state in ("trained", "resumed", "done") and len(rows) < MAX_ROWS:
            gan = GAN.load(result.out)
            if not gan.pixels_:
                return
            rows.append(with_height(gan.sample(SHOWN, rng=0)))
    if rows:
        plot.save(plot.grid(np.concatenate(rows), SHOWN, scale=1), path)
