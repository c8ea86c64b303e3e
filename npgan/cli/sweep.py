"""`npgan sweep`: many runs, several at a time."""

from __future__ import annotations

import argparse
import json
import stat
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from ..files.checkpoint import without_repetition
from ..kernels.cores import available_cores
from ..training.settings import EPOCHS
from ..training.sweep import summary
from ..training.sweep import sweep as train_all
from ..training.sweep_runs import Result, pool, stop_event
from .output import CommandError, UsageError, print_message, print_result

LARGEST_FILE = 1_000_000  # bytes


def sweep(args: argparse.Namespace) -> dict[str, Any] | str:
    """Train the runs of a file of settings, and print a table."""
    configs, seeds = read_configs(args.file), read_seeds(args.seeds)
    out = args.out or Path("runs", args.file.stem)
    threads = args.threads or max(1, available_cores() // args.jobs)
    if out.exists() and not out.is_dir():
        raise CommandError(f"{out} is a file; --out must be a directory")
    stop = stop_event()
    workers: ProcessPoolExecutor = pool(args.jobs, stop)
    try:
        results = train_all(
            configs, seeds, workers, data=args.data or "mnist",
            epochs=args.epochs or EPOCHS.default, out=out, threads=threads, report=tell,
        )  # fmt: skip
    except KeyboardInterrupt:
        print_message(f"stopped; each run in {out} is saved, the same command goes on from there")
        raise
    finally:
        stop.set()
        workers.shutdown(cancel_futures=True)
    failed = [result for result in results if result.state not in ("trained", "resumed", "done")]
    found: dict[str, Any] | str = summary(results)
    if args.json:
        found = {r.out.name: {"state": r.state, **r.row, "error": r.error} for r in results}
    if failed:
        print_result(json.dumps(found) if args.json else str(found))
        raise CommandError(f"{len(failed)} of {len(results)} runs failed; see {out}/sweep.csv")
    return found


def tell(result: Result) -> None:
    """Print how a run has ended."""
    print_message(f"{result.out}: {result.state}{f' ({result.error})' if result.error else ''}")


def read_configs(file: Path) -> dict[str, dict[str, Any]]:
    """The settings by name; CommandError if the file holds no such thing."""
    found = file.stat()
    if not stat.S_ISREG(found.st_mode) or found.st_size > LARGEST_FILE:
        raise CommandError(f"{file} is no file of settings: it must be a JSON file of at most 1 MB")
    try:
        configs = json.loads(
            file.read_text(encoding="utf-8-sig"), object_pairs_hook=without_repetition
        )
    except (ValueError, RecursionError) as error:
        raise CommandError(f"{file} is not JSON that can be read ({error})") from None
    if not isinstance(configs, dict) or not all(isinstance(c, dict) for c in configs.values()):
        raise CommandError(
            f'{file} must hold settings by name, such as {{"small": {{"batch": 32}}}}'
        )
    return configs


def read_seeds(texts: list[str]) -> list[int]:
    """Seeds from words such as 3 or 0:16, whose end is not included."""
    seeds: list[int] = []
    for text in texts:
        first, colon, last = text.partition(":")
        if not first.isdecimal() or (colon and not last.isdecimal()):
            raise UsageError(f"--seeds takes numbers, or ranges such as 0:16; got {text}")
        chosen = range(int(first), int(last)) if colon else [int(first)]
        if not chosen:
            raise UsageError(f"--seeds {text} has no seed in it; the end of a range is left out")
        seeds += chosen
    return seeds
