"""Trains several programs on MNIST for the same seconds on the same cores, and scores them.

    python benchmarks/quality.py train OUT [--seconds 5 20 60 120 180] [--seeds 0 1 2]
                                           [--programs npgan ...]
    python benchmarks/quality.py score OUT       # scores of every .npy file there: OUT/scores.json
    python benchmarks/quality.py table OUT       # Markdown; --page writes it to docs/benchmarks.md
    python benchmarks/quality.py plot OUT DIR    # DIR/quality.png (curves), DIR/quality_samples.png

Each program trains in a process of its own, without other processes, with a clean environment and
all cores. The time starts at the second step, because the first one may compile, and does not count
the drawing of the 10,000 samples; everything else counts. npgan's learning rate falls towards the
end of a run, so that each of its times needs a separate run. Of its runs there are two sets of
samples: G's alone, as of the other programs, and those that `npgan sample` draws with the help of
D. The programs are in quality_programs.py, and the scores are those of `npgan evaluate`.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from quality_programs import HELPED, PROGRAMS, Entry, Sample

Programs = dict[str, Entry]
Curves = dict[str, dict[float, list[dict[str, Any]]]]  # program -> seconds -> scores of each seed
SCHEDULE = (5, 20, 60, 120, 180)
SAMPLES = 10_000
QUIET = {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "", "KERAS_BACKEND": "tensorflow"}


def narrate(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


# ---- training ----


class Done(Exception):  # noqa: N818
    """Raised after the last samples have been taken."""


class Clock:
    """Measures a program's time of training; the program calls `tick` after every step.

    The seconds count from the second step, without the drawing of samples. If `rate` is given, they
    are steps / rate instead.
    """

    def __init__(self, folder: Path, schedule: list[float], rate: float | None = None):
        self.folder, self.schedule, self.rate = folder, sorted(schedule), rate
        self.began, self.paused, self.seconds, self.steps = 0.0, 0.0, 0.0, 0
        self.end = self.schedule[-1]
        # The times of earlier runs that are not in this run's schedule are kept.
        file = folder / "clock.json"
        self.kept: list[dict[str, float]] = json.loads(file.read_text()) if file.exists() else []
        self.kept = [row for row in self.kept if row["mark"] not in schedule]

    def tick(self, sample: Sample, helped: Sample | None = None) -> None:
        """Count a step, save samples if it is time to, and raise Done after the last.

        What `helped` draws is saved as that of the program PROGRAM, D helps.
        """
        now = time.perf_counter()
        if self.began == 0.0:
            self.began = now
            return
        self.steps += 1
        self.seconds = self.steps / self.rate if self.rate else now - self.began - self.paused
        if self.seconds < self.schedule[0]:
            return
        mark = self.schedule.pop(0)
        self.kept.append({"mark": mark, "seconds": self.seconds, "steps": self.steps})
        self.save(self.folder, mark, sample)
        if helped is not None:
            program = self.folder.parent
            self.save(program.with_name(program.name + HELPED) / self.folder.name, mark, helped)
        if not self.schedule:
            raise Done
        self.paused += time.perf_counter() - now

    def save(self, folder: Path, mark: float, sample: Sample) -> None:
        """Write samples, and the times of the run, into a folder."""
        folder.mkdir(parents=True, exist_ok=True)
        np.save(folder / f"{mark:g}.npy", sample(SAMPLES).reshape(-1, 28, 28))
        (folder / "clock.json").write_text(json.dumps(self.kept))

    def done(self) -> float:
        """The share of the seconds that have passed."""
        return self.seconds / self.end


def runs(entry: Entry, seconds: Sequence[float]) -> list[Sequence[float]]:
    """The times of each run: one run for all, or one for each if the program has a schedule."""
    return [[s] for s in seconds] if entry.scheduled else [seconds]


def run_one(
    entry: Entry, folder: Path, seed: int, schedule: list[float], rate: float | None = None
) -> None:
    """Train a program in this process."""
    from npgan import datasets

    if len(runs(entry, schedule)) > 1:
        raise SystemExit("its schedule depends on the end of the run; give one time: --seconds 60")
    if entry.program is None:
        raise SystemExit("its samples come from the runs of another program; run that one")
    clock = Clock(folder, schedule, rate)
    try:
        entry.program(datasets.mnist().images, seed, clock)
    except Done:
        print(f"{clock.steps} steps in {clock.kept[-1]['seconds']:.1f} s")


def train(args: argparse.Namespace, programs: Programs) -> None:
    """Train the programs that were asked for, with every seed, one after the other."""
    from npgan.bench.child import environment
    from npgan.kernels.compiled import available_cores

    for seed in args.seeds:
        for program in args.programs:
            if programs[program].program is None:
                continue
            package = programs[program].package
            if not importlib.util.find_spec(package):
                narrate(f"{program} is left out: {package} is not installed")
                continue
            folder = args.out / program / f"seed{seed}"
            folder.mkdir(parents=True, exist_ok=True)
            clean = environment(
                args.threads or available_cores(), args.out.resolve() / "caches", QUIET
            )
            for seconds in runs(programs[program], args.seconds):
                words = [program, str(folder), "--seeds", str(seed)]
                train_one(f"{program}, seed {seed}", words, seconds, clean)


def train_one(name: str, words: list[str], seconds: Sequence[float], clean: dict[str, str]) -> None:
    """Call this script's `run-one` in another process, and report how it ended."""
    narrate(f"{name}: {max(seconds):g} s of training")
    command = [sys.executable, sys.argv[0], "run-one", *words, "--seconds", *map(str, seconds)]
    done = subprocess.run(command, env=clean, capture_output=True, text=True)
    lines = (done.stderr if done.returncode else done.stdout).strip().splitlines() or ["no output"]
    narrate(f"{name}: {'failed: ' if done.returncode else ''}{lines[-1]}")


