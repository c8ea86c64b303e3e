"""Scores the samples of finished runs with both judges: of G alone, and with the help of D.

    python benchmarks/guided.py RUN ... [--data mnist|PATH] [--n 10000] [--page]

Each RUN is the directory of a run, as `npgan train` and `npgan sweep` make them. The table has the
median over the runs, with the smallest and the largest. --page writes it into docs/recipes.md.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from page import PAGE, machine, median_cells, put

from npgan import GAN, datasets
from npgan.metrics.judge import SHIPPED, Judge
from npgan.metrics.scores import judge_scores, make_reference
from npgan.training.conditional import labels_for

WAYS = ((0, 1.0), (0, 0.8), (3, 1.0), (3, 0.97), (10, 0.95))  # refine, keep
COLUMNS = "Fréchet | confident | precision | recall | smallest share"
FORMS = {
    "frechet_distance": ".1f",
    "confident": ".1%",
    "precision": ".2f",
    "recall": ".2f",
    "smallest_share": ".1%",
}


def main() -> None:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("runs", type=Path, nargs="+", metavar="RUN")
    parser.add_argument("--data", default="mnist", help="what they were trained on")
    parser.add_argument("--n", type=int, default=10_000)
    parser.add_argument("--page", action="store_true", help="write docs/recipes.md")
    args = parser.parse_args()
    gans = [GAN.load(run) for run in args.runs]
    splits = [datasets.load(args.data, split) for split in ("train", "test")]
    lines = [
        f"Medians (with the smallest and the largest) of {len(gans)} runs:",
        "",
        f"| judge | refine, keep | {COLUMNS} |",
        "|---|---|" + "---|" * len(FORMS),
    ]
    judges = judges_of(gans[0])
    found: dict[str, list[str]] = {judge.sha256: [] for judge in judges}
    for refine, keep in WAYS:
        images = [samples(gan, refine, keep, args.n) for gan in gans]
        for judge in judges:
            reference = make_reference(judge, *splits)
            rows = [judge_scores(judge, reference, judge.predict(x)) for x in images]
            kind = "conv." if judge.convolutional else "dense"
            line = f"| {kind} | {refine}, {keep} | {' | '.join(median_cells(rows, FORMS))} |"
            print(line, file=sys.stderr)
            found[judge.sha256].append(line)
    lines += [line for judge in judges for line in found[judge.sha256]]
    print("\n".join(lines))
    if args.page:
        part = "help" if args.data == "mnist" else "help-other"
        put(part, "\n".join([*lines, "", machine()]), PAGE.with_name("recipes.md"))


def judges_of(gan: GAN) -> list[Judge]:
    """The judges in the package that know the images of this run."""
    judges = [Judge.load(name) for name in SHIPPED]
    found = [judge for judge in judges if judge.crc32["train"] == gan.data_.get("crc32")]
    if not found:
        raise SystemExit("no judge in the package knows the images of these runs")
    return found


def samples(gan: GAN, refine: int, keep: float, n: int) -> Any:
    """The samples of a run, one in each row; of a conditional run of every class in turn."""
    labels = labels_for(n, None, gan.classes_)
    return gan.sample(n, gan.config["rng"], labels, refine, keep).reshape(n, -1)


if __name__ == "__main__":
    main()
