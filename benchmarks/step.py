"""One training step, an update of D and one of G with Adam, in several libraries.

    python benchmarks/step.py [--batch 32 64 128] [--peers npgan torch-eager ...] [--threads 2]
                              [--json FILE] [--page]

This is `npgan bench` with all peers by default, and with the results written to a file. The peers
are npgan/bench/in_*.py; those whose library is not installed are left out.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from page import machine, put

from npgan.bench.peers import PEERS, installed
from npgan.bench.step import compare, table


def narrate(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def main() -> None:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("--batch", type=int, nargs="+", default=[32, 64, 128])
    parser.add_argument("--peers", nargs="+", choices=PEERS, default=list(PEERS))
    parser.add_argument("--threads", type=int)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--json", type=Path, help="also write the results to this file")
    parser.add_argument(
        "--page", action="store_true", help="write the table into docs/benchmarks.md"
    )
    args = parser.parse_args()
    results = compare(
        installed(args.peers, narrate), args.batch, args.threads, args.rounds, narrate
    )
    print(table(results))
    if args.json:
        args.json.write_text(json.dumps(results, indent=2) + "\n")
    if args.page:
        put(
            "step",
            f"{machine('torch', 'jax', 'tensorflow', 'keras', 'tinygrad')}\n\n{table(results)}",
        )


if __name__ == "__main__":
    main()