# ---- scores ----


def samples(out: Path, programs: Programs) -> Iterator[tuple[str, str, float, Path]]:
    """(program, seed, seconds, file) of all samples in a directory, in order."""
    for program in programs:
        for folder in sorted((out / program).glob("seed*")):
            for file in sorted(folder.glob("*.npy"), key=lambda path: float(path.stem)):
                yield program, folder.name, float(file.stem), file


COMMON = ("judge", "real", "noise")  # the same for all samples, so the file has them once


def score(out: Path, programs: Programs) -> None:
    """Score the samples that are new since the last time, into OUT/scores.json."""
    from npgan.metrics import evaluate

    kept = out / "scores.json"
    scores = read(kept) if kept.exists() else {"samples": {}}
    for program, seed, seconds, file in samples(out, programs):
        name = f"{program}/{seed}/{seconds:g}"
        if scores["samples"].get(name, {}).get("written") == os.path.getmtime(file):
            continue
        found = evaluate(np.load(file))
        common = {key: found.pop(key) for key in COMMON}
        if scores.setdefault("judge", common["judge"])["sha256"] != common["judge"]["sha256"]:
            raise SystemExit(f"{kept} has the scores of another judge; remove it, and score again")
        for key in ("histogram", "notes"):
            found.pop(key, None)
        clock = json.loads((file.parent / "clock.json").read_text())
        steps = next(row["steps"] for row in clock if row["mark"] == seconds)
        scores["samples"][name] = {**found, "steps": steps, "written": os.path.getmtime(file)}
        narrate(f"{name}: Fréchet distance {found['frechet_distance']:.1f}")
        kept.write_text(json.dumps(scores | common, indent=1) + "\n")


def read(kept: Path) -> dict[str, Any]:
    """The contents of a file of scores."""
    try:
        scores: dict[str, Any] = json.loads(kept.read_text())
    except OSError:
        raise SystemExit(f"{kept} is not there; the action `score` makes it") from None
    if "samples" not in scores:
        raise SystemExit(f"{kept} is of an older form; remove it, and score again")
    return scores


def curves(kept: Path, programs: Programs) -> Curves:
    """The scores in a file."""
    scores = read(kept)
    common = {key: scores[key] for key in COMMON}
    found: Curves = {name: {} for name in programs}
    for name, row in sorted(scores["samples"].items()):
        program, _, seconds = name.rsplit("/", 2)
        if program in found:
            found[program].setdefault(float(seconds), []).append(row | common)
    return {program: by_second for program, by_second in found.items() if by_second}


def median(rows: list[dict[str, Any]], key: str) -> float:
    """The median of one score over the seeds."""
    return float(np.median([row[key] for row in rows]))


def distance(rows: list[dict[str, Any]], seeds: int) -> str:
    """A table's cell: the median distance, the range, and the number of seeds if it is another."""
    values = sorted(row["frechet_distance"] for row in rows)
    span = f" ({values[0]:.1f} to {values[-1]:.1f})" if len(rows) > 1 else ""
    count = "" if len(rows) == seeds else f", {len(rows)} seed{'s' if len(rows) > 1 else ''}"
    return f"{median(rows, 'frechet_distance'):.1f}{span}{count}"


def table(kept: Path, programs: Programs) -> str:
    """Fréchet distances at each time, the other scores at the last time that all programs have."""
    found = curves(kept, programs)
    marks = sorted({seconds for rows in found.values() for seconds in rows})
    common = [s for s in marks if all(s in by_second for by_second in found.values())]
    if not common:
        raise SystemExit(
            "there is no time at which every program has scores; train them for the same seconds"
        )
    by_second_judge = {
        program: {s: [row | row.get("convolutional", {}) for row in rows] for s, rows in at.items()}
        for program, at in found.items()
    }
    parts = [table_of(found, marks, common[-1])]
    if all("convolutional" in row for at in found.values() for rows in at.values() for row in rows):
        parts.append(table_of(by_second_judge, marks, common[-1]))
    return "\n\n".join(parts)


def table_of(found: Curves, marks: Sequence[float], last: float) -> str:
    """The table of one judge's scores."""
    lines = [
        "| program | seeds | steps/s | " + " | ".join(f"{s:g} s" for s in marks)
        + " | confident | digits | smallest share | precision | recall |",
        "|---" * (8 + len(marks)) + "|",
    ]  # fmt: skip
    for program, by_second in found.items():
        end = by_second[last]
        cells = [distance(by_second[s], len(end)) if s in by_second else "–" for s in marks]
        rate = median(end, "steps") / last
        lines.append(
            f"| {program} | {len(end)} | {rate:.0f} | "
            + " | ".join(cells)
            + f" | {median(end, 'confident'):.0%} | "
            f"{median(end, 'covered'):.0f} | {median(end, 'smallest_share'):.1%} | "
            f"{median(end, 'precision'):.2f} | {median(end, 'recall'):.2f} |"
        )
    common_scores = next(iter(next(iter(found.values())).values()))[0]
    title = common_scores["judge"]["title"]
    real, noise = (common_scores[key]["frechet_distance"] for key in ("real", "noise"))
    return "\n".join([
        f"Fréchet distance in the features of {title} (real images {real:.1f}, noise {noise:.0f}), "
        f"median of the seeds; the columns behind it after {last:g} s:",
        "", *lines,
    ])  # fmt: skip


# ---- the command ----


def publish(kept: Path, programs: Programs, page: str, part: str) -> None:
    """Write the table into docs/PAGE."""
    from page import PAGE, machine, put

    peers = sorted({entry.package for entry in programs.values()} - {"npgan"})
    put(part, f"{table(kept, programs)}\n\n{machine(*peers)}", PAGE.with_name(page))


def main() -> None:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    actions = parser.add_subparsers(dest="action", required=True)
    for action in ("train", "run-one", "score", "table", "plot"):
        sub = actions.add_parser(action)
        if action == "run-one":
            sub.add_argument("program", choices=PROGRAMS)
        sub.add_argument("out", type=Path)
        if action in ("train", "run-one"):
            sub.add_argument("--seconds", type=float, nargs="+", default=SCHEDULE)
            sub.add_argument("--seeds", type=int, nargs="+", default=[0])
        if action == "train":
            sub.add_argument("--programs", nargs="+", choices=PROGRAMS, default=list(PROGRAMS))
            sub.add_argument("--threads", type=int, help="default: all cores")
        if action == "plot":
            sub.add_argument("pictures", type=Path)
        if action == "table":
            sub.add_argument("--page", action="store_true", help="write it into docs/benchmarks.md")
    args = parser.parse_args()
    if args.action == "train":
        train(args, PROGRAMS)
    elif args.action == "run-one":
        run_one(PROGRAMS[args.program], args.out, args.seeds[0], args.seconds)
    elif args.action == "score":
        score(args.out, PROGRAMS)
    elif args.action == "table":
        print(table(args.out / "scores.json", PROGRAMS))
        if args.page:
            publish(args.out / "scores.json", PROGRAMS, "benchmarks.md", "quality")
    else:
        from quality_pictures import draw

        draw(args.out, curves(args.out / "scores.json", PROGRAMS), args.pictures)


if __name__ == "__main__":
    main()
